"""prune() says before a long run how long it will take, and what is cheaper; a short one says nothing."""

import logging

import numpy as np
import pytest

from subsetsum_nets import Box, Dense, ReluNetwork, prune, work_estimate
from subsetsum_nets.constructions.protocol import RowGroup, RowPlace
from subsetsum_nets.work_estimate import WorkEstimate, announce, estimated_work


def rows(count, items):
    place = RowPlace(0, "positive", np.arange(count), 1)
    shape = (1, count, items)
    return RowGroup(
        place, np.ones(shape), np.ones(shape, bool), np.zeros(shape[:2]), np.zeros(shape, np.int64)
    )


def test_the_time_grows_with_rows_and_doubles_with_two_items():
    for items in (26, 30, 36, 42):
        one, two = (estimated_work([rows(100, n)], threads=1).seconds for n in (items, items + 2))
        assert two == pytest.approx(2 * one, rel=0.05)
    assert estimated_work([rows(50, 30), rows(50, 30)]).seconds == estimated_work([rows(100, 30)]).seconds
    assert (
        estimated_work([rows(50, 30)], threads=4).seconds < estimated_work([rows(50, 30)], threads=1).seconds
    )
    assert estimated_work([], threads=1) == WorkEstimate(0, 0, 0.0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("items", [20, 28, 36])
def test_the_time_is_about_what_is_measured(items):
    import time

    from solvers import solve_many

    rng = np.random.default_rng(0)
    count = {20: 2000, 28: 400, 36: 20}[items]
    numbers = rng.uniform(-1, 1, (count, items)) * rng.uniform(-1, 1, (count, items))
    targets, options = rng.uniform(-0.5, 0.5, count), {"tolerance": 2.0 ** (6 - items), "threads": 1}
    solve_many(numbers[:2], targets[:2], **options)
    started = time.process_time()
    solve_many(numbers, targets, **options)
    taken = time.process_time() - started
    assert taken / 10 < estimated_work([rows(count, items)], threads=1).seconds < 10 * taken


def test_long_runs_are_announced_and_short_ones_are_not(caplog, monkeypatch):
    caplog.set_level(logging.WARNING)
    announce(WorkEstimate(10, 20, 59.0, 1000))
    assert not caplog.records
    announce(WorkEstimate(12_345, 44, 3 * 3600.0, 2 * 10**9))
    (record,) = caplog.records
    for part in (
        "12,345 subset sums of up to 44 items",
        "3 hours",
        "2.0 GB",
        "epsilon",
        "within",
        "checkpoint",
    ):
        assert part in record.getMessage()
    caplog.clear()
    monkeypatch.setattr(work_estimate, "_LONG", 0.0)
    prune(ReluNetwork([Dense([[0.5]])]), epsilon=0.1, domain=Box(0, 1))
    assert caplog.records

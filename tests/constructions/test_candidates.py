"""The number of candidates: predictions that come true, about as often as they say."""

import math

import numpy as np
import pytest
from constructions.tiny_targets import NAMES, target

from solvers import solve_many
from subsetsum_nets.allocation.compile_task import CompileTask
from subsetsum_nets.allocation.recursion import RecursionAllocation
from subsetsum_nets.allocation.sizing import predicted_errors
from subsetsum_nets.compiler import prune
from subsetsum_nets.constructions import construction_named
from subsetsum_nets.constructions.protocol import RowGroup, RowPlace
from subsetsum_nets.networks import Box, Dense, ReluNetwork

SMALL = target((6, 5, 3), seed=1)


def rows_of(items, goals, valid=None):
    valid = np.ones(items.shape, dtype=bool) if valid is None else valid
    n, m = items.shape
    return RowGroup(
        RowPlace(0, "both", np.zeros(1, np.int64), n),
        np.where(valid, items, 0.0).reshape(n, 1, m),
        valid.reshape(n, 1, m),
        goals.reshape(n, 1),
        np.zeros((n, 1, m), np.int64),
    )


def random_rows(m, law, where, rng, count=3000):
    items = rng.uniform(-1, 1, (count, m)) * (1.0 if law == "uniform" else rng.uniform(0, 1, (count, m)))
    mean, spread = items.sum(axis=1) / 2, np.sqrt((items**2).sum(axis=1)) / 2
    if where == "centre":
        return items, mean + spread * rng.uniform(-1, 1, count)
    if where == "tail":
        return items, mean + spread * rng.choice([-1, 1], count) * rng.uniform(2, 2.5, count)
    return items, rng.uniform(-0.5, 0.5, count)


@pytest.mark.slow
@pytest.mark.parametrize("m", [10, 14, 18])
@pytest.mark.parametrize("law", ["uniform", "product"])
@pytest.mark.parametrize("where", ["centre", "weights", "tail"])
def test_as_many_rows_miss_their_prediction_as_it_says(m, law, where):
    items, goals = random_rows(m, law, where, np.random.default_rng(0), 3000 if m < 18 else 1500)
    errors = solve_many(items, goals, threads=1).errors
    group = rows_of(items, goals)
    for level in (1.0, 2.0, 3.0):
        q = predicted_errors(group, 1, 2 * math.exp(-level))[:, 0]
        within_reach = q < np.abs(goals) / 2
        missed = float((errors > q)[within_reach].mean())
        assert 0.8 * math.exp(-level) < missed < (3.0 if m == 10 else 2.0) * math.exp(-level)
    # L counts the rows: N rows at delta are like one row at delta / N.
    assert predicted_errors(group, 500, 0.5)[0, 0] == pytest.approx(predicted_errors(group, 1, 0.001)[0, 0])


def test_out_of_reach_predicts_the_weight_itself():
    items = np.abs(np.random.default_rng(0).uniform(0, 0.1, (4, 9)))
    goals = np.array([0.95, -0.3, 100.0, 1e6])
    assert predicted_errors(rows_of(items, goals), 1, 0.1)[:, 0].tolist() == np.abs(goals).tolist()
    nothing = rows_of(items, goals, np.zeros(items.shape, dtype=bool))
    assert predicted_errors(nothing, 1, 0.1)[:, 0].tolist() == np.abs(goals).tolist()
    assert predicted_errors(rows_of(items, np.zeros(4)), 1, 0.1).max() == 0.0


def test_predictions_scale_with_the_items():
    items, goals = random_rows(12, "uniform", "weights", np.random.default_rng(1), 50)
    for unit in (1e-12, 1e6):
        scaled = predicted_errors(rows_of(items * unit, goals * unit), 3, 0.1)
        assert scaled == pytest.approx(predicted_errors(rows_of(items, goals), 3, 0.1) * unit, rel=1e-6)


def sized(name, epsilon, delta, f=SMALL, domain=None):
    domain = domain or Box(-1, 1)
    task = CompileTask(construction_named(name), f, domain, epsilon, delta)
    return RecursionAllocation(task).sizing


@pytest.mark.thinned
@pytest.mark.parametrize("name", NAMES)
def test_more_is_asked_for_a_smaller_epsilon_or_delta(name):
    by_epsilon = [sized(name, e, 0.01).candidates for e in (1.0, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)]
    assert by_epsilon == sorted(by_epsilon)
    assert by_epsilon[0] < by_epsilon[-1]
    by_delta = [sized(name, 0.03, d).candidates for d in (0.9, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4)]
    assert by_delta == sorted(by_delta)
    assert by_delta[0] < by_delta[-1]
    # Theorem 1: logarithmic in 1 / epsilon
    steps = np.diff([sized(name, 10.0**-k, 0.1).candidates for k in range(1, 6)])
    assert steps.max() <= 2.5 * max(1, steps.min())


def test_enough_says_whether_the_prediction_meets_it():
    assert all(sized(name, 1e-4, 0.1).enough for name in NAMES)
    assert not any(sized(name, 1e-14, 0.1).enough for name in NAMES)


@pytest.mark.parametrize("epsilon", [0.1, 0.01, 1e-3])
@pytest.mark.parametrize("domain", [Box(-1, 1), Box(0, 1)])
def test_relu_needs_at_most_0_6_of_the_random_weights_of_the_paper(epsilon, domain):
    counts = {
        name: construction_named(name)
        .recipe(SMALL, sized(name, epsilon, 0.01, domain=domain).candidates)
        .random_parameters
        for name in ("relu", "relu-paper")
    }
    assert counts["relu"] <= 0.6 * counts["relu-paper"]


def failures(name, f, epsilon, delta, seeds):
    return sum(
        not prune(f, construction=name, epsilon=epsilon, delta=delta, seed=s, threads=1).certificate.verified
        for s in seeds
    )


def most_likely(trials, delta):
    """Return a number of failures that chance alone exceeds with probability under 1e-3."""
    from scipy.stats import binom

    return int(binom.isf(1e-3, trials, delta))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_no_more_draws_fail_than_delta_allows(name):
    assert failures(name, SMALL, 0.1, 0.1, range(20)) <= most_likely(20, 0.1)
    assert failures(name, target((4, 4, 4), seed=2, bias=False), 0.05, 0.01, range(20)) <= most_likely(
        20, 0.01
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 0.1), (0.001, 0.01)])
def test_no_more_draws_fail_than_delta_allows_at_length(name, epsilon, delta):
    for f in (target((6, 5, 3), seed=3, scale=1.0), ReluNetwork([Dense([[0.5]])])):
        assert failures(name, f, epsilon, delta, range(24)) <= most_likely(24, delta)

"""Rows answered in one pass: exact errors, never worse than the empty subset, the same every time."""

from fractions import Fraction

import numpy as np
import pytest

from subsetsum_nets import one_pass_rows
from subsetsum_nets.one_pass_rows import error_up, subset_of


def exact_error(items, target):
    sums = [sum((Fraction(x) for x in column.tolist()), Fraction()) for column in items.T]
    return max(abs(Fraction(t) - s) for t, s in zip(target.tolist(), sums, strict=True))


def cases():
    rng = np.random.default_rng(0)
    for n, d in ((1, 1), (40, 2), (200, 5), (60, 30)):
        sizes = np.exp2(-12 * rng.random((n, 1)))
        yield sizes * rng.normal(size=(n, d)), rng.uniform(-0.5, 0.5, d)


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 1.0])
def test_a_subset_is_never_worse_than_none_and_its_error_is_exact(tolerance):
    for items, target in cases():
        taken, error = subset_of(items, target, tolerance)
        exact = exact_error(items[taken], target)
        assert exact <= Fraction(error)
        assert error == 0 or Fraction(np.nextafter(np.nextafter(error, 0), 0)) <= exact
        assert exact <= max(abs(Fraction(t)) for t in target.tolist())
        again = subset_of(items, target, tolerance)
        assert np.array_equal(again[0], taken)
        assert again[1] == error


def test_polishing_is_left_out_where_a_pass_is_within_the_tolerance(monkeypatch):
    items, target = list(cases())[2]
    once = subset_of(items, target, 1.0)
    polished = subset_of(items, target, 0.0)
    assert polished[1] < once[1]
    monkeypatch.setattr(one_pass_rows, "flip_if_shorter", None)
    monkeypatch.setattr(one_pass_rows, "take_towards_half", None)
    monkeypatch.setattr(one_pass_rows, "anneal_sixth", None)
    assert subset_of(items, target, once[1])[1] <= once[1]


def test_an_error_that_cancels_in_floating_point_is_not_lost():
    items = np.array([[2.0**60], [1.0], [-(2.0**60)]])
    assert error_up(items, np.array([0.0])) == np.nextafter(1.0, 2.0)
    assert error_up(items[:0], np.array([0.0])) == 0.0


def test_annealing_brings_normal_items_nearer(monkeypatch):
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(12):
        items, target = rng.normal(size=(400, 1)) * rng.normal(size=(400, 12)), rng.uniform(-0.5, 0.5, 12)
        with monkeypatch.context() as without:
            without.setattr(one_pass_rows, "_annealed", lambda items, order, taken, target: taken)
            before = subset_of(items, target, 0.0)[1]
        after = subset_of(items, target, 0.0)[1]
        assert after <= before
        errors.append(after / before)
    assert np.median(errors) < 0.8

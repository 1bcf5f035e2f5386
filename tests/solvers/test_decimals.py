"""Cents as floats: the message says what keeps them apart, and only where it does."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from solvers import Status, SubsetSum, solve

HINT = "misses by less than the rounding of the decimals: give Decimal, Fraction or a tolerance"
CENTS = np.round(np.random.default_rng(3).uniform(1, 500, 24), 2)


def message(items, target, tolerance=0, **options):
    answer = solve(SubsetSum(items, target, tolerance=tolerance), **options)
    assert answer.status is Status.INFEASIBLE
    return answer.message


@pytest.mark.parametrize("objective", ["nearest", "within", "sparsest"])
@pytest.mark.parametrize(
    ("items", "target"),
    [
        ([0.1, 0.2, 0.7], 0.3),
        (CENTS, float(round(sum(CENTS[::3].tolist()), 2))),
        ([[0.1, 1], [0.2, 2]], (0.3, 3)),
        (np.array([0.1, 0.2], np.float32), 0.3),
        ([1 / 3, 1 / 3, 1 / 3], 1 - 2**-53),
        ([0.1, 2, Fraction(1, 5)], Decimal("0.3")),
    ],
    ids=repr,
)
def test_decimals_that_miss_by_their_rounding_are_told_so(items, target, objective):
    told = message(items, target, objective=objective)
    assert told.endswith("give Decimal, Fraction or a tolerance")
    assert HINT in told or objective != "nearest"


@pytest.mark.parametrize(
    ("items", "target", "tolerance"),
    [
        ([0.1, 0.2], 0.31, 0),
        ([0.1, 0.2], 0.31, 0.001),
        ([0.5, 0.25], 0.75 + 1e-9, 0),
        ([1, 2], 4, 0),
        ([Fraction(1, 10), Decimal("0.2")], Fraction(3, 10) + Fraction(1, 10**17), 0),
        ([1.0, 2.0], 1e-9, 0),
    ],
)
def test_others_are_not(items, target, tolerance):
    assert "decimals" not in message(items, target, tolerance)


def test_a_backend_that_shows_no_subset_still_says_what_floats_are():
    assert "floats are taken exactly" in message([0.1, 0.2, 0.7], 0.3, backend="cp-sat", objective="within")


def test_what_the_message_asks_for_helps():
    for items in ([Decimal("0.1"), Decimal("0.2")], [Fraction(1, 10), Fraction(1, 5)]):
        assert solve(SubsetSum(items, Decimal("0.3"), tolerance=0)).status is Status.OPTIMAL
    assert solve(SubsetSum([0.1, 0.2], 0.3, tolerance=1e-9)).status is Status.OPTIMAL

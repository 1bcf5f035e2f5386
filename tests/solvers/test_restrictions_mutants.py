"""Mistakes planted in what reduces, checks, bounds and draws: each is noticed."""

from collections import Counter

import numpy as np
import pytest
from support.planting import plant
from support.restricted_cases import check_lists, check_solve, drawn

from solvers import (
    CertificateError,
    InvalidProblemError,
    Solution,
    SubsetSum,
    count,
    count_bounds,
    decimals,
    sample,
    solve,
)
from solvers.estimating import _on_grid
from solvers.instances import pages
from solvers.problem import SubsetSum as Problem
from solvers.restrictions import Reduction, _by_halving, _finding, _in_box, _next_on_side
from solvers.sampling import _numbered

CASES = [case for seed in range(250) if (case := drawn(seed)) is not None]


def check_all(case):
    check_solve(case)
    check_lists(case)


REDUCTIONS = {
    "required items count for the target": (Reduction.core, "m - f", "m"),
    "a box shrinks inward": (Reduction.box_core, "math.ceil(low / unit)", "math.floor(low / unit)"),
    "coordinates are scaled": (Reduction.box_core, "2 * widest / unit", "Fraction(1)"),
    "one side has one end": (
        Reduction.box,
        "(low - min(error, limit) * below, high + min(error, limit) * above)",
        "(low - min(error, limit) * below, high + min(error, limit))",
    ),
    "sizes without the required items": (
        Reduction.__init__,
        "min(high - taken, int(self.uses.sum()))",
        "min(high, int(self.uses.sum()))",
    ),
    "required items come back": (Reduction.lifted, "[*chosen, *self.problem.required]", "chosen"),
    "a size bound counts the required items": (
        _finding,
        "solution.size_bound + len(reduction.problem.required)",
        "solution.size_bound",
    ),
    "the gap grows": (_next_on_side, "bound += solution.error", "bound += 2 * solution.error"),
    "a box without a sum is a bound": (
        _by_halving,
        "bound = step * (math.floor(error / step) + 1)",
        "bound = step * (math.floor(error / step) + 9)",
    ),
    "the fewest items, then the nearest of so many": (
        _in_box,
        "_nearest(reduction, ask, (solution.size, solution.size))",
        "_nearest(reduction, ask)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", REDUCTIONS)
def test_mistakes_in_reductions_are_noticed(monkeypatch, mistake):
    plant(monkeypatch, *REDUCTIONS[mistake])
    # A refusal of the package's own is as good as a difference.
    with pytest.raises((AssertionError, CertificateError, InvalidProblemError, IndexError)):
        list(map(check_all, CASES))


CHECKS = {
    "required": (Problem.objection, "i not in chosen", "i < 0"),
    "forbidden": (Problem.objection, "i in chosen", "i < 0"),
    "below": (Problem.objection, "s > t", "s > t + 10"),
    "above": (Problem.objection, "s < t", "s < t - 10"),
}


def lies(problem, **changes):
    answer = solve(SubsetSum(problem.items, problem.target, tolerance=9))
    Solution(**{**vars(answer), **changes}).check(problem)


@pytest.mark.parametrize("mistake", CHECKS)
def test_mistakes_in_the_check_are_noticed(monkeypatch, mistake):
    options = {
        "required": {"required": [2]},
        "forbidden": {"forbidden": [0]},
        "below": {"side": "below"},
        "above": {"side": "above"},
    }[mistake]
    target = 4 if mistake == "above" else 2
    problem = SubsetSum([3, 7, 20], target, tolerance=9, **options)
    with pytest.raises(CertificateError):
        lies(problem)
    plant(monkeypatch, *CHECKS[mistake])
    lies(problem)


INNER = "inner = math.ceil(Fraction(low + down, grid)), (high - up) // grid"
OUTER = "outer = math.ceil(Fraction(low - up, grid)), (high + down) // grid"
BOUNDS = {
    "the window narrows by what was rounded down": (INNER, INNER.replace("low + down", "low - down")),
    "the window narrows by what was rounded up": (INNER, INNER.replace("high - up", "high + up")),
    "the window widens by what was rounded up": (OUTER, OUTER.replace("low - up", "low + up")),
    "the window widens by what was rounded down": (OUTER, OUTER.replace("high + down", "high - down")),
}


@pytest.mark.parametrize("mistake", BOUNDS)
def test_mistakes_in_bounds_on_counts_are_noticed(monkeypatch, mistake):
    plant(monkeypatch, _on_grid, *BOUNDS[mistake])
    monkeypatch.setattr("solvers.estimating._exactly", lambda *_: None)
    monkeypatch.setattr("solvers.estimating._COARSEST", 5)
    monkeypatch.setattr("solvers.estimating._FINEST", 5)
    rng = np.random.default_rng(5)
    problems = [
        SubsetSum(rng.uniform(-1, 1, 14), float(rng.uniform(-1, 1)), tolerance=0.3) for _ in range(12)
    ]
    wrong = [p for p in problems if not (b := count_bounds(p)).low <= count(p) <= b.high]
    assert wrong


def test_a_mistake_in_the_numbering_of_subsets_is_noticed(monkeypatch):
    monkeypatch.setattr("solvers.sampling._FEW", 3)
    monkeypatch.setattr("solvers.sampling._A_DRAW", 0)
    problem = SubsetSum([3, 5, 9, 11, -2, 4], 13, tolerance=3)
    plant(monkeypatch, _numbered, "rank - first < fewer", "rank - first <= fewer")
    try:
        seen = Counter(tuple(a.subset.tolist()) for a in sample(problem, 400, seed=3))
    except IndexError:
        return
    assert len(seen) != count(problem)


def test_mistakes_in_reading_decimals_are_noticed(monkeypatch):
    plant(monkeypatch, decimals._is_near, "exact <= rounding or read <= 0", "exact <= 1")
    problem = SubsetSum([0.1, 0.2], 0.31, tolerance=0)
    assert decimals.misses_by_rounding(problem, [0, 1])
    right = "return int(number) if number.denominator == 1 else number"
    plant(
        monkeypatch,
        pages.number_of,
        f"number = Fraction(word)\n{right}",
        "number = Fraction(word)\nreturn 2 * number",
    )
    assert pages.number_of("3.0") != 3

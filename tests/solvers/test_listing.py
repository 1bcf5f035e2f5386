"""count() and solutions(): all subsets within the tolerance, exactly, best first."""

from fractions import Fraction
from itertools import combinations, islice, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import Case, cases, error_of

import solvers
from solvers import InvalidProblemError, SubsetSum, UnsupportedProblemError, count, solutions


def all_subsets(case):
    """List (error, subset) of every allowed subset, by trying them all."""
    low, high = case.problem.sizes
    return sorted(
        (error_of(case.items, case.target, subset), subset)
        for size in range(low, high + 1)
        for subset in combinations(range(len(case.items)), size)
    )


def test_every_subset_within_the_tolerance_is_counted_and_listed_once_by_auto():
    counted_and_listed_once("auto")


@pytest.mark.thinned
def test_every_subset_within_the_tolerance_is_counted_and_listed_once(counting_backend):
    counted_and_listed_once(counting_backend)


def counted_and_listed_once(backend):
    @settings(max_examples=40, deadline=None)
    @given(cases(max_items=7, dimensions=(1, 1, 2), tolerance="always"))
    def check(case):
        expected = [(error, subset) for error, subset in all_subsets(case) if error <= case.problem.tolerance]
        try:
            number = count(case.problem, backend=backend)
            listed = list(solutions(case.problem, backend=backend))
        except UnsupportedProblemError:
            assert backend != "auto", "so few items are for everyone"
            return
        assert number == len(expected)
        shown = [(s.error, tuple(s.subset.tolist())) for s in listed]
        assert [error for error, _ in shown] == [error for error, _ in expected], "best first"
        assert sorted(shown) == expected

    check()


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(cases(max_items=8, dimensions=(1, 1, 2)))
def test_the_k_best_need_no_tolerance(case):
    problem = SubsetSum(case.items, case.target, cardinality=case.cardinality)
    expected = [error for error, _ in all_subsets(case)]
    for limit in (1, 5, 10**6):
        best = list(solutions(problem, limit=limit))
        assert [s.error for s in best] == expected[:limit]
        assert len({tuple(s.subset.tolist()) for s in best}) == len(best)


def test_each_solution_says_what_is_proven_of_it():
    problem = SubsetSum([3, 5, 9, 11], 13, tolerance=3)
    listed = list(solutions(problem))
    assert [(s.error, s.status.name) for s in listed][:4] == [
        (1, "OPTIMAL"), (1, "OPTIMAL"), (1, "OPTIMAL"), (2, "FEASIBLE"),
    ]  # fmt: skip
    for solution in listed:
        assert solution.lower_bound == 1
        solution.check(problem)


def test_a_lazy_iterator_holds_only_what_is_asked_for():
    """2^40 subsets hit the target; the first few must not cost more than a few."""
    problem = SubsetSum([0] * 40, 0, tolerance=0)
    assert count(problem) == 2**40
    first = list(islice(solutions(problem), 5))
    assert len({tuple(s.subset.tolist()) for s in first}) == 5
    assert all(s.error == 0 for s in first)


@pytest.mark.slow
@pytest.mark.parametrize("n", [24, 34])
def test_the_portions_join_without_gap_or_overlap(n):
    rng = np.random.default_rng(n)
    items = [int(x) for x in rng.integers(1, 2**40, n)]
    problem = SubsetSum(items, sum(items) // 3, tolerance=2**40 * 40_000 // 2**n * 8)
    number = count(problem)
    assert number > 17_000, "several portions"
    errors, subsets = [], set()
    for solution in solutions(problem):
        errors.append(solution.error)
        subsets.add(solution.subset.tobytes())
    assert len(errors) == len(subsets) == number
    assert all(first <= second for first, second in pairwise(errors))


def test_published_numbers_of_solutions():
    problem = SubsetSum([15, 22, 14, 26, 32, 9, 16, 8], 53, tolerance=0)
    assert count(problem) == 3
    assert sorted(tuple(s.mask.astype(int)) for s in solutions(problem)) == sorted(
        [(1, 1, 0, 0, 0, 0, 1, 0), (0, 1, 1, 0, 0, 1, 0, 1), (1, 0, 1, 0, 0, 0, 1, 1)]
    )


def test_more_subsets_than_64_bits_can_count():
    assert count(SubsetSum([1] * 100, 50, tolerance=0)) == 100891344545564193334812497256
    assert count(SubsetSum([1, -1] * 50, 0, tolerance=100)) == 2**100


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: count(SubsetSum([1, 2], 3)), "needs a tolerance"),
        (lambda: solutions(SubsetSum([1, 2], 3)), "needs a tolerance"),
        (lambda: solutions(SubsetSum([1, 2], 3), limit=0), "limit must be"),
        (lambda: solutions(SubsetSum([1, 2], 3), limit=True), "limit must be"),
        (lambda: count([1, 2]), "a SubsetSum is needed"),
        (lambda: count(SubsetSum([1, 2], 3, tolerance=0), backend="nobody"), "unknown backend"),
    ],
)
def test_bad_questions(ask, message):
    with pytest.raises(InvalidProblemError, match=message):
        ask()


def test_a_backend_that_cannot_count_names_those_that_can():
    with pytest.raises(UnsupportedProblemError, match=r"cannot count .* able: .*mitm"):
        count(SubsetSum([1, 2], 3, tolerance=0), backend="cp-sat")
    irrational = SubsetSum([Fraction(2**200 + k, 2**190 + 7 * k + 1) for k in range(200)], 1, tolerance=1)
    with pytest.raises(UnsupportedProblemError, match="no backend can count"):
        count(irrational)


def test_the_best_solution_is_the_one_that_solve_finds():
    rng = np.random.default_rng(5)
    problem = SubsetSum(rng.uniform(-1, 1, 30).tolist(), 0.25)
    best = next(solutions(problem, limit=1))
    assert best.error == solvers.solve(problem).error


def test_a_case_of_the_oracle_itself():
    assert all_subsets(Case([1, 2], 3, 0)) == [(0, (0, 1)), (1, (1,)), (2, (0,)), (3, ())]

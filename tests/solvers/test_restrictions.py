"""Required, forbidden, sides, intervals, tolerances a coordinate: against all subsets, and their checks."""

from collections import Counter
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.restricted_cases import check_lists, check_solve, drawn

from solvers import (
    CertificateError,
    InvalidProblemError,
    Status,
    SubsetSum,
    UnsupportedProblemError,
    count,
    count_bounds,
    sample,
    solutions,
    solve,
)
from solvers.instances.files import Instance, read_instance, write_instance


@pytest.mark.slow
@given(st.integers(0, 10**9))
@settings(max_examples=30, deadline=None)
def test_answers_are_those_of_all_subsets(seed):
    case = drawn(seed)
    if case is not None:
        check_solve(case)


@given(st.integers(0, 10**9))
@settings(max_examples=40, deadline=None)
def test_counts_and_lists_are_those_of_all_subsets(seed):
    case = drawn(seed)
    if case is not None:
        check_lists(case)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["auto", "mitm-nd", "cp-sat", "mitm", "dp"])
def test_many_answers_of_every_backend(backend):
    for seed in range(150 if backend == "cp-sat" else 600):
        case = drawn(seed)
        if case is None:
            continue
        try:
            check_solve(case, backend)
        except UnsupportedProblemError:
            continue
        if backend == "auto":
            check_lists(case)


def test_a_planted_wrong_gap_is_noticed(monkeypatch):
    """The comparison itself is tested: a search that believes the first subset on the side must fail it."""
    from solvers import restrictions

    def first_subset(reduction, ask, sizes):
        sign = 1 if reduction.problem.side == "below" else -1
        subset = restrictions._greedy(reduction, sign, sizes)
        error = (reduction.problem.reach or 0) + reduction.step if subset is None else reduction.error(subset)
        return restrictions.Finding(subset, lower_bound=error or Fraction(0))

    monkeypatch.setattr(restrictions, "_next_on_side", first_subset)
    cases = [case for seed in range(400) if (case := drawn(seed)) is not None]
    sided = [case for case in cases if case[0].side != "both" and case[0].items.ndim == 1]
    with pytest.raises((AssertionError, CertificateError)):
        list(map(check_solve, sided))


# -- what is said of it ----------------------------------------------------------------------------------


def test_the_fields_own_subset_sum():
    problem = SubsetSum([11, 7], 10, side="below")
    answer = solve(problem)
    assert (answer.status, answer.subset.tolist(), answer.error) == (Status.OPTIMAL, [1], 3)
    assert solve(SubsetSum([11, 7], 10)).error == 1
    above = solve(SubsetSum([11, 7], 10, side="above"))
    assert (above.subset.tolist(), above.error) == ([0], 1)


@pytest.mark.slow
@pytest.mark.parametrize("n", [30, pytest.param(60, marks=pytest.mark.slow)])
def test_one_side_of_many_items_takes_few_questions(n):
    items = np.random.default_rng(n).integers(1, 10**4, n)
    below = solve(SubsetSum(items, int(items.sum()) // 3, side="below"))
    assert below.status is Status.OPTIMAL
    nothing = solve(SubsetSum(items, -1, side="below"))
    assert (nothing.status, nothing.subset) == (Status.INFEASIBLE, None)


def test_intervals():
    problem = SubsetSum.between([3, 34, 4, 12, 5, 2], 27, 33)
    assert solve(problem, objective="within").status is Status.INFEASIBLE
    nearest = solve(problem)
    assert (nearest.error, nearest.status) == (1, Status.INFEASIBLE)
    assert count(SubsetSum.between([1, 2, 4], 2, 5)) == 4
    assert solve(SubsetSum.between([1, 2, 4], 2, 5, tolerance=None)).error == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"side": "left"}, "unknown side 'left'"),
        ({"required": [3]}, "indices from 0 to 2"),
        ({"required": [-1]}, "indices from 0 to 2"),
        ({"forbidden": [0.5]}, "indices from 0 to 2"),
        ({"forbidden": [True, False]}, "mask of 2 items"),
        ({"required": 1}, "must be an array"),
        ({"required": [0, 1], "forbidden": [1]}, "item 1 is both"),
        ({"required": [0, 1], "cardinality": 1}, "2 items are required, 1 may be chosen"),
        ({"forbidden": [0, 1], "cardinality": 2}, "2 items must be chosen, 1 are not forbidden"),
        ({"tolerance": [1, 2]}, "the tolerance"),
    ],
)
def test_senseless_restrictions_are_refused(options, message):
    with pytest.raises(InvalidProblemError, match=message):
        SubsetSum([1, 2, 4], 3, **options)


@pytest.mark.parametrize(
    "call",
    [
        lambda: SubsetSum.between([1, 2], 3, 2),
        lambda: SubsetSum.between([[1, 2]], [3, 1], [4, 0]),
        lambda: SubsetSum.between([1, 2], 3, 4, side="below"),
        lambda: SubsetSum([[1, 2]], (1, 1), tolerance=[1, -1]),
        lambda: SubsetSum([[1, 2]], (1, 1), tolerance=[1, 1, 1]),
    ],
)
def test_senseless_intervals_and_tolerances_are_refused(call):
    with pytest.raises(InvalidProblemError):
        call()


def test_masks_and_indices_say_the_same():
    asked = [
        SubsetSum([1, 2, 4], 3, required=[0], forbidden=[2]),
        SubsetSum([1, 2, 4], 3, required=[True, False, False], forbidden=np.array([False, False, True])),
        SubsetSum([1, 2, 4], 3, required=(0, 0), forbidden=np.array([2])),
    ]
    assert all(a == b for a, b in pairwise(asked))
    assert "required=[0], forbidden=[2]" in repr(asked[0])
    others = [SubsetSum([1, 2, 4], 3), SubsetSum([1, 2, 4], 3, required=[0])]
    others += [SubsetSum([1, 2, 4], 3, side="below"), SubsetSum.between([1, 2, 4], 2, 4, tolerance=None)]
    assert len({*asked, *others}) == 5


@pytest.mark.parametrize(
    "problem",
    [
        SubsetSum([1, 2, 4], 3, required=[0], forbidden=[2], side="above"),
        SubsetSum.between([1, 2, 4], Fraction(1, 3), 4, tolerance=2),
        SubsetSum([[1, 2], [3, 4]], (1, 1), tolerance=[1, 0.5]),
        SubsetSum.between([[1, 2], [3, 4]], [0.1, 1], [1, 7]),
    ],
    ids=repr,
)
def test_files_keep_restrictions(tmp_path, problem):
    write_instance(Instance(problem, "x"), tmp_path / "x.json")
    assert read_instance(tmp_path / "x.json").problem == problem


def test_the_check_knows_every_restriction():
    plain = solve(SubsetSum([1, 2, 4], 3, tolerance=1))
    plain.check(SubsetSum([1, 2, 4], 3, tolerance=1, required=[0], side="below"))
    for options in ({"required": [2]}, {"forbidden": [1]}):
        with pytest.raises(CertificateError, match=r"is required|is forbidden"):
            plain.check(SubsetSum([1, 2, 4], 3, tolerance=1, **options))
    below = solve(SubsetSum([1, 4], 3, cardinality=1, forbidden=[0]))
    for side in ("below", "above"):
        problem = SubsetSum([1, 4], 3, cardinality=1, forbidden=[0], side=side)
        if side == "below":
            with pytest.raises(CertificateError, match="not below"):
                below.check(problem)
        else:
            below.check(problem)
    vectors = solve(SubsetSum([[1, 2]], (1, 3), tolerance=1, required=[0]), objective="within")
    with pytest.raises(CertificateError, match="no subset within the tolerance"):
        vectors.check(SubsetSum([[1, 2]], (1, 3), tolerance=[1, 0.5], required=[0]))


def test_a_time_limit_leaves_a_subset_on_the_side():
    items = np.random.default_rng(0).uniform(0, 1, 200)
    answer = solve(SubsetSum(items, 40.5, side="below"), time_limit=0.2)
    assert answer.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert answer.total <= Fraction(40.5)


# -- distinct, sample, count_bounds --------------------------------------------------------------------------


def test_distinct_lists_each_sum_once():
    problem = SubsetSum([1, 1, 1, 2, 2], 3, tolerance=1)
    totals = [answer.total for answer in solutions(problem, distinct=True)]
    assert totals[0] == 3
    assert sorted(totals) == [2, 3, 4]
    assert len(list(solutions(problem, distinct=True, limit=2))) == 2


@pytest.mark.slow
def test_distinct_sums_of_many_equal_items_are_sought_not_listed():
    items = [1] * 20 + [2] * 20 + [5] * 20
    sums = [a.total for a in solutions(SubsetSum(items, 50, tolerance=3), distinct=True)]
    assert sums == [50, 49, 51, 48, 52, 47, 53]
    assert [a.total for a in solutions(SubsetSum(items, 3, side="below"), distinct=True, limit=9)] == [
        3,
        2,
        1,
        0,
    ]
    above = SubsetSum(items, 159, side="above", cardinality=(59, 60))
    assert [a.total for a in solutions(above, distinct=True, limit=9)] == [159, 160]
    random_levels = np.random.default_rng(4).uniform(0, 1, 3)[[0] * 9 + [1] * 9 + [2] * 9]
    problem = SubsetSum(random_levels, 4.5)
    found = [a.error for a in solutions(problem, distinct=True, limit=40)]
    every = sorted(
        abs(
            sum(
                (Fraction(x) * k for x, k in zip(random_levels[::9].tolist(), uses, strict=True)),
                -problem.target,
            )
        )
        for uses in product(range(10), repeat=3)
    )
    assert found == every[:40]


def test_samples_are_uniform():
    problem = SubsetSum([3, 5, 9, 11, -2, 4, 4], 13, tolerance=2, side="below")
    number, draws = count(problem), 200
    drawn_subsets = Counter(tuple(a.subset.tolist()) for a in sample(problem, draws * number, seed=7))
    assert len(drawn_subsets) == number
    chi_square = sum((seen - draws) ** 2 / draws for seen in drawn_subsets.values())
    assert chi_square < number + 5 * (2 * number) ** 0.5


@pytest.mark.slow
def test_samples_of_more_subsets_than_can_be_listed(monkeypatch):
    monkeypatch.setattr("solvers.sampling._FEW", 5)
    monkeypatch.setattr("solvers.sampling._A_DRAW", 0)
    problem = SubsetSum([3, 5, 9, 11, -2, 4, 4, 1], 13, tolerance=3)
    number, draws = count(problem), 40
    found = sample(problem, draws * number, seed=3)
    seen = Counter(tuple(a.subset.tolist()) for a in found)
    assert len(seen) == number
    assert sum((x - draws) ** 2 / draws for x in seen.values()) < number + 5 * (2 * number) ** 0.5
    assert found == sample(problem, draws * number, seed=3) != sample(problem, draws * number, seed=4)
    wide = SubsetSum(np.random.default_rng(1).integers(1, 1000, 60), 15000, tolerance=0)
    for answer in sample(wide, 3, seed=1):
        answer.check(wide)
        assert answer.error == 0


def test_samples_of_nothing():
    with pytest.raises(InvalidProblemError, match="none to draw"):
        sample(SubsetSum([1, 2], 9, tolerance=0), 1)
    assert sample(SubsetSum([1, 2], 9, tolerance=0), 0) == []
    with pytest.raises(InvalidProblemError, match="with a tolerance"):
        sample(SubsetSum([1, 2], 9), 1)
    with pytest.raises(InvalidProblemError, match="size"):
        sample(SubsetSum([1, 2], 3, tolerance=0), -1)


def test_bounds_on_counts_beyond_reach_are_true_and_near(monkeypatch):
    rng = np.random.default_rng(5)
    for items in (rng.uniform(-1, 1, 22), rng.integers(-(10**6), 10**6, 20), rng.uniform(0, 1, 18) ** 9):
        for tolerance in (0.0, 1e-3, 0.05 * float(abs(items).sum())):
            for cardinality in (None, (3, 9)):
                problem = SubsetSum(
                    items, float(items.sum()) / 3, tolerance=tolerance, cardinality=cardinality
                )
                truth = count(problem)
                with monkeypatch.context() as patched:
                    patched.setattr("solvers.estimating._exactly", lambda *_: None)
                    low, high = count_bounds(problem, time_limit=2)
                assert low <= truth <= high
                if tolerance > 1e-3:
                    assert truth < 1.3 * low + 1 and high < 1.3 * truth + 1  # noqa: PT018


def test_bounds_on_counts_of_vectors(monkeypatch):
    problem = SubsetSum(np.random.default_rng(2).uniform(-1, 1, (16, 2)), (0.3, 0.1), tolerance=0.4)
    truth = count(problem)
    assert count_bounds(problem) == (truth, truth)
    monkeypatch.setattr("solvers.estimating._exactly", lambda *_: None)
    low, high = count_bounds(problem, time_limit=2)
    assert low <= truth <= high < 1 << 16

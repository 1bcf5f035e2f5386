"""few-items: few of many items, or all but few, are found, proven, counted and listed, whatever n is."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases, contradiction
from support.planting import plain_python, plant

from solvers import Status, Stop, SubsetSum, UnsupportedProblemError, count, solutions, solve
from solvers.backend.mitm import few_items
from solvers.backend.protocol import Limits
from solvers.kernels import few_sums

BACKEND = few_items.FewItems()
OBJECTIVES = ["nearest", "within", "sparsest"]


def subsets_within(problem, reach):
    image, (low, high) = problem.image, problem.sizes
    sizes = range(low, high + 1)
    return sorted(
        list(subset)
        for size in sizes
        for subset in itertools.combinations(range(problem.n), size)
        if image.error(subset) <= reach
    )


def test_answers_are_those_of_brute_force():
    @settings(max_examples=80, deadline=None)
    @given(cases(max_items=7), st.sampled_from(OBJECTIVES))
    def check(case, objective):
        if objective == "nearest" or case.tolerance is not None:
            solution = solve(case.problem, objective=objective, backend="few-items")
            assert contradiction(case, objective, solution) is None

    check()


def test_counts_and_lists_are_those_of_brute_force():
    @settings(max_examples=60, deadline=None)
    @given(cases(max_items=7), st.integers(-1, 3))
    def check(case, above):
        problem, reach = case.problem, case.problem.tolerance_units or 0
        truth = [s for s in subsets_within(problem, reach) if problem.image.error(s) > above]
        assert sorted(BACKEND.listed(problem, above, reach, Limits())) == truth
        assert BACKEND.count(problem, min(above, reach), reach, Limits()) == len(truth)

    check()


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(100, 2), (1000, 1), (1000, 2), (10_000, 1), (10_000, 2), (100, (0, 4)), (100, 98), (300, (299, 300))],
)
def test_few_of_many_are_proven_at_once(n, sizes):
    items = np.random.default_rng(n).uniform(-1, 1, n)
    high = max(sizes) if isinstance(sizes, tuple) else sizes
    target = 0.4321 if high < n / 2 else float(items.sum()) - 0.4321
    problem = SubsetSum(items, target, cardinality=sizes, tolerance=1e-2)
    answer = solve(problem, time_limit=20)
    assert (answer.status, answer.gap, answer.backend) == (Status.OPTIMAL, 0, "few-items")
    if sizes == 2:
        ascending = np.sort(items)
        places = np.searchsorted(ascending, target - ascending)
        best = min(
            abs(ascending[i] + ascending[j] - target)
            for i, place in enumerate(places)
            for j in (place - 2, place - 1, place, place + 1)
            if 0 <= j < n and j != i
        )
        assert float(answer.error) == pytest.approx(best, abs=1e-15)


@pytest.mark.parametrize(("n", "d", "k"), [(100, 2, 2), (60, 3, 3), (40, 2, 38)])
def test_few_vectors_are_proven(n, d, k):
    items = np.random.default_rng(n).integers(-1000, 1000, (n, d))
    few = min(k, n - k)
    goal = np.full(d, 123) if k == few else items.sum(axis=0) - 123
    problem = SubsetSum(items, goal, cardinality=k, tolerance=40)
    picked = np.array(list(itertools.combinations(range(n), few)))
    errors = np.abs(items[picked].sum(axis=1) - 123).max(axis=1)
    answer = solve(problem, time_limit=20)
    assert answer.error == errors.min()
    assert answer.gap == 0
    assert count(problem) == count(problem, backend="few-items") == int((errors <= 40).sum())
    assert sum(1 for _ in solutions(problem, backend="few-items")) == int((errors <= 40).sum())


def test_the_sparsest_is_proven_from_the_fewest_on():
    items = np.random.default_rng(5).uniform(-1, 1, 100)
    target = float(items[[3, 50, 71, 99]].sum())
    answer = solve(SubsetSum(items, target, tolerance=1e-6), objective="sparsest", time_limit=20)
    assert (answer.status, answer.size_bound) == (Status.OPTIMAL, answer.size)
    assert answer.size <= 4
    smaller = SubsetSum(items, target, tolerance=1e-6, cardinality=(0, answer.size - 1))
    assert solve(smaller, objective="within", time_limit=20).status is Status.INFEASIBLE
    assert count(smaller) == 0


def test_what_is_beyond_its_reach_is_excluded_as_far_as_it_gets():
    evens = [2 * 10**6 + 2 * k for k in range(400)]
    found = BACKEND.solve(SubsetSum([*evens, 7], 10**8 + 1, tolerance=0), "sparsest", Limits(memory=1 << 27))
    assert (found.subset, found.stop) == (None, Stop.SEARCH_EXHAUSTED)
    assert found.size_bound == 5
    assert "it takes up to" in BACKEND.refusal(
        SubsetSum(range(1, 300), 9, cardinality=150), "nearest", Limits()
    )
    with pytest.raises(UnsupportedProblemError):
        count(SubsetSum(np.random.default_rng(0).uniform(0, 1, 300), 75, cardinality=150, tolerance=1e-9))


def test_huge_items_beside_tiny_ones_are_exact():
    rng = np.random.default_rng(3)
    items = [*rng.uniform(-1, 1, 60).tolist(), 1e30, -1e30, 1e-30, 2.0**-1000]
    target = Fraction(items[0]) + Fraction(1e-30)
    answer = solve(SubsetSum(items, target, cardinality=2), backend="few-items")
    assert (answer.error, answer.subset.tolist()) == (0, [0, 62])
    hidden = Fraction(1e30) - Fraction(1e30) + Fraction(items[5]) + Fraction(2) ** -1000
    four = solve(SubsetSum(items, hidden, cardinality=4), backend="few-items")
    assert (four.error, four.subset.tolist()) == (0, [5, 60, 61, 63])


def test_equal_items_that_are_rounded_leave_an_answer():
    problem = SubsetSum([1e307] * 8, 8 * int(1e307) + 1, cardinality=5)
    answer = solve(problem, backend="few-items")
    assert (answer.status, answer.error) == (Status.OPTIMAL, 3 * int(1e307) + 1)


def test_limits_are_kept():
    items = np.random.default_rng(1).uniform(-1, 1, 400)
    problem = SubsetSum(items, 0.5, cardinality=6, tolerance=0)
    answer = solve(problem, backend="few-items", time_limit=0.05)
    assert answer.stop is Stop.TIME_LIMIT
    assert (answer.lower_bound, answer.size) == (0, 6)
    assert answer.seconds < 1
    assert "it takes up to" in BACKEND.refusal(problem, "nearest", Limits(memory=1 << 20))
    with pytest.raises(TimeoutError):
        count(problem, backend="few-items", time_limit=0.01)


def test_costs_are_had_for_numbers_of_any_size():
    for items in ([0] * 40, [10**400] * 40, [1e-300] * 39 + [1e300], [[0, 5]] * 40):
        for tolerance in (0, 10**500):
            problem = SubsetSum(items, items[0], tolerance=tolerance)
            for objective in OBJECTIVES:
                cost = BACKEND.seconds_to_proof(problem, objective)
                assert cost is None or cost > 0


# -- planted mistakes --------------------------------------------------------------------------------


def problems():
    rng = np.random.default_rng(2)
    for n, d, sizes in itertools.product((1, 4, 7), (1, 2), (None, 1, 2, (0, 3), (2, 7))):
        low = sizes[0] if isinstance(sizes, tuple) else sizes or 0
        if low > n:
            continue
        for scale in (1, 2**70):
            items = (
                rng.integers(-6, 7, (n, d)).astype(object) * scale + rng.integers(-2, 3, (n, d))
            ).tolist()
            target = [scale * 2 + 1] * d
            yield SubsetSum(
                [x[0] for x in items] if d == 1 else items,
                target[0] if d == 1 else target,
                tolerance=2 * scale + 1,
                cardinality=sizes,
            )


PROBLEMS = list(problems())


def complaints():
    """Say what brute force objects to."""
    for problem in PROBLEMS:
        reach = problem.tolerance_units
        truth = subsets_within(problem, reach)
        every = subsets_within(problem, 10**40)
        nearest = min(map(problem.image.error, every))
        best = min(((len(s), problem.image.error(s)) for s in truth), default=None)
        found = {o: solve(problem, objective=o, backend="few-items") for o in OBJECTIVES}
        if found["nearest"].lower_bound != nearest * problem.image.unit:
            yield problem, "nearest"
        if any((s.status is Status.INFEASIBLE) != (best is None) for s in found.values()):
            yield problem, "feasible"
        shown = found["sparsest"]
        if best is not None and (shown.size, shown.error) != (best[0], best[1] * problem.image.unit):
            yield problem, "sparsest"
        if sorted(BACKEND.listed(problem, 0, reach, Limits())) != [
            s for s in truth if problem.image.error(s)
        ]:
            yield problem, "listed"
        if BACKEND.count(problem, -1, reach, Limits()) != len(truth):
            yield problem, "counted"


def test_without_a_mistake_there_is_nothing_to_complain_about():
    assert not list(complaints())


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (few_items._target, "s - t", "t"),
        (few_items._Search._chosen, "i not in left_out", "i in left_out"),
        (few_items._Search._improve, "not self.grid.shift", "True"),
        (few_items._Search._rank_open, "self.grid.window(bound - 1)", "self.grid.sure_window(bound - 1)"),
        (few_items._Search._pairs, "size - size // 2", "size // 2"),
        (few_items._Search._sets, "places[:, -1] + 1", "places[:, -1]"),
        (few_items._Search.sparsest, "self.sizes[::-1]", "self.sizes[:]"),
        (few_items._Search.sparsest, "(tolerance + 1) * unit", "(tolerance + 1) * unit * 0"),
        (few_items._Search._count_within, "self.problem.image.error(self._chosen(places)) <= reach", "1"),
    ],
)
def test_mistakes_are_noticed(monkeypatch, function, old, new):
    plant(monkeypatch, function, old, new)
    with pytest.raises(Exception):  # noqa: B017 - however it comes to light
        assert not list(complaints())


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("nearest_of_few", "lasts[begin] < firsts[j]", "True"),
        ("nearest_of_few", "for upwards in range(2): ...", "for upwards in range(1): ..."),
        ("nearest_of_few", "(end - 1, -1)", "(end - 2, -1)"),
        ("few_in_window", "lasts[i] < firsts[j]", "lasts[i] <= firsts[j]"),
        ("few_in_window", "fits and not deep", "fits"),
        ("few_in_window", "j = max(j, begins[i])", "j = max(j + 1, begins[i])"),
    ],
)
def test_mistakes_in_the_kernels_are_noticed(monkeypatch, function, old, new):
    copy = plain_python(monkeypatch, "solvers.kernels.few_sums", function, old, new)
    kernel = getattr(copy, function)
    kernel.py_func = kernel
    monkeypatch.setattr(few_sums, function, kernel)
    monkeypatch.setattr(few_items, "_BUDGET", 300)
    with pytest.raises(Exception):  # noqa: B017 - however it comes to light
        assert not list(complaints())


def test_kernels_resume_where_they_stopped(monkeypatch):
    monkeypatch.setattr(few_items, "_BUDGET", 64)
    monkeypatch.setattr(few_items, "_BUFFER", 2)
    assert not list(complaints())
    assert math.comb(7, 3) > 2

"""schroeppel-shamir against brute force, against mitm, and against mistakes planted in its kernels."""

import itertools
import types
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, cases, contradiction
from support.planting import plant

from solvers import Status, Stop, SubsetSum, UnsupportedProblemError, solve
from solvers.backend.bounds import simple_bound
from solvers.backend.mitm import quarter_lists, schroeppel_shamir, window_search
from solvers.backend.mitm.schroeppel_shamir import SchroeppelShamir
from solvers.backend.protocol import Limits
from solvers.kernels import sum_windows, window_counts

OBJECTIVES = ["nearest", "within", "sparsest"]
BACKEND = SchroeppelShamir()


def answer(problem, objective="nearest", **options):
    return solve(problem, objective=objective, backend="schroeppel-shamir", **{"threads": 1, **options})


@pytest.fixture
def many_windows(monkeypatch):
    """Small instances then go through many windows, stripes and kernel calls, and through the filter."""
    monkeypatch.setattr(schroeppel_shamir, "_FEW", 0)  # or few subsets would be listed to be counted
    monkeypatch.setattr(schroeppel_shamir, "_COUNTING_BUDGET", 64)
    monkeypatch.setattr(quarter_lists, "_LONGER", 0)
    monkeypatch.setattr(window_search, "WINDOW", 4)
    monkeypatch.setattr(window_search, "_PAIRS", 16)
    monkeypatch.setattr(window_search, "_FIRST_BUDGET", 64)
    monkeypatch.setattr(window_search, "_SUMS_PER_STRIPE", 32)


# -- brute force ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_agrees_with_brute_force(objective):
    @settings(max_examples=60, deadline=None)
    @given(cases(tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        assert contradiction(case, objective, answer(case.problem, objective)) is None

    check()


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_agrees_with_brute_force_over_many_windows(objective, many_windows):
    @settings(max_examples=60, deadline=None)
    @given(cases(max_items=12, tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        assert contradiction(case, objective, answer(case.problem, objective)) is None

    check()


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_empty_quarters(n, objective):
    for items in itertools.product([-2, 0, Fraction(1, 3), 2**100], repeat=n):
        for target in (0, 1, 2**100 - 2):
            case = Case(list(items), target, 1)
            assert contradiction(case, objective, answer(case.problem, objective)) is None


def all_errors(problem):
    image, (low, high) = problem.image, problem.sizes
    return {
        subset: image.error(subset)
        for size in range(low, high + 1)
        for subset in itertools.combinations(range(problem.n), size)
    }


def check_enumeration(case, data):
    problem = case.problem
    errors = all_errors(problem)
    attained = sorted(set(errors.values()))
    reach = data.draw(st.sampled_from([problem.tolerance_units, *attained, *(e - 1 for e in attained if e)]))
    above = data.draw(st.sampled_from([-1, -1, *attained]))
    expected = {subset for subset, error in errors.items() if above < error <= reach}
    listed = [tuple(subset) for subset in BACKEND.listed(problem, above, reach, Limits())]
    assert len(listed) == len(set(listed)), "a subset was listed twice"
    assert set(listed) == expected
    assert BACKEND.count(problem, above, reach, Limits()) == len(expected)


@settings(max_examples=60, deadline=None)
@given(cases(max_items=8, tolerance="always"), st.data())
def test_counts_and_lists_what_brute_force_does(case, data):
    check_enumeration(case, data)


@pytest.mark.slow
def test_counts_and_lists_over_many_windows(many_windows):
    @settings(max_examples=60, deadline=None)
    @given(cases(max_items=9, tolerance="always"), st.data())
    def check(case, data):
        check_enumeration(case, data)

    check()


# -- larger instances ----------------------------------------------------------------------------------


def problem_of(kind, n, seed=0, **options):
    rng = np.random.default_rng((n, seed))
    items = {
        "float": lambda: rng.uniform(-1, 1, n).tolist(),
        "integer": lambda: [int(x) for x in rng.integers(-(2**62), 2**62, n)],
        "product": lambda: [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()],
        "ties": lambda: [int(x) for x in rng.integers(-99, 99, n)],
        "clusters": lambda: [int(x) << 40 | int(y) for x, y in rng.integers(1, 99, (n, 2))],
    }[kind]()
    shift = Fraction(int(rng.integers(-99, 99)), 1 if kind == "ties" else 512)
    target = sum((Fraction(x) for x in items[::3]), shift)
    return SubsetSum(items, target, **options)


@pytest.mark.parametrize("n", [24, 29, 36])
@pytest.mark.parametrize("kind", ["float", "integer", "product", "ties", "clusters"])
def test_agrees_with_mitm(kind, n):
    problem = problem_of(kind, n)
    first, second = answer(problem), solve(problem, backend="mitm")
    assert (first.status, first.error, first.lower_bound) == (Status.OPTIMAL, second.error, second.error)
    assert answer(problem, threads=2).subset.tolist() == first.subset.tolist()


@pytest.mark.parametrize("kind", ["float", "integer", "ties", "clusters"])
def test_agrees_with_mitm_on_cardinalities(kind):
    problem = problem_of(kind, 22, cardinality=(5, 8), tolerance=2**20)
    for objective in ("nearest", "sparsest"):
        first, second = answer(problem, objective), solve(problem, objective=objective, backend="mitm")
        assert (first.status, first.error, first.size_bound) == (
            second.status,
            second.error,
            second.size_bound,
        )


@pytest.mark.parametrize("kind", ["float", "product", "clusters"])
@pytest.mark.parametrize("objective", ["nearest", "within"])
def test_threads_do_not_change_the_answer(kind, objective, many_windows):
    error = answer(problem_of(kind, 18)).error
    for tolerance in (2 * error, 100 * error):
        problem = problem_of(kind, 18, tolerance=tolerance)
        subsets = [answer(problem, objective, threads=threads).subset.tolist() for threads in (1, 2, 4)]
        assert subsets[0] == subsets[1] == subsets[2]


def test_counts_ties_without_holding_them():
    problem = SubsetSum([0] * 40 + [1] * 20, 10)
    assert BACKEND.count(problem, -1, 0, Limits()) == 2**40 * 184756
    first = list(itertools.islice(BACKEND.listed(problem, -1, 0, Limits()), 50))
    assert len({tuple(subset) for subset in first}) == 50
    assert all(problem.image.error(subset) == 0 for subset in first)
    assert BACKEND.count(SubsetSum([0] * 64, 0), -1, 0, Limits()) == 2**64


def test_counts_many_sums_per_value():
    items = [int(x) for x in np.random.default_rng(3).integers(1, 50, 28)]
    ways = np.zeros(sum(items) + 1, dtype=object)
    ways[0] = 1
    for item in items:
        ways[item:] += ways[:-item].copy()
    problem = SubsetSum(items, 300)
    assert BACKEND.count(problem, -1, 0, Limits()) == ways[300]
    assert BACKEND.count(problem, 1, 40, Limits()) == ways[260:341].sum() - ways[299:302].sum()


# -- limits --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_out_of_time_nothing_false_is_claimed(objective):
    problem = problem_of("integer", 44, tolerance=Fraction(1, 4))
    solution = answer(problem, objective, time_limit=1e-9)
    assert (solution.status, solution.stop) == (Status.UNKNOWN, Stop.TIME_LIMIT)
    assert solution.lower_bound == simple_bound(problem) * problem.image.unit
    assert solution.lower_bound <= answer(problem_of("integer", 44)).error <= solution.error


def test_out_of_time_counting_says_so():
    problem = problem_of("integer", 44)
    limits = Limits(seconds=1e-9)
    with pytest.raises(TimeoutError):
        BACKEND.count(problem, -1, 2**40, limits)
    with pytest.raises(TimeoutError):
        list(BACKEND.listed(problem, -1, 2**40, limits))


def test_refusals():
    assert "64 items" in BACKEND.refusal(SubsetSum(range(1, 66), 3), "nearest", Limits())
    assert "bytes" in BACKEND.refusal(SubsetSum(range(1, 61), 3), "nearest", Limits(memory=1 << 20))
    assert BACKEND.refusal(SubsetSum([1] * 65, 3), "nearest", Limits()) is None, "one of 66 sums"
    assert "64 items" in BACKEND.enumeration_refusal(SubsetSum([1] * 65, 3), Limits())
    vectors = SubsetSum([[1, 2], [3, 4]], (4, 6), tolerance=0)
    assert "dimensions" in BACKEND.refusal(vectors, "nearest", Limits())
    assert "dimensions" in BACKEND.refusal(SubsetSum([[1, 2]], (1, 1), tolerance=1), "within", Limits())
    assert BACKEND.refusal(vectors, "within", Limits()) is None


def test_magnitudes_too_mixed_are_refused():
    items = [3**40 + k for k in range(24)] + [Fraction(k, 2**200 + 1) for k in range(1, 37)]
    with pytest.raises(UnsupportedProblemError, match="mixed"):
        answer(SubsetSum(items, sum(items[:12]) + Fraction(1, 3)))


def test_exact_hits_of_vectors():
    rng = np.random.default_rng(5)
    items = rng.integers(0, 100, (20, 3))
    hit = SubsetSum(items.tolist(), tuple(items[::2].sum(axis=0).tolist()), tolerance=0)
    assert answer(hit, "within").error == 0
    even = SubsetSum((2 * items).tolist(), (701, 801, 901), tolerance=0)
    assert answer(even, "within").status is Status.INFEASIBLE


def test_a_hit_beyond_the_right_sums_that_fit():
    """The buffer fills up with right sums of which none is near; the one that is comes after them."""
    others = [k << 24 for k in range(1, 13)]
    left, right = [3 << 30], sorted(-x for x in [*others, 3 << 30])
    sides = [tuple(np.array(x) for x in ([0], [0], [len(sums)], sums)) for sums in (left, right)]
    pointers, room = np.zeros((2, 1), np.int64), np.zeros((2, 8), np.int64)
    tables = (
        np.zeros(1 << bits, np.int64) for bits in (sum_windows.TABLE_BITS - 6, sum_windows.SECOND_BITS - 6)
    )
    buffers = sum_windows.Buffers(*pointers, *room, *tables, np.zeros((1, 2), np.int64))
    aim = sum_windows.Aim(target=0, reach=0, margin=-1, stop=0)
    status, *_, found, _ = sum_windows.sweep(*sides, aim, (0, 1 << 40), 1 << 40, 1, 1 << 20, buffers)
    assert (status, found) == (sum_windows.STOPPED, 1)
    assert buffers.pairs.tolist() == [[3 << 30, -3 << 30]]


def test_windows_adapt_however_wide_they_are():
    """A width times a window may need more than 63 bits."""
    for width in (1 << 20, 1 << 55):
        assert sum_windows.next_width(width, 1 << 15, 1 << 15) == width
        assert sum_windows.next_width(width, 1 << 15, 1 << 14) == 2 * width
        assert sum_windows.next_width(width, 1 << 15, 1 << 20) == width // 4
        assert sum_windows.next_width(width, 1 << 15, 0) == 4 * width


# -- planted mistakes ----------------------------------------------------------------------------------

# (module, kernel, a piece of it, the piece with a mistake)
MISTAKES = {
    "none": (sum_windows, "sweep", "", ""),
    "last window skipped": (
        sum_windows,
        "sweep",
        "w = min(width, last - v)",
        "w = min(width, last - v)\nif v + w == last:\n    v = last\n    break",
    ),
    "window one value short": (sum_windows, "_gather_left", "limit = w - base", "limit = w - base - 1"),
    "no overlap at the borders": (sum_windows, "_search_window", "w - 1 + 2 * reach", "w - 1 + reach"),
    "one cell marked, not both": (sum_windows, "_gather_left", "other != cell", "False"),
    "one cell marked later": (
        sum_windows,
        "_keep_candidates",
        "_mark(table, ((marking[k] - below) >> shift) & mask)\n...\nmarking[k] + above",
        "marking[k] - below",
    ),
    "sums skipped when placing": (sum_windows, "place", "sums[middle] < wanted", "sums[middle] <= wanted"),
    "tie dropped in a list": (
        sum_windows,
        "_list_sorted",
        "rights[j] <= centre + reach",
        "rights[j] < centre + reach",
    ),
    "tie dropped in a count": (
        window_counts,
        "count_up_to",
        "right_sorted[j - 1] > room - left_sorted[i]",
        "right_sorted[j - 1] >= room - left_sorted[i]",
    ),
    "counts overlap": (
        window_counts,
        "count_up_to",
        "place(right, bound - v - w + 2, right_from)",
        "place(right, bound - v - w + 3, right_from)",
    ),
}


@pytest.fixture(scope="module")
def small_problems():
    """Problems of 12 items with the sorted errors of all their subsets."""
    problems = [problem_of(kind, 12, seed) for kind in ("float", "ties", "product") for seed in range(5)]
    return [(problem, sorted(all_errors(problem).values())) for problem in problems]


def contradicted(small_problems):
    """Whether nearest, count or list contradict brute force on any of the problems."""
    for problem, errors in small_problems:
        try:
            if answer(problem).error != errors[0] * problem.image.unit:
                return True
            for reach in (errors[9], errors[99], errors[-1]):
                within = sum(error <= reach for error in errors)
                listed = set(map(tuple, BACKEND.listed(problem, -1, reach, Limits())))
                if {len(listed), BACKEND.count(problem, -1, reach, Limits())} != {within}:
                    return True
        except (ArithmeticError, LookupError, RuntimeError, ValueError):
            return True
    return False


@pytest.mark.slow
@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistakes_are_caught(name, small_problems, many_windows, monkeypatch):
    module, kernel, right, wrong = MISTAKES[name]
    for attribute, function in list(vars(module).items()):
        if hasattr(function, "py_func") and attribute != "sort":  # that one is slow in plain Python
            monkeypatch.setattr(module, attribute, function.py_func)
    own = types.FunctionType(getattr(module, kernel).__code__, vars(module))  # the compiled one stays right
    monkeypatch.setattr(module, kernel, own)
    if right:
        plant(monkeypatch, own, right, wrong)
    assert contradicted(small_problems) == (name != "none")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["integer", "product"])
def test_planted_solution_among_50(kind):
    rng = np.random.default_rng(50)
    items = [Fraction(x) for x in problem_of(kind, 50).items.tolist()]
    hidden = np.flatnonzero(rng.random(50) < 0.5).tolist()
    total = sum((items[i] for i in hidden), Fraction(0))
    solution = answer(SubsetSum(items, total), threads=2)
    assert (solution.status, solution.error) == (Status.OPTIMAL, 0)
    # A hair off the sum, the same subset is nearest and every window has to be searched.
    hair = Fraction(1, 2**150)
    solution = answer(SubsetSum(items, total + hair), threads=2)
    assert (solution.status, solution.error) == (Status.OPTIMAL, hair)
    assert solution.subset.tolist() == hidden

"""dp against brute force, against other methods, and against plain programs for the same tables."""

import math
import re
import sys
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import combinations, islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, cases, contradiction, error_of, small_dyadics, small_integers, subnormals
from support.planting import plain_python, plant

from solvers import CertificateError, Stop, SubsetSum, UnsupportedProblemError, solve
from solvers.backend.dp import sum_search, sum_tables
from solvers.backend.dp.dynamic_programming import DynamicProgramming
from solvers.backend.dp.nonnegative import Nonnegative
from solvers.backend.protocol import Limits

OBJECTIVES = ["nearest", "within", "sparsest"]
DP = DynamicProgramming()
FAMILIES = [
    small_integers,
    small_dyadics,
    subnormals,
    st.integers(-300, 300),
    st.integers(0, 70),
    st.fractions(-3, 3, max_denominator=6),
    st.integers(-3, 3).map(lambda k: 2**200 * k),
]


@pytest.fixture(params=["small", "large"])
def recovery(request, monkeypatch):
    """Run small instances as they are, or by the ways meant for large ones."""
    if request.param == "large":
        as_if_large(monkeypatch)


def as_if_large(monkeypatch):
    """Recover subsets by halving down to single items, and prefer tables of the fewest items."""
    by_size = sum_search.plan_by_size

    def dear(*arguments):
        plan = by_size(*arguments)
        return replace(plan, needed=1000 * plan.needed)

    monkeypatch.setattr(sum_search, "MOST_SCRATCH", 0)
    monkeypatch.setattr(sum_search, "plan_by_size", dear)


# -- small instances against brute force -------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_small_instances(objective, recovery):
    @settings(max_examples=80, deadline=None)
    @given(cases(families=FAMILIES, tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        assert contradiction(case, objective, solve(case.problem, objective=objective, backend="dp")) is None

    check()


def subsets_of(case, above, reach):
    """List the subsets with above < error <= reach (in units of the image)."""
    low, high = case.problem.sizes
    unit = case.problem.image.unit
    everything = (list(c) for k in range(low, high + 1) for c in combinations(range(len(case.items)), k))
    return [c for c in everything if above * unit < error_of(case.items, case.target, c) <= reach * unit]


@settings(max_examples=80, deadline=None)
@given(cases(families=FAMILIES, max_items=8), st.integers(-1, 100), st.sampled_from([0, 1, 5, 60, 4000]))
def test_counts_and_lists_of_small_instances(case, above, more):
    expected = subsets_of(case, above, above + more)
    try:
        listed = list(DP.listed(case.problem, above, above + more, Limits()))
    except UnsupportedProblemError:  # a target off the grid may make the unit, and the range, too fine
        assert case.problem.image.magnitude > 2**24
        return
    assert sorted(listed) == sorted(expected)
    assert DP.count(case.problem, above, above + more, Limits()) == len(expected)


EDGES = {
    "one item, above": Case([5], 4, 1),
    "one item, below": Case([5], 1, 1),
    "one zero": Case([0], 0, 0, 1),
    "zeros only": Case([0, 0, 0], 3, 3, 2),
    "target far below": Case([3, -5, 7], -(10**30), 1),
    "target far above": Case([3, -5, 7], 10**30, 1, (1, 2)),
    "all negative": Case([-3, -5, -9, -64, -128], -136, 0),
    "duplicates beyond bundles": Case([6] * 7 + [10] * 4, 45, 1),
    "word boundary": Case([64, 64, 63, 65, 1, 128], 192, 0),
    "word boundary, missed": Case([64, 128, 192, 256], 160, 31),
    "items alike but for the last bit": Case([10**9 + k for k in range(9)], 4 * 10**9 + 17, 0, 4),
    "items alike, off by one in number": Case([10**9 + k for k in range(8)], 4 * 10**9 + 17, 17, (2, 6)),
    "common divisor, target off it": Case([6, 10, 14], 17, 1),
    "sparsest with most of the items": Case([1, -1, 2, -2, 50], 0, 0, (3, 5)),
    "sparsest with zeros": Case([0, 0, 4, 4, 8], 8, 0, (2, 4)),
    "sparsest, negative and positive": Case([-7, 12, 5, 3, 2], 5, 0),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", EDGES)
def test_edges(name, objective, recovery):
    case = EDGES[name]
    solution = solve(case.problem, objective=objective, backend="dp")
    assert contradiction(case, objective, solution) is None


# -- larger ones -------------------------------------------------------------------------------------


def integer_cases(seed):
    """Instances of 30 to 120 items, spread and hard: hardly any residue modulo 8 can be had."""
    rng = np.random.default_rng(seed)
    for n, top in ((30, 500), (60, 100), (120, 20)):
        spread = [int(x) for x in rng.integers(-top, top, n)]
        stepped = [8 * int(x) for x in rng.integers(1, top, n - 2)] + [9, 17]
        for items in (spread, stepped):
            middle = sum(x for x in items if x > 0) // 2
            for target in (middle // 8 * 8 + 4, middle // 9, sum(items) - 3):
                yield Case(items, target, int(rng.integers(0, 4)), None)
                yield Case(items, target, 2, int(rng.integers(1, n)))
                yield Case(items, target, 0, (int(rng.integers(0, n // 4)), int(rng.integers(n // 3, n))))
                yield Case(items, target, 3, (0, n // 5))
                yield Case(items, target, 3, (n - n // 4, n))


@cache
def sizes_of_sums(items):
    """Return {sum: bits of the numbers of items it takes}, by a plain program over a dictionary."""
    sizes = {0: 1}
    for item in items:
        grown = dict(sizes)
        for total, bits in sizes.items():
            grown[total + item] = grown.get(total + item, 0) | bits << 1
        sizes = grown
    return sizes


def test_larger_instances_by_a_plain_program(recovery):
    assert first_contradiction_of_larger() is None


def first_contradiction_of_larger():
    """Return the first case that a plain program answers in another way, and how."""
    for case in integer_cases(1):
        (low, high), tolerance = case.problem.sizes, case.problem.tolerance
        allowed = (1 << high + 1) - (1 << low)
        everything = sizes_of_sums(tuple(case.items)).items()
        sizes = {total: bits & allowed for total, bits in everything if bits & allowed}
        nearest = min(abs(total - case.target) for total in sizes)
        numbers = [
            ((bits & -bits).bit_length() - 1, abs(total - case.target))
            for total, bits in sizes.items()
            if abs(total - case.target) <= tolerance
        ]
        feasible = nearest <= tolerance
        solution = solve(case.problem, backend="dp")
        if (solution.error, solution.lower_bound) != (nearest, nearest):
            return f"{case}: nearest {nearest}, got {solution}"
        within = solve(case.problem, objective="within", backend="dp")
        if within.status.name != ("FEASIBLE" if feasible else "INFEASIBLE"):
            return f"{case}: nearest {nearest}, got {within}"
        sparsest = solve(case.problem, objective="sparsest", backend="dp")
        if sparsest.status.name != ("OPTIMAL" if feasible else "INFEASIBLE"):
            return f"{case}: nearest {nearest}, got {sparsest}"
        if feasible and (sparsest.size, sparsest.error) != min(numbers):
            return f"{case}: sparsest {min(numbers)}, got {sparsest}"
    return None


@pytest.mark.parametrize("n", [30, 36])
@pytest.mark.parametrize("unit", [1, Fraction(1, 7), 2.0**-40])
def test_same_answer_as_meet_in_the_middle(n, unit):
    rng = np.random.default_rng(n)
    items = [int(x) * unit for x in rng.integers(-(10**6), 10**6, n)]
    target = int(rng.integers(10**6)) * unit
    for goal in (target, target + 3 * 10**7 * unit):
        first, second = (solve(SubsetSum(items, goal), backend=backend) for backend in ("dp", "mitm"))
        assert (first.status, first.error) == (second.status, second.error)


def test_wide_range_by_big_integers():
    rng = np.random.default_rng(5)
    items = [8 * int(x) for x in rng.integers(1, 10**5, 77)] + [9, 8 * 1234 + 1, 17]
    target = sum(items) // 16 * 8 + 4
    bits = 1
    for item in items:
        bits |= bits << item
    expected = next(e for e in range(9) if (bits >> (target - e) | bits >> (target + e)) & 1)
    solution = solve(SubsetSum(items, target), backend="dp")
    assert (solution.status.name, solution.error) == ("OPTIMAL", expected)


def test_counts_beyond_a_machine_word():
    rng = np.random.default_rng(3)
    items = [int(x) for x in rng.integers(-4, 9, 90)]
    target, above, reach = sum(items) // 2, 1, 4
    counts = Counter({(0, 0): 1})
    for item in items:
        counts += Counter({(size + 1, total + item): many for (size, total), many in counts.items()})
    for cardinality in (None, 40, (0, 25), (60, 90), (50, 52)):
        problem = SubsetSum(items, target, cardinality=cardinality)
        low, high = problem.sizes
        expected = sum(
            many
            for (size, total), many in counts.items()
            if low <= size <= high and above < abs(total - target) <= reach
        )
        assert cardinality not in (None, 40) or expected > 2**64
        assert DP.count(problem, above, reach, Limits()) == expected


def test_all_subsets_are_counted():
    problem = SubsetSum([1, -2, 0, 5] * 50, 3)
    assert DP.count(problem, -1, 10**40, Limits()) == 2**200
    half = SubsetSum([1, -2, 0, 5] * 50, 3, cardinality=100)
    assert DP.count(half, -1, 10**40, Limits()) == math.comb(200, 100)


def test_subsets_are_listed_as_a_stream():
    problem = SubsetSum([1, 2, 3, -4, 5] * 20, 30, cardinality=(20, 60))
    first = list(islice(DP.listed(problem, -1, 2, Limits()), 1000))  # of about 2^95
    assert len({tuple(subset) for subset in first}) == 1000
    for subset in first:
        assert problem.image.error(subset) <= 2
        assert 20 <= len(subset) <= 60
    problem = SubsetSum([int(x) for x in np.random.default_rng(1).integers(1, 200, 16)], 700)
    listed = list(DP.listed(problem, 3, 40, Limits()))
    assert len({tuple(s) for s in listed}) == len(listed) == DP.count(problem, 3, 40, Limits()) > 512


# -- refusals and limits -----------------------------------------------------------------------------


def test_vectors_are_refused():
    problem = SubsetSum([[1, 2], [3, 4]], (1, 2))
    assert "2 dimensions" in DP.refusal(problem, "nearest", Limits())
    assert "2 dimensions" in DP.enumeration_refusal(problem, Limits())


def test_refusal_names_the_memory():
    items = [10**9 + 10**6 * k**2 + k for k in range(40)]
    problem = SubsetSum(items, sum(items) // 2 + 1, tolerance=0, cardinality=None)
    reason = DP.refusal(problem, "nearest", Limits(memory=10**6))
    assert re.search(r"needs about \d\.\d GB for sums up to \d+ steps .* limit is 1\.0 MB", reason)
    with pytest.raises(UnsupportedProblemError, match=r"1\.0 MB"):
        solve(problem, backend="dp", memory_limit=10**6)
    assert DP.refusal(problem, "nearest", Limits(memory=10**10)) is None
    assert "GB" in DP.refusal(problem, "sparsest", Limits(memory=10**10))
    with pytest.raises(UnsupportedProblemError, match="GB"):
        DP.count(problem, -1, 0, Limits())
    with pytest.raises(UnsupportedProblemError, match="GB"):
        next(DP.listed(problem, -1, 0, Limits()))


@pytest.mark.parametrize(
    "items",
    [[0.1 * k for k in range(1, 20)], [1e300, 1e-300, 3.7, -2e-5], [2**5000 - k for k in range(9)]],
    ids=["floats", "mixed exponents", "huge"],
)
def test_a_fine_grid_is_refused(items):
    problem = SubsetSum(
        items, sum(items) / 2 if isinstance(items[0], float) else sum(items) // 2, tolerance=0
    )
    for reason in (
        DP.refusal(problem, "nearest", Limits()),
        DP.refusal(problem, "sparsest", Limits()),
        DP.enumeration_refusal(problem, Limits()),
    ):
        assert reason.startswith("it needs about ")
        assert reason.endswith("the memory limit is 4.3 GB")


def test_what_needs_no_table_is_answered_whatever_the_range():
    case = Case([1e300, 1e-300, 3.7, -2e-5], 1e301, 1e290)
    for objective in ("nearest", "within"):
        assert contradiction(case, objective, solve(case.problem, objective=objective, backend="dp")) is None


@pytest.mark.parametrize("cardinality", [None, 20, (0, 30)])
def test_out_of_time_shows_the_incumbent(cardinality):
    items = [8 * k**2 + 8 for k in range(50)]
    problem = SubsetSum(items, sum(items) // 16 * 8 + 4 + 101, cardinality=cardinality, tolerance=10**6)
    solution = solve(problem, backend="dp", time_limit=1e-9)
    assert solution.status.name == "FEASIBLE"
    assert solution.lower_bound <= solve(problem, backend="dp").error <= solution.error
    assert solution.stop is Stop.TIME_LIMIT
    sparsest = solve(problem, objective="sparsest", backend="dp", time_limit=1e-9)
    assert sparsest.status.name == "FEASIBLE"
    with pytest.raises(TimeoutError):
        DP.count(problem, -1, 3, Limits(seconds=1e-9))
    with pytest.raises(TimeoutError):
        next(DP.listed(problem, -1, 3, Limits(seconds=1e-9)))


# -- planted mistakes --------------------------------------------------------------------------------


def some_cases():
    rng = np.random.default_rng(2)
    for n in (1, 3, 5, 6, 8, 8):
        for items in (rng.integers(-150, 150, n), rng.integers(1, 90, n), 8 * rng.integers(1, 40, n) + 1):
            numbers = [int(x) for x in items]
            for target in (sum(numbers) // 2, sum(numbers) // 3 + 1, sum(numbers[::2])):
                yield Case(numbers, target, int(rng.integers(0, 6)))
                yield Case(numbers, target, 4, (n // 3, n - n // 4))
                yield Case(numbers, target, 6, (0, (n + 1) // 2))


CASES = list(some_cases())


def first_contradiction():
    """Return what brute force objects to in dp's answers; None when nothing."""
    for case in CASES:
        try:
            for objective in OBJECTIVES:
                what = contradiction(case, objective, solve(case.problem, objective=objective, backend="dp"))
                if what is not None:
                    return what
            expected = subsets_of(case, 2, 9)
            listed = list(DP.listed(case.problem, 2, 9, Limits()))
            if sorted(listed) != sorted(expected) or DP.count(case.problem, 2, 9, Limits()) != len(expected):
                return "other subsets were listed or counted"
        except (CertificateError, AssertionError, IndexError, ValueError, OverflowError) as error:
            return f"noticed by itself: {error}"
    return None


SMALL_BLOCKS = {"_BLOCK": 2}
KERNELS = "solvers.kernels.reachability"
KERNEL_MISTAKES = {
    "carry into the next word dropped": (
        "_or_shifted",
        "(below[i] >> one) >> right",
        "(below[i] >> one) >> np.uint64(63)",
    ),
    "words shifted by one too many": (
        "_or_shifted",
        "(item >> 6, item & 63)",
        "((item >> 6) + 1, item & 63)",
    ),
    "last word skipped": ("_or_shifted", "(high >> 6) + 1", "high >> 6"),
    "first word skipped": ("_or_shifted", "max(low, item) >> 6", "(max(low, item) >> 6) + 1"),
    "last item skipped": ("extend_bits", "range(items.size)", "range(items.size - 1)"),
    "items taken twice": (
        "extend_bits",
        "range(min(rows - 1, filled + index + 1), 0, -1)",
        "range(1, min(rows - 1, filled + index + 1) + 1)",
    ),
    "row too few": ("extend_bits", "filled + index + 1", "filled + index"),
    "stops an item early": ("extend_bits", "return index + 1", "return index"),
    "sum in the first word missed": (
        "first_set",
        "range(low >> 6, (high >> 6) + 1)",
        "range((low >> 6) + 1, (high >> 6) + 1)",
    ),
    "sum in the last word missed": (
        "last_set",
        "range(high >> 6, (low >> 6) - 1, -1)",
        "range((high >> 6) - 1, (low >> 6) - 1, -1)",
    ),
    "split off by one": (
        "split_bits",
        "place = total - (word << 6) - 63",
        "place = total - (word << 6) - 62",
    ),
    "split forgets the upper word": ("split_bits", "-1 <= at < second.size - 1", "-1 < at < second.size - 1"),
    "fewest overwritten": ("extend_fewest", "target[i] = min(target[i], aside[i])", "target[i] = aside[i]"),
    "fewest, last sum skipped": (
        "extend_fewest",
        "first, end = max(lows[index], item), highs[index] + 1",
        "first, end = max(lows[index], item), highs[index]",
    ),
    "nearest above missed": (
        "nearest_at_most",
        "above = max(middle + 1, low)",
        "above = max(middle + 2, low)",
    ),
    "split of fewest misses the last": (
        "split_fewest",
        "min(first.size, total + 1)",
        "min(first.size, total)",
    ),
    "count, last sum skipped": (
        "extend_counts",
        "min(highs[index], tops[row]) + 1",
        "min(highs[index], tops[row])",
    ),
    "sum of counts, last skipped": ("sum_of_counts", "range(low, high + 1)", "range(low, high)"),
    "a branch of the list forgotten": ("next_subsets", "steps[left - 1] < 2", "steps[left - 1] < 1"),
    "sum not restored": ("next_subsets", "total += items[left - 1]", "total += 0"),
}


@pytest.mark.slow
def test_plain_python_kernels_agree(monkeypatch, recovery):
    monkeypatch.setitem(sys.modules, KERNELS, plain_python(monkeypatch, KERNELS, constants=SMALL_BLOCKS))
    with np.errstate(over="ignore"):
        assert first_contradiction() is None


@pytest.mark.thinned
@pytest.mark.parametrize("mistake", KERNEL_MISTAKES)
def test_mistakes_in_the_kernels_are_noticed(mistake, monkeypatch):
    as_if_large(monkeypatch)
    monkeypatch.setitem(
        sys.modules,
        KERNELS,
        plain_python(monkeypatch, KERNELS, *KERNEL_MISTAKES[mistake], constants=SMALL_BLOCKS),
    )
    with np.errstate(over="ignore"):
        assert first_contradiction() is not None


METHOD_MISTAKES = {
    "complement off by one": (Nonnegative.mirrored, "self.step * self.total", "self.step * self.total + 1"),
    "window one short": (
        Nonnegative.window,
        "(target + reach) // self.step",
        "(target + reach - 1) // self.step",
    ),
    "window starts late": (
        Nonnegative.window,
        "-((reach - target) // self.step)",
        "1 - ((reach - target) // self.step)",
    ),
    "core forgets what is fixed": (Nonnegative.core, "left -= self.step * item", "left -= item - 1"),
    "range cut too soon": (sum_tables.Items.useful, "low - to_come", "low - to_come + 1"),
    "range cut too low": (
        sum_tables.Items.useful,
        "np.minimum(so_far, high)",
        "np.minimum(so_far - 64, high)",
    ),
    "tops of rows": (
        sum_tables.Items.tops,
        "np.sort(-self.sizes)[: goal.size]",
        "np.sort(-self.sizes)[1 : goal.size + 1]",
    ),
}


@pytest.mark.parametrize("mistake", METHOD_MISTAKES)
def test_mistakes_around_the_kernels_are_noticed(mistake, monkeypatch):
    plant(monkeypatch, *METHOD_MISTAKES[mistake])
    try:
        noticed = first_contradiction() or first_contradiction_of_larger()
    except (CertificateError, AssertionError) as error:
        noticed = str(error)
    assert noticed is not None

"""mitm counts and lists: every subset in an annulus of errors, each once, exactly as brute force says."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases
from support.planting import plain_python

from solvers import SubsetSum, solve
from solvers.backend import copies
from solvers.backend.mitm import meet_in_the_middle as method
from solvers.backend.protocol import Enumerator, Limits
from solvers.kernels import two_pointers

FREE = Limits()


def subsets_in(problem, above, reach):
    image, (low, high) = problem.image, problem.sizes
    sums = [((), 0)]
    for i, (item,) in enumerate(image.items):
        sums += [((*s, i), total + item) for s, total in sums]
    return sorted(
        list(s)
        for s, total in sums
        if above < abs(total - image.target[0]) <= reach and low <= len(s) <= high
    )


def disagreement(problem, above, reach, module=method):
    backend = module.MeetInTheMiddle()
    truth = subsets_in(problem, above, reach)
    listed = sorted(backend.listed(problem, above, reach, FREE))
    if listed != truth:
        return f"listed {listed} instead of {truth}"
    count = backend.count(problem, above, reach, FREE)
    return None if count == len(truth) else f"counted {count} instead of {len(truth)}"


def radii(problem):
    """Return errors of some subsets and their neighbours, on both sides of which the count changes."""
    errors = sorted(
        {abs(sum(x[0] for x in problem.image.items[:k]) - problem.image.target[0]) for k in range(4)}
    )
    return [-1, 0, *(e + k for e in errors for k in (-1, 0, 1) if e + k > 0), 10**400]


@pytest.mark.thinned
@pytest.mark.parametrize("at_a_time", [3, 1 << 16])
@pytest.mark.parametrize("candidates", [2, 1 << 16])
def test_counts_and_lists_are_those_of_brute_force(monkeypatch, at_a_time, candidates):
    """With small buffers, that are resumed often, and with Python's integers where few pairs are open."""
    monkeypatch.setattr(method, "_PAIRS_AT_A_TIME", at_a_time)
    monkeypatch.setattr(method, "_MOST_CANDIDATES", candidates)

    @settings(max_examples=60, deadline=None)
    @given(cases(max_items=8, tolerance=None), st.data())
    def check(case, data):
        above, reach = (data.draw(st.sampled_from(radii(case.problem))) for _ in range(2))
        above, reach = min(above, reach), max(above, reach, 0)
        assert disagreement(case.problem, above, reach) is None

    check()


def wide_problems():
    rng = np.random.default_rng(2)
    for n in (1, 3, 7, 9):
        for items in (
            [2**90 + int(tail) for tail in rng.integers(-99, 99, n)],
            [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()],
            rng.integers(-4, 5, n).tolist(),
            [7] * n,
        ):
            for cardinality in (None, (n // 2, n), n // 2):
                yield SubsetSum(items, sum(items[::2]), cardinality=cardinality)


PROBLEMS = list(wide_problems())


def first_disagreement(module=method):
    for problem in PROBLEMS:
        choices = radii(problem)
        for above, reach in (
            [(-1, r) for r in choices[1:]] + [(0, r) for r in choices[2:6]] + [tuple(choices[-3:-1])]
        ):
            try:
                what = disagreement(problem, above, reach, module)
            except IndexError as error:
                what = f"noticed even without brute force: {error}"
            if what is not None:
                return what
    return None


def test_wide_and_narrow_problems():
    assert isinstance(method.MeetInTheMiddle(), Enumerator)
    assert first_disagreement() is None


def test_all_subsets_of_many_items_are_counted():
    """2^40 of them, and half of them by symmetry: far more than can be listed."""
    items = [2**k for k in range(40)]
    backend = method.MeetInTheMiddle()
    assert backend.count(SubsetSum(items, 0), -1, 2**41, FREE) == 2**40
    assert backend.count(SubsetSum(items, 0), 999, 2**39 - 1, FREE) == 2**39 - 1000
    fives = SubsetSum([5] * 32, 80, cardinality=(10, 20))
    assert backend.count(fives, -1, 0, FREE) == 601080390


def test_listing_is_lazy_and_stops_at_the_time_limit():
    backend = method.MeetInTheMiddle()
    problem = SubsetSum(list(range(1, 41)), 400)
    first = next(backend.listed(problem, -1, 0, FREE))
    assert sum(i + 1 for i in first) == 400
    with pytest.raises(TimeoutError):
        backend.count(problem, -1, 0, Limits(seconds=0.0))
    with pytest.raises(TimeoutError):
        next(backend.listed(problem, -1, 0, Limits(seconds=0.0)))


def test_a_search_ends_at_a_bound_that_needs_no_search():
    """All items even, the target odd: an error of 1 is the least, and proven."""
    solution = solve(SubsetSum(list(range(2, 90, 2)), 641), backend="mitm")
    assert solution.error == solution.lower_bound == 1


# -- planted mistakes --------------------------------------------------------------------------------

KERNEL, METHOD = "solvers.kernels.two_pointers", "solvers.backend.mitm.meet_in_the_middle"
GRID = "solvers.backend.grid"
MISTAKES = {
    "the bound is not included": (
        KERNEL,
        "pairs_up_to",
        "x + right[fitting - 1] > bound",
        "x + right[fitting - 1] >= bound",
    ),
    "the first left sum is not counted": (
        KERNEL,
        "pairs_up_to",
        "for x in left: ...",
        "for x in left[1:]: ...",
    ),
    "resumed one pair late": (
        KERNEL,
        "pairs_in_window",
        "return found, i, top, j",
        "return found, i, top, j - 1",
    ),
    "resumed one row late": (
        KERNEL,
        "pairs_in_window",
        "return found, i, top, j",
        "return found, i + 1, top, j",
    ),
    "every row is entered in the middle": (
        KERNEL,
        "pairs_in_window",
        "resumed = len(right)  # only",
        "pass  # only",
    ),
    "what is open counts": (
        METHOD,
        "_Search._count_within",
        "total += self._error(self._subset(left, i, right, j)) <= radius",
        "total += 1",
    ),
    "what is open does not count": (
        METHOD,
        "_without",
        "[(interval[0], part[0] - 1), (part[1] + 1, interval[1])]",
        "[]",
    ),
    "rounding is forgotten": (
        GRID,
        "Grid.sure_window",
        "return 1 - steps, steps - self.slack",
        "return -steps, steps",
    ),
    "the inner radius counts": (
        METHOD,
        "_Search.count",
        "((reach, 1), (above, -1))",
        "((reach, 1), (above - 1, -1))",
    ),
    "the inner radius is listed": (
        METHOD,
        "_Search.listed",
        "above < self._error(self.copies.subset(counts)) <= reach",
        "above <= self._error(self.copies.subset(counts)) <= reach",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_noticed(monkeypatch, mistake):
    name, *planted = MISTAKES[mistake]
    copy = plain_python(monkeypatch, name, *planted)
    if name == KERNEL:
        monkeypatch.setattr(two_pointers, "pairs_in_window", copy.pairs_in_window)
        monkeypatch.setattr(two_pointers, "pairs_up_to", copy.pairs_up_to)
    if name == GRID:
        monkeypatch.setattr(copies, "Grid", copy.Grid)
    module = copy if name == METHOD else method
    monkeypatch.setattr(module, "_PAIRS_AT_A_TIME", 3)
    assert first_disagreement(module) is not None


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("where", "old", "new"),
    [
        ("", "", ""),
        ("_Search._pairs_up_to", "bound - left", "_clamped(bound) - left"),
        (
            "_Search._pairs_in",
            'right.searchsorted(high - left, "right")',
            'right.searchsorted(_clamped(high) - left, "right")',
        ),
    ],
    ids=["none", "bounds of counts are cut to a word", "bounds of lists are cut to a word"],
)
def test_mistakes_in_the_fallback_to_pythons_integers_are_noticed(monkeypatch, where, old, new):
    copy = plain_python(monkeypatch, METHOD, where, old, new)
    monkeypatch.setattr(copy, "_MOST_CANDIDATES", 2)
    try:
        noticed = first_disagreement(copy) is not None
    except Exception as error:  # noqa: BLE001 - however it comes to light
        noticed = "object" in str(error)  # the compiled kernels take no Python integers
    assert noticed == bool(old)

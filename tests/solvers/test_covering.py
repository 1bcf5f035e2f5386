"""covering_radius against all sums, sorted, in exact fractions; that comparison against planted mistakes."""

import pickle
from bisect import bisect_left
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import exact, exact_families
from support.planting import plain_python

from solvers import InvalidProblemError, UnsupportedProblemError, covering
from solvers.backend.protocol import Limits
from solvers.covering import covering_radius


def truth(items, low, high):
    """Return (radius, smallest worst target): every sum listed, every midpoint and both ends tried."""
    sums = {Fraction(0)}
    for item in map(exact, items):
        sums |= {total + item for total in sums}
    ordered, low, high = sorted(sums), exact(low), exact(high)
    targets = {min(max(z, low), high) for z in (low, high, *((a + b) / 2 for a, b in pairwise(ordered)))}

    def error(z):
        place = bisect_left(ordered, z)
        return min(abs(z - x) for x in ordered[max(place - 1, 0) : place + 1])

    radius = max(map(error, targets))
    return radius, min(z for z in targets if error(z) == radius)


@st.composite
def intervals(draw, max_items=9):
    """Draw (items, low, high): ends among the sums, next to them, far outside, or anywhere; often equal."""
    numbers = draw(st.sampled_from(exact_families))
    items = draw(st.lists(numbers, min_size=1, max_size=max_items))
    if draw(st.booleans()):
        items = [items[draw(st.integers(0, i))] for i in range(len(items))]
    ends = []
    for _ in range(2):
        total = sum((exact(x) for x in items if draw(st.booleans())), Fraction(0))
        size = sum(abs(exact(x)) for x in items) + 1
        nudge = st.sampled_from([0, 0, Fraction(1, 3), Fraction(-1, 2**70), 2, -2])
        ends.append(total + size * draw(nudge) if draw(st.booleans()) else exact(draw(numbers)))
    low, high = sorted(ends)
    return items, low, draw(st.sampled_from([low, high, high]))


@pytest.fixture(params=[128, 1 << 12])
def windows(request, monkeypatch):
    """Make even the smallest instance go through windows, small ones."""
    monkeypatch.setattr(covering, "_FEW", 0)
    monkeypatch.setattr(covering, "_CELLS", request.param)
    monkeypatch.setattr(covering, "_SUMS_PER_CALL", 64)


@settings(max_examples=80, deadline=None)
@given(intervals())
def test_the_sums_listed_one_by_one(instance):
    assert covering_radius(*instance) == truth(*instance)


@pytest.mark.usefixtures("windows")
class TestWindows:
    """The compiled search, forced upon instances that brute force can check."""

    def test_any_instance(self):
        @settings(max_examples=50, deadline=None)
        @given(intervals())
        def check(instance):
            assert covering_radius(*instance) == truth(*instance)

        check()

    @pytest.mark.thinned
    @pytest.mark.parametrize("seed", range(2))
    def test_uniform_items(self, seed):
        rng = np.random.default_rng(seed)
        items = rng.uniform(-1, 1, 11)
        for low, high in ((-0.5, 0.5), (-9, 9), (0.25, 0.25), (-9, -8), (8, 9), (-0.1, 0)):
            assert covering_radius(items, low, high) == truth(items, low, high)

    @pytest.mark.parametrize("wide", [False, True])
    def test_lumps_of_sums_between_equal_gaps(self, wide):
        scale = Fraction(1, 2**70 - 1) if wide else Fraction(1, 2**20)
        items = [*(2**k for k in range(7)), *(Fraction(k) * scale for k in (1, 3, 4, 7))]
        for low, high in ((0, 128), (Fraction(1, 3), 99), (-7, 500)):
            assert covering_radius(items, low, high) == truth(items, low, high)

    def test_many_equal_gaps_the_first_of_which_is_named(self):
        items = [3, 6, 12, 24, 48, 96, 192, 384, 768, 1536]
        assert covering_radius(items, 0, 3069) == (Fraction(3, 2), Fraction(3, 2))
        assert covering_radius(items, 100, 3069) == (Fraction(3, 2), Fraction(201, 2))
        assert covering_radius(items, 100, Fraction(6141, 2)) == (Fraction(3, 2), Fraction(201, 2))

    def test_products_are_resolved_below_the_grid(self):
        rng = np.random.default_rng(5)
        items = [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (12, 2)).tolist()]
        walk = covering._Walk(covering._instance_of(items, -0.5, 0.5), Limits())
        assert walk.shift > 0
        assert walk.run()
        assert walk.peak.answer() == truth(items, -0.5, 0.5)

    def test_gaps_that_the_grid_orders_wrongly(self):
        tails = [Fraction(k, 2**80) for k in (9, 4, 7, 1, 8, 3, 5, 2, 6, 0)]
        items = [2**k + tail for k, tail in enumerate(tails)]
        assert covering_radius(items, -1, 1100) == truth(items, -1, 1100)
        assert covering_radius(items, 20, 900) == truth(items, 20, 900)


def test_scaling_and_shifting_an_instance():
    rng = np.random.default_rng(3)
    items = rng.uniform(-1, 1, 18)
    radius, worst = covering_radius(items, -0.5, 0.5)
    assert radius > 0
    for scale in (2.0**-900, 2.0**900):
        scaled = covering_radius(items * scale, -0.5 * scale, 0.5 * scale)
        assert scaled == (radius * Fraction(scale), worst * Fraction(scale))
    # Negating an item shifts all sums by it.
    shift = Fraction(items[4])
    flipped = np.where(np.arange(18) == 4, -items, items)
    assert covering_radius(flipped, Fraction(-1, 2) - shift, Fraction(1, 2) - shift) == (
        radius,
        worst - shift,
    )
    assert covering_radius(-items, -0.5, 0.5).radius == radius
    assert covering_radius(items[::-1], -0.5, 0.5) == (radius, worst)
    assert covering_radius([*items, 0, 0], -0.5, 0.5) == (radius, worst)
    # Half-way between the ends the interval splits.
    halves = [covering_radius(items, -0.5, 0), covering_radius(items, 0, 0.5)]
    assert max(half.radius for half in halves) == radius


def test_the_radius_is_an_error_that_solve_confirms():
    from solvers import SubsetSum, solve

    items = np.random.default_rng(8).uniform(-1, 1, 20)
    radius, worst = covering_radius(items, -0.5, 0.5)
    assert solve(SubsetSum(items, worst)).error == radius
    for target in (-0.5, 0.1, 0.5, float(worst)):
        assert solve(SubsetSum(items, target)).error <= radius


def test_small_examples():
    assert covering_radius([5], 0, 0) == (0, 0)
    assert covering_radius([5], 0, 5) == (Fraction(5, 2), Fraction(5, 2))
    assert covering_radius([5], 3, 9) == (4, 9)
    assert covering_radius([5], -7, 9) == (7, -7)
    assert covering_radius([0, 0.0], -1, 1) == (1, -1)
    assert covering_radius(np.array([1, 2, 4]), Fraction(1, 4), Fraction(1, 3)) == (
        Fraction(1, 3),
        Fraction(1, 3),
    )
    answer = covering_radius([1, 1, 1], 0, 3)
    assert (answer.radius, answer.worst_target) == (Fraction(1, 2), Fraction(1, 2))
    assert all(isinstance(x, Fraction) for x in answer)
    assert pickle.loads(pickle.dumps(answer)) == answer  # noqa: S301 - our own bytes


def test_many_items_with_few_sums():
    assert covering_radius([1] * 300 + [7] * 20, 0, 440) == (Fraction(1, 2), Fraction(1, 2))
    assert covering_radius([0.1] * 35, 0, 0.2) == (Fraction(0.1) / 2, Fraction(0.1) / 2)


@pytest.mark.parametrize(
    ("items", "low", "high", "what"),
    [
        ([1, 2], 1, 0, "low = 1 > high = 0"),
        ([1, 2], float("nan"), 0, "finite"),
        ([1, 2], 0, float("inf"), "high is inf"),
        ([1, float("nan")], 0, 1, "item 1 is nan"),
        ([], 0, 1, "at least one item"),
        ([[1, 2], [3, 4]], 0, 1, "scalar items"),
        ([1, 2], "0", 1, "not a number"),
        ([1, 2], [0], 1, "not a number"),
        ([1, [2]], 0, 1, "scalar items"),
        ([1, 2], 0, [1], "not a number"),
    ],
)
def test_bad_input(items, low, high, what):
    with pytest.raises(InvalidProblemError, match=what):
        covering_radius(items, low, high)


def test_what_cannot_be_resolved_is_refused(monkeypatch):
    monkeypatch.setattr(covering, "_MOST_LISTED", 1 << 12)
    rng = np.random.default_rng(0)
    items = rng.uniform(-1, 1, 16) * np.where(np.arange(16) % 2, 1e300, 1)
    with pytest.raises(UnsupportedProblemError, match="magnitude"):
        covering_radius(items, -0.5, 0.5)
    with pytest.raises(UnsupportedProblemError, match="more than 40"):
        covering_radius(rng.uniform(-1, 1, 41), -0.5, 0.5)


# -- planted mistakes ----------------------------------------------------------------------------------


def some_instances():
    rng = np.random.default_rng(2)
    for n in (4, 7):
        products = [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()]
        near = [2**k + Fraction(int(t), 2**80) for k, t in enumerate(rng.integers(0, 99, n))]
        lumps = [2**k for k in range(n - 2)] + [Fraction(1, 2**9), Fraction(3, 2**9)]
        integers = rng.integers(1, 30, n).tolist()
        for items in (rng.uniform(-1, 1, n).tolist(), products, near, lumps, integers):
            size = sum(abs(exact(x)) for x in items)
            ends = [(0, size), (-size, size / 7), (size / 9, size / 3), (-2 * size, 2 * size)]
            total = exact(items[0]) + exact(items[1])
            ends += [(total, total), (total, total + size / 5), (total - size / 4, total)]
            ends += [(total - size / 4, total + size / k) for k in (30, 99, 500)]
            for low, high in ends:
                yield items, low, high
    for bits in rng.integers(23, 32, 40).tolist():  # about a grid step of tails: the order of gaps changes
        yield [2**k + Fraction(int(t), 2**80) for k, t in enumerate(rng.integers(0, 2**bits, 5))], 0, 31
    tails = (12143961, 22566249, 19448778)
    yield [2**k + Fraction(t, 2**80) for k, t in enumerate(tails)], 0, 7
    yield [4, 8, 16], 0, 30  # the first gap ties with the high end
    yield [32, 96], 0, 129  # a window ends at a sum
    yield [1, 2, 4, 100], 0, 7.125  # the widest gap lies almost wholly outside


INSTANCES = [(instance, truth(*instance)) for instance in some_instances()]


def first_difference(monkeypatch, module, *mistake):
    """Return an instance that a copy of the search, with a mistake planted, gets wrong; None if none."""
    kernels = plain_python(monkeypatch, "solvers.kernels.sum_gaps", *(mistake if module == "kernels" else ()))
    imports = {"solvers.kernels.sum_gaps": kernels.__name__}
    planted = mistake if module == "covering" else ()
    search = plain_python(monkeypatch, "solvers.covering", *planted, imports=imports)
    search._FEW, search._SUMS_PER_CALL = 0, 8
    for search._CELLS in (32, 128):
        for instance, expected in INSTANCES:
            try:
                answer = search.covering_radius(*instance)
            except (IndexError, ZeroDivisionError, OverflowError):
                return instance
            if answer != expected:
                return instance
    return None


def test_without_a_mistake_the_comparison_is_silent(monkeypatch):
    assert first_difference(monkeypatch, "covering") is None


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("module", "where", "old", "new"),
    [
        ("covering", "_Walk.run", "self.threshold", "2 * self.threshold + 8"),
        ("covering", "_Walk._window", "end << shift", "(end + 1) << shift"),
        (
            "covering",
            "_Walk._window",
            "below, above = self._next_to(stop)\nself._consider(below, above)",
            "below, above = self._next_to(stop)",
        ),
        ("covering", "_Walk._window", "len(runs)", "len(runs) > 1"),
        ("covering", "_Peak.offer_gap", "max(below + above, 2 * self.instance.low)", "below + above"),
        (
            "covering",
            "_Peak.offer_gap",
            "min(max(below + above, 2 * self.instance.low), 2 * self.instance.high)",
            "min(max(below + above, 2 * self.instance.low), below + above)",
        ),
        ("covering", "_Walk.run", "self.peak.offer_high()", "pass"),
        (
            "covering",
            "_Walk.run",
            "self.peak.offer_low(*self._exactly_next_to(low))",
            "self.peak.offer(0, 2 * low)",
        ),
        ("covering", "_Peak.offer", "error > self.error", "error >= self.error"),
        ("covering", "_Walk._forget_narrow_gaps", "b - a + self.slack", "b - a - self.slack"),
        (
            "covering",
            "_Walk.threshold",
            "(self.floor >> self.shift) - self.slack",
            "(self.floor >> self.shift) + self.slack",
        ),
        (
            "covering",
            "_Walk._consider",
            "low <= below and above + self.slack <= high",
            "above + self.slack <= high",
        ),
        ("covering", "_Walk._consider", "low <= below and above + self.slack <= high", "low <= below"),
        (
            "covering",
            "_Walk._empty_runs",
            "(self.threshold + 1) >> shift",
            "((self.threshold + 1) >> shift) + 2",
        ),
        ("covering", "_Walk.run", "at_high - 1", "at_high"),
        ("kernels", "watch", "min(lowest[cell], distance)", "max(lowest[cell], distance)"),
        ("kernels", "watch", "max(highest[cell], distance)", "min(highest[cell], distance)"),
        ("kernels", "empty_runs", "if after >= cells:\n    break", "pass"),
        ("kernels", "neighbours", "total >= value", "total > value"),
        ("kernels", "neighbours", "j -= 1", "j -= 2"),
        ("kernels", "_first_at_least", "place > 0 and sums[place - 1] >= value", "False"),
        ("kernels", "mark", "j < right.size and right[j] < limit", "j < 0"),
        ("kernels", "watch", "j < right.size and right[j] < limit", "j < 0"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, module, where, old, new):
    assert first_difference(monkeypatch, module, where, old, new) is not None


# -- larger ones ---------------------------------------------------------------------------------------


def sorted_sums_radius(items, low, high):
    """Return the radius from all sums near the interval, sorted by numpy, in exact multiples of 2^-52."""
    halves = []
    for half in (items[::2], items[1::2]):
        sums = np.zeros(1, np.int64)
        for item in half:
            sums = np.concatenate([sums, sums + int(Fraction(item) * 2**52)])
        halves.append(np.sort(sums))
    first, last, margin = int(low * 2**52), int(high * 2**52), 2**44
    left, right = halves
    begin = np.searchsorted(right, first - margin - left)
    end = np.searchsorted(right, last + margin - left)
    pieces = zip(left, begin, end, strict=True)
    inside = np.concatenate([right[i:j] + x for x, i, j in pieces])
    inside.sort()
    assert inside[0] < first
    assert inside[-1] > last
    z = np.clip(inside[:-1] + inside[1:], 2 * first, 2 * last)  # half units
    return Fraction(int(np.minimum(z - 2 * inside[:-1], 2 * inside[1:] - z).max()), 2**53)


@pytest.mark.parametrize("n", [20, pytest.param(26, marks=pytest.mark.slow)])
def test_all_sums_sorted_by_numpy(n):
    items = np.random.default_rng(n).uniform(-1, 1, n)
    for low, high in ((-0.5, 0.0), (0.25, 0.5)):
        assert covering_radius(items, low, high).radius == sorted_sums_radius(items, low, high)

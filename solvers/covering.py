"""covering_radius(): how far the worst target of an interval is from its nearest subset sum, exactly.

Lueker (1998, "Exponentially small bounds on the expected optimum of the partition and subset sum problems")
proves that O(log 1/epsilon) random items have a subset sum within epsilon of every target of an interval; the
covering radius says how near *these* items come.

The distance to the nearest sum peaks half-way between two neighbouring sums, so the radius is half the widest
gap. All 2^n sums are generated as left sum + right sum of two halves (Horowitz & Sahni 1974), in windows of
ascending values, but never sorted: a sum marks the cell it falls into, with cells a sixteenth of the widest
gap known, and only around runs of empty cells that might hide a wider gap are the sums looked at again.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers.arrays import positional
from solvers.backend.protocol import Limits, OutOfTimeError
from solvers.errors import InvalidProblemError, UnsupportedProblemError
from solvers.exact import as_fraction, integer_image
from solvers.interrupts import interruptible
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

_MOST_ITEMS = 40
_BRIEF = 12  # items, of which the answer is there sooner than a thread
_FEW = 1 << 10  # sums that are listed in Python rather than in windows
_MOST_LISTED = 1 << 20  # sums that are simply listed in Python where no machine word can hold them
_LISTED_AT_A_TIME = 1 << 12  # of these, between two looks at the clock
_SECONDS_A_SUM = 2e-7  # of these
_MOST_GAPS = 1 << 10  # that rounding to a machine word does not tell apart
_WORD_BITS = 61
_CELLS = 1 << 18  # a window, in bytes: it stays in the second-level cache
_CELLS_PER_GAP = 16  # so that a gap too wide covers one aligned word of eight cells
_TILT = 1  # items moved from the left half to the right one: longer runs of its sums in each window
_SUMS_PER_CALL = 1 << 25  # of a compiled call: some hundredths of a second


class CoveringRadius(NamedTuple):
    """The largest nearest-subset error over an interval of targets, and the smallest target that has it."""

    radius: Fraction
    worst_target: Fraction


def covering_radius(items: Any, low: Any, high: Any, *, time_limit: float | None = None) -> CoveringRadius:
    """Return the exact supremum over real targets in [low, high] of the error of the nearest subset.

    It is attained; ``worst_target`` is the smallest target that attains it. Takes O(2^n) time and
    O(2^(n/2)) memory: on one core about a second for 30 items, and twice that for each item more.
    Lueker's theorem (1998) bounds it for random items; this is its value for these.

    Parameters
    ----------
    items : array_like, shape (n,)
        Floats (each the exact dyadic rational it stores), integers of any size, or Fractions; n up to 40.
    low, high : number
        The interval of targets, ``low <= high``.
    time_limit : float, optional
        Seconds.

    Returns
    -------
    CoveringRadius
        A named tuple (radius, worst_target) of Fractions.

    Raises
    ------
    InvalidProblemError
        For no items, vectors, NaN or infinities, ``low > high``, or a senseless time limit.
    UnsupportedProblemError
        For more than 40 items, or items so different in magnitude that no machine word resolves the gaps.
    TimeoutError
        When the time limit is reached; the message says what share of the interval was searched by then.

    Examples
    --------
    >>> covering_radius([1, 2, 4], 0, 7)
    CoveringRadius(radius=Fraction(1, 2), worst_target=Fraction(1, 2))
    >>> covering_radius([0.5, 0.25, -0.75], -0.5, 0.5).radius
    Fraction(1, 8)

    """
    limits = Limits.checked(time_limit)
    instance = _instance_of(items, low, high)
    try:
        brief = len(instance.items) <= _BRIEF
        return interruptible(lambda: _worst(instance, limits), limits.interruption, brief=brief).answer()
    except OutOfTimeError:
        told = f"{limits.progress.share:.1%} of the interval searched"
        raise TimeoutError(f"covering_radius: time limit of {time_limit} s reached: {told}") from None


def _worst(instance: _Instance, limits: Limits) -> _Peak:
    listed = _distinct_sums(instance.items, _FEW, limits)
    if len(listed) <= _FEW:
        return _peak_of(listed, instance)
    n = len(instance.items)
    if n <= _MOST_ITEMS:
        walk = _Walk(instance, limits)
        if walk.run():
            return walk.peak
    listed = _distinct_sums(instance.items, _MOST_LISTED, limits)
    if len(listed) <= _MOST_LISTED:
        return _peak_of(listed, instance)
    reason = f"are more than {_MOST_ITEMS}"
    if n <= _MOST_ITEMS:
        reason = f"differ too much in magnitude: rounded to {_WORD_BITS} bits, gaps vanish or look alike"
    raise UnsupportedProblemError(
        f"covering_radius cannot take these {n} items: they {reason}, "
        f"and their distinct sums are more than {_MOST_LISTED}"
    )


@dataclass(frozen=True)
class _Instance:
    """The question in integers: multiples of ``unit``."""

    items: list[int]
    low: int
    high: int
    unit: Fraction


def _instance_of(items: Any, low: Any, high: Any) -> _Instance:
    items = positional(items, "items")
    if isinstance(items, (list, tuple, np.ndarray)) and any(np.ndim(x) for x in items):
        raise InvalidProblemError("covering_radius takes scalar items, some of these are vectors")
    lowest, highest = as_fraction(low, "low"), as_fraction(high, "high")
    problem = SubsetSum(items, lowest)
    if lowest > highest:
        raise InvalidProblemError(f"the interval of targets is empty: low = {low!r} > high = {high!r}")
    numbers = [as_fraction(x, f"item {i}") for i, x in enumerate(problem.items)]
    image = integer_image([(x,) for x in (*numbers, lowest)], (highest,))
    *integers, first = (x for (x,) in image.items)
    return _Instance(integers, first, image.target[0], image.unit)


@dataclass
class _Peak:
    """The worst target so far; error and target are in half units, so that midpoints are whole."""

    instance: _Instance
    error: int = -1
    target: int = 0

    def offer(self, error: int, target: int) -> None:
        """Take a target that is worse; of equals the first, so targets must come in ascending order."""
        if error > self.error:
            self.error, self.target = error, target

    def offer_low(self, below: int, above: int) -> None:
        """Offer the interval's low end, given the sums next to it."""
        low = self.instance.low
        self.offer(2 * min(abs(low - below), abs(low - above)), 2 * low)

    def offer_gap(self, below: int, above: int) -> None:
        """Offer the worst target of the interval between two neighbouring sums, if it has one there."""
        target = min(max(below + above, 2 * self.instance.low), 2 * self.instance.high)
        self.offer(min(target - 2 * below, 2 * above - target), target)

    def offer_high(self) -> None:
        """Offer the interval's high end if it lies beyond the largest sum; else a gap already did."""
        largest = sum(x for x in self.instance.items if x > 0)
        self.offer(2 * (self.instance.high - largest), 2 * self.instance.high)

    def answer(self) -> CoveringRadius:
        half_unit = self.instance.unit / 2
        return CoveringRadius(self.error * half_unit, self.target * half_unit)


# -- few sums: listed in Python ------------------------------------------------------------------------


def _distinct_sums(items: Iterable[int], most: int, limits: Limits) -> list[int]:
    """Return all distinct subset sums, sorted; of the first items only, if those are more than ``most``."""
    sums = [0]
    for item in limits.watched(items, every=1):
        if len(sums) > most:
            break
        if not limits.allow(_SECONDS_A_SUM * 2 * len(sums)):
            raise OutOfTimeError("there is no time to list the sums")
        sums = list(dict.fromkeys(sorted(sums + [total + item for total in sums])))  # two runs: linear time
    return sums


def _peak_of(sums: list[int], instance: _Instance) -> _Peak:
    peak = _Peak(instance)
    place = bisect_left(sums, instance.low)
    peak.offer_low(sums[max(place - 1, 0)], sums[min(place, len(sums) - 1)])
    for below, above in pairwise(sums):
        peak.offer_gap(below, above)
    peak.offer_high()
    return peak


# -- many sums: windows of cells -----------------------------------------------------------------------


class _Walk:
    """One pass over the sums of an interval, in ascending windows.

    Sums are rounded down to a grid of ``2^shift`` units; an exact sum lies less than ``slack`` grid steps
    above its grid value. Of two neighbouring sums a < b (in grid steps) the first then has a grid value of at
    most a, the second one above b - slack, so the grid has a gap wider than b - a - slack there. Conversely,
    neighbours on the grid further apart than ``slack`` part the exact sums at the same place. So only gaps on
    the grid wider than ``slack``, and than the radius known so far less ``slack``, are looked at, and those
    exactly.
    """

    def __init__(self, instance: _Instance, limits: Limits) -> None:
        items = instance.items
        self.instance = instance
        self.limits = limits
        self.peak = _Peak(instance)
        self.shift = max(0, sum(map(abs, items)).bit_length() - _WORD_BITS)
        self.slack = len(items) if self.shift else 0
        self.floor = 0  # half units: the radius is proven to be no less
        self.gaps: list[tuple[int, int]] = []  # on the grid, of interest, in ascending order
        self.middle = max(0, len(items) // 2 - _TILT)
        grid = [x >> self.shift for x in items]
        self.left = _half_sums(grid[: self.middle], limits)
        self.right = _half_sums(grid[self.middle :], limits)
        self.exact_halves: list[list[int]] | None = None
        self.lower, self.upper = int(self.left[0] + self.right[0]), int(self.left[-1] + self.right[-1])
        # Interleaved, so that the first few left sums already reach everywhere.
        self.mixed = np.concatenate([self.left[k::8] for k in range(8)])
        self.places = np.zeros(self.left.size, np.int64)
        self.marks = np.zeros(_CELLS, np.uint8)
        self.lowest = np.zeros(_CELLS, np.int64)
        self.highest = np.zeros(_CELLS, np.int64)
        self.runs = np.zeros((_CELLS, 2), np.int64)

    def run(self) -> bool:
        """Offer every target that might be the worst; return whether the grid was fine enough to tell."""
        low, high = self.instance.low, self.instance.high
        self.peak.offer_low(*self._exactly_next_to(low))
        # Less a half unit, so that a gap that ties with the high end is found before it.
        at_high = 2 * min(abs(high - x) for x in self._exactly_next_to(high))
        self.floor = max(self.peak.error, at_high - 1)
        start, _ = self._next_to((low >> self.shift) - self.slack + 1)
        _, last = self._next_to((high >> self.shift) + self.slack + 1)
        # Windows show gaps of two units or more; where one unit matters, low is a sum and this one tells.
        self._consider(start, self._next_to(start + 1)[1])
        first = start
        while last - start > self.threshold:
            start = self._window(start, last)
            self.limits.progress.share = (start - first) / (last - first)
            if len(self.gaps) > _MOST_GAPS and not self._forget_narrow_gaps():
                return False
        self._forget_narrow_gaps()
        for gap in self.gaps:
            self.peak.offer_gap(*(self._exactly_next_to(gap[1] << self.shift) if self.shift else gap))
        self.peak.offer_high()
        return self.peak.error >> self.shift >= 2 * self.slack

    @property
    def threshold(self) -> int:
        """Gaps on the grid up to this wide are of no interest."""
        return max((self.floor >> self.shift) - self.slack, self.slack)

    # -- sums next to a value ----------------------------------------------------------------------------

    def _next_to(self, value: int) -> tuple[int, int]:
        """Return the largest sum on the grid below ``value`` and the smallest not below.

        Where there is none, the smallest or the largest of all sums stands in.
        """
        from solvers.kernels.sum_gaps import neighbours

        below, above = neighbours(self.left, self.right, min(max(value, self.lower), self.upper + 1))
        return int(below), int(above)

    def _exactly_next_to(self, value: int) -> tuple[int, int]:
        """Return the same of the exact sums."""
        if not self.shift:
            return self._next_to(value)
        if self.exact_halves is None:
            items = self.instance.items
            halves = items[: self.middle], items[self.middle :]
            self.exact_halves = [_distinct_sums(half, 1 << len(half), self.limits) for half in halves]
        from solvers.kernels.sum_gaps import neighbours

        in_python: Any = getattr(neighbours, "py_func", neighbours)  # compiled, it would take int64 only
        left, right = self.exact_halves
        below, above = left[0] + right[0], left[-1] + right[-1]
        for first in self.limits.watched(range(0, len(left), _LISTED_AT_A_TIME), every=1):
            some = left[first : first + _LISTED_AT_A_TIME]
            begin = max(0, bisect_left(right, value - some[-1]) - 1)
            near = right[begin : bisect_left(right, value - some[0]) + 1] or right[-1:]
            for total in in_python(some, near, value):
                if total < value:
                    below = max(below, total)
                else:
                    above = min(above, total)
        return below, above

    # -- gaps of interest --------------------------------------------------------------------------------

    def _consider(self, below: int, above: int) -> None:
        """Take note of neighbours on the grid."""
        if above - below <= self.threshold:
            return
        self.gaps.append((below, above))
        low, high = -(-self.instance.low >> self.shift), self.instance.high >> self.shift
        if low <= below and above + self.slack <= high:  # then the exact gap lies in the interval
            self.floor = max(self.floor, (above - below - self.slack) << self.shift)

    def _forget_narrow_gaps(self) -> bool:
        """Keep the gaps that can be exactly as wide as the widest; return whether they are few."""
        self.gaps = [(a, b) for a, b in self.gaps if (b - a + self.slack) << self.shift >= self.floor]
        return len(self.gaps) <= _MOST_GAPS // 2

    # -- windows -----------------------------------------------------------------------------------------

    def _window(self, start: int, last: int) -> int:
        """Consider all gaps in a window; its first cell holds a sum. Return where the next window starts."""
        from solvers.kernels.sum_gaps import last_marked

        shift = max(0, ((self.threshold + 1) // _CELLS_PER_GAP).bit_length() - 1)
        stop = min(start + (_CELLS << shift), last + 1)
        cells = ((stop - 1 - start) >> shift) + 1
        self._mark(start, stop, shift, cells)
        end = int(last_marked(self.marks, cells))
        runs = self._empty_runs(cells, shift, _CELLS)
        if len(runs):
            for below, above in self._around(runs, start, stop, shift):
                self._consider(below, above)
        if end == 0 and stop <= last:  # a gap wider than all cells
            below, above = self._next_to(stop)
            self._consider(below, above)
            return above
        # The last cell with a sum is the next window's first: no gap falls between two windows.
        return start + (end << shift) if start + ((end + 1) << shift) <= last else last

    def _mark(self, start: int, stop: int, shift: int, cells: int) -> None:
        """Mark the cells that hold sums, or enough of them to exclude all gaps of interest."""
        from solvers.kernels.sum_gaps import last_marked, mark

        self.marks[:] = 0
        for first, end in self._calls():
            mark(self.mixed, self.right, self.places, first, end, start, stop, shift, self.marks)
            far = self.marks[0] and last_marked(self.marks, cells) > cells // 2
            if far and not len(self._empty_runs(cells, shift, 1)):
                return

    def _calls(self) -> Iterator[tuple[int, int]]:
        """Cut the left sums into calls of a fraction of a second: an eighth, as much again, and so on."""
        size = self.mixed.size
        most = max(1, _SUMS_PER_CALL // self.right.size)
        first = 0
        while first < size:
            self.limits.check()
            end = min(size, first + min(most, max(first, (size + 7) // 8)))
            yield first, end
            first = end

    def _empty_runs(self, cells: int, shift: int, most: int) -> Ints:
        """Return pairs of cells with sums between which a gap of interest may lie."""
        from solvers.kernels.sum_gaps import empty_runs

        least = (self.threshold + 1) >> shift  # sums in cells less far apart are within the threshold
        probes = self.marks.view(np.uint64) if least >= _CELLS_PER_GAP else self.marks
        return self.runs[: empty_runs(probes, self.marks, cells, least, self.runs[:most])]

    def _around(self, runs: Ints, start: int, stop: int, shift: int) -> Iterator[tuple[int, int]]:
        """Yield the sums next to each run of empty cells."""
        from solvers.kernels.sum_gaps import WATCHED, watch

        for cells in (runs[:, 0], runs[:, 1]):
            self.marks[cells] = WATCHED
            self.lowest[cells] = stop - start
            self.highest[cells] = -1
        for first, end in self._calls():
            watch(
                self.mixed, self.right, self.places, first, end,
                start, stop, shift, self.marks, self.lowest, self.highest,
            )  # fmt: skip
        below, above = self.highest[runs[:, 0]], self.lowest[runs[:, 1]]
        wide = above - below > self.threshold
        for a, b in zip(below[wide].tolist(), above[wide].tolist(), strict=True):
            yield start + a, start + b


def _half_sums(items: list[int], limits: Limits) -> Ints:
    """Return all distinct sums, sorted."""
    sums = np.zeros(1, np.int64)
    for item in limits.watched(items, every=1):
        if not limits.allow(_SECONDS_A_SUM * 2 * len(sums)):
            raise OutOfTimeError("there is no time to list the sums")
        sums = np.union1d(sums, sums + item)
    return sums

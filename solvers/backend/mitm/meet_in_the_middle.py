"""mitm: all sums of each half of the items, sorted, and two pointers (Horowitz & Sahni 1974). Exact.

Instances whose integers fit 62 bits run in compiled int64 arithmetic. Wider ones (products of two uniforms
have 106 bits) are solved on the finest grid that fits; then every pair of half sums that rounding leaves a
chance is listed and ranked in exact integers. Where rounding leaves too many, because the exponents are too
mixed, the same search runs in Python's own integers. Counting is the same two pointers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.grid import Grid, grid_of
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

    Sums = tuple[Any, Any]  # sorted sums and their masks: arrays, or lists of Python's integers
    Seen = tuple[list[int] | None, int]  # a subset and its exact error in units

_MOST_ITEMS = 50
_MOST_ITEMS_IN_PYTHON = 36
_MOST_CANDIDATES = 1 << 16
_PAIRS_AT_A_TIME = 1 << 16
_SUMS_AT_A_TIME = 1 << 20  # left sums between two looks at the clock
_INTEGERS_AT_A_TIME = 1 << 12  # the same, in Python
_WORD = 1 << 62
_BYTES_PER_SUM = 12 * 3  # sum and mask, and the merge's copy of them while a list doubles


@dataclass
class _Half:
    """Sorted sums of one half of the items with their masks, grouped by cardinality where that matters."""

    first: int
    groups: dict[int, Sums]


class MeetInTheMiddle(Enumerator):
    """Horowitz-Sahni meet in the middle for scalar problems of up to 50 items."""

    name = "mitm"
    summary = f"scalar, up to {_MOST_ITEMS} items, any cardinality; all objectives, proven; O(2^(n/2)) memory"

    def missing(self) -> str | None:
        """Return None: it needs only what the package itself needs."""
        return None

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:  # noqa: ARG002
        """Return why not, if not: vectors, too many items, too little memory."""
        return self.enumeration_refusal(problem, limits)

    def enumeration_refusal(self, problem: SubsetSum, limits: Limits) -> str | None:
        """Return why not, if not: vectors, too many items, too little memory."""
        if problem.d > 1:
            return f"it takes scalar items, these have {problem.d} dimensions"
        if problem.n > _MOST_ITEMS:
            return f"it takes up to {_MOST_ITEMS} items, these are {problem.n}"
        needed = 2 * _BYTES_PER_SUM << ((problem.n + 1) // 2)
        if limits.memory is not None and needed > limits.memory:
            return f"it needs about {needed} bytes for {problem.n} items, the memory limit is {limits.memory}"
        return None

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(2^(n/2)) time and memory; by cardinality O(n 2^(n/2))."""
        grouped = objective == "sparsest" or problem.sizes != (0, problem.n)
        search = _Search(problem, limits, grouped=grouped)
        try:
            search.list_half_sums()
            if objective == "sparsest":
                return search.sparsest()
            return search.nearest(stop=problem.tolerance_units if objective == "within" else None)
        except OutOfTimeError:
            return search.unfinished()

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count the subsets in O(2^(n/2)) time and memory."""
        search = _Search(problem, limits, grouped=problem.sizes != (0, problem.n))
        return limits.total(search.counts(above, reach))

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets, a buffer of them at a time."""
        yield from _Search(problem, limits, grouped=problem.sizes != (0, problem.n)).listed(above, reach)


class _TooManyCandidatesError(Exception):
    """Rounding left too many pairs to rank one by one."""


class _Search:
    """The half sums of one problem, and the searches over pairs of them.

    Attributes
    ----------
    best : (list of int or None, int)
        The nearest of all subsets that came up so far, and its error.
    fewest : int
        No acceptable subset has fewer items.

    """

    def __init__(self, problem: SubsetSum, limits: Limits, *, grouped: bool) -> None:
        self.problem = problem
        self.limits = limits
        self.grouped = grouped
        self.items = [item[0] for item in problem.image.items]
        self.target = problem.image.target[0]
        self.grid = grid_of(problem.image)
        self.in_python = False
        self.best: Seen = (None, 0)
        self.fewest = problem.sizes[0]

    # -- building ------------------------------------------------------------------------------------

    def list_half_sums(self) -> None:
        """List the sums of both halves; nothing is searched before."""
        middle = self.problem.n // 2
        self.left = self._half(0, middle)
        self.right = self._half(middle, self.problem.n)

    def _half(self, first: int, last: int) -> _Half:
        groups: dict[int, Sums] = {0: self._empty_sum()}
        for index in range(first, last):
            self.limits.check()
            item, bit = int(self.grid.items[index, 0]), index - first
            if self.grouped:
                top = max(groups)
                grown = {0: groups[0], top + 1: self._merge(None, groups[top], item, bit)}
                for size in range(1, top + 1):
                    grown[size] = self._merge(groups[size], groups[size - 1], item, bit)
                groups = grown
            else:
                groups = {0: self._merge(groups[0], groups[0], item, bit)}
        return _Half(first, groups)

    def _empty_sum(self) -> Sums:
        if self.in_python:
            return [0], [0]
        return np.zeros(1, np.int64), np.zeros(1, np.uint32)

    def _merge(self, without: Sums | None, taking: Sums, item: int, bit: int) -> Sums:
        if self.in_python:
            before = [] if without is None else list(zip(*without, strict=True))
            after = [(s + item, mask | 1 << bit) for s, mask in zip(*taking, strict=True)]
            merged = sorted(before + after)  # two sorted runs: linear time
            return [s for s, _ in merged], [mask for _, mask in merged]
        from solvers.kernels.half_sums import merge_with_item

        if without is None:
            without = np.empty(0, np.int64), np.empty(0, np.uint32)
        if self.limits.seconds is None or len(taking[0]) <= _SUMS_AT_A_TIME:
            return merge_with_item(without[0], without[1], taking[0], taking[1], item, bit)
        sums = np.empty(len(without[0]) + len(taking[0]), np.int64)
        masks = np.empty(sums.size, np.uint32)
        for a, b in self.limits.watched(_runs(without[0], taking[0], item), every=1):
            place = slice(a.start + b.start, a.stop + b.stop)
            sums[place], masks[place] = merge_with_item(
                without[0][a], without[1][a], taking[0][b], taking[1][b], item, bit
            )
        return sums, masks

    # -- objectives ----------------------------------------------------------------------------------

    def nearest(self, stop: int | None) -> Finding:
        """Find the nearest subset of an allowed cardinality, or stop at an error of ``stop`` units."""
        low = self.problem.sizes[0]
        bound = simple_bound(self.problem)  # no error is less, so an error of this ends the search
        subset, units = self._nearest_over(self._allowed_groups(), max(bound, stop or 0))
        unit = self.problem.image.unit
        stopped_early = stop is not None and 0 < units <= stop
        return Finding(subset, (bound if stopped_early else units) * unit, low)

    def sparsest(self) -> Finding:
        """Find the fewest items within the tolerance, and among those the smallest error."""
        low, high = self.problem.sizes
        tolerance = self.problem.tolerance_units or 0
        unit = self.problem.image.unit
        for size in range(low, high + 1):
            self.fewest = size
            subset, units = self._nearest_over(list(self._group_pairs(size, size)), 0)
            if units <= tolerance:
                return Finding(subset, units * unit, size)
        return Finding(self.best[0], self.best[1] * unit, low)

    def unfinished(self) -> Finding:
        """Return what is known when the time is up."""
        bound = simple_bound(self.problem) * self.problem.image.unit
        return Finding(self.best[0], bound, self.fewest, stop=Stop.TIME_LIMIT)

    def _allowed_groups(self) -> list[tuple[int, int]]:
        return list(self._group_pairs(*self.problem.sizes)) if self.grouped else [(0, 0)]

    def _group_pairs(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        for a in self.left.groups:
            for b in self.right.groups:
                if low <= a + b <= high:
                    yield a, b

    # -- searching pairs -----------------------------------------------------------------------------

    def _nearest_over(self, pairs: Sequence[tuple[int, int]], stop: int) -> Seen:
        """Return the nearest subset in these pairs of groups, or one whose error is at most ``stop``."""
        try:
            return self._scan(pairs, stop)
        except _TooManyCandidatesError:
            self._restart_in_python()
            return self._scan(pairs, stop)

    def _restart_in_python(self) -> None:
        """List the half sums again, in Python's integers: exponents are too mixed for one machine word."""
        if self.problem.n > _MOST_ITEMS_IN_PYTHON:
            raise UnsupportedProblemError(
                f"backend mitm takes up to {_MOST_ITEMS_IN_PYTHON} items of such mixed magnitudes, "
                f"these are {self.problem.n}; able: cp-sat"
            ) from None
        image = self.problem.image
        self.in_python = True
        self.grid = Grid(np.array(image.items, dtype=object), np.array(image.target, dtype=object), 0, 0)
        self.list_half_sums()

    def _scan(self, pairs: Sequence[tuple[int, int]], stop: int) -> Seen:
        best: Seen = (None, 0)
        for number, (a, b) in enumerate(pairs):
            if number:
                self.limits.check()
            left, right = self.left.groups[a], self.right.groups[b]
            i, j = self._nearest_on_grid(left, right, stop)
            nearest = self._subset(left, i, right, j)
            units = self._error(nearest)
            open_yet = (
                self.grid.shift and units > stop and (best[0] is None or self._may_beat(units, best[1]))
            )
            rivals = self._rivals(left, right, units) if open_yet else ()
            for subset in chain([nearest], rivals):
                units = self._error(subset)
                if best[0] is None or units < best[1]:
                    best = subset, units
                if self.best[0] is None or units < self.best[1]:
                    self.best = subset, units
            if best[1] <= stop:
                break
        return best

    def _nearest_on_grid(self, left: Sums, right: Sums, stop: int) -> tuple[int, int]:
        target = int(self.grid.target[0])
        if self.in_python:
            return _nearest_pair_of_integers(left[0], right[0], target, stop)
        from solvers.kernels.two_pointers import nearest_pair

        # On a coarse grid a small distance proves nothing yet, so nothing but the nearest pair will do.
        stop = min(stop, _WORD) if not self.grid.shift else -1
        i, j, _ = nearest_pair(left[0], right[0], target, stop)
        return int(i), int(j)

    def _may_beat(self, units: int, best: int) -> bool:
        """Whether some pair of a group whose grid-nearest pair has this exact error might beat ``best``."""
        slack = (2 * self.problem.n + 4) << self.grid.shift
        return units - slack <= best

    def _rivals(self, left: Sums, right: Sums, units: int) -> Iterator[list[int]]:
        """Yield every subset that rounding leaves a chance of an error below ``units``."""
        low, high = self.grid.window(units)
        if self._pairs_between(left, right, low, high) > _MOST_CANDIDATES:
            raise _TooManyCandidatesError
        for i, j in self.limits.watched(self._listed_between(left, right, low, high)):
            yield self._subset(left, i, right, j)

    # -- counting and listing ------------------------------------------------------------------------

    def counts(self, above: int, reach: int) -> Iterator[tuple[int, float]]:
        """Count the subsets with ``above < error <= reach``, in portions, with the share that is done."""
        self.list_half_sums()
        self._prefer_exactness((above, reach))
        whole, done = sum(len(self.left.groups[a][0]) for a, _ in self._allowed_groups()), 0
        for a, b in self._allowed_groups():
            for left in self._portions(self.left.groups[a]):
                done += len(left[0])
                yield (
                    sum(
                        self._count_within(left, self.right.groups[b], radius) * sign
                        for radius, sign in ((reach, 1), (above, -1))
                    ),
                    done / whole,
                )

    def listed(self, above: int, reach: int) -> Iterator[list[int]]:
        """Yield the subsets with ``above < error <= reach``."""
        self.list_half_sums()
        self._prefer_exactness((above, reach))
        low, high = self.grid.window(reach)
        sure_low, sure_high = self._surely_within(above)
        parts = [(low, sure_low - 1), (sure_high + 1, high)] if sure_low <= sure_high else [(low, high)]
        for a, b in self._allowed_groups():
            left, right = self.left.groups[a], self.right.groups[b]
            for part in parts:
                for i, j in self.limits.watched(self._listed_between(left, right, *part)):
                    subset = self._subset(left, i, right, j)
                    if above < self._error(subset) <= reach:
                        yield subset

    def _prefer_exactness(self, radii: tuple[int, ...]) -> None:
        """Restart in Python's integers where too many pairs would have to be checked one by one."""
        borderline = sum(
            self._pairs_between(self.left.groups[a], self.right.groups[b], *part)
            for a, b in self._allowed_groups()
            for radius in radii
            for part in self._borderline(radius)
        )
        if borderline > _MOST_CANDIDATES:
            self._restart_in_python()

    def _surely_within(self, radius: int) -> tuple[int, int]:
        """Return (low, high): every subset with grid differences in there has an error of at most ``radius``.

        Empty (low > high) when there are none.
        """
        if not self.grid.shift:
            return -radius, radius
        steps = radius >> self.grid.shift
        return 1 - steps, steps - self.grid.slack

    def _borderline(self, radius: int) -> list[tuple[int, int]]:
        """Return the intervals of grid differences that leave open whether the error exceeds ``radius``."""
        if not self.grid.shift or radius < 0:
            return []
        low, high = self.grid.window(radius)
        sure_low, sure_high = self._surely_within(radius)
        return [(low, sure_low - 1), (sure_high + 1, high)] if sure_low <= sure_high else [(low, high)]

    def _count_within(self, left: Sums, right: Sums, radius: int) -> int:
        total = self._pairs_between(left, right, *self._surely_within(radius))
        for part in self._borderline(radius):
            for i, j in self.limits.watched(self._listed_between(left, right, *part)):
                total += self._error(self._subset(left, i, right, j)) <= radius
        return total

    def _portions(self, sums: Sums) -> Iterator[Sums]:
        """Cut a list of sums into portions, and look at the clock before each."""
        step = _INTEGERS_AT_A_TIME if self.in_python else _SUMS_AT_A_TIME
        for first in range(0, len(sums[0]), step):
            self.limits.check()
            yield sums[0][first : first + step], sums[1][first : first + step]

    def _pairs_between(self, left: Sums, right: Sums, low: int, high: int) -> int:
        """Count the pairs of sums with grid differences to the target from ``low`` to ``high``."""
        if low > high:
            return 0
        target = int(self.grid.target[0])
        return sum(
            self._pairs_up_to(some, right[0], target + high)
            - self._pairs_up_to(some, right[0], target + low - 1)
            for some, _ in self._portions(left)
        )

    def _pairs_up_to(self, left: Any, right: Any, bound: int) -> int:
        """Count the pairs of sums of at most ``bound``."""
        if self.in_python:
            return _pairs_of_integers_up_to(left, right[: bisect_right(right, bound - left[0])], bound)
        from solvers.kernels.two_pointers import pairs_up_to

        bound = _clamped(bound)
        return int(pairs_up_to(left, right[: np.searchsorted(right, bound - left[0], "right")], bound))

    def _listed_between(self, left: Sums, right: Sums, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs that ``_pairs_between`` counts."""
        target, first = int(self.grid.target[0]), 0
        for some, _ in self._portions(left):
            for i, j in self._pairs_in(some, right[0], target + low, target + high):
                yield first + i, j
            first += len(some)

    def _pairs_in(self, left: Any, right: Any, low: int, high: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs of sums from ``low`` to ``high``."""
        if self.in_python:
            yield from _pairs_of_integers(left, right, low, high)
            return
        from solvers.kernels.two_pointers import pairs_in_window

        low, high = _clamped(low), _clamped(high)
        right = right[: np.searchsorted(right, high - left[0], "right")]
        pairs = np.empty((_PAIRS_AT_A_TIME, 2), np.int64)
        i, top, j = 0, right.size - 1, right.size - 1
        while i < left.size:
            found, i, top, j = pairs_in_window(left, right, low, high, (i, top, j), pairs)
            yield from pairs[:found].tolist()

    def _subset(self, left: Sums, i: int, right: Sums, j: int) -> list[int]:
        return [
            half.first + bit
            for half, mask in ((self.left, int(left[1][i])), (self.right, int(right[1][j])))
            for bit in range(mask.bit_length())
            if mask >> bit & 1
        ]

    def _error(self, subset: Sequence[int]) -> int:
        return abs(sum(self.items[i] for i in subset) - self.target)


def _runs(without: Any, taking: Any, item: int) -> Iterator[tuple[slice, slice]]:
    """Cut two sorted lists into runs to be merged one after the other; the second is shifted by an item."""
    i = j = 0
    while i < without.size or j < taking.size:
        end, stop = min(i + _SUMS_AT_A_TIME, without.size), min(j + _SUMS_AT_A_TIME, taking.size)
        if end < without.size:  # of equal sums those without the item come first
            stop = min(stop, int(np.searchsorted(taking, without[end] - item, "left")))
        if stop < taking.size:
            end = min(end, int(np.searchsorted(without, taking[stop] + item, "right")))
        yield slice(i, end), slice(j, stop)
        i, j = end, stop


def _clamped(bound: int) -> int:
    """Return a bound that fits a word and divides the sums alike: all of them are smaller than ``_WORD``."""
    return max(-_WORD, min(bound, _WORD))


def _nearest_pair_of_integers(
    left: Sequence[int], right: Sequence[int], target: int, stop: int
) -> tuple[int, int]:
    """Do what the compiled ``nearest_pair`` does, in integers of any size."""
    i, j = 0, len(right) - 1
    best_i, best_j = i, j
    best = abs(left[i] + right[j] - target)
    while i < len(left) and j >= 0 and best > stop:
        difference = left[i] + right[j] - target
        if abs(difference) < best:
            best, best_i, best_j = abs(difference), i, j
        if difference > 0:
            j -= 1
        else:
            i += 1
    return best_i, best_j


def _pairs_of_integers_up_to(left: Sequence[int], right: Sequence[int], bound: int) -> int:
    """Do what the compiled ``pairs_up_to`` does, in integers of any size."""
    total, fitting = 0, len(right)
    for x in left:
        while fitting and x + right[fitting - 1] > bound:
            fitting -= 1
        total += fitting
    return total


def _pairs_of_integers(
    left: Sequence[int], right: Sequence[int], low: int, high: int
) -> Iterator[tuple[int, int]]:
    """Do what the compiled ``pairs_in_window`` does, in integers of any size."""
    for i, x in enumerate(left):
        for j in range(bisect_left(right, low - x), bisect_right(right, high - x)):
            yield i, j

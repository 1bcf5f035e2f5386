"""mitm: all sums of each half of the items, sorted, and two pointers (Horowitz & Sahni 1974). Exact.

Instances whose integers fit 62 bits run in compiled int64 arithmetic. Wider ones (products of two uniforms
have 106 bits) are solved on the finest grid that fits; then every pair of half sums that rounding leaves a
chance is listed and ranked in exact integers. Where rounding leaves too many, because the exponents are too
mixed, the same search runs in Python's own integers. Counting is the same two pointers.

Equal items are one item that may be taken several times (see ``backend.copies``): what matters is how many
different sums a half may have. A mask is then a number in mixed radix, a digit for each value.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.copies import choice_bits, copies_of
from solvers.backend.grid import Grid
from solvers.backend.mitm.quarter_lists import positions
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from solvers.backend.copies import Copies
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

    Sums = tuple[NDArray[Any], NDArray[np.uint32]]  # sorted, int64 or Python's integers, and their masks
    Seen = tuple[list[int] | None, int]  # a subset and its exact error in units

_MOST_ITEMS = 50
_MOST_SUMS = 1 << 26  # of a half, so that a mask has 32 bits
_MOST_ITEMS_IN_PYTHON = 36
_MOST_CANDIDATES = 1 << 16
_PAIRS_AT_A_TIME = 1 << 13
_SUMS_AT_A_TIME = 1 << 20  # left sums between two looks at the clock
_INTEGERS_AT_A_TIME = 1 << 12  # the same, in Python
_WORD = 1 << 62
_FAR = math.inf  # before there is a pair
_BITS_COUNTED = 62  # of so many items all subsets can be counted in a machine word
_BYTES_PER_SUM = 12 * 3  # sum and mask, and the merge's copy of them while a list doubles
_BYTES_PER_INTEGER = 12 * 3 + 2 * 28  # the same with references, and two integers, less their digits


@dataclass
class _Half:
    """Sorted sums of one half of the values with their masks, grouped by cardinality where that matters."""

    digits: list[tuple[int, int, int]]  # of each value: which it is, the weight of its digit, and its radix
    groups: dict[int, Sums]

    def counts(self, mask: int) -> dict[int, int]:
        """Return how often a mask takes each value."""
        return {k: mask // weight % radix for k, weight, radix in self.digits}

    def ways(self, copies: Copies, masks: NDArray[np.uint32]) -> NDArray[Any]:
        """Return how many subsets stand behind each mask, in Python's integers where a word may not do."""
        dtype = np.int64 if sum(map(len, copies.members)) < _BITS_COUNTED else object
        ways = np.ones(masks.size, dtype)
        for k, weight, radix in self.digits:
            if copies.ways[k] != [1, 1]:
                ways *= np.array(copies.ways[k], dtype)[masks // np.uint32(weight) % np.uint32(radix)]
        return ways


class MeetInTheMiddle(Enumerator):
    """Horowitz-Sahni meet in the middle for scalar problems of up to 50 items."""

    name = "mitm"
    summary: str = (
        f"scalar, up to {_MOST_ITEMS} items, any cardinality; all objectives, proven; O(2^(n/2)) memory"
    )
    counts_copies_once = True

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: vectors, too many items, too little memory."""
        if problem.d > 1:
            return f"it takes scalar items, these have {problem.d} dimensions"
        sized = _grouped(problem, objective)
        bits = choice_bits(problem, sized=sized)
        sums = copies_of(problem, sized=sized).half_sums if bits <= _MOST_ITEMS else math.inf
        if sums > _MOST_SUMS:
            told = f" (by value, they make 2^{bits:.0f} sums)" if bits < problem.n else ""
            return f"it takes up to {_MOST_ITEMS} items, these are {problem.n}{told}"
        return limits.shortage(2 * _BYTES_PER_SUM * int(sums), f"{problem.n} items")

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:
        """Estimate the time of merging and of the two pointers; by cardinality the groups' overhead too."""
        n, grouped = min(problem.n, 1000), _grouped(problem, objective)
        bits = min(choice_bits(problem, sized=grouped), 1000)
        return 1e-4 + 42e-9 * math.exp2(bits / 2) + (1e-6 * n * n if grouped else 0)

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(2^(n/2)) time and memory; by cardinality O(n 2^(n/2))."""
        search = _Search(problem, limits, grouped=_grouped(problem, objective))
        try:
            search.list_half_sums()
            if objective == "sparsest":
                return search.sparsest()
            return search.nearest(stop=problem.tolerance_units if objective == "within" else None)
        except OutOfTimeError:
            return search.unfinished(Stop.TIME_LIMIT)
        except _TooLittleMemoryError as reason:
            return search.unfinished(Stop.MEMORY_LIMIT, str(reason))

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count the subsets in O(2^(n/2)) time and memory."""
        return _Search(problem, limits, grouped=_grouped(problem, "within")).count(above, reach)

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets, a buffer of them at a time."""
        yield from _Search(problem, limits, grouped=_grouped(problem, "within")).listed(above, reach)


def _grouped(problem: SubsetSum, objective: Objective) -> bool:
    return objective == "sparsest" or problem.sizes != (0, problem.n)


class _TooManyCandidatesError(Exception):
    """Rounding left too many pairs to rank one by one."""


class _TooLittleMemoryError(UnsupportedProblemError):
    """The half sums need Python's integers, and those do not fit."""


class _Search:
    """The half sums of one problem, and the searches over pairs of them."""

    def __init__(self, problem: SubsetSum, limits: Limits, *, grouped: bool) -> None:
        self.problem = problem
        self.limits = limits
        self.grouped = grouped
        self.copies = copies_of(problem, sized=grouped)
        self.items = [item[0] for item in problem.image.items]
        self.target = problem.image.target[0]
        self.grid = self.copies.grid()
        self.in_python = False
        self.best: Seen = (None, 0)  # the nearest of all that came up so far
        self.fewest = problem.sizes[0]  # no acceptable subset has fewer items

    # -- building ------------------------------------------------------------------------------------

    def list_half_sums(self) -> None:
        """List the sums of both halves; nothing is searched before."""
        self.left, self.right = map(self._half, self.copies.halves)

    def _half(self, values: list[int]) -> _Half:
        groups: dict[int, Sums] = {0: (np.zeros(1, self.grid.items.dtype), np.zeros(1, np.uint32))}
        digits, flag = [], 1
        for k in values:
            self.limits.check()
            item, many = int(self.grid.items[k, 0]), self.copies.most[k]
            if self.grouped:
                groups = self._merge_by_size(groups, item, many, flag)
            else:
                groups = {0: self._merge_copies(groups[0], item, many, flag)}
            digits.append((k, flag, many + 1))
            flag *= many + 1
        return _Half(digits, groups)

    def _merge_by_size(self, groups: dict[int, Sums], item: int, many: int, flag: int) -> dict[int, Sums]:
        """Merge the sums of each number of items with those that take up to ``many`` copies of one more."""
        most = min(max(groups) + many, self.problem.sizes[1])
        if many == 1:
            for size in range(most, 0, -1):
                groups[size] = self._merge(groups.get(size), groups[size - 1], item, flag)
            return groups
        merged = {}
        for size in range(most + 1):
            self.limits.check()
            some = [(copies, *groups[size - copies]) for copies in range(many + 1) if size - copies in groups]
            if some:
                sums = np.concatenate([x + copies * item for copies, x, _ in some])
                masks = np.concatenate([mask + np.uint32(copies * flag) for copies, _, mask in some])
                order = np.argsort(sums, kind="stable")  # some sorted runs
                merged[size] = sums[order], masks[order]
        return merged

    def _merge_copies(self, sums: Sums, item: int, many: int, flag: int) -> Sums:
        """Merge sums with those that take up to ``many`` copies of an item, by doubling."""
        if many == 0:
            return sums
        below = (many - 1) // 2  # 0 to below copies, and below + 1 more than these
        half = self._merge_copies(sums, item, below, flag)
        merged = self._merge(half, half, (below + 1) * item, (below + 1) * flag)
        return merged if many % 2 else self._merge(merged, sums, many * item, many * flag)

    def _merge(self, without: Sums | None, taking: Sums, item: int, flag: int) -> Sums:
        if without is None:
            without = taking[0][:0], taking[1][:0]
        merge: Callable[..., Sums] = _merged_integers
        if not self.in_python:
            from solvers.kernels.half_sums import merge_with_item as merge
        step = self._step
        if len(taking[0]) <= step:
            return merge(without[0], without[1], taking[0], taking[1], item, flag)
        sums = np.empty(len(without[0]) + len(taking[0]), taking[0].dtype)
        masks = np.empty(sums.size, np.uint32)
        cuts = np.arange(step, len(without[0]), step)  # runs to be merged one by one
        ends = [*cuts, len(without[0])], [*taking[0].searchsorted(without[0][cuts] - item), len(taking[0])]
        i = j = 0
        for end, stop in self.limits.watched(zip(*ends, strict=True), every=1):
            sums[i + j : end + stop], masks[i + j : end + stop] = merge(
                without[0][i:end], without[1][i:end], taking[0][j:stop], taking[1][j:stop], item, flag
            )
            i, j = end, stop
        return sums, masks

    @property
    def _step(self) -> int:
        """The sums between two looks at the clock."""
        return _INTEGERS_AT_A_TIME if self.in_python else _SUMS_AT_A_TIME

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

    def unfinished(self, stop: Stop, why: str = "") -> Finding:
        """Return what is known when the time is up, or the memory."""
        bound = simple_bound(self.problem) * self.problem.image.unit
        return Finding(self.best[0], bound, self.fewest, message=why, stop=stop)

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
        if self.copies.bits > _MOST_ITEMS_IN_PYTHON:
            raise UnsupportedProblemError(
                f"backend mitm takes up to {_MOST_ITEMS_IN_PYTHON} items of such mixed magnitudes, "
                f"these are {self.problem.n}; able: cp-sat"
            ) from None
        values, target, image = self.copies.values, self.copies.target, self.problem.image
        sums = 2 * max(math.prod(self.copies.most[k] + 1 for k in half) for half in self.copies.halves)
        # Python keeps 30 bits in 4 bytes; two integers a sum, while a list doubles.
        needed = sums * (_BYTES_PER_INTEGER + 2 * 4 * (image.magnitude.bit_length() // 30 + 1))
        shortage = self.limits.shortage(needed, f"{self.problem.n} items of such mixed magnitudes")
        if shortage is not None:
            raise _TooLittleMemoryError(f"backend mitm: {shortage}; able: cp-sat")
        self.left = self.right = _Half([], {})
        self.in_python = True
        self.grid = Grid(np.array(values, dtype=object).reshape(-1, 1), np.array(target, dtype=object), 0, 0)
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
                self._see(subset, units)
            if best[1] <= stop:
                break
        return best

    def _nearest_on_grid(self, left: Sums, right: Sums, stop: int) -> tuple[int, int]:
        nearest_pair: Callable[..., tuple[int, int, Any]] = _nearest_pair_of_integers
        if not self.in_python:
            from solvers.kernels.two_pointers import nearest_pair
        target = int(self.grid.target[0])
        # On a coarse grid a small distance proves nothing yet, so nothing but the nearest pair will do.
        stop = min(stop, _WORD) if not self.grid.shift else -1
        if len(left[0]) <= self._step:
            i, j, _ = nearest_pair(left[0], right[0], target, stop)
            return int(i), int(j)
        best: tuple[int, int, Any] = 0, 0, _FAR
        first = 0
        try:
            for some, _ in self._portions(left):
                begin, end = right[0].searchsorted([target - some[-1], target - some[0]])
                begin = min(max(begin - 1, 0), right[0].size - 1)
                i, j, distance = nearest_pair(some, right[0][begin : end + 1], target, stop)
                if distance < best[2]:
                    best = first + int(i), int(begin + j), distance
                if distance <= stop:
                    break
                first += some.size
        except OutOfTimeError:
            if best[2] != _FAR:
                subset = self._subset(left, best[0], right, best[1])
                self._see(subset, self._error(subset))
            raise
        return best[:2]

    def _see(self, subset: list[int], units: int) -> None:
        """Keep a subset if it is the nearest that came up so far."""
        if self.best[0] is None or units < self.best[1]:
            self.best = subset, units

    def _may_beat(self, units: int, best: int) -> bool:
        """Whether some pair of a group whose grid-nearest pair has this exact error might beat ``best``."""
        slack = (2 * self.grid.slack + 4) << self.grid.shift
        return units - slack <= best

    def _rivals(self, left: Sums, right: Sums, units: int) -> Iterator[list[int]]:
        """Yield every subset that rounding leaves a chance of an error below ``units``."""
        low, high = self.grid.window(units)
        if self._pairs_between(left, right, low, high) > _MOST_CANDIDATES:
            raise _TooManyCandidatesError
        for i, j in self.limits.watched(self._listed_between(left, right, low, high)):
            yield self._subset(left, i, right, j)

    # -- counting and listing ------------------------------------------------------------------------

    def count(self, above: int, reach: int) -> int:
        """Count the subsets with ``above < error <= reach``."""
        self.list_half_sums()
        self._prefer_exactness((above, reach))
        total = done = 0
        whole = sum(len(self.left.groups[a][0]) for a, _ in self._allowed_groups())
        for a, b in self._allowed_groups():
            for left in self._portions(self.left.groups[a]):
                total += sum(
                    self._count_within(left, self.right.groups[b], radius) * sign
                    for radius, sign in ((reach, 1), (above, -1))
                )
                done += len(left[0])
                self.limits.progress.share, self.limits.progress.counted = done / whole, total
        return total

    def listed(self, above: int, reach: int) -> Iterator[list[int]]:
        """Yield the subsets with ``above < error <= reach``."""
        self.list_half_sums()
        self._prefer_exactness((above, reach))
        parts = _without(self.grid.window(reach), self.grid.sure_window(above))
        for a, b in self._allowed_groups():
            left, right = self.left.groups[a], self.right.groups[b]
            for part in parts:
                for i, j in self.limits.watched(self._listed_between(left, right, *part)):
                    counts = self._counts(left, i, right, j)
                    if above < self._error(self.copies.subset(counts)) <= reach:
                        yield from self.copies.subsets(counts)

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

    def _borderline(self, radius: int) -> list[tuple[int, int]]:
        """Return the intervals of grid differences that leave open whether the error exceeds ``radius``."""
        if not self.grid.shift or radius < 0:
            return []
        return _without(self.grid.window(radius), self.grid.sure_window(radius))

    def _count_within(self, left: Sums, right: Sums, radius: int) -> int:
        if self.copies.merged:
            return self._weighed_within(left, right, radius)
        total = self._pairs_between(left, right, *self.grid.sure_window(radius))
        for part in self._borderline(radius):
            for i, j in self.limits.watched(self._listed_between(left, right, *part)):
                total += self._error(self._subset(left, i, right, j)) <= radius
        return total

    def _weighed_within(self, left: Sums, right: Sums, radius: int) -> int:
        """Count the subsets of an error of at most ``radius`` behind pairs of sums that stand for several."""
        if radius < 0:
            return 0
        ways = self.left.ways(self.copies, left[1]), self.right.ways(self.copies, right[1])
        up_to = np.concatenate([np.zeros(1, ways[1].dtype), np.cumsum(ways[1])])
        low, high = self.grid.sure_window(radius)
        target, total = int(self.grid.target[0]), 0
        if low <= high:
            if not self.in_python:
                low, high = _clamped(target + low) - target, _clamped(target + high) - target
            sums, others = left[0], right[0]
            first = others.searchsorted(target + low - sums)
            end = others.searchsorted(target + high - sums, "right")
            total += int((ways[0] * (up_to[end] - up_to[first])).sum())
        for part in self._borderline(radius):
            for i, j in self.limits.watched(self._listed_between(left, right, *part)):
                if self._error(self._subset(left, i, right, j)) <= radius:
                    total += int(ways[0][i] * ways[1][j])
        return total * self.copies.free_ways

    def _portions(self, sums: Sums) -> Iterator[Sums]:
        """Cut a list of sums into portions, and look at the clock before each."""
        step = self._step
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
            return int(right.searchsorted(bound - left, "right").sum())
        from solvers.kernels.two_pointers import pairs_up_to

        bound = _clamped(bound)
        return int(pairs_up_to(left, right[: right.searchsorted(bound - left[0], "right")], bound))

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
            ends = zip(right.searchsorted(low - left), right.searchsorted(high - left, "right"), strict=True)
            yield from ((i, j) for i, (begin, end) in enumerate(ends) for j in range(begin, end))
            return
        from solvers.kernels.two_pointers import pairs_in_window

        low, high = _clamped(low), _clamped(high)
        right = right[: right.searchsorted(high - left[0], "right")]
        pairs = np.empty((_PAIRS_AT_A_TIME, 2), np.int64)
        i, top, j = 0, right.size - 1, right.size - 1
        while i < left.size:
            found, i, top, j = pairs_in_window(left, right, low, high, (i, top, j), pairs)
            yield from pairs[:found].tolist()

    def _subset(self, left: Sums, i: int, right: Sums, j: int) -> list[int]:
        if self.copies.merged:
            return self.copies.subset(self._counts(left, i, right, j))
        masks = (self.left, left[1][i]), (self.right, right[1][j])
        return [half.digits[bit][0] for half, mask in masks for bit in positions(int(mask))]

    def _counts(self, left: Sums, i: int, right: Sums, j: int) -> dict[int, int]:
        return self.left.counts(int(left[1][i])) | self.right.counts(int(right[1][j]))

    def _error(self, subset: Sequence[int]) -> int:
        return abs(sum(self.items[i] for i in subset) - self.target)


def _clamped(bound: int) -> int:
    """Return a bound that fits a word and divides the sums alike: all of them are smaller than ``_WORD``."""
    return max(-_WORD, min(bound, _WORD))


def _without(interval: tuple[int, int], part: tuple[int, int]) -> list[tuple[int, int]]:
    """Return what is left of an interval without a part of it, which may be empty (low > high)."""
    return [(interval[0], part[0] - 1), (part[1] + 1, interval[1])] if part[0] <= part[1] else [interval]


def _merged_integers(
    without: NDArray[Any],
    without_masks: NDArray[np.uint32],
    taking: NDArray[Any],
    taking_masks: NDArray[np.uint32],
    item: int,
    flag: int,
) -> Sums:
    """Do what the compiled ``merge_with_item`` does, in integers of any size."""
    sums = np.concatenate([without, taking + item])
    masks = np.concatenate([without_masks, taking_masks + np.uint32(flag)])
    order = np.argsort(sums, kind="stable")  # two sorted runs: linear time
    return sums[order], masks[order]


def _nearest_pair_of_integers(
    left: NDArray[Any],
    right: NDArray[Any],
    target: int,
    stop: int,  # noqa: ARG001
) -> tuple[int, int, int]:
    """Do what the compiled ``nearest_pair`` does, in integers of any size."""
    above = np.minimum(right.searchsorted(target - left), right.size - 1)
    places = np.concatenate([np.maximum(above - 1, 0), above])  # next to the target, for each left sum
    distances = abs(np.tile(left, 2) + right[places] - target)
    best = int(np.argmin(distances))
    return best % left.size, int(places[best]), distances[best]

"""mitm: all sums of each half of the items, sorted, and two pointers (Horowitz & Sahni 1974). Exact.

Instances whose integers fit 62 bits run in compiled int64 arithmetic. Wider ones (products of two uniforms
have 106 bits) are solved on the finest grid that fits; then every pair of half sums that rounding leaves a
chance is listed and ranked in exact integers. Where rounding leaves too many, because the exponents are too
mixed, the same search runs in Python's own integers. Counting is the same two pointers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.grid import Grid, grid_of
from solvers.backend.protocol import Enumerator, Finding, Limits
from solvers.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

Result = TypeVar("Result")

_MOST_ITEMS = 50
_MOST_ITEMS_IN_PYTHON = 36
_MOST_CANDIDATES = 1 << 16
_PAIRS_AT_A_TIME = 1 << 16
_WORD = 1 << 62
_BYTES_PER_SUM = 12 * 3  # sum and mask, and the merge's copy of them while a list doubles


@dataclass
class _Half:
    """Sorted sums of one half of the items with their masks, grouped by cardinality where that matters."""

    first: int
    groups: dict[int, tuple[Any, Any]]


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
        try:
            search = _Search(problem, limits, grouped=grouped)
        except _OutOfTimeError:
            return Finding(None, message="time limit reached while listing half sums")
        if objective == "sparsest":
            return search.sparsest()
        return search.nearest(stop=problem.tolerance_units if objective == "within" else None)

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count the subsets in O(2^(n/2)) time and memory; TimeoutError when the time is up."""
        return _Search(problem, limits, grouped=problem.sizes != (0, problem.n)).count(above, reach)

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets, a buffer of them at a time; TimeoutError when the time is up."""
        yield from _Search(problem, limits, grouped=problem.sizes != (0, problem.n)).listed(above, reach)


class _OutOfTimeError(TimeoutError):
    """The time limit was reached."""


class _TooManyCandidatesError(Exception):
    """Rounding left too many pairs to rank one by one."""


class _Search:
    """The half sums of one problem, and the searches over pairs of them."""

    def __init__(self, problem: SubsetSum, limits: Limits, *, grouped: bool) -> None:
        self.problem = problem
        self.limits = limits
        self.grouped = grouped
        self.items = [item[0] for item in problem.image.items]
        self.target = problem.image.target[0]
        self.grid = grid_of(problem.image)
        self.in_python = False
        self._list_half_sums()

    # -- building ------------------------------------------------------------------------------------

    def _list_half_sums(self) -> None:
        middle = self.problem.n // 2
        self.left = self._half(0, middle)
        self.right = self._half(middle, self.problem.n)

    def _half(self, first: int, last: int) -> _Half:
        groups: dict[int, tuple[Any, Any]] = {0: self._empty_sum()}
        for index in range(first, last):
            if self.limits.expired:
                raise _OutOfTimeError
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

    def _empty_sum(self) -> tuple[Any, Any]:
        if self.in_python:
            return [0], [0]
        return np.zeros(1, np.int64), np.zeros(1, np.uint32)

    def _merge(
        self, without: tuple[Any, Any] | None, taking: tuple[Any, Any], item: int, bit: int
    ) -> tuple[Any, Any]:
        if self.in_python:
            before = [] if without is None else list(zip(*without, strict=True))
            after = [(s + item, mask | 1 << bit) for s, mask in zip(*taking, strict=True)]
            merged = sorted(before + after)  # two sorted runs: linear time
            return [s for s, _ in merged], [mask for _, mask in merged]
        from solvers.kernels.half_sums import merge_with_item

        if without is None:
            without = np.empty(0, np.int64), np.empty(0, np.uint32)
        return merge_with_item(without[0], without[1], taking[0], taking[1], item, bit)

    # -- objectives ----------------------------------------------------------------------------------

    def nearest(self, stop: int | None) -> Finding:
        """Find the nearest subset of an allowed cardinality, or stop at an error of ``stop`` units."""
        low = self.problem.sizes[0]
        bound = simple_bound(self.problem)  # no error is less, so an error of this ends the search
        subset, units, complete = self._nearest_over(self._allowed_groups(), max(bound, stop or 0))
        unit = self.problem.image.unit
        if not complete:
            return Finding(subset, bound * unit, low, message="time limit reached")
        stopped_early = stop is not None and 0 < units <= stop
        return Finding(subset, (bound if stopped_early else units) * unit, low)

    def sparsest(self) -> Finding:
        """Find the fewest items within the tolerance, and among those the smallest error."""
        low, high = self.problem.sizes
        tolerance = self.problem.tolerance_units or 0
        unit = self.problem.image.unit
        best: tuple[list[int] | None, int] = (None, 0)
        for size in range(low, high + 1):
            subset, units, complete = self._nearest_over(list(self._group_pairs(size, size)), 0)
            if subset is not None and (best[0] is None or units < best[1]):
                best = subset, units
            if not complete:
                return Finding(best[0], size_bound=size, message="time limit reached")
            if units <= tolerance:
                return Finding(subset, units * unit, size)
        return Finding(best[0], best[1] * unit, low)

    def _allowed_groups(self) -> list[tuple[int, int]]:
        return list(self._group_pairs(*self.problem.sizes)) if self.grouped else [(0, 0)]

    def _group_pairs(self, low: int, high: int) -> Iterator[tuple[int, int]]:
        for a in self.left.groups:
            for b in self.right.groups:
                if low <= a + b <= high:
                    yield a, b

    # -- searching pairs -----------------------------------------------------------------------------

    def _nearest_over(
        self, pairs: Sequence[tuple[int, int]], stop: int
    ) -> tuple[list[int] | None, int, bool]:
        """Return (subset, exact error in units, whether every pair of groups was searched)."""
        try:
            return self._scan(pairs, stop)
        except _TooManyCandidatesError:
            try:
                self._restart_in_python()
            except _OutOfTimeError:
                return None, 0, False
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
        self._list_half_sums()

    def _scan(self, pairs: Sequence[tuple[int, int]], stop: int) -> tuple[list[int] | None, int, bool]:
        best: tuple[list[int] | None, int] = (None, 0)
        for number, (a, b) in enumerate(pairs):
            if number and self.limits.expired:
                return *best, False
            left, right = self.left.groups[a], self.right.groups[b]
            i, j = self._nearest_on_grid(left, right, stop)
            candidates = [self._subset(left, i, right, j)]
            units = self._error(candidates[0])
            if self.grid.shift and units > stop and (best[0] is None or self._may_beat(units, best[1])):
                candidates += self._rivals(left, right, units)
            for subset in candidates:
                units = self._error(subset)
                if best[0] is None or units < best[1]:
                    best = subset, units
            if best[1] <= stop:
                break
        return *best, True

    def _nearest_on_grid(self, left: tuple[Any, Any], right: tuple[Any, Any], stop: int) -> tuple[int, int]:
        from solvers.kernels.two_pointers import nearest_pair

        # On a coarse grid a small distance proves nothing yet, so nothing but the nearest pair will do.
        stop = min(stop, _WORD) if not self.grid.shift else -1
        i, j, _ = self._run(nearest_pair, left, right, int(self.grid.target[0]), stop)
        return int(i), int(j)

    def _run(
        self, kernel: Callable[..., Result], left: tuple[Any, Any], right: tuple[Any, Any], *more: Any
    ) -> Result:
        """Call a kernel for the sums of two groups; in Python's integers, what it was compiled from."""
        from solvers.kernels.compiling import uncompiled

        return (uncompiled(kernel) if self.in_python else kernel)(left[0], right[0], *more)

    def _may_beat(self, units: int, best: int) -> bool:
        """Whether some pair of a group whose grid-nearest pair has this exact error might beat ``best``."""
        slack = (2 * self.problem.n + 4) << self.grid.shift
        return units - slack <= best

    def _rivals(self, left: tuple[Any, Any], right: tuple[Any, Any], units: int) -> list[list[int]]:
        """List every subset that rounding leaves a chance of an error below ``units``."""
        low, high = self.grid.window(units)
        if self._pairs_between(left, right, low, high) > _MOST_CANDIDATES:
            raise _TooManyCandidatesError
        return [self._subset(left, i, right, j) for i, j in self._listed_between(left, right, low, high)]

    # -- counting and listing ------------------------------------------------------------------------

    def count(self, above: int, reach: int) -> int:
        """Count the subsets with ``above < error <= reach``."""
        self._prefer_exactness((above, reach))
        return sum(
            self._count_within(self.left.groups[a], self.right.groups[b], radius) * sign
            for a, b in self._allowed_groups()
            for radius, sign in ((reach, 1), (above, -1))
        )

    def listed(self, above: int, reach: int) -> Iterator[list[int]]:
        """Yield the subsets with ``above < error <= reach``."""
        self._prefer_exactness((above, reach))
        parts = _without(self.grid.window(reach), self.grid.sure(above))
        for a, b in self._allowed_groups():
            left, right = self.left.groups[a], self.right.groups[b]
            for part in parts:
                for i, j in self._listed_between(left, right, *part):
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

    def _borderline(self, radius: int) -> list[tuple[int, int]]:
        """Return the intervals of grid differences that leave open whether the error exceeds ``radius``."""
        if not self.grid.shift or radius < 0:
            return []
        return _without(self.grid.window(radius), self.grid.sure(radius))

    def _count_within(self, left: tuple[Any, Any], right: tuple[Any, Any], radius: int) -> int:
        total = self._pairs_between(left, right, *self.grid.sure(radius))
        for part in self._borderline(radius):
            for i, j in self._listed_between(left, right, *part):
                total += self._error(self._subset(left, i, right, j)) <= radius
        return total

    def _pairs_between(self, left: tuple[Any, Any], right: tuple[Any, Any], low: int, high: int) -> int:
        """Count the pairs of sums with grid differences to the target from ``low`` to ``high``."""
        if low > high:
            return 0
        from solvers.kernels.two_pointers import pairs_up_to

        counts = []
        for bound in (high, low - 1):
            if self.limits.expired:
                raise _OutOfTimeError("time limit reached while counting")
            counts.append(int(self._run(pairs_up_to, left, right, self._bound(bound))))
        return counts[0] - counts[1]

    def _listed_between(
        self, left: tuple[Any, Any], right: tuple[Any, Any], low: int, high: int
    ) -> Iterator[tuple[int, int]]:
        """Yield the pairs that ``_pairs_between`` counts."""
        from solvers.kernels.two_pointers import pairs_in_window

        bounds = self._bound(low), self._bound(high)
        pairs = np.empty((_PAIRS_AT_A_TIME, 2), np.int64)
        i, top, j = 0, len(right[0]) - 1, len(right[0]) - 1
        while i < len(left[0]):
            if self.limits.expired:
                raise _OutOfTimeError("time limit reached while listing")
            found, i, top, j = self._run(pairs_in_window, left, right, *bounds, (i, top, j), pairs)
            yield from pairs[:found].tolist()

    def _bound(self, difference: int) -> int:
        """Return the sum at this difference to the target, or one in a word that divides all sums alike."""
        bound = int(self.grid.target[0]) + difference
        return bound if self.in_python else max(-_WORD, min(bound, _WORD))  # all sums are smaller

    def _subset(self, left: tuple[Any, Any], i: int, right: tuple[Any, Any], j: int) -> list[int]:
        return [
            half.first + bit
            for half, mask in ((self.left, int(left[1][i])), (self.right, int(right[1][j])))
            for bit in range(mask.bit_length())
            if mask >> bit & 1
        ]

    def _error(self, subset: Sequence[int]) -> int:
        return abs(sum(self.items[i] for i in subset) - self.target)


def _without(interval: tuple[int, int], part: tuple[int, int]) -> list[tuple[int, int]]:
    """Return what is left of an interval without a part of it, which may be empty (low > high)."""
    return [(interval[0], part[0] - 1), (part[1] + 1, interval[1])] if part[0] <= part[1] else [interval]

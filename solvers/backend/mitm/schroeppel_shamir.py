"""schroeppel-shamir: all sums of two halves, never stored, from four lists of 2^(n/4) sums. Exact.

Schroeppel & Shamir ("A T = O(2^(n/2)), S = O(2^(n/4)) algorithm for certain NP-complete problems", 1981)
take the sums of a half in order from a heap. Here they come in windows of value, a short run from every
stream of the quarter lists, which needs neither a heap nor, within a window, any order (see
``kernels.sum_windows``). Integers beyond 60 bits are rounded to a grid, and all that rounding leaves a
chance is ranked exactly. Exact hits of vectors are found by ``exact_hits``.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from solvers.backend.bounds import expected_subsets, simple_bound, sum_range
from solvers.backend.mitm.quarter_lists import extent, items_listed, number
from solvers.backend.protocol import Enumerator, Finding, Limits
from solvers.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.mitm.quarter_lists import Sizes
    from solvers.backend.mitm.window_search import Best, Halves
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MOST_ITEMS = 64
_BYTES_PER_SUM = 64  # with its mask, by cardinality and not, and the merge's copies of them
_BYTES_PER_THREAD = 4 << 20
_COUNTING_BUDGET = 1 << 24
_FEW = 1 << 16  # subsets that are listed to be counted
_OUT_OF_TIME = "time limit reached"


class SchroeppelShamir(Enumerator):
    """Schroeppel-Shamir for scalar problems, and exact hits of vectors, of up to 64 items."""

    name = "schroeppel-shamir"
    summary = (
        f"scalar, up to {_MOST_ITEMS} items, any cardinality; all objectives, proven; O(2^(n/4)) memory; "
        "vectors: 'within' a tolerance of 0"
    )

    def missing(self) -> str | None:
        """Return None: it needs only what the package itself needs."""
        return None

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: too many items, vectors other than for exact hits, too little memory."""
        if problem.d > 1 and objective != "within":
            return f"of vectors (here {problem.d} dimensions) it finds exact hits: 'within' a tolerance of 0"
        return self.enumeration_refusal(problem, limits)

    def enumeration_refusal(self, problem: SubsetSum, limits: Limits) -> str | None:
        """Return why it can neither search nor list the subsets of this problem, or None when it can."""
        if problem.n > _MOST_ITEMS:
            return f"it takes up to {_MOST_ITEMS} items, these are {problem.n}"
        if problem.d > 1:
            if problem.tolerance_units != 0:
                return f"of vectors (here {problem.d} dimensions) it finds exact hits: a tolerance of 0"
            from solvers.backend.mitm.exact_hits import exact_hits_refusal

            return exact_hits_refusal(problem, limits)
        listed = 2 << items_listed((problem.n + 1) // 2)
        needed = _BYTES_PER_SUM * listed + _BYTES_PER_THREAD * (limits.threads or 4)
        if needed > limits.bytes_allowed:
            return f"it needs about {needed} bytes for {problem.n} items, {limits.bytes_allowed} are allowed"
        return None

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(2^(n/2)) time and O(2^(n/4)) memory."""
        if problem.d > 1:
            return _exact_hit(problem, limits)
        if objective == "sparsest":
            return _sparsest(problem, limits)
        return _nearest(problem, limits, problem.tolerance_units if objective == "within" else None)

    # -- counting and listing ------------------------------------------------------------------------

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Return the number of subsets with above < error <= reach; raises TimeoutError out of time."""
        if problem.d > 1:
            return sum(1 for _ in self.listed(problem, above, reach, limits))
        if expected_subsets(problem, reach) < _FEW:  # a sweep that lists is faster than one that counts
            few = sum(1 for _ in islice(self.listed(problem, above, reach, limits), _FEW))
            if few < _FEW:
                return few
        counting = _Counting(problem, limits)
        return counting.within(reach) - counting.within(min(above, reach))

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets with above < error <= reach; raises TimeoutError out of time."""
        if problem.d > 1:
            if reach > 0:
                raise UnsupportedProblemError(
                    "of vectors the backend schroeppel-shamir lists exact hits only"
                )
            from solvers.backend.mitm.exact_hits import exact_hits

            if above < 0 <= reach:
                yield from exact_hits(problem, limits)
            return
        listing = _Listing(problem, limits)
        target = listing.halves.target
        for subset, total in listing.between(target - reach, target + reach):
            if above < abs(total - target) <= reach:
                yield subset


# -- objectives ----------------------------------------------------------------------------------------


def _exact_hit(problem: SubsetSum, limits: Limits) -> Finding:
    from solvers.backend.mitm.exact_hits import find_exact_hit

    subset, complete = find_exact_hit(problem, limits)
    size = problem.sizes[0]
    if subset is not None:
        return Finding(subset, Fraction(0), size)
    unit = problem.image.unit
    bound = max(1, simple_bound(problem)) if complete else simple_bound(problem)
    return Finding(None, bound * unit, size, message="" if complete else _OUT_OF_TIME)


def _nearest(problem: SubsetSum, limits: Limits, tolerance: int | None) -> Finding:
    """Find the nearest subset, or one within ``tolerance`` units."""
    low, high = problem.sizes
    unit = problem.image.unit
    bound = simple_bound(problem)
    extreme = _extreme(problem, low, high)
    if extreme is not None:
        return Finding(extreme, problem.image.error(extreme) * unit, low)
    from solvers.backend.mitm.window_search import Best, Halves, NearestSearch

    halves = Halves(problem, by_size=problem.sizes != (0, problem.n), most=high)
    search = NearestSearch(halves, limits, max(bound, tolerance or 0))
    best, complete = Best(), True
    for part in halves.parts(low, high):
        best, complete = search.improve(part, best)
        if not complete or best.at_most(search.stop):
            break
    subset = _subset(halves, best)
    if not complete:
        return Finding(subset, bound * unit, low, message=_OUT_OF_TIME)
    stopped_early = tolerance is not None and best.at_most(tolerance)
    return Finding(subset, (bound if stopped_early else best.units or 0) * unit, low)


def _sparsest(problem: SubsetSum, limits: Limits) -> Finding:
    """Find the fewest items within the tolerance, and among those the smallest error."""
    from solvers.backend.mitm.window_search import Best, Halves, NearestSearch

    low, high = problem.sizes
    image, tolerance = problem.image, problem.tolerance_units or 0
    bound = simple_bound(problem)
    best: tuple[int, list[int]] | None = None
    halves: Halves | None = None
    for size in range(low, high + 1):
        extreme = _extreme(problem, size, size)
        if extreme is not None:
            found = [extreme]
        else:
            if halves is None:
                halves = Halves(problem, by_size=True, most=high)
            search = NearestSearch(halves, limits, bound)
            # What came before misses the tolerance, so nothing that is farther off is of interest.
            incumbent = Best() if best is None else Best(best[0])
            start, complete = incumbent, True
            for part in halves.parts(size, size):
                incumbent, complete = search.improve(part, incumbent)
                if not complete or incumbent.at_most(bound):
                    break
            found = [_subset(halves, incumbent) or []] if incumbent is not start else []
            if not complete:
                shown = min([*([best] if best else []), *((image.error(s), s) for s in found)], default=None)
                return Finding(shown and shown[1], bound * image.unit, size, message=_OUT_OF_TIME)
        best = min([*([best] if best else []), *((image.error(s), s) for s in found)])
        if best[0] <= tolerance:
            return Finding(best[1], best[0] * image.unit, size)
    return Finding(best and best[1], (best[0] if best else 0) * image.unit, low)


def _extreme(problem: SubsetSum, low: int, high: int) -> list[int] | None:
    """Return the subset with the least (or largest) sum if the target does not lie beyond it."""
    items = [item[0] for item in problem.image.items]
    target = problem.image.target[0]
    smallest, largest = sum_range(items, (low, high))
    if smallest < target < largest:
        return None
    sign = 1 if target <= smallest else -1
    ascending = sorted(range(problem.n), key=lambda i: sign * items[i])
    return sorted(i for place, i in enumerate(ascending[:high]) if place < low or sign * items[i] < 0)


def _subset(halves: Halves, best: Best) -> list[int] | None:
    return None if best.units is None else halves.subset(*best.masks)


# -- enumeration ---------------------------------------------------------------------------------------


class _Listing:
    """All subsets with a sum in an interval, one by one."""

    def __init__(self, problem: SubsetSum, limits: Limits) -> None:
        from solvers.backend.mitm.window_search import Halves

        self.sizes = problem.sizes
        self.halves = Halves(problem, by_size=self.sizes != (0, problem.n), most=self.sizes[1])
        self.extremes = sum_range(self.halves.items, self.sizes)
        self.limits = limits

    def between(self, low: int, high: int) -> Iterator[tuple[list[int], int]]:
        """Yield every subset of an allowed cardinality with its exact sum, where that lies in [low, high]."""
        low, high = max(low, self.extremes[0]), min(high, self.extremes[1])
        if low <= high:
            for subset, total in self.on_grid(*self.halves.possible(low, high)):
                if low <= total <= high:
                    yield subset, total

    def on_grid(self, low: int, high: int) -> Iterator[tuple[list[int], int]]:
        """Yield every subset of an allowed cardinality with its exact sum, where the grid's fits."""
        from solvers.backend.mitm.window_search import ENDLESS, WINDOW, Scratch, swept, width_of_windows

        centre, reach = (low + high) // 2, (high - low + 1) // 2
        for part in self.halves.parts(*self.sizes):
            sides = (
                self.halves.left.side(part[0], distinct=True),
                self.halves.right.side(part[1], distinct=True),
            )
            if not sides[0][0].size or not sides[1][0].size:
                continue
            first, last = extent(sides[0])
            width = width_of_windows(last - first, 2 * number(sides[0]), WINDOW)
            endless = 2 * ENDLESS  # a margin with which the reach never shrinks
            chunks = swept(
                sides, (first, last), lambda: (centre, reach), endless, -1, Scratch(*sides), width, WINDOW
            )
            for boxes in chunks:
                for left, smallest, largest in boxes:
                    # The reach may be half a step wider than asked for.
                    box = left, max(smallest, low - left), min(largest, high - left)
                    for left_mask, right_mask, total in self.halves.pairs(part, box):
                        yield self.halves.subset(left_mask, right_mask), total
                if self.limits.expired:
                    raise TimeoutError(_OUT_OF_TIME)


class _Counting(_Listing):
    """The number of subsets within a distance of the target."""

    def within(self, reach: int) -> int:
        """Count the subsets with error <= reach."""
        halves = self.halves
        low = max(halves.target - reach, self.extremes[0])
        high = min(halves.target + reach, self.extremes[1])
        if low > high:
            return 0
        outer, inner = halves.possible(low, high), halves.sure(low, high)
        if inner[0] > inner[1]:
            return sum(low <= total <= high for _, total in self.on_grid(*outer))
        count = self._up_to(inner[1]) - self._up_to(inner[0] - 1)
        for border in ((outer[0], inner[0] - 1), (inner[1] + 1, outer[1])):
            if border[0] <= border[1]:
                count += sum(low <= total <= high for _, total in self.on_grid(*border))
        return count

    def _up_to(self, bound: int) -> int:
        """Count the subsets of an allowed cardinality with a sum of at most ``bound`` on the grid."""
        return sum(self._pairs_up_to(part, bound) for part in self.halves.parts(*self.sizes))

    def _pairs_up_to(self, part: tuple[Sizes, Sizes], bound: int) -> int:
        import numpy as np

        from solvers.backend.mitm.window_search import WINDOW, width_of_windows
        from solvers.kernels.window_counts import count_up_to

        sides = (
            self.halves.left.side(part[0], distinct=False),
            self.halves.right.side(part[1], distinct=False),
        )
        counts = [number(side) for side in sides]
        if 0 in counts:
            return 0
        (first, last), (least, most) = extent(sides[0]), extent(sides[1])
        if bound >= last + most - 2:
            return counts[0] * counts[1]
        last = min(last, bound - least + 1)
        lefts, rights = (np.empty((2, side[0].size), np.int64) for side in sides)
        sums = np.empty((2, 4 * WINDOW), np.int64)
        scratch = lefts[0], lefts[1], rights[0], rights[1], sums[0], sums[1]
        width = width_of_windows(last - first, 2 * counts[0], WINDOW)
        count = 0
        while first < last:
            first, width, high, low = (
                int(x)
                for x in count_up_to(*sides, bound, first, last, width, WINDOW, _COUNTING_BUDGET, scratch)
            )
            count += (high << 16) + low
            if self.limits.expired and first < last:
                raise TimeoutError(_OUT_OF_TIME)
        return count

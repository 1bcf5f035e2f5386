"""schroeppel-shamir: all sums of two halves, never stored, from four lists of 2^(n/4) sums. Exact.

Schroeppel & Shamir ("A T = O(2^(n/2)), S = O(2^(n/4)) algorithm for certain NP-complete problems", 1981)
take the sums of a half in order from a heap. Here they come in windows of value, a short run from every
stream of the quarter lists, which needs neither a heap nor, within a window, any order (see
``kernels.sum_windows``). Integers beyond 60 bits are rounded to a grid, and all that rounding leaves a
chance is ranked exactly. Exact hits of vectors are found by ``exact_hits``.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING

from solvers.backend.bounds import expected_subsets, extreme_subset, simple_bound, sum_range
from solvers.backend.copies import choice_bits
from solvers.backend.mitm.quarter_lists import extent, items_listed, meeting_points, number
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.mitm.window_search import Best, Halves, Part
    from solvers.kernels.sum_windows import Side
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MOST_ITEMS = 64
_BYTES_PER_SUM = 64  # with its mask, by cardinality and not, and the merge's copies of them
_BYTES_PER_THREAD = 4 << 20
_COUNTING_BUDGET = 1 << 22
_CLUSTERED = 30
_MANY_EQUAL = 0.8
_BITS_FOR_MITM = 48  # more choices than that exceed its memory
_FEW = 1 << 16  # subsets that are listed to be counted


class SchroeppelShamir(Enumerator):
    """Schroeppel-Shamir for scalar problems, and exact hits of vectors, of up to 64 items."""

    name = "schroeppel-shamir"
    summary: str = (
        f"scalar, up to {_MOST_ITEMS} items, any cardinality; all objectives, proven; O(2^(n/4)) memory; "
        "vectors: 'within' a tolerance of 0"
    )

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: too many items, vectors other than for exact hits, too little memory."""
        if problem.d > 1 and objective != "within":
            return f"of vectors (here {problem.d} dimensions) it finds exact hits: 'within' a tolerance of 0"
        bits = choice_bits(problem, sized=_sized(problem, objective)) if problem.d == 1 else math.inf
        if bits < problem.n and bits <= _MOST_ITEMS:
            return _shortage(bits, problem, limits)
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
        return _shortage(problem.n, problem, limits)

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:
        """Return False for few values of many copies: mitm does not mind that their sums come in clusters."""
        if problem.d > 1:
            return True
        bits = choice_bits(problem, sized=_sized(problem, objective))
        return bits >= min(_MANY_EQUAL * problem.n, _BITS_FOR_MITM)

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:
        """Estimate the time of the quarter lists and of the sweep, for "within" to the first subset."""
        bits = choice_bits(problem, sized=_sized(problem, objective)) if problem.d == 1 else problem.n
        n = min(bits, 1000)
        sweep, parts = 6.5e-9 * math.exp2(n / 2), 0.0
        if bits < _MANY_EQUAL * problem.n:
            sweep *= _CLUSTERED  # sums of few values come in clusters, of which windows are no good part
        if objective == "within" and problem.d == 1 and problem.tolerance_units is not None:
            sweep /= 1 + float(min(expected_subsets(problem, problem.tolerance_units), Fraction(2) ** 1000))
        if objective == "sparsest":
            parts = 8e-5 * problem.n * problem.n / 16
        elif problem.sizes != (0, problem.n):
            parts = 2.5e-4 * problem.n / 2
        return 7e-4 + 7.5e-7 * math.exp2(n / 4) + sweep + parts

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(2^(n/2)) time and O(2^(n/4)) memory."""
        if problem.d > 1:
            return _exact_hit(problem, limits)
        if objective == "sparsest":
            return _sparsest(problem, limits)
        return _nearest(problem, limits, problem.tolerance_units if objective == "within" else None)

    # -- counting and listing ------------------------------------------------------------------------

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Return the number of subsets with above < error <= reach."""
        if problem.d > 1:
            return sum(1 for _ in self.listed(problem, above, reach, limits))
        if expected_subsets(problem, reach) < _FEW:  # a sweep that lists is faster than one that counts
            few = sum(1 for _ in islice(self.listed(problem, above, reach, limits), _FEW))
            if few < _FEW:
                return few
        counting = _Counting(problem, limits)
        return counting.within(reach) - counting.within(min(above, reach))

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets with above < error <= reach."""
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


def _sized(problem: SubsetSum, objective: Objective) -> bool:
    return objective == "sparsest" or problem.sizes != (0, problem.n)


def _shortage(bits: float, problem: SubsetSum, limits: Limits) -> str | None:
    listed = 2 << items_listed((math.ceil(bits) + 1) // 2)
    needed = _BYTES_PER_SUM * listed + _BYTES_PER_THREAD * (limits.threads or 4)
    return limits.shortage(needed, f"{problem.n} items")


# -- objectives ----------------------------------------------------------------------------------------


def _exact_hit(problem: SubsetSum, limits: Limits) -> Finding:
    from solvers.backend.mitm.exact_hits import exact_hits

    size, unit, bound = problem.sizes[0], problem.image.unit, simple_bound(problem)
    try:
        for subset in exact_hits(problem, limits):
            return Finding(subset, Fraction(0), size)
    except OutOfTimeError:
        return Finding(None, bound * unit, size, stop=Stop.TIME_LIMIT)
    return Finding(None, max(1, bound) * unit, size)


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
    best, complete = search.improve_all(halves.parts(low, high), Best())
    subset = _subset(halves, best)
    if not complete:
        return Finding(subset, bound * unit, low, stop=Stop.TIME_LIMIT)
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
            nearer, complete = search.improve_all(halves.parts(size, size), incumbent)
            found = [_subset(halves, nearer) or []] if nearer is not incumbent else []
            if not complete:
                shown = min([*([best] if best else []), *((image.error(s), s) for s in found)], default=None)
                return Finding(shown and shown[1], bound * image.unit, size, stop=Stop.TIME_LIMIT)
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
    return extreme_subset([sign * x for x in items], (low, high))


def _subset(halves: Halves, best: Best) -> list[int] | None:
    return None if best.units is None else halves.subset(*best.masks)


# -- enumeration ---------------------------------------------------------------------------------------


class _Listing:
    """All subsets with a sum in an interval, one by one."""

    def __init__(self, problem: SubsetSum, limits: Limits) -> None:
        from solvers.backend.mitm.window_search import Halves

        self.sizes = problem.sizes
        self.halves = Halves(problem, by_size=self.sizes != (0, problem.n), most=self.sizes[1], counts=True)
        self.extremes = sum_range([item[0] for item in problem.image.items], self.sizes)
        self.limits = limits
        self.searches, self.searched = 1, 0  # how many there will be, and have been

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
        for part, sides in self.parts(centre, distinct=True):
            first, last = extent(sides[0])
            width = width_of_windows(last - first, 2 * number(sides[0]), WINDOW)
            endless = 2 * ENDLESS  # a margin with which the reach never shrinks
            chunks = swept(
                sides, (first, last), lambda: (centre, reach), endless, -1, Scratch(*sides), width, WINDOW
            )
            for end, boxes in chunks:
                self.check(first)
                first = end
                for left, smallest, largest in self.limits.watched(boxes, every=1):
                    # The reach may be half a step wider than asked for.
                    box = left, max(smallest, low - left), min(largest, high - left)
                    pairs = self.halves.pairs(part, box)
                    for left_mask, right_mask, total in self.limits.watched(pairs):
                        yield self.halves.subset(left_mask, right_mask), total

    def parts(self, centre: int, *, distinct: bool) -> Iterator[tuple[Part, tuple[Side, Side]]]:
        """Yield the parts of one search, with the sums of both sides."""
        parts = list(self.halves.parts(*self.sizes))
        for place, part in enumerate(parts):
            sides = self.halves.sides(part, distinct=distinct)
            if sides[0][0].size and sides[1][0].size:
                self.sample, self.place = meeting_points(sides, centre), (place, len(parts))
                yield part, sides
        self.searched += 1

    def check(self, left: int) -> None:
        """Check the time where a part has come to a left sum."""
        passed = self.place[0] + float(self.sample.searchsorted(left)) / len(self.sample)
        self.limits.progress.share = (self.searched + passed / self.place[1]) / self.searches
        self.limits.check()


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
        borders = [b for b in ((outer[0], inner[0] - 1), (inner[1] + 1, outer[1])) if b[0] <= b[1]]
        self.searches = 2 + len(borders)
        count = self._up_to(inner[1]) - self._up_to(inner[0] - 1)
        for border in borders:
            count += sum(low <= total <= high for _, total in self.on_grid(*border))
        return count

    def _up_to(self, bound: int) -> int:
        """Count the subsets of an allowed cardinality with a sum of at most ``bound`` on the grid."""
        return sum(self._pairs_up_to(sides, bound) for _, sides in self.parts(bound, distinct=False))

    def _pairs_up_to(self, sides: tuple[Side, Side], bound: int) -> int:
        import numpy as np

        from solvers.backend.mitm.window_search import WINDOW, width_of_windows
        from solvers.kernels.window_counts import count_up_to

        counts = [number(side) for side in sides]
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
            if first < last:
                self.check(first)
        return count

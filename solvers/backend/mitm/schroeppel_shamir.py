"""schroeppel-shamir: all sums of two halves, never stored, from four lists of 2^(n/4) sums. Exact.

Schroeppel & Shamir ("A T = O(2^(n/2)), S = O(2^(n/4)) algorithm for certain NP-complete problems", 1981)
take the sums of a half in order from a heap. Here they come in windows of value, a short run from every
stream of the quarter lists, which needs neither a heap nor, within a window, any order (see
``kernels.sum_windows``). Integers beyond 60 bits are rounded to a grid, and all that rounding leaves a
chance is ranked exactly. Exact hits of vectors are found by ``exact_hits``.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from solvers.backend.bounds import expected_subsets, simple_bound, sum_range
from solvers.backend.mitm.quarter_lists import extent, items_listed, meeting_points, number
from solvers.backend.protocol import Enumerator, Finding, Limits
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.mitm.quarter_lists import Side
    from solvers.backend.mitm.window_search import Best, Halves, Part
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MOST_ITEMS = 64
_BYTES_PER_SUM = 64  # with its mask, by cardinality and not, and the merge's copies of them
_BYTES_PER_THREAD = 4 << 20
_COUNTING_BUDGET = 1 << 24
_SUMS_PER_STRIPE = 1 << 22  # of an enumeration, between two looks at the clock: some hundredths of a second
_FEW = 1 << 16  # subsets that are listed to be counted


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
        """Return the number of subsets with above < error <= reach."""
        if problem.d > 1:
            return limits.total((1, 0.0) for _ in self.listed(problem, above, reach, limits))
        if expected_subsets(problem, reach) < _FEW:  # a sweep that lists is faster than one that counts
            some = islice(self.listed(problem, above, reach, limits), _FEW)
            few = limits.total((1, 0.0) for _ in some)
            if few < _FEW:
                return few
        counting = _Counting(problem, limits)
        beyond = limits.total(counting.within(reach))
        return beyond - (limits.total(counting.within(min(above, reach))) if above >= 0 else 0)

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


# -- objectives ----------------------------------------------------------------------------------------


def _exact_hit(problem: SubsetSum, limits: Limits) -> Finding:
    from solvers.backend.mitm.exact_hits import find_exact_hit

    subset, complete = find_exact_hit(problem, limits)
    size = problem.sizes[0]
    if subset is not None:
        return Finding(subset, Fraction(0), size)
    unit = problem.image.unit
    bound = max(1, simple_bound(problem)) if complete else simple_bound(problem)
    return Finding(None, bound * unit, size, stop=Stop.PROVEN if complete else Stop.TIME_LIMIT)


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
            start, complete = incumbent, True
            for part in halves.parts(size, size):
                incumbent, complete = search.improve(part, incumbent)
                if not complete or incumbent.at_most(bound):
                    break
            found = [_subset(halves, incumbent) or []] if incumbent is not start else []
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

    def on_grid(
        self, low: int, high: int, phase: tuple[int, int] = (0, 1)
    ) -> Iterator[tuple[list[int], int]]:
        """Yield every subset of an allowed cardinality with its exact sum, where the grid's fits."""
        from solvers.backend.mitm.window_search import ENDLESS, WINDOW, Scratch, swept

        centre, reach = (low + high) // 2, (high - low + 1) // 2
        for part, sides, interval, width, done in self.stripes(centre, phase, distinct=True):
            endless = 2 * ENDLESS  # a margin with which the reach never shrinks
            chunks = swept(
                sides, interval, lambda: (centre, reach), endless, -1, Scratch(*sides), width, WINDOW
            )
            for boxes in chunks:
                for left, smallest, largest in self.limits.watched(boxes, done, every=1):
                    # The reach may be half a step wider than asked for.
                    box = left, max(smallest, low - left), min(largest, high - left)
                    pairs = self.halves.pairs(part, box)
                    for left_mask, right_mask, total in self.limits.watched(pairs, done):
                        yield self.halves.subset(left_mask, right_mask), total
                self.limits.check(done)

    def stripes(self, centre: int, phase: tuple[int, int], *, distinct: bool) -> Iterator[_Stripe]:
        """Cut the left sums of every part into stripes of about the same work, with a look at the clock.

        ``phase``: which search this is, and of how many.
        """
        from solvers.backend.mitm.window_search import WINDOW, width_of_windows

        parts = list(self.halves.parts(*self.sizes))
        for place, part in enumerate(parts):
            sides = (
                self.halves.left.side(part[0], distinct=distinct),
                self.halves.right.side(part[1], distinct=distinct),
            )
            if not sides[0][0].size or not sides[1][0].size:
                continue
            borders = _borders(sides, centre)
            width = width_of_windows(borders[-1] - borders[0], 2 * number(sides[0]), WINDOW)
            for stripe, interval in enumerate(pairwise(borders)):
                done = (phase[0] + (place + stripe / (len(borders) - 1)) / len(parts)) / phase[1]
                self.limits.check(done)
                yield _Stripe(part, sides, interval, width, done)


class _Stripe(NamedTuple):
    """Left sums in an interval, of one part: where a search goes on after a look at the clock.

    ``width`` is that of a first window, ``done`` the share of the search that comes before.
    """

    part: Part
    sides: tuple[Side, Side]
    interval: tuple[int, int]
    width: int
    done: float


def _borders(sides: tuple[Side, Side], centre: int) -> list[int]:
    first, last = extent(sides[0])
    stripes = 1 + (number(sides[0]) + number(sides[1])) // _SUMS_PER_STRIPE
    sample = meeting_points(sides, centre)
    cuts = sample[:: max(1, len(sample) // stripes)]
    return sorted({first, last, *cuts[(cuts > first) & (cuts < last)].tolist()})


class _Counting(_Listing):
    """The number of subsets within a distance of the target."""

    def within(self, reach: int) -> Iterator[tuple[int, float]]:
        """Count the subsets with error <= reach, in portions, with the share of the search done before."""
        halves = self.halves
        low = max(halves.target - reach, self.extremes[0])
        high = min(halves.target + reach, self.extremes[1])
        if low > high:
            return
        outer, inner = halves.possible(low, high), halves.sure(low, high)
        known = inner[0] <= inner[1]
        open_yet = [(outer[0], inner[0] - 1), (inner[1] + 1, outer[1])] if known else [outer]
        open_yet = [grid for grid in open_yet if grid[0] <= grid[1]]
        phases = known + len(open_yet)
        if known:
            for _, sides, interval, width, done in self.stripes(sum(inner) // 2, (0, phases), distinct=False):
                fitting = self._pairs_up_to(sides, inner[1], interval, width)
                yield fitting - self._pairs_up_to(sides, inner[0] - 1, interval, width), done
        for phase, grid in enumerate(open_yet, known):
            for _, total in self.on_grid(*grid, (phase, phases)):
                yield low <= total <= high, phase / phases

    def _pairs_up_to(
        self, sides: tuple[Side, Side], bound: int, interval: tuple[int, int], width: int
    ) -> int:
        """Count the pairs with a left sum in an interval and a sum of at most ``bound`` on the grid."""
        import numpy as np

        from solvers.backend.mitm.window_search import WINDOW
        from solvers.kernels.sum_windows import place
        from solvers.kernels.window_counts import count_up_to

        (first, last), (least, most) = interval, extent(sides[1])
        lefts, rights = (np.empty((2, side[0].size), np.int64) for side in sides)
        if bound >= last + most - 2:
            place(sides[0], first, lefts[0])
            place(sides[0], last, lefts[1])
            return int((lefts[1] - lefts[0]).sum()) * number(sides[1])
        last = min(last, bound - least + 1)
        sums = np.empty((2, 4 * WINDOW), np.int64)
        scratch = lefts[0], lefts[1], rights[0], rights[1], sums[0], sums[1]
        count = 0
        while first < last:
            first, width, high, low = (
                int(x)
                for x in count_up_to(*sides, bound, first, last, width, WINDOW, _COUNTING_BUDGET, scratch)
            )
            count += (high << 16) + low
            if first < last:
                self.limits.check()
        return count

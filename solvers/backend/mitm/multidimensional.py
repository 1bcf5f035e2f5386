"""mitm-nd: meet in the middle for vectors, as a closest-pair search between the sums of two halves. Exact.

Left sums L and right sums R of the items' two halves: the nearest subset is the pair with the least max norm
of ``R - (target - L)`` (Horowitz & Sahni 1974, in d dimensions). The right sums are kept in a k-d tree with
bounding boxes (Friedman, Bentley & Finkel 1977), and every ``target - L`` asks it for a point nearer than the
best so far; a sample of the queries goes first, so that the others start with a good incumbent. A range of
cardinalities is one more column of the points, and a condition on it.

Why a tree: proven nearest for uniform [-1, 1] doubles and a random subset's sum plus noise, in CPU seconds on
one core of a 2.5 GHz x86 machine, against a window sliding along one sorted coordinate (shrinking with the
incumbent), cells of the incumbent's width in two coordinates, and scipy's cKDTree:

==  ==  ======  ======  =======  =========
n   d   window  cells   cKDTree  this tree
==  ==  ======  ======  =======  =========
30  2   0.002   0.009   0.017    0.011
30  3   0.007   0.012   0.018    0.012
30  8   0.23    0.089   0.061    0.011
36  2   0.057   0.17    0.22     0.16
36  3   0.21    0.15    0.18     0.14
36  4   0.55    0.23    0.21     0.16
36  8   13.7    0.78    0.55     0.17
40  2   0.23    0.62    1.07     0.66
40  3   0.61    0.81    1.36     0.94
40  4           1.19    1.17     0.43
40  8                   7.1      0.61
==  ==  ======  ======  =======  =========

These are times to search given lists of half sums, the best of three on a shared machine. The window is up to
five times faster at d = 2, and somewhat at d = 3; but it is quadratic where a coordinate hardly varies or
many sums are equal, and the tree counts and lists as well. Halving the tree by cardinality first gained
nothing and lost up to six times (n = 36, k = 3 to 18 and ranges of k, d = 2, 3, 6).

Instances whose integers fit 61 bits are exact in int64. Wider ones are searched on the finest grid that fits;
then every pair that rounding leaves a chance is ranked in exact integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from solvers.backend.bounds import simple_bound
from solvers.backend.copies import choice_bits, copies_of
from solvers.backend.mitm.vector_halves import FAR, Halves
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.mitm.vector_halves import Sizes
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MOST_ITEMS = 60  # half a mask is 32 bits, and 2^30 sums are beyond any memory
_MOST_RANKED = 1 << 18  # pairs ranked one by one in Python's integers: some seconds


def _sized(problem: SubsetSum, objective: Objective) -> bool:
    return objective == "sparsest" or problem.sizes != (0, problem.n)


class MultidimensionalMeetInTheMiddle(Enumerator):
    """Horowitz-Sahni for vectors in the max norm, by a k-d tree of the sums of one half."""

    name = "mitm-nd"
    summary = (
        "vectors, up to about 48 items (by memory), any cardinality; all objectives, proven; counts, lists"
    )
    counts_copies_once = True

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: too many items for the memory."""
        sized = _sized(problem, objective)
        if choice_bits(problem, sized=sized) > _MOST_ITEMS:
            return f"it takes up to {_MOST_ITEMS} items, these are {problem.n}"
        # Points, queries, masks and boxes.
        needed = (20 * (problem.d + 1) + 4) * copies_of(problem, sized=sized).half_sums
        return limits.shortage(needed, f"{problem.n} items in {problem.d} dimensions")

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return False for scalars: little better at best, and of infeasible problems it shows no subset."""
        return problem.d > 1

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:
        """Estimate the time of building the tree and of asking it: for the fewest items again and again."""
        passes = 2 if objective == "sparsest" else 1
        n, d = min(choice_bits(problem, sized=_sized(problem, objective)), 1000), problem.d
        return 1.5e-4 + passes * math.exp2(n / 2) * (11e-9 * n + 50e-9 * d)

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(2^(n/2)) memory, and little more than that in time where d is small against n."""
        unit, low = problem.image.unit, problem.sizes[0]
        bound, tolerance = simple_bound(problem), problem.tolerance_units
        if objective != "nearest" and tolerance is not None and bound > tolerance:
            return Finding(None, bound * unit, low)
        try:
            search = _Search(problem, limits, counts_items=objective == "sparsest")
        except OutOfTimeError:
            return Finding(None, bound * unit, low, stop=Stop.TIME_LIMIT)
        if objective == "nearest":
            return search.nearest(bound)
        found = search.within(bound, tolerance or 0)
        if objective == "within" or found.subset is None or found.stop is Stop.TIME_LIMIT:
            return found
        return search.sparsest(bound, tolerance or 0, found.subset)

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count without visiting what lies deep inside: O(2^(n (1 - 1/(2 d)))) boxes or less."""
        return _Search(problem, limits).count(above, reach)

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets in the order of their left halves."""
        yield from _Search(problem, limits).listed(above, reach)


@dataclass(frozen=True)
class _Answer:
    """The nearest subset of those asked for, if any, its exact error, and whether the search was complete."""

    subset: list[int] | None
    units: int
    complete: bool = True


class _Search:
    """One problem: answers in exact units from what the halves say on the grid."""

    def __init__(self, problem: SubsetSum, limits: Limits, *, counts_items: bool = False) -> None:
        self.problem = problem
        self.unit = problem.image.unit
        sized = counts_items or problem.sizes != (0, problem.n)
        self.copies = copies_of(problem, sized=sized)
        self.grid = self.copies.grid()
        self.halves = Halves(self.copies, self.grid, limits, counts_items=sized)

    # -- objectives ----------------------------------------------------------------------------------

    def nearest(self, bound: int) -> Finding:
        """Minimise the error; ``bound`` is a proven bound on it."""
        answer = self._nearest(self.problem.sizes, None, bound)
        if answer.complete:
            return Finding(answer.subset, answer.units * self.unit, self.problem.sizes[0])
        return Finding(answer.subset, bound * self.unit, self.problem.sizes[0], stop=Stop.TIME_LIMIT)

    def within(self, bound: int, tolerance: int) -> Finding:
        """Stop at the first subset within the tolerance."""
        answer = self._nearest(self.problem.sizes, tolerance + 1, tolerance)
        if answer.subset is None and answer.complete:
            return Finding(None, (tolerance + 1) * self.unit, self.problem.sizes[0])
        stop = Stop.PROVEN if answer.complete else Stop.TIME_LIMIT
        return Finding(answer.subset, bound * self.unit, self.problem.sizes[0], stop=stop)

    def sparsest(self, bound: int, tolerance: int, known: list[int]) -> Finding:
        """Try one cardinality after the other; ``known`` is a subset within the tolerance."""
        for size in range(self.problem.sizes[0], len(known) + 1):
            answer = self._nearest((size, size), tolerance + 1, bound)
            if not answer.complete:
                shown = known if answer.subset is None else answer.subset
                return Finding(shown, bound * self.unit, size, stop=Stop.TIME_LIMIT)
            if answer.subset is not None:
                return Finding(answer.subset, answer.units * self.unit, size)
        raise AssertionError(f"mitm-nd found {known} within the tolerance at first, and then did not")

    # -- the nearest subset --------------------------------------------------------------------------

    def _nearest(self, sizes: Sizes, below: int | None, stop: int) -> _Answer:
        """Find the nearest subset of an error less than ``below``, or one of an error of at most ``stop``."""
        start = FAR
        if below is not None:
            low, high = self.grid.window(below - 1)
            start = min(FAR, max(-low, high) + 1)
        # On a coarse grid a distance is surely small enough only when the slack is off.
        grid_stop = stop if not self.grid.shift else (stop >> self.grid.shift) - self.grid.slack - 1
        pair, complete = self.halves.nearest(sizes, start, min(grid_stop, FAR - 1))
        if pair is None:
            return _Answer(None, 0, complete)
        subset = self.copies.subset(self.halves.counts(*pair))
        answer = _Answer(subset, self.problem.image.error(subset), complete)
        if not self.grid.shift or not complete:
            return answer if below is None or answer.units < below else _Answer(None, 0, complete)
        return self._nearest_of_candidates(answer, sizes, below, stop)

    def _nearest_of_candidates(self, answer: _Answer, sizes: Sizes, below: int | None, stop: int) -> _Answer:
        """Rank every pair that rounding leaves a chance to be nearer than the nearest on the grid."""
        hit = below is None or answer.units < below
        best, subset = (answer.units, answer.subset) if below is None or hit else (below, None)
        ranked = 0
        try:
            candidates = self.halves.listed(
                sizes, lambda: self.grid.window(best - 1), self.grid.sure_window(-1)
            )
            while best > stop or subset is None:
                counts = next(candidates, None)
                if counts is None:
                    break
                candidate = self.copies.subset(counts)
                ranked += 1
                self._check_ranked(ranked)
                units = self.problem.image.error(candidate)
                if units < best:
                    best, subset = units, candidate
        except OutOfTimeError:
            return _Answer(subset, best, complete=False)
        return _Answer(subset, best)

    def _check_ranked(self, ranked: int) -> None:
        if ranked > _MOST_RANKED:
            raise UnsupportedProblemError(
                f"backend mitm-nd rounds these numbers, too wide for a machine word, to multiples of "
                f"2^{self.grid.shift} units, which leaves more than {_MOST_RANKED} subsets to rank one by one"
            )

    # -- all subsets ---------------------------------------------------------------------------------

    def count(self, above: int, reach: int) -> int:
        """Count the subsets with ``above < error <= reach``."""
        return self._count(reach) - self._count(above)

    def _count(self, reach: int) -> int:
        if reach < 0:
            return 0
        if self.copies.merged:
            return sum(map(self._ways, self._listed(-1, reach)))
        sizes, sure = self.problem.sizes, self.grid.sure_window(reach)
        number = self.halves.count(sizes, sure, 0.5 if self.grid.shift else 1.0)
        if self.grid.shift:
            outer = self.grid.window(reach)
            for ranked, counts in enumerate(self.halves.listed(sizes, lambda: outer, sure)):
                self._check_ranked(ranked)
                number += self._error(counts) <= reach
        return number

    def _ways(self, counts: dict[int, int]) -> int:
        """Return how many subsets take each value so often."""
        copies = self.copies
        return copies.free_ways * math.prod(copies.ways[k][count] for k, count in counts.items())

    def _error(self, counts: dict[int, int]) -> int:
        return self.problem.image.error(self.copies.subset(counts))

    def listed(self, above: int, reach: int) -> Iterator[list[int]]:
        """Yield the subsets with ``above < error <= reach``."""
        for counts in self._listed(above, reach):
            yield from self.copies.subsets(counts)

    def _listed(self, above: int, reach: int) -> Iterator[dict[int, int]]:
        """Yield how often these subsets take each value."""
        outer, inner = self.grid.window(reach), self.grid.sure_window(above)
        for counts in self.halves.listed(self.problem.sizes, lambda: outer, inner):
            if not self.grid.shift or above < self._error(counts) <= reach:
                yield counts

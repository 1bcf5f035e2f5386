"""A tenth backend to test with: all subsets in the order of the Gray code, one item in or out at a time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from solvers.backend.protocol import Enumerator, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

MOST_ITEMS = 17


class GrayCode(Enumerator):
    """Plain enumeration (Gray 1953), exact: cheaper than anything that has to set up lists first."""

    name = "gray-code"
    summary = (
        f"scalar and vector, up to {MOST_ITEMS} items, any cardinality; all objectives, proven; counts, lists"
    )

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        return None if problem.n <= MOST_ITEMS else f"it takes {MOST_ITEMS} items, these are {problem.n}"

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:
        return 2e-5 + 2e-6 * math.exp2(min(problem.n, 1000))

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        unit, low = problem.image.unit, problem.sizes[0]
        tolerance = problem.tolerance_units or 0
        nearest = sparsest = None
        for units, subset in self.allowed(problem):
            if limits.expired:
                shown = sparsest or nearest
                return Finding(shown and shown[-1], size_bound=low, stop=Stop.TIME_LIMIT)
            if nearest is None or units < nearest[0]:
                nearest = units, subset
            if objective == "within" and units <= tolerance:
                return Finding(subset, size_bound=low)
            if objective == "sparsest" and units <= tolerance:
                sparsest = min(sparsest or (problem.n + 1,), (len(subset), units, subset))
        if sparsest is not None:
            size, units, subset = sparsest
            return Finding(subset, units * unit, size)
        return Finding(nearest[1], nearest[0] * unit, low)

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        return sum(1 for _ in self.listed(problem, above, reach, limits))

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        for units, subset in limits.watched(self.allowed(problem), every=1):
            if above < units <= reach:
                yield subset

    def allowed(self, problem: SubsetSum) -> Iterator[tuple[int, list[int]]]:
        """Yield (error in units, sorted indices) of every subset of an allowed number of items."""
        image, (low, high) = problem.image, problem.sizes
        chosen: set[int] = set()
        missed = list(image.target)
        for step in range(1 << problem.n):
            if step:
                i = (step & -step).bit_length() - 1
                sign = 1 if i in chosen else -1
                chosen ^= {i}
                missed = [t + sign * x for t, x in zip(missed, image.items[i], strict=True)]
            if low <= len(chosen) <= high:
                yield max(map(abs, missed)), sorted(chosen)


class Overconfident(GrayCode):
    """A wrong one: it leaves out one subset in three, and claims that nothing is nearer than what it saw."""

    name = "overconfident"

    def allowed(self, problem: SubsetSum) -> Iterator[tuple[int, list[int]]]:
        seen = list(super().allowed(problem))
        yield from (pair for place, pair in enumerate(seen) if place % 3 != 2 or len(seen) < 3)


def register_gray_code() -> None:
    """Register it: what worker processes begin with."""
    from solvers.backend.registry import register

    register(GrayCode())

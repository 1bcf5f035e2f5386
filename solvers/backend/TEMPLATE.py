"""exhaustive: every subset, one after the other. Exact. A backend to copy: docs/adding_a_backend.md says how.

Not registered. Here would stand the idea, its paper, and in which arithmetic it is exact.
"""  # noqa: N999 - in capitals, so that no one takes it for a method

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

from solvers.backend.protocol import Backend, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MOST_ITEMS = 20


class Exhaustive(Backend):  # or Enumerator, with count() and listed() as well
    """All subsets of up to 20 items.

    >>> from solvers import SubsetSum, solve
    >>> from solvers.backend.registry import BACKENDS, register
    >>> register(Exhaustive())
    >>> solve(SubsetSum([3, 5, 9], 10), backend="exhaustive").subset
    array([2])
    >>> del BACKENDS["exhaustive"]
    """

    name = "exhaustive"
    summary = f"scalar and vector, up to {_MOST_ITEMS} items, any cardinality; all objectives, proven"

    # Backend.missing: override it if this needs a package that pyproject.toml does not require.
    # Backend.suits: where "auto" should leave it out, though it can answer.
    # Backend.anytime, Backend.bounding: where "auto" should give it time without the prospect of a proof.

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:  # noqa: ARG002
        """Return why not, if not: too many items."""
        # A reason, with the numbers, that tells the user what would do; memory (limits.bytes_allowed) is one.
        # What shows only on the way is raised by solve(), as UnsupportedProblemError: "auto" then goes on.
        if problem.n > _MOST_ITEMS:
            return f"it takes up to {_MOST_ITEMS} items, these are {problem.n}"
        return None

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:  # noqa: ARG002
        """Estimate the time of looking at every subset."""
        # Measured and fitted, not guessed: "auto" begins with the cheapest. Leave it out if nothing is proven
        # in exact arithmetic; "auto" then never asks this backend for a proof.
        return 1e-4 + 2.2e-6 * math.exp2(min(problem.n, 1000))

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Look at every subset of an allowed number of items, the smaller ones first."""
        # The image holds items and target as exact integers, multiples of its unit. Search in these; or round
        # (solvers.backend.grid), and rank exactly all that rounding leaves a chance.
        image, unit, (low, high) = problem.image, problem.image.unit, problem.sizes
        tolerance = problem.tolerance_units or 0
        best: list[int] | None = None
        least = image.magnitude + 1  # more than any error
        for size in range(low, high + 1):
            for subset in combinations(range(problem.n), size):
                if limits.expired:  # show what there is, and claim nothing that is not proven
                    return Finding(best, size_bound=low, stop=Stop.TIME_LIMIT)
                units = image.error(subset)
                if units < least:
                    best, least = list(subset), units
                if objective == "within" and least <= tolerance:
                    return Finding(best, size_bound=low)
            if objective == "sparsest" and least <= tolerance:
                # size_bound: no acceptable subset has fewer items. lower_bound: none of as few is nearer.
                return Finding(best, least * unit, size_bound=size)
        # lower_bound: no allowed subset is nearer; beyond the tolerance this means INFEASIBLE. Subsets
        # are recomputed and cannot lie, but no one can check a bound: one too high makes a wrong "optimal".
        return Finding(best, least * unit, size_bound=low)

"""greedy: a first subset, in one pass or two over the items, and nothing more. Where every search starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.backend.bounds import simple_bound
from solvers.backend.first_subset import first_subset
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from solvers.problem import SubsetSum
    from solvers.solution import Objective


class Greedy(Backend):
    """One-pass rules: of vectors the best of two and of the empty subset; proves nothing but luck."""

    name = "greedy"
    summary = (
        "everything but the fewest items, in milliseconds: nearest and within; proven only where the "
        "search-free bound is met"
    )

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:  # noqa: ARG002
        """Return why not, if not: fewest items asked for."""
        if objective == "sparsest":
            return "it cannot minimise the number of items (objective sparsest)"
        return None

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return False: all other searches start from there."""
        return False

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:  # noqa: ARG002
        """Decide one item after the other, once and for all."""
        subset, bound = first_subset(problem), simple_bound(problem) * problem.image.unit
        stop = Stop.TIME_LIMIT if limits.expired else Stop.SEARCH_EXHAUSTED
        return Finding(subset, bound, problem.sizes[0], stop=stop)

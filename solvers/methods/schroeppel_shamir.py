"""schroeppel-shamir: being written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.methods.protocol import Backend, Finding, Limits

if TYPE_CHECKING:
    from solvers.problem import SubsetSum
    from solvers.solution import Objective


class SchroeppelShamir(Backend):
    """Being written."""

    name = "schroeppel-shamir"
    summary = "being written"

    def missing(self) -> str | None:
        """Return None."""
        return None

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:  # noqa: ARG002
        """Refuse everything."""
        return "it is being written"

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer."""
        raise NotImplementedError

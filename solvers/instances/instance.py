"""Instance, a problem with a name and a source; and what contradicts the answer that is known for it."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from solvers.instances.pages import shown
from solvers.solution import Proof, Status

if TYPE_CHECKING:
    from solvers.problem import SubsetSum
    from solvers.solution import Solution


@dataclass(frozen=True)
class Instance:
    """A problem with its name, where it comes from, and what is known about it.

    Attributes
    ----------
    problem : SubsetSum
    name, source : str
    known : dict or None
        ``{"status": .., "error": ..}`` of the nearest subset: "OPTIMAL", or "INFEASIBLE" where even that one
        exceeds the tolerance; the error as Fraction, or None.

    """

    problem: SubsetSum
    name: str
    source: str = ""
    known: dict[str, Any] | None = None


def contradiction(instance: Instance, solution: Solution) -> str | None:
    """Return what about a solution refutes the instance's known answer, or None.

    Compared are the exact error of the subset, the proven lower bound (for "sparsest" that is a bound among
    subsets of one size only, and says nothing here) and a claim of infeasibility.
    """
    known = instance.known
    if known is None:
        return None
    tolerance, best = instance.problem.tolerance, known["error"]
    found = solution.status in (Status.OPTIMAL, Status.FEASIBLE)
    if best is None:
        refuted = solution.status is Status.INFEASIBLE if known["status"] == "OPTIMAL" else found
        return f"{solution.status.name}, but known to be {known['status']}" if refuted else None
    if solution.error is not None and solution.error < best:
        return f"error {shown(solution.error)}, below the known optimum {shown(best)}"
    slack = Fraction(solution.resolution) if solution.proof is Proof.TOLERANCE else Fraction(0)
    if solution.objective != "sparsest" and solution.lower_bound - slack > best:
        return f"lower bound {shown(solution.lower_bound)}, above the known optimum {shown(best)}"
    if solution.status is Status.INFEASIBLE and (tolerance is None or best + slack <= tolerance):
        return f"INFEASIBLE, but an error of {shown(best)} is known to be possible"
    return None

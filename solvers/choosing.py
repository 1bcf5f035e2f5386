"""What "auto" does: a cost model for the backends that prove, and what to try in which order.

The constants are seconds on one core of a 2.5 GHz x86 machine, fitted to ``benchmarks/solvers.py``; what
matters are their ratios. docs/backends.md shows the measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from solvers.methods.protocol import Enumerator
from solvers.registry import BACKENDS

if TYPE_CHECKING:
    from solvers.methods.protocol import Backend, Limits
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

# Without a time limit, a proof that would take longer than this (in seconds, by the model) is not begun.
_PATIENCE = 1200.0
# How long "within" looks for an easy answer before a proof is begun, as a share of the proof's cost.
_EASY_SHARE = 0.5
# "auto" gives a search that has no end of its own this long when there is no time limit.
_OPEN_END = 30.0
_PROVERS = ("mitm", "schroeppel-shamir", "mitm-nd", "dp", "cp-sat")


@dataclass(frozen=True)
class Attempt:
    """A backend and how long it may take; None: all the time that is left."""

    backend: Backend
    seconds: float | None = None


def plan(problem: SubsetSum, objective: Objective, limits: Limits) -> list[Attempt]:
    """Return what "auto" tries, in order, until an answer leaves nothing to add.

    The proving backends that can finish in time come first, cheapest first. "within" looks for an easy answer
    before: most instances with many items have very many. Where no proof can be had in time, large
    neighbourhood search takes the time; its answer is FEASIBLE, or OPTIMAL when it meets a bound.
    """
    cost = {
        name: seconds_to_proof(name, problem, objective)
        for name in _PROVERS
        if BACKENDS[name].missing() is None and BACKENDS[name].refusal(problem, objective, limits) is None
    }
    time = limits.remaining
    patience = _PATIENCE if time is None else time
    proving = sorted((name for name in cost if cost[name] <= patience), key=lambda name: cost[name])
    search = BACKENDS["lns"]
    attempts = []
    if objective == "within" and proving and cost[proving[0]] > 0.01:
        attempts.append(Attempt(search, max(0.05, _EASY_SHARE * cost[proving[0]])))
    attempts += [Attempt(BACKENDS[name]) for name in proving]
    if not proving and objective == "sparsest" and "cp-sat" in cost:
        return [Attempt(search, None if time is None else time / 4), Attempt(BACKENDS["cp-sat"], _OPEN_END)]
    return [*attempts, Attempt(search)]


def counting_order(problem: SubsetSum, limits: Limits) -> list[Enumerator]:
    """Return the backends that can count and list this problem's subsets, cheapest first."""
    able = [
        backend
        for backend in BACKENDS.values()
        if isinstance(backend, Enumerator) and backend.enumeration_refusal(problem, limits) is None
    ]
    return sorted(able, key=lambda backend: seconds_to_proof(backend.name, problem, "nearest"))


def seconds_to_proof(name: str, problem: SubsetSum, objective: Objective) -> float:
    """Estimate the time a backend takes to prove its answer."""
    n, d = problem.n, problem.d
    sizes = problem.sizes[1] - problem.sizes[0] + 1
    grouped = objective == "sparsest" or problem.cardinality is not None
    half = math.exp2(n / 2)
    if name == "mitm":
        return 1e-4 + 30e-9 * half * (n / 4 if grouped else 1)
    if name == "schroeppel-shamir":
        return 2e-3 + 8e-9 * half * (sizes if grouped else 1)
    if name == "mitm-nd":
        return 1e-3 + 200e-9 * half * d * (n / 4 if grouped else 1)
    if name == "dp":
        sums = min(sum(abs(item[0]) for item in problem.image.items), 1 << 60)
        return 1e-4 + sums * (2e-9 + n * 0.03e-9) * (problem.sizes[1] if grouped else 1)
    if name == "cp-sat":
        return 0.01 * math.exp2(0.5 * max(0, n - 14)) * d
    raise ValueError(f"no cost is known for {name!r}")

"""What "auto" does: a cost model for the backends that prove, and what to try in which order.

The constants are seconds on one core of a 2.5 GHz x86 machine, fitted to ``benchmarks/solvers.py``; what
matters are their ratios. docs/backends.md shows the measurements.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from solvers.backend.bounds import expected_subsets
from solvers.backend.protocol import Enumerator
from solvers.backend.registry import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from solvers.backend.protocol import Backend, Limits
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

# Without a time limit, a proof that would take longer than this (in seconds, by the model) is not begun.
_PATIENCE = 1200.0
# "within" looks for an easy answer before a proof that costs more than this, for a share of the proof's cost.
_SHORT = 0.01
_EASY_SHARE = 0.5
# "auto" gives a search that has no end of its own this long when there is no time limit.
_OPEN_END = 30.0


@dataclass(frozen=True)
class Attempt:
    """A backend, how long it may take, and what it is asked.

    Attributes
    ----------
    backend : Backend
    seconds : float or None
        None: all the time that is left.
    proves : bool
        Whether it might add a proof, not only a subset.
    objective : str or None
        None: the one that was asked for.

    """

    backend: Backend
    seconds: float | None = None
    proves: bool = True
    objective: Objective | None = None


def plan(problem: SubsetSum, objective: Objective, limits: Limits) -> Iterator[Attempt]:
    """Yield what "auto" tries, in order, until an answer leaves nothing to add.

    The proving backends that can finish in time come first, cheapest first. "within" looks for an easy answer
    before: most instances with many items have very many. Where no proof can be had in time, large
    neighbourhood search takes the time; its answer is FEASIBLE, or OPTIMAL when it meets a bound.
    """
    time = limits.remaining
    patience = _PATIENCE if time is None else time
    cost = {name: seconds_to_proof(name, problem, objective) for name in _COSTS}
    if problem.d == 1:
        del cost["mitm-nd"]  # little better at best, and of infeasible problems it shows no subset

    def willing(name: str, objective: Objective = objective) -> bool:
        backend = BACKENDS[name]
        return backend.refusal(problem, objective, limits) is None and backend.missing() is None

    search = BACKENDS["lns"]
    if objective == "nearest" and problem.d > 1 and problem.tolerance_units == 0:
        # No subset is nearer than an exact hit, and those are searched for faster than nearest vectors.
        hits = "schroeppel-shamir"
        if willing(hits, "within") and seconds_to_proof(hits, problem, "within") <= patience:
            yield Attempt(BACKENDS[hits], objective="within")
    proving = (
        name for name in sorted(cost, key=lambda n: cost[n]) if cost[name] <= patience and willing(name)
    )
    first = next(proving, None)
    if first is None:
        if objective == "sparsest" and willing("cp-sat"):
            yield Attempt(search, None if time is None else time / 4, proves=False)
            yield Attempt(BACKENDS["cp-sat"], _OPEN_END if time is None else None)
        else:
            yield Attempt(search, proves=False)
        return
    if objective == "within" and cost[first] > _SHORT:
        yield Attempt(search, max(_SHORT, _EASY_SHARE * cost[first]), proves=False)
    yield Attempt(BACKENDS[first])
    yield from (Attempt(BACKENDS[name]) for name in proving)
    yield Attempt(search, proves=False)


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
    grouped = objective == "sparsest" or problem.sizes != (0, problem.n)
    return _COSTS[name](problem, objective, grouped)


def _mitm(problem: SubsetSum, objective: Objective, grouped: bool) -> float:  # noqa: ARG001
    n = min(problem.n, 1000)
    return 1e-4 + 42e-9 * math.exp2(n / 2) + (1e-6 * n * n if grouped else 0)


def _schroeppel_shamir(problem: SubsetSum, objective: Objective, grouped: bool) -> float:
    n = min(problem.n, 1000)
    sweep = 6.5e-9 * math.exp2(n / 2)
    if objective == "within" and problem.d == 1 and problem.tolerance_units is not None:
        sweep /= 1 + float(
            min(expected_subsets(problem, problem.tolerance_units), Fraction(2) ** 1000)
        )  # to the first
    parts = 0.0 if not grouped else 8e-5 * n * n / 16 if objective == "sparsest" else 2.5e-4 * n / 2
    return 7e-4 + 7.5e-7 * math.exp2(n / 4) + sweep + parts


def _mitm_nd(problem: SubsetSum, objective: Objective, grouped: bool) -> float:  # noqa: ARG001
    n, d = min(problem.n, 1000), problem.d
    return 1.5e-4 + math.exp2(n / 2) * (11e-9 * n + 50e-9 * d)


def _dp(problem: SubsetSum, objective: Objective, grouped: bool) -> float:
    sums = min(sum(abs(item[0]) for item in problem.image.items), 1 << 60)
    per_sum = 7e-11 if objective == "sparsest" else 3e-11 if grouped else 7e-12
    return 4e-4 + per_sum * problem.n * sums


def _cp_sat(problem: SubsetSum, objective: Objective, grouped: bool) -> float:  # noqa: ARG001
    return 1.5e-3 + 4e-3 * math.exp2(0.87 * min(problem.n - 16, 1000))


_COSTS: dict[str, Callable[[SubsetSum, Objective, bool], float]] = {
    "mitm": _mitm,
    "schroeppel-shamir": _schroeppel_shamir,
    "mitm-nd": _mitm_nd,
    "dp": _dp,
    "cp-sat": _cp_sat,
}

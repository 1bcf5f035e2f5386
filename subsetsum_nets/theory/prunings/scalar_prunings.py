"""Prunings of scalar networks, d = 1: two subset sums a number, one for each sign of the input.

``g(x) = sum v_i relu(u_i x)`` is ``P x`` for x >= 0 and ``N x`` for x <= 0, where P sums the products
``v_i u_i`` of the kept units with u_i > 0 and N those with u_i < 0. The units share nothing, so g serves w if
and only if both sums can be brought within epsilon of w. Every pruning has this form: a unit counts if both
of its weights are kept.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import BatchSolution, Status, solve_many
from subsetsum_nets.theory.prunings.decision import PruningDecision, PruningStatus
from subsetsum_nets.theory.prunings.exhaustion import Probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray


def decide_scalars(
    first: FloatArray, second: FloatArray, targets: FloatArray, epsilon: float
) -> list[PruningDecision]:
    """Decide for each number whether some pruning serves it; exact, without a limit.

    ``first`` and ``second`` are u and v, shape (s,); the targets have shape (N,).

    Examples
    --------
    >>> u, v = np.array([1.0, -1.0]), np.array([0.5, -0.5])
    >>> [d.bound for d in decide_scalars(u, v, np.array([0.25, 0.5]), 0.25)]
    [0.25, 0.0]

    """
    sides = []
    for sign in (1.0, -1.0):
        units = np.flatnonzero(sign * first > 0)
        sides.append((sign, units, _nearest(_products(first[units], second[units]), targets, epsilon)))
    return [_decision(sides, row, len(first)) for row in range(len(targets))]


def _products(first: FloatArray, second: FloatArray) -> NDArray[Any]:
    """Return the exact products: float64 where that holds them all, else Fractions."""
    exact = [Fraction(u) * Fraction(v) for u, v in zip(first.tolist(), second.tolist(), strict=True)]
    rounded = first * second
    if all(Fraction(x) == y for x, y in zip(rounded.tolist(), exact, strict=True)):
        return rounded
    return np.array([*exact, None], dtype=object)[:-1]


def _nearest(items: NDArray[Any], targets: FloatArray, epsilon: float) -> BatchSolution:
    """Return the proven nearest subset sums; no items have the sum 0."""
    offered = items if len(items) else np.zeros(1)
    goals: Any = targets
    if offered.dtype == object:
        goals = np.array([*(Fraction(w) for w in targets.tolist()), None], dtype=object)[:-1]
    return solve_many(offered, goals, tolerance=epsilon)


def _decision(
    sides: list[tuple[float, NDArray[np.intp], BatchSolution]], row: int, width: int
) -> PruningDecision:
    kept = np.zeros(width, dtype=bool)
    bound = 0.0
    unknown = False
    for sign, units, solution in sides:
        status = solution.status[row]
        if status == Status.INFEASIBLE:
            probe = Probe(np.array([sign]), np.ones(1))
            return PruningDecision(PruningStatus.NOT_SERVED, probes=(probe,))
        unknown |= status not in (Status.OPTIMAL, Status.FEASIBLE)
        kept[units] = solution.masks[row, : len(units)]
        bound = max(bound, float(solution.errors[row]))
    if unknown:
        return PruningDecision(PruningStatus.UNKNOWN, message="a subset sum was left open")
    masks = kept[:, np.newaxis], kept[np.newaxis]
    return PruningDecision(PruningStatus.SERVED, masks, bound)

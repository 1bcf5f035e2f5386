"""Points of a lattice near a goal, each read as a subset of vectors (Schnorr & Euchner 1994).

Points are enumerated coefficient by coefficient, the last one first and each from the nearest value outwards,
and given up where they are too far already for the share of coefficients that are decided: linear pruning
(Gama, Nguyen & Regev 2010).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled
from solvers.kernels.one_pass import flip_if_shorter

if TYPE_CHECKING:
    from solvers.kernels.array_types import Bools, Floats

_SLACK = 4.0  # coefficients that are allowed for beyond the decided ones
_SWEEPS = 9  # of flips, at most


@compiled
def _coefficients(basis: Floats, shares: Floats, squares: Floats, goal: Floats) -> Floats:
    """Return the goal's coefficients in the orthogonalised rows of the basis."""
    rows, columns = basis.shape
    inner, wanted = np.zeros(rows), np.zeros(rows)
    for j in range(rows):
        product = 0.0
        for c in range(columns):
            product += goal[c] * basis[j, c]
        for i in range(j):
            product -= shares[j, i] * inner[i]
        inner[j] = product
        wanted[j] = product / squares[j]
    return wanted


@compiled
def _read(basis: Floats, times: Floats, half: Floats, chosen: Bools) -> None:
    """Choose the items whose number at a point is above a half."""
    m = len(times)
    for i in range(m):
        number = 0.0
        for j in range(m):
            number += times[j] * basis[j, i]
        chosen[i] = number > half[i]


@compiled
def _improve(items: Floats, target: Floats, chosen: Bools) -> float:
    """Flip items while the rest gets shorter; return its max norm."""
    m, d = items.shape
    rest = target.copy()
    for i in range(m):
        if chosen[i]:
            for k in range(d):
                rest[k] -= items[i, k]
    for _ in range(_SWEEPS):
        if flip_if_shorter(items, np.arange(m), rest, chosen) == 0:
            break
    return float(np.abs(rest).max())


@compiled
def subsets_near(
    basis: Floats,
    shares: Floats,
    squares: Floats,
    goal: Floats,
    items: Floats,
    target: Floats,
    radius: float,
    nodes: int,
    least: float,
    best: Bools,
) -> tuple[float, int, int]:
    """Read the points of a lattice near a goal as subsets, and improve these by flips.

    ``basis``, shape (m, m + d), has in column i < m the multiple of twice ``goal[i]`` that item i is taken;
    ``shares`` and ``squares`` are of its orthogonalisation; ``radius`` is squared. At most so many ``nodes``
    are looked at. Returns the least max norm of what remains of ``target``, ``least`` or less, the number of
    points and of nodes that are left; ``best`` is set to the items that are chosen where it is less.
    """
    (m, columns), points = basis.shape, 0
    wanted = _coefficients(basis, shares, squares, goal)
    times, steps, centres, parts = np.zeros(m), np.zeros(m), np.zeros(m), np.zeros(m + 1)
    chosen = np.zeros(m, dtype=np.bool_)
    parts[m] = np.sum(goal * goal) - np.sum(wanted * wanted * squares)  # beside the span of the basis
    k, descends = m - 1, True
    while k < m and nodes > 0:
        if descends:
            centre = wanted[k]
            for i in range(k + 1, m):
                centre -= times[i] * shares[i, k]
            centres[k], times[k] = centre, np.rint(centre)
            steps[k] = 1.0 if centre >= times[k] else -1.0
        nodes -= 1
        off = times[k] - centres[k]
        part = parts[k + 1] + off * off * squares[k]
        near = part <= radius * min(1.0, (columns - k + _SLACK) / columns)
        descends = near and k > 0
        if descends:
            parts[k] = part
            k -= 1
            continue
        if near:
            points += 1
            _read(basis, times, goal, chosen)
            error = _improve(items, target, chosen)
            if error < least:
                least = error
                best[:] = chosen
        else:
            k += 1
        if k < m:
            times[k] += steps[k]
            steps[k] = -steps[k] - (1.0 if steps[k] > 0.0 else -1.0)
    return least, points, nodes

"""Exact joins of two lists of vectors: all pairs, or the nearest one, that differ by a vector in a box.

One list lies in cells of a grid over its first two coordinates, sorted by cell, those of one x together; the
pairs of a row of the other list are then in a few runs of neighbours, and every pair in the box is met.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Floats, Ints

_MOST_CELLS_A_SIDE = 1 << 10


class Cells(NamedTuple):
    """Rows, shape (r, s), in the cells of a grid over their first two coordinates."""

    rows: Floats  # sorted by cell
    order: Ints  # where they came from
    starts: Ints  # of the cells, x by x, shape (nx * ny + 1,)
    low: Floats  # of x and y
    step: Floats
    sides: Ints  # nx and ny


def in_cells(rows: Floats, width: float) -> Cells:
    """Sort rows, of two columns or more, into cells of about this width."""
    low, high = rows[:, :2].min(axis=0), rows[:, :2].max(axis=0)
    wanted = (high - low) / np.maximum(width, (high - low) / _MOST_CELLS_A_SIDE + 1e-300)
    sides = np.clip(wanted, 1, _MOST_CELLS_A_SIDE).astype(np.int64)
    step = np.maximum((high - low) / sides, 1e-300)
    places = np.minimum(((rows[:, :2] - low) / step).astype(np.int64), sides - 1)
    cells = places[:, 0] * sides[1] + places[:, 1]
    order = np.argsort(cells, kind="stable")
    starts = np.zeros(int(sides.prod()) + 1, np.int64)
    np.cumsum(np.bincount(cells, minlength=starts.size - 1), out=starts[1:])
    return Cells(np.ascontiguousarray(rows[order]), order, starts, low, step, sides)


@compiled
def _between(middle: float, width: float, low: float, step: float, side: int) -> tuple[int, int]:
    """Return the first and the last cell of one axis that numbers within ``width`` of a middle lie in."""
    first = (middle - width - low) / step
    last = (middle + width - low) / step
    if last < 0.0 or first > side:
        return 1, 0
    return int(max(first, 0.0)), int(min(last, side - 1.0))


@compiled
def pairs_in_box(
    wanted: Floats, cells: Cells, width: float, first: int, last: int, pairs: Ints, found: int
) -> int:
    """List (i, j) such that row j of the cells is within ``width`` of ``wanted[i]`` in every column.

    For i from ``first`` to ``last`` - 1, from place ``found`` of ``pairs``, shape (capacity, 2), on; returns
    the number of pairs then in there. It ends when that is full.
    """
    rows, _, starts, low, step, sides = cells
    for i in range(first, last):
        x0, x1 = _between(wanted[i, 0], width, low[0], step[0], sides[0])
        y0, y1 = _between(wanted[i, 1], width, low[1], step[1], sides[1])
        if y0 > y1:
            continue
        for x in range(x0, x1 + 1):
            for j in range(starts[x * sides[1] + y0], starts[x * sides[1] + y1 + 1]):
                k = 0
                while k < rows.shape[1] and abs(rows[j, k] - wanted[i, k]) <= width:
                    k += 1
                if k < rows.shape[1]:
                    continue
                if found == pairs.shape[0]:
                    return found
                pairs[found, 0] = i
                pairs[found, 1] = j
                found += 1
    return found


@compiled
def nearest_in_box(
    wanted: Floats, cells: Cells, best: float, first: int, last: int
) -> tuple[float, int, int]:
    """Return (distance, i, j) of the row j of the cells that is nearest to some row i of those wanted.

    In the max norm, for i from ``first`` to ``last`` - 1, if it is nearer than ``best``; else (best, -1, -1).
    """
    rows, _, starts, low, step, sides = cells
    best_i = best_j = -1
    for i in range(first, last):
        x0, x1 = _between(wanted[i, 0], best, low[0], step[0], sides[0])
        y0, y1 = _between(wanted[i, 1], best, low[1], step[1], sides[1])
        if y0 > y1:
            continue
        for x in range(x0, x1 + 1):
            for j in range(starts[x * sides[1] + y0], starts[x * sides[1] + y1 + 1]):
                distance = 0.0
                for k in range(rows.shape[1]):
                    distance = max(distance, abs(rows[j, k] - wanted[i, k]))
                    if distance >= best:
                        break
                if distance < best:
                    best, best_i, best_j = distance, i, j
    return best, best_i, best_j

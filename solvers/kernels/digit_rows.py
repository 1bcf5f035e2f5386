"""Rows whose items are signed digits: each magnitude divides the next, as in +-1, +-2, +-4 or +-1, +-3, +-9.

Such a row is a sum of digits in a mixed base. From the smallest magnitude upwards, what remains of the
target, in units of the magnitude, takes few values: as many at most as there are smaller items, and two. A
table of the fewest items for each of them gives a subset of fewest items that hits the target, or shows that
there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

_NONE = 1 << 30  # more items than any row has


@compiled
def digit_rows(
    values: Integers, orders: Integers, targets: Integers, masks: NDArray[np.bool_], met: NDArray[np.bool_]
) -> None:
    """Find, row by row, a subset of fewest items that add up to the target; ``met`` says where there is one.

    Parameters
    ----------
    values : int64, shape (N, n)
        0 for items that may not be used; a row's magnitudes add up to less than 2**61.
    orders : int64, shape (N, n)
        The places of each row's items by their magnitudes, ascending.
    targets : int64, shape (N,)
        Magnitudes below 2**61.
    masks, met : bool, shapes (N, n) and (N,)
        All False; written to. Rows that are no signed digits stay as they are.

    """
    n = values.shape[1]
    costs = np.empty((n + 1, n + 3), np.int64)
    digits = np.empty((n + 1, n + 3), np.int64)
    sources = np.empty((n + 1, n + 3), np.int64)
    starts = np.empty(n + 1, np.int64)
    lows = np.empty(n + 1, np.int64)
    tables = costs, digits, sources
    for row in range(targets.size):
        levels = _levels(values[row], orders[row], starts)
        if levels < 0:
            continue
        end = _fewest(values[row], orders[row], targets[row], (starts, levels), lows, tables)
        if end < 0:
            continue
        met[row] = True
        for level in range(levels - 1, -1, -1):
            digit = digits[level + 1, end]
            end = sources[level + 1, end]
            for k in range(starts[level], starts[level + 1]):
                place = orders[row, k]
                if digit > 0 and values[row, place] > 0:
                    masks[row, place] = True
                    digit -= 1
                elif digit < 0 and values[row, place] < 0:
                    masks[row, place] = True
                    digit += 1


@compiled
def _levels(values: Integers, order: Integers, starts: Integers) -> int:
    """Write where each magnitude begins in the order; return how many there are, -1 for no signed digits."""
    levels, last = 0, 0
    for k in range(order.size):
        size = abs(values[order[k]])
        if size in (0, last):
            continue
        if last > 0 and size % last != 0:
            return -1
        starts[levels] = k
        levels, last = levels + 1, size
    starts[levels] = order.size
    return levels


@compiled
def _fewest(
    values: Integers,
    order: Integers,
    target: int,
    ends: tuple[Integers, int],
    lows: Integers,
    tables: tuple[Integers, Integers, Integers],
) -> int:
    """Fill the tables level by level; return the place of 0 behind the last one, -1 where it is not reached.

    ``costs[k, c]`` is the fewest items below level k that leave ``lows[k] + c`` units of that level.
    """
    starts, levels = ends
    costs, digits, sources = tables
    if levels == 0:
        return 0 if target == 0 else -1
    unit = abs(values[order[starts[0]]])
    if target % unit != 0:
        return -1
    costs[0, 0], lows[0] = 0, target // unit
    count, plus_below, minus_below = 1, 0, 0
    for level in range(levels):
        pluses, minuses = 0, 0
        for k in range(starts[level], starts[level + 1]):
            if values[order[k]] > 0:
                pluses += 1
            else:
                minuses += 1
        unit = abs(values[order[starts[level]]])
        following = abs(values[order[starts[level + 1]]]) if level + 1 < levels else 0
        plus_below += pluses * unit
        minus_below += minuses * unit
        low, high = 0, 0  # behind the last level nothing may remain
        if following > 0:
            low = -((plus_below - target) // following)
            high = (target + minus_below) // following
        lows[level + 1] = low
        costs[level + 1, : max(high - low + 1, 1)] = _NONE
        for place in range(count):
            if costs[level, place] >= _NONE:
                continue
            for digit in range(-minuses, pluses + 1):
                left = lows[level] + place - digit
                if following == 0:
                    if left != 0:
                        continue
                elif left % (following // unit) != 0:
                    continue
                else:
                    left //= following // unit
                to, cost = left - low, costs[level, place] + abs(digit)
                if cost < costs[level + 1, to]:
                    costs[level + 1, to] = cost
                    digits[level + 1, to], sources[level + 1, to] = digit, place
        count = max(high - low + 1, 0)
    return 0 if costs[levels, 0] < _NONE else -1

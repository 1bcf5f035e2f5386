"""Many targets over the same items: list the sums once, then search for each target.

All numbers are int64 multiples of a unit of the items' own; a target is a whole number of units, ``goal``,
and a ``rest`` in (-1/2, 1/2] units, both exact. Only a nearest subset that no other equals is
reported, so that the answer does not depend on how the search was done.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Floats, Ints, Masks

_ENDLESS = 1 << 62


@compiled
def sorted_sums(items: Ints) -> tuple[Ints, Masks]:
    """Return all sums of the items, sorted, with the subset of each: merged, an item at a time."""
    size = 1
    room = (1 << items.size) + 1  # one more for the sentinel that saves the merge its bounds checks
    sums, spare = np.zeros(room, np.int64), np.empty(room, np.int64)
    masks, spare_masks = np.zeros(room, np.uint32), np.empty(room, np.uint32)
    for index in range(items.size):
        item, flag = items[index], np.uint32(1 << index)
        sums[size] = _ENDLESS
        i = j = 0
        for out in range(2 * size):
            without, taking = sums[i], sums[j] + item
            leave = without <= taking
            spare[out] = without if leave else taking
            spare_masks[out] = masks[i] if leave else masks[j] | flag
            i += leave
            j += not leave
        size *= 2
        sums, spare, masks, spare_masks = spare, sums, spare_masks, masks
    return sums[:size], masks[:size]


@compiled
def _below_is_nearer(below: int, above: int, rest: float) -> int:
    """Compare distances ``|below + rest|`` and ``above - rest``: 1 if the first is less, 0 if equal, or -1.

    ``below`` >= 0, ``above`` >= 1; where ``below + rest`` is negative, the other is more than 1.
    """
    difference = min(max(below - above, -4), 4)  # |2 rest| <= 1
    gap = float(difference) + 2.0 * rest
    return 1 if gap < 0.0 else (0 if gap == 0.0 else -1)


@compiled
def nearest_sums(
    table: tuple[Ints, Masks],
    others: tuple[Ints, Masks],
    goals: Ints,
    rests: Floats,
    subsets: Ints,
    distances: Ints,
    sides: Floats,
) -> None:
    """Find the nearest sum of one entry of the table and one of the others, for each target.

    The table is searched by bisection for every other sum. ``subsets`` receives the table's mask plus 2^32
    times the other one, or -1 where a second subset is as near; the distance is ``distances + sides`` units.
    """
    sums = table[0]
    for place in range(goals.size):
        goal, rest = goals[place], rests[place]
        below, above = _ENDLESS, _ENDLESS
        below_at = above_at = below_other = above_other = 0
        below_alone = above_alone = True
        for other in range(others[0].size):
            wanted = goal - others[0][other]
            low, size = 0, sums.size  # low becomes the number of sums <= wanted
            while size > 0:
                half = size >> 1
                small = sums[low + half] <= wanted
                low = low + half + 1 if small else low
                size = size - half - 1 if small else half
            if low > 0:
                distance = wanted - sums[low - 1]
                if distance <= below:
                    below_alone = distance < below
                    below, below_at, below_other = distance, low - 1, other
            if low < sums.size:
                distance = sums[low] - wanted
                if distance <= above:
                    above_alone = distance < above
                    above, above_at, above_other = distance, low, other
        order = _below_is_nearer(below, above, rest)
        at, other = (below_at, below_other) if order == 1 else (above_at, above_other)
        alone = order != 0 and (below_alone if order == 1 else above_alone)
        alone = alone and (at == 0 or sums[at - 1] != sums[at])
        alone = alone and (at + 1 == sums.size or sums[at + 1] != sums[at])
        subsets[place] = np.int64(table[1][at]) | (np.int64(others[1][other]) << 32) if alone else -1
        distances[place] = below if order == 1 else above
        # A sum of just ``goal`` is above the target if the rest is negative.
        sides[place] = abs(rest) if distances[place] == 0 else (rest if order == 1 else -rest)


@compiled
def rounded_distances(distances: Ints, sides: Floats, exponent: int, lower: Floats, upper: Floats) -> None:
    """Write ``(distances + sides) * 2^exponent`` >= 0, rounded down and rounded up to float64.

    ``|sides| <= 1/2``; the exponent keeps everything clear of subnormal and of endless numbers.
    """
    for place in range(distances.size):
        whole, side = distances[place], sides[place]
        if whole < 1 << 53:
            near = float(whole) + side
            lost = side - (near - float(whole))  # exact (Dekker), as |side| <= whole or whole = 0
            down = np.nextafter(near, -math.inf) if lost < 0.0 else near
            up = np.nextafter(near, math.inf) if lost > 0.0 else near
        else:  # floats are whole here: round the integers around it
            floor = whole - 1 if side < 0.0 else whole
            ceiling = whole + 1 if side > 0.0 else whole
            down, up = float(floor), float(ceiling)
            if np.int64(down) > floor:
                down = np.nextafter(down, -math.inf)
            if np.int64(up) < ceiling:
                up = np.nextafter(up, math.inf)
        lower[place], upper[place] = math.ldexp(down, exponent), math.ldexp(up, exponent)

"""Count pairs of left and right sums up to a bound, window by window; sides as in ``sum_windows``.

Unlike there a stream may hold equal sums here, any number of them: a window of a single value is counted by
its pointers alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled
from solvers.kernels.radix_sort import sort
from solvers.kernels.sum_windows import next_width, place

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints
    from solvers.kernels.sum_windows import Side

_WINDOW_COST = 1 << 10  # keeps the number of windows of one call, and so its totals, within 62 bits


@compiled
def _between(lower: Ints, upper: Ints) -> int:
    count = 0
    for i in range(lower.size):
        count += upper[i] - lower[i]
    return count


@compiled
def _gather(side: Side, lower: Ints, upper: Ints, origin: int, out: Ints) -> None:
    """List ``sum - origin``."""
    bases, _, _, sums = side
    count = 0
    for i in range(bases.size):
        for j in range(lower[i], upper[i]):
            out[count] = bases[i] + sums[j] - origin
            count += 1


@compiled
def count_up_to(
    left: Side,
    right: Side,
    bound: int,
    first: int,
    last: int,
    width: int,
    window: int,
    budget: int,
    scratch: tuple[Ints, Ints, Ints, Ints, Ints, Ints],
) -> tuple[int, int, int, int]:
    """Count pairs with a left sum in [first, last) and ``left + right <= bound``.

    ``scratch`` has two arrays of left pointers, two of right pointers, left sums and right sums. Returns
    (next first, width, high, low): the count up to there is ``high * 2^16 + low``.
    """
    left_from, left_to, right_from, right_to, left_out, right_out = scratch
    starts = right[1]
    v = first
    touched = high = low = 0
    place(left, v, left_from)
    while v < last and touched < budget:
        w = min(width, last - v)
        place(left, v + w, left_to)
        lefts = _between(left_from, left_to)
        rights = 0
        touched += _WINDOW_COST
        if lefts > 0:
            place(right, bound - v - w + 2, right_from)  # what lies below goes with every left sum
            place(right, bound - v + 1, right_to)
            rights = _between(right_from, right_to)  # none when w is 1
            if w > 1 and max(lefts, rights) > left_out.size:
                width = w >> 1
                continue
            below = _between(starts, right_from)
            high += (lefts >> 16) * below
            low += (lefts & 0xFFFF) * below
            if rights > 0:
                lowest = bound - v - w + 2
                _gather(left, left_from, left_to, v, left_out)
                _gather(right, right_from, right_to, lowest, right_out)
                left_sorted, right_sorted = left_out[:lefts], right_out[:rights]
                sort(left_sorted, w)
                sort(right_sorted, w)
                room = bound - v - lowest
                j = rights
                for i in range(lefts):
                    while j > 0 and right_sorted[j - 1] > room - left_sorted[i]:
                        j -= 1
                    low += j
            touched += lefts + rights
        width = next_width(w, window, max(lefts, rights))
        v += w
        left_from, left_to = left_to, left_from
    return v, width, high, low

"""Sums of two lists in windows of value, and the pairs of left and right sums that come near a target.

A *side* is a tuple (bases, starts, ends, sums): stream i stands for the sums ``bases[i] + sums[j]`` with
``starts[i] <= j < ends[i]``, ascending and distinct. The sums of a side in an interval [v, v + w) are a short
run of every stream, found with one pointer per stream: no heap, and all of them ascend window by window.

For a window of left sums the right sums near ``target - v`` are generated, and the two are joined. The join
does not sort: left sums mark their cells in a table of bits, and right sums look theirs up; the few that hit
mark a finer table, which left sums look up, and once more the other way round; what is left is compared pair
by pair. A left sum marks the cells of both ends of the interval within reach of it, so that no pair within
reach is lost. The filter needs a reach that is small compared with the window; until then both are sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled
from solvers.kernels.radix_sort import sort

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Side = tuple[Ints, Ints, Ints, Ints]

# What a sweep ended with.
DONE = 0  # the interval, or the budget, is used up
STOPPED = 1  # a pair at a distance of at most ``stop`` was found
FULL = 2  # there is no room for more pairs: take them away and go on
STUCK = 3  # the right sums that face the single left sum ``first`` are too many to hold

TABLE_BITS = 19
SECOND_BITS = 17
_FINER = 8  # each further table looks at this many lower bits of the sums


@compiled
def place(side: Side, value: int, at: Ints) -> None:
    """Point each stream at its first sum that is at least ``value``."""
    bases, starts, ends, sums = side
    for i in range(bases.size):
        low, high = starts[i], ends[i]
        wanted = value - bases[i]
        while low < high:
            middle = (low + high) >> 1
            if sums[middle] < wanted:
                low = middle + 1
            else:
                high = middle
        at[i] = low


@compiled
def _bit_length(value: int) -> int:
    bits = 0
    while value > 0:
        value >>= 1
        bits += 1
    return bits


@compiled
def _gather_left(
    side: Side, at: Ints, v: int, w: int, out: Ints, table: Ints, shift: int, reach: int
) -> tuple[int, bool]:
    """List ``sum - v`` of the left sums in [v, v + w); with shift >= 0 also mark their cells.

    Returns (their number, whether they fit). The pointers move on.
    """
    bases, _, ends, sums = side
    mask = table.size * 64 - 1
    count = 0
    for i in range(bases.size):
        base = bases[i] - v
        j = at[i]
        room = min(ends[i], j + out.size - count)
        limit = w - base
        if shift < 0:
            while j < room and sums[j] < limit:
                out[count] = sums[j] + base
                count += 1
                j += 1
        else:
            while j < room and sums[j] < limit:
                d = sums[j] + base
                out[count] = d
                count += 1
                cell = (d >> shift) & mask
                table[cell >> 6] |= 1 << (cell & 63)
                other = ((d + 2 * reach) >> shift) & mask
                if other != cell:
                    table[other >> 6] |= 1 << (other & 63)
                j += 1
        at[i] = j
        if j == room and j < ends[i] and sums[j] < limit:
            return count, False
    return count, True


@compiled
def _gather_right(
    side: Side, at: Ints, origin: int, span: int, out: Ints, table: Ints, shift: int
) -> tuple[int, int, bool]:
    """List ``origin - sum`` where that lies in [0, span]; with shift >= 0 only where its cell is marked.

    Returns (number listed, number seen, whether they fit). The pointers move down.
    """
    bases, starts, ends, sums = side
    mask = table.size * 64 - 1
    count = seen = 0
    for i in range(bases.size):
        base = origin - bases[i]  # the value of sum j is base - sums[j]
        top = at[i]
        while top < ends[i] and sums[top] <= base:  # the reach, or a border, may ask for more than last time
            top += 1
        while top > starts[i] and sums[top - 1] > base:
            top -= 1
        j = top - 1
        room = max(starts[i], top - (out.size - count))
        limit = base - span
        if shift < 0:
            while j >= room and sums[j] >= limit:
                out[count] = base - sums[j]
                count += 1
                j -= 1
        else:
            while j >= room and sums[j] >= limit:
                x = base - sums[j]
                cell = (x >> shift) & mask
                out[count] = x
                count += (table[cell >> 6] >> (cell & 63)) & 1
                j -= 1
        seen += top - 1 - j
        at[i] = j + 1
        if j < room and j >= starts[i] and sums[j] >= limit:
            return count, seen, False
    return count, seen, True


@compiled
def _keep_candidates(
    marking: Ints, marks: int, tested: Ints, tests: int, below: int, above: int, shift: int, table: Ints
) -> int:
    """Keep the ``tested`` values t for which some m in ``marking`` may have m - below <= t <= m + above."""
    mask = table.size * 64 - 1
    table[:] = 0
    for k in range(marks):
        cell = ((marking[k] - below) >> shift) & mask
        table[cell >> 6] |= 1 << (cell & 63)
        cell = ((marking[k] + above) >> shift) & mask
        table[cell >> 6] |= 1 << (cell & 63)
    kept = 0
    for k in range(tests):
        value = tested[k]
        cell = (value >> shift) & mask
        tested[kept] = value
        kept += (table[cell >> 6] >> (cell & 63)) & 1
    return kept


@compiled
def _nearest_sorted(lefts: Ints, rights: Ints, offset: int) -> tuple[int, int, int]:
    """Return (i, j, distance) of the least ``|lefts[i] - (rights[j] - offset)|``; both sorted, not empty."""
    i = j = best_i = best_j = 0
    best = abs(lefts[0] - rights[0] + offset)
    while i < lefts.size and j < rights.size and best > 0:
        difference = lefts[i] - rights[j] + offset
        if abs(difference) < best:
            best, best_i, best_j = abs(difference), i, j
        if difference < 0:
            i += 1
        else:
            j += 1
    return best_i, best_j, best


@compiled
def _list_sorted(
    lefts: Ints, rights: Ints, offset: int, reach: int, v: int, total: int, pairs: Ints, found: int
) -> int:
    """Append every distinct pair within reach; returns the new number of pairs, -1 when there is no room."""
    bottom = 0
    for i in range(lefts.size):
        if i > 0 and lefts[i] == lefts[i - 1]:
            continue
        centre = lefts[i] + offset
        while bottom < rights.size and rights[bottom] < centre - reach:
            bottom += 1
        j = bottom
        while j < rights.size and rights[j] <= centre + reach:
            if j == bottom or rights[j] != rights[j - 1]:
                if found == pairs.shape[0]:
                    return -1
                pairs[found, 0] = lefts[i] + v
                pairs[found, 1] = total - rights[j]
                found += 1
            j += 1
    return found


@compiled
def sweep(
    left: Side,
    right: Side,
    target: int,
    first: int,
    last: int,
    width: int,
    reach: int,
    margin: int,
    stop: int,
    window: int,
    budget: int,
    scratch: tuple[Ints, Ints, Ints, Ints, Ints, Ints],
    pairs: Ints,
) -> tuple[int, int, int, int, int]:
    """Find pairs of a left sum in [first, last) and a right sum with ``|left + right - target| <= reach``.

    When a pair at distance d is found the reach shrinks to d + margin: with margin -1 every pair listed is
    nearer than the one before, with a larger one all pairs are listed that are at most ``margin`` farther
    than the nearest (some others too), with an endless one all within the first reach. A pair may be listed
    more than once, but only between two returns.

    Parameters
    ----------
    width : int
        Width of the first window; later ones adapt so that they hold about ``window`` sums a side.
    stop : int
        Return at a pair at most this far away; needed (>= 0) for margin -1, otherwise -1 stands for never.
    budget : int
        Return after about as many sums.
    scratch : (left pointers, right pointers, left sums, right sums, table, second table)
        The buffers for sums hold as many as a side has streams, or more.
    pairs : int64, shape (capacity, 2)

    Returns
    -------
    status, next_first, width, reach, found

    """
    left_at, right_at, left_out, right_out, table, second = scratch
    found = 0
    touched = 0
    v = first
    placed = False
    facing = window
    while v < last and touched < budget:
        if not placed:
            place(left, v, left_at)
            place(right, target - v + reach + 1, right_at)
            placed = True
        w = min(width, last - v)
        finest = _bit_length(2 * reach + 1)
        shift = max(_bit_length(w + 2 * reach) - TABLE_BITS, finest)
        if (w >> shift) < 4 * facing:  # cells too wide, or too few, to tell sums apart
            shift = -1
        else:
            table[: ((((w + 2 * reach) >> shift) + 64) >> 6)] = 0
        lefts, fits = _gather_left(left, left_at, v, w, left_out, table, shift, reach)
        if not fits:
            width, placed = w >> 1, False
            continue
        if lefts == 0:
            touched += left_at.size
            v += w
            width = min(4 * w, 1 << 60)
            continue
        # A right sum r becomes x = target - v - r + reach; it is near a left sum d = l - v iff
        # |d - x + reach| <= reach.
        origin = target - v + reach
        rights, seen, fits = _gather_right(
            right, right_at, origin, w - 1 + 2 * reach, right_out, table, shift
        )
        start, pace = found, reach
        if shift >= 0 and fits:
            shift = max(finest, shift - _FINER)
            lefts_kept = _keep_candidates(right_out, rights, left_out, lefts, 2 * reach, 0, shift, second)
            shift = max(finest, shift - _FINER)
            rights = _keep_candidates(left_out, lefts_kept, right_out, rights, 0, 2 * reach, shift, second)
        else:
            lefts_kept = lefts
        if lefts_kept > 0 and rights > 0:
            if fits and lefts_kept * rights <= pairs.shape[0] - found:
                for k in range(rights):
                    x = right_out[k] - pace
                    for m in range(lefts_kept):
                        distance = abs(left_out[m] - x)
                        if distance <= reach:
                            pairs[found, 0] = left_out[m] + v
                            pairs[found, 1] = origin - right_out[k]
                            found += 1
                            reach = min(reach, distance + margin)
            else:
                left_sorted, right_sorted = left_out[:lefts_kept], right_out[:rights]
                sort(left_sorted, w)
                sort(right_sorted, w + 2 * pace)
                i, j, distance = _nearest_sorted(left_sorted, right_sorted, pace)
                if distance <= reach:
                    if margin < 0:
                        if found == pairs.shape[0]:
                            return FULL, v, w, reach, found
                        pairs[found, 0] = left_sorted[i] + v
                        pairs[found, 1] = origin - right_sorted[j]
                        found += 1
                    reach = min(reach, distance + margin)
                if not fits:  # a part of the right sums, but a nearer pair among them leaves fewer to hold
                    if reach == pace:
                        if w == 1:
                            return (FULL if found else STUCK), v, 1, reach, found
                        width = w >> 1
                    placed = False
                    if found > start and 0 <= reach - margin <= stop:
                        return STOPPED, v, width, reach, found
                    continue
                if margin >= 0:
                    count = _list_sorted(left_sorted, right_sorted, pace, reach, v, origin, pairs, found)
                    if count < 0:
                        if found > 0:
                            return FULL, v, w, reach, found
                        if w == 1:
                            return STUCK, v, 1, reach, 0
                        width, placed = w >> 1, False
                        continue
                    found = count
        v += w
        touched += lefts + seen + left_at.size
        facing = max(lefts, seen, 1)
        width = min(max(w * window // facing, w >> 2, 1), 4 * w, 1 << 60)
        if found > start and 0 <= reach - margin <= stop:
            return STOPPED, v, width, reach, found
    return DONE, v, width, reach, found

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

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.kernels.compiling import compiled
from solvers.kernels.radix_sort import sort

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints

    Side = tuple[Ints, Ints, Ints, Ints]

# What a sweep ended with.
DONE = 0  # the interval, or the budget, is used up
STOPPED = 1  # a pair at a distance of at most ``stop`` was found
FULL = 2  # there is no room for more pairs: take them away and go on
STUCK = 3  # the right sums that face the single left sum ``first`` are too many to hold

# What the search of one window ends with, besides FULL and STUCK.
_SEARCHED = 4  # every pair within reach was seen
_NARROWER = 5  # search half the window first: there are too many sums, or pairs, to hold
_NEARER = 6  # search it once more: the reach has shrunk, so that fewer right sums face it

TABLE_BITS = 19
SECOND_BITS = 17
_FINER = 8  # each further table looks at this many lower bits of the sums
_WIDEST = 1 << 60


class Aim(NamedTuple):
    """Which pairs are sought: those with ``|left + right - target| <= reach``.

    When a pair at distance d is found the reach shrinks to d + margin: with margin -1 every pair listed is
    nearer than the one before, with a larger one all pairs are listed that are at most ``margin`` farther
    than the nearest (some others too), with an endless one all within the first reach. A pair at most
    ``stop`` away ends the search; needed (>= 0) for margin -1, otherwise -1 stands for never.
    """

    target: int
    reach: int
    margin: int
    stop: int


class Hits(NamedTuple):
    """How many pairs are listed, and the distance within which further ones are sought."""

    found: int
    reach: int


class Buffers(NamedTuple):
    """The room of one sweep at a time; for sums it is as much as a side has streams, or more."""

    left_at: Ints  # a pointer for every stream
    right_at: Ints
    lefts: Ints  # left sums less the start of the window
    rights: Ints  # right sums as :func:`_gather_right` lists them
    table: Ints  # 2^TABLE_BITS bits
    second: Ints  # 2^SECOND_BITS bits
    pairs: Ints  # shape (capacity, 2): the left and right sums of the pairs found


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
    """Return the number of bits of a value."""
    bits = 0
    while value > 0:
        value >>= 1
        bits += 1
    return bits


@compiled
def _mark(table: Ints, cell: int) -> None:
    """Mark a cell."""
    table[np.uint32(cell >> 6)] |= 1 << (cell & 63)


@compiled
def _marked(table: Ints, cell: int) -> int:
    """Return 1 for a cell that is marked, 0 for others."""
    return int((table[np.uint32(cell >> 6)] >> (cell & 63)) & 1)


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
                _mark(table, cell)
                other = ((d + 2 * reach) >> shift) & mask
                if other != cell:
                    _mark(table, other)
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
                out[count] = x
                count += _marked(table, (x >> shift) & mask)
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
        _mark(table, ((marking[k] - below) >> shift) & mask)
        _mark(table, ((marking[k] + above) >> shift) & mask)
    kept = 0
    for k in range(tests):
        value = tested[k]
        tested[kept] = value
        kept += _marked(table, (value >> shift) & mask)
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
def next_width(w: int, window: int, sums: int) -> int:
    """Return the width of a window for ``window`` sums a side, after one of width w that held ``sums``."""
    ratio = window / sums if sums > 0 else 4.0
    # In floats: the product of a width and a window may have more than 63 bits.
    return min(max(1, int(w * min(max(ratio, 0.25), 4.0))), _WIDEST)


@compiled
def _cell_shift(w: int, reach: int, facing: int) -> int:
    """Return the bits of a cell of the first table, or -1 where cells would not tell so many sums apart."""
    shift = max(_bit_length(w + 2 * reach) - TABLE_BITS, _bit_length(2 * reach + 1))
    return shift if (w >> shift) >= 4 * facing else -1


@compiled
def _keep_near(lefts: int, rights: int, reach: int, shift: int, buffers: Buffers) -> tuple[int, int]:
    """Thin out both lists by two finer tables; returns how many are kept of each."""
    finest = _bit_length(2 * reach + 1)
    shift = max(finest, shift - _FINER)
    lefts = _keep_candidates(
        buffers.rights, rights, buffers.lefts, lefts, 2 * reach, 0, shift, buffers.second
    )
    shift = max(finest, shift - _FINER)
    rights = _keep_candidates(
        buffers.lefts, lefts, buffers.rights, rights, 0, 2 * reach, shift, buffers.second
    )
    return lefts, rights


@compiled
def _compare_all(v: int, lefts: int, rights: int, aim: Aim, hits: Hits, buffers: Buffers) -> Hits:
    """Compare each with each; there is room for all."""
    left_out, right_out, pairs = buffers.lefts, buffers.rights, buffers.pairs
    found, reach = hits
    total = aim.target + reach - v
    for k in range(rights):
        x = right_out[k] - hits.reach
        for m in range(lefts):
            distance = abs(left_out[m] - x)
            if distance <= reach:
                pairs[found, 0] = left_out[m] + v
                pairs[found, 1] = total - right_out[k]
                found += 1
                reach = min(reach, distance + aim.margin)
    return Hits(found, reach)


@compiled
def _merge(
    v: int, w: int, lefts: Ints, rights: Ints, fits: bool, aim: Aim, hits: Hits, pairs: Ints
) -> tuple[int, Hits]:
    """Sort both lists and go through them side by side; returns (how it ended, hits)."""
    found, reach = hits
    pace, total = reach, aim.target + reach - v
    sort(lefts, w)
    sort(rights, w + 2 * pace)
    i, j, distance = _nearest_sorted(lefts, rights, pace)
    if distance <= reach:
        if aim.margin < 0:
            if found == pairs.shape[0]:
                return FULL, hits
            pairs[found, 0] = lefts[i] + v
            pairs[found, 1] = total - rights[j]
            found += 1
        reach = min(reach, distance + aim.margin)
    if not fits:  # a part of the right sums, but a nearer pair among them leaves fewer to hold
        if reach < pace:
            return _NEARER, Hits(found, reach)
    elif aim.margin < 0:
        return _SEARCHED, Hits(found, reach)
    else:
        count = _list_sorted(lefts, rights, pace, reach, v, total, pairs, found)
        if count >= 0:
            return _SEARCHED, Hits(count, reach)
        if found > 0:
            return FULL, Hits(found, reach)
    if w > 1:
        return _NARROWER, Hits(found, reach)
    return (FULL if found else STUCK), Hits(found, reach)


@compiled
def _search_window(
    left: Side, right: Side, v: int, w: int, facing: int, aim: Aim, hits: Hits, buffers: Buffers
) -> tuple[int, int, int, Hits]:
    """Pair the left sums in [v, v + w); returns (how it ended, left sums, right sums, hits)."""
    reach = hits.reach
    shift = _cell_shift(w, reach, facing)
    if shift >= 0:
        buffers.table[: ((((w + 2 * reach) >> shift) + 64) >> 6)] = 0
    lefts, fits = _gather_left(left, buffers.left_at, v, w, buffers.lefts, buffers.table, shift, reach)
    if not fits:
        return _NARROWER, 0, 0, hits
    if lefts == 0:
        return _SEARCHED, 0, 0, hits
    # A right sum r becomes x = target - v - r + reach; it is near a left sum d = l - v iff
    # |d - x + reach| <= reach.
    listed, seen, fits = _gather_right(
        right,
        buffers.right_at,
        aim.target - v + reach,
        w - 1 + 2 * reach,
        buffers.rights,
        buffers.table,
        shift,
    )
    kept = lefts
    if shift >= 0 and fits:
        kept, listed = _keep_near(lefts, listed, reach, shift, buffers)
    ended = _SEARCHED
    if listed == 0 and not fits:  # there may be hits among those that were not seen
        ended = _NARROWER
    elif fits and kept * listed <= buffers.pairs.shape[0] - hits.found:
        hits = _compare_all(v, kept, listed, aim, hits, buffers)
    elif kept > 0 and listed > 0:
        ended, hits = _merge(
            v, w, buffers.lefts[:kept], buffers.rights[:listed], fits, aim, hits, buffers.pairs
        )
    return ended, lefts, seen, hits


@compiled
def sweep(
    left: Side,
    right: Side,
    aim: Aim,
    interval: tuple[int, int],
    width: int,
    window: int,
    budget: int,
    buffers: Buffers,
) -> tuple[int, int, int, int, int]:
    """Find the pairs of a left sum in [interval[0], interval[1]) and a right sum that are sought.

    A pair may be listed more than once, but only between two returns. ``width`` is that of the
    first window; later ones adapt so that they hold about ``window`` sums a side. Returns (status, where to
    go on, width, pairs found, reach) after about ``budget`` sums.
    """
    v, last = interval
    hits = Hits(0, aim.reach)
    facing, touched = window, 0
    placed = False
    while v < last and touched < budget:
        if not placed:
            place(left, v, buffers.left_at)
            place(right, aim.target - v + hits.reach + 1, buffers.right_at)
        w = min(width, last - v)
        known = hits.found
        ended, lefts, rights, hits = _search_window(left, right, v, w, facing, aim, hits, buffers)
        if ended in (FULL, STUCK):
            return ended, v, w, hits.found, hits.reach
        placed = ended == _SEARCHED
        if placed:
            v += w
            touched += lefts + rights + buffers.left_at.size
            width = next_width(w, window, max(lefts, rights))
            if lefts > 0:
                facing = max(lefts, rights)
        elif ended == _NARROWER:
            width = w >> 1
        if hits.found > known and 0 <= hits.reach - aim.margin <= aim.stop:
            return STOPPED, v, width, hits.found, hits.reach
    return DONE, v, width, hits.found, hits.reach

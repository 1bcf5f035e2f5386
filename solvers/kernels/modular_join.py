"""All quadruples of four lists that add up to a target modulo p, window of residues by window of residues.

The pairs of two lists whose sum has its residue in a window are runs of the second list, sorted, one run for
each entry of the first, and the runs move on as the window does. That replaces the two heaps of Schroeppel &
Shamir (1981) by sequential reads; the random modulus is Howgrave-Graham & Joux's (2010). In each window the
pairs of one side mark cells of a bitmap that fits the cache, the pairs of the other side look their cells up,
and few are left to be sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.kernels.compiling import compiled
from solvers.kernels.radix_sort import sort_with

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints

    Candidates = tuple[
        Ints, Ints
    ]  # residues less the window's first; the pairs ``i << 32 | j`` that have them

CELL_BITS = 20  # a bitmap of 2^20 cells takes 128 KiB
_PAIR_BITS = 32


class Pairing(NamedTuple):
    """Two lists of residues modulo p: all sums of one entry of each are meant."""

    outer: Ints  # residues, ascending
    # residues less p, ascending, then the same residues, then p: for an outer entry x the sums' residues are
    # x + inner[j] over those j where that lies in [0, p)
    inner: Ints
    # how many items stand behind each entry, in the same order; ``inner_sizes`` once, not twice
    outer_sizes: Ints
    inner_sizes: Ints


@compiled
def run_starts(side: Pairing, low: int) -> Ints:
    """Return, for each outer entry, the first j with ``outer[i] + inner[j] >= low``."""
    starts = np.empty(side.outer.size, np.int64)
    j = side.inner.size - 1
    for i in range(side.outer.size):
        least = low - side.outer[i]
        while j > 0 and side.inner[j - 1] >= least:
            j -= 1
        starts[i] = j
    return starts


@compiled
def _mark_pairs(side: Pairing, starts: Ints, low: int, high: int, shift: int, cells: Ints) -> None:
    """Mark the cells of all pairs with residues in [low, high)."""
    outer, inner = side.outer, side.inner
    for i in range(outer.size):
        base = outer[i] - low
        bound = high - outer[i]
        j = starts[i]
        while inner[j] < bound:
            cell = (inner[j] + base) >> shift
            cells[cell >> 6] |= 1 << (cell & 63)
            j += 1


@compiled
def _pairs_on_marks(
    side: Pairing, starts: Ints, ends: Ints, low: int, high: int, shift: int, cells: Ints, found: Candidates
) -> int:
    """List the pairs with residues in [low, high) that lie on marked cells; -1 where they may not fit.

    ``ends`` receives the starts of the next window.
    """
    outer, inner = side.outer, side.inner
    keys, pairs = found
    cell_mask = (cells.size << 6) - 1
    count = 0
    for i in range(outer.size):
        base = outer[i] - low
        bound = high - outer[i]
        j = starts[i]
        while inner[j] < bound:
            key = inner[j] + base
            cell = (key >> shift) & cell_mask
            if count == keys.size:
                return -1
            keys[count] = key  # overwritten by the next pair unless the cell is marked
            pairs[count] = i << _PAIR_BITS | j
            count += (cells[cell >> 6] >> (cell & 63)) & 1
            j += 1
        ends[i] = j
    return count


@compiled
def _mark_keys(keys: Ints, count: int, cells: Ints) -> None:
    """Mark the cells of some keys, and no others."""
    cells[:] = 0
    cell_mask = (cells.size << 6) - 1
    for k in range(count):
        cell = keys[k] & cell_mask
        cells[cell >> 6] |= 1 << (cell & 63)


@compiled
def _keep_marked(found: Candidates, count: int, cells: Ints) -> int:
    """Keep the candidates on marked cells; returns how many."""
    keys, pairs = found
    cell_mask = (cells.size << 6) - 1
    kept = 0
    for k in range(count):
        cell = keys[k] & cell_mask
        keys[kept], pairs[kept] = keys[k], pairs[k]
        kept += (cells[cell >> 6] >> (cell & 63)) & 1
    return kept


@compiled
def _sizes_of(side: Pairing, pairs: Ints, first: int, last: int) -> int:
    """Return the set of the sizes of some pairs, as bits."""
    sizes = 0
    for k in range(first, last):
        i, j = pairs[k] >> _PAIR_BITS, pairs[k] & ((1 << _PAIR_BITS) - 1)
        sizes |= 1 << (side.outer_sizes[i] + side.inner_sizes[j % side.inner_sizes.size])
    return sizes


@compiled
def _some_size_allowed(lefts: int, rights: int, fewest: int, most: int) -> bool:
    for size in range(63):
        if (lefts >> size) & 1:
            for other in range(max(0, fewest - size), min(62, most - size) + 1):
                if (rights >> other) & 1:
                    return True
    return False


@compiled
def _end_of_run(keys: Ints, first: int, count: int) -> int:
    """Return the first place after a run of equal keys."""
    end = first
    while end < count and keys[end] == keys[first]:
        end += 1
    return end


@compiled
def _keep_run(found: Candidates, first: int, last: int, kept: int) -> int:
    """Move some candidates to place ``kept``; returns the place after them."""
    keys, pairs = found
    for k in range(first, last):
        keys[kept], pairs[kept] = keys[k], pairs[k]
        kept += 1
    return kept


@compiled
def _keep_equal_keys(
    sides: tuple[Pairing, Pairing],
    left: Candidates,
    lefts: int,
    right: Candidates,
    rights: int,
    sizes: tuple[int, int],
) -> tuple[int, int]:
    """Keep the keys that both sorted sides have, where some combination has an allowed number of items."""
    left_keys, right_keys = left[0], right[0]
    a = b = kept_left = kept_right = 0
    while a < lefts and b < rights:
        if left_keys[a] > right_keys[b]:
            b += 1
            continue
        end_a = _end_of_run(left_keys, a, lefts)
        if left_keys[a] == right_keys[b]:
            end_b = _end_of_run(right_keys, b, rights)
            left_sizes = _sizes_of(sides[0], left[1], a, end_a)
            right_sizes = _sizes_of(sides[1], right[1], b, end_b)
            if _some_size_allowed(left_sizes, right_sizes, *sizes):
                kept_left = _keep_run(left, a, end_a, kept_left)
                kept_right = _keep_run(right, b, end_b, kept_right)
            b = end_b
        a = end_a
    return kept_left, kept_right


@compiled
def _first(found: Candidates, count: int) -> Candidates:
    """Return copies of the first candidates."""
    return found[0][:count].copy(), found[1][:count].copy()


@compiled
def join_windows(
    left: Pairing,
    right: Pairing,
    first: int,
    last: int,
    width: int,
    capacity: int,
    fewest: int,
    most: int,
) -> tuple[int, Ints, Ints, Ints, Ints]:
    """Join the pairs of both sides on equal residues, from residue ``first`` on, until some window has any.

    Residues in [first, last) are searched, ``width`` a window; windows whose candidates exceed the capacity
    of a side, at least the number of pairs that may share one residue, are halved. ``fewest`` and ``most``
    bound the number of items of both pairs together. Returns where to go on (``last`` when all is searched)
    and keys and pairs, left and right: sorted by key, with equal sets of keys; a pair is ``i << 32 | j``.
    """
    marks = np.empty(1 << (CELL_BITS - 6), np.int64)
    few_marks = np.empty(1 << (CELL_BITS - 6), np.int64)
    left_found = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    right_found = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    left_starts, right_starts = run_starts(left, first), run_starts(right, first)
    left_ends, right_ends = np.empty_like(left_starts), np.empty_like(right_starts)
    low, span = first, width
    while low < last:
        high = min(low + span, last)
        shift = 0
        while (high - low - 1) >> shift >= 1 << CELL_BITS:
            shift += 1
        marks[:] = 0
        _mark_pairs(left, left_starts, low, high, shift, marks)
        rights = _pairs_on_marks(right, right_starts, right_ends, low, high, shift, marks, right_found)
        lefts = 0
        if rights > 0:
            _mark_keys(right_found[0], rights, few_marks)
            lefts = _pairs_on_marks(left, left_starts, left_ends, low, high, 0, few_marks, left_found)
        elif rights == 0:
            left_ends = run_starts(left, high)
        if lefts < 0 or rights < 0:
            span = (high - low + 1) // 2
            continue
        if lefts > 0:
            _mark_keys(left_found[0], lefts, few_marks)
            rights = _keep_marked(right_found, rights, few_marks)
            sort_with(left_found[0][:lefts], left_found[1][:lefts], high - low)
            sort_with(right_found[0][:rights], right_found[1][:rights], high - low)
            lefts, rights = _keep_equal_keys(
                (left, right), left_found, lefts, right_found, rights, (fewest, most)
            )
            if lefts > 0:
                return high, *_first(left_found, lefts), *_first(right_found, rights)
        left_starts, left_ends = left_ends, left_starts
        right_starts, right_ends = right_ends, right_starts
        low, span = high, min(2 * span, width)
    return last, *_first(left_found, 0), *_first(right_found, 0)

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

CELL_BITS = 20  # a bitmap of 2^20 cells takes 128 KiB
_PAIR_BITS = 32


class Pairing(NamedTuple):
    """Two lists of residues modulo p: all sums of one entry of each are meant.

    Attributes
    ----------
    outer : int64 array
        Residues, ascending.
    inner : int64 array
        Residues less p, ascending, then the same residues, then p: for an outer entry x the sums' residues
        are x + inner[j] over those j where that lies in [0, p).
    outer_sizes, inner_sizes : int64 arrays
        How many items stand behind each entry, in the same order; ``inner_sizes`` once, not twice.

    """

    outer: Ints
    inner: Ints
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
    side: Pairing,
    starts: Ints,
    ends: Ints,
    low: int,
    high: int,
    shift: int,
    cells: Ints,
    keys: Ints,
    pairs: Ints,
) -> int:
    """List the pairs with residues in [low, high) that lie on marked cells; -1 where they may not fit.

    ``keys`` receives the residues less ``low``, ``pairs`` the two places, ``ends`` the starts of the next
    window.
    """
    outer, inner = side.outer, side.inner
    cell_mask = (cells.size << 6) - 1
    found = 0
    for i in range(outer.size):
        base = outer[i] - low
        bound = high - outer[i]
        j = starts[i]
        while inner[j] < bound:
            key = inner[j] + base
            cell = (key >> shift) & cell_mask
            if found == keys.size:
                return -1
            keys[found] = key  # overwritten by the next pair unless the cell is marked
            pairs[found] = i << _PAIR_BITS | j
            found += (cells[cell >> 6] >> (cell & 63)) & 1
            j += 1
        ends[i] = j
    return found


@compiled
def _mark_keys(keys: Ints, count: int, cells: Ints) -> None:
    cell_mask = (cells.size << 6) - 1
    for k in range(count):
        cell = keys[k] & cell_mask
        cells[cell >> 6] |= 1 << (cell & 63)


@compiled
def _keep_marked(keys: Ints, pairs: Ints, count: int, cells: Ints) -> int:
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
def _keep_equal_keys(
    left: Pairing,
    right: Pairing,
    left_keys: Ints,
    left_pairs: Ints,
    lefts: int,
    right_keys: Ints,
    right_pairs: Ints,
    rights: int,
    fewest: int,
    most: int,
) -> tuple[int, int]:
    """Keep the keys that both sorted sides have, where some combination has an allowed number of items."""
    a = b = kept_left = kept_right = 0
    while a < lefts and b < rights:
        key = left_keys[a]
        if key > right_keys[b]:
            b += 1
            continue
        end_a = a
        while end_a < lefts and left_keys[end_a] == key:
            end_a += 1
        if key < right_keys[b]:
            a = end_a
            continue
        end_b = b
        while end_b < rights and right_keys[end_b] == key:
            end_b += 1
        sizes = _sizes_of(left, left_pairs, a, end_a)
        if _some_size_allowed(sizes, _sizes_of(right, right_pairs, b, end_b), fewest, most):
            for k in range(a, end_a):
                left_keys[kept_left], left_pairs[kept_left] = key, left_pairs[k]
                kept_left += 1
            for k in range(b, end_b):
                right_keys[kept_right], right_pairs[kept_right] = key, right_pairs[k]
                kept_right += 1
        a, b = end_a, end_b
    return kept_left, kept_right


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

    Parameters
    ----------
    left, right : Pairing
    first, last : int
        Residues in [first, last) are searched.
    width : int
        Residues a window; windows whose candidates exceed the capacity are halved.
    capacity : int
        Candidates of one side; at least the number of pairs that may share one residue.
    fewest, most : int
        The allowed number of items, of both pairs together.

    Returns
    -------
    next : int
        Where to go on: ``last`` when all is searched.
    left_keys, left_pairs, right_keys, right_pairs : int64 arrays
        Sorted by key, with equal sets of keys; a pair is ``i << 32 | j``.

    """
    marks = np.empty(1 << (CELL_BITS - 6), np.int64)
    few_marks = np.empty(1 << (CELL_BITS - 6), np.int64)
    left_keys, left_pairs = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
    right_keys, right_pairs = np.empty(capacity, np.int64), np.empty(capacity, np.int64)
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
        rights = _pairs_on_marks(
            right, right_starts, right_ends, low, high, shift, marks, right_keys, right_pairs
        )
        lefts = 0
        if rights > 0:
            few_marks[:] = 0
            _mark_keys(right_keys, rights, few_marks)
            lefts = _pairs_on_marks(
                left, left_starts, left_ends, low, high, 0, few_marks, left_keys, left_pairs
            )
        elif rights == 0:
            left_ends = run_starts(left, high)
        if lefts < 0 or rights < 0:
            span = (high - low + 1) // 2
            continue
        if lefts > 0:
            few_marks[:] = 0
            _mark_keys(left_keys, lefts, few_marks)
            rights = _keep_marked(right_keys, right_pairs, rights, few_marks)
            sort_with(left_keys[:lefts], left_pairs[:lefts], high - low)
            sort_with(right_keys[:rights], right_pairs[:rights], high - low)
            lefts, rights = _keep_equal_keys(
                left,
                right,
                left_keys,
                left_pairs,
                lefts,
                right_keys,
                right_pairs,
                rights,
                fewest,
                most,
            )
            if lefts > 0:
                left_found = left_keys[:lefts].copy(), left_pairs[:lefts].copy()
                return high, *left_found, right_keys[:rights].copy(), right_pairs[:rights].copy()
        left_starts, left_ends = left_ends, left_starts
        right_starts, right_ends = right_ends, right_starts
        low, span = high, min(2 * span, width)
    return last, left_keys[:0], left_pairs[:0], right_keys[:0], right_pairs[:0]

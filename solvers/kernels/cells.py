"""Pairs of a left and a right number that lie close together, found without sorting: a filter of cells.

Numbers are int32 images. Left numbers mark the cells that lie within reach of them in a small table (cells of
at least twice the reach: two neighbours each; cells wrap around the table), and right numbers look their own
cell up. The few that hit, most of them by chance, mark the table in turn, in other places, and left numbers
look theirs up; and so on to and fro until few enough are left to be compared pair by pair. No pair within
reach is ever lost, so the nearest pair is proven to be that as soon as one within reach is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.kernels.array_types import Images

    Places = NDArray[np.int32]
    Table = NDArray[np.uint8]  # signed bytes take a third longer to look up

FAR = (1 << 31) - 1  # farther than any two images
FEW_PAIRS = 1 << 13  # are compared one by one rather than filtered once more
_MOST_PAIRS = 128  # for each number of both lists; more are not worth comparing one by one
LARGEST_TABLE = 1 << 20
VECTOR = 64  # numbers that a compiled loop takes at a time; what remains is slow
_CELLS_PER_NUMBER = 32
_CELLS_PER_HIT = 128
_FOLD = 12
_SCATTER = 0x9E3779B1  # odd, near 2^32 divided by the golden ratio


@compiled
def subset_sums(items: Images, first: int, last: int, sign: int, start: int, sums: Images) -> int:
    """Fill ``sums`` with ``start`` plus (or minus) every subset sum of items[first:last]; returns how many.

    Bit k of a place in ``sums`` tells whether item ``first + k`` is taken.
    """
    sums[0] = start
    size = 1
    for index in range(first, last):
        item = sign * items[index]
        for k in range(size):
            sums[size + k] = sums[k] + item
        size *= 2
    return size


@compiled
def _mark_all(numbers: Images, count: int, reach: int, shift: int, table: Table, bits: int) -> None:
    """Mark the cells of all within reach of the numbers; cell c goes to place c modulo ``1 << bits``."""
    size = 1 << bits
    for cell in range(size + 1):
        table[cell] = 0
    mask = size - 1
    for i in range(count):
        place = np.uint32(((int(numbers[i]) - reach) >> shift) & mask)
        table[place] = 1
        table[place + np.uint32(1)] = 1
    table[0] |= table[size]


@compiled
def _look_all_up(numbers: Images, count: int, shift: int, table: Table, bits: int, hits: Places) -> int:
    """List the places of the numbers whose cells are marked; returns how many."""
    found = 0
    mask = (1 << bits) - 1
    for i in range(count):
        hits[found] = i
        found += int(np.int64(table[np.uint32((int(numbers[i]) >> shift) & mask)]))
    return found


@compiled
def _folded(cell: int, mask: int) -> np.uint32:
    """Return another place for a cell: the hits of :func:`_look_all_up` agree in low bits by chance."""
    return np.uint32((cell ^ (cell >> _FOLD)) & mask)


@compiled
def _mark_hits(
    numbers: Images, hits: Places, count: int, reach: int, shift: int, table: Table, bits: int
) -> None:
    """Mark the cells of everything within reach of some numbers, folded."""
    for place in range(1 << bits):
        table[place] = 0
    mask = (1 << bits) - 1
    for i in range(count):
        cell = (int(numbers[hits[i]]) - reach) >> shift
        table[_folded(cell, mask)] = 1
        table[_folded(cell + 1, mask)] = 1


@compiled
def _look_back(numbers: Images, count: int, shift: int, table: Table, bits: int, hits: Places) -> int:
    """List the places of the numbers whose folded cells are marked; returns how many."""
    found = 0
    mask = (1 << bits) - 1
    for i in range(count):
        hits[found] = i
        found += int(np.int64(table[_folded(int(numbers[i]) >> shift, mask)]))
    return found


@compiled
def _mark(
    numbers: Images, some: Places, count: int, reach: int, shift: int, table: Table, bits: int, scatter: int
) -> None:
    """Mark the cells of everything within reach of some numbers, scattered by a multiplication."""
    for place in range(1 << bits):
        table[place] = 0
    mask = (1 << bits) - 1
    for i in range(count):
        cell = (int(numbers[some[i]]) - reach) >> shift
        table[np.uint32(((cell * scatter) >> (32 - bits)) & mask)] = 1
        table[np.uint32((((cell + 1) * scatter) >> (32 - bits)) & mask)] = 1


@compiled
def _look_up(
    numbers: Images, some: Places, count: int, shift: int, table: Table, bits: int, scatter: int, hits: Places
) -> int:
    """List those of ``some`` whose scattered cells are marked; ``hits`` may be ``some`` itself."""
    found = 0
    mask = (1 << bits) - 1
    for i in range(count):
        place = some[i]
        cell = int(numbers[place]) >> shift
        hits[found] = place
        found += int(np.int64(table[np.uint32(((cell * scatter) >> (32 - bits)) & mask)]))
    return found


@compiled
def _bits_for(cells: int) -> int:
    """Return the bits of a place in a table of so many cells, as far as tables go."""
    bits = 6
    while (1 << bits) < cells and (1 << bits) < LARGEST_TABLE:
        bits += 1
    return bits


@compiled
def filtered(
    left: Images,
    lefts: int,
    right: Images,
    rights: int,
    reach: int,
    few: int,
    table: Table,
    left_places: Places,
    right_places: Places,
) -> tuple[int, int]:
    """List places of left and right numbers among which are all pairs at a distance of at most ``reach``.

    At most ``few`` pairs are all listed. Returns (left places, right places) listed: few enough to compare
    all of one with all of the other, or (-1, -1) if they do not thin out.
    """
    if lefts * rights <= few:
        for i in range(lefts):
            left_places[i] = i
        for j in range(rights):
            right_places[j] = j
        return lefts, rights
    shift = 1
    while (1 << shift) <= 2 * reach:
        shift += 1
    if shift > 28:
        return -1, -1
    bits = _bits_for(_CELLS_PER_NUMBER * lefts)
    _mark_all(left, lefts, reach, shift, table, bits)
    found_right = _look_all_up(right, rights, shift, table, bits, right_places)
    bits = _bits_for(_CELLS_PER_HIT * found_right)
    _mark_hits(right, right_places, found_right, reach, shift, table, bits)
    found_left = _look_back(left, lefts, shift, table, bits, left_places)
    for turn in range(4):
        pairs = found_left * found_right
        if pairs <= few:
            break
        scatter = _SCATTER ^ (turn << 20)  # numbers that shared a cell by chance no longer do
        bits = _bits_for(_CELLS_PER_NUMBER * found_left)
        _mark(left, left_places, found_left, reach, shift, table, bits, scatter)
        found_right = _look_up(right, right_places, found_right, shift, table, bits, scatter, right_places)
        if found_left * found_right <= few:
            break
        bits = _bits_for(_CELLS_PER_NUMBER * found_right)
        _mark(right, right_places, found_right, reach, shift, table, bits, scatter)
        found_left = _look_up(left, left_places, found_left, shift, table, bits, scatter, left_places)
        if found_left * found_right > pairs // 2:
            break
    if found_left * found_right > max(few, _MOST_PAIRS * (lefts + rights)):
        return -1, -1
    return found_left, found_right


@compiled
def gathered(numbers: Images, places: Places, count: int, out: Images) -> int:
    """Write the numbers at some places to ``out``; returns how many, the last repeated to fill vectors."""
    for i in range(count):
        out[i] = numbers[places[i]]
    filled = -(-count // VECTOR) * VECTOR
    for i in range(count, filled):
        out[i] = out[count - 1]
    return filled


@compiled
def nearest_of(number: int, others: Images, count: int) -> int:
    """Return the least distance between a number and any of the others."""
    least = np.int32(FAR)
    for j in range(count):
        difference = np.int32(number - others[j])
        distance = np.int32(-difference) if difference < 0 else difference
        least = min(least, distance)
    return int(least)

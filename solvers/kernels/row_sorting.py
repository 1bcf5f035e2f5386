"""The nearest subset of one row by sorting both halves' sums and two pointers (Horowitz & Sahni 1974).

For rows in which nearness is no rarity, so that a filter does not thin them out: many equal sums, targets
far out. Half sums of the high limbs are searched; if items have low limbs, every pair that these leave a
chance is then ranked in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled
from solvers.kernels.row_numbers import (
    ENDLESS,
    MOST_ITEMS,
    UNSOLVED,
    distance,
    error_of,
    read_row,
    room_for_numbers,
    taken,
    write_row,
)
from solvers.kernels.shared_sums import sorted_sums
from solvers.kernels.two_pointers import pairs_in_window

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints
    from solvers.kernels.row_numbers import Limbs, RowAnswers, RowInputs

MOST_RIVALS = 1 << 14


@compiled
def _sorted_sums(items: Ints, first: int, last: int, sums: Ints, spare: Ints) -> int:
    """Fill ``sums`` with the sorted sums of items[first:last]; returns their number.

    Each list ends with an endless sentinel, so that the merge needs no bounds checks.
    """
    sums[0] = 0
    size = 1
    for index in range(first, last):
        item = items[index]
        sums[size] = ENDLESS
        i = j = 0
        for out in range(2 * size):
            without, taking = sums[i], sums[j] + item
            leave = without <= taking
            spare[out] = without if leave else taking
            i += leave
            j += not leave
        size *= 2
        for out in range(size):
            sums[out] = spare[out]
    return size


@compiled
def _nearest_sums(left: Ints, lefts: int, right: Ints, rights: int, target: int) -> tuple[int, int, int, int]:
    """Return (i, j) of the largest sum <= target and (i, j) of the smallest sum > target; -1 where none."""
    i, j = 0, rights - 1
    below, above = -ENDLESS, ENDLESS
    below_i = below_j = above_i = above_j = -1
    while i < lefts and j >= 0:
        difference = left[i] + right[j] - target
        if difference > 0:
            if difference < above:
                above, above_i, above_j = difference, i, j
            j -= 1
        else:
            if difference > below:
                below, below_i, below_j = difference, i, j
            i += 1
    return below_i, below_j, above_i, above_j


@compiled
def _mask_with_sum(items: Ints, first: int, last: int, wanted: int) -> int:
    """Return a mask over items[first:last] (bit 0 is ``first``) with this sum, in Gray-code order."""
    total = 0
    gray = 0
    for step in range(1, 1 << (last - first)):
        if total == wanted:
            return gray
        bit = 0
        while not (step >> bit) & 1:
            bit += 1
        gray ^= 1 << bit
        total += items[first + bit] if (gray >> bit) & 1 else -items[first + bit]
    return gray


@compiled
def _best_rival(limbs: Limbs, window: tuple[int, int]) -> tuple[int, tuple[int, int]]:
    """Rank in both limbs every subset whose sum of high limbs lies in the window.

    Returns (mask, error); the mask is -1 when there are too many.
    """
    high, low, m, target_high, target_low = limbs
    middle = m // 2
    left, left_masks = sorted_sums(high[:middle])
    right, right_masks = sorted_sums(high[middle:m])
    best_mask, best = -1, (ENDLESS, 0)
    pairs = np.empty((MOST_RIVALS, 2), np.int64)
    start = (0, right.size - 1, right.size - 1)
    rivals, stopped_at, _, _ = pairs_in_window(left, right, window[0], window[1], start, pairs)
    if stopped_at < left.size:
        return -1, best
    for k in range(rivals):
        i, j = pairs[k, 0], pairs[k, 1]
        mask = int(np.int64(left_masks[i])) | (int(np.int64(right_masks[j])) << middle)
        error = distance(left[i] + right[j], taken(low, mask, m), target_high, target_low)
        if error < best or (error == best and mask < best_mask):
            best_mask, best = mask, error
    return best_mask, best


@compiled
def _nearest(limbs: Limbs, left: Ints, right: Ints, spare: Ints) -> tuple[int, tuple[int, int]]:
    """Return (mask, error) of the nearest subset; the mask is -1 when rivals are too many.

    The arrays have room for half sums and one number more. The target's low limb is not negative.
    """
    high, low, m, target_high, target_low = limbs
    middle = m // 2
    lefts = _sorted_sums(high, 0, middle, left, spare)
    rights = _sorted_sums(high, middle, m, right, spare)
    below_i, below_j, above_i, above_j = _nearest_sums(left, lefts, right, rights, target_high)
    error = (ENDLESS, 0)
    chosen_i = chosen_j = -1
    if below_i >= 0:
        error = distance(left[below_i] + right[below_j], 0, target_high, target_low)
        chosen_i, chosen_j = below_i, below_j
    if above_i >= 0:
        above = distance(left[above_i] + right[above_j], 0, target_high, target_low)
        if above < error:
            error, chosen_i, chosen_j = above, above_i, above_j
    mask = _mask_with_sum(high, 0, middle, left[chosen_i])
    mask |= _mask_with_sum(high, middle, m, right[chosen_j]) << middle
    whole = True
    for k in range(m):
        whole = whole and low[k] == 0
    if whole:  # the target's low limb only decides between the sums below and above
        return mask, error
    error = error_of(mask, limbs)
    # Low limbs change a sum, and the target, by less than a grid step each, so that no sum of high limbs
    # outside this window is nearer than the error.
    window = (target_high - error[0] - 2 - m, target_high + error[0] + 2 + m)
    start, few = (0, rights - 1, rights - 1), np.empty((2, 2), np.int64)
    found = pairs_in_window(left[:lefts], right[:rights], window[0], window[1], start, few)
    if found[0] < 2:  # no rival
        return mask, error
    return _best_rival(limbs, window)


@compiled
def sort_rows(rows: RowInputs, within: bool, answers: RowAnswers) -> None:
    """Find the nearest subset of UNSOLVED rows, unless two limbs do not hold one or its rivals are many."""
    items, targets, valid, tolerances = rows
    status = answers.status
    numbers = room_for_numbers()
    columns, _, high, low = numbers
    widest = 1 << ((min(items.shape[1], MOST_ITEMS) + 1) // 2)
    left = np.empty(widest + 1, np.int64)
    right = np.empty(widest + 1, np.int64)
    spare = np.empty(widest + 1, np.int64)
    for row in range(targets.size):
        if status[row] != UNSOLVED:
            continue
        m, p, _ = read_row(items, targets, valid, row, numbers)
        if m < 0:
            continue
        mask, error = _nearest((high, low, m, high[m], low[m]), left, right, spare)
        if mask >= 0:
            write_row(row, mask, columns, m, error, p, tolerances[row], within, answers)

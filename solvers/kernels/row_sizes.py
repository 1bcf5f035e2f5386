"""The fewest items of a row that come within its tolerance, and of those subsets the nearest.

Half sums are grouped by their number of items. Sizes are tried in ascending order; all ways to split a size
into groups left and right are searched for the nearest pair within the tolerance, and the first size that has
one is the answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.cells import FEW_PAIRS, subset_sums
from solvers.kernels.compiling import compiled
from solvers.kernels.row_numbers import (
    ENDLESS,
    MOST_ITEMS,
    OPTIMAL,
    UNSOLVED,
    image_of_tolerance,
    is_within,
    read_row,
    room_for_numbers,
    scale_of,
    slack_of,
    write_images,
    write_row,
)
from solvers.kernels.row_pairs import ANY_DISTANCE, FOUND, STUCK, nearest_pair, promising_reach, workspace

if TYPE_CHECKING:
    from solvers.kernels.array_types import Images, Ints
    from solvers.kernels.row_numbers import Limbs, RowAnswers, RowInputs
    from solvers.kernels.row_pairs import Work

    Groups = tuple[Images, Images, Ints]  # sums and masks, by number of items; where each number starts


@compiled
def _order_by_size(items: int, order: Images, starts: Ints) -> None:
    """List the masks over so many items by their number of bits; those of s bits start at starts[s]."""
    starts[:] = 0
    for mask in range(1 << items):
        starts[_size(mask) + 1] += 1
    for size in range(items + 1):
        starts[size + 1] += starts[size]
    for mask in range(1 << items):
        size = _size(mask)
        order[starts[size]] = mask
        starts[size] += 1
    for size in range(items, 0, -1):
        starts[size] = starts[size - 1]
    starts[0] = 0


@compiled
def _size(mask: int) -> int:
    size = 0
    while mask:
        mask &= mask - 1
        size += 1
    return size


@compiled
def _nearest_of_size(
    size: int,
    left: Groups,
    right: Groups,
    middle: int,
    images: Images,
    limit: int,
    limbs: Limbs,
    slack: int,
    work: Work,
) -> tuple[int, tuple[int, int], int]:
    """Return (mask, error, FOUND) of the nearest subset of a size with images within ``limit``, or STUCK."""
    left_sums, left_masks, left_starts = left
    right_sums, right_masks, right_starts = right
    m = limbs[2]
    best_mask, best = -1, (ENDLESS, 0)
    for taken in range(max(0, size - (m - middle)), min(size, middle) + 1):
        first, last = left_starts[taken], left_starts[taken + 1]
        left_side = (left_sums[first:last], last - first, left_masks[first:last])
        first, last = right_starts[size - taken], right_starts[size - taken + 1]
        right_side = (right_sums[first:last], last - first, right_masks[first:last])
        pairs = left_side[1] * right_side[1]
        reach = promising_reach(images, m, images[m], float(pairs), slack)
        mask, error, outcome = nearest_pair(
            left_side, right_side, middle, reach, limit, -1, FEW_PAIRS, limbs, slack, work
        )
        if outcome == STUCK:  # the filter does not thin them out: compare them all
            mask, error, outcome = nearest_pair(
                left_side, right_side, middle, reach, limit, -1, pairs, limbs, slack, work
            )
        if outcome == STUCK:
            return -1, best, STUCK
        if outcome == FOUND and (error < best or (error == best and mask < best_mask)):
            best_mask, best = mask, error
    return best_mask, best, FOUND


@compiled
def sparsest_rows(rows: RowInputs, answers: RowAnswers) -> None:
    """Replace the nearest subsets of rows of status OPTIMAL by the sparsest; some may become UNSOLVED."""
    items, targets, valid, tolerances = rows
    lower, status = answers.lower, answers.status
    numbers = room_for_numbers()
    columns, values, high, low = numbers
    images = np.empty(MOST_ITEMS + 1, np.int32)
    widest = 1 << ((min(items.shape[1], MOST_ITEMS) + 1) // 2)
    sums = np.empty(widest, np.int32)
    left = (np.empty(widest, np.int32), np.empty(widest, np.int32), np.empty(MOST_ITEMS, np.int64))
    right = (np.empty(widest, np.int32), np.empty(widest, np.int32), np.empty(MOST_ITEMS, np.int64))
    work = workspace(widest)
    ordered = -1
    for row in range(targets.size):
        if status[row] != OPTIMAL:
            continue
        m, p, total = read_row(items, targets, valid, row, numbers)
        if m < 0:  # nearest, yet found by another method
            status[row] = UNSOLVED
            continue
        scale = scale_of(total, p)
        write_images(values, m + 1, p, scale, images)
        slack = slack_of(m)
        middle = m // 2
        if ordered != m:
            _order_by_size(middle, left[1], left[2])
            _order_by_size(m - middle, right[1], right[2])
            ordered = m
        lefts = subset_sums(images, 0, middle, -1, images[m], sums)
        for i in range(lefts):
            left[0][i] = sums[left[1][i]]
        rights = subset_sums(images, middle, m, 1, 0, sums)
        for j in range(rights):
            right[0][j] = sums[right[1][j]]
        limit = min(image_of_tolerance(tolerances[row], p, scale) + slack + 1, ANY_DISTANCE)
        limbs = (high, low, m, high[m], low[m])
        for size in range(m + 1):
            mask, error, outcome = _nearest_of_size(
                size, left, right, middle, images, limit, limbs, slack, work
            )
            if outcome == STUCK:
                status[row] = UNSOLVED
                break
            if mask >= 0 and is_within(error, tolerances[row], p):
                within = False
                write_row(row, mask, columns, m, error, p, tolerances[row], within, answers)
                lower[row] = 0.0
                break

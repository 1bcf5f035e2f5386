"""Many small scalar instances, row by row: exact subset sums of up to 32 float64 items each.

A row's numbers are written exactly in two integer limbs, and as images of 31 bits. Sums of images of both
halves are paired by a filter of cells, about 1 ns a half sum; the few pairs that rounding leaves a chance are
ranked in limbs. The rows in which the filter does not thin out are solved by sorting (Horowitz & Sahni 1974);
rows whose exponents are too mixed for two limbs are left to the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.cells import FEW_PAIRS, nearest_of, subset_sums
from solvers.kernels.compiling import compiled
from solvers.kernels.row_numbers import (
    MOST_ITEMS,
    UNREAD,
    UNSOLVED,
    RowAnswers,
    RowInputs,
    error_of,
    image_of_tolerance,
    read_row,
    room_for_numbers,
    scale_of,
    slack_of,
    write_images,
    write_row,
)
from solvers.kernels.row_pairs import ANY_DISTANCE, FOUND, nearest_pair, promising_reach, workspace
from solvers.kernels.row_sizes import sparsest_rows
from solvers.kernels.row_sorting import sort_rows

if TYPE_CHECKING:
    from solvers.kernels.array_types import Images


__all__ = ["MOST_ITEMS", "UNSOLVED", "RowAnswers", "RowInputs", "solve_rows"]

_FEW_ITEMS = 10  # whose subset sums "within" tries first, ...
_MORE_ITEMS = 4  # ... and then each with those of some more


def solve_rows(rows: RowInputs, objective: str, answers: RowAnswers) -> None:
    """Solve N rows; for "sparsest" all tolerances are finite."""
    within = objective == "within"
    status = answers.status
    nearest_rows(rows, within, answers)
    if (status == UNSOLVED).any():  # seldom, so that a first run need not wait until this is compiled
        sort_rows(rows, within, answers)
    status[status == UNREAD] = UNSOLVED
    if objective == "sparsest":
        sparsest_rows(rows, answers)


@compiled
def _sum_within(images: Images, m: int, target: int, near: int, left: Images, right: Images) -> int:
    """Return the mask of a subset of some items with ``near`` of the target, in images; -1 if none shows."""
    middle = m // 2
    lefts = subset_sums(images, 0, min(middle, _FEW_ITEMS), -1, target, left)
    rights = subset_sums(images, middle, min(m, middle + _MORE_ITEMS), 1, 0, right)
    for j in range(rights):
        if nearest_of(right[j], left, lefts) <= near:
            for i in range(lefts):
                if abs(int(right[j]) - int(left[i])) <= near:
                    return i | (j << middle)
    return -1


@compiled
def nearest_rows(rows: RowInputs, within: bool, answers: RowAnswers) -> None:
    """Find each row's nearest subset, or any within the tolerance, by cells; others: UNSOLVED or UNREAD."""
    items, targets, valid, tolerances = rows
    status = answers.status
    numbers = room_for_numbers()
    columns, values, high, low = numbers
    images = np.empty(MOST_ITEMS + 1, np.int32)
    widest = max(1 << ((min(items.shape[1], MOST_ITEMS) + 1) // 2), 1 << _MORE_ITEMS)
    left = np.empty(widest, np.int32)
    right = np.empty(widest, np.int32)
    all_masks = np.arange(widest).astype(np.int32)
    work = workspace(widest)
    for row in range(targets.size):
        m, p, total = read_row(items, targets, valid, row, numbers)
        status[row] = UNSOLVED if m >= 0 else UNREAD
        if m < 0:
            continue
        limbs = (high, low, m, high[m], low[m])
        scale = scale_of(total, p)
        write_images(values, m + 1, p, scale, images)
        target = images[m]
        slack = slack_of(m)
        middle = m // 2
        enough = image_of_tolerance(tolerances[row], p, scale) - slack - 1 if within else -1
        mask = _sum_within(images, m, target, enough, left, right) if enough >= 0 else -1
        if mask >= 0:
            error = error_of(mask, limbs)
        else:
            reach = promising_reach(images, m, target, 2.0**m, slack)
            lefts = subset_sums(images, 0, middle, -1, target, left)
            rights = subset_sums(images, middle, m, 1, 0, right)
            mask, error, outcome = nearest_pair(
                (left, lefts, all_masks),
                (right, rights, all_masks),
                middle,
                reach,
                ANY_DISTANCE,
                enough,
                FEW_PAIRS,
                limbs,
                slack,
                work,
            )
            if outcome != FOUND:
                continue
        write_row(row, mask, columns, m, error, p, tolerances[row], within, answers)

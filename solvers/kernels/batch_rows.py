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
    UNSOLVED,
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
    from solvers.kernels.array_types import Bools, Bytes, Floats, Images


__all__ = ["MOST_ITEMS", "UNSOLVED", "solve_rows"]

_FEW_ITEMS = 10  # whose subset sums "within" tries first, ...
_MORE_ITEMS = 4  # ... and then each with those of some more


def solve_rows(
    items: Floats,
    targets: Floats,
    valid: Bools,
    tolerances: Floats,
    objective: str,
    masks: Bools,
    upper: Floats,
    lower: Floats,
    status: Bytes,
) -> None:
    """Solve N rows; ``masks``, ``upper`` (errors rounded up), ``lower`` and ``status`` receive the answers.

    All arrays are C-contiguous and writable: a kernel is compiled anew for every other memory layout.

    Parameters
    ----------
    items : float64, shape (N, n), finite
    targets : float64, shape (N,), finite
    valid : bool, shape (N, n)
        The items that may be used in each row.
    tolerances : float64, shape (N,)
        ``inf`` for none; finite for "sparsest".
    objective : {"nearest", "within", "sparsest"}
    masks : bool, shape (N, n)
    upper, lower : float64, shape (N,)
    status : uint8, shape (N,)
        Values of :class:`solvers.Status`, or UNSOLVED.

    """
    within = objective == "within"
    nearest_rows(items, targets, valid, tolerances, within, masks, upper, lower, status)
    if (status == UNSOLVED).any():
        sort_rows(items, targets, valid, tolerances, within, masks, upper, lower, status)
    if objective == "sparsest":
        sparsest_rows(items, targets, valid, tolerances, masks, upper, lower, status)


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
def nearest_rows(
    items: Floats,
    targets: Floats,
    valid: Bools,
    tolerances: Floats,
    within: bool,
    masks: Bools,
    upper: Floats,
    lower: Floats,
    status: Bytes,
) -> None:
    """Find each row's nearest subset, or any within the tolerance, by cells; others are left UNSOLVED."""
    numbers = room_for_numbers()
    columns, values, high, low = numbers
    images = np.empty(MOST_ITEMS + 1, np.int32)
    widest = max(1 << ((min(items.shape[1], MOST_ITEMS) + 1) // 2), 1 << _MORE_ITEMS)
    left = np.empty(widest, np.int32)
    right = np.empty(widest, np.int32)
    all_masks = np.arange(widest).astype(np.int32)
    work = workspace(widest)
    for row in range(targets.size):
        status[row] = UNSOLVED
        m, p, total = read_row(items, targets, valid, row, numbers)
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
        write_row(row, mask, columns, m, error, p, tolerances[row], within, masks, upper, lower, status)

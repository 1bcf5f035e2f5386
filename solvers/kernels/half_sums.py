"""Lists of all subset sums of a few items, grown item by item; of numbers sorted (Horowitz & Sahni 1974).

The sums of k items, sorted, merged with the same list shifted by the next item give the sorted sums of k + 1
items: 2^(k+1) steps and no sorting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints, Masks


@compiled
def merge_with_item(
    without_sums: Ints,
    without_masks: Masks,
    with_sums: Ints,
    with_masks: Masks,
    item: int,
    flag: int,
) -> tuple[Ints, Masks]:
    """Merge the sums that leave out an item with those (shifted by it) that take it.

    Both inputs are sorted; ``with_sums`` are the sums *before* the item is added. Among equal sums those
    without the item come first. ``flag`` is added to the masks that take it: the item's bit.
    """
    m, k = without_sums.size, with_sums.size
    sums = np.empty(m + k, np.int64)
    masks = np.empty(m + k, np.uint32)
    i = j = 0
    digit = np.uint32(flag)
    for out in range(m + k):
        if j >= k or (i < m and without_sums[i] <= with_sums[j] + item):
            sums[out] = without_sums[i]
            masks[out] = without_masks[i]
            i += 1
        else:
            sums[out] = with_sums[j] + item
            masks[out] = with_masks[j] + digit
            j += 1
    return sums, masks


@compiled
def add_item(sums: Ints, size: int, rows: int, item: Ints) -> None:
    """Fill ``rows`` rows from ``sums[size]`` on with those from ``sums[0]`` on plus one more item.

    Where row 0 was a constant c and items 0, 1, .. were added in turn, to all 1, 2, 4, .. rows, row ``mask``
    is c plus the items whose bits ``mask`` has.
    """
    for row in range(rows):
        for k in range(item.size):
            sums[size + row, k] = sums[row, k] + item[k]

"""All subset sums of a few integer vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints


@compiled
def add_item(sums: Ints, size: int, rows: int, item: Ints) -> None:
    """Fill ``rows`` rows from ``sums[size]`` on with those from ``sums[0]`` on plus one more item.

    Where row 0 was a constant c and items 0, 1, .. were added in turn, to all 1, 2, 4, .. rows, row ``mask``
    is c plus the items whose bits ``mask`` has.
    """
    for row in range(rows):
        for k in range(item.size):
            sums[size + row, k] = sums[row, k] + item[k]

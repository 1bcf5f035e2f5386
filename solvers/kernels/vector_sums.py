"""All subset sums of a few integer vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Ints


@compiled
def add_item(sums: Ints, size: int, item: Ints) -> None:
    """Fill ``sums[size : 2 * size]`` with ``sums[:size]`` plus one more item.

    Where row 0 was a constant c and items 0, 1, .. were added in turn, row ``mask`` is c plus the items whose
    bits ``mask`` has.
    """
    for row in range(size):
        for k in range(item.size):
            sums[size + row, k] = sums[row, k] + item[k]

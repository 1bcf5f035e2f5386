"""The finest grid on which an instance's sums fit a machine word, and what rounding to it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.exact import IntegerImage

WORD_BITS = 61


@dataclass(frozen=True)
class Grid:
    """An image rounded down to multiples of ``2^shift`` units."""

    items: NDArray[np.int64]  # shape (n, d)
    target: NDArray[np.int64]  # shape (d,)
    shift: int  # 0 when nothing is rounded
    # in each dimension the exact difference of a sum and the target, in grid steps, lies in ``(grid
    # difference - 1, grid difference + slack)``; 0 stands for "is the grid difference"
    slack: int

    def window(self, units: int) -> tuple[int, int]:
        """Return (low, high): every subset of an error of at most ``units`` has grid differences in there."""
        if not self.shift:
            return -units, units
        reach = (units >> self.shift) + 1
        return -reach - self.slack, reach + 1

    def sure_window(self, units: int) -> tuple[int, int]:
        """Return (low, high): every subset of grid differences in there has an error of at most ``units``.

        Empty (low > high) when there are none.
        """
        if not self.shift:
            return -units, units
        steps = units >> self.shift
        return 1 - steps, steps - self.slack


def grid_of(image: IntegerImage, bits: int = WORD_BITS) -> Grid:
    """Round an image so that its magnitude (absolute items and target, added up) takes ``bits`` bits."""
    shift = max(0, image.magnitude.bit_length() - bits)
    if image.columns is not None and image.words is not None:
        target = np.array([t >> shift for t in image.target], dtype=np.int64)
        return Grid(image.words >> min(shift, 63), target, shift, len(image.items) if shift else 0)
    return Grid(
        np.array([[x >> shift for x in item] for item in image.items], dtype=np.int64),
        np.array([t >> shift for t in image.target], dtype=np.int64),
        shift,
        len(image.items) if shift else 0,
    )

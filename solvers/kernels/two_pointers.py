"""Pairs of sums, one from each sorted half, near a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Sums = NDArray[np.int64]


@compiled
def nearest_pair(left: Sums, right: Sums, target: int, stop: int) -> tuple[int, int, int]:
    """Return (i, j, distance) with the least ``|left[i] + right[j] - target|``.

    Stops at the first pair whose distance is at most ``stop`` (0 stops only at an exact hit). Both lists are
    sorted and not empty; the caller sees to it that no sum overflows.
    """
    i, j = 0, right.size - 1
    best_i, best_j = i, j
    best = abs(left[i] + right[j] - target)
    while i < left.size and j >= 0:
        difference = left[i] + right[j] - target
        distance = abs(difference)
        if distance < best:
            best, best_i, best_j = distance, i, j
        if best <= stop:
            break
        if difference > 0:
            j -= 1
        else:
            i += 1
    return best_i, best_j, best


@compiled
def pairs_in_window(left: Sums, right: Sums, low: int, high: int, pairs: NDArray[np.int64]) -> int:
    """List all (i, j) with ``low <= left[i] + right[j] <= high`` in ``pairs``, shape (capacity, 2).

    Returns their number, or -1 when there are more than the capacity.
    """
    found = 0
    top = right.size - 1
    for i in range(left.size):
        while top >= 0 and left[i] + right[top] > high:
            top -= 1
        j = top
        while j >= 0 and left[i] + right[j] >= low:
            if found == pairs.shape[0]:
                return -1
            pairs[found, 0] = i
            pairs[found, 1] = j
            found += 1
            j -= 1
    return found

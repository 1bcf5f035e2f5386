"""Pairs of sums, one from each sorted half, near a target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from solvers.kernels.array_types import Ints


@compiled
def nearest_pair(left: Ints, right: Ints, target: int, stop: int) -> tuple[int, int, int]:
    """Return (i, j, distance) with the least ``|left[i] + right[j] - target|``.

    Stops at the first pair whose distance is at most ``stop`` (0 stops only at an exact hit). Both lists are
    sorted and not empty; the caller sees to it that no sum overflows.
    """
    i, j = 0, len(right) - 1
    best_i, best_j = i, j
    best = abs(left[i] + right[j] - target)
    while i < len(left) and j >= 0:
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
def pairs_in_window(
    left: Ints, right: Ints, low: int, high: int, place: tuple[int, int, int], pairs: NDArray[np.int64]
) -> tuple[int, int, int, int]:
    """List the (i, j) with ``low <= left[i] + right[j] <= high`` in ``pairs``, shape (capacity, 2).

    Returns their number and the place to go on from when ``pairs`` is full: (i, top, j), with ``len(left)``
    for i when all are listed. The first call's place is (0, len(right) - 1, len(right) - 1).
    """
    found = 0
    first, top, resumed = place
    for i in range(first, len(left)):
        while top >= 0 and left[i] + right[top] > high:
            top -= 1
        j = min(top, resumed)
        resumed = len(right)  # only the first row is entered in its middle
        while j >= 0 and left[i] + right[j] >= low:
            if found == pairs.shape[0]:
                return found, i, top, j
            pairs[found, 0] = i
            pairs[found, 1] = j
            found += 1
            j -= 1
    return found, len(left), top, -1


@compiled
def pairs_up_to(left: Ints, right: Ints, bound: int) -> int:
    """Count the (i, j) with ``left[i] + right[j] <= bound``."""
    total = 0
    fitting = len(right)
    for x in left:
        while fitting > 0 and x + right[fitting - 1] > bound:
            fitting -= 1
        total += fitting
    return total

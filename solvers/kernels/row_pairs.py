"""The nearest pair of two lists of images, exactly: filtered by cells, rivals ranked in limbs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.cells import FAR, LARGEST_TABLE, VECTOR, filtered, gathered, nearest_of
from solvers.kernels.compiling import compiled
from solvers.kernels.row_numbers import ENDLESS, error_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.kernels.array_types import Images
    from solvers.kernels.row_numbers import Limbs

    Side = tuple[Images, int, Images]
    Work = tuple[NDArray[np.uint8], Images, Images, Images, Images, Images]

FOUND, NONE, STUCK = 0, 1, 2
ANY_DISTANCE = 1 << 33
_MOST_RIVALS = 1 << 14
_WIDEST_REACH = 1 << 27
_EXPECTED_PAIRS = 8.0  # within reach: one row in e^8 = 3000 needs a second attempt


@compiled
def workspace(sums: int) -> Work:
    """Return room for the search of two lists of up to so many images."""
    return (
        np.empty(LARGEST_TABLE + 1, np.uint8),
        np.empty(sums, np.int32),
        np.empty(sums, np.int32),
        np.empty(sums + VECTOR, np.int32),
        np.empty(sums + VECTOR, np.int32),
        np.empty(sums, np.int32),
    )


@compiled
def promising_reach(images: Images, m: int, target: int, pairs: float, slack: int) -> int:
    """Return a distance of images within which a few of so many pairs are expected, if sums spread evenly."""
    mean = 0.0
    squares = 0.0
    for k in range(m):
        image = float(images[k])
        mean += image
        squares += image * image
    offset = target - 0.5 * mean
    spread = 0.5 * math.sqrt(squares) + 1.0
    steps = 0.5 * (offset / spread) ** 2
    if steps > 40.0:
        return _WIDEST_REACH
    pairs_per_step = pairs / (spread * math.sqrt(2.0 * math.pi)) * math.exp(-steps)
    return 2 * slack + 1 + int(min(0.5 * _EXPECTED_PAIRS / pairs_per_step, float(_WIDEST_REACH)))


@compiled
def nearest_pair(
    left_side: Side,
    right_side: Side,
    middle: int,
    reach: int,
    limit: int,
    enough: int,
    few: int,
    limbs: Limbs,
    slack: int,
    work: Work,
) -> tuple[int, tuple[int, int], int]:
    """Return (mask, error in limbs, FOUND) of the nearest pair, or NONE or STUCK at the end.

    A side has images, how many, and for each a mask of the items it takes; a pair's error is the distance of
    its images, but for ``slack``, and in its mask the ``middle`` left items come below the right ones.
    ``reach`` is a first guess of how near the nearest pair is. Pairs whose images are farther apart than
    ``limit`` are of no interest, any as near as ``enough`` will do, ``few`` are compared without a filter.
    """
    left, lefts, left_masks = left_side
    right, rights, right_masks = right_side
    table, left_places, right_places, left_some, right_some, leasts = work
    reach = min(reach, limit)
    while True:
        nl, nr = filtered(left, lefts, right, rights, reach, few, table, left_places, right_places)
        if nl < 0:
            return 0, (0, 0), STUCK
        if lefts * rights <= few:
            reach = ANY_DISTANCE
        gathered(left, left_places, nl, left_some)
        filled = gathered(right, right_places, nr, right_some)
        least = FAR
        for i in range(nl):
            leasts[i] = nearest_of(left_some[i], right_some, filled)
            least = min(least, int(leasts[i]))
        if least <= enough or least + 2 * slack <= reach or limit <= reach:
            break
        reach = min(limit, least + 2 * slack, 16 * reach)
    if least > limit:
        return 0, (0, 0), NONE
    # Where all pairs as near as ``window`` are listed, no other can be the nearest.
    window = least if least <= enough else least + 2 * slack
    best_mask, best = -1, (ENDLESS, 0)
    rivals = 0
    for i in range(nl):
        if leasts[i] > window:
            continue
        for j in range(nr):
            if abs(int(left_some[i]) - int(right_some[j])) > window:
                continue
            rivals += 1
            if rivals > _MOST_RIVALS:
                return 0, (0, 0), STUCK
            mask = int(left_masks[left_places[i]]) | (int(right_masks[right_places[j]]) << middle)
            error = error_of(mask, limbs)
            if error < best or (error == best and mask < best_mask):
                best_mask, best = mask, error
                if error == (0, 0):
                    return mask, error, FOUND
    return best_mask, best, FOUND

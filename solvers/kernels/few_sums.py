"""Pairs of sums of a few items each: vectors in ascending order of one coordinate, near a target together.

A set of k items is a pair of smaller sets in one way only, when all places of the first come before those of
the second: ``lasts`` and ``firsts`` hold the largest place of each left set, the smallest of each right one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from solvers.kernels.array_types import Ints


@compiled
def nearest_of_few(
    left: Ints,
    lasts: Ints,
    right: Ints,
    firsts: Ints,
    target: Ints,
    key: int,
    begin: int,
    best: int,
    stop: int,
    reach: int,
    budget: int,
) -> tuple[int, int, int, int]:
    """Return (distance, i, j, next i): the best of the pairs seen that are less than ``best`` off the target.

    ``left``, shape (N, d), and ``right``, shape (M, d), ascend in column ``key``. Seen are, for each i from
    ``begin`` on, the ``reach`` right sums on either side of where that column fits best; with ``reach`` = M
    all that may be nearer than the best, so that there is no other. Ends at a distance of at most ``stop``,
    or when more than ``budget`` pairs were looked at.
    """
    best_i = best_j = -1
    top = len(right) - 1
    while begin < len(left) and budget > 0:
        goal = target[key] - left[begin, key]
        first, end = 0, len(right)  # right sums before ``end`` are at most ``goal``
        while first < end:
            middle = (first + end) // 2
            if right[middle, key] <= goal:
                first = middle + 1
            else:
                end = middle
        for upwards in range(2):
            j, step = (end, 1) if upwards else (end - 1, -1)
            looked = 0
            while 0 <= j <= top and looked < reach and abs(right[j, key] - goal) < best:
                if lasts[begin] < firsts[j]:
                    distance = abs(left[begin, 0] + right[j, 0] - target[0])
                    k = 1
                    while k < len(target) and distance < best:
                        distance = max(distance, abs(left[begin, k] + right[j, k] - target[k]))
                        k += 1
                    if distance < best:
                        best, best_i, best_j = distance, begin, j
                j += step
                looked += 1
            budget -= looked + 1
        begin += 1
        if best <= stop:
            break
    return best, best_i, best_j, begin


@compiled
def few_in_window(
    left: Ints,
    lasts: Ints,
    right: Ints,
    firsts: Ints,
    begins: Ints,
    ends: Ints,
    outer: Ints,
    inner: Ints,
    place: tuple[int, int],
    budget: int,
    pairs: NDArray[np.int64],
) -> tuple[int, int, int, int]:
    """List the pairs whose sums lie in the box ``outer``, shape (2, d), and not in ``inner``.

    Looked at are, for each i, the right sums from ``begins[i]`` to before ``ends[i]``. Returns their number,
    how many of them are in ``pairs``, shape (capacity, 2), and the place (i, j) to go on from when these are
    full or ``budget`` pairs were looked at. With a capacity of 0 they are only counted.
    """
    i, j = place
    number = 0
    while i < len(left):
        j = max(j, begins[i])
        while j < ends[i]:
            if budget <= 0 or (number == len(pairs) and len(pairs) > 0):
                return number, min(number, len(pairs)), i, j
            budget -= 1
            if lasts[i] < firsts[j]:
                fits, deep = True, True
                for k in range(outer.shape[1]):
                    total = left[i, k] + right[j, k]
                    fits = fits and outer[0, k] <= total <= outer[1, k]
                    deep = deep and inner[0, k] <= total <= inner[1, k]
                if fits and not deep:
                    if number < len(pairs):
                        pairs[number, 0] = i
                        pairs[number, 1] = j
                    number += 1
            j += 1
        i += 1
        j = 0
    return number, min(number, len(pairs)), i, j

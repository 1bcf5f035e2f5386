"""A subset of an allowed number of items near the target, in no time: what there is to show at first.

Of vectors, any number of which may be chosen: the best of the two one-pass rules of
:mod:`solvers.kernels.one_pass` and the empty subset. Everything starts there, and nothing worse is shown.
"""

from __future__ import annotations

from bisect import bisect_left
from fractions import Fraction
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from solvers.problem import SubsetSum

_LOOKED_AT = 1 << 12  # of many items: those that are chosen one by one
_FAR = Fraction(2) ** 100  # times an item: no sum is so large
_SIZES = 64  # numbers of items that are tried, where not any number will do


def first_subset(problem: SubsetSum) -> list[int]:
    """Return a subset of an allowed number of items, sorted; always the same one.

    It takes a look at each item, and no more than a look where they are very many. Of vectors, any number of
    which may be chosen, it is never worse than the empty subset.

    >>> from solvers import SubsetSum
    >>> first_subset(SubsetSum([7, 5, 3], 11))
    [0, 1]
    """
    image, any_size = problem.image, problem.sizes == (0, problem.n)
    if problem.d == 1:
        if not any_size:
            return _neighbours([item[0] for item in image.items], image.target[0], problem.sizes)
        if problem.n > _LOOKED_AT:
            return _of_many(problem)
    elif any_size:
        if "first subset" not in problem.known:
            problem.known["first subset"] = min(_passes(problem), key=image.error)
        return list(problem.known["first subset"])
    largest = abs(_relative(problem)[0]).max(axis=1)
    order = np.argsort(-largest, kind="stable").tolist()
    return _descending(image.items, [], order[-_LOOKED_AT:], image.target, problem.sizes)


def nearest_known(problem: SubsetSum, start: Iterable[int] | None) -> list[int]:
    """Return the subset that the caller starts from, or the first subset if that is nearer."""
    known = [first_subset(problem), *([] if start is None else [sorted(start)])]
    return min(known, key=problem.image.error)


class FloatVectors(NamedTuple):
    """A problem's items and target in float64, as shares of a power of two."""

    items: NDArray[np.float64]  # shape (n, d)
    target: NDArray[np.float64]  # shape (d,), cut off far beyond the reach of all items
    order: NDArray[np.int64]  # of the items, the longest (in the 2-norm) first


def float_vectors(problem: SubsetSum) -> FloatVectors:
    """Return a problem in float64, for searches whose subsets are judged in exact integers afterwards."""
    from solvers.kernels.one_pass import largest_first

    if "float vectors" not in problem.known:
        items, scale = _relative(problem)
        goals = [t * problem.image.unit / scale for t in problem.image.target]
        target = np.array([float(min(max(t, -_FAR), _FAR)) for t in goals])
        problem.known["float vectors"] = FloatVectors(
            np.ascontiguousarray(items), target, largest_first(items)
        )
    vectors: FloatVectors = problem.known["float vectors"]
    return vectors


def _passes(problem: SubsetSum) -> list[list[int]]:
    """Return the empty subset, and what either rule takes in one pass from the longest item on."""
    from solvers.kernels.one_pass import take_if_shorter, take_towards_half

    items, target, order = float_vectors(problem)
    subsets: list[list[int]] = [[]]
    for rule in (take_if_shorter, take_towards_half):
        chosen = np.zeros(problem.n, dtype=np.bool_)
        rule(items, order, target.copy(), chosen)
        subsets.append(np.flatnonzero(chosen).tolist())
    return subsets


def _descending(
    items: Sequence[tuple[int, ...]],
    chosen: list[int],
    order: Iterable[int],
    left: Sequence[int],
    sizes: tuple[int, int],
) -> list[int]:
    """Add the items that bring the sum nearer, large ones first, and small ones while they are too few."""
    others = []
    for i in order:
        rest = [x - y for x, y in zip(left, items[i], strict=True)]
        if len(chosen) < sizes[1] and max(map(abs, rest)) < max(map(abs, left)):
            chosen.append(i)
            left = rest
        else:
            others.append(i)
    missing = sizes[0] - len(chosen)
    if missing > 0:
        spare = set(range(len(items))).difference(chosen, others)
        chosen += (others[::-1] + sorted(spare))[:missing]
    return sorted(chosen)


def _neighbours(values: list[int], target: int, sizes: tuple[int, int]) -> list[int]:
    """Return neighbours in ascending order: their sums climb from the least to the largest there is."""
    order = sorted(range(len(values)), key=values.__getitem__)
    sums = list(accumulate((values[i] for i in order), initial=0))
    step = -(-(sizes[1] - sizes[0] + 1) // _SIZES)
    best: tuple[int, int, int] | None = None
    for size in range(sizes[0], sizes[1] + 1, step):
        starts = range(len(values) - size + 1)
        place = bisect_left(starts, target, key=partial(_sum_of_neighbours, sums, size))
        for start in {max(place - 1, 0), min(place, len(starts) - 1)}:
            seen = abs(sums[start + size] - sums[start] - target), start, size
            best = seen if best is None else min(best, seen)
    _, start, size = best or (0, 0, 0)
    return sorted(order[start : start + size])


def _sum_of_neighbours(sums: list[int], size: int, start: int) -> int:
    return sums[start + size] - sums[start]


def _of_many(problem: SubsetSum) -> list[int]:
    """Take or leave all but the smallest items from the first one on, and choose those one by one."""
    items, scale = _relative(problem)
    values = items[:, 0]
    wanted = problem.image.target[0] * problem.image.unit / scale
    target = float(min(max(wanted, Fraction(-problem.n)), Fraction(problem.n)))  # as far as sums reach
    sizes = abs(values)
    smallest = np.argpartition(sizes, _LOOKED_AT)[:_LOOKED_AT]
    order = smallest[np.argsort(-sizes[smallest], kind="stable")].tolist()
    sizes[smallest] = 0.0
    taken = values < 0
    taken[smallest] = False
    # Items below zero are taken at first: to leave one raises the sum as taking another one does.
    changed = int(np.searchsorted(np.cumsum(sizes), target + float(sizes[taken].sum())))
    taken[:changed] ^= True
    taken[smallest] = False
    chosen = np.flatnonzero(taken).tolist()
    left = [t - s for t, s in zip(problem.image.target, problem.image.total(chosen), strict=True)]
    return _descending(problem.image.items, chosen, order, left, problem.sizes)


def _relative(problem: SubsetSum) -> tuple[NDArray[np.float64], Fraction]:
    """Return the items as shares, of at most 1, of a power of two of units or of 1; and that.

    Shape (n, d). Only numbers that float64 does not hold are rounded.
    """
    items = problem.items.reshape(problem.n, problem.d)
    if items.dtype == object:
        image = problem.image
        most = 1 << max(abs(x) for item in image.items for x in item).bit_length()
        return np.array([[x / most for x in item] for item in image.items]), most * image.unit
    numbers = items.astype(np.float64)
    exponent = int(np.frexp(abs(numbers).max())[1])
    return np.ldexp(numbers, -exponent), Fraction(2) ** exponent

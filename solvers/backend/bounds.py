"""Bounds on the error that need no search: the range of the sums, and the lattice that they lie on."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from solvers.exact import exact_sum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.problem import SubsetSum


def simple_bound(problem: SubsetSum) -> int:
    """Return a number of units of the image that no allowed subset's error is below.

    In each dimension every sum lies between the smallest and the largest sum of an allowed number of items,
    and is ``k r`` modulo ``g`` where all items are congruent to ``r`` modulo ``g``: with differences of items
    for g when the cardinality k is exact, with g the gcd of the items (and r = 0) otherwise.

    >>> from solvers import SubsetSum
    >>> simple_bound(SubsetSum([4, 6, 10], 7)), simple_bound(SubsetSum([4, 6, 10], 31))
    (1, 11)
    """
    image = problem.image
    if image.columns is not None:
        columns = zip(image.columns, image.target, strict=True)
        return max(_bound_of_many(column, t, problem.sizes) for column, t in columns)
    return max(
        _bound([item[k] for item in image.items], t, problem.sizes) for k, t in enumerate(image.target)
    )


def sum_range(items: list[int], sizes: tuple[int, int]) -> tuple[int, int]:
    """Return the smallest and the largest sum of ``sizes[0]`` to ``sizes[1]`` of these integers."""
    low, high = sizes
    if low == 0 and high == len(items):
        return sum(x for x in items if x < 0), sum(x for x in items if x > 0)
    ascending = sorted(items)
    smallest = sum(x for i, x in enumerate(ascending[:high]) if i < low or x < 0)
    largest = sum(x for i, x in enumerate(reversed(ascending)) if i < low or (i < high and x > 0))
    return smallest, largest


def extreme_subset(items: list[int], sizes: tuple[int, int]) -> list[int]:
    """Return the subset of an allowed number of items with the smallest sum, sorted."""
    ascending = sorted(range(len(items)), key=items.__getitem__)[: sizes[1]]
    return sorted(i for place, i in enumerate(ascending) if place < sizes[0] or items[i] < 0)


def expected_subsets(problem: SubsetSum, reach: int) -> Fraction:
    """Estimate how many subsets of scalars lie within ``reach`` units, as if sums were spread evenly."""
    extent = problem.image.magnitude - abs(problem.image.target[0])
    return Fraction(min(2 * reach + 1, extent) << problem.n, max(extent, 1))


def _bound_of_many(items: NDArray[np.int64], target: int, sizes: tuple[int, int]) -> int:
    """Do what ``_bound`` does, for many items."""
    smallest, largest = _sum_range_of_many(items, sizes)
    if not smallest < target < largest:
        return max(smallest - target, target - largest, 0)
    exact_size = sizes[0] == sizes[1]
    first = int(items[0]) if exact_size else 0
    step = int(np.gcd.reduce(items)) if not exact_size else math.gcd(*(x - first for x in items.tolist()))
    rest = (target - sizes[0] * first) % step
    return min(rest, step - rest)


def _sum_range_of_many(items: NDArray[np.int64], sizes: tuple[int, int]) -> tuple[int, int]:
    """Do what ``sum_range`` does, for many items."""
    low, high = sizes
    if low == 0 and high == items.size:
        return exact_sum(np.minimum(items, 0)), exact_sum(np.maximum(items, 0))
    ascending = np.sort(items)
    descending = ascending[::-1]
    smallest = exact_sum(ascending[:low]) + exact_sum(np.minimum(ascending[low:high], 0))
    largest = exact_sum(descending[:low]) + exact_sum(np.maximum(descending[low:high], 0))
    return smallest, largest


def _bound(items: list[int], target: int, sizes: tuple[int, int]) -> int:
    smallest, largest = sum_range(items, sizes)
    if not smallest < target < largest:
        return max(smallest - target, target - largest, 0)
    exact_size = sizes[0] == sizes[1]
    step = math.gcd(*(x - items[0] for x in items)) if exact_size else math.gcd(*items)
    rest = (target - (sizes[0] * items[0] if exact_size else 0)) % step  # step > 0, or there were one sum
    return min(rest, step - rest)

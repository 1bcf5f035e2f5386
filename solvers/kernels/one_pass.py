"""Vector subset sums decided item by item, each looked at once, from the largest to the smallest.

What is still missing is called the rest: the target, less the items taken. All here is floating point, and
rounding may decide where two choices are equally good; who claims an error computes it from the subset.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Bools, Floats, Ints


def largest_first(items: Floats) -> Ints:
    """Return the order of items, shape (n, d), by their Euclidean norms; the first of equal ones first."""
    order: Ints = np.argsort(-np.einsum("ij,ij->i", items, items), kind="stable")
    return order


@compiled
def take_if_shorter(items: Floats, order: Ints, rest: Floats, taken: Bools) -> None:
    """Take an item if and only if the rest gets shorter, 2 r.a > |a|^2.

    ``rest``, shape (d,), is the target at first; ``taken``, shape (n,), is all False at first. Both are
    changed in place.
    """
    d = len(rest)
    for i in order:
        gain = 0.0
        for k in range(d):
            gain += (2.0 * rest[k] - items[i, k]) * items[i, k]
        if gain > 0.0:
            taken[i] = True
            for k in range(d):
                rest[k] -= items[i, k]


@compiled
def take_towards_half(items: Floats, order: Ints, rest: Floats, taken: Bools) -> None:
    """Take an item if and only if the rest gets nearer to half of what is left to be taken.

    A random subset of what is left sums up to that half; so this keeps the target where most sums are.
    Arguments as for :func:`take_if_shorter`.
    """
    d = len(rest)
    half = np.zeros(d)
    for i in order:
        for k in range(d):
            half[k] += 0.5 * items[i, k]
    for i in order:
        gain = 0.0
        for k in range(d):
            half[k] -= 0.5 * items[i, k]
            gain += (2.0 * (rest[k] - half[k]) - items[i, k]) * items[i, k]
        if gain > 0.0:
            taken[i] = True
            for k in range(d):
                rest[k] -= items[i, k]


@compiled
def flip_if_shorter(items: Floats, order: Ints, rest: Floats, taken: Bools) -> int:
    """Take or drop each item in turn if and only if the rest gets shorter; return how many were changed.

    For a subset that there is: ``rest`` is the target less the items ``taken``. Changes both in place.
    """
    d, flips = len(rest), 0
    for i in order:
        sign = -1.0 if taken[i] else 1.0
        gain = 0.0
        for k in range(d):
            gain += (2.0 * sign * rest[k] - items[i, k]) * items[i, k]
        if gain > 0.0:
            taken[i] = not taken[i]
            flips += 1
            for k in range(d):
                rest[k] -= sign * items[i, k]
    return flips

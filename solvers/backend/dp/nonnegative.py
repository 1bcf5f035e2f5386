"""Scalar problems rewritten for tables over sums: non-negative integer items without a common divisor.

Three rewritings, each of which leaves every subset's error what it is:

- *flipped*: a negative item x is replaced by -x, and "taken" means left out. Any number of items.
- *shifted*: with k items chosen, subtracting the smallest item from each lowers the sum by k times it. For
  problems with a cardinality; each number of items k has its own target.
- *weighted*: flipped, where taking an item changes the number chosen by +1 or -1.

Asking for the items left out in place of those chosen, or negating everything, gives other rewritings of the
same kind; the one with the smallest table is taken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from solvers.problem import SubsetSum


@dataclass(frozen=True)
class Nonnegative:
    """A problem over items ``step * items[j]``, non-negative and with gcd(items) = 1."""

    items: list[int]  # in descending order
    step: int
    # what the chosen items are to add up to, in units of the image, by their number; {0: target} where the
    # number does not matter
    targets: dict[int, int]
    groups: list[list[int]]  # the original items that stand behind each item
    # whether taking the item that stands for an original one means to choose it (else: to leave it out)
    plus: list[bool]
    # by how much taking an item changes the number of chosen items; only for the weighted form
    weights: list[int]

    @cached_property
    def total(self) -> int:
        """The sum of all items."""
        return sum(self.items)

    def window(self, size: int, reach: int) -> tuple[int, int]:
        """Return (low, high): the sums of an error of at most ``reach`` units; low > high for none."""
        target = self.targets[size]
        return max(0, -((reach - target) // self.step)), min(self.total, (target + reach) // self.step)

    def largest(self, reach: int) -> tuple[int, int]:
        """Return the largest number of items, and the largest sum, that matter for errors up to ``reach``."""
        tops = list(accumulate(self.items, initial=0))
        size, largest = 0, 0
        for k in self.targets:
            low, high = self.window(k, reach)
            if low <= min(high, tops[k]):
                size, largest = max(size, k), max(largest, min(high, tops[k]))
        return size, largest

    def mirrored(self) -> Nonnegative:
        """Return the same problem where to take an item means the opposite. For one target."""
        plus = self.plus.copy()
        for group in self.groups:
            _flip(plus, group)
        return replace(self, targets={0: self.step * self.total - self.targets[0]}, plus=plus)

    def core(self, size: int) -> Nonnegative:
        """Return the problem of the ``size`` smallest items, the others fixed greedily. For one target.

        The target left is within the reach of the core where the greedy choice can see to it.
        """
        fixed = len(self.items) - size
        smallest = self.items[fixed:]
        left, spare = self.targets[0], self.step * (sum(smallest) // 2)
        plus = self.plus.copy()
        for item, group in zip(self.items[:fixed], self.groups, strict=False):
            if self.step * item <= left - spare:
                left -= self.step * item
                _flip(plus, group)
        return replace(self, items=smallest, targets={0: left}, groups=self.groups[fixed:], plus=plus)

    def error(self, size: int, total: int) -> int:
        """Return the error of a sum, in units of the image."""
        return abs(self.step * total - self.targets[size])

    def nearer(self, size: int, below: int, above: int) -> int:
        """Return the sum of the smaller error; -1 stands for none."""
        if below < 0 or above < 0:
            return max(below, above)
        return below if self.error(size, below) <= self.error(size, above) else above

    def subset(self, taken: Sequence[bool] | NDArray[np.bool_]) -> list[int]:
        """Return the original items chosen when these are taken (from the first on; missing ones are not)."""
        chosen = [not choosing for choosing in self.plus]
        for group, is_taken in zip(self.groups, taken, strict=False):
            if is_taken:
                _flip(chosen, group)
        return [i for i, is_chosen in enumerate(chosen) if is_chosen]


def _flip(flags: list[bool], places: list[int]) -> None:
    for place in places:
        flags[place] = not flags[place]


@lru_cache(maxsize=4)  # a backend is asked whether it can, and then to do it
def flipped(problem: SubsetSum, *, bundled: bool) -> Nonnegative:
    """Rewrite a problem in which any number of items may be chosen.

    ``bundled``: drop zeros, and replace m items of one size by 1, 2, 4, ... of them at a time, which reach
    the same sums. Not for counting.
    """
    values = [item[0] for item in problem.image.items]
    target = problem.image.target[0] - sum(x for x in values if x < 0)
    total = sum(abs(x) for x in values)
    complement = 2 * target > total
    if complement:
        target = total - target
    plus = [(x >= 0) != complement for x in values]
    sizes: dict[int, list[int]] = {}
    for index, x in enumerate(values):
        sizes.setdefault(abs(x), []).append(index)
    items, groups = [], []
    for value in sorted(sizes, reverse=True):
        if bundled and value == 0:
            continue
        left, many = sizes[value], 1
        while left:
            items.append(value * min(many, len(left)))
            groups.append(left[:many])
            left, many = left[many:], 2 * many if bundled else 1
    order = sorted(range(len(items)), key=lambda j: -items[j])
    return _reduced([items[j] for j in order], {0: target}, [groups[j] for j in order], plus)


def shifted(problem: SubsetSum, sizes: tuple[int, int], reach: int) -> Nonnegative:
    """Rewrite a problem with a cardinality so that the table for errors of at most ``reach`` is small."""

    def cells(form: Nonnegative) -> int:
        size, high = form.largest(reach)
        return (size + 1) * (high + 1)

    return min(_shifted_forms(problem, sizes), key=cells)


def _shifted_forms(problem: SubsetSum, between: tuple[int, int]) -> list[Nonnegative]:
    values = [item[0] for item in problem.image.items]
    target, total, n = problem.image.target[0], sum(values), problem.n
    low, high = between
    forms = []
    for plus, sign in ((True, 1), (True, -1), (False, 1), (False, -1)):
        signed = [sign * x for x in values]
        goal = sign * (target if plus else total - target)
        sizes = range(low, high + 1) if plus else range(n - high, n - low + 1)
        least = min(signed)
        order = sorted(range(n), key=lambda i: -signed[i])
        forms.append(
            _reduced(
                [signed[i] - least for i in order],
                {k: goal - k * least for k in sizes},
                [[i] for i in order],
                [plus] * n,
            )
        )
    return forms


def weighted(problem: SubsetSum, reach: int, *, left_out: bool = False) -> Nonnegative:
    """Rewrite a problem in which the number of chosen items (``left_out``: of the others) is to be small."""
    values = [item[0] for item in problem.image.items]
    target = sum(values) - problem.image.target[0] if left_out else problem.image.target[0]
    order = sorted((i for i in range(problem.n) if values[i]), key=lambda i: -abs(values[i]))
    forms = []
    for sign in (1, -1):
        positive = [sign * x >= 0 for x in values]
        forms.append(
            _reduced(
                [abs(values[i]) for i in order],
                {0: sign * target - sum(sign * x for x in values if sign * x < 0)},
                [[i] for i in order],
                # A zero stays out of the counted ones, whichever those are.
                [(up or x == 0) != left_out for up, x in zip(positive, values, strict=True)],
                [1 if positive[i] else -1 for i in order],
            )
        )
    return min(forms, key=lambda form: form.window(0, reach)[1])


def _reduced(
    items: list[int],
    targets: dict[int, int],
    groups: list[list[int]],
    plus: list[bool],
    weights: list[int] | None = None,
) -> Nonnegative:
    step = math.gcd(*items) or 1
    return Nonnegative([x // step for x in items], step, targets, groups, plus, weights or [])


def nearby_subset(problem: SubsetSum) -> tuple[list[int], int]:
    """Return a subset of an allowed number of items near the target, and its error.

    For each number k of items, the sums of k neighbours in ascending order climb from the smallest sum of k
    items to the largest; the two that straddle the target are tried,
    and if there are two, one is at most half the spread of the items off.
    """
    values = [item[0] for item in problem.image.items]
    target = problem.image.target[0]
    order = sorted(range(problem.n), key=values.__getitem__)
    sums = list(accumulate((values[i] for i in order), initial=0))
    best: tuple[int, int, int] | None = None
    for k in range(problem.sizes[0], problem.sizes[1] + 1):
        first, last = 0, problem.n - k
        while first < last:  # the first window whose sum is at least the target, or the last one
            middle = (first + last) // 2
            if sums[middle + k] - sums[middle] < target:
                first = middle + 1
            else:
                last = middle
        for start in (first - 1, first):
            if start >= 0:
                error = abs(sums[start + k] - sums[start] - target)
                if best is None or error < best[0]:
                    best = error, start, k
    if best is None:
        raise AssertionError("a problem allows at least one number of items")
    error, start, k = best
    return sorted(order[start : start + k]), error

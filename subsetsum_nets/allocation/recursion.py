"""Allocation "recursion": tolerances that the simple recursion of "differential" bounds by epsilon.

Every row met then means epsilon proven: the bound is monotone in the weight errors. It takes all errors to be
as large as their tolerances and of the worst signs, which makes it many times too large for what a compile
leaves; see :mod:`.tight`.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.compile_task import ALLOWANCE, NORM, Allocation, CompileTask, Offer
from subsetsum_nets.allocation.offered_items import with_at_most
from subsetsum_nets.allocation.sizing import Sizing, predicted_errors, size_network
from subsetsum_nets.verification import DifferentialRecursion, LayerErrors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork


class RecursionAllocation(Allocation):
    """Tolerances in proportion to the errors predicted, up to what the recursion bounds by epsilon."""

    met_is_proven = True

    def __init__(self, task: CompileTask) -> None:
        super().__init__(task)
        self.recursion: DifferentialRecursion = DifferentialRecursion(task.target, task.domain)

    @cached_property
    def sizing(self) -> Sizing:
        """Return the least network for the uniform weight error that epsilon allows."""
        task = self._task
        uniform = layer_errors(task, [np.ones(place.shape) for place in task.places])
        weight_error = largest_scale(self.recursion, uniform, task.epsilon)
        with np.errstate(over="ignore", invalid="ignore"):  # weights near the ends of float64
            return size_network(task.construction, task.target, weight_error, task.rows, task.delta)

    def offer(self, random: ReluNetwork) -> Offer:
        """Return rows with tolerances such that all together give epsilon.

        Tolerances are in proportion to the errors predicted from each row's own items, so that a block with
        few usable units borrows from the others; the factor is solved for through the recursion.
        """
        task = self._task
        groups = [with_at_most(group, self.sizing.items) for group in task.groups(random)]
        predicted = [predicted_errors(group, task.rows, task.delta) for group in groups]
        scale = largest_scale(self.recursion, layer_errors(task, predicted), task.epsilon)
        tolerances = [scale * error for error in predicted]
        return Offer(groups, tolerances, self.sizing.items, enough=True)


def largest_scale(recursion: DifferentialRecursion, errors: Sequence[LayerErrors], epsilon: float) -> float:
    """Return nearly the largest factor on all errors that keeps the differential bound within epsilon."""

    def bound(scale: float) -> float:
        if not scale * worst < 1e300:
            return math.inf
        scaled = [e.scaled(scale) for e in errors]
        try:
            return recursion.bound(scaled, NORM).upper
        except OverflowError:
            return math.inf

    allowed = epsilon * ALLOWANCE
    worst = max((e.worst for e in errors), default=0.0)
    if worst == 0.0:
        return 1.0
    most = 1e299 / worst
    if bound(most) <= allowed:  # no error counts, as over a domain of zeros
        return most
    high = min(allowed / worst, most)
    while bound(high) <= allowed:  # few steps: the bound is nearly linear
        high *= 2
    low = high / 2
    while low > 0 and bound(low) > allowed:
        high, low = low, low / 2
    for _ in range(30):
        middle = math.sqrt(low * high) if low > 0 else high / 2
        if bound(middle) <= allowed:
            low = middle
        else:
            high = middle
    return low


def layer_errors(task: CompileTask, errors: Sequence[FloatArray]) -> list[LayerErrors]:
    """Arrange row errors as errors of effective weights; where no row is needed no error counts."""
    return [LayerErrors(*parts) for parts in task.arranged(errors)]

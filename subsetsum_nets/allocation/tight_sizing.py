"""How many candidates and items the tight allocation takes; the formulas are in :mod:`.tight`."""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.compile_task import ALLOWANCE, CompileTask
from subsetsum_nets.allocation.misses import miss_chance
from subsetsum_nets.allocation.sizing import (
    MOST_CANDIDATES,
    MOST_ITEMS,
    SPARE_ITEMS,
    Sizing,
    binomial,
    centred,
    errors_with,
    level,
    mean_over_rows,
)
from subsetsum_nets.constructions.protocol import weight_with_bias

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.allocation.simulated_bounds import ErrorLaw, SimulatedBounds
    from subsetsum_nets.networks.arrays import FloatArray

_GRID = 129  # sizes of weights for which errors are tabulated
_MOST_MORE = 40  # candidates for the rows that reach their target badly
_ONE_ROW = 0.25  # of epsilon, that one row may take up


class TightSizing:
    """Sizes for one task, before any network is drawn."""

    def __init__(self, task: CompileTask, bounds: SimulatedBounds, law: ErrorLaw) -> None:
        self._task, self._bounds, self._law = task, bounds, law
        self._places = task.places
        self._allowed = task.epsilon * ALLOWANCE

    def sized(self, chance: float) -> Sizing:
        """Return the least network that is predicted to fail with this probability at most."""
        if not self._places:  # over a domain of zeros
            return Sizing(1, 1, enough=True)
        law = self._task.construction.law
        with np.errstate(over="ignore", invalid="ignore"):  # weights near the ends of float64
            if law.usable == 1.0:
                return self._sized_links(chance)
            share = law.share * law.usable
            items = self.items
            found = None
            if self._needed is not None:

                def poor(candidates: int) -> float:
                    chances = binomial(candidates * law.share, law.usable, items)
                    return self._bound_with(chances, chance) / self._allowed

                def missing(candidates: int) -> float:
                    return 2 * self._missing(candidates) / chance

                found = _least(poor, 1, MOST_CANDIDATES, math.ceil(items / share), 0.7 * share)
                if found is not None:
                    most = min(MOST_CANDIDATES, 3 * found + _MOST_MORE)
                    found = _least(missing, found, most, found + 4, 0.6 * share)
        return Sizing(found or math.ceil(2 * items / share), items, enough=found is not None)

    @cached_property
    def items(self) -> int:
        """The number of items at most to offer to a row at first."""
        if not self._places or self._task.construction.law.usable == 1.0:
            return MOST_ITEMS
        return min(MOST_ITEMS, (self._needed or MOST_ITEMS) + SPARE_ITEMS)

    @cached_property
    def _needed(self) -> int | None:
        """The number of items that would do if every row had them."""

        def bound(items: int) -> float:
            return self._bound_with(_centred_only(items), self._task.delta) / self._allowed

        return _least(bound, 1, MOST_ITEMS, 16, 1.0)

    def _sized_links(self, chance: float) -> Sizing:
        def bound(items: int) -> float:
            return self._bound_of_links(items, chance) / self._allowed

        def missing(items: int) -> float:
            return 2 * self._missing(items) / chance

        found = _least(bound, 1, MOST_ITEMS, 20, 0.9)
        if found is not None:
            found = _least(missing, found, MOST_ITEMS, found, 0.9)
        return Sizing(found or MOST_ITEMS, MOST_ITEMS, enough=found is not None)

    def _missing(self, candidates: int) -> float:
        """Return the expected number of rows that alone take up much of epsilon, whatever is offered."""
        task = self._task
        count = 0.0
        for place, sensitivity in zip(self._places, self._bounds.sensitivities, strict=True):
            scale = task.construction.scale(task.target.layers[place.layer])
            effect = (
                scale
                * sensitivity
                * (1.0 if task.objective == "nearest" else self._law.mean * level(task.rows, task.delta))
            )
            allowed = _ONE_ROW * self._allowed / np.maximum(effect, np.finfo(float).tiny)
            weights = self._weights(place.layer)[place.entries] / scale
            law = task.construction.law
            count += float(miss_chance(law, candidates, weights.ravel(), allowed.ravel()).sum())
        return count

    def _bound_with(self, chances: FloatArray, failure: float) -> float:
        """Return the bound predicted where a block has 0, 1, .. usable units with these probabilities.

        Those with the last number choose among more; where that number is the only one possible, all do.
        """
        m = len(chances) - 1
        means, shares, tables = [], [], {}
        for place in self._places:
            if place.layer not in tables:
                tables[place.layer] = self._table(place.layer, m, only_last=chances[m] == 1.0)
            grid, table = tables[place.layer]
            weights = self._weights(place.layer)[place.entries]
            means.append(self._law.mean * np.interp(weights, grid, chances @ table))
            shares.append(_averages(table, grid, weights))
        variance = 0.0
        for effect, share in zip(self._bounds.effects(means), shares, strict=True):
            ratio = share / max(float(chances @ share), np.finfo(float).tiny)
            square = float(chances @ ratio**2)
            variance += max(square - 1.0, 0.0) * float((effect.sum(axis=0) ** 2).sum())
            variance += square * self._law.spread * float((effect**2).sum())
        return self._bounds.quantile(means, failure, variance=variance)

    def _bound_of_links(self, items: int, failure: float) -> float:
        """Return the bound predicted where each row has so many items of its own."""
        means = []
        for place in self._places:
            weights = self._weights(place.layer)[place.entries]
            means.append(self._law.mean * self._errors(place.layer, weights, items, mean_over_rows))
        return self._bounds.quantile(means, failure)

    def _table(self, layer: int, m: int, *, only_last: bool) -> tuple[FloatArray, FloatArray]:
        """Return sizes of weights and q for each of them with 0..m items, shape (m + 1, sizes)."""
        largest = float(self._weights(layer).max())
        grid = np.linspace(0.0, largest if largest > 0.0 else 1.0, _GRID)
        table = np.zeros((m + 1, _GRID))
        for count in range(m if not only_last else 0):
            table[count] = self._errors(layer, grid, count, mean_over_rows)
        table[m] = self._errors(layer, grid, m, centred)
        return grid, table

    def _errors(
        self, layer: int, weights: FloatArray, m: int, density: Callable[[FloatArray, float], FloatArray]
    ) -> FloatArray:
        task = self._task
        scale = task.construction.scale(task.target.layers[layer])
        return errors_with(task.construction.law, weights, scale, m, task.rows, task.delta, density)

    def _weights(self, layer: int) -> FloatArray:
        return np.abs(weight_with_bias(self._task.target.layers[layer]))


def _least(ratio: Callable[[int], float], low: int, high: int, guess: int, bits: float) -> int | None:
    """Return the least number with a ratio of at most 1; None if ``high`` has a larger one.

    ``bits``, about how many halvings of the ratio a unit more brings, aims the steps.
    """
    bad, good = low - 1, high + 1
    trial = min(max(guess, low), high)
    while good - bad > 1:
        value = ratio(trial)
        halvings = math.log2(value) if 0 < value < math.inf else math.copysign(60, value - 1)
        if value <= 1.0:
            good = trial
            trial -= max(1, math.floor(-halvings / bits))
        else:
            bad = trial
            trial += max(1, math.ceil(halvings / bits))
        trial = min(max(trial, bad + 1), good - 1)
    return None if good > high else good


def _centred_only(items: int) -> FloatArray:
    chances = np.zeros(items + 1)
    chances[items] = 1.0
    return chances


def _averages(table: FloatArray, grid: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the average over weights of each row of a table over an even grid, interpolated."""
    place = weights.ravel() / grid[1]
    left = np.clip(place.astype(np.int64), 0, len(grid) - 2)
    right = place - left
    counts = np.bincount(left, 1 - right, len(grid)) + np.bincount(left + 1, right, len(grid))
    averages: FloatArray = table @ counts / weights.size
    return averages

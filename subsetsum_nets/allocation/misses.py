"""How often a row's items reach its target only badly: rare events, by importance sampling.

Where nearly all items of a row happen to have one sign, its target may lie at the end of what they reach, or
beyond. A single such row can use epsilon up, and it takes many rows to meet one: the chance that matters is
about delta / N. So items are drawn for which the reach towards the target is scarce, units with magnitude x
on the target's side with density times exp(-theta x), and weighted by how much more often that draws them.
A third of all draws are from the law itself, so that no weight exceeds 3; a third have few items towards
the target, and a third few away from it, which leaves gaps around small targets. For every draw the items on
offer are chosen and the expected error predicted as for a network.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.offered_items import best_items
from subsetsum_nets.allocation.sizing import MOST_ITEMS

if TYPE_CHECKING:
    from subsetsum_nets.constructions.protocol import ItemLaw
    from subsetsum_nets.networks.arrays import FloatArray, Ints

_SIZES = 9  # of targets, from 0 to the scale of the items
_DRAWS = 3 * 96  # for each of them
_QUANTILES = 2048  # of an item's magnitude
_NEARLY_IN_REACH = 0.1  # how far beyond the target the items drawn reach on average, in item scales
_STREAM = 0x6D697373


def miss_chance(law: ItemLaw, candidates: int, targets: FloatArray, thresholds: FloatArray) -> FloatArray:
    """Return the chance that the expected error of a row's nearest subset reaches a threshold.

    Parameters
    ----------
    law : ItemLaw
    candidates : int
        Of the network; all usable units are on offer, up to ``MOST_ITEMS``.
    targets, thresholds : float64, shape (k,)
        Absolute weights and errors, in scales of the items.

    Returns
    -------
    float64, shape (k,)
        Interpolated between sizes of targets; 0 where the threshold exceeds the target, as an empty subset
        does better.

    """
    errors, weights = _sample(law.factors, law.share * candidates, law.usable)
    chances = np.empty((_SIZES, targets.size))
    for size in range(_SIZES):
        order = np.argsort(errors[size])
        above = np.append(np.cumsum(weights[size][order][::-1])[::-1], 0.0)
        chances[size] = above[np.searchsorted(errors[size][order], thresholds)] / _DRAWS
    place = np.clip(targets, 0.0, 1.0) * (_SIZES - 1)
    left = np.minimum(place.astype(np.int64), _SIZES - 2)
    right, each = place - left, np.arange(targets.size)
    found: FloatArray = chances[left, each] * (1 - right) + chances[left + 1, each] * right
    return np.where(thresholds > targets, 0.0, found)


@lru_cache(maxsize=512)
def _sample(factors: int, units: int, usable: float) -> tuple[FloatArray, FloatArray]:
    """Return expected errors and weights of drawn rows, both of shape (sizes, draws)."""
    magnitudes = _magnitudes(factors)
    errors, weights = np.empty((_SIZES, _DRAWS)), np.empty((_SIZES, _DRAWS))
    for size in range(_SIZES):
        rng = np.random.default_rng(np.random.SeedSequence(_STREAM, spawn_key=(units, size)))
        goal = size / (_SIZES - 1)
        products, kinds, weights[size] = _rows(rng, magnitudes, units, usable, goal)
        serving = kinds != 0
        most = max(1, min(MOST_ITEMS, int(serving.sum(axis=1).max())))
        errors[size] = best_items(products, serving, np.full(_DRAWS, goal), most)[2]
    return errors, weights


def _rows(
    rng: np.random.Generator, magnitudes: FloatArray, units: int, usable: float, goal: float
) -> tuple[FloatArray, Ints, FloatArray]:
    """Draw rows: their items and what these are (0 unusable, 1 towards the target, -1 away), and weights.

    A third are from the law, a third have few items towards the target, a third few away from it.
    """
    laws = [(0.0, 0.0)]
    laws += [(_tilt(magnitudes, usable * units / 2, goal + _NEARLY_IN_REACH), 0.0)]
    laws += [(0.0, _tilt(magnitudes, usable * units / 2, _NEARLY_IN_REACH))]
    products, kinds, totals = [], [], []
    for theta in laws:
        tilted = [np.exp(-t * magnitudes) for t in theta]
        chance = np.array([1 - usable, *(usable / 2 * t.mean() for t in tilted)])
        totals.append(units * math.log(chance.sum()))
        kind = rng.choice([0, 1, -1], (_DRAWS // 3, units), p=chance / chance.sum())
        sizes = [rng.choice(magnitudes, kind.shape, p=t / t.sum()) for t in tilted]
        products.append(np.where(kind == 1, sizes[0], np.where(kind == -1, -sizes[1], 0.0)))
        kinds.append(kind)
    x = np.concatenate(products)
    towards, away = np.maximum(x, 0.0).sum(axis=1), np.maximum(-x, 0.0).sum(axis=1)
    density = sum(
        np.exp(np.minimum(-t * towards - a * away - total, 700.0))
        for (t, a), total in zip(laws, totals, strict=True)
    )
    return x, np.concatenate(kinds), len(laws) / density


def _magnitudes(factors: int) -> FloatArray:
    """Return quantiles of the product of some U[0, 1]."""
    if factors == 1:
        return (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    rng = np.random.default_rng(_STREAM)
    return np.sort(rng.random((_QUANTILES, factors)).prod(axis=1))


def _tilt(magnitudes: FloatArray, count: float, reach: float) -> float:
    """Return theta for which ``count`` items reach that far on average, some not drawn; at least 0."""
    low, high = 0.0, 1e3

    def mean(theta: float) -> float:
        return count * float((magnitudes * np.exp(-theta * magnitudes)).mean())

    if mean(0.0) <= reach:
        return 0.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if mean(middle) > reach else (low, middle)
    return low

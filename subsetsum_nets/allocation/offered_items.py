"""Which of the usable units to offer to each row: such that its target is well within reach.

The items on offer are chosen by :func:`choose_items`, which centres the target. Where it passes over so many
large items that the target ends up near the end of their reach or beyond, :func:`best_items` offers the
largest ones instead, if the target is better placed among them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.sizing import expected_errors

if TYPE_CHECKING:
    from subsetsum_nets.constructions.protocol import RowGroup
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


_OFF_CENTRE = 0.5  # deviations between the target and half the total of the items offered
_POOR = 4.0  # times the error of a central target: where the largest items are tried, too
_BLOCK = 1 << 14  # rows chosen at a time
# Of very many items the largest are nearly equal, and so are the sums of equally many of them: gaps
# between these are as wide as the items. So where there are _MANY times as many as are offered, a row chooses
# among a sample of _POOL times as many, large and small.
_MANY, _POOL = 9, 4


def choose_items(products: FloatArray, serving: Bools, targets: FloatArray, most: int) -> tuple[Ints, Bools]:
    """Choose which ``most`` units to offer to each of N rows; returns places (N, most) and validity.

    The larger products first, as they reach further. As long as there are units to spare, those that would
    leave the target more than half a deviation from half the total are passed over, unless they bring it
    nearer: subset sums are densest there. Asking for less than that would pass over all but small products
    once a large one stands at twice the target, and leave a gap around it. They are chosen among
    a few times as many, small and large ones in the shares in which they were drawn.
    """
    serving = _sample(serving, most)
    order = np.argsort(np.where(serving, -np.abs(products), np.inf), axis=1, kind="stable")
    ranked = np.take_along_axis(products, order, axis=1)
    available = serving.sum(axis=1)
    spare = np.maximum(available - most, 0)
    total, spread = np.zeros(len(products)), np.zeros(len(products))  # twice their mean and deviation
    taken = np.zeros(len(products), dtype=np.int64)
    chosen = np.zeros(order.shape, dtype=bool)
    for rank in range(int(available.max(initial=0))):
        item = ranked[:, rank]
        offered = rank < available
        distance = np.abs(total + item - 2 * targets)
        away = distance > np.abs(total - 2 * targets)
        away &= distance > _OFF_CENTRE * np.hypot(spread, item)
        passed = offered & away & (spare > 0)
        chosen[:, rank] = offered & ~passed & (taken < most)
        total += np.where(chosen[:, rank], item, 0.0)
        spread = np.where(chosen[:, rank], np.hypot(spread, item), spread)
        taken += chosen[:, rank]
        spare -= passed
    front = np.argsort(~chosen, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(order, front, axis=1), np.take_along_axis(chosen, front, axis=1)


def with_at_most(group: RowGroup, most: int) -> RowGroup:
    """Return a group whose rows offer at most ``most`` items each; of vectors the first that there are."""
    if group.valid.shape[2] <= most:
        return group
    places = np.broadcast_to(np.arange(most), (group.place.rows, most)).copy()
    kept = group.flat(group.valid)[:, :most].copy()
    if group.place.dimension == 1:
        items, valid, targets = (group.flat(array) for array in (group.items, group.valid, group.targets))
        for first in range(0, group.place.rows, _BLOCK):
            part = slice(first, first + _BLOCK)
            places[part], kept[part] = choose_items(items[part], valid[part], targets[part], most)
    return _with_places(group, places, kept)


def _with_places(group: RowGroup, places: Ints, kept: Bools) -> RowGroup:
    """Return the group with the items at ``places`` of each row, shape (rows, k), where ``kept``."""
    at = places if group.place.dimension == 1 else places[:, :, np.newaxis]
    items = np.take_along_axis(group.flat(group.items), at, axis=1)
    items[~kept] = 0.0
    units = np.take_along_axis(group.flat(group.units), places, axis=1)
    shape = (*group.place.shape, places.shape[1])
    return replace(
        group,
        items=items.reshape(shape + items.shape[2:]),
        valid=kept.reshape(shape),
        units=units.reshape(shape),
    )


def best_items(
    items: FloatArray, valid: Bools, targets: FloatArray, most: int
) -> tuple[Ints, Bools, FloatArray]:
    """Choose at most ``most`` valid items for each row.

    Parameters
    ----------
    items, valid : arrays, shape (N, m)
    targets : float64, shape (N,)
    most : int

    Returns
    -------
    places, valid : arrays, shape (N, min(most, m))
        The items chosen, and which of these places are filled.
    errors : float64, shape (N,)
        The expected errors of the nearest subsets; of the empty one at most.

    """
    valid = _sample(valid, most)
    places, filled = choose_items(items, valid, targets, most)
    errors = _errors(items, places, filled, targets)
    spread = np.sqrt((np.where(valid, items, 0.0) ** 2).sum(axis=1)) / 2
    central = math.sqrt(2 * math.pi) * spread * np.exp2(-1.0 - np.minimum(valid.sum(axis=1), most))
    poor = np.flatnonzero(errors > _POOR * central)
    if poor.size:
        sizes = np.where(valid[poor], np.abs(items[poor]), -1.0)
        largest = np.argsort(-sizes, axis=1, kind="stable")[:, :most]
        there = np.take_along_axis(valid[poor], largest, axis=1)
        others = _errors(items[poor], largest, there, targets[poor])
        better = others < errors[poor]
        changed = poor[better]
        places[changed], filled[changed], errors[changed] = largest[better], there[better], others[better]
    return places, filled, errors


def _sample(valid: Bools, most: int) -> Bools:
    """Return where a row's valid items stand that it chooses ``most`` of: all, or of too many a sample."""
    if valid.shape[1] <= _MANY * most:
        return valid
    number, count = valid.sum(axis=1, keepdims=True), _POOL * most
    before = (np.cumsum(valid, axis=1) - valid) * count  # of how many valid items it comes after
    parts = np.where(number > _MANY * most, number, count)
    kept: Bools = valid & ((before + count) // parts != before // parts)
    return kept


def _errors(items: FloatArray, places: Ints, filled: Bools, targets: FloatArray) -> FloatArray:
    chosen = np.where(filled, np.take_along_axis(items, places, axis=1), 0.0)
    return np.minimum(expected_errors(chosen, filled.sum(axis=1), targets), np.abs(targets))


def with_items(group: RowGroup, counts: Ints) -> tuple[RowGroup, FloatArray]:
    """Return a group of scalar rows that offer at most ``counts``, shape (R, J), of their items.

    Also the expected errors of the nearest subsets, shape (R, J).
    """
    items, valid, targets = (group.flat(array) for array in (group.items, group.valid, group.targets))
    most = np.clip(counts.ravel(), 1, items.shape[1])
    widest = int(most.max(initial=1))
    kept = np.zeros((targets.size, widest), dtype=bool)
    places = np.zeros((targets.size, widest), np.int64)
    errors = np.zeros(targets.size)
    for count in np.unique(most):
        rows = np.flatnonzero(most == count)
        for first in range(0, rows.size, _BLOCK):
            part = rows[first : first + _BLOCK]
            found, filled, errors[part] = best_items(items[part], valid[part], targets[part], int(count))
            places[part, :count], kept[part, :count] = found, filled
    return _with_places(group, places, kept), errors.reshape(group.targets.shape)

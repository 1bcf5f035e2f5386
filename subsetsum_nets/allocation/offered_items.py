"""Which of the usable units to offer to each row: such that its target is well within reach.

The items on offer are chosen by :func:`.relu_blocks.choose_items`, which centres the target. Where it passes
over so many large items that the target ends up near the end of their reach or beyond, the largest items
are offered instead, if the target is better placed among them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.sizing import expected_errors
from subsetsum_nets.constructions.relu_blocks import choose_items

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.constructions.protocol import RowGroup
    from subsetsum_nets.networks.arrays import FloatArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

_POOR = 4.0  # times the error of a central target: where the largest items are tried, too
_BLOCK = 1 << 14  # rows chosen at a time


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


def _errors(items: FloatArray, places: Ints, filled: Bools, targets: FloatArray) -> FloatArray:
    chosen = np.where(filled, np.take_along_axis(items, places, axis=1), 0.0)
    return np.minimum(expected_errors(chosen, filled.sum(axis=1), targets), np.abs(targets))


def with_items(group: RowGroup, counts: Ints) -> tuple[RowGroup, FloatArray]:
    """Return a group whose rows offer at most ``counts``, shape (d_out, J), of their items.

    Also the expected errors of the nearest subsets, shape (d_out, J).
    """
    m = group.items.shape[2]
    items, valid, units = group.items.reshape(-1, m), group.valid.reshape(-1, m), group.units.reshape(-1, m)
    targets, most = group.targets.ravel(), np.clip(counts.ravel(), 1, m)
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
    shape = (*group.targets.shape, widest)
    chosen = replace(
        group,
        items=np.where(kept, np.take_along_axis(items, places, axis=1), 0.0).reshape(shape),
        valid=kept.reshape(shape),
        units=np.take_along_axis(units, places, axis=1).reshape(shape),
    )
    return chosen, errors.reshape(group.targets.shape)

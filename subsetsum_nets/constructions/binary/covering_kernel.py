"""Compiled steps of the greedy cover; numba is imported here, so that it is imported where it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


@compiled
def share_covered(
    left: Ints, positive: Bools, gains: Ints, plus: Bools, urgency: float, values: FloatArray
) -> None:
    """Write what share of an input's need each unit covers.

    ``left`` and ``positive``, shape (outputs,): what is left of each weight, and whether it is > 0; ``gains``
    and ``values``, shape (units,).
    """
    if gains.size == 0:
        return
    largest, most, total = gains.max(), left.max(), 0.0
    values[:] = 0.0
    for output in range(left.size):
        here = left[output]
        if here == 0:
            continue
        need = urgency ** float(here - most)
        total += need
        row, sign = plus[output], positive[output]
        if largest <= 1:
            for unit in range(row.size):
                values[unit] += need if row[unit] == sign else 0.0
        else:
            for unit in range(row.size):
                values[unit] += need * min(gains[unit], here) if row[unit] == sign else 0.0
    for unit in range(values.size):
        values[unit] = values[unit] / max(total, 1.0) if gains[unit] > 0 else 0.0


@compiled
def give(
    left: Ints,
    positive: Bools,
    gains: Ints,
    plus: Bools,
    urgency: float,
    values: FloatArray,
    open_inputs: Bools,
    served: Ints,
    multiples: Ints,
    steps: int,
) -> bool:
    """Give units away, one in each step, until no input is open; False if none covers anything.

    Of units and inputs that cover the same share the first is taken.

    All arrays have inputs as their first axis but ``plus``, (outputs, units), ``served`` and ``multiples``.
    """
    if values.shape[1] == 0:
        return False
    best = np.zeros(len(gains), np.int64)
    for other in np.flatnonzero(open_inputs):
        best[other] = np.argmax(values[other])
    for _ in range(steps):
        column = -1
        for each in range(open_inputs.size):
            if open_inputs[each] and (column < 0 or values[each, best[each]] > values[column, best[column]]):
                column = each
        if column < 0:
            return True
        unit = best[column]
        if values[column, unit] <= 0.0:
            return False
        times = gains[column, unit]
        served[unit], multiples[unit] = column, times
        still = False
        for output in range(left.shape[1]):
            if plus[output, unit] == positive[column, output]:
                left[column, output] = max(left[column, output] - times, 0)
            still = still or left[column, output] > 0
        open_inputs[column] = still
        gains[:, unit] = 0
        values[:, unit] = 0.0
        for other in np.flatnonzero(open_inputs):
            if other == column:
                share_covered(left[other], positive[other], gains[other], plus, urgency, values[other])
            if other == column or best[other] == unit:
                best[other] = np.argmax(values[other])
    return True

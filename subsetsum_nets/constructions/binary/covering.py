"""Which input each unit serves, so that every weight is within the sums of its edges: a covering problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, Ints

_PORTIONS = 8  # of the free units, one is given away before the rest is gathered anew


def fill(
    weight: Ints, gains: Ints, plus: Bools, served: Ints, multiples: Ints, urgency: float
) -> tuple[Ints, Ints] | None:
    """Give more units to inputs until every weight is within the sums of its sign; None if they run out.

    Greedy: of all free units and inputs, that pair is next which covers the largest share of what the input
    still needs.

    Parameters
    ----------
    weight : int64, shape (outputs, inputs)
    gains : int64, shape (units, inputs)
        How many times a unit can carry an input; 0 if it cannot.
    plus : bool, shape (outputs, units)
        Which edges are +.
    served, multiples : int64, shape (units,)
        The input that a unit serves already, -1 for none, and how many times it carries it.
    urgency : float
        How much more one unit of a weight counts of which 1 more is left.

    """
    from subsetsum_nets.constructions.binary.covering_kernel import give, share_covered

    positive = np.ascontiguousarray(weight.T > 0)
    left = np.ascontiguousarray(np.abs(weight).T)
    for unit in np.flatnonzero(served >= 0):
        fits = plus[:, unit] == positive[served[unit]]
        left[served[unit]] -= np.where(fits, multiples[unit], 0)
    left = np.maximum(left, 0)
    served, multiples = served.copy(), multiples.copy()
    open_inputs = left.any(axis=1)
    free = np.flatnonzero(served < 0)
    open_gains, edges = np.ascontiguousarray(gains[free].T), np.ascontiguousarray(plus[:, free])
    values = np.zeros(open_gains.shape)
    for i in np.flatnonzero(open_inputs):
        share_covered(left[i], positive[i], open_gains[i], edges, urgency, values[i])
    while open_inputs.any():
        given, times = np.full(len(free), -1, np.int64), np.zeros(len(free), np.int64)
        steps = max(1, len(free) // _PORTIONS)
        if not give(left, positive, open_gains, edges, urgency, values, open_inputs, given, times, steps):
            return None
        served[free], multiples[free] = given, times
        still = given < 0  # the others are not looked at again
        free = free[still]
        open_gains = np.ascontiguousarray(open_gains[:, still])
        edges, values = np.ascontiguousarray(edges[:, still]), np.ascontiguousarray(values[:, still])
    return served, multiples

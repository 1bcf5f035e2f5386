"""Hidden units of a network put into the order and the units of another's: both changes are exact.

A hidden unit times 2^k, and its outgoing weights times 2^-k, is the same function. So is a permutation. A
unit that is constant goes into the biases behind it.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.verification.collapse import collapse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

_LIKE = 0.5  # a distance of two directions, of at most 2
_SIZES, _MOST_APART = 1e-4, 64.0  # what a power of two more counts beside directions, and how many count


def small_like(network: ReluNetwork, target: ReluNetwork, domain: Domain | None) -> ReluNetwork:
    """Return the small network that ``network`` equals on the domain, as like the target as it gets.

    Hidden layers with as many units as the target's, or one more for a constant, are kept where it is clear
    which they are: the target's own layers may be transparent.

    Raises
    ------
    UnsupportedStructureError
        As :func:`~subsetsum_nets.verification.collapse.collapse`.

    """
    keep = like_layers(network.widths[1:-1], target.widths[1:-1])
    small = collapse(network, domain, keep=keep)
    return small if small is network else aligned(small, target) or small


def like_layers(widths: Sequence[int], wanted: Sequence[int]) -> list[int]:
    """Return the one way to find widths, or one more than these, in their order among others; else none."""
    first = _found_in_order(widths, wanted)
    last = _found_in_order(widths[::-1], wanted[::-1])
    if first is None or last is None:
        return []
    return first if [len(widths) - 1 - place for place in reversed(last)] == first else []


def _found_in_order(widths: Sequence[int], wanted: Sequence[int]) -> list[int] | None:
    places, at = [], 0
    for width in wanted:
        while at < len(widths) and widths[at] - width not in (0, 1):
            at += 1
        if at == len(widths):
            return None
        places.append(at)
        at += 1
    return places


def aligned(network: ReluNetwork, target: ReluNetwork) -> ReluNetwork | None:
    """Return a network that equals ``network`` exactly, its hidden units as alike the target's as they get.

    Returns
    -------
    ReluNetwork or None
        None where it cannot have the target's shape, or a number would leave float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> f = ReluNetwork([Dense([[0.5], [-1.0]]), Dense([[1.0, 3.0]])])
    >>> g = ReluNetwork([Dense([[-4.0], [2.0]]), Dense([[0.75, 0.25]])])
    >>> aligned(g, f).layers[1].weight
    array([[1., 3.]])

    """
    if target.relu_after != network.relu_after:
        return None
    layers: list[Dense] = []
    pairs = list(zip(network.dense_layers, target.affine_layers, strict=True))
    weight = dense_array(pairs[0][0].weight)
    offset = pairs[0][0].offset
    for (_, wanted), (following, wanted_next) in pairwise(pairs):
        rows = np.column_stack([weight, offset])
        goal = np.column_stack([dense_array(wanted.weight), wanted.offset])
        seen = np.append(weight.any(axis=0), True)  # what g does not look at tells nothing
        outgoing, ends = dense_array(following.weight), dense_array(wanted_next.weight)
        places, exponents = _best_places(rows, np.where(seen, goal, 0.0), outgoing, ends)
        taken = places >= 0
        chosen = np.where(taken[:, np.newaxis], rows[places], 0.0)
        scaled = _times(chosen, exponents[:, np.newaxis])
        columns = _times(np.where(taken, outgoing[:, places], 0.0), -exponents)
        left = np.setdiff1d(np.arange(len(rows)), places)
        biases = _with_constants(following.offset, rows[left], outgoing[:, left])
        if scaled is None or columns is None or biases is None:
            return None
        unseen = ~columns.any(axis=0)  # what nobody looks at may be anything
        scaled[unseen] = goal[unseen]
        layers.append(_layer(scaled[:, :-1], scaled[:, -1]))
        weight, offset = columns, biases
    layers.append(_layer(weight, offset))
    return target.with_layers(layers)


def _best_places(
    rows: FloatArray, goal: FloatArray, outgoing: FloatArray, ends: FloatArray
) -> tuple[Ints, Ints]:
    """Return for each row of the goal the row that is nearest up to a power of two, -1 for none; and that."""
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    (first, sizes_f), (second, sizes_g) = (_directions(part) for part in (goal, rows))
    costs = cdist(first, second, "cityblock")
    of_goal, of_rows = linear_sum_assignment(costs)
    alike = (costs[of_goal, of_rows] < _LIKE) & goal[of_goal].any(axis=1) & rows[of_rows].any(axis=1)
    apart = (sizes_f[of_goal] - sizes_g[of_rows])[alike]
    scale = np.median(apart) if apart.size else 0.0  # of most units, which tells apart like directions
    costs += _SIZES * np.minimum(np.abs(sizes_f[:, np.newaxis] - sizes_g - scale), _MOST_APART)
    if len(ends) == len(outgoing):  # and like rows by what is made of them
        costs += _SIZES * np.minimum(cdist(_at_most_one(ends).T, _at_most_one(outgoing).T, "cityblock"), 1.0)
    of_goal, of_rows = linear_sum_assignment(costs)
    places = np.full(len(goal), -1, np.int64)
    places[of_goal] = of_rows
    exponents = np.rint(sizes_f - sizes_g[places])
    common = np.rint(scale)  # a unit that rounding has made half or double is no other unit
    exponents = np.where(np.abs(exponents - common) <= 1.0, common, exponents)
    return places, np.where(places < 0, 0, exponents).astype(np.int64)


def _at_most_one(numbers: FloatArray) -> FloatArray:
    """Return numbers divided by the largest."""
    largest = float(np.abs(numbers).max(initial=0.0))
    return numbers / largest if largest > 0.0 else numbers


def _directions(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return rows of l1 norm 1, and log2 of their norms; rows of zeros as they are. All this may round."""
    _, exponents = np.frexp(np.abs(rows).max(axis=1))
    near_one = np.ldexp(rows, -exponents[:, np.newaxis])
    norms = np.abs(near_one).sum(axis=1)
    norms[norms == 0.0] = 1.0
    return near_one / norms[:, np.newaxis], exponents + np.log2(norms)


def _times(numbers: FloatArray, exponents: Ints) -> FloatArray | None:
    """Return numbers times powers of two; None where one is rounded."""
    with np.errstate(over="ignore", under="ignore"):
        scaled: FloatArray = np.ldexp(numbers, exponents)
        exact = np.isfinite(scaled).all() and bool((np.ldexp(scaled, -exponents) == numbers).all())
    return scaled if exact else None


def _with_constants(offset: FloatArray, rows: FloatArray, outgoing: FloatArray) -> FloatArray | None:
    """Return biases with what units without weights give; None where a unit has weights, or a sum rounds."""
    counted = outgoing.any(axis=0) & (rows.any(axis=1))
    rows, outgoing = rows[counted], outgoing[:, counted]
    if rows[:, :-1].any():
        return None
    constants = [Fraction(float(c)) for c in np.maximum(rows[:, -1], 0.0)]
    sums = [
        Fraction(float(b))
        + sum((c * Fraction(float(w)) for c, w in zip(constants, row, strict=True)), Fraction())
        for b, row in zip(offset, outgoing, strict=True)
    ]
    try:
        rounded = [float(total) for total in sums]
    except OverflowError:
        return None
    return np.array(rounded) if all(Fraction(r) == t for r, t in zip(rounded, sums, strict=True)) else None


def _layer(weight: FloatArray, bias: FloatArray) -> Dense:
    return Dense(weight, bias if bias.any() else None)

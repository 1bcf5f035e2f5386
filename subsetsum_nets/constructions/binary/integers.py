"""The target in integers: what each block of random layers has to compute.

Layer l of the *rounded target* holds multiples of 2^-s_l. In integers, its hidden units are
2^(s_1 + .. + s_l) times as large, and so is the constant 1 that its biases are
multiples of: it is carried as one more unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.constructions.protocol import InputSigns, weight_with_bias
from subsetsum_nets.networks.rounding import integer_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


@dataclass(frozen=True, eq=False)
class IntegerLayer:
    """A target layer as a block of random layers has to compute it: y = weight v, for inputs v >= 0.

    Attributes
    ----------
    weight : int64, shape (outputs, inputs)
        Outputs are the target's, then the constant where a later layer has biases. Inputs are halves
        max(x, 0), max(-x, 0) of what the target layer takes, and the constant.
    wanted : float64, shape (outputs, inputs)
        What the weights are rounded from: integers are in units of ``2^-scale``. A number halfway between two
        of these is moved by one ulp towards the weight, which is then the only nearest.
    scale : int
    columns : int array, shape (inputs,)
        The input of the target layer; d_in for the constant.
    negative : bool, shape (inputs,)
        Whether it is the half max(-x, 0).
    counted : bool, shape (outputs, inputs)
        Which weights somebody asks for: not those of units that no later layer looks at.
    free : bool, shape (outputs, inputs)
        Which weights are the target's: not that of the constant in the row that carries it.
    whole : bool
        Whether no input that the domain allows, and no unit of the target's layer, is left out.

    """

    weight: Ints
    wanted: FloatArray
    scale: int
    columns: Ints
    negative: Bools
    counted: Bools
    free: Bools
    whole: bool


def integer_layers(target: ReluNetwork, scales: Sequence[int], domain: Domain) -> list[IntegerLayer]:
    """Return what each block of random layers has to compute."""
    weights, signs = integer_weights(target, scales), InputSigns.of_layers(target, domain)
    _forget_what_does_not_count(weights, signs)
    biased = [
        layer.bias is not None and bool(whole[:, -1].any())
        for layer, whole in zip(target.dense_layers, weights, strict=True)
    ]
    return [
        _integer_layer(layer, weights[index], scales[index], signs[index], constant=any(biased[index + 1 :]))
        for index, layer in enumerate(target.dense_layers)
    ]


def _integer_layer(
    layer: Dense, whole: Ints, scale: int, signs: InputSigns, *, constant: bool
) -> IntegerLayer:
    """Return a layer in integers; ``constant`` says that later layers need the constant."""
    tables: list[Any] = [whole, weight_with_bias(layer)]
    plus, minus = (signs.columns(side) for side in ("positive", "negative"))
    if constant:
        if layer.bias is None:  # the constant passes, though this layer has no use for it
            tables = [np.column_stack([table, np.zeros_like(table[:, 0])]) for table in tables]
            plus = np.append(plus, layer.d_in)
        tables = [np.vstack([table, np.zeros_like(table[0])]) for table in tables]
        tables[0][-1, -1], tables[1][-1, -1] = 1 << scale, 1.0
    columns, sign = np.concatenate([plus, minus]), np.repeat([1, -1], [len(plus), len(minus)])
    carried, wanted = (table[:, columns] * sign for table in tables)
    counted = np.broadcast_to(carried.any(axis=1, keepdims=True), carried.shape).copy()
    if layer.bias is None:
        counted[:, columns == layer.d_in] = False
    if constant:
        counted[-1] = columns == layer.d_in
    live = carried.any(axis=0)
    asked = counted[: layer.d_out, columns < layer.d_in]
    return IntegerLayer(
        carried[:, live],
        _without_ties(carried[:, live], wanted[:, live], scale),
        scale,
        columns[live],
        (sign < 0)[live],
        counted[:, live],
        np.broadcast_to((np.arange(len(carried)) < layer.d_out)[:, np.newaxis], (len(carried), live.sum())),
        bool(live.all() and asked.all()),
    )


def _without_ties(weight: Ints, wanted: FloatArray, scale: int) -> FloatArray:
    """Return what is wanted; what is halfway to another multiple of 2^-scale, one ulp nearer."""
    nearest = np.ldexp(weight.astype(np.float64), -scale)
    ties = np.abs(wanted - nearest) == 0.5 * 2.0**-scale
    return np.where(ties, np.nextafter(wanted, nearest), wanted)


def _forget_what_does_not_count(weights: list[Ints], signs: Sequence[InputSigns]) -> None:
    """Set to 0 the weights of inputs that are always 0, and of hidden units that are 0 or seen by nobody."""
    for whole, sign in zip(weights, signs, strict=True):
        whole[:, ~(sign.positive | sign.negative)] = 0
    for before, after in pairwise(weights):
        after[:, : len(before)][:, ~before.any(axis=1)] = 0
    for before, after in reversed(list(pairwise(weights))):
        before[~after[:, : len(before)].any(axis=0)] = 0

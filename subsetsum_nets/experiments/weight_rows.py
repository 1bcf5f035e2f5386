"""The weights of a network as rows of subset-sum problems: drawing their coefficients, and their sums."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from subsetsum_nets.networks.arrays import dense_array

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork

Draw = Literal["weight", "row"]
_AT_ONCE = 20_000  # rows that are added up as lists of floats


@dataclass(frozen=True)
class WeightRows:
    """The weights of all layers in order, biases left out, each with its random coefficients.

    Attributes
    ----------
    weights : float64, shape (N,)
    layers : int64, shape (N,)
        The layer of each weight.
    coefficients : float64, shape (N, n)

    """

    weights: FloatArray
    layers: NDArray[np.int64]
    coefficients: FloatArray

    def sums(self, masks: Bools) -> FloatArray:
        """Return the sum of the coefficients that masks (N, n) keep, each rounded once, float64 (N,)."""
        found = np.empty(len(masks))
        for first in range(0, len(masks), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            kept = np.where(masks[part], self.coefficients[part], 0.0)
            found[part] = [math.fsum(row) for row in kept.tolist()]
        return found


def weight_rows(
    target: ReluNetwork, items: int, low: float, high: float, *, seed: int = 0, draw: Draw = "weight"
) -> WeightRows:
    """Draw ``items`` coefficients U[low, high] for every weight of a network, or for every row of weights.

    Those of layer i come from ``SeedSequence(seed, spawn_key=(i,))``. A row holds the weights of one output
    unit, or of one output channel.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> rows = weight_rows(ReluNetwork([Dense([[0.5, 1.0], [2.0, 0.25]])]), 3, -1, 1, draw="row")
    >>> rows.coefficients.shape, bool((rows.coefficients[0] == rows.coefficients[1]).all())
    ((4, 3), True)

    """
    parts = [dense_array(layer.stored) for layer in target.layers]
    drawn = []
    for index, part in enumerate(parts):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
        if draw == "weight":
            drawn.append(rng.uniform(low, high, (part.size, items)))
        else:
            rows = _rows(part)
            drawn.append(rng.uniform(low, high, (rows.max() + 1, items))[rows])
    layers = np.repeat(np.arange(len(parts)), [part.size for part in parts])
    return WeightRows(np.concatenate([part.ravel() for part in parts]), layers, np.concatenate(drawn))


def _rows(part: FloatArray) -> Ints:
    """Return the output unit, or the output channel, of every weight of a layer."""
    outputs = part.shape[0] if part.ndim == 2 else part.shape[-1]
    every = np.arange(outputs)
    return every.repeat(part.shape[1]) if part.ndim == 2 else np.tile(every, part.size // outputs)


def with_weights(target: ReluNetwork, weights: FloatArray) -> ReluNetwork:
    """Return the network with other weights, in the order of :class:`WeightRows`, and its own biases."""
    layers, first = [], 0
    for layer in target.layers:
        shape = layer.stored.shape
        last = first + math.prod(shape)
        layers.append(layer.with_stored(weights[first:last].reshape(shape), layer.bias))
        first = last
    return target.with_layers(layers)

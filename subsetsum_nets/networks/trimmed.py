"""Hidden units without use taken out of a network: what is left is the same function, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import UnsupportedStructureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from subsetsum_nets.networks.arrays import Bools, Ints
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork


def trimmed(network: ReluNetwork, hidden: Iterable[int]) -> ReluNetwork:
    """Return the network without the units of some hidden layers that nothing uses, or that are always 0.

    Of a convolution they are whole channels. The others keep their order and their weights. One unit stays
    where none is used, so that no layer is empty. This is how removing filters leaves a smaller dense network
    (da Cunha et al. 2023, Remark 13).

    Parameters
    ----------
    network : ReluNetwork
    hidden : iterable of int
        Layers, by index, whose units may go; not the last one.

    Raises
    ------
    UnsupportedStructureError
        If one of them or the layer behind is a convolution of several groups, or a convolution is followed by
        a dense layer.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> wide = ReluNetwork([Dense([[1.0], [0.0], [3.0]]), Dense([[2.0, 5.0, 0.0]])])
    >>> small = trimmed(wide, [0])
    >>> small.layers[0].weight.tolist(), small.layers[1].weight.tolist()
    ([[1.0]], [[2.0]])

    """
    layers = list(network.layers)
    for index in hidden:
        first, second = layers[index], layers[index + 1]
        for layer in (first, second):
            if isinstance(layer, Conv2d) and layer.groups > 1:
                raise UnsupportedStructureError(f"channels of {layer!r} cannot go one by one: it has groups")
        if isinstance(first, Conv2d) != isinstance(second, Conv2d):
            raise UnsupportedStructureError(
                f"layers {index} and {index + 1} are {first!r} and {second!r}: pixels, not channels, go on"
            )
        used = _some_outgoing(second) & _some_incoming(first)
        kept = np.flatnonzero(used) if used.any() else np.zeros(1, np.int64)
        layers[index], layers[index + 1] = _with_outputs(first, kept), _with_inputs(second, kept)
    return network.with_layers(layers)


def hidden_units(network: ReluNetwork, hidden: Iterable[int]) -> tuple[int, ...]:
    """Return how many units hidden layers have; of convolutions, how many channels."""
    return tuple(network.shapes[index + 1][-1] or 0 for index in hidden)


def _some_incoming(layer: Layer) -> Bools:
    """Return which outputs a layer has any weight or bias for."""
    if isinstance(layer, Conv2d):
        some = np.asarray(layer.kernel.any(axis=(0, 1, 2)))
    else:
        some = _any(layer.weight, 1)
    return some if layer.bias is None else some | (layer.bias != 0.0)


def _some_outgoing(layer: Layer) -> Bools:
    """Return which inputs a layer has any weight for."""
    if isinstance(layer, Conv2d):
        return np.asarray(layer.kernel.any(axis=(0, 1, 3)))
    return _any(layer.weight, 0)


def _any(weight: Any, axis: int) -> Bools:
    if not is_sparse(weight):
        return np.asarray(weight.any(axis=axis))
    entries = weight.tocoo()
    found = np.zeros(weight.shape[1 - axis], dtype=bool)
    found[(entries.col, entries.row)[axis][entries.data != 0.0]] = True
    return found


def _with_outputs(layer: Layer, kept: Ints) -> Layer:
    bias = None if layer.bias is None else layer.bias[kept]
    if isinstance(layer, Conv2d):
        return layer.with_stored(layer.kernel[..., kept], bias)
    return Dense(layer.weight[kept], bias)


def _with_inputs(layer: Layer, kept: Ints) -> Layer:
    if isinstance(layer, Conv2d):
        return layer.with_stored(layer.kernel[:, :, kept], layer.bias)
    return Dense(layer.weight[:, kept], layer.bias)

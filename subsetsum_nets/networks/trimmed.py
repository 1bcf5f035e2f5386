"""Hidden units without use taken out of a network: what is left is the same function, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.errors import UnsupportedStructureError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from subsetsum_nets.networks.arrays import Bools, Ints
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
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> wide = ReluNetwork([Dense([[1.0], [0.0], [3.0]]), Dense([[2.0, 5.0, 0.0]])])
    >>> small = trimmed(wide, [0])
    >>> small.layers[0].weight.tolist(), small.layers[1].weight.tolist()
    ([[1.0]], [[2.0]])

    """
    layers = list(network.layers)
    for index in hidden:
        first, second = layers[index], layers[index + 1]
        for layer in (first, second):
            if layer.groups > 1:
                raise UnsupportedStructureError(f"channels of {layer!r} cannot go one by one: it has groups")
        if len(first.takes) != len(second.takes):
            raise UnsupportedStructureError(
                f"layers {index} and {index + 1} are {first!r} and {second!r}: pixels, not channels, go on"
            )
        gives, takes = first.channel_axes[1], second.channel_axes[0]
        moved = False if first.bias is None else first.bias != 0.0
        used = _some(second.stored, takes) & (_some(first.stored, gives) | moved)
        kept = np.flatnonzero(used) if used.any() else np.zeros(1, np.int64)
        bias = None if first.bias is None else first.bias[kept]
        layers[index] = first.with_stored(_those(first.stored, kept, gives), bias)
        layers[index + 1] = second.with_stored(_those(second.stored, kept, takes), second.bias)
    return network.with_layers(layers)


def hidden_units(network: ReluNetwork, hidden: Iterable[int]) -> tuple[int, ...]:
    """Return how many units hidden layers have; of convolutions, how many channels."""
    return tuple(network.shapes[index + 1][-1] or 0 for index in hidden)


def _some(stored: Any, axis: int) -> Bools:
    """Return for which channels along an axis there is any weight."""
    if not is_sparse(stored):
        return np.asarray(stored.any(axis=tuple(k for k in range(stored.ndim) if k != axis)))
    entries = stored.tocoo()
    found = np.zeros(stored.shape[axis], dtype=bool)
    found[(entries.row, entries.col)[axis][entries.data != 0.0]] = True
    return found


def _those(stored: Any, kept: Ints, axis: int) -> Any:
    """Return the weights of some channels along an axis."""
    if is_sparse(stored):
        return stored[kept] if axis == 0 else stored[:, kept]
    return np.take(stored, kept, axis)

"""Weights rounded to multiples of powers of two, layer by layer: networks of finite precision."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork

LARGEST = 2**52  # of an integer weight: exact in float64, with room for a sum of two


def integer_weights(network: ReluNetwork, scales: Sequence[int]) -> list[Ints]:
    """Return the integers nearest to 2^s_l times the weights of layer l, the bias last; ties to even.

    Parameters
    ----------
    network : ReluNetwork
        Of dense layers.
    scales : sequence of int
        s_l, one a layer.

    Raises
    ------
    InvalidNetworkError
        If one is larger than 2^52.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> integer_weights(ReluNetwork([Dense([[0.3, -0.8]])]), [2])
    [array([[ 1, -3]])]

    """
    weights = []
    for index, (layer, scale) in enumerate(zip(network.dense_layers, scales, strict=True)):
        with np.errstate(over="ignore"):
            scaled = np.rint(np.ldexp(_with_bias(layer), scale))
        largest = float(np.abs(scaled).max())
        if largest > LARGEST:
            raise InvalidNetworkError(
                f"layer {index} times 2^{scale} has a weight of {largest:.3g}, and integer weights go up to "
                "2^52: ask for fewer bits, or scale the layer down"
            )
        weights.append(scaled.astype(np.int64))
    return weights


def rounded(network: ReluNetwork, scales: Sequence[int]) -> ReluNetwork:
    """Return the network with every weight and bias of layer l rounded to the nearest multiple of 2^-s_l.

    Parameters and errors as for :func:`integer_weights`.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> rounded(ReluNetwork([Dense([[0.3, -0.8]])]), [2]).layers[0].weight
    array([[ 0.25, -0.75]])

    """
    layers = []
    numbers = zip(network.dense_layers, integer_weights(network, scales), scales, strict=True)
    for layer, whole, scale in numbers:
        exact = np.ldexp(whole.astype(np.float64), -scale)
        layers.append(Dense(exact[:, : layer.d_in], None if layer.bias is None else exact[:, layer.d_in]))
    return network.with_layers(layers)


def _with_bias(layer: Dense) -> FloatArray:
    weight = dense_array(layer.weight)
    return weight if layer.bias is None else np.column_stack([weight, layer.bias])

"""Networks of finite precision: weights rounded layer by layer, binary or decimal; units of outputs."""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Decimal
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import dense_array, is_sparse
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork

_DIGITS = Context(prec=1_100)  # more than any float64 has
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


def truncated(network: ReluNetwork, decimals: int) -> ReluNetwork:
    """Return the network with weights and biases cut off after so many decimal digits.

    As in Fact 1 of Sreenivasan et al. (2021): towards zero. Cut is the shortest decimal number that names a
    float64; what is left is stored as the float64 nearest to it.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> truncated(ReluNetwork([Dense([[0.379, -0.81]])]), 1).layers[0].weight
    array([[ 0.3, -0.8]])

    """
    step = Decimal(1).scaleb(-decimals)

    def cut(number: float) -> float:
        return float(Decimal(repr(number)).quantize(step, ROUND_DOWN, _DIGITS))

    layers = []
    for layer in network.dense_layers:
        weight = dense_array(layer.weight)
        numbers = np.array([cut(number) for number in weight.ravel().tolist()]).reshape(weight.shape)
        bias = None if layer.bias is None else np.array([cut(number) for number in layer.bias.tolist()])
        layers.append(Dense(numbers, bias))
    return network.with_layers(layers)


def with_outputs_times(network: ReluNetwork, exponent: int) -> ReluNetwork:
    """Return the network whose outputs are 2^exponent times as large, exactly.

    Raises
    ------
    InvalidNetworkError
        If a weight or bias of the last layer is then no float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> with_outputs_times(ReluNetwork([Dense([[3.0, -1.0]])]), -2).layers[0].weight
    array([[ 0.75, -0.25]])

    """
    if not exponent:
        return network
    *before, last = network.layers
    stored = last.stored.copy()
    numbers = stored.data if is_sparse(stored) else stored
    bias = None if last.bias is None else last.bias.copy()
    for array in (numbers,) if bias is None else (numbers, bias):
        with np.errstate(over="ignore", under="ignore"):
            scaled = np.ldexp(array, exponent)
            exact = np.isfinite(scaled).all() and bool((np.ldexp(scaled, -exponent) == array).all())
        if not exact:
            raise InvalidNetworkError(f"the last layer times 2^{exponent} leaves the range of float64")
        array[...] = scaled
    return network.with_layers([*before, last.with_stored(stored, bias)])


def _with_bias(layer: Dense) -> FloatArray:
    weight = dense_array(layer.weight)
    return weight if layer.bias is None else np.column_stack([weight, layer.bias])

"""Edges: a layer as one matrix ``[W | b]`` over its inputs and a constant one, and its inputs as points.

The papers' convention: a bias is the edge from an input that is always 1, and counts as a parameter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, dense_array, exact_float64
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence


def edge_matrices(network: ReluNetwork) -> list[FloatArray]:
    """Return the layers of a network as matrices ``[W | b]``, each (d_out, d_in + 1).

    Raises
    ------
    TypeError
        If it is no ReluNetwork.
    InvalidNetworkError
        If a layer is no Dense one, or no ReLU follows a hidden layer.

    """
    if not isinstance(network, ReluNetwork):
        raise TypeError(f"the target must be a ReluNetwork, got {type(network).__name__}")
    for index, layer in enumerate(network.layers):
        if not isinstance(layer, Dense):
            raise InvalidNetworkError(
                f"layer {index} is a {layer!r}: coresets are of Dense layers; take the dense part of the "
                "network as a target of its own"
            )
    if network.linear_after:
        raise InvalidNetworkError(
            f"linear_after={list(network.linear_after)}: coresets need a ReLU after each hidden layer; "
            "multiply the linear layers out first"
        )
    return [np.column_stack([dense_array(layer.weight), layer.offset]) for layer in network.dense_layers]


def network_of(target: ReluNetwork, matrices: Sequence[FloatArray]) -> ReluNetwork:
    """Return the target with other edges; a layer has a bias where the target's has or an edge needs it."""
    layers = []
    for layer, matrix in zip(target.layers, matrices, strict=True):
        weight, bias = matrix[:, :-1], matrix[:, -1]
        layers.append(Dense(weight, None if layer.bias is None and not bias.any() else bias))
    return target.with_layers(layers)


def size_of(matrices: Sequence[FloatArray]) -> int:
    """Return the number of edges that are not 0."""
    return sum(int(np.count_nonzero(matrix)) for matrix in matrices)


def with_constant(points: FloatArray) -> FloatArray:
    """Return points (n, d) with the constant one as the last of d + 1 coordinates."""
    return np.column_stack([points, np.ones(len(points))])


def signed_parts(points: FloatArray) -> FloatArray:
    """Return points that are >= 0, with their constant: signed ones as x_pos (which has it) and x_neg.

    Baykal et al. 2018, footnote 2.
    """
    positive = with_constant(np.maximum(points, 0.0))
    if not (points < 0.0).any():
        return positive
    negative = np.column_stack([np.maximum(-points, 0.0), np.zeros(len(points))])
    return np.concatenate([positive, negative])


def after(matrix: FloatArray, points: FloatArray, *, relu: bool = True) -> FloatArray:
    """Return what a layer makes of points (n, d_in): (n, d_out).

    Raises
    ------
    InvalidNetworkError
        If a value exceeds the range of float64.

    """
    with np.errstate(over="ignore", invalid="ignore"):
        values = with_constant(points) @ matrix.T
    if not np.isfinite(values).all():
        raise InvalidNetworkError("activations of the data exceed the range of float64; scale the network")
    return np.maximum(values, 0.0) if relu else values


def checked_points(points: Any, width: int, what: str = "data") -> FloatArray:
    """Return points as float64 (n, width), n >= 1.

    Raises
    ------
    InvalidNetworkError
        If they are not finite numbers, there are none, or they have another width.

    """
    values = exact_float64(points, what)
    if values.ndim != 2 or values.shape[1] != width:
        raise InvalidNetworkError(f"{what} must have shape (n, {width}), got {values.shape}")
    if not len(values):
        raise InvalidNetworkError(f"{what} is empty: give at least one point")
    return values

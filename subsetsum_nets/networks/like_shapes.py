"""Two networks of unlike shapes as two of one shape, so that they can be compared layer by layer.

Nothing is rounded. Of equally deep networks both get units that are constantly 0, until their widths agree:
where units were removed, what is left stands beside what it came from. Any other pair becomes f - g and 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import csr_of_nonzeros, dense_array
from subsetsum_nets.networks.convolution_matrix import has_kernel
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError, UnsupportedStructureError
from subsetsum_nets.networks.merged import difference_network
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray, Ints

_MOST_WEIGHTS = 2**24  # of both networks, unrolled
_MOST_PAIRED = 2**22  # products of the numbers of units of a layer, for which the best pairs are looked for


def like_shaped(target: ReluNetwork, pruned: ReluNetwork) -> tuple[ReluNetwork, ReluNetwork]:
    """Return two networks of one shape whose difference is that of f and g, exactly in real arithmetic.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g, with the same numbers of inputs and outputs.

    Returns
    -------
    (ReluNetwork, ReluNetwork)
        :func:`widened` where that is possible, else :func:`difference_network` and a network that is 0.

    Raises
    ------
    UnsupportedStructureError
        If the networks are too large, or f - g has a bias beyond float64.

    Examples
    --------
    >>> f, g = ReluNetwork([Dense([[1.0], [2.0]]), Dense([[1.0, 1.0]])]), ReluNetwork([Dense([[3.0]])])
    >>> [network.widths for network in like_shaped(f, g)]
    [(1, 4, 1), (1, 4, 1)]

    """
    return widened(target, pruned) or _less_nothing(target, pruned)


def widened(target: ReluNetwork, pruned: ReluNetwork) -> tuple[ReluNetwork, ReluNetwork] | None:
    """Return f and g with units that are constantly 0 added, so that their widths agree.

    Units of g keep the order that pairs them best with those of f, layer by layer, by their input weights.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g, with the same numbers of inputs and outputs.

    Returns
    -------
    (ReluNetwork, ReluNetwork) or None
        None where the depths or the places of the ReLUs differ, or a layer is a convolution.

    Examples
    --------
    >>> f = ReluNetwork([Dense([[1.0], [2.0]]), Dense([[1.0, 1.0]])])
    >>> wide, same = widened(ReluNetwork([Dense([[2.0]]), Dense([[3.0]])]), f)
    >>> same.layers[0].weight.tolist(), wide.layers[0].weight.tolist(), wide.layers[1].weight.tolist()
    ([[2.0], [1.0]], [[2.0], [0.0]], [[3.0, 0.0]])

    """
    layers = (*target.affine_layers, *pruned.affine_layers)
    if target.relu_after != pruned.relu_after or any(has_kernel(layer.weight) for layer in layers):
        return None
    _check_size(target, pruned)
    widths = [max(pair) for pair in zip(target.widths, pruned.widths, strict=True)]
    places_f = places_g = np.arange(widths[0])
    wide: tuple[list[Dense], list[Dense]] = ([], [])
    for index, (f, g) in enumerate(zip(target.affine_layers, pruned.affine_layers, strict=True), 1):
        rows_f = _spread(dense_array(f.weight), places_f, widths[index - 1])
        rows_g = _spread(dense_array(g.weight), places_g, widths[index - 1])
        places_f = np.arange(f.d_out)
        last = index == len(target.layers)
        places_g = places_f if last else _paired(_with_bias(rows_f, f.offset), _with_bias(rows_g, g.offset))
        for layers_of, rows, offset, places in (
            (wide[0], rows_f, f.offset, places_f),
            (wide[1], rows_g, g.offset, places_g),
        ):
            biases = _spread(offset[np.newaxis], places, widths[index])[0]
            layers_of.append(
                Dense(_spread(rows.T, places, widths[index]).T, biases if biases.any() else None)
            )
    return target.with_layers(wide[0]), pruned.with_layers(wide[1])


def _spread(matrix: FloatArray, places: Ints, width: int) -> FloatArray:
    """Return a matrix whose columns stand at these places among ``width``, the others being 0."""
    wide = np.zeros((len(matrix), width))
    wide[:, places] = matrix
    return wide


def _with_bias(rows: FloatArray, bias: FloatArray) -> FloatArray:
    return np.column_stack([rows, bias])


def _paired(rows_f: FloatArray, rows_g: FloatArray) -> Ints:
    """Return places of g's units among those of both, the nearest of f's for as many as there are.

    Any places are right; these make the two networks alike.
    """
    if len(rows_f) * len(rows_g) > _MOST_PAIRED:
        return np.arange(len(rows_g))
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    largest = max(float(np.abs(rows_f).max()), float(np.abs(rows_g).max()))
    scale = largest if largest > 0.0 else 1.0
    of_g, of_f = linear_sum_assignment(cdist(rows_g / scale, rows_f / scale, "cityblock"))
    places = np.full(len(rows_g), -1)
    places[of_g] = of_f
    alone = places < 0
    places[alone] = np.arange(len(rows_f), len(rows_f) + int(alone.sum()))
    return places


def _less_nothing(target: ReluNetwork, pruned: ReluNetwork) -> tuple[ReluNetwork, ReluNetwork]:
    """Return f - g, and the same network with 0 for its outputs."""
    _check_size(target, pruned)
    try:
        difference = difference_network(target, pruned)
    except InvalidNetworkError as error:
        raise UnsupportedStructureError(str(error)) from None
    *hidden, last = difference.dense_layers
    return difference, ReluNetwork([*hidden, Dense(csr_of_nonzeros(np.zeros((last.d_out, last.d_in))))])


def _check_size(target: ReluNetwork, pruned: ReluNetwork) -> None:
    layers = (*target.affine_layers, *pruned.affine_layers)
    size = sum(layer.d_in * layer.d_out for layer in layers)
    if size > _MOST_WEIGHTS:
        raise UnsupportedStructureError(
            f"networks of unlike shapes can be compared layer by layer up to {_MOST_WEIGHTS} weights, zeros "
            f"and unrolled convolutions included; these have {size} (method 'interval' needs none of this)"
        )

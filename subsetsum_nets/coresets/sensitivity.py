"""Empirical sensitivities: how much an edge counts, at most, in what enters its neuron.

Baykal et al. 2018, Definition 2, per sign: what adds to a neuron and what takes from it are looked at apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.coresets.edges import after, checked_points, edge_matrices, signed_parts

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork


class Sensitivities(NamedTuple):
    """Of the edges of one layer, each (d_out, d_in + 1), the last column the bias'; 0 for the other sign."""

    positive: FloatArray
    negative: FloatArray


def sensitivities(network: ReluNetwork, points: Any) -> list[Sensitivities]:
    """Return the empirical sensitivities of all edges: Baykal et al. 2018, Definition 2.

    ``s(j) = max over the points of |w_j| a_j / sum_k |w_k| a_k`` over the edges k of the same sign, where a
    are the activations of the network itself, and a bias is the edge from a constant one. Signed inputs are
    split into their positive and negative parts, which are points both. Where all of a sum is 0, its edges
    count as 0.

    Parameters
    ----------
    network : ReluNetwork
        Of Dense layers with ReLU between them.
    points : array_like, shape (n, d_0)

    Returns
    -------
    list of (positive, negative)
        One pair a layer; float64 arrays (d_out, d_in + 1), the last column the bias.

    Raises
    ------
    InvalidNetworkError
        For other networks, or points of another width, not finite, or none.

    Examples
    --------
    >>> from subsetsum_nets import Dense, ReluNetwork
    >>> (layer,) = sensitivities(ReluNetwork([Dense([[3.0, 1.0, -2.0]])]), [[1.0, 1.0, 1.0]])
    >>> layer.positive, layer.negative
    (array([[0.75, 0.25, 0.  , 0.  ]]), array([[0., 0., 1., 0.]]))

    """
    matrices = edge_matrices(network)
    values = checked_points(points, network.widths[0], "points")
    found = []
    for matrix in matrices:
        found.append(layer_sensitivities(matrix, signed_parts(values)))
        values = after(matrix, values)
    return found


def layer_sensitivities(matrix: FloatArray, parts: FloatArray) -> Sensitivities:
    """Return the sensitivities of a layer's edges at points that are >= 0 and have their constant."""
    positive, negative = np.maximum(matrix, 0.0), np.maximum(-matrix, 0.0)
    return Sensitivities(_largest_shares(positive, parts), _largest_shares(negative, parts))


def _largest_shares(weights: FloatArray, parts: FloatArray) -> FloatArray:
    largest = np.zeros_like(weights)
    for point in parts:
        terms = weights * np.ldexp(point, -int(np.frexp(point.max())[1]))  # shares are those of any scale
        total = terms.sum(axis=1, keepdims=True)
        np.divide(terms, total, out=terms, where=total > 0.0)
        np.maximum(largest, terms, out=largest)
    return np.minimum(largest, 1.0)


def delta_hat(matrix: FloatArray, parts: FloatArray) -> FloatArray:
    """Return how much a neuron's sum cancels, at most: Baykal et al. 2018, Algorithm 2, line 6.

    The largest ``sum_k |w_k a_k| / |sum_k w_k a_k|`` over the points, (d_out,); 0/0 is 1, and x/0 infinite.
    """
    absolute, total = parts @ np.abs(matrix).T, np.abs(parts @ matrix.T)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(absolute == 0.0, 1.0, absolute / total)
    largest: FloatArray = np.maximum(ratios, 1.0).max(axis=0)
    return largest

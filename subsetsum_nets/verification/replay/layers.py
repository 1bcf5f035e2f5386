"""Effective layers of a pruned network as exact matrices, read off its stored weights.

The same statement as :mod:`~subsetsum_nets.verification.enclosures.effective`, proven again without it: a
pair of layers whose hidden units look at one input each is ``x -> P max(x, 0) + N min(x, 0) + c``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, integers, zeros

if TYPE_CHECKING:
    from subsetsum_nets.networks.convolution import AffineConvolution
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Affine = Dense | AffineConvolution


@dataclass(frozen=True, eq=False)
class ExactLayer:
    """The layer ``x -> P max(x, 0) + N min(x, 0) + c``; ``negative is positive`` when it is affine.

    Parameters
    ----------
    positive, negative : ExactMatrix, shape (d_out, d_in)
    bias : ExactMatrix, shape (d_out, 1)

    """

    positive: ExactMatrix
    negative: ExactMatrix
    bias: ExactMatrix

    def minus(self, layer: ExactLayer) -> ExactLayer:
        """Return the error ``self - layer`` for an affine ``layer``."""
        positive = self.positive - layer.positive
        negative = positive if self.negative is self.positive else self.negative - layer.positive
        return ExactLayer(positive, negative, self.bias - layer.bias)


def exact_layers(network: ReluNetwork) -> list[ExactLayer]:
    """Return the layers of a network as they are stored.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> (layer,) = exact_layers(ReluNetwork([Dense([[0.5, -1.0]])]))
    >>> layer.positive.fractions()
    [Fraction(1, 2), Fraction(-1, 1)]

    """
    return [_exact_layer(layer) for layer in network.affine_layers]


def exact_effective_layers(target: ReluNetwork, pruned: ReluNetwork) -> list[ExactLayer]:
    """Return what ``pruned`` computes in place of each layer of ``target``, exactly.

    Parameters
    ----------
    target : ReluNetwork
        f, with l layers.
    pruned : ReluNetwork
        g, with l layers, or 2 l layers that form pairs.

    Raises
    ------
    UnsupportedStructureError
        If ``pruned`` is not of this form.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0]])])
    >>> g = ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -3.0]])])    # 2 relu(x/2) - 3 relu(-x/2)
    >>> (layer,) = exact_effective_layers(f, g)
    >>> layer.positive.fractions(), layer.negative.fractions()
    ([Fraction(1, 1)], [Fraction(3, 2)])

    """
    originals, stored = target.affine_layers, pruned.affine_layers
    count = len(originals)
    depth, rest = divmod(len(stored), count)
    if rest or depth not in (1, 2):
        raise UnsupportedStructureError(
            f"{len(stored)} layers cannot be compared with {count} layer by layer; {count} or {2 * count} can"
        )
    if list(pruned.relu_after[depth - 1 :: depth]) != list(target.relu_after):
        raise UnsupportedStructureError("ReLUs follow other layers of the pruned network than of the target")
    effective = []
    for index, layer in enumerate(originals):
        first, second = stored[depth * index], stored[depth * index + depth - 1]
        if (first.d_in, second.d_out) != (layer.d_in, layer.d_out):
            raise UnsupportedStructureError(
                f"layer {index} of the target maps {layer.d_in} to {layer.d_out} values, its replacement "
                f"{first.d_in} to {second.d_out}"
            )
        if depth == 1:
            effective.append(_exact_layer(first))
        elif pruned.relu_after[2 * index]:
            effective.append(_relu_pair(first, second, 2 * index))
        else:
            inner, outer = _exact_layer(first), _exact_layer(second)
            product = outer.positive @ inner.positive
            effective.append(ExactLayer(product, product, outer.positive @ inner.bias + outer.bias))
    return effective


def _exact_layer(layer: Affine) -> ExactLayer:
    weight: Any = layer.weight
    if hasattr(weight, "tocsr"):
        weight = weight.tocsr().toarray()
    matrix = ExactMatrix.from_floats(weight)
    return ExactLayer(matrix, matrix, _bias(layer))


def _bias(layer: Affine) -> ExactMatrix:
    return zeros(layer.d_out) if layer.bias is None else ExactMatrix.from_floats(layer.bias)


def _relu_pair(first: Affine, second: Affine, index: int) -> ExactLayer:
    """Collect the units of a pair with a ReLU inside; ``index`` names its hidden layer in messages.

    A unit ``max(u x_j, 0)`` with outgoing weight v adds ``v u`` to column j of P for u > 0, of N for u < 0;
    a unit ``max(a, 0)`` without input adds ``v max(a, 0)`` to c.
    """
    units, inputs, slopes = _entries(first.weight)
    slope_ints, slope_scale = integers(slopes)
    bias_ints, bias_scale = integers(np.zeros(first.d_out) if first.bias is None else first.bias)
    looks_at: dict[int, tuple[int, int]] = {}
    for unit, j, slope in zip(units, inputs, slope_ints, strict=True):
        if unit in looks_at:
            raise UnsupportedStructureError(
                f"unit {unit} of hidden layer {index} has two nonzero input weights"
            )
        if bias_ints[unit]:
            raise UnsupportedStructureError(
                f"unit {unit} of hidden layer {index} has an input weight and a bias"
            )
        looks_at[unit] = (j, slope)
    outputs, sources, weights = _entries(second.weight)
    weight_ints, weight_scale = integers(weights)
    shape = (second.d_out, first.d_in)
    positive, negative = ([0] * (shape[0] * shape[1]) for _ in range(2))
    constant = [0] * shape[0]
    for i, unit, weight in zip(outputs, sources, weight_ints, strict=True):
        if unit in looks_at:
            j, slope = looks_at[unit]
            (positive if slope > 0 else negative)[i * shape[1] + j] += weight * slope
        else:
            constant[i] += weight * max(bias_ints[unit], 0)
    scale = slope_scale + weight_scale
    return ExactLayer(
        ExactMatrix.from_ints(positive, shape, scale),
        ExactMatrix.from_ints(negative, shape, scale),
        ExactMatrix.from_ints(constant, (shape[0], 1), weight_scale + bias_scale) + _bias(second),
    )


def _entries(weight: Any) -> tuple[list[int], list[int], Any]:
    """Return rows, columns and values of the nonzero entries."""
    if hasattr(weight, "tocsr"):
        triplets = weight.tocsr().tocoo()
        used = triplets.data != 0.0
        return triplets.row[used].tolist(), triplets.col[used].tolist(), triplets.data[used]
    rows, columns = np.nonzero(weight)
    return rows.tolist(), columns.tolist(), weight[rows, columns]

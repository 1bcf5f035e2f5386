"""Effective layers of a pruned network as exact matrices, read off its stored weights.

The same statement as :mod:`~subsetsum_nets.verification.enclosures.effective`, proven again without it: a
group of layers (:mod:`~subsetsum_nets.networks.layer_groups`) is ``x -> P max(x, 0) + N min(x, 0) + c``. That
every ReLU inside it meets only such units is checked here on the exact numbers.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.layer_groups import LayerGroup, layer_groups
from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, integers

if TYPE_CHECKING:
    from subsetsum_nets.networks.layer_shapes import AffineLayer
    from subsetsum_nets.networks.relu_network import ReluNetwork


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


_Row = dict[int, int]  # numbers of columns that are not 0


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
        g, with a group of layers for each layer of f.

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
    return [_effective(group) for group in layer_groups(target, pruned)]


def _effective(group: LayerGroup) -> ExactLayer:
    first, *others = group.layers
    if any(group.relu_after):
        return _folded(group)
    effective = _exact_layer(first)
    for layer in map(_exact_layer, others):
        weight = layer.positive @ effective.positive
        effective = ExactLayer(weight, weight, layer.positive @ effective.bias + layer.bias)
    return effective


def _exact_layer(layer: AffineLayer) -> ExactLayer:
    matrix = ExactMatrix.from_floats(dense_array(layer.weight))
    return ExactLayer(matrix, matrix, ExactMatrix.from_floats(layer.offset))


def _folded(group: LayerGroup) -> ExactLayer:
    """Follow all units through a group with ReLUs inside, as sums over max(x, 0), min(x, 0) and 1.

    Numbers of columns: j for the positive part of input j, d + j for its negative part, 2 d for 1.
    """
    d = group.layers[0].d_in
    rows, scale = [{j: 1, d + j: 1} for j in range(d)], 0  # the inputs
    for index, (layer, relu) in enumerate(
        zip(group.layers, (*group.relu_after, False), strict=True), group.start
    ):
        rows, scale = _through(layer, rows, scale, 2 * d)
        if relu:
            rows = [
                _relu(row, d, f"unit {unit} of hidden layer {index}", nonnegative=group.nonnegative)
                for unit, row in enumerate(rows)
            ]
    parts = [
        ExactMatrix.from_ints(
            [row.get(j, 0) for row in rows for j in columns], (len(rows), len(columns)), scale
        )
        for columns in (range(d), range(d, 2 * d), range(2 * d, 2 * d + 1))
    ]
    return ExactLayer(*parts)


def _through(layer: AffineLayer, rows: list[_Row], scale: int, one: int) -> tuple[list[_Row], int]:
    """Return a layer's units, sums of numbers / 2**scale, and their scale, from the units before it.

    Biases go to column ``one``.
    """
    units, sources, weights = entries(layer.weight)
    numbers, weight_scale = integers(weights)
    biases, bias_scale = integers(layer.offset)
    finer = max(scale + weight_scale, bias_scale)
    shift = finer - scale - weight_scale
    sums: list[_Row] = [defaultdict(int) for _ in biases]
    for total, bias in zip(sums, biases, strict=True):
        total[one] = bias << finer - bias_scale
    terms = [list(row.items()) for row in rows]
    for unit, source, weight in zip(units, sources, (number << shift for number in numbers), strict=True):
        total = sums[unit]
        for column, value in terms[source]:
            total[column] += weight * value
    return sums, finer


def _relu(row: _Row, d: int, unit: str, *, nonnegative: bool) -> _Row:
    """Return max(r q, 0) for a unit r q with q = (max(x, 0), -min(x, 0), 1) >= 0: a sum again, or refused."""
    minus = range(d, 2 * d)
    entries = {column: -value if column in minus else value for column, value in row.items()}
    counted = {c: r for c, r in entries.items() if r and not (nonnegative and c in minus)}
    inputs = {c % d if c < 2 * d else None for c in counted}
    if len(inputs) > 1 and min(counted.values()) < 0 < max(counted.values()):
        raise UnsupportedStructureError(
            f"{unit} depends on {len(inputs)} of its group's inputs and the constant 1, with both signs"
        )
    return {c: row[c] for c, r in entries.items() if r > 0}


def entries(weight: Any) -> tuple[list[int], list[int], Any]:
    """Return rows, columns and values of the nonzero entries of a weight, dense or not."""
    if hasattr(weight, "tocsr"):
        triplets = weight.tocsr().tocoo()
        used = triplets.data != 0.0
        return triplets.row[used].tolist(), triplets.col[used].tolist(), triplets.data[used]
    rows, columns = np.nonzero(weight)
    return rows.tolist(), columns.tolist(), weight[rows, columns]

"""Effective weights: what a pruned network computes for each layer of the target, read off its weights.

A group of layers, see :mod:`~subsetsum_nets.networks.layer_groups`, is a two-slope layer ``P max(x, 0) +
N min(x, 0) + c``; of two layers whose hidden units look at one input each, it is the block construction of
Pensia et al. 2020, Lemmas 1-3. Nothing of how the group was found is trusted or needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import Bools, FloatArray, is_sparse
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix, has_kernel
from subsetsum_nets.networks.layer_groups import LayerGroup, layer_groups
from subsetsum_nets.verification.enclosures.convolutions import (
    MatrixSet,
    alike,
    composed,
    interleaved,
    point_set,
    seen_entries,
    side_by_side,
)
from subsetsum_nets.verification.enclosures.midrad import (
    Matrix,
    MidRad,
    affine,
    entries,
    inflate,
    matmul,
    product_up,
    with_entries,
)

if TYPE_CHECKING:
    from subsetsum_nets.networks.layer_shapes import AffineLayer
    from subsetsum_nets.networks.relu_network import ReluNetwork


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """Upper bounds of the errors of one layer's effective weights, all nonnegative float64.

    Parameters
    ----------
    positive, negative : array or ConvolutionMatrix, shape (d_out, d_in)
        Both of one kind; convolutions with kernels of one shape along the same axes. Bounds of
        ``|P - W|`` and ``|N - W|``: the errors for inputs that are >= 0 and <= 0.
    bias : array, shape (d_out,)
        Bounds of ``|c' - b|``.

    Examples
    --------
    >>> LayerErrors(np.full((1, 2), 1e-3), np.full((1, 2), 2e-3), np.zeros(1)).worst
    0.002

    """

    positive: Matrix
    negative: Matrix
    bias: FloatArray

    def scaled(self, factor: float) -> LayerErrors:
        """Return the bounds times a factor, in floats."""
        positive, negative = (with_entries(m, factor * entries(m)) for m in (self.positive, self.negative))
        return LayerErrors(positive, negative, factor * self.bias)

    @property
    def worst(self) -> float:
        """The largest of all these bounds."""
        return float(max(entries(self.positive).max(), entries(self.negative).max(), self.bias.max()))

    def worst_counted(self, may_be_positive: Bools, may_be_negative: Bools) -> float:
        """Return the largest bound that some input makes count.

        Parameters
        ----------
        may_be_positive, may_be_negative : bool array, shape (d_in,)
            Which inputs can be > 0, < 0. A weight of a convolution counts if it does at some pixel.

        """
        positive = seen_entries(self.positive, may_be_positive).max(initial=0.0)
        negative = seen_entries(self.negative, may_be_negative).max(initial=0.0)
        return float(max(positive, negative, self.bias.max()))


@dataclass(frozen=True, eq=False)
class TwoSlope:
    """An enclosure of a layer ``x -> P max(x, 0) + N min(x, 0) + c``.

    ``negative is positive`` when the layer is known to be affine (P = N). Both are of one kind; as
    ConvolutionMidRad they have kernels of one shape along the same axes.
    """

    positive: MatrixSet
    negative: MatrixSet
    bias: MidRad

    def minus(self, layer: AffineLayer) -> TwoSlope:
        """Return an enclosure of the error ``self - layer``, again a two-slope layer."""
        positive = _difference(self.positive, layer)
        negative = positive if self.negative is self.positive else _difference(self.negative, layer)
        return TwoSlope(positive, negative, self.bias.minus(MidRad.point(layer.offset)))

    def image(self, x: MidRad) -> MidRad:
        """Enclose the values of the layer for all x in a set, shape (d_in,)."""
        low, high = x.bounds()
        slopes, inputs = [self.positive], [MidRad.from_bounds(np.maximum(low, 0.0), np.maximum(high, 0.0))]
        if (low < 0.0).any():
            slopes.append(self.negative)
            inputs.append(MidRad.from_bounds(np.minimum(low, 0.0), np.minimum(high, 0.0)))
        weight = self.positive.mid
        signed = MidRad(
            interleaved(weight, [i.mid for i in inputs]), interleaved(weight, [i.rad for i in inputs])
        )
        values = affine(side_by_side([s.mid for s in slopes]), signed, self.bias.mid)
        spread = product_up(side_by_side([s.rad for s in slopes]), signed.magnitude())
        return MidRad(values.mid, inflate(values.rad + spread + self.bias.rad, 2))

    def magnitudes(self) -> LayerErrors:
        """Return upper bounds of the absolute weights."""
        return LayerErrors(self.positive.magnitude(), self.negative.magnitude(), self.bias.magnitude())


def effective_layers(target: ReluNetwork, pruned: ReluNetwork) -> tuple[TwoSlope, ...]:
    """Return what ``pruned`` computes in place of each layer of ``target``, as two-slope layers.

    Parameters
    ----------
    target : ReluNetwork
        f.
    pruned : ReluNetwork
        g, with a group of layers for each layer of f: see
        :func:`~subsetsum_nets.networks.layer_groups.layer_groups`. Two convolutions stay a convolution where
        one of them looks at single pixels, as in da Cunha et al. 2023, Lemma 12; others are unrolled.

    Raises
    ------
    UnsupportedStructureError
        If ``pruned`` is not of this form.
    BoundOverflowError
        If an effective weight exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0]])])
    >>> g = ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -3.0]])])    # 2 relu(x/2) - 3 relu(-x/2)
    >>> (layer,) = effective_layers(f, g)
    >>> layer.positive.mid, layer.negative.mid
    (array([[1.]]), array([[1.5]]))

    """
    return tuple(_effective(group) for group in layer_groups(target, pruned))


def _effective(group: LayerGroup) -> TwoSlope:
    first, *others = group.layers
    if not others:
        weight = point_set(first.weight)
        return TwoSlope(weight, weight, MidRad.point(first.offset))
    if (pair := group.convolutions) is not None:
        return _convolutions(group, *pair)
    return _matrices(group)


def _difference(weight: MatrixSet, layer: AffineLayer) -> MatrixSet:
    """Enclose the weight less that of a layer: unrolled where one is a convolution and it is not alike."""
    other = point_set(layer.weight)
    kernels = has_kernel(weight.mid) or has_kernel(other.mid)
    if kernels and not alike(weight.mid, other.mid):
        return weight.toarray().minus(other.toarray())
    return weight.minus(other)


def _convolutions(group: LayerGroup, before: ConvolutionMatrix, after: ConvolutionMatrix) -> TwoSlope:
    """Enclose two convolutions that combine to one, channel by channel.

    The inputs of a hidden channel are the entries of its kernel. Only constants differ from pixel to pixel,
    near the border.
    """
    first, second = group.layers
    if not any(group.relu_after):
        (weight,) = composed(before, after, before.rows)
        return TwoSlope(weight, weight, affine(second.weight, MidRad.point(first.offset), second.offset))
    from scipy.sparse import hstack

    positive, negative = composed(before, after, hstack(_halves(before.rows)).tocsr())
    constants = affine(second.weight, MidRad.point(np.maximum(first.offset, 0.0)))
    return TwoSlope(positive, negative, constants.plus(second.offset))


def _matrices(group: LayerGroup) -> TwoSlope:
    """Enclose a group of matrices, by what the values after each layer are of x and of 1.

    Behind a ReLU they are of max(x, 0), min(x, 0) and 1, and each further ReLU takes the positive part of
    what is of max(x, 0) or 1 and the negative part of what is of min(x, 0).
    """
    first, *others = group.matrices
    parts: list[Any] = [first.weight, first.offset[:, np.newaxis]]
    for layer, relu in zip(others, group.relu_after, strict=True):
        if relu:
            parts = _relu(parts)
        *slopes, constant = _times(layer.weight, parts)
        parts = [*slopes, constant.plus(layer.offset[:, np.newaxis])]
    return TwoSlope(parts[0], parts[-2], MidRad(parts[-1].mid[:, 0], parts[-1].rad[:, 0]))


def _relu(parts: list[Any]) -> list[Any]:
    """Return what units are of max(x, 0), min(x, 0) and 1 behind a ReLU; exact parts become CSR."""
    positive, negative, constant = parts[0], parts[-2], parts[-1]
    if isinstance(constant, MidRad):
        return [positive.relu(), -(-negative).relu(), constant.relu()]
    return [*_halves(positive), _halves(constant)[0]]


def _halves(values: Any) -> tuple[Any, Any]:
    """Return the positive and the negative parts of exact values, as CSR of their nonzeros."""
    from scipy.sparse import csr_array

    exact = csr_array(values)
    halves = exact.maximum(0.0), exact.minimum(0.0)
    for half in halves:
        half.eliminate_zeros()
    return halves


def _times(weight: Matrix, parts: list[Any]) -> list[MidRad]:
    """Enclose the products of an exact weight and parts that are all exact or all enclosed."""
    if isinstance(parts[-1], MidRad):
        return [affine(weight, part) for part in parts]
    from scipy.sparse import hstack

    joined = hstack(parts).tocsr() if any(map(is_sparse, parts)) else np.concatenate(parts, axis=1)
    product, ends = matmul(weight, joined), np.cumsum([part.shape[1] for part in parts])
    return [
        MidRad(product.mid[:, start:end], product.rad[:, start:end]) for start, end in pairwise([0, *ends])
    ]

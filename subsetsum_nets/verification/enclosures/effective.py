"""Effective weights: what a pruned network computes for each layer of the target, read off its weights.

A pair of layers ``V relu(A x + a) + c`` whose hidden units look at one input each is a two-slope layer
``P max(x, 0) + N min(x, 0) + c'``: the block construction of Pensia et al. 2020, Lemmas 1-3. Nothing of how
the pair was found is trusted or needed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.convolution import ConvolutionMatrix
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.verification.enclosures.convolutions import (
    ConvolutionMidRad,
    channels_where,
    composable,
    composed,
    hidden_rows,
    interleaved,
    side_by_side,
)
from subsetsum_nets.verification.enclosures.midrad import MidRad, affine, entries, inflate, matmul, product_up
from subsetsum_nets.verification.errors import UnsupportedStructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.convolution import AffineConvolution
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.enclosures.convolutions import MatrixSet
    from subsetsum_nets.verification.enclosures.midrad import Matrix

    AffineLayer = Dense | AffineConvolution
    BoolArray = NDArray[np.bool_]

_MOST_UNROLLED = 2**24  # entries of a matrix that a convolution is unrolled to


@dataclass(frozen=True, eq=False)
class LayerErrors:
    """Upper bounds of the errors of one layer's effective weights, all nonnegative float64.

    Parameters
    ----------
    positive, negative : array or ConvolutionMatrix, shape (d_out, d_in)
        Both of one kind; convolutions with kernels of one shape about one centre. Bounds of
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

    @property
    def worst(self) -> float:
        """The largest of all these bounds."""
        return float(max(entries(self.positive).max(), entries(self.negative).max(), self.bias.max()))

    def worst_counted(self, may_be_positive: BoolArray, may_be_negative: BoolArray) -> float:
        """Return the largest bound that some input makes count.

        Parameters
        ----------
        may_be_positive, may_be_negative : bool array, shape (d_in,)
            Which inputs can be > 0, < 0. A weight of a convolution counts if it does at some pixel.

        """
        positive = _columns(self.positive, may_be_positive).max(initial=0.0)
        negative = _columns(self.negative, may_be_negative).max(initial=0.0)
        return float(max(positive, negative, self.bias.max()))


@dataclass(frozen=True, eq=False)
class TwoSlope:
    """An enclosure of a layer ``x -> P max(x, 0) + N min(x, 0) + c``.

    ``negative is positive`` when the layer is known to be affine (P = N). Both are of one kind; as
    ConvolutionMidRad they have kernels of one shape about one centre.
    """

    positive: MatrixSet
    negative: MatrixSet
    bias: MidRad

    def minus(self, layer: AffineLayer) -> TwoSlope:
        """Return an enclosure of the error ``self - layer``, again a two-slope layer."""
        positive = _difference(self.positive, layer)
        negative = positive if self.negative is self.positive else _difference(self.negative, layer)
        return TwoSlope(positive, negative, self.bias.minus(MidRad.point(_bias(layer))))

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
        f, with l layers.
    pruned : ReluNetwork
        g, with l layers, or 2 l layers that form pairs. A pair with a ReLU inside needs hidden units with at
        most one nonzero input weight; only a unit without one may have a bias. A pair without is any product
        of matrices. Pairs of convolutions stay convolutions where one of the two looks at single pixels, as
        in da Cunha et al. 2023, Lemma 12, and are unrolled otherwise.

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
    count = len(target.layers)
    if len(pruned.layers) not in (count, 2 * count):
        raise UnsupportedStructureError(
            f"the pruned network has {len(pruned.layers)} layers; comparing it with a target of {count} "
            f"layers layer by layer needs {count} or {2 * count} (method 'interval' needs no such structure)"
        )
    depth = len(pruned.layers) // count
    effective = []
    parts = pruned.affine_layers
    for index, layer in enumerate(target.affine_layers):
        last = depth * (index + 1) - 1
        if pruned.relu_after[last] != target.relu_after[index]:
            raise UnsupportedStructureError(
                f"a ReLU follows layer {index} of the target or layer {last} of the pruned network, "
                "but not both"
            )
        first, second = parts[depth * index], parts[last]
        if (first.d_in, second.d_out) != (layer.d_in, layer.d_out):
            raise UnsupportedStructureError(
                f"layer {index} of the target maps {layer.d_in} to {layer.d_out} values, its replacement "
                f"{first.d_in} to {second.d_out}"
            )
        if depth == 1:
            weight = weight_point(first)
            effective.append(TwoSlope(weight, weight, MidRad.point(_bias(first))))
        elif pruned.relu_after[last - 1]:
            effective.append(_relu_pair(first, second, last - 1))
        else:
            weight = _product(first, second, last - 1)
            bias = affine(second.weight, MidRad.point(_bias(first)), _bias(second))
            effective.append(TwoSlope(weight, weight, bias))
    return tuple(effective)


def weight_point(layer: AffineLayer) -> MatrixSet:
    """Return the set that holds the weight of a layer alone."""
    weight = layer.weight
    if isinstance(weight, ConvolutionMatrix):
        return ConvolutionMidRad.point(weight)
    return MidRad.point(dense_weight(layer))


def _difference(weight: MatrixSet, layer: AffineLayer) -> MatrixSet:
    """Enclose the weight less that of a layer: unrolled unless both are for images of one size."""
    other = weight_point(layer)
    both = isinstance(weight, ConvolutionMidRad) and isinstance(other, ConvolutionMidRad)
    if both and weight.mid.image == other.mid.image:
        return weight.minus(other)
    ours, theirs = (
        part.toarray() if isinstance(part, ConvolutionMidRad) else part for part in (weight, other)
    )
    return ours.minus(theirs)


def _product(first: AffineLayer, second: AffineLayer, index: int) -> MatrixSet:
    """Enclose the product of the weights of a pair without a ReLU inside."""
    if (pair := _convolutions(first, second)) is not None:
        return composed(*pair, hidden_rows(pair[0]))[0]
    first, second = _unrolled(first, second, index)
    return matmul(second.weight, first.weight)


def _convolutions(
    first: AffineLayer, second: AffineLayer
) -> tuple[ConvolutionMatrix, ConvolutionMatrix] | None:
    """Return the weights of a pair whose product is a convolution again."""
    before, after = first.weight, second.weight
    if not (isinstance(before, ConvolutionMatrix) and isinstance(after, ConvolutionMatrix)):
        return None
    return composable(before, after)


def _unrolled(first: AffineLayer, second: AffineLayer, index: int) -> tuple[Dense, Dense]:
    """Return a pair as matrices, convolutions as sparse ones; ``index`` names the hidden layer."""
    convolutional = any(isinstance(layer.weight, ConvolutionMatrix) for layer in (first, second))
    if convolutional and second.d_out * first.d_in > _MOST_UNROLLED:
        raise UnsupportedStructureError(
            f"the layers around hidden layer {index} do not combine to a convolution, as one of them would "
            f"have to look at single pixels, and unrolled they have {second.d_out} x {first.d_in} weights, "
            f"more than {_MOST_UNROLLED} (method 'interval' needs no such structure)"
        )
    before, after = (
        Dense(layer.weight.tocsr(), layer.bias) if isinstance(layer.weight, ConvolutionMatrix) else layer
        for layer in (first, second)
    )
    return before, after


def _relu_pair(first: AffineLayer, second: AffineLayer, index: int) -> TwoSlope:
    """Enclose a pair with a ReLU inside; ``index`` names the hidden layer in messages.

    A pair of convolutions that combine to one is handled channel by channel: the inputs of a hidden channel
    are the entries of its kernel. Only its constants differ from pixel to pixel, near the border.
    """
    pair = _convolutions(first, second)
    if pair is None:
        return _relu_matrices(*_unrolled(first, second, index), index)
    channels = pair[0].kernel.shape[3]
    hidden_bias = None if first.bias is None else first.bias[:channels]
    slopes = _slopes(Dense(hidden_rows(pair[0]), hidden_bias), index)
    positive, negative = composed(*pair, slopes[:, :-1].tocsr())
    pixels = first.d_out // channels
    constants = affine(second.weight, MidRad.point(np.tile(slopes[:, [-1]].toarray().ravel(), pixels)))
    return TwoSlope(positive, negative, constants.plus(_bias(second)))


def _relu_matrices(first: Dense, second: Dense, index: int) -> TwoSlope:
    """Enclose a pair of matrices with a ReLU inside.

    A unit with slope u on input j gives max(u x_j, 0), that is u max(x_j, 0) for u > 0 and u min(x_j, 0) for
    u < 0; a unit without input gives the constant max(a, 0). One product with V collects P, N and c side by
    side.
    """
    slopes = _slopes(first, index)
    product = matmul(second.weight, slopes)
    d_in = first.d_in
    parts = (slice(0, d_in), slice(d_in, 2 * d_in))
    positive, negative = (MidRad(product.mid[:, part], product.rad[:, part]) for part in parts)
    constant = MidRad(product.mid[:, -1], product.rad[:, -1])
    return TwoSlope(positive, negative, constant.plus(_bias(second)))


def _slopes(layer: Dense, index: int) -> csr_array[Any, Any]:
    """Return the hidden units as a sparse (h, 2 d_in + 1) matrix over max(x, 0), min(x, 0) and 1."""
    from scipy.sparse import csr_array

    if is_sparse(layer.weight):
        triplets = layer.weight.tocoo()
        stored = triplets.data != 0.0
        units, inputs, values = triplets.row[stored], triplets.col[stored], triplets.data[stored]
    else:
        weight = dense_weight(layer)
        units, inputs = np.nonzero(weight)
        values = weight[units, inputs]
    fan_in, bias = np.bincount(units, minlength=layer.d_out), _bias(layer)
    if fan_in.max() > 1:
        unit = int(fan_in.argmax())
        raise UnsupportedStructureError(
            f"unit {unit} of hidden layer {index} has {fan_in[unit]} nonzero input weights; "
            "comparing layer by layer needs at most one (method 'interval' does not)"
        )
    kinked = (fan_in == 1) & (bias != 0.0)
    if kinked.any():
        raise UnsupportedStructureError(
            f"unit {int(kinked.argmax())} of hidden layer {index} has both an input weight and a bias; "
            "comparing layer by layer needs at most one of them (method 'interval' does not)"
        )
    constants = np.flatnonzero((fan_in == 0) & (bias > 0.0))
    columns = np.concatenate(
        [
            np.where(values > 0.0, inputs, layer.d_in + inputs),
            np.full(constants.size, 2 * layer.d_in),
        ]
    )
    data = np.concatenate([values, bias[constants]])
    rows = np.concatenate([units, constants])
    return csr_array((data, (rows, columns)), shape=(layer.d_out, 2 * layer.d_in + 1))


def dense_weight(layer: AffineLayer) -> FloatArray:
    """Return the weight of a layer as a dense array (d_out, d_in); that of a convolution unrolled."""
    weight: Any = layer.weight
    dense: FloatArray = weight if isinstance(weight, np.ndarray) else weight.toarray()
    return dense


def _columns(errors: Matrix, inputs: BoolArray) -> FloatArray:
    """Return the errors that belong to these inputs."""
    chosen: FloatArray
    if isinstance(errors, ConvolutionMatrix):
        chosen = errors.kernel[:, :, channels_where(errors, inputs)]
    else:
        chosen = errors[:, inputs]
    return chosen


def _bias(layer: AffineLayer) -> FloatArray:
    return np.zeros(layer.d_out) if layer.bias is None else layer.bias

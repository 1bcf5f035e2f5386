"""Sets of convolutions: midpoint-radius arithmetic on kernels, so that no large image is unrolled.

The same kernel stands at every pixel, so that an enclosure of the kernel encloses the whole matrix; what the
zero padding cuts off at the borders, it cuts off in every matrix of the set. Where windows lie, stride and
dilation included, is the same for all of them: the ``axes`` of their matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import Bools, FloatArray, dense_array
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix, has_kernel
from subsetsum_nets.verification.enclosures.midrad import (
    Matrix,
    MidRad,
    entries,
    inflate,
    matmul,
    sum_up,
    times_up,
    with_entries,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.window_geometry import Axis


@dataclass(frozen=True, eq=False)
class ConvolutionMidRad:
    """All convolutions whose kernel K has ``|K - mid.kernel| <= rad.kernel``: a MidRad of matrices.

    Parameters
    ----------
    mid, rad : ConvolutionMatrix
        Along the same axes; ``rad.kernel >= 0``.

    Examples
    --------
    >>> weight = ConvolutionMatrix(np.full((1, 3, 1, 1), 2.0), (1, 5))
    >>> half = ConvolutionMatrix(np.full((1, 1, 1, 1), 0.5), (1, 5))
    >>> difference = ConvolutionMidRad.point(weight).minus(ConvolutionMidRad.point(half))
    >>> difference.mid.kernel.ravel()
    array([2. , 1.5, 2. ])

    """

    mid: ConvolutionMatrix
    rad: ConvolutionMatrix

    @classmethod
    def point(cls, matrix: ConvolutionMatrix) -> ConvolutionMidRad:
        """Return the set that holds ``matrix`` alone."""
        return cls(matrix, matrix.with_kernel(np.zeros_like(matrix.kernel)))

    @classmethod
    def of_kernel(cls, kernel: MidRad, axes: tuple[Axis, Axis]) -> ConvolutionMidRad:
        """Return the set with the kernels in ``kernel``, shape (rows, columns, c_in, c_out)."""
        mid, rad = (ConvolutionMatrix.along(part, axes) for part in (kernel.mid, kernel.rad))
        return cls(mid, rad)

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in)."""
        return self.mid.shape

    @property
    def kernel(self) -> MidRad:
        """The set of kernels."""
        return MidRad(self.mid.kernel, self.rad.kernel)

    def minus(self, other: ConvolutionMidRad) -> ConvolutionMidRad:
        """Return an enclosure of M - M' for M in this set and M' in ``other``.

        Raises
        ------
        ValueError
            If they are not :func:`alike`.

        """
        if not alike(self.mid, other.mid):
            raise ValueError(f"{self.mid!r} and {other.mid!r} are for images of unlike sizes or strides")
        ours, theirs = _aligned(self, other)
        return ConvolutionMidRad.of_kernel(ours.kernel.minus(theirs.kernel), ours.mid.axes)

    def magnitude(self) -> ConvolutionMatrix:
        """Return an upper bound of ``|M|`` over the set, entry by entry."""
        return self.mid.with_kernel(self.kernel.magnitude())

    def columns(self, chosen: Bools) -> ConvolutionMidRad:
        """Return the set of matrices of the channels that hold some chosen input."""
        channels = channels_where(self.mid, chosen)
        kernel = MidRad(self.mid.kernel[:, :, channels], self.rad.kernel[:, :, channels])
        return ConvolutionMidRad.of_kernel(kernel, self.mid.axes)

    def beside(self, other: MatrixSet) -> ConvolutionMidRad:
        """Return the set of matrices whose pixels have the channels of both."""
        mid, rad = (side_by_side(list(parts)) for parts in ((self.mid, other.mid), (self.rad, other.rad)))
        return ConvolutionMidRad(mid, rad)

    def toarray(self) -> MidRad:
        """Return the set unrolled, as a MidRad of dense matrices (d_out, d_in)."""
        return MidRad(self.mid.toarray(), self.rad.toarray())


MatrixSet = MidRad | ConvolutionMidRad


def point_set(matrix: Matrix) -> Any:
    """Return the set that holds ``matrix`` alone, arrays dense."""
    return ConvolutionMidRad.point(matrix) if has_kernel(matrix) else MidRad.point(dense_array(matrix))


def geometry(matrix: Matrix) -> tuple[object, ...] | None:
    """Return what makes the entries of two kernels stand for the same entries of a matrix; else None."""
    return (matrix.axes, matrix.kernel.shape) if has_kernel(matrix) else None


def alike(a: Matrix, b: Matrix) -> bool:
    """Tell whether two matrices are convolutions whose difference is one: same images, channels, strides."""
    if not (has_kernel(a) and has_kernel(b)):
        return False
    steps = [[(*axis[:2], axis.down, axis.up) for axis in matrix.axes] for matrix in (a, b)]
    return steps[0] == steps[1] and a.kernel.shape[2:] == b.kernel.shape[2:]


def seen_entries(matrix: Matrix, inputs: Bools) -> FloatArray:
    """Return the stored entries of an array or a kernel, 0 in columns (channels) where no input counts."""
    seen: Bools = channels_where(matrix, inputs)[:, np.newaxis] if has_kernel(matrix) else inputs
    return entries(matrix) * seen


def _aligned(a: ConvolutionMidRad, b: ConvolutionMidRad) -> tuple[ConvolutionMidRad, ConvolutionMidRad]:
    """Return two that are alike with kernels of one shape whose entries stand for the same of a matrix."""
    if geometry(a.mid) == geometry(b.mid):
        return a, b
    if any(x.dilation > 1 or y.dilation > 1 for x, y in zip(a.mid.axes, b.mid.axes, strict=True)):
        a, b = (ConvolutionMidRad(_undilated(m.mid), _undilated(m.rad)) for m in (a, b))
    before = [max(x.shift, y.shift) for x, y in zip(a.mid.axes, b.mid.axes, strict=True)]
    after = [max(m.mid.kernel.shape[number] - m.mid.axes[number].shift for m in (a, b)) for number in (0, 1)]
    first, second = (
        ConvolutionMidRad(*(_padded(part, before, after) for part in (m.mid, m.rad))) for m in (a, b)
    )
    return first, second


def _padded(matrix: ConvolutionMatrix, before: list[int], after: list[int]) -> ConvolutionMatrix:
    """Return the matrix with zeros around its kernel: so many places up to its shift, and from it on."""
    margins, axes = [(0, 0)] * 2, list(matrix.axes)
    for number, axis in enumerate(matrix.axes):
        places = matrix.kernel.shape[number]
        margins[number] = before[number] - axis.shift, after[number] - places + axis.shift
        axes[number] = axis._replace(shift=before[number])
    return ConvolutionMatrix.along(np.pad(matrix.kernel, [*margins, (0, 0), (0, 0)]), (axes[0], axes[1]))


def _undilated(matrix: ConvolutionMatrix) -> ConvolutionMatrix:
    """Return the same matrix with a kernel of dilation 1, zeros between the entries that reach an image."""
    kernel, axes = matrix.kernel, list(matrix.axes)
    for number, axis in enumerate(matrix.axes):
        seen = [place for place, _, _ in axis.places(kernel.shape[number])] or [0]
        kept = np.moveaxis(kernel, number, 0)[seen[0] : seen[-1] + 1]
        apart = np.zeros((axis.dilation * (len(kept) - 1) + 1, *kept.shape[1:]))
        apart[:: axis.dilation] = kept
        kernel = np.moveaxis(apart, 0, number)
        axes[number] = axis._replace(shift=axis.shift - axis.dilation * seen[0], dilation=1)
    return ConvolutionMatrix.along(kernel, (axes[0], axes[1]))


def side_by_side(parts: list[Any]) -> Any:
    """Return the matrix [A B ...] whose columns act on the inputs put together by :func:`interleaved`."""
    joined = np.concatenate([entries(part) for part in parts], axis=2 if has_kernel(parts[0]) else 1)
    return with_entries(parts[0], joined)


def interleaved(matrix: Matrix, inputs: list[FloatArray]) -> FloatArray:
    """Return the inputs, (d_in,) each, as one input of as many matrices like ``matrix`` side by side.

    Vectors follow one another, the channels of images do so pixel by pixel.
    """
    if not has_kernel(matrix):
        return np.concatenate(inputs)
    return np.concatenate([_by_channel(matrix, values) for values in inputs], axis=1).ravel()


def channels_where(matrix: ConvolutionMatrix, inputs: Bools) -> Bools:
    """Return which input channels hold some pixel where ``inputs``, shape (d_in,), is True."""
    found: Bools = np.any(_by_channel(matrix, inputs), axis=0)
    return found


def larger_products_up(a: Any, b: Any, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return upper bounds of ``sum_j max(a_ij x_j, b_ij y_j)``, shape (d_out,), all of it nonnegative.

    ``a`` and ``b`` are arrays, or have kernels of one shape along the same axes.
    """
    if not has_kernel(a):
        return sum_up(np.maximum(times_up(a, x), times_up(b, y)))
    left, right = (values.reshape(*a.image, -1) for values in (x, y))
    total = np.zeros((*a.image_out, a.kernel.shape[3]))
    for place, target, source in a.offsets():
        for channel in range(a.kernel.shape[2]):
            total[target] += np.maximum(
                times_up(left[source][..., channel, np.newaxis], a.kernel[place][channel]),
                times_up(right[source][..., channel, np.newaxis], b.kernel[place][channel]),
            )
    return inflate(total.ravel(), a.row_terms)


def composed(first: ConvolutionMatrix, second: ConvolutionMatrix, rows: Matrix) -> list[ConvolutionMidRad]:
    """Enclose ``second`` after a hidden layer of other weights, where one of the two looks at single pixels.

    Parameters
    ----------
    first, second : ConvolutionMatrix
        As :func:`~subsetsum_nets.networks.convolution_matrix.composable` gives them.
    rows : array or scipy.sparse array, shape (h, k n)
        k matrices side by side, each like ``first.rows``, shape (h, n).

    Returns
    -------
    list of ConvolutionMidRad
        The k products.

    """
    (r1, s1, c_in, hidden), (r2, s2, _, c_out) = first.kernel.shape, second.kernel.shape
    outgoing = second.kernel.transpose(0, 1, 3, 2).reshape(-1, hidden)
    product = matmul(outgoing, rows)
    count = r1 * s1 * c_in
    axes = first.axes if first.at_one_place() is None else second.axes

    def kernel(part: FloatArray) -> FloatArray:
        # One of the two kernels is 1x1, so that each pair of axes merges into the larger of the two.
        apart = part.reshape(r2, s2, c_out, r1, s1, c_in)
        return apart.transpose(0, 3, 1, 4, 5, 2).reshape(r2 * r1, s2 * s1, c_in, c_out)

    return [
        ConvolutionMidRad.of_kernel(
            MidRad(*(kernel(values[:, start : start + count]) for values in (product.mid, product.rad))),
            axes,
        )
        for start in range(0, rows.shape[1], count)
    ]


def _by_channel(matrix: ConvolutionMatrix, values: NDArray[Any]) -> NDArray[Any]:
    """Return inputs (d_in,) as (pixels, c_in)."""
    return values.reshape(-1, matrix.kernel.shape[2])

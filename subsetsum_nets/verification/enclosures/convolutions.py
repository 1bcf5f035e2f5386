"""Sets of convolutions: midpoint-radius arithmetic on kernels, so that no large image is unrolled.

The same kernel stands at every pixel, so that an enclosure of the kernel encloses the whole matrix; what the
zero padding cuts off at the borders, it cuts off in every matrix of the set.
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


@dataclass(frozen=True, eq=False)
class ConvolutionMidRad:
    """All convolutions whose kernel K has ``|K - mid.kernel| <= rad.kernel``: a MidRad of matrices.

    Parameters
    ----------
    mid, rad : ConvolutionMatrix
        For one size of images and with one centre; ``rad.kernel >= 0``.

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
    def of_kernel(cls, kernel: MidRad, image: tuple[int, int], centre: tuple[int, int]) -> ConvolutionMidRad:
        """Return the set with the kernels in ``kernel``, shape (rows, columns, c_in, c_out)."""
        mid, rad = (ConvolutionMatrix(part, image, centre) for part in (kernel.mid, kernel.rad))
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
            If the two are for images of unlike sizes.

        """
        if self.mid.image != other.mid.image or self.shape != other.shape:
            raise ValueError(f"{self.mid!r} and {other.mid!r} are for images of unlike sizes")
        ours, theirs = _aligned(self, other)
        return ConvolutionMidRad.of_kernel(ours.kernel.minus(theirs.kernel), ours.mid.image, ours.mid.centre)

    def magnitude(self) -> ConvolutionMatrix:
        """Return an upper bound of ``|M|`` over the set, entry by entry."""
        return self.mid.with_kernel(self.kernel.magnitude())

    def columns(self, chosen: Bools) -> ConvolutionMidRad:
        """Return the set of matrices of the channels that hold some chosen input."""
        channels = channels_where(self.mid, chosen)
        kernel = MidRad(self.mid.kernel[:, :, channels], self.rad.kernel[:, :, channels])
        return ConvolutionMidRad.of_kernel(kernel, self.mid.image, self.mid.centre)

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
    return (matrix.image, matrix.centre, matrix.kernel.shape) if has_kernel(matrix) else None


def seen_entries(matrix: Matrix, inputs: Bools) -> FloatArray:
    """Return the stored entries of an array or a kernel, 0 in columns (channels) where no input counts."""
    seen: Bools = channels_where(matrix, inputs)[:, np.newaxis] if has_kernel(matrix) else inputs
    return entries(matrix) * seen


def _aligned(a: ConvolutionMidRad, b: ConvolutionMidRad) -> tuple[ConvolutionMidRad, ConvolutionMidRad]:
    """Return the two with kernels padded to the same size about the same centre."""
    if a.mid.kernel.shape == b.mid.kernel.shape and a.mid.centre == b.mid.centre:
        return a, b
    before = [max(s, t) for s, t in zip(a.mid.centre, b.mid.centre, strict=True)]
    after = [max(m.mid.kernel.shape[axis] - m.mid.centre[axis] for m in (a, b)) for axis in (0, 1)]

    def padded(matrix: ConvolutionMatrix) -> ConvolutionMatrix:
        margins = [
            (
                before[axis] - matrix.centre[axis],
                after[axis] - matrix.kernel.shape[axis] + matrix.centre[axis],
            )
            for axis in (0, 1)
        ]
        kernel = np.pad(matrix.kernel, [*margins, (0, 0), (0, 0)])
        return ConvolutionMatrix(kernel, matrix.image, (before[0], before[1]))

    first, second = (ConvolutionMidRad(padded(m.mid), padded(m.rad)) for m in (a, b))
    return first, second


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

    ``a`` and ``b`` are arrays, or have kernels of one shape about one centre.
    """
    if not has_kernel(a):
        return sum_up(np.maximum(times_up(a, x), times_up(b, y)))
    left, right = (values.reshape(*a.image, -1) for values in (x, y))
    total = np.zeros((*a.image, a.kernel.shape[3]))
    for place, target, source in a.offsets():
        for channel in range(a.kernel.shape[2]):
            total[target] += np.maximum(
                times_up(left[source][..., channel, np.newaxis], a.kernel[place][channel]),
                times_up(right[source][..., channel, np.newaxis], b.kernel[place][channel]),
            )
    return inflate(total.ravel(), a.row_terms)


def composed(first: ConvolutionMatrix, second: ConvolutionMatrix, rows: Matrix) -> list[ConvolutionMidRad]:
    """Enclose ``second`` after a hidden layer of other weights, where one of the two has a 1x1 kernel.

    Parameters
    ----------
    first, second : ConvolutionMatrix
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
    centre = first.centre[0] + second.centre[0], first.centre[1] + second.centre[1]

    def kernel(part: FloatArray) -> FloatArray:
        # One of the two kernels is 1x1, so that each pair of axes merges into the larger of the two.
        apart = part.reshape(r2, s2, c_out, r1, s1, c_in)
        return apart.transpose(0, 3, 1, 4, 5, 2).reshape(r2 * r1, s2 * s1, c_in, c_out)

    return [
        ConvolutionMidRad.of_kernel(
            MidRad(*(kernel(values[:, start : start + count]) for values in (product.mid, product.rad))),
            first.image,
            centre,
        )
        for start in range(0, rows.shape[1], count)
    ]


def _by_channel(matrix: ConvolutionMatrix, values: NDArray[Any]) -> NDArray[Any]:
    """Return inputs (d_in,) as (pixels, c_in)."""
    return values.reshape(-1, matrix.kernel.shape[2])

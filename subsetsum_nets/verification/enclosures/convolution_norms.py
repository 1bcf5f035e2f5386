"""Rigorous upper bounds of spectral norms of convolutions, without unrolling large images.

The matrix M of a convolution of images is a block of the operator T of the same convolution on the whole
grid, so ``||M|| <= ||T||``, whatever the padding cuts off. T^* T is a convolution again, with the
autocorrelation of the kernel, and ``||T||^2 = ||T^* T||``: repeated, this drives the ratio of every simple
bound to the norm towards 1 (Delattre et al. 2023, Gram iteration).

With stride s, T is the convolution at stride 1 of the s phases of the image, x[s i + phase], as channels of
their own. Dilation by d changes no norm: the grid falls into classes modulo d, on each of which T is the
convolution with the kernel not dilated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    TINY,
    MidRad,
    finite,
    inflate,
    rounding_error,
    sum_up,
    times_up,
    unit_scaled,
    unscaled_up,
)
from subsetsum_nets.verification.enclosures.spectral import simple_bound, spectral_norm_up

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix
    from subsetsum_nets.networks.window_geometry import Axis
    from subsetsum_nets.verification.enclosures.convolutions import ConvolutionMidRad, MatrixSet

_MOST_UNROLLED = 2**20  # entries of a matrix whose norm is bounded unrolled, and how many rows or columns
_MOST_UNROLLED_SIDE = 512
# Multiplications of one step of the Gram iteration; to call a small matrix product costs as many as _CALL.
_MOST_WORK = 2**30
_CALL = 2**12
_MOST_SLICES = 512


def operator_norm_up(matrix: MatrixSet) -> float:
    """Return an upper bound of the spectral norm of every matrix in a set of any kind."""
    if isinstance(matrix, MidRad):
        return spectral_norm_up(matrix)
    return convolution_norm_up(matrix)


def convolution_norm_up(matrix: ConvolutionMidRad) -> float:
    """Return an upper bound of the spectral norm of every convolution in a set.

    ``||M|| <= ||mid|| + ||rad||``. For a small image the midpoint is unrolled, see
    :func:`~subsetsum_nets.verification.enclosures.spectral.spectral_norm_up`; else it is the least of
    sqrt(||.||_1 ||.||_inf), the Frobenius norm and the bound by Gram iteration of the operator on the whole
    grid, see :func:`polyphase`.

    Raises
    ------
    BoundOverflowError
        If the norm exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import ConvolutionMatrix
    >>> from subsetsum_nets.verification.enclosures.convolutions import ConvolutionMidRad
    >>> blur = ConvolutionMatrix(np.full((3, 3, 1, 1), 1 / 9), (100, 100))
    >>> bool(0.999 < convolution_norm_up(ConvolutionMidRad.point(blur)) < 1.001)
    True

    """
    centre = 0.0
    if matrix.mid.kernel.any():
        rows, columns = matrix.shape
        if rows * columns <= _MOST_UNROLLED and min(rows, columns) <= _MOST_UNROLLED_SIDE:
            centre = spectral_norm_up(MidRad.point(matrix.mid.toarray()))
        else:
            centre = min(simple_bound(matrix.mid), _grid_bound(polyphase(matrix.mid)))
    return float(inflate(np.array(centre + simple_bound(matrix.rad)), 1))


def polyphase(matrix: ConvolutionMatrix) -> FloatArray:
    """Return the kernel, for stride 1, of an operator on the whole grid that has the matrix as a block.

    Examples
    --------
    >>> from subsetsum_nets.networks import Conv2d
    >>> polyphase(Conv2d(np.ones((1, 4, 1, 1)), stride=(1, 2), padding="valid").on((1, 8)).weight).shape
    (1, 2, 2, 1)

    """
    kernel = matrix.kernel
    for number, axis in enumerate(matrix.axes):
        if axis.down > 1 or axis.up > 1:
            kernel = np.moveaxis(_phases(np.moveaxis(kernel, number, 0), axis), 0, number)
    return kernel


def _phases(kernel: FloatArray, axis: Axis) -> FloatArray:
    """Return a kernel (places, other, c_in, c_out) of an axis with a stride as one with stride 1.

    Output o sees input ``down o + offset = down (o + tap) + phase`` through a place of this offset; of a
    transposed axis, input i reaches output ``up (i + tap) + phase``. Phases that no place has are left out.
    """
    offsets = axis.shift - axis.dilation * np.arange(len(kernel))
    taps, phases = np.divmod(offsets if axis.up == 1 else -offsets, max(axis.down, axis.up))
    used, phases = np.unique(phases, return_inverse=True)
    apart = np.zeros((np.ptp(taps) + 1, used.size, *kernel.shape[1:]))
    apart[taps - taps.min(), phases] = kernel
    count, _, other, c_in, c_out = apart.shape
    if axis.up == 1:
        return apart.transpose(0, 2, 1, 3, 4).reshape(count, other, -1, c_out)
    return apart.transpose(0, 2, 3, 1, 4).reshape(count, other, c_in, -1)


def _grid_bound(kernel: FloatArray) -> float:
    """Return a bound of the operator on the whole grid, for a kernel that is not 0.

    One step: ``||T||^2 = ||T^* T|| <= ||mid|| + ||rad||``, where an enclosure of the autocorrelation of the
    kernel is taken for T^* T.
    """
    magnitude, exponent = unit_scaled(np.abs(kernel))
    scaled = np.copysign(magnitude, kernel)
    rows, columns, c_in, c_out = kernel.shape
    work = (rows * columns) ** 2 * (c_in * c_out * min(c_in, c_out) + _CALL)
    if rows * columns == 1 or work > _MOST_WORK:
        bound = _offsets_bound(scaled)
    else:
        bound = _hoelder(scaled)
        gram = autocorrelation(scaled if c_in <= c_out else scaled.transpose(0, 1, 3, 2))
        if gram.mid.any():
            square = inflate(np.array(_grid_bound(gram.mid) + _hoelder(gram.rad) + TINY), 2)
            bound = min(bound, float(inflate(np.sqrt(square), 1)))
    # The entries that the scaling rounds are off by less than TINY each, in no more than this many offsets.
    bound = float(inflate(np.array(bound + scaled.size * TINY), 1))
    return float(unscaled_up(np.array(bound), exponent))


def _offsets_bound(kernel: FloatArray) -> float:
    """Return min(sum of the spectral norms of all offsets' slices, sqrt(||.||_1 ||.||_inf)), rounded up.

    The operator is a sum over the offsets of a shift, of norm 1, times the slice.
    """
    hoelder = _hoelder(kernel)
    if kernel.shape[0] * kernel.shape[1] > _MOST_SLICES:
        return hoelder
    slices = kernel.reshape(-1, *kernel.shape[2:])
    norms = np.array([spectral_norm_up(MidRad.point(part)) for part in slices])
    return min(hoelder, float(sum_up(norms)))


def _hoelder(kernel: FloatArray) -> float:
    """Return sqrt(||.||_1 ||.||_inf) of the operator on the whole grid, rounded up."""
    magnitude = np.abs(kernel)
    per_output = sum_up(magnitude.transpose(3, 0, 1, 2).reshape(kernel.shape[3], -1)).max()
    per_input = sum_up(magnitude.transpose(2, 0, 1, 3).reshape(kernel.shape[2], -1)).max()
    return float(times_up(inflate(np.sqrt(per_output), 1), inflate(np.sqrt(per_input), 1)))


@np.errstate(over="ignore", invalid="ignore")
def autocorrelation(kernel: FloatArray) -> MidRad:
    """Enclose the kernel ``G[d] = sum_p K[p] K[p + d]^T`` of T^* T, for the operator T with the kernel K.

    Parameters
    ----------
    kernel : array, shape (rows, columns, c_in, c_out)

    Returns
    -------
    MidRad, shape (2 rows - 1, 2 columns - 1, c_in, c_in)

    """
    rows, columns, c_in, c_out = kernel.shape
    count = rows * columns * c_out
    mid, magnitude = (np.zeros((2 * rows - 1, 2 * columns - 1, c_in, c_in)) for _ in range(2))
    for total, factor in ((mid, kernel), (magnitude, np.abs(kernel))):
        turned = factor.transpose(0, 1, 3, 2)
        for p in range(rows):
            for q in range(columns):
                place = slice(rows - 1 - p, 2 * rows - 1 - p), slice(columns - 1 - q, 2 * columns - 1 - q)
                total[place] += factor[p, q] @ turned
    magnitude = inflate(finite(magnitude) + count * TINY, count + 1)
    return MidRad(finite(mid), rounding_error(magnitude, count))

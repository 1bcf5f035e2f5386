"""Images and kernels in the order of ONNX and PyTorch, and in ours.

Elsewhere an image is stored channels first, (c, h, w), and a "convolution" is a cross-correlation with a
kernel (c_out, c_in, rows, columns). Here an image is (h, w, c) and a kernel (rows, columns, c_in, c_out) of a
true convolution, which turns it by 180 degrees. Every function only moves numbers: nothing is rounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray


def kernel_from_channels_first(kernel: FloatArray) -> FloatArray:
    """Turn a cross-correlation kernel (c_out, c_in, rows, columns) into ours (rows, columns, c_in, c_out).

    >>> kernel_from_channels_first(np.array([[[[1.0, 2.0, 3.0]]]])).ravel()
    array([3., 2., 1.])
    """
    return kernel[:, :, ::-1, ::-1].transpose(2, 3, 1, 0)


def kernel_to_channels_first(kernel: FloatArray) -> FloatArray:
    """Turn our kernel (rows, columns, c_in, c_out) into a cross-correlation one (c_out, c_in, rows, columns).

    >>> kernel = np.arange(12.0).reshape(1, 3, 2, 2)
    >>> np.array_equal(kernel_from_channels_first(kernel_to_channels_first(kernel)), kernel)
    True
    """
    return kernel.transpose(3, 2, 0, 1)[:, :, ::-1, ::-1]


def columns_from_channels_first(weight: FloatArray, image: tuple[int, int, int]) -> FloatArray:
    """Reorder the columns of a weight on a flattened (c, h, w) image for the flattened (h, w, c) one.

    ``image`` is (h, w, c).

    >>> columns_from_channels_first(np.array([[0.0, 1.0, 2.0, 3.0]]), (1, 2, 2))   # [c0 c0 c1 c1]
    array([[0., 2., 1., 3.]])
    """
    h, w, c = image
    return weight.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(weight.shape)


def columns_to_channels_first(weight: FloatArray, image: tuple[int, int, int]) -> FloatArray:
    """Undo :func:`columns_from_channels_first`.

    >>> columns_to_channels_first(np.array([[0.0, 2.0, 1.0, 3.0]]), (1, 2, 2))
    array([[0., 1., 2., 3.]])
    """
    h, w, c = image
    return weight.reshape(-1, h, w, c).transpose(0, 3, 1, 2).reshape(weight.shape)


def flat_to_channels_first(image: tuple[int, int, int]) -> list[tuple[int, int, int]]:
    """Return for each value of a flattened (h, w, c) image its place (c, i, j) in the channels-first one.

    >>> flat_to_channels_first((1, 2, 2))
    [(0, 0, 0), (1, 0, 0), (0, 0, 1), (1, 0, 1)]
    """
    return [(c, i, j) for i, j, c in np.ndindex(*image)]

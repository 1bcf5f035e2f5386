"""The matrix of a convolution of images of one size, kept as its kernel: what bounds and graphs see.

Nothing here is unrolled unless asked for: a kernel of r x s offsets costs r s matrix products over the
channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.window_geometry import Axis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scipy.sparse import csr_array
    from typing_extensions import TypeIs

    from subsetsum_nets.networks.arrays import Bools, FloatArray


class Offset(NamedTuple):
    """One offset of a kernel, and the pixels for which it stays inside the image.

    Attributes
    ----------
    place : (int, int)
        Row and column of the kernel.
    target, source : pair of slices
        Rows and columns of the output pixels, and of the input pixels that they look at.

    """

    place: tuple[int, int]
    target: tuple[slice, slice]
    source: tuple[slice, slice]


class ConvolutionMatrix:
    """The matrix of a convolution of images of one size, kept as its kernel.

    It maps row-major flattened images (h, w, c_in) to (h', w', c_out) as
    :class:`~subsetsum_nets.networks.convolution.Conv2d` does, and offers what the rest of the package asks
    of a matrix: ``@`` from both sides, ``abs``, ``.T``, ``.shape``. Stride 1 and padding that keeps the size
    are what the constructor makes; :meth:`along` makes all others.

    Parameters
    ----------
    kernel : float64 array, shape (rows, columns, c_in, c_out)
    image : (int, int)
        h and w.
    centre : (int, int), optional
        The (s, t) of :class:`~subsetsum_nets.networks.convolution.Conv2d`, which is the default; that of a
        transposed matrix is another one when the kernel has an even size.

    Raises
    ------
    InvalidNetworkError
        For a kernel that is not 4-D or an empty image.

    Examples
    --------
    >>> blur = ConvolutionMatrix(np.full((1, 3, 1, 1), 0.5), (1, 4))
    >>> blur @ np.array([2.0, 0.0, 0.0, 4.0])
    array([1., 1., 2., 2.])
    >>> blur.shape, blur.row_terms, bool(((blur.T).toarray() == blur.toarray().T).all())
    ((4, 4), 3, True)

    """

    __slots__ = ("axes", "kernel")

    __array_ufunc__ = None  # so that ``array @ matrix`` asks __rmatmul__ below
    ndim = 2

    kernel: FloatArray
    axes: tuple[Axis, Axis]

    def __init__(
        self, kernel: FloatArray, image: tuple[int, int], centre: tuple[int, int] | None = None
    ) -> None:
        if kernel.ndim != 4 or min(image) < 1:
            raise InvalidNetworkError(
                "a convolution matrix needs a kernel (rows, columns, c_in, c_out) and an image of at least "
                f"one pixel, got the shapes {kernel.shape} and {image}"
            )
        rows, columns = kernel.shape[:2]
        (h, w), (s, t) = image, ((rows - 1) // 2, (columns - 1) // 2) if centre is None else centre
        self.kernel = kernel
        self.axes = Axis(h, h, s), Axis(w, w, t)

    @classmethod
    def along(cls, kernel: FloatArray, axes: tuple[Axis, Axis]) -> ConvolutionMatrix:
        """Return the matrix of a convolution along rows and columns of any geometry.

        Examples
        --------
        >>> pairs = ConvolutionMatrix.along(np.ones((1, 2, 1, 1)), (Axis(1, 1), Axis(4, 2, shift=1, down=2)))
        >>> pairs.toarray()
        array([[1., 1., 0., 0.],
               [0., 0., 1., 1.]])

        """
        matrix = cls.__new__(cls)
        matrix.kernel = kernel
        matrix.axes = axes
        return matrix

    @property
    def image(self) -> tuple[int, int]:
        """Rows and columns of the images that it takes, h and w."""
        return self.axes[0].inputs, self.axes[1].inputs

    @property
    def image_out(self) -> tuple[int, int]:
        """Rows and columns of the images that it gives."""
        return self.axes[0].outputs, self.axes[1].outputs

    @property
    def centre(self) -> tuple[int, int]:
        """The (s, t): output (0, 0) sees the input (0, 0) there, counted in pixels."""
        return self.axes[0].shift, self.axes[1].shift

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in) = (h' w' c_out, h w c_in)."""
        return math.prod(self.image_out) * self.kernel.shape[3], math.prod(self.image) * self.kernel.shape[2]

    @property
    def row_terms(self) -> int:
        """The most products that are summed in a row of ``self @ x``: zeros outside the image are none."""
        rows, columns, channels, _ = self.kernel.shape
        down, right = self.axes
        return int(down.most_seen(rows) * right.most_seen(columns) * channels)

    @property
    def T(self) -> ConvolutionMatrix:  # noqa: N802 - the name every matrix has
        """The transposed matrix: the kernel flipped, its channels swapped."""
        flipped = self.kernel[::-1, ::-1].transpose(0, 1, 3, 2)
        down, right = (
            axis.transposed(places) for axis, places in zip(self.axes, self.kernel.shape[:2], strict=True)
        )
        return ConvolutionMatrix.along(flipped, (down, right))

    @property
    def rows(self) -> FloatArray:
        """The weights of the output channels on all (row, column, c_in) of the kernel, shape (c_out, n)."""
        return self.kernel.reshape(-1, self.kernel.shape[3]).T

    def at_one_place(self) -> ConvolutionMatrix | None:
        """Return the same matrix with a 1x1 kernel, or None if a pixel's value depends on other pixels."""
        (s, t), (rows, columns) = (axis.own_place for axis in self.axes), self.kernel.shape[:2]
        if s is None or t is None or s >= rows or t >= columns:
            return None
        elsewhere: Bools = np.any(self.kernel != 0.0, axis=(2, 3))
        elsewhere[s, t] = False
        if elsewhere.any():
            return None
        return ConvolutionMatrix(self.kernel[s : s + 1, t : t + 1], self.image)

    def with_kernel(self, kernel: FloatArray) -> ConvolutionMatrix:
        """Return the matrix with another kernel of as many rows and columns, its windows where these are."""
        return ConvolutionMatrix.along(kernel, self.axes)

    def offsets(self) -> Iterator[Offset]:
        """Yield the offsets of the kernel that reach from a pixel of the output to one of the input."""
        down, right = (
            list(axis.places(count)) for axis, count in zip(self.axes, self.kernel.shape[:2], strict=True)
        )
        for p, rows, rows_in in down:
            for q, columns, columns_in in right:
                yield Offset((p, q), (rows, columns), (rows_in, columns_in))

    def convolve(self, images: FloatArray, groups: int = 1) -> FloatArray:
        """Return the product with a batch of images (batch, h, w, c_in) as images (batch, h', w', c_out).

        With ``groups``, the kernel is (rows, columns, c_in // groups, c_out), as that of a Conv2d.
        """
        values = np.zeros((len(images), *self.image_out, self.kernel.shape[3]))
        for place, target, source in self.offsets():
            values[:, *target] += _by_groups(images[:, *source], self.kernel[place], groups)
        return values

    def __matmul__(self, x: FloatArray) -> FloatArray:
        """Return the product with ``x`` of shape (d_in,) or (d_in, n)."""
        if x.ndim not in (1, 2) or x.shape[0] != self.shape[1]:
            raise ValueError(
                f"a matrix of shape {self.shape} cannot be multiplied by an array of shape {x.shape}"
            )
        count = 1 if x.ndim == 1 else x.shape[1]
        images = np.ascontiguousarray(x.T).reshape(count, *self.image, self.kernel.shape[2])
        values = self.convolve(images).reshape(count, self.shape[0])
        return values[0] if x.ndim == 1 else values.T

    def __rmatmul__(self, x: FloatArray) -> FloatArray:
        """Return the product of ``x``, shape (d_out,) or (n, d_out), with this matrix."""
        return (self.T @ x.T).T

    def __abs__(self) -> ConvolutionMatrix:
        return self.with_kernel(np.abs(self.kernel))

    def tocsr(self) -> csr_array[Any, Any]:
        """Return the matrix unrolled, as a sparse array of its nonzero entries."""
        from scipy.sparse import csr_array

        inputs, outputs = (np.arange(math.prod(size)).reshape(size) for size in (self.image, self.image_out))
        c_in, c_out = self.kernel.shape[2:]
        entries, rows, columns = [np.zeros(0)], [np.zeros(0, int)], [np.zeros(0, int)]
        for place, target, source in self.offsets():
            to, start = outputs[target].ravel(), inputs[source].ravel()
            channels_in, channels_out = np.nonzero(self.kernel[place])
            rows.append((to[:, np.newaxis] * c_out + channels_out).ravel())
            columns.append((start[:, np.newaxis] * c_in + channels_in).ravel())
            entries.append(np.tile(self.kernel[place][channels_in, channels_out], to.size))
        stored = np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))
        matrix = csr_array(stored, shape=self.shape)
        matrix.sort_indices()
        return matrix

    def toarray(self) -> FloatArray:
        """Return the matrix unrolled, as a dense array."""
        dense: FloatArray = self.tocsr().toarray()
        return dense

    def __repr__(self) -> str:
        to = "" if self.image_out == self.image else f" -> {self.image_out}"
        return f"ConvolutionMatrix(kernel {self.kernel.shape}, image {self.image}{to})"


def _by_groups(images: FloatArray, weight: FloatArray, groups: int) -> FloatArray:
    """Return images (..., c_in) times a weight (c_in // groups, c_out), group by group."""
    if groups == 1:
        return images @ weight
    (c_in, c_out), pixels = weight.shape, images.shape[:-1]
    apart = images.reshape(*pixels, groups, c_in)
    values: FloatArray = np.einsum("...gi,igo->...go", apart, weight.reshape(c_in, groups, c_out // groups))
    return values.reshape(*pixels, c_out)


def has_kernel(matrix: object) -> TypeIs[ConvolutionMatrix]:
    """Tell whether a matrix is kept as a kernel: a ConvolutionMatrix, or what is used like one."""
    return hasattr(matrix, "kernel")


def composable(
    first: ConvolutionMatrix, second: ConvolutionMatrix
) -> tuple[ConvolutionMatrix, ConvolutionMatrix] | None:
    """Return the two, one of them with a 1x1 kernel, if their product is a convolution; None if it is not.

    A product of two larger convolutions is none: a hidden pixel outside the image is 0 although it would
    look at pixels inside.
    """
    if (small := first.at_one_place()) is not None:
        return small, second
    if (small := second.at_one_place()) is not None:
        return first, small
    return None

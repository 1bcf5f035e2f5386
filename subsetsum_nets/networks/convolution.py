"""Conv2d: a convolutional layer, and the matrix it is for images of one size.

The definition is that of da Cunha et al. 2023, section 3: true convolution (the kernel is flipped), stride 1,
zero padding that keeps the size of the image, axes in the order rows, columns, channels. Nothing here is
unrolled unless asked for: a kernel of r x s offsets costs r s matrix products over the channels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.arrays import Bools, FloatArray, Shape, exact_float64
from subsetsum_nets.networks.errors import InvalidNetworkError, needs_input_shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scipy.sparse import csr_array
    from typing_extensions import TypeIs


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


class Conv2d:
    """A convolutional layer, ``y[i, j] = sum_(p, q) x[i + s - p, j + t - q] @ kernel[p, q] + bias``.

    Here s = (rows - 1) // 2, t = (columns - 1) // 2, and x is 0 outside the image, so that y is as large as
    x. For every pair of channels this is ``scipy.signal.convolve2d(x, kernel, mode="same")``. The kernel is
    flipped in comparison with the cross-correlation of PyTorch and ONNX: their "same" padding with the
    weight ``kernel[::-1, ::-1]``, channels moved first, gives the same values for kernels of odd size.

    Parameters
    ----------
    kernel : array_like, shape (rows, columns, c_in, c_out)
    bias : array_like, shape (c_out,), optional
        Added to every pixel of an output channel.

    Raises
    ------
    InvalidNetworkError
        For an empty or non-4-D kernel, a bias of another length, or entries that are not finite or that
        float64 would round.

    Examples
    --------
    >>> shift = Conv2d(np.array([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1))
    >>> shift
    Conv2d(1x3, 1 -> 1)
    >>> shift(np.array([[[[1.0], [2.0], [3.0]]]])).ravel()
    array([0., 1., 2.])

    """

    __slots__ = ("bias", "kernel")

    kernel: FloatArray
    bias: FloatArray | None

    def __init__(self, kernel: Any, bias: Any = None) -> None:
        self.kernel = exact_float64(kernel, "the kernel")
        if self.kernel.ndim != 4 or 0 in self.kernel.shape:
            raise InvalidNetworkError(
                f"a kernel must have shape (rows, columns, c_in, c_out), got {self.kernel.shape}"
            )
        self.bias = None if bias is None else exact_float64(bias, "the bias")
        if self.bias is not None and self.bias.shape != (self.c_out,):
            raise InvalidNetworkError(
                f"the bias has shape {self.bias.shape}, but the kernel {self.kernel.shape} "
                f"needs ({self.c_out},): one number a channel"
            )

    @property
    def c_in(self) -> int:
        """Number of input channels."""
        return int(self.kernel.shape[2])

    @property
    def c_out(self) -> int:
        """Number of output channels."""
        return int(self.kernel.shape[3])

    @property
    def parameters(self) -> int:
        """Number of stored weights and biases."""
        return int(self.kernel.size) + (0 if self.bias is None else int(self.bias.size))

    @property
    def stored(self) -> FloatArray:
        """The array that a mask of this layer has the shape of."""
        return self.kernel

    def with_stored(self, kernel: Any, bias: Any) -> Conv2d:
        """Return a layer of this kind with other weights and biases."""
        return Conv2d(kernel, bias)

    def sparse(self) -> Conv2d:
        """Return the layer itself: kernels are kept whole."""
        return self

    @property
    def takes(self) -> Shape:
        """The shape of the images that it takes, of any size."""
        return (None, None, self.c_in)

    def gives(self, shape: Shape, index: int) -> Shape:
        """Return the shape of what it makes of values of ``shape``; ``index`` names it in messages.

        Raises
        ------
        InvalidNetworkError
            If it does not take such values.

        """
        if len(shape) != len(self.takes):
            raise InvalidNetworkError(
                f"layer {index} is a Conv2d after the Dense layer {index - 1}; values have no place in an "
                "image, so convolutional layers come first"
            )
        if shape[-1] != self.c_in:
            raise InvalidNetworkError(
                f"layer {index - 1} gives {shape[-1]} channels, but layer {index} takes {self.c_in}"
            )
        return (*shape[:2], self.c_out)

    def on(self, shape: Shape) -> AffineConvolution:
        """Return the layer as an affine map of flattened images of ``shape``, (h, w) or (h, w, c_in).

        Raises
        ------
        InvalidNetworkError
            If the size of the images is not known.

        """
        h, w = shape[:2]
        if h is None or w is None:
            raise needs_input_shape("seeing the layers as matrices")
        bias = None if self.bias is None else np.tile(self.bias, h * w)
        return AffineConvolution(ConvolutionMatrix(self.kernel, (h, w)), bias)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate in float64 for ``x`` of shape (batch, h, w, c_in); returns (batch, h, w, c_out)."""
        y = ConvolutionMatrix(self.kernel, (x.shape[1], x.shape[2])).convolve(x)
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        rows, columns = self.kernel.shape[:2]
        bias = ", bias" if self.bias is not None else ""
        return f"Conv2d({rows}x{columns}, {self.c_in} -> {self.c_out}{bias})"


class AffineConvolution(NamedTuple):
    """A convolutional layer for images of one size, as an affine map of their row-major values.

    Attributes
    ----------
    weight : ConvolutionMatrix, shape (d_out, d_in)
    bias : array, shape (d_out,), or None
        The bias of the channels, once for every pixel.

    """

    weight: ConvolutionMatrix
    bias: FloatArray | None

    @property
    def d_in(self) -> int:
        """Number of inputs, h w c_in."""
        return self.weight.shape[1]

    @property
    def d_out(self) -> int:
        """Number of outputs, h w c_out."""
        return self.weight.shape[0]

    @property
    def offset(self) -> FloatArray:
        """The bias, zeros where there is none."""
        return np.zeros(self.d_out) if self.bias is None else self.bias


class ConvolutionMatrix:
    """The matrix of a convolution of images of one size, kept as its kernel.

    It maps row-major flattened images (h, w, c_in) to (h, w, c_out) as :class:`Conv2d` does, and offers what
    the rest of the package asks of a matrix: ``@`` from both sides, ``abs``, ``.T``, ``.shape``.

    Parameters
    ----------
    kernel : float64 array, shape (rows, columns, c_in, c_out)
    image : (int, int)
        h and w.
    centre : (int, int), optional
        The (s, t) of :class:`Conv2d`, which is the default; that of a transposed matrix is another one when
        the kernel has an even size.

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

    __slots__ = ("centre", "image", "kernel")

    __array_ufunc__ = None  # so that ``array @ matrix`` asks __rmatmul__ below
    ndim = 2

    kernel: FloatArray
    image: tuple[int, int]
    centre: tuple[int, int]

    def __init__(
        self, kernel: FloatArray, image: tuple[int, int], centre: tuple[int, int] | None = None
    ) -> None:
        if kernel.ndim != 4 or min(image) < 1:
            raise InvalidNetworkError(
                "a convolution matrix needs a kernel (rows, columns, c_in, c_out) and an image of at least "
                f"one pixel, got the shapes {kernel.shape} and {image}"
            )
        rows, columns = kernel.shape[:2]
        self.kernel = kernel
        self.image = image
        self.centre = ((rows - 1) // 2, (columns - 1) // 2) if centre is None else centre

    @property
    def shape(self) -> tuple[int, int]:
        """(d_out, d_in) = (h w c_out, h w c_in)."""
        pixels = math.prod(self.image)
        return pixels * self.kernel.shape[3], pixels * self.kernel.shape[2]

    @property
    def row_terms(self) -> int:
        """The most products that are summed in a row of ``self @ x``: zeros outside the image are none."""
        (rows, columns, channels, _), (h, w) = self.kernel.shape, self.image
        return int(min(rows, h) * min(columns, w) * channels)

    @property
    def T(self) -> ConvolutionMatrix:  # noqa: N802 - the name every matrix has
        """The transposed matrix: the kernel flipped, its channels swapped."""
        rows, columns = self.kernel.shape[:2]
        flipped = self.kernel[::-1, ::-1].transpose(0, 1, 3, 2)
        centre = rows - 1 - self.centre[0], columns - 1 - self.centre[1]
        return ConvolutionMatrix(flipped, self.image, centre)

    @property
    def rows(self) -> FloatArray:
        """The weights of the output channels on all (row, column, c_in) of the kernel, shape (c_out, n)."""
        return self.kernel.reshape(-1, self.kernel.shape[3]).T

    def at_one_place(self) -> ConvolutionMatrix | None:
        """Return the same matrix with a 1x1 kernel, or None if one pixel's value depends on other pixels."""
        s, t = self.centre
        rows, columns = self.kernel.shape[:2]
        if not (0 <= s < rows and 0 <= t < columns):
            return None
        elsewhere: Bools = np.any(self.kernel != 0.0, axis=(2, 3))
        elsewhere[s, t] = False
        if elsewhere.any():
            return None
        return ConvolutionMatrix(self.kernel[s : s + 1, t : t + 1], self.image)

    def with_kernel(self, kernel: FloatArray) -> ConvolutionMatrix:
        """Return the matrix with another kernel of as many rows and columns, about the same centre."""
        return ConvolutionMatrix(kernel, self.image, self.centre)

    def offsets(self) -> Iterator[Offset]:
        """Yield the offsets of the kernel that reach from a pixel of the image to one of the image."""
        down, right = (
            [
                (
                    place,
                    slice(max(0, place - centre), min(size, size + place - centre)),
                    slice(max(0, centre - place), min(size, size + centre - place)),
                )
                for place in range(max(0, centre - size + 1), min(places, centre + size))
            ]
            for places, centre, size in zip(self.kernel.shape[:2], self.centre, self.image, strict=True)
        )
        for p, rows, rows_in in down:
            for q, columns, columns_in in right:
                yield Offset((p, q), (rows, columns), (rows_in, columns_in))

    def convolve(self, images: FloatArray) -> FloatArray:
        """Return the product with a batch of images (batch, h, w, c_in) as images (batch, h, w, c_out)."""
        values = np.zeros((*images.shape[:3], self.kernel.shape[3]))
        for place, target, source in self.offsets():
            values[:, *target] += images[:, *source] @ self.kernel[place]
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

        pixels = np.arange(math.prod(self.image)).reshape(self.image)
        c_in, c_out = self.kernel.shape[2:]
        entries, rows, columns = [np.zeros(0)], [np.zeros(0, int)], [np.zeros(0, int)]
        for place, target, source in self.offsets():
            to, start = pixels[target].ravel(), pixels[source].ravel()
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
        return f"ConvolutionMatrix(kernel {self.kernel.shape}, image {self.image})"


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

"""Conv2d: a convolutional layer, of any stride, padding, dilation and number of groups.

The definition is that of da Cunha et al. 2023, section 3: true convolution (the kernel is flipped), axes in
the order rows, columns, channels; and as there, stride 1 and zero padding that keeps the size of the image,
unless something else is said.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from subsetsum_nets.networks.arguments import is_integer
from subsetsum_nets.networks.arrays import FloatArray, Ints, Shape, exact_float64
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix
from subsetsum_nets.networks.errors import InvalidNetworkError, needs_input_shape
from subsetsum_nets.networks.window_geometry import NO_PADDING, Padding, Pair, WindowGeometry

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PLAIN = {"stride": (1, 1), "padding": "same", "dilation": (1, 1), "groups": 1, "fixed": False}


class Conv2d:
    """A convolutional layer, ``y[i, j] = sum_(p, q) x[i + s - p, j + t - q] @ kernel[p, q] + bias``.

    Here s = (rows - 1) // 2, t = (columns - 1) // 2, and x is 0 outside the image, so that y is as large as
    x. For every pair of channels this is ``scipy.signal.convolve2d(x, kernel, mode="same")``. The kernel is
    flipped in comparison with the cross-correlation of PyTorch and ONNX: their padding, stride, dilation and
    groups with the weight ``kernel[::-1, ::-1]``, channels moved first, give the same values.

    Parameters
    ----------
    kernel : array_like, shape (rows, columns, c_in // groups, c_out)
    bias : array_like, shape (c_out,), optional
        Added to every pixel of an output channel.
    stride : int or (int, int)
        Pixels from one window to the next, down the rows and along the columns.
    padding : str, int, (int, int) or ((top, bottom), (left, right))
        Zeros around the image. "valid" puts none; "same" as many as make ceil(h / stride) windows, where an
        odd one goes before the image, as by ONNX's SAME_LOWER; "same_upper" puts that one behind it.
    groups : int
        The channels are cut into so many groups; the c_out // groups outputs of one see its inputs alone.
    dilation : int or (int, int)
        Pixels from one entry of the kernel to the next.
    fixed : bool
        Whether the weights are part of the architecture, as those of pooling are: they are not drawn at
        random and not pruned. The function is the same.

    Attributes
    ----------
    stride, dilation : (int, int)
    padding : "same", "same_upper" or ((top, bottom), (left, right))
        "same" wherever the zeros are those of "same" for images of every size.
    groups : int
    fixed : bool

    Raises
    ------
    InvalidNetworkError
        For an empty or non-4-D kernel, a bias of another length, entries that are not finite or that
        float64 would round, or a stride, padding, dilation or number of groups that is none.

    Examples
    --------
    >>> shift = Conv2d(np.array([0.0, 0.0, 1.0]).reshape(1, 3, 1, 1))
    >>> shift
    Conv2d(1x3, 1 -> 1)
    >>> shift(np.array([[[[1.0], [2.0], [3.0]]]])).ravel()
    array([0., 1., 2.])
    >>> sums = Conv2d(np.ones((1, 2, 1, 1)), stride=(1, 2), padding="valid")
    >>> sums(np.array([[[[1.0], [2.0], [3.0], [4.0]]]])).ravel()
    array([3., 7.])

    """

    __slots__ = ("bias", "fixed", "geometry", "groups", "kernel")

    kernel: FloatArray
    bias: FloatArray | None
    geometry: WindowGeometry
    groups: int
    fixed: bool

    def __init__(
        self,
        kernel: Any,
        bias: Any = None,
        *,
        stride: Any = 1,
        padding: Any = "same",
        groups: int = 1,
        dilation: Any = 1,
        fixed: bool = False,
    ) -> None:
        self.kernel = exact_float64(kernel, "the kernel")
        if self.kernel.ndim != 4 or 0 in self.kernel.shape:
            raise InvalidNetworkError(
                f"a kernel must have shape (rows, columns, c_in, c_out), got {self.kernel.shape}"
            )
        if not is_integer(groups) or groups < 1 or self.c_out % groups:
            raise InvalidNetworkError(
                f"groups must be an integer that divides the {self.c_out} output channels, got {groups!r}"
            )
        self.groups = int(groups)
        self.geometry = WindowGeometry.checked(self.size, stride, padding, dilation)
        self.fixed = bool(fixed)
        self.bias = None if bias is None else exact_float64(bias, "the bias")
        if self.bias is not None and self.bias.shape != (self.c_out,):
            raise InvalidNetworkError(
                f"the bias has shape {self.bias.shape}, but the kernel {self.kernel.shape} "
                f"needs ({self.c_out},): one number a channel"
            )

    @property
    def size(self) -> Pair:
        """Rows and columns of the kernel."""
        return int(self.kernel.shape[0]), int(self.kernel.shape[1])

    @property
    def stride(self) -> Pair:
        """Pixels from one window to the next, (rows, columns)."""
        return self.geometry.stride

    @property
    def padding(self) -> Padding:
        """Zeros around the image: "same", "same_upper" or ((top, bottom), (left, right))."""
        return self.geometry.padding

    @property
    def dilation(self) -> Pair:
        """Pixels from one entry of the kernel to the next, (rows, columns)."""
        return self.geometry.dilation

    @property
    def c_in(self) -> int:
        """Number of input channels."""
        return int(self.kernel.shape[2]) * self.groups

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

    channel_axes: ClassVar[tuple[int, int]] = (2, 3)
    """Which axes of :attr:`stored` are input channels, of a group, and output channels."""

    def with_stored(self, kernel: Any, bias: Any) -> Conv2d:
        """Return a layer of this kind with other weights and biases, its windows where these are."""
        return Conv2d(kernel, bias, **self.options)

    @property
    def matrix(self) -> FloatArray:
        """The weights as rows over the input channels, shape (rows columns c_out, c_in); 0 between groups."""
        whole = ungrouped(self.kernel, self.groups)
        return whole.transpose(0, 1, 3, 2).reshape(-1, self.c_in)

    def from_matrix(self, matrix: NDArray[Any]) -> NDArray[Any]:
        """Return what has the shape of :attr:`matrix` in that of a kernel of one group.

        >>> layer = Conv2d(np.arange(12.0).reshape(1, 2, 2, 3))
        >>> layer.matrix[0], np.array_equal(layer.from_matrix(layer.matrix), layer.kernel)
        (array([0., 3.]), True)
        """
        return np.ascontiguousarray(matrix.reshape(*self.size, self.c_out, self.c_in).transpose(0, 1, 3, 2))

    def weight_parts(self, shape: Shape, index: int) -> list[tuple[Ints, Ints]]:
        """Return (rows, columns) of :attr:`matrix` that hold weights: a part for each group.

        The bias is one more column. A constant in place of an input passes through the whole kernel, and
        zeros around the image cut it off at the border; so the bias stands at one entry of the kernel alone,
        :meth:`whole_place`, for images of ``shape``; ``index`` names the layer in messages.

        Raises
        ------
        InvalidNetworkError
            If there is a bias, and no such entry.

        """
        rows = np.arange(math.prod(self.size) * self.c_out).reshape(*self.size, self.groups, -1)
        columns = np.arange(self.c_in).reshape(self.groups, -1)
        parts = [(rows[:, :, group].ravel(), columns[group]) for group in range(self.groups)]
        if self.bias is not None:
            try:
                place = self.whole_place(shape)
            except InvalidNetworkError as error:
                raise InvalidNetworkError(
                    f"layer {index} has a bias, and {error}; take less padding or no bias"
                ) from error
            parts.append((rows[place].ravel(), np.array([self.c_in])))
        return parts

    def whole_place(self, shape: Shape) -> Pair:
        """Return the entry of the kernel nearest to its middle through which every output sees some pixel.

        With the padding "same" and stride 1 that is the middle, ((rows - 1) // 2, (columns - 1) // 2).

        Raises
        ------
        InvalidNetworkError
            If there is none: from some windows the whole kernel's edge looks outside the image.

        """
        place = []
        for axis, count in zip(self.on(shape).weight.axes, self.size, strict=True):
            whole = [p for p, outputs, _ in axis.places(count) if outputs == slice(0, axis.outputs)]
            if not whole:
                raise InvalidNetworkError(
                    f"no entry of the kernel of {self!r} looks inside the image from every window, as the "
                    "padding is too large; so no constant passes to all outputs alike"
                )
            place.append(min(whole, key=lambda p: abs(p - (count - 1) // 2)))
        return place[0], place[1]

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments that make it what it is beside its weights, those of a plain layer left out.

        >>> Conv2d(np.ones((2, 2, 1, 1)), stride=2, padding="valid").options
        {'stride': (2, 2), 'padding': ((0, 0), (0, 0))}
        """
        given = {**self.geometry._asdict(), "groups": self.groups, "fixed": self.fixed}
        return {name: value for name, value in given.items() if value != _PLAIN[name]}

    def sparse(self) -> Conv2d:
        """Return the layer itself: kernels are kept whole."""
        return self

    @property
    def whole_weights(self) -> int:
        """How many weights its kernel has for all pairs of channels, of whatever groups."""
        return int(self.kernel.size) * self.groups

    @property
    def least_outputs(self) -> int:
        """How many outputs it has for the smallest images that a window fits; padding can make them many."""
        zeros = (0, 0) if isinstance(self.padding, str) else tuple(map(sum, self.padding))
        reach = (d * (n - 1) for d, n in zip(self.dilation, self.size, strict=True))
        counts = (max(0, z - r) // s + 1 for z, r, s in zip(zeros, reach, self.stride, strict=True))
        return math.prod(counts) * self.c_out

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
        return convolved_shape(self.geometry, self.size, (self.c_in, self.c_out), shape, index)

    def on(self, shape: Shape) -> AffineConvolution:
        """Return the layer as an affine map of flattened images of ``shape``, (h, w) or (h, w, c_in).

        Its kernel is that of all pairs of channels, 0 between those of different groups.

        Raises
        ------
        InvalidNetworkError
            If the size of the images is not known.

        """
        h, w = shape[:2]
        if h is None or w is None:
            raise needs_input_shape("seeing the layers as matrices")
        axes = self.geometry.axes(self.size, (h, w))
        weight = ConvolutionMatrix.along(ungrouped(self.kernel, self.groups), axes)
        bias = None if self.bias is None else np.tile(self.bias, math.prod(weight.image_out))
        return AffineConvolution(weight, bias)

    def __call__(self, x: FloatArray) -> FloatArray:
        """Evaluate in float64 for ``x`` of shape (batch, h, w, c_in); returns (batch, h', w', c_out)."""
        matrix = ConvolutionMatrix.along(self.kernel, self.geometry.axes(self.size, (x.shape[1], x.shape[2])))
        y = matrix.convolve(x, self.groups)
        return y if self.bias is None else y + self.bias

    def __repr__(self) -> str:
        rows, columns = self.size
        stride, padding, dilation = self.geometry
        notes = {
            "stride {}x{}".format(*stride): stride != (1, 1),
            "valid": padding == NO_PADDING,
            f"padding {padding}": padding not in ("same", NO_PADDING),
            f"{self.groups} groups": self.groups > 1,
            "dilation {}x{}".format(*dilation): dilation != (1, 1),
            "bias": self.bias is not None,
            "fixed": self.fixed,
        }
        said = "".join(f", {note}" for note, said in notes.items() if said)
        return f"Conv2d({rows}x{columns}, {self.c_in} -> {self.c_out}{said})"


def convolved_shape(geometry: WindowGeometry, size: Pair, channels: Pair, shape: Shape, index: int) -> Shape:
    """Return the shape of what windows of ``size`` make of images of ``shape``, as layer ``index``.

    Raises
    ------
    InvalidNetworkError
        If ``shape`` is not of images of ``channels[0]`` channels, or no window fits them.

    """
    c_in, c_out = channels
    if len(shape) != 3:
        raise InvalidNetworkError(
            f"layer {index} is a Conv2d after the Dense layer {index - 1}; values have no place in an "
            "image, so convolutional layers come first"
        )
    if shape[-1] != c_in:
        raise InvalidNetworkError(
            f"layer {index - 1} gives {shape[-1]} channels, but layer {index} takes {c_in}"
        )
    h, w = shape[:2]
    if h is None or w is None:
        return (None, None, c_out)
    try:
        rows, columns = geometry.axes(size, (h, w))
    except InvalidNetworkError as error:
        raise InvalidNetworkError(f"layer {index}: {error}") from error
    return (rows.outputs, columns.outputs, c_out)


def ungrouped(kernel: NDArray[Any], groups: int) -> NDArray[Any]:
    """Return the kernel (rows, columns, c_in, c_out) of a grouped one, or its mask, 0 between the groups.

    >>> ungrouped(np.array([[[[2.0, 3.0]]]]), 2)[0, 0]
    array([[2., 0.],
           [0., 3.]])
    """
    if groups == 1:
        return kernel
    rows, columns, c_in, c_out = kernel.shape
    whole = np.zeros((rows, columns, groups, c_in, groups, c_out // groups), kernel.dtype)
    each = np.arange(groups)
    whole[:, :, each, :, each] = kernel.reshape(rows, columns, c_in, groups, -1).transpose(3, 0, 1, 2, 4)
    return whole.reshape(rows, columns, groups * c_in, c_out)


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
        """Number of outputs: pixels of the output image times c_out."""
        return self.weight.shape[0]

    @property
    def offset(self) -> FloatArray:
        """The bias, zeros where there is none."""
        return np.zeros(self.d_out) if self.bias is None else self.bias

"""How convolutional layers of a random network come about: drawn, or fixed as those of pooling are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.convolution import Conv2d, convolved_shape
from subsetsum_nets.networks.distributions import UNIT_UNIFORM, Distribution, draw_array
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.layer_draws import BIAS, WEIGHT, LayerDraw
from subsetsum_nets.networks.window_geometry import Padding, Pair, WindowGeometry

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Shape


@dataclass(frozen=True)
class _KernelSizes(LayerDraw):
    """The sizes of a kernel: (rows, columns, c_in // groups, c_out)."""

    rows: int
    columns: int
    c_in: int
    c_out: int
    stride: Pair = (1, 1)
    padding: Padding = "same"
    dilation: Pair = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.c_in % self.groups or self.c_out % self.groups:
            raise InvalidNetworkError(
                f"groups of {type(self).__name__} must divide the {self.c_in} input channels and the "
                f"{self.c_out} output channels, got {self.groups}"
            )
        given = self.stride, self.padding, self.dilation
        checked = WindowGeometry.checked((self.rows, self.columns), *given)
        for name, value in checked._asdict().items():
            object.__setattr__(self, name, value)

    @property
    def geometry(self) -> WindowGeometry:
        """Stride, padding and dilation."""
        return WindowGeometry(self.stride, self.padding, self.dilation)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the kernel of the layer."""
        return (self.rows, self.columns, self.c_in // self.groups, self.c_out)

    @property
    def takes(self) -> Shape:
        """The shape of the images that the layer takes, of any size."""
        return (None, None, self.c_in)

    def gives(self, shape: Shape, index: int) -> Shape:
        """Return the shape of what the layer makes of images of ``shape``, as layer ``index``.

        Raises
        ------
        InvalidNetworkError
            If it does not take them.

        """
        return convolved_shape(
            self.geometry, (self.rows, self.columns), (self.c_in, self.c_out), shape, index
        )


@dataclass(frozen=True)
class ConvDraw(_KernelSizes):
    """How to draw a convolutional layer: a kernel, and a bias (c_out,) from the same distribution.

    The kernel has shape (rows, columns, c_in // groups, c_out). Its number with row-major index n is made of
    word n of stream (layer, 0), that of the bias of stream (layer, 1).

    Parameters
    ----------
    rows, columns, c_in, c_out : int
    stride, padding, dilation, groups
        As for :class:`~subsetsum_nets.networks.Conv2d`.
    bias : bool
    distribution : Uniform, Normal or sampler

    Raises
    ------
    InvalidNetworkError
        For sizes that are not integers >= 1, windows that are none, groups that do not divide the channels,
        or a kernel of more than :data:`~subsetsum_nets.networks.layer_draws.LARGEST_DRAW` entries.

    Examples
    --------
    >>> ConvDraw(3, 3, 1, 4, stride=(2, 2), bias=True).draw(seed=0, layer=0)
    Conv2d(3x3, 1 -> 4, stride 2x2, bias)

    """

    kind = "conv"

    bias: bool = False
    distribution: Distribution = UNIT_UNIFORM

    @property
    def size(self) -> int:
        """How many numbers the drawn layer holds."""
        return math.prod(self.shape) + self.bias * self.c_out

    def draw(self, seed: int, layer: int) -> Conv2d:
        """Draw the layer that stands at index ``layer``."""
        kernel = draw_array(self.distribution, seed, layer, WEIGHT, self.shape)
        bias = draw_array(self.distribution, seed, layer, BIAS, (self.c_out,)) if self.bias else None
        return Conv2d(kernel, bias, **self.geometry._asdict(), groups=self.groups)


@dataclass(frozen=True)
class FixedConvDraw(_KernelSizes):
    """A convolutional layer that is the target's own, as pooling is; nothing in it is random.

    Parameters
    ----------
    rows, columns, c_in, c_out, stride, padding, dilation, groups
        As for :class:`ConvDraw`.
    kernel : tuple of float
        The entries of (rows, columns, c_in // groups, k) for the first k output channels, in row-major
        order. The others repeat them, as pooling does in every channel.
    shift : tuple of float
        The bias of every output channel, or none.

    Raises
    ------
    InvalidNetworkError
        As :class:`ConvDraw`, and for entries that are not finite or not as many as that.

    Examples
    --------
    >>> halves = FixedConvDraw(1, 2, 3, 3, stride=(1, 2), padding="valid", groups=3, kernel=(0.5, 0.5))
    >>> halves.draw(seed=0, layer=0)
    Conv2d(1x2, 3 -> 3, stride 1x2, valid, 3 groups, fixed)

    """

    kind = "fixed-conv"

    kernel: tuple[float, ...] = ()
    shift: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        outputs, rest = divmod(len(self.kernel), math.prod(self.shape[:3]))
        if rest or not outputs or self.c_out % outputs or len(self.shift) not in (0, self.c_out):
            raise InvalidNetworkError(
                f"{len(self.kernel)} weights and {len(self.shift)} shifts do not go with a FixedConvDraw of "
                f"the shape {self.shape}"
            )

    @classmethod
    def of(cls, layer: Conv2d) -> FixedConvDraw:
        """Return the description of a layer.

        >>> FixedConvDraw.of(Conv2d(np.ones((1, 1, 1, 4)), groups=4, fixed=True)).kernel
        (1.0,)
        """
        first = layer.kernel[..., : layer.c_out // layer.groups]
        alike = np.array_equal(np.tile(first, layer.groups), layer.kernel)
        return cls(
            *layer.size,
            layer.c_in,
            layer.c_out,
            layer.stride,
            layer.padding,
            layer.dilation,
            layer.groups,
            tuple((first if alike else layer.kernel).ravel().tolist()),
            () if layer.bias is None else tuple(layer.bias.tolist()),
        )

    @property
    def size(self) -> int:
        """How many numbers the layer holds."""
        return math.prod(self.shape) + len(self.shift)

    @property
    def random_parameters(self) -> int:
        """How many numbers are drawn: none."""
        return 0

    def draw(self, seed: int, layer: int) -> Conv2d:  # noqa: ARG002 - every kind of layer is drawn alike
        """Return the layer."""
        first = np.array(self.kernel).reshape(*self.shape[:3], -1)
        kernel = np.tile(first, self.c_out // first.shape[3])
        bias = np.array(self.shift) if self.shift else None
        return Conv2d(kernel, bias, **self.geometry._asdict(), groups=self.groups, fixed=True)

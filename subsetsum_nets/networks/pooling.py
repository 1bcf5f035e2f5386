"""AvgPool2d and MaxPool2d: pooling, given like layers and kept as convolutions of fixed weights.

An average is linear. A maximum is ``max(a, b) = a + relu(b - a)``, and of a window of n pixels such maxima in
about log2(n) rounds, first down the rows and then along the columns. Its weights are 0, 1 and -1, so that
nothing is rounded: in real arithmetic the layers are the maximum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.errors import InvalidNetworkError, needs_input_shape
from subsetsum_nets.networks.window_geometry import NO_PADDING, Padding, Pair, WindowGeometry, checked_pair

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray, Shape

Stage = tuple[Conv2d, bool]
"""A layer, and whether a ReLU follows."""


@dataclass(frozen=True, init=False)
class Pooling:
    """Windows that are pooled, channel by channel; a layer in a list that a network is made of."""

    size: Pair | None
    stride: Pair
    padding: Padding

    def __init__(self, size: Any, *, stride: Any = None, padding: Any = "valid") -> None:
        windows = None if size is None else checked_pair(size, "size of the windows")
        if windows is not None:
            geometry = WindowGeometry.checked(windows, windows if stride is None else stride, padding, 1)
        elif stride is None and padding == "valid":
            geometry = WindowGeometry((1, 1), NO_PADDING, (1, 1))
        else:
            raise InvalidNetworkError(
                "pooling over the whole image has one window, and no stride or padding, got "
                f"{stride!r} and {padding!r}"
            )
        for name, value in zip(("size", "stride", "padding"), (windows, *geometry[:2]), strict=True):
            object.__setattr__(self, name, value)  # it is frozen

    @property
    def takes(self) -> Shape:
        """The shape of the images that it takes, of any size and with any number of channels."""
        return (None, None, None)


class AvgPool2d(Pooling):
    """The averages over windows, channel by channel: what PyTorch calls so, zeros of the padding counted.

    In a :class:`~subsetsum_nets.networks.ReluNetwork` it becomes a Conv2d of fixed weights: each value of a
    window is multiplied by the float64 nearest to 1 / count, exactly that where the count is a power of two.

    Parameters
    ----------
    size : int, (int, int) or None
        Rows and columns of a window; None for the whole image, of which the network must know the size.
    stride : int or (int, int), optional
        ``size`` by default.
    padding : as for Conv2d

    Raises
    ------
    InvalidNetworkError
        For a size, stride or padding that is none.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> halves = ReluNetwork([AvgPool2d((1, 2))], input_shape=(1, 4, 1))
    >>> halves([1.0, 2.0, 3.0, 5.0])
    array([1.5, 4. ])
    >>> halves.layers
    (Conv2d(1x2, 1 -> 1, stride 1x2, valid, fixed),)

    """

    def stages(self, shape: Shape, index: int, *, nonnegative: bool) -> list[Stage]:  # noqa: ARG002 - as MaxPool2d is asked
        """Return what it is, as layer ``index``, for images of ``shape``, (h, w, channels).

        Raises
        ------
        InvalidNetworkError
            For values that are no images, or not known well enough.

        """
        channels = _channels(shape, index)
        size = self.size or _whole_image(shape)
        kernel = np.full((*size, 1, channels), 1.0 / (size[0] * size[1]))
        return [(_fixed(kernel, channels, self.stride, self.padding), True)]


class MaxPool2d(Pooling):
    """The maxima over windows, channel by channel.

    In a :class:`~subsetsum_nets.networks.ReluNetwork` it becomes Conv2d layers of fixed weights 0, 1 and -1
    with ReLU between them, see :func:`max_pool_layers`.

    Parameters
    ----------
    size : int, (int, int) or None
        Rows and columns of a window; None for the whole image, of which the network must know the size.
    stride : int or (int, int), optional
        ``size`` by default.
    padding : as for Conv2d
        Less than ``size`` on every side. What lies outside the image does not count as a maximum; so padding
        needs a ReLU in front, behind which a zero changes none.

    Raises
    ------
    InvalidNetworkError
        For a size, stride or padding that is none.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> largest = ReluNetwork([MaxPool2d((1, 2))], input_shape=(1, 4, 1))
    >>> largest([1.0, -2.0, -3.0, -5.0])
    array([ 1., -3.])

    """

    def stages(self, shape: Shape, index: int, *, nonnegative: bool) -> list[Stage]:
        """Return what it is, as layer ``index``, for images of ``shape``, (h, w, channels).

        ``nonnegative`` says that their values are known to be >= 0.

        Raises
        ------
        InvalidNetworkError
            For values that are no images, or not known well enough.

        """
        channels = _channels(shape, index)
        size, padding = self.size or _whole_image(shape), self.padding
        if isinstance(padding, str) and self.stride != (1, 1):
            padding = WindowGeometry(self.stride, padding, (1, 1)).zeros(size, _whole_image(shape))
        return max_pool_layers(channels, size, self.stride, padding, nonnegative=nonnegative)


Pool = AvgPool2d | MaxPool2d


class _Round(NamedTuple):
    """Maxima of two pixels each, ``gap`` apart along an axis, one pair every ``stride`` pixels."""

    axis: int
    gap: int
    stride: int
    zeros: Pair


def max_pool_layers(
    channels: int, size: Any, stride: Any = None, padding: Any = "valid", *, nonnegative: bool
) -> list[Stage]:
    """Return layers of fixed weights that give the maxima over windows, exactly in real arithmetic.

    Parameters
    ----------
    channels : int
    size, stride, padding
        As for :class:`MaxPool2d`; "same" only where it does not depend on the size of the image.
    nonnegative : bool
        Whether the values are known to be >= 0, as behind a ReLU. Then a in ``a + relu(b - a)`` passes
        through a ReLU as it is, else as relu(a) - relu(-a).

    Returns
    -------
    list of (Conv2d, bool)
        Each with whether a ReLU follows. None follows the last, unless values are known to be >= 0, where it
        changes nothing: a network may have one there or not.

    Raises
    ------
    InvalidNetworkError
        For a size, stride or padding that is none, and for padding of values that may be negative.

    Examples
    --------
    >>> for layer, relu in max_pool_layers(1, 2, nonnegative=True):
    ...     print(layer, relu)
    Conv2d(2x1, 1 -> 2, stride 2x1, valid, fixed) True
    Conv2d(1x2, 2 -> 2, stride 1x2, valid, fixed) True
    Conv2d(1x1, 2 -> 1, fixed) True

    """
    windows = checked_pair(size, "size of the windows")
    geometry = WindowGeometry.checked(windows, windows if stride is None else stride, padding, 1)
    if isinstance(geometry.padding, str) and geometry.stride != (1, 1):
        raise needs_input_shape(f"the padding {padding!r} of a maximum")
    zeros = geometry.zeros(windows, (1, 1))
    _check_zeros(windows, zeros, nonnegative=nonnegative)
    rounds = [
        step for axis in (0, 1) for step in _rounds(axis, windows[axis], geometry.stride[axis], zeros[axis])
    ]
    # The largest of the pixels seen so far is the sum of these multiples of the channels kept for it.
    kept = np.array([1.0, 1.0] if nonnegative else [1.0, -1.0, 1.0])
    stages: list[Stage] = []
    parts = np.ones(1)
    for step in rounds:
        stages.append((_pair_maxima(step, channels, parts, nonnegative=nonnegative), True))
        parts = kept
    rows, columns = (s if n == 1 else 1 for n, s in zip(windows, geometry.stride, strict=True))
    total = np.tile(parts[:, np.newaxis], channels)[np.newaxis, np.newaxis]
    return [*stages, (_fixed(total, channels, (rows, columns), "valid"), nonnegative)]


def _rounds(axis: int, size: int, stride: int, zeros: Pair) -> list[_Round]:
    """Return rounds whose last gives the maxima of windows of ``size`` along an axis."""
    rounds: list[_Round] = []
    while size > 2 and size % 2 == stride % 2 == 0:  # pairs that do not overlap
        rounds.append(_Round(axis, 1, 2, zeros))
        size, stride, zeros = size // 2, stride // 2, (0, 0)
    seen = 1
    while seen < size:
        gap = min(seen, size - seen)
        seen += gap
        rounds.append(_Round(axis, gap, stride if seen == size else 1, zeros))
        zeros = (0, 0)
    return rounds


def _pair_maxima(step: _Round, channels: int, parts: FloatArray, *, nonnegative: bool) -> Conv2d:
    """Return the layer that gives, before a ReLU, a and b - a, or a, -a and b - a, of pixels a and b."""
    of_a, of_b = (np.array([1.0, -1.0]), np.array([0.0, 1.0]))
    if not nonnegative:
        of_a, of_b = np.array([1.0, -1.0, -1.0]), np.array([0.0, 0.0, 1.0])
    taps = np.stack([np.outer(parts, of_b), np.outer(parts, of_a)])  # turned around: b comes later
    kernel = np.expand_dims(np.tile(taps, channels), 1 - step.axis)
    stride, dilation, zeros = [1, 1], [1, 1], [(0, 0), (0, 0)]
    stride[step.axis], dilation[step.axis], zeros[step.axis] = step.stride, step.gap, step.zeros
    return _fixed(kernel, channels, stride, zeros, dilation)


def _fixed(kernel: FloatArray, channels: int, stride: Any, padding: Any, dilation: Any = 1) -> Conv2d:
    return Conv2d(kernel, stride=stride, padding=padding, groups=channels, dilation=dilation, fixed=True)


def _check_zeros(size: Pair, zeros: tuple[Pair, Pair], *, nonnegative: bool) -> None:
    if any(max(around) >= n for n, around in zip(size, zeros, strict=True)):
        raise InvalidNetworkError(
            f"MaxPool2d of windows {size[0]}x{size[1]} has the padding {zeros}: some windows would lie "
            "outside the image; it must be less than their size"
        )
    if not nonnegative and np.any(zeros):
        raise InvalidNetworkError(
            f"MaxPool2d has the padding {zeros}, but no ReLU comes before it: a zero outside the image would "
            "beat negative values. Put the ReLU before the pooling, where it gives the same"
        )


def _whole_image(shape: Shape) -> Pair:
    h, w = shape[:2]
    if h is None or w is None:
        raise needs_input_shape("where the windows of this pooling lie")
    return h, w


def _channels(shape: Shape, index: int) -> int:
    if len(shape) != 3:
        raise InvalidNetworkError(
            f"layer {index} pools windows after the Dense layer {index - 1}; values have no place in an "
            "image, so pooling comes before dense layers"
        )
    if shape[-1] is None:
        raise needs_input_shape("the number of channels that a pooling in front gets")
    return shape[-1]

"""The kinds of layers, and the shapes of the values that go from one to the next.

A kind is a class that has what Dense and Conv2d have: ``stored`` and ``with_stored()`` (its weights, as
masks see them), ``bias``, ``parameters``, ``sparse()``, ``takes`` and ``gives()`` (shapes), ``on()`` (the
layer as an affine map of flattened values) and a call. A new one is named in ``Layer`` and ``AffineLayer``.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from subsetsum_nets.networks.convolution import AffineConvolution, Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from subsetsum_nets.networks.arrays import Shape

Layer = Dense | Conv2d
AffineLayer = Dense | AffineConvolution
ImageShape = tuple[int, int, int]


def layer_shapes(layers: Iterable[Layer], start: Shape) -> tuple[Shape, ...]:
    """Return the shapes of the input and of what each layer gives.

    Raises
    ------
    InvalidNetworkError
        If a layer does not take what the one before it gives.

    """
    shapes = [start]
    for index, layer in enumerate(layers):
        shapes.append(layer.gives(shapes[-1], index))
    return tuple(shapes)


def checked_shape(input_shape: Sequence[int], first: Layer) -> ImageShape:
    """Return the size of the images that a network takes, of the channels of its first layer."""
    if len(first.takes) == 1:
        raise InvalidNetworkError(
            f"input_shape {input_shape!r} is for networks that start with Conv2d; layer 0 is {first!r}"
        )
    try:
        h, w, channels = (operator.index(size) for size in input_shape)
    except (TypeError, ValueError):
        h = w = channels = 0
    if min(h, w, channels) < 1:
        raise InvalidNetworkError(
            f"input_shape must be three integers (h, w, c) of at least 1, got {input_shape!r}"
        )
    if channels != first.takes[-1]:
        raise InvalidNetworkError(
            f"input_shape {(h, w, channels)} has {channels} channels, but layer 0 takes {first.takes[-1]}"
        )
    return h, w, channels

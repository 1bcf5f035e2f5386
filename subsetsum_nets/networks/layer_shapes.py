"""The kinds of layers, and the shapes of the values that go from one to the next.

A kind is a class that has what Dense and Conv2d have: ``stored`` and ``with_stored()`` (its weights, as
masks see them), ``bias``, ``parameters``, ``sparse()``, ``takes`` and ``gives()`` (shapes), ``on()`` (the
layer as an affine map of flattened values), ``fixed`` (whether there is nothing to prune), ``options`` (what
else files and digests must say) and a call. A new
one is named in ``Layer`` and ``AffineLayer``. Poolings are given like layers, and stand for some.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

from subsetsum_nets.networks.convolution import AffineConvolution, Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.pooling import Pool

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


def without_pools(
    layers: Sequence[Layer | Pool], relu_after: Sequence[bool], start: Shape
) -> tuple[tuple[Layer, ...], tuple[bool, ...]]:
    """Return the layers that a list with poolings stands for, and after which of them a ReLU follows.

    The ReLU after a pooling is that after the last layer that stands for it.

    Raises
    ------
    InvalidNetworkError
        If a layer does not take what the one before it gives, or a pooling needs to know more of it.

    """
    stages: list[tuple[Layer, bool]] = []
    shape, nonnegative = start, False
    for index, (layer, relu) in enumerate(zip(layers, relu_after, strict=True)):
        new: list[tuple[Layer, bool]]
        if isinstance(layer, Pool):
            new = [*layer.stages(shape, index, nonnegative=nonnegative)]
            new[-1] = new[-1][0], relu
            nonnegative = nonnegative or relu
        else:
            new = [(layer, relu)]
            nonnegative = relu
        for stage, _ in new:
            shape = stage.gives(shape, index)
        stages += new
    return tuple(layer for layer, _ in stages), tuple(relu for _, relu in stages)


def checked_shape(input_shape: Sequence[int], first: Layer | Pool) -> ImageShape:
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
    if channels != (first.takes[-1] or channels):
        raise InvalidNetworkError(
            f"input_shape {(h, w, channels)} has {channels} channels, but layer 0 takes {first.takes[-1]}"
        )
    return h, w, channels

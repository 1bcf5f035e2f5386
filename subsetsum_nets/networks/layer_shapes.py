"""Which layers can follow one another, and what images a convolutional network takes."""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.errors import InvalidNetworkError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.dense import Dense

    ImageShape = tuple[int, int, int]


def size_in(layer: Dense | Conv2d, pixels: int) -> int:
    """Return the number of values that a layer takes, for images of so many pixels."""
    return pixels * layer.c_in if isinstance(layer, Conv2d) else layer.d_in


def size_out(layer: Dense | Conv2d, pixels: int) -> int:
    """Return the number of values that a layer gives, for images of so many pixels."""
    return pixels * layer.c_out if isinstance(layer, Conv2d) else layer.d_out


def checked_shape(input_shape: Sequence[int], first: Dense | Conv2d) -> ImageShape:
    """Return the size of the images that a network takes, of the channels of its first layer."""
    if not isinstance(first, Conv2d):
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
    if channels != first.c_in:
        raise InvalidNetworkError(
            f"input_shape {(h, w, channels)} has {channels} channels, but layer 0 takes {first.c_in}"
        )
    return h, w, channels


def check_neighbours(
    index: int, before: Dense | Conv2d, after: Dense | Conv2d, input_shape: ImageShape | None
) -> None:
    """Raise InvalidNetworkError unless layer ``index`` takes what the one before it gives."""
    if isinstance(after, Conv2d):
        if not isinstance(before, Conv2d):
            raise InvalidNetworkError(
                f"layer {index} is a Conv2d after the Dense layer {index - 1}; values have no place in an "
                "image, so convolutional layers come first"
            )
        if before.c_out != after.c_in:
            raise InvalidNetworkError(
                f"layer {index - 1} gives {before.c_out} channels, but layer {index} takes {after.c_in}"
            )
        return
    given = size_out(before, 1 if input_shape is None else math.prod(input_shape[:2]))
    if isinstance(before, Conv2d) and input_shape is None:
        if after.d_in % given:
            raise InvalidNetworkError(
                f"layer {index - 1} gives images of {given} channels, but layer {index} takes {after.d_in} "
                f"values, which is no multiple of {given}"
            )
    elif given != after.d_in:
        raise InvalidNetworkError(
            f"layer {index - 1} gives {given} values, but layer {index} takes {after.d_in}"
        )


def needs_input_shape(what: str) -> InvalidNetworkError:
    """Return the error that says that ``what`` cannot be told for images of any size."""
    return InvalidNetworkError(
        f"{what} depends on the size of the images: give the network its input_shape=(h, w, c)"
    )

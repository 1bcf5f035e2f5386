"""Averages over windows of images: convolutions whose weights are 1 over a number of pixels."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.exact_arithmetic import factor_of
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix

if TYPE_CHECKING:
    from subsetsum_nets.networks.lowering.tracer import Tracer
    from subsetsum_nets.networks.lowering.values import Value

    Pads = tuple[int, int, int, int]

NONE: Pads = (0, 0, 0, 0)


def average_of_windows(tracer: Tracer, image: Value, windows: Convolution, counted: Pads) -> Value:
    """Return the averages over windows of an image (c, h, w).

    Parameters
    ----------
    tracer : Tracer
    image : Value
    windows : Convolution
        Of which only the geometry counts.
    counted : (top, left, bottom, right)
        The zeros around the image that count as pixels; others are only there so that windows fit.

    """
    channels, size = image.shape[0], windows.kernel.shape[2:]
    pads = windows.pads
    uniform = pads == counted
    weight = _mean(tracer, math.prod(size)) if uniform else 1.0
    core = Convolution(
        np.full((channels, 1, *size), weight),
        image.shape,
        windows.strides,
        pads,
        windows.dilations,
        groups=channels,
        average=True,
    )
    if uniform:
        return tracer.linear(image, core)
    check_demand(96 * core.unrolled_size(), tracer.where)
    counts = _counts(core, counted)
    if not counts.all():
        raise InvalidNetworkError(f"{tracer.where} averages windows that lie outside the image")
    if not np.all(np.frexp(counts)[0] == 0.5):
        tracer.note("its weights 1/n for windows of n pixels", 2.0**-53)
    matrix = core.unrolled()
    matrix.data = matrix.data / np.repeat(counts, np.diff(matrix.indptr))
    return tracer.reshape(tracer.linear(image, Matrix(matrix)), core.gives)


def channel_averages(tracer: Tracer, image: Value, *, total: bool = False) -> Value:
    """Return the average of each channel of an image (c, h, w), or the sum, as an image of one pixel."""
    channels, h, w = image.shape
    weight = 1.0 if total else _mean(tracer, h * w)
    kernel = np.full((channels, 1, h, w), weight)
    return tracer.linear(image, Convolution(kernel, image.shape, groups=channels, average=True))


def _mean(tracer: Tracer, count: int) -> float:
    """Return 1 / count as the nearest float64, and note where it is rounded."""
    one = factor_of([Fraction(1, count)], (1,))
    if one.low is not None:
        tracer.note(f"its weights 1/{count}", 2.0**-53)
    return float(one.high[0])


def _counts(core: Convolution, around: Pads) -> Any:
    """Return how many pixels count in each window, where zeros ``around`` the image do."""
    top, left, bottom, right = around
    ones = np.ones((core.takes[1] + top + bottom, core.takes[2] + left + right))
    pads = tuple(all_of - own for all_of, own in zip(core.pads, around, strict=True))
    one = Convolution(
        np.ones((1, 1, *core.kernel.shape[2:])), (1, *ones.shape), core.strides,
        (pads[0], pads[1], pads[2], pads[3]), core.dilations,
    )  # fmt: skip
    return np.tile(one.unrolled() @ ones.ravel(), core.takes[0])

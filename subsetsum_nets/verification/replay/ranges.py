"""Exact ranges of the units of one network: interval arithmetic without rounding."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.replay.arithmetic import (
    ExactMatrix,
    entrywise,
    half,
    maximum,
    minimum,
    positive_part,
    row_norms_up,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Ball, Domain
    from subsetsum_nets.verification.replay.layers import ExactLayer


@dataclass(frozen=True, eq=False)
class ExactRange:
    """All vectors x with ``low <= x <= high``; columns."""

    low: ExactMatrix
    high: ExactMatrix

    def relu(self) -> ExactRange:
        """Return the range of max(x, 0)."""
        return ExactRange(positive_part(self.low), positive_part(self.high))

    def plus(self, other: ExactRange) -> ExactRange:
        """Return the range of x + y."""
        return ExactRange(self.low + other.low, self.high + other.high)

    def intersected(self, other: ExactRange) -> ExactRange:
        """Return the range of what lies in both."""
        return ExactRange(maximum(self.low, other.low), minimum(self.high, other.high))

    def parts(self) -> tuple[ExactRange, ExactRange]:
        """Return the ranges of max(x, 0) and min(x, 0)."""
        return self.relu(), ExactRange(-positive_part(-self.low), -positive_part(-self.high))

    def magnitude(self) -> ExactMatrix:
        """Return the largest |x|, unit by unit."""
        return maximum(abs(self.low), abs(self.high))


def symmetric(radius: ExactMatrix) -> ExactRange:
    """Return the range of all x with ``|x| <= radius``."""
    return ExactRange(-radius, radius)


def image(weight: ExactMatrix, x: ExactRange) -> ExactRange:
    """Return the range of ``W x``, from twice the midpoint and twice the radius of x."""
    middle, reach = weight @ (x.low + x.high), abs(weight) @ (x.high - x.low)
    return ExactRange(half(middle - reach), half(middle + reach))


def two_slope_image(layer: ExactLayer, x: ExactRange) -> ExactRange:
    """Return the range of ``P max(x, 0) + N min(x, 0) + c``, the two parts of x taken for unrelated."""
    above, below = x.parts()
    return image(layer.positive, above).plus(image(layer.negative, below)).plus(point(layer.bias))


def point(values: ExactMatrix) -> ExactRange:
    """Return the range that holds ``values`` alone."""
    return ExactRange(values, values)


def domain_range(domain: Domain, dimension: int) -> ExactRange:
    """Return the smallest box around the domain."""
    if (ball := domain.ball) is not None:
        radius = ExactMatrix.from_floats(np.full(dimension, ball.radius))
        return point(ball_center(ball, dimension)).plus(symmetric(radius))
    low, high = domain.bounds(dimension)
    return ExactRange(ExactMatrix.from_floats(low), ExactMatrix.from_floats(high))


def ball_center(ball: Ball, dimension: int) -> ExactMatrix:
    """Return the center of a ball, a column."""
    return ExactMatrix.from_floats(np.broadcast_to(ball.center, (dimension,)))


def ball_reach(rows: ExactMatrix, ball: Ball) -> ExactMatrix:
    """Return ``radius ||row||_2`` for every row, rounded up to 128 bits: Cauchy-Schwarz."""
    radius = Fraction(ball.radius)
    return ExactMatrix.from_fractions([radius * norm for norm in row_norms_up(rows)])


def network_ranges(
    layers: Sequence[ExactLayer], relu_after: Sequence[bool], domain: Domain
) -> list[ExactRange]:
    """Return the range of every affine layer before its ReLU."""
    x = domain_range(domain, layers[0].positive.shape[1])
    ranges: list[ExactRange] = []
    for index, (layer, relu) in enumerate(zip(layers, relu_after, strict=True)):
        before = image(layer.positive, x).plus(point(layer.bias))
        if index == 0 and (ball := domain.ball) is not None:
            center = layer.positive @ ball_center(ball, x.low.shape[0]) + layer.bias
            before = before.intersected(point(center).plus(symmetric(ball_reach(layer.positive, ball))))
        ranges.append(before)
        x = before.relu() if relu else before
    return ranges


def difference(a: ExactRange, b: ExactRange) -> ExactMatrix:
    """Return the largest ``|x - y|`` for x in ``a`` and y in ``b``, unit by unit."""
    return entrywise(max, a.high - b.low, b.high - a.low)


def error_size(error: ExactLayer, x: ExactRange, domain: Domain | None) -> ExactMatrix:
    """Return the largest ``|E+ max(x, 0) + E- min(x, 0) + e_b|`` by the triangle inequality, unit by unit.

    ``domain`` is given for the inputs of the network.
    """
    above, below = positive_part(x.high), positive_part(-x.low)
    positive, negative = abs(error.positive), abs(error.negative)
    if not any(below.signs()):
        size = positive @ above
    else:
        products = maximum(positive.scaled_columns(above), negative.scaled_columns(below))
        size = products.row_sums()
    if domain is not None and (ball := domain.ball) is not None:
        counted = counted_slopes(positive, negative, x)
        center = abs(ball_center(ball, x.low.shape[0]))
        size = minimum(size, counted @ center + ball_reach(counted, ball))
    return size + abs(error.bias)


def counted_slopes(positive: ExactMatrix, negative: ExactMatrix, x: ExactRange) -> ExactMatrix:
    """Return the larger of two nonnegative slopes that some input makes count."""
    above = ExactMatrix.from_ints([int(sign > 0) for sign in x.high.signs()], x.high.shape, 0)
    below = ExactMatrix.from_ints([int(sign < 0) for sign in x.low.signs()], x.low.shape, 0)
    return maximum(positive.scaled_columns(above), negative.scaled_columns(below))

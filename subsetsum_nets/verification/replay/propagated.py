"""Method "propagated", replayed in exact arithmetic: see ``methods.propagated``.

Its slopes T are on record, and which layers the errors of all earlier ones are followed to; any are sound.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.replay.arithmetic import (
    ExactMatrix,
    entrywise,
    maximum,
    minimum,
    norm_up,
    quotient_down,
    zeros,
)
from subsetsum_nets.verification.replay.ranges import (
    ExactRange,
    ball_center,
    ball_reach,
    counted_slopes,
    difference,
    domain_range,
    error_size,
    network_ranges,
    point,
    symmetric,
    two_slope_image,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.records import PropagatedSlopes
    from subsetsum_nets.verification.replay.exact_comparison import ExactComparison
    from subsetsum_nets.verification.replay.layers import ExactLayer


def replayed_propagated(pair: ExactComparison, record: PropagatedSlopes) -> Fraction:
    """Bound sup ||f - g|| by propagated matrices.

    Raises
    ------
    ValueError
        If the record is not one for so many layers and units, or not finite.

    """
    layers, errors, relu_after, domain = pair.layers, pair.errors, pair.relu_after, pair.domain
    if not len(record.relus) == len(record.followed) == len(layers):
        raise ValueError(f"the record is not one of {len(layers)} layers")
    slopes = [ExactMatrix.from_floats(t) for t in record.relus]
    of_f_all = network_ranges(layers, relu_after, domain)
    inputs = [domain_range(domain, layers[0].positive.shape[1])]  # of g, layer by layer
    middles: list[ExactMatrix | None] = []  # T, None where no ReLU follows
    residuals: list[ExactMatrix] = []
    deviation = zeros(layers[0].positive.shape[1])
    for index, (layer, of_f) in enumerate(zip(layers, of_f_all, strict=True)):
        fresh = error_size(errors[index], inputs[index], domain if index == 0 else None)
        change = symmetric(abs(layer.positive) @ deviation + fresh)
        if record.followed[index]:
            change = change.intersected(
                _propagated(layers[: index + 1], errors, inputs, domain, middles, residuals)
            )
        of_g = of_f.plus(change).intersected(two_slope_image(pair.effective[index], inputs[index]))
        deviation = minimum(change.magnitude(), difference(of_f, of_g))
        inputs.append(of_g.relu() if relu_after[index] else of_g)
        if relu_after[index]:
            middles.append(slopes[index])
            residuals.append(_residual(of_f, of_g, deviation, slopes[index]))
            deviation = minimum(deviation, difference(of_f.relu(), of_g.relu()))
        else:
            middles.append(None)
            residuals.append(zeros(layer.positive.shape[0]))
    return norm_up(deviation, pair.norm)


def _propagated(
    layers: Sequence[ExactLayer],
    errors: Sequence[ExactLayer],
    inputs: Sequence[ExactRange],
    domain: Domain,
    middles: Sequence[ExactMatrix | None],
    residuals: Sequence[ExactMatrix],
) -> ExactRange:
    """Return the range of the last layer's deviation before its ReLU."""
    last = len(layers) - 1
    matrix = ExactMatrix.from_floats(np.eye(layers[last].positive.shape[0]))
    total = _effect(matrix, errors[last], inputs[last], domain if last == 0 else None)
    for index in range(last - 1, -1, -1):
        matrix = matrix @ layers[index + 1].positive
        total = total.plus(symmetric(abs(matrix) @ residuals[index]))
        middle = middles[index]
        if middle is not None:
            matrix = matrix.scaled_columns(middle)
        total = total.plus(_effect(matrix, errors[index], inputs[index], domain if index == 0 else None))
    return total


def _effect(matrix: ExactMatrix, error: ExactLayer, x: ExactRange, domain: Domain | None) -> ExactRange:
    """Return the range of ``M (E+ max(x, 0) + E- min(x, 0) + e_b)``; ``domain`` for the first layer only."""
    positive = matrix @ error.positive
    matters = error.negative is not error.positive and -1 in x.low.signs()
    negative = matrix @ error.negative if matters else positive
    effect = _slope_range(positive, negative, x)
    if domain is not None and (ball := domain.ball) is not None:
        center = ball_center(ball, x.low.shape[0])
        reach = ball_reach(counted_slopes(abs(positive), abs(negative), x), ball)
        effect = effect.intersected(_slope_range(positive, negative, point(center)).plus(symmetric(reach)))
    return effect.plus(point(matrix @ error.bias))


def _slope_range(positive: ExactMatrix, negative: ExactMatrix, x: ExactRange) -> ExactRange:
    """Return the range of ``C+ max(x, 0) + C- min(x, 0)``, whose terms are extreme at an end or at 0."""
    values = [_at(positive, negative, end) for end in (x.low, x.high)]
    low, high = x.low.signs(), x.high.signs()
    if any(a < 0 < b for a, b in zip(low, high, strict=True)):
        # The value at 0 where it lies inside; the value at an end again where it does not.
        across = ExactMatrix.from_ints(
            [int(not a < 0 < b) for a, b in zip(low, high, strict=True)], x.low.shape, 0
        )
        values.append(values[0].scaled_columns(across))
    return ExactRange(entrywise(min, *values).row_sums(), entrywise(max, *values).row_sums())


def _at(positive: ExactMatrix, negative: ExactMatrix, x: ExactMatrix) -> ExactMatrix:
    """Return the terms ``c+_j max(x_j, 0) + c-_j min(x_j, 0)`` of every row."""
    if positive is negative:
        return positive.scaled_columns(x)
    above, below = maximum(x, zeros(x.shape[0])), minimum(x, zeros(x.shape[0]))
    return positive.scaled_columns(above) + negative.scaled_columns(below)


def _residual(of_f: ExactRange, of_g: ExactRange, deviation: ExactMatrix, middle: ExactMatrix) -> ExactMatrix:
    """Return ``sup |D - T| deviation`` with ``relu(z') - relu(z) = D (z' - z)``, unit by unit."""
    columns = (of_f.low, of_f.high, of_g.low, of_g.high, deviation, middle)
    residuals = []
    for f_low, f_high, g_low, g_high, size, t in zip(*(c.fractions() for c in columns), strict=True):
        low, high = _slope_interval(f_low, f_high, g_low, g_high, size)
        residuals.append(max(high - t, t - low) * size)
    return ExactMatrix.from_fractions(residuals)


def _slope_interval(
    f_low: Fraction, f_high: Fraction, g_low: Fraction, g_high: Fraction, size: Fraction
) -> tuple[Fraction, Fraction]:
    """Return bounds of D for one unit of f in [f_low, f_high] and of g in [g_low, g_high]."""
    if size == 0:
        return Fraction(0), Fraction(0)
    if f_low >= 0 and g_low >= 0:
        return Fraction(1), Fraction(1)
    if f_high <= 0 and g_high <= 0:
        return Fraction(0), Fraction(0)
    on, off = max(f_low, g_low, Fraction(0)), max(-f_high, -g_high, Fraction(0))
    low, high = quotient_down(on, size), 1 - quotient_down(off, size)
    return min(low, Fraction(1)), max(high, Fraction(0))

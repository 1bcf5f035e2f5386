"""Division by constants and batch normalisation at inference: factors that float64 may not hold."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor, factor_of

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.lowering.tracer import Tracer
    from subsetsum_nets.networks.lowering.values import Value

_DIGITS = 2**130  # relative to the number whose square root is taken


def reciprocals(tracer: Tracer, divisors: FloatArray) -> Factor:
    """Return 1 / divisors as a factor.

    Raises
    ------
    InvalidNetworkError
        If a reciprocal is not finite.

    """
    with np.errstate(divide="ignore", over="ignore"):
        finite = bool(np.isfinite(1.0 / divisors).all())
    if not finite:
        raise InvalidNetworkError(f"{tracer.where} divides by 0: every entry must be finite")
    return factor_of([1 / Fraction(number) for number in divisors.ravel().tolist()], divisors.shape)


def batch_normalised(
    tracer: Tracer,
    value: Value,
    gamma: FloatArray,
    beta: FloatArray,
    mean: FloatArray,
    variance: FloatArray,
    epsilon: float,
    axis: int = 1,
) -> Value:
    """Return ``gamma (x - mean) / sqrt(variance + epsilon) + beta``, a number of each along an axis.

    Raises
    ------
    InvalidNetworkError
        If there are not as many numbers as places along the axis, or a root is not that of a positive number.

    """
    sizes = {part.size for part in (gamma, beta, mean, variance)}
    if len(value.shape) <= axis or sizes != {value.shape[axis]}:
        raise InvalidNetworkError(
            f"{tracer.where} has {sorted(sizes)} numbers for values of shape {value.shape}, not one a channel"
        )
    below = [Fraction(number) + Fraction(epsilon) for number in variance.ravel().tolist()]
    if min(below) <= 0:
        raise InvalidNetworkError(
            f"{tracer.where} divides by the square root of a number that is not positive"
        )
    scales = [Fraction(g) / _root(number) for g, number in zip(gamma.ravel().tolist(), below, strict=True)]
    centres, shifts = ([Fraction(number) for number in each.ravel().tolist()] for each in (mean, beta))
    return tracer.scale_and_shift(value, scales, centres, shifts, axis)


def _root(number: Fraction) -> Fraction:
    """Return the square root of a positive number, to 2**-128 of it, or exactly where it is a fraction.

    >>> _root(Fraction(9, 4)), abs(float(_root(Fraction(2)) ** 2 - 2)) < 2.0**-126
    (Fraction(3, 2), True)
    """
    n, d = number.numerator, number.denominator
    roots = math.isqrt(n), math.isqrt(d)
    if roots[0] ** 2 == n and roots[1] ** 2 == d:
        return Fraction(*roots)
    scale = _DIGITS * 2 ** max(0, d.bit_length() - n.bit_length())
    return Fraction(math.isqrt(n * scale * scale // d), scale)

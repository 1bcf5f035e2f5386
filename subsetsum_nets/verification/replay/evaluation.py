"""What two networks give at one point, without any rounding: the proof of a lower bound."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_norm
from subsetsum_nets.verification.replay.arithmetic import integers
from subsetsum_nets.verification.replay.layers import entries

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork


def exact_value(network: ReluNetwork, point: FloatArray) -> list[Fraction]:
    """Return the value of a network at a point, exactly.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> exact_value(ReluNetwork([Dense([[1e308, 1.0]])]), np.array([4.0, 1.0]))[0] == 4 * int(1e308) + 1
    True

    """
    values, scale = integers(point)
    for layer, relu in zip(network.affine_layers, network.relu_after, strict=True):
        rows, columns, stored = entries(layer.weight)
        weights, weight_scale = integers(stored)
        biases, bias_scale = integers(layer.offset)
        finer = max(scale + weight_scale, bias_scale)
        sums = [bias << finer - bias_scale for bias in biases]
        values = [value << finer - scale - weight_scale for value in values]
        for row, column, weight in zip(rows, columns, weights, strict=True):
            sums[row] += weight * values[column]
        values, scale = [max(total, 0) for total in sums] if relu else sums, finer
    unit = Fraction(2) ** -scale
    return [value * unit for value in values]


def exact_difference_down(f: ReluNetwork, g: ReluNetwork, point: FloatArray, norm: str) -> float:
    """Return the largest float64 that is not above ||f(point) - g(point)||.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[0.1]])]), ReluNetwork([Dense([[0.3]])])
    >>> exact_difference_down(f, g, np.array([1.0]), "linf")
    0.19999999999999998

    """
    checked_norm(norm)
    pairs = zip(exact_value(f, point), exact_value(g, point), strict=True)
    sizes = [abs(a - b) for a, b in pairs]
    if norm == "linf":
        return _float_down(max(sizes))
    if norm == "l1":
        return _float_down(sum(sizes, Fraction(0)))
    square = sum((size * size for size in sizes), Fraction(0))
    scale = 128 + max(0, square.denominator.bit_length() - square.numerator.bit_length())
    return _float_down(Fraction(math.isqrt(math.floor(square * (1 << 2 * scale))), 1 << scale))


def _float_down(value: Fraction) -> float:
    """Return the largest float64 that is not above a value >= 0."""
    try:
        nearest = value.numerator / value.denominator
    except OverflowError:
        return float(np.finfo(np.float64).max)
    return nearest if nearest <= value else math.nextafter(nearest, 0.0)

"""Activations that are combinations of ReLUs: leaky, parametric and clipped ones, absolute values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.lowering.tracer import Tracer
    from subsetsum_nets.networks.lowering.values import Value


def two_slopes(tracer: Tracer, value: Value, slope: FloatArray | float) -> Value:
    """Return ``relu(x) - slope relu(-x)`` for slopes that broadcast to the value's shape.

    A leaky or parametric ReLU has a slope below 1, the absolute value that of -1.
    """
    positive = tracer.relu(value)
    if positive is value:
        return value
    numbers = np.reshape(
        -np.asarray(slope, np.float64), (1,) * (len(value.shape) - np.ndim(slope)) + np.shape(slope)
    )
    return tracer.add(positive, tracer.scale(tracer.relu(tracer.negate(value)), Factor(numbers)))


def clipped(tracer: Tracer, value: Value, low: float | None, high: float | None) -> Value:
    """Return ``min(max(value, low), high) = low + relu(x - low) - relu(x - high)``; None is no bound."""
    if low is not None and high is not None and low > high:
        raise NetworkFileError(f"{tracer.where} clips to numbers from {low} to {high}")
    if low is None and high is None:
        return value
    if low is None:
        below = tracer.relu(_plus(tracer, tracer.negate(value), high or 0.0))
        return _plus(tracer, tracer.negate(below), high or 0.0)
    above = tracer.relu(_plus(tracer, value, -low))
    if high is not None:
        above = tracer.subtract(above, tracer.relu(_plus(tracer, value, -high)))
    return _plus(tracer, above, low)


def _plus(tracer: Tracer, value: Value, number: float) -> Value:
    return value if number == 0.0 else tracer.shift(value, np.full((1,) * len(value.shape), number))

"""The operators of ONNX that act entry by entry: affine ones, and the combinations of ReLUs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.files.onnx_tensors import FLOATS
from subsetsum_nets.networks.lowering.activations import clipped, two_slopes
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor
from subsetsum_nets.networks.lowering.normalisation import reciprocals

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.files.onnx_calls import Call
    from subsetsum_nets.networks.lowering.values import Value

_LARGEST_FLOAT32 = float(np.finfo(np.float32).max)


def add(call: Call) -> Value:
    """Add a constant, or two values."""
    if call.is_data(0) and call.is_data(1):
        return call.tracer.add(*_alike(call, call.value(0), call.value(1)))
    value, index = call.only_value
    return call.tracer.shift(*call.broadcast(value, call.constant(1 - index)))


def subtract(call: Call) -> Value:
    """Subtract a constant, from a constant, or two values."""
    if call.is_data(0) and call.is_data(1):
        return call.tracer.subtract(*_alike(call, call.value(0), call.value(1)))
    value, index = call.only_value
    value, constant = call.broadcast(value, call.constant(1 - index))
    if index == 0:
        return call.tracer.shift(value, -constant)
    return call.tracer.shift(call.tracer.negate(value), constant)


def multiply(call: Call) -> Value:
    """Multiply by a constant."""
    value, index = call.only_value
    value, constant = call.broadcast(value, call.constant(1 - index))
    return call.tracer.scale(value, Factor(constant))


def divide(call: Call) -> Value:
    """Divide by a constant."""
    value, index = call.only_value
    if index:
        call.refuse("divides a constant by the data, which is not piecewise linear")
    value, constant = call.broadcast(value, call.constant(1))
    return call.tracer.scale(value, reciprocals(call.tracer, constant), "weights divided by its constant")


def scaler(call: Call) -> Value:
    """Subtract offsets, then multiply by scales."""
    value = call.value(0)
    offset, scale = (
        np.array(call.attributes.get(n, [d]), np.float64) for n, d in (("offset", 0), ("scale", 1))
    )
    value = call.tracer.shift(*call.broadcast(value, -offset))
    return call.tracer.scale(*_factor(call.broadcast(value, scale)))


def negate(call: Call) -> Value:
    """Change the sign."""
    return call.tracer.negate(call.value(0))


def relu(call: Call) -> Value:
    """Take the positive part."""
    return call.tracer.relu(call.value(0))


def leaky_relu(call: Call) -> Value:
    """Return ``relu(x) - alpha relu(-x)``."""
    return two_slopes(call.tracer, call.value(0), call.attributes.get("alpha", float(np.float32(0.01))))


def prelu(call: Call) -> Value:
    """Return ``relu(x) - slope relu(-x)`` for constant slopes."""
    value, slope = call.value(0), call.constant(1)
    if call.opset < 7 and slope.ndim == 1 and slope.size > 1 and len(value.shape) > 1:
        slope = slope.reshape(-1, *(1,) * (len(value.shape) - 2))
    return two_slopes(call.tracer, *call.broadcast(value, slope))


def absolute(call: Call) -> Value:
    """Return ``relu(x) + relu(-x)``."""
    return two_slopes(call.tracer, call.value(0), -1.0)


def clip(call: Call) -> Value:
    """Return ``low + relu(x - low) - relu(x - high)``."""
    low, high = call.bound(1, "min"), call.bound(2, "max")
    # No number of a float32 file is beyond these bounds, with which some exporters say that there is none.
    low = None if low is None or low <= -_LARGEST_FLOAT32 else low
    high = None if high is None or high >= _LARGEST_FLOAT32 else high
    return clipped(call.tracer, call.value(0), low, high)


def hard_sigmoid(call: Call) -> Value:
    """Return ``min(max(alpha x + beta, 0), 1)``."""
    tracer, value = call.tracer, call.value(0)
    shape = (1,) * len(value.shape)
    alpha, beta = (
        np.full(shape, call.attributes.get(name, np.float32(default)), np.float64)
        for name, default in (("alpha", 0.2), ("beta", 0.5))
    )
    return clipped(call.tracer, tracer.shift(tracer.scale(value, Factor(alpha)), beta), 0.0, 1.0)


def maximum(call: Call) -> Value:
    """Return the largest of constants and values."""
    return _extreme(call, call.tracer.maximum)


def minimum(call: Call) -> Value:
    """Return the smallest of constants and values: minus the largest of their negatives."""
    tracer = call.tracer

    def smaller(a: Value, b: Value) -> Value:
        return tracer.subtract(a, tracer.relu(tracer.subtract(a, b)))

    return _extreme(call, smaller)


def total(call: Call) -> Value:
    """Add up constants and values."""
    return _extreme(call, call.tracer.add)


def mean(call: Call) -> Value:
    """Return the mean of constants and values."""
    value = total(call)
    count = np.full((1,) * len(value.shape), float(len(call.node.input)))
    return call.tracer.scale(
        value, reciprocals(call.tracer, count), "weights divided by the number of its inputs"
    )


def identity(call: Call) -> Value:
    """Do nothing."""
    return call.value(0)


def cast(call: Call) -> Value:
    """Do nothing: numbers are real here."""
    wanted = call.attributes.get("to", 0)
    if wanted not in FLOATS and wanted not in (b"FLOAT", b"DOUBLE", b"FLOAT16"):
        call.refuse(f"casts to the ONNX data type {wanted}; floats are supported")
    return call.value(0)


def dropout(call: Call) -> Value:
    """Do nothing, as at inference."""
    training = call.has(2) and any(call.ints(2) or [])
    if training:
        call.refuse("drops values at random, as in training; export in eval mode (model.eval())")
    return call.value(0)


def _extreme(call: Call, combine: Callable[[Value, Value], Value]) -> Value:
    """Combine all inputs of a node, constants among them."""
    places = range(len(call.node.input))
    data = [call.value(index) for index in places if call.is_data(index)]
    constants = [call.constant(index) for index in places if not call.is_data(index)]
    shape = call.common_shape(*(value.shape for value in data), *(each.shape for each in constants))
    values = [call.tracer.expand(value, shape) for value in data]
    values = [call.tracer.constant(values[0], constant) for constant in constants] + values
    result = values[0]
    for value in values[1:]:
        result = combine(result, value)
    return result


def _alike(call: Call, a: Value, b: Value) -> tuple[Value, Value]:
    shape = call.common_shape(a.shape, b.shape)
    return call.tracer.expand(a, shape), call.tracer.expand(b, shape)


def _factor(pair: tuple[Value, FloatArray]) -> tuple[Value, Factor]:
    return pair[0], Factor(pair[1])

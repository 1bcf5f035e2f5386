"""The operators of ONNX that are matrices, sums along axes, and normalisations with constants."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.averages import channel_averages
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor, exact_product
from subsetsum_nets.networks.lowering.linear_maps import Matrix
from subsetsum_nets.networks.lowering.maxima import Window, largest_of_rows, largest_of_windows
from subsetsum_nets.networks.lowering.normalisation import batch_normalised, reciprocals

if TYPE_CHECKING:
    from subsetsum_nets.networks.files.onnx_calls import Call
    from subsetsum_nets.networks.lowering.values import Value

    Sizes = tuple[int, ...]


def gemm(call: Call) -> Value:
    """Return ``alpha A B + beta C``, one of A and B constant."""
    tracer, attributes = call.tracer, call.attributes
    value, index = call.only_value
    if len(value.shape) != 2:
        value = tracer.reshape(value, (value.shape[0], -(-math.prod(value.shape) // max(value.shape[0], 1))))
    weight = _matrix(call, 1 - index)
    turned = [bool(attributes.get("transA", 0)), bool(attributes.get("transB", 0))]
    if turned[index]:
        value = _transposed(call, value)
    weight = weight.T if turned[1 - index] else weight
    result = _times_weight(call, value, weight) if index == 0 else _weight_times(call, weight, value)
    alpha, beta = float(attributes.get("alpha", 1.0)), float(attributes.get("beta", 1.0))
    if alpha != 1.0:
        result = tracer.scale(result, Factor(np.full((1, 1), alpha)))
    if not call.has(2):
        return result
    if call.is_data(2):
        other = tracer.expand(call.value(2), call.common_shape(result.shape, call.value(2).shape))
        return tracer.add(result, tracer.scale(other, Factor(np.full((1, 1), beta))))
    added = exact_product(call.constant(2), np.full(1, beta))
    if added is None:
        call.refuse(f"multiplies its bias by beta={beta!r}, which rounds it; export with beta=1")
    return tracer.shift(*call.broadcast(result, added.reshape(call.constant(2).shape)))


def linear_regressor(call: Call) -> Value:
    """Return the ``targets`` linear functions of scikit-learn's linear models, one for each sample."""
    attributes, value = call.attributes, call.value(0)
    if attributes.get("post_transform", "NONE") not in ("NONE", b"NONE"):
        call.refuse(f"ends in {attributes['post_transform']!r}; supported is post_transform NONE")
    targets = int(attributes.get("targets", 1))
    numbers = np.array(attributes.get("coefficients", []), np.float64)
    if targets < 1 or len(value.shape) != 2 or numbers.size != targets * value.shape[1]:
        call.refuse(f"has {numbers.size} coefficients for {targets} functions of values of {value.shape}")
    result = _times_weight(call, value, numbers.reshape(targets, -1).T)
    intercepts = np.array(attributes.get("intercepts", [0.0] * targets), np.float64)
    return call.tracer.shift(*call.broadcast(result, intercepts))


def matmul(call: Call) -> Value:
    """Multiply by a constant matrix, from either side."""
    value, index = call.only_value
    weight = _matrix(call, 1 - index)
    if index == 0:
        return _times_weight(call, value, weight)
    if len(value.shape) == 1:
        column = call.tracer.reshape(value, (*value.shape, 1))
        return call.tracer.reshape(_weight_times(call, weight, column), (weight.shape[0],))
    return _weight_times(call, weight, value)


def _matrix(call: Call, index: int) -> Any:
    """Return a constant matrix, numpy or CSR; one axis is a column behind data and a row before it."""
    if (sparse := call.sparse(index)) is not None:
        return sparse
    matrix = call.constant(index)
    if matrix.ndim == 1:
        matrix = matrix[:, np.newaxis] if index == 1 else matrix[np.newaxis]
    if matrix.ndim < 2 or 0 in matrix.shape or math.prod(matrix.shape[:-2]) != 1:
        call.refuse(f"multiplies by a constant of shape {matrix.shape}, not by a matrix")
    return matrix.reshape(matrix.shape[-2:])


def _times_weight(call: Call, value: Value, weight: Any) -> Value:
    """Return the value's last axis times a matrix."""
    *rows, d_in = value.shape or (1,)
    if d_in != weight.shape[0]:
        call.refuse(f"takes {weight.shape[0]} values, but gets {d_in} (of a shape {value.shape})")
    matrix = Matrix(_repeated(call, weight.T, math.prod(rows), 1))
    result = call.tracer.linear(value, matrix)
    drops = not call.sparse(1) is not None and call.is_data(0) and call.has(1) and _vector(call, 1)
    return call.tracer.reshape(result, tuple(rows) if drops else (*rows, weight.shape[1]))


def _weight_times(call: Call, weight: Any, value: Value) -> Value:
    """Return a matrix times the value's last two axes."""
    *rest, d_in, columns = value.shape
    if d_in != weight.shape[1]:
        call.refuse(f"takes {weight.shape[1]} rows of values, but gets {d_in} (of a shape {value.shape})")
    matrix = Matrix(_repeated(call, weight, math.prod(rest), columns))
    result = call.tracer.linear(value, matrix)
    shape = (*rest, columns) if _vector(call, 0) else (*rest, weight.shape[0], columns)
    return call.tracer.reshape(result, shape)


def _vector(call: Call, index: int) -> bool:
    """Tell whether a constant has one axis only, so that the product has one less."""
    return call.node.op_type == "MatMul" and call.sparse(index) is None and call.constant(index).ndim == 1


def _repeated(call: Call, weight: Any, before: int, after: int) -> Any:
    """Return ``I x weight x I`` (Kronecker products), for the axes before and after the one multiplied."""
    if before == after == 1:
        return weight
    from scipy.sparse import csr_array, eye_array, kron

    check_demand(72 * weight.size * before * after, f"{call.tracer.where}: a matrix for every row")
    inner = weight if is_sparse(weight) else csr_array(weight)
    return csr_array(kron(eye_array(before), kron(inner, eye_array(after))))


def _transposed(call: Call, value: Value) -> Value:
    return call.tracer.rearrange(value, np.transpose, math.prod(value.shape))


def batch_normalization(call: Call) -> Value:
    """Return ``gamma (x - mean) / sqrt(var + epsilon) + beta`` with constants, as at inference."""
    if call.attributes.get("training_mode", 0) or (call.opset < 7 and not call.attributes.get("is_test", 0)):
        call.refuse("normalises by the batch, as in training; export in eval mode (model.eval())")
    gamma, beta, mean, variance = (call.constant(index) for index in range(1, 5))
    epsilon = float(call.attributes.get("epsilon", np.float32(1e-5)))
    return batch_normalised(call.tracer, call.value(0), gamma, beta, mean, variance, epsilon)


def reduce_mean(call: Call) -> Value:
    """Return the mean over axes."""
    value, axes, shape = _reduced(call)
    if _of_channels(value, axes):
        return call.tracer.reshape(channel_averages(call.tracer, _as_image(call, value)), shape)
    count = math.prod(value.shape[axis] for axis in axes)
    one = reciprocals(call.tracer, np.array([float(count)]))
    if one.low is not None:
        call.tracer.note(f"its weights 1/{count}", 2.0**-53)
    return _summed(call, value, axes, shape, float(one.high[0]))


def reduce_sum(call: Call) -> Value:
    """Return the sum over axes."""
    value, axes, shape = _reduced(call)
    if _of_channels(value, axes):
        return call.tracer.reshape(channel_averages(call.tracer, _as_image(call, value), total=True), shape)
    return _summed(call, value, axes, shape, 1.0)


def _of_channels(value: Value, axes: list[int]) -> bool:
    """Tell whether rows and columns of an image (1, c, h, w) are reduced."""
    return len(value.shape) == 4 and value.shape[0] == 1 and axes == [2, 3]


def _as_image(call: Call, value: Value) -> Value:
    return call.tracer.reshape(value, value.shape[1:])


def reduce_max(call: Call) -> Value:
    """Return the largest over axes."""
    value, axes, shape = _reduced(call)
    if _of_channels(value, axes):
        down, along = (Window(size) for size in value.shape[2:])
        return call.tracer.reshape(
            largest_of_windows(call.tracer, _as_image(call, value), down, along), shape
        )
    return call.tracer.reshape(_largest(call, value, axes, 1.0), shape)


def reduce_min(call: Call) -> Value:
    """Return the smallest over axes."""
    value, axes, shape = _reduced(call)
    return call.tracer.reshape(_largest(call, value, axes, -1.0), shape)


def _reduced(call: Call) -> tuple[Value, list[int], Sizes]:
    """Return the value, the axes that are reduced, and the shape of the result."""
    value = call.value(0)
    rank = len(value.shape)
    given = call.attributes.get("axes")
    given = call.ints(1) if given is None else given
    if not given and call.attributes.get("noop_with_empty_axes", 0):
        axes: list[int] = []
    else:
        axes = sorted({call.axis(axis, rank) for axis in given} if given else range(rank))
    if 0 in axes and call.batch is not None and rank > 1:
        call.refuse("reduces over the samples of a batch; supported are other axes")
    keep = bool(call.attributes.get("keepdims", 1))
    shape = [1 if i in axes else n for i, n in enumerate(value.shape) if keep or i not in axes]
    return value, axes, tuple(shape)


def _summed(call: Call, value: Value, axes: list[int], shape: Sizes, weight: float) -> Value:
    from scipy.sparse import csr_array

    count = math.prod(value.shape)
    check_demand(64 * count, f"{call.tracer.where}: a sum over {count:,} values")
    groups = np.arange(math.prod(shape)).reshape([1 if i in axes else n for i, n in enumerate(value.shape)])
    rows = np.broadcast_to(groups, value.shape).ravel()
    entries = np.full(count, weight), (rows, np.arange(count))
    matrix = Matrix(csr_array(entries, shape=(math.prod(shape), count)))
    return call.tracer.reshape(call.tracer.linear(value, matrix), shape)


def _largest(call: Call, value: Value, axes: list[int], sign: float) -> Value:
    """Return the largest over axes, halving the number of candidates with every ReLU."""
    tracer = call.tracer
    order = [*(i for i in range(len(value.shape)) if i not in axes), *axes]
    count = math.prod(value.shape[axis] for axis in axes)
    kept = math.prod(value.shape) // max(count, 1)
    value = tracer.rearrange(value, lambda a: a.transpose(order).reshape(kept, count), kept * count)
    if sign < 0:
        value = tracer.negate(value)
    value = largest_of_rows(tracer, value)
    return tracer.negate(value) if sign < 0 else value

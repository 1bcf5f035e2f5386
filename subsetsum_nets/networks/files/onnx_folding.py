"""Constants that the nodes of a graph compute from constants: shapes mostly, and weights put together.

Numbers are computed in float64 and refused where that would round, so that a folded weight is what the graph
says in real arithmetic; only a Cast rounds, since the file asks for it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.files.onnx_moves import MOVES, Moved, checked_move
from subsetsum_nets.networks.files.onnx_nodes import attribute_values, label, refuse
from subsetsum_nets.networks.files.onnx_tensors import numpy_type
from subsetsum_nets.networks.lowering.exact_arithmetic import exact_product, exact_sum

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from onnx import NodeProto

    Array = NDArray[Any]
    Given = list[Array | None]

_MOST_MADE = 2**26  # entries that a node may make of nothing


def folded(node: NodeProto, given: Given) -> list[Array]:
    """Return what a node computes of constants, one array for each output.

    Raises
    ------
    NetworkFileError
        If it is of an operator that is not folded, would round, or does not fit its inputs.

    """
    found = _FOLDED.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    moved = node.op_type in MOVES and node.domain in ("", "ai.onnx")
    if found is None and not moved:
        refuse(node, f"computes the constant {node.output[0][:60]!r}; fold constants before exporting")
    if not given or given[0] is None:
        refuse(node, "has no input")
    allowed = MOVES[node.op_type][0] if found is None else found[0]
    attributes = attribute_values(node, allowed)
    try:
        with np.errstate(all="ignore"):
            if found is None:
                return _moved(node, attributes, given)
            return [np.asarray(found[1](node, attributes, given))]
    except NetworkFileError:
        raise
    except (ValueError, IndexError, TypeError, KeyError, OverflowError, ZeroDivisionError) as error:
        refuse(node, f"cannot be folded ({error})")


def _moved(node: NodeProto, attributes: dict[str, Any], given: Given) -> list[Array]:
    values = _array(given, 0)
    if node.op_type == "Pad":
        refuse(node, "pads a constant; it cannot be folded")

    def ints(index: int) -> list[int] | None:
        each = given[index] if index < len(given) else None
        return None if each is None else [int(number) for number in each.ravel()]

    call = Moved(node, attributes, ints, lambda _: None, values.shape, None)
    parts = [np.array(part(values)) for part in checked_move(call).parts]
    if node.op_type == "Gather" and (indices := _array(given, 1)).ndim != 1:
        axis = call.axis(attributes.get("axis", 0))
        shape = (*values.shape[:axis], *indices.shape, *values.shape[axis + 1 :])
        parts = [part.reshape(shape) for part in parts]
    return parts


def _array(given: Given, index: int) -> Array:
    values = given[index] if index < len(given) else None
    if values is None:
        raise IndexError(f"input {index} is missing")
    return values


def _cast(node: NodeProto, attributes: dict[str, Any], given: Given) -> Array:
    wanted = numpy_type(attributes["to"])
    if wanted is None:
        refuse(node, f"casts to the ONNX data type {attributes['to']}")
    values = _array(given, 0)
    if attributes["to"] == 16:
        refuse(node, "casts a constant to bfloat16; store it as such")
    return values.astype(wanted)  # infinity is refused where it is used


def _arithmetic(
    exact: Callable[[Array, Array], Array | None], whole: Callable[[Array, Array], Array]
) -> Callable[[NodeProto, dict[str, Any], Given], Array]:
    def fold(node: NodeProto, _: dict[str, Any], given: Given) -> Array:
        a, b = _array(given, 0), _array(given, 1)
        check_demand(8 * math.prod(np.broadcast_shapes(a.shape, b.shape)), label(node))
        if a.dtype.kind != "f":
            return np.asarray(whole(a, b))
        result = exact(a.astype(np.float64), b.astype(np.float64))
        if result is None:
            refuse(node, "computes constants that float64 would round; fold constants before exporting")
        return result

    return fold


def _difference(a: Array, b: Array) -> Array | None:
    return exact_sum(a, -b)


def _quotient(a: Array, b: Array) -> Array | None:
    if not np.all(np.abs(np.frexp(b)[0]) == 0.5):
        return None  # only powers of two divide exactly for certain
    return exact_product(a, 1.0 / b)


def _truncated(a: Array, b: Array) -> Array:
    """Divide integers as ONNX does, towards 0."""
    quotient, rest = np.divmod(a, b)
    return np.asarray(quotient + ((rest != 0) & ((a < 0) != (b < 0))))


def _concat(node: NodeProto, attributes: dict[str, Any], given: Given) -> Array:
    parts = [_array(given, index) for index in range(len(given))]
    check_demand(sum(part.nbytes for part in parts), label(node))
    return np.concatenate(parts, axis=attributes["axis"])


def _constant_of_shape(node: NodeProto, attributes: dict[str, Any], given: Given) -> Array:
    from subsetsum_nets.networks.files.onnx_external import ExternalData
    from subsetsum_nets.networks.files.onnx_tensors import tensor_array

    shape = [int(size) for size in _array(given, 0).ravel()]
    if any(size < 0 for size in shape) or math.prod(shape) > _MOST_MADE:
        refuse(node, f"makes a constant of the shape {shape[:9]}")
    value = np.zeros(1, np.float32)
    if "value" in attributes:
        value = tensor_array(attributes["value"], ExternalData(None)).reshape(1)
    return np.full(shape, value[0], value.dtype)


def _range(node: NodeProto, _: dict[str, Any], given: Given) -> Array:
    start, end, step = (int(_array(given, index).ravel()[0]) for index in range(3))
    if abs(end - start) > _MOST_MADE * abs(step) or any(_array(given, i).dtype.kind == "f" for i in range(3)):
        refuse(node, f"counts from {start} to {end} by {step}")
    counted: Array = np.arange(start, end, step).astype(_array(given, 0).dtype)
    return counted


def _shape(_: NodeProto, attributes: dict[str, Any], given: Given) -> Array:
    return shape_slice(_array(given, 0).shape, attributes)


def shape_slice(shape: tuple[int, ...], attributes: dict[str, Any]) -> Array:
    """Return what the operator Shape gives for values of a shape."""
    return np.array(shape[attributes.get("start", 0) : attributes.get("end", len(shape))], np.int64)


def _where(node: NodeProto, _: dict[str, Any], given: Given) -> Array:
    parts = [_array(given, index) for index in range(3)]
    check_demand(8 * math.prod(np.broadcast_shapes(*(part.shape for part in parts))), label(node))
    return np.where(parts[0].astype(bool), parts[1], parts[2])


def _reduced(node: NodeProto, attributes: dict[str, Any], given: Given) -> Array:
    values = _array(given, 0)
    if values.dtype.kind == "f":
        refuse(node, "adds up or multiplies constants, which may round; fold constants before exporting")
    axes = attributes.get("axes")
    if axes is None and len(given) > 1 and given[1] is not None:
        axes = given[1].tolist()
    keep = bool(attributes.get("keepdims", 1))
    reduce = np.prod if node.op_type == "ReduceProd" else np.sum
    return np.asarray(reduce(values, axis=None if axes is None else tuple(axes), keepdims=keep))


def _first(change: Callable[[Array], Array]) -> Callable[[NodeProto, dict[str, Any], Given], Array]:
    return lambda _, __, given: change(_array(given, 0))


def _both(change: Callable[[Array, Array], Array]) -> Callable[[NodeProto, dict[str, Any], Given], Array]:
    def fold(node: NodeProto, _: dict[str, Any], given: Given) -> Array:
        a, b = _array(given, 0), _array(given, 1)
        check_demand(8 * math.prod(np.broadcast_shapes(a.shape, b.shape)), label(node))
        return change(a, b)

    return fold


_REDUCED = {"axes": "ints", "keepdims": "i", "noop_with_empty_axes": "i"}
_FOLDED: dict[str, tuple[dict[str, str], Callable[[NodeProto, dict[str, Any], Given], Array]]] = {
    "Abs": ({}, _first(np.abs)),
    "Add": ({}, _arithmetic(exact_sum, np.add)),
    "And": ({}, _both(np.logical_and)),
    "Cast": ({"to": "i", "saturate": "i", "round_mode": "s"}, _cast),
    "Ceil": ({}, _first(np.ceil)),
    "Concat": ({"axis": "i"}, _concat),
    "ConstantOfShape": ({"value": "t"}, _constant_of_shape),
    "Div": ({}, _arithmetic(_quotient, _truncated)),
    "Equal": ({}, _both(np.equal)),
    "Floor": ({}, _first(np.floor)),
    "Greater": ({}, _both(np.greater)),
    "Identity": ({}, _first(lambda values: values)),
    "Less": ({}, _both(np.less)),
    "Max": ({}, _both(np.maximum)),
    "Min": ({}, _both(np.minimum)),
    "Mod": ({"fmod": "i"}, _both(np.mod)),
    "Mul": ({}, _arithmetic(exact_product, np.multiply)),
    "Neg": ({}, _first(np.negative)),
    "Not": ({}, _first(np.logical_not)),
    "Range": ({}, _range),
    "ReduceProd": (_REDUCED, _reduced),
    "ReduceSum": (_REDUCED, _reduced),
    "Shape": ({"start": "i", "end": "i"}, _shape),
    "Size": ({}, _first(lambda values: np.array(values.size, np.int64))),
    "Sub": ({}, _arithmetic(_difference, np.subtract)),
    "Where": ({}, _where),
}

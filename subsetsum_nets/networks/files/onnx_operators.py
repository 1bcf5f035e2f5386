"""Which operators of ONNX are read, and by what; others are refused by name.

Every operator is understood exactly or not at all. Where float64 cannot hold a weight, it is rounded, and the
notes of the reading say which and by how much.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from subsetsum_nets.networks.errors import InvalidNetworkError, NetworkFileError
from subsetsum_nets.networks.files import onnx_elementwise as entries
from subsetsum_nets.networks.files import onnx_linear as linear
from subsetsum_nets.networks.files import onnx_windows as windows
from subsetsum_nets.networks.files.onnx_calls import Call
from subsetsum_nets.networks.files.onnx_folding import shape_slice
from subsetsum_nets.networks.files.onnx_moves import MOVES, Moved, checked_move
from subsetsum_nets.networks.files.onnx_nodes import attribute_values, label, refuse

if TYPE_CHECKING:
    from collections.abc import Callable

    from onnx import NodeProto

    from subsetsum_nets.networks.files.onnx_constants import Constants
    from subsetsum_nets.networks.lowering.tracer import Tracer
    from subsetsum_nets.networks.lowering.values import Value

_BROADCAST = {"broadcast": "i", "axis": "i", "consumed_inputs": "ints"}
_OLD = {"consumed_inputs": "ints"}
_WINDOWS = {"auto_pad": "s", "dilations": "ints", "kernel_shape": "ints", "pads": "ints", "strides": "ints"}
_REDUCED = {"axes": "ints", "keepdims": "i", "noop_with_empty_axes": "i"}
_NORMALISED = {"epsilon": "f", "momentum": "f", "is_test": "i", "spatial": "i", "training_mode": "i", **_OLD}
_READ: dict[tuple[str, str], tuple[dict[str, str], Callable[[Call], Value]]] = {
    ("", "Abs"): (_OLD, entries.absolute),
    ("", "Add"): (_BROADCAST, entries.add),
    ("", "AveragePool"): ({**_WINDOWS, "ceil_mode": "i", "count_include_pad": "i"}, windows.average_pool),
    ("", "BatchNormalization"): (_NORMALISED, linear.batch_normalization),
    ("", "Cast"): ({"to": "i", "saturate": "i", "round_mode": "s"}, entries.cast),
    ("", "Clip"): ({"min": "f", "max": "f", **_OLD}, entries.clip),
    ("", "Conv"): ({**_WINDOWS, "group": "i"}, windows.convolution),
    ("", "ConvTranspose"): (
        {**_WINDOWS, "group": "i", "output_padding": "ints", "output_shape": "ints"},
        windows.transposed_convolution,
    ),
    ("", "Div"): (_BROADCAST, entries.divide),
    ("", "Dropout"): ({"ratio": "f", "is_test": "i", "seed": "i", **_OLD}, entries.dropout),
    ("", "Gemm"): (
        {"alpha": "f", "beta": "f", "transA": "i", "transB": "i", "broadcast": "i"},
        linear.gemm,
    ),
    ("", "GlobalAveragePool"): ({}, windows.global_average_pool),
    ("", "GlobalMaxPool"): ({}, windows.global_max_pool),
    ("", "HardSigmoid"): ({"alpha": "f", "beta": "f", **_OLD}, entries.hard_sigmoid),
    ("", "Identity"): ({}, entries.identity),
    ("", "LeakyRelu"): ({"alpha": "f", **_OLD}, entries.leaky_relu),
    ("", "MatMul"): ({}, linear.matmul),
    ("", "Max"): (_OLD, entries.maximum),
    ("", "MaxPool"): ({**_WINDOWS, "ceil_mode": "i", "storage_order": "i"}, windows.max_pool),
    ("", "Mean"): (_OLD, entries.mean),
    ("", "Min"): (_OLD, entries.minimum),
    ("", "Mul"): (_BROADCAST, entries.multiply),
    ("", "Neg"): (_OLD, entries.negate),
    ("", "PRelu"): (_OLD, entries.prelu),
    ("", "ReduceMax"): (_REDUCED, linear.reduce_max),
    ("", "ReduceMean"): (_REDUCED, linear.reduce_mean),
    ("", "ReduceMin"): (_REDUCED, linear.reduce_min),
    ("", "ReduceSum"): (_REDUCED, linear.reduce_sum),
    ("", "Relu"): (_OLD, entries.relu),
    ("", "Sub"): (_BROADCAST, entries.subtract),
    ("", "Sum"): (_OLD, entries.total),
    ("ai.onnx.ml", "LinearRegressor"): (
        {"coefficients": "floats", "intercepts": "floats", "post_transform": "s", "targets": "i"},
        linear.linear_regressor,
    ),
    ("ai.onnx.ml", "Scaler"): ({"offset": "floats", "scale": "floats"}, entries.scaler),
}
_NOT_LINEAR = (
    "Sigmoid", "Tanh", "Softmax", "LogSoftmax", "Gelu", "Erf", "Elu", "Selu", "Celu", "Softplus", "Softsign",
    "HardSwish", "Mish", "Swish", "Exp", "Log", "Sqrt", "Reciprocal", "Pow", "Sin", "Cos",
    "LayerNormalization", "InstanceNormalization", "GroupNormalization", "LRN", "LpNormalization",
    "LSTM", "GRU", "RNN",
)  # fmt: skip
_JUMPS = (
    "ArgMax", "ArgMin", "TopK", "Sign", "Floor", "Ceil", "Round", "Where", "Equal", "Greater", "Less",
    "Hardmax", "ThresholdedRelu", "Not", "And", "Or", "NonZero",
)  # fmt: skip
_GROWING = ("Expand", "Pad", "Reshape", "Tile")  # that may make several samples of one
_FIRST = ("Gemm", "MatMul", "Conv", "Relu")
SUPPORTED = ", ".join(
    [*_FIRST, *sorted({name for _, name in _READ} - set(_FIRST) | {*MOVES, "Concat", "Shape"})]
)
"""The operators that are read, for messages."""


class NodeReader:
    """What a graph's tensors are, node by node.

    Parameters
    ----------
    constants : Constants
    tracer : Tracer
    opset : int
    batch : int or None
        As :class:`~subsetsum_nets.networks.files.onnx_calls.Call` has it.
    rectified : set of str
        The tensors that only ReLUs use.

    Attributes
    ----------
    values : dict
        The tensors that depend on the input, by name.

    """

    def __init__(
        self, constants: Constants, tracer: Tracer, opset: int, batch: int | None, rectified: set[str]
    ) -> None:
        self._constants, self._tracer, self._opset, self._batch = constants, tracer, opset, batch
        self._rectified = rectified
        self.values: dict[str, Value] = {}
        self._first: str | None = None

    def start(self, name: str, value: Value) -> None:
        """Take note of the input."""
        self.values[name] = value
        self._first = name

    def read(self, node: NodeProto) -> None:
        """Follow one node, of whose inputs some are data.

        Raises
        ------
        NetworkFileError
            If its operator is not supported, or not as it is used.
        InvalidNetworkError
            If its constants are not finite.

        """
        self._tracer.where = label(node)
        try:
            self._read(node)
        except InvalidNetworkError:
            raise
        except NetworkFileError as error:
            data = [name for name in node.input if name in self.values and name != self._first]
            if not data:
                raise
            raise NetworkFileError(
                f"{error}. What comes before it: read_onnx(path, output={data[0]!r})"
            ) from error
        except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, KeyError) as error:
            refuse(node, f"does not fit what it gets ({error})")

    def _read(self, node: NodeProto) -> None:
        domain = "" if node.domain == "ai.onnx" else node.domain
        if domain == "" and node.op_type == "Shape":
            shape = self.values[node.input[0]].shape
            self._constants.keep(
                node.output[0], shape_slice(shape, attribute_values(node, {"start": "i", "end": "i"}))
            )
            return
        if domain == "" and node.op_type in MOVES:
            self._move(node)
            return
        if domain == "" and node.op_type == "Concat":
            self.values[node.output[0]] = self._concatenated(node)
            return
        if (domain, node.op_type) not in _READ:
            _refuse_operator(node, domain)
        allowed, read = _READ[domain, node.op_type]
        self.values[node.output[0]] = read(self._call(node, attribute_values(node, allowed)))

    def _call(self, node: NodeProto, attributes: dict[str, Any]) -> Call:
        rectified = bool(node.output) and node.output[0] in self._rectified
        return Call(
            node,
            attributes,
            self.values,
            self._constants,
            self._tracer,
            self._opset,
            self._batch,
            rectified=rectified,
        )

    def _move(self, node: NodeProto) -> None:
        attributes = attribute_values(node, MOVES[node.op_type][0])
        call = self._call(node, attributes)
        value = call.value(0)
        padding = 0.0
        if node.op_type == "Pad":
            padding = call.bound(2, "value") or 0.0
        batch = self._batch or None
        move = checked_move(Moved(node, attributes, call.ints, call.floats, value.shape, batch))
        indices = self._indices_shape(node)
        for name, part in zip(node.output, move.parts, strict=False):
            if not name:
                continue
            moved = self._tracer.rearrange(value, part, move.size)
            if indices is not None:
                axis = call.axis(attributes.get("axis", 0), len(value.shape))
                shape = (*value.shape[:axis], *indices, *value.shape[axis + 1 :])
                moved = self._tracer.reshape(moved, shape)
            if padding:
                outside = part(np.arange(math.prod(value.shape)).reshape(value.shape)) < 0
                moved = self._tracer.shift(moved, np.where(outside, padding, 0.0))
            if self._batch is not None and node.op_type in _GROWING and moved.shape[:1] != (1,):
                refuse(
                    node,
                    f"makes values of shape {moved.shape} of a sample; the first axis must stay the batch",
                )
            self.values[name] = moved

    def _indices_shape(self, node: NodeProto) -> tuple[int, ...] | None:
        """Return the shape of the places that Gather gathers, unless it is one axis."""
        if node.op_type != "Gather" or len(node.input) < 2 or node.input[1] not in self._constants:
            return None
        shape = self._constants.array(node.input[1]).shape
        return None if len(shape) == 1 else tuple(shape)

    def _concatenated(self, node: NodeProto) -> Value:
        call = self._call(node, attribute_values(node, {"axis": "i"}))
        places = range(len(node.input))
        data = [call.value(index) for index in places if call.is_data(index)]
        axis = call.axis(call.attributes.get("axis", 1), len(data[0].shape))
        if axis == 0 and self._batch is not None:
            call.refuse("joins samples of a batch; supported are other axes")
        parts = [
            call.value(index) if call.is_data(index) else self._as_value(call, data[0], index)
            for index in places
        ]
        rest = {(*part.shape[:axis], *part.shape[axis + 1 :]) for part in parts}
        if len(rest) > 1 or any(len(part.shape) != len(data[0].shape) for part in parts):
            call.refuse(
                f"joins values of the shapes {[part.shape for part in parts][:9]} along the axis {axis}"
            )
        return self._tracer.concatenate(parts, axis)

    def _as_value(self, call: Call, like: Value, index: int) -> Value:
        numbers = call.constant(index)
        if numbers.ndim != len(like.shape):
            call.refuse(f"joins a constant of shape {numbers.shape} to values of shape {like.shape}")
        return self._tracer.constant_of(numbers)


def _refuse_operator(node: NodeProto, domain: str) -> NoReturn:
    why = "is of an operator that is not read"
    if domain == "" and node.op_type in _NOT_LINEAR:
        why += ": it is not piecewise linear"
    elif domain == "" and node.op_type in _JUMPS:
        why += ": it is not continuous"
    ends = ', and output="logits" leaves a softmax, sigmoid or argmax at the very end out'
    way = ends if node.op_type in ("Softmax", "LogSoftmax", "ArgMax", "Sigmoid") else ""
    refuse(node, f"{why}; supported are {SUPPORTED}{way}")

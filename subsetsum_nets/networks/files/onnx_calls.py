"""One node of an ONNX graph as the operators see it: its attributes, its constants, and values of data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, exact_float64
from subsetsum_nets.networks.files.onnx_nodes import label, refuse, shown

if TYPE_CHECKING:
    from onnx import NodeProto

    from subsetsum_nets.networks.files.onnx_constants import Constants
    from subsetsum_nets.networks.lowering.tracer import Tracer
    from subsetsum_nets.networks.lowering.values import Value

    Sizes = tuple[int, ...]

_MOST_AXES = 32


class Call:
    """A node being read.

    Attributes
    ----------
    node : onnx.NodeProto
    attributes : dict
    tracer : Tracer
    opset : int
    batch : int or None
        The number of samples that the file fixes, where the graph is read for one; 0 if any number may come,
        None if its first axis is no batch.
    rectified : bool
        Whether only ReLUs use what the node gives.

    """

    def __init__(
        self,
        node: NodeProto,
        attributes: dict[str, Any],
        values: dict[str, Value],
        constants: Constants,
        tracer: Tracer,
        opset: int,
        batch: int | None,
        *,
        rectified: bool = False,
    ) -> None:
        self.node: NodeProto = node
        self.attributes: dict[str, Any] = attributes
        self.tracer: Tracer = tracer
        self.opset: int = opset
        self.batch: int | None = batch
        self.rectified = rectified
        self._values, self._constants = values, constants

    def refuse(self, reason: str) -> NoReturn:
        """Raise NetworkFileError about the node."""
        refuse(self.node, reason)

    def has(self, index: int) -> bool:
        """Tell whether there is an input of that number."""
        return index < len(self.node.input) and bool(self.node.input[index])

    def is_data(self, index: int) -> bool:
        """Tell whether an input depends on the network's input."""
        return self.has(index) and self.node.input[index] in self._values

    def value(self, index: int = 0) -> Value:
        """Return an input that must depend on the network's input."""
        if not self.is_data(index):
            self.refuse(f"needs data as its input {index}")
        return self._values[self.node.input[index]]

    @property
    def only_value(self) -> tuple[Value, int]:
        """The one of two inputs that is data, and its number."""
        index = 0 if self.is_data(0) else 1
        if self.is_data(1 - index):
            self.refuse("combines two values that both depend on the input, which is not piecewise linear")
        return self.value(index), index

    def constant(self, index: int) -> FloatArray:
        """Return an input of floats that must be constant, as float64."""
        values = self._array(index)
        if values.dtype.kind != "f":
            self.refuse(
                f"has a constant of dtype {values.dtype}; float16, bfloat16, float32 and float64 are read"
            )
        with np.errstate(invalid="ignore"):  # a signalling NaN is refused like any other
            return exact_float64(values, f"{label(self.node)}: the constant {shown(self.node.input[index])}")

    def sparse(self, index: int) -> Any:
        """Return an input that is a sparse initializer; None for any other."""
        return self._constants.sparse(self.node.input[index]) if self.has(index) else None

    def ints(self, index: int) -> list[int] | None:
        """Return an input of integers that must be constant; None if it is left out."""
        if not self.has(index):
            return None
        return [int(number) for number in self._array(index).ravel()]

    def floats(self, index: int) -> list[float] | None:
        """Return an input of floats that must be constant; None if it is left out or empty."""
        if not self.has(index):
            return None
        return [float(number) for number in self._array(index).ravel()] or None

    def bound(self, index: int, name: str) -> float | None:
        """Return a number that newer files give as an input and older ones as an attribute."""
        if name in self.attributes:
            return float(self.attributes[name])
        if not self.has(index):
            return None
        values = self._array(index)
        if values.size != 1 or np.isnan(values).any():
            self.refuse(f"has {values.ravel()[:9]} as its {name}")
        return float(values.ravel()[0])

    def axis(self, axis: int, rank: int) -> int:
        """Return an axis counted from the front."""
        if not -rank <= axis < rank:
            self.refuse(f"has the axis {axis} for values of {rank} axes")
        return axis % rank

    def broadcast(self, value: Value, constant: FloatArray) -> tuple[Value, FloatArray]:
        """Return a value and a constant of which the second broadcasts to the shape of the first."""
        constant = self._aligned(value, constant)
        shape = self.common_shape(value.shape, constant.shape)
        return self.tracer.expand(value, shape), constant

    def common_shape(self, *shapes: Sizes) -> Sizes:
        """Return the shape that shapes broadcast to; the number of samples may not grow."""
        try:
            shape = np.broadcast_shapes(*shapes)
        except ValueError:
            self.refuse(f"combines values of the shapes {' and '.join(str(each) for each in shapes)}")
        grows = shape[:1] != (1,) and shapes[0][:1] == (1,) and len(shape) == len(shapes[0])
        if self.batch is not None and grows:
            self.refuse(
                f"combines samples with a constant of shape {shapes[-1]}, which is one for each of several"
            )
        return shape

    def _aligned(self, value: Value, constant: FloatArray) -> FloatArray:
        """Return a constant with the axes that files before opset 7 say it has."""
        axis = self.attributes.get("axis")
        if self.opset >= 7 or not self.attributes.get("broadcast", 0) or axis is None:
            return constant
        behind = len(value.shape) - self.axis(axis, len(value.shape)) - constant.ndim
        return constant.reshape(constant.shape + (1,) * max(behind, 0))

    def _array(self, index: int) -> Any:
        if not self.has(index) or self.node.input[index] not in self._constants:
            self.refuse(f"needs a constant as its input {index}")
        return self._constants.array(self.node.input[index])


def size_of(shape: Sizes) -> int:
    """Return the number of entries of a shape."""
    return math.prod(shape)

"""A graph of ONNX operators in the making, and one operation of PyTorch that adds to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError

if TYPE_CHECKING:
    from subsetsum_nets.networks.lowering.notes import Rounding

_OPSET = 17  # the newest in which axes of reductions are attributes


class Data(NamedTuple):
    """A tensor that depends on the input: its name in the graph, and its shape with the batch axis."""

    name: str
    shape: tuple[int, ...]


class Operation:
    """One operation that was traced: what it adds to the graph of nodes and constants.

    Parameters
    ----------
    where : str
        The module or function, for messages.
    label : str
        What its nodes are called: the module's path, or the function.
    graph : TorchGraph
    result : torch.Tensor
        What it gave for the sample.

    """

    def __init__(self, where: str, label: str, graph: TorchGraph, result: Any) -> None:
        self.where: str = where
        self.label: str = label
        self.graph: TorchGraph = graph
        self.shape: tuple[Any, ...] = tuple(result.shape)
        self.dtype: Any = result.dtype

    def emit(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node; return the name of what it makes."""
        from onnx import helper

        name = self.graph.new_name()
        self.graph.nodes.append(helper.make_node(kind, inputs, [name], name=self.label, **attributes))
        return name

    def constant(self, numbers: Any) -> str:
        """Add a constant of float64, or of int64 where integers are given; return its name."""
        from onnx import numpy_helper

        array = np.array(numbers)
        stored = array if array.dtype == np.int64 else array.astype(np.float64)
        name = self.graph.new_name()
        self.graph.constants.append(numpy_helper.from_array(stored, name))
        return name

    def number(self, value: Any) -> Any:
        """Return a number, or a tensor, as the module's arithmetic takes it: in its own precision."""
        import torch

        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=self.dtype)
        return as_array(tensor)

    def reshaped(self, name: str) -> str:
        """Return a tensor in the shape of the result."""
        return self.emit("Reshape", name, self.constant(np.array(self.shape, dtype=np.int64)))

    def operand(self, value: Any) -> str:
        """Return the name of an operand: data, or a constant."""
        return value.name if isinstance(value, Data) else self.constant(self.number(value))

    def refuse(self, reason: str) -> NoReturn:
        """Raise NetworkFileError about this operation."""
        raise NetworkFileError(f"{self.where} {reason}")


class TorchGraph:
    """The nodes and constants of a graph in the making."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.roundings: list[Rounding] = []
        self._names = 0

    def new_name(self) -> str:
        """Return a name that is not taken."""
        self._names += 1
        return f"t{self._names}"

    def model(self, start: Data, end: Data) -> Any:
        """Return the ONNX model from its input to its output."""
        from onnx import TensorProto, helper

        ends = [helper.make_tensor_value_info(x.name, TensorProto.DOUBLE, x.shape) for x in (start, end)]
        graph = helper.make_graph(self.nodes, "traced", ends[:1], ends[1:], self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)])


def as_array(tensor: Any) -> Any:
    """Return a tensor's numbers as float64, exactly."""
    return tensor.detach().cpu().double().numpy()

"""The constant tensors of an ONNX graph: initializers, Constant nodes, and what is folded from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_folding import folded
from subsetsum_nets.networks.files.onnx_nodes import attribute_values, refuse, shown
from subsetsum_nets.networks.files.onnx_tensors import sparse_matrix, tensor_array

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto, TensorProto
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.files.onnx_external import ExternalData

_CONSTANT = {
    "value": "t",
    "value_float": "f",
    "value_floats": "floats",
    "value_int": "i",
    "value_ints": "ints",
}


class Constants:
    """The constant tensors of a graph by name, converted when they are asked for.

    Parameters
    ----------
    graph : onnx.GraphProto
    external : ExternalData
        The files beside the model.

    Raises
    ------
    NetworkFileError
        If two initializers have one name, or a sparse one is no matrix of floats with its places in order.

    """

    def __init__(self, graph: GraphProto, external: ExternalData) -> None:
        self._external = external
        self._tensors: dict[str, TensorProto] = {}
        self._nodes: dict[str, NodeProto] = {}
        self._converted: dict[str, NDArray[Any]] = {}
        self._sparse = {
            tensor.values.name: sparse_matrix(tensor, external) for tensor in graph.sparse_initializer
        }
        if len(self._sparse) < len(graph.sparse_initializer):
            raise NetworkFileError("two sparse initializers have one name")
        for tensor in graph.initializer:
            if tensor.name in self._tensors or tensor.name in self._sparse:
                raise NetworkFileError(f"two initializers are called {shown(tensor.name)}")
            self._tensors[tensor.name] = tensor

    def __contains__(self, name: str) -> bool:
        return any(name in kept for kept in (self._tensors, self._nodes, self._sparse, self._converted))

    def sparse(self, name: str) -> csr_array[Any, Any] | None:
        """Return a sparse initializer as CSR of float64; None for any other constant."""
        return self._sparse.get(name)

    def add(self, node: NodeProto) -> None:
        """Take note of a node all of whose inputs are constant."""
        for name in node.output:
            self._nodes[name] = node

    def keep(self, name: str, values: NDArray[Any]) -> None:
        """Take note of a constant that was found, such as the shape of data."""
        values.flags.writeable = False
        self._converted[name] = values

    def array(self, name: str) -> NDArray[Any]:
        """Return a constant as a read-only array of its own dtype.

        Raises
        ------
        NetworkFileError
            If it is of a type that is not read, incomplete, stored outside of the model's folder, or computed
            by an operator that is not folded.

        """
        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._converted:
                waiting.pop()
                continue
            if current in self._sparse:
                raise NetworkFileError(
                    f"the sparse initializer {shown(current)} is no weight of a Gemm or MatMul; only these "
                    "may be sparse"
                )
            if current in self._tensors:
                self.keep(current, tensor_array(self._tensors[current], self._external))
                continue
            node = self._nodes[current]
            missing = [each for each in node.input if each and each not in self._converted]
            if missing:
                waiting += missing
                continue
            if node.op_type == "Constant":
                self.keep(current, _constant(node, self._external))
                continue
            given = [self._converted[each] if each else None for each in node.input]
            for output, values in zip(node.output, folded(node, given), strict=False):
                self.keep(output, values)
        return self._converted[name]


def _constant(node: NodeProto, external: ExternalData) -> NDArray[Any]:
    values = attribute_values(node, _CONSTANT)
    if len(values) != 1:
        refuse(node, "holds no tensor of numbers")
    ((name, value),) = values.items()
    if name == "value":
        return tensor_array(value, external)
    return np.array(value, np.int64 if name.startswith("value_int") else np.float32)

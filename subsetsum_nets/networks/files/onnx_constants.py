"""The constant tensors of an ONNX graph: initializers, Constant nodes, and what is folded from them.

Nothing is allocated on the word of a header: a tensor's declared size is compared with the bytes that are
there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto, SparseTensorProto, TensorProto
    from scipy.sparse import csr_array

# data_type of the ONNX format -> dtype, and the field that holds the numbers when they aren't raw bytes.
_KINDS = {
    1: ("<f4", "float_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    10: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
}
FLOATS = {1: np.float32, 10: np.float16, 11: np.float64}
_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "floats": 6, "ints": 7}
_CONSTANT = {
    "value": "t",
    "value_float": "f",
    "value_floats": "floats",
    "value_int": "i",
    "value_ints": "ints",
}
_EXTERNAL = 1  # TensorProto.DataLocation
_FOLDABLE: dict[str, dict[str, str]] = {
    "Cast": {"to": "i"},
    "Identity": {},
    "Reshape": {},
    "Transpose": {"perm": "ints"},
}
_LONGEST_FOLD = 16


class Constants:
    """The constant tensors of a graph by name, converted when they are asked for.

    Raises
    ------
    NetworkFileError
        If two initializers have one name, or a sparse one is no matrix of floats with its places in order.

    """

    def __init__(self, graph: GraphProto) -> None:
        self._tensors: dict[str, TensorProto] = {}
        self._nodes: dict[str, NodeProto] = {}
        self._converted: dict[str, NDArray[Any]] = {}
        self._sparse = {tensor.values.name: _sparse_matrix(tensor) for tensor in graph.sparse_initializer}
        if len(self._sparse) < len(graph.sparse_initializer):
            raise NetworkFileError("two sparse initializers have one name")
        for tensor in graph.initializer:
            if tensor.name in self._tensors or tensor.name in self._sparse:
                raise NetworkFileError(f"two initializers are called {shown(tensor.name)}")
            self._tensors[tensor.name] = tensor

    def __contains__(self, name: str) -> bool:
        return name in self._tensors or name in self._nodes or name in self._sparse

    def sparse(self, name: str) -> csr_array[Any, Any] | None:
        """Return a sparse initializer as CSR of float64; None for any other constant."""
        return self._sparse.get(name)

    def add(self, node: NodeProto) -> None:
        """Take note of a node all of whose inputs are constant."""
        for name in node.output:
            self._nodes[name] = node

    def array(self, name: str) -> NDArray[Any]:
        """Return a constant as a read-only array of its own dtype.

        Raises
        ------
        NetworkFileError
            If it is stored elsewhere, of a type that is not read, incomplete, or computed by an operator that
            is not folded.

        """
        if name not in self._converted:
            values = self._folded(name)
            values.flags.writeable = False
            self._converted[name] = values
        return self._converted[name]

    def _folded(self, name: str) -> NDArray[Any]:
        steps: list[NodeProto] = []
        source = name
        if source in self._sparse:
            raise NetworkFileError(f"the sparse initializer {shown(name)} is no weight of a Gemm or MatMul")
        while source not in self._tensors and self._nodes[source].op_type != "Constant":
            node = self._nodes[source]
            if node.op_type not in _FOLDABLE or node.domain not in ("", "ai.onnx"):
                refuse(node, f"computes the constant {shown(name)}; fold constants before exporting")
            if not node.input or node.input[0] not in self:
                refuse(node, "has no input")
            if node.input[0] in self._sparse:
                refuse(node, "changes a sparse initializer; only weights of Gemm and MatMul may be sparse")
            if len(steps) == _LONGEST_FOLD:
                refuse(node, f"is one of more than {_LONGEST_FOLD} that compute the constant {shown(name)}")
            steps.append(node)
            source = node.input[0]
        if source in self._tensors:
            values = tensor_array(self._tensors[source])
        else:
            values = _constant(self._nodes[source])
        for node in reversed(steps):
            values = self._applied(node, values)
        return values

    def _applied(self, node: NodeProto, values: NDArray[Any]) -> NDArray[Any]:
        attributes = attribute_values(node, _FOLDABLE[node.op_type])
        try:
            if node.op_type == "Transpose":
                return values.transpose(attributes.get("perm"))
            if node.op_type == "Reshape":
                return values.reshape(tensor_array(self._tensors[node.input[1]]).tolist())
            if node.op_type == "Cast":
                with np.errstate(all="ignore"):  # infinity is refused where it is used
                    return values.astype(FLOATS[attributes["to"]])
        except (KeyError, ValueError, IndexError, TypeError) as error:
            refuse(node, f"cannot be folded ({error})")
        return values


def tensor_array(tensor: TensorProto) -> NDArray[Any]:
    """Return the numbers of a tensor, checked against its declared shape.

    Raises
    ------
    NetworkFileError
        If the numbers are in another file, of a type that is not read, or not as many as declared.

    """
    from onnx import numpy_helper

    what = f"the tensor {shown(tensor.name)}"
    if tensor.data_location == _EXTERNAL or tensor.external_data:
        raise NetworkFileError(
            f"{what} is stored in another file, which is never opened; save the model with its data inside "
            "(torch.onnx.export(..., external_data=False), or onnx.save of the loaded model)"
        )
    if tensor.data_type not in _KINDS or tensor.HasField("segment"):
        raise NetworkFileError(
            f"{what} has the ONNX data type {tensor.data_type}; float16, float32 and float64 weights are read"
        )
    kind, field = _KINDS[tensor.data_type]
    dtype = np.dtype(kind)
    shape = tuple(tensor.dims)
    count = math.prod(shape) if all(size >= 0 for size in shape) else -1
    raw = tensor.HasField("raw_data")
    stored = len(tensor.raw_data) / dtype.itemsize if raw else len(getattr(tensor, field))
    if stored != count:
        raise NetworkFileError(f"{what} has the shape {shape}, but the file holds {stored:g} numbers for it")
    try:
        values: NDArray[Any] = numpy_helper.to_array(tensor)
    except (ValueError, OverflowError) as error:
        raise NetworkFileError(f"{what} cannot be read: {error}") from error
    return values


def _sparse_matrix(tensor: SparseTensorProto) -> csr_array[Any, Any]:
    """Return a sparse initializer as CSR of float64, checked against what it declares.

    Places are numbers in row-major order, or pairs of row and column; ascending either way.
    """
    from scipy.sparse import csr_array

    what = f"sparse initializers are read as matrices of floats: {shown(tensor.values.name)}"
    shape = tuple(tensor.dims)
    if not tensor.values.name or len(shape) != 2 or not all(0 < size < 2**31 for size in shape):
        raise NetworkFileError(f"{what} has the shape {shape[:9]}")
    values, places = tensor_array(tensor.values), tensor_array(tensor.indices)
    if values.dtype.kind != "f" or values.ndim != 1 or places.dtype != np.int64:
        raise NetworkFileError(f"{what} holds values of {values.dtype} at places of {places.dtype}")
    if places.shape == (values.size, 2):
        inside = ((places >= 0) & (places < shape)).all()
        places = places[:, 0] * shape[1] + places[:, 1] if inside else np.full(values.size, -1)
    if places.shape != values.shape or (np.diff(places, prepend=-1, append=math.prod(shape)) <= 0).any():
        raise NetworkFileError(f"{what} has places that are not ascending, or outside of {shape}")
    rows, columns = np.divmod(places, shape[1])
    indptr = np.searchsorted(rows, np.arange(shape[0] + 1))
    return csr_array((values.astype(np.float64), columns, indptr), shape=shape)


def attribute_values(node: NodeProto, allowed: Mapping[str, str]) -> dict[str, Any]:
    """Return the attributes of a node.

    Parameters
    ----------
    node : onnx.NodeProto
    allowed : mapping
        The names that may occur, and the field of AttributeProto that their value is in: "f", "i", "s", "t",
        "floats" or "ints".

    Raises
    ------
    NetworkFileError
        For an attribute that is not among them, or there twice, or of another type.

    """
    values: dict[str, Any] = {}
    for attribute in node.attribute:
        field = allowed.get(attribute.name)
        if field is None or attribute.name in values or attribute.type != _ATTRIBUTE_TYPES[field]:
            refuse(node, f"has the attribute {shown(attribute.name)} of type {attribute.type}; not supported")
        value = getattr(attribute, field)
        values[attribute.name] = list(value) if field in ("floats", "ints") else value
    return values


def label(node: NodeProto) -> str:
    """Return how messages name a node.

    >>> from onnx import helper
    >>> label(helper.make_node("Relu", ["x"], ["y"], name="act"))
    "node 'act' (Relu)"
    """
    domain = "" if node.domain in ("", "ai.onnx") else f"{node.domain[:40]}."
    name = node.name or f"making {next(iter(node.output), '')[:60]}"
    return f"node {shown(name)} ({domain}{node.op_type[:40]})"


def shown(name: str) -> str:
    """Return a name for a message: quoted, and not longer than a line."""
    return repr(name if len(name) <= 60 else name[:57] + "...")


def refuse(node: NodeProto, reason: str) -> NoReturn:
    """Raise NetworkFileError about a node."""
    raise NetworkFileError(f"{label(node)} {reason}")


def _constant(node: NodeProto) -> NDArray[Any]:
    values = attribute_values(node, _CONSTANT)
    if len(values) != 1:
        refuse(node, "holds no tensor of numbers")
    ((name, value),) = values.items()
    if name == "value":
        return tensor_array(value)
    return np.array(value, np.int64 if name.startswith("value_int") else np.float32)

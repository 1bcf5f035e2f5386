"""The constant tensors of an ONNX graph: initializers, Constant nodes, and what is folded from them.

Nothing is allocated on the word of a header: a tensor's declared size is compared with the bytes that are
there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_external import ExternalData, is_external

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from onnx import GraphProto, NodeProto, SparseTensorProto, TensorProto
    from scipy.sparse import csr_array

# data_type of the ONNX format -> dtype, and the field that holds the numbers when they aren't raw bytes.
_KINDS = {
    1: ("<f4", "float_data"),
    2: ("<u1", "int32_data"),
    3: ("<i1", "int32_data"),
    5: ("<i2", "int32_data"),
    6: ("<i4", "int32_data"),
    7: ("<i8", "int64_data"),
    9: ("|b1", "int32_data"),
    10: ("<f2", "int32_data"),
    11: ("<f8", "double_data"),
    16: ("<u2", "int32_data"),
}
_BFLOAT16 = 16
FLOATS = {1: np.float32, 10: np.float16, 11: np.float64, _BFLOAT16: np.float32}
"""The types of floats, and what holds them exactly here."""
_TYPES = {**FLOATS, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_}
_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "floats": 6, "ints": 7}
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
            tensor.values.name: _sparse_matrix(tensor, external) for tensor in graph.sparse_initializer
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
        from subsetsum_nets.networks.files.onnx_folding import folded

        waiting = [name]
        while waiting:
            current = waiting[-1]
            if current in self._converted:
                waiting.pop()
                continue
            if current in self._sparse:
                raise NetworkFileError(
                    f"the sparse initializer {shown(current)} is no weight of a Gemm or MatMul; only these may be "
                    "sparse"
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


def tensor_array(tensor: TensorProto, external: ExternalData) -> NDArray[Any]:
    """Return the numbers of a tensor, checked against its declared shape; bfloat16 as float32.

    Raises
    ------
    NetworkFileError
        If the numbers are in a file elsewhere, of a type that is not read, or not as many as declared.

    """
    from onnx import numpy_helper

    what = f"the tensor {shown(tensor.name)}"
    if tensor.data_type not in _KINDS or tensor.HasField("segment"):
        raise NetworkFileError(
            f"{what} has the ONNX data type {tensor.data_type}; float16, bfloat16, float32 and float64 weights "
            "are read"
        )
    kind, field = _KINDS[tensor.data_type]
    dtype = np.dtype(kind)
    shape = tuple(tensor.dims)
    count = math.prod(shape) if all(size >= 0 for size in shape) else -1
    raw = tensor.HasField("raw_data")
    try:
        if is_external(tensor):
            contents = external.bytes(tensor, dtype.itemsize * count)
            return _floats(tensor.data_type, np.frombuffer(contents, dtype).reshape(shape))
        stored = len(tensor.raw_data) / dtype.itemsize if raw else len(getattr(tensor, field))
        if stored != count:
            raise NetworkFileError(
                f"{what} has the shape {shape}, but the file holds {stored:g} numbers for it"
            )
        if raw:
            return _floats(tensor.data_type, np.frombuffer(tensor.raw_data, dtype).reshape(shape))
        if tensor.data_type == _BFLOAT16:
            return _floats(_BFLOAT16, np.array(tensor.int32_data, np.int64).astype(np.uint16).reshape(shape))
        values: NDArray[Any] = numpy_helper.to_array(tensor)
    except NetworkFileError:
        raise
    except (ValueError, OverflowError) as error:
        raise NetworkFileError(f"{what} cannot be read: {error}") from error
    return values


def _floats(data_type: int, values: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers that bits are: a bfloat16 is the first half of a float32."""
    if data_type != _BFLOAT16:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return (values.astype(np.uint32) << 16).view(np.float32)


def _sparse_matrix(tensor: SparseTensorProto, external: ExternalData) -> csr_array[Any, Any]:
    """Return a sparse initializer as CSR of float64, checked against what it declares.

    Places are numbers in row-major order, or pairs of row and column; ascending either way.
    """
    from scipy.sparse import csr_array

    what = f"sparse initializers are read as matrices of floats: {shown(tensor.values.name)}"
    shape = tuple(tensor.dims)
    if not tensor.values.name or len(shape) != 2 or not all(0 < size < 2**31 for size in shape):
        raise NetworkFileError(f"{what} has the shape {shape[:9]}")
    values, places = tensor_array(tensor.values, external), tensor_array(tensor.indices, external)
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


def _constant(node: NodeProto, external: ExternalData) -> NDArray[Any]:
    values = attribute_values(node, _CONSTANT)
    if len(values) != 1:
        refuse(node, "holds no tensor of numbers")
    ((name, value),) = values.items()
    if name == "value":
        return tensor_array(value, external)
    return np.array(value, np.int64 if name.startswith("value_int") else np.float32)


def numpy_type(data_type: int) -> type[Any] | None:
    """Return the type of arrays of an ONNX data type; None for one that is not read."""
    return _TYPES.get(data_type)

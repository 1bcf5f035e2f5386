"""The tensors of an ONNX file as arrays, dense and sparse, whatever they are stored in.

Nothing is allocated on the word of a header: a tensor's declared size is compared with the bytes that are
there.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_external import ExternalData, is_external
from subsetsum_nets.networks.files.onnx_nodes import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import SparseTensorProto, TensorProto
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
FLOATS: dict[int, type[np.floating[Any]]] = {
    1: np.float32,
    10: np.float16,
    11: np.float64,
    _BFLOAT16: np.float32,
}
"""The types of floats, and what holds them exactly here."""
_TYPES = {**FLOATS, 2: np.uint8, 3: np.int8, 5: np.int16, 6: np.int32, 7: np.int64, 9: np.bool_}


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
            f"{what} has the ONNX data type {tensor.data_type}; float16, bfloat16, float32 and float64 "
            "weights are read"
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
            _refuse_count(what, shape, stored)
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


def _refuse_count(what: str, shape: tuple[int, ...], stored: float) -> NoReturn:
    raise NetworkFileError(f"{what} has the shape {shape}, but the file holds {stored:g} numbers for it")


def _floats(data_type: int, values: NDArray[Any]) -> NDArray[Any]:
    """Return the numbers that bits are: a bfloat16 is the first half of a float32."""
    if data_type != _BFLOAT16:
        return values.astype(values.dtype.newbyteorder("="), copy=False)
    return (values.astype(np.uint32) << 16).view(np.float32)


def sparse_matrix(tensor: SparseTensorProto, external: ExternalData) -> csr_array[Any, Any]:
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


def numpy_type(data_type: int) -> type[Any] | None:
    """Return the type of arrays of an ONNX data type; None for one that is not read."""
    return _TYPES.get(data_type)

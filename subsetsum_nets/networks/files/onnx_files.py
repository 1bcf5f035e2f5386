"""Networks as ONNX files: what others' exporters write is read, ours are read by everybody.

Files hold weights as float64, or as float32 where that changes none of them, so that a network comes back
with exactly its numbers. Nothing in a file is run, and no file outside of its folder is opened on its word.
Needs the extra ``onnx``.
"""

from __future__ import annotations

import json
import math
import warnings
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, csr_of_nonzeros, dense_array, is_sparse
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.onnx_layouts import (
    columns_to_channels_first,
    kernel_to_channels_first,
)
from subsetsum_nets.networks.files.onnx_reading import (
    FORMAT,
    HEADER,
    LARGEST,
    VERSION,
    import_onnx,
    onnx_model,
    onnx_reading,
)
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning, warning_of

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from onnx import NodeProto, SparseTensorProto, TensorProto

    from subsetsum_nets.networks.arrays import Shape
    from subsetsum_nets.networks.convolution import Conv2d
    from subsetsum_nets.networks.layer_shapes import ImageShape, Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Precision = Literal["float32", "float64"]

_OPSET, _IR_VERSION = 13, 8  # old enough for every verifier that is still maintained
# Few programs read sparse initializers: they stand only for what would be of no use dense.
_MOST_DENSE = 2**22  # entries
_NEARLY_EMPTY = 1 / 32


def read_onnx(path: str | os.PathLike[str], *, output: str | None = None) -> ReluNetwork:
    """Read a network from an ONNX file.

    Read is any graph of affine maps, ReLUs and what is made of them: convolutions, pooling, normalisation at
    inference, leaky and clipped ReLUs, maxima, branches that are added or joined; with weights of float16,
    bfloat16, float32 or float64. The network computes the graph's function of real numbers exactly. Steps
    are folded into one another where float64 holds the result, and else kept as layers without a ReLU.

    Images are (h, w, c) where a network starts with a convolution, or ends with one; they are (c, h, w) in
    most files. Any other input or output is in the order of the file.

    Parameters
    ----------
    path : path
        Weights that the model keeps in other files are read from the same folder only.
    output : str, optional
        Read up to this tensor only. The one output by default; "logits" is what comes before a softmax,
        sigmoid or argmax at the very end.

    Returns
    -------
    ReluNetwork
        With the domain, when :func:`write_onnx` stored one.

    Raises
    ------
    ImportError
        If the package ``onnx`` is missing.
    FileNotFoundError
        If there is no such file.
    NetworkFileError
        If it is not an ONNX file, or holds an operator that is not piecewise linear or not supported; the
        message names the node.
    InvalidNetworkError
        If weights are not finite, or the layers do not fit together.

    Warns
    -----
    RoundedFoldingWarning
        If float64 cannot hold a weight: a divided one, say, or one of a batch normalisation.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> path = Path(tempfile.mkdtemp()) / "net.onnx"
    >>> write_onnx(ReluNetwork([Dense([[0.1, -2.0]], [1.0]), Dense([[3.0]])]), path)
    >>> read_onnx(path)
    ReluNetwork(2-1-1, 4 parameters)
    >>> read_onnx(path).layers[0].weight
    array([[ 0.1, -2. ]])

    """
    reading = onnx_reading(path, output=output)
    if reading.roundings:
        warnings.warn(warning_of(reading.roundings), RoundedFoldingWarning, stacklevel=2)
    return reading.network


def read_onnx_notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the metadata of an ONNX file, without what :func:`write_onnx` keeps there for itself.

    Raises
    ------
    ImportError, FileNotFoundError, NetworkFileError
        As :func:`read_onnx`.

    """
    notes = {entry.key: entry.value for entry in onnx_model(path).metadata_props if entry.key != HEADER}
    return dict(sorted(notes.items()))


def write_onnx(
    network: ReluNetwork,
    path: str | os.PathLike[str],
    *,
    dtype: Precision | None = None,
    batch: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Write a network to an ONNX file, complete or not at all; :func:`read_onnx` reads it back.

    Parameters
    ----------
    network : ReluNetwork
        Sparse weights are written dense, but those that would have more than four million entries, most of
        them 0: as sparse initializers. One that starts with Conv2d needs its ``input_shape``.
    path : path
    dtype : "float32" or "float64", optional
        What weights are stored and computed in. By default float32 where that changes no weight, else
        float64; reading gives exactly the same weights then. An explicit "float32" rounds them, and the file
        says so.
    batch : int, optional
        A fixed batch size, which most verifiers want to be 1; free by default.
    extra : mapping of str to str, optional
        Notes to keep as metadata.

    Raises
    ------
    ImportError
        If the package ``onnx`` is missing.
    ValueError
        If float32 overflows, the file would exceed 2 GiB, or the notes are not text.
    OSError
        If the file cannot be written.

    """
    contents = onnx_bytes(network, dtype=dtype, batch=batch, extra=extra)
    with atomic_write(path) as file:
        file.write(contents)


def onnx_bytes(
    network: ReluNetwork,
    *,
    dtype: Precision | None = None,
    batch: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> bytes:
    """Return the ONNX file that :func:`write_onnx` writes; the same network gives the same bytes."""
    import_onnx()
    from onnx import TensorProto, helper

    if dtype not in (None, "float32", "float64"):
        raise ValueError(f"dtype must be 'float32', 'float64' or None, got {dtype!r}")
    stored = np.dtype(dtype or ("float32" if fits_float32(network) else "float64"))
    image = network.input_shape
    if image is None and network.convolutional:
        raise ValueError("an ONNX file of a network that takes images needs its input_shape=(h, w, c)")
    size = sum(_written_numbers(layer) for layer in network.layers)
    if size * stored.itemsize > LARGEST:
        raise ValueError(
            f"{size} weights of {stored} do not fit an ONNX file, which ends at 2 GiB; write .safetensors"
        )
    nodes, tensors, sparse = _nodes(network, stored)
    header = {
        "format": FORMAT,
        "version": VERSION,
        "domain": None if network.domain is None else network.domain.to_json(),
        "rounded": dtype == "float32" and not fits_float32(network),
    }
    if fixed := [index for index, layer in enumerate(network.layers) if layer.fixed]:
        header["fixed"] = fixed
    element = TensorProto.FLOAT if stored == np.float32 else TensorProto.DOUBLE
    axis = "batch" if batch is None else batch
    graph = helper.make_graph(
        nodes,
        "subsetsum_nets",
        [helper.make_tensor_value_info("input", element, [axis, *input_sizes(network)])],
        [helper.make_tensor_value_info("output", element, [axis, *output_sizes(network)])],
        tensors,
        sparse_initializer=sparse,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        producer_name="subsetsum-nets",
    )
    helper.set_model_props(model, _metadata(header, extra))
    return bytes(model.SerializeToString(deterministic=True))


def input_sizes(network: ReluNetwork) -> tuple[int, ...]:
    """Return the shape of one sample in the ONNX file of a network: (d_0,), or (c, h, w) for images.

    >>> from subsetsum_nets.networks import ReluNetwork
    >>> input_sizes(ReluNetwork([Dense([[0.1, -2.0]])]))
    (2,)
    """
    image = network.input_shape
    return (network.widths[0],) if image is None else (image[2], image[0], image[1])


def output_sizes(network: ReluNetwork) -> tuple[int, ...]:
    """Return the shape of one output in the ONNX file of a network: (d_l,), or (c, h, w) behind Conv2d.

    >>> from subsetsum_nets.networks import ReluNetwork
    >>> output_sizes(ReluNetwork([Dense([[0.1, -2.0]])]))
    (1,)
    """
    *image, units = (size or 0 for size in network.shapes[-1])
    return (units, *image)


def fits_float32(network: ReluNetwork) -> bool:
    """Tell whether float32 holds every weight and bias of a network exactly.

    >>> from subsetsum_nets.networks import ReluNetwork
    >>> fits_float32(ReluNetwork([Dense([[0.5]])])), fits_float32(ReluNetwork([Dense([[0.1]])]))
    (True, False)
    """
    with np.errstate(over="ignore", under="ignore"):
        return all(
            np.array_equal(numbers.astype(np.float32), numbers)
            for layer in network.layers
            for numbers in (_numbers(layer), layer.bias)
            if numbers is not None
        )


def _numbers(layer: Layer) -> FloatArray:
    """Return the stored weights of a layer, in any shape."""
    weight = layer.stored
    return weight.data if is_sparse(weight) else weight


def _stays_sparse(layer: Layer) -> bool:
    """Tell whether a weight is written as a sparse initializer: dense it would be large and nearly empty."""
    weight: Any = layer.stored
    entries = math.prod(weight.shape)
    return is_sparse(weight) and entries > _MOST_DENSE and 0 < weight.nnz < _NEARLY_EMPTY * entries


def _written_numbers(layer: Layer) -> int:
    """Return how many numbers a weight takes in a file; a sparse one's places are of 8 bytes."""
    weight: Any = layer.stored
    return 3 * int(weight.nnz) if _stays_sparse(layer) else math.prod(weight.shape)


def _sparse_tensor(weight: Any, stored: np.dtype[Any], name: str) -> SparseTensorProto:
    from onnx import helper, numpy_helper

    entries = csr_of_nonzeros(weight).sorted_indices().tocoo()
    places = entries.row.astype(np.int64) * weight.shape[1] + entries.col
    values = numpy_helper.from_array(_stored(entries.data, stored, name), name)
    return helper.make_sparse_tensor(values, numpy_helper.from_array(places, f"{name}.places"), weight.shape)


def _nodes(
    network: ReluNetwork, stored: np.dtype[Any]
) -> tuple[list[NodeProto], list[TensorProto], list[SparseTensorProto]]:
    """Return the nodes and initializers of a network's graph, which leads from "input" to "output"."""
    from onnx import helper, numpy_helper

    steps: list[tuple[str, str, list[str], dict[str, Any]]] = []
    tensors: list[TensorProto] = []
    sparse: list[SparseTensorProto] = []
    gemm: dict[str, Any] = {"transB": 1}
    for index, (layer, shape) in enumerate(zip(network.layers, network.shapes, strict=False)):
        flat = len(shape) == len(layer.takes)  # else a dense layer gets an image, behind a convolution
        name = f"layers.{index}"
        parts: dict[str, Any] = {} if layer.bias is None else {f"{name}.bias": layer.bias}
        if isinstance(layer, Dense) and flat and _stays_sparse(layer):
            sparse.append(_sparse_tensor(layer.weight, stored, f"{name}.weight"))
            operator, attributes = "Gemm", gemm
        elif isinstance(layer, Dense):
            weight = dense_array(layer.weight)
            parts = {f"{name}.weight": weight, **parts}
            if not flat:
                steps.append((f"{name}.flatten", "Flatten", [], {"axis": 1}))
                parts[f"{name}.weight"] = columns_to_channels_first(weight, _known(shape))
            operator, attributes = "Gemm", gemm
        else:
            operator, attributes = "Conv", _windows(layer, _known(shape))
            parts = {f"{name}.weight": kernel_to_channels_first(layer.kernel), **parts}
        tensors += [numpy_helper.from_array(_stored(part, stored, key), key) for key, part in parts.items()]
        names = [f"{name}.weight"] if layer.bias is None else [f"{name}.weight", f"{name}.bias"]
        steps.append((name, operator, names, attributes))
        if network.relu_after[index]:
            steps.append((f"{name}.relu", "Relu", [], {}))
    nodes = []
    tensor = "input"
    for place, (name, operator, constants, attributes) in enumerate(steps):
        result = "output" if place == len(steps) - 1 else name
        nodes.append(helper.make_node(operator, [tensor, *constants], [result], name=name, **attributes))
        tensor = result
    return nodes, tensors, sparse


def _known(shape: Shape) -> ImageShape:
    """Return the size of images, which is known where a network is written."""
    h, w, channels = (size or 0 for size in shape)
    return h, w, channels


def _windows(layer: Conv2d, image: ImageShape) -> dict[str, Any]:
    """Return what a Conv node says of its windows on images (h, w, c); what ONNX takes for granted is not."""
    (top, bottom), (left, right) = layer.geometry.zeros(layer.size, image[:2])
    others = {
        "strides": (list(layer.stride), [1, 1]),
        "dilations": (list(layer.dilation), [1, 1]),
        "group": (layer.groups, 1),
    }
    return {
        "kernel_shape": list(layer.size),
        "pads": [top, left, bottom, right],
        **{name: value for name, (value, usual) in others.items() if value != usual},
    }


def _stored(numbers: FloatArray, stored: np.dtype[Any], name: str) -> Any:
    with np.errstate(over="ignore", under="ignore"):
        converted = np.ascontiguousarray(numbers, dtype=stored)
    if not np.all(np.isfinite(converted)):
        raise ValueError(f"{name} holds a number beyond the range of float32; write dtype='float64'")
    return converted


def _metadata(header: dict[str, Any], extra: Mapping[str, str] | None) -> dict[str, str]:
    notes: dict[Any, Any] = dict(extra or {})
    for key, note in notes.items():
        if not isinstance(key, str) or not isinstance(note, str) or key == HEADER:
            raise ValueError(f"extra must map names (but not {HEADER!r}) to text, got {key!r}: {note!r}")
    return {HEADER: json.dumps(header), **dict(sorted(notes.items()))}

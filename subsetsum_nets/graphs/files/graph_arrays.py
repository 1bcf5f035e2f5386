"""The arrays of a graph in a .safetensors file: exact, compact, and quick for any size."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.dag.assembling import MOST_BLOCKS, described_graph, graph_attributes
from subsetsum_nets.graphs.dag.edges import EdgeBlock, FactoredOrigin
from subsetsum_nets.graphs.dag.graph import Dag
from subsetsum_nets.graphs.dag.layering import MOST_LAYERS
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import GraphFileError, InvalidGraphError
from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.network_files import TensorFile, read_safetensors, write_safetensors

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Bools

    Tensors = dict[str, NDArray[Any]]

_HEADER = "subsetsum-nets"
_FORMAT = "subsetsum-nets graph"


def write_arrays(file: IO[bytes], graph: Dag) -> None:
    """Write a graph; masks as bytes."""
    tensors: Tensors = {}
    for number, layer in enumerate(graph.layers):
        name = f"layers.{number}"
        tensors[f"{name}.relu"] = layer.relu.view(np.uint8)
        tensors[f"{name}.index"] = layer.index
        if layer.bias is not None:
            tensors[f"{name}.bias"] = layer.bias
        if layer.bias_kept is not None:
            tensors[f"{name}.bias_kept"] = layer.bias_kept.view(np.uint8)
    for (a, b), block in graph.blocks.items():
        name = f"blocks.{a}.{b}"
        tensors[f"{name}.weight"] = block.weight
        if block.pattern is not None:
            tensors[f"{name}.indptr"], tensors[f"{name}.indices"] = block.pattern
        if block.kept is not None:
            tensors[f"{name}.kept"] = block.kept.view(np.uint8)
        if isinstance(block.origin, FactoredOrigin):
            tensors[f"{name}.by_row"] = block.origin.by_row
            tensors[f"{name}.by_column"] = block.origin.by_column
        elif block.origin is not None:
            tensors[f"{name}.origin"] = block.origin
    header = {
        "format": _FORMAT,
        "version": 1,
        "layers": len(graph.layers),
        "blocks": [list(span) for span in graph.blocks],
        **described_graph(graph),
    }
    write_safetensors(file, TensorFile({_HEADER: json.dumps(header)}, tensors))


def read_arrays(path: str | PathLike[str]) -> Dag:
    """Read what :func:`write_arrays` wrote.

    Raises
    ------
    GraphFileError
        If the file is foreign, truncated, or has arrays missing or of the wrong kind.
    InvalidGraphError
        If its arrays do not make a graph.

    """
    try:
        contents = read_safetensors(path)
        header = json.loads(contents.metadata.get(_HEADER, ""))
    except (NetworkFileError, ValueError, RecursionError) as error:
        raise GraphFileError(f"it is not a .safetensors file of a graph: {error}") from error
    if not isinstance(header, dict) or header.get("format") != _FORMAT or header.get("version") != 1:
        raise GraphFileError(f"its header does not say {_FORMAT!r}, version 1")
    count: Any = header.get("layers")
    spans: Any = header.get("blocks")
    if type(count) is not int or not 2 <= count <= MOST_LAYERS:
        raise GraphFileError(f"its header says {count!r} layers, not 2 to {MOST_LAYERS}")
    proper = isinstance(spans, list) and len(spans) <= MOST_BLOCKS
    if not proper or not all(_is_span(span, count) for span in spans):
        raise GraphFileError("its header has no proper list of blocks")
    tensors = dict(contents.tensors)
    layers = [_layer(tensors, f"layers.{number}") for number in range(count)]
    blocks = {}
    for a, b in spans:
        shape = (layers[b].size, layers[a].size)
        blocks[a, b] = _block(tensors, f"blocks.{a}.{b}", shape)
    if tensors:
        raise GraphFileError(f"its header does not mention the array {min(tensors)!r}")
    largest = max((_largest_origin(block) for block in blocks.values()), default=-1)
    return Dag(layers, blocks, **graph_attributes(header, largest))


def _is_span(span: Any, count: int) -> bool:
    return (
        isinstance(span, list)
        and len(span) == 2
        and all(type(number) is int for number in span)
        and 0 <= span[0] < span[1] < count
    )


def _take(tensors: Tensors, name: str, kinds: str, shape: tuple[int, ...] | None = None) -> NDArray[Any]:
    if name not in tensors:
        raise GraphFileError(f"the array {name} is missing")
    tensor = tensors.pop(name)
    if tensor.dtype.str[1:] not in kinds.split() or (shape is not None and tensor.shape != shape):
        raise GraphFileError(f"the array {name} is {tensor.dtype} {tensor.shape}, not {kinds} {shape}")
    tensor = tensor.astype(tensor.dtype.newbyteorder("="), copy=False)
    tensor.flags.writeable = False
    return tensor


def _flags(tensors: Tensors, name: str, shape: tuple[int, ...]) -> Bools:
    flags = _take(tensors, name, "u1", shape)
    if flags.size and flags.max() > 1:
        raise GraphFileError(f"the array {name} holds {flags.max()}, it must be 0 and 1")
    return flags.view(bool)


def _layer(tensors: Tensors, name: str) -> NodeLayer:
    index = _take(tensors, f"{name}.index", "i8")
    if index.ndim != 1:
        raise GraphFileError(f"the array {name}.index has shape {index.shape}")
    shape = index.shape
    bias = _take(tensors, f"{name}.bias", "f8", shape) if f"{name}.bias" in tensors else None
    kept = _flags(tensors, f"{name}.bias_kept", shape) if f"{name}.bias_kept" in tensors else None
    return NodeLayer.of(_flags(tensors, f"{name}.relu", shape), bias, kept, index)


def _block(tensors: Tensors, name: str, shape: tuple[int, int]) -> EdgeBlock:
    weight = _take(tensors, f"{name}.weight", "f4 f8")
    pattern = None
    if f"{name}.indptr" in tensors:
        pattern = _pattern(tensors, name, shape, weight)
    elif weight.shape != shape:
        raise GraphFileError(f"the array {name}.weight has shape {weight.shape}, not {shape}")
    if not np.isfinite(weight).all():
        raise InvalidGraphError(f"the array {name}.weight holds NaN or infinite weights")
    kept = _flags(tensors, f"{name}.kept", weight.shape) if f"{name}.kept" in tensors else None
    origin: Any = None
    if f"{name}.by_row" in tensors:
        by_row = _take(tensors, f"{name}.by_row", "i8", shape[:1])
        origin = FactoredOrigin(by_row, _take(tensors, f"{name}.by_column", "i8", shape[1:]))
        if max(by_row.max(initial=0), origin.by_column.max(initial=0)) >= 2**62:
            raise InvalidGraphError(f"the origins of {name} are too large")
    elif f"{name}.origin" in tensors:
        origin = _take(tensors, f"{name}.origin", "i8", weight.shape)
    return EdgeBlock(shape, weight, pattern, kept, origin)


def _pattern(
    tensors: Tensors, name: str, shape: tuple[int, int], weight: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    from scipy.sparse import csr_array

    indptr = _take(tensors, f"{name}.indptr", "i4 i8", (shape[0] + 1,))
    indices = _take(tensors, f"{name}.indices", "i4 i8", weight.shape)
    try:
        if weight.ndim != 1 or indptr[-1] != weight.size:
            raise ValueError("its arrays have different lengths")  # noqa: TRY301
        matrix = csr_array((weight, indices, indptr), shape=shape)
        matrix.check_format(full_check=True)
    except ValueError as error:
        raise InvalidGraphError(f"{name} is not a sparse matrix: {error}") from error
    if not matrix.has_canonical_format:
        raise InvalidGraphError(f"{name} has edges twice, or not in order")
    return indptr, indices


def _largest_origin(block: EdgeBlock) -> int:
    if isinstance(block.origin, FactoredOrigin):
        return int(block.origin.by_row.max(initial=-1)) + max(0, int(block.origin.by_column.max(initial=-1)))
    return -1 if block.origin is None else int(block.origin.max(initial=-1))

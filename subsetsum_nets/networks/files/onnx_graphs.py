"""Reading an ONNX graph as a ReluNetwork: its one input is followed node by node to the output asked for.

The graph is read for one sample. An axis of any size in front is the batch, and so is a fixed one if the
graph makes sense for one sample then; else the input has no batch axis, and its entries are the sample.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_constants import Constants
from subsetsum_nets.networks.files.onnx_nodes import opset_of, refuse, shown
from subsetsum_nets.networks.files.onnx_operators import NodeReader
from subsetsum_nets.networks.files.onnx_outputs import graph_output
from subsetsum_nets.networks.files.onnx_tensors import FLOATS
from subsetsum_nets.networks.lowering.chains import network_of
from subsetsum_nets.networks.lowering.tracer import Tracer

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.files.onnx_external import ExternalData
    from subsetsum_nets.networks.lowering.values import Value
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Sizes = tuple[int, ...]

_SPARE = 1 << 22  # numbers that layers may hold beyond a multiple of the file's size
_REUSE = 8
_MOST = 2**31
_KEEP_SIZE = ("Identity", "Cast", "Relu", "Dropout", "Clip", "LeakyRelu", "Neg", "Abs")
_CONSTANT_TOO = ("Add", "Sub", "Mul", "Div")


class _Input(NamedTuple):
    """The input of a graph, read for one sample of the given shape."""

    name: str
    shape: Sizes
    batch: int | None


def read_graph(
    model: ModelProto,
    *,
    file_size: int,
    external: ExternalData,
    output: str | None,
    domain: Domain | None,
) -> tuple[ReluNetwork, Tracer]:
    """Return the network of a model, and the tracer that notes what was rounded for it.

    Parameters
    ----------
    model : onnx.ModelProto
    file_size : int
        Bytes the model was read from; the layers may not hold many times as many numbers.
    external : ExternalData
        The files beside the model.
    output : str, optional
        The tensor to take as the output; the graph's only one by default, "logits" what comes before a
        softmax or argmax at its end.
    domain : Box or Ball, optional
        To give to the network.

    Raises
    ------
    NetworkFileError
        If the graph is not piecewise linear, or has an operator that is not supported; the message names it.
    InvalidNetworkError
        If weights are not finite, or the layers do not fit together.

    """
    graph = model.graph
    if model.functions:
        raise NetworkFileError(
            "it defines operators of its own; inline them first (onnx.inliner.inline_local_functions)"
        )
    numbers = _SPARE + _REUSE * (file_size + external.size(graph))
    constants = Constants(graph, external)
    target = graph_output(graph, output)
    needed = [graph.node[index] for index in sorted(_needed_nodes(graph, target))]
    first, *others = _inputs(graph, constants, needed)
    try:
        return _reading(model, Constants(graph, external), needed, first, target, numbers, domain)
    except NetworkFileError:
        for start in others:
            with suppress(NetworkFileError):
                return _reading(model, Constants(graph, external), needed, start, target, numbers, domain)
        raise


def _reading(
    model: ModelProto,
    constants: Constants,
    nodes: list[NodeProto],
    start: _Input,
    target: str,
    numbers: int,
    domain: Domain | None,
) -> tuple[ReluNetwork, Tracer]:
    tracer = Tracer(numbers)
    value = _followed(nodes, constants, tracer, start, target, opset_of(model))
    return network_of(value, domain=domain), tracer


def _followed(
    nodes: list[NodeProto], constants: Constants, tracer: Tracer, start: _Input, target: str, opset: int
) -> Value:
    reader = NodeReader(constants, tracer, opset, start.batch, _rectified(nodes, target))
    shape = start.shape
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    reader.start(start.name, tracer.reshape(tracer.input(shape), start.shape))
    for node in nodes:
        data = False
        for name in filter(None, node.input):
            if name in reader.values:
                data = True
            elif name not in constants:
                refuse(
                    node,
                    f"uses {shown(name)}, which nothing before it makes: the graph has a cycle, is out of "
                    "order or incomplete",
                )
        if data:
            reader.read(node)
        else:
            constants.add(node)
    if target not in reader.values:
        raise NetworkFileError(f"its output {shown(target)} does not depend on its input {shown(start.name)}")
    return reader.values[target]


def _rectified(nodes: list[NodeProto], target: str) -> set[str]:
    """Return the tensors that only ReLUs use."""
    relus = {node.input[0] for node in nodes if node.op_type == "Relu" and node.input}
    others = {name for node in nodes if node.op_type != "Relu" for name in node.input}
    return relus - others - {target}


def _inputs(graph: GraphProto, constants: Constants, nodes: list[NodeProto]) -> list[_Input]:
    """Return how the one input may be read, the likeliest first."""
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(shown(value.name) for value in inputs[:5])
        raise NetworkFileError(
            f"its graph has {len(inputs)} inputs ({names}); supported is one: make the others "
            "constants (initializers)"
        )
    name, tensor = inputs[0].name, inputs[0].type.tensor_type
    if tensor.elem_type not in FLOATS:
        raise NetworkFileError(
            f"its input {shown(name)} has the ONNX data type {tensor.elem_type}, which is no float"
        )
    if not tensor.HasField("shape"):
        return [_Input(name, (1, _width(name, constants, nodes)), 0)]
    sizes = [dim.dim_value if dim.HasField("dim_value") else 0 for dim in tensor.shape.dim]
    if any(not 0 <= size < _MOST for size in sizes) or math.prod(size or 1 for size in sizes) >= _MOST:
        raise NetworkFileError(f"its input {shown(name)} has the shape {sizes[:9]}, which no memory holds")
    unknown = [axis for axis, size in enumerate(sizes) if not size and (axis or len(sizes) == 1)]
    if len(unknown) == 1 and len(sizes) <= 2:
        sizes[unknown[0]] = _width(name, constants, nodes)
    elif unknown:
        raise NetworkFileError(
            f"its input {shown(name)} has axes of unknown size ({[size or None for size in sizes]}); state "
            "the shape (channels, height, width) when exporting"
        )
    if len(sizes) < 2 or sizes[0] == 1:
        return [_Input(name, tuple(sizes), None)]
    one = _Input(name, (1, *sizes[1:]), sizes[0])
    return [one] if not sizes[0] else [one, _Input(name, tuple(sizes), None)]


def _width(name: str, constants: Constants, nodes: list[NodeProto]) -> int:
    """Return the number of inputs that the first matrix or constant on the way takes."""
    names = {name}
    for node in nodes:
        if not names & set(node.input):
            continue
        others = [each for each in node.input if each and each not in names and each in constants]
        if node.op_type in ("MatMul", "Gemm") and others and node.input[0] in names:
            sparse = constants.sparse(others[0])
            shape = constants.array(others[0]).shape if sparse is None else sparse.shape
            turned = any(attribute.name == "transB" and attribute.i for attribute in node.attribute)
            if len(shape) == 2:
                return int(shape[1 if turned else 0])
        elif node.op_type in _CONSTANT_TOO and others:
            shape = constants.array(others[0]).shape
            if shape and shape[-1] > 1:
                return int(shape[-1])
        elif node.op_type not in _KEEP_SIZE:
            break
        names.add(node.output[0])
    raise NetworkFileError(f"its input {shown(name)} is of unknown size; state its shape when exporting")


def _needed_nodes(graph: GraphProto, target: str) -> set[int]:
    """Return the indices of the nodes that the tensor ``target`` depends on."""
    maker: dict[str, int] = {value.name: -1 for value in graph.input}
    maker.update((tensor.name, -1) for tensor in graph.initializer)
    for index, node in enumerate(graph.node):
        for name in filter(None, node.output):
            if name in maker:
                refuse(node, f"makes {shown(name)}, which is there already")
            maker[name] = index
    if target not in maker:
        raise NetworkFileError(f"nothing in its graph makes the output {shown(target)}")
    needed: set[int] = set()
    waiting = [target]
    while waiting:
        index = maker.get(waiting.pop(), -1)
        if index >= 0 and index not in needed:
            needed.add(index)
            waiting.extend(graph.node[index].input)
    return needed

"""Reading an ONNX graph as a ReluNetwork: it must be one chain of layers, which is followed in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_constants import FLOATS, Constants, refuse, shown
from subsetsum_nets.networks.files.onnx_operators import LayerReader

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


def read_graph(
    model: ModelProto, *, file_size: int, output: str | None, domain: Domain | None
) -> ReluNetwork:
    """Return the network of a model.

    Parameters
    ----------
    model : onnx.ModelProto
    file_size : int
        Bytes the model was read from; the layers may not hold many times as many numbers.
    output : str, optional
        The tensor to take as the output; the graph's only one by default.
    domain : Box or Ball, optional
        To give to the network.

    Raises
    ------
    NetworkFileError
        If the graph is anything else than a chain of supported operators; the message names the node.
    InvalidNetworkError
        If weights are not finite, or the layers do not fit together.

    """
    graph = model.graph
    if model.functions:
        raise NetworkFileError(
            "it defines operators of its own; inline them first (onnx.inliner.inline_local_functions)"
        )
    constants = Constants(graph)
    source, shape = _graph_input(graph, constants)
    target = _graph_output(graph, output)
    reader = LayerReader(constants, shape, file_size)
    needed = _needed_nodes(graph, target)
    known = {source}
    current = source
    for index, node in enumerate(graph.node):
        if index not in needed:
            continue
        data = [place for place, name in enumerate(node.input) if name and name not in constants]
        if not data:
            constants.add(node)
            continue
        for place in data:
            if node.input[place] not in known:
                refuse(
                    node,
                    f"uses {shown(node.input[place])}, which nothing before it makes: the graph has a cycle, "
                    "is out of order or incomplete",
                )
        if len(data) > 1 or node.input[data[0]] != current:
            refuse(
                node,
                f"uses {shown(node.input[data[0]])} beside another path; a network here is one chain of "
                "layers, without branches or skip connections",
            )
        if current == target:
            break
        reader.read(node, data[0])
        current = node.output[0]
        known.update(name for name in node.output if name)
    if current != target:
        raise NetworkFileError(f"its output {shown(target)} does not depend on its input {shown(source)}")
    return reader.network(domain)


def _graph_input(graph: GraphProto, constants: Constants) -> tuple[str, list[int | None] | None]:
    """Return the name and the shape of the one input, with None for sizes that are not stated."""
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        raise NetworkFileError(f"its graph has {len(inputs)} inputs; supported is one")
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type not in FLOATS:
        raise NetworkFileError(
            f"its input {shown(inputs[0].name)} has the ONNX data type {tensor.elem_type}, which is no float"
        )
    if not tensor.HasField("shape"):
        return inputs[0].name, None
    dimensions = tensor.shape.dim
    shape = [dim.dim_value if dim.HasField("dim_value") else None for dim in dimensions]
    if len(shape) < 2 or any(size is not None and size < 0 for size in shape):
        raise NetworkFileError(
            f"its input {shown(inputs[0].name)} has the shape {shape[:9]}; wanted are a batch axis and one "
            "or more further ones"
        )
    return inputs[0].name, [size or None for size in shape]


def _graph_output(graph: GraphProto, output: str | None) -> str:
    names = [value.name for value in graph.output]
    if output is None and len(names) != 1:
        raise NetworkFileError(
            f"its graph has {len(names)} outputs ({', '.join(map(shown, names[:5]))}); "
            "say which with read_onnx(path, output=...)"
        )
    return names[0] if output is None else output


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

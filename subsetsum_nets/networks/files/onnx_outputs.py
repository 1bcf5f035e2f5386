"""Which tensor of an ONNX graph is taken as the network's output."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.onnx_nodes import shown

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

_LOGITS = "logits"
_DROPPED = ("Softmax", "LogSoftmax", "ArgMax", "Sigmoid")
# What exporters put behind these: other shapes, labels and tables of labels.
_AROUND = (
    "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "ZipMap", "ArrayFeatureExtractor",
    "Concat", "Sub", "Gather", "Greater", "GreaterOrEqual", "Less", "Not", "Mul", "Add", "Transpose",
    "Normalizer",
)  # fmt: skip


def graph_output(graph: GraphProto, output: str | None) -> str:
    """Return the name of the tensor to read: the one asked for, or the graph's only output.

    "logits" stands for what comes before a softmax, sigmoid or argmax at the very end, unless a tensor has
    that name.

    Raises
    ------
    NetworkFileError
        If the graph has several outputs and none was asked for, or no logits.

    """
    names = [value.name for value in graph.output]
    made = {name for node in graph.node for name in node.output}
    if output == _LOGITS and output not in made:
        return _logits(graph, names)
    if output is None and len(names) != 1:
        raise NetworkFileError(
            f"its graph has {len(names)} outputs ({', '.join(map(shown, names[:5]))}); "
            "say which with read_onnx(path, output=...)"
        )
    return names[0] if output is None else output


def _logits(graph: GraphProto, outputs: list[str]) -> str:
    """Return the tensor before a softmax, sigmoid or argmax that all outputs are made from."""
    makers = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    seen: set[str] = set()
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        node = makers.get(name)
        if node is None or name in seen:
            continue
        seen.add(name)
        if node.op_type in _DROPPED:
            before = _before(node, makers)
            if _is_made_from_dropped(before, makers):  # an argmax of probabilities, say
                waiting.append(before)
            else:
                found.add(before)
        elif node.op_type in _AROUND:
            waiting.extend(node.input)
    if not found and len(outputs) == 1:
        return outputs[0]
    if len(found) != 1:
        raise NetworkFileError(
            f"its outputs are made from {len(found)} tensors before a softmax, sigmoid or argmax "
            f"({', '.join(map(shown, sorted(found)))}); say which to read with read_onnx(path, output=...)"
        )
    return found.pop()


def _is_made_from_dropped(name: str, makers: dict[str, NodeProto]) -> bool:
    """Tell whether a tensor is what was made around the result of a softmax or sigmoid."""
    waiting, seen = [name], set()
    while waiting:
        node = makers.get(waiting.pop())
        if node is None or node.output[0] in seen:
            continue
        seen.add(node.output[0])
        if node.op_type in _DROPPED:
            return True
        if node.op_type in _AROUND:
            waiting.extend(node.input)
    return False


def _before(node: NodeProto, makers: dict[str, NodeProto]) -> str:
    """Return what goes into the first of several such operators in a row."""
    while True:
        name = node.input[0] if node.input else ""
        before = makers.get(name)
        if before is None or before.op_type not in (*_DROPPED, "Identity", "Cast"):
            return name
        node = before

"""The nodes of an ONNX graph: their attributes, and how messages name them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from subsetsum_nets.networks.errors import NetworkFileError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from onnx import ModelProto, NodeProto

_ATTRIBUTE_TYPES = {"f": 1, "i": 2, "s": 3, "t": 4, "floats": 6, "ints": 7}


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


def opset_of(model: ModelProto) -> int:
    """Return the version of the standard operators that a model uses."""
    versions = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    return max(versions, default=1)

"""Node-link JSON, as networkx reads and writes it: writing and reading a graph, streamed.

Nodes have ids [layer, index]; attributes are those of :mod:`.networkx_bridge`. Reading
holds one node or edge at a time, so that memory does not depend on what else a file has in it.
"""

from __future__ import annotations

import codecs
import json
from typing import IO, TYPE_CHECKING, Any

from subsetsum_nets.graphs.dag.assembling import GraphBuilder, described_graph
from subsetsum_nets.graphs.errors import GraphFileError
from subsetsum_nets.graphs.files.edge_lines import EdgeWords, edge_lines
from subsetsum_nets.graphs.files.networkx_bridge import node_attributes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from subsetsum_nets.graphs.dag.graph import Dag

_WORDS = EdgeWords(
    ',\n{"source":[{a},', '],"target":[{b},', '],"weight":', "", ',"kept":false', ',"origin":', "", "}"
)
_PIECE = 1 << 16
_LONGEST_ITEM = 1 << 20


def write_node_link(file: IO[bytes], graph: Dag) -> None:
    """Write a graph; ``nx.node_link_graph(json.load(file), edges="edges")`` reads it too."""
    head = (
        f'{{"directed": true, "multigraph": false, "graph": {json.dumps(described_graph(graph))},\n"nodes": ['
    )
    file.write(head.encode())
    comma = ""
    for number, layer in enumerate(graph.layers):
        for attributes in node_attributes(graph, number, layer):
            item = {"id": [number, attributes["index"]], **attributes}
            file.write(f"{comma}\n{json.dumps(item)}".encode())
            comma = ","
    file.write(b'\n],\n"edges": [')
    first = 1  # the comma before the first edge
    for lines in edge_lines(graph, _WORDS):
        file.write(lines[first:])
        first = 0
    file.write(b"\n]}\n")


def read_node_link(file: IO[bytes]) -> Dag:
    """Read one graph; its edges may be called "edges" or "links".

    Raises
    ------
    GraphFileError
        If it is not node-link JSON of a directed graph without parallel edges, nodes before edges.
    InvalidGraphError
        If its nodes and edges are not those of a network.

    """
    try:
        return _read(_Stream(file))
    except RecursionError as error:
        raise GraphFileError("its values are nested too deep") from error
    except UnicodeDecodeError as error:
        raise GraphFileError(f"it is not UTF-8 text: {error}") from error


def _read(stream: _Stream) -> Dag:
    builder = GraphBuilder()
    found: dict[str, Any] = {}
    for key in stream.members():
        name = "edges" if key == "links" else key
        if name in found:
            raise GraphFileError(f"it has {name!r} twice")
        if name == "nodes":
            for item in stream.items():
                builder.add_node(_name(item, "id"), item)
            found[name] = True
        elif name == "edges":
            if "nodes" not in found:
                raise GraphFileError("its nodes do not come before its edges")
            for item in stream.items():
                builder.add_edge(_name(item, "source"), _name(item, "target"), item)
            found[name] = True
        else:
            found[name] = stream.value()
    if "nodes" not in found or "edges" not in found:
        raise GraphFileError('it has no "nodes" or no "edges"; is it node-link JSON?')
    if found.get("directed") is not True or found.get("multigraph", False) is not False:
        raise GraphFileError("its graph is not directed, or has parallel edges")
    attributes = found.get("graph", {})
    if not isinstance(attributes, dict):
        raise GraphFileError("the attributes of its graph are not an object")
    return builder.dag(attributes)


def _name(item: Any, field: str) -> Any:
    if not isinstance(item, dict) or field not in item:
        raise GraphFileError(f"it has an item that is not an object with {field!r}")
    return _hashable(item[field])


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        raise GraphFileError("a node is named by an object")
    return value


class _Stream:
    """JSON from a file a value at a time."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()
        self._buffer, self._at, self._ended = "", 0, False

    def members(self) -> Iterator[str]:
        """Yield the keys of the object that is the whole file; read each value before going on."""
        self._expect("{")
        if self._next() != "}":
            while True:
                key = self.value()
                if not isinstance(key, str):
                    raise GraphFileError("it is not JSON: a key is not text")
                self._expect(":")
                yield key
                if self._next() != ",":
                    break
                self._at += 1
        self._expect("}")
        if self._next():
            raise GraphFileError("it goes on after its end")

    def items(self) -> Iterator[Any]:
        """Yield the items of an array."""
        self._expect("[")
        if self._next() != "]":
            while True:
                yield self.value()
                if self._next() != ",":
                    break
                self._at += 1
        self._expect("]")

    def value(self) -> Any:
        """Read one value of at most a million characters."""
        self._next()
        while True:
            try:
                value, end = self._json.raw_decode(self._buffer, self._at)
            except ValueError as error:
                if self._ended or len(self._buffer) - self._at > _LONGEST_ITEM:
                    raise GraphFileError(f"it is not complete JSON: {str(error)[:80]}") from error
            else:
                if end < len(self._buffer) or self._ended:  # a number could go on
                    self._at = end
                    return value
            self._more()

    def _expect(self, character: str) -> None:
        if self._next() != character:
            shown = self._buffer[self._at : self._at + 20]
            raise GraphFileError(f"it is not complete node-link JSON: {character!r} expected at {shown!r}")
        self._at += 1

    def _next(self) -> str:
        """Return the next character that is not space, without passing it; "" at the end."""
        while True:
            while self._at < len(self._buffer):
                character = self._buffer[self._at]
                if character not in " \t\r\n":
                    return character
                self._at += 1
            if self._ended:
                return ""
            self._more()

    def _more(self) -> None:
        rest = self._buffer[self._at :]
        piece = self._file.read(max(_PIECE, len(rest)))
        self._ended = not piece
        self._buffer, self._at = rest + self._decoder.decode(piece, final=self._ended), 0

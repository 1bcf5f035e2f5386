"""GraphML: writing and reading a graph, streamed.

Nodes have ids "n<layer>_<index>"; attributes are those of :mod:`.networkx_bridge`.
Reading is by expat without document types: no entity is ever defined or expanded, no other file is opened.
"""

from __future__ import annotations

from html import escape
from typing import IO, TYPE_CHECKING, Any
from xml.parsers import expat

from subsetsum_nets.graphs.dag.assembling import GraphBuilder, described_graph
from subsetsum_nets.graphs.errors import GraphFileError
from subsetsum_nets.graphs.files.edge_lines import EdgeWords, edge_lines
from subsetsum_nets.graphs.files.networkx_bridge import node_attributes

if TYPE_CHECKING:
    from subsetsum_nets.graphs.dag.graph import Dag

_TYPES = {
    "node": {
        "layer": "long",
        "index": "long",
        "kind": "string",
        "activation": "string",
        "bias": "double",
        "bias_kept": "boolean",
    },
    "edge": {"weight": "double", "kept": "boolean", "origin": "long"},
    "graph": {"target_shapes": "string", "domain": "string", "summary": "boolean"},
}
_WORDS = EdgeWords(
    '<edge source="n{a}_',
    '" target="n{b}_',
    '"><data key="weight">',
    "</data>",
    '<data key="kept">false</data>',
    '<data key="origin">',
    "</data>",
    "</edge>\n",
)
_LONGEST_TEXT = 1 << 20
_DEEPEST = 64
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def write_graphml(file: IO[bytes], graph: Dag) -> None:
    """Write a graph; edges that are kept and have no origin say neither."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
        *(
            f'<key id="{name}" for="{what}" attr.name="{name}" attr.type="{kind}"/>'
            for what, names in _TYPES.items()
            for name, kind in names.items()
        ),
        '<graph edgedefault="directed">',
        _data(described_graph(graph)),
    ]
    file.write("\n".join(lines).encode() + b"\n")
    for number, layer in enumerate(graph.layers):
        for attributes in node_attributes(graph, number, layer):
            line = f'<node id="n{number}_{attributes["index"]}">{_data(attributes)}</node>\n'
            file.write(line.encode())
    for lines_of_edges in edge_lines(graph, _WORDS):
        file.write(lines_of_edges)
    file.write(b"</graph>\n</graphml>\n")


def _data(attributes: dict[str, Any]) -> str:
    return "".join(
        f'<data key="{name}">{escape(_text(value), quote=False)}</data>' for name, value in attributes.items()
    )


def _text(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def read_graphml(file: IO[bytes]) -> Dag:
    """Read one graph.

    Raises
    ------
    GraphFileError
        If it is not GraphML of one directed graph, or has a document type.
    InvalidGraphError
        If its nodes and edges are not those of a network.

    """
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.doctype
    try:
        parser.ParseFile(file)
    except expat.ExpatError as error:
        raise GraphFileError(f"it is not complete XML: {error}") from error
    except LookupError as error:  # an encoding that Python does not know
        raise GraphFileError(f"it is in an unknown encoding: {error}") from error
    if reader.graphs != 1:
        raise GraphFileError("it has no element <graph>")
    return reader.builder.dag(reader.attributes["graph"])


class _Reader:
    """Takes what expat finds and hands complete nodes and edges to a builder."""

    def __init__(self) -> None:
        self.builder = GraphBuilder()
        self.graphs = 0
        self._key_open = ("", "")  # the <key> that is open
        self.attributes: dict[str, dict[str, Any]] = {"graph": {}}
        self._keys: dict[str, tuple[str, str]] = {}  # id: (for, name)
        self._defaults: dict[str, dict[str, Any]] = {"node": {}, "edge": {}, "graph": {}}
        self._open: list[str] = []
        self._element: dict[str, str] = {}  # attributes of the node or edge that is open
        self._key: tuple[str, str] | None = None  # of the data or default that is open
        self._text: list[str] = []
        self._length = 0

    def doctype(self, *_: Any) -> None:
        raise GraphFileError("it has a document type, which GraphML needs none; entities are never read")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(":")[2]
        if len(self._open) >= _DEEPEST:
            raise GraphFileError(f"its elements are nested more than {_DEEPEST} deep")
        if not self._open and name != "graphml":
            raise GraphFileError(f"its root is <{tag[:40]}>, not <graphml>")
        inside = self._open[-1] if self._open else ""
        self._open.append(name)
        self._key = None
        if name == "graph":
            self.graphs += 1
            if self.graphs > 1 or inside != "graphml":
                raise GraphFileError("it has more than one graph, or one inside another")
            if attributes.get("edgedefault") != "directed":
                raise GraphFileError("its graph is not directed")
        elif name in ("hyperedge", "port"):
            raise GraphFileError(f"it has a {name}, which networks have not")
        elif name in ("node", "edge") and inside == "graph":
            if attributes.get("directed", "true") != "true":
                raise GraphFileError("it has an undirected edge")
            self._element = attributes
            self.attributes[name] = dict(self._defaults[name])
        elif name == "key" and inside == "graphml":
            self._keys[attributes.get("id", "")] = (
                attributes.get("for", ""),
                attributes.get("attr.name", ""),
            )
            self._key_open = self._keys[attributes.get("id", "")]
        elif name == "default" and inside == "key":
            self._expect(self._key_open)
        elif name == "data" and inside in ("node", "edge", "graph"):
            found = self._keys.get(attributes.get("key", ""))
            if found is None:
                raise GraphFileError(f"the key {attributes.get('key', '')[:40]!r} is not declared")
            if found[0] in (inside, "all"):
                self._expect((inside, found[1]))

    def _expect(self, key: tuple[str, str]) -> None:
        """Collect the text that follows, if it is the value of an attribute that counts."""
        if key[1] in _TYPES.get(key[0], {}):
            self._key, self._text, self._length = key, [], 0

    def text(self, piece: str) -> None:
        if self._key is not None:
            self._length += len(piece)
            if self._length > _LONGEST_TEXT:
                raise GraphFileError(f"the value of {self._key[1]} is longer than {_LONGEST_TEXT} characters")
            self._text.append(piece)

    def end(self, tag: str) -> None:
        name = tag.rpartition(":")[2]
        self._open.pop()
        inside = self._open[-1] if self._open else ""
        if self._key is not None and name in ("data", "default"):
            what, attribute = self._key
            store = self._defaults if name == "default" else self.attributes
            store[what][attribute] = _value("".join(self._text), attribute, _TYPES[what][attribute])
            self._key = None
        elif name == "node" and inside == "graph":
            self.builder.add_node(self._element.get("id", ""), self.attributes["node"])
        elif name == "edge" and inside == "graph":
            source, sink = self._element.get("source", ""), self._element.get("target", "")
            self.builder.add_edge(source, sink, self.attributes["edge"])


def _value(text: str, attribute: str, kind: str) -> Any:
    word = text.strip()
    try:
        if kind == "string":
            return word
        if kind == "boolean":
            return _FLAGS[word.lower()]
        if "_" in word:  # Python reads 1_000, XML does not
            raise ValueError(word)  # noqa: TRY301
        return float(word) if kind == "double" else int(word)
    except (ValueError, KeyError) as error:
        raise GraphFileError(f"the value {word[:40]!r} of {attribute} is not a {kind}") from error

"""From nodes and edges, one by one, to a graph: what files and networkx graphs go through.

Everything that is given is checked here, and memory stays in proportion to the number of nodes and edges,
whatever numbers a file claims.
"""

from __future__ import annotations

import json
import math
from array import array
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock, Edges
from subsetsum_nets.graphs.dag.graph import Dag
from subsetsum_nets.graphs.dag.layering import UNKNOWN, layers_of_nodes, shown
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.networks.domains import domain_from_json

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from subsetsum_nets.networks.arrays import Ints


KINDS = ("input", "hidden", "output")
ACTIVATIONS = ("linear", "relu")
MOST_BLOCKS = 100_000


class GraphBuilder:
    """Collects nodes and edges; :meth:`dag` puts them in layers.

    Node attributes, all optional: ``kind`` ("input", "hidden" or "output"; by default nodes without edges in
    are inputs unless they have a bias or an activation, and nodes without edges out are outputs), ``layer``
    (an int; by default one more than the largest of the nodes before), ``index`` (the number in the layer;
    by default the order in which nodes come), ``activation`` ("relu", the default for hidden nodes, or
    "linear", the default for inputs and outputs), ``bias`` and ``bias_kept``.

    Edge attributes: ``weight``, and optionally ``kept`` (True) and ``origin`` (-1).

    Other attributes are not looked at.
    """

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._names: list[Hashable] = []
        self._kind, self._relu = array("b"), array("b")
        self._layer, self._index = array("q"), array("q")
        self._bias, self._bias_state = array("d"), array("b")  # state: -1 no bias, 0 not kept, 1 kept
        self._source, self._sink, self._origin = array("q"), array("q"), array("q")
        self._weight, self._kept = array("d"), array("b")

    def add_node(self, name: Hashable, attributes: Mapping[Any, Any]) -> None:
        """Add a node.

        Raises
        ------
        InvalidGraphError
            If it is there already, or an attribute is not what it should be.

        """
        if name in self._numbers:
            raise InvalidGraphError(f"node {shown(name)} is there twice")
        get = attributes.get
        what = f"of node {shown(name)}"
        kind, activation = get("kind"), get("activation")
        self._kind.append(_choice(kind, KINDS, "kind", what))
        self._relu.append(_choice(activation, ACTIVATIONS, "activation", what))
        self._layer.append(_whole(get("layer"), "layer", what))
        self._index.append(_whole(get("index"), "index", what))
        bias = get("bias")
        self._bias.append(0.0 if bias is None else _real(bias, "bias", what))
        self._bias_state.append(
            UNKNOWN if bias is None else _truth(get("bias_kept", True), "bias_kept", what)
        )
        self._numbers[name] = len(self._names)
        self._names.append(name)

    def add_edge(self, source: Hashable, sink: Hashable, attributes: Mapping[Any, Any]) -> None:
        """Add an edge between nodes that are there.

        Raises
        ------
        InvalidGraphError
            For unknown nodes, or attributes that are not what they should be.

        """
        numbers = self._numbers
        try:
            first, second = numbers[source], numbers[sink]
        except (KeyError, TypeError) as error:
            raise InvalidGraphError(
                f"the edge from {shown(source)} to {shown(sink)} joins a node that is not there"
            ) from error
        weight, kept, origin = attributes.get("weight"), attributes.get("kept"), attributes.get("origin")
        if type(weight) is not float or not math.isfinite(weight):
            weight = _real(weight, "weight", f"of the edge from {shown(source)} to {shown(sink)}")
        self._source.append(first)
        self._sink.append(second)
        self._weight.append(weight)
        what = "of an edge"
        self._kept.append(1 if kept is None or kept is True else _truth(kept, "kept", what))
        self._origin.append(UNKNOWN if origin is None else _whole(origin, "origin", what, least=-1))

    def dag(self, attributes: Mapping[Any, Any] | None = None) -> Dag:
        """Return the graph of everything that was added.

        Parameters
        ----------
        attributes : mapping, optional
            ``target_shapes``, ``domain`` and ``summary``, as :func:`described_graph` gives them.

        Raises
        ------
        InvalidGraphError
            For cycles, edges that do not go to a later layer, edges into inputs or out of outputs, edges that
            are there twice, graphs without outputs, and graphs of more than 10,000 layers.

        """
        nodes = len(self._names)
        source, sink = _array(self._source), _array(self._sink)
        kind, relu = _array(self._kind).astype(np.int8), _array(self._relu).astype(np.int8)
        state = _array(self._bias_state)
        kind = self._kinds(kind, relu, state, source, sink)
        relu = np.where(relu == UNKNOWN, kind == 1, relu == 1)
        layer = layers_of_nodes(kind, _array(self._layer), source, sink, self._names)
        self._check_ends(kind, relu, state, layer)
        order, position, index = self._ordered(layer)
        sizes = np.bincount(layer, minlength=2)
        bounds = np.concatenate([[0], np.cumsum(sizes)])
        bias = _array(self._bias)
        layers = []
        for number in range(len(sizes)):
            members = order[bounds[number] : bounds[number + 1]]
            has_bias = bool((state[members] != UNKNOWN).any())
            layers.append(
                NodeLayer.of(
                    relu[members],
                    bias[members] if has_bias else None,
                    state[members] != 0 if has_bias else None,
                    index[members],
                )
            )
        blocks = self._blocks(layer, position, sizes, source, sink, nodes)
        return Dag(
            layers, blocks, **graph_attributes(attributes or {}, int(_array(self._origin).max(initial=-1)))
        )

    def _kinds(self, kind: Any, relu: Any, state: Any, source: Ints, sink: Ints) -> Any:
        """Fill in the kinds that were not given."""
        incoming = np.bincount(sink, minlength=kind.size) > 0
        outgoing = np.bincount(source, minlength=kind.size) > 0
        plain = (state == UNKNOWN) & (relu == UNKNOWN)
        derived = np.where(~incoming & plain, 0, np.where(~outgoing, 2, 1))
        kind = np.where(kind == UNKNOWN, derived, kind).astype(np.int8)
        if not (kind == 2).any():
            raise InvalidGraphError(
                "the graph has no output: a node that no edge leaves, or of kind 'output'"
            )
        for wrong, what in (
            ((kind == 0) & incoming, "goes into the input"),
            ((kind == 2) & outgoing, "leaves the output"),
        ):
            if wrong.any():
                raise InvalidGraphError(
                    f"an edge {what} {shown(self._names[int(np.argmax(wrong))])}; "
                    "give that node the kind 'hidden', and the output an edge of weight 1 from it"
                )
        return kind

    def _check_ends(self, kind: Any, relu: Any, state: Any, layer: Ints) -> None:
        wrong = (kind == 0) & (relu | (state != UNKNOWN))
        if wrong.any():
            name = shown(self._names[int(np.argmax(wrong))])
            raise InvalidGraphError(f"the input {name} has a bias or a ReLU; put a hidden node behind it")
        if int(layer.max()) < 1:
            raise InvalidGraphError("a graph needs outputs behind its inputs")

    def _ordered(self, layer: Ints) -> tuple[Ints, Ints, Ints]:
        """Return nodes by layer and index, each node's position in its layer, and its index."""
        index = _array(self._index)
        given = index != UNKNOWN
        if not given.all():
            if given.any():
                name = shown(self._names[int(np.argmin(given))])
                raise InvalidGraphError(f"node {name} has no index and others do; give all or none")
            index = np.arange(index.size)
        order = np.lexsort((index, layer))
        firsts = np.searchsorted(layer[order], np.arange(int(layer.max()) + 1))
        position = np.empty(index.size, dtype=np.int64)
        position[order] = np.arange(index.size) - firsts[layer[order]]
        if not given.all():
            index = position
        twice = (np.diff(index[order]) == 0) & (np.diff(layer[order]) == 0)
        if twice.any():
            name = shown(self._names[int(order[1:][np.argmax(twice)])])
            raise InvalidGraphError(f"node {name} has the layer and index of another node")
        return order, position, index

    def _blocks(
        self, layer: Ints, position: Ints, sizes: Ints, source: Ints, sink: Ints, nodes: int
    ) -> dict[tuple[int, int], EdgeBlock]:
        edges = Edges(
            position[sink],
            position[source],
            _array(self._weight),
            _array(self._kept) == 1,
            _array(self._origin),
        )
        span = layer[sink] * len(sizes) + layer[source]
        order = np.argsort(span, kind="stable")
        spans, starts = np.unique(span[order], return_index=True)
        room = int((sizes[spans // len(sizes)] + sizes[spans % len(sizes)]).sum())
        if len(spans) > MOST_BLOCKS or room > 10_000_000 + 16 * (nodes + len(span)):
            raise InvalidGraphError(
                f"edges join {len(spans)} pairs of layers, too many for so few edges to be kept by layers"
            )
        blocks = {}
        for number, chosen in zip(spans, np.split(order, starts[1:]), strict=True) if spans.size else ():
            b, a = divmod(int(number), len(sizes))
            blocks[a, b] = EdgeBlock.from_edges((int(sizes[b]), int(sizes[a])), edges.where(chosen))
        return blocks


def described_graph(graph: Dag) -> dict[str, Any]:
    """Return what a graph has beside nodes and edges, as text and bools, which every format can hold."""
    attributes: dict[str, Any] = {}
    if graph.target_shapes:
        attributes["target_shapes"] = json.dumps(graph.target_shapes)
    if graph.domain is not None:
        attributes["domain"] = json.dumps(graph.domain.to_json())
    if graph.summary:
        attributes["summary"] = True
    return attributes


def graph_attributes(attributes: Mapping[Any, Any], largest_origin: int) -> dict[str, Any]:
    """Read back what :func:`described_graph` gives; other attributes are not looked at."""
    shapes, domain = (_from_json(attributes.get(name)) for name in ("target_shapes", "domain"))
    shapes = [] if shapes is None else shapes
    proper = isinstance(shapes, list | tuple) and all(
        isinstance(shape, list | tuple)
        and len(shape) == 2
        and all(type(size) is int and 0 < size < 2**31 for size in shape)
        for shape in shapes
    )
    if not proper:
        raise InvalidGraphError(f"target_shapes must be pairs of sizes, got {shown(shapes)}")
    if largest_origin >= sum(rows * columns for rows, columns in shapes):
        raise InvalidGraphError(f"an edge has the origin {largest_origin}, which target_shapes does not have")
    summary = attributes.get("summary", False)
    if not isinstance(summary, bool):
        raise InvalidGraphError(f"summary must be True or False, got {shown(summary)}")
    return {
        "target_shapes": [(rows, columns) for rows, columns in shapes],
        "domain": None if domain is None else domain_from_json(domain),
        "summary": summary,
    }


def _from_json(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidGraphError(f"the graph attribute {shown(text)} is not JSON") from error


def _array(values: Any) -> Any:
    """Return a numpy view of an ``array.array``."""
    return np.frombuffer(values, dtype=values.typecode) if len(values) else np.zeros(0, values.typecode)


def _choice(value: Any, names: tuple[str, ...], attribute: str, what: str) -> int:
    if value is None:
        return UNKNOWN
    if not isinstance(value, str) or value not in names:
        raise InvalidGraphError(f"the {attribute} {what} is {shown(value)}; known are {', '.join(names)}")
    return names.index(value)


def _whole(value: Any, attribute: str, what: str, least: int = 0) -> int:
    if value is None:
        return UNKNOWN
    proper = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not proper or not least <= value < 2**62:
        raise InvalidGraphError(f"the {attribute} {what} is {shown(value)}; it must be an integer >= {least}")
    return int(value)


def _truth(value: Any, attribute: str, what: str) -> int:
    if not isinstance(value, bool | np.bool_):
        raise InvalidGraphError(
            f"the attribute {attribute} {what} is {shown(value)}; it must be True or False"
        )
    return int(value)


def _real(value: Any, attribute: str, what: str) -> float:
    proper = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    try:
        number = float(value) if proper else math.nan
    except OverflowError:
        number = math.inf
    if not math.isfinite(number) or number != value:
        raise InvalidGraphError(
            f"the {attribute} {what} is {shown(value)}; it must be a finite number that float64 holds"
        )
    return number

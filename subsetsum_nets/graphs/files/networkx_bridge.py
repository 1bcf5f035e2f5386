"""The bridge to networkx: a DiGraph with documented attributes, both ways.

Nodes of :func:`to_networkx` are pairs (layer, index).

| where | attribute | meaning | when it is missing |
|---|---|---|---|
| node | ``layer`` | int, edges go to a later one | by longest path, outputs last |
| node | ``index`` | int, the number in the layer | the order of the nodes |
| node | ``kind`` | "input", "hidden" or "output" | by the edges |
| node | ``activation`` | "relu" or "linear" | "relu" for hidden nodes |
| node | ``bias``, ``bias_kept`` | float; whether it is kept | no bias; True |
| edge | ``weight`` | float | an error |
| edge | ``kept`` | bool | True |
| edge | ``origin`` | number of the target weight that the edge serves | -1, none |
| graph | ``target_shapes``, ``domain``, ``summary`` | as in LayeredDag, the first two as JSON text | none |
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.graphs.dag.assembling import GraphBuilder, described_graph
from subsetsum_nets.graphs.errors import InvalidGraphError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from subsetsum_nets.graphs.dag.graph import Dag
    from subsetsum_nets.graphs.dag.nodes import NodeLayer


def node_attributes(graph: Dag, number: int, layer: NodeLayer) -> Iterator[dict[str, Any]]:
    """Yield the attributes of the nodes of one layer, as Python values."""
    kind = graph.kind(number)
    activations = ("linear", "relu")
    for position, (index, relu) in enumerate(zip(layer.index.tolist(), layer.relu.tolist(), strict=True)):
        attributes = {"layer": number, "index": index, "kind": kind, "activation": activations[relu]}
        if layer.bias is not None:
            attributes["bias"] = float(layer.bias[position])
            if layer.bias_kept is not None and not layer.bias_kept[position]:
                attributes["bias_kept"] = False
        yield attributes


def to_networkx(graph: Dag) -> Any:
    """Return a networkx DiGraph with every node and edge, those that are not kept too.

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> g = to_networkx(LayeredDag.from_network(ReluNetwork([Dense([[1.5]])])))
    >>> list(g.edges(data=True))
    [((0, 0), (1, 0), {'weight': 1.5, 'kept': True, 'origin': -1})]

    """
    import networkx as nx

    found: Any = nx.DiGraph(**described_graph(graph))
    for number, layer in enumerate(graph.layers):
        for attributes in node_attributes(graph, number, layer):
            found.add_node((number, attributes["index"]), **attributes)
    for (a, b), block in graph.blocks.items():
        sources = [(a, index) for index in graph.layers[a].index.tolist()]
        sinks = [(b, index) for index in graph.layers[b].index.tolist()]
        for edges in block.chunks():
            found.add_edges_from(
                (sources[column], sinks[row], {"weight": weight, "kept": kept, "origin": origin})
                for row, column, weight, kept, origin in zip(
                    *(field.tolist() for field in edges), strict=True
                )
            )
    return found


def from_networkx(graph: Any) -> Dag:
    """Read any networkx DAG of ReLU and linear nodes; see the table above for the attributes.

    Inputs and outputs are in the order of ``index``, or of the nodes of ``graph`` where that is missing.
    Layers that are numbered with gaps are numbered without.

    Raises
    ------
    TypeError
        For anything else than a networkx DiGraph.
    InvalidGraphError
        For several edges between two nodes, cycles, missing or NaN weights, edges into inputs or out of
        outputs, and attributes of another type than in the table.

    Examples
    --------
    >>> import networkx as nx
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> g = nx.DiGraph()
    >>> g.add_weighted_edges_from([("x", "h", 2.0), ("h", "y", 3.0), ("x", "y", 5.0)])
    >>> LayeredDag.from_networkx(g)([1.0])      # 3 relu(2 x) + 5 x
    array([11.])

    """
    import networkx as nx

    if not isinstance(graph, nx.Graph):
        raise TypeError(f"give a networkx DiGraph, got a {type(graph).__name__}")
    if not graph.is_directed() or graph.is_multigraph():
        raise InvalidGraphError(
            f"a {type(graph).__name__} is not a DiGraph: edges need one direction and one weight"
        )
    builder = GraphBuilder()
    for name, attributes in graph.nodes(data=True):
        builder.add_node(name, attributes)
    for source, sink, attributes in graph.edges(data=True):
        builder.add_edge(source, sink, attributes)
    return builder.dag(graph.graph)

"""Pass-through nodes: skip connections and mixed activations turned, exactly, into plain layers.

A linear node of weight 1 carries a value over a layer. In a layer of ReLUs a linear node is two ReLU nodes,
x = relu(x) - relu(-x); one is enough where x cannot be negative. All weights stay as they are up to sign, so
that the function is the same in real arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock, Edges, joined
from subsetsum_nets.graphs.dag.nodes import NodeLayer

if TYPE_CHECKING:
    from subsetsum_nets.graphs.dag.graph import AnyDag
    from subsetsum_nets.networks.arrays import Bools, Ints


def with_pass_through(graph: AnyDag) -> AnyDag:
    """Return a graph of the same function in which every edge goes to the next layer.

    A node with an edge over layers is carried by one linear node of weight 1 in each of them, which all its
    edges share; the last step has the edge's own weight, mask and origin.

    Examples
    --------
    >>> import networkx as nx
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> g = nx.DiGraph()
    >>> g.add_weighted_edges_from([("x", "h", 2.0), ("h", "y", 3.0), ("x", "y", 5.0)])
    >>> dag = LayeredDag.from_networkx(g)
    >>> with_pass_through(dag).widths
    (1, 2, 1)

    """
    if graph.layered:
        return graph
    reach = [np.full(layer.size, number, dtype=np.int64) for number, layer in enumerate(graph.layers)]
    for (a, b), block in graph.blocks.items():  # in the order of b
        if b > a + 1:
            for edges in block.chunks():
                reach[a][edges.columns] = b - 1
    # place[c][a][node of layer a]: where its value is to be found in layer c
    sizes = list(graph.widths)
    place: list[dict[int, Ints]] = [{c: np.arange(size, dtype=np.int64)} for c, size in enumerate(sizes)]
    parts: dict[int, list[Edges]] = {b: [] for b in range(1, len(sizes))}
    for a in range(graph.depth):
        for c in range(a + 1, int(reach[a].max(initial=a)) + 1):
            carried = np.flatnonzero(reach[a] >= c)
            where = np.full(graph.widths[a], -1, dtype=np.int64)
            where[carried] = sizes[c] + np.arange(carried.size)
            sizes[c] += carried.size
            place[c][a] = where
            parts[c].append(_ones(where[carried], place[c - 1][a][carried]))
    for (a, b), block in graph.blocks.items():
        edges = block.all_edges()
        parts[b].append(edges._replace(columns=place[b - 1][a][edges.columns]))
    layers = [
        _widened(layer, np.zeros(size - layer.size, dtype=bool), None)
        for layer, size in zip(graph.layers, sizes, strict=True)
    ]
    blocks = {
        (b - 1, b): EdgeBlock.from_edges((sizes[b], sizes[b - 1]), joined(edges))
        for b, edges in parts.items()
    }
    return graph.with_parts(layers, blocks)


def uniform_layers(graph: AnyDag) -> AnyDag:
    """Return a graph of the same function, layered, with one activation in each layer; the same if it is one.

    Where some outputs have a ReLU and others not, a layer of linear outputs follows them.
    """
    if graph.layered and not any(map(mixed, graph.layers)):
        return graph
    layered = with_pass_through(graph.kept_only())
    layers, blocks = list(layered.layers), dict(layered.blocks)
    if mixed(layers[-1]):
        last, end = layers[-1], len(layers) - 1
        every = np.arange(last.size, dtype=np.int64)
        blocks[end, end + 1] = EdgeBlock.from_edges((last.size, last.size), _ones(every, every))
        layers.append(NodeLayer.of(np.zeros(last.size, dtype=bool), index=last.index))
    if not any(map(mixed, layers)):
        return graph.with_parts(layers, blocks)
    nonnegative: Bools = np.zeros(layers[0].size, dtype=bool)
    for c in range(1, len(layers)):
        layer, incoming = layers[c], blocks.get((c - 1, c))
        nonnegative = _nonnegative(layer, incoming, nonnegative)
        if not mixed(layer):
            continue
        split = np.flatnonzero(~nonnegative)
        mirror = np.full(layer.size, -1, dtype=np.int64)
        mirror[split] = layer.size + np.arange(split.size)
        bias = None if layer.bias is None else -layer.bias[split]
        whole = NodeLayer(np.ones(layer.size, dtype=bool), layer.bias, None, layer.index)
        layers[c] = _widened(whole, np.ones(split.size, dtype=bool), bias)
        for (a, b), block in list(blocks.items()):
            if c in (a, b):
                blocks[a, b] = _mirrored(block, mirror, rows=b == c)
        nonnegative = np.ones(layers[c].size, dtype=bool)
    return graph.with_parts(layers, blocks)


def mixed(layer: NodeLayer) -> bool:
    """Tell whether some nodes of a layer have a ReLU and others not."""
    return bool(layer.relu.any() and not layer.relu.all())


def _nonnegative(layer: NodeLayer, incoming: EdgeBlock | None, before: Bools) -> Bools:
    """Return which nodes cannot be negative: those with a ReLU, or adding nonnegative terms only."""
    negative = np.zeros(layer.size, dtype=bool)
    if layer.bias is not None:
        negative |= layer.bias < 0.0
    if incoming is not None:
        for edges in incoming.chunks():
            negative[edges.rows[(edges.weight < 0.0) | ((edges.weight > 0.0) & ~before[edges.columns])]] = (
                True
            )
    return layer.relu | ~negative


def _mirrored(block: EdgeBlock, mirror: Ints, *, rows: bool) -> EdgeBlock:
    """Add the negated copy of the edges into (``rows``) or out of the nodes that are split in two."""
    edges = block.all_edges()
    ends = mirror[edges.rows if rows else edges.columns]
    copied = edges.where(ends >= 0)
    new = ends[ends >= 0]
    copied = copied._replace(
        weight=-copied.weight, rows=new if rows else copied.rows, columns=copied.columns if rows else new
    )
    extra = int((mirror >= 0).sum())
    shape = (block.shape[0] + extra * rows, block.shape[1] + extra * (not rows))
    return EdgeBlock.from_edges(shape, joined([edges, copied]))


def _widened(layer: NodeLayer, relu: Bools, bias: Any) -> NodeLayer:
    """Return a layer with more nodes behind its own."""
    if not relu.size:
        return layer
    values = None
    if layer.bias is not None:
        values = np.concatenate([layer.bias, np.zeros(relu.size) if bias is None else bias])
    kept = layer.bias_kept
    if kept is not None:
        kept = np.concatenate([kept, np.ones(relu.size, dtype=bool)])
    first = int(layer.index.max(initial=-1)) + 1
    index = np.concatenate([layer.index, first + np.arange(relu.size)])
    return NodeLayer.of(np.concatenate([layer.relu, relu]), values, kept, index)


def _ones(rows: Ints, columns: Ints) -> Edges:
    count = rows.size
    return Edges(
        rows, columns, np.ones(count), np.ones(count, dtype=bool), np.full(count, -1, dtype=np.int64)
    )

"""All paths of kept edges that make one target weight, in networks whose layers mostly carry.

In a block of layers that stands for a target layer without bending, the weight of an output on an input is
the sum over the paths from one to the other of the products of their edges. Where a unit in between looks at
several inputs, as the accumulators of construction "binary" do, its edges serve several weights; the paths
are still those of one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.verification.alignment import like_layers

if TYPE_CHECKING:
    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.graphs.dag.graph import AnyDag
    from subsetsum_nets.networks.arrays import Ints

    Reached = dict[int, Ints]


def block_ends(graph: AnyDag, layer: int) -> tuple[int, int] | None:
    """Return the layers of nodes between which a target layer stands; None where widths do not tell."""
    hidden = [rows for rows, _ in graph.target_shapes[:-1]]
    places = like_layers(graph.widths[1:-1], hidden)
    if len(places) != len(hidden) or any(span[1] - span[0] != 1 for span in graph.blocks):
        return None
    ends = [0, *(place + 1 for place in places), graph.depth]
    return ends[layer], ends[layer + 1]


def shares_units(graph: AnyDag, ends: tuple[int, int], row: int, column: int) -> bool:
    """Whether a last hidden unit on a path from the input to the output looks at other inputs, too."""
    start, end = ends
    if end - start < 2:
        return False
    last, others = end - 1, np.setdiff1d(np.arange(graph.widths[start]), [column])
    mine, theirs = (_forward(graph, start, last, nodes)[last] for nodes in (np.array([column]), others))
    behind = _sources(graph.blocks[last, end], np.array([row]))
    return bool(np.intersect1d(np.intersect1d(mine, theirs), behind).size)


def paths(graph: AnyDag, ends: tuple[int, int], row: int, column: int, *, candidates: bool) -> AnyDag | None:
    """Return the graph of all kept paths from one node of the first layer to one of the last; None for none.

    With ``candidates`` it has the edges between its nodes that are not kept, too.
    """
    start, end = ends
    ahead = _forward(graph, start, end, np.array([column]))
    back = {end: np.intersect1d(ahead[end], [row])}
    for at in range(end, start, -1):
        back[at - 1] = np.intersect1d(ahead[at - 1], _sources(graph.blocks[at - 1, at], back[at]))
    if not back[start].size:
        return None
    pieces = {}
    for at in range(start, end):
        piece = graph.blocks[at, at + 1].select(back[at + 1], back[at])
        pieces[at - start, at - start + 1] = piece if candidates else piece.kept_only()
    nodes = [_carried(graph.layers[at], back[at], linear=at in ends) for at in range(start, end + 1)]
    return type(graph)(nodes, pieces, target_shapes=graph.target_shapes)


def _carried(layer: NodeLayer, nodes: Ints, *, linear: bool) -> NodeLayer:
    return NodeLayer.of(np.full(nodes.size, not linear), index=layer.index[nodes])


def _forward(graph: AnyDag, start: int, end: int, nodes: Ints) -> Reached:
    """Return which nodes of each layer kept edges lead to from some nodes of the first one."""
    found = {start: nodes}
    for at in range(start, end):
        block = graph.blocks[at, at + 1]
        edges = block.select(np.arange(block.shape[0]), found[at]).all_edges()
        found[at + 1] = np.unique(edges.rows[edges.kept])
    return found


def _sources(block: EdgeBlock, nodes: Ints) -> Ints:
    """Return the nodes with a kept edge to one of these."""
    edges = block.select(nodes, np.arange(block.shape[1])).all_edges()
    return np.unique(edges.columns[edges.kept])

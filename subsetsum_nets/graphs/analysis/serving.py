"""The part of a pruned random network that implements one weight of its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.graphs.analysis.paths import block_ends, paths, shares_units
from subsetsum_nets.graphs.dag.edges import EdgeBlock, FactoredOrigin
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError

if TYPE_CHECKING:
    from subsetsum_nets.graphs.dag.graph import AnyDag
    from subsetsum_nets.networks.arrays import Ints


def serving(graph: AnyDag, layer: int, row: int, column: int, *, candidates: bool = False) -> AnyDag:
    """Return the graph of what stands for one target weight: one input, hidden units, one output.

    Parameters
    ----------
    graph : Dag
        With origins: made from a PrunedNetwork whose groups of layers stand for the target's layers.
    layer, row, column : int
        The target weight; column d_in is the bias, whose part has no inputs.
    candidates : bool
        Also the last hidden units, and the edges from and to them, that were offered but not kept.

        Where a last hidden unit serves several weights, as in construction "binary": the edges between the
        nodes of the paths that are not kept.

    Returns
    -------
    a graph of the same class
        Layers of inputs (1 or 0), hidden units and the output, with the numbers they have in ``graph``
        (``layer.index``). Its value at the input is what the pruned network has in place of
        ``weight[row, column] * x``; the ReLU that follows the output in the network is left out.

    Raises
    ------
    IndexError
        If the target has no such weight.
    InvalidGraphError
        If nothing serves it; with ``candidates``, if nothing could.

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets import Dense, ReluNetwork, prune
    >>> target = ReluNetwork([Dense([[0.3, -0.7]])])
    >>> part = LayeredDag.from_network(prune(target, epsilon=0.01)).serving(0, 0, 1)
    >>> bool(abs(part([1.0])[0] + 0.7) < 0.01)
    True

    """
    origin = graph.origin_number(layer, row, column)
    ends = block_ends(graph, layer)
    if ends is not None and column < graph.widths[ends[0]] and _by_paths(graph, ends, row, column):
        part = paths(graph, ends, row, column, candidates=candidates)
        if part is None:
            raise _nothing(layer, row, column)
        return part
    found = [(span, block, *_ends(block, origin)) for span, block in graph.blocks.items()]
    found = [entry for entry in found if entry[2].size and entry[3].size]
    if not found:
        raise _nothing(layer, row, column)
    (at, behind), last, outputs, units = found[-1]  # blocks are in the order of the layers they lead to
    edges = last.select(outputs, units).all_edges()
    units = units[np.unique(edges.columns[edges.kept | candidates])]
    if not units.size:
        raise _nothing(layer, row, column)
    nodes, pieces = [_linear(graph.layers[behind].index[outputs])], [last.select(outputs, units)]
    start, reads = _start(graph, layer, at - 1), column < graph.target_shapes[layer][1] - 1
    while at > start:  # back through the hidden layers, the first of which reads the input
        nodes.insert(0, graph.layers[at].select(units))
        below = next((a for a, b in graph.blocks if b == at), start)
        sources = np.flatnonzero(reads & (graph.layers[below].index == column))
        if below > start:
            sources = _kept_sources(graph.blocks[below, at], units)
        if not (sources.size and (below, at) in graph.blocks):  # only biases come from here
            units = sources[:0]
            break
        piece = graph.blocks[below, at].select(units, sources)
        pieces.insert(0, piece if candidates else piece.kept_only())
        at, units = below, sources
    nodes.insert(0, _linear(np.full(units.size, column)))
    first = len(nodes) - 1 - len(pieces)
    blocks = {(first + k, first + k + 1): piece for k, piece in enumerate(pieces)}
    return type(graph)(nodes, blocks, target_shapes=graph.target_shapes)


def _by_paths(graph: AnyDag, ends: tuple[int, int], row: int, column: int) -> bool:
    """Whether origins do not tell, and paths do."""
    known = any(block.origin is not None for block in graph.blocks.values())
    return not known or shares_units(graph, ends, row, column)


def _kept_sources(block: EdgeBlock, units: Ints) -> Ints:
    """Return the nodes with a kept edge to one of these units."""
    edges = block.select(units, np.arange(block.shape[1])).all_edges()
    return np.unique(edges.columns[edges.kept])


def _linear(index: Ints) -> NodeLayer:
    return NodeLayer.of(np.zeros(index.size, dtype=bool), index=index)


def _start(graph: AnyDag, layer: int, otherwise: int) -> int:
    """Return the layer of nodes that the edges of the target layer before this one lead to."""
    if not layer:
        return 0
    (rows, columns), first = graph.target_shapes[layer - 1], graph.origin_number(layer - 1, 0, 0)
    ends = []
    for (_, end), block in graph.blocks.items():
        numbers = block.origin.by_row if isinstance(block.origin, FactoredOrigin) else block.origin
        if numbers is not None and ((numbers >= first) & (numbers < first + rows * columns)).any():
            ends.append(end)
    return max(ends, default=otherwise)


def _ends(block: EdgeBlock, origin: int) -> tuple[Ints, Ints]:
    """Return the rows and columns of the edges with this origin, which lie in one row."""
    if isinstance(block.origin, FactoredOrigin):
        by_row, by_column = block.origin.by_row, block.origin.by_column
        rows = np.flatnonzero((by_row >= 0) & np.isin(origin - by_row, by_column[by_column >= 0]))
        columns = np.flatnonzero(np.isin(by_column, origin - by_row[rows]))
        return rows, columns
    if block.origin is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    edges = block.all_edges()
    chosen = edges.where(edges.origin == origin)
    return np.unique(chosen.rows), np.unique(chosen.columns)


def _nothing(layer: int, row: int, column: int) -> InvalidGraphError:
    return InvalidGraphError(f"no edge serves weight ({row}, {column}) of target layer {layer}")

"""The part of a pruned random network that implements one weight of its target."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock, FactoredOrigin
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.graphs.dag.graph import AnyDag

    Ints = NDArray[np.int64]


def serving(graph: AnyDag, layer: int, row: int, column: int, *, candidates: bool = False) -> AnyDag:
    """Return the graph of what stands for one target weight: one input, its hidden units, one output.

    Parameters
    ----------
    graph : Dag
        With origins: made from a PrunedNetwork whose pairs of layers stand for the target's layers.
    layer, row, column : int
        The target weight; column d_in is the bias, whose part has no inputs.
    candidates : bool
        Also the units and edges that were offered but not kept.

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
    found = [(span, block, *_ends(block, origin)) for span, block in graph.blocks.items()]
    found = [entry for entry in found if entry[2].size and entry[3].size]
    if not found:
        raise _nothing(layer, row, column)
    (middle, behind), second, outputs, units = found[-1]  # blocks are in the order of the layers they lead to
    edges = second.select(outputs, units).all_edges()
    units = units[np.unique(edges.columns[edges.kept | candidates])]
    if not units.size:
        raise _nothing(layer, row, column)
    spans = [a for a, b in graph.blocks if b == middle]
    inputs = np.zeros(0, dtype=np.int64)
    blocks = {(1, 2): second.select(outputs, units)}
    if column < graph.target_shapes[layer][1] - 1 and spans:
        inputs = np.flatnonzero(graph.layers[spans[0]].index == column)
        first = graph.blocks[spans[0], middle].select(units, inputs)
        blocks[0, 1] = first if candidates else first.kept_only()
    layers = [
        NodeLayer.of(np.zeros(inputs.size, dtype=bool), index=np.full(inputs.size, column)),
        graph.layers[middle].select(units),
        NodeLayer.of(np.zeros(outputs.size, dtype=bool), index=graph.layers[behind].index[outputs]),
    ]
    return type(graph)(layers, blocks, target_shapes=graph.target_shapes)


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

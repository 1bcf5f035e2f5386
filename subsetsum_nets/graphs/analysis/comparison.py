"""What two graphs have in common: nodes, kept edges, and how far weights differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.errors import InvalidGraphError

if TYPE_CHECKING:
    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.graphs.dag.graph import Dag
    from subsetsum_nets.networks.arrays import FloatArray, Ints

    Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class SharedEdges:
    """The kept edges between two layers, in both graphs or in one; each array has shape (edges, 2).

    Attributes
    ----------
    both, only_here, only_there : int64 arrays, shape (edges, 2)
        Numbers (``layer.index``) of the node an edge leaves and the node it enters.
    difference : float64, shape (len(both),)
        The weight there minus the weight here.

    """

    both: Ints
    only_here: Ints
    only_there: Ints
    difference: FloatArray


@dataclass(frozen=True, eq=False)
class GraphComparison:
    """What two graphs have in common; nodes are the same when layer and number are.

    Attributes
    ----------
    nodes_in_both, nodes_only_here, nodes_only_there : lists of int64 arrays
        Numbers of nodes, an array for each layer.
    edges : dict
        :class:`SharedEdges` for every pair of layers with a kept edge in either graph.
    bias_difference : list of float64 arrays
        For each layer, the kept bias there minus the one here, of the nodes in both.
    other_activation : int
        How many nodes in both have a ReLU in one only.

    """

    nodes_in_both: list[Ints]
    nodes_only_here: list[Ints]
    nodes_only_there: list[Ints]
    edges: dict[Span, SharedEdges]
    bias_difference: list[FloatArray]
    other_activation: int

    def summary(self) -> dict[str, Any]:
        """Return counts, and the largest differences of weights and biases."""
        shared = list(self.edges.values())
        differences = [abs(edges.difference) for edges in shared]
        return {
            "nodes_in_both": sum(map(len, self.nodes_in_both)),
            "nodes_only_here": sum(map(len, self.nodes_only_here)),
            "nodes_only_there": sum(map(len, self.nodes_only_there)),
            "edges_in_both": sum(len(edges.both) for edges in shared),
            "edges_only_here": sum(len(edges.only_here) for edges in shared),
            "edges_only_there": sum(len(edges.only_there) for edges in shared),
            "other_weight": sum(int(np.count_nonzero(difference)) for difference in differences),
            "largest_weight_difference": max((float(d.max(initial=0.0)) for d in differences), default=0.0),
            "largest_bias_difference": max(
                (float(abs(d).max(initial=0.0)) for d in self.bias_difference), default=0.0
            ),
            "other_activation": self.other_activation,
        }

    @property
    def same(self) -> bool:
        """Whether both graphs have the same nodes, kept edges, weights, biases and activations."""
        counts = self.summary()
        return not any(value for name, value in counts.items() if not name.endswith("in_both"))


def compare(here: Dag, there: Dag) -> GraphComparison:
    """Compare two graphs of the same depth by layer and number of their nodes, over kept edges.

    Raises
    ------
    InvalidGraphError
        If the graphs have different numbers of layers.

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> one = LayeredDag.from_network(ReluNetwork([Dense([[1.0, 2.0]])]))
    >>> other = LayeredDag.from_network(ReluNetwork([Dense([[1.0, 2.5]])]))
    >>> compare(one, other).summary()["largest_weight_difference"]
    0.5

    """
    if here.depth != there.depth:
        raise InvalidGraphError(
            f"graphs of {here.depth + 1} and {there.depth + 1} layers cannot be compared layer by layer"
        )
    pairs = list(zip(here.layers, there.layers, strict=True))
    common = [np.intersect1d(a.index, b.index, assume_unique=True, return_indices=True) for a, b in pairs]
    biases, other_activation = [], 0
    for (a, b), (_, at_here, at_there) in zip(pairs, common, strict=True):
        biases.append(b.offset[at_there] - a.offset[at_here])
        other_activation += int(np.count_nonzero(a.relu[at_here] != b.relu[at_there]))
    spans = sorted(set(here.blocks) | set(there.blocks), key=lambda span: (span[1], span[0]))
    edges = {span: _shared(here, there, span) for span in spans}
    return GraphComparison(
        [numbers for numbers, _, _ in common],
        [np.setdiff1d(a.index, b.index, assume_unique=True) for a, b in pairs],
        [np.setdiff1d(b.index, a.index, assume_unique=True) for a, b in pairs],
        {span: e for span, e in edges.items() if any(map(len, (e.both, e.only_here, e.only_there)))},
        biases,
        other_activation,
    )


def _shared(here: Dag, there: Dag, span: Span) -> SharedEdges:
    columns = 1 + max(int(graph.layers[span[0]].index.max(initial=0)) for graph in (here, there))
    first, first_weight = _numbered(here, span, columns)
    second, second_weight = _numbered(there, span, columns)
    both, at_here, at_there = np.intersect1d(first, second, assume_unique=True, return_indices=True)
    return SharedEdges(
        _ends(both, columns),
        _ends(np.setdiff1d(first, second, assume_unique=True), columns),
        _ends(np.setdiff1d(second, first, assume_unique=True), columns),
        second_weight[at_there] - first_weight[at_here],
    )


def _numbered(graph: Dag, span: Span, columns: int) -> tuple[Ints, FloatArray]:
    """Return a key of every kept edge, ``entered * columns + left``, and its weight."""
    block: EdgeBlock | None = graph.blocks.get(span)
    if block is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    left, entered = graph.layers[span[0]].index, graph.layers[span[1]].index
    keys, weights = [], []
    for chunk in block.chunks():
        edges = chunk.where(chunk.kept)
        keys.append(entered[edges.rows] * columns + left[edges.columns])
        weights.append(edges.weight)
    return np.concatenate(keys), np.concatenate(weights)


def _ends(keys: Ints, columns: int) -> Ints:
    entered, left = np.divmod(keys, columns)
    return np.stack([left, entered], axis=1)

"""Dead units and path counts: what reaches what over kept, nonzero edges, a layer at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import Bools, is_sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.graphs.dag.graph import AnyDag, Dag
    from subsetsum_nets.graphs.dag.nodes import NodeLayer


_LIMB = 24  # bits of a path count that are multiplied at a time: float64 sums of 2**29 of them are exact


def live_units(graph: Dag) -> tuple[Bools, ...]:
    """Return which nodes are alive, a bool array for each layer; inputs and outputs always are.

    An edge *carries* when it is kept and its weight is not 0. A node has a *signal* when it is an input, when
    its own bias alone gives it a value other than 0 (for a ReLU: when the bias is positive), or when an edge
    carries to it from a node with a signal. A hidden node is alive when it has a signal and a path of
    carrying edges leads from it to an output.

    A node without signal is exactly 0 for every input, and nothing reads a node from which no path leads to
    an output: removing both changes no output by anything. A unit that is constant but not 0 is kept, since
    moving its value to the next biases would round.
    """
    signal = [
        np.ones(layer.size, dtype=bool) if not n else _own(layer) for n, layer in enumerate(graph.layers)
    ]
    for (a, b), block in graph.blocks.items():  # ordered by b, so that layer a is complete
        for start, stop in block.row_ranges():
            signal[b][start:stop] |= _any_row(block.carrying(start, stop), signal[a])
    read = [np.zeros(layer.size, dtype=bool) for layer in graph.layers]
    read[-1][:] = True
    for (a, b), block in reversed(list(graph.blocks.items())):
        for start, stop in block.row_ranges():
            read[a] |= _any_row(block.carrying(start, stop).T, read[b][start:stop])
    live_nodes = [r & s for r, s in zip(read, signal, strict=True)]
    live_nodes[0][:] = True
    live_nodes[-1][:] = True
    return tuple(live_nodes)


def without_dead_units(graph: AnyDag) -> AnyDag:
    """Return the graph of the live units, exactly the same function; see :func:`live_units`.

    Nodes keep their numbers (``layer.index``). A hidden layer without a live unit goes. All edges between
    live units stay, also those that are not kept (``kept_only()`` removes these).

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> dag = LayeredDag.from_network(ReluNetwork([Dense([[1.0], [0.0], [2.0]]), Dense([[1.0, 1.0, 0.0]])]))
    >>> without_dead_units(dag).widths
    (1, 1, 1)

    """
    live = [np.flatnonzero(nodes) for nodes in live_units(graph)]
    stays = [n for n, nodes in enumerate(live) if nodes.size or n == 0]
    number = {old: new for new, old in enumerate(stays)}
    layers = [
        graph.layers[n] if live[n].size == graph.layers[n].size else graph.layers[n].select(live[n])
        for n in stays
    ]
    blocks = {
        (number[a], number[b]): block.select(live[b], live[a])
        for (a, b), block in graph.blocks.items()
        if a in number and b in number
    }
    return graph.with_parts(layers, blocks)


def path_count(graph: Dag) -> int:
    """Return the number of paths of kept, nonzero edges from an input to an output, exactly.

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import random_network
    >>> path_count(LayeredDag.from_network(random_network([3, 4, 5, 2])))
    120

    """
    counts: list[NDArray[Any]] = [np.ones(graph.widths[0], dtype=object)]
    for number, layer in enumerate(graph.layers[1:], start=1):
        total = np.zeros(layer.size, dtype=object)
        for (a, b), block in graph.blocks.items():
            if b == number:
                total = total + _paths(block, counts[a])
        counts.append(total)
    return int(counts[-1].sum())


def _paths(block: EdgeBlock, before: NDArray[Any]) -> NDArray[Any]:
    """Return the sums of ``before`` (integers of any size) over the carrying edges of each row."""
    bits = max((int(count).bit_length() for count in before), default=0)
    shifts = range(0, max(bits, 1), _LIMB)
    limbs = np.array(
        [[(int(count) >> shift) & ((1 << _LIMB) - 1) for shift in shifts] for count in before], dtype=float
    ).reshape(len(before), len(shifts))
    total = np.zeros(block.shape[0], dtype=object)
    for start, stop in block.row_ranges():
        sums = block.carrying(start, stop).astype(np.float64) @ limbs
        for place, shift in enumerate(shifts):
            total[start:stop] += np.array([int(value) << shift for value in sums[:, place]], dtype=object)
    return total


def _own(layer: NodeLayer) -> Bools:
    """Return which nodes have a value other than 0 from their bias alone."""
    bias = layer.offset
    return np.where(layer.relu, bias > 0.0, bias != 0.0)


def _any_row(carries: Any, chosen: Bools) -> Bools:
    if is_sparse(carries):
        return np.asarray(carries.astype(np.int64) @ chosen.astype(np.int64)) > 0
    found: Bools = (carries.any(axis=1)) if chosen.all() else (carries & chosen).any(axis=1)
    return found

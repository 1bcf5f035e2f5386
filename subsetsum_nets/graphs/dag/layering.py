"""Which layer each node of a graph belongs to: as given, or by longest path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.errors import InvalidGraphError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Ints


MOST_LAYERS = 10_000
UNKNOWN = -1
"""In place of an attribute that was not given."""


def layers_of_nodes(kind: Any, given: Ints, source: Ints, sink: Ints, names: Sequence[Any]) -> Ints:
    """Return the layer of every node: 0 for inputs, the last for outputs, as given or by longest path."""
    layer = given if (given != UNKNOWN).all() else _longest_paths(kind, given, source, sink, names)
    hidden = layer[kind == 1]
    inputs, outputs = layer[kind == 0], layer[kind == 2]
    for what, ends in (("inputs", inputs), ("outputs", outputs)):
        if np.unique(ends).size > 1:
            raise InvalidGraphError(
                f"{what} are in different layers; leave out the attribute 'layer' of all nodes"
            )
    if (inputs.size and min(hidden.min(initial=outputs.min()), outputs.min()) <= inputs.max()) or hidden.max(
        initial=-1
    ) >= outputs.min():
        raise InvalidGraphError(
            "inputs must be in the first layer, outputs in the last, other nodes between; "
            "leave out the attribute 'layer' of all nodes to have layers by longest path"
        )
    backward = layer[source] >= layer[sink]
    if backward.any():
        edge = int(np.argmax(backward))
        ends = (shown(names[int(n)]) for n in (source[edge], sink[edge]))
        raise InvalidGraphError("the edge from {} to {} does not go to a later layer".format(*ends))
    numbers, ranks = np.unique(layer, return_inverse=True)
    if len(numbers) > MOST_LAYERS:
        raise InvalidGraphError(f"the graph has {len(numbers)} layers; {MOST_LAYERS} is the most")
    return np.asarray(ranks.reshape(-1) + (0 if inputs.size else 1), dtype=np.int64)


def _longest_paths(kind: Any, given: Ints, source: Ints, sink: Ints, names: Sequence[Any]) -> Ints:
    """Return layers by longest path from inputs, at least 1 for others; outputs all in one last layer."""
    nodes = kind.size
    waiting = np.bincount(sink, minlength=nodes)
    order = np.argsort(source, kind="stable")
    starts = np.searchsorted(source[order], np.arange(nodes + 1))
    ends = sink[order]
    layer = np.where(given != UNKNOWN, given, np.where(kind == 0, 0, 1))
    free = np.flatnonzero(waiting == 0)
    done, rounds = 0, 0
    while free.size:
        done += free.size
        rounds += 1
        if rounds > MOST_LAYERS:
            raise InvalidGraphError(f"the graph has paths of more than {MOST_LAYERS} edges")
        counts = starts[free + 1] - starts[free]
        leaving = np.repeat(free, counts)
        place = np.arange(leaving.size) - np.repeat(np.cumsum(counts) - counts, counts) + starts[leaving]
        reached = ends[place]
        unset = given[reached] == UNKNOWN
        np.maximum.at(layer, reached[unset], layer[leaving[unset]] + 1)
        np.subtract.at(waiting, reached, 1)
        candidates = np.unique(reached)
        free = candidates[waiting[candidates] == 0]
    if done < nodes:
        node = shown(names[int(np.argmax(waiting > 0))])
        raise InvalidGraphError(f"the graph has a cycle, which node {node} is on or behind")
    outputs = kind == 2
    last = max(int(layer[outputs].max()), int(layer[~outputs].max(initial=-1)) + 1)
    layer[outputs & (given == UNKNOWN)] = last
    return layer


def shown(value: Any) -> str:
    """Return a value for an error message, cut to a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."

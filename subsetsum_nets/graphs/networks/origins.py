"""Origins: which weight of the target each edge of a pruned random network serves.

In a group of layers that stands for one target layer, a hidden unit looks at one input j (Lemmas 1-3 of
Pensia et al. 2020: block j of the first layer; section 3.1: the units of one link). Its edge to output i
serves weight (i, j). This is read off masks and shapes: nothing of how the masks were found is needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock, FactoredOrigin
from subsetsum_nets.networks.arrays import Ints, locked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.graphs.dag.nodes import NodeLayer
    from subsetsum_nets.networks.layer_shapes import AffineLayer

    Found = tuple[list[FactoredOrigin | None], list[tuple[int, int]]]


def derived_origins(
    target: Sequence[AffineLayer],
    groups: Sequence[range],
    layers: Sequence[NodeLayer],
    blocks: Sequence[EdgeBlock],
) -> Found:
    """Return the origins of each block of a pruned network, and (d_out, d_in + 1) of each target layer.

    An edge out of a last hidden unit serves the target weight of its output and of the one input that the
    unit looks at, through the hidden layers before it; a unit that only biases feed looks at the constant-one
    input, column d_in. An edge into a hidden unit has an origin only where the unit reaches one single
    output by single edges, as in a linear link; it serves a whole column otherwise. An edge that is not kept
    has the origin of the weight it would serve.

    Where every layer stands for itself, there are no origins.

    Parameters
    ----------
    target : sequence of layers
    groups : sequence of range
        The blocks that stand for each of them; none where there is no target, or other layers than its.
    layers : the graph's layers of nodes, one more than ``blocks``
    blocks : one for each layer of the pruned network

    """
    if len(groups) == len(blocks) or not groups:
        return [None] * len(blocks), []
    shapes = [(layer.d_out, layer.d_in + 1) for layer in target]
    origins: list[FactoredOrigin | None] = []
    base = 0
    for layer, group, (rows, columns) in zip(target, groups, shapes, strict=True):
        inputs = [np.arange(columns - 1, dtype=np.int64)]
        for number in group[:-1]:
            inputs.append(_inputs_of_units(blocks[number], layers[number + 1], inputs[-1], columns - 1))
            if number == group.start:
                inputs[1] = _with_whole_blocks(inputs[1], columns - 1 + (layer.bias is not None))
        starts = base + columns * np.arange(rows, dtype=np.int64)
        found: list[FactoredOrigin | None] = [FactoredOrigin(locked(starts), locked(inputs[-1]))]
        outputs: Ints | None = np.arange(rows, dtype=np.int64)
        for number in reversed(group[1:]):
            outputs = _only_outputs(blocks[number], outputs)
            of_units, before = inputs[number - group.start], blocks[number - 1].shape[1]
            found.insert(0, None if outputs is None else _one_a_row(base, columns, outputs, of_units, before))
        origins += found
        base += math.prod((rows, columns))
    return origins, shapes


def _one_a_row(base: int, columns: int, outputs: Ints, inputs: Ints, width: int) -> FactoredOrigin:
    """Return the origins of edges into units that serve one weight each."""
    by_row = np.where((outputs < 0) | (inputs < 0), -1, base + outputs * columns + inputs)
    return FactoredOrigin(locked(by_row), locked(np.zeros(width, dtype=np.int64)))


def _inputs_of_units(block: EdgeBlock, hidden: NodeLayer, before: Ints, d_in: int) -> Ints:
    """Return the input that each hidden unit looks at, d_in for the constant-one, -1 when there is none.

    ``before`` says the same of the nodes before it. In a sparse layer of links what is stored says what a
    unit is for, kept or not; in a dense one the mask.
    """
    if block.pattern is not None:
        units, sources = np.repeat(np.arange(block.shape[0]), np.diff(block.pattern[0])), block.pattern[1]
    else:
        kept = np.ones(block.shape, dtype=bool) if block.kept is None else block.kept
        units, sources = np.divmod(np.flatnonzero(kept), block.shape[1])  # faster than np.nonzero
    seen = before[sources]
    inputs = np.full(block.shape[0], -1, dtype=np.int64)
    inputs[units] = seen
    inputs[units[seen != inputs[units]]] = -1  # two of its edges come from different inputs
    if hidden.bias is not None:
        constant = np.bincount(units, minlength=inputs.size) == 0
        if block.pattern is None and hidden.bias_kept is not None:
            constant &= hidden.bias_kept
        inputs[constant] = d_in
    return inputs


def _with_whole_blocks(inputs: Ints, blocks: int) -> Ints:
    """Give units without kept edges the input of their block, where all others are in blocks of a size."""
    if inputs.size % blocks:
        return inputs
    whole = np.arange(inputs.size, dtype=np.int64) // (inputs.size // blocks)
    known = inputs >= 0
    return whole if known.any() and np.array_equal(whole[known], inputs[known]) else inputs


def _only_outputs(block: EdgeBlock, behind: Ints | None) -> Ints | None:
    """Return the one output of each unit before a sparse layer of links, -1 for none; else None.

    ``behind`` says the same of the units behind it.
    """
    if block.pattern is None or behind is None:
        return None
    edges = block.all_edges()
    if np.bincount(edges.columns, minlength=block.shape[1]).max(initial=0) > 1:
        return None
    outputs = np.full(block.shape[1], -1, dtype=np.int64)
    outputs[edges.columns] = behind[edges.rows]
    return outputs

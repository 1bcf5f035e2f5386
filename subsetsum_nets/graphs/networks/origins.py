"""Origins: which weight of the target each edge of a pruned random network serves.

In a pair of layers that stands for one target layer, hidden unit k looks at one input j (Lemmas 1-3 of Pensia
et al. 2020: block j of the first layer; section 3.1: the units of one link). Its edge to output i serves
weight (i, j). This is read off masks and shapes: nothing of how the masks were found is needed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock, FactoredOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.graphs.dag.nodes import NodeLayer

    Ints = NDArray[np.int64]
    Found = tuple[list[FactoredOrigin | None], list[tuple[int, int]]]


def derived_origins(
    target: Sequence[Any] | None, layers: Sequence[NodeLayer], blocks: Sequence[EdgeBlock]
) -> Found:
    """Return the origins of each block of a pruned network, and (d_out, d_in + 1) of each target layer.

    An edge out of a hidden unit serves the target weight of its output and of the one input that the unit
    looks at; a unit that only its bias feeds looks at the constant-one input, column d_in. An edge into a
    unit has an origin only where the unit has one single outgoing edge, as in a linear link; it serves a
    whole column otherwise. An edge that is not kept has the origin of the weight it would serve.

    Without a target, or when the layers are not two for each of its, there are no origins.

    Parameters
    ----------
    target : sequence of layers with d_out and d_in, or None
    layers : the graph's layers of nodes, one more than ``blocks``
    blocks : one for each layer of the pruned network

    """
    none: Found = ([None] * len(blocks), [])
    if target is None or len(blocks) != 2 * len(target):
        return none
    shapes = [(layer.d_out, layer.d_in + 1) for layer in target]
    for index, (rows, columns) in enumerate(shapes):
        first, second = blocks[2 * index], blocks[2 * index + 1]
        if first.shape[1] != columns - 1 or second.shape[0] != rows:
            return none
    origins: list[FactoredOrigin | None] = []
    base = 0
    for index, (rows, columns) in enumerate(shapes):
        first, second = blocks[2 * index], blocks[2 * index + 1]
        biased = target[index].bias is not None
        inputs = _inputs_of_units(first, layers[2 * index + 1], columns - 1, columns - 1 + biased)
        outputs = _only_outputs(second)
        row_starts = base + columns * np.arange(rows, dtype=np.int64)
        serving = None
        if outputs is not None:
            numbers = base + outputs * columns + inputs
            by_row = np.where((outputs < 0) | (inputs < 0), -1, numbers)
            serving = FactoredOrigin(_frozen(by_row), _frozen(np.zeros(columns - 1, dtype=np.int64)))
        origins += [serving, FactoredOrigin(_frozen(row_starts), _frozen(inputs))]
        base += math.prod((rows, columns))
    return origins, shapes


def _inputs_of_units(first: EdgeBlock, hidden: NodeLayer, d_in: int, blocks: int) -> Ints:
    """Return the input that each hidden unit looks at, d_in for the constant-one, -1 when there is none.

    In a sparse layer of links what is stored says what a unit is for, kept or not; in a dense one the mask.
    """
    inputs = np.full(first.shape[0], -1, dtype=np.int64)
    if first.pattern is not None:
        indptr, indices = first.pattern
        count = np.diff(indptr)
        inputs[count == 1] = indices[indptr[:-1][count == 1]]
        constant = count == 0
    else:
        count = np.full(first.shape[0], d_in) if first.kept is None else np.count_nonzero(first.kept, axis=1)
        single = np.flatnonzero(count == 1)
        inputs[single] = 0 if first.kept is None else first.kept[single].argmax(axis=1)
        constant = count == 0
        if hidden.bias_kept is not None:
            constant &= hidden.bias_kept
    if hidden.bias is not None:
        inputs[constant] = d_in
    return _with_whole_blocks(inputs, blocks)


def _with_whole_blocks(inputs: Ints, blocks: int) -> Ints:
    """Give units without kept edges the input of their block, where all others are in blocks of a size."""
    if inputs.size % blocks:
        return inputs
    whole = np.arange(inputs.size, dtype=np.int64) // (inputs.size // blocks)
    known = inputs >= 0
    return whole if known.any() and np.array_equal(whole[known], inputs[known]) else inputs


def _only_outputs(second: EdgeBlock) -> Ints | None:
    """Return the one output of each unit in a sparse layer of links, -1 for none; else None."""
    if second.pattern is None:
        return None
    edges = second.all_edges()
    if np.bincount(edges.columns, minlength=second.shape[1]).max(initial=0) > 1:
        return None
    outputs = np.full(second.shape[1], -1, dtype=np.int64)
    outputs[edges.columns] = edges.rows
    return outputs


def _frozen(array: Ints) -> Ints:
    array.flags.writeable = False
    return array

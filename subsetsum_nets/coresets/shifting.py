"""Weights dropped into the biases: what an input is in the middle of its range, or on average, stays.

A bias that this makes is a parameter and counts: weights are kept for what the biases leave.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.coresets.edges import after, size_of
from subsetsum_nets.coresets.task import Sparser, TooFewEdgesError, largest_of, never_empty
from subsetsum_nets.verification.enclosures.ranges import domain_range, network_ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.coresets.task import Size, Task
    from subsetsum_nets.networks.arrays import Bools, FloatArray

    Centre = Callable[[int, FloatArray], FloatArray]  # of layer and its inputs on S: what they are taken for

_ROUNDS = 10  # until as many biases are counted as are made


def magnitude_shift(task: Task, size: Size) -> Sparser:
    """Keep the largest weights; what is dropped, times its mean activation on S, goes into the bias."""
    scores = [np.abs(matrix[:, :-1]) for matrix in task.matrices]
    return _shifted_to(task, scores, size, lambda _, values: values.mean(axis=0))


def box_cost(task: Task, size: Size) -> Sparser:
    """Keep the weights that could cost most over the domain; the middle of a range goes into the bias.

    Dropping w_j then errs by ``|w_j| range_j / 2``, times the norm of the column of what follows. For one
    neuron, dropping the cheapest is optimal.
    """
    if task.domain is None:
        raise ValueError('method "box-cost" needs a domain: the target has none, give domain=Box(low, high)')
    ranges = [domain_range(task.domain, task.target.widths[0])]
    for index, one in enumerate(network_ranges(task.target, task.domain)[:-1]):
        ranges.append(one.relu() if task.relu_after(index) else one)
    scores = [
        np.abs(matrix[:, :-1]) * (0.5 * one.high - 0.5 * one.low) * norms[:, np.newaxis]
        for matrix, one, norms in zip(task.matrices, ranges, _norms_after(task), strict=True)
    ]
    return _shifted_to(
        task, scores, size, lambda index, _: 0.5 * ranges[index].low + 0.5 * ranges[index].high
    )


def _norms_after(task: Task) -> list[FloatArray]:
    """Return for every unit of each layer how much the outputs change with it at most, in the norm asked."""
    order = {"l1": 1, "l2": 2, "linf": np.inf}[task.norm]
    following = np.eye(len(task.matrices[-1]))
    norms = []
    for matrix in reversed(task.matrices):
        norms.append(np.linalg.norm(following, ord=order, axis=0))
        following = following @ np.abs(matrix[:, :-1])
    return norms[::-1]


def _shifted_to(task: Task, scores: list[FloatArray], size: Size, centre: Centre) -> Sparser:
    """Return layers of the number of edges asked for, biases included."""
    edges = int(size.edges or 0)
    biases = sum(map(len, task.matrices))
    weights = [matrix[:, :-1] != 0.0 for matrix in task.matrices]
    for _ in range(_ROUNDS):
        if biases > edges:
            raise TooFewEdgesError(
                f"{edges} parameters are too few: what is dropped goes into {biases} biases; keep more"
            )
        found = _shifted(task, largest_of(scores, edges - biases, weights), centre)
        made = sum(int(np.count_nonzero(matrix[:, -1])) for matrix in found)
        if made == biases:
            break
        biases = made
    return Sparser(found, size_of(found))


def _shifted(task: Task, masks: list[Bools], centre: Centre) -> list[FloatArray]:
    values = task.sampled
    found: list[FloatArray] = []
    for index, (matrix, mask) in enumerate(zip(task.matrices, masks, strict=True)):
        weights = matrix[:, :-1]
        kept = np.where(mask, weights, 0.0)
        bias = matrix[:, -1] + (weights - kept) @ centre(index, values)
        new = never_empty(matrix, np.column_stack([kept, bias]), index)
        values = after(new, values, relu=task.relu_after(index))
        found.append(new)
    return found

"""Method "obs": edges by optimal-brain-surgeon saliency, then least squares on those that are kept.

Layer by layer: A are the activations of the sparsified network on S, with the constant; Z what the target's
own layer makes of its own activations. What users of SparseGPT and Optimal Brain Compression know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.coresets.edges import after, with_constant
from subsetsum_nets.coresets.task import Sparser, edges_of_layers, largest_of, never_empty

if TYPE_CHECKING:
    from subsetsum_nets.coresets.task import Size, Task
    from subsetsum_nets.networks.arrays import Bools, FloatArray

DAMPING = 0.01  # lambda, of the mean of the diagonal of A^T A / n
_STAGES = 4  # in which edges go; what is left is fitted and looked at again after each
_MOST_WORK = 2e11  # rows times columns cubed, of a layer that goes in stages: some ten seconds of a core


def obs(task: Task, size: Size) -> Sparser:
    """Keep the edges of largest ``w^2 / [H^-1]_jj``, with ``H = A^T A / n + lambda I``, and fit them to Z.

    Each layer keeps the same share of its edges, by one threshold; edges go in stages unless it is large.
    What the points leave open stays as it was: the fit is pulled to the target's weights by lambda.
    """
    shares = edges_of_layers(task.matrices, int(size.edges or 0))
    values = wanted = task.sampled
    found: list[FloatArray] = []
    for index, (matrix, edges) in enumerate(zip(task.matrices, shares, strict=True)):
        aims = with_constant(wanted) @ matrix.T
        new = never_empty(matrix, _fitted(matrix, with_constant(values), aims, edges), index)
        found.append(new)
        values = after(new, values, relu=task.relu_after(index))
        wanted = np.maximum(aims, 0.0) if task.relu_after(index) else aims
    return Sparser.of(found)


def _fitted(matrix: FloatArray, inputs: FloatArray, aims: FloatArray, edges: int) -> FloatArray:
    """Return a layer of so many edges that makes of its inputs, as nearly as it can, what is aimed at."""
    second_moments = inputs.T @ inputs / len(inputs)
    damping = DAMPING * float(np.mean(np.diag(second_moments)))
    hessian = second_moments + damping * np.eye(len(second_moments))
    wanted = inputs.T @ aims / len(inputs) + damping * matrix.T
    saliency = matrix**2 / np.diag(np.linalg.inv(hessian))
    fitted, mask = matrix, matrix != 0.0
    for left in _stages(matrix, edges):
        (mask,) = largest_of([saliency], left, [mask])
        fitted, saliency = _least_squares(hessian, wanted, mask, look_again=left != edges)
    return fitted


def _stages(matrix: FloatArray, edges: int) -> list[int]:
    """Return how many edges are left after each stage: always the same share fewer."""
    rows, columns = matrix.shape
    stages = _STAGES if rows * float(columns) ** 3 <= _MOST_WORK else 1
    full = max(int(np.count_nonzero(matrix)), 1)
    share = max(edges, 1) / full
    between = [round(full * share ** (stage / stages)) for stage in range(1, stages)]
    return [*(left for left in between if left != edges), edges]


def _least_squares(
    hessian: FloatArray, wanted: FloatArray, mask: Bools, *, look_again: bool
) -> tuple[FloatArray, FloatArray]:
    """Solve ``H w = wanted`` for each neuron on the edges of its row of the mask.

    The saliencies of the new weights come with them where they are to be looked at again.
    """
    from scipy.linalg import cho_factor, cho_solve

    new, saliency = np.zeros(mask.shape), np.zeros(mask.shape)
    for neuron, row in enumerate(mask):
        kept = row.nonzero()[0]
        if not kept.size:
            continue
        within = hessian[np.ix_(kept, kept)]
        if look_again:
            inverse = np.linalg.inv(within)
            new[neuron, kept] = inverse @ wanted[kept, neuron]
            saliency[neuron, kept] = new[neuron, kept] ** 2 / np.diag(inverse)
        else:
            new[neuron, kept] = cho_solve(cho_factor(within, overwrite_a=True), wanted[kept, neuron])
    return new, saliency

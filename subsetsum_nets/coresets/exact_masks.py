"""Method "exact-mask": the fewest edges of a neuron that keep its value on S, weights untouched.

Each neuron is one vector subset sum: items ``w_j a_j(x)`` over the points x of S, the target its value in the
network that was given, a tolerance in the max norm; CP-SAT proves it. On few points it
overfits (docs/coresets.md).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers import Status, SubsetSum, solve
from subsetsum_nets.coresets.edges import after, with_constant
from subsetsum_nets.coresets.task import Sparser, TooFewEdgesError, largest_of, never_empty

if TYPE_CHECKING:
    from subsetsum_nets.coresets.task import Size, Task
    from subsetsum_nets.networks.arrays import Bools, FloatArray

MOST_EDGES = 128  # of a neuron
_SECONDS = 5.0  # a neuron; one that is not decided then takes the fewest edges found, or all
_FIRST, _WIDEST = 0.25, 2.0  # tolerances, in standard deviations of a neuron
_STEPS = 2  # of the bisection between a tolerance that is too small and its double


def exact_mask(task: Task, size: Size) -> Sparser:
    """Keep the edges of the smallest subsets: with one tolerance for all neurons, in standard deviations.

    The tolerance is the smallest tried at which no more edges stay than asked for; what is left of those goes
    to the edges of largest mean contribution.
    """
    for index, matrix in enumerate(task.matrices):
        most = int(np.count_nonzero(matrix, axis=1).max())
        if most > MOST_EDGES:
            raise ValueError(
                f'method "exact-mask" takes neurons of up to {MOST_EDGES} edges; layer {index} has one of '
                f"{most}"
            )
    edges = int(size.edges or 0)
    masks = _of_smallest_tolerance(task, edges)
    left = edges - sum(int(mask.sum()) for mask in masks)
    absent = [(m != 0.0) & ~mask for m, mask in zip(task.matrices, masks, strict=True)]
    masks = [a | b for a, b in zip(masks, largest_of(_contributions(task), left, absent), strict=True)]
    return Sparser.of(
        [
            never_empty(matrix, np.where(mask, matrix, 0.0), index)
            for index, (matrix, mask) in enumerate(zip(task.matrices, masks, strict=True))
        ]
    )


def _of_smallest_tolerance(task: Task, edges: int) -> list[Bools]:
    """Return the masks of at most so many edges that a search over tolerances ends with."""
    fits: list[Bools] | None = None
    low, high, tolerance = 0.0, 2.0 * _WIDEST, _FIRST
    steps = 0
    while steps < _STEPS and tolerance <= _WIDEST:
        masks = _masks(task, tolerance)
        if sum(int(mask.sum()) for mask in masks) <= edges:
            fits, high = masks, tolerance
        else:
            low = tolerance
        steps += fits is not None and (low > 0.0 or tolerance < _FIRST)
        tolerance = 2.0 * tolerance if fits is None else 0.5 * (low + high)
    if fits is None:
        raise TooFewEdgesError(f"{edges} parameters are too few for exact masks; keep more")
    return fits


def _masks(task: Task, tolerance: float) -> list[Bools]:
    """Return the fewest edges of every neuron, layer by layer on what the layers before make of S."""
    values = wanted = task.sampled
    masks: list[Bools] = []
    for index, matrix in enumerate(task.matrices):
        layer = _Layer(matrix, with_constant(values), with_constant(wanted) @ matrix.T, task)
        masks.append(layer.fewest(tolerance))
        values = after(np.where(masks[-1], matrix, 0.0), values, relu=task.relu_after(index))
        wanted = after(matrix, wanted, relu=task.relu_after(index))
    return masks


def _contributions(task: Task) -> list[FloatArray]:
    """Return ``|w_j|`` times the mean of ``|a_j|`` on S."""
    values, found = task.sampled, []
    for index, matrix in enumerate(task.matrices):
        found.append(np.abs(matrix) * np.abs(with_constant(values)).mean(axis=0))
        values = after(matrix, values, relu=task.relu_after(index))
    return found


class _Layer:
    """The subset sums of a layer, at any tolerance."""

    def __init__(self, matrix: FloatArray, inputs: FloatArray, aims: FloatArray, task: Task) -> None:
        self._matrix, self._inputs, self._aims = matrix, inputs, aims
        self._threads, self._seed = task.threads, task.seed
        spread = aims.std(axis=0)
        self._unit = np.where(spread > 0.0, spread, np.maximum(np.abs(aims).max(axis=0), 1.0))

    def fewest(self, tolerance: float) -> Bools:
        """Return the fewest edges of every neuron, (d_out, d_in + 1)."""
        return np.array([self._fewest(neuron, tolerance) for neuron in range(len(self._matrix))])

    def _fewest(self, neuron: int, tolerance: float) -> Bools:
        """Return the fewest edges of a neuron; all of them where none are proven or found to do."""
        weights = self._matrix[neuron]
        edges = weights.nonzero()[0]
        mask: Bools = np.asarray(weights != 0.0)
        if not edges.size:
            return mask
        problem = SubsetSum(
            np.ascontiguousarray((self._inputs[:, edges] * weights[edges]).T),
            self._aims[:, neuron],
            tolerance=float(tolerance * self._unit[neuron]),
        )
        answer = solve(
            problem,
            objective="sparsest",
            backend="cp-sat",
            time_limit=_SECONDS,
            threads=self._threads,
            seed=self._seed,
        )
        if answer.status in (Status.OPTIMAL, Status.FEASIBLE) and answer.subset is not None:
            mask[:] = False
            mask[edges[answer.subset]] = True
        return mask

"""CoreNet, CoreNet+, CoreNet++ and uniform sampling: edges drawn layer by layer.

Baykal et al. 2018, Algorithm 1 with its traps removed: neurons are pruned in hidden layers only, activations
follow the sparsified network and are updated after a layer, and a neuron's edges of a sign stay as they are
where at least as many would be drawn.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.coresets.drawing import SignGroup, samples_for
from subsetsum_nets.coresets.edges import after, signed_parts, size_of, with_constant
from subsetsum_nets.coresets.sensitivity import delta_hat, layer_sensitivities
from subsetsum_nets.coresets.task import Sparser, TooFewEdgesError, never_empty

if TYPE_CHECKING:
    from subsetsum_nets.coresets.task import Size, Task
    from subsetsum_nets.networks.arrays import FloatArray

_NEAR = 0.1  # of the number of edges asked for, within which the number drawn is to lie
_FAR = 0.25  # beyond which it is refused
_ATTEMPTS = 20
_AT_ONCE = 8  # trials whose matrices are held at a time


@dataclass(frozen=True)
class Sampler:
    """One of the family.

    Parameters
    ----------
    uniform : bool
        Whether every edge counts alike, active or not.
    prunes : bool
        Whether hidden units that are never positive on S go, with all their edges (CoreNet+).

    """

    uniform: bool = False
    prunes: bool = False

    def __call__(self, task: Task, size: Size) -> Sparser:
        """Return the new layers. Where a number of edges is asked for and missed, draw once more.

        It is missed for good where fewer are active, or where one edge a neuron and sign is more already.
        """
        found = self._drawn(task, size, 0)
        for attempt in range(1, _ATTEMPTS):
            if size.edges is None or abs(size_of(found) - size.edges) <= _NEAR * size.edges:
                break
            again = self._drawn(task, size, attempt)
            if size_of(again) == size_of(found):
                break
            found = min(found, again, key=partial(_missed, edges=size.edges))
        if size.edges is not None and size_of(found) > (1.0 + _FAR) * size.edges:
            raise TooFewEdgesError(
                f"{size.edges} parameters are too few to draw: one edge for each neuron and "
                f"sign makes {size_of(found)}; keep more"
            )
        return Sparser.of(found)

    def _drawn(self, task: Task, size: Size, attempt: int) -> list[FloatArray]:
        values, trial_values = task.sampled, task.points[task.trial_points]
        planned = [] if size.edges is None else self._planned(task)
        drawn: list[FloatArray] = []
        for index, matrix in enumerate(task.matrices):
            layer = self._layer(task, index, values)
            if size.edges is None:
                layer = layer.sized(size)
            else:
                layer = layer.among(planned[index + 1 :], size.edges - size_of(drawn))
            new = layer.best(task, (attempt, index), trial_values)
            drawn.append(never_empty(matrix, new, index))
            values, trial_values = (
                after(drawn[-1], points, relu=task.relu_after(index)) for points in (values, trial_values)
            )
        return drawn

    def _planned(self, task: Task) -> list[_Layer]:
        """Return the layers as they would be drawn from behind the target's own values."""
        values, layers = task.sampled, []
        for index, matrix in enumerate(task.matrices):
            layers.append(self._layer(task, index, values))
            values = after(matrix, values, relu=task.relu_after(index))
        return layers

    def _layer(self, task: Task, index: int, values: FloatArray) -> _Layer:
        matrix = task.matrices[index]
        if self.prunes and task.hidden(index):
            live = (with_constant(values) @ matrix.T).max(axis=0) > 0.0
            matrix = np.where(np.reshape(live, (-1, 1)), matrix, 0.0)
        parts = signed_parts(values)
        positive, negative = np.maximum(matrix, 0.0), np.minimum(matrix, 0.0)
        if self.uniform:
            importance = [(matrix > 0.0).astype(np.float64), (matrix < 0.0).astype(np.float64)]
        else:
            importance = list(layer_sensitivities(matrix, parts))
        groups = [SignGroup(positive, importance[0]), SignGroup(negative, importance[1])]
        return _Layer(matrix, parts, groups)


def _missed(matrices: list[FloatArray], edges: int) -> int:
    return abs(size_of(matrices) - edges)


@dataclass(frozen=True, eq=False)
class _Layer:
    """A layer to draw from: its edges of each sign, the points of S before it, and m once it is chosen."""

    matrix: FloatArray
    parts: FloatArray
    groups: list[SignGroup]
    samples: tuple[FloatArray, ...] = ()

    def sized(self, size: Size) -> _Layer:
        """Return the layer with the m that was asked for, or that follows from a relative error."""
        if size.budget is not None:
            cancellation = delta_hat(self.matrix, self.parts)
            return self._with([size.budget.samples(cancellation, group.sums) for group in self.groups])
        return self._with([np.full(len(self.matrix), float(size.samples or 0)) for _ in self.groups])

    def among(self, later: list[_Layer], edges: int) -> _Layer:
        """Return the layer with m in proportion to S, so that it and the later ones keep so many edges."""
        groups = [group for layer in (self, *later) for group in layer.groups]
        return self._with(samples_for(groups, edges)[: len(self.groups)])

    def _with(self, samples: list[FloatArray]) -> _Layer:
        return _Layer(self.matrix, self.parts, self.groups, tuple(samples))

    def best(self, task: Task, place: tuple[int, int], trial_values: FloatArray) -> FloatArray:
        """Return of tau draws, neuron by neuron, the one of least error on T: Theorem 8.

        The error of all points together relative to that of their values: the paper's mean of ratios is ruled
        by the points at which a neuron nearly vanishes.
        """
        best = self._draw(task.generator(*place, 0))
        if task.trials == 1:
            return best
        points, least = with_constant(trial_values), np.full(len(self.matrix), np.inf)
        exact = points @ self.matrix.T

        def attempt(trial: int) -> tuple[FloatArray, FloatArray]:
            new = self._draw(task.generator(*place, trial))
            return new, np.abs(points @ new.T - exact).sum(axis=0)

        with ThreadPoolExecutor(task.threads) as pool:
            for start in range(0, task.trials, _AT_ONCE):
                trials = range(start, min(start + _AT_ONCE, task.trials))
                for new, errors in pool.map(attempt, trials):
                    better = errors < least
                    best[better], least[better] = new[better], errors[better]
        return best

    def _draw(self, generator: np.random.Generator) -> FloatArray:
        new = np.zeros_like(self.matrix)
        for group, samples in zip(self.groups, self.samples, strict=True):
            new += group.reweighted(group.counts(samples, generator), samples)
        return new

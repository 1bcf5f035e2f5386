"""Allocation "one-pass": candidates and tolerances for vectors that are decided in one pass.

What a pass leaves of a row is a vector whose coordinates are nearly normal, of a size that its construction
predicts from the number of candidates (:mod:`subsetsum_nets.constructions.one_pass_law`). Errors of these
sizes, of either sign, are drawn for all effective weights, and the verifier's methods are asked about them,
as by allocation "tight". The bound is nearly in proportion to the errors, and these fall by half with each
octave: so a few trials find the least number of candidates whose predicted bound, with its margin for delta,
is within epsilon.

Tolerances are what uses epsilon up if all rows are off alike, as multiples of the errors predicted. A pass
within them is not polished. It is a prediction: verification decides, and where it proves less, a wider
network is drawn.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.compile_task import ALLOWANCE, Allocation, CompileTask, Offer
from subsetsum_nets.allocation.offered_items import with_at_most
from subsetsum_nets.allocation.simulated_bounds import ErrorLaw, SimulatedBounds
from subsetsum_nets.allocation.sizing import (
    MOST_CANDIDATES,
    MOST_ITEMS,
    Sizing,
    centred,
    errors_with,
    level,
    most_items,
    predicted_errors,
)
from subsetsum_nets.constructions.one_pass_law import largest_coordinate
from subsetsum_nets.constructions.protocol import weight_with_bias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions import StructuredBlocks
    from subsetsum_nets.constructions.protocol import RowGroup, RowPlace
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork

_GUESS = 80  # candidates of the first trial
_TRIALS = 6
_SPARE = 2  # candidates more than needed are not taken away again
_SPARE_ITEMS = 2  # of a scalar, beyond what halves its error to that of the vectors


class OnePassAllocation(Allocation):
    """Candidates and tolerances by the bound simulated for what one pass leaves."""

    met_is_proven = False

    def __init__(self, task: CompileTask) -> None:
        super().__init__(task)
        self._construction: StructuredBlocks = task.construction  # type: ignore[assignment]  # that names it
        self._allowed = task.epsilon * ALLOWANCE
        law = ErrorLaw.of("nearest", task.rows, task.delta)
        self._bounds = SimulatedBounds(_entry_by_entry(task), law)
        self._predicted = cache(self._bound)

    @cached_property
    def sizing(self) -> Sizing:
        """Return the least network that is predicted to reach epsilon; of what there can be, the largest."""
        if not self._task.places:  # over a domain of zeros
            return Sizing(1, 1, enough=True)
        most = self._construction.most_candidates
        candidates = min(_GUESS, most)
        for _ in range(_TRIALS):
            more = self._more(candidates, self._predicted(candidates))
            if -_SPARE <= more <= 0:
                break
            nearer = min(max(1, candidates + more), most)
            if nearer == candidates:
                break
            candidates = nearer
        return Sizing(candidates, MOST_ITEMS, enough=self._predicted(candidates) <= self._allowed)

    def offer(self, random: ReluNetwork) -> Offer:
        """Return all that a random network offers, of scalars as many items as are needed."""
        task = self._task
        candidates = self._construction.candidates_in(task.target, random)
        bound = self._predicted(candidates) if task.places else 0.0
        scale = self._allowed / bound if bound > 0.0 else 1.0
        groups, tolerances = [], []
        for group in task.groups(random):
            if group.place.dimension == 1:
                most = self._construction.scalar_items(candidates) + _SPARE_ITEMS
                offered = with_at_most(group, min(most, MOST_ITEMS))
                tolerance = max(scale, 1.0) * predicted_errors(offered, task.rows, task.delta)
            else:
                offered = group
                tolerance = scale * self._largest(group.place, candidates)
            groups.append(offered)
            tolerances.append(tolerance)
        return Offer(groups, tolerances, most_items(groups), enough=scale >= 1.0)

    def wider(self, candidates: int, bound: float) -> int | None:
        """Return candidates for as many more octaves as the bound wants halvings."""
        if not bound < math.inf:
            return None
        more = max(1, self._more(candidates, bound))
        return candidates + more if candidates + more <= self._construction.most_candidates else None

    def enough(self, candidates: int, ratio: float, groups: Sequence[RowGroup]) -> int | None:  # noqa: ARG002
        """Return how many candidates should do, where rows missed by a factor of ``ratio``; None if none."""
        found = max(
            candidates + max(1, self._more(candidates, 1.1 * ratio * self._allowed)), self.sizing.candidates
        )
        return found if found <= min(self._construction.most_candidates, MOST_CANDIDATES) else None

    def advice(self, ratio: float) -> str | None:
        """Return what should do instead of a number of candidates that nobody draws."""
        return self._construction.advice(ratio)

    def _more(self, candidates: int, bound: float) -> int:
        """Return how many more candidates bring a bound to what is allowed."""
        ratio = min(max(bound / self._allowed, 2.0**-64), 2.0**64)
        return self._construction.more_for(candidates, ratio)

    def _bound(self, candidates: int) -> float:
        return self._bounds.quantile(self._means(candidates), self._task.delta)

    def _means(self, candidates: int) -> list[FloatArray]:
        """Return the mean error of every entry, in the shape of the rows of scalars."""
        return [
            np.full((place.outputs, len(place.columns)), self._mean(place, candidates))
            for place in self._task.places
        ]

    def _mean(self, place: RowPlace, candidates: int) -> float:
        task, layer = self._task, self._task.target.layers[place.layer]
        scale = self._construction.scale(layer)
        if place.dimension > 1:
            return scale * self._construction.expected_error(place.dimension, candidates)
        items = min(self._construction.scalar_items(candidates), MOST_ITEMS)
        weights = np.array([float(np.abs(weight_with_bias(layer)).max())])
        law = self._construction.law
        found = errors_with(law, weights, scale, items, task.rows, task.delta, centred)
        return float(found[0]) / level(task.rows, task.delta)

    def _largest(self, place: RowPlace, candidates: int) -> FloatArray:
        """Return what the largest coordinate of a row's error is predicted to stay below."""
        return np.full(place.shape, largest_coordinate(place.dimension) * self._mean(place, candidates))


class _EntryByEntry(CompileTask):
    """The same task with a row for each entry: errors of a vector's coordinates have signs of their own."""

    @cached_property
    def places(self) -> list[RowPlace]:
        """Return the places with rows that are scalars."""
        places = self.construction.places(self.target, self.domain)
        return [replace(place, dimension=1) for place in places]


def _entry_by_entry(task: CompileTask) -> CompileTask:
    asked = task.epsilon, task.delta, task.objective
    return _EntryByEntry(task.construction, task.target, task.domain, *asked)

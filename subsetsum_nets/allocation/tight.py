"""Allocation "tight": candidates, items and tolerances by the bound that verification is predicted to prove.

With e the expected errors of the rows, s their sensitivities (:class:`.SimulatedBounds`) and B the bound for
errors drawn around e, the bound that is exceeded with probability p/2 is predicted as

    B(e) * Q / mean(S),    S = sum of s_r error_r over all rows,

where Q is the (1 - p/2)-quantile of a gamma law with the mean and the variance of S: exact for one row
and for many equal ones. The variance counts the law of a row's error and, before the network is drawn, that
of the number of usable units, which the rows of a block share.

- ``items``: the least m such that this is within epsilon if all rows have m items, chosen such that the
  target is central (q' of :mod:`.sizing`), and a few to spare.
- candidates: the least n such that it is with that many items at most and Binomial(n) units in a block, and
  such that with probability 1 - p/2 no row reaches its target so badly that it takes up a quarter of epsilon
  by itself (:mod:`.misses`). Three networks are drawn, with n for p = delta^(1/4), delta^(1/2) and delta,
  each only if the one before is predicted to fail; so all of it fails with probability delta at most.
- With the network drawn, errors are predicted from each row's own items. Every row is offered as few as the
  prediction allows, more where an error costs more: what is not offered is not kept.
- Tolerances use epsilon up: errors that follow their law up to the tolerances are predicted to be proven. For
  "nearest" they are in proportion to the errors predicted. For "within" and "sparsest", where a larger
  tolerance saves parameters, all contribute alike, s_r t_r constant, except that no tolerance is below what
  its row is predicted to reach.

It is a prediction: verification decides. Where it proves less than required, more items are offered.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.allocation.compile_task import ALLOWANCE, Allocation, CompileTask, Offer
from subsetsum_nets.allocation.offered_items import with_at_most, with_items
from subsetsum_nets.allocation.simulated_bounds import ErrorLaw, SimulatedBounds
from subsetsum_nets.allocation.sizing import MOST_ITEMS, Sizing, level, most_items
from subsetsum_nets.allocation.tight_sizing import TightSizing
from subsetsum_nets.networks.arrays import added

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from subsetsum_nets.constructions.protocol import RowGroup
    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork


_TRIES = (4, 2, 1)  # roots of delta: the chances of failing of the networks drawn one after the other
_SHARES = (1.0, 0.8, 0.6)  # of the contribution that would use epsilon up if counts were no integers
_MOST_STEPS = 4  # items more or fewer that a row is given than the others
_REDRESS = 0.3  # halvings beyond what the bound wants, when more items are offered
_SAFE = 1.15  # the factor on predicted errors to spare for an offer to be enough
_OFFERS = 4  # tried for one random network
_SCALINGS = 6  # steps towards the tolerances that use epsilon up
_CLOSE = 0.995  # of epsilon: near enough


class TightAllocation(Allocation):
    """Candidates, items and tolerances by the simulated bound."""

    met_is_proven = False

    def __init__(self, task: CompileTask) -> None:
        vectors = {place.dimension for place in task.places} - {1}
        if vectors:
            raise ValueError(
                f"allocation 'tight' predicts scalar rows; those of construction {task.construction.name!r} "
                f"have dimension {max(vectors)}, so that it must not name this allocation"
            )
        super().__init__(task)
        self._level = level(task.rows, task.delta)
        self._law = ErrorLaw.of(task.objective, task.rows, task.delta)
        self._bounds = SimulatedBounds(task, self._law)
        self._sizes = TightSizing(task, self._bounds, self._law)
        self._allowed = task.epsilon * ALLOWANCE

    @property
    def sensitivities(self) -> list[FloatArray]:
        """About how much the output moves for an error of 1 of each row, shape (d_out, J) a group."""
        return self._bounds.sensitivities

    @cached_property
    def sizing(self) -> Sizing:
        """Return the network that is predicted to fail with probability delta."""
        return self._sizes.sized(self._task.delta)

    def sizes(self) -> Iterator[int]:
        """Yield numbers of candidates to draw one after the other until an offer is enough."""
        least = 0
        for root in _TRIES:
            sizing = self.sizing if root == 1 else self._sizes.sized(self._task.delta ** (1 / root))
            if sizing.candidates > least:
                least = sizing.candidates
                yield least

    def offer(self, random: ReluNetwork) -> Offer:
        """Return the fewest items that are predicted to do, as many as there are where none are."""
        task = self._task
        everything = self._everything(random)
        items = min(self._sizes.items, most_items(everything))
        best: tuple[bool, int] | None = None
        tried: set[int] = set()
        for _ in range(_OFFERS):
            tried.add(items)
            trial, found = self._trial(everything, [np.full(g.targets.shape, items) for g in everything])
            rank = (trial.enough, -items if trial.enough else items)
            if best is None or rank > best:
                best, offer, scale = rank, trial, found
            if trial.enough and task.objective != "nearest":
                break  # among more items there are sparser subsets
            step = -math.floor(math.log2(found / _SAFE)) if 0 < found < math.inf else -items
            items = min(max(items + step, 1), most_items(everything))
            if items in tried:
                break
        if offer.enough and task.objective == "nearest":
            return self._evened_out(everything, offer, scale)
        return offer

    def _everything(self, random: ReluNetwork) -> list[RowGroup]:
        return [with_at_most(group, MOST_ITEMS) for group in self._task.groups(random)]

    def _evened_out(self, everything: Sequence[RowGroup], offer: Offer, scale: float) -> Offer:
        """Return an offer of fewer items in all, where there is one: more for the rows that cost most.

        An item halves its row's error: all rows are given as many as bring their contribution to the bound,
        s_r e_r, near the same.
        """
        effects = [s * e for s, e in zip(self.sensitivities, offer.expected, strict=True)]
        alike = scale / _SAFE * added(float(e.sum()) for e in effects) / self._task.rows
        if not 0 < alike < math.inf:
            return offer
        for share in _SHARES:
            more = [np.rint(np.log2(np.maximum(e / (share * alike), 2.0**-_MOST_STEPS))) for e in effects]
            counts = [
                np.maximum(offer.items + np.clip(m, -_MOST_STEPS, _MOST_STEPS).astype(np.int64), 1)
                for m in more
            ]
            trial = self._trial(everything, counts)[0]
            if trial.enough:
                return trial if trial.total < offer.total else offer
        return offer

    def tightened(self, random: ReluNetwork, offer: Offer, bound: float) -> Offer | None:
        """Return an offer of more items, or of smaller tolerances where these are what was filled."""
        if not bound < math.inf:
            return None
        task = self._task
        excess = min(bound / self._allowed, 2.0**MOST_ITEMS)
        if task.objective != "nearest":
            smaller = [t / (1.1 * excess) for t in offer.tolerances]
            return Offer(offer.groups, smaller, offer.items, enough=False, expected=offer.expected)
        everything = self._everything(random)
        more = math.ceil(math.log2(excess) + _REDRESS)
        counts = [group.valid.sum(axis=2) + more for group in offer.groups]
        trial = self._trial(everything, counts)[0]
        return trial if trial.total > offer.total else None

    def wider(self, candidates: int, bound: float) -> int | None:
        """Return candidates with as many more items as the bound wants halvings; None if none will do."""
        if not (self.sizing.enough and bound < math.inf):
            return None
        law = self._task.construction.law
        return candidates + math.ceil(
            (1 + math.log2(bound) - math.log2(self._allowed)) / (law.share * law.usable)
        )

    def _trial(self, everything: Sequence[RowGroup], counts: Sequence[Ints]) -> tuple[Offer, float]:
        """Return the offer of so many items, and the factor on the errors predicted that is allowed."""
        chosen = [with_items(group, count) for group, count in zip(everything, counts, strict=True)]
        groups, expected = [group for group, _ in chosen], [errors for _, errors in chosen]
        scale, tolerances = self._tolerances(groups, expected)
        return Offer(groups, tolerances, most_items(groups), scale >= _SAFE, expected), scale

    def _tolerances(
        self, groups: Sequence[RowGroup], expected: Sequence[FloatArray]
    ) -> tuple[float, list[FloatArray]]:
        """Return the factor on the errors predicted that is allowed, and the tolerances."""
        task = self._task
        most = [np.abs(group.targets) for group in groups]
        predicted = [np.minimum(self._level * e, m) for e, m in zip(expected, most, strict=True)]
        nearest = task.objective == "nearest"
        means = expected if nearest else [self._law.mean * error for error in predicted]
        worst = max((float(error.max()) for error in predicted), default=0.0)
        scale = self._largest_factor(lambda factor: [factor * mean for mean in means], worst)
        if nearest or scale <= 1.0 or worst == 0.0:
            return scale, [scale * error for error in predicted]
        alike = [1.0 / np.maximum(s, np.finfo(float).tiny) for s in self.sensitivities]

        def shared(factor: float) -> list[FloatArray]:
            with np.errstate(over="ignore"):
                return [np.clip(factor * a, e, m) for a, e, m in zip(alike, predicted, most, strict=True)]

        worst = max(float((e * s).max()) for e, s in zip(predicted, self.sensitivities, strict=True))
        factor = self._largest_factor(
            lambda factor: [self._law.mean * t for t in shared(factor)], max(worst, 1e-300)
        )
        return scale, shared(factor)

    def _largest_factor(self, means_for: Callable[[float], list[FloatArray]], unit: float) -> float:
        """Return nearly the largest factor whose mean errors are predicted to be within epsilon.

        ``unit`` is the largest tolerance that a factor of 1 gives; where no error counts at all, they stay
        finite.
        """
        factor, best = 1.0, 0.0
        most = 1e299 / unit if unit > 0.0 else 1.0
        for _ in range(_SCALINGS):
            with np.errstate(over="ignore"):
                bound = self._bounds.quantile(means_for(factor), self._task.delta)
            if bound <= self._allowed:
                best = max(best, factor)
                if bound >= _CLOSE * self._allowed or factor >= most:
                    break
            aim = self._allowed * (1 + _CLOSE) / 2
            if bound == math.inf:
                factor /= 1e6
            else:
                factor = min(factor * aim / bound, most) if bound > 0.0 else most
        return best

"""Drawing edges: a multiset of m edges of a sign, by their probabilities, reweighted to be unbiased.

Baykal et al. 2018, Algorithm 2, lines 8 to 12. A neuron's edges of one sign are a row of a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import added

if TYPE_CHECKING:
    from numpy.random import Generator

    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints

_STEPS = 60  # of a bisection over floats that ends sooner


@dataclass(frozen=True, eq=False)
class SignGroup:
    """The edges of one sign of all neurons of a layer, and how much each is to count.

    Parameters
    ----------
    weights : float array (d_out, d)
        Signed; 0 for edges that are not of the group.
    importance : float array (d_out, d)
        >= 0, of any scale; an edge with 0 is never drawn.

    """

    weights: FloatArray
    importance: FloatArray

    @cached_property
    def sums(self) -> FloatArray:
        """S of each neuron, (d_out,)."""
        total: FloatArray = self.importance.sum(axis=1)
        return total

    @cached_property
    def probabilities(self) -> FloatArray:
        """The q of each edge; rows of zeros where there is none."""
        return np.divide(
            self.importance,
            self.sums[:, np.newaxis],
            out=np.zeros_like(self.importance),
            where=self.sums[:, np.newaxis] > 0.0,
        )

    @cached_property
    def active(self) -> Ints:
        """How many edges of each neuron can be drawn, (d_out,)."""
        count: Ints = np.count_nonzero(self.importance, axis=1)
        return count

    def whole(self, samples: FloatArray) -> Bools:
        """Tell which neurons keep their edges as they are: sampling m >= all of them would only add noise."""
        return samples >= self.active

    def expected_edges(self, samples: FloatArray) -> float:
        """Return the expected number of distinct edges, ``sum 1 - (1 - q)^m``, for m (d_out,)."""
        whole = self.whole(samples)
        drawn = -np.expm1(np.where(whole, 0.0, samples)[:, np.newaxis] * self._log_missed)
        return float(drawn.sum() + self.active[whole].sum())

    @cached_property
    def _log_missed(self) -> FloatArray:
        with np.errstate(divide="ignore"):  # -inf for an edge that is alone: never missed, and always whole
            return np.maximum(np.log1p(-np.minimum(self.probabilities, 1.0)), -1e6)

    def counts(self, samples: FloatArray, generator: Generator) -> Ints:
        """Return how often each edge is drawn, integers (d_out, d); none of neurons that stay whole."""
        d_out, d = self.weights.shape
        drawn = np.where(self.whole(samples), 0.0, samples).astype(np.int64)
        rows = np.repeat(np.arange(d_out), drawn)
        keys = rows + generator.random(len(rows))
        found = np.searchsorted(self._ladder, keys, side="right")
        found = np.minimum(found, self._last[rows])  # a key may have been rounded up to the next row
        return np.bincount(found, minlength=d_out * d).reshape(d_out, d)

    @cached_property
    def _ladder(self) -> FloatArray:
        """All neurons' cumulative probabilities one after the other, that of row i from i to i + 1."""
        steps = np.cumsum(self.probabilities, axis=1)
        last = steps[:, -1:]
        steps = np.divide(steps, last, out=np.ones_like(steps), where=last > 0.0)
        return (steps + np.arange(len(steps))[:, np.newaxis]).ravel()

    @cached_property
    def _last(self) -> Ints:
        """The place of each neuron's last edge that can be drawn."""
        d_out, d = self.weights.shape
        behind = np.argmax((self.importance > 0.0)[:, ::-1], axis=1)
        last: Ints = np.arange(d_out) * d + d - 1 - behind
        return last

    def reweighted(self, counts: Ints, samples: FloatArray) -> FloatArray:
        """Return the new weights ``w_j count_j / (m q_j)``; those of whole neurons as they are."""
        whole = self.whole(samples)[:, np.newaxis]
        scale = np.where(whole, 1.0, samples[:, np.newaxis]) * self.probabilities
        factors = np.divide(counts, scale, out=np.zeros_like(self.weights), where=counts > 0)
        return np.where(whole & (self.importance > 0.0), self.weights, self.weights * factors)


def samples_for(groups: list[SignGroup], edges: float) -> list[FloatArray]:
    """Return m of each neuron of each group, in proportion to S: ``edges`` distinct ones are expected.

    All edges that can be drawn where those are fewer.
    """
    if sum(int(group.active.sum()) for group in groups) <= edges:
        return [group.active.astype(np.float64) for group in groups]
    ratios = [np.divide(g.active, g.sums, out=np.zeros_like(g.sums), where=g.sums > 0.0) for g in groups]
    low, high = 0.0, max(float(ratio.max()) for ratio in ratios)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        expected = added(group.expected_edges(_scaled(group, middle)) for group in groups)
        if abs(expected - edges) <= 0.5 or not low < middle < high:
            break
        low, high = (middle, high) if expected < edges else (low, middle)
    return [_scaled(group, middle) for group in groups]


def _scaled(group: SignGroup, scale: float) -> FloatArray:
    """Return m of each neuron: ``scale * S`` rounded up."""
    return np.ceil(scale * group.sums)

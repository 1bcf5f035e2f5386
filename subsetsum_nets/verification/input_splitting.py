"""Input splitting: branch and bound on boxes of inputs, each bounded by the differential zonotope."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.domains import Box

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.zonotope import DifferentialZonotope, Enclosure

_BATCH = 32  # boxes that are halved in a round


@dataclass(order=True)
class _Part:
    """A box; the heap gives the largest bound first, of equal ones the oldest."""

    negated: float
    order: int
    low: FloatArray = field(compare=False)
    high: FloatArray = field(compare=False)
    influence: FloatArray = field(compare=False)


class InputSplitting:
    """The open boxes of a search.

    Parameters
    ----------
    zonotope : DifferentialZonotope
    domain : Box
    norm : str
    whole : Enclosure
        Of the whole domain.
    pool : Executor

    """

    def __init__(
        self, zonotope: DifferentialZonotope, domain: Box, norm: str, whole: Enclosure, pool: Executor
    ) -> None:
        self._zonotope, self._norm, self._pool = zonotope, norm, pool
        low, high = domain.bounds(whole.deviation.features.box.low.size)
        self._made = 0
        self._settled = 0.0  # the largest bound of a box that cannot be halved
        self._open: list[_Part] = []
        self._add(low, high, whole.norm_up(norm), _influence(whole))

    def upper(self) -> float:
        """Return a bound of all boxes but those that were dropped for being below the lower bound."""
        return max(-self._open[0].negated if self._open else 0.0, self._settled)

    def round(self, lower: float) -> int:
        """Halve the boxes of the largest bounds; return how many new ones were bounded.

        Boxes whose bound is at most ``lower`` are dropped.
        """
        halves: list[tuple[FloatArray, FloatArray, float]] = []
        while self._open and len(halves) < 2 * _BATCH:
            part = heapq.heappop(self._open)
            middle = 0.5 * part.low + 0.5 * part.high
            inside = (part.low < middle) & (middle < part.high)
            if not inside.any():  # a point of floating point
                self._settled = max(self._settled, -part.negated)
                continue
            axis = int(np.where(inside, part.influence, -1.0).argmax())
            for side in (0, 1):
                low, high = part.low.copy(), part.high.copy()
                (high if side == 0 else low)[axis] = middle[axis]
                halves.append((low, high, -part.negated))
        for (low, high, bound), (own, influence) in zip(
            halves, self._pool.map(self._bounded, halves), strict=True
        ):
            if min(own, bound) > lower:
                self._add(low, high, min(own, bound), influence)
        return len(halves)

    def _bounded(self, part: tuple[FloatArray, FloatArray, float]) -> tuple[float, FloatArray]:
        enclosure = self._zonotope.enclose(Box(part[0], part[1]))
        if enclosure is None:
            return -math.inf, np.zeros(part[0].size)
        return enclosure.norm_up(self._norm), _influence(enclosure)

    def _add(self, low: FloatArray, high: FloatArray, bound: float, influence: FloatArray) -> None:
        heapq.heappush(self._open, _Part(-bound, self._made, low, high, influence))
        self._made += 1


@np.errstate(over="ignore")
def _influence(enclosure: Enclosure) -> FloatArray:
    """Return how much each input matters: its width times what hangs on it in g and in the deviation."""
    features = enclosure.deviation.features
    width = features.box.high - features.box.low
    share = np.abs(enclosure.deviation.joint[:, : width.size]).sum(axis=0)
    share[features.split] += np.abs(enclosure.deviation.joint[:, width.size : features.magnitude.size]).sum(
        axis=0
    )
    influence: FloatArray = width * (share + 0.1 * share.mean() + np.finfo(np.float64).tiny)
    return influence

"""Input splitting: branch and bound on boxes of inputs, each bounded by the differential zonotope."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.domains import Box
from subsetsum_nets.verification.records import BoxProof, ChosenSlopes

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope, Enclosure

_BATCH = 32  # boxes that are halved in a round


@dataclass(order=True)
class _Part:
    """A box; the heap gives the largest bound first, of equal ones the oldest."""

    negated: float
    order: int
    low: FloatArray = field(compare=False)
    high: FloatArray = field(compare=False)
    influence: FloatArray = field(compare=False)
    proof: BoxProof | None = field(compare=False)


class InputSplitting:
    """The open boxes of a search.

    Parameters
    ----------
    comparison : Comparison
        Over a Box.
    zonotope : DifferentialZonotope
    whole : Enclosure
        Of the whole domain.
    pool : Executor
    record : bool
        Whether to keep ``proof``.

    Attributes
    ----------
    proof : BoxProof or None
        Of the whole domain.

    """

    def __init__(
        self,
        comparison: Comparison,
        zonotope: DifferentialZonotope,
        whole: Enclosure,
        pool: Executor,
        *,
        record: bool = False,
    ) -> None:
        self._zonotope, self._norm, self._pool, self._record = zonotope, comparison.norm, pool, record
        low, high = comparison.domain.bounds(comparison.target.widths[0])
        self._made = 0
        self._settled = 0.0  # the largest bound of a box that cannot be halved
        self._open: list[_Part] = []
        bound = whole.norm_up(self._norm)
        self.proof: BoxProof | None = BoxProof(bound, whole.record()) if record else None
        self._add(low, high, bound, _influence(whole), self.proof)

    def upper(self) -> float:
        """Return a bound of all boxes but those that were dropped for being below the lower bound."""
        return max(-self._open[0].negated if self._open else 0.0, self._settled)

    def round(self, lower: float) -> int:
        """Halve the boxes of the largest bounds; return how many new ones were bounded.

        Boxes whose bound is at most ``lower`` are dropped.
        """
        halves: list[tuple[FloatArray, FloatArray, float, BoxProof | None]] = []
        while self._open and len(halves) < 2 * _BATCH:
            part = heapq.heappop(self._open)
            middle = 0.5 * part.low + 0.5 * part.high
            inside = (part.low < middle) & (middle < part.high)
            if not inside.any():  # a point of floating point
                self._settled = max(self._settled, -part.negated)
                continue
            axis = int(np.where(inside, part.influence, -1.0).argmax())
            if part.proof is not None:
                part.proof.axis, part.proof.at = axis, float(middle[axis])
            for side in (0, 1):
                low, high = part.low.copy(), part.high.copy()
                (high if side == 0 else low)[axis] = middle[axis]
                halves.append((low, high, -part.negated, part.proof))
        boxes = [(low, high) for low, high, _, _ in halves]
        for (low, high, bound, parent), (own, influence, slopes) in zip(
            halves, self._pool.map(self._bounded, boxes), strict=True
        ):
            proof = None
            if parent is not None and slopes is not None:
                proof = BoxProof(own, slopes)
                parent.halves.append(proof)
            if min(own, bound) > lower:
                self._add(low, high, min(own, bound), influence, proof)
        return len(halves)

    def _bounded(self, box: tuple[FloatArray, FloatArray]) -> tuple[float, FloatArray, ChosenSlopes | None]:
        enclosure = self._zonotope.enclose(Box(*box))
        slopes = enclosure.record() if self._record else None
        return enclosure.norm_up(self._norm), _influence(enclosure), slopes

    def _add(
        self,
        low: FloatArray,
        high: FloatArray,
        bound: float,
        influence: FloatArray,
        proof: BoxProof | None,
    ) -> None:
        heapq.heappush(self._open, _Part(-bound, self._made, low, high, influence, proof))
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

"""Method "splitting", replayed in exact arithmetic: see ``methods.splitting``.

The search says what it cut where and which multipliers it used. The replay starts from the whole domain and
follows the cuts itself, so that its parts cover the domain whatever was recorded: a cut of an input leaves
the inputs up to a number and those from there on, a cut of a unit its two phases. A part is not followed
further once its own bound is no larger than what the search proved.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.domains import Box
from subsetsum_nets.verification.records import PHASES_OF_PART, BoxProof, RowsProof, SplitProof, UnitProof
from subsetsum_nets.verification.replay.arithmetic import (
    ExactMatrix,
    maximum,
    minimum,
    norm_up,
    positive_part,
)
from subsetsum_nets.verification.replay.dual import ReplayedDual, Signs
from subsetsum_nets.verification.replay.forms import where
from subsetsum_nets.verification.replay.ranges import ExactRange
from subsetsum_nets.verification.replay.zonotope import ExactPairRanges, ReplayedZonotope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.replay.exact_comparison import ExactComparison


def replayed_splitting(pair: ExactComparison, proof: SplitProof) -> Fraction:
    """Bound sup ||f - g|| over the parts that a search has cut the domain into.

    Parameters
    ----------
    pair : ExactComparison
    proof : SplitProof
        Whatever it says, the bound holds; with that of a search it is at most what the search proved.

    Raises
    ------
    ValueError
        If the proof holds slopes outside [0, 1], does not fit the networks, or is not complete.
    TypeError
        If it cuts the inputs of a domain that is no Box.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison, SearchOptions
    >>> from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound
    >>> from subsetsum_nets.verification.replay.exact_comparison import ExactComparison
    >>> f = ReluNetwork([Dense([[1.0, 1.0], [1.0, -1.0]]), Dense([[1.0, -1.0]])])
    >>> g = ReluNetwork([Dense([[1.25, 1.0], [1.0, -0.75]]), Dense([[1.0, -1.0]])])
    >>> comparison = Comparison(f, g, Box(-1, 1), "linf")
    >>> found = splitting_bound(comparison, SearchOptions(node_limit=100, record=True))
    >>> bound = replayed_splitting(ExactComparison.of(comparison), found.record)
    >>> 0 <= Fraction(found.upper) - bound < Fraction(1, 10**9)
    True

    """
    zonotope = ReplayedZonotope(pair)
    whole, ranges, before = zonotope.enclose(pair.domain, proof.whole)
    bound = zonotope.norm_up(whole, ranges, proof.whole)
    upper = Fraction(proof.upper)
    if bound <= upper or proof.search is None:
        return bound
    if isinstance(proof.search, BoxProof):
        if not isinstance(pair.domain, Box):
            raise TypeError(f"only a Box can be cut into boxes, got a {type(pair.domain).__name__}")
        ends = pair.domain.bounds(pair.target.widths[0])
        return min(bound, _largest_of_boxes(zonotope, ends, proof.search, upper))
    return min(bound, _ReplayedUnits(pair, zonotope, proof.search, before).largest(upper))


def _largest_of_boxes(
    zonotope: ReplayedZonotope, ends: tuple[FloatArray, FloatArray], proof: BoxProof, upper: Fraction
) -> Fraction:
    """Return the largest bound of the boxes that cover the domain."""
    largest = Fraction(0)
    todo = [(*ends, proof)]
    while todo:
        low, high, part = todo.pop()
        halves = part.halves[:2] if len(part.halves) >= 2 else []
        if not halves or part.bound <= upper:
            bound = zonotope.bound(Box(low, high), part.slopes)
            if not halves or bound <= upper:
                largest = max(largest, bound)
                continue
        # Clipped to the box, so that the halves cover it wherever the cut is said to be.
        at = min(max(part.at, low[part.axis]), high[part.axis])
        until, since = high.copy(), low.copy()
        until[part.axis] = since[part.axis] = at
        todo += [(low, until, halves[0]), (since, high, halves[1])]
    return largest


class _ReplayedUnits:
    """Parts given by phases of units, the ranges before their ReLUs narrowed first."""

    def __init__(
        self,
        pair: ExactComparison,
        zonotope: ReplayedZonotope,
        proof: UnitProof,
        before: Sequence[ExactPairRanges],
    ) -> None:
        self._dual = ReplayedDual(pair, zonotope.features(pair.domain))
        self._norm, self._proof = pair.norm, proof
        self._last = len(pair.layers) - 1
        self._before = list(before)
        for index, name, units, ends in proof.narrowed:
            self._before[index] = self._narrowed(index, name, units, ends)
        self._known: Fraction | None = None
        if proof.whole is not None:
            forms, ranges, self._before = zonotope.enclose(pair.domain, proof.whole, self._before)
            self._known = zonotope.norm_up(forms, ranges, proof.whole)

    def largest(self, upper: Fraction) -> Fraction:
        """Return the largest bound of the parts that cover the domain."""
        outputs = self._before[-1].g.low.shape[0]
        if self._known is None or not _objectives_cover(self._proof.objectives, outputs, self._norm):
            raise ValueError("the proof of unit splitting is not complete: its search was cut off")
        largest = Fraction(0)
        todo: list[tuple[int, PHASES_OF_PART, ExactMatrix | None]] = [
            (objective, (), None) for objective in range(len(self._proof.objectives))
        ]
        while todo:
            objective, phases, rows = todo.pop()
            region, signs = self._region(self._last, phases)
            if any(ranges.empty() for ranges in region):
                continue
            proof = self._proof.parts.get((objective, phases))
            if proof is not None:
                rows = self._rows(objective, proof, region, signs, rows)
            bound = self._known if rows is None else min(self._known, self._value(rows))
            cut = self._proof.cuts.get((objective, phases))
            if cut is None or bound <= upper:
                largest = max(largest, bound)
            else:
                todo += [(objective, (*phases, (*cut, sign)), rows) for sign in (1, -1)]
        return largest

    def _rows(
        self,
        objective: int,
        proof: RowsProof,
        region: Sequence[ExactPairRanges],
        signs: Sequence[Signs],
        inherited: ExactMatrix | None,
    ) -> ExactMatrix:
        """Return bounds of the objective's rows over a part: its own, or those of a part around it."""
        q = self._proof.objectives[objective]
        own = self._dual.bound(self._last, RowsProof(np.zeros_like(q), q, proof.choices), region, signs)
        return own if inherited is None else minimum(own, inherited)

    def _value(self, rows: ExactMatrix) -> Fraction:
        """Return a bound of the norm, given those of an objective's rows; a ReLU after them at most helps."""
        if rows.shape[0] == 1:
            return max(rows.fractions()[0], Fraction(0))
        half = rows.shape[0] // 2
        ends = rows.T
        up, down = ends.columns(range(half)).T, ends.columns(range(half, 2 * half)).T
        return norm_up(positive_part(maximum(up, down)), self._norm)

    def _region(self, layer: int, phases: PHASES_OF_PART) -> tuple[list[ExactPairRanges], list[Signs]]:
        """Return the ranges and phases of the layers before ``layer`` in a part."""
        region, signs = [], []
        for index in range(layer):
            before = self._before[index]
            count = before.g.low.shape[0]
            given = [0] * count, [0] * count
            for of_layer, unit, network, sign in phases:
                if of_layer == index:
                    given[network][unit] = sign
            g, f = (_clipped(r, sign) for r, sign in zip((before.g, before.f), given, strict=True))
            region.append(before._replace(g=g, f=f).tightened())
            signs.append(given)
        return region, signs

    def _narrowed(
        self, index: int, name: str, units: Sequence[int], ends: Sequence[Sequence[tuple[int, RowsProof]]]
    ) -> ExactPairRanges:
        """Return the ranges of a layer with those of one name cut down to the bounds of its units."""
        if not 0 <= index <= self._last or len(set(units)) < len(units):
            raise ValueError(f"the proof narrows ranges of layer {index}, of units {units}")
        before = self._before[index]
        old: ExactRange = getattr(before, name)
        count = old.low.shape[0]
        if not units:
            return before.tightened()
        p_sign, q_sign = {"g": (1, 0), "f": (1, -1), "deviation": (0, 1)}[name]
        region, signs = self._region(index, ())
        one = np.zeros((len(units), count))
        one[np.arange(len(units)), units] = 1.0
        limits = []
        for side, proofs in zip((1, -1), ends, strict=True):
            limit = old.high if side > 0 else -old.low
            for start, proof in proofs:
                rows = one[start : start + proof.p.shape[0]]
                stated = RowsProof(side * p_sign * rows, side * q_sign * rows, proof.choices)
                bounds = self._dual.bound(index, stated, region, signs)
                limit = _cut_down(limit, units[start : start + proof.p.shape[0]], bounds)
            limits.append(limit)
        return before._replace(**{name: ExactRange(-limits[1], limits[0])}).tightened()


def _objectives_cover(objectives: Sequence[FloatArray], outputs: int, norm: str) -> bool:
    """Tell whether bounds of these rows of g - f bound its norm: both signs of every output."""
    both = np.concatenate([np.eye(outputs), -np.eye(outputs)])
    wanted = both[:, np.newaxis] if norm == "linf" or outputs == 1 else [both]
    return len(objectives) == len(wanted) and all(map(np.array_equal, objectives, wanted))


def _clipped(ranges: ExactRange, signs: Sequence[int]) -> ExactRange:
    """Return ranges of units of which some are >= 0 (+1) or <= 0 (-1)."""
    on, off = [s > 0 for s in signs], [s < 0 for s in signs]
    return ExactRange(
        where(on, positive_part(ranges.low), ranges.low),
        where(off, -positive_part(-ranges.high), ranges.high),
    )


def _cut_down(limit: ExactMatrix, units: Sequence[int], bounds: ExactMatrix) -> ExactMatrix:
    """Return upper limits, those of some units replaced by bounds that are smaller."""
    chosen = np.zeros((limit.shape[0], len(units)))
    chosen[units, np.arange(len(units))] = 1.0
    spread = ExactMatrix.from_floats(chosen) @ bounds
    held = set(units)
    return where([i in held for i in range(limit.shape[0])], minimum(limit, spread), limit)

"""Unit splitting: branch and bound on the phases of ReLUs, each part bounded by tuned dual bounds.

First the ranges of all hidden units over the whole domain are narrowed by dual bounds, layer by layer. Then a
part is a set of units of g or f that are held on or off; what that says about the inputs enters its dual
bound by one more multiplier per unit (:mod:`.dual_bounds`).
"""

from __future__ import annotations

import heapq
import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import norm_up
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.methods.relu_relaxations import PairRanges
from subsetsum_nets.verification.methods.splitting.dual_bounds import DualBounds
from subsetsum_nets.verification.methods.splitting.dual_lines import Multipliers, Region
from subsetsum_nets.verification.records import RowsProof, UnitProof

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor

    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import Bools, FloatArray
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope, Enclosure

_ROWS = 64  # linear functions that are bounded at once: small enough to stay in the cache
_BATCH = 64  # parts that are cut in a round
_STEPS_OF_RANGES, _STEPS_OF_OUTPUTS, _STEPS_OF_PARTS = 60, 150, 20
_SHARE_OF_RANGES = 0.5  # of the time that is left

Phase = tuple[int, int, int, int]  # layer, unit, 0 for g or 1 for f, +1 or -1


@dataclass(order=True)
class _Part:
    """Units in given phases; the heap gives the largest bound first, of equal ones the oldest.

    ``bounds`` are those of the objective's rows, and ``cut`` is what to split next.
    """

    negated: float
    order: int
    objective: int = field(compare=False)
    phases: tuple[Phase, ...] = field(compare=False)
    bounds: FloatArray = field(compare=False)
    multipliers: list[Multipliers] = field(compare=False)
    cut: tuple[int, int, int] | None = field(compare=False)


class UnitSplitting:
    """The open parts of a search.

    Parameters
    ----------
    comparison : Comparison
    zonotope : DifferentialZonotope
    whole : Enclosure
        Of the whole domain.
    pool : Executor
    deadline : float
        On the clock of ``time.perf_counter``; the narrowing of ranges stops well before it.
    record : bool
        Whether to keep ``proof``.

    Raises
    ------
    UnsupportedStructureError
        If a layer with two slopes follows a layer without a ReLU.

    """

    def __init__(
        self,
        comparison: Comparison,
        zonotope: DifferentialZonotope,
        whole: Enclosure,
        pool: Executor,
        deadline: float,
        *,
        record: bool = False,
    ) -> None:
        self.proof: UnitProof | None = UnitProof() if record else None
        target, self._norm = comparison.target, comparison.norm
        self._comparison, self._pool, self._deadline = comparison, pool, deadline
        self._relu_after = target.relu_after
        self._last = len(target.affine_layers) - 1
        self._features = whole.deviation.features
        self._before = list(whole.before)
        self._dual = self._new_dual()
        now = time.perf_counter()
        self._narrow(now + _SHARE_OF_RANGES * (deadline - now))
        self._whole = zonotope.enclose(comparison.domain, known=self._before)
        self._before = list(self._whole.before)
        self._dual = self._new_dual()
        self._made, self._settled = 0, 0.0
        self._open: list[_Part] = []
        self._objectives = _objectives(target.widths[-1], self._norm)
        if self.proof is not None:
            self.proof.whole, self.proof.objectives = self._whole.record(), self._objectives
        known = self._whole.norm_up(self._norm)
        nothing = [(index, ()) for index in range(len(self._objectives))]
        for part in self._bounded([(k, phases, None) for k, phases in nothing], _STEPS_OF_OUTPUTS):
            part.negated = max(part.negated, -known)
            heapq.heappush(self._open, part)

    def upper(self) -> float:
        """Return a bound of all parts but those that were dropped for being below the lower bound."""
        return max(-self._open[0].negated if self._open else 0.0, self._settled)

    def round(self, lower: float) -> int:
        """Cut the parts of the largest bounds in two; return how many new ones were bounded.

        Parts whose bound is at most ``lower`` are dropped.
        """
        children: list[tuple[int, tuple[Phase, ...], _Part | None]] = []
        while self._open and len(children) < 2 * _BATCH:
            part = heapq.heappop(self._open)
            if part.cut is None:
                self._settled = max(self._settled, -part.negated)
                continue
            if self.proof is not None:
                self.proof.cuts[part.objective, part.phases] = part.cut
            layer, unit, network = part.cut
            for sign in (1, -1):
                phases = (*part.phases, (layer, unit, network, sign))
                children.append((part.objective, phases, part))
        for part in self._bounded(children, _STEPS_OF_PARTS):
            if -part.negated > lower:
                heapq.heappush(self._open, part)
        return len(children)

    def _new_dual(self) -> DualBounds:
        return DualBounds(self._comparison, self._features, self._before)

    def _narrow(self, stop: float) -> None:
        """Narrow the ranges before the ReLUs, from the second layer on, by dual bounds until ``stop``."""
        for index in range(1, self._last + 1):
            if not self._relu_after[index]:
                continue
            ranges = self._before[index]
            unstable = (np.minimum(ranges.g.low, ranges.f.low) < 0.0) & (
                np.maximum(ranges.g.high, ranges.f.high) > 0.0
            )
            units = np.flatnonzero(unstable)
            one, none = np.eye(ranges.g.low.size)[units], np.zeros((units.size, ranges.g.low.size))
            region = self._region(index, [()])
            # The deviation first: it matters most where time is short.
            for name, p, q in (("deviation", none, one), ("g", one, none), ("f", one, -one)):
                high, proof_of_high = self._all_bounds(index, p, q, region, stop)
                low, proof_of_low = self._all_bounds(index, -p, -q, region, stop)
                low = -low
                if self.proof is not None:
                    ends = proof_of_high, proof_of_low
                    self.proof.narrowed.append((index, name, units.tolist(), ends))
                narrowed = Range(*(end.copy() for end in getattr(ranges, name)))
                narrowed.low[units] = np.maximum(narrowed.low[units], low)
                narrowed.high[units] = np.minimum(narrowed.high[units], high)
                ranges = ranges._replace(**{name: narrowed}).tightened()
            self._before[index] = ranges
            self._dual = self._new_dual()

    def _all_bounds(
        self, layer: int, p: FloatArray, q: FloatArray, region: Region, stop: float
    ) -> tuple[FloatArray, list[tuple[int, RowsProof]]]:
        """Return proven bounds of the rows, inf for those that time did not suffice for, and their proofs."""
        proofs: list[tuple[int, RowsProof]] = []

        def bound(start: int) -> FloatArray:
            rows = slice(start, start + _ROWS)
            if time.perf_counter() > stop:
                return np.full(p[rows].shape[0], np.inf)
            _, multipliers = self._dual.tuned(
                layer, p[rows], q[rows], region, _STEPS_OF_RANGES, deadline=stop
            )
            if self.proof is not None:
                choices = self._dual.choices(layer, region, multipliers, slice(0, None))
                proofs.append((start, RowsProof(p[rows], q[rows], choices)))
            return self._dual.certified(layer, p[rows], q[rows], region, multipliers)

        bounds = [np.zeros(0), *self._pool.map(bound, range(0, p.shape[0], _ROWS))]
        return np.concatenate(bounds), proofs

    def _bounded(
        self, children: Sequence[tuple[int, tuple[Phase, ...], _Part | None]], steps: int
    ) -> list[_Part]:
        """Return the parts with their bounds, in order, without those that hold no input."""
        size = max(1, _ROWS // max(len(o) for o in self._objectives))
        chunks = [children[start : start + size] for start in range(0, len(children), size)]
        parts = [part for chunk in self._pool.map(lambda c: self._chunk(c, steps), chunks) for part in chunk]
        for part in parts:
            part.order = self._made
            self._made += 1
        return parts

    def _chunk(
        self, children: Sequence[tuple[int, tuple[Phase, ...], _Part | None]], steps: int
    ) -> list[_Part]:
        """Bound some parts at once."""
        region = self._region(self._last, [phases for _, phases, _ in children])
        empty = np.zeros(len(children), dtype=bool)
        for r in region.before:
            for one in r:
                empty |= np.broadcast_to((one.low > one.high).any(axis=1), empty.shape)
        kept = [child for child, gone in zip(children, empty, strict=True) if not gone]
        if not kept:
            return []
        counts = [len(self._objectives[k]) for k, _, _ in kept]
        owner = np.repeat(np.arange(len(kept)), counts)
        region = _rows_of(self._region(self._last, [phases for _, phases, _ in kept]), owner)
        q = np.concatenate([self._objectives[k] for k, _, _ in kept])
        p = np.zeros_like(q)
        start = None
        if kept[0][2] is not None and kept[0][2].multipliers:
            parents = [parent.multipliers for _, _, parent in kept if parent is not None]
            start = [_stacked([m[index] for m in parents]) for index in range(self._last)]
        _, tuned = self._dual.tuned(self._last, p, q, region, steps, start, self._deadline)
        proven = self._dual.certified(self._last, p, q, region, tuned)
        losses = self._dual.losses(self._last, p, q, region, tuned)
        parts = []
        for index, (objective, phases, parent) in enumerate(kept):
            mine = owner == index
            bounds = proven[mine] if parent is None else np.minimum(proven[mine], parent.bounds)
            value = self._value(bounds)
            if parent is not None:
                value = min(value, -parent.negated)
            cut = self._cut(losses, mine, region, phases)
            if self.proof is not None:
                of_part = slice(int(np.flatnonzero(mine)[0]), int(np.flatnonzero(mine)[-1]) + 1)
                choices = self._dual.choices(self._last, region, tuned, of_part)
                self.proof.parts[objective, phases] = RowsProof(p[mine], q[mine], choices)
            # Any multipliers do to start from: half the memory is enough for the many open parts.
            multipliers = [Multipliers(*(a[mine].astype(np.float32) for a in m)) for m in tuned]
            parts.append(_Part(-value, 0, objective, phases, bounds, multipliers, cut))
        return parts

    def _value(self, bounds: FloatArray) -> float:
        """Return a bound of the norm, given those of an objective's rows."""
        if self._relu_after[self._last]:
            bounds = np.maximum(bounds, 0.0)
        if bounds.size == 1:
            return float(bounds[0])
        half = bounds.size // 2
        return norm_up(np.maximum(np.maximum(bounds[:half], bounds[half:]), 0.0), self._norm)

    def _cut(
        self,
        losses: Sequence[tuple[FloatArray, FloatArray]],
        rows: Bools,
        region: Region,
        phases: tuple[Phase, ...],
    ) -> tuple[int, int, int] | None:
        """Return the layer, unit and network (0 for g) whose relaxation costs a part most."""
        first = int(np.flatnonzero(rows)[0])
        best, choice = -math.inf, None
        for layer, pair in enumerate(losses):
            if not self._relu_after[layer]:
                continue
            ranges = region.before[layer]
            for network, (loss, r) in enumerate(zip(pair, (ranges.g, ranges.f), strict=True)):
                row = min(first, r.low.shape[0] - 1)
                unstable = (r.low[row] < 0.0) & (r.high[row] > 0.0)
                for given in phases:
                    if given[0] == layer and given[2] == network:
                        unstable[given[1]] = False
                score = np.where(unstable, loss[rows].sum(axis=0), -math.inf)
                unit = int(score.argmax())
                if score[unit] > best:
                    best, choice = float(score[unit]), (layer, unit, network)
        return choice

    def _region(self, layer: int, parts: Sequence[tuple[Phase, ...]]) -> Region:
        """Return the ranges and phases of the layers before ``layer``, one row for each part."""
        before, phase_g, phase_f = [], [], []
        for index in range(layer):
            root = self._before[index]
            shape = (len(parts), root.g.low.size)
            signs = np.zeros((2, *shape))
            for row, phases in enumerate(parts):
                for where, unit, network, sign in phases:
                    if where == index:
                        signs[network, row, unit] = sign
            clipped = []
            for r, sign in ((root.g, signs[0]), (root.f, signs[1])):
                low, high = np.broadcast_to(r.low, shape), np.broadcast_to(r.high, shape)
                low = np.where(sign > 0.0, np.maximum(low, 0.0), low)
                high = np.where(sign < 0.0, np.minimum(high, 0.0), high)
                clipped.append(Range(low, high))
            d = Range(*(np.broadcast_to(v, shape) for v in root.deviation))
            before.append(PairRanges(clipped[0], clipped[1], d).tightened())
            phase_g.append(signs[0])
            phase_f.append(signs[1])
        return Region(before, phase_g, phase_f)


def _objectives(outputs: int, norm: str) -> list[FloatArray]:
    """Return the linear functions of g - f to bound, a matrix for each separate search.

    The max norm is the largest of 2 m functions, each searched on its own; the other norms need bounds of all
    outputs of the same part.
    """
    both = np.concatenate([np.eye(outputs), -np.eye(outputs)])
    return [row[np.newaxis] for row in both] if norm == "linf" or outputs == 1 else [both]


def _rows_of(region: Region, owner: NDArray[np.intp]) -> Region:
    """Return the region with its rows repeated as ``owner`` says."""
    before = [PairRanges(*(Range(low[owner], high[owner]) for low, high in r)) for r in region.before]
    return Region(before, [s[owner] for s in region.phase_g], [s[owner] for s in region.phase_f])


def _stacked(multipliers: Sequence[Multipliers]) -> Multipliers:
    """Return the rows of several parts' multipliers, one part after the other, as float64."""
    columns = zip(*multipliers, strict=True)
    return Multipliers(*(np.concatenate(list(column)).astype(np.float64) for column in columns))

"""Method "milp": the exact sup ||f - g|| of small networks, bracketed by proof.

A mixed-integer program whose integers are the phases of the ReLU units, solved by branch and bound. A node is
a box of :class:`PairModel`'s variables; its linear program is solved in floats, and the bound that counts is
the one proven from its multipliers (:mod:`certified_lp`). l1 and l2 are convex in the output, so that their
chord over the output's box bounds them, and the box of an output may be branched on too. Tjeng, Xiao and
Tedrake 2019 pose the program for one network; here the difference of two is carried along.
"""

from __future__ import annotations

import heapq
import itertools
import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.comparison import Comparison, SearchOptions
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.errors import SoundnessError
from subsetsum_nets.verification.falsifier import falsify, lower_bound_near
from subsetsum_nets.verification.methods.milp.certified_lp import (
    BallCuts,
    Program,
    Proposal,
    box_bound_up,
    total_up,
)
from subsetsum_nets.verification.methods.milp.output_norm import Aim, OutputNorm, chord_of_magnitude_up
from subsetsum_nets.verification.methods.milp.pair_model import Definition, EmptyBoxError, pair_model
from subsetsum_nets.verification.records import MilpNode, MilpProof, ProgramProof
from subsetsum_nets.verification.results import Bracket, LowerBound

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray
    from subsetsum_nets.verification.methods.milp.pair_model import PairModel


_TARGET_GAP = 2e-7  # where a node is given up, in the norm
_ROOT_SHARE = 0.25  # of the time limit, for tightening the boxes of single variables at the root
_CUT_ROUNDS = 60
_ROOT_CUT_ROUNDS = 3
_MOST_CUTS = 80
_CLIMBS = 30


_NO_LIMIT = SearchOptions()


@np.errstate(over="ignore", invalid="ignore")
def milp_bound(comparison: Comparison, options: SearchOptions = _NO_LIMIT) -> Bracket:
    """Bracket sup ||f - g|| by branch and bound over the phases of the units.

    Parameters
    ----------
    comparison : Comparison
        Of small networks: the work doubles with every unit in the worst case. Effective layers leave far
        fewer phases than those of g itself.
    options : SearchOptions
        With ``record`` every multiplier is kept, for the replay in exact arithmetic
        (:mod:`~subsetsum_nets.verification.replay.milp`). A node limit, epsilon and threads are not heeded.

    Raises
    ------
    UnsupportedStructureError
        If the networks are far too large.
    BoundOverflowError
        If a range exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, 1.0]])])    # |x|
    >>> g = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.5, 0.75]])])
    >>> result = milp_bound(Comparison(f, g, Box(-1, 1)))
    >>> round(result.upper, 9), round(result.lower, 9), result.closed
    (0.5, 0.5, True)

    """
    deadline = math.inf if options.time_limit is None else time.perf_counter() + options.time_limit
    model = pair_model(comparison)
    found = options.found or falsify(comparison, time_limit=options.attack_limit)
    layer_by_layer = comparison.effective_or_none is not None
    proof = MilpProof(math.inf, layer_by_layer, model.scales, model.halved) if options.record else None
    search = _BranchAndBound(comparison, model, found, deadline, proof)
    upper = max(search.run(), search.found.lower)
    if proof is not None:
        proof.upper = upper
    found = search.found
    return Bracket(
        upper=upper,
        layers=(),
        record=proof,
        lower=found.lower,
        witness=found.witness,
        nodes=search.programs,
    )


@dataclass(frozen=True, eq=False)
class _Node:
    """A box and an aim whose bound is proven, and what to branch on.

    ``variable`` is cut at zero, or the aim falls into ``aims``; -1 and none mean that nothing is left to
    branch on. ``record`` is filled in where there is a proof to keep.
    """

    bound: float
    box: Range
    aim: Aim
    record: MilpNode
    variable: int = -1
    aims: tuple[Aim, ...] = ()

    def children(self) -> list[tuple[Range, Aim]]:
        """Return boxes and aims that together are this one."""
        if self.aims:
            return [(self.box, aim) for aim in self.aims]
        below, above = ((-math.inf, 0.0), (0.0, math.inf))
        return [(_cut_at(self.box, self.variable, *side), self.aim) for side in (below, above)]


class _BranchAndBound:
    """The search; ``found`` is the best lower bound, ``programs`` counts linear programs."""

    def __init__(
        self,
        comparison: Comparison,
        model: PairModel,
        found: LowerBound,
        deadline: float,
        proof: MilpProof | None,
    ) -> None:
        self._comparison = comparison
        self._model = model
        self._norm = OutputNorm(comparison.norm, model.outputs.size, model.scale)
        self._deadline = deadline
        self._proof = proof
        ball = comparison.domain.ball
        self._cuts = None if ball is None else BallCuts.none(ball, model.dimension)
        self._settled = 0.0  # the largest bound of a node that is finished
        self._order = itertools.count()
        self.found = found
        self.programs = 0

    def run(self) -> float:
        """Return a proven upper bound of the norm."""
        try:
            root = self._model.tightened(self._model.box)
            self._climb(root)
            heap: list[tuple[float, int, _Node]] = []
            for aim in self._norm.aims():
                record = MilpNode()
                if self._proof is not None:
                    self._proof.aims.append(record)
                self._push(heap, root, aim, math.inf, record)
            if heap:
                root = self._tight_root(root)
                rough, heap = heap, []
                for _, _, node in rough:
                    self._push(heap, root, node.aim, node.bound, self._child(node))
        except EmptyBoxError:  # the domain is not empty, so that only a defect leads here
            raise SoundnessError("the model of the two networks has no solution") from None
        while heap and -heap[0][0] > self._cutoff() and time.perf_counter() < self._deadline:
            _, _, node = heapq.heappop(heap)
            before = self.found.lower
            self._record_cut(node)
            for box, aim in node.children():
                self._push(heap, box, aim, node.bound, self._child(node))
            if self.found.lower > before:
                self._climb(root)
        still_open = -heap[0][0] if heap else 0.0
        return self._norm.scaled_up(max(self._settled, still_open))

    def _cutoff(self) -> float:
        """Return the norm, in the model's scale, that needs no further proof: nodes below are finished."""
        return self.found.lower * (1.0 + _TARGET_GAP) / self._norm.scale

    def _child(self, node: _Node) -> MilpNode:
        """Return the record of one more child of a node; nothing hangs on it without a proof to keep."""
        child = MilpNode()
        if self._proof is not None:
            node.record.children.append(child)
        return child

    def _kept(self, program: Program, proposal: Proposal | None) -> ProgramProof | None:
        """Return what a proof says of a program; None where it used no multipliers, or none is kept."""
        if self._proof is None or proposal is None:
            return None
        return program.record(proposal)

    @staticmethod
    def _record_cut(node: _Node) -> None:
        record = node.record
        if node.aims:
            first, whole = node.aims[0].high, node.aim.high
            if first is not None and whole is not None:
                record.ratio = int((first != whole).argmax())
                record.at = float(first[record.ratio])
        else:
            record.variable = node.variable

    def _push(
        self,
        heap: list[tuple[float, int, _Node]],
        box: Range,
        aim: Aim,
        inherited: float,
        record: MilpNode,
    ) -> None:
        """Bound a node and keep it if it needs branching and can be branched on."""
        node = self._bounded(box, aim, inherited, record)
        if node is None:
            return
        if node.bound <= self._cutoff() or (node.variable < 0 and not node.aims):
            self._settled = max(self._settled, node.bound)
        else:
            heapq.heappush(heap, (-node.bound, next(self._order), node))

    def _bounded(self, box: Range, aim: Aim, inherited: float, record: MilpNode) -> _Node | None:
        """Return the node of a box with its bound and how to branch; None if it is proven empty."""
        outputs = self._model.outputs
        try:
            if aim.output >= 0:  # the aim's own output has the aim's sign
                side = (0.0, math.inf) if aim.sign > 0.0 else (-math.inf, 0.0)
                box = _cut_at(box, int(outputs[aim.output]), *side)
            late = time.perf_counter() >= self._deadline
            if not late:
                box = self._model.tightened(box)
        except EmptyBoxError:
            return None
        slope, constant = self._norm.linear(aim, box.low[outputs], box.high[outputs])
        record.slope = slope
        linear = np.zeros(box.low.size)
        linear[outputs] = slope
        from_box = total_up([box_bound_up(linear, box), constant])
        node = _Node(min(inherited, from_box), box, aim, record, *self._widest(box))
        if late or node.bound <= self._cutoff():
            return node
        for _ in range(_CUT_ROUNDS):
            program = Program(self._model.equalities, self._model.inequalities(box), box, self._cuts)
            proposal, infeasible = self._propose(program, linear)
            if infeasible:
                emptiness = program.propose_empty()
                if emptiness is not None and program.proven_empty(emptiness):
                    record.empty = self._kept(program, emptiness)
                    return None
            bound, residual = program.bound_up(linear, proposal)
            bound = total_up([bound, constant])
            progress = node.bound - bound
            if bound < node.bound:
                node = replace(node, bound=bound)
                record.program = self._kept(program, proposal)
            if proposal is None:
                return node
            self._note(proposal.point)
            excess = node.bound - self._cutoff()
            if excess <= 0.0:
                return node
            variable, aims = self._branching(program, linear, proposal, residual, aim)
            node = replace(node, variable=variable, aims=aims)
            slow = progress < 0.1 * excess and (variable >= 0 or aims)
            if slow or not self._add_cuts(proposal, residual):
                return node
        return node

    def _propose(self, program: Program, linear: FloatArray) -> tuple[Proposal | None, bool]:
        left = self._deadline - time.perf_counter()
        if left <= 0.0:
            return None, False
        self.programs += 1
        return program.propose(linear, None if math.isinf(left) else left)

    def _note(self, point: FloatArray) -> None:
        """Try the inputs of a linear program's point as a witness."""
        inputs = point[: self._model.dimension]
        difference = self._model.values(inputs)[self._model.outputs] * self._model.scale
        order = {"l2": 2, "linf": np.inf, "l1": 1}[self._norm.name]
        if not float(np.linalg.norm(difference, order)) > self.found.lower * (1.0 + 1e-12):
            return
        found = lower_bound_near(self._comparison, inputs)
        if found.lower > self.found.lower:
            self.found = found

    def _climb(self, root: Range) -> None:
        """Move the witness to the best vertex of its cell of equal phases, again and again."""
        model, outputs = self._model, self._model.outputs
        for _ in range(_CLIMBS):
            before = self.found.lower
            values = model.values(self.found.witness)
            low, high = root.low.copy(), root.high.copy()
            pre = model.units.pre
            low[pre] = np.where(values[pre] > 0.0, np.maximum(low[pre], 0.0), low[pre])
            high[pre] = np.where(values[pre] <= 0.0, np.minimum(high[pre], 0.0), high[pre])
            linear = np.zeros(low.size)
            linear[outputs] = self._norm.gradient(values[outputs])
            try:
                cell = model.tightened(Range(low, high))
            except EmptyBoxError:
                return
            program = Program(model.equalities, model.inequalities(cell), cell, self._cuts)
            proposal, _ = self._propose(program, linear)
            if proposal is None:
                return
            self._note(proposal.point)
            outside = self._add_cuts(proposal, linear)
            if not outside and not self.found.lower > before * (1.0 + 1e-9):
                return

    def _tight_root(self, root: Range) -> Range:
        """Return the root's box cut down by linear programs for single variables, layer by layer."""
        model = self._model
        started = time.perf_counter()
        until = started + _ROOT_SHARE * (self._deadline - started)
        branched = np.zeros(root.low.size, dtype=bool)
        branched[model.units.pre] = True
        branched[model.pairs.y] = False  # its range follows from those of z and d
        wanted = branched.copy()
        wanted[model.pairs.d] = wanted[model.outputs] = True
        first = self._cuts is None  # over a box the first layer's ranges are as good as can be
        for step in model.steps:
            if not isinstance(step, Definition):
                continue
            if first and (step.inputs < model.dimension).all():
                continue
            for variable in step.out[wanted[step.out]]:
                if branched[variable] and not root.low[variable] < 0.0 < root.high[variable]:
                    continue
                if time.perf_counter() >= until:
                    return root
                root = self._tight_variable(root, int(variable))
            root = model.tightened(root)
            if self._proof is not None:
                self._proof.tightened.append(None)
        return root

    def _tight_variable(self, box: Range, variable: int) -> Range:
        ends = []
        proofs: list[ProgramProof | None] = []
        for sign in (-1.0, 1.0):
            linear = np.zeros(box.low.size)
            linear[variable] = sign
            end = math.inf
            proofs.append(None)
            for _ in range(_ROOT_CUT_ROUNDS):
                program = Program(self._model.equalities, self._model.inequalities(box), box, self._cuts)
                proposal, _ = self._propose(program, linear)
                bound, residual = program.bound_up(linear, proposal)
                if bound < end:
                    end = bound
                    proofs[-1] = self._kept(program, proposal)
                if proposal is None:
                    break
                self._note(proposal.point)
                if not self._add_cuts(proposal, residual):
                    break
            ends.append(end)
        if self._proof is not None:
            self._proof.tightened.append((variable, proofs[0], proofs[1]))
        return _cut_at(box, variable, -ends[0], ends[1])

    def _add_cuts(self, proposal: Proposal, residual: FloatArray) -> bool:
        """Cut off the inputs of a point outside the ball; False if they lie inside."""
        cuts = self._cuts
        if cuts is None:
            return False
        d = cuts.center.size
        offset = proposal.point[:d] - cuts.center
        if not float(np.linalg.norm(offset)) > cuts.ball.radius * (1.0 + 1e-9):
            return False
        pull = residual[:d] + np.maximum(proposal.cuts, 0.0) @ cuts.normals
        normals = [v / np.abs(v).max() for v in (pull, offset) if np.abs(v).max() > 0.0]
        recent = slice(max(0, cuts.upper.size - _MOST_CUTS), None)
        kept = BallCuts(cuts.ball, cuts.center, cuts.normals[recent], cuts.upper[recent])
        self._cuts = kept.with_normals(np.array(normals))
        return True

    def _branching(
        self, program: Program, linear: FloatArray, proposal: Proposal, residual: FloatArray, aim: Aim
    ) -> tuple[int, tuple[Aim, ...]]:
        """Return what to branch on: the variable, or the parts of the aim, whose relaxation costs most."""
        model, box, point = self._model, program.box, proposal.point
        outputs = model.outputs
        kinked = (box.low < 0.0) & (box.high > 0.0)
        lost_in_units = float(linear @ (point - model.values(point[: model.dimension])))
        lost_in_aim, aims = self._norm.split(aim, point[outputs])
        if lost_in_aim > lost_in_units:
            return -1, aims
        if self._norm.name == "l1":
            slope, offset = chord_of_magnitude_up(box.low[outputs], box.high[outputs])
            lost = np.where(kinked[outputs], slope * point[outputs] + offset - np.abs(point[outputs]), 0.0)
            if lost.max() > max(lost_in_units, 0.0):
                return int(outputs[lost.argmax()]), ()
        cost, error = self._unit_costs(program, proposal, residual, kinked)
        # Where the box of a defined variable holds the bound, no row of a unit has a multiplier.
        score = cost if float(cost.sum()) > 0.3 * lost_in_units else error
        best = int(score.argmax())
        return (best, ()) if score[best] > 0.0 else self._widest(box)

    def _unit_costs(
        self, program: Program, proposal: Proposal, residual: FloatArray, kinked: Bools
    ) -> tuple[FloatArray, FloatArray]:
        """Return for each variable that may be branched on what its relaxation costs, and how far it is off.

        The cost of a row is its multiplier times the slack that it has where every unit is evaluated truly.
        """
        model, box, point = self._model, program.box, proposal.point
        units, pairs = model.units, model.pairs
        true = point.copy()
        true[units.post] = np.maximum(point[units.pre], 0.0)
        true[pairs.e] = pairs(point)
        rows = program.inequalities
        slack = np.maximum(rows.upper - rows.matrix @ true, 0.0) * proposal.inequalities
        ends = np.maximum(np.where(residual > 0.0, box.high - true, true - box.low), 0.0) * np.abs(residual)
        off = np.abs(point - true)
        k, m = units.pre.size, pairs.d.size
        cost, error = np.zeros(box.low.size), np.zeros(box.low.size)
        np.add.at(cost, units.pre, slack[:k] + slack[k : 2 * k] + ends[units.post])
        np.add.at(error, units.pre, off[units.post])
        above = slack[2 * k : 2 * k + m] + 0.5 * ends[pairs.e], (pairs.y, pairs.z)
        below = slack[2 * k + m :] + 0.5 * ends[pairs.e], (pairs.z, pairs.y)
        for part, (first, second) in (above, below):
            where = np.where(kinked[first], first, second)
            np.add.at(cost, where, part)
            np.add.at(error, where, 0.5 * off[pairs.e])
        branched = np.zeros(box.low.size, dtype=bool)
        branched[units.pre] = True
        allowed = branched & kinked
        return np.where(allowed, cost, 0.0), np.where(allowed, error, 0.0)

    def _widest(self, box: Range) -> tuple[int, tuple[Aim, ...]]:
        """Return the unit whose range reaches farthest to both sides of zero; -1 if there is none."""
        pre = self._model.units.pre
        reach = np.minimum(-box.low[pre], box.high[pre])
        if reach.size == 0 or reach.max() <= 0.0:
            return -1, ()
        return int(pre[reach.argmax()]), ()


def _cut_at(box: Range, variable: int, low: float, high: float) -> Range:
    """Return the part of a box with ``low <= v[variable] <= high``."""
    lows, highs = box.low.copy(), box.high.copy()
    lows[variable] = max(lows[variable], low)
    highs[variable] = min(highs[variable], high)
    if lows[variable] > highs[variable]:
        raise EmptyBoxError
    return Range(lows, highs)

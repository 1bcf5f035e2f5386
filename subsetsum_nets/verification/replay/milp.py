"""Method "milp", replayed in exact arithmetic: see :mod:`~subsetsum_nets.verification.methods.milp.milp`.

The search says what it branched on and which multipliers it used. The replay builds the model from the stored
weights (:mod:`.pair_model`), starts from the whole domain and follows the branching itself, so that its
leaves cover the domain and the output space whatever was recorded: a unit or an output is cut into its two
signs, a cone of outputs into two, and every aim of the norm must be there. Boxes, rows and bounds are
computed anew; of the record only multipliers and slopes are used, and any of these are sound.

The bound is at most that of the search: boxes here lie inside those of the search (the floating ends round
outward from images of larger boxes), rows have the same slopes and right sides that only shrink with the box,
and the stored weights lie in the enclosures whose radii the floating right sides add.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.errors import SoundnessError
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, float_up
from subsetsum_nets.verification.replay.layers import exact_layers
from subsetsum_nets.verification.replay.pair_model import ExactPairModel
from subsetsum_nets.verification.replay.steps import EmptyBoxError, FloatBox

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.records import MilpNode, MilpProof
    from subsetsum_nets.verification.replay.exact_comparison import ExactComparison


def replayed_milp(pair: ExactComparison, proof: MilpProof) -> Fraction:
    """Bound sup ||f - g|| over the parts that a branch and bound has cut the domain into.

    Parameters
    ----------
    pair : ExactComparison
    proof : MilpProof
        Whatever it says, the bound holds; with that of a search it is at most what the search proved.

    Raises
    ------
    ValueError
        If the proof is not complete, or does not fit the networks.
    UnsupportedStructureError
        If it reads g as effective layers, but g has none.
    BoundOverflowError
        If a range exceeds the range of float64.
    SoundnessError
        If the model is empty: a defect of this package.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison, SearchOptions
    >>> from subsetsum_nets.verification.methods.milp.milp import milp_bound
    >>> from subsetsum_nets.verification.replay.exact_comparison import ExactComparison
    >>> f = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, 1.0]])])    # |x|
    >>> g = ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.5, 0.75]])])
    >>> comparison = Comparison(f, g, Box(-1, 1), "linf")
    >>> found = milp_bound(comparison, SearchOptions(record=True))
    >>> bound = replayed_milp(ExactComparison.of(comparison), found.record)
    >>> 0 <= Fraction(found.upper) - bound < Fraction(1, 10**9)
    True

    """
    try:
        return _Replay(_exact_model(pair, proof), pair.norm, proof).largest()
    except EmptyBoxError:  # the domain is not empty, so that only a defect leads here
        raise SoundnessError("the exact model of the two networks has no solution") from None


def _exact_model(pair: ExactComparison, proof: MilpProof) -> ExactPairModel:
    """Return the model that the multipliers of a proof speak of."""
    model = ExactPairModel(pair.domain, pair.target.widths[0])
    if proof.layer_by_layer:
        model.compare_layers(pair.layers, pair.effective, pair.relu_after, proof.scales, proof.halved)
    else:
        networks = (pair.layers, pair.relu_after), (exact_layers(pair.pruned), pair.pruned.relu_after)
        model.compare_outputs(networks, proof.scales)
    return model


@dataclass(frozen=True, eq=False)
class _Cone:
    """The D whose entry ``output`` has the sign and is the norm, for linf; for l2 the largest.

    There the ratios ``D_j / |D_o|`` lie between ``low`` and ``high``. ``output`` is -1 for all D (l1).
    """

    output: int = -1
    sign: int = 1
    low: FloatArray | None = None
    high: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class _Part:
    """A node where the replay is: the box before the aim's sign cuts it, and the part it lies in."""

    node: MilpNode
    box: FloatBox
    cone: _Cone
    around: _Part | None = None


class _Replay:
    """The branching followed from the root."""

    def __init__(self, model: ExactPairModel, norm: str, proof: MilpProof) -> None:
        self._model, self._norm, self._proof = model, norm, proof
        self._upper = Fraction(proof.upper) / model.scale if math.isfinite(proof.upper) else None
        self._root = model.tightened(model.box)
        self._tight = self._tightened_root()
        self._known: dict[_Part, Fraction] = {}  # bounds of parts around leaves: each is asked for often

    def largest(self) -> Fraction:
        """Return the largest bound of the leaves, 0 if that is negative."""
        cones = _cones(self._norm, self._model.outputs.size)
        if len(self._proof.aims) != len(cones):
            raise ValueError(f"the proof has {len(self._proof.aims)} aims, the norm needs {len(cones)}")
        largest = Fraction(0)
        todo = [_Part(node, self._root, cone) for node, cone in zip(self._proof.aims, cones, strict=True)]
        while todo:
            part = todo.pop()
            try:
                part = replace(part, box=self._model.tightened(self._within(part)))
            except EmptyBoxError:
                continue
            if self._proven_empty(part):
                continue
            if part.node.children:
                todo += self._children(part)
            else:
                largest = max(largest, self._bound_of_leaf(part))
        return largest * self._model.scale

    def _bound_of_leaf(self, part: _Part) -> Fraction:
        """Return its own bound; where that exceeds the search's, the least of those of the parts around."""
        bound = self._bound(part)
        around = part.around
        while around is not None and (self._upper is None or bound > self._upper):
            if around not in self._known:
                self._known[around] = self._bound(around)
            bound = min(bound, self._known[around])
            around = around.around
        return bound

    def _within(self, part: _Part) -> FloatBox:
        """Return the box of a part cut to the sign of the output that its aim is about."""
        box, cone = part.box.copy(), part.cone
        if cone.output >= 0:
            side = (0.0, math.inf) if cone.sign > 0 else (-math.inf, 0.0)
            box.cut(self._model.outputs[cone.output : cone.output + 1], *side)
        return box

    def _children(self, part: _Part) -> list[_Part]:
        """Return parts that together are this one."""
        node, cone = part.node, part.cone
        if node.variable < 0 and node.ratio < 0:  # once more, within the root's tightened box
            if len(node.children) != 1:
                raise ValueError(f"the proof has {len(node.children)} parts of a node that was not cut")
            box = part.box.copy()
            try:
                box.cut(slice(None), self._tight.low, self._tight.high)
            except EmptyBoxError:
                return []
            return [_Part(node.children[0], box, cone, part)]
        if len(node.children) != 2:
            raise ValueError(f"the proof is not complete: a cut has {len(node.children)} parts, not 2")
        if node.variable >= 0:
            parts = []
            for child, side in zip(node.children, ((-math.inf, 0.0), (0.0, math.inf)), strict=True):
                box = part.box.copy()
                try:
                    box.cut(np.array([node.variable]), *side)
                except EmptyBoxError:
                    continue
                parts.append(_Part(child, box, cone, part))
            return parts
        if cone.low is None or cone.high is None or node.ratio == cone.output:
            raise ValueError(f"the proof cuts the ratio of output {node.ratio}, which its aim does not have")
        # Clipped, so that the two are parts of the interval wherever the cut is said to be.
        at = min(max(node.at, cone.low[node.ratio]), cone.high[node.ratio])
        high, low = cone.high.copy(), cone.low.copy()
        high[node.ratio] = low[node.ratio] = at
        halves = replace(cone, high=high), replace(cone, low=low)
        return [_Part(child, part.box, half, part) for child, half in zip(node.children, halves, strict=True)]

    def _proven_empty(self, part: _Part) -> bool:
        program = part.node.empty
        if program is None:
            return False
        nothing = ExactMatrix.from_floats(np.zeros(part.box.low.size))
        return self._model.bound(nothing, part.box, program) < 0

    def _bound(self, part: _Part) -> Fraction:
        """Return the bound of a part's norm, in the model's scale, from its own box and multipliers."""
        outputs = self._model.outputs
        slope = part.node.slope
        if slope is None or slope.shape != outputs.shape or not np.isfinite(slope).all():
            raise ValueError("the proof is not complete: a part that is not empty has no bound")
        function, constant = self._linear(part, [Fraction(float(s)) for s in slope])
        linear = [Fraction(0)] * part.box.low.size
        for variable, value in zip(outputs.tolist(), function, strict=True):
            linear[variable] = value
        objective = ExactMatrix.from_fractions(linear)
        bound = self._model.bound(objective, part.box, None)
        if part.node.program is not None:
            bound = min(bound, self._model.bound(objective, part.box, part.node.program))
        return bound + constant

    def _linear(self, part: _Part, slope: list[Fraction]) -> tuple[list[Fraction], Fraction]:
        """Return (c, b) with ``norm(D) <= c D + b`` in a part, with slopes c near the given ones."""
        cone = part.cone
        if cone.output < 0:  # l1: |D_o| is convex, so that with any slope the ends of its interval decide
            constant = Fraction(0)
            for s, variable in zip(slope, self._model.outputs.tolist(), strict=True):
                ends = [Fraction(float(end[variable])) for end in (part.box.low, part.box.high)]
                constant += max(abs(end) - s * end for end in ends)
            return slope, constant
        if cone.low is None or cone.high is None:
            return [Fraction(cone.sign * (j == cone.output)) for j in range(len(slope))], Fraction(0)
        return _linear_in_cone(cone, cone.low, cone.high, slope), Fraction(0)

    def _tightened_root(self) -> FloatBox:
        """Return the root's box, cut by the programs for single variables one after the other."""
        box = self._root
        for step in self._proof.tightened:
            if step is None:
                box = self._model.tightened(box)
                continue
            variable, *programs = step
            ends = []
            for sign, program in zip((-1, 1), programs, strict=True):
                unit = np.zeros(box.low.size)
                unit[variable] = sign
                objective = ExactMatrix.from_floats(unit)
                ends.append(float_up(self._model.bound(objective, box, program)))
            box = box.copy()
            box.cut(np.array([variable]), -ends[0], ends[1])
        return box


def _linear_in_cone(
    cone: _Cone, low: FloatArray, high: FloatArray, given: Sequence[Fraction]
) -> list[Fraction]:
    """Return c with ``||D||_2 <= c D`` in a cone: see ``methods.milp.output_norm``, with any a > 0.

    Slopes other than the right ones cost ``|D_j| <= |D_o|`` each; ``a`` is rounded, as is the slope of D_o,
    which may only be too large.
    """
    lows, highs = ([Fraction(float(v)) for v in values] for values in (low, high))
    # Of the search, so that its slopes are right up to rounding; at least 1, the root of the entry of D_o.
    a = Fraction(max(float(np.sqrt(np.square(0.5 * (low + high)).sum())), 1.0))
    others = [j for j in range(len(given)) if j != cone.output]
    own = (1 + a * a - sum(lows[j] * highs[j] for j in others)) / (2 * a)
    own += sum(abs((lows[j] + highs[j]) / (2 * a) - given[j]) for j in others)
    bits = 1 << 80
    slope = list(given)
    slope[cone.output] = cone.sign * Fraction(math.ceil(own * bits), bits)
    return slope


def _cones(norm: str, count: int) -> list[_Cone]:
    """Return the aims of a norm: parts that cover the output space."""
    if norm == "l1":
        return [_Cone()]
    cones = [_Cone(output, sign) for output in range(count) for sign in (1, -1)]
    if norm == "linf":
        return cones
    own = np.arange(count)
    return [replace(c, low=np.where(own == c.output, 1.0, -1.0), high=np.ones(count)) for c in cones]

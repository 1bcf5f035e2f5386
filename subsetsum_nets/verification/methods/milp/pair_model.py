"""The mixed-integer model of a pair of networks: variables, definitions, ReLU units, boxes.

Every value in f, g and their difference is a variable with a proven box. A node of the branch and bound
(:mod:`milp`) is such a box, cut at zero for the units whose phase is fixed: everything else follows from it.
Differences are scaled by powers of two, so that the solver sees numbers near one. g is read as two-slope
layers where it is built so; else the two networks meet at their outputs only.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import FloatArray, Ints, dense_array
from subsetsum_nets.verification.enclosures.midrad import TINY, MidRad, affine, finite, inflate, product_up
from subsetsum_nets.verification.enclosures.ranges import Range, domain_range
from subsetsum_nets.verification.errors import UnsupportedStructureError
from subsetsum_nets.verification.methods.milp.certified_lp import Equalities, Inequalities, sparse_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.enclosures.effective import TwoSlope


_MAX_COEFFICIENTS = 2**22


class EmptyBoxError(Exception):
    """A box that no values of the two networks lie in (proven): its node is finished."""


@dataclass(frozen=True, eq=False)
class Definition:
    """``v[out] = matrix @ v[inputs] + offset``, where the offset is some value of an enclosure."""

    out: Ints
    inputs: Ints
    matrix: FloatArray
    offset: MidRad

    def tighten(self, low: FloatArray, high: FloatArray) -> None:
        """Cut the box of ``out`` down to what the box of ``inputs`` allows."""
        value = affine(self.matrix, MidRad.from_bounds(low[self.inputs], high[self.inputs]), self.offset.mid)
        cut(low, high, self.out, *MidRad(value.mid, inflate(value.rad + self.offset.rad, 1)).bounds())


@dataclass(frozen=True, eq=False)
class Units:
    """``v[post] = max(v[pre], 0)``."""

    pre: Ints
    post: Ints

    def tighten(self, low: FloatArray, high: FloatArray) -> None:
        """Cut the box of ``post``."""
        cut(low, high, self.post, np.maximum(low[self.pre], 0.0), np.maximum(high[self.pre], 0.0))


@dataclass(frozen=True, eq=False)
class NegativeParts:
    """``v[negative] = min(v[value], 0)``, on top of its definition by the positive part."""

    value: Ints
    negative: Ints

    def tighten(self, low: FloatArray, high: FloatArray) -> None:
        """Cut the box of ``negative``."""
        cut(low, high, self.negative, np.minimum(low[self.value], 0.0), np.minimum(high[self.value], 0.0))


@dataclass(frozen=True, eq=False)
class Pairs:
    """Units of f and g side by side: ``y = z + s d``, and ``max(y, 0) = max(z, 0) + s e``.

    ``e`` lies between 0 and ``d``; on one side only where the phase of z or y is known.
    """

    z: Ints
    y: Ints
    d: Ints
    e: Ints
    scale: FloatArray

    def __call__(self, v: FloatArray) -> FloatArray:
        """Return ``e`` from z, y and d, in floats."""
        z, y = v[self.z], v[self.y]
        mixed = (np.maximum(y, 0.0) - np.maximum(z, 0.0)) / self.scale
        return np.where((z > 0.0) & (y > 0.0), v[self.d], mixed)

    def tighten(self, low: FloatArray, high: FloatArray) -> None:
        """Cut the box of ``e``."""
        least = np.where(low[self.z] >= 0.0, low[self.d], np.minimum(low[self.d], 0.0))
        most = np.where(low[self.y] >= 0.0, high[self.d], np.maximum(high[self.d], 0.0))
        least = np.where(high[self.z] <= 0.0, np.maximum(least, 0.0), least)
        most = np.where(high[self.y] <= 0.0, np.minimum(most, 0.0), most)
        cut(low, high, self.e, least, most)


Step = Definition | Units | NegativeParts | Pairs


@dataclass(frozen=True, eq=False)
class PairModel:
    """Everything that is true of v = (inputs, values of f, values of g, differences).

    Attributes
    ----------
    dimension : int
        The first so many variables are the inputs.
    box : Range
        Of all variables, over the whole domain.
    steps : tuple
        Definitions, units and pairs in the order of evaluation.
    units : Units
        All of them in one; their ``pre`` are the variables whose sign may be branched on.
    pairs : Pairs
        All of them in one.
    outputs : int array, shape (d_l,)
        The variables that are ``(g - f) / scale``.
    scale : float
        A power of two.
    equalities : Equalities
        The definitions as rows.
    scales : tuple of float
        Powers of two that the differences are divided by: of each layer, or of the outputs.
    halved : tuple of bool
        Whether the inputs of each layer in g were cut into positive and negative parts.

    """

    dimension: int
    box: Range
    steps: tuple[Step, ...]
    units: Units
    pairs: Pairs
    outputs: Ints
    scale: float
    equalities: Equalities
    scales: tuple[float, ...]
    halved: tuple[bool, ...]

    def tightened(self, box: Range) -> Range:
        """Return the box cut down to what interval arithmetic makes of it.

        Raises
        ------
        EmptyBoxError
            If nothing is left.

        """
        low, high = box.low.copy(), box.high.copy()
        for step in self.steps:
            step.tighten(low, high)
        return Range(low, high)

    def values(self, point: FloatArray) -> FloatArray:
        """Return all variables at an input, in floats."""
        v = np.zeros(self.box.low.size)
        v[: self.dimension] = point
        for step in self.steps:
            if isinstance(step, Definition):
                v[step.out] = step.matrix @ v[step.inputs] + step.offset.mid
            elif isinstance(step, Units):
                v[step.post] = np.maximum(v[step.pre], 0.0)
            elif isinstance(step, Pairs):
                v[step.e] = step(v)
        return v

    def inequalities(self, box: Range) -> Inequalities:
        """Return the rows that relax units and pairs over a box; their pattern is always the same.

        A unit gets ``p - r <= 0`` and the chord ``r - t p <= b``; a pair ``e - t d <= b`` and
        ``t d - e <= b``.
        """
        low, high = box.low, box.high
        unit, pair = self.units, self.pairs
        chord, top = chord_up(low[unit.pre], high[unit.pre])
        above, most = chord_up(low[pair.d], high[pair.d])
        below, least = chord_up(-high[pair.d], -low[pair.d])
        y_on, y_off = low[pair.y] >= 0.0, high[pair.y] <= 0.0
        z_on, z_off = low[pair.z] >= 0.0, high[pair.z] <= 0.0
        above, most = np.where(y_on, 1.0, np.where(y_off, 0.0, above)), np.where(y_on | y_off, 0.0, most)
        below, least = np.where(z_on, 1.0, np.where(z_off, 0.0, below)), np.where(z_on | z_off, 0.0, least)
        ones_unit, ones_pair = np.ones(unit.pre.size), np.ones(pair.d.size)
        values = [ones_unit, -chord, ones_pair, below, -ones_unit, ones_unit, -above, -ones_pair]
        columns = [unit.pre, unit.pre, pair.e, pair.d, unit.post, unit.post, pair.d, pair.e]
        counts = np.cumsum([0, unit.pre.size, unit.pre.size, pair.d.size, pair.d.size])
        rows = [np.arange(a, b) for a, b in pairwise(counts)]
        matrix = sparse_rows([*rows, *rows], columns, values, (int(counts[-1]), low.size))
        upper = np.concatenate([np.zeros(unit.pre.size), top, most, least])
        return Inequalities(matrix, upper, np.concatenate([chord, above, below]))


def cut(low: FloatArray, high: FloatArray, where: Ints, least: FloatArray, most: FloatArray) -> None:
    """Intersect part of a box with another, in place.

    Raises
    ------
    EmptyBoxError
        If nothing is left.

    """
    low[where], high[where] = np.maximum(low[where], least), np.minimum(high[where], most)
    if (low[where] > high[where]).any():
        raise EmptyBoxError


@np.errstate(over="ignore")
def chord_up(low: FloatArray, high: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return (t, b) with ``max(p, 0) <= t p + b`` for every p in [low, high].

    Any slope t in [0, 1] holds with b = max(-t low, (1 - t) high); only b is rounded up.
    """
    width = high - low
    kinked = (low < 0.0) & (high > 0.0)
    slope = np.clip(np.divide(high, width, out=np.zeros_like(width), where=kinked), 0.0, 1.0)
    slope = np.where(kinked, slope, low >= 0.0)
    # 1 - t is off by at most half a unit of one, the products by one more rounding.
    ends = np.maximum(slope * -low, (1.0 - slope) * high)
    return slope, np.where(kinked, inflate(np.maximum(ends, 0.0) + TINY, 4), 0.0)


class _Builder:
    def __init__(self, low: FloatArray, high: FloatArray) -> None:
        self.low, self.high = low, high
        self.steps: list[Step] = []
        self.scales: list[float] = []
        self.halved: list[bool] = []

    def add(self, step: Step) -> None:
        step.tighten(self.low, self.high)
        self.steps.append(step)

    def fresh(self, count: int) -> Ints:
        """Return new variables without bounds."""
        start = self.low.size
        self.low = np.append(self.low, np.full(count, -np.inf))
        self.high = np.append(self.high, np.full(count, np.inf))
        return np.arange(start, start + count)

    def affine(self, blocks: Sequence[tuple[MidRad, Ints]], offset: MidRad) -> Ints:
        """Return new variables ``sum of matrix @ v + offset``; radii go into the offset."""
        # A matrix of zeros would only bring in the underflow that products allow for.
        blocks = [block for block in blocks if block[0].mid.any() or block[0].rad.any()] or blocks[:1]
        radius = offset.rad
        for matrix, variables in blocks:
            largest = np.maximum(np.abs(self.low[variables]), np.abs(self.high[variables]))
            radius = inflate(radius + product_up(matrix.rad, largest), 1)
        out = self.fresh(offset.mid.size)
        joined = np.concatenate([block.mid for block, _ in blocks], axis=1)
        inputs = np.concatenate([variables for _, variables in blocks])
        self.add(Definition(out, inputs, joined, MidRad(offset.mid, radius)))
        return out

    def plus(self, a: Ints, b: Ints, factor: float) -> Ints:
        """Return new variables ``a + factor b``, where the factor is a power of two or its negative."""
        one = np.eye(a.size)
        return self.affine([(MidRad.point(one), a), (MidRad.point(factor * one), b)], _zeros(a.size))

    def relu(self, pre: Ints) -> Ints:
        post = self.fresh(pre.size)
        self.add(Units(pre, post))
        return post

    def halves(self, values: Ints) -> tuple[Ints, Ints]:
        """Return the variables max(v, 0) and min(v, 0)."""
        positive = self.relu(values)
        negative = self.plus(values, positive, -1.0)
        self.add(NegativeParts(values, negative))
        return positive, negative

    def network(self, network: ReluNetwork, inputs: Ints) -> Ints:
        """Return the outputs of a network on its own."""
        for layer, relu in zip(network.affine_layers, network.relu_after, strict=True):
            weight = MidRad.point(dense_array(layer.weight))
            inputs = self.affine([(weight, inputs)], MidRad.point(layer.offset))
            inputs = self.relu(inputs) if relu else inputs
        return inputs

    def pair(self, target: ReluNetwork, effective: Sequence[TwoSlope], inputs: Ints) -> tuple[Ints, float]:
        """Return the scaled differences of the outputs of f and its effective neighbour."""
        of_f = of_g = inputs
        difference = np.zeros(0, dtype=np.int64)  # of the inputs: none
        scale = 1.0
        for index, (layer, two_slope) in enumerate(zip(target.affine_layers, effective, strict=True)):
            weight = dense_array(layer.weight)
            error = two_slope.minus(layer)
            z = self.affine([(MidRad.point(weight), of_f)], MidRad.point(layer.offset))
            blocks: list[tuple[MidRad, Ints, float]] = []
            if difference.size:
                blocks.append((MidRad.point(weight), difference, scale))
            nonnegative = bool((self.low[of_g] >= 0.0).all())
            self.halved.append(not nonnegative and error.negative is not error.positive)
            if not self.halved[-1]:
                blocks.append((error.positive.toarray(), of_g, 1.0))
            else:
                positive, negative = self.halves(of_g)
                blocks += [
                    (error.positive.toarray(), positive, 1.0),
                    (error.negative.toarray(), negative, 1.0),
                ]
            new_scale = self._scale(blocks, error.bias)
            d = self.affine(
                [(_scaled(matrix, factor / new_scale), variables) for matrix, variables, factor in blocks],
                _scaled(error.bias, 1.0 / new_scale),
            )
            scale = new_scale
            self.scales.append(scale)
            y = self.plus(z, d, scale)
            if target.relu_after[index]:
                of_f, of_g, e = self.relu(z), self.relu(y), self.fresh(d.size)
                self.add(Pairs(z, y, d, e, np.full(d.size, scale)))
                one = np.eye(d.size)
                link = np.concatenate([one, scale * one], axis=1)  # g's value is f's plus s e
                self.add(Definition(of_g, np.concatenate([of_f, e]), link, _zeros(d.size)))
                difference = e
            else:
                of_f, of_g, difference = z, y, d
        return difference, scale

    def _scale(self, blocks: Sequence[tuple[MidRad, Ints, float]], bias: MidRad) -> float:
        """Return the power of two near the largest difference of a layer; 1 where there is none."""
        size = bias.magnitude()
        for matrix, variables, factor in blocks:
            largest = np.maximum(np.abs(self.low[variables]), np.abs(self.high[variables]))
            size = size + factor * product_up(matrix.magnitude(), largest)
        return _power_of_two(float(finite(size).max()))


def pair_model(comparison: Comparison) -> PairModel:
    """Build the model of two networks over a domain; a ball is replaced by the box around it here.

    Networks that cannot be compared layer by layer are compared at their outputs only.

    Raises
    ------
    UnsupportedStructureError
        If the networks are too large for a model of dense rows.
    BoundOverflowError
        If a range exceeds the range of float64.

    """
    target, pruned, effective = comparison.target, comparison.pruned, comparison.effective_or_none
    networks = (target,) if effective is not None else (target, pruned)
    size = sum(layer.d_in * layer.d_out for network in networks for layer in network.affine_layers)
    if size > _MAX_COEFFICIENTS:
        raise UnsupportedStructureError(
            f"method 'milp' is for small networks: these have {size} coefficients, more than "
            f"{_MAX_COEFFICIENTS}"
        )
    start = domain_range(comparison.domain, target.widths[0])
    builder = _Builder(start.low, start.high)
    inputs = np.arange(start.low.size)
    if effective is not None:
        outputs, scale = builder.pair(target, effective, inputs)
    else:
        f, g = builder.network(target, inputs), builder.network(pruned, inputs)
        largest = np.maximum(builder.high[g] - builder.low[f], builder.high[f] - builder.low[g])
        scale = _power_of_two(float(finite(largest).max()))
        builder.scales.append(scale)
        outputs = builder.affine(
            [(MidRad.point(np.eye(f.size) / scale), g), (MidRad.point(-np.eye(f.size) / scale), f)],
            _zeros(f.size),
        )
    units = [step for step in builder.steps if isinstance(step, Units)]
    pairs = [step for step in builder.steps if isinstance(step, Pairs)]
    return PairModel(
        start.low.size,
        Range(builder.low, builder.high),
        tuple(builder.steps),
        Units(_joined([u.pre for u in units]), _joined([u.post for u in units])),
        Pairs(
            _joined([p.z for p in pairs]),
            _joined([p.y for p in pairs]),
            _joined([p.d for p in pairs]),
            _joined([p.e for p in pairs]),
            np.concatenate([np.zeros(0), *(p.scale for p in pairs)]),
        ),
        outputs,
        scale,
        _equalities([s for s in builder.steps if isinstance(s, Definition)], builder.low.size),
        tuple(builder.scales),
        tuple(builder.halved),
    )


def _equalities(definitions: Sequence[Definition], width: int) -> Equalities:
    """Return the definitions as rows ``v[out] - matrix @ v[inputs] = offset``."""
    rows: list[Any] = []
    columns: list[Any] = []
    values: list[Any] = []
    start = 0
    for definition in definitions:
        at, column = np.nonzero(definition.matrix)
        own = np.arange(definition.out.size)
        rows += [start + own, start + at]
        columns += [definition.out, definition.inputs[column]]
        values += [np.ones(own.size), -definition.matrix[at, column]]
        start += own.size
    matrix = sparse_rows(rows, columns, values, (start, width))
    rhs = MidRad(
        np.concatenate([d.offset.mid for d in definitions]),
        np.concatenate([d.offset.rad for d in definitions]),
    )
    return Equalities(matrix, rhs)


def _scaled(matrix: MidRad, factor: float) -> MidRad:
    """Return the matrix times a power of two: exact but for entries that become subnormal."""
    mid = finite(matrix.mid * factor)
    lost = (np.abs(mid) < 2.0 * TINY) & (matrix.mid != 0.0)
    return MidRad(mid, inflate(matrix.rad * factor + TINY * (lost | (matrix.rad != 0.0)), 2))


def _power_of_two(size: float) -> float:
    """Return a power of two near ``size``, kept away from where float64 ends."""
    return 1.0 if size == 0.0 else float(2.0 ** np.clip(np.frexp(size)[1], -500, 500))


def _zeros(count: int) -> MidRad:
    return MidRad.point(np.zeros(count))


def _joined(parts: Sequence[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

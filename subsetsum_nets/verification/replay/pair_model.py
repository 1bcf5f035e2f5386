"""The mixed-integer model of a pair of networks in exact arithmetic, built from the stored weights.

It has the variables of :class:`~subsetsum_nets.verification.methods.milp.pair_model.PairModel` in the same
order, so that multipliers found there can be used here; its definitions have no radii. The ends of boxes are
float64: what is computed exactly is rounded to the nearest float64 outside. Every step here is monotone in
the box and every floating step rounds outward from it, so that boxes here lie inside those of the floating
model, and bounds from the same multipliers are no larger.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, maximum, row_norms_up, zeros
from subsetsum_nets.verification.replay.combinations import Combination, dot
from subsetsum_nets.verification.replay.forms import scaled_rows
from subsetsum_nets.verification.replay.ranges import ball_center, domain_range
from subsetsum_nets.verification.replay.steps import (
    Definition,
    FloatBox,
    NegativeParts,
    Pairs,
    Step,
    Units,
    floats_up,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.records import ProgramProof
    from subsetsum_nets.verification.replay.layers import ExactLayer


class ExactPairModel:
    """Variables and steps, added one after the other; ``outputs`` are ``(g - f) / scale``.

    Parameters
    ----------
    domain : Box or Ball
    dimension : int
        Of the inputs, the first variables.

    """

    def __init__(self, domain: Domain, dimension: int) -> None:
        start = domain_range(domain, dimension)
        self._ball = domain.ball
        self._dimension = dimension
        self._steps: list[Step] = []
        self.box: FloatBox = FloatBox(-floats_up(-start.low), floats_up(start.high))
        self.outputs: Ints = np.zeros(0, dtype=np.int64)
        self.scale: Fraction = Fraction(1)

    @property
    def units(self) -> list[Units]:
        """Every layer's units."""
        return [step for step in self._steps if isinstance(step, Units)]

    @property
    def pairs(self) -> list[Pairs]:
        """Every layer's pairs."""
        return [step for step in self._steps if isinstance(step, Pairs)]

    # ------------------------------------------------------------ building

    def compare_layers(
        self,
        layers: Sequence[ExactLayer],
        effective: Sequence[ExactLayer],
        relu_after: Sequence[bool],
        scales: Sequence[float],
        halved: Sequence[bool],
    ) -> None:
        """Add f and the difference of g to it, layer by layer.

        Raises
        ------
        ValueError
            If there are not as many scales as layers, if one is no power of two, or if a layer is said not to
            look at parts of its inputs, but does.

        """
        exponents = _exponents(scales, len(layers))
        if len(halved) != len(layers):
            raise ValueError(f"the proof speaks of {len(halved)} layers, the target has {len(layers)}")
        of_f = of_g = np.arange(self._dimension)
        difference: Ints | None = None  # of the inputs: none
        last = 0
        for layer, two_slope, relu, scale, by_parts in zip(
            layers, effective, relu_after, exponents, halved, strict=True
        ):
            error = two_slope.minus(layer)
            z = self._affine([(layer.positive, of_f)], layer.bias)
            blocks = [] if difference is None else [(_shifted(layer.positive, last), difference)]
            if by_parts:
                positive, negative = self._halves(of_g)
                blocks += [(error.positive, positive), (error.negative, negative)]
            elif error.negative is error.positive or bool((self.box.low[of_g] >= 0.0).all()):
                blocks.append((error.positive, of_g))
            else:
                raise ValueError("the proof takes inputs of g for nonnegative that may be negative")
            d = self._affine([(_shifted(m, -scale), v) for m, v in blocks], _shifted(error.bias, -scale))
            one = ExactMatrix.from_floats(np.eye(d.size))
            y = self._affine([(one, z), (_shifted(one, scale), d)], zeros(d.size))
            if relu:
                of_f, of_g, e = self._relu(z), self._relu(y), self._fresh(d.size)
                self._add(Pairs(z, y, d, e))
                link = one.beside(_shifted(one, scale))  # g's value is f's plus s e
                self._add(Definition(of_g, np.concatenate([of_f, e]), link, zeros(d.size)))
                difference = e
            else:
                of_f, of_g, difference = z, y, d
            last = scale
        self.outputs, self.scale = (of_f if difference is None else difference), Fraction(2) ** last

    def compare_outputs(
        self,
        networks: Sequence[tuple[Sequence[ExactLayer], Sequence[bool]]],
        scales: Sequence[float],
    ) -> None:
        """Add f and g, each the layers of a network and where ReLUs follow, and their difference."""
        (exponent,) = _exponents(scales, 1)
        ends = []
        for layers, relu_after in networks:
            x = np.arange(self._dimension)
            for layer, relu in zip(layers, relu_after, strict=True):
                x = self._affine([(layer.positive, x)], layer.bias)
                x = self._relu(x) if relu else x
            ends.append(x)
        f, g = ends
        self.scale = Fraction(2) ** exponent
        one = _shifted(ExactMatrix.from_floats(np.eye(f.size)), -exponent)
        self.outputs = self._affine([(one, g), (-one, f)], zeros(f.size))

    def _fresh(self, count: int) -> Ints:
        start = self.box.low.size
        self.box.low = np.append(self.box.low, np.full(count, -np.inf))
        self.box.high = np.append(self.box.high, np.full(count, np.inf))
        return np.arange(start, start + count)

    def _add(self, step: Step) -> None:
        step.tighten(self.box)
        self._steps.append(step)

    def _affine(self, blocks: Sequence[tuple[ExactMatrix, Ints]], offset: ExactMatrix) -> Ints:
        """Return new variables ``sum of matrix @ v + offset``."""
        out = self._fresh(offset.shape[0])
        joined = blocks[0][0]
        for matrix, _ in blocks[1:]:
            joined = joined.beside(matrix)
        self._add(Definition(out, np.concatenate([v for _, v in blocks]), joined, offset))
        return out

    def _relu(self, pre: Ints) -> Ints:
        post = self._fresh(pre.size)
        self._add(Units(pre, post))
        return post

    def _halves(self, values: Ints) -> tuple[Ints, Ints]:
        """Return the variables max(v, 0) and min(v, 0)."""
        positive = self._relu(values)
        one = ExactMatrix.from_floats(np.eye(values.size))
        negative = self._affine([(one, values), (-one, positive)], zeros(values.size))
        self._add(NegativeParts(values, negative))
        return positive, negative

    # ------------------------------------------------------------ boxes and bounds

    def tightened(self, box: FloatBox) -> FloatBox:
        """Return the box cut down to what interval arithmetic makes of it.

        Raises
        ------
        EmptyBoxError
            If nothing is left.

        """
        box = box.copy()
        for step in self._steps:
            step.tighten(box)
        return box

    def bound(self, linear: ExactMatrix, box: FloatBox, program: ProgramProof | None) -> Fraction:
        """Bound ``max linear @ v`` over a box, with multipliers or from the box alone.

        Raises
        ------
        ValueError
            If the multipliers are not finite, or do not fit the model.

        """
        fixed = Fraction(0)
        if program is not None:
            rows, fixed = self._rows(box, program)
            linear = linear - rows
        ends = box.part(np.arange(linear.shape[0]))
        largest = maximum(scaled_rows(linear, ends.low), scaled_rows(linear, ends.high))
        return fixed + sum(largest.fractions(), Fraction(0))

    def _rows(self, box: FloatBox, program: ProgramProof) -> tuple[ExactMatrix, Fraction]:
        """Return the rows weighted by multipliers, a function of v, and an upper bound of its values."""
        definitions = [step for step in self._steps if isinstance(step, Definition)]
        units, pairs = self.units, self.pairs
        sizes = sum(u.pre.size for u in units), sum(p.d.size for p in pairs)
        k, m = sizes
        slopes = _checked(program.slopes, k + 2 * m, "slopes")
        free = _checked(program.equalities, sum(s.out.size for s in definitions), "multipliers of equalities")
        signed = _checked(program.inequalities, 2 * (k + m), "multipliers of inequalities")
        signed = np.maximum(signed, 0.0)  # only so may rows that hold as inequalities be added up
        total = Combination(box.low.size)
        start = 0
        for step in definitions:
            y = ExactMatrix.from_floats(free[start : start + step.out.size])
            start += step.out.size
            total.add(step.out, y)
            total.add(step.inputs, -(step.matrix.T @ y))
            total.fixed += dot(y, step.offset)
        if k:
            pre, post = (np.concatenate([getattr(u, name) for u in units]) for name in ("pre", "post"))
            below, chord = ExactMatrix.from_floats(signed[:k]), ExactMatrix.from_floats(signed[k : 2 * k])
            total.add(pre, below)  # p - r <= 0
            total.add(post, -below)
            neither = np.zeros(k, dtype=bool)
            total.line(post, pre, chord, slopes[:k], box.part(pre), neither, neither)
        if m:
            z, y_, d, e = (np.concatenate([getattr(p, name) for p in pairs]) for name in "zyde")
            above, under = (ExactMatrix.from_floats(part) for part in np.split(signed[2 * k :], 2))
            most, least = np.split(slopes[k:], 2)
            on, off = box.low[y_] >= 0.0, box.high[y_] <= 0.0
            total.line(e, d, above, most, box.part(d), on, off)
            on, off = box.low[z] >= 0.0, box.high[z] <= 0.0
            total.line(e, d, under, least, box.part(d), on, off, sign=-1)
        if program.direction is not None:
            total.add(np.arange(self._dimension), self._direction(program.direction, total))
        return total.column(), total.fixed

    def _direction(self, given: FloatArray, total: Combination) -> ExactMatrix:
        """Return the function of the inputs that the ball bounds, by Cauchy-Schwarz."""
        if self._ball is None:
            raise ValueError("the proof bounds inputs by a ball, but the domain is a Box")
        direction = ExactMatrix.from_floats(_checked(given, self._dimension, "direction"))
        (norm,) = row_norms_up(direction.T)
        total.fixed += dot(direction, ball_center(self._ball, self._dimension))
        total.fixed += Fraction(self._ball.radius) * norm
        return direction


def _checked(values: FloatArray, count: int, name: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (count,) or not np.isfinite(array).all():
        raise ValueError(f"the proof needs {count} finite {name}, got an array of shape {array.shape}")
    return array


def _exponents(scales: Sequence[float], count: int) -> list[int]:
    """Return n for every scale 2**n."""
    if len(scales) != count:
        raise ValueError(f"the proof has {len(scales)} scales where {count} are needed")
    for scale in scales:
        if not (np.isfinite(scale) and scale > 0.0 and np.frexp(scale)[0] == 0.5):
            raise ValueError(f"a scale must be a power of two, got {scale!r}")
    return [int(np.frexp(scale)[1]) - 1 for scale in scales]


def _shifted(matrix: ExactMatrix, exponent: int) -> ExactMatrix:
    """Return the matrix times ``2**exponent``."""
    return ExactMatrix(matrix.ints, matrix.scale - exponent)

"""Exact affine forms: units as affine functions of the inputs and of error symbols, without any rounding.

What :mod:`~subsetsum_nets.verification.methods.zonotope.affine_forms` and
:mod:`~subsetsum_nets.verification.methods.zonotope.input_features` enclose in floating point, for the replay.
Nothing is rounded, so that there is no radius; only the chords and norms of a ball round, upward.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from subsetsum_nets.verification.replay.arithmetic import BITS, ExactMatrix, entrywise, maximum, positive_part
from subsetsum_nets.verification.replay.ranges import ExactRange, ball_center, ball_reach, domain_range

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Ball, Domain
    from subsetsum_nets.verification.replay.layers import ExactLayer


@dataclass(frozen=True, eq=False)
class ExactFeatures:
    """One column for every input, and a second one for every input that is split into its two parts.

    A coefficient of the first d columns counts where the input is >= 0, or everywhere for an input that is
    not split; a coefficient of the others counts where the split input is <= 0.

    Parameters
    ----------
    box : ExactRange, columns (d, 1)
        The domain, or the smallest box around it.
    split : list of int
        Inputs with ``low < 0 < high`` that are split.
    ball : Ball or None
        The domain, where it is a ball.

    """

    box: ExactRange
    split: list[int]
    ball: Ball | None

    @classmethod
    def of(cls, domain: Domain, dimension: int, *, linear: bool) -> ExactFeatures:
        """Return the features of a domain; nothing is split for a ``linear`` first layer."""
        box = domain_range(domain, dimension)
        signs = zip(box.low.signs(), box.high.signs(), strict=True)
        split = [] if linear else [j for j, (low, high) in enumerate(signs) if low < 0 < high]
        return cls(box, split, domain.ball)

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.box.low.shape[0]

    @property
    def count(self) -> int:
        """Number of features."""
        return self.inputs + len(self.split)

    def coefficients(self, layer: ExactLayer) -> ExactMatrix:
        """Return the layer's weights on the features, shape (d_out, count)."""
        if layer.negative is layer.positive:
            return layer.positive
        both = layer.positive.beside(layer.negative)
        d = self.inputs
        # An input that is never > 0 meets the negative slope only.
        first = [j if high > 0 else d + j for j, high in enumerate(self.box.high.signs())]
        return both.columns([*first, *(d + j for j in self.split)])

    def support(self, coefficients: ExactMatrix) -> ExactRange:
        """Return bounds of every row of ``coefficients @ features`` over the domain; exact over a box."""
        if self.ball is not None:
            return self._ball_support(coefficients, self.ball)
        at_high = coefficients.columns(range(self.inputs)).scaled_columns(self.box.high)
        at_low = coefficients.columns(self._meeting_low()).scaled_columns(self.box.low)
        values = [at_low, at_high]
        if self.split:
            # The value at 0 where the input is split; the value at an end again where it is not.
            split = set(self.split)
            kept = [int(j not in split) for j in range(self.inputs)]
            values.append(at_low.scaled_columns(ExactMatrix.from_ints(kept, (self.inputs, 1), 0)))
        return ExactRange(entrywise(min, *values).row_sums(), entrywise(max, *values).row_sums())

    def chords(self, coefficients: ExactMatrix, slopes: ExactMatrix) -> tuple[ExactMatrix, ExactMatrix]:
        """Return the coefficients of x and of e with ``max(x, 0) = s x + e`` for the split inputs.

        Parameters
        ----------
        coefficients : ExactMatrix, shape (m, count)
        slopes : ExactMatrix, shape (len(split), 1)
            The slopes s.

        """
        above, below = coefficients.columns(self.split), coefficients.columns(range(self.inputs, self.count))
        kinks = above - below
        if not self.split:
            return coefficients, kinks
        # s a + (1 - s) b = b + s (a - b)
        sloped = below + kinks.scaled_columns(slopes)
        joined = coefficients.columns(range(self.inputs)).beside(sloped)
        return joined.columns(self._meeting_low()), kinks

    def split_range(self) -> ExactRange:
        """Return the range of the split inputs."""
        return ExactRange(self.box.low.T.columns(self.split).T, self.box.high.T.columns(self.split).T)

    def _meeting_low(self) -> list[int]:
        """Return, for every input, the column that counts at its lower end."""
        place = {j: self.inputs + k for k, j in enumerate(self.split)}
        return [place.get(j, j) for j in range(self.inputs)]

    def _ball_support(self, coefficients: ExactMatrix, ball: Ball) -> ExactRange:
        """Return the bounds over a ball, by Cauchy-Schwarz.

        A row is a sum of functions h_j of one input each. With G_j >= 0 the largest slope of a chord of h_j
        that starts at the centre c, ``h_j(x) - h_j(c) <= G_j |x - c|``, so that the row exceeds its value at
        the centre by at most ``radius ||G||``; likewise downward.
        """
        center = ball_center(ball, self.inputs)
        at = center.fractions()
        values = [max(c, Fraction(0)) if j in self.split else c for j, c in enumerate(at)]
        values += [min(at[j], Fraction(0)) for j in self.split]
        middle = coefficients @ ExactMatrix.from_fractions(values)
        if not self.split:
            reach = ball_reach(coefficients, ball)
            return ExactRange(middle - reach, middle + reach)
        down = ball_reach(self._chord_slopes(-coefficients, center), ball)
        up = ball_reach(self._chord_slopes(coefficients, center), ball)
        return ExactRange(middle - down, middle + up)

    def _chord_slopes(self, coefficients: ExactMatrix, center: ExactMatrix) -> ExactMatrix:
        """Return upper bounds G of the chord slopes, shape (m, d)."""
        place = {j: self.inputs + k for k, j in enumerate(self.split)}
        ends = entrywise(lambda c, low, high: -low if c >= 0 else high, center, self.box.low, self.box.high)
        aligned = entrywise(lambda e, _: e, ends, center), entrywise(lambda _, c: c, ends, center)
        beyond, start = (column.ints.entries() for column in aligned)  # both over one scale
        slopes = []
        for row in coefficients.ints.tolist():
            for j in range(self.inputs):
                if j not in place:
                    slopes.append(abs(row[j]) << BITS)
                    continue
                # Moving away from 0 the slope is ``near``; towards 0 it is -near, and beyond 0, where each
                # step counts ``far``, the chord is steepest at 0 or at the end.
                c = start[j]
                near, far = (row[j], -row[place[j]]) if c >= 0 else (-row[place[j]], row[j])
                way = beyond[j] + abs(c)
                chord = -((-(far * beyond[j] - near * abs(c)) << BITS) // way)  # rounded up
                slopes.append(max(near << BITS, chord, (-near << BITS) if c != 0 else 0, 0))
        return ExactMatrix.from_ints(slopes, (coefficients.shape[0], self.inputs), coefficients.scale + BITS)


@dataclass(frozen=True, eq=False)
class ExactForms:
    """All values ``centre + joint @ (features, symbols) + own @ (own symbols)`` with symbols in [-1, 1].

    Forms with the same ``joint`` columns share the symbols of these columns.

    Parameters
    ----------
    features : ExactFeatures
    centre : ExactMatrix, shape (m, 1)
    joint : ExactMatrix, shape (m, features and shared symbols)
    own : ExactMatrix, shape (m, own symbols)

    """

    features: ExactFeatures
    centre: ExactMatrix
    joint: ExactMatrix
    own: ExactMatrix

    @classmethod
    def first(cls, features: ExactFeatures, layer: ExactLayer) -> ExactForms:
        """Return the forms of a first layer."""
        none = ExactMatrix.from_ints([], (layer.bias.shape[0], 0), 0)
        return cls(features, layer.bias, features.coefficients(layer), none)

    def coefficients(self) -> ExactMatrix:
        """Return the columns of the features."""
        return self.joint.columns(range(self.features.count))

    def symbols(self) -> ExactMatrix:
        """Return the columns of all symbols, shared and own."""
        shared = self.joint.columns(range(self.features.count, self.joint.shape[1]))
        return shared.beside(self.own)

    def range(self) -> ExactRange:
        """Return bounds of every unit."""
        of_inputs = self.features.support(self.coefficients())
        spread = abs(self.symbols()).row_sums()
        return ExactRange(self.centre + of_inputs.low - spread, self.centre + of_inputs.high + spread)

    def minus(self, other: ExactForms) -> ExactForms:
        """Return ``self - other``, of which only ``other`` has own symbols."""
        return ExactForms(self.features, self.centre - other.centre, self.joint - other.joint, -other.own)

    def scaled(self, factors: ExactMatrix) -> ExactForms:
        """Return the forms with unit i multiplied by ``factors[i]``."""
        return ExactForms(
            self.features,
            *(scaled_rows(matrix, factors) for matrix in (self.centre, self.joint, self.own)),
        )

    def plus(self, other: ExactForms) -> ExactForms:
        """Return the sum; ``other`` has no own symbols."""
        return ExactForms(self.features, self.centre + other.centre, self.joint + other.joint, self.own)

    def mapped(self, weight: ExactMatrix) -> ExactForms:
        """Return ``weight @ self``."""
        return ExactForms(self.features, weight @ self.centre, weight @ self.joint, weight @ self.own)

    def shifted(self, constant: ExactMatrix) -> ExactForms:
        """Return the forms plus a constant for each unit."""
        return ExactForms(self.features, self.centre + constant, self.joint, self.own)

    def with_shared(self, coefficients: ExactMatrix, units: Sequence[int]) -> ExactForms:
        """Add a joint column for each of ``units``, with ``coefficients[i]`` in its own row."""
        columns = diagonal(coefficients).columns(units)
        return ExactForms(self.features, self.centre, self.joint.beside(columns), self.own)

    def with_own(self, coefficients: ExactMatrix) -> ExactForms:
        """Add an own column for each nonzero coefficient."""
        units = [i for i, sign in enumerate(coefficients.signs()) if sign]
        columns = diagonal(coefficients).columns(units)
        return ExactForms(self.features, self.centre, self.joint, self.own.beside(columns))


def diagonal(values: ExactMatrix) -> ExactMatrix:
    """Return the square matrix with a column on its diagonal."""
    n = values.shape[0]
    numbers = [0] * (n * n)
    numbers[:: n + 1] = values.ints.entries()
    return ExactMatrix.from_ints(numbers, (n, n), values.scale)


def error_of_relu(before: ExactRange, slope: ExactMatrix) -> ExactMatrix:
    """Return the largest ``max(z, 0) - slope z`` over each range, for slopes in [0, 1]; the least is >= 0."""
    below = scaled_rows(positive_part(-before.low), slope)
    return maximum(below, scaled_rows(positive_part(before.high), complement(slope)))


def complement(slope: ExactMatrix) -> ExactMatrix:
    """Return 1 - slope."""
    return ExactMatrix.from_ints([1] * slope.shape[0], slope.shape, 0) - slope


def scaled_rows(matrix: ExactMatrix, factors: ExactMatrix) -> ExactMatrix:
    """Return the matrix with row i multiplied by ``factors[i]``, a column."""
    return matrix.T.scaled_columns(factors).T


def where(chosen: Sequence[bool], values: ExactMatrix, others: ExactMatrix) -> ExactMatrix:
    """Return the rows of ``values`` where chosen, those of ``others`` elsewhere."""
    picked = ExactMatrix.from_ints([int(bool(c)) for c in chosen], (len(chosen), 1), 0)
    return scaled_rows(values, picked) + scaled_rows(others, complement(picked))

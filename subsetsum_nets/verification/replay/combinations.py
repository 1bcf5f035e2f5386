"""Sums of rows with multipliers, in exact arithmetic: weak duality for :mod:`.pair_model`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, maximum, minimum, positive_part, zeros
from subsetsum_nets.verification.replay.forms import scaled_rows, where
from subsetsum_nets.verification.replay.ranges import ExactRange

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


class Combination:
    """A sum of functions of a few variables each, and an upper bound of its values."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._parts: list[ExactMatrix] = [zeros(size)]
        self.fixed: Fraction = Fraction(0)

    def add(self, indices: Ints, values: ExactMatrix) -> None:
        """Add a function of some variables, a column of coefficients."""
        numbers: list[Any] = [0] * self._size
        for index, number in zip(indices.tolist(), values.ints.entries(), strict=True):
            numbers[index] += number
        self._parts.append(ExactMatrix.from_ints(numbers, (self._size, 1), values.scale))

    def line(
        self,
        above: Ints,
        under: Ints,
        multipliers: ExactMatrix,
        slopes: FloatArray,
        x: ExactRange,
        on: Bools,
        off: Bools,
        *,
        sign: int = 1,
    ) -> None:
        """Add rows ``s r - t s x <= b``, where s r <= max(s x, 0), and <= s x if ``on``, <= 0 if ``off``.

        The smallest b is taken: over an interval the ends decide, whatever the slopes t.
        """
        t, weights = ExactMatrix.from_floats(slopes), multipliers
        if sign < 0:
            x = ExactRange(-x.high, -x.low)
            weights = -multipliers
        sloped = [scaled_rows(t, end) for end in (x.low, x.high)]
        b, by_x, by_zero = (
            maximum(*(value - line for value, line in zip(values, sloped, strict=True)))
            for values in (
                (positive_part(x.low), positive_part(x.high)),
                (x.low, x.high),
                (zeros(on.size), zeros(on.size)),
            )
        )
        b = where(on.tolist(), minimum(b, by_x), b)
        b = where(off.tolist(), minimum(b, by_zero), b)
        self.add(above, weights)
        self.add(under, -scaled_rows(t, weights))
        self.fixed += dot(multipliers, b)

    def column(self) -> ExactMatrix:
        """Return the coefficients of the sum, a column."""
        total, *others = self._parts
        for part in others:
            total = total + part
        return total


def dot(a: ExactMatrix, b: ExactMatrix) -> Fraction:
    """Return the sum of the products of two columns."""
    return (a.T @ b).fractions()[0]

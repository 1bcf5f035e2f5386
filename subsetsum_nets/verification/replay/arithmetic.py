"""Exact matrices for the replay of bounds: integers of any size times a common power of two.

A float64 is an integer times a power of two, so sums, products and maxima of stored weights are exact here;
only square roots and quotients round, outward, to many more bits than float64 has. Independent of
:mod:`~subsetsum_nets.verification.enclosures.midrad`, which it is there to check.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subsetsum_nets.networks.arrays import Ints

BITS = 128  # significant bits of square roots and quotients


@dataclass(frozen=True, eq=False)
class ExactMatrix:
    """The matrix ``ints / 2**scale``; vectors are matrices of one column.

    Parameters
    ----------
    ints : flint.fmpz_mat, shape (m, n)
    scale : int
        May be negative.

    Examples
    --------
    >>> a = ExactMatrix.from_floats(np.array([[0.1, -2.0], [1e300, 5e-324]]))
    >>> (a @ a.T).fractions()[0] == Fraction(0.1) ** 2 + 4
    True

    """

    ints: Any
    scale: int

    @classmethod
    def from_floats(cls, values: Any) -> ExactMatrix:
        """Return a float64 array (n,) or (m, n) exactly; a vector becomes a column."""
        array = np.asarray(values, dtype=np.float64)
        numbers, scale = integers(array)
        return cls.from_ints(numbers, array.shape if array.ndim == 2 else (array.size, 1), scale)

    @classmethod
    def from_ints(cls, numbers: Sequence[Any], shape: tuple[int, ...], scale: int) -> ExactMatrix:
        """Return ``numbers / 2**scale``, given row by row."""
        from flint import fmpz_mat

        return cls(fmpz_mat(shape[0], shape[1], numbers), scale)

    @classmethod
    def from_fractions(cls, values: Sequence[Fraction]) -> ExactMatrix:
        """Return a column of fractions whose denominators are powers of two."""
        scale = max((v.denominator.bit_length() - 1 for v in values), default=0)
        return cls.from_ints([int(v * (1 << scale)) for v in values], (len(values), 1), scale)

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and columns."""
        return self.ints.nrows(), self.ints.ncols()

    @property
    def T(self) -> ExactMatrix:  # noqa: N802 - as in numpy
        """The transpose."""
        return ExactMatrix(self.ints.transpose(), self.scale)

    def __matmul__(self, other: ExactMatrix) -> ExactMatrix:
        return ExactMatrix(self.ints * other.ints, self.scale + other.scale)

    def __add__(self, other: ExactMatrix) -> ExactMatrix:
        (a, b), scale = _aligned(self, other)
        return ExactMatrix(a + b, scale)

    def __sub__(self, other: ExactMatrix) -> ExactMatrix:
        (a, b), scale = _aligned(self, other)
        return ExactMatrix(a - b, scale)

    def __neg__(self) -> ExactMatrix:
        return ExactMatrix(-self.ints, self.scale)

    def __abs__(self) -> ExactMatrix:
        return entrywise(abs, self)

    def scaled_columns(self, factors: ExactMatrix) -> ExactMatrix:
        """Return the matrix with column j multiplied by ``factors[j]``, a column (n, 1)."""
        numbers, by = self.ints.entries(), factors.ints.entries()
        width = self.shape[1]
        if len(by) != width:
            raise ValueError(f"got {len(by)} factors for {width} columns")
        return ExactMatrix.from_ints(
            [number * by[k % width] for k, number in enumerate(numbers)],
            self.shape,
            self.scale + factors.scale,
        )

    def columns(self, chosen: Sequence[int]) -> ExactMatrix:
        """Return the matrix of the chosen columns."""
        rows = self.ints.tolist()
        return ExactMatrix.from_ints(
            [row[j] for row in rows for j in chosen], (self.shape[0], len(chosen)), self.scale
        )

    def beside(self, other: ExactMatrix) -> ExactMatrix:
        """Return ``[self other]``."""
        (a, b), scale = _aligned(self, other)
        rows = zip(a.tolist(), b.tolist(), strict=True)
        width = self.shape[1] + other.shape[1]
        return ExactMatrix.from_ints(
            [x for left, right in rows for x in (*left, *right)], (self.shape[0], width), scale
        )

    def row_sums(self) -> ExactMatrix:
        """Return the sums of the rows, a column."""
        ones = ExactMatrix.from_ints([1] * self.shape[1], (self.shape[1], 1), 0)
        return self @ ones

    def signs(self) -> list[int]:
        """Return -1, 0 or 1 for every entry, row by row."""
        return [(x > 0) - (x < 0) for x in self.ints.entries()]

    def fractions(self) -> list[Fraction]:
        """Return the entries, row by row."""
        factor = Fraction(1, 1 << self.scale) if self.scale >= 0 else Fraction(1 << -self.scale)
        return [int(x) * factor for x in self.ints.entries()]


def integers(values: Any) -> tuple[list[int], int]:
    """Return (numbers, scale) with ``values == numbers / 2**scale`` exactly, for a finite float64 array.

    Raises
    ------
    ValueError
        If a value is not finite.

    Examples
    --------
    >>> integers(np.array([0.75, -2.0]))
    ([3, -8], 2)

    """
    numbers, shifts, scale = dyadic(values)
    return [number << shift for number, shift in zip(numbers.tolist(), shifts.tolist(), strict=True)], scale


def dyadic(values: Any) -> tuple[Ints, Ints, int]:
    """Return (numbers, shifts, scale) with ``values == numbers * 2**shifts / 2**scale``, the shifts >= 0."""
    array = np.asarray(values, dtype=np.float64).ravel()
    if not np.isfinite(array).all():
        raise ValueError("only finite numbers are exact")
    mantissas, exponents = np.frexp(array)
    numbers = np.ldexp(mantissas, 53).astype(np.int64)
    used = numbers != 0
    # The lowest set bit of every number, so that weights on a coarse grid stay small.
    trailing = np.frexp(np.where(used, numbers & -numbers, 1).astype(np.float64))[1] - 1
    places = 53 - exponents - trailing
    scale = int(places[used].max()) if used.any() else 0
    return numbers >> trailing, np.where(used, scale - places, 0), scale


def zeros(rows: int) -> ExactMatrix:
    """Return a column of zeros."""
    return ExactMatrix.from_ints([0] * rows, (rows, 1), 0)


def entrywise(function: Callable[..., Any], *matrices: ExactMatrix) -> ExactMatrix:
    """Return ``function`` of the entries; it must be homogeneous, such as max, min, abs or a sum."""
    aligned, scale = _aligned(*matrices)
    numbers = [function(*entries) for entries in zip(*(a.entries() for a in aligned), strict=True)]
    return ExactMatrix.from_ints(numbers, matrices[0].shape, scale)


def maximum(a: ExactMatrix, b: ExactMatrix) -> ExactMatrix:
    """Return the larger of each two entries."""
    return entrywise(max, a, b)


def minimum(a: ExactMatrix, b: ExactMatrix) -> ExactMatrix:
    """Return the smaller of each two entries."""
    return entrywise(min, a, b)


def half(values: ExactMatrix) -> ExactMatrix:
    """Return the matrix divided by 2."""
    return ExactMatrix(values.ints, values.scale + 1)


def positive_part(a: ExactMatrix) -> ExactMatrix:
    """Return max(a, 0)."""
    return entrywise(lambda x: max(x, 0), a)


def root_up(square: Fraction) -> Fraction:
    """Return an upper bound of the square root, exact where the root is short.

    Examples
    --------
    >>> root_up(Fraction(9, 4)), 0 < root_up(Fraction(2)) ** 2 - 2 < Fraction(1, 2**120)
    (Fraction(3, 2), True)

    """
    if square == 0:
        return Fraction(0)
    size = square.numerator.bit_length() - square.denominator.bit_length()
    shift = BITS - size // 2  # the root of square * 4**shift has about BITS bits
    scaled = square * (1 << 2 * shift) if shift >= 0 else square / (1 << -2 * shift)
    floor = math.isqrt(math.floor(scaled))
    root = floor if floor * floor == scaled else floor + 1
    return Fraction(root, 1 << shift) if shift >= 0 else Fraction(root << -shift)


def quotient_down(numerator: Fraction, denominator: Fraction) -> Fraction:
    """Return a lower bound of a nonnegative quotient, a multiple of 2**-128."""
    return Fraction(math.floor(numerator * (1 << BITS) / denominator), 1 << BITS)


def row_norms_up(matrix: ExactMatrix) -> list[Fraction]:
    """Return upper bounds of the l2 norms of the rows."""
    factor = Fraction(2) ** (-2 * matrix.scale)
    return [root_up(int(sum(x * x for x in row)) * factor) for row in matrix.ints.tolist()]


def norm_up(values: ExactMatrix, norm: str) -> Fraction:
    """Return an upper bound of the "l2", "linf" or "l1" norm of a column, exact but for the root of "l2"."""
    magnitudes = abs(values).fractions()
    if norm == "linf":
        return max(magnitudes)
    if norm == "l1":
        return sum(magnitudes, Fraction(0))
    return root_up(sum((x * x for x in magnitudes), Fraction(0)))


def float_up(value: Fraction) -> float:
    """Return the smallest float64 that is >= ``value``; inf beyond the largest.

    Examples
    --------
    >>> float_up(Fraction(1, 10)) >= Fraction(1, 10), float_up(Fraction(1, 2)), float_up(Fraction(10) ** 400)
    (True, 0.5, inf)

    """
    try:
        nearest = value.numerator / value.denominator
    except OverflowError:
        return math.inf
    return nearest if Fraction(nearest) >= value else math.nextafter(nearest, math.inf)


def _aligned(*matrices: ExactMatrix) -> tuple[list[Any], int]:
    """Return the integers of all matrices over one scale."""
    scale = max(matrix.scale for matrix in matrices)
    return [
        matrix.ints if matrix.scale == scale else matrix.ints * (1 << (scale - matrix.scale))
        for matrix in matrices
    ], scale

"""Exact arithmetic: every number is the rational it stores, and a whole instance is an integer instance.

A float64 is an integer times a power of two, so a subset-sum instance over floats, integers and fractions
becomes one over integers after division by a common unit. All claims in this package are made in those
integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from operator import lshift
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.arguments import is_whole
from solvers.arrays import one_number, positional
from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def as_fraction(value: Any, what: str) -> Fraction:
    """Return the exact value of a float, integer, Fraction, Decimal, NumPy scalar or 0-d array.

    InvalidProblemError for NaN, infinities, booleans, strings, complex numbers: all without an exact ratio.
    """
    if not hasattr(value, "as_integer_ratio"):
        value = one_number(value)
    if is_whole(value) and not isinstance(value, int):
        return Fraction(int(value))
    if isinstance(value, (bool, type)) or not hasattr(value, "as_integer_ratio"):
        raise InvalidProblemError(f"{what} is {value!r}, not a number (float, int or Fraction)")
    try:
        numerator, denominator = value.as_integer_ratio()
    except (ValueError, OverflowError) as error:  # NaN and infinities have no ratio
        raise InvalidProblemError(f"{what} is {value!r}; it must be finite") from error
    return Fraction(int(numerator), int(denominator))


def float_up(value: Fraction) -> float:
    """Return the smallest float64 that is at least ``value`` (``inf`` past the largest one).

    >>> float_up(Fraction(1, 3)) > Fraction(1, 3) > float_down(Fraction(1, 3))
    True
    """
    nearest = _nearest_float(value)
    return math.nextafter(nearest, math.inf) if nearest == -math.inf or nearest < value else nearest


def float_down(value: Fraction) -> float:
    """Return the largest float64 that is at most ``value`` (``-inf`` past the smallest one)."""
    return 0.0 - float_up(-value)  # not -0.0 for zero


def _nearest_float(value: Fraction) -> float:
    try:
        return value.numerator / value.denominator  # int / int rounds correctly
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def exact_array(values: Any, what: str = "the numbers") -> NDArray[Any]:
    """Return an array-like as an array, by position; of Python numbers where float64 would round some.

    NumPy makes float64 of a list of floats and integers, however large the integers are.
    """
    values = positional(values, what)
    array = np.asarray(values)
    if array.dtype.kind != "f" or isinstance(values, np.ndarray):
        return array
    given = np.array(values, dtype=object)
    wide = any(isinstance(x, (int, np.integer)) and abs(int(x)) > 2**53 for x in given.flat)
    return given if wide else array


def exact_sum(words: NDArray[np.int64]) -> int:
    """Return the exact sum of fewer than 2^31 int64 numbers, whatever its size."""
    return (int((words >> 32).sum()) << 32) + int((words & 0xFFFF_FFFF).sum())


MANY = 1 << 10  # from so many items on, NumPy is faster than Python's integers


@dataclass(frozen=True)
class IntegerImage:
    """An instance on its common grid: item i is exactly ``items[i] * unit``, the target ``target * unit``.

    Attributes
    ----------
    items : tuple of n tuples of d integers
    target : tuple of d integers
    unit : Fraction
        The largest rational of which every item and the target are integer multiples.

    """

    items: tuple[tuple[int, ...], ...]
    target: tuple[int, ...]
    unit: Fraction

    @cached_property
    def words(self) -> NDArray[np.int64] | None:
        """The items as int64, shape (n, d), where each of them fits; None where one does not."""
        try:
            words = np.array(self.items, dtype=np.int64)
        except OverflowError:
            return None
        return None if (words == np.iinfo(np.int64).min).any() else words  # it has no absolute value

    @property
    def columns(self) -> list[NDArray[np.int64]] | None:
        """The coordinates of the items, an array each, of many items that fit a machine word; else None."""
        many = len(self.items) >= MANY and self.words is not None
        return list(self.words.T) if many and self.words is not None else None

    @cached_property
    def magnitude(self) -> int:
        """The largest, over the dimensions, of the sum of all absolute items and the absolute target."""
        if self.columns is not None:
            return max(exact_sum(abs(x)) + abs(t) for x, t in zip(self.columns, self.target, strict=True))
        columns: Iterable[tuple[int, ...]] = zip(*self.items, strict=True)
        return max(sum(map(abs, x)) + abs(t) for x, t in zip(columns, self.target, strict=True))

    def total(self, subset: Iterable[int]) -> tuple[int, ...]:
        """Return the sum of the chosen items, in units."""
        if self.columns is not None and self.words is not None:
            places = subset if isinstance(subset, np.ndarray) else np.array(list(subset), np.int64)
            return tuple(map(exact_sum, self.words[places].T))
        chosen = [self.items[i] for i in (subset.tolist() if isinstance(subset, np.ndarray) else subset)]
        return tuple(map(sum, zip(*chosen, strict=True))) if chosen else (0,) * len(self.target)

    def error(self, subset: Iterable[int]) -> int:
        """Return the max-norm distance of the subset's sum to the target, in units."""
        total = self.total(subset)
        return max(abs(s - t) for s, t in zip(total, self.target, strict=True))

    def floor(self, value: Fraction) -> int:
        """Return the whole units in ``value``; an error is <= ``value`` iff its units are <= this."""
        return math.floor(value / self.unit)


def image_of_words(numbers: NDArray[Any], target: Sequence[Fraction]) -> IntegerImage | None:
    """Return what :func:`integer_image` does for an array of float64 or int64 numbers, shape (n, d).

    None where it is of no use: all items are zero, or one has no absolute value.
    """
    wholes, exponent = _wholes(numbers)
    largest = int(abs(wholes).max())  # of -2^63 it is negative
    if largest <= 0:
        return None
    divisor = int(np.gcd.reduce(wholes, axis=None)) if wholes.dtype != object else math.gcd(*wholes.flat)
    step = divisor * Fraction(2) ** exponent  # the items' own grid; the common one is a part of it
    unit = _common_step([step, *target])
    factor = int(step / unit)
    if wholes.dtype != object and largest // divisor * factor >= 1 << 63:
        wholes = wholes.astype(object)
    if divisor != 1:
        wholes = wholes // divisor
    if factor != 1:
        wholes = wholes * factor
    items = tuple(zip(*wholes.T.tolist(), strict=True))
    image = IntegerImage(items, tuple(int(t / unit) for t in target), unit)
    image.__dict__["words"] = wholes if wholes.dtype != object else None
    return image


def _common_step(steps: Sequence[Fraction]) -> Fraction:
    """Return the largest rational of which all of these are multiples."""
    denominator = math.lcm(*(x.denominator for x in steps))
    return Fraction(math.gcd(*(x.numerator * (denominator // x.denominator) for x in steps)), denominator)


def _wholes(numbers: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Write numbers as integers, int64 or Python's, times a common power of two."""
    if numbers.dtype != np.float64:
        return numbers, 0
    fractions, exponents = np.frexp(numbers)
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    # A mantissa's lowest bit is a power of two, which floats hold exactly.
    spare = np.frexp((mantissas & -mantissas).astype(np.float64))[1] - 1
    exponents = np.where(mantissas == 0, 1 << 20, exponents.astype(np.int64) - 53 + spare)
    lowest = int(exponents.min())
    mantissas >>= np.maximum(spare, 0)
    shifts = np.where(mantissas == 0, 0, exponents - lowest)
    if int((np.frexp(abs(mantissas).astype(np.float64))[1] + shifts).max()) <= 62:
        return mantissas << shifts, lowest
    wide = np.empty(mantissas.size, object)
    wide[:] = list(map(lshift, mantissas.ravel().tolist(), shifts.ravel().tolist()))
    return wide.reshape(mantissas.shape), lowest


_MOST_BITS = 1 << 29  # of all integers of an image together


def integer_image(items: Sequence[Sequence[Fraction]], target: Sequence[Fraction]) -> IntegerImage:
    """Bring all items and the target to their coarsest common grid.

    InvalidProblemError if that takes more than 64 MiB: denominators that have little in common.
    """
    numbers = [x for item in items for x in item] + list(target)
    denominator = 1
    for part in {x.denominator for x in numbers}:
        denominator = math.lcm(denominator, part)
        if denominator.bit_length() * len(numbers) > _MOST_BITS:
            raise InvalidProblemError(
                f"the common denominator of {len(numbers):,} numbers has {denominator.bit_length():,} bits "
                "or more; round them, to multiples of a power of two or ten, say"
            )
    integers = [x.numerator * (denominator // x.denominator) for x in numbers]
    divisor = math.gcd(*integers) or 1
    d = len(target)
    reduced = [x // divisor for x in integers]
    rows = tuple(tuple(reduced[k : k + d]) for k in range(0, len(reduced), d))
    return IntegerImage(rows[:-1], rows[-1], Fraction(divisor, denominator))

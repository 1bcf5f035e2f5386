"""Exact arithmetic: every number is the rational it stores, and a whole instance is an integer instance.

A float64 is an integer times a power of two, so a subset-sum instance over floats, integers and fractions
becomes one over integers after division by a common unit. All claims in this package are made in those
integers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.arrays import one_number, positional
from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


def as_fraction(value: Any, what: str) -> Fraction:
    """Return the exact value of a float, integer, Fraction, Decimal, NumPy scalar or 0-d array.

    Raises
    ------
    InvalidProblemError
        For NaN, infinities, booleans, strings, complex numbers and anything else without an exact ratio.

    """
    if not hasattr(value, "as_integer_ratio"):
        value = one_number(value)
    if isinstance(value, np.integer) and not isinstance(value, np.timedelta64):
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

    @property
    def magnitude(self) -> int:
        """The largest, over the dimensions, of the sum of all absolute items and the absolute target."""
        return max(
            sum(abs(item[k]) for item in self.items) + abs(self.target[k]) for k in range(len(self.target))
        )

    def total(self, subset: Iterable[int]) -> tuple[int, ...]:
        """Return the sum of the chosen items, in units."""
        chosen = [self.items[i] for i in subset]
        return tuple(sum(item[k] for item in chosen) for k in range(len(self.target)))

    def error(self, subset: Iterable[int]) -> int:
        """Return the max-norm distance of the subset's sum to the target, in units."""
        total = self.total(subset)
        return max(abs(s - t) for s, t in zip(total, self.target, strict=True))

    def floor(self, value: Fraction) -> int:
        """Return the whole units in ``value``; an error is <= ``value`` iff its units are <= this."""
        return math.floor(value / self.unit)


def integer_image(items: Sequence[Sequence[Fraction]], target: Sequence[Fraction]) -> IntegerImage:
    """Bring all items and the target to their coarsest common grid."""
    numbers = [x for item in items for x in item] + list(target)
    denominator = math.lcm(*(x.denominator for x in numbers))
    integers = [x.numerator * (denominator // x.denominator) for x in numbers]
    divisor = math.gcd(*integers) or 1
    d = len(target)
    reduced = [x // divisor for x in integers]
    rows = tuple(tuple(reduced[k : k + d]) for k in range(0, len(reduced), d))
    return IntegerImage(rows[:-1], rows[-1], Fraction(divisor, denominator))

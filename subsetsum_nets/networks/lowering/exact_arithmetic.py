"""Whether sums and products of float64 are exact, entry by entry; and products that must round, rounded once.

What is folded here changes the weights of a network that proofs speak of. So a fold is done where these
functions prove that float64 holds its result, and elsewhere refused by returning None. Only a factor that is
no float64 itself (a :class:`Factor` with a rest: 1/3, say) may round, once a weight and within
``ROUNDING`` of the exact product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from subsetsum_nets.networks.arrays import FloatArray, Ints

ROUNDING = 2.0**-53 * (1 + 2.0**-40)
"""Largest relative error of a fold with a factor that float64 cannot hold."""

_SMALLEST_NORMAL = 2.0**-1022
_SAFE = 2.0**-900, 2.0**900  # of products whose error term is itself exact
_HALVES = 2.0**27 + 1.0


@dataclass(frozen=True, eq=False)
class Factor:
    """Numbers to multiply by: ``high + low``, the second within 2**-53 of the first, or None for nothing.

    With ``low`` the pair is within 2**-104 of what is meant, relatively; without, it is what is meant.
    """

    high: FloatArray
    low: FloatArray | None = None

    def changed(self, *steps: Any) -> Factor:
        """Return the factor with every step (a function of arrays) done to both parts."""
        high, low = self.high, self.low
        for step in steps:
            high, low = step(high), None if low is None else step(low)
        return Factor(high, low)


def factor_of(numbers: Iterable[Fraction], shape: tuple[int, ...]) -> Factor:
    """Return numbers as a factor: each as the nearest float64, and the rest where there is one.

    >>> from fractions import Fraction
    >>> factor_of([Fraction(1, 4)], (1,)).low is None, factor_of([Fraction(1, 3)], (1,)).low is None
    (True, False)
    """
    from fractions import Fraction

    exact = list(numbers)
    high = [float(number) for number in exact]
    low = [float(number - Fraction(near)) for number, near in zip(exact, high, strict=True)]
    rest = np.array(low).reshape(shape) if any(low) else None
    return Factor(np.array(high).reshape(shape), rest)


def exact_sum(a: FloatArray, b: FloatArray) -> FloatArray | None:
    """Return ``a + b``, arrays that broadcast, or None if float64 would round an entry.

    >>> exact_sum(np.array([1.0]), np.array([2.0])), exact_sum(np.array([1.0]), np.array([2.0**-60]))
    (array([3.]), None)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total: FloatArray = a + b
        part = total - a
        error = (a - (total - part)) + (b - part)
    return total if bool(np.all(error == 0.0)) else None


def exact_product(a: FloatArray, b: FloatArray) -> FloatArray | None:
    """Return ``a * b``, arrays that broadcast, or None if float64 may round an entry.

    >>> exact_product(np.array([0.1]), np.array([0.25])), exact_product(np.array([0.1]), np.array([0.1]))
    (array([0.025]), None)
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        product: FloatArray = a * b
    size = np.abs(product)
    held = (size >= _SMALLEST_NORMAL) & np.isfinite(product)
    zero = (a == 0.0) | (b == 0.0)
    unit = (np.abs(a) == 1.0) | (np.abs(b) == 1.0)
    short = significant_bits(a) + significant_bits(b) <= 53
    return product if bool(np.all(zero | unit | (held & short))) else None


def product(numbers: FloatArray, factor: Factor) -> tuple[FloatArray, float] | None:
    """Return ``factor * numbers`` and the largest relative error: 0.0, or ``ROUNDING`` if it has a rest.

    None where the first would not hold: float64 rounds a product that has an exact value, or numbers are so
    large or small that no relative error can be promised.

    >>> third = Factor(np.array([1 / 3]), np.array([2.0**-54 / 3]))
    >>> product(np.array([3.0]), third)[0]
    array([1.])
    """
    if factor.low is None:
        exact = exact_product(numbers, factor.high)
        return None if exact is None else (exact, 0.0)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        near: FloatArray = numbers * factor.high
        size = np.abs(near)
        safe = (size > _SAFE[0]) & (size < _SAFE[1]) & (np.abs(numbers) < _SAFE[1])
        if not bool(np.all(safe | (numbers == 0.0) | (factor.high == 0.0))):
            return None
        rest = _error(numbers, factor.high, near) + numbers * factor.low
    return near + rest, ROUNDING


def significant_bits(numbers: FloatArray) -> Ints:
    """Return for each number how many binary digits it has from its first 1 to its last; 0 for 0.

    >>> significant_bits(np.array([0.75, 1024.0, 0.1, 0.0]))
    array([ 2,  1, 52,  0])
    """
    mantissa, _ = np.frexp(numbers)
    whole = np.abs(mantissa * 2.0**53).astype(np.int64)
    lowest = (whole & -whole).astype(np.float64)
    bits: Ints = np.where(whole == 0, 0, 54 - np.frexp(np.maximum(lowest, 1.0))[1].astype(np.int64))
    return bits


def _error(a: FloatArray, b: FloatArray, near: FloatArray) -> FloatArray:
    """Return ``a b - near`` exactly, by Dekker's product (Numerische Mathematik 18, 1971)."""
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    return a_low * b_low - (((near - a_high * b_high) - a_low * b_high) - a_high * b_low)


def _split(numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
    scaled = _HALVES * numbers
    high: FloatArray = scaled - (scaled - numbers)
    return high, numbers - high

"""Floats that were decimals: whether rounding them is all that keeps a subset from its target.

0.1 + 0.2 is not 0.3 in float64, so cents given as floats, with a tolerance of 0, miss by some 1e-17. That is
exact and seldom meant.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from solvers.problem import SubsetSum

_DIGITS = 15  # that every decimal keeps on its way through float64
_LOOKED_AT = 1 << 10  # items
_SINGLE_DIGITS = 6  # and through float32


def misses_by_rounding(problem: SubsetSum, subset: list[int]) -> bool:
    """Tell whether the subset meets the tolerance once every float is the decimal that it came from.

    Or once it is anything that is rounded to this float: a third, say.

    >>> from solvers.problem import SubsetSum
    >>> misses_by_rounding(SubsetSum([0.1, 0.2], 0.3, tolerance=0), [0, 1])
    True
    >>> misses_by_rounding(SubsetSum([1, 2], 4, tolerance=0), [0, 1])
    False
    """
    if problem.tolerance is None or problem.interval is not None or not _has_floats(problem, subset):
        return False
    rows = np.asarray(problem.items[subset]).reshape(len(subset), problem.d).tolist()
    goals = problem.target if isinstance(problem.target, tuple) else (problem.target,)
    limits = problem.tolerances or (problem.tolerance,) * problem.d
    return all(
        _is_near([row[k] for row in rows], goal, limit)
        for k, (goal, limit) in enumerate(zip(goals, limits, strict=True))
    )


def are_decimals(problem: SubsetSum) -> bool:
    """Tell whether the items are floats that look like decimals, not all of them whole.

    >>> from solvers.problem import SubsetSum
    >>> are_decimals(SubsetSum([0.1, 2.0], 3)), are_decimals(SubsetSum([0.1, 2 / 3], 3))
    (True, False)
    """
    numbers = [x for x in problem.items[:_LOOKED_AT].ravel().tolist() if isinstance(x, float)]
    whole = all(x.is_integer() for x in numbers)
    return not whole and all(float(f"{x:.{_DIGITS}g}") == x for x in numbers)


def _has_floats(problem: SubsetSum, subset: list[int]) -> bool:
    items = problem.items[subset]
    return items.dtype.kind == "f" or any(isinstance(x, (float, np.floating)) for x in items.flat)


def _is_near(numbers: list[Any], goal: Fraction, limit: Fraction) -> bool:
    """Tell whether numbers add up to the goal, up to the limit and to their rounding."""
    target, tolerance = (float(x) if _is_float(x) else x for x in (goal, limit))
    exact = abs(sum((Fraction(x) for x in numbers), -goal)) - limit
    rounding = sum((_half_step(x) for x in [*numbers, target]), Fraction(0))
    read = abs(sum((_decimal(x) for x in numbers), -_decimal(target))) - _decimal(tolerance)
    return exact <= rounding or read <= 0


def _is_float(number: Fraction) -> bool:
    try:
        return Fraction(float(number)) == number
    except OverflowError:
        return False


def _half_step(number: Any) -> Fraction:
    """Return by how much rounding to float64 may have changed a number; whole ones were none."""
    if not isinstance(number, float) or number.is_integer():
        return Fraction(0)
    return Fraction(float(np.spacing(abs(number)))) / 2


def _decimal(number: Any) -> Fraction:
    """Return the decimal of few digits that a float, perhaps once a float32, came from."""
    if not isinstance(number, float):
        return Fraction(number)
    short = f"{number:.{_SINGLE_DIGITS}g}"
    single = abs(number) < 3e38 and float(np.float32(number)) == number == float(np.float32(float(short)))
    return Fraction(short if single else f"{number:.{_DIGITS}g}")

"""Numbers and norms that users pass: each kind is checked here, in one wording that names it and its value.

Python's and numpy's numbers are taken, and Fractions; booleans, texts, NaN and infinities are a ValueError:
``seed must be an integer of at least 0, got 1.5``.
"""

from __future__ import annotations

import math
import operator
from fractions import Fraction
from numbers import Real
from typing import Any, cast, get_args

from subsetsum_nets.choices import Norm


def is_integer(value: Any) -> bool:
    """Tell whether ``value`` is a Python or numpy integer, and no bool."""
    try:
        operator.index(value)
    except TypeError:
        return False
    return not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Tell whether ``value`` is a finite real number within the range of float64, and no bool."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def checked_integer(value: Any, name: str, least: int = 1, most: int | None = None) -> int:
    """Return an integer of at least ``least`` and at most ``most`` (None: without end)."""
    if is_integer(value) and value >= least and (most is None or value <= most):
        return operator.index(value)
    limits = f"of at least {least}" if most is None else f"from {least} to {most:,}"
    raise ValueError(f"{name} must be an integer {limits}, got {value!r}")


def checked_number(value: Any, name: str, low: float, high: float, ends: str = "[]") -> float:
    """Return a number of an interval as a float; ``ends`` tells which of its ends belong to it: "[)", say."""
    if is_number(value):
        number = float(value)  # what is compared, since a Fraction may be rounded to an end
        above = number >= low if ends[0] == "[" else number > low
        if above and (number <= high if ends[1] == "]" else number < high):
            return number
    raise ValueError(f"{name} must be a number in {ends[0]}{low:g}, {high:g}{ends[1]}, got {value!r}")


def checked_positive(value: Any, name: str, unit: str = "") -> float:
    """Return a finite number > 0 as a float."""
    if is_number(value) and float(value) > 0:
        return float(value)
    raise ValueError(f"{name} must be a positive number{unit}, got {value!r}")


def checked_norm(norm: str) -> Norm:
    """Return ``norm`` if it names one of the norms in which outputs are compared; ValueError otherwise."""
    norms = get_args(Norm)
    if norm not in norms:
        raise ValueError(f"unknown norm {norm!r}; available are {', '.join(norms)}")
    return cast("Norm", norm)


def checked_limit(value: Any, name: str) -> float:
    """Return the largest float that is not above a finite number > 0.

    For a float x, ``x <= value`` is true of the number just where it is true of the float, whatever type
    the number has: a float32, which a comparison with it would round x to, or a Fraction.
    """
    number = checked_positive(value, name)
    exact = Fraction(*value.as_integer_ratio()) if hasattr(value, "as_integer_ratio") else Fraction(value)
    return number if Fraction(number) <= exact else math.nextafter(number, 0.0)


def checked_seconds(time_limit: Any) -> float:
    """Return a time limit."""
    return checked_positive(time_limit, "time_limit", " of seconds")

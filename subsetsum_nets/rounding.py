"""Numbers for people that stay true: upper bounds are shown rounded up, lower bounds rounded down."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_DIGITS = 18  # rounded outward, 17 may read back as the next float64


def upper(value: float, *, within: float | None = None) -> str:
    """Return ``value`` rounded up to three digits, or to as many as keep it at most ``within``.

    >>> upper(0.000116873974), upper(0.0116873974, within=0.01169)
    ('1.17e-04', '0.01169')
    >>> upper(11.017)
    '11.1'
    """
    most = within if within is not None and value <= within else math.inf
    return _shown(value, ROUND_CEILING, lambda shown: shown <= most)


def lower(value: float, *, beyond: float | None = None) -> str:
    """Return ``value`` rounded down to three digits, or to as many as keep it greater than ``beyond``.

    >>> lower(0.0000117954), lower(0.01000001, beyond=0.01)
    ('1.17e-05', '0.01000001')
    """
    least = beyond if beyond is not None and value > beyond else -math.inf
    return _shown(value, ROUND_FLOOR, lambda shown: shown > least)


def nearest(value: float) -> str:
    """Return ``value`` to three digits; for numbers that are no bounds.

    >>> nearest(9.90839)
    '9.91'
    """
    if 1e-2 <= abs(value) < 1e6:
        return f"{value:#.3g}".removesuffix(".") if abs(value) < 999.5 else f"{value:,.0f}"
    return _shown(value, ROUND_HALF_EVEN, lambda _: True)


def exact(value: float) -> str:
    """Return the shortest text that reads back as ``value``, whole numbers without a point.

    >>> exact(1.0), exact(0.01)
    ('1', '0.01')
    """
    text = repr(float(value))
    return text.removesuffix(".0")


def _shown(value: float, rounding: str, acceptable: Callable[[float], bool]) -> str:
    if math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    digits = 3
    while True:
        rounded = Context(prec=digits, rounding=rounding, Emin=-9999, Emax=9999).plus(Decimal(value))
        if digits >= _MOST_DIGITS or acceptable(float(rounded)):
            exponent = rounded.adjusted()
            if -2 <= exponent < 4:
                return str(rounded.quantize(Decimal(1).scaleb(min(0, exponent + 1 - digits))))
            mantissa = rounded.scaleb(-exponent).quantize(Decimal(1).scaleb(1 - digits))
            return f"{mantissa}e{exponent:+03d}"
        digits += 1

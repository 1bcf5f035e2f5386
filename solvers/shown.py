"""Answers as people see them: a line in a terminal, a table in a notebook; bounds are rounded outward."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXACT = 12  # characters of a fraction that is shown as it is
_BITS = 64  # beyond that no fraction is so short; Python refuses to write very long ones
_MOST_EXPONENT = 10**6


def at_most(value: Fraction | float) -> str:
    """Return an exact number as it is where that is short, else rounded up to three digits.

    >>> at_most(Fraction(5, 6)), at_most(Fraction(10**20, 3 * 10**20 + 1)), at_most(2.0)
    ('5/6', '0.334', '2')
    """
    return _shown(value, ROUND_CEILING)


def at_least(value: Fraction | float) -> str:
    """Return an exact number as it is where that is short, else rounded down to three digits.

    >>> at_least(Fraction(10**20, 3 * 10**20 + 1))
    '0.333'
    """
    return _shown(value, ROUND_FLOOR)


def table(title: str, verdict: str, rows: Sequence[tuple[str, object]]) -> str:
    """Return a title, a verdict and rows of (name, value) as HTML; nothing in them is taken for HTML.

    >>> table("a < b", "so", [("n", 3)])[:35]
    '<div><strong>a &lt; b</strong> so<t'
    """
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows
    )
    return f"<div><strong>{escape(title)}</strong> {escape(verdict)}<table>{cells}</table></div>"


def _shown(value: Fraction | float, rounding: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    exact = Fraction(value)
    if max(exact.numerator.bit_length(), exact.denominator.bit_length()) <= _BITS:
        text = str(exact)
        if len(text) <= _EXACT:
            return text
    context = Context(3, rounding, -_MOST_EXPONENT, _MOST_EXPONENT)
    return f"{context.divide(Decimal(exact.numerator), Decimal(exact.denominator)):g}"

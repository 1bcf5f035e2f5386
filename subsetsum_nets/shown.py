"""Results as people see them in a notebook: a verdict, a small figure, a table; bounds are rounded outward.

The judge imports no solver, so that this stands beside :mod:`solvers.shown`.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from subsetsum_nets.rounding import lower, upper

if TYPE_CHECKING:
    from collections.abc import Sequence

_GOOD, _BAD = "#2e7d32", "#c62828"  # readable on white and on black
_WIDTH, _LEFT, _SPAN = 360, 12, 300  # of the figure, in pixels
_LONGEST = 80  # characters of a domain that is shown in full


def shown_domain(domain: object) -> str:
    """Return a domain as people can read it: not every one of 784 bounds."""
    text = repr(domain)
    dimension = getattr(domain, "dimension", None)
    return text if len(text) <= _LONGEST else f"a {type(domain).__name__} of {dimension} coordinates"


def bracket(least: float, most: float, norm: str, epsilon: float | None = None) -> str:
    """Return what is proven in one line.

    >>> bracket(0.0025, 0.0072301, "l2", 0.01)
    '2.50e-03 <= sup ||f - g||_2 <= 7.24e-03'
    """
    low = lower(least, beyond=epsilon)
    return f"{low} <= sup ||f - g||_{norm[1:]} <= {upper(most, within=epsilon)}".replace("∞", "inf")


def verdict(verified: bool | None, falsified: bool | None, epsilon: float | None) -> str:
    """Return what is decided: verified, falsified, not decided, or what nobody asked."""
    if epsilon is None:
        return "no epsilon asked for"
    state = "verified" if verified else "falsified" if falsified else "not verified"
    return f"{state} at {epsilon:g}"


def finite(value: float | None) -> float | None:
    """Return a number as JSON has it: None where it is infinite."""
    return None if value is None or not math.isfinite(value) else value


def panel(title: str, decided: str, figure: str, rows: Sequence[tuple[str, object]]) -> str:
    """Return HTML of a title, what is decided, a figure and rows of (name, value); texts are escaped."""
    cells = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td>{escape(str(value))}</td></tr>'
        for name, value in rows
    )
    colour = _GOOD if decided.startswith("verified") else _BAD if "ified" in decided else "inherit"
    said = f'<strong style="color:{colour}">{escape(decided)}</strong>'
    return f"<div><strong>{escape(title)}</strong>: {said}<br/>{figure}<table>{cells}</table></div>"


def bounds_figure(least: float, most: float, epsilon: float | None) -> str:
    """Return an SVG of the interval between the two bounds, and where epsilon is."""
    ends = [value for value in (least, most, epsilon) if value is not None and math.isfinite(value)]
    top = max(ends, default=0.0)
    if not top > 0:
        return ""

    def place(value: float) -> float:
        return _LEFT + _SPAN * (min(value / top, 1.0) if math.isfinite(value) else 1.0)

    start, end = place(least), place(most)
    marks = [
        f'<line x1="{_LEFT}" y1="24" x2="{_LEFT + _SPAN}" y2="24" stroke="currentColor" opacity="0.4"/>',
        f'<rect x="{start:.1f}" y="18" width="{max(end - start, 2):.1f}" height="12" fill="#5b8def"/>',
        f'<text x="{_LEFT}" y="46" font-size="12" fill="currentColor">0</text>',
    ]
    label = "attack to proven bound"
    if epsilon is not None:
        at = place(epsilon)
        marks.append(
            f'<line x1="{at:.1f}" y1="8" x2="{at:.1f}" y2="36" stroke="currentColor" stroke-width="2"/>'
            f'<text x="{at:.1f}" y="46" font-size="12" text-anchor="middle" fill="currentColor">'
            f"{escape(f'{epsilon:g}')}</text>"
        )
        label += ", and epsilon"
    return (
        f'<svg width="{_WIDTH}" height="50" viewBox="0 0 {_WIDTH} 50" role="img" aria-label="{label}">'
        f"{''.join(marks)}</svg>"
    )

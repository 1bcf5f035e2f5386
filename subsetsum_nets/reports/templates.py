"""The templates of pages, in which all that is not marked as HTML is escaped, and their filters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.rounding import exact, lower, nearest, upper

if TYPE_CHECKING:
    from jinja2 import Environment

_ROUNDINGS = {"upper": upper, "lower": lower, "nearest": nearest, "exact": exact}


@cache
def environment() -> Environment:
    """Return the environment of all pages."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {"data": _data, "counted": _counted, "nearest": nearest, "median": np.median}
    return made


def _data(value: object, rounding: str, **limits: float) -> str:
    """Return a number as people read it, within the number as it is stored."""
    from markupsafe import Markup

    if value is None:
        return "—"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    shown = _ROUNDINGS[rounding](float(value), **limits)
    return Markup('<data value="{}">{}</data>').format(repr(float(value)), shown)


def _counted(value: object) -> str:
    from markupsafe import Markup

    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return str(value)
    return Markup('<data value="{}">{:,}</data>').format(int(value), int(value))

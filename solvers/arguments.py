"""Limits, counts and seeds of a call: each checked once, in one wording: "NAME must be .., got VALUE"."""

from __future__ import annotations

import math
from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from solvers.errors import InvalidProblemError


def is_whole(value: Any) -> bool:
    """Tell whether a value is an integer, NumPy's included; True and 2.0 are not."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, (bool, np.timedelta64))


def whole_number(value: Any, name: str, least: int) -> int:
    """Return an integer of at least ``least``; InvalidProblemError for anything else."""
    if not (is_whole(value) and value >= least):
        raise InvalidProblemError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def count_or_none(value: Any, name: str) -> int | None:
    """Return an integer of at least 1, or None; InvalidProblemError for anything else."""
    return None if value is None else whole_number(value, name, 1)


def seconds_or_none(value: Any, name: str = "time_limit") -> float | None:
    """Return a finite positive number (not True), or None; InvalidProblemError for anything else."""
    if value is None:
        return None
    number = isinstance(value, Real) and not isinstance(value, bool)
    if number and 0 < value < math.inf:
        with suppress(OverflowError):  # an integer beyond float64
            return float(value)
    raise InvalidProblemError(f"{name} must be a finite positive number of seconds, got {value!r}")

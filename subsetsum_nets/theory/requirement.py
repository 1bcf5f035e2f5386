"""What a theorem asks for, as a record, and the checks of the numbers it is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.arguments import checked_integer, checked_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

MOST_UNITS = 10**9  # a layer, and layers
LEAST_NUMBER = 1e-100  # epsilon and delta: powers of their inverses stay below the largest float64


@dataclass(frozen=True)
class Requirement:
    """A network size that a theorem says is enough, or is needed.

    Attributes
    ----------
    source : str
        The theorem.
    width : int
        Units of the widest layer (channels, for convolutions).
    depth : int
        Layers of weights.
    units : int
        Hidden units of all layers together.
    parameters : int
        Weights of all layers together; theorems without biases.
    formula : str
        The formula of the width, with the symbols of docs/theory.md; logarithms are to base 2.
    weights : str
        What the random weights are drawn from.
    constants : mapping of str to float
        The values assumed for constants that the theorem does not state. Empty when it states all.
    sufficient : bool
        True for an upper bound (this size is enough), False for a lower bound (no smaller size is).

    """

    source: str
    width: int
    depth: int
    units: int
    parameters: int
    formula: str
    weights: str
    constants: Mapping[str, float] = field(default_factory=dict)
    sufficient: bool = True


def checked_count(value: Any, what: str) -> int:
    """Return an integer from 1 to 10**9, or raise ValueError."""
    return checked_integer(value, what, 1, MOST_UNITS)


def checked_share(value: Any, what: str) -> float:
    """Return a number between 1e-100 and 1 (exclusive), or raise ValueError."""
    return checked_number(value, what, LEAST_NUMBER, 1, "[)")


def checked_constant(value: Any, what: str) -> float:
    """Return a number from 1e-6 to 1e6, or raise ValueError."""
    return checked_number(value, f"the constant {what}", 1e-6, 1e6)


def whole(value: float | Fraction) -> int:
    """Round a size up to whole units; at least one."""
    return max(1, math.ceil(value))

"""What one pass from the largest item to the smallest leaves, and how many it takes: a law, no theorem.

The items of a row are v U, where v > 0 is log-uniform in [2^-L, 1] and U ~ N(0, I) in d dimensions; an item
is taken if and only if the rest gets shorter. Let the rest have length R, and y = v d / (2 R). For large d an
item of size v is taken if z > y, where z ~ N(0, 1) is U in the direction of the rest, and then R^2 falls by
(4 R^2 / d) y (z - y). There are n / (L ln 2) items for each factor e of v, so that

    d ln R / d ln v = 2 n / (d L ln 2) g(y),    g(y) = y E[(z - y)+] = y (phi(y) - y Q(y)).

R falls in proportion to v while the right hand side reaches 1: g(y) = ln 2 / (2 k) for n = k d L. As g is at
most 0.1012, that takes k >= 3.43; at its larger root y the pass is stable, and it ends with

    R = 2^-L d / (2 y),   each coordinate about normal with deviation R / sqrt(d),

having taken the share Q(y) of the items. Measured for d = 2 to 72 (tests/constructions/test_one_pass_law.py)
this holds within a third from d = 4 on. A rest that falls behind once stays behind: what random gaps that
takes, more than k >= 3.43 must allow for, and most where d is small. So n = k d L with k = 4.5 + 8 / d.
"""

from __future__ import annotations

import math
from functools import cache

MOST_OCTAVES = 40.0
"""Beyond which the rest would be lost in the rounding of float64."""


def items_per_octave(dimension: int) -> float:
    """Return k, the items for each coordinate and factor of two: n = k d L.

    >>> [round(items_per_octave(d), 2) for d in (2, 9, 72)]
    [8.5, 5.39, 4.61]
    """
    return 4.5 + 8.0 / dimension


def octaves_for(dimension: int, per_coordinate: int) -> float:
    """Return L for ``per_coordinate`` d items.

    >>> round(octaves_for(72, 80), 2), octaves_for(72, 10_000)
    (17.35, 40.0)
    """
    return min(MOST_OCTAVES, per_coordinate / items_per_octave(dimension))


def coordinate_error(dimension: int, octaves: float, items: float | None = None) -> float:
    """Return the mean size of a coordinate of what one pass leaves, for U of deviation 1.

    Parameters
    ----------
    dimension : int
        d.
    octaves : float
        L.
    items : float, optional
        n; None takes that of :func:`items_per_octave`.

    Examples
    --------
    >>> [float(f"{coordinate_error(d, 18.0):.2g}") for d in (9, 36, 72)]
    [3.7e-06, 8.1e-06, 1.2e-05]

    """
    density = items_per_octave(dimension) if items is None else items / (dimension * octaves)
    length = math.exp2(-octaves) * dimension / (2 * _root(density))
    return math.sqrt(2 / (math.pi * dimension)) * length


def largest_coordinate(dimension: int) -> float:
    """Return how many times its mean size the largest of d normal coordinates is, at most nearly always."""
    return math.sqrt(math.pi / 2) * (1.0 + math.sqrt(2 * math.log(2 * dimension)))


def kept_share(dimension: int) -> float:
    """Return which share of the items one pass takes.

    >>> round(kept_share(72) * items_per_octave(72), 2)  # for each coordinate and octave
    0.62
    """
    return _beyond(_root(items_per_octave(dimension)))


@cache
def _root(density: float) -> float:
    """Return the larger y with g(y) = ln 2 / (2 k); where there is none, that of the largest g."""
    low, high = 0.62, 8.0  # g falls from 0.1012 to 0
    for _ in range(60):
        middle = (low + high) / 2
        falls = middle * (_density(middle) - middle * _beyond(middle))
        low, high = (middle, high) if falls > math.log(2) / (2 * density) else (low, middle)
    return low


def _density(y: float) -> float:
    return math.exp(-y * y / 2) / math.sqrt(2 * math.pi)


def _beyond(y: float) -> float:
    """Return Q(y), the probability of a normal deviate above y."""
    return 0.5 * math.erfc(y / math.sqrt(2))

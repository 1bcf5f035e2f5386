"""Where a bound on ||f - g|| proves that f and g put an input into the same class.

Class is the largest output, or the sign of a single one. With e = f - g, a class changes only if e_a - e_b
reaches f's margin f_a - f_b. For unit vectors a, b that is at most ||e_a - e_b|| <= sqrt(2) ||e||_2, by
Cauchy-Schwarz, at most 2 ||e||_inf, and at most ||e||_1. A sign changes only if |e| reaches |f|.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_norm
from subsetsum_nets.verification.errors import BoundOverflowError
from subsetsum_nets.verification.falsifier import value_enclosure

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

_SQUARED = {"l2": 2, "linf": 4, "l1": 1}  # the square of what a margin has to exceed times the bound


def same_class(
    target: ReluNetwork, points: FloatArray, bound: float, *, domain: Domain, norm: str = "l2"
) -> Bools:
    """Return at which points a proven bound says that g gives f's class; margins are rounded down.

    g may be scaled by any positive number: 2^t g has the class of g (Corollary 1 of Sreenivasan et al. 2021).

    Parameters
    ----------
    target : ReluNetwork
        f.
    points : float64, shape (N, d_in)
    bound : float
        Proven: ||f(x) - g(x)|| <= bound for all x of the domain.
    domain : Box or Ball
        False for points outside: nothing is proven there.
    norm : {"l2", "linf", "l1"}
        Of the bound.

    Raises
    ------
    ValueError
        For an unknown norm.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0, 0.0], [0.0, 1.0]])])
    >>> points = np.array([[0.5, 0.25], [0.5, 0.375], [2.0, 0.0]])
    >>> same_class(f, points, 0.125, domain=Box(0, 1))
    array([ True, False, False])
    >>> same_class(f, points, 0.125, domain=Box(0, 1), norm="linf")
    array([False, False, False])

    """
    measured = checked_norm(norm)
    if not math.isfinite(bound):
        return np.zeros(len(points), dtype=bool)
    needed = Fraction(bound) ** 2 * (_SQUARED[measured] if target.widths[-1] > 1 else 1)
    return np.array(
        [domain.contains(point) and _margin_down(target, point) ** 2 > needed for point in points], dtype=bool
    )


def _margin_down(target: ReluNetwork, point: FloatArray) -> Fraction:
    """Return a lower bound >= 0 of the margin of the largest output, or of the size of the only one."""
    try:
        low, high = value_enclosure(target, point).bounds()
    except BoundOverflowError:
        return Fraction(0)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return Fraction(0)
    if len(low) == 1:
        return max(Fraction(low[0]), -Fraction(high[0]), Fraction(0))
    first = int(np.argmax(low))
    return max(Fraction(low[first]) - Fraction(np.delete(high, first).max()), Fraction(0))

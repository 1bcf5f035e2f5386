"""Ranges of ``C+ max(x, 0) + C- min(x, 0)`` for interval matrices: where method "propagated" ends up.

In every term ``c+ max(x_j, 0) + c- min(x_j, 0)`` the input is either >= 0 or <= 0, so that over an interval
of x_j it is extreme at an end or at 0. Nothing else is lost: over a box, rows are exact up to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    MidRad,
    finite,
    product_up,
    rounding_error,
    row_norms_up,
    times_up,
)
from subsetsum_nets.verification.enclosures.ranges import Range

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Bools, FloatArray


@np.errstate(over="ignore", invalid="ignore")
def box_slope_range(positive: MidRad, negative: MidRad, x: Range) -> Range:
    """Enclose ``C+ max(x, 0) + C- min(x, 0)`` for C+ and C- in two sets and x in a box.

    Parameters
    ----------
    positive, negative : MidRad, shape (m, n)
        The slopes for inputs that are >= 0 and <= 0.
    x : Range, shape (n,)

    Returns
    -------
    Range, shape (m,)

    Raises
    ------
    BoundOverflowError
        If an end exceeds the range of float64.

    Examples
    --------
    >>> above, below = MidRad.point(np.array([[1.0]])), MidRad.point(np.array([[2.0]]))
    >>> y = box_slope_range(above, below, Range(np.array([-1.0]), np.array([3.0])))
    >>> round(float(y.low[0]), 12), round(float(y.high[0]), 12)
    (-2.0, 3.0)

    """
    at_high, at_low = _chosen(positive, negative, x.high >= 0.0), _chosen(positive, negative, x.low > 0.0)
    ends = [(slope.mid * end, slope.rad * np.abs(end)) for slope, end in ((at_high, x.high), (at_low, x.low))]
    high = np.maximum(*(mid + rad for mid, rad in ends))
    low = np.minimum(*(mid - rad for mid, rad in ends))
    across = (x.low < 0.0) & (x.high > 0.0)
    high, low = np.where(across, np.maximum(high, 0.0), high), np.where(across, np.minimum(low, 0.0), low)
    magnitude = product_up(at_high.magnitude(), np.abs(x.high)) + product_up(
        at_low.magnitude(), np.abs(x.low)
    )
    # On the path of every term: a product, the sum with its radius, n - 1 additions, and two to spare.
    return Range(low.sum(axis=1), high.sum(axis=1)).widened(rounding_error(magnitude, x.low.size + 4))


def ball_slope_range(
    positive: MidRad, negative: MidRad, x: Range, center: FloatArray, radius: float
) -> Range:
    """Enclose the same over a ball whose surrounding box is ``x``, by Cauchy-Schwarz.

    A row is Lipschitz in x_j with the larger slope c_j that some input makes count, so that it differs from
    its value at the center by at most ``sum_j c_j |x_j - center_j| <= radius ||c||_2``.
    """
    counted = np.maximum(positive.magnitude() * (x.high > 0.0), negative.magnitude() * (x.low < 0.0))
    middle = box_slope_range(positive, negative, Range(center, center))
    return middle.widened(times_up(row_norms_up(counted), np.array(radius)))


@np.errstate(over="ignore")
def range_sum(a: Range, b: Range) -> Range:
    """Return the range of x + y, rounded outward; a sum with zero is exact."""
    exact_low, exact_high = (a.low == 0.0) | (b.low == 0.0), (a.high == 0.0) | (b.high == 0.0)
    low, high = a.low + b.low, a.high + b.high
    return Range(
        finite(np.where(exact_low, low, np.nextafter(low, -np.inf))),
        finite(np.where(exact_high, high, np.nextafter(high, np.inf))),
    )


def _chosen(positive: MidRad, negative: MidRad, use_positive: Bools) -> MidRad:
    if negative is positive:
        return positive
    return MidRad(
        np.where(use_positive, positive.mid, negative.mid), np.where(use_positive, positive.rad, negative.rad)
    )

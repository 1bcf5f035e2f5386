"""ReLU on a pair of units: linear relaxations of g's unit and of the deviation between g's unit and f's.

With z in g, z - D in f, l <= z <= u and a <= D <= b before the ReLU, every slope s in [0, 1] gives sound
relaxations

    max(z, 0) = s z + e,              e in [0, max(-s l, (1 - s) u)]               where l < 0 < u,
    D' = s D + e,                     e in [-max(s b, (s - 1) a), max((1 - s) b, -s a)],
    D' = max(z, 0) - max(z - D, 0),   each of the two ReLUs relaxed on its own,

the second because ReLU is monotone and 1-Lipschitz, so that D' lies between 0 and D. Slopes are multiples
of 2**-30, so that 1 - s and the difference of two slopes are exact; only the intervals of e are rounded,
outward.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import MidRad, times_up
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.records import ReluSlopes

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray

_GRID = 2.0**30


class PairRanges(NamedTuple):
    """Ranges of the units of g and f, and of g - f, before or after a ReLU."""

    g: Range
    f: Range
    deviation: Range

    def tightened(self) -> PairRanges:
        """Return the same set with ``g = f + deviation`` used to narrow each range by the other two."""
        g, f, d = self.g, self.f, self.deviation
        for _ in range(2):
            g = g.meet(Range(_down(f.low, d.low), _up(f.high, d.high)))
            f = f.meet(Range(_down(g.low, -d.high), _up(g.high, -d.low)))
            d = d.meet(Range(_down(g.low, -f.high), _up(g.high, -f.low)))
        return PairRanges(g, f, d)

    def meet(self, other: PairRanges) -> PairRanges:
        """Return the intersection with other ranges of the same units."""
        return PairRanges(*(a.meet(b) for a, b in zip(self, other, strict=True)))

    def relu(self) -> PairRanges:
        """Return the ranges after a ReLU in both networks."""
        between = Range(np.minimum(self.deviation.low, 0.0), np.maximum(self.deviation.high, 0.0))
        both_on = (self.g.low >= 0.0) & (self.f.low >= 0.0)
        kept = Range(
            np.where(both_on, self.deviation.low, between.low),
            np.where(both_on, self.deviation.high, between.high),
        )
        return PairRanges(self.g.relu(), self.f.relu(), kept).tightened()


@np.errstate(over="ignore")  # a width of inf gives the slope 0, which is as sound as any
def choose_slopes(before: PairRanges) -> ReluSlopes:
    """Return the slopes that leave the narrowest errors, unit by unit.

    Examples
    --------
    >>> one = np.ones(1)
    >>> ranges = PairRanges(Range(-one, one), Range(-one, one), Range(-one / 8, one / 8))
    >>> slopes = choose_slopes(ranges)
    >>> slopes.g, slopes.deviation, slopes.apart
    (array([0.5]), array([0.5]), array([False]))

    """
    g, f = chord_slope(before.g), chord_slope(before.f)
    low, high = np.minimum(before.deviation.low, 0.0), np.maximum(before.deviation.high, 0.0)
    width = high - low
    both_on = (before.g.low >= 0.0) & (before.f.low >= 0.0)
    both_off = (before.g.high <= 0.0) & (before.f.high <= 0.0)
    slope = np.divide(
        high, width, out=np.full_like(width, 0.5), where=(width > 0.0) & (low < 0.0) & (high > 0.0)
    )
    slope = np.where(both_on, 1.0, np.where(both_off, 0.0, _on_grid(slope)))
    together = deviation_error(before, slope).rad
    separately = relu_error(before.g, g).rad + relu_error(before.f, f).rad
    return ReluSlopes(g, f, slope, separately < together)


def on_grid(slopes: ReluSlopes) -> ReluSlopes:
    """Return the nearest slopes in [0, 1] for which the arithmetic here is exact."""
    return ReluSlopes(_on_grid(slopes.g), _on_grid(slopes.f), _on_grid(slopes.deviation), slopes.apart)


def secant_slopes(before: PairRanges) -> tuple[FloatArray, FloatArray]:
    """Return the slopes of the lines below and above the deviation after the ReLU, as steep as they can be.

    For D in [a, b] with a < 0 < b, the hull of all D' between 0 and D has the lower slope -a / (b - a) and
    the upper slope b / (b - a).
    """
    low, high = np.minimum(before.deviation.low, 0.0), np.maximum(before.deviation.high, 0.0)
    width = 0.5 * high - 0.5 * low
    upper = np.divide(0.5 * high, width, out=np.zeros_like(width), where=width > 0.0)
    both_on = (before.g.low >= 0.0) & (before.f.low >= 0.0)
    both_off = (before.g.high <= 0.0) & (before.f.high <= 0.0)
    upper = np.where(both_on, 1.0, np.where(both_off, 0.0, _on_grid(upper)))
    return np.where(both_on, 1.0, np.where(both_off, 0.0, 1.0 - upper)), upper


def chord_slope(before: Range) -> FloatArray:
    """Return the slope of the chord of max(z, 0) over each range, rounded to the grid."""
    unstable = (before.low < 0.0) & (before.high > 0.0)
    # Halves, so that the width of a huge range does not overflow.
    width = 0.5 * before.high - 0.5 * before.low
    chord = np.divide(0.5 * before.high, width, out=np.zeros_like(width), where=unstable & (width > 0.0))
    return np.where(unstable, _on_grid(chord), (before.low >= 0.0).astype(np.float64))


def relu_error(before: Range, slope: FloatArray) -> MidRad:
    """Enclose ``max(z, 0) - slope z`` over each range, for slopes in [0, 1]."""
    below, above = np.maximum(-before.low, 0.0), np.maximum(before.high, 0.0)
    # At the far ends; at the kink, or at the end next to it, it is least.
    most = np.maximum(times_up(slope, below), times_up(1.0 - slope, above))
    return MidRad.from_bounds(np.zeros_like(most), most)


def deviation_error(before: PairRanges, slope: FloatArray) -> MidRad:
    """Enclose ``max(z, 0) - max(z - D, 0) - slope D`` over each pair of ranges, for slopes in [0, 1]."""
    below, above = np.maximum(-before.deviation.low, 0.0), np.maximum(before.deviation.high, 0.0)
    high = np.maximum(times_up(1.0 - slope, above), times_up(slope, below))
    low = -np.maximum(times_up(slope, above), times_up(1.0 - slope, below))
    exact = ((before.g.low >= 0.0) & (before.f.low >= 0.0) & (slope == 1.0)) | (
        (before.g.high <= 0.0) & (before.f.high <= 0.0) & (slope == 0.0)
    )
    return MidRad.from_bounds(np.where(exact, 0.0, low), np.where(exact, 0.0, high))


def _on_grid(slope: FloatArray) -> FloatArray:
    """Return slopes in [0, 1] rounded to multiples of 2**-30."""
    rounded: FloatArray = np.clip(np.rint(slope * _GRID) / _GRID, 0.0, 1.0)
    return rounded


@np.errstate(over="ignore")
def _down(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return lower bounds of a + b; exact where one of them is zero."""
    total = a + b
    return np.where((a == 0.0) | (b == 0.0), total, np.nextafter(total, -np.inf))


@np.errstate(over="ignore")
def _up(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return upper bounds of a + b; exact where one of them is zero."""
    return -_down(-a, -b)

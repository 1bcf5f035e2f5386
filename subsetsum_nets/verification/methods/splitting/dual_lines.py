"""Lines around a pair of ReLUs, the multipliers that choose among them, and how they bound a linear function.

One layer's share of the dual bounds (:mod:`.dual_bounds`), in whose notation z of g and D of g - f stand
before the ReLU, y, x and d of g, f and g - f after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import TINY
from subsetsum_nets.verification.methods.relu_relaxations import (
    PairRanges,
    choose_slopes,
    chord_slope,
    deviation_error,
    relu_error,
    secant_slopes,
)
from subsetsum_nets.verification.records import LineChoices

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Bools, FloatArray


@dataclass(frozen=True, eq=False)
class Lines:
    """Lines above and below the values after the ReLUs of one layer, shape (1 or rows, units) each.

    y <= g_slope z + g_offset; y >= s z for any s in [0, 1] where ``g_free``, else for s = g_slope; f too;
    d_low_slope D + d_low <= d <= d_high_slope D + d_high.
    """

    g_slope: FloatArray
    g_offset: FloatArray
    g_free: FloatArray
    f_slope: FloatArray
    f_offset: FloatArray
    f_free: FloatArray
    d_high_slope: FloatArray
    d_high: FloatArray
    d_low_slope: FloatArray
    d_low: FloatArray
    apart: FloatArray

    @classmethod
    def of_relu(cls, before: PairRanges) -> Lines:
        """Return the lines for units in these ranges."""
        g_slope, f_slope = chord_slope(before.g), chord_slope(before.f)
        low_slope, high_slope = secant_slopes(before)
        _, high = deviation_error(before, high_slope).bounds()
        low, _ = deviation_error(before, low_slope).bounds()
        return cls(
            g_slope=g_slope,
            g_offset=relu_error(before.g, g_slope).bounds()[1],
            g_free=((before.g.low < 0.0) & (before.g.high > 0.0)).astype(np.float64),
            f_slope=f_slope,
            f_offset=relu_error(before.f, f_slope).bounds()[1],
            f_free=((before.f.low < 0.0) & (before.f.high > 0.0)).astype(np.float64),
            d_high_slope=high_slope,
            d_high=high,
            d_low_slope=low_slope,
            d_low=low,
            apart=choose_slopes(before).apart.astype(np.float64),
        )

    @classmethod
    def identity(cls, units: int) -> Lines:
        """Return the lines where no ReLU stands."""
        one, zero = np.ones((1, units)), np.zeros((1, units))
        return cls(one, zero, zero, one, zero, zero, one, zero, one, zero, zero)

    def choices(self, multipliers: Multipliers, rows: slice) -> LineChoices:
        """Return what some rows, all of the same lines, are bounded with."""
        below = [
            np.where(free > 0.0, slope, line)[rows].copy()
            for free, slope, line in (
                (self.g_free, multipliers.g, self.g_slope),
                (self.f_free, multipliers.f, self.f_slope),
            )
        ]
        held = [m[rows].copy() for m in (multipliers.split, multipliers.phase_g, multipliers.phase_f)]
        of_part = (self.g_slope, self.f_slope, self.d_high_slope, self.d_low_slope)
        first = [np.broadcast_to(line, multipliers.split.shape)[rows.start].copy() for line in of_part]
        return LineChoices(*held, *below, *first)


class Multipliers(NamedTuple):
    """The multipliers of one layer, shape (rows, units) each; see the module's docstring.

    ``split`` is m; ``g`` and ``f`` are the slopes of the lower lines; ``phase_g`` and ``phase_f`` the
    nonnegative multipliers of given phases.
    """

    split: FloatArray
    g: FloatArray
    f: FloatArray
    phase_g: FloatArray
    phase_f: FloatArray

    def put(self, rows: Bools, other: Multipliers) -> None:
        """Overwrite some rows by those of ``other``."""
        for mine, theirs in zip(self, other, strict=True):
            mine[rows] = theirs[rows]


@dataclass(frozen=True, eq=False)
class Region:
    """Where to bound: ranges before each hidden ReLU, shape (1 or rows, units), and given phases.

    Parameters
    ----------
    before : sequence of PairRanges
    phase_g, phase_f : sequence of arrays, shape (1 or rows, units)
        +1, -1 or 0 for each unit of each hidden layer.

    """

    before: Sequence[PairRanges]
    phase_g: Sequence[FloatArray]
    phase_f: Sequence[FloatArray]


class Relaxed(NamedTuple):
    """The coefficients of y, x and d after one layer's ReLU, shape (rows, units) each."""

    a: FloatArray
    x: FloatArray
    d: FloatArray


def relax(
    a: FloatArray, b: FloatArray, line: Lines, m: Multipliers, region: Region | None, index: int
) -> tuple[Relaxed, FloatArray, FloatArray, FloatArray]:
    """Bound ``a . y + b . d`` by ``p . z + q . D + constant``; return the coefficients, constant, p and q."""
    of_g, of_f, of_d = a + m.split, -m.split, b - m.split
    low_g = np.where(line.g_free > 0.0, m.g, line.g_slope)
    low_f = np.where(line.f_free > 0.0, m.f, line.f_slope)
    slope_f = of_f * np.where(of_f > 0.0, line.f_slope, low_f)
    p = of_g * np.where(of_g > 0.0, line.g_slope, low_g) + slope_f
    q = of_d * np.where(of_d > 0.0, line.d_high_slope, line.d_low_slope) - slope_f
    constant = (
        np.maximum(of_g, 0.0) * line.g_offset
        + np.maximum(of_f, 0.0) * line.f_offset
        + of_d * np.where(of_d > 0.0, line.d_high, line.d_low)
    ).sum(axis=1)
    if region is not None:
        phase_f = m.phase_f * region.phase_f[index]
        p = p + (m.phase_g * region.phase_g[index] + phase_f)
        q = q - phase_f
    return Relaxed(of_g, of_f, of_d), constant, p, q


def step_down(
    multipliers: Multipliers,
    gradient: Multipliers,
    scale: FloatArray,
    moments: list[list[FloatArray]],
    step: int,
    rate: float,
) -> Multipliers:
    """Return the multipliers of one layer moved against the gradient (Kingma & Ba 2015), and projected."""
    scale = scale + 0.05 * scale.mean(axis=1, keepdims=True) + TINY
    one = np.ones_like(scale)
    sizes = (scale, one, one, scale, scale)
    moved = []
    for values, slope, size, pair in zip(multipliers, gradient, sizes, moments, strict=True):
        slope_of_share = slope * size
        pair[0] = 0.9 * pair[0] + 0.1 * slope_of_share
        pair[1] = 0.99 * pair[1] + 0.01 * np.square(slope_of_share)
        mean = pair[0] / (1.0 - 0.9 ** (step + 1))
        spread = np.sqrt(pair[1] / (1.0 - 0.99 ** (step + 1)))
        share = np.divide(mean, spread, out=np.zeros_like(mean), where=spread > 0.0)
        share[~np.isfinite(share)] = 0.0  # no step where the derivative overflowed
        moved.append(values - rate * size * share)
    split, *slopes = moved[:3]
    phases = [np.maximum(phase, 0.0) for phase in moved[3:]]
    return Multipliers(split, *(np.clip(slope, 0.0, 1.0) for slope in slopes), *phases)

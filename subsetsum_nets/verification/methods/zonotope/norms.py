"""Norms of affine forms: bounds of sup ||D|| that see how the coordinates of D depend on each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_norm
from subsetsum_nets.verification.enclosures.midrad import (
    MidRad,
    inflate,
    matmul,
    norm_up,
    product_up,
    rounding_error,
    row_norms_up,
    sum_up,
    times_up,
)
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.enclosures.spectral import spectral_norm_up
from subsetsum_nets.verification.methods.relu_relaxations import chord_slope, relu_error
from subsetsum_nets.verification.methods.zonotope.affine_forms import AffineForms, linear_map

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray

_MAX_SIGNED = 10  # coordinates: 2**9 sign patterns
_MAX_GRAM = 6000  # columns of a Gram matrix: 0.3 GB


def forms_norm_up(forms: AffineForms, ranges: Range, norm: str) -> float:
    """Return an upper bound of the norm of a vector that both ``forms`` and ``ranges`` enclose.

    Parameters
    ----------
    forms : AffineForms, of m units
    ranges : Range, shape (m,)
    norm : {"l2", "linf", "l1"}

    Raises
    ------
    ValueError
        For another norm.
    BoundOverflowError
        If the bound exceeds the range of float64.

    """
    checked_norm(norm)
    per_unit = norm_up(np.maximum(np.maximum(ranges.high, -ranges.low), 0.0), norm)
    if norm == "linf" or per_unit == 0.0:
        return per_unit
    if norm == "l1":
        return min(per_unit, _l1_up(forms)) if forms.centre.size <= _MAX_SIGNED else per_unit
    columns = forms.joint.shape[1] + forms.own.shape[1]
    return min(per_unit, _l2_up(forms)) if columns <= _MAX_GRAM else per_unit


def _l1_up(forms: AffineForms) -> float:
    """Bound ||D||_1 as the largest s . D over all sign vectors s; s and -s share a row's two ends."""
    m = forms.centre.size
    patterns = np.arange(2 ** (m - 1))[:, np.newaxis] >> np.arange(m) & 1
    signs = 1.0 - 2.0 * patterns
    still = MidRad.point(np.zeros(signs.shape[0]))
    ends = linear_map([(signs, None, forms)], still).range()
    return float(max(ends.high.max(), -ends.low.min()))


def _l2_up(forms: AffineForms) -> float:
    """Bound ||D||_2 by ``||C s||^2 = sum_jk s_j s_k (c_j . c_k) <= sum_jk |c_j . c_k|`` for s in [-1, 1].

    The columns C are the centre, a column for every symbol and a diagonal for the radius. Over a ball the
    inputs are one more block K t with ``||t||_2 <= 1``, which adds ``||K||^2 + 2 sum_j ||K^T c_j||``.
    The sum never exceeds that of absolute values, (sum over the coordinates of their own bounds squared).
    """
    ball, columns = _columns(forms)
    largest = max(float(np.abs(ball).max(initial=0.0)), float(np.abs(columns).max()))
    if not 2.0**-400 < largest < 2.0**400:  # squares over- or underflow
        return np.inf
    square = _total_up(np.abs(matmul(columns.T, columns).magnitude()))
    if ball.size:
        cross = matmul(columns.T, ball).magnitude()
        square = _sum_up(square, 2.0 * _total_up(row_norms_up(cross)))
        square = _sum_up(square, float(times_up(*2 * (np.array(spectral_norm_up(MidRad.point(ball))),))))
    return float(inflate(np.array(np.sqrt(square)), 1))


@np.errstate(over="ignore", invalid="ignore")
def _columns(forms: AffineForms) -> tuple[FloatArray, FloatArray]:
    """Return (K, C) with every value of the forms in ``{K t + C s: ||t||_2 <= 1, s in [-1, 1]}``.

    K is empty over a box. A split input counts by its chord: with max(x, 0) = s x + e and
    min(x, 0) = (1 - s) x - e, the coefficients a and b become s a + (1 - s) b on x and a - b on e.
    """
    features = forms.features
    low, high, split = features.box.low, features.box.high, features.split
    d = low.size
    coefficients = forms.joint[:, : features.magnitude.size]
    slopes, kinks = coefficients[:, :d].copy(), np.zeros((forms.centre.size, 0))
    bend = MidRad.point(np.zeros(0))
    if split.size:
        parts = Range(low[split], high[split])
        slope = chord_slope(parts)
        bend = relu_error(parts, slope)
        above, below = coefficients[:, split], coefficients[:, d:]
        slopes[:, split] = slope * above + (1.0 - slope) * below
        kinks = above - below
    if features.ball is None:
        inputs = MidRad.from_bounds(low, high)
    else:
        radius = np.full(d, features.ball.radius)
        inputs = MidRad(np.broadcast_to(features.ball.center, (d,)), radius)
    centre = forms.centre + slopes @ inputs.mid + kinks @ bend.mid
    of_inputs = slopes * inputs.rad
    # All of it is off by a few roundings, and by as many as there are inputs in the sums of the centre.
    reach = np.maximum(np.abs(low), np.abs(high)) + inputs.rad
    weights = 4.0 * np.concatenate([reach, reach[split]])
    magnitude = product_up(np.abs(coefficients), inflate(weights, 3))
    error = rounding_error(inflate(magnitude + np.abs(forms.centre), 1), coefficients.shape[1] + 8)
    loose = inflate(forms.radius + error, 1)
    symbols = [forms.joint[:, features.magnitude.size :], forms.own, kinks * bend.rad, np.diag(loose)]
    if features.ball is not None:
        return of_inputs, np.concatenate([centre[:, np.newaxis], *symbols], axis=1)
    return np.zeros((0, 0)), np.concatenate([centre[:, np.newaxis], of_inputs, *symbols], axis=1)


def _total_up(values: FloatArray) -> float:
    """Return an upper bound of the sum of all entries of a nonnegative array."""
    return float(sum_up(values.ravel()))


def _sum_up(a: float, b: float) -> float:
    return float(inflate(np.array(a + b), 1))

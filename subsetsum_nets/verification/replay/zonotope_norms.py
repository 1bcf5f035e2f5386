"""Norms of exact affine forms, for the replay: see ``methods.zonotope.norms``."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, half, norm_up, root_up, row_norms_up
from subsetsum_nets.verification.replay.forms import ExactForms, error_of_relu
from subsetsum_nets.verification.replay.ranges import ExactRange, ball_center
from subsetsum_nets.verification.replay.spectral import spectral_norm_up

_MOST_SIGNED = 10  # coordinates: 2**9 sign patterns
_MOST_COLUMNS = 6000  # of a Gram matrix


def forms_norm_up(forms: ExactForms, ranges: ExactRange, norm: str, chords: ExactMatrix) -> Fraction:
    """Return an upper bound of the norm of a vector that both ``forms`` and ``ranges`` enclose.

    ``chords`` are slopes in [0, 1] for max(x, 0) of every input x, a column; they count where it is split.

    Never above the floating bound of wider errors: the bounds for "linf" and "l1" are the largest values over
    the set of the forms. For "l2" the columns here are the columns C there times some M whose rows have
    absolute sums <= 1 (a narrower interval moves a part of its symbol's column to the centre, a rounding
    uses a part of the radius), so that ``sum |c'_j . c'_k| <= sum_ab |c_a . c_b| sum_j |M_aj| sum_k |M_bk|``.
    """
    per_unit = norm_up(ranges.magnitude(), norm)
    if norm == "linf" or per_unit == 0:
        return per_unit
    if norm == "l1":
        m = forms.centre.shape[0]
        if m > _MOST_SIGNED:
            return per_unit
        # s and -s share a row's two ends.
        signs = [1 - 2 * (pattern >> k & 1) for pattern in range(2 ** (m - 1)) for k in range(m)]
        ends = forms.mapped(ExactMatrix.from_ints(signs, (2 ** (m - 1), m), 0)).range()
        return min(per_unit, max(ends.magnitude().fractions()))
    few = forms.joint.shape[1] + forms.own.shape[1] <= _MOST_COLUMNS
    return min(per_unit, _l2_up(forms, chords)) if few else per_unit


def _l2_up(forms: ExactForms, chords: ExactMatrix) -> Fraction:
    """Bound ||D||_2 by ``||C s||^2 = sum_jk s_j s_k (c_j . c_k) <= sum_jk |c_j . c_k|`` for s in [-1, 1].

    Over a ball the inputs are one more block K t with ``||t||_2 <= 1``, which adds
    ``||K||^2 + 2 sum_j ||K^T c_j||``. A split input counts by its chord.
    """
    features = forms.features
    parts = features.split_range()
    slope = chords.T.columns(features.split).T
    slopes, kinks = features.chords(forms.coefficients(), slope)
    bend = half(error_of_relu(parts, slope))  # middle and radius of [0, error]
    if features.ball is None:
        middle, radius = (
            half(features.box.low + features.box.high),
            half(features.box.high - features.box.low),
        )
    else:
        middle = ball_center(features.ball, features.inputs)
        radius = ExactMatrix.from_floats(np.full(features.inputs, features.ball.radius))
    centre = forms.centre + slopes @ middle + kinks @ bend
    of_inputs = slopes.scaled_columns(radius)
    columns = centre.beside(forms.symbols()).beside(kinks.scaled_columns(bend))
    if features.ball is None:
        return root_up(_total(columns.beside(of_inputs)))
    cross = row_norms_up(columns.T @ of_inputs)
    return root_up(_total(columns) + 2 * sum(cross, Fraction(0)) + spectral_norm_up(of_inputs) ** 2)


def _total(columns: ExactMatrix) -> Fraction:
    """Return the sum of the absolute values of the Gram matrix."""
    (total,) = abs(columns.T @ columns).row_sums().T.row_sums().fractions()
    return total

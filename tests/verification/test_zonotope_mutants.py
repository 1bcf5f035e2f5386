"""Mutants of the zonotope, the dual bounds and splitting: broken formulas that the checks must catch.

A selection runs by default, all of them among the longer tests.
"""

import pytest
from support.planting import Nth, plant
from verification.splitting_checks import all_checks as check_splitting
from verification.zonotope_checks import all_checks as check_zonotope

from subsetsum_nets.verification import BoundOverflowError, SoundnessError
from subsetsum_nets.verification.methods import relu_relaxations
from subsetsum_nets.verification.methods.relu_relaxations import PairRanges
from subsetsum_nets.verification.methods.splitting import dual_lines, splitting, unit_splitting
from subsetsum_nets.verification.methods.splitting.dual_bounds import DualBounds
from subsetsum_nets.verification.methods.splitting.dual_lines import Lines
from subsetsum_nets.verification.methods.splitting.input_splitting import InputSplitting
from subsetsum_nets.verification.methods.splitting.unit_splitting import UnitSplitting
from subsetsum_nets.verification.methods.zonotope import norms as zonotope_norms
from subsetsum_nets.verification.methods.zonotope import zonotope
from subsetsum_nets.verification.methods.zonotope.affine_forms import (
    AffineForms,
    linear_map,
    scaled_sum,
    with_errors,
)
from subsetsum_nets.verification.methods.zonotope.input_features import InputFeatures
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope

ENGINE = DifferentialZonotope
MUTANTS = [
    # a term is missing, or belongs to the wrong layer or half
    (ENGINE._linear_layer, "[(weight, None, d), *of_error]", "[(weight, None, d)]"),
    (
        ENGINE._linear_layer,
        "(two_slope.negative, error.negative, below)",
        "(two_slope.negative, error.positive, below)",
    ),
    (
        ENGINE._linear_layer,
        "(self._effective[index], self._errors[index])",
        "(self._effective[index], self._errors[-1])",
    ),
    (
        ENGINE._linear_layer,
        "(linear_map(of_g, two_slope.bias), linear_map([(weight, None, d), *of_error], error.bias))",
        (
            "(linear_map(of_g, two_slope.bias), linear_map([(weight, None, d), *of_error], "
            "two_slope.bias.minus(two_slope.bias)))"
        ),
    ),
    (InputFeatures.coefficients, "np.where(below, n, p)", "p"),
    (
        InputFeatures.coefficients,
        "[np.where(below, n, p), n[:, self.split]]",
        "[np.where(below, n, p), p[:, self.split]]",
    ),
    (InputFeatures.of, "not linear", "linear"),
    # the domain
    (InputFeatures.support, "coefficients[:, d:] * self.box.low[self.split]", "0.0"),
    (
        InputFeatures.support,
        "(np.minimum(at_low, at_high), np.maximum(at_low, at_high))",
        "(at_low, at_high)",
    ),
    (InputFeatures._ball_support, "np.array(ball.radius)", "np.array(ball.radius * 0.75)"),
    (InputFeatures._ball_support, "-coefficients", "coefficients"),
    (InputFeatures._chord_slopes, "np.maximum(near, chord)", "near"),
    (InputFeatures._chord_slopes, "np.where(c != 0.0, -near, 0.0)", "0.0"),
    (
        InputFeatures._chord_slopes,
        "(np.where(c >= 0.0, above, -below), np.where(c >= 0.0, -below, above))",
        "(np.where(c >= 0.0, above, -below), np.where(c >= 0.0, below, above))",
    ),
    # rounding inward, forgotten, or halved
    (InputFeatures.support, "rounding_error(size, d + 1)", "0.0 * size"),
    (linear_map, "radius = inflate(radius + rounding, 2 * len(products) + 1)", "pass"),
    (
        linear_map,
        "centre = centre + matrix @ forms.centre\n...\nradius + product_up(abs(matrix), forms.radius)",
        "radius + 0.0 * centre",
    ),
    (linear_map, "radius = radius + product_up(matrix_radius, size)", "pass"),
    (scaled_sum, "inflate(radius + rounding, 1)", "radius"),
    (AffineForms.minus, "rounding_error(size, 1)", "0.0 * size"),
    (AffineForms.range, "self.centre + high + inflate(spread + slack_high, 1)", "self.centre + high + 0.0"),
    (AffineForms.spread, "sum_up(np.abs(self.own))", "0.0"),
    (
        AffineForms.spread,
        "sum_up(shared) + sum_up(np.abs(self.own)) + self.radius",
        "sum_up(shared) + sum_up(np.abs(self.own))",
    ),
    (with_errors, "loose + loose_shared + rounding", "loose + loose_shared"),
    (with_errors, "loose + loose_shared + rounding", "loose_shared + rounding"),
    (with_errors, "finite(forms.centre + errors.mid + shared.mid)", "forms.centre"),
    # relaxations: wrong chord, offset of the wrong sign, stale or inward bounds
    (
        relu_relaxations.relu_error,
        "np.maximum(times_up(slope, below), times_up(1.0 - slope, above))",
        "times_up(slope, below)",
    ),
    (
        relu_relaxations.relu_error,
        "MidRad.from_bounds(np.zeros_like(most), most)",
        "MidRad.from_bounds(-most, np.zeros_like(most))",
    ),
    (
        relu_relaxations.deviation_error,
        "high = np.maximum(times_up(1.0 - slope, above), times_up(slope, below))",
        "high = times_up(slope, below)",
    ),
    (
        relu_relaxations.deviation_error,
        (
            "high = np.maximum(times_up(1.0 - slope, above), times_up(slope, below))\n"
            "...\n"
            "low = -np.maximum(times_up(slope, above), times_up(1.0 - slope, below))"
        ),
        "low = 0.0 * high",
    ),
    (
        relu_relaxations.deviation_error,
        "(before.g.low >= 0.0) & (before.f.low >= 0.0)",
        "before.g.low >= 0.0",
    ),
    (
        relu_relaxations.deviation_error,
        "(before.g.high <= 0.0) & (before.f.high <= 0.0)",
        "before.f.high <= 0.0",
    ),
    (PairRanges.relu, "np.maximum(self.deviation.high, 0.0)", "self.deviation.high"),
    (PairRanges.relu, "(self.g.low >= 0.0) & (self.f.low >= 0.0)", "self.f.low >= 0.0"),
    (
        PairRanges.tightened,
        "Range(_down(f.low, d.low), _up(f.high, d.high))",
        "Range(_down(f.low, -d.high), _up(f.high, -d.low))",
    ),
    (
        PairRanges.tightened,
        (
            "g = g.meet(Range(_down(f.low, d.low), _up(f.high, d.high)))\n"
            "...\n"
            "Range(_down(g.low, -f.high), _up(g.high, -f.low))"
        ),
        "Range(_down(g.low, -f.low), _up(g.high, -f.high))",
    ),
    (relu_relaxations._down, "np.nextafter(total, -np.inf)", "np.nextafter(total, np.inf)"),
    # the pair
    (ENGINE._relu, "slopes.g - slopes.f", "slopes.g"),
    (ENGINE._relu, "-error_f.mid", "error_f.mid"),
    (ENGINE._relu, "np.where(apart, error_f.rad, together.rad)", "together.rad"),
    (ENGINE._relu, "np.where(apart, error_g.rad, 0.0)", "error_g.rad"),
    (
        ENGINE._relu,
        "scale = np.where(apart, slopes.f, slopes.deviation)\n...\nnp.where(apart, error_g.mid, 0.0)",
        "0.0 * scale",
    ),
    (zonotope._signed_parts, "1.0 - slope", "slope"),
    (zonotope._signed_parts, "MidRad(-error.mid, -error.rad)", "MidRad(error.mid, error.rad)"),
    (zonotope._signed_parts, "MidRad(-error.mid, -error.rad)", "MidRad(-error.mid, error.rad)"),
    # a symbol for two errors, and columns that are dropped
    (
        with_errors,
        "joint = np.zeros((units, carriers.size))\n...\ncolumns[own, np.arange(own.size)]",
        "columns[own, np.arange(own.size) * 0]",
    ),
    (
        with_errors,
        Nth("joint[carriers, np.arange(carriers.size)]", 1),
        "joint[carriers, np.arange(carriers.size) * 0]",
    ),
    (
        with_errors,
        "loose[own], loose_shared[carriers] = 0.0, 0.0",
        "loose, loose_shared = 0.0 * loose, 0.0 * loose_shared",
    ),
    # the norms
    (zonotope_norms._l1_up, "max(ends.high.max(), -ends.low.min())", "ends.high.max()"),
    (zonotope_norms._l1_up, "2 ** (m - 1)", "max(1, 2 ** (m - 2))"),
    (zonotope_norms._l2_up, "2.0 * _total_up(row_norms_up(cross))", "_total_up(row_norms_up(cross))"),
    (zonotope_norms._l2_up, "matmul(columns.T, columns).magnitude()", "np.square(columns)"),
    (zonotope_norms._columns, "np.diag(loose)", "0.0 * np.diag(loose)"),
    (zonotope_norms._columns, "slope * above + (1.0 - slope) * below", "slope * above"),
    (
        zonotope_norms._columns,
        "forms.centre + slopes @ inputs.mid + kinks @ bend.mid",
        "forms.centre + slopes @ inputs.mid",
    ),
    (
        zonotope_norms._columns,
        "[forms.joint[:, features.magnitude.size :], forms.own, kinks * bend.rad, np.diag(loose)]",
        "[forms.joint[:, features.magnitude.size :], forms.own, 0.0 * kinks, np.diag(loose)]",
    ),
]


SPLITTING = [
    # lines
    (
        Lines.of_relu,
        (
            "low_slope, high_slope = secant_slopes(before)\n"
            "...\n"
            "_, high = deviation_error(before, high_slope).bounds()"
        ),
        "high = 0.0 * high_slope",
    ),
    (
        Lines.of_relu,
        (
            "low_slope, high_slope = secant_slopes(before)\n"
            "...\n"
            "low, _ = deviation_error(before, low_slope).bounds()"
        ),
        "low = 0.0 * low_slope",
    ),
    (Lines.of_relu, "relu_error(before.g, g_slope).bounds()[1]", "0.0 * g_slope"),
    # the pass backwards
    (dual_lines.relax, "(a + m.split, -m.split, b - m.split)", "(a + m.split, -m.split, b)"),
    (dual_lines.relax, "(a + m.split, -m.split, b - m.split)", "(a, -m.split, b - m.split)"),
    (
        dual_lines.relax,
        "np.where(of_g > 0.0, line.g_slope, low_g)",
        "np.where(of_g < 0.0, line.g_slope, low_g)",
    ),
    (dual_lines.relax, "np.where(of_f > 0.0, line.f_slope, low_f)", "low_f"),
    (dual_lines.relax, "np.where(of_d > 0.0, line.d_high_slope, line.d_low_slope)", "line.d_high_slope"),
    (dual_lines.relax, "np.where(of_d > 0.0, line.d_high, line.d_low)", "line.d_low"),
    (
        dual_lines.relax,
        "of_d * np.where(of_d > 0.0, line.d_high_slope, line.d_low_slope) - slope_f",
        "of_d * np.where(of_d > 0.0, line.d_high_slope, line.d_low_slope) + slope_f",
    ),
    (
        dual_lines.relax,
        "np.maximum(of_g, 0.0) * line.g_offset + np.maximum(of_f, 0.0) * line.f_offset",
        "np.maximum(of_g, 0.0) * line.g_offset",
    ),
    (
        dual_lines.relax,
        "m.phase_g * region.phase_g[index] + phase_f",
        "phase_f - m.phase_g * region.phase_g[index]",
    ),
    (dual_lines.relax, "q = q - phase_f", "pass"),
    (
        DualBounds._pull,
        "p @ self._slopes[index].mid + q @ self._errors[index].mid",
        "p @ self._slopes[index].mid",
    ),
    # proofs
    (DualBounds.certified, "constant = constant + added", "pass"),
    (
        DualBounds.certified,
        "constant + before_p @ self._bias[index].mid + before_q @ self._bias_error[index].mid",
        "constant + before_p @ self._bias[index].mid",
    ),
    (
        DualBounds.certified,
        "_, peak = self._features.support(finite(coefficients))",
        "peak, _ = self._features.support(finite(coefficients))",
    ),
    (
        DualBounds.certified,
        "before_p @ self._slopes[0].mid + before_q @ self._errors[0].mid",
        "before_p @ self._slopes[0].mid",
    ),
    (DualBounds.certified, "inflate(slack + loose, 4 * (layer + 2))", "-slack"),
    (DualBounds.certified, "inflate(slack + loose, 4 * (layer + 2))", "slack"),
    # the search
    (
        UnitSplitting.upper,
        "max(-self._open[0].negated if self._open else 0.0, self._settled)",
        "self._settled",
    ),
    (UnitSplitting.round, "for sign in (1, -1): ...", "for sign in (1,): ..."),
    (UnitSplitting.round, "self._settled = max(self._settled, -part.negated)", "pass"),
    (
        UnitSplitting._narrow,
        "high, proof_of_high = self._all_bounds(index, p, q, region, stop)\n...\nlow = -low",
        "low = high",
    ),
    (UnitSplitting._narrow, '("f", one, -one)', '("f", one, one)'),
    (
        UnitSplitting._region,
        "np.where(sign > 0.0, np.maximum(low, 0.0), low)",
        "np.where(sign < 0.0, np.maximum(low, 0.0), low)",
    ),
    (UnitSplitting._value, "np.maximum(bounds[:half], bounds[half:])", "bounds[:half]"),
    (unit_splitting._objectives, "np.concatenate([np.eye(outputs), -np.eye(outputs)])", "np.eye(outputs)"),
    (InputSplitting.round, "for side in (0, 1): ...", "for side in (0,): ..."),
    (
        InputSplitting.round,
        "(high if side == 0 else low)[axis] = middle[axis]",
        "(high if side == 0 else low)[:] = middle",
    ),
    (InputSplitting.round, "min(own, bound) > lower", "own > 2.0 * lower"),
    (splitting.splitting_bound, "max(search.upper(), found.lower)", "search.upper() * 0.9"),
]


@pytest.mark.slow
def test_the_checks_pass_as_things_are(monkeypatch):
    check_zonotope()
    check_splitting(monkeypatch)


def slowly(mutants, every):
    """Return the mutants as parameters, all but one in ``every`` of them marked as slow."""
    return [
        pytest.param(
            *mutant, id=f"{mutant[0].__qualname__}-{i}", marks=[pytest.mark.slow] if i % every else []
        )
        for i, mutant in enumerate(mutants)
    ]


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "formula", "broken"), slowly(MUTANTS, 10))
def test_every_mutant_of_the_zonotope_is_caught(monkeypatch, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises((AssertionError, ValueError, BoundOverflowError)):
            check_zonotope()


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "formula", "broken"), slowly(SPLITTING, 10))
def test_every_mutant_of_splitting_is_caught(monkeypatch, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises((AssertionError, ValueError, SoundnessError)):
            check_splitting(patch)

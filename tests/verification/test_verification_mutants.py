"""Mutants: deliberately broken formulas, each of which the checks of this folder must catch."""

import numpy as np
import pytest
from support.planting import plant
from verification.tiny_networks import (
    cancelling_matrices,
    check_bound,
    check_primitives,
    check_spectral,
    random_cases,
    tight_cases,
)

from subsetsum_nets.verification import SoundnessError, falsifier
from subsetsum_nets.verification.enclosures import convolutions, effective, midrad, ranges, spectral
from subsetsum_nets.verification.methods import differential, interval, norms


def poor_eigendecomposition(matrix):
    values, vectors = EIGH(matrix)
    return values * 0.75, vectors


def shrunken_vectors(matrix):
    values, vectors = EIGH(matrix)
    return values / 4.0, vectors * 2.0  # Q D Q^T is right, but Q is not orthogonal


EIGH = np.linalg.eigh


def all_checks(monkeypatch):
    """Run every check, as the other files do, on tiny cases."""
    for triple in cancelling_matrices():
        check_primitives(*triple)
    rng = np.random.default_rng(5)
    spectra = [rng.uniform(-1, 1, (3, 4)) * 2.0**k for k in (0, 3, -600)]
    for eigh in (EIGH, poor_eigendecomposition, shrunken_vectors):
        monkeypatch.setattr(np.linalg, "eigh", eigh)
        for matrix in spectra:
            check_spectral(matrix)
        check_spectral(np.array([[1.0, 1.0], [-1.0, 1.0]]))
    monkeypatch.setattr(np.linalg, "eigh", EIGH)
    for case in tight_cases():
        check_bound(case)
    for case in random_cases(range(12), ["auto"]):
        check_bound(case)


@pytest.mark.slow
def test_the_checks_pass_as_things_are(monkeypatch):
    all_checks(monkeypatch)


MUTANTS = [
    # function, formula, broken formula
    (differential.DifferentialRecursion.bound, "carried + fresh + error.bias", "fresh + error.bias"),
    (differential.DifferentialRecursion.bound, "carried + fresh + error.bias", "carried + fresh"),
    (differential.DifferentialRecursion.bound, "carried + fresh + error.bias", "carried + error.bias"),
    (
        differential.DifferentialRecursion.bound,
        "self._magnitudes",
        (
            "[self._magnitudes[i - 1] if i and self._magnitudes[i - 1].shape == m.shape else m for "
            "i, m in enumerate(self._magnitudes)]"
        ),
    ),
    (differential.DifferentialRecursion.bound, "inputs.widened(deviation)", "inputs"),
    (differential.DifferentialRecursion.bound, "index and self._target.relu_after[index - 1]", "index"),
    (differential.DifferentialRecursion.bound, "inputs = before.relu()", "pass"),
    (differential.DifferentialRecursion.__init__, "abs(weight)", "weight"),
    (differential.box_error, "product_up(error.positive, above)", "product_up(error.negative, above)"),
    (differential.box_error, "product_up(error.negative, below)", "product_up(error.positive, below)"),
    (
        convolutions.larger_products_up,
        "np.maximum(times_up(a, x), times_up(b, y))",
        "np.maximum(times_up(a, y), times_up(b, y))",
    ),
    (
        convolutions.larger_products_up,
        "np.maximum(times_up(a, x), times_up(b, y))",
        "np.maximum(times_up(a, x), times_up(a, y))",
    ),
    (
        differential.box_error,
        "product_up(error.positive, above)",
        "product_up(error.positive[:, :1], above[:1])",
    ),
    (differential.ball_error, "row_norms_up(counted)", "counted.max(axis=1)"),
    (differential.ball_error, "product_up(counted, center)", "0.0 * product_up(counted, center)"),
    (differential._counted, "np.maximum(positive, negative)", "np.maximum(0.0 * positive, negative)"),
    (
        differential.relu_deviation,
        "np.minimum(deviation, before.widened(deviation).relu().high)",
        "np.where(before.high <= 0.0, 0.0, deviation)",
    ),
    (
        effective._halves,
        "(exact.maximum(0.0), exact.minimum(0.0))",
        "(exact.minimum(0.0), exact.maximum(0.0))",
    ),
    (effective._halves, "exact.minimum(0.0)", "exact"),
    (effective._relu, "_halves(constant)[0]", "_halves(constant)[1]"),
    (effective._relu, "_halves(constant)[0]", "constant"),
    (
        effective._matrices,
        "[first.weight, first.offset[:, np.newaxis]]",
        "[first.weight, first.offset[:, np.newaxis] * 0.0]",
    ),
    (effective._matrices, "constant.plus(layer.offset[:, np.newaxis])", "constant"),
    (effective._matrices, "parts[-2]", "parts[0]"),
    (effective.TwoSlope.minus, "self.bias.minus(MidRad.point(layer.offset))", "self.bias.minus(self.bias)"),
    (
        effective.TwoSlope.minus,
        "positive if self.negative is self.positive else _difference(self.negative, layer)",
        "positive if self.negative is self.positive else positive",
    ),
    (effective.TwoSlope.image, "slopes.append(self.negative)", "slopes.append(self.positive)"),
    (effective.TwoSlope.image, "(low < 0.0).any()", "False"),
    (interval.difference_up, "np.maximum(f.high - g.low, g.high - f.low)", "f.high - g.low"),
    (interval.difference_up, "np.maximum(f.high - g.low, g.high - f.low)", "abs(f.high - g.high)"),
    (
        norms.norms_bound,
        (
            "_sum_of_products_up((weight_norm, error_norm), (deviation, size_of_g), "
            'norm_up(error.bias.magnitude(), "l2"))'
        ),
        '_sum_of_products_up((error_norm,), (size_of_g,), norm_up(error.bias.magnitude(), "l2"))',
    ),
    (norms.norms_bound, "size + deviation", "size"),
    (norms.norms_bound, 'norm_up(error.bias.magnitude(), "l2")', "0.0"),
    (
        norms.norms_bound,
        "_sum_of_products_up((weight_norm,), (size,), bias_norm)",
        "_sum_of_products_up((weight_norm,), (size,), 0.0)",
    ),
    (norms.norms_bound, "outputs = np.array(float(target.widths[-1]))", "outputs = np.array(1.0)"),
    (
        norms._largest_norm,
        'norm_up(np.maximum(np.abs(inputs.low), np.abs(inputs.high)), "l2")',
        'norm_up(np.maximum(np.abs(inputs.low), np.abs(inputs.high)), "linf")',
    ),
    (norms._largest_norm, "center + ball.radius", "ball.radius / 2"),
    (norms._visible, "error.negative is error.positive", "True"),
    (
        norms._visible,
        "error.negative.columns(may_be_negative)",
        "error.negative.columns(may_be_negative & False)",
    ),
    (ranges.first_layer_range, "middle.rad + reach", "middle.rad"),
    (ranges.first_layer_range, "row_norms_up(layer.weight)", "row_norms_up(layer.weight) / 2"),
    (ranges.network_ranges, "before.relu() if network.relu_after[index] else before", "before.relu()"),
    (
        ranges.layer_range,
        "affine(layer.weight, MidRad.from_bounds(*x), layer.bias)",
        "affine(layer.weight, MidRad.from_bounds(*x))",
    ),
    (ranges.Range.meet, "np.minimum(self.high, other.high)", "np.maximum(self.low, other.low)"),
    (
        midrad.affine,
        "mid = weight @ x.mid\n...\nrad = product_up(abs(weight), spread)",
        "rad = product_up(abs(weight), x.rad)",
    ),
    (
        midrad.affine,
        "mid = weight @ x.mid\n...\nrad = product_up(abs(weight), spread)",
        "rad = product_up(abs(weight), spread - x.rad)",
    ),
    (midrad.affine, "rounding_error(bias, roundings)", "0.0"),
    (
        midrad._unrolled_matmul,
        "rads.append(rounding_error(magnitude, count))",
        "rads.append(0.0 * magnitude)",
    ),
    (midrad.rounding_error, "roundings * UNIT * (1.0 + 2.0**-10)", "0.25 * UNIT"),
    (midrad.rounding_error, "2 * roundings * TINY", "0.0"),
    (midrad.inflate, "1.0 + (roundings + 2) * 2 * UNIT", "1.0"),
    (midrad.inflate, "1.0 + (roundings + 2) * 2 * UNIT", "1.0 - (roundings + 2) * 2 * UNIT"),
    (midrad.times_up, "TINY * ((a != 0.0) & (b != 0.0))", "0.0 * ((a != 0.0) & (b != 0.0))"),
    (midrad.product_up, "count * TINY", "0.0"),
    (midrad.MidRad.minus, "self.rad + other.rad + rounding_error(mid, 1)", "self.rad + other.rad"),
    (midrad.MidRad.minus, "self.rad + other.rad", "self.rad"),
    (midrad.MidRad.plus, "self.rad + rounding_error(mid, 1)", "self.rad"),
    (midrad.MidRad.bounds, "np.nextafter(low, -np.inf)", "low"),
    (midrad.MidRad.bounds, "np.nextafter(high, np.inf)", "np.nextafter(high, -np.inf)"),
    (midrad.MidRad.magnitude, "np.abs(self.mid) + self.rad", "np.abs(self.mid)"),
    (midrad.MidRad.mignitude, "np.abs(self.mid) - self.rad", "np.abs(self.mid) + self.rad"),
    (midrad.MidRad.mignitude, "np.nextafter(gap, -np.inf)", "np.nextafter(gap, np.inf)"),
    (midrad.norm_up, "return float(sum_up(magnitude))", "return float(magnitude.sum())"),
    (midrad.norm_up, "row_norms_up(magnitude[np.newaxis])[0]", "magnitude.max()"),
    (midrad.norm_down, "math.sqrt(total)", "math.sqrt(total) * (1 + 2.0**-44)"),
    (
        midrad.row_norms_up,
        "unscaled_up(inflate(np.sqrt(squares), 1), exponent)",
        "inflate(np.sqrt(squares), 1)",
    ),
    (
        midrad.row_norms_up,
        "inflate(np.asarray(squares).ravel() + count * TINY, count + 1)",
        "squares * (1 - 2.0**-50)",
    ),
    (spectral._gram_bound, "np.abs(eigenvalues).max()", "np.abs(eigenvalues).min()"),
    (
        spectral._gram_bound,
        "np.abs(eigenvalues).max() * (1.0 + defect) + residual",
        "np.abs(eigenvalues).max() * (1.0 + defect)",
    ),
    (spectral._gram_bound, "1.0 + defect", "1.0"),
    (spectral._gram_bound, "np.sqrt(square)", "np.sqrt(np.sqrt(square))"),
    (spectral.spectral_norm_up, "centre + simple_bound(matrix.rad)", "centre"),
    (
        falsifier.difference_bounds,
        "partial(value_enclosure, comparison.pruned, point)",
        "partial(value_enclosure, comparison.pruned, point * 0.5)",
    ),
    (
        falsifier._inside,
        "candidate = domain.project(point) if np.isfinite(point).all() else center",
        "return 2.0 * point + 1.0",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "formula", "broken"),
    MUTANTS,
    ids=[f"{f.__qualname__}-{i}" for i, (f, _, _) in enumerate(MUTANTS)],
)
def test_every_mutant_is_caught(monkeypatch, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises((AssertionError, SoundnessError)):
            all_checks(patch)

"""Propagated matrices: sound on tiny networks, never above the simpler methods, tight where errors cancel."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from verification.propagated_checks import (
    check,
    check_products,
    check_relu_slopes,
    check_slope_ranges,
    known,
)

from subsetsum_nets.networks import Ball, Box, Dense, InvalidNetworkError, ReluNetwork
from subsetsum_nets.verification import Comparison, TwoSlope, differential_bound, effective_layers
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.methods import propagated, slope_ranges
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.propagated import propagated_bound, relu_slopes


@pytest.mark.thinned
@pytest.mark.parametrize("which", ["unstable", "traps", "tight", "random"])
def test_sound_and_never_above_the_simpler_methods(which):
    for case, true in known(which):
        upper = check(propagated, case, true).upper
        errors = [
            e.minus(x).magnitudes()
            for e, x in zip(effective_layers(case.f, case.g), case.f.layers, strict=True)
        ]
        slack = 1 + 1e-12
        assert upper <= differential_bound(case.f, errors, case.domain, case.norm).upper * slack
        if which == "random":
            assert upper <= interval_bound(Comparison(case.f, case.g, case.domain, case.norm)).upper * slack


def test_bounds_reach_the_truth():
    assert sum(case.tight for case, _ in known("unstable") + known("tight")) > 30


def he_normal_pair(seed, widths, error):
    rng = np.random.default_rng(seed)
    f = ReluNetwork([Dense(rng.standard_normal((b, a)) * (2 / a) ** 0.5) for a, b in pairwise(widths)])
    effective = []
    for layer in f.layers:
        halves = [
            MidRad.point(layer.weight + rng.uniform(-error, error, layer.weight.shape)) for _ in range(2)
        ]
        effective.append(TwoSlope(*halves, MidRad.point(np.zeros(layer.d_out))))
    return f, effective


@pytest.mark.parametrize(("widths", "gain"), [((64, 64, 64, 10), 2.5), ((64, 64, 64, 64, 64, 10), 5.0)])
def test_far_below_the_differential_recursion_on_random_deep_networks(widths, gain):
    f, effective = he_normal_pair(0, widths, 1e-3)
    errors = [e.minus(x).magnitudes() for e, x in zip(effective, f.layers, strict=True)]
    simple = differential_bound(f, errors, Box(-1, 1), "linf").upper
    assert propagated_bound(Comparison(f, f, Box(-1, 1), "linf", effective)).upper * gain < simple


def test_blocks_sparse_targets_and_wide_layers_give_sound_bounds(monkeypatch):
    from scipy.sparse import csr_array

    for case, true in known("few"):
        whole = propagated_bound(Comparison(case.f, case.g, case.domain, case.norm)).upper
        sparse = ReluNetwork(
            [Dense(csr_array(x.weight), x.bias) for x in case.f.layers], final_relu=case.f.final_relu
        )
        assert check(propagated, replace(case, f=sparse), true).upper == pytest.approx(whole, rel=1e-12)
        with monkeypatch.context() as patch:
            patch.setattr(propagated, "_BLOCK", 1)
            assert check(propagated, case, true).upper == pytest.approx(whole, rel=1e-12)
            patch.setattr(propagated, "WIDEST", 0)
            assert check(propagated, case, true).upper >= whole * (1 - 1e-12)


def test_equal_networks_have_the_bound_zero():
    for case, _ in known("few"):
        assert propagated_bound(Comparison(case.f, case.f, case.domain)).upper == 0.0


def test_layers_report_the_worst_units():
    f = ReluNetwork([Dense([[1.0], [1.0]], [-5.0, 0.0]), Dense([[1.0, 1.0]])])
    g = ReluNetwork([Dense([[1.5], [1.25]], [-5.0, 0.0]), Dense([[1.0, 1.0]], [0.125])])
    first, second = propagated_bound(Comparison(f, g, Box(-1, 1), "l2")).layers
    assert (first.index, second.index) == (0, 1)
    assert first.weight_error == pytest.approx(0.5)
    assert first.deviation_before == pytest.approx(0.5)
    assert first.deviation_after == pytest.approx(0.25)  # the other unit is off in both networks
    assert second.deviation_before == second.deviation_after == pytest.approx(0.375, abs=1e-3)


def test_bad_input_is_refused():
    f = ReluNetwork([Dense([[1.0, 2.0]])])
    effective = effective_layers(f, f)
    with pytest.raises(ValueError, match="unknown norm 'max'"):
        propagated_bound(Comparison(f, f, Box(-1, 1), "max"))
    with pytest.raises(ValueError, match="got 2 effective layers, the target has 1"):
        propagated_bound(Comparison(f, f, Box(-1, 1), known=effective * 2))
    with pytest.raises(InvalidNetworkError):
        propagated_bound(Comparison(f, f, Box([0, 0, 0], [1, 1, 1])))
    huge, other = ReluNetwork([Dense([[1e300, 1e300]])]), ReluNetwork([Dense([[1e300, -1e300]])])
    for domain in (Box(-1e10, 1e10), Ball(1e10), Box(-1e8, 1e8)):
        with pytest.raises(OverflowError):
            propagated_bound(Comparison(huge, other, domain))


def test_parts_enclose_exact_values():
    check_slope_ranges(slope_ranges)
    check_relu_slopes(propagated)
    check_products(propagated)


def test_slopes_of_units_are_narrow():
    d = relu_slopes(
        Range(np.array([1.0, -4.0]), np.array([2.0, 2.0])),
        Range(np.array([-3.0, -6.0]), np.array([4.0, -1.0])),
        np.array([4.0, 4.0]),
    )
    assert d.low == pytest.approx([0.25, 0.0])
    assert d.high == pytest.approx([1.0, 0.75])

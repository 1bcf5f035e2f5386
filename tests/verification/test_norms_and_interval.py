"""The methods "norms" and "interval": sound on tiny networks, tight where they can be."""

import numpy as np
import pytest
from verification.tiny_networks import Case, check_bound, random_cases, random_pair, tight_cases

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, UnsupportedStructureError
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.norms import norms_bound


@pytest.mark.parametrize("case", [c for c in tight_cases() if c.method != "differential"], ids=str)
def test_bounds_that_reach_the_truth(case):
    check_bound(case)


@pytest.mark.thinned
@pytest.mark.parametrize("case", random_cases(range(100, 130), ["norms", "interval"]), ids=str)
def test_random_tiny_networks(case):
    check_bound(case)


def test_norms_of_a_linear_pair_over_a_ball_is_the_spectral_norm():
    rng = np.random.default_rng(2)
    weight, error = rng.uniform(-1, 1, (3, 2)), rng.uniform(-0.1, 0.1, (3, 2))
    f, g = ReluNetwork([Dense(weight)]), ReluNetwork([Dense(weight + error)])
    upper = norms_bound(Comparison(f, g, Ball(2.0), "l2")).upper
    assert upper == pytest.approx(2.0 * np.linalg.norm(error, 2), rel=1e-9)
    check_bound(Case("spectral", f, g, Ball(2.0), "l2", "norms"))


def test_norms_never_exceed_the_textbook_block_error():
    f, g = random_pair(3, (2, 3), error=0.3, bias=False)
    positive = np.maximum(g.layers[0].weight, 0)
    negative = np.minimum(g.layers[0].weight, 0)
    errors = [g.layers[1].weight @ part - f.layers[0].weight for part in (positive, negative)]
    textbook = np.hypot(*(np.linalg.norm(e, 2) for e in errors)) * np.sqrt(2.0)
    assert norms_bound(Comparison(f, g, Box(-1, 1), "l2")).upper <= textbook * (1 + 1e-12)


def test_norms_needs_the_structure_and_interval_does_not():
    f = ReluNetwork([Dense([[1.0, 2.0]])])
    g = ReluNetwork([Dense([[1.0, 1.0]]), Dense([[1.0]]), Dense([[1.0]])])
    with pytest.raises(UnsupportedStructureError):
        norms_bound(Comparison(f, g, Box(-1, 1), "l2"))
    check_bound(Case("generic", f, g, Box(-1, 1), "l2", "interval", tight=False))


def test_interval_reports_the_output_layer():
    f, g = ReluNetwork([Dense([[1.0]])], final_relu=True), ReluNetwork([Dense([[-1.0]])], final_relu=True)
    (layer,) = interval_bound(Comparison(f, g, Box(-1, 1), "l2")).layers
    assert layer.weight_error is None
    assert (layer.deviation_before, layer.deviation_after) == pytest.approx((2.0, 1.0))


@pytest.mark.parametrize("bound", [norms_bound, interval_bound])
def test_overflow_and_unknown_norms(bound):
    f, g = ReluNetwork([Dense([[1e300]])]), ReluNetwork([Dense([[1e299]])])
    with pytest.raises(OverflowError):
        bound(Comparison(f, g, Box(-1e10, 1e10), "l2"))
    with pytest.raises(OverflowError):
        bound(Comparison(f, g, Ball(1e300, 1e300), "l2"))
    with pytest.raises(ValueError, match="unknown norm"):
        bound(Comparison(f, g, Box(-1, 1), "l4"))

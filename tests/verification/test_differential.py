"""The recursion: sound on random tiny networks, tight where it can be, monotone, fast."""

import time
from itertools import pairwise

import numpy as np
import pytest
from verification.tiny_networks import NORMS, Case, check_bound, random_cases, random_pair, tight_cases

from subsetsum_nets.networks import Ball, Box, Dense, InvalidNetworkError, ReluNetwork
from subsetsum_nets.verification import (
    DifferentialRecursion,
    LayerErrors,
    differential_bound,
    effective_layers,
    verify,
)


@pytest.mark.parametrize("case", [c for c in tight_cases() if c.method == "differential"], ids=str)
def test_bounds_that_reach_the_truth(case):
    check_bound(case)


@pytest.mark.thinned
@pytest.mark.parametrize("case", random_cases(range(40), ["differential"]), ids=str)
def test_random_tiny_networks(case):
    check_bound(case)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(
    "domain", [Box(-1, 1), Box([-0.5, 0.25], [1.0, 0.5]), Ball(1.5, [0.5, 0.0])], ids=str
)
def test_monotone_in_the_errors(domain, norm):
    rng = np.random.default_rng(11)
    f, _ = random_pair(3, (2, 4, 3, 2))
    recursion = DifferentialRecursion(f, domain)
    errors = [
        LayerErrors(
            *(rng.uniform(0, 0.3, shape) for shape in ((x.d_out, x.d_in), (x.d_out, x.d_in), (x.d_out,)))
        )
        for x in f.layers
    ]
    last = 0.0
    for scale in (0.0, 1e-9, 1e-3, 0.5, 1.0, 3.0):
        scaled = [LayerErrors(e.positive * scale, e.negative * scale, e.bias * scale) for e in errors]
        upper = recursion.bound(scaled, norm).upper
        assert upper == differential_bound(f, scaled, domain, norm).upper
        assert upper > last or scale == 0.0
        last = upper
    for index in range(3):  # one entry up: never down
        raised = list(errors)
        positive = errors[index].positive.copy()
        positive[0, 0] += 0.5
        raised[index] = LayerErrors(positive, errors[index].negative, errors[index].bias)
        assert recursion.bound(raised, norm).upper >= recursion.bound(errors, norm).upper


def test_no_error_no_deviation():
    f, _ = random_pair(1, (2, 3, 2))
    none = [
        LayerErrors(np.zeros((x.d_out, x.d_in)), np.zeros((x.d_out, x.d_in)), np.zeros(x.d_out))
        for x in f.layers
    ]
    assert differential_bound(f, none, Box(-1, 1), "l2").upper == 0.0


def test_layers_report_the_worst_units():
    f = ReluNetwork([Dense([[1.0], [1.0]], [-5.0, 0.0]), Dense([[1.0, 1.0]])])
    error = LayerErrors(np.array([[0.5], [0.25]]), np.array([[0.5], [0.25]]), np.zeros(2))
    none = LayerErrors(np.zeros((1, 2)), np.zeros((1, 2)), np.array([0.125]))
    first, second = differential_bound(f, [error, none], Box(-1, 1), "l2").layers
    assert (first.index, second.index) == (0, 1)
    assert first.weight_error == pytest.approx(0.5)
    assert first.deviation_before == pytest.approx(0.5)
    assert first.deviation_after == pytest.approx(0.25)  # the other unit is off in both networks
    assert second.deviation_before == second.deviation_after == pytest.approx(0.375)


def test_never_worse_than_ignoring_signs():
    f, g = random_pair(4, (2, 3, 1), error=0.2)
    errors = [t.minus(x).magnitudes() for t, x in zip(effective_layers(f, g), f.layers, strict=True)]
    both = [LayerErrors(m := np.maximum(e.positive, e.negative), m, e.bias) for e in errors]
    upper = differential_bound(f, errors, Box(-1, 1), "linf").upper
    assert upper <= differential_bound(f, both, Box(-1, 1), "linf").upper


ONE = ReluNetwork([Dense([[1.0, 2.0]])])
GOOD = LayerErrors(np.ones((1, 2)), np.ones((1, 2)), np.ones(1))


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([], "got errors for 0 layers, the target has 1"),
        ([LayerErrors(np.ones((2, 2)), np.ones((1, 2)), np.ones(1))], "have shapes"),
        ([LayerErrors(np.ones((1, 2)), np.ones((1, 2)), np.ones(2))], "have shapes"),
        ([LayerErrors(-np.ones((1, 2)), np.ones((1, 2)), np.ones(1))], "finite numbers >= 0"),
        ([LayerErrors(np.ones((1, 2)), np.full((1, 2), np.nan), np.ones(1))], "finite numbers >= 0"),
        ([LayerErrors(np.ones((1, 2)), np.ones((1, 2)), np.full(1, np.inf))], "finite numbers >= 0"),
    ],
)
def test_errors_are_checked(errors, message):
    with pytest.raises(ValueError, match=message):
        differential_bound(ONE, errors, Box(-1, 1))


def test_other_errors():
    with pytest.raises(ValueError, match="unknown norm"):
        differential_bound(ONE, [GOOD], Box(-1, 1), "max")
    with pytest.raises(InvalidNetworkError):
        differential_bound(ONE, [GOOD], Box([0, 0, 0], [1, 1, 1]))
    with pytest.raises(OverflowError):
        differential_bound(ReluNetwork([Dense([[1e300, 1e300]])]), [GOOD], Box(-1e10, 1e10))


def test_fast_enough_for_repeated_calls():
    rng = np.random.default_rng(0)
    widths = (784, 500, 500, 10)
    layers = [Dense(rng.standard_normal((b, a)) / a**0.5) for a, b in pairwise(widths)]
    recursion = DifferentialRecursion(ReluNetwork(layers), Box(0, 1))
    errors = [LayerErrors(e := np.full((x.d_out, x.d_in), 1e-6), e, np.zeros(x.d_out)) for x in layers]
    started = time.perf_counter()
    recursion.bound(errors)
    assert time.perf_counter() - started < 1.0


def test_sparse_targets_give_the_same_bound():
    from scipy.sparse import csr_array

    f, g = random_pair(9, (2, 3, 2))
    sparse = ReluNetwork([Dense(csr_array(x.weight), x.bias) for x in f.layers])
    dense_bound = verify(f, g, method="differential").upper
    assert verify(sparse, g, method="differential").upper == pytest.approx(dense_bound, rel=1e-12)
    check_bound(Case("sparse", sparse, g, Box(-1, 1), "l2", "differential", tight=False))

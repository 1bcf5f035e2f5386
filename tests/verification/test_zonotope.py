"""Method "zonotope": sound against exact evaluation, never worse than simpler methods, often tight."""

from fractions import Fraction

import numpy as np
import pytest
from verification.tiny_networks import NORMS, random_cases, random_pair
from verification.zonotope_checks import (
    check_case,
    check_tight,
    kinked_cases,
    reached_cases,
    rounding_cases,
)

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, InvalidNetworkError, ReluNetwork
from subsetsum_nets.verification import (
    BoundOverflowError,
    Comparison,
    UnsupportedStructureError,
    differential_bound,
    effective_layers,
)
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope, zonotope_bound

DOMAINS = [Box(-1, 1), Box([-0.5, 0.25], [1.0, 0.5]), Ball(1.5, [0.5, 0.0]), Ball(1.0)]


@pytest.mark.parametrize("case", reached_cases()[::2], ids=str)
def test_bounds_that_reach_the_truth(case):
    check_tight(case)


@pytest.mark.thinned
@pytest.mark.parametrize("case", kinked_cases() + rounding_cases(), ids=str)
def test_kinks_and_rounding(case):
    check_case(case)


@pytest.mark.parametrize("case", random_cases(range(12)), ids=str)
def test_random_tiny_networks(case):
    check_case(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", random_cases(range(100, 220)), ids=str)
def test_many_random_tiny_networks(case):
    check_case(case, draws=4)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("domain", DOMAINS, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_never_worse_than_interval_and_differential(seed, domain, norm):
    f, g = random_pair(seed, (2, 5, 4, 3), error=(0.02, 0.3)[seed % 2], final_relu=seed > 1)
    upper = zonotope_bound(Comparison(f, g, domain, norm)).upper
    layers = effective_layers(f, g)
    errors = [e.minus(layer).magnitudes() for e, layer in zip(layers, f.layers, strict=True)]
    simple = min(
        differential_bound(f, errors, domain, norm).upper,
        interval_bound(f, ReluNetwork([Dense(e.positive.mid) for e in layers]), domain, norm).upper
        if all(e.negative is e.positive for e in layers)
        else np.inf,
    )
    assert upper <= simple * (1 + 1e-9)


def test_much_tighter_than_differential():
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((n, m)) * np.sqrt(2 / m) for m, n in ((16, 32), (32, 32), (32, 4))]
    moved = [w + rng.uniform(-1e-3, 1e-3, w.shape) for w in weights]
    f, g = (ReluNetwork([Dense(w) for w in ws]) for ws in (weights, moved))
    errors = [e.minus(layer).magnitudes() for e, layer in zip(effective_layers(f, g), f.layers, strict=True)]
    for norm in NORMS:
        ratio = (
            zonotope_bound(Comparison(f, g, Box(-1, 1), norm)).upper
            / differential_bound(f, errors, Box(-1, 1), norm).upper
        )
        assert ratio < 0.35


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_equal_networks_do_not_deviate(domain):
    f, _ = random_pair(1, (2, 5, 4, 3))
    for norm in NORMS:
        assert zonotope_bound(Comparison(f, f, domain, norm)).upper == 0.0


def test_cancellation_between_layers_is_seen():
    # Both hidden units deviate by the same amount, which the second layer subtracts.
    f = ReluNetwork([Dense([[1.0], [1.0]], [2.0, 3.0]), Dense([[1.0, -1.0]])])
    g = ReluNetwork([Dense([[1.25], [1.25]], [2.0, 3.0]), Dense([[1.0, -1.0]])])
    assert zonotope_bound(Comparison(f, g, Box(-1, 1), "linf")).upper < 1e-14


def test_the_norm_sees_dependent_outputs():
    # Opposite outputs of 200 equal inputs each: l2 is 200 sqrt(2) at most, but no two rows add up.
    error = np.array([[0.5, 0.5], [0.5, -0.5]])
    f, g = ReluNetwork([Dense(np.zeros((2, 2)))]), ReluNetwork([Dense(error)])
    assert zonotope_bound(Comparison(f, g, Box(-1, 1), "l1")).upper == pytest.approx(1.0, abs=1e-12)
    assert zonotope_bound(Comparison(f, g, Box(-1, 1), "l2")).upper == pytest.approx(1.0, abs=1e-12)
    assert zonotope_bound(Comparison(f, g, Ball(1.0), "l2")).upper == pytest.approx(np.sqrt(0.5), abs=1e-12)
    assert zonotope_bound(Comparison(f, g, Box(-1, 1), "linf")).upper == pytest.approx(1.0, abs=1e-12)


def test_fewer_symbols_bound_more_weakly():
    f, g = random_pair(7, (2, 6, 6, 2), error=0.2)
    bounds = [
        DifferentialZonotope(Comparison(f, g, Box(-1, 1)), max_entries=entries)
        .enclose(Box(-1, 1))
        .norm_up("linf")
        for entries in (0, 60, 10**6)
    ]
    assert bounds[0] >= bounds[1] >= bounds[2]
    assert bounds[0] > bounds[2]


def test_range_of_float64():
    f = ReluNetwork([Dense([[1e300, 1e300]]), Dense([[1e300]])])
    g = ReluNetwork([Dense([[1e300, -1e300]]), Dense([[1e300]])])
    with pytest.raises(BoundOverflowError):
        zonotope_bound(Comparison(f, g, Box(-1, 1), "linf"))
    f, g = ReluNetwork([Dense([[1e300]])]), ReluNetwork([Dense([[-5e299]])])
    for norm in NORMS:
        assert Fraction(zonotope_bound(Comparison(f, g, Box(-1, 1), norm)).upper) >= Fraction(
            1e300
        ) + Fraction(5e299)


def test_sparse_weights_give_the_same_kind_of_bound():
    from scipy.sparse import csr_array

    f, g = random_pair(3, (2, 5, 3), error=0.1)
    sparse = ReluNetwork([Dense(csr_array(layer.weight), layer.bias) for layer in f.layers])
    assert zonotope_bound(Comparison(sparse, g, Box(-1, 1), "l2")).upper == pytest.approx(
        zonotope_bound(Comparison(f, g, Box(-1, 1), "l2")).upper, rel=1e-9
    )


@pytest.mark.parametrize("domain", [Box(-1, 1), Ball(1.0, 0.125)], ids=str)
def test_convolutions_are_bounded_as_their_matrices(domain):
    rng = np.random.default_rng(0)
    kernels = [rng.uniform(-1, 1, shape) for shape in ((3, 3, 2, 3), (2, 3, 3, 2))]
    f, g = (
        ReluNetwork(
            [Conv2d(k + s * rng.uniform(-1, 1, k.shape), np.full(k.shape[3], 0.25)) for k in kernels],
            input_shape=(3, 4, 2),
        )
        for s in (0.0, 1e-3)
    )
    dense = [
        ReluNetwork([Dense(layer.weight.tocsr().toarray(), layer.bias) for layer in n.affine_layers])
        for n in (f, g)
    ]
    for norm in NORMS:
        upper = zonotope_bound(Comparison(f, g, domain, norm)).upper
        assert upper == pytest.approx(zonotope_bound(Comparison(*dense, domain, norm)).upper, rel=1e-9)


def test_refusals():
    f, g = random_pair(0, (2, 3, 2))
    with pytest.raises(ValueError, match="unknown norm 'l7'"):
        zonotope_bound(Comparison(f, g, Box(-1, 1), "l7"))
    with pytest.raises(InvalidNetworkError):
        zonotope_bound(Comparison(f, g, Box([-1, -1, -1], [1, 1, 1]), "l2"))
    deep = ReluNetwork([Dense(np.ones((2, 2))), *g.layers])
    with pytest.raises(UnsupportedStructureError):
        zonotope_bound(Comparison(f, deep, Box(-1, 1), "l2"))


def test_the_trace_can_be_used_again():
    f, g = random_pair(5, (2, 4, 3, 2), error=0.2)
    zonotope = DifferentialZonotope(Comparison(f, g, Box(-1, 1)))
    first = zonotope.enclose(Box(-1, 1))
    again = zonotope.enclose(Box(-1, 1), slopes=first.slopes)
    assert again.norm_up("l2") == first.norm_up("l2")

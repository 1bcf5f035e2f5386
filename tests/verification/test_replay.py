"""Replay in exact arithmetic: never above the floating bound, never below the truth; its parts, exactly."""

import math
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from verification.replay_checks import (
    WITHOUT_SEARCH,
    check_eigenvalues,
    check_replay,
    check_slope_interval,
    check_spectral,
    floating_bound,
    known,
)
from verification.tiny_networks import NORMS, Case, exact_pair, random_pair

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, ReluNetwork, load_network, shipped_network
from subsetsum_nets.verification import Comparison, UnsupportedStructureError
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.replay.arithmetic import (
    ExactMatrix,
    float_up,
    integers,
    quotient_down,
    root_up,
)
from subsetsum_nets.verification.replay.layers import exact_effective_layers, exact_layers
from subsetsum_nets.verification.replay.propagated import _slope_interval
from subsetsum_nets.verification.replay.replay import replayed_bound
from subsetsum_nets.verification.replay.spectral import exceeds_eigenvalues, spectral_norm_up

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.thinned
@pytest.mark.parametrize("which", ["tight", "unstable", "traps", "random"])
def test_between_the_truth_and_the_floating_bound(which):
    for case, true, bounds in known(which):
        check_replay(replayed_bound, case, true, bounds)


def test_cases_have_every_norm_and_domain():
    kinds = {(case.norm, type(case.domain)) for case, _, _ in known("random")}
    assert kinds == {(norm, kind) for norm in NORMS for kind in (Box, Ball)}


@pytest.mark.parametrize("method", WITHOUT_SEARCH)
def test_equal_networks_and_huge_numbers(method):
    f, _ = random_pair(2, (2, 3, 2))
    if method != "interval":
        same = Comparison(f, f, Box(-1, 1))
        assert replayed_bound(method, same, TABLE[method].bound(same).record) == 0
    f, g = ReluNetwork([Dense([[1e300, 1e300]])]), ReluNetwork([Dense([[1e300, -1e300]])])
    # Beyond float64, where the floating method proves nothing; with its choices for a smaller domain.
    record = TABLE[method].bound(Comparison(f, g, Box(0, 1), "linf")).record
    replayed = replayed_bound(method, Comparison(f, g, Box(0, 1e10), "linf"), record)
    assert replayed >= Fraction(1e300) * 2 * 10**10
    assert float_up(replayed) == math.inf


def test_sparse_and_convolutional_layers_are_read_as_they_are():
    from scipy.sparse import csr_array

    f, g = random_pair(5, (2, 3, 2))
    sparse_f, sparse_g = (
        ReluNetwork([Dense(csr_array(x.weight), x.bias) for x in n.layers], linear_after=n.linear_after)
        for n in (f, g)
    )
    rng = np.random.default_rng(1)
    head = Dense(rng.uniform(-1, 1, (2, 12)))
    images = [
        ReluNetwork(
            [Conv2d(rng.uniform(-1, 1, (2, 3, 1, 2)), rng.uniform(-1, 1, 2)), head], input_shape=(2, 3, 1)
        )
        for _ in range(2)
    ]
    unrolled = [
        ReluNetwork([Dense(x.weight if x is head else x.weight.toarray(), x.bias) for x in n.affine_layers])
        for n in images
    ]
    for norm in NORMS:
        for method in ("norms", "interval", "differential"):
            sparse, dense, convolved, flat = (
                replayed_bound(method, Comparison(*pair, domain, norm))
                for pair, domain in (
                    ((sparse_f, sparse_g), Box(-1, 1)),
                    ((f, g), Box(-1, 1)),
                    (images, Ball(0.5)),
                    (unrolled, Ball(0.5)),
                )
            )
            assert sparse == dense
            assert convolved == flat


def test_bad_input_is_refused():
    f, g = random_pair(2, (2, 3, 2))
    with pytest.raises(ValueError, match="cannot replay method 'crown'; available are norms"):
        replayed_bound("crown", Comparison(f, g, Box(-1, 1)))
    with pytest.raises(ValueError, match="unknown norm 'max'"):
        replayed_bound("norms", SimpleNamespace(target=f, pruned=g, domain=Box(-1, 1), norm="max"))
    f = ReluNetwork([Dense([[1.0, 2.0]])])
    one, two = Dense([[1.0, 1.0]]), Dense([[1.0]])
    for layers, options in (
        ([one, two, two], {}),  # three layers for one
        ([one, two], {}),  # a hidden unit with two inputs
        ([Dense([[1.0, 0.0]], [0.5]), two], {}),  # a hidden unit with an input and a bias
        ([one], {"final_relu": True}),
        ([Dense([[1.0, 1.0]] * 2)], {}),
    ):
        with pytest.raises(UnsupportedStructureError):
            exact_effective_layers(f, ReluNetwork(layers, **options))


def test_effective_layers_are_exact():
    rng = np.random.default_rng(3)
    first, second = exact_pair(rng.uniform(-1, 1, (2, 3)), rng.uniform(-1, 1, (2, 3)), [0.1, 0.2])
    weight = rng.uniform(-1, 1, second.weight.shape)
    slopes = rng.uniform(0.1, 1, 7)
    f = ReluNetwork([Dense(np.zeros((2, 3)))])
    g = ReluNetwork([Dense(first.weight * slopes[:, None], first.bias * 0.3), Dense(weight, [0.7, -0.1])])
    (layer,) = exact_effective_layers(f, g)
    x = [Fraction(v) for v in (0.3, -0.2, 0.9)]
    hidden = [
        max(
            sum(Fraction(float(w)) * v for w, v in zip(row, x, strict=True)) + Fraction(float(b)), Fraction(0)
        )
        for row, b in zip(g.layers[0].weight, g.layers[0].bias, strict=True)
    ]
    values = [
        sum(Fraction(float(w)) * v for w, v in zip(row, hidden, strict=True)) + Fraction(float(b))
        for row, b in zip(g.layers[1].weight, g.layers[1].bias, strict=True)
    ]
    above, below = (
        ExactMatrix.from_fractions([Fraction(float(max(s * v, 0)) * s) for v in x]) for s in (1, -1)
    )
    assert (layer.positive @ above + layer.negative @ below + layer.bias).fractions() == values
    assert exact_layers(g)[1].bias.fractions() == [Fraction(0.7), Fraction(-0.1)]


# ---------------------------------------------------------------- parts


@given(st.lists(FINITE, min_size=1, max_size=6))
def test_integers_are_the_floats(values):
    numbers, scale = integers(np.array(values))
    assert [n * Fraction(2) ** -scale for n in numbers] == [Fraction(v) for v in values]


@given(st.fractions(min_value=0), st.integers(-2000, 2000))
def test_roots_and_quotients_are_on_the_safe_side(value, exponent):
    square = value * Fraction(2) ** exponent
    root = root_up(square)
    assert square <= root**2 <= square * (1 + Fraction(1, 2**120))
    assert root_up(square * square) == square or not _dyadic(square) or square.numerator.bit_length() > 100
    if square > 0:
        quotient = quotient_down(value, square)
        assert quotient <= value / square < quotient + Fraction(1, 2**127)


def _dyadic(value):
    return value.denominator & (value.denominator - 1) == 0


@given(st.fractions())
def test_float_up_is_the_next_float(value):
    up = float_up(value)
    assert Fraction(up) >= value
    assert Fraction(math.nextafter(up, -math.inf)) < value


def test_float_up_beyond_the_largest():
    assert float_up(Fraction(10) ** 400) == math.inf
    assert float_up(Fraction(1, 10**400)) == 5e-324


def test_spectral_norms():
    check_spectral(spectral_norm_up)


def test_no_eigenvalue_is_overlooked():
    check_eigenvalues(exceeds_eigenvalues)


def test_slopes_of_units():
    check_slope_interval(_slope_interval)


# ---------------------------------------------------------------- a network of practical size


@pytest.mark.slow
@pytest.mark.parametrize("method", WITHOUT_SEARCH)
def test_trained_network(method):
    from subsetsum_nets import prune

    f = load_network(shipped_network("digits-64-32-10"))
    g = prune(f, epsilon=0.05, seed=1).network
    for domain in (Box(0, 1), Ball(0.25, 0.5)):
        bound = floating_bound(method, Case("digits", f, g, domain, "l2", method))
        replayed = replayed_bound(method, Comparison(f, g, domain), bound.record)
        assert bound.upper * (1 - 1e-6) <= replayed <= bound.upper

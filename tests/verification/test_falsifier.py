"""The falsifier: exact witnesses, sound lower bounds, good maxima on small networks."""

import time
from fractions import Fraction

import numpy as np
import pytest
from verification.tiny_networks import (
    NORMS,
    candidate_points,
    exact_sizes,
    power,
    random_cases,
    random_pair,
)

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, SoundnessError
from subsetsum_nets.verification.enclosures.effective import effective_layers
from subsetsum_nets.verification.falsifier import difference_down, falsify


class Unlayered(Comparison):
    """A comparison of networks as if nothing were known of their layers."""

    effective_or_none = None


@pytest.mark.thinned
@pytest.mark.parametrize("case", random_cases(range(200, 236)), ids=str)
@pytest.mark.parametrize("informed", [False, True])
def test_lower_bounds_hold_and_are_good(case, informed):
    kind = Comparison if informed else Unlayered
    found = falsify(kind(case.f, case.g, case.domain, case.norm))
    p = power(case.norm)
    assert case.domain.contains(found.witness)
    assert not found.witness.flags.writeable
    (exact,) = exact_sizes(case.f, case.g, found.witness[np.newaxis], case.norm)
    assert Fraction(found.lower) ** p <= exact <= Fraction(found.lower + 1e-12) ** p
    points = candidate_points(case.f, case.g, case.domain, case.norm, np.random.default_rng(1))
    best = float(max(exact_sizes(case.f, case.g, points, case.norm))) ** (1 / p)
    assert found.lower >= 0.8 * best - 1e-12


@pytest.mark.parametrize("norm", NORMS)
def test_deterministic(norm):
    f, g = random_pair(5, (3, 4, 2))
    first, second = (falsify(Comparison(f, g, Box(-1, 1), norm)) for _ in range(2))
    assert first.lower == second.lower
    assert (first.witness == second.witness).all()


@pytest.mark.parametrize(
    "domain", [Box(-1, 1), Box(0, 0), Ball(0.0, 0.1), Ball(1e-300, 1.0), Ball(1.0, 1e16)], ids=str
)
def test_witnesses_of_thin_and_far_domains(domain):
    f, g = random_pair(5, (2, 4, 2))
    found = falsify(Comparison(f, g, domain, "l2"))
    assert domain.contains(found.witness)


def test_finds_the_corner_in_many_dimensions():
    rng = np.random.default_rng(0)
    error = rng.uniform(-1, 1, (1, 60))
    f, g = ReluNetwork([Dense(np.zeros((1, 60)))]), ReluNetwork([Dense(error)])
    assert falsify(Comparison(f, g, Box(-1, 1), "l2")).lower == pytest.approx(np.abs(error).sum(), rel=1e-12)
    assert falsify(Comparison(f, g, Ball(2.0), "l2")).lower == pytest.approx(
        2 * np.linalg.norm(error), rel=1e-9
    )


def test_sparse_networks():
    f, g = random_pair(10, (2, 3, 2), sparse=True)
    dense_f, dense_g = random_pair(10, (2, 3, 2))
    assert falsify(Comparison(f, g, Box(-1, 1), "l2")).lower == pytest.approx(
        falsify(Comparison(dense_f, dense_g, Box(-1, 1), "l2")).lower
    )


def test_time_limit_is_kept():
    rng = np.random.default_rng(0)
    f = ReluNetwork([Dense(rng.uniform(-1, 1, (600, 600))) for _ in range(4)])
    g = ReluNetwork([Dense(x.weight + 1e-3) for x in f.layers])
    started = time.perf_counter()
    found = falsify(Comparison(f, g, Box(-1, 1), "l2"), time_limit=0.0)
    assert time.perf_counter() - started < 2.0
    assert found.lower >= 0.0


def test_overflow_at_the_witness_proves_nothing():
    f, g = ReluNetwork([Dense([[1e200]])]), ReluNetwork([Dense([[2e200]])])
    assert difference_down(Comparison(f, g, Box(-1e200, 1e200)), np.array([1e200])) == 0.0
    found = falsify(Comparison(f, g, Box(-1e200, 1e200), "l2"))
    assert found.lower == 0.0


def test_wide_hidden_layers_do_not_drown_the_lower_bound():
    # The a-priori rounding bound of a sum of 20,000 terms is far wider than that of 100 effective weights.
    rng = np.random.default_rng(3)
    d_in, units = 100, np.arange(20_000)
    first = np.zeros((units.size, d_in))
    first[units, units // 200] = np.where(units % 2, 0.5, -0.5)
    outgoing = rng.uniform(-1, 1, units.size)
    outgoing[2::4], outgoing[3::4] = -outgoing[::4], -outgoing[1::4]  # every effective weight is 0
    outgoing[0] += 1e-8
    f, g = ReluNetwork([Dense(np.zeros((1, d_in)))]), ReluNetwork([Dense(first), Dense(outgoing[np.newaxis])])
    at, comparison = np.full(d_in, -1.0), Comparison(f, g, Box(-1, 1))
    assert difference_down(Unlayered(f, g, Box(-1, 1)), at) < 0.4e-8
    assert 0.49e-8 < difference_down(comparison, at) <= 0.500001e-8
    assert falsify(comparison).lower > 0.49e-8


def test_disjoint_enclosures_are_an_error():
    f, g = random_pair(5, (2, 4, 2))
    other = effective_layers(f, random_pair(5, (2, 4, 2), error=0.5)[1])
    with pytest.raises(SoundnessError, match="are disjoint"):
        difference_down(Comparison(f, g, Box(-1, 1), known=other), np.array([0.5, 0.5]))


def test_equal_networks_have_the_lower_bound_zero():
    f, _ = random_pair(2, (2, 3, 2))
    assert falsify(Comparison(f, f, Box(-1, 1), "l1")).lower == 0.0

"""Moments of the subset-sum number T agree with closed forms, rigorous integrals and plain counting."""

import math
from itertools import combinations, pairwise

import numpy as np
import pytest
from flint import acb, arb
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import iti0k0, k0
from support.planting import plant

from subsetsum_nets.theory import subset_sum_number
from subsetsum_nets.theory.subset_sum_number import (
    Hits,
    hit_probability,
    least_vectors_by_mean,
    least_vectors_by_moments,
    moments,
    pair_probabilities,
)


def laplace(low, high):
    """P(low <= X <= high): the sum of two products of standard normals has the density exp(-|x|) / 2."""

    def below(x):
        return math.exp(x) / 2 if x < 0 else 1 - math.exp(-x) / 2

    return below(high) - below(low)


def product(low, high):
    """The same for one product of two standard normals, of density K_0(|x|) / pi."""

    def below(x):
        return 0.5 + math.copysign(iti0k0(abs(x))[1], x) / math.pi

    return below(high) - below(low)


DENSITY = {1: lambda u: k0(abs(u)) / math.pi, 2: lambda u: math.exp(-abs(u)) / 2}
CHANCE = {1: product, 2: laplace}


@pytest.mark.parametrize("z", [0.0, 0.25, -0.25, 3.0])
@pytest.mark.parametrize("epsilon", [1e-6, 0.1, 0.25, 2.0])
@pytest.mark.parametrize("kept", [1, 2])
def test_one_subset_in_one_dimension_has_a_closed_form(kept, z, epsilon):
    found = hit_probability(kept, [z], epsilon)
    exact = CHANCE[kept](z - epsilon, z + epsilon)
    assert math.exp(found.log[0]) == pytest.approx(exact, rel=1e-7)
    assert abs(math.exp(found.log[0]) / exact - 1) <= found.accuracy + (5e-8 if epsilon < 1e-5 else 1e-9)
    assert found.accuracy < 1e-5


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("kept", "z", "epsilon"), [(2, 0.25, 0.1), (2, 0.0, 0.3), (4, 0.25, 0.1), (4, 1.0, 1.0)]
)
def test_two_subsets_in_one_dimension_by_a_plain_integral(kept, z, epsilon):
    half = kept // 2  # of the vectors: not shared, and shared

    def both(u):
        return DENSITY[half](u) * CHANCE[half](z - epsilon - u, z + epsilon - u) ** 2

    edges = sorted({-40.0, z - epsilon, 0.0, z + epsilon, 40.0})
    exact = sum(quad(both, a, b, epsabs=0, epsrel=1e-9, limit=200)[0] for a, b in pairwise(edges))
    found = pair_probabilities(kept, [z], epsilon)
    assert math.exp(found.log[half]) == pytest.approx(exact, rel=1e-6)
    assert found.accuracy < 1e-5


def rigorous(kept, coordinates, low):
    """Enclose the part of P, at epsilon = 1/10, from deviations of ``low`` to 60: by integrals of balls."""
    half = arb(kept) / 2
    scale = 2 / arb(2) ** half / half.gamma()

    def integrand(r, _):
        value = scale * r ** (kept - 1) * (-(r**2) / 2).exp()
        for z in coordinates:
            ends = [(acb(z) + sign * acb("0.1")) / (r * acb(2).sqrt()) for sign in (1, -1)]
            value *= (ends[0].erf() - ends[1].erf()) / 2
        return value

    return acb.integral(integrand, low, arb(60), rel_tol=arb(10) ** -12, abs_tol=arb(10) ** -40).real


@pytest.mark.parametrize(
    ("kept", "coordinates"), [(6, [0.25] * 3), (16, [0.0, 0.5, 1.5, 0.5]), (144, [0.0] * 12)]
)
def test_one_subset_lies_in_a_rigorous_enclosure(kept, coordinates):
    low = arb(1) / 50
    middle = rigorous(kept, coordinates, low)
    # The deviation is below ``low`` with probability at most low^k / (2^(k/2) Gamma(k/2 + 1)).
    below = low**kept / arb(2) ** (arb(kept) / 2) / (arb(kept) / 2 + 1).gamma()
    chance = math.exp(hit_probability(kept, coordinates, 0.1).log[0])
    assert abs(float(middle.mid()) / chance - 1) < 2e-7
    assert float(middle.rad()) < 1e-9 * chance
    assert float(below.mid()) < 1e-7 * chance


@pytest.mark.slow
def test_the_order_and_the_signs_of_coordinates_do_not_matter():
    one, other = (pair_probabilities(3, z, 0.3) for z in ([0.5, -1.0, 0.5], [1.0, 0.5, -0.5]))
    assert np.array_equal(one.log, other.log)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(
    kept=st.integers(1, 4),
    coordinates=st.lists(st.sampled_from([0.0, 0.25, 1.0]), min_size=1, max_size=4),
    epsilon=st.sampled_from([0.01, 0.1, 1.0, 10.0]),
)
def test_moments_are_in_order(kept, coordinates, epsilon):
    found = pair_probabilities(kept, coordinates, epsilon)
    assert found.accuracy < 1e-4
    assert np.all(np.diff(found.log) <= 1e-9)  # the fewer vectors shared, the rarer do both hit
    assert found.log[0] <= 1e-9
    alone = moments(kept, found)  # one subset: T is 0 or 1
    assert alone.mean == pytest.approx(alone.second, rel=1e-12)
    several = [moments(n, found) for n in (kept, kept + 1, kept + 2, 2 * kept + 5, 1000, 10**9)]
    chances = [one.at_least for one in several]
    assert all(a <= b + 1e-9 for a, b in pairwise(chances))
    assert all(one.at_least <= one.at_most + 1e-9 for one in several)
    assert all(one.variance >= 0 for one in several)


def test_moments_are_the_sums_over_all_pairs_of_subsets():
    pairs = Hits(np.log([0.2, 0.1, 0.07, 0.04]), 0.0)
    for n in (3, 4, 5, 7):
        subsets = list(combinations(range(n), 3))
        second = sum(math.exp(pairs.log[3 - len({*a} & {*b})]) for a in subsets for b in subsets)
        found = moments(n, pairs)
        assert found.mean == pytest.approx(0.2 * len(subsets))
        assert found.second == pytest.approx(second)
        assert found.variance == pytest.approx(second - (0.2 * len(subsets)) ** 2)
        assert found.at_least == pytest.approx((0.2 * len(subsets)) ** 2 / second)


@pytest.mark.slow
def test_large_numbers_of_subsets_do_not_overflow():
    found = moments(10**9, pair_probabilities(24, [0.0], 1.0))
    assert found.mean == pytest.approx(math.exp(found.log_mean))
    assert found.second == math.inf
    assert found.at_least == pytest.approx(1, abs=1e-4)
    assert found.at_most == 1


@pytest.mark.slow
def test_least_numbers_of_vectors():
    pairs = pair_probabilities(6, [0.25] * 3, 0.1)
    needed, enough = least_vectors_by_mean(pairs, 0.5), least_vectors_by_moments(pairs, 0.5)
    assert (needed, enough) == (16, 24)
    with pytest.raises(ValueError, match="larger epsilon or k"):
        least_vectors_by_mean(pair_probabilities(1, [5.0] * 6, 0.01), 0.5)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: hit_probability(0, [0.0], 0.1), "kept"),
        (lambda: hit_probability(2, [], 0.1), "target"),
        (lambda: hit_probability(2, [math.nan], 0.1), "target"),
        (lambda: hit_probability(2, [[0.0]], 0.1), "target"),
        (lambda: hit_probability(2, [0.0], 0.0), "epsilon"),
        (lambda: pair_probabilities(65, [0.0], 0.1), "kept"),
        (lambda: moments(1, Hits(np.zeros(3), 0.0)), "n must be"),
        (lambda: least_vectors_by_mean(Hits(np.zeros(3), 0.0), 1.5), "chance"),
    ],
)
def test_bad_numbers_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()


MISTAKES = [
    (subset_sum_number._log_chi_squared, "half * (logs - math.log(2))", "half * logs"),
    (subset_sum_number._within, "(-epsilon - size)", "-size"),
    (subset_sum_number._both, "2 * math.pi * variance", "math.pi * variance"),
    (subset_sum_number._points, "(high - low) * share * share[::-1] * step", "(high - low) * share * step"),
    (
        subset_sum_number._log_both,
        "_variances(k - j, epsilon, d, steps.variance)",
        "_variances(k, epsilon, d, steps.variance)",
    ),
    (subset_sum_number._variances, "low = still - 2 * _LOST / degrees", "low = still + 20"),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "right", "wrong"), MISTAKES)
def test_mistakes_in_the_integrals_are_noticed(function, right, wrong, monkeypatch):
    plant(monkeypatch, function, right, wrong)
    with pytest.raises(AssertionError):  # noqa: PT012 - any of these notices it
        test_one_subset_in_one_dimension_has_a_closed_form(1, 0.25, 0.25)
        test_two_subsets_in_one_dimension_by_a_plain_integral(2, 0.25, 0.1)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("math.comb(k, j) * math.comb(count - k, j)", "math.comb(k, j)"),
        ("subsets + of_one", "2 * subsets + of_one"),
    ],
)
def test_mistakes_in_lemma_9_are_noticed(right, wrong, monkeypatch):
    plant(monkeypatch, moments, right, wrong)
    with pytest.raises(AssertionError):
        test_moments_are_the_sums_over_all_pairs_of_subsets()

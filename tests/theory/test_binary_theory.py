"""The sizes of Sreenivasan et al. (2021) with constants, and Proposition 1 against all networks of signs."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets.theory import sign_flips
from subsetsum_nets.theory.binary_sizes import signs_by_counting, sreenivasan_2021_integers
from subsetsum_nets.theory.network_sizes import decimal_digits
from subsetsum_nets.theory.sign_flips import signs_alone_give


@pytest.mark.parametrize(
    ("width", "depth", "bits", "units", "layers"),
    [(64, 1, 8, 823_296, 9), (8, 1, 8, 86_528, 9), (64, 2, 20, 2_457_600, 42), (784, 1, 8, 12_042_240, 9)],
)
def test_the_papers_sizes_with_their_constants(width, depth, bits, units, layers):
    found = sreenivasan_2021_integers(width, depth, bits)
    assert (found.width, found.depth) == (units, layers)
    assert found.parameters == 2 * width * units + units**2 * (layers - 2)


def test_decimal_digits_and_counting():
    assert decimal_digits(64, 2, 0.01) == 6
    assert decimal_digits(10, 1, 1e-3) == 5
    assert signs_by_counting(64, 32, 255) == 18_427
    for wrong in ({"width": 0}, {"epsilon": 0.0}, {"depth": 1.5}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            decimal_digits(**{"width": 2, "depth": 1, "epsilon": 0.1, **wrong})


def by_definition(coefficients):
    """Whether some network of d units of signs is the function at many points of the orthant."""
    d = len(coefficients)
    points = np.random.default_rng(0).integers(0, 9, (60, d))
    signs = list(itertools.product([1, -1], repeat=d))
    units = [v * np.maximum(points @ np.array(w), 0) for v in (1, -1) for w in signs]
    wanted = points @ np.array(coefficients)
    chosen = itertools.combinations_with_replacement(units, d)
    return any(np.array_equal(sum(some), wanted) for some in chosen)


@given(st.integers(1, 3).flatmap(lambda d: st.lists(st.integers(-d, d), min_size=d, max_size=d)))
@settings(max_examples=30)
def test_exhaustion_agrees_with_the_definition(coefficients):
    assert signs_alone_give(coefficients) == by_definition(coefficients)


@pytest.mark.parametrize("d", [2, 3, 4, 5, pytest.param(6, marks=pytest.mark.slow)])
def test_proposition_1(d):
    assert not signs_alone_give(range(1, d + 1))
    weights = np.triu(np.ones((d, d)))  # pruned: unit j takes the inputs from j on
    points = np.random.default_rng(0).uniform(0, 1, (20, d))
    assert np.allclose(np.maximum(points @ weights.T, 0).sum(axis=1), points @ np.arange(1, d + 1))


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (sign_flips.unit_vectors, "w + 1", "w"),
        (sign_flips.unit_vectors, "w if w[0] > 0 else -w", "w"),
        (
            sign_flips._sums,
            "np.arange(len(vectors)) >= least[:, np.newaxis]",
            "np.arange(len(vectors)) > least[:, np.newaxis]",
        ),
        (signs_alone_give, "wanted - second", "second"),
    ],
)
def test_a_planted_mistake_is_seen(monkeypatch, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    cases = [c for d in (1, 2, 3) for c in itertools.product(range(-2, 4), repeat=d)]
    try:
        seen = any(signs_alone_give(c) != by_definition(c) for c in cases)
    except Exception:  # noqa: BLE001 - a mistake may end in any way
        seen = True
    assert seen

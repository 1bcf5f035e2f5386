"""Branch and bound: brackets the truth, closes in on it, and gives the same with any number of threads."""

import numpy as np
import pytest
from verification.splitting_checks import (
    check_dual,
    check_exhausted,
    check_split,
    exact_rounding_cases,
    split_cases,
)
from verification.tiny_networks import NORMS, random_cases, random_pair
from verification.zonotope_checks import kinked_cases

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import (
    BoundOverflowError,
    Comparison,
    SearchOptions,
    UnsupportedStructureError,
)
from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound
from subsetsum_nets.verification.methods.zonotope.zonotope import zonotope_bound


@pytest.mark.thinned
@pytest.mark.parametrize(
    "case",
    [*exact_rounding_cases(), *kinked_cases(), *split_cases(), *random_cases(range(6))],
    ids=str,
)
def test_dual_bounds_hold_for_any_multipliers(case):
    check_dual(case, points=4)
    check_dual(case, points=2, wide=True)


@pytest.mark.thinned
@pytest.mark.parametrize("case", [*split_cases(), *random_cases(range(2, 6))], ids=str)
def test_random_tiny_networks(case, monkeypatch):
    check_split(case, monkeypatch, few_inputs=0, nodes=10)
    check_split(case, monkeypatch, few_inputs=6, nodes=30)


@pytest.mark.slow
@pytest.mark.parametrize("case", random_cases(range(200, 230)), ids=str)
def test_many_random_tiny_networks(case, monkeypatch):
    check_dual(case)
    check_split(case, monkeypatch, few_inputs=0, nodes=200)
    check_split(case, monkeypatch, few_inputs=6, nodes=200)


@pytest.mark.parametrize("norm", NORMS)
def test_boxes_of_inputs_close_in_on_the_truth(norm):
    f, g = random_pair(3, (2, 4, 3, 2), error=0.2)
    result = splitting_bound(Comparison(f, g, Box(-1, 1), norm), SearchOptions(node_limit=1500))
    assert result.upper <= result.lower * 1.02
    assert result.upper < zonotope_bound(Comparison(f, g, Box(-1, 1), norm)).upper


@pytest.mark.parametrize("domain", [Box(-1, 1), Ball(1.0, 0.125)], ids=str)
def test_phases_of_units_close_in_on_the_truth(domain, monkeypatch):
    monkeypatch.setattr("subsetsum_nets.verification.methods.splitting.splitting._FEW_INPUTS", 0)
    f, g = random_pair(3, (2, 4, 3, 2), error=0.2)
    result = splitting_bound(Comparison(f, g, domain, "linf"), SearchOptions(node_limit=600))
    assert result.upper <= result.lower * 1.15
    assert result.upper < 0.8 * zonotope_bound(Comparison(f, g, domain, "linf")).upper


@pytest.mark.slow
@pytest.mark.parametrize("domain", [Box(-1, 1), Ball(1.0)], ids=str)
def test_the_number_of_threads_does_not_matter(domain):
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal((n, m)) / np.sqrt(m) for m, n in ((8, 8), (8, 8), (8, 3))]
    f, g = (ReluNetwork([Dense(w + s * rng.uniform(-1, 1, w.shape)) for w in weights]) for s in (0.0, 0.05))
    results = [
        splitting_bound(Comparison(f, g, domain, "linf"), SearchOptions(node_limit=100, threads=threads))
        for threads in (1, 3)
    ]
    assert len({(r.upper, r.lower, r.nodes) for r in results}) == 1
    assert results[0].upper < zonotope_bound(Comparison(f, g, domain, "linf")).upper


def test_epsilon_stops_the_search():
    f, g = random_pair(3, (2, 4, 3, 2), error=0.2)
    best = splitting_bound(Comparison(f, g, Box(-1, 1), "l2"), SearchOptions(node_limit=3000))
    proven = splitting_bound(
        Comparison(f, g, Box(-1, 1), "l2"), SearchOptions(node_limit=3000, epsilon=best.upper * 1.5)
    )
    assert proven.upper <= best.upper * 1.5
    assert proven.nodes < best.nodes
    refuted = splitting_bound(
        Comparison(f, g, Box(-1, 1), "l2"), SearchOptions(node_limit=3000, epsilon=best.lower * 0.5)
    )
    assert refuted.lower > best.lower * 0.5
    assert refuted.nodes == 1


def test_a_search_that_ends_still_bounds_the_truth():
    check_exhausted(split_cases()[-1])


def test_equal_networks_need_no_search():
    f, _ = random_pair(1, (2, 5, 4, 3))
    result = splitting_bound(Comparison(f, f, Ball(2.0), "l2"), SearchOptions(node_limit=5))
    assert (result.upper, result.lower, result.nodes) == (0.0, 0.0, 1)


def test_a_time_limit_ends_it():
    rng = np.random.default_rng(1)
    weights = [rng.standard_normal((n, m)) / np.sqrt(m) for m, n in ((12, 12), (12, 12), (12, 3))]
    f, g = (ReluNetwork([Dense(w + s * rng.uniform(-1, 1, w.shape)) for w in weights]) for s in (0.0, 0.05))
    result = splitting_bound(Comparison(f, g, Box(-1, 1), "linf"), SearchOptions(time_limit=0.5))
    assert result.lower < result.upper <= zonotope_bound(Comparison(f, g, Box(-1, 1), "linf")).upper


@pytest.mark.parametrize("few_inputs", [0, 6])
def test_huge_weights_are_bounded_or_refused(few_inputs, monkeypatch):
    monkeypatch.setattr("subsetsum_nets.verification.methods.splitting.splitting._FEW_INPUTS", few_inputs)
    f = ReluNetwork([Dense([[1e200, -1e200]]), Dense([[1e100]])])
    g = ReluNetwork([Dense([[1e200, -1e199]]), Dense([[1e100]])])
    result = splitting_bound(Comparison(f, g, Box(-1, 1), "linf"), SearchOptions(node_limit=10))
    assert 0.9e300 <= result.upper < np.inf
    f, g = (ReluNetwork([n.layers[0], Dense([[1e200]])]) for n in (f, g))
    with pytest.raises(BoundOverflowError):
        splitting_bound(Comparison(f, g, Box(-1, 1), "linf"), SearchOptions(node_limit=10))


def test_refusals():
    f, g = random_pair(0, (2, 3, 2))
    with pytest.raises(ValueError, match="time_limit or a node_limit"):
        splitting_bound(Comparison(f, g, Box(-1, 1), "l2"), SearchOptions())
    with pytest.raises(ValueError, match="unknown norm 'l7'"):
        splitting_bound(Comparison(f, g, Box(-1, 1), "l7"), SearchOptions(node_limit=1))
    for name in ("time_limit", "node_limit", "epsilon", "threads"):
        with pytest.raises(ValueError, match=f"{name} must be .*, got -1"):
            SearchOptions(**({"node_limit": 1} | {name: -1}))
    deep = ReluNetwork([Dense(np.ones((2, 2))), *g.layers])
    with pytest.raises(UnsupportedStructureError):
        splitting_bound(Comparison(f, deep, Box(-1, 1)), SearchOptions(node_limit=1))

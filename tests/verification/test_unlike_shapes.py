"""Networks of unlike shapes are compared as closely as like ones: padded with units of 0, or as f - g."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plain_python
from verification.tiny_networks import exact_sizes
from verification.true_sup import true_sup

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, ReluNetwork, like_shapes
from subsetsum_nets.networks.like_shapes import like_shaped, widened
from subsetsum_nets.verification import Comparison, UnsupportedStructureError, verify

METHODS = ("auto", "zonotope", "splitting", "milp")
RANDOM = np.random.default_rng(0)


def network(seed, *widths, final_relu=False, linear_after=()):
    rng = np.random.default_rng([seed, *widths])
    layers = [
        Dense(rng.integers(-8, 9, (out, n)) / 8, rng.integers(-8, 9, out) / 16) for n, out in pairwise(widths)
    ]
    return ReluNetwork(layers, final_relu=final_relu, linear_after=linear_after)


def less_a_unit(net, layer, unit):
    """Return the network without a hidden unit."""
    layers = list(net.layers)
    layers[layer] = Dense(np.delete(layers[layer].weight, unit, 0), np.delete(layers[layer].offset, unit))
    after = layers[layer + 1]
    layers[layer + 1] = Dense(np.delete(after.weight, unit, 1), after.bias)
    return net.with_layers(layers)


TEACHER = network(1, 2, 4, 3, 2)
PAIRS = {
    "shallower": (TEACHER, network(2, 2, 5, 2)),
    "deeper": (network(2, 2, 5, 2), TEACHER),
    "one unit removed": (TEACHER, less_a_unit(TEACHER, 0, 1)),
    "one unit more": (less_a_unit(TEACHER, 1, 0), TEACHER),
    "narrower here, wider there": (TEACHER, network(3, 2, 3, 4, 2)),
    "final ReLU": (network(4, 2, 3, 2, final_relu=True), network(5, 2, 2)),
    "no ReLU between": (network(6, 2, 3, 2, linear_after=[0]), network(7, 2, 2, 2, 2)),
}


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l1", "l2"])
@pytest.mark.parametrize("name", PAIRS)
def test_the_exact_supremum_lies_between_the_bounds_and_searches_reach_it(name, norm):
    f, g = PAIRS[name]
    domain = Box(-1, 1)
    (low, high), power = true_sup(f, g, domain, norm), 2 if norm == "l2" else 1
    for method in METHODS:
        found = verify(f, g, domain=domain, norm=norm, method=method, time_limit=0.2)
        assert Fraction(found.lower) ** power <= high
        assert Fraction(found.upper) ** power >= low
        assert [layer.index for layer in found.layers] in ([], [len(f.layers) - 1], [0, 1, 2])
    if norm == "linf":
        assert verify(
            f, g, norm=norm, method="splitting", epsilon=float(high) * (1 + 1e-6), time_limit=60
        ).verified


@pytest.mark.thinned
@pytest.mark.parametrize("method", ["zonotope", "splitting", "milp", "auto"])
@pytest.mark.parametrize("name", ["shallower", "one unit removed", "final ReLU"])
def test_bounds_of_unlike_networks_are_replayed_exactly(name, method):
    f, g = PAIRS[name]
    found = verify(f, g, norm="linf", method=method, exact=True, time_limit=0.5)
    assert float(true_sup(f, g, Box(-1, 1), "linf")[0]) * (1 - 1e-12) <= found.replayed <= found.upper


def test_over_a_ball_too():
    f, g = PAIRS["shallower"]
    low, high = true_sup(f, g, Ball(1.0), "l2")
    for method in METHODS:
        found = verify(f, g, domain=Ball(1.0), method=method, time_limit=0.2)
        assert Fraction(found.lower) ** 2 <= high
        assert Fraction(found.upper) ** 2 >= low


def test_a_removed_unit_costs_what_it_gave_and_no_more():
    f = network(8, 6, 20, 15, 3)
    g = less_a_unit(less_a_unit(f, 0, 3), 1, 7)
    own, alone = (verify(f, g, method=method).upper for method in ("auto", "interval"))
    assert own < alone / 3
    one_layer = ReluNetwork([Dense([[1.0], [2.0], [3.0]], [0.0, 0.5, 0.25]), Dense([[1.0, -2.0, 0.125]])])
    assert verify(one_layer, less_a_unit(one_layer, 0, 2)).upper == (pytest.approx(0.125 * 3.25, rel=1e-9))


def test_the_time_limit_is_kept():
    f, g = network(9, 12, 40, 40, 5), network(10, 12, 60, 5)
    for method in ("splitting", "milp", "auto"):
        found = verify(f, g, method=method, time_limit=0.3)
        assert found.lower <= found.upper < np.inf
        assert found.seconds < 20.0  # of a machine that is at work on other things


def test_networks_too_large_to_be_brought_to_one_shape_keep_the_bounds_of_each_alone(monkeypatch):
    monkeypatch.setattr(like_shapes, "_MOST_WEIGHTS", 10)
    f, g = PAIRS["deeper"]
    assert verify(f, g).method == "interval"
    with pytest.raises(UnsupportedStructureError, match="up to 10 weights"):
        verify(f, g, method="zonotope")


def test_biases_whose_difference_is_no_float64_leave_interval_bounds():
    f = ReluNetwork([Dense([[1.0]], [1.2e308])])
    g = ReluNetwork([Dense([[1.0], [1.0]], [0.5, 0.5]), Dense([[1.0, 1.0]], [-1.2e308])])
    with pytest.raises(UnsupportedStructureError, match="exceeds the range of float64"):
        verify(f, g, method="zonotope")
    assert verify(f, g).upper == np.inf


def test_image_networks_of_unlike_depth_are_compared():
    kernel = np.random.default_rng(3).integers(-4, 5, (2, 2, 1, 2)) / 4
    f = ReluNetwork([Conv2d(kernel), Dense(np.ones((1, 18)) / 8)], input_shape=(3, 3, 1))
    g = network(11, 9, 3, 2, 1)
    found = verify(f, g, norm="linf")
    assert found.method == "zonotope"
    assert found.upper < verify(f, g, norm="linf", method="interval").upper


@st.composite
def equally_deep(draw):
    depth = draw(st.integers(1, 3))
    widths = [[draw(st.integers(1, 4)) for _ in range(depth - 1)] for _ in range(2)]
    ends = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    seeds = draw(st.tuples(st.integers(0, 99), st.integers(0, 99)))
    final, linear = draw(st.booleans()), [0] if depth > 1 and draw(st.booleans()) else []
    return tuple(
        network(seed, ends[0], *hidden, ends[1], final_relu=final, linear_after=linear)
        for seed, hidden in zip(seeds, widths, strict=True)
    )


def assert_same_functions(pair, wide):
    points = RANDOM.integers(-16, 17, (8, pair[0].widths[0])) / 8
    for old, new in zip(pair, wide, strict=True):
        assert not any(exact_sizes(old, new, points, "linf"))
        assert old.relu_after == new.relu_after
    assert wide[0].widths == wide[1].widths


@given(equally_deep())
@settings(max_examples=60, deadline=None)
def test_widened_networks_are_the_same_functions(pair):
    wide = widened(*pair)
    assert_same_functions(pair, wide)
    assert wide[0].widths == tuple(map(max, pair[0].widths, pair[1].widths))


@given(equally_deep(), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_pairs_of_one_shape_differ_as_the_pairs_of_unlike_shapes(pair, seed):
    f, g = pair[0], network(seed, pair[0].widths[0], 3, 2, 3, pair[0].widths[-1])
    like = like_shaped(f, g)
    assert like[0].widths == like[1].widths
    points = RANDOM.integers(-16, 17, (8, f.widths[0])) / 8
    assert exact_sizes(*like, points, "l1") == exact_sizes(f, g, points, "l1")


def test_units_left_after_a_removal_stand_beside_what_they_came_from():
    for layer in (0, 1):
        for unit in range(3):
            f, g = widened(TEACHER, less_a_unit(TEACHER, layer, unit))
            gone = np.flatnonzero(~g.layers[layer].weight.any(axis=1))
            assert gone.tolist() == [unit]
            kept = np.arange(f.widths[layer + 1]) != unit
            assert (f.layers[layer].weight[kept] == g.layers[layer].weight[kept]).all()


def test_a_comparison_of_like_networks_is_what_it_was():
    comparison = Comparison(TEACHER, network(12, 2, 4, 3, 2), Box(-1, 1))
    assert comparison.layered is comparison
    assert comparison.widened is comparison
    assert replace(comparison, norm="l1").layered.norm == "l1"


def check_widening(widened):
    turned = less_a_unit(TEACHER, 0, 1)
    *hidden, last = turned.layers
    turned = turned.with_layers([*hidden, Dense(last.weight[::-1], last.bias[::-1])])
    for pair in (*PAIRS.values(), (TEACHER, turned), (TEACHER, network(2, 2, 5, 3, 2, linear_after=[0]))):
        wide = widened(*pair)
        if wide is not None:
            assert_same_functions(pair, wide)
            assert wide[0].relu_after == wide[1].relu_after


def test_the_checks_pass_as_things_are():
    check_widening(widened)


MISTAKES = [
    ("widened", "last = index == len(target.layers)", "last = False"),
    ("widened", "places_f = np.arange(f.d_out)", "places_f = np.arange(f.d_out)[::-1]"),
    ("widened", "target.relu_after != pruned.relu_after", "len(target.layers) != len(pruned.layers)"),
    ("widened", "biases if biases.any() else None", "None"),
    ("_paired", "np.arange(len(rows_f), len(rows_f) + int(alone.sum()))", "0"),
    ("_spread", "wide[:, places] = matrix", "wide[:, places] = abs(matrix)"),
]


@pytest.mark.parametrize(("where", "old", "new"), MISTAKES)
def test_planted_mistakes_are_noticed(monkeypatch, where, old, new):
    copy = plain_python(monkeypatch, like_shapes.__name__, where, old, new)
    with pytest.raises((AssertionError, ValueError, IndexError)):
        check_widening(copy.widened)


def test_a_difference_that_is_compared_with_itself_is_noticed(monkeypatch):
    copy = plain_python(
        monkeypatch,
        like_shapes.__name__,
        "_less_nothing",
        "difference, ReluNetwork([*hidden, Dense(csr_of_nonzeros(np.zeros((last.d_out, last.d_in))))])",
        "difference, difference",
    )
    f, g = PAIRS["shallower"]
    points = RANDOM.integers(-16, 17, (8, 2)) / 8
    assert exact_sizes(*copy.like_shaped(f, g), points, "l1") != exact_sizes(f, g, points, "l1")

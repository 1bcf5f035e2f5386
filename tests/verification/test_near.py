"""verify_near(): against dense sampling, and against verify() box by box."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets import Ball, Box, Dense, ReluNetwork, verify, verify_near
from subsetsum_nets.verification.near import Neighbourhoods


def pair(seed, widths=(2, 4, 3, 2), domain=None):
    random = np.random.default_rng(seed)
    layers = [
        Dense(random.normal(size=(wide, narrow)), random.normal(size=wide))
        for narrow, wide in pairwise(widths)
    ]
    others = [Dense(layer.weight * (random.random(layer.weight.shape) < 0.7), layer.bias) for layer in layers]
    return ReluNetwork(layers, domain=domain), ReluNetwork(others)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["linf", "l2", "l1"]), st.sampled_from([0.05, 0.3]))
def test_no_sample_of_a_box_is_above_its_bound(seed, norm, radius):
    f, g = pair(seed)
    points = np.random.default_rng(seed).uniform(-1, 1, (3, 2))
    near = verify_near(f, g, points, radius, norm=norm)
    grid = np.stack(np.meshgrid(*[np.linspace(-radius, radius, 15)] * 2), axis=-1).reshape(-1, 2)
    order = {"linf": np.inf, "l2": 2, "l1": 1}[norm]
    for point, upper in zip(points, near.uppers, strict=True):
        errors = np.linalg.norm(f(point + grid) - g(point + grid), ord=order, axis=1)
        assert errors.max() <= upper * (1 + 1e-12)
    assert near.upper == near.uppers.max() == near.uppers[near.worst]
    assert near.lower <= near.upper
    assert np.abs(near.witness - points[near.worst]).max() <= radius * (1 + 1e-12)
    found = np.linalg.norm(f(near.witness) - g(near.witness), ord=order)
    assert found == pytest.approx(near.lower, rel=1e-9)


@pytest.mark.parametrize("method", ["zonotope", "interval", "differential"])
def test_bounds_are_those_of_verify_box_by_box(method):
    f, g = pair(3, domain=Box(0, 1))
    points = np.array([[0.5, 0.25], [0.0, 1.0], [0.75, 0.0]])
    near = verify_near(f, g, points, 0.125, method=method)
    for point, upper in zip(points, near.uppers, strict=True):
        box = Box(np.maximum(point - 0.125, 0.0), np.minimum(point + 0.125, 1.0))  # exact: dyadic
        assert verify(f, g, domain=box, norm="linf", method=method).upper == upper


def test_auto_is_as_good_as_each_method():
    f, g = pair(4)
    points = [[0.5, 0.25], [-0.5, 0.0]]
    auto = verify_near(f, g, points, 0.2, method="auto")
    each = [verify_near(f, g, points, 0.2, method=name).uppers for name in ("interval", "zonotope", "norms")]
    np.testing.assert_array_equal(auto.uppers, np.minimum(auto.uppers, np.min(each, axis=0)))


def test_a_branching_method_closes_the_gap_in_its_time():
    f, g = pair(4)
    near = verify_near(f, g, [[0.5, 0.25], [-0.5, 0.0]], 0.2, method="splitting", time_limit=10.0)
    assert near.upper <= near.lower * (1 + 1e-3)


def test_the_decision():
    f, g = ReluNetwork([Dense([[2.0]])]), ReluNetwork([Dense([[1.0]])])
    assert verify_near(f, g, [[1.0]], 0.5).verified is None
    assert verify_near(f, g, [[1.0]], 0.5, epsilon=1.6).verified
    assert verify_near(f, g, [[1.0]], 0.5, epsilon=1.4).falsified


def test_boxes_are_cut_to_the_domain():
    f, g = ReluNetwork([Dense([[2.0]])], domain=Box(0, 1)), ReluNetwork([Dense([[1.0]])])
    assert verify_near(f, g, [[1.0]], 0.5).upper == pytest.approx(1.0)
    assert verify_near(f, g, [[1.0]], 0.5, domain=Box(0, 2)).upper == pytest.approx(1.5)
    assert verify_near(f, g, [[1.0]], 0.5, domain=Ball(1.25)).upper == pytest.approx(1.25)
    with pytest.raises(
        ValueError, match=r"point 1 is farther than the radius 0\.5 from the domain: coordinate 0 is 2"
    ):
        verify_near(f, g, [[1.0], [2.0]], 0.5)


def test_what_there_was_no_time_for_is_unbounded():
    f, g = pair(1)
    near = verify_near(f, g, np.zeros((2000, 2)), 0.1, time_limit=0.05, epsilon=100.0)
    assert np.isinf(near.uppers[-1])
    assert not near.verified


@pytest.mark.parametrize(
    ("points", "radius", "options", "message"),
    [
        ([[0.0, 0.0]], 0.0, {}, "radius must be a positive number, got 0.0"),
        ([[0.0]], 0.1, {}, r"points must have shape \(k, 2\)"),
        (np.empty((0, 2)), 0.1, {}, "with k >= 1"),
        ([[np.inf, 0.0]], 0.1, {}, "holds inf"),
        ([[0.0, 0.0]], 0.1, {"method": "best"}, "unknown method 'best'"),
        ([[0.0, 0.0]], 0.1, {"norm": "l3"}, "unknown norm 'l3'"),
        ([[0.0, 0.0]], 0.1, {"epsilon": -1.0}, "epsilon must be a positive number"),
        ([[0.0, 0.0]], 0.1, {"time_limit": 0.0}, "time_limit"),
    ],
    ids=str,
)
def test_bad_questions_are_refused(points, radius, options, message):
    with pytest.raises(ValueError, match=message):
        verify_near(*pair(0), points, radius, **options)


def test_a_domain_of_no_kind_is_refused():
    with pytest.raises(TypeError, match="must be a Box or a Ball, got int"):
        verify_near(*pair(0), [[0.0, 0.0]], 0.1, domain=3)


def every_box_counts():
    f, g = ReluNetwork([Dense([[2.0]])]), ReluNetwork([Dense([[1.0]])])
    near = Neighbourhoods(f, [[0.0], [1.0], [5.0]], 0.5)
    assert near.within(g, 5.6)
    assert not near.within(g, 5.4)
    assert not near.within(g, 1.6)
    assert near.within(g, 5.6)
    assert near.result(g).worst == 2
    assert near.result(g).upper == pytest.approx(5.5)


def test_every_box_counts():
    every_box_counts()


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (Neighbourhoods.uppers, "range(len(self.boxes))", "range(len(self.boxes) - 1)"),
        (Neighbourhoods.within, "enumerate(self._order)", "enumerate(self._order[:-1])"),
        (Neighbourhoods.within, "self._order.insert(0, self._order.pop(place))", "self._order.pop(place)"),
        (Neighbourhoods._box, "Ball(self.radius, point)", "Ball(self.radius / 2, point)"),
    ],
)
def test_a_box_left_out_or_too_small_is_noticed(monkeypatch, function, old, new):
    plant(monkeypatch, function, old, new)
    with pytest.raises(AssertionError):
        every_box_counts()

"""Box and Ball: exact descriptions of bounded sets."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.networks import Ball, Box, InvalidNetworkError, domain_from_json

finite = st.floats(-1e300, 1e300)
vectors = hnp.arrays(np.float64, 3, elements=finite)


@st.composite
def boxes(draw):
    if draw(st.booleans()):
        return Box(*sorted([draw(finite), draw(finite)]))
    a, b = draw(vectors), draw(vectors)
    return Box(np.minimum(a, b), np.maximum(a, b))


@st.composite
def balls(draw):
    return Ball(draw(st.floats(0, 1e150)), draw(st.one_of(st.floats(-1e100, 1e100), st.just(0.0))))


@given(boxes(), vectors)
def test_box_projection_lies_inside_and_moves_nothing_that_is_inside(box, point):
    projected = box.project(point)
    assert box.contains(projected)
    low, high = box.bounds(3)
    assert box.contains(point) == bool(((low <= point) & (point <= high)).all())
    if box.contains(point):
        assert np.array_equal(projected, point)


def test_box_bounds_are_exactly_the_box_and_the_callers_to_change():
    box = Box(0.1, [0.5, 0.7])
    low, high = box.bounds(2)
    assert low.tolist() == [0.1, 0.1]
    assert high.tolist() == [0.5, 0.7]
    low[0] = high[0] = 9.0
    assert box.bounds(2)[0].tolist() == [0.1, 0.1]
    assert box.bounds(2)[1].tolist() == [0.5, 0.7]


def test_box_edges_belong_to_it_and_nan_does_not():
    assert Box(0, 1).contains(np.array([0.0, 1.0]))
    assert not Box(0, 1).contains(np.array([0.0, np.nextafter(1.0, 2)]))
    assert not Box(0, 1).contains(np.array([0.0, np.nan]))
    assert not Ball(1.0).contains(np.array([0.0, np.nan]))
    assert not Ball(1.0).contains(np.array([0.0, np.inf]))


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (1, 0, "must not exceed"),
        ([0, 2], 1, "must not exceed"),
        (0, np.inf, "finite"),
        (np.nan, 1, "finite"),
        ([0, 0], [1, 1, 1], "shape"),
        ([[0]], 1, "1-D"),
        ("a", 1, "dtype"),
        (0, 2**53 + 1, "exactly"),
    ],
)
def test_bad_boxes_are_refused(low, high, message):
    with pytest.raises(InvalidNetworkError, match=message):
        Box(low, high)


@pytest.mark.parametrize(
    ("radius", "center", "message"),
    [
        (-1, 0, ">= 0"),
        ([1, 1], 0, "one number"),
        (np.inf, 0, "finite"),
        (1, np.nan, "finite"),
        (1, [[0]], "1-D"),
        (1.7e308, [0, 1e308], "largest float64"),
    ],
)
def test_bad_balls_are_refused(radius, center, message):
    with pytest.raises(InvalidNetworkError, match=message):
        Ball(radius, center)


@pytest.mark.parametrize("domain", [Box([0, 0], 1), Box(0, [1, 1]), Ball(1, [0, 0])])
def test_bounds_of_another_dimension_are_refused(domain):
    with pytest.raises(InvalidNetworkError, match=r"2 coordinates, the network 3 inputs"):
        domain.bounds(3)


@given(balls(), hnp.arrays(np.float64, 3, elements=st.floats(-1e150, 1e150)))
def test_ball_bounds_enclose_the_ball(ball, direction):
    low, high = ball.bounds(3)
    for sign in (-1, 1):  # the extreme points along each axis, in exact arithmetic
        extreme = Fraction(float(ball.center)) + sign * Fraction(ball.radius)
        assert all(
            Fraction(float(a)) <= extreme <= Fraction(float(b)) for a, b in zip(low, high, strict=True)
        )
    if ball.contains(direction):
        assert ((low <= direction) & (direction <= high)).all()


@given(
    st.floats(0, 1e150),
    hnp.arrays(np.float64, (2, 3), elements=st.floats(-1e200, 1e200)),
)
@example(5e-324, np.full((2, 3), 3.0))
@example(1e-310, np.full((2, 3), 1e-312))
def test_ball_projection_is_inside_and_near(radius, points):
    ball = Ball(radius)
    for point, projected in zip(points, ball.project(points), strict=True):
        assert ball.contains(projected)
        if radius <= 2.0**-1000:  # as good as a point
            assert np.array_equal(projected, np.zeros(3)) or np.array_equal(projected, point)
        elif ball.contains(point):
            assert np.allclose(projected, point, rtol=1e-11, atol=1e-11 * np.abs(point).max())
            if np.linalg.norm(point / max(radius, 1e-300)) < 1 - 1e-11:
                assert np.array_equal(projected, point)
        elif radius > 1e-300:
            length = float(np.linalg.norm(projected / radius))
            assert length == pytest.approx(1, rel=1e-9)
            largest = np.abs(point).max()  # the same direction
            assert np.allclose(projected / np.abs(projected).max(), point / largest, rtol=1e-9, atol=1e-9)


def test_ball_projection_is_about_its_center():
    ball = Ball(1.0, [2.0, 0.0])
    assert ball.project(np.array([5.0, 0.0])) == pytest.approx([3.0, 0.0])
    assert ball.project(np.array([2.0, 0.25])).tolist() == [2.0, 0.25]
    assert ball.contains(np.array([3.0, 0.0]))
    assert not ball.contains(np.array([0.0, 0.0]))
    assert not ball.contains(np.array([np.nextafter(3.0, 4.0), 0.0]))


@given(st.one_of(boxes(), balls()))
def test_json_reads_back_exactly(domain):
    again = domain_from_json(json.loads(json.dumps(domain.to_json())))
    assert again == domain
    assert hash(again) == hash(domain)
    assert repr(again) == repr(domain)


def test_equal_domains_have_equal_hashes_and_others_differ():
    assert Box(0.0, 1) == Box(-0.0, 1)
    assert hash(Box(0.0, 1)) == hash(Box(-0.0, 1))
    assert Ball(1, [0.0, 1]) == Ball(1, [-0.0, 1])
    assert hash(Ball(1, [0.0, 1])) == hash(Ball(1, [-0.0, 1]))
    assert Box(-1, 1) != Box(-1, 2)
    assert Ball(1) != Ball(2)
    assert Ball(1) != Ball(1, 0.5)
    assert Box(-1, 1) != Ball(1)


@pytest.mark.parametrize(
    "bad",
    [
        {},
        [],
        None,
        "box",
        3,
        {"kind": "cone"},
        {"kind": []},
        {"kind": "box", "low": 0},
        {"kind": "box", "low": "a", "high": 1},
        {"kind": "box", "low": 10**400, "high": 1},
        {"kind": "box", "low": None, "high": 1},
        {"kind": "box", "low": [[], [1]], "high": 1},
        {"kind": "ball", "radius": -1, "center": 0},
        {"kind": "ball", "center": 0},
    ],
)
def test_bad_json_is_refused(bad):
    with pytest.raises(InvalidNetworkError):
        domain_from_json(bad)


def test_domains_do_not_change():
    low = np.zeros(2)
    box = Box(low, 1)
    low[0] = 0.5
    assert box.low.tolist() == [0.0, 0.0]
    with pytest.raises(AttributeError):
        box.low = 3


@pytest.mark.parametrize(
    ("radius", "center", "low", "high"),
    [
        (0.5, 0.5, 0.0, 1.0),
        (0.25, [-1.0, 3.0], [-1.25, 2.75], [-0.75, 3.25]),
        (2.0**-60, 1.0, math.nextafter(1.0, 0.0), math.nextafter(1.0, 2.0)),
        (0.1, 0.3, 0.3 - 0.1, math.nextafter(0.3 + 0.1, 1.0)),
    ],
)
def test_the_box_around_a_ball_is_rounded_only_where_it_must_be(radius, center, low, high):
    ball = Ball(radius, center)
    dimension = np.size(center)
    found = ball.bounds(dimension)
    assert np.array_equal(found[0], np.broadcast_to(low, (dimension,)))
    assert np.array_equal(found[1], np.broadcast_to(high, (dimension,)))
    for index, middle in enumerate(np.broadcast_to(center, (dimension,))):
        assert Fraction(float(found[0][index])) <= Fraction(float(middle)) - Fraction(radius)
        assert Fraction(float(found[1][index])) >= Fraction(float(middle)) + Fraction(radius)

"""Boxes and points from files: exact numbers, images flattened row by row, refusals that name the line."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets.exchange import points
from subsetsum_nets.exchange.points import PointsFileError, ball_boxes, read_box, read_points
from subsetsum_nets.networks import Box

FINITE = st.floats(min_value=-1e6, max_value=1e6)


def test_boxes_of_npz_and_csv_files_are_exact(tmp_path):
    low, high = np.array([[0.1, -1.0], [0.0, 2.0]]), np.array([[0.3, 1.0], [0.0, 2.5]])
    np.savez(tmp_path / "box.npz", low=low, high=high)
    lines = (f"{a!r}, {b!r}" for a, b in zip(low.ravel().tolist(), high.ravel().tolist(), strict=True))
    (tmp_path / "box.csv").write_text("low,high\n" + "\n".join(lines) + "\n\n")
    for name in ("box.npz", "box.csv"):
        assert read_box(tmp_path / name) == Box(low.ravel(), high.ravel())


def test_points_of_every_kind_of_file_are_the_same(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, (3, 2, 2, 2))
    flat = images.reshape(3, 8)
    np.save(tmp_path / "p.npy", images)
    np.savez(tmp_path / "p.npz", images)
    np.savez(tmp_path / "named.npz", labels=np.arange(3), x_test=images)
    (tmp_path / "p.csv").write_text("\n".join(",".join(map(repr, row)) for row in flat.tolist()))
    for name in ("p.npy", "p.npz", "named.npz", "p.csv"):
        assert np.array_equal(read_points(tmp_path / name), flat)
    np.save(tmp_path / "bytes.npy", np.array([[0, 255]], dtype=np.uint8))
    assert read_points(tmp_path / "bytes.npy").tolist() == [[0.0, 255.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no numbers"),
        ("a,b\n", "holds no numbers"),
        ("0,1\n0,x\n", "line 2: 'x' is no finite number"),
        ("0,1\n0,nan\n", "line 2: 'nan' is no finite number"),
        ("0,1\n0,1e999\n", "line 2: '1e999' is no finite number"),
        ("0,1\n0,1,2\n", "line 2 has 3 numbers, the first one 2"),
        ("low,high\nlow,high\n0,1", "line 2: 'low' is no finite number"),
        ("low,1\n", "line 1: 'low' is no finite number"),
    ],
)
def test_damaged_text_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "x.csv").write_text(text)
    for read in (read_box, read_points):
        with pytest.raises(PointsFileError, match=message):
            read(tmp_path / "x.csv")


def test_what_is_no_box_is_refused(tmp_path):
    (tmp_path / "x.csv").write_text("1,0\n")
    with pytest.raises(PointsFileError, match="low must not exceed high"):
        read_box(tmp_path / "x.csv")
    (tmp_path / "x.csv").write_text("1,0,3\n")
    with pytest.raises(PointsFileError, match=r"'low, high'.* not 3 numbers"):
        read_box(tmp_path / "x.csv")
    np.savez(tmp_path / "x.npz", low=np.zeros(2), height=np.ones(2))
    with pytest.raises(PointsFileError, match="the arrays 'height', 'low'; a box has"):
        read_box(tmp_path / "x.npz")
    with pytest.raises(PointsFileError, match=r"a box is read from .npz"):
        read_box(tmp_path / "box.txt")
    with pytest.raises(FileNotFoundError):
        read_box(tmp_path / "none.npz")


def test_what_are_no_points_is_refused(tmp_path):
    hostile = tmp_path / "pickle.npy"
    np.save(hostile, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(PointsFileError, match="pickled Python objects"):
        read_points(hostile)
    np.save(tmp_path / "vector.npy", np.zeros(3))
    with pytest.raises(PointsFileError, match=r"not \(3,\)"):
        read_points(tmp_path / "vector.npy")
    np.save(tmp_path / "nan.npy", np.full((1, 2), np.nan))
    with pytest.raises(PointsFileError, match="every entry must be finite"):
        read_points(tmp_path / "nan.npy")
    whole = (tmp_path / "nan.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[:-5])
    with pytest.raises(PointsFileError, match=r"not a complete .npy file"):
        read_points(tmp_path / "cut.npy")
    np.savez(tmp_path / "two.npz", a=np.zeros((1, 2)), b=np.zeros((1, 2)))
    with pytest.raises(PointsFileError, match="'a', 'b'; which are the points"):
        read_points(tmp_path / "two.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK")
    with pytest.raises(PointsFileError, match=r"not a complete .npz file"):
        read_points(tmp_path / "cut.npz")
    with pytest.raises(PointsFileError, match="points are read from"):
        read_points(tmp_path / "points.mat")
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe1,2")
    with pytest.raises(PointsFileError, match="is no text"):
        read_points(tmp_path / "x.csv")


def check_balls(module, point, radius):
    """See that the box contains the ball, and each end is the nearest float64 outside it or on it."""
    (box,) = module.ball_boxes(np.array([point]), radius)
    for value, low, high in zip(point, *(end.tolist() for end in box.bounds(len(point))), strict=True):
        assert (
            Fraction(low) <= Fraction(value) - Fraction(radius) <= Fraction(np.nextafter(low, np.inf).item())
        )
        assert (
            Fraction(np.nextafter(high, -np.inf).item())
            <= Fraction(value) + Fraction(radius)
            <= Fraction(high)
        )


@given(point=st.lists(FINITE, min_size=1, max_size=3), radius=st.floats(min_value=0, max_value=1e3))
def test_the_box_around_a_point_contains_its_ball(point, radius):
    check_balls(points, point, radius)


@pytest.mark.parametrize(
    ("where", "formula", "broken"),
    [
        ("_down", "error < 0", "False"),
        ("_down", "error < 0", "error > 0"),
        ("ball_boxes", "-_down(-point, -radius)", "_down(point, radius)"),
        ("ball_boxes", "_down(point, -radius)", "point"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, where, formula, broken):
    copy = plain_python(monkeypatch, points.__name__, where, formula, broken)
    with pytest.raises(AssertionError):
        check_balls(copy, [0.1, 0.3, 0.7, -0.9], 0.01)


def test_balls_are_cut_to_the_domain_and_must_meet_it():
    boxes = ball_boxes(np.array([[0.0, 1.0], [0.5, 1.25]]), 0.25, Box(0, 1))
    assert boxes == [Box([0.0, 0.75], [0.25, 1.0]), Box([0.25, 1.0], [0.75, 1.0])]
    with pytest.raises(ValueError, match=r"point 1 is .*2.0.* at coordinate 1: the ball of radius 0.5"):
        ball_boxes(np.array([[0.0, 1.0], [0.5, 2.0]]), 0.5, Box(0, 1))
    for radius in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match="radius must be"):
            ball_boxes(np.zeros((1, 1)), radius)

"""export_pair: files that other verifiers read, and that ask exactly our question."""

import hashlib

import numpy as np
import pytest
from exchange.networks_of_fractions import exactly, image_pair, pairs
from exchange.properties import assignment, declared, satisfied, statements
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.planting import plain_python
from verification.geometry_cases import geometry_pair

from subsetsum_nets.exchange import export_pair, vnnlib
from subsetsum_nets.exchange.vnnlib import decimal_literal, difference_property
from subsetsum_nets.networks import (
    Ball,
    Box,
    Dense,
    InvalidNetworkError,
    ReluNetwork,
    load_network,
    shipped_network,
)
from subsetsum_nets.networks.files.onnx_files import read_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

NAMES = ["difference.onnx", "difference.vnnlib", "target.onnx", "pruned.onnx", "pair.vnnlib"]
in_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20
)


def run(path, x):
    """Evaluate a file at one flattened input, and return its input and output tensors."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(double)": np.float64}[tensor.type]
    image = x.reshape(1, -1) if len(tensor.shape) == 2 else channels_first(x, tensor.shape)
    return image, session.run(None, {tensor.name: image.astype(kind)})[0]


def channels_first(x, shape):
    _, c, h, w = shape
    return x.reshape(1, h, w, c).transpose(0, 3, 1, 2)


def answers(files, f, g, x):
    """Return whether x is a counterexample by difference.vnnlib and by pair.vnnlib, in exact arithmetic."""
    exact = {"f": exactly(f, x), "g": exactly(g, x)}
    flat = {f"X_{k}": value for k, value in enumerate(x)}
    flat |= {f"Y_{k}": a - b for k, (a, b) in enumerate(zip(exact["f"], exact["g"], strict=True))}
    text = files["pair.vnnlib"].read_text()
    shapes = declared(text)
    both = {}
    for name, values in (("X", x), ("U", x), ("Y", exact["f"]), ("V", exact["g"])):
        array = np.array(values, dtype=object)
        shape = shapes[name]
        array = array.reshape(shape) if len(shape) == 2 else channels_first(array, shape)
        both |= assignment(name, array)
    return satisfied(files["difference.vnnlib"].read_text(), flat), satisfied(text, both)


@given(pairs(elements=st.integers(-8, 8).map(lambda k: k / 4)), st.floats(0.01, 3))
@in_folder
def test_files_ask_whether_f_and_g_differ_by_epsilon(tmp_path, case, epsilon):
    f, g, points = case
    box = Box(-2, 2)
    files = {path.name: path for path in export_pair(f, g, tmp_path / "out", domain=box, epsilon=epsilon)}
    assert list(files) == NAMES
    for x in points:
        difference = max(abs(a - b) for a, b in zip(exactly(f, x), exactly(g, x), strict=True))
        inside = box.contains(x)
        assert answers(files, f, g, x) == (inside and difference >= epsilon, inside and difference > epsilon)
        x = np.clip(x, -2, 2)  # noqa: PLW2901 - onnxruntime answers within the box
        expected = f(x) - g(x)
        scale = 1e-5 * max(1.0, np.abs(f(x)).max(), np.abs(g(x)).max())
        assert np.abs(run(files["difference.onnx"], x)[1][0] - expected).max() < scale
        assert np.abs(run(files["target.onnx"], x)[1][0] - f(x)).max() < scale
        assert np.abs(run(files["pruned.onnx"], x)[1][0] - g(x)).max() < scale
        assert exactly(read_onnx(files["difference.onnx"]), x) == [
            a - b for a, b in zip(exactly(f, x), exactly(g, x), strict=True)
        ]


def test_a_difference_of_exactly_epsilon_is_no_counterexample_of_the_strict_query(tmp_path):
    f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.75]])])
    files = {path.name: path for path in export_pair(f, g, tmp_path, epsilon=0.25)}
    assert answers(files, f, g, np.array([1.0])) == (True, False)
    assert answers(files, f, g, np.array([-1.0])) == (True, False)
    assert answers(files, f, g, np.array([0.5])) == (False, False)
    assert answers(files, f, g, np.array([1.0 + 2**-52])) == (False, False)  # outside of Box(-1, 1)


def test_image_networks_are_asked_about_pixel_by_pixel(tmp_path):
    f, g = image_pair()
    files = {
        path.name: path
        for path in export_pair(f, g, tmp_path, epsilon=0.5, domain=Box(0, 1), dtype="float64")
    }
    shapes = declared(files["pair.vnnlib"].read_text())
    assert shapes == {"X": (1, 2, 2, 3), "Y": (1, 3), "U": (1, 2, 2, 3), "V": (1, 3)}
    assert np.array_equal(read_onnx(files["target.onnx"]).layers[0].kernel, f.layers[0].kernel)
    rng = np.random.default_rng(3)
    for x in rng.uniform(0, 1, (5, 12)):
        difference = max(abs(a - b) for a, b in zip(exactly(f, x), exactly(g, x), strict=True))
        assert answers(files, f, g, x) == (difference >= 0.5, difference > 0.5)
        assert np.abs(run(files["difference.onnx"], x)[1][0] - (f(x) - g(x))).max() < 1e-12


@pytest.mark.parametrize("seed", [3, 6, 7])
def test_strided_and_pooled_networks_are_asked_about(tmp_path, seed):
    f, g, _ = geometry_pair(seed)
    box = Box(-1, 1)
    files = {path.name: path for path in export_pair(f, g, tmp_path / "out", domain=box, epsilon=0.1)}
    for x in np.random.default_rng(seed).uniform(-1, 1, (4, f.widths[0])):
        difference = max(abs(a - b) for a, b in zip(exactly(f, x), exactly(g, x), strict=True))
        assert answers(files, f, g, x) == (difference >= 0.1, difference > 0.1)
        values = run(files["difference.onnx"], x)[1][0]
        assert np.abs(values - (f(x) - g(x))).max() < 1e-5


def test_float32_rounds_all_three_networks_alike_and_says_so(tmp_path):
    f = ReluNetwork([Dense([[0.1], [0.3]], [0.1, 0.2]), Dense([[1.0, 0.7]], [0.1])])
    g = ReluNetwork([Dense([[0.1], [0.3]]), Dense([[1.1, 0.7]], [0.3])])
    exact = {path.name: path for path in export_pair(f, g, tmp_path / "a", epsilon=1)}
    single = {path.name: path for path in export_pair(f, g, tmp_path / "b", epsilon=1, dtype="float32")}
    assert "rounded" not in exact["pair.vnnlib"].read_text()
    for name in ("pair.vnnlib", "difference.vnnlib"):
        assert (
            "; It is about the networks of the ONNX files, whose weights were rounded"
            in single[name].read_text()
        )
    x = np.array([0.3])
    assert exactly(read_onnx(exact["target.onnx"]), x) == exactly(f, x)
    rounded = [
        exactly(read_onnx(single[f"{name}.onnx"]), x)[0] for name in ("difference", "target", "pruned")
    ]
    assert rounded[0] == rounded[1] - rounded[2]
    assert rounded[1:] != [exactly(f, x)[0], exactly(g, x)[0]]


def test_the_properties_name_the_files_they_are_about(tmp_path):
    f = load_network(shipped_network())
    paths = {path.name: path for path in export_pair(f, f, tmp_path, epsilon=0.01)}
    pair, difference = paths["pair.vnnlib"].read_text(), paths["difference.vnnlib"].read_text()
    for name, text in (("target.onnx", pair), ("pruned.onnx", pair), ("difference.onnx", difference)):
        assert f"; {name}: SHA-256 {hashlib.sha256(paths[name].read_bytes()).hexdigest()}\n" in text
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    low, high = f.domain.bounds(64)
    bounds = [s for s in statements(difference) if s[0] == "assert" and s[1][0] != "or"]
    assert [float(s[1][2]) for s in bounds] == [x for ends in zip(low, high, strict=True) for x in ends]
    before = {name: path.read_bytes() for name, path in paths.items()}
    export_pair(f, f, tmp_path, epsilon=0.01)
    assert {name: path.read_bytes() for name, path in paths.items()} == before


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_epsilon_must_be_a_positive_number(tmp_path, epsilon):
    f = ReluNetwork([Dense([[1.0]])])
    with pytest.raises(ValueError, match=f"epsilon must be a positive number, got {epsilon!r}"):
        export_pair(f, f, tmp_path, epsilon=epsilon)
    assert not list(tmp_path.iterdir())


def test_balls_and_pairs_that_do_not_match_are_refused(tmp_path):
    f = ReluNetwork([Dense([[1.0, 2.0]])], domain=Ball(0.5))
    with pytest.raises(ValueError, match=r"not about Ball\(0.5, 0.0\).*domain=Box\(\*ball.bounds\(2\)\)"):
        export_pair(f, f, tmp_path, epsilon=0.1)
    with pytest.raises(InvalidNetworkError, match="f has 2 inputs, g has 1"):
        export_pair(f, ReluNetwork([Dense([[1.0]])]), tmp_path, epsilon=0.1, domain=Box(0, 1))
    assert not list(tmp_path.iterdir())
    paths = export_pair(f, f, tmp_path / "new" / "folder", epsilon=0.1, domain=Box(*f.domain.bounds(2)))
    assert all(path.exists() for path in paths)


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None)
def test_literals_are_exact_and_without_exponents(number):
    text = decimal_literal(number)
    from fractions import Fraction

    assert Fraction(text) == Fraction(number)
    assert set(text) <= set("-.0123456789")
    assert "." in text
    assert float(text) == number


def test_literals_of_no_numbers_are_refused():
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="finite numbers"):
            decimal_literal(number)
    with pytest.raises(ValueError, match="finite numbers"):
        difference_property(np.array([0.0]), np.array([np.inf]), 1, 0.1)


def test_the_reader_of_the_standard_s_authors_takes_the_query(tmp_path):
    reader = pytest.importorskip("vnnlib")
    if not hasattr(reader, "parse_query_file"):
        pytest.skip("an older vnnlib, which reads only 1.0")
    for f, g in (image_pair(), (ReluNetwork([Dense([[0.1, 1e-300]])]), ReluNetwork([Dense([[0.2, 0.1]])]))):
        files = {
            path.name: path for path in export_pair(f, g, tmp_path, epsilon=0.1, domain=Box(-1e-7, 1e20))
        }
        query = reader.parse_query_file(str(files["pair.vnnlib"]))
        assert [network.name for network in query.networks] == ["f", "g"]
        declarations = {
            tensor.name: tuple(tensor.shape)
            for network in query.networks
            for tensor in (*network.inputs, *network.outputs)
        }
        assert declarations == declared(files["pair.vnnlib"].read_text())
        assert len(query.assertions) == 3 * f.widths[0] + 1


MISTAKES = [
    ("difference_property", '((">=", above), ("<=", below))', '(("<=", above), (">=", below))'),
    ("pair_property", '((">", above), ("<", below))', '((">=", above), ("<=", below))'),
    ("pair_property", '((">", above), ("<", below))', '((">", above), ("<", above))'),
    (
        "pair_property",
        'f"    ({relation} (- {of_f} {of_g}) {bound})"',
        'f"    ({relation} (- {of_g} {of_g}) {bound})"',
    ),
    ("_bounds", '((">=", least), ("<=", most))', '((">=", most), ("<=", least))'),
    (
        "pair_property",
        (
            '_text([f"; {note}" for note in notes], ["(vnnlib-version <2.0>)"], networks, _bounds(x, '
            'low, high), [f"(assert (== {of_f} {of_g}))" for of_f, of_g in zip(x, u, strict=True)], '
            '["(assert (or", *cases, "))"])'
        ),
        (
            '_text([f"; {note}" for note in notes], ["(vnnlib-version <2.0>)"], networks, _bounds(x, '
            'low, high), ["(assert (or", *cases, "))"])'
        ),
    ),
    ("difference_property", '["(assert (or", *cases, "))"]', '["(assert (and", *cases, "))"]'),
    ("decimal_literal", 'format(Decimal(float(number) + 0.0), "f")', 'format(Decimal(f"{number:.3f}"), "f")'),
]


@pytest.mark.parametrize(("where", "old", "new"), MISTAKES, ids=range(len(MISTAKES)))
def test_planted_mistakes_in_properties_are_noticed(monkeypatch, tmp_path, where, old, new):
    copy = plain_python(monkeypatch, vnnlib.__name__, where, old, new)
    monkeypatch.setattr("subsetsum_nets.exchange.pair.difference_property", copy.difference_property)
    monkeypatch.setattr("subsetsum_nets.exchange.pair.pair_property", copy.pair_property)
    f, g = ReluNetwork([Dense([[1.0], [0.0]])]), ReluNetwork([Dense([[0.75], [0.0]])])
    wrong = 0
    for epsilon in (0.25, 0.1, 2.0**-12):
        files = {path.name: path for path in export_pair(f, g, tmp_path, epsilon=epsilon, domain=Box(-1, 2))}
        for x in np.array([[-1.5], [-1.0], [0.0], [0.4], [1.0], [2.0], [2.5], [0.0004], [0.004]]):
            difference = abs(x[0]) / 4
            inside = -1 <= x[0] <= 2
            right = (bool(inside and difference >= epsilon), bool(inside and difference > epsilon))
            wrong += answers(files, f, g, x) != right
            try:
                wrong += _with_unequal_inputs(files, x)
            except KeyError:
                wrong += 1
    assert wrong


def _with_unequal_inputs(files, x):
    """Tell whether the query is satisfied by a g that looks at another input than f."""
    values = {
        "X[0,0]": x[0],
        "U[0,0]": x[0] + 0.25,
        "Y[0,0]": 9.0,
        "Y[0,1]": 0.0,
        "V[0,0]": 0.0,
        "V[0,1]": 0.0,
    }
    return satisfied(files["pair.vnnlib"].read_text(), values)

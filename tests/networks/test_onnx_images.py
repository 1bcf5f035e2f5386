"""Convolutions and pooling of every geometry, in chains and in blocks, are those of onnxruntime."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

onnx = pytest.importorskip("onnx")
from networks.onnx_evaluation import agree, dyadic  # noqa: E402
from networks.onnx_graphs_by_hand import tensor  # noqa: E402

from subsetsum_nets.networks import Conv2d, Dense, NetworkFileError  # noqa: E402

in_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40
)
pairs = st.tuples(st.integers(1, 3), st.integers(1, 3)).map(list)


@st.composite
def windows(draw, *, pool=False):
    size, strides = draw(pairs), draw(pairs)
    dilations = [1, 1] if pool else draw(st.sampled_from([[1, 1], [2, 1], [1, 2]]))
    auto = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attributes = {"kernel_shape": size, "strides": strides, "dilations": dilations}
    if auto.startswith("SAME"):  # by ONNX's formula zeros may be fewer than none where windows leave gaps
        attributes["strides"] = [min(pair) for pair in zip(size, strides, strict=True)]
    if auto == "NOTSET":
        attributes["pads"] = [draw(st.integers(0, most - 1 if pool else 2)) for most in size * 2]
        if pool:
            attributes["ceil_mode"] = draw(st.integers(0, 1))
    else:
        attributes["auto_pad"] = auto
    return attributes


@given(windows(), st.sampled_from([1, 2]), st.integers(3, 6), st.integers(3, 6), st.integers(0, 99))
@in_folder
def test_convolutions_of_every_geometry(tmp_path, geometry, groups, h, w, seed):
    rng = np.random.default_rng(seed)
    size = geometry["kernel_shape"]
    kernel, bias = dyadic(rng, 2 * groups, 2 // groups, *size), dyadic(rng, 2 * groups)
    nodes = [("Conv", ["x", "K", "b"], "a", {**geometry, "group": groups}), ("Relu", ["a"], "y", {})]
    try:
        network = agree(tmp_path, nodes, {"K": kernel, "b": bias}, ("n", 2, h, w))
    except NetworkFileError as error:
        assert "do not fit" in str(error)  # noqa: PT017
        return
    (layer,) = network.layers
    assert (layer.groups, layer.size) == (groups, tuple(size))
    assert network.final_relu
    assert not layer.fixed


@given(windows(pool=True), st.booleans(), st.integers(0, 99))
@in_folder
def test_maxima_of_every_geometry(tmp_path, geometry, signed, seed):
    rng = np.random.default_rng(seed)
    assume(geometry["kernel_shape"] != [1, 1])
    pool = ("MaxPool", ["r"], "y", geometry)
    nodes = [("Conv", ["x", "K"], "a", {}), ("Identity" if signed else "Relu", ["a"], "r", {}), pool]
    try:
        network = agree(tmp_path, nodes, {"K": dyadic(rng, 2, 2, 2, 2)}, ("n", 2, 5, 6))
    except NetworkFileError as error:
        assert "do not fit" in str(error) or "outside the image" in str(error)  # noqa: PT017
        return
    if not signed:
        assert all(isinstance(layer, Conv2d) for layer in network.layers)
        assert all(layer.fixed for layer in network.layers[1:])


@given(st.integers(1, 2), st.booleans(), st.booleans(), st.integers(0, 99))
@in_folder
def test_residual_blocks_of_every_kind(tmp_path, stride, projected, activated, seed):
    """A block of two convolutions beside a shortcut, plain or with a convolution, before another block."""
    rng = np.random.default_rng(seed)
    assume(projected or stride == 1)
    channels = 3 if projected else 2
    nodes = [
        ("Conv", ["x", "A"], "a", {"pads": [1] * 4}),
        ("Relu" if activated else "Identity", ["a"], "u", {}),
        ("Conv", ["u", "B"], "b", {"pads": [1] * 4, "strides": [stride] * 2}),
        ("Relu", ["b"], "c", {}),
        ("Conv", ["c", "C"], "d", {"pads": [1] * 4}),
        ("Conv", ["u", "S"], "s", {"strides": [stride] * 2}) if projected else ("Identity", ["u"], "s", {}),
        ("Add", ["d", "s"], "e", {}),
        ("Relu", ["e"], "f", {}),
        ("Conv", ["f", "D"], "g", {"pads": [1] * 4}),
        ("Relu", ["g"], "h", {}),
        ("Conv", ["h", "E"], "i", {"pads": [1] * 4}),
        ("Add", ["i", "f"], "y", {}),
    ]
    shapes = {
        "A": (2, 1),
        "B": (channels, 2),
        "C": (channels, channels),
        "D": (1, channels),
        "E": (channels, 1),
    }
    constants = {name: dyadic(rng, *shape, 3, 3) for name, shape in shapes.items()}
    constants["S"] = dyadic(rng, channels, 2, 1, 1)
    network = agree(tmp_path, nodes, constants, ("n", 1, 6, 5), double=True)
    assert all(isinstance(layer, Conv2d) for layer in network.layers)


NHWC = [
    ("Transpose", ["x"], "t", {"perm": [0, 3, 1, 2]}),
    ("Conv", ["t", "K"], "a", {"auto_pad": "SAME_UPPER", "strides": [2, 1]}),
    ("Transpose", ["a"], "u", {"perm": [0, 2, 3, 1]}),
    ("Add", ["u", "b"], "v", {}),
    ("Relu", ["v"], "w", {}),
]


def test_images_with_channels_last_need_no_permutation(tmp_path):
    rng = np.random.default_rng(0)
    constants = {"K": dyadic(rng, 4, 3, 3, 2), "b": dyadic(rng, 4), "V": dyadic(rng, 4 * 3 * 5, 2)}
    constants["s"] = tensor("s", [-1, 60], np.int64)
    nodes = [*NHWC, ("Reshape", ["w", "s"], "f", {}), ("MatMul", ["f", "V"], "y", {})]
    network = agree(tmp_path, nodes, constants, ("n", 6, 5, 3), last=True)
    assert [type(layer) for layer in network.layers] == [Conv2d, Dense]
    assert network.input_shape == (6, 5, 3)
    assert np.array_equal(network.layers[1].weight, constants["V"].T)
    image = agree(tmp_path, [*NHWC, ("Identity", ["w"], "y", {})], constants, ("n", 6, 5, 3), last=True)
    assert len(image.layers) == 1


def test_scaled_input_with_channels_last_is_a_convolution_of_one_pixel(tmp_path):
    rng = np.random.default_rng(0)
    nodes = [("Sub", ["x", "m"], "p", {}), ("Mul", ["p", "m"], "q", {}), *NHWC, ("Relu", ["w"], "y", {})]
    nodes[2] = ("Transpose", ["q"], "t", {"perm": [0, 3, 1, 2]})
    constants = {"K": dyadic(rng, 4, 3, 3, 2), "b": dyadic(rng, 4), "m": dyadic(rng, 3)}
    network = agree(tmp_path, nodes, constants, ("n", 6, 5, 3), last=True)
    assert [layer.size for layer in network.layers] == [(1, 1), (1, 1), (3, 2)]


def test_one_axis_of_places_is_an_image_of_one_row(tmp_path):
    rng = np.random.default_rng(0)
    nodes = [
        ("Conv", ["x", "K", "b"], "a", {"pads": [1, 1], "strides": [2]}),
        ("Relu", ["a"], "r", {}),
        ("MaxPool", ["r"], "p", {"kernel_shape": [2], "strides": [2]}),
        ("Conv", ["p", "L"], "q", {}),
        ("GlobalMaxPool", ["q"], "y", {}),
    ]
    constants = {"K": dyadic(rng, 3, 2, 3), "L": dyadic(rng, 2, 3, 2), "b": dyadic(rng, 3)}
    network = agree(tmp_path, nodes, constants, ("n", 2, 12))
    assert network.input_shape == (1, 12, 2)
    assert all(isinstance(layer, Conv2d) for layer in network.layers)


def test_an_image_given_flat_is_taken_as_one(tmp_path):
    rng = np.random.default_rng(0)
    nodes = [("Reshape", ["x", "s"], "i", {}), ("Conv", ["i", "K"], "a", {}), ("Flatten", ["a"], "y", {})]
    constants = {"K": dyadic(rng, 1, 2, 3, 3), "s": tensor("s", [-1, 2, 4, 5], np.int64)}
    network = agree(tmp_path, nodes, constants, ("n", 40))
    assert network.input_shape == (4, 5, 2)


def test_layers_of_large_images_are_not_unrolled(tmp_path):
    """Unrolled, the second one alone would have 400 million weights."""
    rng = np.random.default_rng(0)
    nodes = [
        ("Conv", ["x", "K"], "a", {"pads": [1] * 4}),
        ("Relu", ["a"], "r", {}),
        ("MaxPool", ["r"], "p", {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Conv", ["p", "L"], "q", {"pads": [1] * 4}),
        ("Relu", ["q"], "s", {}),
        ("GlobalAveragePool", ["s"], "t", {}),
        ("Flatten", ["t"], "u", {}),
        ("Gemm", ["u", "W"], "y", {}),
    ]
    constants = {"K": dyadic(rng, 4, 3, 3, 3), "L": dyadic(rng, 8, 4, 3, 3), "W": dyadic(rng, 8, 2)}
    network = agree(tmp_path, nodes, constants, ("n", 3, 128, 128), rounds=True)
    assert sum(layer.parameters for layer in network.layers) < 10**5

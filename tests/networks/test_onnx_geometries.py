"""Strides, padding, groups, dilation and pooling in ONNX files: onnxruntime computes what our networks do."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from support.geometries import conv_cases

from subsetsum_nets.networks import AvgPool2d, Conv2d, Dense, MaxPool2d, ReluNetwork
from subsetsum_nets.networks.files.onnx_files import onnx_bytes

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def run(network, x):
    """Return what onnxruntime computes, images channels last."""
    contents = onnx_bytes(network)
    onnx.checker.check_model(onnx.load_from_string(contents), full_check=True)
    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    (values,) = session.run(None, {"input": np.moveaxis(x, 3, 1).astype(np.float32)})
    return np.moveaxis(values, 1, 3) if values.ndim == 4 else values


@given(conv_cases())
@settings(deadline=None, max_examples=25)
def test_onnxruntime_computes_every_geometry(case):
    layer, image = case
    network = ReluNetwork([layer, Dense(np.eye(layer.on(image).d_out))], input_shape=(*image, layer.c_in))
    x = np.random.default_rng(0).integers(-8, 9, (2, *image, layer.c_in)) / 8
    assert np.array_equal(run(network, x), network(x))
    alone = ReluNetwork([layer], input_shape=(*image, layer.c_in))
    assert np.array_equal(run(alone, x), alone(x))


def test_onnxruntime_computes_pooled_networks():
    rng = np.random.default_rng(1)
    layers = [
        Conv2d(rng.integers(-8, 9, (3, 3, 1, 4)) / 8, stride=2),
        MaxPool2d(3, stride=2, padding=1),
        Conv2d(rng.integers(-8, 9, (3, 3, 2, 4)) / 8, groups=2, dilation=2, padding="same_upper"),
        AvgPool2d(2),
        Dense(rng.integers(-8, 9, (3, 4 * 2 * 2)) / 8),
    ]
    network = ReluNetwork(layers, input_shape=(16, 16, 1))
    x = rng.integers(-8, 9, (5, 16, 16, 1)) / 8
    assert np.array_equal(run(network, x), network(x))


def test_files_say_which_layers_are_fixed_and_plain_ones_say_nothing_new():
    plain = Conv2d(np.ones((3, 3, 1, 1)))
    model = onnx.load_from_string(onnx_bytes(ReluNetwork([plain, plain], input_shape=(4, 4, 1))))
    assert [a.name for node in model.graph.node for a in node.attribute] == 2 * ["kernel_shape", "pads"]
    assert "fixed" not in json.loads(model.metadata_props[0].value)
    model = onnx.load_from_string(onnx_bytes(ReluNetwork([plain, MaxPool2d((1, 2))], input_shape=(4, 4, 1))))
    assert json.loads(model.metadata_props[0].value)["fixed"] == [1, 2]

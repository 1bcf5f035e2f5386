"""What scikit-learn's exporter writes beside layers: linear models, and classifiers of two classes."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from subsetsum_nets.networks import NetworkFileError  # noqa: E402
from subsetsum_nets.networks.files.onnx_files import read_onnx  # noqa: E402

POINTS = np.array([[0.5, -2.0], [1.0, 4.0], [-3.0, 0.25]], np.float32)


def written(path, nodes, outputs, **constants):
    tensors = [numpy_helper.from_array(np.asarray(v, np.float32), name) for name, v in constants.items()]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info(name, kind, None) for name, kind in outputs.items()],
        tensors,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)], ir_version=8
    )
    path.write_bytes(model.SerializeToString())
    return path


def regressor(**attributes):
    return helper.make_node("LinearRegressor", ["x"], ["y"], name="model", domain="ai.onnx.ml", **attributes)


@pytest.mark.parametrize("intercepts", [None, [0.5, -1.0]])
def test_linear_regressions_are_layers(tmp_path, intercepts):
    more = {} if intercepts is None else {"intercepts": intercepts}
    node = regressor(coefficients=[1.0, 2.0, -0.5, 0.25], targets=2, **more)
    path = written(tmp_path / "x.onnx", [node], {"y": TensorProto.FLOAT})
    onnxruntime = pytest.importorskip("onnxruntime")
    (theirs,) = onnxruntime.InferenceSession(path).run(None, {"x": POINTS})
    assert np.array_equal(read_onnx(path)(POINTS), theirs)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"coefficients": [1.0, 2.0, 3.0]}, "'model'.*3 coefficients for 1 functions"),
        ({"coefficients": [1.0, 2.0], "post_transform": "SOFTMAX"}, "'model'.*SOFTMAX"),
    ],
)
def test_other_linear_models_are_refused(tmp_path, attributes, message):
    path = written(tmp_path / "x.onnx", [regressor(**attributes)], {"y": TensorProto.FLOAT})
    with pytest.raises(NetworkFileError, match=message):
        read_onnx(path)


def test_the_logits_of_two_classes_are_what_the_sigmoid_gets(tmp_path):
    nodes = [
        helper.make_node("MatMul", ["x", "W"], ["score"]),
        helper.make_node("Sigmoid", ["score"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Concat", ["q", "p"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1),
    ]
    outputs = {"label": TensorProto.INT64, "probabilities": TensorProto.FLOAT}
    path = written(tmp_path / "x.onnx", nodes, outputs, W=[[1.0], [-2.0]], one=[1.0])
    assert np.array_equal(read_onnx(path, output="logits")(POINTS), POINTS @ [[1.0], [-2.0]])

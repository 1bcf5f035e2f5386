"""What ONNX graphs mean: the reference evaluator of the format agrees, and others are refused by the node."""

import numpy as np
import pytest

from subsetsum_nets.networks import NetworkFileError

onnx = pytest.importorskip("onnx")
from networks.onnx_graphs_by_hand import C3, C4, IMAGE, K_EVEN, A, B, K, graph, read_model, rng, tensor  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

READ = {
    "transposes, factors": (
        [("Gemm", ["x", "A", "b"], "y", {"alpha": 0.3, "beta": -2.0})],
        {"A": A, "b": C4},
    ),
    "transB": ([("Gemm", ["x", "A"], "y", {"transB": 1})], {"A": B}),
    "no bias given": ([("Gemm", ["x", "A", ""], "y", {})], {"A": A}),
    "bias of one number": ([("Gemm", ["x", "A", "b"], "y", {})], {"A": A, "b": [[2.0]]}),
    "bias of rank 0": ([("Gemm", ["x", "A", "b"], "y", {})], {"A": A, "b": 2.0}),
    "float64 and a power of two": (
        [("Gemm", ["x", "A"], "y", {"alpha": 0.25})],
        {"A": tensor("A", A, np.float64)},
    ),
    "bias before the data": (
        [("MatMul", ["x", "A"], "a", {}), ("Add", ["b", "a"], "y", {})],
        {"A": A, "b": C4},
    ),
    "bias subtracted": (
        [("MatMul", ["x", "A"], "a", {}), ("Sub", ["a", "b"], "c", {}), ("Relu", ["c"], "y", {})],
        {"A": A, "b": [C4]},
    ),
    "two ReLUs, linear layers": (
        [
            ("MatMul", ["x", "A"], "a", {}),
            ("MatMul", ["a", "B"], "b", {}),
            ("Relu", ["b"], "c", {}),
            ("Relu", ["c"], "d", {}),
            ("Identity", ["d"], "e", {}),
            ("Cast", ["e"], "y", {"to": TensorProto.FLOAT}),
        ],
        {"A": A, "B": B},
    ),
    "constants folded": (
        [
            ("Constant", [], "k", {"value": tensor("k", B)}),
            ("Transpose", ["k"], "t", {"perm": [1, 0]}),
            ("Cast", ["t"], "f", {"to": TensorProto.FLOAT}),
            ("Identity", ["f"], "w", {}),
            ("Constant", [], "b", {"value_floats": [1.5, 2.5, -1.0, 0.25]}),
            ("Reshape", ["b", "s"], "r", {}),
            ("Gemm", ["x", "w", "r"], "y", {}),
        ],
        {"s": tensor("s", [1, 4], np.int64)},
    ),
    "half precision": ([("Gemm", ["x", "h"], "y", {})], {"h": tensor("h", A, np.float16)}),
    "input maps": (
        [
            ("Sub", ["x", "m"], "a", {}),
            ("Div", ["a", "s"], "b", {}),
            ("Mul", ["k", "b"], "c", {}),
            ("Add", ["c", "m"], "d", {}),
            ("MatMul", ["d", "A"], "y", {}),
        ],
        {"m": C3, "s": [[2.0, 4.0, 0.5]], "k": 0.7, "A": A},
    ),
    "two shifts": (
        [("Sub", ["x", "m"], "a", {}), ("Add", ["a", "m2"], "b", {}), ("MatMul", ["b", "A"], "y", {})],
        {"m": C3, "m2": C3 * 3, "A": A},
    ),
    "scaler": (
        [
            ("ml:Scaler", ["x"], "a", {"offset": [1.0, 2.0, 3.0], "scale": [0.5]}),
            ("MatMul", ["a", "A"], "y", {}),
        ],
        {"A": A},
    ),
    "flatten and reshape": (
        [
            ("Flatten", ["x"], "a", {"axis": -1}),
            ("Reshape", ["a", "s"], "b", {}),
            ("MatMul", ["b", "A"], "c", {}),
            ("Reshape", ["c", "t"], "y", {}),
        ],
        {"A": A, "s": tensor("s", [0, -1], np.int64), "t": tensor("t", [-1, 4], np.int64)},
    ),
}
READ_IMAGES = {
    "flat image, no convolution": (
        [("Sub", ["x", "m"], "a", {}), ("Flatten", ["a"], "b", {}), ("MatMul", ["b", "W"], "y", {})],
        {"m": rng.normal(size=(1, 3, 4, 5)), "W": rng.normal(size=(60, 2))},
    ),
    "same padding, bias": (
        [("Conv", ["x", "K", "b"], "a", {"pads": [1, 1, 1, 1]}), ("Relu", ["a"], "y", {})],
        {"K": K, "b": [1.0, -1.0]},
    ),
    "even kernel": ([("Conv", ["x", "K"], "y", {"pads": [1, 2, 0, 1]})], {"K": K_EVEN}),
    "auto padding": (
        [
            (
                "Conv",
                ["x", "K"],
                "a",
                {"auto_pad": "SAME_UPPER", "strides": [1, 1], "dilations": [1, 1], "group": 1},
            ),
            ("Flatten", ["a"], "f", {}),
            ("MatMul", ["f", "W"], "y", {}),
        ],
        {"K": K, "W": rng.normal(size=(40, 2))},
    ),
    "auto padding, even": ([("Conv", ["x", "K"], "y", {"auto_pad": "SAME_LOWER"})], {"K": K_EVEN}),
    "bias added, channels scaled": (
        [
            ("Sub", ["x", "m"], "a", {}),
            ("Mul", ["a", "s"], "b", {}),
            ("Conv", ["b", "K"], "c", {"pads": [1] * 4}),
            ("Add", ["c", "b2"], "d", {}),
            ("Relu", ["d"], "y", {}),
        ],
        {"m": C3.reshape(3, 1, 1), "s": C3.reshape(1, 3, 1, 1) + 2, "K": K, "b2": np.ones((1, 2, 1, 1))},
    ),
    "pointwise, valid": ([("Conv", ["x", "K"], "y", {"auto_pad": "VALID"})], {"K": K[:, :, :1, :1]}),
}


@pytest.mark.parametrize("case", READ)
def test_graphs_mean_what_the_reference_evaluator_says(tmp_path, case):
    nodes, constants = READ[case]
    model = graph(nodes, constants)
    x = np.random.default_rng(1).normal(size=(5, 3))
    network = read_model(tmp_path, model)
    known = ReferenceEvaluator(_in_double(model)).run(None, {"x": x})[0]
    assert np.abs(network(x) - known).max() < 1e-12


@pytest.mark.parametrize("case", READ_IMAGES)
def test_graphs_of_images_mean_what_the_reference_evaluator_says(tmp_path, case):
    nodes, constants = READ_IMAGES[case]
    model = graph(nodes, constants, IMAGE)
    x = np.random.default_rng(1).normal(size=(5, 3, 4, 5))
    network = read_model(tmp_path, model)
    known = ReferenceEvaluator(_in_double(model)).run(None, {"x": x})[0]
    mine = network(x.transpose(0, 2, 3, 1)) if network.input_shape else network(x.reshape(5, 60))
    if known.ndim == 4:
        known = known.transpose(0, 2, 3, 1)
    assert np.abs(mine - known).max() < 1e-12


def _in_double(model):
    """Return the model with every float tensor as float64, holding the same numbers."""
    model = onnx.ModelProto.FromString(model.SerializeToString())

    def double(array):
        if array.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16):
            array.CopyFrom(tensor(array.name, numpy_helper.to_array(array), np.float64))

    for array in model.graph.initializer:
        double(array)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "value":
                double(attribute.t)
            elif attribute.name == "value_floats":
                attribute.CopyFrom(
                    helper.make_attribute("value", tensor("c", list(attribute.floats), np.float64))
                )
            elif attribute.name == "to":
                attribute.i = TensorProto.DOUBLE
    return model


def test_weights_are_read_exactly_whatever_they_are_stored_in(tmp_path):
    for kind, element in (
        (np.float16, TensorProto.FLOAT16),
        (np.float32, TensorProto.FLOAT),
        (np.float64, TensorProto.DOUBLE),
    ):
        values = np.array([[0.1, -0.0, np.finfo(kind).tiny / 8, np.finfo(kind).max]] * 3, kind)
        for raw in (True, False):
            if raw:
                stored = helper.make_tensor("A", element, values.shape, values.tobytes(), raw=True)
            else:
                stored = helper.make_tensor("A", element, values.shape, values.ravel())
            network = read_model(tmp_path, graph([("MatMul", ["x", "A"], "y", {})], {"A": stored}))
            assert network.layers[0].weight.T.tobytes() == values.astype(np.float64).tobytes()


def test_an_older_input_list_with_the_weights_among_it_is_read(tmp_path):
    model = graph([("MatMul", ["x", "A"], "y", {})], {"A": A})
    model.graph.input.append(helper.make_tensor_value_info("A", TensorProto.FLOAT, A.shape))
    assert read_model(tmp_path, model).widths == (3, 4)


def test_an_input_of_unknown_size_is_read(tmp_path):
    for shape in (None, ("n", None), ("n", "d")):
        model = graph(
            [("Sub", ["x", "m"], "a", {}), ("MatMul", ["a", "A"], "y", {})], {"A": A, "m": [C3]}, shape
        )
        assert read_model(tmp_path, model).widths == (3, 3, 4)


# ---------------------------------------------------------------- refusals


def two(first, second, **constants):
    return [first, second], {"A": A, "B": B, **constants}


MM = ("MatMul", ["x", "A"], "a", {})
CONV = ("Conv", ["x", "K"], "y")
REFUSED = {
    "bias by sample": (*two(MM, ("Add", ["a", "b"], "y", {}), b=np.ones((2, 4))), r"n1.*shape \(2, 4\)"),
    "bias of another length": (
        *two(MM, ("Add", ["a", "b"], "y", {}), b=np.ones(3)),
        r"n1.*shapes \(1, 4\) and \(3,\)",
    ),
    "constant over data": (
        *two(("Div", ["b", "x"], "a", {}), ("MatMul", ["a", "A"], "y", {}), b=C3),
        "n0.*by the data",
    ),
    "product of data": (*two(MM, ("Mul", ["a", "a"], "y", {})), "n1.*not piecewise linear"),
    "cycle": (*two(("Add", ["x", "b"], "a", {}), ("Relu", ["a"], "b", {})), "nothing in its graph makes"),
    "cycle on the way": (
        [("Add", ["x", "r"], "a", {}), ("Relu", ["a"], "r", {}), ("MatMul", ["r", "A"], "y", {})],
        {"A": A},
        "n0.*nothing before it makes: the graph has a cycle",
    ),
    "cycle of constants": (
        [("Identity", ["q"], "p", {}), ("Identity", ["p"], "q", {}), ("MatMul", ["x", "q"], "y", {})],
        {},
        "n0.*the graph has a cycle",
    ),
    "out of order": (
        [("Relu", ["a"], "y", {}), ("MatMul", ["x", "A"], "a", {})],
        {"A": A},
        "n0.*out of order",
    ),
    "disconnected": ([("Identity", ["A"], "y", {})], {"A": A}, "does not depend on its input"),
    "tensor made twice": ([MM, ("MatMul", ["x", "A"], "a", {})], {"A": A}, "n1.*'a', which is there already"),
    "input made again": ([("MatMul", ["x", "A"], "x", {})], {"A": A}, "n0.*'x', which is there already"),
    "output missing": ([MM], {"A": A}, "nothing in its graph makes the output 'y'"),
    "unknown operator": (
        [("Sigmoid", ["x"], "y", {})],
        {},
        r"n0' \(Sigmoid\) is of an operator that is not read",
    ),
    "foreign domain": ([("ml:Normalizer", ["x"], "y", {})], {}, r"\(ai.onnx.ml.Normalizer\)"),
    "unknown attribute": ([("MatMul", ["x", "A"], "y", {"extra": 1})], {"A": A}, "n0.*attribute 'extra'"),
    "attribute of a wrong type": (
        [("Gemm", ["x", "A"], "y", {"alpha": "a"})],
        {"A": A},
        "n0.*attribute 'alpha'",
    ),
    "cast to int": (
        *two(MM, ("Cast", ["a"], "y", {"to": TensorProto.INT64})),
        "n1.*casts to the ONNX data type 7",
    ),
    "reshape over samples": (
        [MM, ("Reshape", ["a", "s"], "y", {})],
        {"A": A, "s": tensor("s", [-1, 2], np.int64)},
        r"n1.*shape \(2, 2\) of a sample",
    ),
    "reshape to nothing": ([MM, ("Reshape", ["a"], "y", {})], {"A": A}, "n1.*a shape that is computed"),
    "reshape away": (
        [MM, ("Reshape", ["a", "s"], "y", {})],
        {"A": A, "s": tensor("s", [], np.int64)},
        r"n1.*to \[\]",
    ),
    "weight of no entries": (
        [("MatMul", ["x", "A"], "y", {})],
        {"A": np.ones((3, 0))},
        r"n0.*not by a matrix",
    ),
    "weight of integers": (
        [("MatMul", ["x", "A"], "y", {})],
        {"A": tensor("A", A, np.int64)},
        "n0.*dtype int64",
    ),
    "weight of texts": (
        [("MatMul", ["x", "A"], "y", {})],
        {"A": helper.make_tensor("A", TensorProto.STRING, [1], [b"a"])},
        "'A' has the ONNX data type 8",
    ),
    "bad fold": (
        [("Transpose", ["A"], "w", {"perm": [0, 2]}), ("MatMul", ["x", "w"], "y", {})],
        {"A": A},
        "n0.*cannot be folded",
    ),
    "joined with a constant of other axes": (
        [MM, ("Concat", ["a", "b"], "y", {"axis": 1})],
        {"A": A, "b": C4},
        r"n1.*\(4,\) to values of shape \(1, 4\)",
    ),
    "joined samples": ([MM, ("Concat", ["a", "a"], "y", {"axis": 0})], {"A": A}, "n1.*samples of a batch"),
    "sum over samples": (
        [MM, ("ReduceSum", ["a"], "y", {"keepdims": 1})],
        {"A": A},
        "n1.*over the samples of a batch",
    ),
    "random values": (
        [MM, ("Dropout", ["a", "", "t"], "y", {})],
        {"A": A, "t": tensor("t", 1, np.bool_)},
        "n1.*eval mode",
    ),
    "places of maxima": (
        [
            ("Unsqueeze", ["x", "i"], "u", {}),
            ("MaxPool:2", ["u"], "y", {"kernel_shape": [2]}),
            ("Identity", ["y0"], "y", {}),
        ],
        {"i": tensor("i", [1], np.int64)},
        "n1.*places of its maxima",
    ),
    "constant of a rounded sum": (
        [("Add", ["A", "e"], "w", {}), ("MatMul", ["x", "w"], "y", {})],
        {"A": A, "e": tensor("e", 1e-30, np.float64)},
        "n0.*float64 would round",
    ),
    "layers that do not fit": (
        [MM, ("MatMul", ["a", "A"], "y", {})],
        {"A": A},
        "n1.*takes 3 values, but gets 4",
    ),
    "convolution of rows": ([("Conv", ["x", "K"], "y", {})], {"K": K}, "n0.*state the shape"),
}
REFUSED_IMAGES = {
    "kernel computed": ([("Conv", ["x", "x"], "y", {})], {}, "needs a constant as its input 1"),
    "kernel of three axes": (
        [(*CONV, {})],
        {"K": np.ones((2, 3, 3))},
        r"windows of \[3\] for samples of shape \(3, 4, 5\)",
    ),
    "channels": ([(*CONV, {"pads": [1] * 4})], {"K": np.ones((2, 2, 3, 3))}, "takes 2 channels"),
}


def test_a_second_output_of_a_node_is_not_taken_for_its_first(tmp_path):
    model = graph([MM, ("Relu", ["a"], "r", {}), ("Relu", ["s"], "y", {})], {"A": A})
    model.graph.node[1].output.append("s")
    with pytest.raises(NetworkFileError, match=r"n2.*uses 's', which nothing before it makes"):
        read_model(tmp_path, model)


@pytest.mark.parametrize(("nodes", "constants", "match"), REFUSED.values(), ids=REFUSED)
def test_other_graphs_are_refused_naming_the_node(tmp_path, nodes, constants, match):
    with pytest.raises(NetworkFileError, match=f"net.onnx cannot be read as a network: .*{match}"):
        read_model(tmp_path, graph(nodes, constants))


@pytest.mark.parametrize(("nodes", "constants", "match"), REFUSED_IMAGES.values(), ids=REFUSED_IMAGES)
def test_other_graphs_of_images_are_refused_naming_the_node(tmp_path, nodes, constants, match):
    with pytest.raises(NetworkFileError, match=f"net.onnx cannot be read as a network: .*{match}"):
        read_model(tmp_path, graph(nodes, constants, IMAGE))

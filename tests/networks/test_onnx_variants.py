"""ONNX files as others write them: old opsets, no batch axis, data in other files."""

import json
import os
import warnings

import numpy as np
import pytest

from subsetsum_nets.networks import Box, Conv2d, Dense, InvalidNetworkError, NetworkFileError, ReluNetwork
from subsetsum_nets.networks.files.budget import memory_allowed

onnx = pytest.importorskip("onnx")
from networks.onnx_evaluation import agree, dyadic, known, ours, outputs  # noqa: E402
from networks.onnx_graphs_by_hand import graph, read_model, tensor  # noqa: E402
from onnx import TensorProto, numpy_helper  # noqa: E402

from subsetsum_nets.networks.files.onnx_description import describe_onnx  # noqa: E402
from subsetsum_nets.networks.files.onnx_files import read_onnx, write_onnx  # noqa: E402
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning  # noqa: E402

rng = np.random.default_rng(5)
W, V, B, C = dyadic(rng, 3, 4), dyadic(rng, 4, 2), dyadic(rng, 4), dyadic(rng, 2)
MM = ("MatMul", ["x", "W"], "a", {})

# ---------------------------------------------------------------- inputs without a batch axis

UNBATCHED = {
    "a vector": (
        (3,),
        [("MatMul", ["U", "x"], "a", {}), ("Add", ["a", "b"], "c", {}), ("Relu", ["c"], "y", {})],
    ),
    "a vector, weight right": ((3,), [MM, ("Add", ["a", "b"], "y", {})]),
    "a column": (
        (3, 1),
        [("MatMul", ["U", "x"], "a", {}), ("Add", ["a", "B"], "c", {}), ("Relu", ["c"], "y", {})],
    ),
    "a column in Gemm": ((3, 1), [("Gemm", ["U", "x", "B"], "a", {}), ("Relu", ["a"], "y", {})]),
    "a column, transposed": ((3, 1), [("Gemm", ["x", "W"], "y", {"transA": 1})]),
    "four axes": (
        (1, 1, 1, 3),
        [("Flatten", ["x"], "f", {"axis": 1}), ("Gemm", ["f", "W", "b"], "a", {}), ("Relu", ["a"], "y", {})],
    ),
    "four axes, multiplied": ((1, 1, 1, 3), [MM, ("Add", ["a", "b"], "c", {}), ("Relu", ["c"], "y", {})]),
}


@pytest.mark.parametrize("case", UNBATCHED)
def test_inputs_without_a_batch_axis(tmp_path, case):
    shape, nodes = UNBATCHED[case]
    constants = {"W": W, "U": W.T, "b": B, "B": B[:, None]}
    network = agree(tmp_path, nodes, constants, shape)
    assert network.widths[0] == np.prod(shape)


def test_a_fixed_number_of_samples_is_read_for_one(tmp_path):
    nodes = [("Reshape", ["x", "s"], "f", {}), ("MatMul", ["f", "W"], "y", {})]
    model = graph(nodes, {"W": W, "s": tensor("s", [5, 3], np.int64)}, (5, 3, 1))
    assert read_model(tmp_path, model).widths == (3, 4)


# ---------------------------------------------------------------- old opsets

OLD = {
    6: [
        ("Mul", ["x", "m"], "n", {"broadcast": 1}),
        ("Gemm", ["n", "W", "b"], "a", {"broadcast": 1}),
        ("Dropout", ["a"], "d", {"is_test": 1, "ratio": 0.5}),
        ("Clip", ["d"], "c", {"min": 0.0, "max": 2.0}),
        ("Reshape", ["c", "s"], "e", {}),
        ("Pad", ["e"], "p", {"pads": [0, 1, 0, 1]}),
        ("Slice", ["p"], "q", {"starts": [0], "ends": [5], "axes": [1]}),
        ("Slice", ["q"], "t", {"starts": [1], "ends": [9], "axes": [1]}),
        ("MatMul", ["t", "V"], "y", {}),
    ],
    9: [
        MM,
        ("Relu", ["a"], "r", {}),
        ("Unsqueeze", ["r"], "u", {"axes": [1]}),
        ("Squeeze", ["u"], "v", {"axes": [1]}),
        ("Split:2", ["v"], "p", {"axis": 1, "split": [2, 2]}),
        ("Concat", ["p1", "p0"], "c", {"axis": 1}),
        ("MatMul", ["c", "V"], "y", {}),
    ],
    11: [MM, ("Clip", ["a", "zero"], "r", {}), ("ReduceSum", ["r"], "y", {"axes": [1], "keepdims": 1})],
    13: [
        MM,
        ("Relu", ["a"], "r", {}),
        ("Unsqueeze", ["r", "one"], "u", {}),
        ("Squeeze", ["u", "one"], "v", {}),
        ("Split:2", ["v", "halves"], "p", {"axis": 1}),
        ("Sub", ["p1", "p0"], "y", {}),
    ],
    18: [MM, ("ReduceMean", ["a", "one"], "e", {}), ("Sub", ["a", "e"], "y", {})],
    21: [MM, ("Relu", ["a"], "r", {}), ("Gemm", ["r", "V"], "y", {})],
}


@pytest.mark.parametrize("opset", OLD)
def test_old_and_new_forms_of_operators(tmp_path, opset):
    constants = {
        "W": W,
        "V": V,
        "b": B,
        "m": dyadic(rng, 3),
        "zero": np.array(0.0),
        "s": tensor("s", [0, -1], np.int64),
        "one": tensor("one", [1], np.int64),
        "halves": tensor("halves", [2, 2], np.int64),
    }
    used = {name for node in OLD[opset] for name in node[1]}
    constants = {name: array for name, array in constants.items() if name in used}
    if opset > 6:
        agree(tmp_path, OLD[opset], constants, ("n", 3), opset=opset)
        return
    network = read_model(tmp_path, graph(OLD[opset], constants, ("n", 3), opset=opset))
    x = dyadic(rng, 5, 3)  # neither onnxruntime nor the reference evaluator know this version any more
    wanted = np.clip((x * constants["m"]) @ W + B, 0, 2) @ V
    assert np.array_equal(network(x), wanted)


def test_batch_normalisation_is_folded_with_its_rounding_said(tmp_path):
    numbers = {"g": [1.5, -0.5], "b": [0.25, 1.0], "m": [0.5, -1.0], "v": [0.75, 2.0]}
    nodes = [
        ("Conv", ["x", "K"], "a", {}),
        ("BatchNormalization", ["a", "g", "b", "m", "v"], "n", {"epsilon": 1e-3}),
        ("Relu", ["n"], "y", {}),
    ]
    model = graph(nodes, {"K": dyadic(rng, 2, 3, 2, 2), **numbers}, ("n", 3, 4, 4))
    with pytest.warns(
        RoundedFoldingWarning, match=r"node 'n1' \(BatchNormalization\) rounds weights.*1.11e-16"
    ):
        network = read_model(tmp_path, model)
    assert len(network.layers) == 1
    found = describe_onnx(tmp_path / "net.onnx")
    assert {rounding.where for rounding in found.roundings} == {"node 'n1' (BatchNormalization)"}
    assert all(0 < rounding.bound < 1.2e-16 for rounding in found.roundings)
    x = dyadic(rng, 3, 1, 3, 4, 4)
    assert np.abs(network(ours(network, x)) - outputs(network, known(model, x))).max() < 1e-5


def test_a_normalisation_whose_root_is_exact_rounds_nothing(tmp_path):
    numbers = {"g": [1.5, -0.5], "b": [0.25, 1.0], "m": [0.5, -1.0], "v": [0.25, 4.0]}
    nodes = [
        ("Conv", ["x", "K"], "a", {}),
        ("BatchNormalization", ["a", "g", "b", "m", "v"], "y", {"epsilon": 0.0}),
    ]
    agree(tmp_path, nodes, {"K": dyadic(rng, 2, 3, 2, 2), **numbers}, ("n", 3, 4, 4))


# ---------------------------------------------------------------- floats of two bytes


def test_half_precision_of_both_kinds_is_exact(tmp_path):
    for kind, element in (
        ("raw", TensorProto.BFLOAT16),
        ("ints", TensorProto.BFLOAT16),
        ("raw", TensorProto.FLOAT16),
    ):
        values = np.array([[0.1, -2.0, 3e-5, 1.0]] * 3, np.float32)
        bits = (values.view(np.uint32) >> 16).astype(np.uint16)
        weights = (bits.astype(np.uint32) << 16).view(np.float32)
        if element == TensorProto.FLOAT16:
            weights = values.astype(np.float16)
            bits = weights.view(np.uint16)
        stored = TensorProto(name="W", data_type=element, dims=[3, 4])
        if kind == "raw":
            stored.raw_data = bits.astype("<u2").tobytes()
        else:
            stored.int32_data.extend(bits.ravel().tolist())
        model = graph([("MatMul", ["x", "W"], "y", {})], {"W": stored}, element=element)
        network = read_model(tmp_path, model)
        assert np.array_equal(network.layers[0].weight.T, weights.astype(np.float64))


# ---------------------------------------------------------------- data beside the model


def beside(tmp_path, weight=W, **entries):
    """Write a model whose weight is in the file "net.data", and return its path."""
    stored = TensorProto(name="W", data_type=TensorProto.FLOAT, dims=weight.shape)
    stored.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "net.data", **entries}.items():
        stored.external_data.add(key=key, value=str(value))
    model = graph([("MatMul", ["x", "W"], "y", {})], {"W": stored})
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    return tmp_path / "net.onnx"


def test_weights_beside_the_model_are_read(tmp_path):
    (tmp_path / "net.data").write_bytes(b"head" + W.astype("<f4").tobytes() + b"tail")
    network = read_onnx(beside(tmp_path, offset=4, length=48))
    assert np.array_equal(network.layers[0].weight, W.T)
    (tmp_path / "net.data").write_bytes(W.astype("<f4").tobytes())
    assert np.array_equal(read_onnx(beside(tmp_path)).layers[0].weight, W.T)


@pytest.mark.parametrize(
    ("entries", "match"),
    [
        ({"location": "/etc/passwd"}, "no file beside the model"),
        ({"location": "../net.data"}, "no file beside the model"),
        ({"location": "folder/net.data"}, "no file beside the model"),
        ({"location": "other.data"}, "no file beside the model"),
        ({"location": ""}, "no file beside the model"),
        ({"location": "."}, "no file beside the model"),
        ({"location": "link.data"}, "a link out of the model's folder"),
        ({"offset": 8}, "48 bytes is said to be bytes 8 to 48"),
        ({"length": 40}, "48 bytes"),
        ({"offset": 10**14, "length": 48}, "which has 48"),
        ({"offset": -1}, "the offset '-1'"),
        ({"length": "1e9"}, "the length '1e9'"),
        ({"key": "value"}, "or too much"),
    ],
)
def test_other_places_are_not_opened(tmp_path, entries, match):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "folder").mkdir()
    for place in (tmp_path, inside, inside / "folder"):
        (place / "net.data").write_bytes(W.astype("<f4").tobytes())
    (inside / "link.data").symlink_to(tmp_path / "net.data")
    with pytest.raises(NetworkFileError, match=match):
        read_onnx(beside(inside, **entries))


def test_pipes_and_files_too_large_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "net.data")
    with pytest.raises(OSError, match="not a regular file"):
        read_onnx(beside(tmp_path))
    (tmp_path / "net.data").unlink()
    (tmp_path / "net.data").write_bytes(bytes(10**6))
    with memory_allowed(10**5), pytest.raises(NetworkFileError, match="bytes of memory"):
        read_onnx(beside(tmp_path, np.zeros((3, 10**6 // 12))))


def test_what_exporters_write_beside_a_model_is_read(tmp_path):
    model = graph([("MatMul", ["x", "W"], "a", {}), ("Relu", ["a"], "y", {})], {"W": dyadic(rng, 3, 400)})
    onnx.save(
        model, tmp_path / "net.onnx", save_as_external_data=True, location="net.onnx.data", size_threshold=0
    )
    network = read_onnx(tmp_path / "net.onnx")
    assert np.array_equal(
        network.layers[0].weight.T, numpy_helper.to_array(model.graph.initializer[0], str(tmp_path))
    )


# ---------------------------------------------------------------- outputs


def classifier(tmp_path, *behind, outputs=("y",)):
    nodes = [MM, ("Relu", ["a"], "r", {}), ("MatMul", ["r", "V"], "z", {}), *behind]
    (tmp_path / "net.onnx").write_bytes(graph(nodes, {"W": W, "V": V}, outputs=outputs).SerializeToString())
    return tmp_path / "net.onnx"


def test_logits_are_what_comes_before_the_very_end(tmp_path):
    expected = "ReluNetwork(3-4-2, 20 parameters)"
    ends = [
        [("Softmax", ["z"], "y", {})],
        [("LogSoftmax", ["z"], "s", {}), ("Identity", ["s"], "y", {})],
        [("Softmax", ["z"], "s", {}), ("ArgMax", ["s"], "y", {})],
        [("ArgMax", ["z"], "s", {}), ("Cast", ["s"], "y", {"to": TensorProto.INT32})],
        [("Identity", ["z"], "y", {})],
    ]
    for behind in ends:
        assert repr(read_onnx(classifier(tmp_path, *behind), output="logits")) == expected
    two = classifier(tmp_path, ends[0][0], ("ArgMax", ["z"], "l", {}), outputs=("y", "l"))
    assert repr(read_onnx(two, output="logits")) == expected
    assert repr(read_onnx(two, output="r")) == "ReluNetwork(3-4, final ReLU, 12 parameters)"
    with pytest.raises(NetworkFileError, match=r"2 outputs \('y', 'l'\)"):
        read_onnx(two)
    inside = classifier(tmp_path, ("Softmax", ["z"], "s", {}), ("MatMul", ["s", "V2"], "y", {}))
    with pytest.raises(NetworkFileError, match=r"nothing before it makes|Softmax"):
        read_onnx(inside, output="logits")


@pytest.mark.parametrize(
    "operator", ["Sigmoid", "Tanh", "Softmax", "Gelu", "Erf", "Elu", "ArgMax", "LayerNormalization"]
)
def test_what_is_not_piecewise_linear_is_refused_with_the_way_out(tmp_path, operator):
    path = classifier(tmp_path, (operator, ["z"], "y", {}))
    with pytest.raises(NetworkFileError, match=rf"node 'n3' \({operator}\) .* it is not") as refused:
        read_onnx(path)
    assert str(refused.value).endswith("What comes before it: read_onnx(path, output='z')")
    assert repr(read_onnx(path, output="z")) == "ReluNetwork(3-4-2, 20 parameters)"


# ---------------------------------------------------------------- descriptions


def test_files_are_described_read_or_not(tmp_path):
    found = describe_onnx(classifier(tmp_path, ("Identity", ["z"], "y", {})))
    assert found.layers == ("Dense(3 -> 4), ReLU", "Dense(4 -> 2)")
    assert found.operators == {"MatMul": 2, "Relu": 1, "Identity": 1}
    assert [str(value) for value in found.inputs] == ["x: FLOAT nx3"]
    assert (found.refusal, found.roundings, found.cuts, found.opset) == (None, (), (), 17)
    refused = describe_onnx(classifier(tmp_path, ("Tanh", ["z"], "y", {})))
    assert refused.network is None
    assert refused.layers == ()
    assert "(Tanh)" in refused.refusal
    (tmp_path / "net.onnx").write_bytes(b"no model")
    with pytest.raises(NetworkFileError, match=r"not a complete ONNX file|no graph"):
        describe_onnx(tmp_path / "net.onnx")


def test_a_layer_is_kept_where_folding_would_round_and_the_node_is_named(tmp_path):
    nodes = [MM, ("Relu", ["a"], "r", {}), ("Mul", ["r", "s"], "t", {}), ("MatMul", ["t", "V"], "y", {})]
    long = tensor("V", rng.normal(size=(4, 2)), np.float64)
    (tmp_path / "net.onnx").write_bytes(
        graph(nodes, {"W": W, "V": long, "s": tensor("s", [0.1] * 4, np.float64)}).SerializeToString()
    )
    found = describe_onnx(tmp_path / "net.onnx")
    assert found.cuts == ("node 'n3' (MatMul)",)
    assert found.network.linear_after == (1,)


# ---------------------------------------------------------------- our own files


def test_fixed_layers_and_geometries_come_back(tmp_path):
    kernel = dyadic(rng, 2, 2, 1, 2)
    layers = [
        Conv2d(kernel, stride=2, padding="valid", groups=2),
        Conv2d(dyadic(rng, 3, 3, 2, 2), stride=2, padding=((1, 1), (0, 2))),
        Conv2d(dyadic(rng, 3, 3, 2, 2), stride=(1, 3), padding=((4, 2), (1, 5))),
        Conv2d(np.full((2, 2, 1, 2), 0.25), groups=2, stride=2, padding="valid", fixed=True),
        Dense(dyadic(rng, 2, 8)),
    ]
    network = ReluNetwork(layers, input_shape=(16, 16, 2), domain=Box(0, 1))
    write_onnx(network, tmp_path / "net.onnx")
    again = read_onnx(tmp_path / "net.onnx")
    assert [repr(layer) for layer in again.layers] == [repr(layer) for layer in network.layers]
    assert again.relu_after == network.relu_after
    model = onnx.load(tmp_path / "net.onnx")
    header = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps({**header, "fixed": "all"})
    with pytest.raises(NetworkFileError, match="which layers are fixed"):
        read_model(tmp_path, model)


def test_a_division_by_a_power_of_two_warns_of_nothing(tmp_path):
    model = graph(
        [("Div", ["x", "d"], "a", {}), ("MatMul", ["a", "W"], "y", {})], {"d": [2.0, 4.0, 0.5], "W": W}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_model(tmp_path, model)
    model = graph(
        [("Div", ["x", "d"], "a", {}), ("MatMul", ["a", "W"], "y", {})], {"d": [2.0, 3.0, 0.5], "W": W}
    )
    with pytest.warns(RoundedFoldingWarning, match=r"node 'n0' \(Div\)"):
        read_model(tmp_path, model)


def test_normalisations_that_make_no_sense_are_refused(tmp_path):
    nodes = [MM, ("BatchNormalization", ["a", "g", "g", "g", "v"], "y", {"epsilon": 0.0})]
    model = graph(nodes, {"W": W, "g": B, "v": [1.0, 1.0, 0.0, 1.0]})
    with pytest.raises(InvalidNetworkError, match="not positive"):
        read_model(tmp_path, model)
    training = [MM, ("BatchNormalization", ["a", "g", "g", "g", "v"], "y", {"training_mode": 1})]
    with pytest.raises(NetworkFileError, match="eval mode"):
        read_model(tmp_path, graph(training, {"W": W, "g": B, "v": [1.0] * 4}))


def test_inputs_of_unknown_size_say_what_to_state(tmp_path):
    model = graph([("Conv", ["x", "K"], "y", {})], {"K": dyadic(rng, 1, 1, 2, 2)}, ("n", 1, "h", "w"))
    with pytest.raises(NetworkFileError, match=r"state the shape \(channels, height, width\)"):
        read_model(tmp_path, model)

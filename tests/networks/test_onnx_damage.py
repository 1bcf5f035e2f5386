"""Broken and hostile ONNX files: a clear error in bounded time and memory, whatever the bytes."""

import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse  # noqa: F401 - importing it is not what reading takes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subsetsum_nets.networks import (
    Box,
    Dense,
    InvalidNetworkError,
    NetworkFileError,
    ReluNetwork,
    network_digest,
)
from subsetsum_nets.networks.files.onnx_files import onnx_bytes, read_onnx, read_onnx_notes
from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning

onnx = pytest.importorskip("onnx")
from networks.onnx_graphs_by_hand import C3, C4, A, B, graph, read_model, tensor  # noqa: E402
from onnx import TensorProto, helper  # noqa: E402

FILES = Path(__file__).parent / "onnx_files"


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(tmp_path, number):
    for constants in ({"A": A * number, "b": C4}, {"A": A, "b": [number] * 4}):
        with pytest.raises(InvalidNetworkError, match=r"net.onnx: node 'n0'.*every entry must be finite"):
            read_model(tmp_path, graph([("Gemm", ["x", "A", "b"], "y", {})], constants))
    divided = [("Div", ["x", "b"], "a", {}), ("MatMul", ["a", "A"], "y", {})], {"A": A, "b": C3 * 0}
    with pytest.raises(InvalidNetworkError, match="finite"):  # a division by zero
        read_model(tmp_path, graph(*divided))


def change(model, how):
    how(model.graph)
    return model


PLAIN = ([("MatMul", ["x", "A"], "y", {})], {"A": A})


def external(g):
    g.initializer[0].ClearField("raw_data")
    g.initializer[0].data_location = TensorProto.EXTERNAL
    g.initializer[0].external_data.add(key="location", value="../../../../etc/passwd")


def nested(g):
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "b", [], [])
    g.node[0].CopyFrom(helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch))


BROKEN = {
    "data elsewhere": (
        external,
        "'A' is stored in '../../../../etc/passwd', which is no file beside the model",
    ),
    "shape too large": (
        lambda g: g.initializer[0].dims.__setitem__(0, 2**60),
        "the file holds 12 numbers for it",
    ),
    "shape that overflows": (
        lambda g: g.initializer[0].dims.extend([2**62] * 9),
        "the file holds 12 numbers",
    ),
    "negative shape": (lambda g: g.initializer[0].dims.__setitem__(0, -3), "the file holds 12 numbers"),
    "too many axes": (lambda g: g.initializer[0].dims.extend([1] * 1000), "cannot be read"),
    "bytes cut": (lambda g: setattr(g.initializer[0], "raw_data", b"123"), "the file holds 0.75 numbers"),
    "no bytes": (lambda g: g.initializer[0].ClearField("raw_data"), "the file holds 0 numbers"),
    "a segment": (lambda g: setattr(g.initializer[0].segment, "begin", 1), "data type 1"),
    "two weights of a name": (
        lambda g: g.initializer.append(g.initializer[0]),
        "two initializers are called 'A'",
    ),
    "sparse weights": (lambda g: g.sparse_initializer.add(), "sparse initializers"),
    "no input": (lambda g: g.input.pop(), "0 inputs"),
    "two inputs": (lambda g: g.input.append(helper.make_tensor_value_info("z", 1, [1, 2])), "2 inputs"),
    "input twice": (lambda g: g.input.append(g.input[0]), "2 inputs"),
    "no output": (lambda g: g.output.pop(), "0 outputs"),
    "input of integers": (lambda g: setattr(g.input[0].type.tensor_type, "elem_type", 7), "data type 7"),
    "input of no type": (lambda g: g.input[0].ClearField("type"), "data type 0"),
    "other input size": (
        lambda g: setattr(g.input[0].type.tensor_type.shape.dim[1], "dim_value", 2**40),
        f"{2**40}.*no memory holds",
    ),
    "negative input size": (
        lambda g: setattr(g.input[0].type.tensor_type.shape.dim[1], "dim_value", -1),
        "no memory holds",
    ),
    "a graph in a node": (nested, r"\(If\) is of an operator"),
    "node without inputs": (lambda g: g.node[0].ClearField("input"), "MatMul|does not depend"),
    "one input left": (lambda g: g.node[0].input.pop(), "needs a constant as its input 1"),
    "no nodes": (lambda g: g.ClearField("node"), "nothing in its graph makes"),
    "output is a constant": (lambda g: setattr(g.output[0], "name", "A"), "does not depend"),
}


@pytest.mark.parametrize(("how", "match"), BROKEN.values(), ids=BROKEN)
def test_broken_models_are_refused_in_bounded_memory(tmp_path, how, match):
    model = change(graph(*PLAIN), how)
    tracemalloc.start()
    with pytest.raises(NetworkFileError, match=f"net.onnx cannot be read as a network: .*{match}"):
        read_model(tmp_path, model)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_models_with_operators_of_their_own_are_refused(tmp_path):
    model = graph(*PLAIN)
    model.functions.append(
        helper.make_function(
            "",
            "MatMul",
            ["a", "b"],
            ["c"],
            [helper.make_node("Sub", ["a", "b"], ["c"])],
            [helper.make_opsetid("", 17)],
        )
    )
    with pytest.raises(NetworkFileError, match="inline"):
        read_model(tmp_path, model)


def test_a_small_file_cannot_ask_for_large_layers(tmp_path):
    size = 400
    nodes = [("MatMul", [f"t{index}", "A"], f"t{index + 1}", {}) for index in range(2000)]
    nodes[0] = ("MatMul", ["x", "A"], "t1", {})
    model = graph(nodes, {"A": np.ones((size, size), np.float32)}, ("n", size), outputs=("t2000",))
    tracemalloc.start()
    with pytest.raises(NetworkFileError, match="many times the numbers that are in the file"):
        read_model(tmp_path, model)
    assert tracemalloc.get_traced_memory()[1] < 200 * 10**6
    tracemalloc.stop()


HUGE = 2**40
LARGE = {
    "windows": ("MaxPool", {"kernel_shape": [HUGE, 2]}),
    "averages": ("AveragePool", {"kernel_shape": [2**20, 2**20], "pads": [2**20] * 4}),
    "padding": ("MaxPool", {"kernel_shape": [2**30, 1], "pads": [2**29, 0, 2**29, 0], "strides": [2**28, 1]}),
    "zeros around": ("Conv", {"pads": [2**28] * 4}),
    "strides": ("ConvTranspose", {"strides": [2**29, 2**29]}),
    "pads": ("Pad", {"pads": [0, 0, 2**30, 0, 0, 0, 2**30, 0]}),
    "copies": ("Tile", {}),
    "shape": ("Expand", {}),
    "sizes": ("Resize", {}),
}


@pytest.mark.parametrize("case", LARGE)
def test_a_small_file_cannot_ask_for_large_images(tmp_path, case):
    operator, attributes = LARGE[case]
    second = {"Conv": ["K"], "ConvTranspose": ["K"], "Tile": ["t"], "Expand": ["t"], "Resize": ["", "z"]}
    inputs = ["x", *second.get(operator, [])]
    model = graph(
        [(operator, inputs, "y", attributes)],
        {
            "K": np.ones((1, 1, 2, 2)),
            "t": tensor("t", [1, 1, 2**30, 2**5], np.int64),
            "z": tensor("z", [1, 1, 2**20, 2**20]),
        },
        (1, 1, 4, 4),
    )
    tracemalloc.start()
    with pytest.raises(NetworkFileError, match=r"net\.onnx cannot be read as a network: "):
        read_model(tmp_path, model)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**7


def test_many_sums_of_sums_take_bounded_time(tmp_path):
    """Written out, the last of them would have 2**60 terms."""
    nodes = [("Relu", ["x"], "s0", {})] + [("Add", [f"s{i}", f"s{i}"], f"s{i + 1}", {}) for i in range(60)]
    network = read_model(tmp_path, graph(nodes, {}, outputs=("s60",)))
    assert np.array_equal(network([1.0, -1.0, 0.5]), [2.0**60, 0.0, 2.0**59])
    nodes = [("Mul", ["x", "c"], "s0", {})] + [("Mul", [f"s{i}", "c"], f"s{i + 1}", {}) for i in range(3000)]
    assert read_model(tmp_path, graph(nodes, {"c": C3 * 0 + 1}, outputs=("s3000",))).widths[0] == 3


def test_a_long_chain_and_a_long_fold_are_read(tmp_path):
    nodes = [
        ("MatMul", ["x", "A"], "a", {}),
        *[("Relu", ["a"] if i == 0 else [f"r{i - 1}"], f"r{i}", {}) for i in range(5000)],
    ]
    network = read_model(tmp_path, graph(nodes, {"A": A}, outputs=("r4999",)))
    assert network.final_relu
    nodes = [("Identity", ["A"] if i == 0 else [f"r{i - 1}"], f"r{i}", {}) for i in range(5000)]
    again = read_model(tmp_path, graph([*nodes, ("MatMul", ["x", "r4999"], "y", {})], {"A": A}))
    assert np.array_equal(again.layers[0].weight, network.layers[0].weight)


@pytest.mark.parametrize(
    "contents", [b"", b"\0" * 100, b"PK\x03\x04", b"\x0a" * 1000, b"not a network at all"]
)
def test_files_that_are_no_models_are_refused(tmp_path, contents):
    (tmp_path / "net.onnx").write_bytes(contents)
    with pytest.raises(NetworkFileError, match=r"net\.onnx cannot be read as a network: it is not"):
        read_onnx(tmp_path / "net.onnx")


def test_graphs_nested_without_end_are_refused(tmp_path):
    """Protobuf messages may nest: graph in attribute in node in graph."""
    inner = b""
    for _ in range(20_000):
        for field in (6, 5, 1):  # AttributeProto.g, NodeProto.attribute, GraphProto.node
            inner = bytes([field << 3 | 2]) + _varint(len(inner)) + inner
    (tmp_path / "net.onnx").write_bytes(b"\x3a" + _varint(len(inner)) + inner)
    with pytest.raises(NetworkFileError, match="not a complete ONNX file"):
        read_onnx(tmp_path / "net.onnx")


def _varint(number):
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def test_every_truncation_is_refused(tmp_path):
    path = tmp_path / "net.onnx"
    whole = onnx_bytes(ReluNetwork([Dense(A.T, C4), Dense(B.T)], domain=Box(0, 1)))
    # The metadata stand behind the graph, and cutting exactly between two fields leaves a whole message.
    path.write_bytes(whole)
    original = network_digest(read_onnx(path))
    refused = 0
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        try:
            network = read_onnx(path)
        except NetworkFileError:
            refused += 1
            continue
        assert network_digest(network) == original
    assert refused > 0.9 * len(whole) / 3


K = np.ones((2, 1, 3, 3))
BLOCK = graph(
    [
        ("Conv", ["x", "K"], "a", {"pads": [1] * 4}),
        ("Relu", ["a"], "r", {}),
        ("MaxPool", ["r"], "p", {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [1, 0, 0, 1]}),
        ("AveragePool", ["a"], "q", {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 1, 1, 0]}),
        ("Concat", ["p", "q"], "c", {"axis": 1}),
        ("BatchNormalization", ["c", "s", "s", "s", "s"], "n", {}),
        ("Pad", ["n", "w"], "o", {}),
        ("Reshape", ["o", "f"], "g", {}),
        ("Slice", ["g", "one", "far"], "h", {}),
        ("ReduceMax", ["h"], "y", {"axes": [1]}),
    ],
    {
        "K": K,
        "s": np.ones(4),
        "w": tensor("w", [0, 0, 1, 0, 0, 0, 0, 1], np.int64),
        "f": tensor("f", [1, -1], np.int64),
        "one": tensor("one", [0, 1], np.int64),
        "far": tensor("far", [1, 20], np.int64),
    },
    (1, 1, 6, 4),
).SerializeToString()
SEEDS = [onnx_bytes(ReluNetwork([Dense(A.T, C4), Dense(B.T)], domain=Box(0, 1))), BLOCK] + [
    (FILES / name).read_bytes()
    for name in ("torch_conv_17.onnx", "torch_byhand_dynamo.onnx", "sklearn_scaled.onnx")
]


@given(st.sampled_from(SEEDS), st.data())
@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=300)
def test_changed_bytes_give_a_network_or_a_clear_error(tmp_path_factory, contents, data):
    changed = bytearray(contents)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert"]))
        piece = data.draw(st.binary(min_size=1, max_size=12))
        if kind == "set":
            changed[place] = piece[0]
        elif kind == "cut":
            del changed[place : place + piece[0]]
        else:
            changed[place:place] = piece
        if not changed:
            break
    path = tmp_path_factory.mktemp("fuzz") / "net.onnx"
    path.write_bytes(bytes(changed))
    for call in (read_onnx, read_onnx_notes):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RoundedFoldingWarning)
                call(path)
        except (NetworkFileError, InvalidNetworkError) as error:
            assert "net.onnx" in str(error)  # noqa: PT017 - the file is named

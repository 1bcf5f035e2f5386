"""ONNX files: those of real exporters are read right, ours are run right by onnxruntime."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.networks import (
    Ball,
    Box,
    Conv2d,
    Dense,
    NetworkFileError,
    ReluNetwork,
    network_digest,
    random_network,
)
from subsetsum_nets.networks.files.onnx_files import onnx_bytes, read_onnx, read_onnx_notes, write_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

FILES = Path(__file__).parent / "onnx_files"
HEADER = "subsetsum-nets"
in_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)
numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from([0.0, -0.0, 5e-324, 2.0**-149, 1.7976931348623157e308, 0.1]),
)


def biases(draw, size, elements):
    return draw(st.none() | hnp.arrays(np.float64, size, elements=elements))


@st.composite
def networks(draw, elements=numbers):
    convolutions = draw(st.integers(0, 2))
    shape = None
    layers = []
    if convolutions:
        shape = (draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3)))
        channels = [
            shape[2],
            *draw(st.lists(st.integers(1, 3), min_size=convolutions, max_size=convolutions)),
        ]
        for c_in, c_out in itertools.pairwise(channels):
            size = draw(st.integers(1, 4)), draw(st.integers(1, 3))
            kernel = draw(hnp.arrays(np.float64, (*size, c_in, c_out), elements=elements))
            layers.append(Conv2d(kernel, biases(draw, c_out, elements)))
        width = shape[0] * shape[1] * channels[-1]
    else:
        width = draw(st.integers(1, 4))
    for size in draw(st.lists(st.integers(1, 4), min_size=0 if convolutions else 1, max_size=3)):
        weight = draw(hnp.arrays(np.float64, (size, width), elements=elements))
        layers.append(Dense(weight, biases(draw, size, elements)))
        width = size
    hidden = range(len(layers) - 1)
    return ReluNetwork(
        layers,
        final_relu=draw(st.booleans()),
        linear_after=[index for index in hidden if draw(st.booleans())],
        domain=draw(st.sampled_from([None, Box(0, 1), Ball(0.7, 0.1)])),
        input_shape=shape,
    )


def to_file(network, x):
    """Return inputs (batch, d), flattened as ours are, in the shape that the file of a network has."""
    if network.input_shape is None:
        return x
    return x.reshape(-1, *network.input_shape).transpose(0, 3, 1, 2)


def from_file(y):
    """Return outputs of a file as ours are, flattened."""
    return (y.transpose(0, 2, 3, 1) if y.ndim == 4 else y).reshape(len(y), -1)


def outputs_of(path):
    with np.load(path) as known:
        return dict(known)


def runtime(contents, x):
    session = onnxruntime.InferenceSession(contents, providers=["CPUExecutionProvider"])
    (tensor,) = session.get_inputs()
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    (y,) = session.run(None, {tensor.name: np.ascontiguousarray(x, dtype=kinds[tensor.type])})
    return y


def rounded(network):
    def single(x):
        return None if x is None else np.float32(x)

    return ReluNetwork(
        [
            Conv2d(single(x.kernel), single(x.bias))
            if isinstance(x, Conv2d)
            else Dense(single(x.weight), single(x.bias))
            for x in network.layers
        ],
        final_relu=network.final_relu,
        linear_after=network.linear_after,
        input_shape=network.input_shape,
    )


# ---------------------------------------------------------------- real files of exporters

READ_WHOLE = {
    "torch_mlp": "ReluNetwork(4-8-3-2, 72 parameters)",
    "torch_byhand": "ReluNetwork(6-5-4-3, final ReLU, 70 parameters)",
    "torch_double": "ReluNetwork(3-4-1, 21 parameters)",
    "torch_conv": "ReluNetwork(4x5x2-4x5x3-4x5x2-3-2, 230 parameters)",
}


@pytest.mark.parametrize("writer", ["11", "17", "dynamo"])
@pytest.mark.parametrize("name", READ_WHOLE)
def test_files_of_pytorch_compute_what_pytorch_computed(name, writer):
    network = read_onnx(FILES / f"{name}_{writer}.onnx")
    assert repr(network) == READ_WHOLE[name]
    known = outputs_of(FILES / f"{name}.npz")
    x = known["inputs"]
    x = x.transpose(0, 2, 3, 1) if network.input_shape else x.reshape(len(x), -1)
    assert np.abs(network(x) - known["outputs"]).max() < (1e-12 if name == "torch_double" else 1e-5)
    assert network.linear_after == ((1,) if name == "torch_byhand" else ())


@pytest.mark.parametrize(
    ("name", "output", "shape"),
    [
        ("single", None, "ReluNetwork(4-5-3-1, 47 parameters)"),
        ("regressor", "add_result2", "ReluNetwork(4-5-3-2, 51 parameters)"),
        ("scaled", "add_result2", "ReluNetwork(4-4-4-5-3-2, 63 parameters)"),
    ],
)
def test_files_of_scikit_learn_compute_what_it_computed(name, output, shape):
    network = read_onnx(FILES / f"sklearn_{name}.onnx", output=output)
    assert repr(network) == shape
    known = outputs_of(FILES / f"sklearn_{name}.npz")
    assert np.abs(network(known["inputs"]) - known["outputs"]).max() < 1e-5


def test_classifiers_are_read_up_to_their_logits():
    path = FILES / "sklearn_classifier.onnx"
    with pytest.raises(NetworkFileError, match=r"2 outputs \('output_label', 'output_probability'\)"):
        read_onnx(path)
    with pytest.raises(NetworkFileError, match=r"\(Softmax\)") as refused:
        read_onnx(path, output="output_probability")
    logits = str(refused.value).partition("output='")[2].rstrip("')")
    assert network_digest(read_onnx(path, output="logits")) == network_digest(read_onnx(path, output=logits))
    known = outputs_of(FILES / "sklearn_classifier.npz")
    powers = np.exp(read_onnx(path, output=logits)(known["inputs"]))
    assert np.abs(powers / powers.sum(1, keepdims=True) - known["outputs"]).max() < 1e-5


@pytest.mark.parametrize("writer", ["11", "17", "dynamo"])
def test_what_is_no_relu_network_is_refused_by_the_name_of_the_node(writer):
    with pytest.raises(NetworkFileError, match=r"node '.*oftmax' \(Softmax\).*supported are Gemm") as refused:
        read_onnx(FILES / f"torch_softmax_{writer}.onnx")
    assert "read_onnx(path, output=" in str(refused.value)


# ---------------------------------------------------------------- our own files


@given(networks(), st.sampled_from([None, "float64"]), st.sampled_from([None, 1, 3]))
@in_folder
def test_round_trips_are_exact(tmp_path, network, dtype, batch):
    path = tmp_path / "net.onnx"
    write_onnx(network, path, dtype=dtype, batch=batch, extra={"source": "here"})
    again = read_onnx(path)
    assert network_digest(again) == network_digest(network)
    assert (again.domain, again.input_shape) == (network.domain, network.input_shape)
    assert read_onnx_notes(path) == {"source": "here"}
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


small = st.floats(-1e3, 1e3)


@given(networks(elements=small))
@in_folder
def test_float32_files_are_the_network_rounded_and_say_so(tmp_path, network):
    path = tmp_path / "net.onnx"
    write_onnx(network, path, dtype="float32")
    assert network_digest(read_onnx(path)) == network_digest(rounded(network))
    notes = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    changed = network_digest(rounded(network)) != network_digest(network)
    assert ('"rounded": true' in notes[HEADER]) == changed


@given(networks(elements=st.integers(-8, 8).map(lambda k: k / 8)), st.integers(0, 2**32 - 1))
@in_folder
def test_onnxruntime_computes_what_we_do(network, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (3, network.widths[0]))
    ours = network(x)
    for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
        contents = onnx_bytes(network, dtype=dtype)
        if dtype == "float64" and network.convolutional:  # which onnxruntime's Conv does not know on a CPU
            y = ReferenceEvaluator(onnx.ModelProto.FromString(contents)).run(
                None, {"input": to_file(network, x)}
            )[0]
        else:
            y = runtime(contents, to_file(network, x))
        assert np.abs(from_file(y) - ours).max() <= tolerance * max(1.0, np.abs(ours).max())


def test_random_and_sparse_networks_keep_their_weights(tmp_path):
    for network in (
        random_network([64, 100, 10], bias=True),
        ReluNetwork(
            [
                Dense(sp.random_array((50, 30), density=0.1, rng=np.random.default_rng(0))),
                Dense(np.ones((1, 50))),
            ]
        ),
    ):
        write_onnx(network, tmp_path / "net.onnx")
        again = read_onnx(tmp_path / "net.onnx")
        for mine, theirs in zip(network.layers, again.layers, strict=True):
            dense = mine.weight.toarray() if sp.issparse(mine.weight) else mine.weight
            assert np.array_equal(dense, theirs.weight)
            assert (mine.bias is None) == (theirs.bias is None)
        x = np.random.default_rng(1).uniform(0, 1, (5, network.widths[0]))
        y = runtime((tmp_path / "net.onnx").read_bytes(), x)
        assert np.abs(y - network(x)).max() < 1e-5 * max(1.0, np.abs(y).max())


def test_numbers_that_fit_float32_are_stored_as_such():
    fits = ReluNetwork([Dense([[0.5, 2.0**-149]], [3.0])])
    assert onnx.ModelProto.FromString(onnx_bytes(fits)).graph.initializer[0].data_type == TensorProto.FLOAT
    for number in (0.1, 2.0**-150, 1e300):
        tensor = onnx.ModelProto.FromString(onnx_bytes(ReluNetwork([Dense([[number]])]))).graph.initializer[0]
        assert tensor.data_type == TensorProto.DOUBLE


def test_the_same_network_gives_the_same_bytes_in_every_process(tmp_path):
    program = (
        "import sys; from subsetsum_nets.networks import *;"
        "from subsetsum_nets.networks.files.onnx_files import *;"
        "write_onnx(random_network([4, 3], bias=True), sys.argv[1], extra={c: c for c in 'qwertyuiop'})"
    )
    files = [tmp_path / f"{index}.onnx" for index in range(2)]
    for index, path in enumerate(files):
        environment = {**os.environ, "PYTHONHASHSEED": str(index)}
        subprocess.run([sys.executable, "-c", program, path], check=True, env=environment)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_what_cannot_be_written_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"old")
    one = ReluNetwork([Dense([[1.0]])])
    huge = ReluNetwork([Dense(sp.csr_array((40_000, 40_000)))])
    images = ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))])
    for network, options, match in (
        (
            ReluNetwork([Dense([[1e39]])]),
            {"dtype": "float32"},
            r"layers.0.weight .* beyond the range of float32",
        ),
        (huge, {}, "2 GiB"),
        (images, {}, "input_shape"),
        (one, {"dtype": "float16"}, "'float32', 'float64' or None, got 'float16'"),
        (one, {"extra": {HEADER: "mine"}}, "extra must map names"),
        (one, {"extra": {"a": 1}}, "extra must map names"),
    ):
        with pytest.raises(ValueError, match=match):
            write_onnx(network, path, **options)
        assert path.read_bytes() == b"old"
    with pytest.raises(FileNotFoundError):
        write_onnx(one, tmp_path / "no" / "net.onnx")
    with pytest.raises(FileNotFoundError, match=r"no file .*other"):
        read_onnx(tmp_path / "other.onnx")


@pytest.mark.parametrize("call", [lambda path: write_onnx(ReluNetwork([Dense([[1.0]])]), path), read_onnx])
def test_without_onnx_the_extra_is_named(tmp_path, monkeypatch, call):
    path = tmp_path / "net.onnx"
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'subsetsum-nets\[onnx\]'"):
        call(path)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "[]",
        "3",
        "[" * 10**5,
        '{"format": "other"}',
        '{"format": "subsetsum-nets network", "version": 9}',
        '{"format": "subsetsum-nets network", "version": 1}',
        '{"format": "subsetsum-nets network", "version": 1, "domain": {"kind": "cone"}}',
    ],
)
def test_broken_headers_are_refused(tmp_path, header):
    model = onnx.ModelProto.FromString(onnx_bytes(ReluNetwork([Dense([[1.0]])])))
    model.metadata_props[0].value = header
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(NetworkFileError, match=r"net.onnx cannot be read as a network: its metadata"):
        read_onnx(tmp_path / "net.onnx")

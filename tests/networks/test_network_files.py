"""Network files: exact round trips, and one kind of error for every kind of bad file."""

import io
import itertools
import json
import os
import re
import subprocess
import sys
import tracemalloc
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import scipy.sparse as sp
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.archives import digest
from support.geometries import conv_cases

from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import (
    AvgPool2d,
    Ball,
    Box,
    Conv2d,
    Dense,
    InvalidNetworkError,
    LinkDraw,
    MaxPool2d,
    NetworkFileError,
    OnesDraw,
    RandomRecipe,
    ReluNetwork,
    load_network,
    network_digest,
    random_network,
    read_extra,
    save_network,
)
from subsetsum_nets.networks.files.network_files import load_workable

SUFFIXES = [".npz", ".safetensors"]
HEADER = "subsetsum-nets"
in_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60
)

numbers = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.sampled_from([0.0, -0.0, 5e-324, -5e-324, 2.0**-149, 1.7976931348623157e308, 0.1]),
)


@st.composite
def networks(draw):
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    layers = []
    for index in range(len(widths) - 1):
        weight = draw(hnp.arrays(np.float64, (widths[index + 1], widths[index]), elements=numbers))
        if draw(st.booleans()):
            weight = sp.csr_array(weight)
        bias = draw(st.none() | hnp.arrays(np.float64, widths[index + 1], elements=numbers))
        layers.append(Dense(weight, bias))
    hidden = range(len(layers) - 1)
    return ReluNetwork(
        layers,
        final_relu=draw(st.booleans()),
        linear_after=[index for index in hidden if draw(st.booleans())],
        domain=draw(
            st.sampled_from(
                [None, Box(0, 1), Box(-0.1, [0.3] * widths[0]), Ball(0.7), Ball(1, [0.1] * widths[0])]
            )
        ),
    )


def example_network():
    return ReluNetwork(
        [Dense([[0.1, -2.0], [0.0, 1.0]], [1.0, -0.0]), Dense(sp.csr_array([[1.5, 0.0]]))], domain=Box(0, 1)
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(networks(), st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.text('aä∞ \n\0"')))
@in_folder
def test_round_trips_are_exact(tmp_path, suffix, network, extra):
    path = tmp_path / f"net{suffix}"
    save_network(network, path, extra=extra)
    again = load_network(path)
    assert network_digest(again) == network_digest(
        network
    )  # every bit: -0.0, subnormal numbers, stored zeros
    assert again.domain == network.domain
    assert again.widths == network.widths
    assert read_extra(path) == extra
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sparse_weights_stay_sparse_empty_ones_too(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    net = RandomRecipe((LinkDraw(2, 3, 4, bias=True), OnesDraw(2, 3, 4, bias=True)), linear_after=(0,)).draw(
        1
    )
    empty = ReluNetwork([*net.layers, Dense(sp.csr_array((5, 2)))])
    save_network(empty, path)
    again = load_network(path)
    assert all(isinstance(layer.weight, sp.csr_array) for layer in again.layers)
    assert network_digest(again) == network_digest(empty)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_network_gives_the_same_bytes_in_every_process(tmp_path, suffix):
    program = (
        "import sys; from subsetsum_nets.networks import *;"
        "save_network(random_network([4, 3], bias=True), sys.argv[1], extra={c: c for c in 'qwertyuiop'})"
    )
    files = [tmp_path / f"{index}{suffix}" for index in range(2)]
    for index, path in enumerate(files):
        environment = {**os.environ, "PYTHONHASHSEED": str(index)}
        subprocess.run([sys.executable, "-c", program, path], check=True, env=environment)
    assert files[0].read_bytes() == files[1].read_bytes()


def test_numbers_that_fit_float32_are_stored_in_half_the_space(tmp_path):
    path = tmp_path / "net.safetensors"
    save_network(random_network([100, 100]), path)
    small = path.stat().st_size
    save_network(random_network([100, 100], distribution=lambda rng, shape: rng.random(shape)), path)
    assert small < 41_000
    assert path.stat().st_size > 80_000


@pytest.mark.parametrize("precision", ["f2", "f4", "f8"])
def test_files_of_other_writers_are_read_exactly_in_any_float_precision(tmp_path, precision):
    header = {
        "format": "subsetsum-nets network",
        "version": 1,
        "relu_after": [False],
        "domain": {"kind": "box", "low": 0, "high": 1},
        "layers": [{"kind": "dense", "bias": True}],
    }
    weight = np.array([[0.1, -0.0], [2.0, 3.0]], dtype=precision)
    tensors = {"layers.0.weight": weight, "layers.0.bias": weight[:, 0].copy()}
    path = tmp_path / "net.safetensors"
    safetensors.numpy.save_file(tensors, path, metadata={HEADER: json.dumps(header)})
    net = load_network(path)
    assert net.layers[0].weight.tolist() == weight.astype(float).tolist()
    assert np.signbit(net.layers[0].weight[0, 1])
    meta = np.frombuffer(json.dumps({HEADER: json.dumps(header)}).encode(), dtype=np.uint8)
    for save in (np.savez, np.savez_compressed):
        big_endian = {
            name: np.asfortranarray(tensor, dtype=f">{precision}") for name, tensor in tensors.items()
        }
        save(tmp_path / "net.npz", **{HEADER: meta, **big_endian})
        assert network_digest(load_network(tmp_path / "net.npz")) == network_digest(net)


def test_files_are_readable_by_other_programs(tmp_path):
    net = example_network()
    save_network(net, tmp_path / "a.npz", extra={"source": "here"})
    save_network(net, tmp_path / "a.safetensors", extra={"source": "here"})
    arrays = np.load(tmp_path / "a.npz", allow_pickle=False)
    tensors = safetensors.numpy.load_file(tmp_path / "a.safetensors")
    names = {
        f"layers.{rest}"
        for rest in ("0.weight", "0.bias", "1.weight.data", "1.weight.indices", "1.weight.indptr")
    }
    assert set(tensors) == names
    assert set(arrays) == {*names, HEADER}
    for name in names:
        assert np.array_equal(arrays[name], tensors[name])
    with safetensors.safe_open(tmp_path / "a.safetensors", framework="numpy") as file:
        assert file.metadata()["source"] == "here"


@pytest.mark.parametrize("name", ["net", "net.npy", "net.npz.gz", ".npz", "net.bin"])
def test_other_suffixes_are_refused_by_name(tmp_path, name):
    for call in (lambda p: save_network(example_network(), p), load_network, read_extra):
        with pytest.raises(ValueError, match=r"\.npz, \.safetensors and \.onnx"):
            call(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_suffixes_may_be_upper_case_and_paths_text(tmp_path):
    save_network(example_network(), str(tmp_path / "NET.NPZ"))
    assert load_network(str(tmp_path / "NET.NPZ")).widths == (2, 2, 1)


def test_onnx_files_are_read_and_written_by_their_suffix(tmp_path):
    pytest.importorskip("onnx")
    net = ReluNetwork([Dense([[0.1, -2.0]], [1.0])], domain=Box(0, 1))
    save_network(net, tmp_path / "net.ONNX", extra={"source": "here"})
    again = load_network(tmp_path / "net.ONNX")
    assert (network_digest(again), again.domain) == (network_digest(net), net.domain)
    assert read_extra(tmp_path / "net.ONNX") == {"source": "here"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_missing_files_and_folders_are_said_to_be_missing(tmp_path, suffix):
    for call in (load_network, read_extra):
        with pytest.raises(FileNotFoundError, match=r"no file .*net"):
            call(tmp_path / f"net{suffix}")
    with pytest.raises(FileNotFoundError):
        save_network(example_network(), tmp_path / "no" / f"net{suffix}")
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises((OSError, NetworkFileError)):
        load_network(tmp_path / f"folder{suffix}")


@pytest.mark.parametrize("extra", [{"a": 1}, {1: "a"}, {HEADER: "mine"}, {"a": None}])
def test_notes_must_be_text(tmp_path, extra):
    with pytest.raises(ValueError, match="extra must map names"):
        save_network(example_network(), tmp_path / "a.npz", extra=extra)
    assert not list(tmp_path.iterdir())


# ---------------------------------------------------------------- bad files


def write(path, header, tensors, metadata=None):
    """Write a file with any header and any arrays."""
    text = header if isinstance(header, str) else json.dumps(header)
    metadata = {HEADER: text} if metadata is None else metadata
    if path.suffix == ".npz":
        meta = np.frombuffer(json.dumps(metadata).encode(), dtype=np.uint8)
        np.savez(path, **{HEADER: meta}, **tensors)
    else:
        safetensors.numpy.save_file(tensors, path, metadata=metadata)


def good():
    header = {
        "format": "subsetsum-nets network",
        "version": 1,
        "relu_after": [True, False],
        "domain": None,
        "layers": [{"kind": "dense", "bias": True}, {"kind": "sparse", "shape": [1, 2], "bias": False}],
    }
    tensors = {
        "layers.0.weight": np.ones((2, 3)),
        "layers.0.bias": np.ones(2),
        "layers.1.weight.data": np.ones(2),
        "layers.1.weight.indices": np.array([0, 1]),
        "layers.1.weight.indptr": np.array([0, 2]),
    }
    return header, tensors


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_good_file_is_good(tmp_path, suffix):
    write(tmp_path / f"net{suffix}", *good())
    assert load_network(tmp_path / f"net{suffix}")([1, 1, 1]).tolist() == [8.0]


dense, sparse = good()[0]["layers"]
strided = {"kind": "conv", "bias": False, "stride": [2, 2]}
bad_headers = {
    "no format": {"format": None},
    "foreign format": {"format": "other"},
    "newer version": {"version": 4},
    "stride in version 2": {"version": 2, "input_shape": None, "layers": [strided, sparse]},
    **{
        f"{name} {value!r}": {"version": 3, "input_shape": None, "layers": [{**strided, name: value}, sparse]}
        for name, value in (
            ("stride", 2),
            ("stride", [2, 2, 2]),
            ("stride", [True, 1]),
            ("stride", [1.0, 1]),
            ("padding", 1),
            ("padding", [1, 1]),
            ("padding", [[1, 1], [1, None]]),
            ("dilation", None),
            ("groups", "2"),
            ("fixed", 1),
            ("shape", [1, 1]),
        )
    },
    "version 2 without a word on images": {"version": 2},
    "images of two sizes": {"version": 2, "input_shape": [3, 1]},
    "images of text": {"version": 2, "input_shape": ["3", 1, 1]},
    "images of logic": {"version": 2, "input_shape": [True, 1, 1]},
    "image size in version 1": {"input_shape": [3, 1, 1]},
    "convolution in version 1": {"layers": [{"kind": "conv", "bias": True}, sparse]},
    "convolution of dense arrays": {
        "version": 2,
        "input_shape": [3, 1, 1],
        "layers": [{"kind": "conv", "bias": True}, sparse],
    },
    "convolution with a shape": {
        "version": 2,
        "input_shape": None,
        "layers": [dense, {"kind": "conv", "bias": False, "shape": [1, 1]}],
    },
    "text version": {"version": "1"},
    "boolean version": {"version": True},
    "version 0": {"version": 0},
    "no version": {"version": None},
    "layers no list": {"layers": {}},
    "no layers": {"layers": [], "relu_after": []},
    "unknown layer": {"layers": [dense, {"kind": "conv", "bias": False}]},
    "layer without bias": {"layers": [dense, {"kind": "dense"}]},
    "layer no table": {"layers": [dense, 3]},
    "sparse without shape": {"layers": [dense, {"kind": "sparse", "bias": False}]},
    "negative shape": {"layers": [dense, {**sparse, "shape": [1, -2]}]},
    "huge shape": {"layers": [dense, {**sparse, "shape": [1, 2**70]}]},
    "shape of floats": {"layers": [dense, {**sparse, "shape": [1.0, 2.0]}]},
    "flat shape": {"layers": [dense, {**sparse, "shape": [2]}]},
    "more layers than arrays": {"layers": [dense, sparse, dense], "relu_after": [True, True, True]},
    "fewer layers than arrays": {"layers": [dense], "relu_after": [True]},
    "bias not in the arrays": {"layers": [dense, {**sparse, "bias": True}]},
    "dense said to be sparse": {"layers": [{**sparse, "bias": True}, sparse]},
    "relu_after too short": {"relu_after": [True]},
    "relu_after no list": {"relu_after": None},
    "relu_after numbers": {"relu_after": [1, 0]},
    "domain no table": {"domain": 3},
    "unknown domain": {"domain": {"kind": "cone"}},
    "empty domain": {"domain": {}},
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", bad_headers.values(), ids=bad_headers.keys())
def test_wrong_headers_are_refused(tmp_path, suffix, change):
    path = tmp_path / f"net{suffix}"
    header, tensors = good()
    write(path, {**header, **change}, tensors)
    with pytest.raises(NetworkFileError, match=rf"net{suffix} cannot be read as a network: ."):
        load_network(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("text", ["", "[", "[]", "3", "null", "[" * 100_000, '"subsetsum-nets network"'])
def test_headers_that_are_no_table_are_refused(tmp_path, suffix, text):
    path = tmp_path / f"net{suffix}"
    write(path, text, good()[1])
    for call in (load_network, read_extra):
        with pytest.raises(NetworkFileError, match=f"net{suffix}"):
            call(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_newer_versions_ask_for_a_newer_release(tmp_path, suffix):
    write(tmp_path / f"net{suffix}", {**good()[0], "version": 7}, good()[1])
    with pytest.raises(NetworkFileError, match=r"version is 7.*reads up to 3.*newer subsetsum-nets"):
        load_network(tmp_path / f"net{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", good()[1])
def test_missing_and_superfluous_arrays_are_named(tmp_path, suffix, name):
    path = tmp_path / f"net{suffix}"
    header, tensors = good()
    write(path, header, {key: tensor for key, tensor in tensors.items() if key != name})
    with pytest.raises(NetworkFileError, match=f"the array {name} is missing"):
        load_network(path)
    write(path, header, {**tensors, f"{name}2": np.ones(1)})
    with pytest.raises(NetworkFileError, match=f"does not mention the array '{name}2'"):
        load_network(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", good()[1])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.bool_, np.complex64])
def test_arrays_of_a_wrong_type_are_refused(tmp_path, suffix, name, dtype):
    path = tmp_path / f"net{suffix}"
    header, tensors = good()
    write(path, header, {**tensors, name: tensors[name].astype(dtype)})
    with pytest.raises(NetworkFileError, match=f"{name} has dtype|not a complete"):
        load_network(path)


bad_arrays = {
    "NaN": {"layers.0.weight": np.array([[1, 2, np.nan], [1, 2, 3]])},
    "inf": {"layers.0.bias": np.array([np.inf, 1])},
    "sparse NaN": {"layers.1.weight.data": np.array([np.nan, 1])},
    "flat weight": {"layers.0.weight": np.ones(6)},
    "long bias": {"layers.0.bias": np.ones(3)},
    "bias matrix": {"layers.0.bias": np.ones((2, 1))},
    "widths": {"layers.0.weight": np.ones((3, 3)), "layers.0.bias": np.ones(3)},
    "empty weight": {"layers.0.weight": np.ones((2, 0))},
    "index too large": {"layers.1.weight.indices": np.array([0, 2])},
    "index negative": {"layers.1.weight.indices": np.array([-1, 1])},
    "few indices": {"layers.1.weight.indices": np.array([0])},
    "few rows": {"layers.1.weight.indptr": np.array([0])},
    "no rows": {"layers.1.weight.indptr": np.array([], dtype=int)},
    "rows too long": {"layers.1.weight.indptr": np.array([0, 3])},
    "rows too short": {"layers.1.weight.indptr": np.array([0, 1])},
    "rows from 1": {"layers.1.weight.indptr": np.array([1, 2])},
    "many rows": {"layers.1.weight.indptr": np.array([0, 1, 2])},
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", bad_arrays.values(), ids=bad_arrays.keys())
def test_arrays_that_make_no_network_are_refused_with_the_name_of_the_file(tmp_path, suffix, change):
    path = tmp_path / f"net{suffix}"
    header, tensors = good()
    write(path, header, {**tensors, **change})
    with pytest.raises(InvalidNetworkError, match=f"net{suffix}"):
        load_network(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_decreasing_rows_and_a_domain_of_another_dimension_are_refused(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    header, tensors = good()
    header["layers"][1] = {"kind": "sparse", "shape": [2, 2], "bias": False}
    write(path, header, {**tensors, "layers.1.weight.indptr": np.array([0, 5, 2])})
    with pytest.raises(InvalidNetworkError, match=f"net{suffix}"):
        load_network(path)
    header, tensors = good()
    write(path, {**header, "domain": Box([0, 0], 1).to_json()}, tensors)
    with pytest.raises(InvalidNetworkError, match=f"net{suffix}.*2 coordinates"):
        load_network(path)


class Evil:
    """A pickle that would leave a trace if it were loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_never_loaded(tmp_path):
    trace, path = tmp_path / "trace", tmp_path / "net.npz"
    header, tensors = good()
    write(path, header, {**tensors, "layers.0.weight": np.array([Evil(trace)], dtype=object)})
    with pytest.raises(NetworkFileError, match="pickled"):
        load_network(path)
    assert not trace.exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("metadata", [{}, {"other": "text"}])
def test_foreign_files_of_the_same_kind_are_refused(tmp_path, suffix, metadata):
    path = tmp_path / f"net{suffix}"
    write(path, "", good()[1], metadata=metadata)
    for call in (load_network, read_extra):
        with pytest.raises(NetworkFileError, match="no header of a network"):
            call(path)
    if suffix == ".npz":
        np.savez(path, np.ones(3))
        with pytest.raises(NetworkFileError, match="no header of a network"):
            load_network(path)
        for meta in ([1], {"a": 1}):
            np.savez(path, **{HEADER: np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)})
            with pytest.raises(NetworkFileError, match="table of texts"):
                load_network(path)


def test_an_array_that_claims_to_be_huge_allocates_nothing(tmp_path):
    header, tensors = good()
    write(tmp_path / "net.npz", header, tensors)
    with zipfile.ZipFile(tmp_path / "net.npz") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    raw = members["layers.0.bias.npy"]
    members["layers.0.bias.npy"] = raw.replace(b"(2,), }" + b" " * 12, b"(2000000000000,), }")
    assert members["layers.0.bias.npy"] != raw
    with zipfile.ZipFile(tmp_path / "net.npz", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(NetworkFileError, match="not a complete"):
        load_network(tmp_path / "net.npz")


def test_odd_npy_headers_are_refused_without_a_warning(tmp_path):
    header, tensors = good()
    write(tmp_path / "net.npz", header, tensors)
    with zipfile.ZipFile(tmp_path / "net.npz", "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile's, about the second member of that name
        raw = archive.read("layers.0.bias.npy").replace(b"(2,), } ", b"(2L,), }")
        archive.writestr("layers.0.bias.npy", raw)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(NetworkFileError, match="not a complete"):
            load_network(tmp_path / "net.npz")
    assert caught == []


def test_arrays_in_safetensors_files_are_aligned(tmp_path):
    net = ReluNetwork([Dense(sp.csr_array([[1.0, 0.1, 0.3, 0.7]]), [0.5]), Dense([[0.1]], [0.2])])
    save_network(net, tmp_path / "net.safetensors")
    raw = (tmp_path / "net.safetensors").read_bytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    entries = json.loads(raw[8:end])
    assert end % 8 == 0
    for name, entry in entries.items():
        if name != "__metadata__":
            assert entry["data_offsets"][0] % (int(entry["dtype"][1:]) // 8) == 0, name


def test_an_array_of_an_unknown_npy_version_is_refused(tmp_path):
    header, tensors = good()
    write(tmp_path / "net.npz", header, tensors)
    with zipfile.ZipFile(tmp_path / "net.npz", "a") as archive:
        archive.writestr("more.npy", b"\x93NUMPY\x09\x00" + b" " * 100)
    with pytest.raises(NetworkFileError, match=r"version \(9, 0\)"):
        load_network(tmp_path / "net.npz")


def loads_or_says_why(path):
    """Only the promised errors may come out, whatever the bytes."""
    for call in (load_network, read_extra):
        try:
            call(path)
        except (NetworkFileError, InvalidNetworkError) as error:
            assert path.name in str(error)  # noqa: PT017 - both outcomes are fine
        except OSError:
            pass


def valid_bytes(folder, suffix):
    save_network(example_network(), folder / f"valid{suffix}", extra={"note": "x"})
    return (folder / f"valid{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=b"PK\x05\x06" + b"\0" * 18)
@example(data=b"\x93NUMPY\x01\x00")
@example(data=b"\x02" + b"\0" * 7 + b"{}")
@example(data=b"\xff" * 8 + b"{}")
@in_folder
def test_random_bytes_are_refused(tmp_path, suffix, data):
    path = tmp_path / f"net{suffix}"
    path.write_bytes(data)
    with pytest.raises(NetworkFileError, match="net"):
        load_network(path)
    loads_or_says_why(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_truncations_at_every_length_are_refused(tmp_path, suffix):
    data = valid_bytes(tmp_path, suffix)
    path = tmp_path / f"net{suffix}"
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(NetworkFileError, match="net"):
            load_network(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(st.data())
@settings(in_folder, max_examples=400)
def test_byte_flips_load_or_are_refused(tmp_path, suffix, data):
    valid = bytearray(valid_bytes(tmp_path, suffix))
    for _ in range(data.draw(st.integers(1, 3))):
        valid[data.draw(st.integers(0, len(valid) - 1))] ^= data.draw(st.integers(1, 255))
    path = tmp_path / f"net{suffix}"
    path.write_bytes(valid)
    loads_or_says_why(path)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_single_byte_flip_loads_or_is_refused(tmp_path, suffix):
    valid = valid_bytes(tmp_path, suffix)
    path = tmp_path / f"net{suffix}"
    for position in range(len(valid)):
        for flip in (0x01, 0x04, 0x20, 0x80, 0xFF):
            path.write_bytes(valid[:position] + bytes([valid[position] ^ flip]) + valid[position + 1 :])
            loads_or_says_why(path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "shape", "bias"]), inner)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(st.sampled_from(["format", "version", "relu_after", "domain", "layers"]), json_values)
@in_folder
def test_arbitrary_header_values_load_or_are_refused(tmp_path, suffix, field, value):
    path = tmp_path / f"net{suffix}"
    header, tensors = good()
    write(path, {**header, field: value}, tensors)
    loads_or_says_why(path)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    save_network(example_network(), path)
    before = path.read_bytes()

    def fail(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(KeyboardInterrupt):
        save_network(random_network([3, 3]), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["net.npz"]


def test_importing_networks_is_light():
    program = (
        "import sys, subsetsum_nets.networks;"
        "print([m for m in ('scipy', 'safetensors', 'sklearn', 'networkx') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


# ---------------------------------------------------------------- convolutional networks


@st.composite
def image_networks(draw):
    channels = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    layers = []
    for c_in, c_out in itertools.pairwise(channels):
        shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), c_in, c_out)
        kernel = draw(hnp.arrays(np.float64, shape, elements=numbers))
        layers.append(Conv2d(kernel, draw(st.none() | hnp.arrays(np.float64, c_out, elements=numbers))))
    if draw(st.booleans()):
        weight = draw(hnp.arrays(np.float64, (2, 6 * channels[-1]), elements=numbers))
        layers.append(Dense(sp.csr_array(weight) if draw(st.booleans()) else weight))
    return ReluNetwork(
        layers,
        final_relu=draw(st.booleans()),
        domain=draw(st.sampled_from([None, Box(0, 1), Ball(0.7)])),
        input_shape=draw(st.sampled_from([None, (2, 3, channels[0]), (6, 1, channels[0])])),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(image_networks())
@in_folder
def test_round_trips_of_convolutional_networks_are_exact(tmp_path, suffix, network):
    path = tmp_path / f"net{suffix}"
    save_network(network, path)
    again = load_network(path)
    assert network_digest(again) == network_digest(network)
    assert again.input_shape == network.input_shape
    assert again.domain == network.domain
    assert repr(again) == repr(network)


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(conv_cases(), st.booleans())
@in_folder
def test_round_trips_of_every_geometry_are_exact(tmp_path, suffix, case, fixed):
    layer, image = case
    layer = Conv2d(layer.kernel, layer.bias, **{**layer.options, "fixed": fixed})
    network = ReluNetwork([layer], input_shape=(*image, layer.c_in))
    path = tmp_path / f"net{suffix}"
    save_network(network, path)
    again = load_network(path)
    assert network_digest(again) == network_digest(network)
    assert again.layers[0].options == layer.options
    x = np.random.default_rng(0).integers(-8, 9, (2, *image, layer.c_in)) / 8
    assert np.array_equal(again(x), network(x))
    version = re.search(rb'version\\*": (\d)', path.read_bytes()).group(1)
    assert version == (b"3" if layer.options else b"2")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pooling_is_stored_as_what_it_is(tmp_path, suffix):
    layers = [Conv2d(np.ones((3, 3, 1, 2)), padding="valid"), MaxPool2d(3, stride=2, padding=1), AvgPool2d(2)]
    network = ReluNetwork(layers, input_shape=(9, 9, 1))
    save_network(network, tmp_path / f"net{suffix}")
    again = load_network(tmp_path / f"net{suffix}")
    assert [layer.fixed for layer in again.layers] == [False] + 6 * [True]
    assert network_digest(again) == network_digest(network)
    assert again.shapes == network.shapes


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"stride": [0, 1]}, InvalidNetworkError, "stride"),
        ({"dilation": [1, 2**31]}, InvalidNetworkError, "dilation"),
        ({"dilation": [2**30, 1], "padding": [[0, 0], [0, 0]]}, InvalidNetworkError, "windows of"),
        ({"padding": [[0, -1], [0, 0]]}, InvalidNetworkError, "padding"),
        ({"padding": "full"}, InvalidNetworkError, "padding"),
        ({"groups": 2}, InvalidNetworkError, "groups"),
        ({"padding": [[2**30, 2**30], [0, 0]]}, NetworkFileError, "memory.*--max-memory"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_hostile_windows_are_refused(tmp_path, suffix, options, error, message):
    path = tmp_path / f"net{suffix}"
    layer = {"kind": "conv", "bias": False, **options}
    header = {**good()[0], "version": 3, "relu_after": [False], "layers": [layer], "input_shape": [9, 9, 2]}
    write(path, header, {"layers.0.kernel": np.ones((3, 3, 2, 1))})
    with pytest.raises(error, match=message):
        load_network(path)


def test_groups_that_make_much_of_little_are_refused_before_work_begins(tmp_path):
    many = 2**15
    network = ReluNetwork([Conv2d(np.ones((1, 1, 1, many)), groups=many)], input_shape=(1, 1, many))
    save_network(network, tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz")(np.ones(many)).tolist() == [1.0] * many
    with pytest.raises(NetworkFileError, match="without its groups would take 8,589,934,592 bytes"):
        load_workable(tmp_path / "net.npz")


def test_networks_without_convolutions_keep_the_content_of_version_1(tmp_path):
    digests = {
        ".npz": "f0fdd98f1eb79b72f2251802e8220f6aa582ec1da523773940966e3fb57808bf",
        ".safetensors": "e8861401ae320d1cebbf9a6797801d022c31e6f126d31dcb91571033115f72ed",
    }
    for suffix, expected in digests.items():
        save_network(example_network(), tmp_path / f"net{suffix}", extra={"source": "here"})
        assert digest(tmp_path / f"net{suffix}") == expected


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_images_that_do_not_fit_the_layers_are_refused(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    header = {
        **good()[0],
        "version": 2,
        "relu_after": [False],
        "layers": [{"kind": "conv", "bias": False}],
    }
    kernel = {"layers.0.kernel": np.ones((3, 3, 2, 1))}
    for shape in ([0, 1, 2], [4, 4, 3], [-1, 4, 2]):
        write(path, {**header, "input_shape": shape}, kernel)
        with pytest.raises(InvalidNetworkError, match="input_shape"):
            load_network(path)
    for bad in (np.ones((3, 3, 2)), np.full((3, 3, 2, 1), np.nan), np.ones((3, 0, 2, 1))):
        write(path, {**header, "input_shape": None}, {"layers.0.kernel": bad})
        with pytest.raises(InvalidNetworkError, match=f"net{suffix}"):
            load_network(path)
    for domain in (None, {"kind": "box", "low": 0, "high": 1}):  # sizes alone take no memory
        write(path, {**header, "input_shape": [2**31, 2**31, 2], "domain": domain}, kernel)
        assert load_network(path).widths[0] == 2**63
    write(path, {**header, "input_shape": None}, kernel)
    assert load_network(path)(np.ones((1, 1, 2))).item() == 2.0


# ---------------------------------------------------------------- what a file may unpack to


def archive_of(path, member, size, *, method=zipfile.ZIP_DEFLATED, name="layers.0.weight.npy"):
    """Write the good file, compressed, with one more member of ``size`` zeros after an .npy header."""
    header, tensors = good()
    meta = np.frombuffer(json.dumps({HEADER: json.dumps(header)}).encode(), dtype=np.uint8)
    np.savez_compressed(path, **{HEADER: meta}, **tensors)
    with zipfile.ZipFile(path, "a", method) as archive, archive.open(name, "w", force_zip64=True) as entry:
        entry.write(member)
        piece = bytes(2**20)
        for _ in range(size // 2**20):
            entry.write(piece)


def npy_header(count):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|u1", "fortran_order": False, "shape": (count,)})
    return stream.getvalue()


@pytest.mark.parametrize("call", [load_network, NetworkMasks.load])
def test_files_that_unpack_to_far_more_than_their_size_are_refused_unread(tmp_path, call):
    path = tmp_path / "net.npz"
    size = 2**28
    archive_of(path, npy_header(size), size, name="bomb.npy")
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    try:
        with pytest.raises(NetworkFileError, match=r"bytes unpack to \d+, more than the \d+"):
            call(path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_a_member_that_unpacks_to_more_than_it_says_is_refused_in_bounded_memory(tmp_path):
    path = tmp_path / "net.npz"
    archive_of(path, npy_header(2**28), 2**28, name="bomb.npy")
    raw = bytearray(path.read_bytes())
    declared = (2**28 + len(npy_header(2**28))).to_bytes(8, "little")
    # The sizes stand in 64 bits beside the member and, as they fit, in 32 bits in the directory at the end.
    places = [i for i in range(len(raw) - 4) if raw[i : i + 4] == declared[:4]]
    assert places
    for place in places:
        raw[place : place + 4] = (1000).to_bytes(4, "little")
    path.write_bytes(raw)
    tracemalloc.start()
    try:
        with pytest.raises(NetworkFileError, match="not a complete"):
            load_network(path)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_member_that_unpacks_to_less_than_it_says_is_refused(tmp_path):
    path = tmp_path / "net.npz"
    write(path, *good())
    raw = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    size = first.file_size.to_bytes(4, "little")
    directory = raw.rindex(first.filename.encode()) - 46
    assert raw[directory : directory + 4] == b"PK\x01\x02"
    assert raw[directory + 24 : directory + 28] == size
    raw[directory + 24 : directory + 28] = (first.file_size + 10_000).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(NetworkFileError, match="not a complete"):
        load_network(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_is_refused(tmp_path, method):
    path = tmp_path / "net.npz"
    archive_of(path, npy_header(0), 0, method=method, name="other.npy")
    with pytest.raises(NetworkFileError, match=f"other.npy is compressed by method {method}"):
        load_network(path)


def test_compressed_files_of_pruned_networks_are_read(tmp_path):
    header = {**good()[0], "layers": [{"kind": "dense", "bias": False}], "relu_after": [False]}
    meta = np.frombuffer(json.dumps({HEADER: json.dumps(header)}).encode(), dtype=np.uint8)
    weight = np.zeros((2000, 2000))
    weight[::50, ::50] = 1.5
    np.savez_compressed(tmp_path / "net.npz", **{HEADER: meta, "layers.0.weight": weight})
    assert (tmp_path / "net.npz").stat().st_size < weight.nbytes / 100
    assert np.array_equal(load_network(tmp_path / "net.npz").layers[0].weight, weight)

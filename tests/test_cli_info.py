"""info FILE: everything that is written or read here is told apart, and the next step is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from solvers import BatchSolution, SubsetSum
from solvers.instances.files import Instance, write_instance
from subsetsum_nets import (
    Box,
    Dense,
    PrunedNetwork,
    ReluNetwork,
    load_network,
    save_network,
    shipped_network,
    verify,
)
from subsetsum_nets.cli import app
from subsetsum_nets.exchange import write_masks, write_state_dict
from subsetsum_nets.exchange.vnnlib import difference_property
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.networks import network_digest
from subsetsum_nets.verification.certificate import PairCertificate

OLD = Path(__file__).parent / "old_files"
F = ReluNetwork([Dense([[0.5, -0.25], [1.0, 0.5]]), Dense([[1.0, -1.0]])], domain=Box(0, 1))


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def page(path, *more):
    result = run("info", path, *more, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    shutil.copytree(OLD / "ticket_relu", folder / "ticket")
    ticket = PrunedNetwork.load(folder / "ticket")
    save_network(F, folder / "net.npz", extra={"source": "a test"})
    save_network(F, folder / "net.safetensors")
    write_state_dict(F, folder / "state.safetensors")
    write_masks(ticket.random, ticket.all_masks, folder / "torch_masks.safetensors")
    PairCertificate.about(F, F, verify(F, F, epsilon=0.5)).save(folder / "pair.json")
    LayeredDag.from_network(F).save(folder / "graph.json")
    LayeredDag.from_network(F).save(folder / "graph.safetensors")
    LayeredDag.from_network(F).save(folder / "graph.graphml")
    write_instance(Instance(SubsetSum([1, 2, 3], 5), "five"), folder / "instance.json")
    (folder / "plain.kp").write_text("\n2\n5\n\n2 2\n4 4\n")
    (folder / "question.vnnlib").write_text(difference_property(np.zeros(2), np.ones(2), 1, 0.5))
    (folder / "class.vnnlib").write_text(
        "(declare-const X_0 Real)\n(assert (>= X_0 0))\n(assert (<= X_0 1))\n(assert (<= Y_0 Y_1))\n"
    )
    np.savez(folder / "box.npz", low=[0.0, 0.0], high=[1.0, 1.0])
    np.savez(folder / "data.npz", points=np.zeros((5, 2)))
    np.savez(folder / "mixed.npz", a=np.zeros(3), b=np.ones((2, 2)))
    np.save(folder / "data.npy", np.zeros((4, 2)))
    (folder / "data.csv").write_text("a,b,c\n1,2,3\n4,5,6\n")
    (folder / "net.nnet").write_text("// made up\n1,1,1,1,\n1,1,\n0,\n0,\n4,\n2,10,\n4,3,\n0.5,\n1,\n")
    return folder


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ticket", "ticket"),
        ("ticket/certificate.json", "certificate of a ticket"),
        ("ticket/masks.npz", "masks"),
        ("ticket/solution.npz", "subset sums solved"),
        ("ticket/pruned.safetensors", "network"),
        ("net.npz", "network"),
        ("net.nnet", "network"),
        ("state.safetensors", "PyTorch state dict"),
        ("torch_masks.safetensors", "PyTorch state dict"),
        ("pair.json", "certificate of two networks"),
        ("graph.json", "graph"),
        ("graph.safetensors", "graph"),
        ("graph.graphml", "graph"),
        ("instance.json", "subset-sum instance"),
        ("plain.kp", "subset-sum instance"),
        ("question.vnnlib", "VNN-LIB property"),
        ("class.vnnlib", "VNN-LIB property"),
        ("box.npz", "box"),
        ("data.npz", "points"),
        ("data.npy", "points"),
        ("data.csv", "points"),
        ("mixed.npz", "arrays"),
        (".", "folder"),
    ],
)
def test_every_kind_of_file_is_told(place, name, kind):
    shown = run("info", place / name)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[1].split() == ["kind", *kind.split()]


def test_checkpoints_and_results_are_told(tmp_path):
    found = page(OLD / "checkpoint_prune")
    assert (found["kind"], found["rows done"], found["rows in all"]) == ("checkpoint", 12, 12)
    assert page(OLD / "batch_solution.npz")["rows"] == len(BatchSolution.load(OLD / "batch_solution.npz"))
    (tmp_path / "provenance.json").write_text(json.dumps({"experiment": "packing"}))
    assert page(tmp_path)["experiment"] == "packing"


def test_a_network_is_described_in_full(place):
    found = page(place / "net.npz")
    assert found["layers"] == ["Dense(2 -> 2), ReLU", "Dense(2 -> 1)"]
    assert found["shapes"] == [[2], [2], [1]]
    assert (found["parameters"], found["domain"]) == (6, Box(0, 1).to_json())
    assert (found["notes"], found["digest"]) == ({"source": "a test"}, network_digest(F))
    assert "layer 0" in run("info", place / "net.npz").stdout
    found = page(shipped_network("digits-64-32-10"))
    assert found["parameters"] == load_network(shipped_network("digits-64-32-10")).parameters
    assert page(place / "net.nnet")["notes"] == {"comment": "made up"}


def test_an_onnx_file_is_described_whether_it_is_read_or_refused(tmp_path):
    onnx = pytest.importorskip("onnx")
    save_network(F, tmp_path / "net.onnx", extra={"source": "a test"})
    found = page(tmp_path / "net.onnx")
    assert (found["kind"], found["operators"]) == ("network", {"Gemm": 2, "Relu": 1})
    assert found["layers"] == ["Dense(2 -> 2), ReLU", "Dense(2 -> 1)"]
    assert (found["digest"], found["domain"], found["rounded"]) == (network_digest(F), F.domain.to_json(), [])
    assert (found["inputs"], found["notes"]) == (["input: FLOAT batchx2"], {"source": "a test"})
    numbers = [onnx.numpy_helper.from_array(np.array(x), n) for n, x in (("w", [[1.0]]), ("third", [3.0]))]
    steps = [("MatMul", ["x", "w"], ["a"]), ("Div", ["a", "third"], ["b"]), ("Softmax", ["b"], ["y"])]
    nodes = [onnx.helper.make_node(*step) for step in steps]
    ends = [onnx.helper.make_tensor_value_info(name, 11, [1, 1]) for name in "xy"]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], numbers)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "soft.onnx")
    found = page(tmp_path / "soft.onnx")
    assert found["kind"] == "ONNX model"
    assert "Softmax" in found["refused"]
    found = page(tmp_path / "soft.onnx", "--output", "logits")
    assert (found["kind"], len(found["rounded"])) == ("network", 1)
    assert "rounded" in run("info", tmp_path / "soft.onnx", "--output", "logits").stdout


def test_what_a_certificate_and_a_property_say_is_shown(place):
    found = page(place / "ticket")
    assert (found["verified"], found["epsilon"], found["construction"]) == (True, 0.2, "relu")
    assert found["next"] == f"subsetsum-nets verify {place / 'ticket'} checks it"
    assert page(place / "pair.json")["verified"] is True
    assert page(place / "question.vnnlib")["asks"] == "whether |f - g| <= 0.5"
    assert "something else: " in page(place / "class.vnnlib")["asks"]
    state = page(place / "state.safetensors")
    assert state["tensors"] == {"0.weight": [2, 2], "2.weight": [1, 2]}
    assert "ReluNetwork(2-2-1" in state["read as a chain of layers"]


def test_what_is_nothing_of_ours_is_refused(tmp_path, place):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    result = run("info", tmp_path / "picture.png")
    assert result.exit_code == 2
    assert "nothing that is read here" in result.stderr
    for name in ("none.npz", "none"):
        assert "there is no file or folder" in run("info", tmp_path / name).stderr
    assert "chooses in ONNX files" in run("info", place / "net.npz", "--output", "logits").stderr
    whole = (place / "net.safetensors").read_bytes()
    for name, content in (
        ("cut.safetensors", whole[:-9]),
        ("cut.npz", b"PK"),
        ("cut.json", b"{"),
        ("certificate.json", b'{"format": "subsetsum-nets certificate"}'),
        ("cut.onnx", b"\x00\xff"),
        ("model.keras", b"PK"),
        ("cut.vnnlib", b"("),
        ("deep.json", b"[" * 100_000),
    ):
        (tmp_path / name).write_bytes(content)
        result = run("info", tmp_path / name, "--json")
        assert result.exit_code == 2, (name, result.output)
        assert set(json.loads(result.stdout)) == {"error", "kind"}


def test_logits_may_be_asked_for_by_a_flag_of_their_own(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, tensors = onnx.helper, onnx.numpy_helper
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "W"], ["a"]), helper.make_node("Softmax", ["a"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)],
        [tensors.from_array(np.array([[1.0, 2.0], [0.5, -1.0]], np.float32), "W")],
    )
    path = tmp_path / "net.onnx"
    path.write_bytes(helper.make_model(graph, ir_version=8).SerializeToString())
    asked = [
        CliRunner().invoke(app, ["info", str(path), *more]) for more in (["--logits"], ["--output", "logits"])
    ]
    assert "Dense(2 -> 2)" in asked[0].stdout
    assert asked[0].stdout == asked[1].stdout
    assert "Softmax" in CliRunner().invoke(app, ["info", str(path)]).stdout
    assert CliRunner().invoke(app, ["info", str(path), "--logits", "--output", "a"]).exit_code == 2
    same = CliRunner().invoke(app, ["verify", str(path), str(path), "--logits", "--domain", "0", "1"])
    assert same.exit_code == 0, same.output

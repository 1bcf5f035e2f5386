"""verify F G in the shell: every way to ask, what it answers, and advice where something else was meant."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from subsetsum_nets import Ball, Box, Conv2d, Dense, ReluNetwork, save_network, verify
from subsetsum_nets.cli import app
from subsetsum_nets.exchange import export_pair, write_state_dict
from subsetsum_nets.verification import check_certificate
from subsetsum_nets.verification.certificate import PairCertificate


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def answer(*arguments, code=0):
    result = run(*arguments, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def refusal(*arguments):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    return " ".join(result.stderr.split())


def pair(domain=None):
    rng = np.random.default_rng(2)
    weights = [rng.integers(-8, 9, shape) / 8 for shape in ((4, 3), (2, 4))]
    f = ReluNetwork([Dense(w) for w in weights], domain=domain)
    return f, ReluNetwork([Dense(w + 2.0**-7) for w in weights])


@pytest.fixture
def files(tmp_path):
    f, g = pair()
    paths = tmp_path / "f.safetensors", tmp_path / "g.npz"
    for network, path in zip((f, g), paths, strict=True):
        save_network(network, path)
    return paths


def test_without_an_epsilon_the_bound_is_printed_and_nothing_decided(files):
    page = answer("verify", *files)
    result = verify(*pair())
    assert (page["bound"], page["attack"]) == (result.upper, result.lower)
    assert (page["verified"], page["epsilon"], page["norm"]) == (None, None, "l2")
    assert page["domain"] == Box(-1, 1).to_json()
    shown = run("verify", *files).stdout
    assert "proven ||f(x) - g(x)||_2 <= " in shown
    assert "verified" not in shown


def test_with_an_epsilon_the_exit_code_says_whether_it_is_verified(files):
    page = answer("verify", *files, "--epsilon", 1, "--norm", "linf", "--exact")
    assert (page["verified"], page["epsilon"], page["norm"]) == (True, 1.0, "linf")
    assert page["bound_exact"] <= page["bound"] <= 1.0
    assert not answer("verify", *files, "--epsilon", 1e-3, code=1)["verified"]
    assert "\nfalsified" in run("verify", *files, "--epsilon", 1e-3).stdout


def test_the_domain_is_what_is_given_else_what_f_stores(files, tmp_path):
    save_network(pair(Box(0, 0.5))[0], tmp_path / "stored.npz")
    assert answer("verify", tmp_path / "stored.npz", files[1])["domain"] == Box(0, 0.5).to_json()
    stored = (tmp_path / "stored.npz", files[1])
    assert answer("verify", *stored, "--domain", -2, 3)["domain"] == Box(-2, 3).to_json()
    assert answer("verify", *stored, "--ball", 0.25)["domain"] == Ball(0.25).to_json()
    (tmp_path / "box.csv").write_text("0,1\n-1,0\n0.5,0.5\n")
    np.savez(tmp_path / "box.npz", low=[0, -1, 0.5], high=[1, 0, 0.5])
    for name in ("box.csv", "box.npz"):
        page = answer("verify", *stored, "--box", tmp_path / name)
        assert page["domain"] == Box([0, -1, 0.5], [1, 0, 0.5]).to_json()
    (tmp_path / "short.csv").write_text("0,1\n")
    assert "has 1 coordinates, f takes 3" in refusal("verify", *stored, "--box", tmp_path / "short.csv")
    message = refusal("verify", *stored, "--ball", 1, "--domain", 0, 1)
    assert "one of --domain, --ball" in message


def test_a_property_asks_its_box_and_its_epsilon_in_the_maximum_norm(files, tmp_path):
    box = Box([0, -1, 0.5], [1, 0, 0.5])
    export_pair(*pair(), tmp_path / "question", epsilon=0.25, domain=box)
    for name in ("difference.vnnlib", "pair.vnnlib"):
        page = answer("verify", *files, "--spec", tmp_path / "question" / name)
        assert (page["norm"], page["epsilon"], page["domain"]) == ("linf", 0.25, box.to_json())
        assert page["verified"]
        assert page["notes"] == []
    spec = tmp_path / "question" / "difference.vnnlib"
    page = answer("verify", *files, "--spec", spec, "--epsilon", 2, "--norm", "l1")
    assert (page["norm"], page["epsilon"]) == ("l1", 2.0)
    assert "only the box" in page["notes"][0]
    assert "asks in the maximum norm" in refusal("verify", *files, "--spec", spec, "--norm", "l2")


def test_a_property_of_a_classifier_is_refused_unless_an_epsilon_is_given(files, tmp_path):
    spec = tmp_path / "class.vnnlib"
    inputs = "".join(
        f"(declare-const X_{i} Real)(assert (>= X_{i} 0.1))(assert (<= X_{i} 0.2))" for i in range(3)
    )
    spec.write_text(inputs + "\n(declare-const Y_0 Real)(declare-const Y_1 Real)\n(assert (<= Y_0 Y_1))\n")
    message = refusal("verify", *files, "--spec", spec)
    assert "line 3" in message
    assert "With --epsilon given, only the input box" in message
    page = answer("verify", *files, "--spec", spec, "--epsilon", 1)
    assert page["verified"]
    assert len(page["notes"]) == 2  # the box alone; decimals rounded outward
    spec.write_text(inputs + "\n(declare-const Y_0 Real)\n(assert (or (>= Y_0 1) (<= Y_0 -1)))\n")
    assert "is about 1 outputs, f has 2" in refusal("verify", *files, "--spec", spec)


def test_balls_around_many_points_are_a_table(files, tmp_path):
    points = np.array([[0.0, 0.5, 1.0], [0.25, -0.5, 0.75]])
    np.save(tmp_path / "points.npy", points)
    around = ("--around", tmp_path / "points.npy", "--radius", 0.125)
    page = answer("verify", *files, *around, "--epsilon", 1, "--domain", -1, 1)
    assert page["verified"]
    found = [verify(*pair(), domain=Box(np.maximum(x - 0.125, -1), np.minimum(x + 0.125, 1))) for x in points]
    assert [(p["point"], p["bound"]) for p in page["points"]] == [
        (number, result.upper) for number, result in enumerate(found)
    ]
    between = sum(result.upper for result in found) / 2
    assert found[0].upper != found[1].upper
    page = answer("verify", *files, *around, "--epsilon", between, "--domain", -1, 1, code=1)
    assert sorted(p["verified"] for p in page["points"]) == [False, True]
    shown = run("verify", *files, *around, "--epsilon", between, "--domain", -1, 1)
    assert shown.exit_code == 1
    assert "1 of 2 verified" in shown.stdout
    assert answer("verify", *files, *around)["verified"] is None


def test_points_that_do_not_go_with_the_question_are_refused(files, tmp_path):
    np.save(tmp_path / "points.npy", np.array([[0.0, 0.5, 3.0]]))
    around = ("--around", tmp_path / "points.npy")
    assert "go together" in refusal("verify", *files, *around)
    assert "go together" in refusal("verify", *files, "--radius", 1)
    assert "point 0 is" in refusal("verify", *files, *around, "--radius", 1, "--domain", 0, 1)
    assert "not --ball" in refusal("verify", *files, *around, "--radius", 1, "--ball", 1)
    assert "radius must be" in refusal("verify", *files, *around, "--radius", -1)
    certificate = ("--certificate", tmp_path / "c.json")
    assert "one domain" in refusal("verify", *files, *around, "--radius", 1, *certificate)
    np.save(tmp_path / "points.npy", np.zeros((2, 5)))
    assert "has 5 coordinates, f takes 3" in refusal("verify", *files, *around, "--radius", 1)


def test_a_certificate_of_the_pair_is_checked_again_and_by_the_small_checker(files, tmp_path):
    path, second = tmp_path / "pair.json", tmp_path / "g.safetensors"
    save_network(pair()[1], second)
    asked = ("--method", "differential", "--epsilon", 1, "--domain", 0, 1)
    answer("verify", *files, *asked, "--certificate", path)
    certificate = PairCertificate.load(path)
    assert certificate.domain_set == Box(0, 1)
    page = answer("verify", *files, "--check", path)
    assert (page["bound"] <= certificate.bound, page["verified"]) == (True, True)
    assert "both networks are those of the certificate" in run("verify", *files, "--check", path).stdout
    check_certificate.check_files(files[0], second, path)
    assert "first network is not the one" in refusal("verify", *files[::-1], "--check", path)
    path.write_text(path.read_text().replace('"epsilon": 1.0', '"epsilon": 2.0'))
    assert "was edited" in refusal("verify", *files, "--check", path)
    assert "--epsilon has no place" in refusal("verify", *files, "--check", path, "--epsilon", 1)
    both = ("--check", path, "--certificate", tmp_path / "other.json")
    assert "give one of the two" in refusal("verify", *files, *both)


def test_a_folder_where_a_file_is_wanted_and_the_reverse_get_advice(files, tmp_path):
    ticket = Path(__file__).parent / "old_files" / "ticket_relu"
    assert "target.safetensors and" in refusal("verify", ticket, files[1])
    assert "verify f.safetensors OTHER" in refusal("verify", files[0])
    assert f"the folder is {ticket}" in refusal("verify", ticket / "certificate.json")
    assert "--epsilon is for two network files" in refusal("verify", ticket, "--epsilon", 1)
    page = answer("verify", ticket / "target.safetensors", ticket / "pruned.safetensors", "--epsilon", 0.5)
    assert page["verified"]
    message = refusal("verify", files[0], files[1], "--check", ticket / "certificate.json")
    assert "it is a ticket's: verify its folder" in message


def test_an_output_is_chosen_in_onnx_files(files, tmp_path):
    pytest.importorskip("onnx")
    f, g = pair()
    save_network(f, tmp_path / "f.onnx")
    assert answer("verify", tmp_path / "f.onnx", files[1])["bound"] == verify(f, g).upper
    message = refusal("verify", tmp_path / "f.onnx", files[1], "--output", "no_such_tensor")
    assert "no_such_tensor" in message
    assert "neither" in refusal("verify", *files, "--output", "logits")


# -- images ------------------------------------------------------------------------------------------


def colour_pair():
    kernel = np.arange(4.0).reshape(1, 1, 2, 2) / 4
    layers = [Conv2d(kernel), Dense(np.arange(8.0).reshape(1, 8) / 8)]
    f = ReluNetwork(layers, input_shape=(2, 2, 2))
    return f, f.with_layers([Conv2d(kernel + 0.125), layers[1]])


@pytest.fixture
def colours(tmp_path):
    paths = tmp_path / "colour_f.npz", tmp_path / "colour_g.npz"
    for network, path in zip(colour_pair(), paths, strict=True):
        save_network(network, path)
    return paths


def test_boxes_of_images_are_in_our_order_unless_channels_come_first(colours, tmp_path):
    low = np.arange(8.0).reshape(2, 2, 2) / 8  # (h, w, c)
    np.savez(tmp_path / "last.npz", low=low, high=low + 0.25)
    first = low.transpose(2, 0, 1)
    np.savez(tmp_path / "first.npz", low=first, high=first + 0.25)
    wanted = Box(low.ravel(), low.ravel() + 0.25).to_json()
    page = answer("verify", *colours, "--box", tmp_path / "last.npz")
    assert page["domain"] == wanted
    assert "(h, w, c) = (2, 2, 2)" in page["notes"][0]
    page = answer("verify", *colours, "--box", tmp_path / "first.npz", "--channels-first")
    assert (page["domain"], page["notes"]) == (wanted, [])
    np.save(tmp_path / "points.npy", first[np.newaxis])
    around = ("--around", tmp_path / "points.npy", "--radius", 0.125, "--channels-first")
    assert answer("verify", *colours, *around)["points"][0]["domain"]["low"] == (low - 0.125).ravel().tolist()


def test_a_property_about_images_says_its_order_or_is_told(colours, tmp_path):
    pytest.importorskip("onnx")
    low = np.arange(8.0) / 8
    box = Box(low, low + 0.25)
    export_pair(*colour_pair(), tmp_path, epsilon=4.0, domain=box)
    assert answer("verify", *colours, "--spec", tmp_path / "pair.vnnlib")["domain"] == box.to_json()
    spec = tmp_path / "difference.vnnlib"
    assert "--channels-first" in refusal("verify", *colours, "--spec", spec)
    page = answer("verify", *colours, "--spec", spec, "--channels-last")
    assert page["domain"] == box.to_json()


def test_images_beside_vectors_need_a_word_on_their_order(colours, tmp_path):
    f, _ = colour_pair()
    matrix = f.affine_layers[0].weight.toarray()  # of flattened (h, w, c) images
    last = ReluNetwork([Dense(matrix), f.layers[1]])
    places = np.arange(8).reshape(2, 2, 2).transpose(2, 0, 1).ravel()
    low = np.arange(8.0) / 8
    first = ReluNetwork([Dense(matrix[:, places]), f.layers[1]], domain=Box(low[places], low[places] + 0.25))
    save_network(last, tmp_path / "last.npz")
    save_network(first, tmp_path / "first.npz")
    assert "--channels-first for (c, h, w)" in refusal("verify", colours[0], tmp_path / "last.npz")
    assert "--channels-first" in refusal(
        "export", colours[0], tmp_path / "last.npz", "--epsilon", 1, "--out", tmp_path
    )
    pairs = {"--channels-last": tmp_path / "last.npz", "--channels-first": tmp_path / "first.npz"}
    for option, path in pairs.items():
        assert answer("verify", colours[0], path, option)["bound"] < 1e-9
        assert answer("verify", path, colours[0], option)["bound"] < 1e-9
        other = next(name for name in pairs if name != option)
        assert answer("verify", colours[0], path, other)["bound"] > 0.1
    page = answer("verify", tmp_path / "first.npz", colours[0], "--channels-first")
    assert page["domain"] == Box(low, low + 0.25).to_json()
    asked = ("--channels-first", "--certificate", tmp_path / "c.json")
    assert "as they are stored" in refusal("verify", colours[0], tmp_path / "first.npz", *asked)


def test_the_order_of_channels_is_no_question_for_vectors(files):
    assert "take vectors" in refusal("verify", *files, "--channels-first")


# -- files of other programs -------------------------------------------------------------------------


def test_state_dicts_are_taken_by_every_command_and_the_relus_are_said_to_be_assumed(files, tmp_path):
    f, g = pair()
    write_state_dict(f, tmp_path / "state.safetensors")
    result = run("verify", tmp_path / "state.safetensors", files[1], "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["bound"] == verify(f, g).upper
    assert "a ReLU is taken to stand between its layers" in result.stderr
    assert "units" in run("graph", tmp_path / "state.safetensors").stdout


@pytest.mark.slow
def test_a_state_dict_is_pruned(tmp_path):
    write_state_dict(pair()[0], tmp_path / "state.safetensors")
    result = run("prune", tmp_path / "state.safetensors", "--epsilon", 0.5, "--out", tmp_path / "ticket")
    assert result.exit_code == 0, result.output


def test_pt_files_are_taken_where_torch_is(files, tmp_path):
    torch = pytest.importorskip("torch")
    f, g = pair()
    tensors = {f"{2 * i}.weight": torch.tensor(layer.weight) for i, layer in enumerate(f.layers)}
    torch.save(tensors, tmp_path / "net.pt")
    assert answer("verify", tmp_path / "net.pt", files[1])["bound"] == verify(f, g).upper
    assert "units" in run("graph", tmp_path / "net.pt").stdout


def test_nnet_files_are_taken_with_their_domain(files, tmp_path):
    f, g = pair()
    lines = ["2,3,2,4,", "3,4,2,", "0,", "0,0,0,", "1,1,1,", "0,0,0,0,", "1,1,1,1,"]
    for layer in f.layers:
        lines += [",".join(map(repr, row)) + "," for row in layer.weight.tolist()]
        lines += ["0.0,"] * layer.d_out
    (tmp_path / "net.nnet").write_text("\n".join(lines))
    page = answer("verify", tmp_path / "net.nnet", files[1])
    assert page["domain"] == Box([0.0] * 3, [1.0] * 3).to_json()
    assert page["bound"] == verify(f, g, domain=Box(0, 1)).upper


@pytest.mark.parametrize("command", ["prune", "graph", "verify"])
def test_models_of_keras_are_refused_with_the_way_here(files, tmp_path, command):
    (tmp_path / "net.keras").write_bytes(b"PK")
    more = [files[0]] if command == "verify" else ["--out", tmp_path / "out.svg"]
    assert "model.export" in refusal(command, tmp_path / "net.keras", *more)


def test_the_commands_of_the_page_run_as_they_stand(tmp_path, monkeypatch):
    pytest.importorskip("onnx")
    page = (Path(__file__).parent.parent / "docs" / "comparing.md").read_text()
    commands = [shlex.split(line[2:]) for line in page.splitlines() if line.startswith("$ ")]
    f, g = pair()
    save_network(f, tmp_path / "f.onnx")
    save_network(f, tmp_path / "f.safetensors")
    save_network(g, tmp_path / "g.safetensors")
    monkeypatch.chdir(tmp_path)
    codes = []
    for command in commands:
        if command[0] == "subsetsum-nets":
            codes.append(run(*command[1:]).exit_code)
        if command[0] == "python":
            check_certificate.check_files(*command[4:])
    assert codes == [1, 0, 0]  # epsilon is far too small for these two


def test_weights_that_reading_had_to_round_are_told(files, tmp_path):
    onnx = pytest.importorskip("onnx")
    weight = onnx.numpy_helper.from_array(np.ones((3, 2)), "w")
    third = onnx.numpy_helper.from_array(np.array([3.0]), "third")
    nodes = [
        onnx.helper.make_node("MatMul", ["x", "w"], ["a"]),
        onnx.helper.make_node("Div", ["a", "third"], ["y"]),
    ]
    ends = [onnx.helper.make_tensor_value_info(n, 11, [1, d]) for n, d in (("x", 3), ("y", 2))]
    graph = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], [weight, third])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "third.onnx")
    result = run("verify", tmp_path / "third.onnx", files[1], "--json")
    assert result.exit_code == 0, result.output
    assert "note:" in result.stderr
    assert "float64 cannot hold" in result.stderr
    assert "Warning" not in result.stderr

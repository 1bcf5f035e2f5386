"""coreset in the shell: what it prints and writes, what verify makes of its folder, and what is refused."""

import json

import numpy as np
import pytest
from support.idx import write_folder
from typer.testing import CliRunner

from subsetsum_nets import Box, Dense, ReluNetwork, SparsifiedNetwork, save_network
from subsetsum_nets.cli import app
from subsetsum_nets.coresets.methods import METHODS
from subsetsum_nets.experiments.images import load_images

RANDOM = np.random.default_rng(1)
POINTS = RANDOM.random((200, 4))


@pytest.fixture
def files(tmp_path):
    network = ReluNetwork(
        [Dense(RANDOM.normal(size=(8, 4)), RANDOM.normal(size=8)), Dense(RANDOM.normal(size=(3, 8)))],
        domain=Box(0, 1),
    )
    save_network(network, tmp_path / "net.safetensors")
    labels = network(POINTS).argmax(axis=1)
    np.savez(tmp_path / "data.npz", images=POINTS[:150], labels=labels[:150])
    np.savez(tmp_path / "test.npz", images=POINTS[150:], labels=labels[150:])
    np.save(tmp_path / "near.npy", POINTS[150:155])
    return tmp_path


def run(files, *arguments, code=0):
    result = CliRunner().invoke(app, [*map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def coreset(files, *options, code=0):
    asked = ("coreset", files / "net.safetensors", "--data", files / "data.npz", *options)
    return run(files, *asked, code=code)


def test_the_page_says_what_was_measured_on_held_out_points(files):
    page = json.loads(
        coreset(files, "--keep", "0.6", "--test", files / "test.npz", "--seed", "3", "--json").stdout
    )
    assert (page["method"], page["seed"], page["measured_on"]) == ("obs", 3, "test")
    assert page["size"] == round(page["fraction"] * 64) == 38
    assert page["absolute_l1"] > page["relative_l1"] > 0
    assert page["accuracy_before"] == 1.0
    assert page["population"]["error"] == page["largest_error"]
    assert page["population"]["share"] == pytest.approx(1 - 0.05 ** (1 / 50))
    shown = coreset(files, "--keep", "38", "--test", files / "test.npz").stdout
    assert "38, 59.4% of the target's" in shown
    assert "with 95% confidence fewer than" in shown


def test_on_its_own_data_nothing_is_said_of_new_inputs(files):
    shown = coreset(files, "--keep", "0.6").stdout
    assert "--data, from which it was chosen" in shown
    assert "new inputs" not in shown
    again = coreset(files, "--keep", "0.6", "--test", files / "data.npz").stdout
    assert "nothing said: 150 points of --test chose the network" in again


NEAR = ("--epsilon", "1.0", "--radius", "0.02", "--near")


@pytest.mark.parametrize("where", ["near", "domain"])
def test_a_proven_folder_is_confirmed_and_a_tampered_one_refused(files, where):
    asked = (*NEAR, files / "near.npy") if where == "near" else ("--epsilon", "2.0", "--norm", "l2")
    page = json.loads(coreset(files, *asked, "--out", files / "out", "--json").stdout)
    assert page["verified"]
    assert page["attack"] <= page["bound"] <= page["epsilon"]
    checked = json.loads(run(files, "verify", files / "out", "--json").stdout)
    assert checked["verified"]
    assert checked["bound"] == pytest.approx(page["bound"])
    assert "verified" in run(files, "verify", files / "out").stdout
    network = SparsifiedNetwork.load(files / "out").network
    first = network.layers[0]
    changed = network.with_layers([Dense(first.weight * 2, first.bias), *network.layers[1:]])
    save_network(changed, files / "out" / "sparsified.safetensors")
    assert "is not the one" in run(files, "verify", files / "out", code=2).stderr


def test_points_that_a_bound_is_proven_near_are_no_new_ones(files):
    shown = coreset(files, *NEAR, files / "near.npy", "--test", files / "test.npz").stdout
    assert "nothing said: 5 points of --test chose the network" in shown


def test_a_folder_without_a_bound_is_checked_for_being_whole(files):
    coreset(files, "--keep", "0.5", "--method", "magnitude", "--out", files / "out")
    assert "no bound is claimed" in run(files, "verify", files / "out").stdout


@pytest.mark.slow
def test_the_figure_has_every_method_at_every_size(files):
    asked = ("--figure", "--repeats", "3", "--test", files / "test.npz", "--out", files / "curves", "--json")
    page = json.loads(coreset(files, *asked).stdout)
    assert page["measured_on"] == "test"
    assert set(page["fraction_at_one_point"]) == set(METHODS) - {"exact-mask", "box-cost"}
    lines = (files / "curves" / "curves.csv").read_text().splitlines()
    assert lines[0].startswith("method,keep,trials,fraction,absolute_l1,absolute_l1_sd,relative_l1")
    assert any(line.startswith("corenet++,0.5,3,0.") for line in lines)
    assert any(line.startswith("obs,0.5,1,0.5,") for line in lines)
    written = {path.name for path in (files / "curves").iterdir()}
    assert written == {
        "curves.csv",
        "summary.json",
        "provenance.json",
        "coresets.png",
        "coresets.svg",
        "coresets.pdf",
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--keep", "0"], "got 0"),
        (["--keep", "1.5"], "got 1.5"),
        (["--keep", "half"], "got 'half'"),
        ([], "exactly one of keep"),
        (["--keep", "0.5", "--samples", "3", "--method", "corenet"], "keep and samples"),
        (["--epsilon", "1", "--radius", "0.1"], "radius needs near too"),
        (["--keep", "0.5", "--test", "nowhere.npz"], "nowhere.npz"),
        (["--keep", "0.5", "--test", "."], ". lacks train-images-idx3-ubyte"),
        (["--keep", "0.5", "--out", "."], "holds other files"),
        (["--figure"], "--figure writes all methods"),
    ],
    ids=str,
)
def test_bad_input_is_exit_2_and_named(files, options, message, monkeypatch):
    monkeypatch.chdir(files)
    assert message in " ".join(coreset(files, *options, code=2).stderr.split())


def test_labels_that_do_not_go_with_the_points_are_refused(files):
    np.savez(files / "data.npz", images=POINTS, labels=np.zeros(3, int))
    assert "as many as points" in coreset(files, "--keep", "0.5", code=2).stderr


def test_data_may_be_a_folder_of_idx_files(tmp_path):
    """Chosen by the images to train on, measured on those to measure on."""
    write_folder(tmp_path / "idx", 20, 10, packed=True)
    weights = np.random.default_rng(0).normal(size=(10, 784)) / 28
    save_network(ReluNetwork([Dense(weights)]), tmp_path / "net.safetensors")
    asked = ("--data", tmp_path / "idx", "--keep", "0.5", "--method", "magnitude", "--json")
    page = json.loads(
        run(tmp_path, "coreset", tmp_path / "net.safetensors", *asked, "--test", tmp_path / "idx").stdout
    )
    images = load_images(tmp_path / "idx")
    right = (images.inputs(784, "test") @ weights.T).argmax(axis=1) == images.test_labels
    assert page["accuracy_before"] == right.mean()


@pytest.mark.slow
def test_prune_takes_the_box_of_data_as_its_domain(files):
    asked = ("prune", files / "net.safetensors", "--box-of", files / "data.npz", "--out", files / "ticket")
    page = json.loads(run(files, *asked, "--json").stdout)
    box = Box(POINTS[:150].min(axis=0), POINTS[:150].max(axis=0))
    assert page["domain"] == box.to_json()
    assert page["verified"]
    both = (*asked, "--ball", "1")
    assert "one of --box, --ball and --box-of" in run(files, *both, code=2).stderr

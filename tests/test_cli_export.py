"""The command export, as a user types it."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from subsetsum_nets import Ball, Box, Dense, ReluNetwork, prune
from subsetsum_nets.cli import app
from subsetsum_nets.exchange import read_masks
from subsetsum_nets.exchange.vnnlib_reader import read_question
from subsetsum_nets.networks import load_network

TARGET = ReluNetwork([Dense([[0.3, -0.8], [0.5, 0.1]]), Dense([[1.0, -0.4]])])


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def ticket(tmp_path):
    prune(TARGET, epsilon=0.1).save(tmp_path / "ticket")
    return tmp_path / "ticket"


def test_the_files_hold_the_networks_and_the_question(ticket, tmp_path):
    result = run("export", ticket, "--out", tmp_path / "out", "--epsilon", 0.05, "--json")
    assert result.exit_code == 0, result.output
    page = json.loads(result.stdout)
    assert page["epsilon"] == 0.05
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "difference.onnx",
        "difference.vnnlib",
        "target.onnx",
        "pruned.onnx",
        "pair.vnnlib",
    }
    f, g, difference = (
        load_network(tmp_path / "out" / name) for name in ("target.onnx", "pruned.onnx", "difference.onnx")
    )
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    assert np.array_equal(f(points), TARGET(points))
    np.testing.assert_allclose(difference(points), f(points) - g(points), atol=1e-14)


def test_masks_for_torch(ticket, tmp_path):
    masks = tmp_path / "masks.safetensors"
    assert run("export", ticket, "--out", tmp_path / "out", "--torch-masks", masks).exit_code == 0
    random, read = read_masks(masks)
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    assert np.abs(read.apply(random)(points) - TARGET(points)).max() <= 0.1


def test_a_ball_is_asked_about_only_as_its_box(tmp_path):
    prune(TARGET, epsilon=0.1, domain=Ball(0.5)).save(tmp_path / "ball")
    refused = run("export", tmp_path / "ball", "--out", tmp_path / "out")
    assert refused.exit_code == 2
    assert "box" in refused.output
    assert run("export", tmp_path / "ball", "--out", tmp_path / "out", "--bounding-box").exit_code == 0


def test_a_folder_that_is_no_ticket_is_refused(tmp_path):
    assert run("export", tmp_path, "--out", tmp_path / "out").exit_code == 2


def test_any_two_network_files_are_exported_with_their_question(ticket, tmp_path):
    files = ticket / "target.safetensors", ticket / "pruned.safetensors"
    asked = ("--out", tmp_path / "out", "--epsilon", 0.5, "--domain", 0, 0.25)
    result = run("export", *files, *asked, "--json")
    assert result.exit_code == 0, result.output
    page = json.loads(result.stdout)
    assert (page["epsilon"], page["domain"]) == (0.5, Box(0, 0.25).to_json())
    question = read_question(tmp_path / "out" / "difference.vnnlib")
    assert (question.box, question.epsilon) == (Box([0, 0], [0.25, 0.25]), 0.5)
    spec = tmp_path / "out" / "pair.vnnlib"
    written = tmp_path / "out" / "target.onnx", tmp_path / "out" / "pruned.onnx"
    assert run("verify", *written, "--spec", spec).exit_code == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (lambda t: [t / "target.safetensors", t / "pruned.safetensors"], "give --epsilon"),
        (lambda t: [t / "target.safetensors"], "verify target.safetensors OTHER"),
        (lambda t: [t, t / "pruned.safetensors", "--epsilon", 1], "is a folder"),
        (lambda t: [t, "--domain", 0, 1], "--domain is for two network files"),
        (lambda t: [t, "--output", "x"], "--output is for two network files"),
        (
            lambda t: [t / "target.safetensors", t / "pruned.safetensors", "--torch-masks", t / "m"],
            "have no masks",
        ),
    ],
)
def test_what_was_not_meant_gets_advice(ticket, tmp_path, more, message):
    result = run("export", *more(ticket), "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert not (tmp_path / "out").exists()

"""prune --construction structured in the shell: what it prints, the collapsed network, what it refuses."""

import json

import pytest
from support.structured_cases import images
from typer.testing import CliRunner

from subsetsum_nets import load_network, save_network
from subsetsum_nets.cli import app


@pytest.fixture
def target(tmp_path):
    save_network(images(channels=1, outputs=1), tmp_path / "f.safetensors")
    return tmp_path / "f.safetensors"


def prune(target, *options):
    out = ["--out", str(target.parent / "ticket")]
    return CliRunner().invoke(app, ["prune", str(target), "--epsilon", "0.5", *out, *options])


@pytest.mark.slow
def test_the_table_shows_hidden_channels_and_the_file_holds_what_is_left(target):
    small = target.parent / "small.npz"
    found = prune(target, "--construction", "structured", "--collapsed", str(small), "--json")
    assert found.exit_code == 0, found.output
    page = json.loads(found.output)
    network = load_network(small)
    shapes = [network.shapes[1][-1], network.shapes[3][-1]]
    assert page["hidden_after"] == shapes
    assert all(a < b for a, b in zip(page["hidden_after"], page["hidden_before"], strict=True))
    assert page["whole_parameters"] > page["random_parameters"] > page["kept_parameters"]


@pytest.mark.slow
def test_the_readable_table_says_so_too(target):
    found = prune(target, "--construction", "structured-kernels", "--candidates", "20")
    text = " ".join(found.output.split())
    assert "hidden channels" in text
    assert "before," in text
    assert "if not by blocks" in text


def test_bad_options_are_bad_input(target):
    for options, words in (
        (("--construction", "structured", "--candidates", "0"), "candidates"),
        (("--construction", "structured", "--objective", "sparsest"), "sparsest"),
        (("--collapsed", str(target.parent / "small.txt")), "small.txt"),
    ):
        found = prune(target, *options)
        assert found.exit_code == 2, found.output
        assert words in " ".join(found.output.split()).replace(" ", "") + found.output

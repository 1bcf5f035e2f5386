"""prune --construction binary in the shell: what it prints, in words and as JSON, and what it refuses."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from subsetsum_nets import Box, Dense, ReluNetwork, load_network, save_network
from subsetsum_nets.cli import app
from subsetsum_nets.networks.rounding import truncated
from subsetsum_nets.verification import proven_bound


@pytest.fixture
def target(tmp_path):
    rng = np.random.default_rng(0)
    layers = [Dense(rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, 4)), Dense(rng.uniform(-1, 1, (2, 4)))]
    save_network(ReluNetwork(layers, domain=Box(0, 1)), tmp_path / "f.safetensors")
    return tmp_path / "f.safetensors"


def prune(target, *options):
    out = str(target.parent / "ticket")
    words = ["prune", str(target), "--construction", "binary", "--out", out, *options]
    return CliRunner().invoke(app, words)


def test_bits_layout_and_exactness_are_shown(target):
    found = prune(target, "--bits", "6,5", "--epsilon", "0.5", "--layout", "accumulate")
    assert found.exit_code == 0, found.output
    text = " ".join(found.output.split())
    for words in (
        "s = [6, 5], for x >= 0",
        "accumulate, accumulate",
        "+-2^-11",
        "by Lemma 2, for layers of norm 1",
    ):
        assert words in text
    checked = CliRunner().invoke(app, ["verify", str(target.parent / "ticket")])
    assert checked.exit_code == 0, checked.output


def test_the_page_says_what_is_exact(target):
    found = prune(target, "--bits", "6", "--epsilon", "0.5", "--scale", "every", "--json")
    page = json.loads(found.output)
    assert page["exact"]["bits"] == page["exact"]["ends"] == [6, 6]
    assert page["verified"]
    assert page["random_parameters"] > page["kept_parameters"]


def test_outputs_that_are_not_scaled_are_compared_scaled(target):
    found = prune(target, "--bits", "6,5", "--epsilon", "2", "--scale", "none")
    assert found.exit_code == 0, found.output
    for output in (found.output, CliRunner().invoke(app, ["verify", str(target.parent / "ticket")]).output):
        assert "||f(x) - 2^-11 g(x)||" in " ".join(output.split())
    for words in ("the outputs are 2^11 times larger", "all weights +-1", "Lemma 2 is for epsilon < 1"):
        assert words in " ".join(found.output.split())


def test_decimal_digits_are_those_that_verification_needs(target):
    page = json.loads(prune(target, "--bits", "6", "--epsilon", "0.5", "--json").output)
    f = load_network(target)
    bounds = [proven_bound(f, truncated(f, digits), domain=f.domain) for digits in range(6)]
    assert page["decimals_enough"] == next(k for k, bound in enumerate(bounds) if bound <= 0.5) > 0
    assert page["decimals_formula"] == 2


@pytest.mark.parametrize("options", [("--bits", "six"), ("--layout", "ring"), ("--bits", "1,2,3")])
def test_options_that_are_none_are_bad_input(target, options):
    found = prune(target, *options)
    assert found.exit_code == 2
    assert options[1].split(",")[0] in found.output

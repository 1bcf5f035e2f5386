"""The report of a network of signs: what it equals, layer by layer, and the command that makes it again."""

import shlex

import numpy as np
import pytest
from typer.testing import CliRunner

from subsetsum_nets import Box, Dense, PrunedNetwork, ReluNetwork, prune
from subsetsum_nets.cli import app
from subsetsum_nets.reports import page, write_report
from subsetsum_nets.reports.exact_rows import exact_rows
from subsetsum_nets.reports.rows import rows_by_layer


def target():
    rng = np.random.default_rng(0)
    layers = [
        Dense(rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, 4)),
        Dense(rng.uniform(-1, 1, (2, 4)), [1, 2]),
    ]
    return ReluNetwork(layers)


@pytest.fixture(scope="module")
def pruned():
    asked = {"bits": (4, 3), "scale": "none", "layout": "accumulate", "epsilon": 5.0}
    return prune(target(), construction="binary", domain=Box(-1, 1), **asked)


def test_rows_stand_with_their_layers(pruned):
    first, second = rows_by_layer(pruned)
    assert len(first.errors) + len(second.errors) == len(pruned.solution)
    assert first.picture.shape == (4, 4)
    assert second.picture.shape == (2, 5)
    assert first.picture.sum() == first.sizes.sum() - first.sizes[-1]  # but the constant that is carried
    assert second.picture.sum() == second.sizes.sum()
    assert (first.errors <= 2.0**-5).all()
    assert (second.errors <= 2.0**-4).all()
    small = pruned.collapse()
    for rows, layer in zip((first, second), small.layers, strict=True):
        weights = np.column_stack([layer.weight, layer.bias])
        assert ((rows.picture > 0) == (weights != 0)).all()


def test_the_page_says_what_is_exact_and_how_large(pruned, tmp_path):
    write_report(pruned, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    for name, words in exact_rows(pruned):
        assert name.capitalize() in text
        assert words.replace(">", "&gt;").replace("<", "&lt;").replace("'", "&#39;") in text
    assert "2<sup>-7</sup>" in text


@pytest.mark.slow
def test_the_command_makes_the_same_masks_again(pruned, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pruned.save("DIR")
    command = page._prune_command(pruned).replace("\\\n", " ")
    found = CliRunner().invoke(app, shlex.split(command)[1:])
    assert found.exit_code == 0, found.output
    assert PrunedNetwork.load("AGAIN").all_masks.digest() == pruned.all_masks.digest()

"""Weights of convolutions one by one: the public code's curve, proven, and ReLU blocks."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import Nth, plant

from subsetsum_nets import Box, Conv2d, ReluNetwork, prune
from subsetsum_nets.experiments.conv_weights import run, run_conv_weights, write_outputs
from subsetsum_nets.experiments.conv_weights.run import output_bound, pooled


def small(seed=0, shapes=((3, 3, 1, 2), (2, 3, 2, 3))):
    rng = np.random.default_rng(seed)
    return [Conv2d(rng.uniform(-0.5, 0.5, shape), rng.uniform(-0.3, 0.3, shape[-1])) for shape in shapes]


def images(count, seed=1):
    return np.random.default_rng(seed).random((count, 4, 4, 1))


@pytest.mark.slow
def test_errors_fall_with_n_and_stay_within_what_is_proven(tmp_path):
    found = run_conv_weights(small(), {"train": images(9), "test": images(4, 2)}, [6, 14], threads=1)
    assert [(row.way, row.n) for row in found.rows] == [
        ("per-weight", 6), ("relu", 6), ("per-weight", 14), ("relu", 14)
    ]  # fmt: skip
    for few, many in zip(found.rows[:2], found.rows[2:], strict=True):
        assert many.weight_error < few.weight_error / 5
        assert many.proven < few.proven / 5
    for row in found.rows:
        assert row.output_errors["train"] <= row.proven
        assert 0 < row.kept < row.random
    assert found.rows[0].random == 6 * sum(layer.parameters for layer in small())
    write_outputs(found, tmp_path, ["conv"], {"images": "noise"})
    with (tmp_path / "conv_weights.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(r["output_error_test"]) for r in rows] == [r.output_errors["test"] for r in found.rows]
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(found.summary()))
    assert (tmp_path / "conv_weights.svg").exists()


def test_blocks_are_the_convolution_that_they_are_read_as():
    [layer, _] = small()
    made = run._relu([layer], 9, 3, 1).convolutions[0]
    alone = ReluNetwork([layer], input_shape=(1, 1, 1), domain=Box(0, 1))
    first, second = prune(
        alone, candidates=9, epsilon=1e-9, allocation="recursion", seed=3, threads=1
    ).network.layers
    pair = ReluNetwork([first, second], input_shape=(5, 6, 1), domain=Box(0, 1))
    x = np.random.default_rng(4).random((20, 5, 6, 1))
    assert np.allclose(ReluNetwork([made], input_shape=(5, 6, 1))(x), pair(x), rtol=0, atol=1e-12)


def holds(seed, epsilon):
    rng = np.random.default_rng(seed)
    right, x = small(seed), np.concatenate([images(40, seed), np.ones((1, 4, 4, 1)), np.zeros((1, 4, 4, 1))])
    wrong = [
        Conv2d(
            layer.kernel + rng.uniform(-epsilon, epsilon, layer.kernel.shape),
            layer.bias + rng.uniform(-epsilon, epsilon, layer.bias.shape),
        )
        for layer in right
    ]
    apart = abs(pooled(right, (4, 4, 1))(x) - pooled(wrong, (4, 4, 1))(x)).max()
    assert apart <= output_bound(right, wrong) * (1 + 1e-12)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1e-6, 0.01, 0.5]))
def test_no_image_is_farther_off_than_the_recursion_says(seed, epsilon):
    holds(seed, epsilon)


def tight():
    """A pair of which an image of ones is as far off as the recursion says."""
    right = [Conv2d(np.full((3, 3, 1, 1), 0.5), [0.25]), Conv2d(np.full((3, 3, 1, 1), 0.5), [0.25])]
    wrong = [Conv2d(np.full((3, 3, 1, 1), 0.75), [0.5]), Conv2d(np.full((3, 3, 1, 1), 0.75), [0.5])]
    x = np.ones((1, 12, 12, 1))
    apart = abs(pooled(right, (12, 12, 1))(x) - pooled(wrong, (12, 12, 1))(x)).max()
    assert output_bound(right, wrong) == Fraction(float(apart))


def test_the_recursion_is_reached():
    tight()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("sum(map(abs, wrong), Fraction(0)) * error", "sum(map(abs, wrong), Fraction(0))"),
        ("off * most", "off"),
        (Nth("abs(shift - apart)", 2), "0"),
        ("max(errors)", "min(errors) / 2"),
    ],
)
def test_mistakes_in_the_recursion_are_noticed(right, wrong, monkeypatch):
    plant(monkeypatch, output_bound, right, wrong)
    with pytest.raises(AssertionError):
        tight()


@pytest.mark.parametrize(
    ("layers", "parts", "sizes", "named"),
    [
        (small(), {}, [5], "images"),
        (small(), {"test": images(2) * 2}, [5], r"pixels in \[0, 1\]"),
        (small(), {"test": images(2)}, [1], "sizes"),
        (small(), {"test": images(2)}, [33], "sizes"),
        ([Conv2d(np.ones((3, 3, 1, 1)))], {"test": images(2)}, [5], "convolution 0"),
        ([Conv2d(np.ones((3, 3, 1, 1)), [0.0], stride=2)], {"test": images(2)}, [5], "convolution 0"),
    ],
)
def test_what_does_not_fit_is_refused(layers, parts, sizes, named):
    with pytest.raises(ValueError, match=named):
        run_conv_weights(layers, parts, sizes)


@pytest.mark.slow
def test_lenet_is_trained_and_approximated(tmp_path, capsys):
    pytest.importorskip("torch")
    from subsetsum_nets.experiments.conv_weights import __main__ as command

    pixels = np.random.default_rng(0).random((200, 28, 28))
    labels = np.arange(200) % 10
    pixels[:, :2] = labels[:, None, None] / 10
    np.savez(tmp_path / "few.npz", images=pixels, labels=labels)
    few = str(tmp_path / "few.npz")
    command.main(["--out", str(tmp_path), "--images", few, "--sizes", "5", "--epochs", "1"])
    assert "test accuracy" in capsys.readouterr().out
    page = json.loads((tmp_path / "provenance.json").read_text())
    assert 0 <= page["parameters"]["accuracy"] <= 1
    rows = json.loads((tmp_path / "summary.json").read_text())["rows"]
    assert rows[0]["random"] == 5 * (150 + 6 + 2400 + 16)

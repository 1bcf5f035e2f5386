"""Training the shipped networks again gives networks as good as those shipped."""

import sys
from functools import partial

import numpy as np
import pytest

from subsetsum_nets.experiments.shipped import train_convolutions, train_digits
from subsetsum_nets.networks import (
    Box,
    Conv2d,
    Dense,
    ReluNetwork,
    load_network,
    load_test_split,
    read_extra,
    shipped_network,
)


def test_without_scikit_learn_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r'pip install "subsetsum-nets\[experiments\]"'):
        train_digits.load_digits()


def test_the_shipped_test_images_are_the_test_part_of_the_split():
    pytest.importorskip("sklearn")
    digits = train_digits.load_digits()
    inputs, labels = load_test_split(shipped_network().with_name("digits-test-split.safetensors"))
    assert np.array_equal(digits.test_images / 16, inputs)
    assert np.array_equal(digits.test_labels, labels)
    assert len(digits.train_images) == 1797 - 450
    assert digits.train_images.dtype == np.uint8
    assert digits.train_images.max() == 16


def test_the_strongest_regularisation_within_a_point_of_the_best_is_chosen():
    assert train_digits.choose_alpha({0.1: 0.97, 0.3: 0.98, 1.0: 0.9701, 3.0: 0.9699}) == 1.0
    assert train_digits.choose_alpha({2.0: 0.5}) == 2.0


def test_amplification_of_a_convolution_counts_the_borders():
    net = ReluNetwork([Conv2d(-np.ones((1, 3, 1, 1)), [5.0])], input_shape=(1, 3, 1))
    assert train_digits.amplification(net) == np.sqrt(4 + 9 + 4)


def test_amplification_and_accuracy():
    net = ReluNetwork([Dense([[1.0, -2.0], [0.5, 0.5]]), Dense([[-1.0, 1.0], [0.0, 3.0]])])
    assert train_digits.amplification(net) == np.hypot(3 + 1, 3)
    images = np.array([[16, 0], [0, 16], [16, 16]], dtype=np.uint8)
    assert train_digits.accuracy(net, images, np.array([1, 0, 1], dtype=np.uint8)) == pytest.approx(2 / 3)


@pytest.mark.slow
def test_training_again_reaches_the_stated_accuracy(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    digits = train_digits.load_digits(0)
    monkeypatch.setitem(train_digits.TRAINERS, "small", partial(train_digits.train, (8,)))
    assert 0.9 < train_digits.cross_validated("small", 1.0, digits) < 1.0
    monkeypatch.setattr(train_digits, "cross_validated", lambda *_: 0.97)  # of one alpha, nothing to choose
    names = ["digits-64-32-10", "digits-64-128-64-10"]
    train_digits.main(["--out", str(tmp_path), "--alphas", "1.0", "--networks", *names])
    printed = capsys.readouterr().out
    for name in names:
        path = tmp_path / f"{name}.safetensors"
        net, notes = load_network(path), read_extra(path)
        inputs, labels = load_test_split(tmp_path / notes["test_split"])
        accuracy = np.mean(np.argmax(net(inputs), axis=1) == labels)
        assert accuracy >= 0.97
        assert notes["accuracy"] == f"{accuracy:.4f}"
        assert notes["alpha"] == "1"
        assert f"{name}: chose alpha 1, test accuracy {accuracy:.4f}" in printed
        assert net.domain == Box(0, 1)
        assert net.widths == load_network(shipped_network(name)).widths
        assert all(np.abs(layer.weight).max() < 1 for layer in net.layers)


def test_without_torch_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'pip install "subsetsum-nets\[torch\]"'):
        train_convolutions.classifier()


@pytest.mark.slow
def test_a_convolutional_network_trained_shortly_has_learnt_most(monkeypatch, tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    shortly = partial(train_convolutions.train, epochs=20)
    monkeypatch.setattr(train_convolutions, "train", shortly)
    monkeypatch.setattr(train_digits, "cross_validated", lambda *_: 0.97)
    name = "digits-conv-8x8-4-8-10"
    train_digits.main(["--out", str(tmp_path), "--alphas", "1.0", "--networks", name])
    net, notes = load_network(tmp_path / f"{name}.safetensors"), read_extra(tmp_path / f"{name}.safetensors")
    inputs, labels = load_test_split(tmp_path / notes["test_split"])
    accuracy = np.mean(np.argmax(net(inputs), axis=1) == labels)
    assert notes["accuracy"] == f"{accuracy:.4f}"
    assert accuracy > 0.9
    assert net.shapes == load_network(shipped_network(name)).shapes
    assert net.domain == Box(0, 1)

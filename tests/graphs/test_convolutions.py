"""Convolutions as graphs: written out, and with a node for each channel."""

from types import SimpleNamespace

import numpy as np
import pytest

from subsetsum_nets import Dense, ReluNetwork, networks
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.masks import NetworkMasks

pytest.importorskip("subsetsum_nets.networks.convolution")


def convolutional(rng):
    first = rng.normal(size=(3, 3, 2, 4))
    first[0, 0] = 0.0
    return ReluNetwork(
        [
            networks.Conv2d(first, rng.normal(size=4)),
            networks.Conv2d(rng.normal(size=(1, 3, 4, 3))),
            Dense(rng.normal(size=(5, 4 * 5 * 3)), rng.normal(size=5)),
        ],
        input_shape=(4, 5, 2),
    )


def windowed(rng):
    """Return a network of strides, groups, dilation and pooling, whose numbers are dyadic."""
    first = rng.integers(-8, 9, (3, 3, 1, 4)) / 8
    return ReluNetwork(
        [
            networks.Conv2d(first, rng.integers(-8, 9, 4) / 8, stride=(1, 2), groups=2),
            networks.MaxPool2d(2),
            networks.Conv2d(rng.integers(-8, 9, (2, 1, 4, 3)) / 8, dilation=2, padding=((0, 2), (1, 0))),
            networks.AvgPool2d(2, stride=1),
            Dense(rng.integers(-8, 9, (2, 3 * 2 * 2)) / 8),
        ],
        input_shape=(6, 10, 2),
    )


def with_masks(network, rng):
    weights = [
        rng.random(getattr(layer, "kernel", getattr(layer, "weight", None)).shape) < 0.5
        for layer in network.layers
    ]
    biases = [None if layer.bias is None else rng.random(layer.bias.shape) < 0.5 for layer in network.layers]
    return NetworkMasks(weights, biases)


def test_unrolled():
    rng = np.random.default_rng(0)
    network = convolutional(rng)
    dag = LayeredDag.from_network(network)
    images = rng.normal(size=(6, 4, 5, 2))
    flat = images.reshape(6, -1)
    assert dag.widths == (40, 80, 60, 5)
    assert np.allclose(dag(flat), network(images), rtol=1e-12, atol=1e-12)
    assert np.allclose(dag.to_network()(flat), network(images), rtol=1e-12, atol=1e-12)


def test_masks_are_unrolled_like_their_kernels():
    rng = np.random.default_rng(1)
    network = convolutional(rng)
    masks = with_masks(network, rng)
    pruned = SimpleNamespace(random=network, masks=masks.weights, bias_masks=masks.biases, target=network)
    images = rng.normal(size=(6, 4, 5, 2))
    dag = LayeredDag.from_network(pruned)
    expected = masks.apply(network)(images)
    assert np.allclose(dag(images.reshape(6, -1)), expected, rtol=1e-12, atol=1e-12)
    assert dag.edges == LayeredDag.from_network(network).edges
    assert dag.kept_edges < dag.edges


def test_windows_of_every_kind_are_unrolled_and_come_back():
    rng = np.random.default_rng(3)
    network = windowed(rng)
    images = rng.integers(-8, 9, (6, 6, 10, 2)) / 8
    dag = LayeredDag.from_network(network)
    assert dag.widths == network.widths
    assert np.array_equal(dag(images.reshape(6, -1)), network(images))
    assert np.array_equal(dag.to_network()(images.reshape(6, -1)), network(images))
    assert dag.edges == sum(np.count_nonzero(a.weight.toarray()) for a in network.affine_layers[:-1]) + 24
    masks = with_masks(network, rng)
    pruned = SimpleNamespace(random=network, masks=masks.weights, bias_masks=masks.biases, target=network)
    expected = masks.apply(network)(images)
    assert np.array_equal(LayeredDag.from_network(pruned)(images.reshape(6, -1)), expected)


def test_channels_of_groups():
    rng = np.random.default_rng(4)
    network = windowed(rng)
    masks = with_masks(network, rng)
    masks.weights[0][:, :, 0, 3] = False
    pruned = SimpleNamespace(random=network, masks=masks.weights, bias_masks=masks.biases, target=network)
    dag = LayeredDag.from_network(pruned, channels=True)
    assert dag.widths == (2, 4, 8, 8, 4, 3, 3, 2)
    edges = dag.blocks[0, 1].all_edges()
    assert [(int(r), int(c)) for r, c in zip(edges.rows, edges.columns, strict=True)] == [
        (0, 0),
        (1, 0),
        (2, 1),
        (3, 1),
    ]
    norms = np.linalg.norm(network.layers[0].kernel, axis=(0, 1))[0]
    assert np.allclose(edges.weight, norms)
    assert edges.kept.tolist() == masks.weights[0].any(axis=(0, 1))[0].tolist()
    assert not edges.kept[3]


def test_channels():
    rng = np.random.default_rng(2)
    network = convolutional(rng)
    masks = with_masks(network, rng)
    masks.weights[0][:, :, 1, 3] = False
    pruned = SimpleNamespace(random=network, masks=masks.weights, bias_masks=masks.biases, target=network)
    dag = LayeredDag.from_network(pruned, channels=True)
    assert dag.summary
    assert dag.widths == (2, 4, 3, 5)
    first, last = dag.blocks[0, 1], dag.blocks[2, 3]
    for source in range(2):
        for sink in range(4):
            kernel = network.layers[0].kernel[:, :, source, sink]
            assert first.weight[sink, source] == pytest.approx(np.linalg.norm(kernel))
            assert first.all_edges().kept[2 * sink + source] == masks.weights[0][:, :, source, sink].any()
    weights = network.layers[2].weight.reshape(5, 4, 5, 3)
    assert np.allclose(last.weight, np.sqrt((weights**2).sum(axis=(1, 2))))

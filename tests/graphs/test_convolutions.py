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

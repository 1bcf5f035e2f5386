"""prune(into=): networks of any width, cut to blocks for what is there; what misfits is said."""

import numpy as np
import pytest
from scipy.sparse import csr_array, issparse
from support.planting import plain_python

from subsetsum_nets import Box, Dense, PrunedNetwork, ReluNetwork, prune
from subsetsum_nets.audit import audit
from subsetsum_nets.constructions import linear_link, relu_blocks
from subsetsum_nets.networks import InvalidNetworkError

TARGET = ReluNetwork([Dense([[0.5, -0.25], [0.375, 0.75]], [0.25, -0.5]), Dense([[0.5, -0.625]])])
BLOCKS = ("relu", "relu-paper")


def given(*units, seed=0, ones=False):
    """Return a dense random network with so many units for each layer of the target."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer, width in zip(TARGET.layers, units, strict=True):
        bias = None if layer.bias is None else rng.uniform(-1, 1, width)
        layers.append(Dense(rng.uniform(-1, 1, (width, layer.d_in)), bias))
        second = np.ones((layer.d_out, width)) if ones else rng.uniform(-1, 1, (layer.d_out, width))
        layers.append(Dense(second))
    return ReluNetwork(layers, linear_after=(0, 2) if ones else ())


@pytest.mark.thinned
@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("units", [(200, 200), (199, 133), (200, 67), (157, 61)])
def test_networks_of_any_width_are_pruned_and_verified(name, units, tmp_path):
    if name == "relu-paper":
        units = tuple(2 * width for width in units)
    into = given(*units)
    pruned = prune(TARGET, construction=name, epsilon=0.02, into=into, domain=Box(-1, 1))
    assert pruned.certificate.verified
    pruned.save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified
    assert PrunedNetwork.load(tmp_path / "ticket").random.widths == into.widths


@pytest.mark.parametrize("units", [(90, 40), (91, 41), (100, 37)])
def test_linear_links_of_any_width_are_pruned_and_verified(units, tmp_path):
    pruned = prune(TARGET, construction="linear", epsilon=0.05, into=given(*units, ones=True))
    assert pruned.certificate.verified
    pruned.save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified


@pytest.mark.parametrize("form", ["sparse", "dense", "mixed"])
def test_linear_links_with_more_units_for_some_weights(form):
    drawn = prune(TARGET, construction="linear", epsilon=0.05).random
    rng = np.random.default_rng(0)
    layers = []
    for first, second in zip(drawn.layers[::2], drawn.layers[1::2], strict=True):
        more = np.concatenate([np.arange(first.d_out), rng.integers(0, first.d_out, 5)])
        more = rng.permutation(more)
        weight, out = first.weight.toarray()[more], second.weight.toarray()[:, more]
        kept = csr_array if form == "sparse" else np.asarray
        bias = None if first.bias is None else first.bias[more]
        layers += [Dense(kept(weight), bias), Dense(csr_array(out) if form != "dense" else out)]
    into = ReluNetwork(layers, linear_after=(0, 2))
    pruned = prune(TARGET, construction="linear", epsilon=0.05, into=into)
    assert pruned.certificate.verified
    for mask, layer in zip(pruned.masks, into.layers, strict=True):
        assert issparse(mask) == issparse(layer.weight)


def test_every_unit_of_a_block_may_be_used_and_no_other():
    layer = TARGET.layers[0]
    for width in range(6, 40):
        first = Dense(np.arange(1.0, 2 * width + 1).reshape(width, 2), np.arange(width) + 0.5)
        units = relu_blocks.block_units(layer, first)
        assert sorted(units[units >= 0].tolist()) == list(range(width))
        sizes = (units >= 0).sum(axis=1)
        assert sizes.max() - sizes.min() <= 1
        slopes = relu_blocks.block_slopes(layer, first)
        for block, column in enumerate((first.weight[:, 0], first.weight[:, 1], first.bias)):
            there = units[block] >= 0
            assert (slopes[block, there] == column[units[block, there]]).all()
            assert not slopes[block, ~there].any()


MISFITS = [
    ("relu", given(5, 8), "h at least 6: two units for each input and for 1"),
    ("relu", given(8, 3), "h at least 4: two units for each input"),
    ("linear", given(5, 8, ones=True), "h at least 6: a unit for each weight and bias"),
    ("linear", given(40, 8), "must be linear"),
    (
        "linear",
        ReluNetwork([*given(40, 8, ones=True).layers[:3], Dense(np.full((1, 8), 2.0))], linear_after=(0, 2)),
        "must hold ones",
    ),
]


@pytest.mark.parametrize(("name", "into", "message"), MISFITS)
def test_what_misfits_is_said(name, into, message):
    with pytest.raises(InvalidNetworkError, match=message):
        prune(TARGET, construction=name, into=into)


def test_a_weight_without_a_unit_is_named():
    drawn = prune(TARGET, construction="linear", epsilon=0.05).random
    first, second = drawn.layers[:2]
    gone = np.flatnonzero(second.weight.toarray()[1])
    weight = first.weight.toarray()
    weight[gone[weight[gone, 0] != 0], 0] = 0.0
    into = ReluNetwork([Dense(csr_array(weight), first.bias), *drawn.layers[1:]], linear_after=(0, 2))
    with pytest.raises(InvalidNetworkError, match="no unit for the weight of input 0 to output 1"):
        prune(TARGET, construction="linear", into=into)


@pytest.mark.parametrize(
    ("module", "where", "old", "new"),
    [
        (relu_blocks, "block_units", "units < starts[1:, np.newaxis]", "units >= 0"),
        (relu_blocks, "block_slopes", "np.where(units < 0, 0.0, slopes)", "slopes"),
        (linear_link, "_Links.of", "numbers % columns", "numbers // columns"),
        (linear_link, "_Links.by_weight", "self.weights[order] >= 0", "order >= 0"),
    ],
)
def test_planted_mistakes_are_noticed(monkeypatch, module, where, old, new):
    copy = plain_python(monkeypatch, module.__name__, where, old, new)
    if module is relu_blocks:
        layer, first = TARGET.layers[0], given(8, 8).layers[0]
        assert not np.array_equal(copy.block_units(layer, first), relu_blocks.block_units(layer, first)) or (
            not np.array_equal(copy.block_slopes(layer, first), relu_blocks.block_slopes(layer, first))
        )
        return
    into = given(50, 8, ones=True)
    weight = np.array(into.layers[0].weight)
    weight[7] = 0.0
    pair = Dense(weight, into.layers[0].bias), into.layers[1]
    right = linear_link._Links.of(TARGET.layers[0], *pair)
    wrong = copy._Links.of(TARGET.layers[0], *pair)
    try:
        same = all(np.array_equal(a, b) for a, b in zip(right.by_weight(6), wrong.by_weight(6), strict=True))
    except (IndexError, ValueError):
        same = False
    assert not (same and np.array_equal(right.coefficients, wrong.coefficients))

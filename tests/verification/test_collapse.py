"""collapse() and aligned(): networks that equal the given ones exactly, or a refusal; planted mistakes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, ReluNetwork
from subsetsum_nets.networks.errors import UnsupportedStructureError
from subsetsum_nets.verification import Comparison, collapse, verify
from subsetsum_nets.verification.alignment import _best_places, _times, _with_constants, aligned
from subsetsum_nets.verification.collapse import (
    IntegerRows,
    _as_floats,
    _as_integers,
    _Inputs,
    _product,
    _Units,
)
from subsetsum_nets.verification.replay.evaluation import exact_value

SIGNED, NONNEGATIVE = [-1.0, 1.0, 0.0, 2.0, -0.5], [0.0, 1.0, 1.0, 2.0]


@st.composite
def networks(draw):
    """Draw a network of small integers and halves; many layers only carry, some have no ReLU."""
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=6))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layers = []
    for d_in, d_out in pairwise(widths):
        choices = draw(st.sampled_from([SIGNED, NONNEGATIVE, NONNEGATIVE]))
        bias = rng.choice(choices, d_out) * draw(st.sampled_from([0.0, 0.0, 1.0, 2.0**-70]))
        layers.append(Dense(rng.choice(choices, (d_out, d_in)), bias if bias.any() else None))
    linear = [index for index in range(len(layers) - 1) if draw(st.integers(0, 4)) == 0]
    return ReluNetwork(layers, linear_after=linear, final_relu=draw(st.booleans()))


@st.composite
def domains(draw, d):
    """Draw a domain, and points of it."""
    kind = draw(st.sampled_from(["all", "positive", "negative", "mixed", "ball"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = rng.integers(-8, 9, (12, d)) / 8
    if kind == "positive":
        return Box(0.0, 1.0), abs(points)
    if kind == "negative":
        return Box(-1.0, 0.0), -abs(points)
    if kind == "mixed":
        low = rng.choice([-1.0, 0.0], d)
        return Box(low, np.ones(d)), np.maximum(points, low)
    if kind == "ball":
        return Ball(2.0), points / 2
    return None, points * 1000


@given(networks().flatmap(lambda net: st.tuples(st.just(net), domains(net.widths[0]))))
@settings(max_examples=150)
def test_the_small_network_equals_the_deep_one_exactly(case):
    network, (domain, points) = case
    try:
        small = collapse(network, domain)
    except UnsupportedStructureError as error:
        assert "no float64" in str(error)  # noqa: PT017
        return
    assert len(small.layers) <= len(network.layers) + 1
    for point in points:
        assert exact_value(small, point) == exact_value(network, point)


def deep(repeats):
    """x -> 2^repeats (x_0 - x_1), by doubling."""
    doubling = [Dense([[1.0, 1.0, 0, 0], [1, 1, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])] * repeats
    first, last = Dense([[1.0, 0], [1, 0], [0, 1], [0, 1]]), Dense([[0.5, 0.5, -0.5, -0.5]])
    return ReluNetwork([first, *doubling, last])


@pytest.mark.parametrize("repeats", [3, 61, 62, 64, 200, 1000])
def test_integers_beyond_64_bits_are_exact(repeats):
    small = collapse(deep(repeats), Box(0, 1))
    assert [layer.weight.tolist() for layer in small.dense_layers] == [[[2.0**repeats, -(2.0**repeats)]]]


def test_a_network_that_bends_everywhere_is_returned_itself():
    network = ReluNetwork([Dense([[1.0, -1.0], [2.0, -1.0]]), Dense([[1.0, -1.0]]), Dense([[1.0]])])
    assert collapse(network) is network
    assert collapse(network, Box(0, 1)) is network


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Dense([[1.0], [2.0**-60]]), Dense([[1.0, 1.0]])], "unit 0 of layer 1 has, .*weight 0"),
        (
            [Dense([[0.0], [0.0]], [1.0, 2.0**-60]), Dense([[0.0, 0.0], [1.0, 1.0]])],
            "unit 1 of .*bias",
        ),
        ([*[Dense([[2.0**600]])] * 2, Dense([[1.0], [-1.0]])], "unit 0 of layer 2"),
        ([*[Dense([[2.0**-600]])] * 2, Dense([[1.0], [-1.0]])], "unit 0 of layer 2"),
    ],
)
def test_weights_that_are_no_floats_are_refused_by_name(layers, message):
    with pytest.raises(UnsupportedStructureError, match=message):
        collapse(ReluNetwork(layers), Box(0, 1))


def test_convolutions_are_refused():
    network = ReluNetwork([Conv2d(np.ones((2, 2, 1, 1))), Dense(np.ones((1, 4)))], input_shape=(2, 2, 1))
    with pytest.raises(UnsupportedStructureError, match="layer 0 is a convolution"):
        collapse(network)


@given(networks(), st.integers(0, 2**32))
@settings(max_examples=80)
def test_hidden_units_in_another_order_and_scale_are_found_again(network, seed):
    rng = np.random.default_rng(seed)
    network = ReluNetwork(network.layers)  # a ReLU everywhere
    layers, columns = [], np.arange(network.widths[0])
    factor = np.ones(network.widths[0])
    for index, layer in enumerate(network.dense_layers):
        last = index + 1 == len(network.layers)
        order = np.arange(layer.d_out) if last else rng.permutation(layer.d_out)
        scale = np.ones(layer.d_out) if last else 2.0 ** rng.integers(-3, 4, layer.d_out)
        weight = layer.weight[:, columns] / factor
        layers.append(Dense(weight[order] * scale[:, None], layer.offset[order] * scale))
        columns, factor = order, scale
    mixed = ReluNetwork(layers)
    same = aligned(mixed, network)
    for point in rng.integers(-8, 9, (5, network.widths[0])) / 4:
        assert exact_value(same, point) == exact_value(network, point)


def test_a_constant_unit_more_goes_into_the_biases():
    f = ReluNetwork([Dense([[1.0]], [0.5]), Dense([[2.0]], [3.0])])
    g = ReluNetwork([Dense([[0.0], [4.0]], [8.0, 2.0]), Dense([[0.375, 0.5]])])
    same = aligned(g, f)
    assert [(layer.weight.tolist(), layer.offset.tolist()) for layer in same.layers] == [
        ([[1.0]], [0.5]),
        ([[2.0]], [3.0]),
    ]
    live = ReluNetwork([Dense([[1.0], [4.0]], [8.0, 2.0]), Dense([[0.375, 0.5]])])
    assert aligned(live, f) is None
    fine = ReluNetwork([Dense([[0.0], [4.0]], [8.0, 2.0]), Dense([[2.0**-60, 0.5]], [1.0])])
    assert aligned(fine, f) is None


def test_verify_compares_the_small_network_and_replays_it():
    f = ReluNetwork([Dense([[8.0, -8.0]])])
    found = verify(f, deep(3), domain=Box(0, 1), exact=True)
    assert found.upper == found.lower == found.replayed == 0.0
    wrong = deep(3)
    layers = list(wrong.layers)
    layers[2] = Dense(np.where(np.arange(16).reshape(4, 4) == 0, 0.0, layers[2].weight))
    found = verify(f, wrong.with_layers(layers), domain=Box(0, 1))
    assert found.lower == pytest.approx(2.0)
    assert found.upper == pytest.approx(2.0)
    assert Comparison(f, wrong, Box(-1, 1)).collapsed.pruned.widths[1:] != f.widths[1:]


MISTAKES = [
    (IntegerRows.through, "exponent - least", "0"),
    (IntegerRows.through, "product.exponent - least", "0"),
    (IntegerRows.through, "exponent + self.exponent", "exponent"),
    (_as_floats, "np.ldexp(floats, -exponents) == mantissas", "mantissas == mantissas"),
    (_as_floats, "abs(m) < 2**53", "True"),
    (IntegerRows.as_layer, "not same.all()", "False"),
    (_product, "2.0 * (most + 1.0) * (_largest(whole) + 1.0) < _WORD", "True"),
    (_as_integers, "most - least < 62", "True"),
    (_Inputs.is_transparent, "seen[0] != seen[-1] or len(seen) != 2 or seen[0] < 0", "len(seen) != 2"),
    (_Inputs.is_linear, "(whole[:, first] == -whole[:, second]).all()", "True"),
    (_Inputs.joined, "-whole[:, len(plus) : -1]", "whole[:, len(plus) : -1]"),
    (_Inputs.values, "self.columns", "(self.columns[0], self.columns[1][:0])"),
    (_Units.is_transparent, "((whole > 0).any(axis=1) & (whole < 0).any(axis=1)).any()", "False"),
    (collapse, "values.whole.clip(0)", "values.whole"),
    (collapse, "index + 1 < len(network.layers)", "True"),
    (_times, "scaled if exact else None", "scaled"),
    (_best_places, "sizes_f - sizes_g[places]", "sizes_g[places] - sizes_f"),
    (_with_constants, "np.maximum(rows[:, -1], 0.0)", "rows[:, -1]"),
    (_with_constants, "rows[:, :-1].any()", "False"),
    (aligned, "-exponents", "exponents"),
]


def seen(f, g, domain, points):
    """Whether some answer about these two networks is wrong."""
    try:
        small = collapse(g, domain)
        same = aligned(small, small if f is None else f) or g
        pairs = [(x, network) for x in points for network in (small, same)]
        return any(exact_value(g, x) != exact_value(network, x) for x, network in pairs)
    except Exception:  # noqa: BLE001 - a mistake may end in any way
        return True


def examples():
    """Pairs on which every one of the mistakes shows."""
    grid = np.array([[a, b] for a in (-1.0, -0.5, 0.0, 0.25, 1.0) for b in (-1.0, 0.0, 0.5, 1.0)])
    split = Dense([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    cases = [
        (deep(3), Box(0, 1)),
        (deep(70), Box(0, 1)),
        (ReluNetwork([Dense([[2.0**70, 0], [0, 1.0]]), Dense([[1.0, 0.0], [0, 1.0]])]), Box(0, 1)),
        (ReluNetwork([split, Dense([[1.0, -1.0, 1.0]])]), Box(-1, 1)),
        (ReluNetwork([split, Dense([[1.0, 1.0, 1.0]])]), Box(-1, 1)),
        (
            ReluNetwork([split, Dense([[0.5, 1.0, 1.0], [1.0, 0, 0]], [0.25, -0.75]), Dense([[1, 1.0]])]),
            Box(-1, 1),
        ),
        (ReluNetwork([Dense([[1.0, -1.0], [1.0, 1.0]]), Dense([[1.0, 1.0]]), Dense([[-1.0]])]), Box(-1, 1)),
        (ReluNetwork([Dense([[1.0, -1.0], [1.0, 1.0]]), Dense([[1.0, -1.0]]), Dense([[-1.0]])]), Box(-1, 1)),
        (ReluNetwork([Dense([[-1.0, -1.0], [1.0, 1.0]]), Dense([[1.0, 1.0]])]), Box(0, 1)),
        (ReluNetwork([Dense([[-1.0, 0.0], [0, -1]]), Dense([[1.0, -2.0]])]), Box(-1, 0)),
        (ReluNetwork([Dense([[1.0, 0.0]], [2.0**-9]), Dense([[3.0]], [1.0])]), Box(0, 1)),
        (ReluNetwork([Dense([[-1.0, 0.0], [1, -1]], [-1, 0.5]), Dense([[3.0, 1.0]], [1.0])]), Box(0, 1)),
    ]
    for g, domain in cases:
        yield None, g, domain, [x for x in grid if domain.contains(x)]
    wide = ReluNetwork([Dense([[4.0, -4.0], [0.0, 0.0], [0.5, -1]], [0, -1.0, 0]), Dense([[1.0, 2.0, 3.0]])])
    pair = ReluNetwork([Dense([[1.0, -2.0], [1.0, -1.0]]), Dense([[1.0, 1.0]])])
    live = ReluNetwork([Dense([[4.0, -4.0], [1, -3.0], [0.5, -1]], [0, 2.0, 0]), Dense([[1.0, 2.0, 3.0]])])
    tiny = ReluNetwork([Dense([[2.0**-1070, -(2.0**-1071)], [1, -1.0]]), Dense([[1.0, 0.5]])])
    for f, g in ((pair, wide), (pair, live), (pair, tiny)):
        yield f, g, Box(-1, 1), list(grid)
    fine = ReluNetwork([Dense([[1.0, 3 * 2.0**-1073]]), Dense([[1.0]])])
    yield ReluNetwork([Dense([[2.0**-10, 0.0]]), Dense([[2.0**10]])]), fine, Box(-1, 1), list(grid)
    large = ReluNetwork([Dense([[3.0 * 2.0**1020, -(2.0**1020)]]), Dense([[2.0**-1070]])])
    yield ReluNetwork([Dense([[3.0, -1.0]]), Dense([[1.0]])]), large, Box(-1, 1), list(grid)


def refused():
    """Whether everything is refused that no float64 holds."""
    wanted = [
        ([Dense([[1.0], [2.0**-60]]), Dense([[1.0, 1.0]])], Box(0, 1)),
        ([*[Dense([[2.0**600]])] * 2, Dense([[1.0], [-1.0]])], Box(0, 1)),
        ([*[Dense([[2.0**-600]])] * 2, Dense([[1.0], [-1.0]])], Box(0, 1)),
    ]
    for layers, domain in wanted:
        try:
            collapse(ReluNetwork(layers), domain)
        except UnsupportedStructureError:
            continue
        except Exception:  # noqa: BLE001 - another error is as wrong as none
            return False
        return False
    return True


def alike():
    """Whether units in another scale are put into the target's."""
    f = ReluNetwork([Dense([[0.99, -0.5], [1.0, -1.0]]), Dense([[1.0, 1.0]])])
    g = ReluNetwork([Dense([[8.0, -8.0], [8.0, -4.0]]), Dense([[0.125, 0.125]])])
    return np.abs(aligned(g, f).layers[0].weight - f.layers[0].weight).max() < 0.02


def test_nothing_is_wrong_in_the_examples():
    assert not any(seen(*case) for case in examples())
    assert refused()
    assert alike()


@pytest.mark.thinned
@pytest.mark.parametrize(("function", "right", "wrong"), MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_a_planted_mistake_is_seen(monkeypatch, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    assert any(seen(*case) for case in examples()) or not refused() or not alike()

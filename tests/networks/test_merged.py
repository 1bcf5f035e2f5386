"""The merged network is f - g exactly, whatever the depths; units left out change nothing."""

import numpy as np
import pytest
from exchange.networks_of_fractions import dense_networks, exactly, image_pair, pairs
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plain_python
from verification.geometry_cases import geometry_pair

from subsetsum_nets.exchange import difference_network, without_dead_units
from subsetsum_nets.networks import Dense, InvalidNetworkError, ReluNetwork, merged

exact = settings(deadline=None, max_examples=60)


def subtracted(f, g, x):
    return [a - b for a, b in zip(exactly(f, x), exactly(g, x), strict=True)]


@given(pairs())
@exact
def test_the_difference_is_exact_in_real_arithmetic(case):
    f, g, points = case
    difference = difference_network(f, g)
    assert not difference.final_relu
    assert difference.linear_after == ()
    for x in points:
        assert exactly(difference, x) == subtracted(f, g, x)


def test_the_difference_of_image_networks_is_exact():
    f, g = image_pair()
    x = np.random.default_rng(1).normal(size=12)
    assert exactly(difference_network(f, g), x) == subtracted(f, g, x)


@pytest.mark.parametrize("seed", [3, 6, 7, 13])
def test_the_difference_of_strided_and_pooled_networks_is_exact(seed):
    f, g, _ = geometry_pair(seed)
    x = np.random.default_rng(seed).uniform(-1, 1, f.widths[0])
    assert exactly(difference_network(f, g), x) == subtracted(f, g, x)
    assert exactly(without_dead_units(f), x) == exactly(f, x)


@given(st.integers(1, 3).flatmap(lambda d: dense_networks(d, 2)), st.data())
@exact
def test_dead_units_can_be_left_out(network, data):
    smaller = without_dead_units(network)
    assert all(a <= b for a, b in zip(smaller.widths, network.widths, strict=True))
    for x in data.draw(
        st.lists(st.lists(st.floats(-2, 2), min_size=network.widths[0], max_size=network.widths[0]))
    ):
        assert exactly(smaller, x) == exactly(network, x)
    for layer, after in zip(smaller.layers, smaller.layers[1:], strict=False):
        if layer.d_out > 1:
            assert (abs(after.weight).sum(axis=0) > 0).all()


def test_dead_units_are_found_through_layers():
    chain = ReluNetwork(
        [
            Dense([[1.0], [2.0], [0.0], [0.0]], [0.0, 0.0, -1.0, 1.0]),
            Dense([[1.0, 0.0, 5.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 3.0]]),
            Dense([[1.0, 0.0, 1.0]]),
        ]
    )
    assert without_dead_units(chain).widths == (1, 2, 2, 1)
    nothing = ReluNetwork([Dense(np.zeros((3, 2))), Dense(np.zeros((2, 3)), [1.0, 2.0])])
    assert without_dead_units(nothing).widths == (2, 1, 2)
    assert without_dead_units(nothing)([5.0, 6.0]).tolist() == [1.0, 2.0]


def test_depths_are_filled_up_evenly_and_pass_hidden_values_on_as_they_are():
    f = ReluNetwork([Dense(np.ones((3, 2))), Dense(np.ones((1, 3)))])
    g = ReluNetwork(
        [Dense(np.ones((5, 2))), Dense(np.ones((3, 5))), Dense(np.ones((5, 3))), Dense(np.ones((1, 5)))]
    )
    assert difference_network(f, g).widths == (2, 4 + 5, 3 + 3, 3 + 5, 1)


def test_float32_pairs_keep_float32_and_no_rest_is_carried_where_there_is_none():
    f, g = (ReluNetwork([Dense([[0.5]]), Dense([[0.5]], [b])]) for b in (2.0**-30, 1.0 + 2.0**-23))
    difference = difference_network(f, g)
    for layer in difference.layers:
        assert np.array_equal(layer.weight.data, layer.weight.data.astype(np.float32))
        assert np.array_equal(layer.bias, layer.bias.astype(np.float32))
    assert difference.widths == (1, 3, 1)  # one unit of f, one of g, and the constant one
    assert difference_network(f, f).widths == (1, 2, 1)


def test_pairs_that_do_not_match_are_refused():
    one, two = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[1.0, 2.0]])])
    tall = ReluNetwork([Dense([[1.0], [2.0]])])
    with pytest.raises(InvalidNetworkError, match="f has 1 inputs, g has 2"):
        difference_network(one, two)
    with pytest.raises(InvalidNetworkError, match="f has 2 outputs, g has 1"):
        difference_network(tall, one)
    large = ReluNetwork([Dense([[1.0]], [1e308])]), ReluNetwork([Dense([[1.0]], [-1e308])])
    with pytest.raises(InvalidNetworkError, match="exceeds the range of float64"):
        difference_network(*large)


MISTAKES = [
    ("_subtracted", "[f[-1].weight, -g[-1].weight]", "[f[-1].weight, g[-1].weight]"),
    ("_subtracted", "_exact_difference(f[-1].bias, g[-1].bias)", "_exact_difference(g[-1].bias, f[-1].bias)"),
    ("_subtracted", "rest.any()", "False"),
    ("_subtracted", "np.append(before.bias, 1.0)", "np.append(before.bias, 0.0)"),
    (
        "_relu_stages",
        "weight = csr_of_nonzeros(hstack([weight, -weight])) if signed else weight",
        "weight = csr_of_nonzeros(hstack([weight, weight])) if signed else weight",
    ),
    ("_relu_stages", "np.concatenate([bias, -bias])", "np.concatenate([bias, bias])"),
    ("_deepened", "vstack([one, -one])", "vstack([one, one])"),
    ("_deepened", "hstack([stage.weight, -stage.weight])", "hstack([stage.weight, stage.weight])"),
    ("_relu_stages", "index != last and not network.relu_after[index]", "False"),
    ("_relu_stages", "network.final_relu", "False"),
    ("without_dead_units", "(bias <= 0.0) if network.relu_after[index] else (bias == 0.0)", "bias <= 0.0"),
    ("without_dead_units", "np.diff(weight.indptr) == 0", "np.diff(weight.indptr) >= 0"),
    (
        "without_dead_units",
        "np.bincount(stages[index + 1].weight.indices, minlength=stages[index].bias.size) > 0",
        "np.bincount(stages[index + 1].weight.indices, minlength=stages[index].bias.size) > 1",
    ),
]


@pytest.mark.thinned
@pytest.mark.parametrize(("where", "old", "new"), MISTAKES, ids=range(len(MISTAKES)))
def test_planted_mistakes_are_noticed(monkeypatch, where, old, new):
    copy = plain_python(monkeypatch, merged.__name__, where, old, new)
    rng = np.random.default_rng(0)

    def layer(d_out, d_in):
        return Dense(rng.normal(size=(d_out, d_in)), rng.normal(size=d_out))

    hidden = ReluNetwork([Dense([[0.5], [0.0]], [-1.0, -1.0]), Dense([[1.0, 2.0]])], linear_after=[0])
    cases = [
        (ReluNetwork([layer(2, 2)]), ReluNetwork([layer(3, 2), layer(3, 3), layer(2, 3)], linear_after=[0])),
        (
            ReluNetwork([layer(2, 2), layer(2, 2)], final_relu=True),
            ReluNetwork([layer(2, 2)], final_relu=True),
        ),
        (hidden, ReluNetwork([Dense([[1.0]], [0.1])])),
        (ReluNetwork([Dense([[1.0]], [1e-20])]), ReluNetwork([Dense([[1.0]], [0.1])])),
    ]
    wrong = 0
    for f, g in cases:
        for _ in range(5):
            x = rng.normal(size=f.widths[0])
            wrong += exactly(copy.difference_network(f, g), x) != subtracted(f, g, x)
            assert exactly(difference_network(f, g), x) == subtracted(f, g, x)
    assert wrong

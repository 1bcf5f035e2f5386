"""Sensitivities and the paper's sizes, against loops and by hand; its statements that are false."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from support.planting import plant

from subsetsum_nets import Conv2d, Dense, ReluNetwork
from subsetsum_nets.coresets import paper_sizes, sensitivities
from subsetsum_nets.coresets.paper_sizes import Budget
from subsetsum_nets.networks.errors import InvalidNetworkError

NUMBERS = st.sampled_from([-2.0, -0.5, 0.0, 0.0, 0.25, 1.0, 3.0])


@st.composite
def networks_and_points(draw):
    widths = draw(st.lists(st.integers(1, 3), min_size=2, max_size=3))
    layers = [
        Dense(
            draw(arrays(float, (wide, narrow), elements=NUMBERS)), draw(arrays(float, wide, elements=NUMBERS))
        )
        for narrow, wide in pairwise(widths)
    ]
    points = draw(arrays(float, (draw(st.integers(1, 4)), widths[0]), elements=NUMBERS))
    return ReluNetwork(layers), points


def by_loops(network, points):
    """Definition 2, edge by edge and point by point; parts of signed points apart."""
    found, batch = [], [list(point) for point in points]
    for layer in network.layers:
        signed = any(value < 0 for point in batch for value in point)
        parts = [[*(max(value, 0.0) for value in point), 1.0] for point in batch]
        parts += [[*(max(-value, 0.0) for value in point), 0.0] for point in batch if signed]
        edges = [[*row, bias] for row, bias in zip(np.asarray(layer.weight), layer.offset, strict=True)]
        both = np.zeros((2, len(edges), len(edges[0])))
        for i, row in enumerate(edges):
            for sign, which in ((1, 0), (-1, 1)):
                for part in parts:
                    terms = [max(sign * w, 0.0) * a for w, a in zip(row, part, strict=True)]
                    for j, term in enumerate(terms):
                        if sum(terms) > 0:
                            both[which, i, j] = max(both[which, i, j], term / sum(terms))
        found.append(both)
        batch = [
            [max(sum(w * a for w, a in zip(row, [*point, 1.0], strict=True)), 0.0) for row in edges]
            for point in batch
        ]
    return found


@settings(max_examples=60, deadline=None)
@given(networks_and_points())
def test_sensitivities_are_those_of_the_definition(case):
    network, points = case
    for (positive, negative), wanted in zip(
        sensitivities(network, points), by_loops(network, points), strict=True
    ):
        np.testing.assert_allclose(positive, wanted[0], rtol=1e-12)
        np.testing.assert_allclose(negative, wanted[1], rtol=1e-12)
        assert positive.max(initial=0) <= 1.0


def test_the_paper_s_sizes_by_hand():
    net = ReluNetwork([Dense([[3.0, 1.0, -2.0], [0.0, 0.0, 0.0]]), Dense([[2.0, -1.0]])])
    sizes = paper_sizes(net, [[1.0, 1.0, 1.0]], relative_error=0.5, delta=0.1)
    # eta = 3 neurons, eta* = 4 edges with the constant, two weight layers: epsilon' = 1/8
    assert sizes.sample_size == math.ceil(math.log2(4 * 3 * 4 / 0.1)) == 9
    assert sizes.distribution_free_size == 479
    assert sizes.trials == math.ceil(math.log(120) / math.log(10 / 9)) == 46
    np.testing.assert_array_equal(sizes.delta_hat[0], [3.0, 1.0])  # 6 / 2, and 0 / 0
    np.testing.assert_array_equal(sizes.positive_sums[0], [1.0, 0.0])
    m = math.ceil(32 * 9 * 1 * math.log(8 * 3 / 0.1) * 4 / (3 * 0.25))
    np.testing.assert_array_equal(sizes.positive_samples[0], [m, 0.0])
    np.testing.assert_array_equal(sizes.negative_samples[0], [m, 0.0])
    points = math.ceil(8 * math.log(8 * 46 * 3 / 0.1) * (3 * 2 / 0.125) ** 2)
    assert sizes.trial_points[0].tolist() == [points, 0.0]
    both = math.ceil(32 * 9 * 2 * math.log(8 * 3 / 0.1) * 4 / (3 * 0.25))
    last = math.ceil(32 * 1 * 1 * math.log(8 * 3 / 0.1) * 4 / (3 * 0.25))
    assert sizes.total == (both + 1) + (0 + 1) + (last + 1)


def test_signed_inputs_have_twice_the_events():
    net = ReluNetwork([Dense([[1.0, 2.0]])])
    plain = paper_sizes(net, [[1.0, 1.0]], relative_error=0.5, delta=0.1)
    signed = paper_sizes(net, [[1.0, -1.0]], relative_error=0.5, delta=0.1)
    assert plain.positive_sums[0] == 1.0
    assert plain.positive_samples[0] == math.ceil(32 * math.log(8 / 0.1) / (3 * 0.25))
    assert signed.positive_sums[0] == 2.0  # each edge is alone at one of the parts (1, 0) and (0, 1)
    assert signed.positive_samples[0] == math.ceil(32 * 2 * math.log(16 / 0.1) / (3 * 0.25))


def test_a_sum_that_cancels_needs_infinitely_many_samples():
    sizes = paper_sizes(ReluNetwork([Dense([[1.0, -1.0]])]), [[1.0, 1.0]], relative_error=0.5, delta=0.1)
    assert math.isinf(sizes.delta_hat[0][0])
    assert math.isinf(sizes.positive_samples[0][0])
    assert math.isinf(sizes.total)


def test_repaired_sizes_take_in_what_later_layers_cancel():
    net = ReluNetwork([Dense([[1.0], [1.0]]), Dense([[1.0, -0.5]])])  # the last layer's Delta is 3
    plain = paper_sizes(net, [[1.0]], relative_error=0.5, delta=0.1)
    repaired = paper_sizes(net, [[1.0]], relative_error=0.5, delta=0.1, repaired=True)
    assert plain.delta_hat[1].tolist() == [3.0]
    assert repaired.positive_samples[0] / plain.positive_samples[0] == pytest.approx([9, 9], rel=1e-3)
    assert repaired.positive_samples[1].tolist() == plain.positive_samples[1].tolist()


def test_proposition_11_is_false():
    # The largest of n + 1 exchangeable numbers is the last with probability 1/(n + 1), not 2^-n.
    draws = np.random.default_rng(0).random((40_000, 11))
    missed = float(np.mean(draws[:, :10].max(axis=1) < draws[:, 10]))
    assert missed > 80 * 2.0**-10
    assert missed == pytest.approx(1 / 11, abs=5 * math.sqrt(1 / 11 * 10 / 11 / 40_000))


def test_relative_errors_do_not_pass_a_layer_of_mixed_signs():
    exact, off = np.array([1.0, 0.9]), np.array([1.01, 0.9 * 0.99])
    layer = ReluNetwork([Dense([[1.0, -1.0]])])
    (amplified,) = paper_sizes(layer, [exact], relative_error=0.5, delta=0.1).delta_hat[0]
    relative = abs(layer(off)[0] / layer(exact)[0] - 1)
    assert relative == pytest.approx(0.19)
    assert relative == pytest.approx(0.01 * amplified)


def test_theorem_8_needs_a_hopeless_delta():
    # 4 sqrt(3) / sqrt(ln(32 tau |P| eta / delta)) <= 9/10, for a two-layer network of 10,000 points
    def left_side(delta):
        budget = Budget((784, 200, 10), delta)
        return 4 * math.sqrt(3 / math.log(32 * budget.trials * 10_000 * budget.eta / delta))

    assert left_side(0.1) > 1.3
    assert left_side(1e-13) > 0.9


@pytest.mark.parametrize(
    ("network", "points", "message"),
    [
        (ReluNetwork([Dense([[1.0]])]), [[1.0, 2.0]], r"shape \(n, 1\), got \(1, 2\)"),
        (ReluNetwork([Dense([[1.0]])]), [[np.nan]], "holds nan"),
        (ReluNetwork([Dense([[1.0]])]), np.empty((0, 1)), "empty"),
        (ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))], input_shape=(1, 1, 1)), [[1.0]], "layer 0 is a Conv2d"),
        (ReluNetwork([Dense([[1.0]])] * 2, linear_after=[0]), [[1.0]], r"linear_after=\[0\]"),
        (ReluNetwork([Dense([[1e200]])] * 2), [[1e200]], "exceed the range"),
    ],
)
def test_what_has_no_sensitivities_is_refused(network, points, message):
    with pytest.raises(InvalidNetworkError, match=message):
        sensitivities(network, points)


def test_eta_star_without_the_inputs_is_noticed(monkeypatch):
    plant(monkeypatch, Budget._edges, "self.widths[:-1]", "self.widths[1:-1]")
    with pytest.raises(AssertionError):
        assert Budget((64, 32, 10), 0.1).distribution_free_size == 109_199

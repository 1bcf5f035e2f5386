"""Draws: whole counts, reweighted without bias, as many edges as expected; and the samplers made of them."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets import Box, Dense, ReluNetwork, sparsify
from subsetsum_nets.coresets import TooFewEdgesError, sensitivities
from subsetsum_nets.coresets.corenet import Sampler
from subsetsum_nets.coresets.drawing import SignGroup, samples_for


def group(seed, rows=3, columns=6):
    random = np.random.default_rng(seed)
    importance = random.random((rows, columns)) * (random.random((rows, columns)) < 0.8)
    weights = np.where(importance > 0, random.uniform(0.1, 2.0, (rows, columns)), 0.0)
    return SignGroup(weights, importance)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 9))
def test_every_draw_has_whole_counts_and_keeps_the_identity(seed, m):
    edges = group(seed)
    samples = np.full(3, float(m))
    counts = edges.counts(samples, np.random.default_rng(seed))
    new = edges.reweighted(counts, samples)
    whole = edges.whole(samples)
    assert counts.dtype.kind == "i"
    assert counts.sum(axis=1).tolist() == np.where(whole, 0, m).tolist()
    assert not counts[edges.importance == 0].any()
    ratios = np.divide(new, edges.weights, out=np.zeros_like(new), where=edges.weights > 0)
    np.testing.assert_allclose((ratios * edges.probabilities).sum(axis=1)[~whole], 1.0)  # in every draw
    np.testing.assert_array_equal(new[whole], edges.weights[whole])


def biased(rows=2, draws=4000):
    """Return by how many standard errors the mean of many draws misses the weights, at worst."""
    edges = group(5, rows)
    samples = np.full(rows, 3.0)
    random = np.random.default_rng(1)
    drawn = np.array([edges.reweighted(edges.counts(samples, random), samples) for _ in range(draws)])
    deviation = drawn.std(axis=0) / np.sqrt(draws) + 1e-9  # a neuron that stays whole does not deviate
    return float(np.max(np.abs(drawn.mean(axis=0) - edges.weights) / deviation))


def test_draws_are_unbiased():
    # Of 12 means none is beyond 4.5 standard errors: by chance so with probability above 1 - 1e-4.
    assert biased() < 4.5


def test_reweighting_by_1_over_q_is_noticed(monkeypatch):
    plant(
        monkeypatch, SignGroup.reweighted, "np.where(whole, 1.0, samples[:, np.newaxis])", "np.ones((2, 1))"
    )
    assert biased() > 4.5


@pytest.mark.parametrize("m", [1, 2, 5])
def test_the_expected_number_of_edges_is_what_is_drawn(m):
    edges = group(3, rows=1, columns=8)
    samples = np.array([float(m)])
    random = np.random.default_rng(2)
    drawn = [np.count_nonzero(edges.counts(samples, random)) for _ in range(4000)]
    assert np.mean(drawn) == pytest.approx(edges.expected_edges(samples), abs=5 * np.std(drawn) / 63 + 1e-9)


def test_samples_are_in_proportion_to_the_sums():
    groups = [group(1, rows=20, columns=30), group(2, rows=20, columns=30)]
    samples = samples_for(groups, 300)
    assert sum(g.expected_edges(m) for g, m in zip(groups, samples, strict=True)) == pytest.approx(
        300, rel=0.03
    )
    ratios = np.concatenate([(m - 1) / g.sums for g, m in zip(groups, samples, strict=True)])
    above = np.concatenate([m / g.sums for g, m in zip(groups, samples, strict=True)])
    assert ratios.max() < above.min()  # one factor for all, up to rounding up


def test_all_edges_are_kept_where_fewer_can_be_drawn_than_asked():
    edges = group(1)
    (samples,) = samples_for([edges], 100)
    assert edges.whole(samples).all()


# -- the samplers ------------------------------------------------------------------------------------

POINTS = np.random.default_rng(0).random((200, 12))


def trained(seed=0, widths=(12, 20, 15, 4)):
    random = np.random.default_rng(seed)
    layers = [
        Dense(random.normal(size=(wide, narrow)) / np.sqrt(narrow), random.normal(size=wide) / 4)
        for narrow, wide in pairwise(widths)
    ]
    return ReluNetwork(layers, domain=Box(0, 1))


@pytest.mark.parametrize("method", ["corenet", "corenet+", "corenet++", "uniform"])
@pytest.mark.parametrize("keep", [0.3, 0.6])
def test_samplers_keep_what_is_asked_within_a_tenth(method, keep):
    found = sparsify(trained(), POINTS, method=method, keep=keep, seed=3)
    assert found.fraction == pytest.approx(keep, rel=0.1)
    assert found.size == sum(
        np.count_nonzero(x.weight) + np.count_nonzero(x.bias) for x in found.network.layers
    )


def test_fewer_edges_than_one_a_neuron_and_sign_are_refused():
    with pytest.raises(TooFewEdgesError, match="10 parameters are too few to draw"):
        sparsify(trained(), POINTS, method="corenet", keep=10)


@pytest.mark.parametrize("threads", [1, 3])
def test_the_seed_alone_decides(threads):
    once = sparsify(trained(), POINTS, method="corenet++", keep=0.4, seed=7)
    again = sparsify(trained(), POINTS, method="corenet++", keep=0.4, seed=7, threads=threads)
    other = sparsify(trained(), POINTS, method="corenet++", keep=0.4, seed=8)
    same = [
        np.array_equal(a.weight, b.weight)
        for a, b in zip(once.network.layers, again.network.layers, strict=True)
    ]
    assert all(same)
    assert not np.array_equal(once.network.layers[0].weight, other.network.layers[0].weight)


def mean_error(**options):
    errors = [
        sparsify(trained(), POINTS, keep=0.5, seed=seed, **options).evaluate(POINTS)["absolute_l1"]
        for seed in range(4)
    ]
    return np.mean(errors)


def test_the_best_of_several_draws_is_better():
    assert mean_error(method="corenet++", trials=30) < 0.9 * mean_error(method="corenet+")


def test_as_many_samples_as_edges_keep_them_as_they_are():
    net = ReluNetwork([Dense([[3.0, 1.0, 2.0, -1.0]])])
    found = sparsify(net, [[1.0, 1.0, 1.0, 1.0]], method="corenet", samples=3, sample_size=1)
    np.testing.assert_array_equal(found.network.layers[0].weight, net.layers[0].weight)


def test_sampling_more_than_there_are_edges_is_noticed(monkeypatch):
    plant(monkeypatch, SignGroup.whole, "samples >= self.active", "samples < 0")
    with pytest.raises(AssertionError):
        test_as_many_samples_as_edges_keep_them_as_they_are()


def test_the_paper_s_own_sizes_keep_every_active_edge():
    found = sparsify(trained(), POINTS, method="corenet", relative_error=0.5)
    used = POINTS[found.sample]
    (positive, negative), *_ = sensitivities(found.target, used)
    active = (positive[:, :-1] > 0) | (negative[:, :-1] > 0)
    np.testing.assert_array_equal(
        found.network.layers[0].weight, np.where(active, found.target.layers[0].weight, 0.0)
    )


def with_dead_ends():
    """Hidden unit 1 is never positive, and neither is the one output, which is to stay."""
    return ReluNetwork([Dense([[1.0, 1.0], [-1.0, -2.0]]), Dense([[-1.0, -1.0]])])


def test_line_5_prunes_hidden_units_with_all_their_edges_and_no_outputs():
    found = sparsify(with_dead_ends(), [[1.0, 2.0]], method="corenet+", samples=9, sample_size=1)
    np.testing.assert_array_equal(found.network.layers[0].weight, [[1.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(found.network.layers[1].weight, [[-1.0, 0.0]])
    assert found.network([1.0, 2.0]) == [-3.0]
    plain = sparsify(with_dead_ends(), [[1.0, 2.0]], method="corenet", samples=9, sample_size=1)
    np.testing.assert_array_equal(plain.network.layers[0].weight, [[1.0, 1.0], [-1.0, -2.0]])


def test_line_5_on_outputs_is_noticed(monkeypatch):
    plant(monkeypatch, Sampler._layer, "self.prunes and task.hidden(index)", "self.prunes")
    with pytest.warns(UserWarning, match="layer 1 would lose all its edges"), pytest.raises(AssertionError):
        test_line_5_prunes_hidden_units_with_all_their_edges_and_no_outputs()


def test_an_input_of_both_signs_counts_with_both_its_parts():
    net = ReluNetwork([Dense([[1.0, 1.0]])])
    found = sparsify(net, [[1.0, -1.0]], method="corenet", samples=2, sample_size=1)
    np.testing.assert_array_equal(found.network.layers[0].weight, [[1.0, 1.0]])

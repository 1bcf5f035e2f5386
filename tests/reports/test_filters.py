"""The strips of filters show what masks keep, block by block; and when there are any."""

import numpy as np
import pytest
from support.planting import plant

from subsetsum_nets import AvgPool2d, Box, Conv2d, Dense, ReluNetwork, prune
from subsetsum_nets.constructions import relu_blocks
from subsetsum_nets.reports import filters, write_report
from subsetsum_nets.reports.filters import averaged, filter_strips, filters_figure, has_filters


def cnn():
    rng = np.random.default_rng(0)
    layers = [
        Conv2d(rng.uniform(-0.5, 0.5, (2, 2, 1, 2)), [0.25, -0.125]),
        AvgPool2d(2),
        Dense(rng.uniform(-0.5, 0.5, (2, 2))),
    ]
    return ReluNetwork(layers, input_shape=(2, 2, 1), domain=Box(0, 1))


@pytest.fixture(scope="module", params=["relu", "structured"])
def pruned(request):
    return prune(cnn(), construction=request.param, epsilon=0.5, candidates=9, seed=1, threads=1)


def agrees(pruned):
    strips = filter_strips(pruned)
    assert [one.layer for one in strips] == [0, 2]  # the pool has none
    assert [one.biased for one in strips] == [True, False]
    for one, start in zip(strips, (0, 3), strict=True):
        first, second = (pruned.masks[start + k] for k in (0, 1))
        first = first.toarray() if hasattr(first, "toarray") else first
        first = first[0, 0].T if first.ndim == 4 else first
        shares = second.mean(axis=(0, 1, 3) if second.ndim == 4 else 0)
        alive = first.any(axis=1)
        if one.biased:
            alive |= pruned.all_masks.biases[start]
        assert np.array_equal(np.concatenate(one.shares)[np.isfinite(np.concatenate(one.shares))], shares)
        assert np.array_equal(shares > 0, alive)
        size = one.shares.shape[1]
        for t in range(first.shape[1]):  # block t sees input t alone
            assert not first[t * size : (t + 1) * size, np.arange(first.shape[1]) != t].any()
            assert np.array_equal(one.shares[t] > 0, first[t * size : (t + 1) * size, t])
    return strips


def test_strips_are_what_masks_keep_of_each_block(pruned):
    strips = agrees(pruned)
    if pruned.construction == "structured":
        assert all(set(np.unique(one.shares)) <= {0.0, 1.0} for one in strips)


@pytest.mark.slow
def test_the_report_shows_them(pruned, tmp_path):
    write_report(pruned, tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Which filters are kept" in text
    assert "filters kept" in text
    assert len(filters_figure(pruned).axes) == 3


def test_other_networks_have_none(tmp_path):
    dense = ReluNetwork([Dense([[0.25, 0.5]])], domain=Box(0, 1))
    for construction, shown in (("relu", False), ("linear", False), ("structured", True)):
        found = prune(dense, construction=construction, epsilon=0.5, threads=1)
        assert has_filters(found) == shown
    write_report(prune(dense, epsilon=0.5, threads=1), tmp_path / "report.html")
    assert "Which filters" not in (tmp_path / "report.html").read_text()


def test_averages_are_those_of_what_is_there():
    shares = np.full((200, 700), np.nan)
    shares[:, :350] = 0.5
    found = averaged(shares)
    assert found.shape == (64, 256)
    assert set(np.unique(found[np.isfinite(found)])) == {0.5}
    assert np.isfinite(found).sum() == 64 * 128


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (filters._kept_of_filters, "pruned.masks[start + 1]", "pruned.masks[start]"),
        (filters.filter_strips, "first_layers[index]", "first_layers[0]"),
        (relu_blocks.block_units, "starts[:-1, np.newaxis]", "starts[-2::-1, np.newaxis]"),
    ],
)
def test_mistakes_in_the_strips_are_noticed(function, right, wrong, monkeypatch):
    found = prune(cnn(), epsilon=0.5, candidates=9, seed=1, threads=1)
    if function is filters.filter_strips:
        from support.planting import Nth

        right = Nth(right, 2)
    plant(monkeypatch, function, right, wrong)
    with pytest.raises((AssertionError, ValueError, IndexError)):
        agrees(found)

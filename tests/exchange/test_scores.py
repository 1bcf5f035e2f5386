"""Masks from scores: the largest are kept, as many as stated, and ties always fall the same way."""

from fractions import Fraction

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.exchange.scores import masks_from_scores, read_scores
from subsetsum_nets.networks import InvalidNetworkError, NetworkFileError

layers = st.lists(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=4),
        elements=st.integers(-2, 2).map(float),
    ),
    min_size=1,
    max_size=3,
)
tenths = st.integers(0, 10).map(lambda k: k / 10)


def by_sorting(scores, sparsity):
    """Keep by sorting (score, place) pairs, in plain Python."""
    ranked = sorted(range(len(scores)), key=lambda place: (-scores[place], place))
    keep = len(scores) - int(Fraction(str(sparsity)) * len(scores))
    return [place in ranked[:keep] for place in range(len(scores))]


@given(layers, tenths, st.booleans())
def test_layerwise_masks_keep_the_largest_of_each_layer(scores, sparsity, absolute):
    masks = masks_from_scores(scores, sparsity, absolute=absolute)
    for layer, mask in zip(scores, masks, strict=True):
        assert mask.shape == layer.shape
        assert mask.dtype == bool
        flat = (np.abs(layer) if absolute else layer).ravel().tolist()
        assert mask.ravel().tolist() == by_sorting(flat, sparsity)


@given(layers, tenths)
def test_global_masks_keep_the_largest_of_all(scores, sparsity):
    masks = masks_from_scores(scores, sparsity, scope="global")
    flat = [value for layer in scores for value in layer.ravel().tolist()]
    assert [kept for mask in masks for kept in mask.ravel().tolist()] == by_sorting(flat, sparsity)
    assert [mask.shape for mask in masks] == [layer.shape for layer in scores]


def test_decimal_sparsities_mean_what_they_say_and_ties_keep_the_first():
    for tenth in range(11):
        (mask,) = masks_from_scores([np.ones(10)], tenth / 10)
        assert mask.tolist() == [True] * (10 - tenth) + [False] * tenth
    (mask,) = masks_from_scores([np.ones(3, np.float32)], 0.5)
    assert mask.tolist() == [True, True, False]  # floor(1.5) = 1 is removed
    assert masks_from_scores([], 0.5) == masks_from_scores([], 0.5, scope="global") == []
    (mask,) = masks_from_scores([np.array([0.0, -0.0, 5.0])], 1 / 3)
    assert mask.tolist() == [True, True, True]  # the decimal 0.333.. is less than a third


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (([np.ones(2)], -0.1), r"sparsity must be a number in \[0, 1\], got -0.1"),
        (([np.ones(2)], 1.1), "sparsity"),
        (([np.ones(2)], float("nan")), "sparsity"),
        (([np.array([1.0, np.nan])], 0.5), "scores of layer 0 must be finite"),
        (([np.ones(1), np.array([np.inf])], 0.5), "scores of layer 1 must be finite"),
        (([np.array(["a"])], 0.5), "scores of layer 0"),
    ],
)
def test_bad_scores_and_sparsities_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        masks_from_scores(*arguments)
    with pytest.raises(ValueError, match="'layerwise' or 'global', got 'both'"):
        masks_from_scores([np.ones(1)], 0.5, scope="both")


def test_scores_behind_strides_are_read_where_windows_say_so(tmp_path):
    rng = np.random.default_rng(0)
    convolution, dense = rng.normal(size=(2, 1, 2, 2)), rng.normal(size=(3, 2 * 2 * 3))
    safetensors.numpy.save_file({"0.scores": convolution, "2.scores": dense}, tmp_path / "a.safetensors")
    windows = {"0": {"stride": 2, "padding": "valid"}}
    _, read = read_scores(tmp_path / "a.safetensors", input_shape=(4, 6, 1), windows=windows)
    assert np.array_equal(read, dense.reshape(3, 2, 2, 3).transpose(0, 2, 3, 1).reshape(3, 12))
    with pytest.raises(InvalidNetworkError, match="takes 12 values"):
        read_scores(tmp_path / "a.safetensors", input_shape=(4, 6, 1))


def test_scores_are_read_in_our_order(tmp_path):
    path = tmp_path / "a.safetensors"
    kernel, rows = np.arange(18.0).reshape(1, 2, 3, 3), np.arange(8.0).reshape(2, 4)
    tensors = {"conv.scores": kernel, "conv.weight": kernel, "fc.scores": rows}
    safetensors.numpy.save_file(tensors, path)
    ours, dense = read_scores(path, input_shape=(2, 2, 2))
    assert ours.shape == (3, 3, 2, 1)
    assert ours[0, 0, 1, 0] == kernel[0, 1, 2, 2]
    assert np.array_equal(dense, rows)
    assert np.array_equal(read_scores(path, names=["fc"])[0], rows)
    assert np.array_equal(read_scores(path, names=["conv"], key="weight")[0], ours)
    with pytest.raises(InvalidNetworkError, match="unknown size"):
        read_scores(path)
    for options in ({"key": "popup"}, {"names": ["fc3"]}, {"names": []}):
        with pytest.raises(NetworkFileError, match=r"a\.safetensors lacks some of the tensors"):
            read_scores(path, **options)

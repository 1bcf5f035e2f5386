"""Layers drawn by blocks, and the log-uniform law that they are drawn from."""

import json
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subsetsum_nets.networks import (
    BlocksDraw,
    ConvBlocksDraw,
    ConvDraw,
    DenseDraw,
    InvalidNetworkError,
    LogUniform,
    Normal,
    RandomRecipe,
    Uniform,
    keyed_words,
    random_recipe_from_json,
)
from subsetsum_nets.networks.distributions import distribution_from_json

words = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20).map(
    lambda w: np.array(w, dtype=np.uint64)
)
octaves = st.floats(0.01, 400)


@given(words, octaves)
def test_log_uniform_weights_are_powers_of_two_rounded_to_float32(raw, count):
    weights = LogUniform(count).from_words(raw)
    assert np.array_equal(-weights, LogUniform(count).from_words(raw ^ np.uint64(2**63)))
    for word, weight in zip(raw.tolist(), weights.tolist(), strict=True):
        depth = ((word >> 11) % 2**52 + 0.5) * 2.0**-52 * count
        assert abs(weight) <= 1.0
        assert -math.log2(abs(weight)) == pytest.approx(depth, abs=1.8e-7)
        mantissa = math.frexp(weight)[0]
        assert mantissa * 2**24 == int(mantissa * 2**24)


@given(words, words, st.floats(1, 60))
def test_products_with_other_weights_are_exact(first, second, count):
    for a in LogUniform(count).from_words(first).tolist():
        for law in (Normal(0.3), Uniform(0.5), LogUniform(count)):
            assert all(Fraction(a * b) == Fraction(a) * Fraction(b) for b in law.from_words(second).tolist())


def test_every_octave_is_as_likely():
    sizes = np.abs(LogUniform(10).from_words(keyed_words(0, 0, 0, 0, 40_000)))
    counts = np.bincount(np.minimum(-np.floor(np.log2(sizes)), 10).astype(int), minlength=11)[1:]
    assert counts.sum() >= 39_990
    assert np.abs(counts / 4000 - 1).max() < 0.07


@pytest.mark.parametrize("bad", [0, -1.0, 401, np.nan, np.inf, True, "3", None])
def test_octaves_that_are_none_are_refused(bad):
    with pytest.raises(InvalidNetworkError, match="octaves of LogUniform"):
        LogUniform(bad)
    with pytest.raises(InvalidNetworkError, match="octaves of LogUniform"):
        distribution_from_json({"kind": "log-uniform", "octaves": bad})


@settings(max_examples=40, deadline=None)
@given(
    inputs=st.integers(1, 4),
    per_block=st.integers(1, 5),
    bias=st.booleans(),
    seed=st.integers(0, 2**40),
    law=st.sampled_from([LogUniform(7.5), Normal(2.0), Uniform()]),
)
def test_each_unit_has_a_word_and_looks_at_the_input_of_its_block(inputs, per_block, bias, seed, law):
    dense, conv = (kind(inputs, per_block, bias, law) for kind in (BlocksDraw, ConvBlocksDraw))
    units = (inputs + bias) * per_block
    wanted = law.from_words(keyed_words(seed, 3, 0, 0, units))
    one, other = dense.draw(seed, 3), conv.draw(seed, 3)
    weight = one.weight.toarray()
    assert np.array_equal(weight, other.kernel[0, 0].T)
    for k in range(units):
        block = k // per_block
        assert weight[k, block] == wanted[k] if block < inputs else one.bias[k] == wanted[k]
    assert np.count_nonzero(weight) == inputs * per_block
    if bias:
        assert np.array_equal(one.bias, other.bias)
        assert not one.bias[: inputs * per_block].any()
    else:
        assert one.bias is None is other.bias
    for draw in (dense, conv):
        assert draw.random_parameters == units
        assert draw.whole_parameters == units * (inputs + bias)
    assert dense.shape == weight.shape
    assert conv.shape == other.kernel.shape


def test_recipes_with_blocks_are_written_read_and_drawn_again():
    layers = (
        ConvBlocksDraw(2, 3, bias=True, distribution=LogUniform(12.25)),
        ConvDraw(3, 1, 9, 1, distribution=Normal()),
        BlocksDraw(4, 2, distribution=LogUniform(3.0)),
        DenseDraw(1, 8),
    )
    recipe = RandomRecipe(layers, input_shape=(2, 2, 2))
    again = random_recipe_from_json(json.loads(json.dumps(recipe.to_json())))
    assert again == recipe
    assert recipe.random_parameters == 9 + 27 + 8 + 8
    assert recipe.whole_parameters == 27 + 27 + 32 + 8
    one, other = recipe.draw(5), again.draw(5)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert (a.matrix != b.matrix).sum() == 0
    assert np.array_equal(one(np.ones((2, 2, 2))), other(np.ones((2, 2, 2))))


@pytest.mark.parametrize("kind", [BlocksDraw, ConvBlocksDraw])
def test_sizes_that_are_none_are_refused(kind):
    for bad in ((0, 1), (1, 2.5), (2, True), (1, 2**31)):
        with pytest.raises(InvalidNetworkError):
            kind(*bad)
    with pytest.raises(InvalidNetworkError, match="asks for 4294967296 numbers"):
        ConvBlocksDraw(2**10, 2**12)

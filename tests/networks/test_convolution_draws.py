"""Convolutional layers of recipes: drawn from their seeds, or kept as the target's own."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.geometries import conv_cases
from support.planting import plant

from subsetsum_nets.networks import (
    AvgPool2d,
    Conv2d,
    ConvDraw,
    Dense,
    DenseDraw,
    FixedConvDraw,
    InvalidNetworkError,
    MaxPool2d,
    Normal,
    RandomRecipe,
    ReluNetwork,
    Uniform,
    keyed_words,
    network_digest,
    random_recipe_from_json,
)
from subsetsum_nets.networks.layer_draws import LARGEST_DRAW


def again(recipe):
    return random_recipe_from_json(json.loads(json.dumps(recipe.to_json())))


@settings(max_examples=60, deadline=None)
@given(case=conv_cases(), bias=st.booleans(), seed=st.integers(0, 2**40))
def test_a_drawn_layer_has_the_geometry_asked_for_and_each_weight_a_word_of_its_own(case, bias, seed):
    check_drawn(*case, bias=bias, seed=seed)


def check_drawn(like, image, *, bias, seed):
    law = Uniform(0.5)
    draw = ConvDraw(*like.size, like.c_in, like.c_out, *like.geometry, like.groups, bias, law)
    recipe = RandomRecipe((draw, draw_after(like, image)), input_shape=(*image, like.c_in))
    assert again(recipe) == recipe
    network = again(recipe).draw(seed)
    layer = network.layers[0]
    assert layer.geometry == like.geometry
    assert (layer.groups, layer.kernel.shape, layer.fixed) == (like.groups, like.kernel.shape, False)
    for number in {0, layer.kernel.size // 2, layer.kernel.size - 1}:
        word = keyed_words(seed, 0, 0, number, 1)
        assert layer.kernel.ravel()[number] == law.from_words(word)[0]
    if bias:
        assert np.array_equal(layer.bias, law.from_words(keyed_words(seed, 0, 1, 0, like.c_out)))
    assert (layer.bias is not None) is bias
    assert draw.size == draw.random_parameters == layer.parameters
    assert network.shapes[1] == like.gives((*image, like.c_in), 0)
    assert (
        network_digest(network) == network_digest(recipe.draw(seed)) != network_digest(recipe.draw(seed + 1))
    )


def draw_after(like, image):
    return DenseDraw(2, int(np.prod(like.gives((*image, like.c_in), 0))), distribution=Normal())


@settings(max_examples=60, deadline=None)
@given(case=conv_cases())
def test_a_fixed_layer_is_the_one_it_describes(case):
    check_fixed(*case)


def check_fixed(like, image):
    layer = Conv2d(like.kernel, like.bias, **{**like.options, "fixed": True})
    recipe = RandomRecipe((FixedConvDraw.of(layer),), input_shape=(*image, like.c_in))
    assert again(recipe) == recipe
    (found,) = again(recipe).draw(7).layers
    assert network_digest(ReluNetwork([found])) == network_digest(ReluNetwork([layer]))
    assert found.options == layer.options
    assert (recipe.random_parameters, recipe.layers[0].size) == (0, layer.parameters)


@pytest.mark.parametrize("pool", [AvgPool2d(2), AvgPool2d(None), MaxPool2d(3, stride=2)])
def test_pooling_is_written_once_for_all_channels(pool):
    network = ReluNetwork([Conv2d(np.ones((1, 1, 2, 64))), pool], input_shape=(7, 7, 2))
    for layer in network.layers[1:]:
        draw = FixedConvDraw.of(layer)
        assert len(draw.kernel) == layer.kernel.size // layer.groups
        assert np.array_equal(draw.draw(0, 1).kernel, layer.kernel)


def test_a_mixed_recipe_says_its_sizes():
    layers = (ConvDraw(3, 3, 1, 2), FixedConvDraw(1, 1, 2, 2, groups=2, kernel=(1.0,)), DenseDraw(1, 8))
    recipe = RandomRecipe(layers, input_shape=(2, 2, 1))
    assert (recipe.random_parameters, recipe.random_layers) == (26, (0, 2))
    assert recipe.draw(0).widths == (4, 8, 8, 1)
    open_size = RandomRecipe(layers)
    assert open_size.draw(0).input_shape is None
    assert "input_shape" not in open_size.to_json()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConvDraw(0, 3, 1, 1), "rows of ConvDraw must be an integer >= 1, got 0"),
        (lambda: ConvDraw(3, 3, 1, 1, stride=0), "the stride of ConvDraw"),
        (lambda: ConvDraw(3, 3, 1, 1, padding="reflect"), "got 'reflect'"),
        (lambda: ConvDraw(3, 3, 1, 1, dilation=(1,)), "the dilation of ConvDraw"),
        (lambda: ConvDraw(3, 3, 3, 2, groups=2), "must divide the 3 input channels and the 2 output"),
        (lambda: ConvDraw(3, 3, 1, 1, bias=1), "bias of ConvDraw must be True or False"),
        (lambda: ConvDraw(2**15, 2**15, 2, 1), f"at most {LARGEST_DRAW} can be drawn"),
        (lambda: FixedConvDraw(2, 1, 1, 1, kernel=(1.0,)), "1 weights and 0 shifts do not go"),
        (lambda: FixedConvDraw(1, 1, 1, 3, kernel=(1.0, 2.0)), "2 weights"),
        (lambda: FixedConvDraw(1, 1, 1, 1), "0 weights"),
        (lambda: FixedConvDraw(1, 1, 1, 1, kernel=(np.inf,)), "must hold finite numbers"),
        (lambda: FixedConvDraw(1, 1, 1, 2, kernel=(1.0,), shift=(1.0,)), "1 shifts"),
        (lambda: RandomRecipe((ConvDraw(1, 1, 2, 3), ConvDraw(1, 1, 2, 3))), "gives 3 channels, but layer 1"),
        (
            lambda: RandomRecipe((DenseDraw(2, 2), ConvDraw(1, 1, 2, 3))),
            "layer 1 is a Conv2d after",
        ),
        (
            lambda: RandomRecipe((DenseDraw(2, 2),), input_shape=(1, 1, 2)),
            "that start with Conv2d",
        ),
        (lambda: RandomRecipe((ConvDraw(1, 1, 2, 3),), input_shape=(1, 1, 1)), "has 1 channels"),
        (
            lambda: RandomRecipe((ConvDraw(3, 3, 2, 3, padding="valid"),), input_shape=(2, 2, 2)),
            "layer 0: windows of 3x3",
        ),
        (lambda: RandomRecipe((ConvDraw(1, 1, 1, 3), DenseDraw(1, 4))), "images of a multiple of 3 values"),
        (
            lambda: RandomRecipe((ConvDraw(1, 1, 1, 3), DenseDraw(1, 9)), input_shape=(2, 2, 1)),
            "layer 0 of the recipe gives 12 values, but layer 1 takes 9",
        ),
    ],
)
def test_recipes_that_are_none_are_refused(make, message):
    with pytest.raises(InvalidNetworkError, match=message):
        make()


def test_damaged_json_of_a_recipe_is_refused():
    page = RandomRecipe((ConvDraw(3, 3, 1, 2),), input_shape=(4, 4, 1)).to_json()
    for change in (
        {"input_shape": None},
        {"input_shape": [4, 4]},
        {"input_shape": [4, 4, 1.5]},
        {"more": []},
    ):
        with pytest.raises(InvalidNetworkError):
            random_recipe_from_json({**page, **change})
    (layer,) = page["layers"]
    for change in ({"groups": 3}, {"stride": "1"}, {"padding": [1]}, {"rows": None}, {"kernel": []}):
        with pytest.raises(InvalidNetworkError):
            random_recipe_from_json({**page, "layers": [{**layer, **change}]})


def test_dense_recipes_are_written_as_before():
    recipe = RandomRecipe((DenseDraw(1, 1),))
    assert set(recipe.to_json()) == {"layers", "linear_after", "final_relu"}
    assert isinstance(recipe.draw(0).layers[0], Dense)


# ---------------------------------------------------------------- planted mistakes

BIASES = "draw_array(self.distribution, seed, layer, BIAS, (self.c_out,))"
KERNELS = "draw_array(self.distribution, seed, layer, WEIGHT, self.shape)"
MISTAKES = [
    (ConvDraw.draw, BIASES, BIASES.replace("BIAS", "WEIGHT")),
    (ConvDraw.draw, KERNELS, KERNELS.replace("layer, WEIGHT", "0, BIAS")),
    (FixedConvDraw.draw, "np.array(self.kernel).reshape", "np.array(self.kernel[::-1]).reshape"),
    (FixedConvDraw.draw, "np.array(self.shift) if self.shift else None", "None"),
]


@pytest.mark.parametrize(("function", "right", "wrong"), MISTAKES)
def test_mistakes_in_draws_are_seen(monkeypatch, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    like = Conv2d(np.arange(12.0).reshape(3, 1, 1, 4), np.arange(4.0), groups=2)
    with pytest.raises((AssertionError, ValueError)):
        check_both(like, (3, 2))


def check_both(like, image):
    check_drawn(like, image, bias=True, seed=5)
    check_fixed(like, image)

"""Blocks of convolutional layers: exactly, on integers, for kernels, strides and paddings of every kind."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from support.geometries import conv_cases
from support.planting import plant

from subsetsum_nets.constructions import construction_named, relu_blocks
from subsetsum_nets.constructions.protocol import InputSigns, weight_with_bias
from subsetsum_nets.constructions.relu_signed import ReluSigned
from subsetsum_nets.networks import (
    AvgPool2d,
    Box,
    Conv2d,
    Dense,
    InvalidNetworkError,
    MaxPool2d,
    ReluNetwork,
)
from subsetsum_nets.networks.convolution import ungrouped

BLOCKS = ("relu", "relu-paper")


def as_integers(network, rng):
    """Return the network with small integers in place of its weights; products and sums stay exact."""
    layers = []
    for layer in network.layers:
        if layer.fixed:
            layers.append(layer)
            continue
        bias = None if layer.bias is None else rng.integers(-3, 4, layer.bias.shape)
        layers.append(layer.with_stored(rng.integers(-3, 4, layer.stored.shape), bias))
    return network.with_layers(layers)


def effective_kernels(layer, groups, kept):
    """Return L+, L- and the bias that the subsets add up to, by Lemma 11: sums over kept k of U_k v_k."""
    sums = np.zeros((2, *weight_with_bias(layer).shape))
    constants = np.zeros(layer.c_out)
    for group, chosen in zip(groups, kept, strict=True):
        total = (group.items * chosen).sum(axis=2)
        if group.place.columns[0] == layer.c_in:
            if group.place.side == "positive":
                constants = total[:, 0]
        else:
            sums[int(group.place.side == "negative")][group.place.entries] = total
    above, below = (layer.from_matrix(matrix[:, : layer.c_in]) for matrix in sums)
    return above, below, constants


def check_case(name, layer, image, seed):
    """Compare a pruned pair with L+ * X+ - L- * X- + b at every pixel."""
    rng = np.random.default_rng(seed)
    f = ReluNetwork([layer], input_shape=(*image, layer.c_in))
    method = construction_named(name)
    random = as_integers(method.recipe(f, 3).draw(0), rng)
    groups = [method.rows(f, random, place) for place in method.places(f, Box(-1, 1))]
    kept = [group.valid & (rng.random(group.valid.shape) < 0.6) for group in groups]
    masks = method.masks(f, random, groups, kept)
    pruned = masks.apply(random)
    x = rng.integers(-5, 6, (4, *image, layer.c_in)).astype(float)
    above, below, constants = effective_kernels(layer, groups, kept)
    whole = {**layer.options, "groups": 1}
    wanted = Conv2d(above, **whole)(np.maximum(x, 0)) - Conv2d(below, **whole)(np.maximum(-x, 0)) + constants
    assert np.array_equal(pruned(x), wanted)
    across = np.abs(above) + np.abs(below)
    assert not across[ungrouped(np.ones(layer.kernel.shape), layer.groups) == 0].any()
    check_masks(layer, masks, groups, kept)


def check_masks(layer, masks, groups, kept):
    """See that the first mask is cut to blocks, and that nothing but subsets is kept of the second."""
    (first, second), (constant, none) = masks.weights, masks.biases
    assert none is None
    reads = first[0, 0].astype(int)
    ones = np.zeros(first.shape[3], int) if constant is None else constant.astype(int)
    assert (reads.sum(axis=0) + ones <= 1).all()
    assert second.sum() == sum(int(chosen.sum()) for chosen in kept)
    size = first.shape[3] // (layer.c_in + (layer.bias is not None))
    block = np.arange(first.shape[3]) // size
    assert (reads[block[reads.any(axis=0)], reads.any(axis=0)] == 1).all()
    if constant is not None:
        assert (block[constant] == layer.c_in).all()


@pytest.mark.thinned
@pytest.mark.parametrize("name", BLOCKS)
@settings(max_examples=120, deadline=None)
@given(case=conv_cases(most=4), seed=st.integers(0, 999))
def test_a_pruned_pair_is_two_convolutions_and_a_bias_at_every_pixel(name, case, seed):
    layer, image = case
    try:
        InputSigns.of_layers(ReluNetwork([layer], input_shape=(*image, layer.c_in)), Box(-1, 1))
        layer.weight_parts(image, 0)
    except InvalidNetworkError:
        reject()
    check_case(name, layer, image, seed)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (2, 2), (1, 4), (5, 1), (4, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("image", [(5, 4), (1, 2)])
def test_the_bias_is_the_same_at_the_border_as_inside(size, stride, image):
    rng = np.random.default_rng(0)
    layer = Conv2d(rng.integers(-2, 3, (*size, 2, 3)), rng.integers(1, 4, 3), stride=stride)
    if stride == 1:
        assert layer.whole_place(image) == ((size[0] - 1) // 2, (size[1] - 1) // 2)
    check_case("relu", layer, image, 5)


def test_rows_of_the_bias_stand_at_one_entry_of_the_kernel():
    layer = Conv2d(np.ones((3, 3, 2, 6)), np.arange(6.0), groups=2)
    f = ReluNetwork([layer], input_shape=(5, 5, 4))
    places = construction_named("relu").places(f, Box(0, 1))
    assert [place.shape for place in places] == [(27, 2), (27, 2), (6, 1)]  # a kernel of 9, 3 outputs a group
    assert places[2].matrix_rows.tolist() == list(range(24, 30))  # the middle one, (1, 1)
    assert sum(place.rows for place in places) == layer.parameters


@pytest.mark.parametrize(
    ("layer", "image"),
    [
        (Conv2d(np.ones((3, 3, 1, 1)), [1.0], padding=2), (4, 4)),
        (Conv2d(np.ones((1, 2, 1, 1)), [1.0], padding=((0, 0), (1, 1))), (1, 3)),
        (Conv2d(np.ones((1, 2, 1, 1)), [1.0], dilation=2), (1, 5)),
    ],
)
def test_a_bias_that_no_entry_can_carry_is_refused(layer, image):
    f = ReluNetwork([layer], input_shape=(*image, 1))
    with pytest.raises(InvalidNetworkError, match=r"layer 0 .*looks inside the image from every window"):
        construction_named("relu").places(f, Box(0, 1))
    without = ReluNetwork([Conv2d(layer.kernel, **layer.options)], input_shape=(*image, 1))
    assert construction_named("relu").places(without, Box(0, 1))


def test_inputs_of_one_sign_need_half_of_the_rows():
    layers = [Conv2d(np.ones((2, 2, 2, 2))), Conv2d(np.ones((2, 2, 2, 1)))]
    signed = Box(np.tile([-1.0, 0.0], 9), 1)  # the first channel alone can be negative
    f = ReluNetwork(layers, input_shape=(3, 3, 2))
    places = construction_named("relu").places(f, signed)
    assert [(p.layer, p.side, p.columns.tolist()) for p in places] == [
        (0, "positive", [0, 1]),
        (0, "negative", [0]),
        (1, "positive", [0, 1]),
    ]
    both = construction_named("relu-paper").places(f, signed)
    assert [(p.layer, p.side) for p in both] == [(k, s) for k in (0, 1) for s in ("positive", "negative")]


def test_fixed_layers_stay_as_they_are():
    layers = [
        Conv2d(np.ones((3, 3, 1, 2)), [0.5, 1.0]),
        MaxPool2d(2),
        AvgPool2d(None),
        Dense(np.ones((3, 2))),
    ]
    f = ReluNetwork(layers, input_shape=(4, 4, 1))
    method = construction_named("relu")
    g = method.recipe(f, 2).draw(0)
    assert len(g.layers) == len(f.layers) + 2
    fixed = [layer for layer in g.layers if layer.fixed]
    kept = [layer for layer in f.layers if layer.fixed]
    assert [layer.options for layer in fixed] == [layer.options for layer in kept]
    assert all(np.array_equal(a.kernel, b.kernel) for a, b in zip(fixed, kept, strict=True))
    assert {place.layer for place in method.places(f, Box(0, 1))} == {0, len(f.layers) - 1}
    assert method.candidates_in(f, g) == 2
    assert g.relu_after[1:-2] == f.relu_after[:-1]


def test_a_1x1_kernel_of_single_pixels_poses_the_subset_sums_of_a_dense_layer():
    rng = np.random.default_rng(0)
    weight, bias = rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, 3)
    dense = ReluNetwork([Dense(weight, bias)])
    image = ReluNetwork([Conv2d(weight.T.reshape(1, 1, 2, 3), bias)], input_shape=(1, 1, 2))
    method = construction_named("relu")
    given = method.recipe(dense, 4).draw(3)
    kernels = [Conv2d(layer.weight.T[np.newaxis, np.newaxis], layer.bias) for layer in given.layers]
    alike = ReluNetwork(kernels, input_shape=(1, 1, 2))
    assert method.candidates_in(image, alike) == 4
    groups = [
        [method.rows(f, g, place) for place in method.places(f, Box(-1, 1))]
        for f, g in ((dense, given), (image, alike))
    ]
    joined = {}
    for side in ("positive", "negative"):
        parts = [group for group in groups[1] if group.place.side == side]
        joined[side] = [
            items[items != 0].tolist() for part in parts for items in np.moveaxis(part.items, 1, 0)
        ]
    for group in groups[0]:
        assert by_column(group.items) == joined[group.place.side]


def by_column(items):
    return [column[column != 0].tolist() for column in np.moveaxis(items, 1, 0)]


# ---------------------------------------------------------------- networks that do not fit


POOL = AvgPool2d(2)


def misfits():
    rng = np.random.default_rng(1)
    f = ReluNetwork(
        [
            Conv2d(rng.uniform(-1, 1, (3, 3, 1, 2)), [0.5, 1.0], stride=2),
            POOL,
            Dense(np.ones((1, 2))),
        ],
        input_shape=(4, 4, 1),
    )
    g = construction_named("relu").recipe(f, 2).draw(0)
    first, second, pool, *dense = g.layers
    shape = {"input_shape": (4, 4, 1)}
    wide = Conv2d(np.ones((3, 3, 1, 8)), first.bias)
    one = Conv2d(second.kernel, stride=1)
    other = Conv2d(pool.kernel * 2, **pool.options)
    yield f, ReluNetwork([wide, second, pool, *dense], **shape), r"needs \(1, 1, 1, h\) and \(3, 3, h, 2\)"
    yield (
        f,
        ReluNetwork([Conv2d(first.kernel), second, pool, *dense], **shape),
        "target layer 0 has a bias, so layer 0",
    )
    yield f, ReluNetwork([first, second, other, *dense], **shape), "layer 1 of the target is fixed"
    yield f, ReluNetwork(g.layers[:-1], **shape), "has 4 layers; a target of 3 needs 5"
    yield f, ReluNetwork(g.layers, linear_after=[0], **shape), "the ReLUs after layers 0 and 1"
    yield f, ReluNetwork(g.layers, linear_after=[2], **shape), "a ReLU must follow layer 2"
    yield f, ReluNetwork([first, second], input_shape=(8, 8, 1)), "layer 1 of the target is fixed"
    small = [Conv2d(first.kernel[..., :3], first.bias[:3]), Conv2d(second.kernel[:, :, :3], stride=2), pool]
    yield f, ReluNetwork([*small, *dense], **shape), "h at least 4: two units for each input and for 1"
    plain = ReluNetwork(f.layers[:1], **shape)
    yield plain, ReluNetwork([first, one], **shape), r"layer 1 is a .*stride=\(1, 1\).* needs the .*\(2, 2\)"
    yield plain, ReluNetwork([first, second], input_shape=(5, 4, 1)), r"the input_shape \(5, 4, 1\)"


@pytest.mark.parametrize("number", range(10))
def test_a_given_network_that_misfits_is_refused_by_layer(number):
    f, given_network, message = list(misfits())[number]
    with pytest.raises(InvalidNetworkError, match=message):
        construction_named("relu").candidates_in(f, given_network)


# ---------------------------------------------------------------- planted mistakes

ORDERED = "matrix.reshape(*self.size, self.c_out, self.c_in).transpose(0, 1, 3, 2)"
MISTAKES = [
    (Conv2d.weight_parts, "rows[place].ravel()", "rows[0, 0].ravel()"),  # the bias in the corner
    (Conv2d.weight_parts, "rows[place].ravel()", "rows.ravel()"),  # the bias at all entries
    (Conv2d.whole_place, "outputs == slice(0, axis.outputs)", "outputs.start == 0"),
    (Conv2d.from_matrix, ORDERED, ORDERED + "[::-1]"),  # flipped once more
    (Conv2d.from_matrix, ORDERED, ORDERED + ".swapaxes(0, 1).reshape(*self.size, -1, self.c_out)"),
    (ReluSigned.serving, "slopes > 0", "slopes < 0"),  # halves swapped
    (relu_blocks.block_slopes, "np.arange(count)[:, np.newaxis]", "np.arange(count)[::-1, np.newaxis]"),
    (
        relu_blocks.BlockConstruction.masks,
        "weights += [incoming, second.from_matrix(outgoing)]",
        "weights += [incoming, second.from_matrix(outgoing[::-1])]",
    ),
    (relu_blocks.BlockConstruction.masks, "group.place.matrix_rows[rows * d + k]", "rows * d + k"),
]


BELOW = {"padding": ((0, 2), (0, 1))}


def several_cases():
    rng = np.random.default_rng(3)
    for geometry in ({}, {"stride": 2}, {"padding": "valid"}, {"groups": 2}, BELOW):
        channels = 2 // geometry.get("groups", 1)
        kernel = rng.integers(-2, 3, (3, 2, channels, 2))
        for name in BLOCKS:
            check_case(name, Conv2d(kernel, rng.integers(1, 4, 2), **geometry), (4, 5), 2)


def test_several_cases_hold():
    several_cases()


@pytest.mark.parametrize(("function", "right", "wrong"), MISTAKES)
def test_mistakes_in_the_blocks_are_seen(monkeypatch, function, right, wrong):
    plant(monkeypatch, function, right, wrong)
    with pytest.raises((AssertionError, ValueError, IndexError)):
        several_cases()

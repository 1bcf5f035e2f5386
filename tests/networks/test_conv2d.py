"""Conv2d and networks of images: the definition, every form of input, and errors that say what to do."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import convolve2d

import subsetsum_nets
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks import (
    Ball,
    Box,
    Conv2d,
    ConvolutionMatrix,
    Dense,
    InvalidNetworkError,
    NetworkFileError,
    ReluNetwork,
    network_digest,
)
from subsetsum_nets.networks.relu_network import sparse_form

sizes = st.integers(1, 5)


def by_definition(images, kernel):
    """Return the convolution by the formula, one number at a time."""
    rows, columns, _, c_out = kernel.shape
    batch, h, w, _ = images.shape
    values = np.zeros((batch, h, w, c_out))
    for i in range(h):
        for j in range(w):
            for p in range(rows):
                for q in range(columns):
                    a, b = i + (rows - 1) // 2 - p, j + (columns - 1) // 2 - q
                    if 0 <= a < h and 0 <= b < w:
                        values[:, i, j] += images[:, a, b] @ kernel[p, q]
    return values


def images_network(seed=0, *, input_shape=(4, 3, 2)):
    """Return a network of two convolutions, one of an even size, and a dense layer, all with biases."""
    rng = np.random.default_rng(seed)
    return ReluNetwork(
        [
            Conv2d(rng.uniform(-1, 1, (3, 2, 2, 3)), rng.uniform(-1, 1, 3)),
            Conv2d(rng.uniform(-1, 1, (1, 3, 3, 2))),
            Dense(rng.uniform(-1, 1, (5, 24)), rng.uniform(-1, 1, 5)),
        ],
        input_shape=input_shape,
    )


@given(st.tuples(sizes, sizes, sizes, sizes), st.tuples(st.integers(0, 2), sizes, sizes), st.integers(0, 99))
@settings(deadline=None)
def test_values_are_those_of_the_formula_and_of_scipy(kernel_shape, images_shape, seed):
    rng = np.random.default_rng(seed)
    kernel = rng.uniform(-1, 1, kernel_shape)
    images = rng.uniform(-1, 1, (*images_shape, kernel_shape[2]))
    values = Conv2d(kernel)(images)
    np.testing.assert_allclose(values, by_definition(images, kernel), atol=1e-13)
    for image, value in zip(images, values, strict=True):
        for out in range(kernel_shape[3]):
            one = sum(
                convolve2d(image[:, :, c], kernel[:, :, c, out], mode="same") for c in range(kernel_shape[2])
            )
            np.testing.assert_allclose(value[:, :, out], one, atol=1e-13)


def test_the_kernel_is_flipped_and_centred_where_the_paper_puts_it():
    image = np.zeros((1, 3, 3, 1))
    image[0, 1, 1] = 1.0
    kernel = np.arange(9.0).reshape(3, 3, 1, 1)
    assert Conv2d(kernel)(image)[0, :, :, 0].tolist() == kernel[:, :, 0, 0].tolist()  # an impulse shows it
    # Lemma 20's X_(i - i' + 1), counted from 1, is x[i - p]: what sizes 1 and 2 give here.
    pair = np.array([2.0, 3.0]).reshape(1, 2, 1, 1)
    assert Conv2d(pair)(np.array([[[[1.0], [10.0]]]])).ravel().tolist() == [2.0, 23.0]


def test_the_bias_goes_to_every_pixel_of_its_channel_not_into_the_padding():
    layer = Conv2d(np.zeros((3, 3, 1, 2)), [1.0, -2.0])
    assert (layer(np.ones((2, 2, 2, 1))) == [1.0, -2.0]).all()
    stacked = ReluNetwork([layer, Conv2d(np.ones((3, 3, 2, 1)))], input_shape=(1, 1, 1))
    assert stacked(np.zeros((1, 1, 1))).tolist() == [[[1.0]]]


def test_images_and_their_values_give_the_same():
    network = images_network()
    images = np.random.default_rng(1).uniform(-1, 1, (5, 4, 3, 2))
    values = network(images)
    assert values.shape == (5, 5)
    assert np.array_equal(network(images.reshape(5, 24)), values)
    assert np.array_equal(network(images[2]), network(images[2:3])[0])
    assert np.array_equal(network(images[2].ravel()), network(images[2:3])[0])
    assert network(images[:0]).shape == network(images[:0].reshape(0, 24)).shape == (0, 5)


def test_networks_without_dense_layers_give_images_for_images():
    network = ReluNetwork(images_network().layers[:2], input_shape=(4, 3, 2))
    images = np.random.default_rng(1).uniform(-1, 1, (5, 4, 3, 2))
    values = network(images)
    assert values.shape == (5, 4, 3, 2)
    assert np.array_equal(network(images[0]), network(images[:1])[0])
    assert np.array_equal(network(images.reshape(5, 24)), values.reshape(5, 24))
    assert np.array_equal(network(images[:1].ravel()), network(images[:1]).ravel())


def test_evaluation_is_that_of_the_unrolled_layers():
    network = images_network()
    layers = [
        Dense(getattr(a.weight, "tocsr", lambda a=a: a.weight)(), a.bias) for a in network.affine_layers
    ]
    unrolled = ReluNetwork(layers)
    x = np.random.default_rng(1).uniform(-1, 1, (7, 24))
    np.testing.assert_allclose(network(x), unrolled(x), rtol=1e-13, atol=1e-13)
    assert network.widths == unrolled.widths == (24, 36, 24, 5)
    assert [(a.d_in, a.d_out) for a in network.affine_layers] == [(24, 36), (36, 24), (24, 5)]
    assert network.affine_layers[2] is network.layers[2]
    assert network.parameters == 36 + 3 + 18 + 120 + 5


def test_relus_follow_where_they_should():
    minus = Conv2d(np.full((1, 1, 1, 1), -1.0))
    image = np.array([[[1.0], [-2.0]]])
    assert ReluNetwork([minus, minus])(image).ravel().tolist() == [0.0, -2.0]
    assert ReluNetwork([minus, minus], linear_after=[0])(image).ravel().tolist() == [1.0, -2.0]
    assert ReluNetwork([minus], final_relu=True)(image).ravel().tolist() == [0.0, 2.0]


def test_without_a_size_images_of_every_size_are_taken_and_sizes_asked_for():
    rng = np.random.default_rng(0)
    network = ReluNetwork([Conv2d(rng.uniform(-1, 1, (3, 3, 2, 3)))], domain=Box(0, 1))
    for shape in ((1, 1, 2), (5, 2, 2), (3, 6, 5, 2)):
        assert network(np.ones(shape)).shape == (*shape[:-1], 3)
    for ask in (
        lambda: network.widths,
        lambda: network.affine_layers,
        lambda: network(np.ones(18)),
        lambda: network(np.ones((2, 18))),
        lambda: ReluNetwork(network.layers, domain=Box(0, [1.0, 2.0])),
        lambda: ReluNetwork(network.layers, domain=Ball(1, [1.0, 2.0])),
    ):
        with pytest.raises(InvalidNetworkError, match=r"input_shape=\(h, w, c\)"):
            ask()
    assert repr(network) == "ReluNetwork(?x?x2-?x?x3, 54 parameters)"
    loose = ReluNetwork(images_network().layers)
    image = rng.uniform(-1, 1, (3, 4, 2))
    assert np.array_equal(loose(image), ReluNetwork(loose.layers, input_shape=(3, 4, 2))(image))
    with pytest.raises(InvalidNetworkError, match=r"\(3, 3, 2\) give layer 2 18 values, but it takes 24"):
        loose(np.ones((3, 3, 2)))


def test_domains_have_the_flattened_order():
    low = -np.arange(24.0)
    network = ReluNetwork(images_network().layers, input_shape=(4, 3, 2), domain=Box(low, 1))
    assert network.domain.bounds(network.widths[0])[0].tolist() == low.tolist()
    with pytest.raises(InvalidNetworkError, match="3 coordinates"):
        ReluNetwork(network.layers, input_shape=(4, 3, 2), domain=Box([0, 0, 0], 1))


@pytest.mark.parametrize(
    ("kernel", "bias", "message"),
    [
        (np.ones((3, 3)), None, r"\(rows, columns, c_in, c_out\), got \(3, 3\)"),
        (np.ones((3, 3, 1, 1, 1)), None, "must have shape"),
        (np.ones((3, 0, 1, 1)), None, "must have shape"),
        (np.ones((3, 3, 1, 0)), None, "must have shape"),
        (np.full((1, 1, 1, 2), np.nan), None, r"nan at \(0, 0, 0, 0\)"),
        (np.full((1, 1, 1, 2), np.inf), None, "inf"),
        (np.ones((1, 1, 1, 2)), [1.0], r"needs \(2,\)"),
        (np.ones((1, 1, 1, 2)), [[1.0, 2.0]], r"needs \(2,\)"),
        (np.ones((1, 1, 1, 2)), [1.0, -np.inf], "-inf"),
        (np.array([[[["a"]]]]), None, "dtype"),
        ([[[[1.0, 2.0], [1.0]]]], None, "rectangular"),
    ],
)
def test_bad_layers_are_refused(kernel, bias, message):
    with pytest.raises(InvalidNetworkError, match=message):
        Conv2d(kernel, bias)


CONV, WIDE = Conv2d(np.ones((3, 3, 2, 3))), Conv2d(np.ones((1, 1, 4, 2)))


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([CONV, WIDE], None, "layer 0 gives 3 channels, but layer 1 takes 4"),
        ([Dense(np.ones((2, 2))), CONV], None, "layer 1 is a Conv2d after the Dense layer 0"),
        ([CONV, Dense(np.ones((2, 10)))], None, "10 values, which is no multiple of 3"),
        ([CONV, Dense(np.ones((2, 12)))], (2, 3, 2), "layer 0 gives 18 values, but layer 1 takes 12"),
        ([Dense(np.ones((2, 2)))], (1, 1, 2), "networks that start with Conv2d"),
        ([CONV], (2, 2, 3), "3 channels, but layer 0 takes 2"),
        ([CONV], (2, 2), "three integers"),
        ([CONV], (2, 2, 2, 2), "three integers"),
        ([CONV], (0, 2, 2), "three integers"),
        ([CONV], (2.0, 2, 2), "three integers"),
        ([CONV], 4, "three integers"),
        ([CONV, 3], None, "layer 1 is a int, not a Dense or Conv2d layer"),
        ([], None, "at least one layer"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, shape, message):
    with pytest.raises(InvalidNetworkError, match=message):
        ReluNetwork(layers, input_shape=shape)


@pytest.mark.parametrize(
    "shape",
    [
        (4, 3),
        (24, 1),
        (3, 4, 2),
        (4, 3, 3),
        (1, 3, 4, 2),
        (1, 1, 4, 3, 2),
        (0, 3, 2),
        (),
        (23,),
        (2, 0, 3, 2),
    ],
)
def test_inputs_of_another_size_are_refused(shape):
    with pytest.raises(InvalidNetworkError, match=r"images of shape \(4, 3, 2\).*24 values") as error:
        images_network()(np.ones(shape))
    assert str(shape) in str(error.value)


@pytest.mark.parametrize("shape", [(2, 2, 5), (3, 2, 2, 5), (0, 2, 2), (1, 1, 2, 2, 2)])
def test_inputs_that_are_no_images_of_these_channels_are_refused_without_a_size(shape):
    with pytest.raises(InvalidNetworkError, match=r"images of shape \(h, w, 2\), alone or in a batch; got"):
        ReluNetwork(images_network().layers[:2])(np.ones(shape))


def test_nan_images_are_refused():
    with pytest.raises(InvalidNetworkError, match="nan"):
        images_network()(np.full((4, 3, 2), np.nan))


def test_names_say_the_sizes():
    assert repr(images_network()) == "ReluNetwork(4x3x2-4x3x3-4x3x2-5, 182 parameters)"
    assert repr(images_network().layers[0]) == "Conv2d(3x2, 2 -> 3, bias)"
    assert subsetsum_nets.Conv2d is Conv2d


def test_layers_keep_what_they_were_given_and_nobody_can_change_it():
    kernel = np.ones((1, 1, 1, 1))
    layer = Conv2d(kernel, np.zeros(1))
    kernel[:] = 7.0
    assert layer.kernel.item() == 1.0
    with pytest.raises(ValueError, match="read-only"):
        layer.kernel[:] = 2.0


def test_digests_tell_kernels_and_image_sizes_apart():
    networks = [
        images_network(),
        images_network(1),
        images_network(input_shape=(3, 4, 2)),
        images_network(input_shape=None),
        ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))]),
        ReluNetwork([Dense(np.ones((1, 1)))]),
        ReluNetwork([Conv2d(np.ones((1, 2, 1, 1)))]),
        ReluNetwork([Conv2d(np.ones((2, 1, 1, 1)))]),
    ]
    assert len({network_digest(network) for network in networks}) == len(networks)
    assert network_digest(images_network()) == network_digest(images_network())


def test_the_sparse_form_is_the_same_function_with_its_kernels():
    network = images_network()
    sparse = sparse_form(network)
    assert sparse.layers[:2] == network.layers[:2]
    assert hasattr(sparse.layers[2].weight, "indptr")
    assert sparse.input_shape == network.input_shape
    x = np.random.default_rng(0).uniform(-1, 1, (3, 24))
    np.testing.assert_allclose(sparse(x), network(x), rtol=1e-14)


def test_masks_of_kernels_are_applied_and_stored(tmp_path):
    network = images_network()
    rng = np.random.default_rng(3)
    masks = NetworkMasks(
        [
            rng.random(weight.shape) < 0.5
            for weight in (network.layers[0].kernel, network.layers[1].kernel, network.layers[2].weight)
        ],
        [rng.random(3) < 0.5, None, rng.random(5) < 0.5],
    )
    pruned = masks.apply(network)
    assert pruned.input_shape == (4, 3, 2)
    for index in (0, 1):
        kept = np.where(masks.weights[index], network.layers[index].kernel, 0.0)
        assert np.array_equal(pruned.layers[index].kernel, kept)
    masks.save(tmp_path / "masks.npz")
    again = NetworkMasks.load(tmp_path / "masks.npz")
    assert again.digest() == masks.digest()
    assert network_digest(again.apply(network)) == network_digest(pruned)
    assert again.kept == sum(int(mask.sum()) for mask in [*masks.weights, masks.biases[0], masks.biases[2]])
    with pytest.raises(InvalidNetworkError, match="mask of layer 0"):
        NetworkMasks([masks.weights[0][..., :1], *masks.weights[1:]], masks.biases).apply(network)
    masks.weights[0] = masks.weights[0][0]
    masks.save(tmp_path / "masks.npz")
    with pytest.raises(NetworkFileError, match=r"mask of shape \(2, 2, 3\)"):
        NetworkMasks.load(tmp_path / "masks.npz")


def test_large_images_are_not_unrolled():
    kernel = np.random.default_rng(0).uniform(-1, 1, (3, 3, 8, 8))
    layer = Conv2d(kernel).on((256, 256))
    assert layer.weight.shape == (math.prod((256, 256, 8)),) * 2
    x = np.random.default_rng(1).uniform(-1, 1, layer.d_in)
    values = (layer.weight @ x).reshape(256, 256, 8)
    corner = ConvolutionMatrix(kernel, (4, 4)) @ x.reshape(256, 256, 8)[:4, :4].ravel()
    np.testing.assert_allclose(values[:3, :3], corner.reshape(4, 4, 8)[:3, :3], rtol=1e-12)

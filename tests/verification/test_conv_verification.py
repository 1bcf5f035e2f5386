"""Verification of convolutional layers: sound against exact values, the same as unrolled ones."""

import tracemalloc

import numpy as np
import pytest
from by_definition import unrolled
from verification.test_conv_mutants import check_norms
from verification.tiny_images import (
    METHODS,
    bound_of,
    check_sound,
    one_pixel_pair,
    random_image_pair,
    unrolled_network,
)
from verification.tiny_networks import NORMS

from subsetsum_nets.networks import (
    Ball,
    Box,
    Conv2d,
    ConvolutionMatrix,
    Dense,
    InvalidNetworkError,
    ReluNetwork,
)
from subsetsum_nets.verification import (
    DifferentialRecursion,
    LayerErrors,
    UnsupportedStructureError,
    effective_layers,
    verify,
)
from subsetsum_nets.verification.enclosures.convolution_norms import autocorrelation, convolution_norm_up
from subsetsum_nets.verification.enclosures.convolutions import ConvolutionMidRad
from subsetsum_nets.verification.enclosures.midrad import MidRad

# ---------------------------------------------------------------- soundness


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("seed", range(20, 34))
def test_bounds_hold_at_hard_points(seed, norm):
    f, g, domain = random_image_pair(seed)
    check_sound(f, g, domain, norm)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 180))
def test_bounds_hold_at_hard_points_of_many_pairs(seed):
    f, g, domain = random_image_pair(seed)
    for norm in NORMS:
        check_sound(f, g, domain, norm)
    if seed % 10 == 0:
        check_norms(seed)


# ---------------------------------------------------------------- tightness


@pytest.mark.thinned
@pytest.mark.parametrize("method", ["interval", "differential"])
@pytest.mark.parametrize("seed", range(28))
def test_bounds_are_those_of_the_unrolled_networks(seed, method):
    f, g, _ = random_image_pair(seed, kinds=("pixel", "entry", "linear", "wide"))
    size = f.widths[0]
    low = np.repeat(np.random.default_rng(seed).uniform(-1, 1, f.input_shape[2])[np.newaxis], size, 0)
    low = low.ravel()[:size]
    for domain in (Box(-1, 1), Box(0, 1), Box(low, low + 0.5), Ball(0.7)):
        ours = bound_of(f, g, domain, "linf", method)
        theirs = bound_of(unrolled_network(f), unrolled_network(g), domain, "linf", method)
        assert ours.upper == pytest.approx(theirs.upper, rel=1e-12, abs=1e-15)
        for a, b in zip(ours.layers, theirs.layers, strict=True):
            assert a.deviation_before == pytest.approx(b.deviation_before, rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("seed", range(12))
def test_norms_of_small_images_are_those_of_the_unrolled_networks(seed):
    f, g, _ = random_image_pair(seed, kinds=("pixel", "entry", "linear"))
    ours = bound_of(f, g, Box(-1, 1), "l2", "norms").upper
    theirs = bound_of(unrolled_network(f), unrolled_network(g), Box(-1, 1), "l2", "norms").upper
    assert ours == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize("channels", [1, 4])
def test_norms_of_large_images_come_near_the_norm_on_the_whole_grid(channels):
    kernel = np.random.default_rng(channels).uniform(-1, 1, (3, 3, channels, channels))
    matrix = ConvolutionMidRad.point(ConvolutionMatrix(kernel, (100, 100)))
    angles = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    waves = np.exp(1j * np.outer(angles, np.arange(3)))
    symbols = np.einsum("ap,bq,pqio->abio", waves, waves, kernel)
    truth = np.linalg.norm(symbols, 2, axis=(2, 3)).max()
    assert truth * (1 - 1e-3) <= convolution_norm_up(matrix) <= truth * 1.05


def test_the_autocorrelation_is_the_kernel_of_the_gram_matrix():
    kernel = np.random.default_rng(0).uniform(-1, 1, (2, 3, 2, 3))
    gram = autocorrelation(kernel)
    matrix = unrolled(kernel, (7, 7))
    row = (matrix.T @ matrix).reshape(7, 7, 2, 7, 7, 2)[3, 3]  # of the middle pixel: far from the border
    assert gram.mid.shape == (3, 5, 2, 2)
    for a, b in np.ndindex(3, 5):
        np.testing.assert_allclose(gram.mid[a, b], row[:, 3 + 1 - a, 3 + 2 - b], atol=1e-13)
    assert (gram.rad <= 1e-13).all()


def test_equal_networks_have_the_bound_0():
    f, _, _ = random_image_pair(1)
    assert bound_of(f, f, Box(-1, 1), "l2", "differential").upper == 0.0
    assert bound_of(f, f, Box(-1, 1), "l2", "norms").upper < 1e-300


@pytest.mark.parametrize("kind", ["pixel", "entry", "linear"])
def test_effective_layers_of_convolutions_are_convolutions(kind):
    f, g, _ = random_image_pair(1, kinds=(kind,))
    for two_slope, layer in zip(effective_layers(f, g), f.layers, strict=True):
        assert isinstance(two_slope.positive, ConvolutionMidRad) == isinstance(layer, Conv2d)
    (first, *_), layer = effective_layers(f, g), f.affine_layers[0]
    errors = first.minus(layer).magnitudes()
    assert errors.positive.shape == layer.weight.shape
    assert errors.worst >= np.abs(first.positive.mid.kernel - f.layers[0].kernel).max()


def test_effective_values_of_images_are_enclosed():
    f, g, _ = random_image_pair(0, kinds=("pixel",))
    x = np.random.default_rng(0).uniform(-1, 1, f.widths[0])
    first, pair = (ReluNetwork(layers, input_shape=f.input_shape) for layers in (f.layers[:1], g.layers[:2]))
    (layer,) = effective_layers(first, pair)
    low, high = layer.image(MidRad.point(x)).bounds()
    value = pair(x)
    assert (low - 1e-12 <= value).all()
    assert (value <= high + 1e-12).all()
    assert (high - low < 1e-12).all()


# ---------------------------------------------------------------- large images


@pytest.mark.slow
def test_a_large_image_is_verified_without_unrolling_it():
    rng = np.random.default_rng(0)
    kernel = rng.uniform(-0.1, 0.1, (3, 3, 16, 16))
    f = ReluNetwork([Conv2d(kernel, rng.uniform(-1, 1, 16))], input_shape=(64, 64, 16))
    pair = one_pixel_pair(kernel + 1e-4, kernel - 1e-4, f.layers[0].bias, constants=False)
    g = ReluNetwork(pair, input_shape=(64, 64, 16))
    tracemalloc.start()
    try:
        linf = {method: bound_of(f, g, Box(-1, 1), "linf", method).upper for method in METHODS}
        assert tracemalloc.get_traced_memory()[1] < 2**28
    finally:
        tracemalloc.stop()
    assert linf["differential"] == pytest.approx(9 * 16 * 1e-4, rel=1e-9)
    assert linf["differential"] < min(linf["norms"], linf["interval"])
    # The error is positive and the same everywhere, so that its norm on [x+; x-] is known.
    norm = bound_of(f, g, Box(-1, 1), "l2", "norms").upper
    assert norm == pytest.approx(1e-4 * 9 * np.sqrt(2 * 16 * 16) * 64 * 4, rel=0.02)


def test_pairs_that_only_unrolling_could_compare_are_refused_when_large():
    rng = np.random.default_rng(0)
    kernel = rng.uniform(-1, 1, (3, 3, 4, 4))
    layers = [Conv2d(np.ones((3, 3, 4, 1))), Conv2d(np.ones((3, 3, 1, 4)))]
    f = ReluNetwork([Conv2d(kernel)], input_shape=(64, 64, 4))
    g = ReluNetwork(layers, input_shape=(64, 64, 4), linear_after=[0])
    with pytest.raises(UnsupportedStructureError, match=r"hidden layer 0 .* 16384 x 16384 weights"):
        effective_layers(f, g)
    assert bound_of(f, g, Box(-1, 1), "linf", "interval").upper > 0


# ---------------------------------------------------------------- refusals


def test_hidden_channels_with_two_inputs_or_a_bias_are_refused():
    f = ReluNetwork([Conv2d(np.ones((1, 1, 2, 1)))], input_shape=(2, 2, 2))
    second = Conv2d(np.ones((3, 3, 1, 1)))
    for first, message in (
        (Conv2d(np.ones((1, 1, 2, 1))), "unit 0 of hidden layer 0 has 2 nonzero"),
        (Conv2d(np.array([1.0, 0.0]).reshape(1, 1, 2, 1), [1.0]), "both an input weight and a bias"),
    ):
        with pytest.raises(UnsupportedStructureError, match=message):
            effective_layers(f, ReluNetwork([first, second], input_shape=(2, 2, 2)))


def test_the_size_of_the_images_is_asked_for():
    f = ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))])
    for method in METHODS:
        with pytest.raises(InvalidNetworkError, match="input_shape"):
            bound_of(f, f, Box(-1, 1), "l2", method)


def test_errors_of_kernels_must_fit_and_be_numbers():
    f = ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))], input_shape=(2, 2, 1))
    matrix = f.affine_layers[0].weight
    recursion = DifferentialRecursion(f, Box(-1, 1))
    for kernel, message in ((np.full((1, 1, 1, 1), np.nan), "finite"), (np.ones((1, 1, 2, 1)), "shapes")):
        bad = matrix.with_kernel(kernel)
        with pytest.raises(ValueError, match=message):
            recursion.bound([LayerErrors(bad, bad, np.zeros(4))])
    others = (
        ConvolutionMatrix(np.ones((3, 3, 1, 1)), (2, 2)),
        ConvolutionMatrix(np.ones((1, 1, 1, 1)), (1, 4)),
        np.ones((4, 4)),
    )
    for other in others:
        with pytest.raises(ValueError, match="of two kinds"):
            recursion.bound([LayerErrors(matrix, other, np.zeros(4))])
    point = ConvolutionMidRad.point(matrix)
    with pytest.raises(ValueError, match="unlike sizes"):
        point.minus(ConvolutionMidRad.point(others[1]))


def test_dense_and_convolutional_layers_are_compared_with_one_another():
    rng = np.random.default_rng(2)
    conv = ReluNetwork([Conv2d(rng.uniform(-1, 1, (3, 2, 1, 2)))], input_shape=(2, 3, 1))
    near = unrolled_network(conv).layers[0].weight.toarray() + 0.125
    dense = ReluNetwork([Dense(near)])
    for f, g in ((conv, dense), (dense, conv)):
        for norm in NORMS:
            check_sound(f, g, Box(-1, 1), norm)
        assert bound_of(f, g, Box(-1, 1), "linf", "differential").upper == pytest.approx(0.125 * 6)


@pytest.mark.thinned
@pytest.mark.parametrize("norm", ["l2", "linf", "l1"])
@pytest.mark.parametrize("seed", range(4))
def test_verify_is_sound_end_to_end(seed, norm):
    rng = np.random.default_rng(seed)
    f, g = image_pair(rng)
    result = verify(f, g, norm=norm, exact=True)
    points = rng.uniform(-1, 1, (200, f.widths[0]))
    order = {"l2": 2, "linf": np.inf, "l1": 1}[norm]
    assert np.linalg.norm(f(points) - g(points), order, axis=1).max() <= result.upper * (1 + 1e-12)
    assert 0.0 < result.lower <= result.replayed <= result.upper


@pytest.mark.slow
def test_a_large_image_is_verified_without_unrolling(monkeypatch):
    monkeypatch.setattr(ConvolutionMatrix, "tocsr", None)
    monkeypatch.setattr(ConvolutionMatrix, "toarray", None)
    f, g = image_pair(np.random.default_rng(0), image=(64, 64, 4))
    result = verify(f, g, norm="linf", epsilon=0.2)
    assert result.verified
    assert 0.0 < result.lower <= result.upper


def image_pair(rng, image=(3, 4, 2)):
    """A convolutional layer and a pair of layers with nearly the same effective kernel."""
    channels = image[-1]
    kernel = rng.uniform(-0.3, 0.3, (3, 3, channels, 2))
    split = np.zeros((1, 1, channels, 2 * channels))
    for channel in range(channels):
        split[0, 0, channel, 2 * channel : 2 * channel + 2] = [1.0, -1.0]
    halves = np.stack([kernel, -kernel], axis=3).reshape(3, 3, 2 * channels, 2)
    halves += rng.uniform(-1e-3, 1e-3, halves.shape)
    return (
        ReluNetwork([Conv2d(kernel)], input_shape=image),
        ReluNetwork([Conv2d(split), Conv2d(halves)], input_shape=image),
    )

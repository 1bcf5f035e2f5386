"""Strides, padding, dilation, groups and pooling under every method, against the exact supremum."""

from fractions import Fraction

import numpy as np
import pytest
from by_definition import unrolled_layer
from hypothesis import given, settings
from hypothesis import strategies as st
from support.geometries import conv_cases
from verification.geometry_cases import geometry_pair
from verification.test_conv_mutants import check_primitives
from verification.tiny_images import unrolled_network
from verification.tiny_networks import NORMS, power
from verification.true_sup import true_sup

from subsetsum_nets.networks import Box, Conv2d, Dense, MaxPool2d, ReluNetwork
from subsetsum_nets.verification import METHODS, Comparison, SearchOptions, effective_layers, verify
from subsetsum_nets.verification.enclosures import convolution_norms
from subsetsum_nets.verification.enclosures.convolution_norms import convolution_norm_up, polyphase
from subsetsum_nets.verification.enclosures.convolutions import ConvolutionMidRad, alike
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.replay.replay import replayed_bound

FAST = [method for method in METHODS if method not in ("milp", "splitting")]
SLOW = ["milp", "splitting"]


def check_pair(seed, methods, limit=None):
    """Check bounds of methods against the exact supremum, and their replays in exact numbers against both."""
    f, g, domain = geometry_pair(seed)
    norm = NORMS[seed % 3]
    p, comparison = power(norm), Comparison(f, g, domain, norm)
    least, _ = true_sup(unrolled_network(f), unrolled_network(g), domain, norm, sides=16)
    for method in methods:
        options = [SearchOptions(time_limit=limit, record=True)] * (method in SLOW)
        bound = TABLE[method].bound(comparison, *options)
        replayed = replayed_bound(method, comparison, bound.record)
        assert least <= replayed**p, f"{method}: {float(replayed)} is below the truth"
        assert replayed <= Fraction(bound.upper)


def check_verified(seed, limit=1.0):
    """Check what verify() says by every method: bounds on both sides of the exact supremum."""
    f, g, domain = geometry_pair(seed)
    norm = NORMS[seed % 3]
    least, most = true_sup(unrolled_network(f), unrolled_network(g), domain, norm, sides=16)
    for method in METHODS:
        result = verify(f, g, domain=domain, norm=norm, method=method, time_limit=limit)
        assert Fraction(result.upper) ** power(norm) >= least, f"{method}: {result.upper} is below the truth"
        assert Fraction(result.lower) ** power(norm) <= most, f"{method}: {result.lower} is above the truth"


@pytest.mark.parametrize("seed", [0, 1, 3, 4, 5, 7, 10, 22])
def test_no_method_falls_below_the_truth(seed):
    check_pair(seed, FAST)


@pytest.mark.parametrize("seed", [7, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 6))])
def test_searches_do_not_fall_below_the_truth(seed):
    check_pair(seed, SLOW, 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [16, 19, 23, 26])
def test_everything_verified_is_true(seed):
    check_verified(seed)


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(4))
def test_no_method_falls_below_the_truth_on_many(batch):
    for seed in range(40 + 8 * batch, 48 + 8 * batch):
        check_pair(seed, FAST)


@pytest.mark.slow
@given(conv_cases(most=2), st.booleans())
@settings(deadline=None, max_examples=10)
def test_enclosures_of_products_hold_for_every_geometry(case, transposed):
    layer, image = case
    matrix, dense = layer.on(image).weight, unrolled_layer(layer, image)
    check_primitives(matrix.T if transposed else matrix, dense.T if transposed else dense)


@pytest.mark.slow
@given(conv_cases(), st.booleans(), st.integers(0, 9))
@settings(deadline=None, max_examples=15)
def test_norms_hold_for_every_geometry(case, transposed, seed):
    check_geometry_norm(*case, transposed=transposed, seed=seed)


def check_geometry_norm(layer, image, *, transposed, seed):
    """Check the norm of a set of matrices, unrolled or not, against members of it."""
    rng = np.random.default_rng(seed)
    matrix = layer.on(image).weight
    matrix = matrix.T if transposed else matrix
    radius = np.abs(matrix.kernel) * rng.uniform(0, 0.5, matrix.kernel.shape)
    points = ConvolutionMidRad.of_kernel(MidRad(matrix.kernel, radius), matrix.axes)
    member = matrix.with_kernel(matrix.kernel + radius * rng.choice([-1, 1], radius.shape))
    true = max(np.linalg.norm(unrolled_layer(layer, image), 2), np.linalg.norm(member.toarray(), 2))
    with pytest.MonkeyPatch.context() as patch:
        for most in (convolution_norms._MOST_UNROLLED, 0):
            patch.setattr(convolution_norms, "_MOST_UNROLLED", most)
            for work in (0, 2**30):
                patch.setattr(convolution_norms, "_MOST_WORK", work)
                assert true <= convolution_norm_up(points) * (1 + 1e-9) + 1e-300
    if layer.kernel.any():
        wide = unrolled_layer(layer, (8, 8))
        assert np.linalg.norm(wide, 2) <= convolution_norms._grid_bound(polyphase(matrix)) * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("words", [{"stride": 2}, {"stride": (1, 3), "dilation": 2}, {"dilation": (2, 1)}])
def test_norms_of_large_images_come_near_those_of_wide_ones(words):
    kernel = np.random.default_rng(3).uniform(-1, 1, (3, 3, 2, 2))
    layer = Conv2d(kernel, padding="valid", **words)
    wide = np.linalg.norm(layer.on((20, 20)).weight.toarray(), 2)
    for matrix in (layer.on((200, 200)).weight, layer.on((200, 200)).weight.T):
        norm = convolution_norm_up(ConvolutionMidRad.point(matrix))
        assert wide <= norm <= 1.15 * wide


def test_windows_that_do_not_overlap_have_the_norm_of_one_window():
    kernel = np.random.default_rng(0).uniform(-1, 1, (2, 2, 3, 4))
    matrix = Conv2d(kernel, stride=2, padding="valid").on((300, 300)).weight
    one = np.linalg.norm(kernel.reshape(12, 4), 2)
    assert one <= convolution_norm_up(ConvolutionMidRad.point(matrix)) <= 1.001 * one


@given(conv_cases(most=2), conv_cases(most=2), st.integers(0, 9))
@settings(deadline=None, max_examples=60)
def test_differences_of_convolutions_are_those_of_their_matrices(case, other, seed):
    check_difference(*case, other[0], seed)


def check_difference(layer, image, other, seed):
    """Check the difference of two layers that differ in nothing but the kernel, the dilation, the padding."""
    a = layer.on(image).weight
    rng = np.random.default_rng(seed)
    kernel = rng.integers(-8, 9, (*other.size, layer.kernel.shape[2], layer.c_out)) / 8
    reach = [d * (n - 1) for d, n in zip(other.dilation, other.size, strict=True)]
    before = [int(rng.integers(0, r + 1)) for r in reach]
    after = [
        axis.down * (axis.outputs - 1) + r + 1 - axis.inputs - b
        for axis, r, b in zip(a.axes, reach, before, strict=True)
    ]
    if min(after) < 0:
        return
    second = Conv2d(
        kernel,
        stride=layer.stride,
        padding=tuple(zip(before, after, strict=True)),
        groups=layer.groups,
        dilation=other.dilation,
    )
    b = second.on(image).weight
    assert alike(a, b)
    difference = ConvolutionMidRad.point(a).minus(ConvolutionMidRad.point(b))
    wanted = unrolled_layer(layer, image) - unrolled_layer(second, image)
    assert np.array_equal(difference.mid.toarray(), wanted)
    assert (difference.rad.kernel >= 0.0).all()


def test_places_of_the_kernel_that_see_no_image_cost_nothing():
    f, g = (
        ReluNetwork([Conv2d(np.ones((3, 3, 1, 1)), dilation=dilation)], input_shape=(4, 4, 1))
        for dilation in (2**20, 1)
    )
    difference = ConvolutionMidRad.point(f.affine_layers[0].weight).minus(
        ConvolutionMidRad.point(g.affine_layers[0].weight)
    )
    assert difference.mid.kernel.shape == (3, 3, 1, 1)
    assert difference.mid.kernel[1, 1].item() == 0.0


def test_pairs_of_strided_layers_stay_convolutions():
    for seed in (8, 9, 12, 16, 24, 25, 33):
        f, g, _ = geometry_pair(seed)
        found = effective_layers(f, g)
        assert isinstance(found[1].positive, ConvolutionMidRad)
        assert alike(found[1].positive.mid, f.affine_layers[1].weight)


def test_convolutions_of_unlike_strides_are_compared_unrolled():
    kernel = np.ones((2, 2, 1, 1))
    f = ReluNetwork([Conv2d(kernel, stride=2, padding="valid")], input_shape=(4, 4, 1))
    g = ReluNetwork([Conv2d(kernel, stride=2, padding=((0, 0), (0, 1)))], input_shape=(4, 4, 1))
    h = ReluNetwork([Conv2d(kernel, stride=(2, 3), padding=((0, 0), (1, 0)))], input_shape=(4, 4, 1))
    assert verify(f, g, domain=Box(-1, 1), method="differential").upper == 0.0
    assert not alike(f.affine_layers[0].weight, h.affine_layers[0].weight)
    exact = np.abs(f.affine_layers[0].weight.toarray() - h.affine_layers[0].weight.toarray()).sum(axis=1)
    bound = verify(f, h, domain=Box(-1, 1), norm="linf", method="differential").upper
    assert exact.max() <= bound <= exact.max() * (1 + 1e-9)


def test_a_pooled_network_and_one_of_another_depth_are_compared_through_their_difference():
    f, _, domain = geometry_pair(14)
    g = unrolled_network(ReluNetwork(f.layers[:1], input_shape=f.input_shape))
    last = Dense(np.full((2, g.widths[-1]), 0.125))
    g = ReluNetwork([*g.layers, last])
    least, most = true_sup(unrolled_network(f), g, domain, "linf", sides=16)
    for method in ("interval", "zonotope"):
        result = verify(f, g, domain=domain, norm="linf", method=method)
        assert result.lower <= most
        assert least <= Fraction(result.upper)


def test_pooled_networks_of_practical_size_are_not_unrolled():
    rng = np.random.default_rng(0)
    layers = [Conv2d(rng.uniform(-1, 1, (3, 3, 1, 4)) / 9, stride=2), MaxPool2d(2)]
    f = ReluNetwork(layers, input_shape=(64, 64, 1))
    g = f.with_layers([f.layers[0].with_stored(f.layers[0].kernel + 1e-3, None), *f.layers[1:]])
    comparison = Comparison(f, g, Box(0, 1), "linf")
    for method in ("norms", "differential"):
        assert 0.009 <= TABLE[method].bound(comparison).upper < 5.0

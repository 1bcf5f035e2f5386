"""Deliberately wrong strides, padding, dilation, groups and maxima: the checks on tiny cases catch each."""

import numpy as np
import pytest
from by_definition import unrolled_layer
from support.planting import plant
from verification.geometry_cases import geometry_pair
from verification.test_conv_mutants import check_primitives
from verification.test_geometry_verification import check_difference, check_geometry_norm, check_pair
from verification.tiny_images import bound_of, check_sound, unrolled_network

from subsetsum_nets.networks import Box, Conv2d, ReluNetwork, convolution, convolution_matrix, pooling
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix
from subsetsum_nets.networks.window_geometry import Axis, _axis, _joined, _same_zeros
from subsetsum_nets.verification.enclosures import convolution_norms, convolutions, effective


def layers():
    """Return (layer, image) of one kind of window each."""
    rng = np.random.default_rng(4)
    for shape, image, words in (
        ((2, 3, 1, 2), (4, 5), {"stride": 2}),
        ((3, 2, 2, 1), (5, 4), {"stride": (2, 1), "padding": "same_upper"}),
        ((2, 2, 1, 1), (3, 5), {"stride": (1, 3), "padding": "valid"}),
        ((2, 2, 1, 2), (4, 4), {"padding": ((0, 2), (1, 0)), "dilation": (2, 1)}),
        ((2, 2, 1, 4), (3, 4), {"groups": 2, "stride": 2, "dilation": (1, 2), "padding": 1}),
        ((4, 3, 1, 1), (4, 4), {"stride": 2, "padding": (3, 0)}),
        ((2, 2, 1, 1), (4, 4), {"stride": 2, "dilation": 3, "padding": "same"}),
        ((3, 3, 1, 1), (2, 2), {"dilation": 2}),
    ):
        yield Conv2d(rng.integers(-8, 9, shape) / 8 + 1 / 16, **words), image


def products():
    for layer, image in layers():
        dense = unrolled_layer(layer, image)
        check_primitives(layer.on(image).weight, dense)
        check_primitives(layer.on(image).weight.T, dense.T)


def norms():
    for seed, (layer, image) in enumerate(layers()):
        for transposed in (False, True):
            check_geometry_norm(layer, image, transposed=transposed, seed=seed)


def differences():
    cases = list(layers())
    for seed, (layer, image) in enumerate(cases):
        for other, _ in cases:
            check_difference(layer, image, other, seed)


def values():
    """Check values of networks against those of their layers unrolled by the definition."""
    for seed in range(8):
        for network in geometry_pair(seed)[:2]:
            x = np.random.default_rng(seed).uniform(-1, 1, (4, network.widths[0]))
            np.testing.assert_allclose(network(x), unrolled_network(network)(x), atol=1e-12)


def bounds():
    for f, g in traps():
        check_sound(f, g, Box(-1, 1), "linf")
        assert bound_of(f, g, Box(-1, 1), "linf", "differential").upper < 50.0
    for seed in (9, 12, 16, 24, 27, 33):
        check_pair(seed, ["differential", "norms"])


def traps():
    """Return pairs that are no convolution though a kernel is 1x1, and convolutions of unlike strides."""
    rng = np.random.default_rng(0)
    point, kernel = np.ones((1, 1, 1, 1)), rng.integers(-8, 9, (3, 3, 1, 1)) / 8
    for words, whole, image in (
        ({"stride": 2}, {"stride": 2}, (3, 3)),
        ({"padding": ((0, 1), (1, 0))}, {"padding": ((1, 2), (2, 1))}, (2, 2)),
    ):
        pair = Conv2d(point, **words), Conv2d(kernel)
        f = ReluNetwork([Conv2d(kernel, **whole)], input_shape=(*image, 1))
        yield f, ReluNetwork(pair, linear_after=[0], input_shape=(*image, 1))
    pixels = (
        Conv2d(kernel, stride=2, padding="valid"),
        Conv2d(kernel, stride=(2, 3), padding=((0, 0), (1, 0))),
    )
    f, g = (ReluNetwork([layer], input_shape=(5, 6, 1)) for layer in pixels)
    yield f, g


def maxima():
    """Check networks of poolings against the largest of each window."""
    rng = np.random.default_rng(2)
    one = Conv2d(np.ones((1, 1, 1, 1)))
    for size, stride, padding, nonnegative in (
        ((4, 1), (4, 1), "valid", True),
        ((3, 2), (2, 1), ((1, 1), (1, 0)), True),
        ((5, 3), (1, 2), "valid", False),
        ((1, 2), (2, 2), "valid", False),
    ):
        pool = pooling.MaxPool2d(size, stride=stride, padding=padding)
        net = ReluNetwork(
            [one, pool, one], input_shape=(9, 8, 1), linear_after=[1] if nonnegative else [0, 1]
        )
        x = rng.integers(-8, 9, (3, 9, 8, 1)) / 8
        given = np.maximum(x, 0.0) if nonnegative else x
        around = padding if padding != "valid" else ((0, 0), (0, 0))
        padded = np.pad(given, [(0, 0), *around, (0, 0)], constant_values=-9.0)
        windows = np.lib.stride_tricks.sliding_window_view(padded, size, (1, 2))[
            :, :: stride[0], :: stride[1]
        ]
        assert np.array_equal(net(x), windows.max(axis=(-2, -1)))


MUTANTS = [
    # the check that must catch it, function, formula, broken formula
    (products, _axis, "zeros[0]", "zeros[1]"),
    (products, _axis, "(pixels + sum(zeros) - reach - 1) // stride + 1", "pixels // stride"),
    (products, _axis, "reach = dilation * (places - 1)", "reach = places - 1"),
    (
        products,
        _axis,
        "Axis(pixels, outputs, reach - zeros[0], stride, dilation=dilation)",
        "Axis(pixels, outputs, reach - zeros[0], stride)",
    ),
    (products, _same_zeros, "(less, more) if upper else (more, less)", "(more, less)"),
    (products, _same_zeros, "dilation * (places - 1)", "places - 1"),
    (products, _same_zeros, "-(-pixels // stride)", "pixels // stride"),
    (products, Axis.places, "self.shift - self.dilation * place", "self.shift - place"),
    (
        products,
        Axis.places,
        "_joined(self.outputs, self.inputs, self.down, offset)",
        "_joined(self.outputs, self.inputs, 1, offset)",
    ),
    (
        products,
        Axis.places,
        "_joined(self.inputs, self.outputs, self.up, -offset)",
        "_joined(self.inputs, self.outputs, self.up, offset)",
    ),
    (products, Axis.places, "min(count, last + 1)", "min(count, last)"),
    (products, _joined, "max(0, -(offset // step))", "0"),
    (
        products,
        _joined,
        "min(coarse, (fine - 1 - offset) // step + 1)",
        "min(coarse, (fine - offset) // step)",
    ),
    (products, Axis.transposed, "self.dilation * (places - 1)", "(places - 1)"),
    (
        products,
        Axis.transposed,
        "Axis(self.outputs, self.inputs, shift, self.up, self.down, self.dilation)",
        "Axis(self.outputs, self.inputs, shift, 1, 1, self.dilation)",
    ),
    (products, ConvolutionMatrix.shape.fget, "math.prod(self.image_out)", "math.prod(self.image)"),
    (products, ConvolutionMatrix.tocsr, "self.image, self.image_out", "self.image, self.image"),
    (
        products,
        convolution.ungrouped,
        "kernel.reshape(rows, columns, c_in, groups, -1).transpose(3, 0, 1, 2, 4)",
        "kernel.reshape(rows, columns, c_in, groups, -1).transpose(3, 0, 1, 2, 4)[::-1]",
    ),
    (
        values,
        convolution_matrix._by_groups,
        "weight.reshape(c_in, groups, c_out // groups)",
        "weight.reshape(c_in, groups, c_out // groups)[:, ::-1]",
    ),
    (values, Conv2d.with_stored, "Conv2d(kernel, bias, **self.options)", "Conv2d(kernel, bias)"),
    (
        norms,
        convolution_norms._phases,
        "np.divmod(offsets if axis.up == 1 else -offsets, max(axis.down, axis.up))",
        "(0 * offsets, np.arange(len(offsets)))",
    ),
    (norms, convolution_norms._phases, "max(axis.down, axis.up)", "1 + max(axis.down, axis.up)"),
    (
        norms,
        convolution_norms._phases,
        "axis.shift - axis.dilation * np.arange(len(kernel))",
        "axis.shift - np.arange(len(kernel))",
    ),
    (differences, convolutions._undilated, "apart[:: axis.dilation] = kept", "apart[: len(kept)] = kept"),
    (
        differences,
        convolutions._undilated,
        "axis._replace(shift=axis.shift - axis.dilation * seen[0], dilation=1)",
        "axis._replace(shift=axis.shift - axis.dilation * seen[0])",
    ),
    (differences, convolutions._undilated, "axis.shift - axis.dilation * seen[0]", "axis.shift"),
    (differences, convolutions._aligned, "x.dilation > 1 or y.dilation > 1", "False"),
    (differences, convolutions._padded, "before[number] - axis.shift", "before[number]"),
    (differences, convolutions._padded, "axis._replace(shift=before[number])", "axis"),
    (
        bounds,
        convolutions.composed,
        "first.axes if first.at_one_place() is None else second.axes",
        "first.axes",
    ),
    (bounds, convolutions.larger_products_up, "a.offsets()", "list(a.offsets())[1:]"),
    (bounds, Axis.own_place.fget, "self.inputs == self.outputs and self.down == self.up == 1", "True"),
    (bounds, effective._difference, "kernels and not alike(weight.mid, other.mid)", "False"),
    (
        maxima,
        pooling._pair_maxima,
        "np.stack([np.outer(parts, of_b), np.outer(parts, of_a)])",
        "np.stack([np.outer(parts, of_a), np.outer(parts, 0.0 * of_b)])",
    ),
    (maxima, pooling._rounds, "min(seen, size - seen)", "seen"),
    (maxima, pooling._rounds, "stride if seen == size else 1", "stride"),
    (
        maxima,
        pooling._rounds,
        "rounds.append(_Round(axis, gap, stride if seen == size else 1, zeros))\n...\n(0, 0)",
        "zeros",
    ),
    (maxima, pooling.max_pool_layers, "s if n == 1 else 1", "1"),
    (maxima, pooling.max_pool_layers, "[1.0, -1.0, 1.0]", "[1.0, 0.0, 1.0]"),
    (maxima, pooling._pair_maxima, "np.array([1.0, -1.0, -1.0])", "np.array([1.0, 1.0, -1.0])"),
]


@pytest.mark.thinned
@pytest.mark.parametrize("check", [products, norms, differences, values, bounds, maxima])
def test_the_checks_pass_as_things_are(check):
    check()


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("check", "function", "formula", "broken"),
    MUTANTS,
    ids=[f"{getattr(mutant[1], '__qualname__', mutant[1])}-{i}" for i, mutant in enumerate(MUTANTS)],
)
def test_every_mutant_is_caught(monkeypatch, check, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises((AssertionError, ValueError, IndexError, TypeError)):
            check()

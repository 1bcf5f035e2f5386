"""Deliberately broken formulas for convolutions, each of which the checks on a few tiny cases must catch."""

from fractions import Fraction

import numpy as np
import pytest
from by_definition import unrolled
from support.planting import plant
from verification.tiny_images import (
    check_sound,
    check_tight,
    one_pixel_pair,
    random_image_pair,
    tight_cases,
)
from verification.tiny_networks import NORMS, check_encloses, exact_norm, exact_product, fraction_rows

from subsetsum_nets.networks import Ball, Box, Conv2d, ConvolutionMatrix, ReluNetwork
from subsetsum_nets.networks.window_geometry import Axis
from subsetsum_nets.verification.enclosures import (
    convolution_norms,
    convolutions,
    effective,
    midrad,
    spectral,
)
from subsetsum_nets.verification.enclosures.convolution_norms import convolution_norm_up
from subsetsum_nets.verification.enclosures.convolutions import ConvolutionMidRad
from subsetsum_nets.verification.enclosures.midrad import MidRad, affine, matmul, product_up, row_norms_up
from subsetsum_nets.verification.methods import differential, norms

TINY = 2.0**-1074
KERNELS = [
    (np.random.default_rng(0).uniform(-1, 1, (3, 3, 2, 2)), (2, 3)),
    (np.random.default_rng(1).uniform(-1, 1, (2, 2, 1, 3)), (3, 2)),
    (np.array([1.0, 2.0**-53, -1.0]).reshape(1, 3, 1, 1), (1, 4)),
    (np.array([TINY, 0.5, 2.0**-1022]).reshape(3, 1, 1, 1), (2, 2)),
    (np.array([2.0**-600, 1e154]).reshape(1, 1, 2, 1), (1, 2)),
    (np.array([0.0, 0.0, 0.1]).reshape(1, 3, 1, 1), (1, 2)),
    (np.zeros((3, 3, 1, 1)), (2, 2)),
    (np.full((1, 1, 1, 1), TINY), (1, 1)),  # products that vanish
    (np.array([1.0] + 30 * [2.0**-53]).reshape(1, 31, 1, 1), (1, 31)),  # a term lost in every sum
]


def check_primitives(matrix, dense):
    """Check the primitives on a convolution against rational arithmetic on its unrolled self."""
    rng = np.random.default_rng(0)
    b = rng.uniform(-1, 1, (dense.shape[1], 2))
    b[0] = 0.5
    if b.size > 20:
        b[:, 0] = 1.0
    c = rng.uniform(-1, 1, (2, dense.shape[0]))
    check_encloses(affine(matrix, MidRad.point(b)), exact_product(dense, b))
    check_encloses(affine(matrix, MidRad.point(b[:, :1])), exact_product(dense, b[:, :1]))
    check_encloses(matmul(matrix, b), exact_product(dense, b))
    check_encloses(matmul(c, matrix), exact_product(c, dense))
    check_encloses(matmul(matrix.T, matrix), exact_product(dense.T, dense))
    for size in (np.abs(b), np.abs(b[:, :1]), np.zeros_like(b)):
        exact = exact_product(np.abs(dense), size)
        upper = fraction_rows(product_up(abs(matrix), size))
        assert all(
            x <= y for row, bound in zip(exact, upper, strict=True) for x, y in zip(row, bound, strict=True)
        )
    assert not product_up(abs(matrix), np.zeros(dense.shape[1])).any()
    for row, upper in zip(fraction_rows(dense), row_norms_up(matrix), strict=True):
        assert exact_norm(row, "l2") <= Fraction(float(upper)) ** 2
    x = MidRad(b[:, 0], np.abs(b[:, 1]))
    moved = affine(matrix, x)
    for signs in (np.ones(len(b)), np.sign(dense[0]) + (dense[0] == 0)):
        for sign in (1, -1):
            ends = [
                [Fraction(m) + int(sign * s) * Fraction(r)]
                for m, r, s in zip(x.mid, x.rad, signs, strict=True)
            ]
            for row, mid, rad in zip(fraction_rows(dense), moved.mid, moved.rad, strict=True):
                value = sum((w * e[0] for w, e in zip(row, ends, strict=True)), Fraction(0))
                assert abs(value - Fraction(mid)) <= Fraction(rad)


def check_norms(seed):
    """Check norms of sets of convolutions against the singular values of members, unrolled or not."""
    rng = np.random.default_rng([seed, 9])
    shape, image = (*rng.integers(1, 4, 2), *rng.integers(1, 4, 2)), tuple(rng.integers(1, 5, 2).tolist())
    kernel = rng.uniform(-1, 1, shape) * 2.0 ** float(rng.choice([0, 5, -600]))
    radius = np.abs(kernel) * rng.uniform(0, 0.5, shape)
    like = ConvolutionMatrix(kernel, image, (int(shape[0]) // 2, 0))
    matrix = ConvolutionMidRad.of_kernel(MidRad(kernel, radius), like.axes)
    scale = np.abs(kernel).max()
    members = kernel, kernel + radius, kernel - radius, kernel + radius * rng.choice([-1, 1], shape)
    sizes = [np.linalg.norm(unrolled(k / scale, image, matrix.mid.centre), 2) * scale for k in members]
    assert max(sizes) <= convolution_norm_up(matrix) * (1 + 1e-9)
    nothing = ConvolutionMidRad.of_kernel(MidRad(0.0 * kernel, radius), like.axes)
    less = matrix.minus(nothing)
    for member in members:
        assert (np.abs(unrolled(member, image, matrix.mid.centre)) <= matrix.magnitude().toarray()).all()
        assert (np.abs(member + radius - less.mid.kernel) <= less.rad.kernel * (1 + 1e-9)).all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution_norms, "_MOST_UNROLLED", 0)
        for work in (0, 2**19):
            patch.setattr(convolution_norms, "_MOST_WORK", work)
            assert max(sizes) <= convolution_norm_up(matrix) * (1 + 1e-9)
            # Many pixels come near the norm on the whole grid, which neither bound of it may fall below.
            wide = np.linalg.norm(unrolled(kernel / scale, (9, 9), matrix.mid.centre), 2) * scale
            assert wide <= convolution_norms._grid_bound(kernel) * (1 + 1e-9)


def primitives():
    for kernel, image in KERNELS:
        check_primitives(ConvolutionMatrix(kernel, image), unrolled(kernel, image))


def operator_norms():
    for seed in range(4):
        check_norms(seed)


def tight():
    for case in tight_cases():
        check_tight(*case)


def pairs():
    for seed in range(14):
        f, g, domain = random_image_pair(seed)
        check_sound(f, g, domain, NORMS[seed % 3])


def trapped():
    for f, g, domain in traps():
        check_sound(f, g, domain, "linf")


def traps():
    """Return cases where a channel counts at some pixels only, and where only few inputs can be negative."""
    kernel = np.ones((1, 1, 2, 1))
    f = ReluNetwork([Conv2d(kernel)], input_shape=(1, 2, 2))
    # A constant channel that the padding cuts off at the border only.
    first, second = Conv2d(np.zeros((1, 1, 1, 1)), [0.25]), Conv2d(np.ones((3, 1, 1, 1)))
    constant = ReluNetwork([Conv2d(np.zeros((3, 1, 1, 1)), [0.75])], input_shape=(3, 1, 1))
    yield constant, ReluNetwork([first, second], input_shape=(3, 1, 1)), Box(-1, 1)
    zero = ReluNetwork([Conv2d(np.zeros((1, 1, 1, 1)))], input_shape=(3, 1, 1))
    yield zero, ReluNetwork([first, second], input_shape=(3, 1, 1)), Box(-1, 1)
    # The same kernel on the same number of pixels, in a row and in a column.
    blur = Conv2d(np.ones((1, 3, 1, 1)))
    yield (*(ReluNetwork([blur], input_shape=shape) for shape in ((1, 4, 1), (4, 1, 1))), Box(-1, 1))
    # The pixel below only.
    shift = Conv2d(np.array([1.0, 0.0, 0.0]).reshape(3, 1, 1, 1))
    yield zero, ReluNetwork([shift, Conv2d(np.ones((1, 1, 1, 1)))], input_shape=(3, 1, 1)), Box(-1, 1)
    for positive, negative in ((kernel + 1.0, kernel), (kernel, kernel + 1.0)):
        g = ReluNetwork(one_pixel_pair(positive, negative, constants=False), input_shape=(1, 2, 2))
        for low, high in (([0.0, 0.0, 0.0, -1.0], 0.0), (0.0, [0.0, 1.0, 0.0, 0.0])):
            yield f, g, Box(low, high)
        yield f, g, Box(-1.0, 0.125)
        for centre in ([0.0, 0.0, 2.0, -2.0], [-2.0, 2.0, 0.0, 2.0]):
            yield f, g, Ball(0.5, centre)


MUTANTS = [
    # the check that must catch it, function, formula, broken formula
    (primitives, ConvolutionMatrix.convolve, "self.kernel[place]", "self.kernel[::-1][place]"),
    (primitives, ConvolutionMatrix.convolve, "self.kernel[place]", "self.kernel[:, ::-1][place]"),
    (
        primitives,
        ConvolutionMatrix.convolve,
        "_by_groups(images[:, *source], self.kernel[place], groups)",
        "images[:, *source][..., :1] @ self.kernel[place][:1]",
    ),
    (primitives, Axis.places, "max(0, first)", "max(1, first)"),
    (
        primitives,
        ConvolutionMatrix.__init__,
        "((rows - 1) // 2, (columns - 1) // 2)",
        "(rows // 2, (columns - 1) // 2)",
    ),
    (
        primitives,
        ConvolutionMatrix.__init__,
        "((rows - 1) // 2, (columns - 1) // 2)",
        "((rows - 1) // 2, columns // 2)",
    ),
    (primitives, ConvolutionMatrix.T.fget, "self.kernel[::-1, ::-1]", "self.kernel[::-1]"),
    (primitives, Axis.transposed, "self.dilation * (places - 1) - self.shift", "(places - 1) // 2"),
    (
        primitives,
        ConvolutionMatrix.tocsr,
        "np.tile(self.kernel[place][channels_in, channels_out], to.size)",
        "0.5 * np.tile(self.kernel[place][channels_in, channels_out], to.size)",
    ),
    (
        primitives,
        midrad.row_norms_up,
        "scaled.with_kernel(np.square(scaled.kernel)) @ ones",
        "scaled.with_kernel(np.square(scaled.kernel)) @ ones / 2",
    ),
    (
        primitives,
        midrad.product_up,
        "_pattern(a) @ (b != 0.0).astype(np.float64) > 0.0",
        "_pattern(a) @ (b != 0.0).astype(np.float64) > 1e9",
    ),
    (primitives, midrad.terms, "weight.row_terms", "0"),
    (operator_norms, ConvolutionMidRad.magnitude, "self.kernel.magnitude()", "np.abs(self.kernel.mid)"),
    (
        operator_norms,
        ConvolutionMidRad.minus,
        "ours.kernel.minus(theirs.kernel)",
        "MidRad.point(ours.kernel.minus(theirs.kernel).mid)",
    ),
    (operator_norms, convolution_norm_up, "centre + simple_bound(matrix.rad)", "centre"),
    (operator_norms, spectral.simple_bound, "min(frobenius, float(hoelder))", "frobenius / 2"),
    (
        operator_norms,
        spectral.simple_bound,
        "times_up(inflate(np.sqrt(rows), 1), inflate(np.sqrt(columns), 1))",
        "times_up(inflate(np.sqrt(rows), 1), inflate(0.0 * columns, 1))",
    ),
    (operator_norms, convolution_norms._grid_bound, "np.sqrt(square)", "np.sqrt(square / 2)"),
    (operator_norms, convolution_norms._grid_bound, "unscaled_up(np.array(bound), exponent)", "bound"),
    (operator_norms, convolution_norms._offsets_bound, "sum_up(norms)", "norms.max()"),
    (
        operator_norms,
        convolution_norms._hoelder,
        "times_up(inflate(np.sqrt(per_output), 1), inflate(np.sqrt(per_input), 1))",
        "times_up(inflate(np.sqrt(per_output), 1), inflate(0.0 * per_input, 1))",
    ),
    (
        operator_norms,
        convolution_norms.autocorrelation,
        "total[place] += factor[p, q] @ turned",
        "total[place] = factor[p, q] @ turned",
    ),
    (
        tight,
        convolutions.composed,
        "part.reshape(r2, s2, c_out, r1, s1, c_in)",
        "part.reshape(r2, s2, c_out, r1, s1, c_in)[::-1]",
    ),
    (
        tight,
        convolutions.composed,
        ("first.axes if first.at_one_place() is None else second.axes"),
        "first.axes",
    ),
    (tight, convolutions.composed, "values[:, start : start + count]", "values[:, :count]"),
    (
        tight,
        convolutions._padded,
        "[*margins, (0, 0), (0, 0)]",
        "[*(margin[::-1] for margin in margins), (0, 0), (0, 0)]",
    ),
    (
        tight,
        convolutions._aligned,
        "if geometry(a.mid) == geometry(b.mid):\n    return a, b",
        "if geometry(a.mid) == geometry(b.mid):\n    return a, a",
    ),
    (tight, convolutions.larger_products_up, "range(a.kernel.shape[2])", "range(1)"),
    (
        tight,
        convolutions.larger_products_up,
        (
            "np.maximum(times_up(left[source][..., channel, np.newaxis], a.kernel[place][channel]), "
            "times_up(right[source][..., channel, np.newaxis], b.kernel[place][channel]))"
        ),
        (
            "np.maximum(times_up(left[source][..., channel, np.newaxis], b.kernel[place][channel]), "
            "times_up(right[source][..., channel, np.newaxis], b.kernel[place][channel]))"
        ),
    ),
    (tight, convolutions.larger_products_up, "a.offsets()", "list(a.offsets())[1:]"),
    (
        trapped,
        convolutions.larger_products_up,
        "left, right = (values.reshape(*a.image, -1) for values in (x, y))\n...\nright[source]",
        "left[source]",
    ),
    (
        trapped,
        convolutions.channels_where,
        "np.any(_by_channel(matrix, inputs), axis=0)",
        "np.all(_by_channel(matrix, inputs), axis=0)",
    ),
    (
        trapped,
        differential._counted,
        "np.maximum(positive, negative)",
        "np.maximum(0.0 * positive, negative)",
    ),
    (
        trapped,
        differential._counted,
        "np.maximum(positive, negative)",
        "np.maximum(positive, 0.0 * negative)",
    ),
    (trapped, convolutions.seen_entries, "entries(matrix) * seen", "entries(matrix) * ~seen"),
    (
        trapped,
        ConvolutionMidRad.columns,
        "self.mid.kernel[:, :, channels]",
        "0.5 * self.mid.kernel[:, :, channels]",
    ),
    (
        trapped,
        norms._visible,
        "error.positive.columns(may_be_positive).beside(error.negative.columns(may_be_negative))",
        "error.positive.columns(may_be_positive)",
    ),
    (
        trapped,
        effective._convolutions,
        (
            "positive, negative = composed(before, after, hstack(_halves(before.rows)).tocsr())\n"
            "...\n"
            "affine(second.weight, MidRad.point(np.maximum(first.offset, 0.0)))"
        ),
        (
            "MidRad.point(np.tile(np.maximum(first.offset, 0.0)[: len(before.rows)] @ "
            "after.kernel.sum((0, 1)), first.d_out // len(before.rows)))"
        ),
    ),
    (trapped, effective._convolutions, "constants.plus(second.offset)", "MidRad.point(second.offset)"),
    (pairs, effective._convolutions, "constants.plus(second.offset)", "constants"),
    (trapped, ConvolutionMatrix.at_one_place, "elsewhere.any()", "False"),
]


@pytest.mark.thinned
@pytest.mark.parametrize("check", [primitives, operator_norms, tight, pairs, trapped])
def test_the_checks_pass_as_things_are(check):
    check()


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("check", "function", "formula", "broken"),
    MUTANTS,
    ids=[f"{mutant[1].__qualname__}-{i}" for i, mutant in enumerate(MUTANTS)],
)
def test_every_mutant_is_caught(monkeypatch, check, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises(AssertionError):
            check()

"""Tiny convolutional networks, what they can be pruned to, and checks of their bounds in exact arithmetic."""

from fractions import Fraction

import numpy as np
from by_definition import flat_layers
from scipy.sparse import csr_array
from verification.tiny_networks import exact_sizes, power, relu_pair

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, differential_bound, effective_layers
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.norms import norms_bound

METHODS = ("norms", "interval", "differential")


def bound_of(f, g, domain, norm, method):
    """Return what a method proves."""
    if method == "interval":
        return interval_bound(Comparison(f, g, domain, norm))
    if method == "norms":
        return norms_bound(Comparison(f, g, domain, norm))
    errors = [
        two_slope.minus(layer).magnitudes()
        for two_slope, layer in zip(effective_layers(f, g), f.affine_layers, strict=True)
    ]
    return differential_bound(f, errors, domain, norm)


def unrolled_network(network):
    """Return the same function on flattened images, of sparse layers."""
    return ReluNetwork(
        [Dense(csr_array(weight), bias) for weight, bias in flat_layers(network)],
        final_relu=network.final_relu,
        linear_after=network.linear_after,
    )


# ---------------------------------------------------------------- pairs that replace a convolution


def one_pixel_pair(positive, negative, bias=None, *, constants=True, rng=None):
    """Return a pair for P max(x, 0) + N min(x, 0): signs and slopes first, at single pixels, kernels then."""
    rows, columns, c_in, c_out = positive.shape
    slopes = np.array([0.5, -0.25])
    first = np.zeros((1, 1, c_in, 2 * c_in + 2 * constants))
    second = np.zeros((rows, columns, first.shape[3], c_out))
    for channel in range(c_in):
        for unit, (slope, kernel) in enumerate(zip(slopes, (positive, negative), strict=True)):
            first[0, 0, channel, 2 * channel + unit] = slope
            second[:, :, 2 * channel + unit] = kernel[:, :, channel] / slope
    hidden_bias = None
    if constants:  # a constant channel, which the padding cuts at the border, and a dead one
        hidden_bias = np.zeros(first.shape[3])
        hidden_bias[-2:] = 0.25, -0.5
        second[:, :, -2:] = rng.uniform(-0.1, 0.1, (rows, columns, 2, c_out))
    return Conv2d(first, hidden_bias), Conv2d(second, bias)


def entry_pair(positive, negative, bias=None):
    """Return the same with one hidden channel for every entry of the kernels and sign, summed up then."""
    rows, columns, c_in, c_out = positive.shape
    count = rows * columns * c_in
    first = np.zeros((count, 2 * count))
    first[np.arange(count), np.arange(count)] = 0.5
    first[np.arange(count), count + np.arange(count)] = -0.25
    second = np.concatenate([positive.reshape(count, c_out) / 0.5, negative.reshape(count, c_out) / -0.25])
    return Conv2d(first.reshape(rows, columns, c_in, -1)), Conv2d(second[np.newaxis, np.newaxis], bias)


def wide_pair(rng, c_in, c_out, hidden=3):
    """Return a pair whose product is no convolution at the border: entries off the centre, then kernels."""
    first = np.zeros((3, 3, c_in, hidden))
    for unit in range(hidden):
        first[rng.integers(3), rng.integers(3), rng.integers(c_in), unit] = rng.uniform(-1, 1)
    return Conv2d(first), Conv2d(rng.uniform(-0.3, 0.3, (2, 3, hidden, c_out)))


def linear_pair_of_kernels(rng, kernel, bias, *, wide=False):
    """Return two convolutions without a ReLU between: mixed channels first, and back."""
    c_in = kernel.shape[2]
    mixed = rng.uniform(-1, 1, (c_in, c_in + 1)) + 2 * np.eye(c_in, c_in + 1)
    first = np.zeros((3, 2, c_in, c_in + 1)) if wide else np.zeros((1, 1, c_in, c_in + 1))
    first[first.shape[0] // 2, 0] = mixed  # the pixel itself
    if wide:
        first += rng.uniform(-0.01, 0.01, first.shape)
    hidden_bias = rng.uniform(-0.1, 0.1, c_in + 1) if bias is not None else None
    return Conv2d(first, hidden_bias), Conv2d(np.linalg.pinv(mixed) @ kernel, bias)


KINDS = ("pixel", "entry", "linear", "wide", "wide linear", "unrolled", "unrolled linear")


def replaced(rng, kind, layer, image, error):
    """Return a pair near a convolution, and whether it has a ReLU inside."""

    def off(values):
        return None if values is None else values + rng.uniform(-error, error, values.shape)

    near, bias = off(layer.kernel), off(layer.bias)
    if kind == "pixel":
        return one_pixel_pair(near, off(layer.kernel), bias, rng=rng), True
    if kind == "entry":
        return entry_pair(near, off(layer.kernel), bias), True
    if kind == "wide":
        return wide_pair(rng, layer.c_in, layer.c_out), True
    if kind.endswith("linear") and not kind.startswith("unrolled"):
        return linear_pair_of_kernels(rng, near, bias, wide=kind.startswith("wide")), False
    ((weight, flat_bias),) = flat_layers(ReluNetwork([Conv2d(near, bias)], input_shape=(*image, layer.c_in)))
    if kind == "unrolled":
        return relu_pair(rng, weight, flat_bias, sparse=True), True
    return (Dense(csr_array(weight)), Dense(np.eye(len(weight)), flat_bias)), False


def random_image_pair(seed, *, kinds=KINDS):
    """Return (f, g, domain): f of one or two convolutions and perhaps a dense layer, g near it."""
    rng = np.random.default_rng([seed, 77])
    kind = kinds[seed % len(kinds)]
    depth = 1 if kind.startswith("unrolled") else 1 + seed % 2
    image = tuple(int(size) for size in rng.integers(1, 4, 2))
    channels = rng.integers(1, 3, depth + 1)
    error, bias = float(rng.choice([1e-3, 0.05, 0.5])), bool(rng.random() < 0.6)
    layers, pairs, linear = [], [], []
    for index in range(depth):
        shape = (*rng.integers(1, 4, 2), channels[index], channels[index + 1])
        offset = rng.uniform(-0.5, 0.5, shape[3]) if bias else None
        layers.append(Conv2d(rng.uniform(-1, 1, shape), offset))
        pair, relu = replaced(rng, kind, layers[-1], image, error)
        linear += [] if relu else [len(pairs)]
        pairs += pair
    if rng.random() < 0.5:
        weight = rng.uniform(-1, 1, (2, image[0] * image[1] * channels[-1]))
        layers.append(Dense(weight))
        pairs += relu_pair(rng, weight + rng.uniform(-error, error, weight.shape), None)
    final_relu = bool(rng.random() < 0.3)
    input_shape = (*image, int(channels[0]))
    f = ReluNetwork(layers, final_relu=final_relu, input_shape=input_shape)
    pruned_shape = input_shape if isinstance(pairs[0], Conv2d) else None
    g = ReluNetwork(pairs, final_relu=final_relu, linear_after=linear, input_shape=pruned_shape)
    low = rng.uniform(-1, 0.5, f.widths[0])
    domains = (
        Box(-1, 1),
        Box(0, 1),
        Box(low, low + rng.uniform(0, 1, f.widths[0])),
        Ball(0.7),
        Ball(0.4, rng.uniform(-1, 1, f.widths[0])),
    )
    return f, g, domains[seed // 2 % 5]


# ---------------------------------------------------------------- checks


def hard_points(f, g, domain, norm, rng):
    """Return points of the domain where f and g differ most, by search in floating point."""
    low, high = domain.bounds(f.widths[0])
    corners = np.where(rng.random((200, low.size)) < 0.5, low, high)
    points = domain.project(np.concatenate([corners, rng.uniform(low, high, (100, low.size))]))
    order = {"l2": 2, "linf": np.inf, "l1": 1}[norm]

    def worst(points, count):
        return points[np.argsort(np.linalg.norm(f(points) - g(points), order, axis=1))[-count:]]

    for width in (1.0, 0.3, 0.05):
        best = worst(points, 5)
        moves = rng.standard_normal((5, 40, low.size)) * width * (high - low)
        flips = np.where(rng.random((5, 40, low.size)) < 0.1, rng.choice([low, high], (5, 40)), best[:, None])
        points = np.concatenate([best, *domain.project(best[:, None] + moves), *domain.project(flips)])
    return np.array([point for point in worst(points, 4) if domain.contains(point)])


def check_sound(f, g, domain, norm, methods=METHODS):
    """Check the bounds of all methods against exact values at hard points."""
    points = hard_points(f, g, domain, norm, np.random.default_rng(5))
    reached = max(exact_sizes(f, g, points, norm), default=Fraction(0))
    for method in methods:
        upper = bound_of(f, g, domain, norm, method).upper
        assert reached <= Fraction(upper) ** power(norm), f"{method}, {norm}: {float(reached)} > {upper}"


def check_tight(f, g, slopes):
    """Check the bounds of one layer over Box(-1, 1) in linf at the corner where they are attained.

    ``slopes`` are the exact E+ >= 0 and E- <= 0, shape (d_out, d_in) each, or E alone, of any signs.
    """
    if len(slopes) == 1:
        rows = np.abs(slopes[0]).sum(axis=1)
        corner = np.sign(slopes[0][rows.argmax()]) + (slopes[0][rows.argmax()] == 0.0)
    else:
        rows = np.maximum(slopes[0], -slopes[1]).sum(axis=1)
        corner = np.where(slopes[0][rows.argmax()] >= -slopes[1][rows.argmax()], 1.0, -1.0)
    (reached,) = exact_sizes(f, g, corner[np.newaxis], "linf")
    upper = bound_of(f, g, Box(-1, 1), "linf", "differential").upper
    assert reached <= Fraction(upper) <= reached * (1 + Fraction(1, 10**9)), f"{float(reached)}, {upper}"


def tight_cases():
    """Return cases for :func:`check_tight`: kernels of unlike sizes, and slopes of unlike errors."""
    cases = []
    for seed, (shape, other, image) in enumerate(
        [
            ((3, 3, 2, 2), (3, 3, 2, 2), (3, 4)),
            ((2, 3, 1, 2), (3, 4, 1, 2), (4, 3)),
            ((1, 1, 2, 1), (4, 2, 2, 1), (3, 3)),
            ((5, 5, 1, 1), (1, 2, 1, 1), (2, 3)),
        ]
    ):
        rng = np.random.default_rng(seed)
        # Multiples of 1/64, so that differences and what pairs compute are exact.
        kernel, wrong = (np.round(64 * rng.uniform(-1, 1, size)) / 64 for size in (shape, other))
        size = (*image, shape[2])
        f = ReluNetwork([Conv2d(kernel)], input_shape=size)
        matrix, wrong_matrix = (
            flat_layers(ReluNetwork([Conv2d(k)], input_shape=size))[0][0] for k in (kernel, wrong)
        )
        error = wrong_matrix - matrix
        cases.append((f, ReluNetwork([Conv2d(wrong)], input_shape=size), (error,)))
        mix = np.round(8 * rng.uniform(-1, 1, (1, 1, shape[2], shape[2]))) / 8
        pair = Conv2d(mix), Conv2d(wrong)
        product = wrong_matrix @ flat_layers(ReluNetwork(pair[:1], input_shape=size))[0][0]
        linear = ReluNetwork(pair, linear_after=[0], input_shape=size)
        cases.append((f, linear, (product - matrix,)))
        above, below = (np.round(64 * rng.uniform(0, 0.5, shape)) / 64 for _ in range(2))
        slopes = [flat_layers(ReluNetwork([Conv2d(k)], input_shape=size))[0][0] for k in (above, -below)]
        apart = kernel + above, kernel - below
        for pair in (one_pixel_pair(*apart, constants=False), entry_pair(*apart)):
            cases += [(f, ReluNetwork(pair, input_shape=size), slopes)]
    return cases

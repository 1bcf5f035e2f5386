"""Tiny networks of one or two inputs with every kind of convolution and pooling, and what stands for them."""

import numpy as np
from verification.tiny_images import entry_pair, one_pixel_pair

from subsetsum_nets.networks import AvgPool2d, Ball, Box, Conv2d, Dense, MaxPool2d, ReluNetwork
from subsetsum_nets.networks.convolution import ungrouped

DOMAINS = (Box(-1, 1), Box(-0.25, 1.0), Box(0, 1), Ball(1.0), Ball(0.5, 0.25))
KINDS = ("strided", "valid", "dilated", "grouped", "uneven", "average", "maximum", "signed maximum")
WINDOWS = {
    "strided": {"stride": 2},
    "valid": {"stride": (1, 2), "padding": "valid"},
    "dilated": {"dilation": 2, "padding": 1},
    "grouped": {"groups": 2, "stride": 2, "padding": "same_upper"},
    "uneven": {"stride": (2, 3), "padding": ((0, 1), (2, 0)), "dilation": (1, 2)},
}


def spread_out(rng, inputs, channels):
    """Return a layer that makes images of 3x3 pixels of one pixel, each an affine map of the inputs."""
    kernel = np.round(16 * rng.uniform(-1, 1, (3, 3, inputs, channels))) / 16
    return Conv2d(kernel, np.round(16 * rng.uniform(-0.5, 0.5, channels)) / 16, padding=2)


def geometry_network(seed):
    """Return a network of one or two inputs that goes through one kind of window."""
    rng = np.random.default_rng([seed, 5])
    kind = KINDS[seed % len(KINDS)]
    channels = 2 if kind == "grouped" else 1
    layers, linear = [spread_out(rng, 1 + seed // len(KINDS) % 2, channels)], []
    if kind in WINDOWS:
        kernel = np.round(16 * rng.uniform(-1, 1, (2, 2, 1, channels))) / 16
        layers.append(Conv2d(kernel, rng.uniform(-0.5, 0.5, channels), **WINDOWS[kind]))
    else:
        pool = AvgPool2d if kind == "average" else MaxPool2d
        layers.append(pool((2, 2), stride=1 + seed % 2, padding="valid" if kind.startswith("signed") else 1))
        linear = [0] if kind.startswith("signed") else [1] if seed % 3 else []
    size = ReluNetwork(layers, input_shape=(1, 1, layers[0].c_in)).widths[-1]
    layers.append(Dense(np.round(16 * rng.uniform(-1, 1, (2, size))) / 16))
    return ReluNetwork(
        layers, input_shape=(1, 1, layers[0].c_in), linear_after=linear, final_relu=bool(seed % 5 == 0)
    )


def near(rng, layer, error):
    """Return a layer of the same windows with weights that are a little off; a fixed one as it is."""
    if layer.fixed:
        return layer
    off = [
        None if part is None else part + rng.uniform(-error, error, part.shape)
        for part in (layer.stored, layer.bias)
    ]
    return layer.with_stored(*off)


def pair_near(rng, layer, error, *, single_pixels_first):
    """Return two convolutions with a ReLU between that stand for one, with other slopes below and above 0."""
    kernel = ungrouped(layer.kernel, layer.groups)
    above, below = (kernel + rng.uniform(-error, error, kernel.shape) for _ in range(2))
    options = {k: v for k, v in layer.options.items() if k not in ("groups", "fixed")}
    if single_pixels_first:
        first, second = one_pixel_pair(above, below, layer.bias, rng=rng)
        return first, Conv2d(second.kernel, second.bias, **options)
    first, second = entry_pair(above, below, layer.bias)
    return Conv2d(first.kernel, **options), second


def geometry_pair(seed):
    """Return (f, g, domain): g has other weights, or pairs of layers, in place of what is not fixed."""
    f = geometry_network(seed)
    rng = np.random.default_rng([seed, 6])
    error, way = float(rng.choice([1e-3, 0.05, 0.3])), seed // 3 % 3
    layers, linear = [], []
    for index, layer in enumerate(f.layers):
        if isinstance(layer, Dense) or layer.fixed or way == 0 or (way == 2 and index == 0):
            layers.append(near(rng, layer, error))
        else:
            layers += pair_near(rng, layer, error, single_pixels_first=way == 1)
        linear += [len(layers) - 1] if index in f.linear_after else []
    g = ReluNetwork(layers, input_shape=f.input_shape, linear_after=linear, final_relu=f.final_relu)
    return f, g, DOMAINS[seed % len(DOMAINS)]

"""Convolutions of every geometry, drawn at random, and their values straight from the definition."""

import math

import numpy as np
from hypothesis import strategies as st

from subsetsum_nets.networks import Conv2d

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
zeros = st.tuples(st.integers(0, 3), st.integers(0, 3))
paddings = st.one_of(
    st.sampled_from(["same", "same_upper", "valid"]), st.integers(0, 2), zeros, st.tuples(zeros, zeros)
)


@st.composite
def conv_cases(draw, most=3):
    """Draw a Conv2d of dyadic weights and the size of images that some window of it fits."""
    groups = draw(st.integers(1, 2))
    size = draw(st.tuples(st.integers(1, most), st.integers(1, most)))
    channels = draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kernel = rng.integers(-8, 9, (*size, *channels)) / 8
    kernel *= rng.random(kernel.shape) < draw(st.sampled_from([1.0, 0.6]))
    layer = Conv2d(
        kernel,
        draw(st.sampled_from([None, rng.integers(-8, 9, channels[1]) / 8])),
        stride=draw(st.one_of(st.just(1), st.just(2), pairs)),
        padding=draw(paddings),
        groups=groups,
        dilation=draw(st.one_of(st.just(1), pairs)),
    )
    around = [0, 0] if isinstance(layer.padding, str) else [sum(ends) for ends in layer.padding]
    reach = [d * (n - 1) + 1 for d, n in zip(layer.dilation, layer.size, strict=True)]
    least = [
        1 if isinstance(layer.padding, str) else max(1, r - z) for r, z in zip(reach, around, strict=True)
    ]
    return layer, tuple(draw(st.integers(n, max(n, 5))) for n in least)


def zeros_before(layer, image):
    """Return (zeros before an image, number of windows) for rows and columns, from ONNX's text."""
    found = []
    for axis in (0, 1):
        n, s, reach = image[axis], layer.stride[axis], layer.dilation[axis] * (layer.size[axis] - 1) + 1
        if isinstance(layer.padding, str):
            count = math.ceil(n / s)
            total = max(0, (count - 1) * s + reach - n)
            before = total // 2 if layer.padding == "same_upper" else math.ceil(total / 2)
        else:
            before, after = layer.padding[axis]
            count = (n + before + after - reach) // s + 1
        found.append((before, count))
    return found


def unrolled_layer(layer, image):
    """Return the matrix (d_out, d_in) of a Conv2d entry by entry: the flipped kernel, cross-correlated."""
    turned = layer.kernel[::-1, ::-1]
    (top, h), (left, w) = zeros_before(layer, image)
    (s, t), (d, e), (rows, columns) = layer.stride, layer.dilation, layer.size
    each_in, each_out = layer.c_in // layer.groups, layer.c_out // layer.groups
    dense = np.zeros((h, w, layer.c_out, *image, layer.c_in))
    for i, j, p, q, out, c in np.ndindex(h, w, rows, columns, layer.c_out, each_in):
        a, b = i * s + p * d - top, j * t + q * e - left
        if 0 <= a < image[0] and 0 <= b < image[1]:
            dense[i, j, out, a, b, out // each_out * each_in + c] += turned[p, q, c, out]
    return dense.reshape(h * w * layer.c_out, -1)

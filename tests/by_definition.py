"""Convolutions straight from their definition, entry by entry, to hold ours against."""

import math

import numpy as np


def unrolled(kernel, image, centre=None):
    """Return the matrix of a convolution of images (h, w): y[i, j] = sum x[i + s - p, j + t - q] K[p, q]."""
    kernel = np.asarray(kernel)
    (rows, columns, c_in, c_out), (h, w) = kernel.shape, image
    s, t = ((rows - 1) // 2, (columns - 1) // 2) if centre is None else centre
    dense = np.zeros((h, w, c_out, h, w, c_in), dtype=kernel.dtype)
    for i, j, p, q in np.ndindex(h, w, rows, columns):
        a, b = i + s - p, j + t - q
        if 0 <= a < h and 0 <= b < w:
            dense[i, j, :, a, b, :] = kernel[p, q].T
    return dense.reshape(h * w * c_out, h * w * c_in)


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


def flat_layers(network):
    """Return (weight (d_out, d_in), bias (d_out,) or None) of every layer on flattened values."""
    layers, image = [], (network.input_shape or ())[:2]
    for layer in network.layers:
        weight, bias = getattr(layer, "weight", None), layer.bias
        if weight is None:
            weight = unrolled_layer(layer, image)
            image = tuple(count for _, count in zeros_before(layer, image))
            bias = None if bias is None else np.tile(bias, math.prod(image))
        layers.append((weight, bias))
    return layers

"""Convolutions straight from their definition, entry by entry, to hold ours against."""

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


def flat_layers(network):
    """Return (weight (d_out, d_in), bias (d_out,) or None) of every layer on flattened values."""
    layers = []
    for layer in network.layers:
        weight, bias = getattr(layer, "weight", None), layer.bias
        if weight is None:
            h, w, _ = network.input_shape
            weight = unrolled(layer.kernel, (h, w))
            bias = None if bias is None else np.tile(bias, h * w)
        layers.append((weight, bias))
    return layers

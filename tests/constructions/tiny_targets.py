"""Small targets with every feature of a network, and the exact effective weights of a pruned one."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork

NAMES = ("linear", "relu", "relu-paper")
STRUCTURED = ("structured-paper", "structured", "structured-kernels")


def target(widths, *, seed=0, bias=True, scale=0.5, final_relu=False):
    """Return a target with uniform weights; ``bias`` for all layers or one flag each."""
    rng = np.random.default_rng(seed)
    flags = [bias] * (len(widths) - 1) if isinstance(bias, bool) else bias
    layers = [
        Dense(
            rng.uniform(-scale, scale, (d_out, d_in)), rng.uniform(-scale, scale, d_out) if biased else None
        )
        for d_in, d_out, biased in zip(widths, widths[1:], flags, strict=False)
    ]
    return ReluNetwork(layers, final_relu=final_relu)


@st.composite
def targets(draw, *, most_layers=3, most_width=5):
    """Draw a target; some weights are 0, some layers have biases, some hidden layers no ReLU."""
    widths = draw(st.lists(st.integers(1, most_width), min_size=2, max_size=most_layers + 1))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    layers = []
    for d_in, d_out in pairwise(widths):
        scale = draw(st.sampled_from([0.3, 1.0, 3.7]))
        weight = rng.uniform(-scale, scale, (d_out, d_in)) * (rng.random((d_out, d_in)) < 0.8)
        layers.append(Dense(weight, rng.uniform(-scale, scale, d_out) if draw(st.booleans()) else None))
    linear = [index for index in range(len(layers) - 1) if draw(st.integers(0, 3)) == 0]
    return ReluNetwork(layers, final_relu=draw(st.booleans()), linear_after=linear)


@st.composite
def domains(draw, dimension):
    """Draw a box whose coordinates are of one sign, of both, or the point 0; or a ball."""
    if draw(st.integers(0, 3)) == 0:
        return Ball(draw(st.sampled_from([0.5, 1.0])), draw(st.sampled_from([0.0, 2.0])))
    sides = draw(
        st.lists(
            st.sampled_from([(-1, 1), (0, 1), (-1, 0), (0, 0), (0.25, 2), (-2, -0.5)]),
            min_size=dimension,
            max_size=dimension,
        )
    )
    low, high = np.array(sides, dtype=float).T
    return Box(low, high)


def exactly(values):
    """Return an object array of Fractions."""
    dense = np.asarray(values.toarray() if hasattr(values, "tocsr") else values, dtype=float)
    fractions = np.empty(dense.shape, dtype=object)
    fractions.ravel()[:] = [Fraction(v) for v in dense.ravel().tolist()]
    return fractions


def effective_pair(first, second, *, relu):
    """Return (P, N, c) of x -> second(relu(first(x))) = P max(x, 0) + N min(x, 0) + c, in Fractions.

    By definition of the ReLU alone: a unit with slope u on one input is on for inputs of the sign of u.
    """
    slopes, outgoing = exactly(first.weight), exactly(second.weight)
    d_out, d_in = outgoing.shape[0], slopes.shape[1]
    positive, negative = exactly(np.zeros((d_out, d_in))), exactly(np.zeros((d_out, d_in)))
    constant = exactly(np.zeros(d_out)) if second.bias is None else exactly(second.bias)
    offsets = exactly(np.zeros(first.d_out) if first.bias is None else first.bias)
    for unit in range(first.d_out):
        inputs = [j for j in range(d_in) if slopes[unit, j] != 0]
        assert len(inputs) <= 1, f"unit {unit} reads inputs {inputs}"
        if inputs:
            assert offsets[unit] == 0, f"unit {unit} reads an input and has a bias"
        for j in inputs:
            slope = slopes[unit, j]
            if slope > 0 or not relu:
                positive[:, j] += outgoing[:, unit] * slope
            if slope < 0 or not relu:
                negative[:, j] += outgoing[:, unit] * slope
        if offsets[unit] > 0 or not relu:
            constant += outgoing[:, unit] * offsets[unit]
    return positive, negative, constant


def effective_by_side(network, layer):
    """Return {side: (d_out, d_in + 1)} for target layer ``layer``; the bias is the last column."""
    first, second = network.layers[2 * layer], network.layers[2 * layer + 1]
    relu = network.relu_after[2 * layer]
    positive, negative, constant = effective_pair(first, second, relu=relu)
    above, below = np.column_stack([positive, constant]), np.column_stack([negative, constant])
    return {"positive": above, "negative": below, "both": above}

"""Random small networks, and what they compute exactly: the judge of what is exported."""

import itertools
from fractions import Fraction

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.networks import Conv2d, Dense, ReluNetwork

numbers = st.one_of(
    st.floats(-4, 4), st.integers(-3, 3).map(float), st.sampled_from([0.0, 0.1, 1e-20, -0.1, 2.0**-30])
)


def exactly(network, x):
    """Return the network's values at ``x`` as a list of Fractions, in real arithmetic."""
    values = [Fraction(float(entry)) for entry in x]
    for layer, relu in zip(network.affine_layers, network.relu_after, strict=True):
        weight = layer.weight if isinstance(layer.weight, np.ndarray) else layer.weight.toarray()
        bias = np.zeros(layer.d_out) if layer.bias is None else layer.bias
        values = [
            sum((Fraction(w) * v for w, v in zip(row.tolist(), values, strict=True)), Fraction(b))
            for row, b in zip(weight, bias.tolist(), strict=True)
        ]
        if relu:
            values = [max(value, Fraction(0)) for value in values]
    return values


@st.composite
def dense_networks(draw, d_in, d_out, *, elements=numbers, ordinary=False):
    """Draw a network of 1 to 4 dense layers, some sparse, some without a ReLU behind them."""
    widths = [d_in, *draw(st.lists(st.integers(1, 4), max_size=3)), d_out]
    layers = []
    for before, after in itertools.pairwise(widths):
        weight = draw(hnp.arrays(np.float64, (after, before), elements=elements))
        bias = draw(st.none() | hnp.arrays(np.float64, after, elements=elements))
        layers.append(Dense(sp.csr_array(weight) if draw(st.booleans()) else weight, bias))
    return ReluNetwork(
        layers,
        final_relu=not ordinary and draw(st.booleans()),
        linear_after=[] if ordinary else [k for k in range(len(layers) - 1) if draw(st.booleans())],
    )


@st.composite
def pairs(draw, *, elements=numbers):
    """Draw (f, g, points) of any depths."""
    d_in, d_out = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    f, g = (draw(dense_networks(d_in, d_out, elements=elements)) for _ in range(2))
    return f, g, draw(hnp.arrays(np.float64, (2, d_in), elements=numbers))


def image_pair(seed=0):
    """Return a pair of networks of 2 x 3 images with two channels, the second one dense at its end."""
    rng = np.random.default_rng(seed)
    f = ReluNetwork(
        [Conv2d(rng.normal(size=(3, 2, 2, 2)), rng.normal(size=2)), Dense(rng.normal(size=(3, 12)))],
        input_shape=(2, 3, 2),
    )
    g = ReluNetwork(
        [
            Conv2d(rng.normal(size=(1, 1, 2, 3))),
            Conv2d(rng.normal(size=(3, 3, 3, 1)), rng.normal(size=1)),
            Dense(rng.normal(size=(3, 6)), rng.normal(size=3)),
        ],
        input_shape=(2, 3, 2),
    )
    return f, g

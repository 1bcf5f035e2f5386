"""Convolutions of every geometry, drawn at random."""

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

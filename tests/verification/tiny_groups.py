"""Tiny networks with any number of layers for a layer of their target, and the checks that they pass.

Weights are halves and quarters, so that signs and sums are exact where the networks are made.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
from verification.tiny_networks import NORMS, check_encloses, exact_values, power
from verification.true_sup import true_sup

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.networks.layer_groups import layer_groups
from subsetsum_nets.verification import (
    METHODS,
    Comparison,
    UnsupportedStructureError,
    effective_layers,
    verify,
)
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.methods.table import TABLE
from subsetsum_nets.verification.replay.layers import exact_effective_layers
from subsetsum_nets.verification.replay.replay import replayed_bound

DOMAINS = [Box(-1, 1), Box(-0.25, 1.0), Box(0, 1), Ball(1.0), Ball(0.5, 0.25)]
SEARCHING = ("milp", "splitting")
FAST = tuple(method for method in METHODS if method not in SEARCHING)
BY_LAYERS = tuple(method for method in METHODS if method != "interval")


# ---------------------------------------------------------------- groups by definition


def random_group(rng, d_in, d_out, k, *, behind_relu):
    """Return k layers, and which of the first k - 1 a ReLU follows, that make a two-slope layer.

    Every unit is drawn until what it computes of q = (max(x, 0), max(-x, 0), 1) has one sign, or belongs to
    one input: the rows of ``values`` say what the units before it can be, sign by sign.
    """
    one = np.eye(2 * d_in + 1)
    above, below = one[:d_in] > 0, one[d_in : 2 * d_in] > 0
    if behind_relu:
        below = np.zeros_like(below)
    layers, relus = [], []
    for _ in range(k - 1):
        relu = bool(rng.random() < 0.8)
        units = [drawn_unit(rng, above, below, relu) for _ in range(int(rng.integers(1, 5)))]
        weight, bias = np.array([w for w, _ in units]), np.array([b for _, b in units])
        above, below = signs_through(weight, bias, above, below)
        if relu:
            below = np.zeros_like(below)
        layers.append(Dense(weight, bias if rng.random() < 0.8 or bias.any() else None))
        relus.append(relu)
    width = layers[-1].d_out if layers else d_in
    layers.append(Dense(quarters(rng, (d_out, width)), quarters(rng, d_out) if rng.random() < 0.6 else None))
    return layers, relus


def drawn_unit(rng, above, below, relu):
    """Return the weights and the bias of a unit; behind it a ReLU may have to keep it two-slope."""
    while True:
        weight = quarters(rng, len(above)) * (rng.random(len(above)) < 0.5)
        bias = float(quarters(rng, 1)[0]) * bool(rng.random() < 0.3)
        rows = signs_through(weight[np.newaxis], np.array([bias]), above, below)
        if not relu or two_slope(*(row[0] for row in rows)):
            return weight, bias


def two_slope(above, below):
    """Whether a unit that can be > 0 and < 0 at these parts of q stays linear in q behind a ReLU."""
    d_in = len(above) // 2
    used = np.flatnonzero(above | below)
    inputs = {int(part) % d_in if part < 2 * d_in else None for part in used}
    return not (above.any() and below.any()) or len(inputs) == 1


def signs_through(weight, bias, above, below):
    """Return the parts of q at which units can be > 0 and < 0, from those of the units before them."""
    up, down = (weight > 0).astype(int), (weight < 0).astype(int)
    signs = [up @ a + down @ b for a, b in ((above, below), (below, above))]
    signs[0][:, -1] += bias > 0
    signs[1][:, -1] += bias < 0
    return signs[0] > 0, signs[1] > 0


def quarters(rng, shape):
    return rng.integers(-4, 5, shape) / 4


def grouped_pair(seed):
    """Return a random f, and g whose groups have 1 to 4 layers each."""
    rng = np.random.default_rng(seed)
    widths = [int(w) for w in rng.integers(1, 4, rng.integers(2, 4))]
    widths[0] = min(widths[0], 2)  # the exact oracle cuts a plane at most
    f_layers, g_layers, linear_f, linear_g = [], [], [], []
    for index, (d_in, d_out) in enumerate(pairwise(widths)):
        behind_relu = index > 0 and index - 1 not in linear_f
        f_layers.append(Dense(quarters(rng, (d_out, d_in)), quarters(rng, d_out)))
        group, relus = random_group(rng, d_in, d_out, int(rng.integers(1, 5)), behind_relu=behind_relu)
        linear_g += [len(g_layers) + place for place, relu in enumerate(relus) if not relu]
        g_layers += group
        if index < len(widths) - 2 and rng.random() < 0.3:
            linear_f.append(index)
            linear_g.append(len(g_layers) - 1)
    final_relu = bool(rng.random() < 0.3)
    f = ReluNetwork(f_layers, final_relu=final_relu, linear_after=linear_f)
    return f, ReluNetwork(g_layers, final_relu=final_relu, linear_after=linear_g)


def passing(network, *places):
    """Return the network with a layer that passes its values on behind each of these layers' ReLUs."""
    layers, relu_after = [], []
    for index, (layer, relu) in enumerate(zip(network.layers, network.relu_after, strict=True)):
        layers.append(layer)
        relu_after.append(relu)
        if index in places:
            layers.append(Dense(np.eye(layer.d_out)))
            relu_after.append(True)
    linear = [index for index, relu in enumerate(relu_after[:-1]) if not relu]
    return ReluNetwork(layers, linear_after=linear, final_relu=relu_after[-1])


# ---------------------------------------------------------------- checks


def check_effective(f, g, seed, exact_layers=exact_effective_layers):
    """Check exact effective layers at points, group by group, and that enclosures hold them."""
    rng = np.random.default_rng(seed)
    exact, floating = exact_layers(f, g), effective_layers(f, g)
    for group, true, enclosure in zip(layer_groups(f, g), exact, floating, strict=True):
        positive, negative, bias = (rows(part) for part in (true.positive, true.negative, true.bias))
        behind_relu = group.start > 0 and g.relu_after[group.start - 1]
        linear = [index for index, relu in enumerate(group.relu_after) if not relu]
        points = quarters(rng, (12, group.layers[0].d_in))
        points = np.abs(points) if behind_relu else points
        values, scale = exact_values(ReluNetwork(group.layers, linear_after=linear), points)
        for x, row in zip(points, values, strict=True):
            for p, n, (c,), value in zip(positive, negative, bias, row, strict=True):
                parts = (
                    max(a, 0) * v + min(a, 0) * b for a, v, b in zip(map(Fraction, x), p, n, strict=True)
                )
                assert sum(parts, c) == Fraction(int(value), 1 << scale)
        check_encloses(enclosure.positive, positive)
        check_encloses(column(enclosure.bias), bias)
        if not behind_relu:
            check_encloses(enclosure.negative, negative)


def check_relu(relu):
    """Check positive parts of sets of numbers: all there, and nothing more where the sign is known."""
    ends = [-1.5, -0.1, 0.0, 0.1, 0.3, 2.0]
    sets = MidRad.from_bounds(*(np.array(side) for side in zip(*combinations(ends, 2), strict=True)))
    low, high = relu(sets).bounds()
    for mid, rad, least, most in zip(sets.mid, sets.rad, low, high, strict=True):
        for x in (Fraction(mid) - Fraction(rad), Fraction(mid), Fraction(mid) + Fraction(rad)):
            assert Fraction(least) <= max(x, 0) <= Fraction(most)
    assert np.array_equal(relu(MidRad(np.array([0.1, 3.0]), np.array([0.0, 1.0]))).rad, [0.0, 1.0])
    assert not relu(MidRad(np.array([-0.1, -3.0]), np.array([0.0, 1.0]))).magnitude().any()


def rows(matrix):
    numbers, width = matrix.fractions(), matrix.shape[1]
    return [numbers[start : start + width] for start in range(0, len(numbers), width)]


def column(enclosure):
    return type(enclosure)(enclosure.mid[:, None], enclosure.rad[:, None])


def check_bounds(f, g, domain, norm, methods=FAST, limit=None):
    """Check bounds and their replays against the exact supremum."""
    p = power(norm)
    least, most = true_sup(f, g, domain, norm, sides=16)
    for method in methods:
        result = verify(f, g, domain=domain, norm=norm, method=method, time_limit=limit)
        assert Fraction(result.upper) ** p >= least, f"{method}: {result.upper} is below the truth"
        assert Fraction(result.lower) ** p <= most, f"{method}: {result.lower} is above the truth"
        if method not in SEARCHING:
            asked = Comparison(f, g, domain, norm).collapsed
            replayed = replayed_bound(method, asked, TABLE[method].bound(asked).record)
            assert least <= replayed**p, f"{method}: the replay is below the truth"
            assert replayed <= Fraction(result.upper), f"{method}: the replay is above the bound"


def check_seed(seed):
    """Check one random pair in every way that is quick."""
    f, g = grouped_pair(seed)
    check_effective(f, g, seed)
    check_bounds(f, g, DOMAINS[seed % len(DOMAINS)], NORMS[seed % 3])


def check_any_network(seed, exact_layers=exact_effective_layers):
    """Check that a network of any layers is read only as what it is: most have units that bend elsewhere."""
    rng = np.random.default_rng(seed)
    k, d_in, d_out = (int(n) for n in rng.integers((2, 1, 1), (5, 4, 3)))
    widths = [d_in, *(int(w) for w in rng.integers(1, 3, k - 1)), d_out]
    layers = [
        Dense(quarters(rng, (b, a)) * (rng.random((b, a)) < 0.6), quarters(rng, b) * (rng.random(b) < 0.3))
        for a, b in pairwise(widths)
    ]
    before, linear = [Dense(-np.eye(d_in))] * (seed % 3 // 2), [0] * (seed % 3 // 2)
    f = ReluNetwork([*before, Dense(np.ones((d_out, d_in)))], linear_after=linear)
    g = ReluNetwork([*before, *layers], linear_after=linear)
    try:
        layer_groups(f, g)
    except UnsupportedStructureError:
        return False
    check_effective(f, g, seed, exact_layers)
    return True

"""Checks of dual bounds and of branch and bound against exact evaluation."""

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction

import numpy as np
from verification.tiny_networks import candidate_points, exact_sizes, power, random_cases, random_pair, truth
from verification.zonotope_checks import fractions, kinked_cases, rounding_cases, structured, upto

from subsetsum_nets.networks import Box, Dense, ReluNetwork
from subsetsum_nets.verification import (
    Comparison,
    SearchOptions,
    UnsupportedStructureError,
    effective_layers,
)
from subsetsum_nets.verification.enclosures.effective import TwoSlope
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.methods.relu_relaxations import PairRanges
from subsetsum_nets.verification.methods.splitting import splitting
from subsetsum_nets.verification.methods.splitting.dual_bounds import DualBounds
from subsetsum_nets.verification.methods.splitting.dual_lines import Multipliers, Region
from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound
from subsetsum_nets.verification.methods.splitting.unit_splitting import UnitSplitting
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope


def row(ranges):
    return PairRanges(
        *(Range(r.low[np.newaxis], r.high[np.newaxis]) for r in (ranges.g, ranges.f, ranges.deviation))
    )


def clipped(ranges, phase_g, phase_f):
    """Return ranges, one row, clipped to phases."""
    g, f = (
        Range(
            np.where(s > 0, np.maximum(r.low, 0.0), r.low), np.where(s < 0, np.minimum(r.high, 0.0), r.high)
        )
        for r, s in ((ranges.g, phase_g), (ranges.f, phase_f))
    )
    return PairRanges(g, f, ranges.deviation)


def random_multipliers(region, rows, rng):
    drawn = []
    for before in region.before:
        shape = (rows, before.g.low.shape[-1])
        split = rng.uniform(-1, 1, shape) * (rng.random(shape) < 0.7)
        slopes = (
            np.where(rng.random(shape) < 0.3, rng.integers(0, 2, shape), rng.random(shape)) for _ in range(2)
        )
        drawn.append(Multipliers(split, *slopes, rng.uniform(0, 1, shape), rng.uniform(0, 1, shape)))
    return drawn


def widened(layer, rng):
    """Return a two-slope layer that holds ``layer``, with its middle moved and wide radii."""

    def moved(values):
        shift = rng.uniform(-0.125, 0.125, values.mid.shape)
        return MidRad(values.mid + shift, values.rad + 1.01 * np.abs(shift) + 1e-12)

    positive = moved(layer.positive)
    negative = positive if layer.negative is layer.positive else moved(layer.negative)
    return TwoSlope(positive, negative, moved(layer.bias))


def check_dual(case, *, points=10, wide=False):
    """Check proven bounds of random functions of every layer, for tuned and for arbitrary multipliers.

    ``wide`` knows g's effective weights only roughly. The values at each point must not exceed the bounds
    for the part of the domain with its phases.
    """
    rng = np.random.default_rng(17)
    candidates = candidate_points(case.f, case.g, case.domain, case.norm, rng)[-points:]
    layers = effective_layers(case.f, case.g)
    if wide:
        layers = [widened(layer, rng) for layer in layers]
    comparison = Comparison(case.f, case.g, case.domain, case.norm, layers)
    whole = DifferentialZonotope(comparison).enclose_whole()
    try:
        dual = DualBounds(comparison, whole.deviation.features, whole.before)
    except UnsupportedStructureError:
        return
    depth = len(case.g.layers) // len(case.f.layers)
    values = [
        (fractions(upto(case.g, depth * (k + 1)), candidates), fractions(upto(case.f, k + 1), candidates))
        for k in range(len(layers))
    ]
    for layer in range(len(layers)):
        units, rows = case.f.layers[layer].d_out, 6
        p, q = (rng.integers(-2, 3, (rows, units)).astype(float) for _ in range(2))
        exact_p, exact_q = (np.array([[Fraction(v) for v in r] for r in m], dtype=object) for m in (p, q))
        for index in (None, *range(len(candidates))):
            before, signs_g, signs_f = [], [], []
            for k in range(layer):
                shape = (1, case.f.layers[k].d_out)
                signs = np.zeros((2, *shape))
                if index is not None and case.f.relu_after[k]:
                    chosen = [[1.0 if v > 0 else -1.0 for v in of[index]] for of in values[k]]
                    signs = np.array(chosen)[:, np.newaxis] * (rng.random((2, *shape)) < 0.6)
                before.append(clipped(row(whole.before[k]), signs[0], signs[1]))
                signs_g.append(signs[0])
                signs_f.append(signs[1])
            region = Region(before, signs_g, signs_f)
            _, tuned = dual.tuned(layer, p, q, region, 3)
            drawn = random_multipliers(region, rows, rng)
            held = [
                Multipliers(t.split, t.g, t.f, d.phase_g, d.phase_f)
                for t, d in zip(tuned, drawn, strict=True)
            ]
            for multipliers in (tuned, held, drawn):
                proven = dual.certified(layer, p, q, region, multipliers)
                inside = range(len(candidates)) if index is None else (index,)
                for point in inside:
                    g, f = values[layer][0][point], values[layer][1][point]
                    size = exact_p.dot(g) + exact_q.dot(g - f)
                    for value, upper in zip(size, proven, strict=True):
                        assert value <= Fraction(upper), f"{case} layer {layer}: {float(value)} > {upper}"


def check_split(case, monkeypatch, *, few_inputs, nodes=40):
    """Check that branch and bound brackets the truth, by boxes of inputs or by phases of units."""
    with monkeypatch.context() as patch:
        patch.setattr(splitting, "_FEW_INPUTS", few_inputs)
        result = splitting_bound(
            Comparison(case.f, case.g, case.domain, case.norm), SearchOptions(node_limit=nodes, threads=1)
        )
    p, reached = power(case.norm), truth(case)
    assert reached <= Fraction(result.upper) ** p, f"{case}: {float(reached)} exceeds {result.upper}"
    (at_witness,) = exact_sizes(case.f, case.g, result.witness[np.newaxis], case.norm)
    assert Fraction(result.lower) ** p <= at_witness <= Fraction(result.upper) ** p
    bounds = [upper for _, upper in result.history]
    assert bounds == sorted(bounds, reverse=True)
    assert case.domain.contains(result.witness)
    return result


def check_exhausted(case):
    """Check that a search that has nothing left to split still bounds the truth."""
    comparison = Comparison(case.f, case.g, case.domain, "linf")
    zonotope = DifferentialZonotope(comparison)
    with ThreadPoolExecutor(max_workers=1) as pool:
        whole, deadline = zonotope.enclose_whole(), time.perf_counter() + 1e6
        search = UnitSplitting(comparison, zonotope, whole, pool, deadline)
        while search.round(0.0):
            pass
    assert truth(case) <= Fraction(search.upper())


def split_cases():
    """Return pairs that need splitting: near, mirrored, and networks that have nothing in common."""
    make = type(rounding_cases()[0])
    f, g = random_pair(3, (2, 4, 3, 2), error=0.2)
    _, other = random_pair(8, (2, 4, 3, 2), error=0.2)

    def mirrored(network):
        first = network.layers[0]
        return ReluNetwork([Dense(-first.weight, first.bias), *network.layers[1:]])

    apart = [
        ReluNetwork([Dense([[1.0, 0.5], [0.5, 1.0]], [bias, -bias]), Dense([[1.0, 1.0], [1.0, -1.0]])])
        for bias in (-2.0, 2.0)
    ]
    _, small = random_pair(4, (2, 2, 1), error=0.2)
    pairs = {"near": (f, g), "mirrored": (mirrored(f), mirrored(g)), "unlike": (f, other)}
    pairs |= {"apart": apart, "small": (random_pair(9, (2, 2, 1))[0], small)}
    small_box = Box([-0.5, -0.25], [0.5, 0.75])
    return [
        make(
            name,
            *pair,
            small_box if name in ("unlike", "apart") else Box(-1, 1),
            "linf",
            "splitting",
            tight=False,
        )
        for name, pair in pairs.items()
    ]


def exact_rounding_cases():
    """Return the cases in which rounding decides, as deep as the dual can see it."""
    make = type(rounding_cases()[0])
    e = 2.0**-53
    f = ReluNetwork(
        [Dense([[1.0, 1.0]], [1.0]), Dense([[1.0], [0.1]], [0.0, 0.1]), Dense([[1.0, 1.0]], [0.3])]
    )
    g = ReluNetwork(
        [
            Dense([[1.0, 1.0 + 2 * e]], [1.0]),
            Dense([[1.0], [0.1]], [0.0, 0.1 + e / 4]),
            Dense([[1.0, 1.0]], [0.3 + e]),
        ]
    )
    one_ulp = make("three-layers-one-ulp", f, g, Box(0, 1), "linf", "splitting", tight=False)
    return [*rounding_cases(), one_ulp]


def all_checks(monkeypatch):
    """Run a fast selection of everything, for mutants."""
    for case in split_cases():
        check_dual(case, points=3)
        check_dual(case, points=2, wide=True)
    for case in exact_rounding_cases():
        check_dual(case, points=2)
    for case in structured(random_cases(range(6))) + kinked_cases():
        check_dual(case, points=2)
    for case in split_cases():
        check_split(case, monkeypatch, few_inputs=0, nodes=80)
        check_split(case, monkeypatch, few_inputs=6, nodes=120)
    check_exhausted(split_cases()[-1])
    near = split_cases()[0]
    for norm in ("l1", "l2"):
        check_split(replace(near, norm=norm), monkeypatch, few_inputs=0, nodes=10)
        check_split(replace(near, norm=norm), monkeypatch, few_inputs=6, nodes=40)

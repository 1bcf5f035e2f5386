"""Cases with known truth for method "propagated", and the checks that it passes and its mutants fail."""

from dataclasses import replace
from fractions import Fraction
from functools import cache

import numpy as np
from verification.tiny_networks import (
    NORMS,
    Case,
    exact_pair,
    power,
    random_cases,
    single,
    tight_cases,
    truth,
)

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.enclosures.ranges import Range

TINIEST = 5e-324


def pointed(case):
    """Return the case without the points that rounding has put outside its domain."""
    return replace(case, points=tuple(p for p in case.points if case.domain.contains(np.array(p, float))))


def unstable_cases():
    """Return cases in which units switch between f and g, so that every slope and residual counts."""
    cases = []

    def add(name, networks, domain, norms=("l2",), *, tight=False, points=()):
        cases.extend(Case(name, *networks, domain, n, "propagated", tight, points) for n in norms)

    # On in f, off in g for x near -1; both layers square, so that transposed operands would fit.
    square = np.array([[1.0, -0.5], [0.25, 1.0]])
    f = ReluNetwork([Dense(square, [0.25, 0.5]), Dense(square @ square, [0.1, 0.2]), Dense(square.T)])
    g = ReluNetwork(
        [Dense(square + 0.25, [0.0, 0.5]), Dense(square @ square, [0.1, -0.1]), Dense(square.T - 0.125)]
    )
    add("square", (f, g), Box(-1, 1), NORMS)
    add("square-ball", (f, g), Ball(0.75, [0.25, -0.5]), NORMS)
    # Half on: relu(x + 1/4) against relu(x - 1/4), the deviation of 1/2 reaching the output whole.
    f, g = single([Dense([[1.0]], [0.25]), Dense([[2.0]])], [Dense([[1.0]], [-0.25]), Dense([[2.0]])])
    add("switching", (f, g), Box(-1, 1), tight=True, points=[(1.0,)])
    # On everywhere in f, at least by 1/2; off in g for x near 0.
    f, g = single([Dense([[1.0]], [0.5]), Dense([[1.0]])], [Dense([[1.0]], [-0.5]), Dense([[1.0]])])
    add("leaving", (f, g), Box(0, 1), tight=True, points=[(1.0,)])
    # Off everywhere in f, on in g from x = 1/2 on.
    add("entering", single(*(n.layers for n in (g, f))), Box(-0.75, 0.5), tight=True, points=[(0.5,)])
    add("never", single(*(n.layers for n in (g, f))), Box(-2.0, -1.0), tight=True)
    # Units on in both networks: weights of opposite sign cancel, and the two errors of one input do.
    f = ReluNetwork([Dense([[1.0], [1.0]], [2.0, 2.0]), Dense([[1.0, -0.5]])])
    g = ReluNetwork([Dense([[1.25], [1.25]], [2.0, 2.0]), Dense([[1.0, -0.5]])])
    add("cancelling", (f, g), Box(-1, 1), tight=True, points=[(1.0,)])
    # The error of the second layer on negative inputs, where no ReLU stands between the two.
    f = ReluNetwork([Dense([[1.0, 1.0]]), Dense([[1.0], [2.0]])], linear_after=[0])
    g = ReluNetwork(
        [*exact_pair([[1.0, 1.0]], [[1.0, 1.0]]), *exact_pair([[1.0], [2.0]], [[0.5], [2.25]])],
        linear_after=[1],
    )
    add("linear", (f, g), Box(-1, 1), tight=True, points=[(-1.0, -1.0)])
    # An error of g that is least at 0, between the ends of the box.
    f, g = ReluNetwork([Dense([[0.0]])]), ReluNetwork(exact_pair([[1.0]], [[-1.0]], [-0.75]))
    add("kink", (f, g), Box(-1, 1), tight=True, points=[(0.0,)])
    # A bias error, carried by one matrix.
    f = ReluNetwork([Dense([[0.0]], [1.0]), Dense([[-3.0]], [9.0])])
    add("bias", (f, ReluNetwork([Dense([[0.0]], [1.5]), f.layers[1]])), Box(-1, 1), tight=True)
    return cases


def float_traps():
    """Return cases with huge, subnormal, cancelling and equal weights."""
    e = 2.0**-53
    pairs = [
        single([Dense([[1e300, -1e300]]), Dense([[1e-300]])], [Dense([[1e300, -9e299]]), Dense([[1e-300]])]),
        single([Dense([[TINIEST, 0.5]]), Dense([[1.0]])], [Dense([[0.0, 0.5]]), Dense([[1.0]])]),
        single([Dense([[0.5]]), Dense([[TINIEST]])], [Dense([[1.0]]), Dense([[TINIEST]])]),
        single([Dense([[1e-200, 1e-200]]), Dense([[1e-200]])], [Dense([[2e-200, 0.0]]), Dense([[1e-200]])]),
        single(
            [Dense([[1.0, e], [1.0, 0.0]]), Dense([[1.0, -1.0]])], [Dense([[1.0, 0.0]] * 2), Dense([[1, -1]])]
        ),
        single(
            [Dense(np.full((5, 2), 0.1)), Dense(np.full((5, 5), 0.1)), Dense(np.full((2, 5), 0.1))],
            [Dense(np.full((5, 2), 0.1)), Dense(np.full((5, 5), 0.1 + e)), Dense(np.full((2, 5), 0.1))],
        ),
    ]
    domains = Box(-1, 1), Box(0.1, 0.3), Ball(0.5)
    return [
        Case(f"trap{k}", *pair, domain, norm, "propagated", tight=False)
        for k, pair in enumerate(pairs)
        for domain, norm in zip(domains, NORMS, strict=True)
    ]


@cache
def known(which):
    """Return cases with their true values, computed once."""
    families = {
        "unstable": unstable_cases,
        "traps": float_traps,
        "tight": lambda: [pointed(c) for c in tight_cases() if c.method == "differential"],
        "random": lambda: random_cases(range(200, 260), ["propagated"]),
        "few": lambda: random_cases(range(12), ["propagated"]),
    }
    return [(case, truth(case)) for case in families[which]()]


def check(module, case, true):
    """Check that a copy of the method is sound on a case, and tight where it must be."""
    bound = module.propagated_bound(Comparison(case.f, case.g, case.domain, case.norm))
    p = power(case.norm)
    assert true <= Fraction(bound.upper) ** p, f"{case}: {float(true)} exceeds {bound.upper}"
    if case.tight:
        assert Fraction(bound.upper) ** p <= true * (1 + Fraction(1, 10**9)) ** p, f"{case}: not tight"
    return bound


# ---------------------------------------------------------------- the parts, against rational arithmetic


def fractions(values):
    return [Fraction(float(v)) for v in np.ravel(values)]


def check_slope_ranges(module):
    """Check ``C+ max(x, 0) + C- min(x, 0)`` at the ends, at 0 and on the ball, for extreme C."""
    e = 2.0**-53
    triples = [
        ([0.1, -0.3, 1.0], [0.7, 0.2, -e], [-1.0, 0.25, 0.1], [0.5, 0.75, 0.3]),
        ([1.0, e, -1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]),
        ([1e-200, TINIEST, 0.0], [1e-200, 0.5, 1.0], [-1e-200, -0.5, -1.0], [1e-200, 0.5, 1.0]),
        ([1e300, -1e300, 1.0], [1e300, 1e-300, 3.0], [-0.1, -0.1, -0.1], [0.1, -0.05, 0.0]),
        ([-1.0, -1.0, -1.0], [0.1, 0.1, 0.1], [-0.3, 0.0, 0.1], [-0.1, 0.2, 0.7]),
        ([1.0, 2.0, 0.5], [-1.0, -0.5, -2.0], [-1.0, -0.5, -0.25], [1.0, 0.5, 0.75]),  # least at 0
        ([-1.0, -2.0, -0.5], [1.0, 0.5, 2.0], [-1.0, -0.5, -0.25], [1.0, 0.5, 0.75]),  # largest at 0
    ]
    for above, below, low, high in triples:
        for spread in (0.0, 0.125):
            halves = [MidRad(np.array([c]), np.abs([c]) * spread) for c in (above, below)]
            x = Range(np.array(low), np.array(high))
            got = module.box_slope_range(*halves, x)
            for sign, bound in ((1, got.high), (-1, -got.low)):
                total = Fraction(0)
                for a, b, lo, hi in zip(*map(fractions, (above, below, low, high)), strict=True):
                    ends = [v for v in (lo, hi, Fraction(0)) if lo <= v <= hi]
                    total += max(
                        sign * v * (a if v > 0 else b) + abs(v * (a if v > 0 else b)) * Fraction(spread)
                        for v in ends
                    )
                assert total <= Fraction(float(bound[0])), "a range misses one of its ends"
    # A ball, at the point of its surface in the direction of the slopes.
    row, center, radius = np.array([3.0, -4.0]), np.array([0.5, 0.25]), 0.5
    x = Range(center - radius, center + radius)
    got = module.ball_slope_range(MidRad.point(row[None]), MidRad.point(row[None]), x, center, radius)
    assert got.high[0] >= row @ center + 2.5
    assert got.low[0] <= row @ center - 2.5
    assert got.high[0] <= row @ center + 2.5 + 1e-12
    total = module.range_sum(
        Range(np.array([0.1, 0.0]), np.array([0.1, 0.0])), Range(np.array([0.2, 0.7]), np.array([0.2, 0.7]))
    )
    assert all(
        a <= b
        for a, b in zip(fractions(total.low), [Fraction(0.1) + Fraction(0.2), Fraction(0.7)], strict=True)
    )
    assert all(
        a >= b
        for a, b in zip(fractions(total.high), [Fraction(0.1) + Fraction(0.2), Fraction(0.7)], strict=True)
    )
    assert total.low[1] == total.high[1] == 0.7


def check_relu_slopes(module):
    """Check D (z' - z) = relu(z') - relu(z) for many pairs of units."""
    ends = [-1.5, -0.1, 0.0, 0.2, 1.75]
    ranges = [(a, b) for a in ends for b in ends if a <= b]
    for f in ranges:
        for g in ranges:
            points = [(z, y) for z in np.linspace(*f, 4) for y in np.linspace(*g, 4)]
            size = max(abs(y - z) for z, y in points)
            got = module.relu_slopes(*(Range(*(np.array([v]) for v in r)) for r in (f, g)), np.array([size]))
            low, high = Fraction(float(got.low[0])), Fraction(float(got.high[0]))
            assert 0 <= low <= high <= 1
            for z, y in points:
                after, before = Fraction(max(y, 0.0)) - Fraction(max(z, 0.0)), Fraction(y) - Fraction(z)
                # 1e-15: the spaced points themselves are rounded.
                assert min(low * before, high * before) <= after + Fraction(1, 10**15)
                assert after - Fraction(1, 10**15) <= max(low * before, high * before)
    exact = module.relu_slopes(
        Range(np.array([1.0]), np.array([9.0])), Range(np.array([-2.0]), np.array([9.0])), np.array([3.0])
    )
    assert Fraction(float(exact.low[0])) <= Fraction(1, 3)
    exact = module.relu_slopes(
        Range(np.array([-9.0]), np.array([-1.0])), Range(np.array([-2.0]), np.array([9.0])), np.array([3.0])
    )
    assert Fraction(float(exact.high[0])) >= Fraction(2, 3)


def check_products(module):
    """Check M W, M E and M T against rational arithmetic at the extreme members of the sets."""
    rng = np.random.default_rng(4)
    e = 2.0**-53
    mids = [rng.uniform(-1, 1, (2, 3)), np.array([[1.0, e, -1.0], [TINIEST, 1e-200, 0.3]])]
    for mid in mids:
        for rad in (np.zeros((2, 3)), np.abs(mid) * 0.25):
            matrix = MidRad(mid, rad)
            factors = np.array([0.3, 1e-200, 1.0])
            scaled = module._scaled_columns(matrix, factors)
            weight = MidRad(rng.uniform(-1, 1, (3, 2)), rng.uniform(0, 0.1, (3, 2)) * (rad.any()))
            product = module._times_enclosed(matrix, weight)
            for sign in (1, -1):
                for i in range(2):
                    entries = [
                        Fraction(m) + sign * Fraction(r)
                        for m, r in zip(mid[i].tolist(), rad[i].tolist(), strict=True)
                    ]
                    for j in range(3):
                        value = entries[j] * Fraction(float(factors[j]))
                        assert abs(value - Fraction(float(scaled.mid[i, j]))) <= Fraction(
                            float(scaled.rad[i, j])
                        )
                    for j in range(2):
                        value = sum(
                            x * (Fraction(float(m)) + sign * Fraction(float(r)))
                            for x, m, r in zip(entries, weight.mid[:, j], weight.rad[:, j], strict=True)
                        )
                        gap = abs(value - Fraction(float(product.mid[i, j])))
                        assert gap <= Fraction(float(product.rad[i, j]))
    assert Fraction(
        float(module._distance_up(Range(np.array([0.1]), np.array([0.9])), np.array([0.3]))[0])
    ) >= (Fraction(0.9) - Fraction(0.3))

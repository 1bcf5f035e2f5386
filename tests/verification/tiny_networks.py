"""Tiny networks, exact rational evaluation, and the checks that verification passes and mutants fail."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from by_definition import flat_layers

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import verify
from subsetsum_nets.verification.enclosures.midrad import (
    MidRad,
    affine,
    matmul,
    norm_down,
    norm_up,
    product_up,
    row_norms_up,
    sum_up,
    times_up,
)
from subsetsum_nets.verification.enclosures.spectral import spectral_norm_up

NORMS = ("l2", "linf", "l1")


# ---------------------------------------------------------------- exact evaluation


def integers(values):
    """Return (ints, s) with values == ints / 2**s exactly."""
    values = np.asarray(values.toarray() if hasattr(values, "tocsr") else values, dtype=np.float64)
    ratios = [float(v).as_integer_ratio() for v in values.ravel()]
    scale = max(d.bit_length() - 1 for _, d in ratios)
    ints = np.empty(values.size, dtype=object)
    ints[:] = [n << (scale - d.bit_length() + 1) for n, d in ratios]
    return ints.reshape(values.shape), scale


def exact_values(network, points):
    """Return the exact real-arithmetic values at points (n, d), as (ints, s)."""
    x, scale = integers(points)
    for (stored, offset), relu in zip(flat_layers(network), network.relu_after, strict=True):
        weight, weight_scale = integers(stored)
        x, scale = x.dot(weight.T), scale + weight_scale
        if offset is not None:
            bias, bias_scale = integers(offset)
            common = max(scale, bias_scale)
            x = x * (1 << (common - scale)) + bias * (1 << (common - bias_scale))
            scale = common
        if relu:
            x = np.maximum(x, 0)
    return x, scale


def power(norm):
    return 2 if norm == "l2" else 1


def exact_sizes(f, g, points, norm):
    """Return ||f - g|| at every point, squared for l2, as Fractions."""
    (a, s), (b, t) = exact_values(f, points), exact_values(g, points)
    common = max(s, t)
    difference = a * (1 << (common - s)) - b * (1 << (common - t))
    return [exact_norm([Fraction(int(v), 1 << common) for v in row], norm) for row in difference]


def exact_norm(row, norm):
    if norm == "l2":
        return sum(v * v for v in row)
    return max(map(abs, row)) if norm == "linf" else sum(map(abs, row))


def candidate_points(f, g, domain, norm, rng):
    """Return a grid, the corners, the axes and points refined around the worst, all in the domain."""
    d = f.widths[0]
    low, high = domain.bounds(d)
    axes = [
        np.unique(np.clip([*np.linspace(lo, hi, 15), 0.0], lo, hi)) for lo, hi in zip(low, high, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, d)
    if isinstance(domain, Ball):
        shell = rng.standard_normal((200, d))
        shell = domain.center + domain.radius * shell / np.linalg.norm(shell, axis=1, keepdims=True)
        points = np.concatenate([points, shell])
    points = domain.project(points)
    order = {"l2": 2, "linf": np.inf, "l1": 1}[norm]
    for width in (0.1, 0.02, 0.003, 0.0004):
        worst = points[np.argsort(np.linalg.norm(f(points) - g(points), order, axis=1))[-6:]]
        moves = rng.standard_normal((6, 20, d)) * width * (high - low)
        points = np.concatenate([points, domain.project((worst[:, None] + moves).reshape(-1, d))])
    worst = np.argsort(np.linalg.norm(f(points) - g(points), order, axis=1))[-40:]
    inside = [p for p in points[worst] if domain.contains(p)]
    return np.array([*inside, np.broadcast_to(getattr(domain, "center", low), (d,))])


# ---------------------------------------------------------------- tiny pruned networks


def relu_pair(rng, weight, bias, *, sparse=False, units=2, bias_in_second=False):
    """Replace an affine layer with roughly these weights by blocks of hidden units with one input each."""
    d_out, d_in = weight.shape
    rows, columns = [], []
    for j in range(d_in):
        for sign in (1.0, -1.0):
            slopes = sign * rng.uniform(0.2, 1.0, units)
            outgoing = rng.uniform(-1, 1, (d_out, units)) * (rng.random((d_out, units)) < 0.7)
            outgoing[:, -1] = (weight[:, j] - outgoing[:, :-1] @ slopes[:-1]) / slopes[-1]
            for k in range(units):
                rows.append((slopes[k] * np.eye(d_in)[j], 0.0))
                columns.append(outgoing[:, k])
    rows.append((np.zeros(d_in), 0.0))
    columns.append(rng.uniform(-1, 1, d_out))
    second = None
    if bias is not None:
        constant = rng.uniform(0.2, 1.0)
        rows += [(np.zeros(d_in), constant), (np.zeros(d_in), -0.5)]
        second = rng.uniform(-1, 1, d_out) if bias_in_second else None
        columns += [(bias - (0.0 if second is None else second)) / constant, rng.uniform(-1, 1, d_out)]
    first = np.array([row for row, _ in rows])
    hidden_bias = np.array([b for _, b in rows]) if bias is not None else None
    outgoing = np.array(columns).T
    if sparse:
        from scipy.sparse import csr_array

        return Dense(csr_array(first), hidden_bias), Dense(csr_array(outgoing), second)
    return Dense(first, hidden_bias), Dense(outgoing, second)


def linear_pair(rng, weight, bias):
    """Replace an affine layer by a product of two dense matrices."""
    d_in = weight.shape[1]
    first = rng.uniform(-1, 1, (d_in + 1, d_in)) + 2 * np.eye(d_in + 1, d_in)
    second = weight @ np.linalg.pinv(first)
    return Dense(first, rng.uniform(-1, 1, d_in + 1) if bias is not None else None), second


def random_pair(seed, widths, *, error=0.05, bias=True, kinds=None, final_relu=False, sparse=False):
    """Return a random target and a random pruned network near it."""
    rng = np.random.default_rng(seed)
    layers, replaced, linear = [], [], []
    for index, (d_in, d_out) in enumerate(pairwise(widths)):
        weight = rng.uniform(-1, 1, (d_out, d_in))
        b = rng.uniform(-0.5, 0.5, d_out) if bias else None
        layers.append(Dense(weight, b))
        near = weight + rng.uniform(-error, error, weight.shape)
        b_near = None if b is None else b + rng.uniform(-error, error, d_out)
        if kinds is not None and kinds[index] == "linear":
            first, second = linear_pair(rng, near, b)
            offset = None if b is None else b_near - second @ first.bias
            replaced += [first, Dense(second, offset)]
            linear.append(2 * index)
        else:
            replaced += relu_pair(rng, near, b_near, sparse=sparse, bias_in_second=bool(seed % 2))
    return (
        ReluNetwork(layers, final_relu=final_relu),
        ReluNetwork(replaced, final_relu=final_relu, linear_after=linear),
    )


def exact_pair(positive, negative, bias=None):
    """Return a pair that computes positive max(x, 0) + negative min(x, 0) + bias without rounding."""
    positive, negative = np.atleast_2d(positive), np.atleast_2d(negative)
    d_in = positive.shape[1]
    first, second = (
        np.concatenate([np.eye(d_in), -np.eye(d_in)]),
        np.concatenate([positive, -negative], axis=1),
    )
    if bias is None:
        return Dense(first), Dense(second)
    first = np.concatenate([first, np.zeros((1, d_in))])
    hidden_bias = np.append(np.zeros(2 * d_in), 1.0)
    return Dense(first, hidden_bias), Dense(np.concatenate([second, np.array(bias, float)[:, None]], axis=1))


def single(f_layers, g_layers, **options):
    """Return two networks with one layer of g for one of f."""
    return ReluNetwork(f_layers, **options), ReluNetwork(g_layers, **options)


# ---------------------------------------------------------------- cases and checks


@dataclass(frozen=True)
class Case:
    """Two networks, a domain, and whether the method's bound reaches the truth to 1e-9."""

    name: str
    f: ReluNetwork
    g: ReluNetwork
    domain: object
    norm: str
    method: str
    tight: bool = True
    points: tuple = ()

    def __str__(self):
        return f"{self.name}-{self.norm}-{self.method}"


def truth(case):
    """Return the largest exact ||f - g|| (squared for l2) over the candidate points of a case."""
    rng = np.random.default_rng(7)
    points = candidate_points(case.f, case.g, case.domain, case.norm, rng)
    if case.points:
        points = np.concatenate([points, np.array(case.points, dtype=float)])
    return max(exact_sizes(case.f, case.g, points, case.norm))


def check_bound(case):
    """Check a proven bound against exact values at many points, and, where it must be tight, that it is."""
    result = verify(case.f, case.g, domain=case.domain, norm=case.norm, method=case.method)
    p = power(case.norm)
    reached = truth(case)
    assert reached <= Fraction(result.upper) ** p, f"{case}: {float(reached)} exceeds {result.upper}"
    assert case.domain.contains(result.witness), f"{case}: the witness lies outside"
    (at_witness,) = exact_sizes(case.f, case.g, result.witness[np.newaxis], case.norm)
    assert Fraction(result.lower) ** p <= at_witness, f"{case}: the lower bound exceeds the value there"
    assert result.lower <= result.upper
    if case.tight:
        best = max(reached, at_witness)
        assert Fraction(result.upper) ** p <= best * (1 + Fraction(1, 10**9)) ** p, f"{case}: not tight"
    return result


def tight_cases():
    """Return cases whose bounds reach the truth, so that any missing term shows."""
    eighth = 0.125
    cases = []

    def add(name, networks, domain, methods=("differential",), norms=NORMS, *, tight=True, points=()):
        cases.extend(Case(name, *networks, domain, n, m, tight, points) for n in norms for m in methods)

    # One output, the errors' signs chosen so that one corner of the box is worst for all of them.
    f = ReluNetwork([Dense([[0.5, -0.25]], [0.25])])
    g = ReluNetwork(exact_pair([[0.75, -0.5]], [[0.25, -0.75]], [0.5]))
    add("one-output", (f, g), Box(-1, 1), points=[(1, -1), (1, 1)])
    g = ReluNetwork(exact_pair([[0.5, -0.25]], [[0.25, -0.75]], [0.25]))
    add("negative-slopes-only", (f, g), Box(-1, 1), tight=False)
    add(
        "negative-inputs",
        (f, ReluNetwork(exact_pair([[0.5, 2.0]], [[0.25, -0.75]], [0.0]))),
        Box(-1, 0),
        tight=False,
    )
    g = ReluNetwork(exact_pair([[9.0, 9.0]], [[0.25, -0.5]], [0.5]))
    add("negative-inputs-tight", (f, g), Box(-1, -0.5), points=[(-1, -1)])
    # Weights near enough to f's that the pair is compared as it is, not as the layer that it is there.
    g = ReluNetwork(exact_pair([[0.625, -0.25]], [[0.25, -0.5]], [0.5]))
    add("negative-inputs-alike", (f, g), Box(-1, -0.5), points=[(-1, -1)])
    # Both slopes wrong at one input: the larger one counts, not the sum.
    add("two-slopes", single_pair([[1.0]], [[1.5]], [[0.25]]), Box(-1, 1))
    add("asymmetric-box", single_pair([[1.0]], [[1.5]], [[1.25]]), Box(-3, 1))
    # Everything positive and on: every term of the recursion is attained at x = 1.
    w1, w2, w3 = (
        np.array([[0.5, 1.0], [0.25, 0.75]]),
        np.array([[2.0, 1.0], [0.5, 4.0]]),
        np.array([[1.0, 3.0]]),
    )
    f = ReluNetwork([Dense(w1, [0.5, 0.25]), Dense(w2, [0.125, 0.0]), Dense(w3, [0.5])])
    g_layers = []
    for layer, e in zip(f.layers, (eighth, 0.25, 0.5), strict=True):
        g_layers += exact_pair(layer.weight + e, layer.weight - 1.0, layer.bias + e / 4)
    add("three-layers-on", (f, ReluNetwork(g_layers)), Box(0, 1))
    # A unit with the sign of the weights mixed: |W|, not W, carries the deviation.
    f = ReluNetwork([Dense([[1.0], [1.0]], [1.0, 1.0]), Dense([[1.0, -1.0]])])
    g = ReluNetwork(
        [
            *exact_pair([[1.5], [0.5]], [[1.5], [0.5]], [1.0, 1.0]),
            *exact_pair([[1.0, -1.0]], [[0.0, 0.0]]),
        ]
    )
    add("mixed-signs", (f, g), Box(0, 1))
    # Off in f, on in g; and off in both.
    f = ReluNetwork([Dense([[1.0]], [-1.25]), Dense([[2.0]])])
    g = ReluNetwork([*exact_pair([[1.5]], [[1.0]], [-1.25]), *exact_pair([[2.0]], [[2.0]])])
    add("off-in-f-only", (f, g), Box(0, 1))
    f = ReluNetwork([Dense([[1.0]], [-3.0]), Dense([[2.0]], [1.0])])
    g = ReluNetwork([*exact_pair([[1.5]], [[1.0]], [-3.0]), *exact_pair([[2.5]], [[2.0]], [1.25])])
    add("off-in-both", (f, g), Box(0, 1))
    # No ReLU between the layers: the second layer sees negative inputs.
    f = ReluNetwork([Dense([[-1.0]]), Dense([[1.0]])], linear_after=[0])
    g = ReluNetwork([*exact_pair([[-1.0]], [[-1.0]]), *exact_pair([[1.0]], [[0.5]])], linear_after=[1])
    add("linear-target", (f, g), Box(0, 1))
    f, g = (ReluNetwork([Dense([[-1.0]]), Dense([[w]])], linear_after=[0]) for w in (1.0, 0.0))
    add("linear-target-ranges", (f, g), Box(0, 1), ("interval",))
    # Biases of the pair's second layer, and of a linear first layer.
    f = ReluNetwork([Dense([[1.0]])])
    first, second = exact_pair([[1.0]], [[1.0]], [0.25])
    g = ReluNetwork([first, Dense(second.weight, [0.5])])
    add("second-bias", (f, g), Box(-1, 1), ("differential", "norms"))
    g = ReluNetwork([Dense([[1.0]], [0.25]), Dense([[1.0]], [0.5])], linear_after=[0])
    add("linear-bias", (f, g), Box(-1, 1), ("differential", "norms"))
    # The ball: rows of the error matter in l2.
    f = ReluNetwork([Dense([[0.5, -0.25]], [0.25])])
    g = ReluNetwork([Dense(np.eye(2)), Dense([[0.875, 0.25]], [0.75])], linear_after=[0])
    add("ball-linear", (f, g), Ball(2.0), ("differential", "norms"), points=[(1.2, 1.6)])
    add("ball-shifted", (f, g), Ball(0.5, [0.5, 1.0]), tight=False, points=[(0.8, 1.4)])
    # Ranges over a ball: a second layer that only looks at how large the first can get.
    f = ReluNetwork([Dense([[3.0, 4.0]]), Dense([[1.0]])])
    g = ReluNetwork([*exact_pair([[3.0, 4.0]], [[3.0, 4.0]]), *exact_pair([[1.5]], [[1.0]])])
    add("ball-range", (f, g), Ball(1.0), ("differential", "norms"), points=[(0.6, 0.8 - 2.0**-53)])
    # Chains of scalars: the spectral norms are the weights.
    f = ReluNetwork([Dense([[2.0]], [1.0]), Dense([[0.5]], [0.25]), Dense([[3.0]])])
    g = ReluNetwork(
        [
            *exact_pair([[2.5]], [[2.5]], [1.5]),
            *exact_pair([[0.75]], [[0.0]], [0.5]),
            *exact_pair([[3.5]], [[0.0]]),
        ]
    )
    add("scalar-chain", (f, g), Box(0, 1), ("differential", "norms"))
    # Two slopes at once are both attained at one point of a box: x = (1, -1).
    f = ReluNetwork([Dense([[0.0, 0.0]])])
    g = ReluNetwork(exact_pair([[1.0, 0.0]], [[0.0, -1.0]]))
    add("norms-both-signs", (f, g), Box(-1, 1), ("differential", "norms"))
    g = ReluNetwork(exact_pair([[0.0, 0.0]], [[1.0, 1.0]]))
    add("norms-negative", (f, g), Box(-1, 1), ("differential", "norms"))
    f = ReluNetwork([Dense([[0.0], [0.0]])])
    add(
        "norms-two-outputs",
        (f, ReluNetwork(exact_pair([[0.5], [0.5]], [[0.5], [0.5]]))),
        Box(0, 1),
        ("norms",),
        ("l2", "l1"),
    )
    # Each network alone.
    f, g = single([Dense([[1.0, 2.0]])], [Dense([[-1.0, -3.0]])])
    add("opposite", (f, g), Box(-1, 1), ("interval",))
    add("opposite-swapped", (g, f), Box(0, 1), ("interval",))
    f, g = single([Dense([[2.0]], [1.0])], [Dense([[-1.0]], [-5.0])], final_relu=True)
    add("interval-relu", (f, g), Box(-1, 1), ("interval",))
    f, g = ReluNetwork([Dense([[3.0, 4.0]])]), ReluNetwork([Dense([[-3.0, -4.0]])])
    add("interval-ball", (f, g), Ball(1.0), ("interval",), points=[(0.6, 0.8 - 2.0**-53)])
    # Rounding: the true difference is lost by one rounding to nearest.
    g = ReluNetwork([Dense([[1.0], [2.0**-30]]), Dense([[1.0, 2.0**-30]])])
    lost = (ReluNetwork([Dense([[1.0]])]), g)
    add("lost-in-product", lost, Box(0, 1), ("differential", "norms"), tight=False)
    lost = single([Dense([[1.0, 2.0**-60]])], [Dense([[1.0, 0.0]])])
    add("lost-in-sum", lost, Box(1, 1), ("interval",), tight=False)
    g = ReluNetwork([Dense([[1.0, 0.0], [0.0, 1.0]]), Dense([[2.0, 0.0], [0.0, 2.0**-60]])])
    lost = (ReluNetwork([Dense([[1.0, 0.0], [0.0, 0.0]])]), g)
    add("lost-in-norm", lost, Box(0, 1), ("differential",))
    return cases


def single_pair(weight, positive, negative):
    return ReluNetwork([Dense(weight)]), ReluNetwork(exact_pair(positive, negative))


def random_cases(seeds, methods=("auto",)):
    """Return random tiny networks of one to three layers with every kind of domain."""
    cases = []
    for seed in seeds:
        rng = np.random.default_rng([seed, 1])
        depth = 1 + seed % 3
        widths = (2, *rng.integers(1, 6, depth).tolist())
        kinds = ["linear" if rng.random() < 0.25 else "relu" for _ in range(depth)]
        networks = random_pair(
            seed,
            widths,
            error=float(rng.choice([1e-3, 0.05, 0.5])),
            bias=bool(seed % 4),
            kinds=kinds,
            final_relu=bool(rng.random() < 0.3),
            sparse=seed % 5 == 0,
        )
        low = rng.uniform(-1, 0.5, 2)
        domain = (
            Box(-1, 1),
            Box(low, low + rng.uniform(0, 1, 2)),
            Ball(float(rng.uniform(0.1, 2))),
            Ball(0.75, rng.uniform(-1, 1, 2)),
        )[seed // 3 % 4]
        norm = NORMS[seed // 2 % 3]
        cases += [Case(f"random{seed}", *networks, domain, norm, m, tight=False) for m in methods]
    return cases


# ---------------------------------------------------------------- primitives against rational arithmetic


def fraction_rows(matrix):
    matrix = matrix.toarray() if hasattr(matrix, "tocsr") else matrix
    return [[Fraction(float(v)) for v in row] for row in np.atleast_2d(matrix)]


def exact_product(a, b):
    columns = list(zip(*fraction_rows(b), strict=True))
    return [
        [sum((x * y for x, y in zip(row, column, strict=True)), Fraction(0)) for column in columns]
        for row in fraction_rows(a)
    ]


def check_encloses(enclosure, exact):
    mids, rads = fraction_rows(enclosure.mid), fraction_rows(enclosure.rad)
    for mid_row, rad_row, row in zip(mids, rads, exact, strict=True):
        for mid, rad, value in zip(mid_row, rad_row, row, strict=True):
            assert abs(value - mid) <= rad, f"{float(value)} lies outside {float(mid)} +- {float(rad)}"


def check_primitives(a, b, c):
    """Check every primitive on a (m, k), b (k, n), c (m,) against rational arithmetic."""
    from scipy.sparse import csr_array

    product = exact_product(a, b)
    for left in (a, csr_array(a)):
        for right in (b, csr_array(b)):
            check_encloses(matmul(left, right), product)
        plain = [[row[0] + Fraction(float(v))] for row, v in zip(product, c, strict=True)]
        moved = affine(left, MidRad.point(b[:, 0]), c)
        check_encloses(MidRad(moved.mid[:, None], moved.rad[:, None]), plain)
        bound = product_up(abs(left), np.abs(b))
        for row, upper in zip(exact_product(np.abs(a), np.abs(b)), fraction_rows(bound), strict=True):
            assert all(x <= y for x, y in zip(row, upper, strict=True))
        for row, upper in zip(fraction_rows(a), row_norms_up(left), strict=True):
            assert exact_norm(row, "l2") <= Fraction(float(upper)) ** 2
    # A set of inputs: both ends of every interval must be mapped into the result.
    low, high = np.minimum(b[:, 0], b[:, -1]), np.maximum(b[:, 0], b[:, -1])
    inputs = MidRad.from_bounds(low, high)
    outer_low, outer_high = inputs.bounds()
    assert (outer_low <= low).all()
    assert (outer_high >= high).all()
    image = affine(a, inputs, c)
    for mid, rad, row, v in zip(image.mid, image.rad, fraction_rows(a), c, strict=True):
        for pick in (1, -1):
            ends = [
                Fraction(float(hi if pick * w > 0 else lo)) for w, lo, hi in zip(row, low, high, strict=True)
            ]
            value = sum((w * x for w, x in zip(row, ends, strict=True)), Fraction(float(v)))
            assert abs(value - Fraction(float(mid))) <= Fraction(float(rad))
    (row,) = fraction_rows(c)
    for norm in NORMS:
        size, p = exact_norm(row, norm), power(norm)
        assert Fraction(norm_down(c, norm)) ** p <= size <= Fraction(norm_up(c, norm)) ** p
    assert sum(map(abs, row)) <= Fraction(float(sum_up(np.abs(c))))
    both = zip(np.abs(c), np.abs(c[::-1]), times_up(np.abs(c), np.abs(c[::-1])), strict=True)
    assert all(Fraction(float(x)) * Fraction(float(y)) <= Fraction(float(z)) for x, y, z in both)
    x, y = MidRad(c, np.abs(c[::-1])), MidRad(c[::-1].copy(), np.abs(c))
    backward = MidRad.point(c[::-1])
    alone = MidRad.point(c)
    for own, enclosure, sign, other in (
        (alone, alone.minus(backward), -1, backward),
        (alone, alone.plus(backward.mid), 1, backward),
        (x, x.plus(backward.mid), 1, backward),
        (x, x.minus(y), -1, y),
    ):
        for i in range(c.size):
            for s in (1, -1):
                for t in (1, -1):
                    value = Fraction(own.mid[i]) + s * Fraction(own.rad[i])
                    value += sign * (Fraction(other.mid[i]) + t * Fraction(other.rad[i]))
                    assert abs(value - Fraction(enclosure.mid[i])) <= Fraction(enclosure.rad[i])
    for i in range(c.size):
        ends = [Fraction(x.mid[i]) + s * Fraction(x.rad[i]) for s in (1, -1)]
        assert max(map(abs, ends)) <= Fraction(x.magnitude()[i])
        least = Fraction(0) if ends[0] * ends[1] <= 0 else min(map(abs, ends))
        assert Fraction(x.mignitude()[i]) <= least
        assert Fraction(x.bounds()[0][i]) <= ends[1]
        assert ends[0] <= Fraction(x.bounds()[1][i])


def check_spectral(matrix):
    """Check ||A x|| <= bound ||x|| exactly at unit vectors, signs and the leading singular vector."""
    bound = Fraction(spectral_norm_up(MidRad.point(matrix))) ** 2
    rng = np.random.default_rng(3)
    n = matrix.shape[1]
    scaled = matrix / max(np.abs(matrix).max(), 1e-300)
    vectors = [*np.eye(n), *rng.choice([-1.0, 1.0], (4, n)), np.linalg.svd(scaled)[2][0]]
    for x in vectors:
        image = [row[0] for row in exact_product(matrix, x[:, None])]
        assert exact_norm(image, "l2") <= bound * exact_norm(fraction_rows(x)[0], "l2"), (
            "spectral norm too small"
        )


def cancelling_matrices():
    """Return (a, b, c) triples of rounding traps: cancellation, lost terms, subnormal and huge numbers."""
    e, tiny = 2.0**-53, 2.0**-1074
    return [
        (np.array([[1.0, e, -1.0]]), np.array([[1.0], [1.0], [1.0]]), np.array([e])),
        (np.array([[1.0, 2.0**-30]]), np.array([[1.0], [2.0**-30]]), np.array([1.0])),
        (np.array([[tiny, 0.5]]), np.array([[0.5], [tiny]]), np.array([tiny])),
        (
            np.array([[1e154, -1e154], [1e-160, 1e-170]]),
            np.array([[1e150, 3.0], [1e150, 1e-160]]),
            np.array([0.1, 0.2]),
        ),
        (np.array([[0.5]]), np.array([[tiny]]), np.array([0.0])),
        (np.full((3, 7), 0.1), np.full((7, 2), 1.1), np.array([1.0, e, e / 2])),
        (
            np.array([[1 + 2 * e, 1 - e]]),
            np.array([[1 + 2 * e], [1 - e]]),
            np.array(
                [
                    1.0,
                ]
            ),
        ),
        (np.zeros((2, 3)), np.ones((3, 2)), np.array([0.0, 5.0])),
        (np.array([[2.0**-600, 3.0]]), np.array([[2.0**-600, 0.0], [0.0, 0.0]]), np.array([2.0**-537])),
        (
            np.array([[1.0, 3.0, 5.0]]),
            np.array([[e, 1.0], [e, 1 + 2 * e], [e, 1 + 4 * e]]),
            np.array([1 + 2 * e]),
        ),
    ]

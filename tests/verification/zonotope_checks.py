"""Checks of method "zonotope" against exact evaluation, which it passes and its mutants fail."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
from verification.tiny_networks import (
    NORMS,
    candidate_points,
    exact_norm,
    exact_pair,
    exact_values,
    power,
    random_cases,
    tight_cases,
    truth,
)

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, UnsupportedStructureError, effective_layers
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.methods.relu_relaxations import (
    PairRanges,
    ReluSlopes,
    choose_slopes,
    deviation_error,
    relu_error,
)
from subsetsum_nets.verification.methods.zonotope.affine_forms import (
    AffineForms,
    first_forms,
    linear_map,
    scaled_sum,
    with_errors,
)
from subsetsum_nets.verification.methods.zonotope.input_features import InputFeatures
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope, zonotope_bound


def fractions(network, points):
    """Return the exact values at points (n, d), as Fractions, shape (n, d_out)."""
    ints, scale = exact_values(network, points)
    exact = np.empty(ints.shape, dtype=object)
    exact[:] = [[Fraction(int(v), 1 << scale) for v in row] for row in ints]
    return exact


def upto(network, layers):
    """Return the first layers of a network, without a ReLU after the last."""
    linear = [i for i in network.linear_after if i < layers - 1]
    return ReluNetwork(network.layers[:layers], linear_after=linear)


def random_slopes(enclosure, rng):
    """Return arbitrary slopes in place of those that an enclosure chose."""
    drawn = []
    for slopes in enclosure.slopes:
        if slopes is None:
            drawn.append(None)
            continue
        g, f, deviation = (
            np.where(
                rng.random(slopes.g.size) < 0.3, rng.integers(0, 2, slopes.g.size), rng.random(slopes.g.size)
            )
            for _ in range(3)
        )
        drawn.append(ReluSlopes(g, f, deviation, rng.random(slopes.g.size) < 0.5))
    return drawn


def check_inside(enclosure, f, g, points):
    """Check that every range, and the deviation in several directions, holds the exact values at points."""
    depth = len(g.layers) // len(f.layers)
    for index, before in enumerate(enclosure.before):
        of_f = fractions(upto(f, index + 1), points)
        of_g = fractions(upto(g, depth * (index + 1)), points)
        for values, bounds in ((of_g, before.g), (of_f, before.f), (of_g - of_f, before.deviation)):
            for row in values:
                for value, low, high in zip(row, bounds.low, bounds.high, strict=True):
                    assert Fraction(low) <= value <= Fraction(high), f"layer {index}: {float(value)}"
    deviation = fractions(g, points) - fractions(f, points)
    for row in deviation:
        for value, low, high in zip(
            row, enclosure.outputs.deviation.low, enclosure.outputs.deviation.high, strict=True
        ):
            assert Fraction(low) <= value <= Fraction(high)
    rng = np.random.default_rng(5)
    directions = rng.integers(-3, 4, (12, deviation.shape[1]))
    still = MidRad.point(np.zeros(len(directions)))
    ends = linear_map([(directions.astype(float), None, enclosure.deviation)], still).range()
    products = deviation.dot(directions.T.astype(object))
    for row in products:
        for value, low, high in zip(row, ends.low, ends.high, strict=True):
            assert Fraction(low) <= value <= Fraction(high), "the deviation leaves its forms"


def check_norms(enclosure, f, g, points):
    deviation = fractions(g, points) - fractions(f, points)
    for norm in NORMS:
        upper = Fraction(enclosure.norm_up(norm)) ** power(norm)
        assert all(exact_norm(row, norm) <= upper for row in deviation), f"{norm}: exceeded"


def check_case(case, *, draws=2):
    """Check the enclosure of a case with its own slopes, with arbitrary ones, and with few symbols."""
    rng = np.random.default_rng(9)
    points = candidate_points(case.f, case.g, case.domain, case.norm, rng)
    points = np.concatenate([points[-16:], *[np.array([p], dtype=float) for p in case.points]])
    zonotope = DifferentialZonotope(Comparison(case.f, case.g, case.domain))
    own = zonotope.enclose(case.domain)
    enclosures = [own]
    arbitrary = [random_slopes(own, rng) for _ in range(draws)]
    enclosures.extend(zonotope.enclose(case.domain, slopes=slopes) for slopes in arbitrary)
    narrow = DifferentialZonotope(Comparison(case.f, case.g, case.domain), max_entries=8)
    enclosures.append(narrow.enclose(case.domain))
    for enclosure in enclosures:
        check_inside(enclosure, case.f, case.g, points)
        check_norms(enclosure, case.f, case.g, points)


def check_tight(case):
    """Check that the bound reaches the exact value at some point, to 1e-9."""
    upper = Fraction(zonotope_bound(Comparison(case.f, case.g, case.domain, case.norm)).upper)
    p, reached = power(case.norm), truth(case)
    assert reached <= upper**p, f"{case}: {float(reached)} exceeds {float(upper)}"
    assert upper**p <= reached * (1 + Fraction(1, 10**9)) ** p, f"{case}: not tight"


def structured(cases):
    """Return the cases whose g follows f layer by layer."""
    kept = []
    for case in cases:
        try:
            effective_layers(case.f, case.g)
        except UnsupportedStructureError:
            continue
        kept.append(case)
    return kept


def reached_cases():
    """Return the cases whose "differential" bound reaches the truth, one norm after the other."""
    return [c for c in tight_cases() if c.method == "differential" and c.tight]


def rounding_cases():
    """Return networks in which a single rounding to nearest loses the whole difference."""
    e = 2.0**-53
    cases = []

    def add(name, f_layers, g_layers, domain, points=()):
        f, g = ReluNetwork(f_layers), ReluNetwork(g_layers)
        cases.append(
            type(tight_cases()[0])(name, f, g, domain, "linf", "zonotope", tight=False, points=points)
        )

    two = [Dense(np.eye(2)), Dense([[1.0, 1.0]])]
    add("lost-in-second-layer", two, [Dense(np.eye(2)), Dense([[1.0, 1.0 + 2 * e]])], Box([1, e], [1, 3 * e]))
    wide = [Dense(np.full((7, 2), 0.1)), Dense(np.full((2, 7), 0.1)), Dense([[1.0, -1.0]])]
    other = [Dense(np.full((7, 2), 0.1)), Dense(np.full((2, 7), 0.1 + e)), Dense([[1.0, -1.0]])]
    add("many-equal-weights", wide, other, Box(-1, 1))
    add("many-equal-weights-on", wide, other, Box(0.5, 1))
    add(
        "cancelling",
        [Dense([[1.0], [1.0]], [1.0, 0.5]), Dense([[2.0**30, -(2.0**30)]])],
        [Dense([[1.0 + e * 2], [1.0]], [1.0, 0.5]), Dense([[2.0**30, -(2.0**30) * (1 + 2 * e)]])],
        Box(0, 1),
    )
    tiny = 2.0**-1074
    add(
        "subnormal",
        [Dense([[tiny], [0.5]]), Dense([[0.5, 1.0]])],
        [Dense([[3 * tiny], [0.5]]), Dense([[0.5, 1.0]])],
        Box(0, 1),
    )
    add(
        "subnormal-domain",
        [Dense([[0.5]]), Dense([[0.5]])],
        [Dense([[0.75]]), Dense([[0.5]])],
        Box(-3 * tiny, 5 * tiny),
    )
    add(
        "huge",
        [Dense([[1e150, -1e150]]), Dense([[1e150]])],
        [Dense([[1e150, -1e149]]), Dense([[1e150]])],
        Box(-1, 1),
    )
    add(
        "shifted",
        [Dense([[1.0, 1.0]], [-(2.0**40)]), Dense([[1.0]])],
        [Dense([[1.0, 1.0]], [-(2.0**40)]), Dense([[1.0]], [e])],
        Box(2.0**39, 2.0**39 + 1),
    )
    return cases


def kinked_cases():
    """Return cases for domains and layers that the others leave out."""
    make = type(tight_cases()[0])
    rng = np.random.default_rng(2)
    cases = []
    # A linear hidden layer of both signs before a layer with two slopes.
    f = ReluNetwork([Dense(rng.uniform(-1, 1, (3, 2))), Dense(rng.uniform(-1, 1, (2, 3)))], linear_after=[0])
    g = ReluNetwork(
        [
            *exact_pair(f.layers[0].weight + 0.0625, f.layers[0].weight - 0.125),
            *exact_pair(f.layers[1].weight - 0.25, f.layers[1].weight + 0.125, [0.5, -0.5]),
        ],
        linear_after=[1],
    )
    for domain in (Box(-1, 1), Ball(1.0, [0.25, -0.5]), Box([-1.0, 0.5], [-0.25, 0.75])):
        for final in (False, True):
            pair = (ReluNetwork(n.layers, linear_after=n.linear_after, final_relu=final) for n in (f, g))
            cases.append(make(f"signed-{final}", *pair, domain, "l2", "zonotope", tight=False))
    # Two slopes over a ball that is not centred: every kind of chord.
    f = ReluNetwork([Dense([[1.0, -0.5], [0.25, 2.0], [0.0, 0.0]])])
    g = ReluNetwork(
        exact_pair([[2.0, 0.5], [0.25, -2.0], [1.0, 0.0]], [[-1.0, 0.5], [3.0, 2.0], [-4.0, 0.0]])
    )
    cases.extend(
        make("ball-chords", f, g, Ball(1.0, center), "l2", "zonotope", tight=False)
        for center in ([0.0, 0.0], [0.25, -0.25], [-0.75, 0.5], [0.0, 2.0], [-2.0, 0.0])
    )
    return cases


def random_forms(features, rng, own, rows=3):
    """Return forms with coefficients of very different sizes, some of them zero."""

    def draw(*shape):
        return rng.uniform(-1, 1, shape) * 2.0 ** rng.integers(-60, 4, shape) * (rng.random(shape) < 0.8)

    width = features.magnitude.size + 4
    return AffineForms(features, draw(rows), draw(rows, width), draw(rows, own), np.abs(draw(rows)))


def exact(values):
    return np.array([[Fraction(float(v)) for v in row] for row in np.atleast_2d(values)], dtype=object)


def exact_centre(forms, joint, own):
    """Return centre + joint @ values + own @ values, as Fractions."""
    total = exact(forms.centre)[0] + exact(forms.joint).dot(joint)
    return total + exact(forms.own).dot(own) if own.size else total


def check_forms():
    """Check the arithmetic of forms against rational arithmetic, symbols and radii at their ends."""
    rng = np.random.default_rng(3)
    features = InputFeatures.of(Box([-1.0, 0.5, -2.0], [2.0, 1.0, -0.25]), 3, linear=False)
    for trial in range(12):
        x = features.values(np.where(rng.random(3) < 0.5, features.box.low, features.box.high))
        joint = exact(np.concatenate([x, rng.choice([-1.0, 1.0], 4)]))[0]
        own = exact(rng.choice([-1.0, 1.0], 2))[0]
        first, second = random_forms(features, rng, 2), random_forms(features, rng, 0)
        loose = float(trial % 3 > 0)  # without radii every rounding shows
        first, second = (replace(forms, radius=loose * forms.radius) for forms in (first, second))
        none = own[:0]
        a, b = exact_centre(first, joint, own), exact_centre(second, joint, none)
        ra, rb = exact(first.radius)[0], exact(second.radius)[0]

        def inside(forms, value, reach, own=own, joint=joint):
            error = abs(value - exact_centre(forms, joint, own))
            assert all(error + reach <= exact(forms.radius)[0]), "rounding left the radius"

        m, n, spread = (
            rng.uniform(-1, 1, (3, 3)),
            rng.uniform(-1, 1, (3, 3)),
            loose * rng.uniform(0, 1e-3, (3, 3)),
        )
        bias = MidRad(rng.uniform(-1, 1, 3), loose * rng.uniform(0, 1e-9, 3))
        mapped = linear_map([(m, None, first), (n, spread, second)], bias)
        value = exact(m).dot(a) + exact(n).dot(b) + exact(bias.mid)[0]
        size = exact(second.size())[0]
        inside(mapped, value, abs(exact(m)).dot(ra) + abs(exact(n)).dot(rb) + exact(bias.rad)[0])
        reach = abs(exact(spread)).dot(abs(b) + rb)
        inside(mapped, value, reach + abs(exact(m)).dot(ra) + abs(exact(n)).dot(rb) + exact(bias.rad)[0])
        assert all(abs(b) + rb <= size)
        t, s = rng.uniform(0, 1, 3), rng.uniform(-1, 1, 3) * (trial % 2)
        value = exact(t)[0] * a + exact(s)[0] * b
        inside(scaled_sum(t, first, s, second), value, exact(t)[0] * ra + abs(exact(s)[0]) * rb)
        inside(second.minus(first), b - a, ra + rb)
        errors = MidRad(rng.uniform(-1, 1, 3), np.abs(rng.uniform(0, 1, 3)))
        shared = MidRad(rng.uniform(-1, 1, 3), rng.uniform(-1, 1, 3))
        signs = rng.choice([-1.0, 1.0], 6)
        joined = np.concatenate([joint, exact(signs[:1])[0]])
        owned = np.concatenate([own, exact(signs[1:2])[0]])
        added = with_errors(first, errors, shared, np.array([1]), np.array([2]))
        value = a + exact(errors.mid)[0] + exact(shared.mid)[0]
        value[1] += exact(shared.rad)[0][1] * joined[-1]
        value[2] += exact(errors.rad)[0][2] * owned[-1]
        loosened = [abs(Fraction(errors.rad[i])) + abs(Fraction(shared.rad[i])) for i in range(3)]
        loosened[1] -= abs(Fraction(shared.rad[1]))  # unit 1 has a shared symbol, unit 2 one of its own
        loosened[2] -= Fraction(errors.rad[2])
        reach = ra + np.array(loosened, dtype=object)
        inside(added, value, reach, owned, joined)
        bounds = first.range()
        assert all(exact(bounds.low)[0] <= a - ra)
        assert all(a + ra <= exact(bounds.high)[0])
        single = first_forms(
            features, MidRad(first.joint[:, : x.size], np.abs(first.joint[:, : x.size])), bias
        )
        coefficients = exact(first.joint[:, : x.size])
        value = exact(bias.mid)[0] + coefficients.dot(joint[: x.size])
        inside(
            single,
            value,
            abs(coefficients).dot(abs(joint[: x.size])) + exact(bias.rad)[0],
            none,
            joint[: x.size],
        )


def check_support():
    """Check the ends of linear functions over boxes and balls against rational arithmetic."""
    rng = np.random.default_rng(8)
    for trial in range(20):
        d = int(rng.integers(1, 40))
        low = rng.uniform(-1, 1, d)
        box = Box(low, low + rng.uniform(0, 2, d))
        features = InputFeatures.of(box, d, linear=bool(trial % 2))
        coefficients = np.concatenate(
            [rng.uniform(-1, 1, (2, features.magnitude.size)), np.full((1, features.magnitude.size), 0.1)]
        )
        corners = [features.values(corner) for corner in (box.low, box.high, np.clip(0.0, box.low, box.high))]
        ends = [exact(coefficients * 1.0) * exact(corner)[0] for corner in corners]
        parts = []
        for end in ends:
            parts.append(end[:, :d].copy())
            parts[-1][:, features.split] += end[:, d:]
        least = np.minimum(np.minimum(parts[0], parts[1]), parts[2]).sum(axis=1)
        most = np.maximum(np.maximum(parts[0], parts[1]), parts[2]).sum(axis=1)
        found_low, found_high = features.support(coefficients)
        assert all(exact(found_low)[0] <= least), "the low end is too high"
        assert all(most <= exact(found_high)[0]), "the high end is too low"


def check_relaxations():
    """Check every relaxation at the ends and kinks of random ranges, for arbitrary slopes."""
    rng = np.random.default_rng(21)
    for _ in range(40):
        ends = np.sort(rng.integers(-4, 5, (2, 2, 8)) / 4.0, axis=0)
        g, f = Range(ends[0, 0], ends[1, 0]), Range(ends[0, 1], ends[1, 1])
        before = PairRanges(g, f, Range(g.low - f.high, g.high - f.low)).tightened()
        drawn = np.where(rng.random(8) < 0.5, rng.integers(0, 2, 8), rng.integers(0, 2**10, 8) / 2.0**10)
        after = before.relu()
        for slope in (drawn, choose_slopes(before).deviation, choose_slopes(before).g):
            one, pair = relu_error(before.g, slope), deviation_error(before, slope)
            for i in range(8):
                for z in {g.low[i], g.high[i], np.clip(0.0, g.low[i], g.high[i])}:
                    error = Fraction(max(z, 0.0)) - Fraction(slope[i]) * Fraction(z)
                    assert abs(error - Fraction(one.mid[i])) <= Fraction(one.rad[i])
                    for x in {
                        f.low[i],
                        f.high[i],
                        np.clip(0.0, f.low[i], f.high[i]),
                        np.clip(z, f.low[i], f.high[i]),
                    }:
                        changed = Fraction(max(z, 0.0)) - Fraction(max(x, 0.0))
                        assert (
                            Fraction(after.deviation.low[i]) <= changed <= Fraction(after.deviation.high[i])
                        )
                        error = changed - Fraction(slope[i]) * (Fraction(z) - Fraction(x))
                        assert abs(error - Fraction(pair.mid[i])) <= Fraction(pair.rad[i])
    wide = Range(np.array([-1.0, 0.1]), np.array([1.0, 0.1]))
    thin = Range(np.array([0.2, 0.2]), np.array([0.2, 0.2]))
    found = PairRanges(Range(np.full(2, -9.0), np.full(2, 9.0)), wide, thin).tightened().g
    assert Fraction(found.low[1]) <= Fraction(0.1) + Fraction(0.2) <= Fraction(found.high[1])
    assert Fraction(found.high[0]) >= 1 + Fraction(0.2)


def all_checks():
    """Run a fast selection of everything, for mutants."""
    check_relaxations()
    check_forms()
    check_support()
    for case in reached_cases()[::2]:
        check_tight(case)
    for case in kinked_cases() + rounding_cases():
        check_case(case, draws=1)
    for case in structured(random_cases(range(12))):
        check_case(case, draws=1)

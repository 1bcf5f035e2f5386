"""Method "milp": brackets of the true sup, multipliers that need not be trusted, and planted mistakes."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import csr_array
from support.planting import plant
from verification.tiny_networks import NORMS, exact_pair, exact_sizes, power, random_pair
from verification.true_sup import true_sup

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, SearchOptions, SoundnessError, UnsupportedStructureError
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.enclosures.ranges import Range
from subsetsum_nets.verification.methods.milp import certified_lp, milp, output_norm
from subsetsum_nets.verification.methods.milp import pair_model as model_file
from subsetsum_nets.verification.methods.milp.certified_lp import (
    Equalities,
    Inequalities,
    Program,
    Proposal,
    ball_support_up,
    products_up,
    total_up,
)
from subsetsum_nets.verification.methods.milp.milp import milp_bound
from subsetsum_nets.verification.methods.milp.output_norm import OutputNorm, chord_of_magnitude_up
from subsetsum_nets.verification.methods.milp.pair_model import chord_up
from subsetsum_nets.verification.results import GAP


def exact(values):
    return [Fraction(float(v)) for v in np.ravel(values)]


def he_pair(seed, widths, error, **options):
    """Return a He-normal target with biases, and a two-slope neighbour."""
    rng = np.random.default_rng(seed)
    layers, replaced = [], []
    for d_in, d_out in pairwise(widths):
        weight = rng.standard_normal((d_out, d_in)) * np.sqrt(2 / d_in)
        bias = 0.1 * rng.standard_normal(d_out)
        layers.append(Dense(weight, bias))
        near = [weight + rng.uniform(-error, error, weight.shape) for _ in range(2)]
        replaced += exact_pair(*near, bias + rng.uniform(-error, error, d_out))
    return ReluNetwork(layers, **options), ReluNetwork(replaced, **options)


def check_bracket(f, g, domain, norm, *, time_limit=30.0, closed=True):
    """Check a bracket against the true sup."""
    result = milp_bound(Comparison(f, g, domain, norm), SearchOptions(time_limit=time_limit))
    p = power(norm)
    least, most = true_sup(f, g, domain, norm)
    assert least <= Fraction(result.upper) ** p, (
        f"{result.upper} is below the truth {float(least) ** (1 / p)}"
    )
    assert domain.contains(result.witness)
    (there,) = exact_sizes(f, g, result.witness[np.newaxis], norm)
    assert Fraction(result.lower) ** p <= there <= most
    assert result.lower <= result.upper
    assert result.closed == (result.upper <= result.lower * (1 + GAP))
    if closed:
        assert result.closed
    return result


def small_cases():
    yield *single_kink(), Box(-1, 1), "linf"
    yield *he_pair(1, (2, 2, 2), 1e-1), Box(-1, 1), "linf"
    yield *he_pair(2, (2, 2, 2), 1e-3), Box(-0.5, 1.0), "l1"
    yield *he_pair(0, (1, 2, 2), 1e-2), Box(-1, 1), "l2"
    yield *he_pair(3, (2, 2, 1), 1e-2, final_relu=True), Ball(1.0), "linf"
    yield *he_pair(4, (2, 1, 2), 1e-2), Ball(0.5, [0.25, 0.5]), "l2"
    yield *he_pair(1, (2, 3, 2), 1e-1), Box(-1, 1), "linf"
    yield *random_pair(5, (2, 3, 1), kinds=["linear", "relu"]), Box(-1, 1), "l2"


def single_kink():
    """The second output differs most, on the negative side, just where f is on and g off."""
    f = ReluNetwork([Dense([[1.0], [-1.0]], [0.25, 0.5]), Dense([[1.0, 0.0], [-1.0, 2.0]])])
    g = ReluNetwork(
        [
            *exact_pair([[1.125], [-1.0]], [[0.5], [-2.0]], [0.125, 0.5]),
            *exact_pair([[1.0, 0.0], [-1.25, 2.5]], [[0.0, 0.0], [0.0, 0.0]]),
        ]
    )
    return f, g


# ---------------------------------------------------------------- checks that mutants must fail


def check_roundings():
    rng = np.random.default_rng(3)
    for scale in (1.0, 2.0**-530, 2.0**-560, 2.0**400):
        a, b = rng.standard_normal((2, 40)) * scale
        for value, x, y in zip(products_up(a, b), a, b, strict=True):
            assert Fraction(value) >= Fraction(x) * Fraction(y)
        assert Fraction(total_up(a)) >= sum(exact(a))
    assert Fraction(total_up([1.0, 2.0**-53, 2.0**-54, -(2.0**-80)])) >= 1 + 2 * Fraction(2) ** -54
    low, high = np.sort(rng.uniform(-1, 1, (2, 60)), axis=0)
    for lines, truth in ((chord_up, lambda x: max(x, 0)), (chord_of_magnitude_up, abs)):
        for t, b, *ends in zip(*lines(low, high), low, high, strict=True):
            for x in map(Fraction, ends):
                assert (
                    truth(x)
                    <= Fraction(t) * x + Fraction(b)
                    <= truth(x) + 2 * (Fraction(ends[1]) - Fraction(ends[0]))
                )
    directions, center, radius = rng.standard_normal((20, 3)), rng.standard_normal(3), 0.7
    for direction, support in zip(directions, ball_support_up(directions, center, radius), strict=True):
        middle = sum(u * c for u, c in zip(exact(direction), exact(center), strict=True))
        square = sum(u * u for u in exact(direction)) * Fraction(radius) ** 2
        assert (Fraction(support) - middle) ** 2 >= square
        assert support <= float(middle) + float(square) ** 0.5 + 1e-12


def check_cones():
    rng = np.random.default_rng(4)
    norm = OutputNorm("l2", 3, 1.0)
    aims = norm.aims()
    for _ in range(6):
        aims = [part for aim in aims for part in norm.split(aim, np.ones(3))[1]]
    for aim in rng.choice(np.array(aims, dtype=object), 60):
        slope, constant = norm.linear(aim, np.full(3, -9.0), np.full(3, 9.0))
        for corner in (aim.low, aim.high, 0.5 * (aim.low + aim.high)):
            outputs = corner.copy()
            outputs[aim.output] = aim.sign
            value = sum(c * d for c, d in zip(exact(slope), exact(outputs), strict=True)) + Fraction(constant)
            assert value >= 0
            assert sum(d * d for d in exact(outputs)) <= value**2 <= 3.2


def check_multipliers():
    """Any multipliers bound the objective, to the last bit."""
    rng = np.random.default_rng(5)
    for scale in (1.0, 1e-12, 1e12):
        a, g = rng.standard_normal((2, 3, 5)) * (rng.random((2, 3, 5)) < 0.7)
        low, high = np.sort(rng.uniform(-1, 1, (2, 5)), axis=0)
        b, h, c = rng.standard_normal((3, 3)) * [[1.0], [1.0], [scale]]
        rhs = MidRad(b, np.array([1e-3, 0.0, 1e-17]))
        objective = np.append(c, [0.0, scale])
        rows = csr_array(a)
        program = Program(Equalities(rows, rhs), Inequalities(csr_array(g), h), Range(low, high))
        y, z = rng.standard_normal((2, 3)) * scale
        z = np.abs(z)
        bound, _ = program.bound_up(objective, Proposal(np.zeros(5), y, z, np.zeros(0)))
        truth = sum(p * q for p, q in zip(exact(y), exact(b), strict=True))
        truth += sum(abs(p) * q for p, q in zip(exact(y), exact(rhs.rad), strict=True))
        truth += sum(p * q for p, q in zip(exact(z), exact(h), strict=True))
        for j in range(5):
            left = exact(objective)[j] - sum(p * q for p, q in zip(exact(y), exact(a[:, j]), strict=True))
            left -= sum(p * q for p, q in zip(exact(z), exact(g[:, j]), strict=True))
            truth += max(left * Fraction(low[j]), left * Fraction(high[j]))
        assert truth <= Fraction(bound) <= truth + Fraction(scale * 1e-12)


def check_emptiness():
    """x <= b with x in [0, 1] is empty for b < 0 only."""
    rows = csr_array(np.array([[1.0]]))
    nothing = Equalities(csr_array((0, 1)), MidRad.point(np.zeros(0)))
    for b, empty in ((-0.5, True), (-1e-3, True), (0.0, False), (0.5, False)):
        program = Program(nothing, Inequalities(rows, np.array([b])), Range(np.zeros(1), np.ones(1)))
        assert program.proven_empty() == empty


def check_radii():
    """The radii of g's effective weights and biases widen what is defined by them."""
    builder = model_file._Builder(np.array([-1.0]), np.array([2.0]))
    weight, offset = MidRad(np.array([[1.0]]), np.array([[0.5]])), MidRad(np.zeros(1), np.array([0.25]))
    out = builder.affine([(weight, np.array([0]))], offset)
    assert builder.low[out[0]] <= -2.25
    assert builder.high[out[0]] >= 3.25
    assert builder.steps[0].offset.rad[0] >= 1.25


def all_checks():
    check_roundings()
    check_cones()
    check_multipliers()
    check_emptiness()
    check_radii()
    check_bracket(*he_pair(1, (2, 3, 2), 1e-1), Box(-1, 1), "l1", time_limit=1e-9, closed=False)
    for case in small_cases():
        check_bracket(*case)


def test_the_checks_pass_as_things_are():
    all_checks()


MUTANTS = [
    (certified_lp.Program._residual, "-np.concatenate([free, signed])", "np.concatenate([free, signed])"),
    (
        certified_lp.Program._residual,
        (
            "[*products_up(free, rhs.mid), *times_up(np.abs(free), rhs.rad), *products_up(signed, "
            "self.inequalities.upper)]"
        ),
        "[*times_up(np.abs(free), rhs.rad), *products_up(signed, self.inequalities.upper)]",
    ),
    (
        certified_lp.Program._residual,
        (
            "[*products_up(free, rhs.mid), *times_up(np.abs(free), rhs.rad), *products_up(signed, "
            "self.inequalities.upper)]"
        ),
        "[*products_up(free, rhs.mid), *products_up(signed, self.inequalities.upper)]",
    ),
    (
        certified_lp.Program._residual,
        (
            "[*products_up(free, rhs.mid), *times_up(np.abs(free), rhs.rad), *products_up(signed, "
            "self.inequalities.upper)]"
        ),
        "[*products_up(free, rhs.mid), *times_up(np.abs(free), rhs.rad)]",
    ),
    (certified_lp.products_up, "2.0 * rounding_error(product, 1)", "0.0"),
    (certified_lp.products_up, "2.0 * TINY", "0.0"),
    (certified_lp._box_terms_up, "products_up(residual.mid, box.low)", "products_up(residual.mid, box.high)"),
    (certified_lp._box_terms_up, "np.nextafter(ends + spread, np.inf)", "-ends"),
    (certified_lp.total_up, "total + slack", "total - slack"),
    (certified_lp.ball_support_up, "middle.rad + reach", "middle.rad + 0.5 * reach"),
    (
        certified_lp.ball_support_up,
        "MidRad(middle.mid, inflate(middle.rad + reach, 1)).bounds()[1]",
        "MidRad(middle.mid, inflate(middle.rad + reach, 1)).bounds()[0]",
    ),
    (
        certified_lp.Program.proven_empty,
        "self.bound_up(np.zeros(self.box.low.size), proposal)[0] < 0.0",
        "self.bound_up(np.zeros(self.box.low.size), proposal)[0] < 0.25",
    ),
    (
        model_file.chord_up,
        "np.maximum(slope * -low, (1.0 - slope) * high)",
        "0.5 * np.maximum(slope * -low, (1.0 - slope) * high)",
    ),
    (model_file.chord_up, "inflate(np.maximum(ends, 0.0) + TINY, 4)", "ends * (1 - 2.0**-50)"),
    (
        model_file.Units.tighten,
        "cut(low, high, self.post, np.maximum(low[self.pre], 0.0), np.maximum(high[self.pre], 0.0))",
        ("cut(low, high, self.post, np.maximum(low[self.pre], 0.0), np.maximum(0.5 * high[self.pre], 0.0))"),
    ),
    (
        model_file.NegativeParts.tighten,
        (
            "cut(low, high, self.negative, np.minimum(low[self.value], 0.0), "
            "np.minimum(high[self.value], 0.0))"
        ),
        "cut(low, high, self.negative, low[self.value] * 0.5, np.minimum(high[self.value], 0.0))",
    ),
    (model_file.Pairs.tighten, "np.minimum(low[self.d], 0.0)", "0.0 * low[self.d]"),
    (model_file.Pairs.tighten, "np.maximum(high[self.d], 0.0)", "0.0 * high[self.d]"),
    (
        model_file.PairModel.inequalities,
        (
            "z_on, z_off = low[pair.z] >= 0.0, high[pair.z] <= 0.0\n"
            "...\n"
            "np.where(y_on, 1.0, np.where(y_off, 0.0, above))"
        ),
        "np.where(z_off, 1.0, np.where(y_off, 0.0, above))",
    ),
    (
        model_file.PairModel.inequalities,
        "above, most = chord_up(low[pair.d], high[pair.d])\n...\nnp.where(y_on | y_off, 0.0, most)",
        "0.0 * most",
    ),
    (
        model_file.PairModel.inequalities,
        "above, most = chord_up(low[pair.d], high[pair.d])\n...\nnp.where(z_on | z_off, 0.0, least)",
        "0.0 * least",
    ),
    (model_file._Builder.affine, "radius + product_up(matrix.rad, largest)", "radius"),
    (model_file._Builder.affine, "MidRad(offset.mid, radius)", "MidRad.point(offset.mid)"),
    (model_file._Builder.pair, "factor / new_scale", "1.0 / new_scale"),
    (
        model_file._Builder.pair,
        (
            "for index, (layer, two_slope) in enumerate(zip(target.affine_layers, effective, "
            "strict=True)): ...\n"
            "...\n"
            "_scaled(error.bias, 1.0 / new_scale)"
        ),
        "_zeros(layer.d_out)",
    ),
    (model_file._Builder.pair, "error.negative.toarray()", "error.positive.toarray()"),
    (output_norm.OutputNorm.linear, "np.arange(self.count) == aim.output", "np.arange(self.count) == 0"),
    (output_norm.OutputNorm.linear, "products[aim.output] = 1.0", "products[aim.output] = 0.0"),
    (output_norm.OutputNorm.aims, "(1.0, -1.0)", "(1.0,)"),
    (
        output_norm.OutputNorm.scaled_up,
        "int(np.frexp(self.scale)[1]) - 1",
        "int(np.frexp(self.scale)[1]) - 2",
    ),
    (output_norm.chord_of_magnitude_up, "np.maximum(*at_ends)", "np.minimum(*at_ends) / 2"),
    (milp._Node.children, "(0.0, math.inf)", "(0.0, 0.0)"),
    (milp._BranchAndBound._push, "self._settled = max(self._settled, node.bound)", "pass"),
    (milp._BranchAndBound.run, "-heap[0][0] if heap else 0.0", "0.0"),
    (milp._BranchAndBound._bounded, "(0.0, math.inf)", "(-math.inf, 0.0)"),
    (
        milp._BranchAndBound._tight_variable,
        "_cut_at(box, variable, -ends[0], ends[1])",
        "_cut_at(box, variable, -ends[0], 0.25 * ends[1])",
    ),
]


@pytest.mark.parametrize(
    ("function", "formula", "broken"),
    [
        pytest.param(*mutant, id=f"{mutant[0].__qualname__}-{i}", marks=[pytest.mark.slow] if i % 3 else [])
        for i, mutant in enumerate(MUTANTS)
    ],
)
def test_every_mutant_is_caught(monkeypatch, function, formula, broken):
    with monkeypatch.context() as patch:
        plant(patch, function, formula, broken)
        with pytest.raises((AssertionError, SoundnessError)):
            all_checks()


# ---------------------------------------------------------------- what users rely on


@pytest.mark.parametrize("norm", NORMS)
def test_without_the_two_slope_structure(norm):
    f, _ = he_pair(1, (2, 3, 2), 0.1)
    g, _ = he_pair(2, (2, 2, 2), 0.1)
    check_bracket(f, g, Box(-1, 1), norm)


def test_equal_networks_have_the_bracket_zero():
    f, _ = he_pair(1, (2, 3, 2), 0.1)
    result = milp_bound(Comparison(f, f, Box(-1, 1), "l2"))
    assert (result.upper, result.lower, result.closed) == (0.0, 0.0, True)


@pytest.mark.parametrize("error", [1e-9, 1e-3])
def test_small_errors_are_bracketed_as_closely(error):
    result = check_bracket(*he_pair(6, (2, 3, 2), error), Box(-1, 1), "linf", closed=error > 1e-6)
    assert 0.0 < result.upper < 30 * error
    assert result.upper - result.lower <= 1e-13  # the rounding errors of the values at the witness


def test_thin_and_single_point_domains():
    f, g = he_pair(1, (2, 3, 2), 0.1)
    for domain in (Box([0.3, -1.0], [0.3, 1.0]), Box(0.5, 0.5), Ball(0.0, 0.25)):
        check_bracket(f, g, domain, "linf")


def test_large_networks_are_refused():
    f = ReluNetwork([Dense(np.zeros((2100, 2100)))])
    with pytest.raises(UnsupportedStructureError, match="small networks: these have 4410000 coefficients"):
        milp_bound(Comparison(f, f, Box(-1, 1), "l2"))


def test_unknown_norm():
    f, g = single_kink()
    with pytest.raises(ValueError, match="unknown norm 'l3'"):
        milp_bound(Comparison(f, g, Box(-1, 1), "l3"))


@pytest.mark.slow
@pytest.mark.parametrize(("norm", "error"), [("l2", 1e-2), ("linf", 1e-4)])
def test_six_digits_on_4_8_8_2(norm, error):
    f, g = he_pair(0, (4, 8, 8, 2), error)
    result = milp_bound(Comparison(f, g, Box(-1, 1), norm))
    assert result.closed
    assert result.upper <= result.lower * (1 + 1e-6)

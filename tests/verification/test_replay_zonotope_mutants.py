"""Deliberate bugs in the replays of "zonotope" and "splitting", each of which their checks must catch."""

import pytest
from support.planting import plain_python
from verification.replay_splitting_checks import check_searches, check_zonotopes

from subsetsum_nets.verification.replay import dual as replay_dual
from subsetsum_nets.verification.replay import splitting as replay_splitting
from subsetsum_nets.verification.replay import zonotope as replay_zonotope

USERS = {
    "replay.forms": (replay_zonotope, replay_dual, replay_splitting),
    "replay.zonotope_norms": (replay_zonotope,),
    "replay.zonotope": (replay_dual, replay_splitting),
    "replay.dual": (replay_splitting,),
    "replay.splitting": (),
}

MUTANTS = [
    # forms
    ("replay.forms", "ExactFeatures.of", "low < 0 < high", "False"),
    ("replay.forms", "ExactFeatures.coefficients", "j if high > 0 else d + j", "j"),
    (
        "replay.forms",
        "ExactFeatures.support",
        "values.append(at_low.scaled_columns(ExactMatrix.from_ints(kept, (self.inputs, 1), 0)))",
        (
            "values = [at_low, at_low]\n"
            "(at_low.scaled_columns(ExactMatrix.from_ints(kept, (self.inputs, 1), 0)))"
        ),
    ),
    (
        "replay.forms",
        "ExactFeatures.support",
        "coefficients.columns(self._meeting_low())",
        "coefficients.columns(range(self.inputs))",
    ),
    (
        "replay.forms",
        "ExactFeatures._ball_support",
        "coefficients @ ExactMatrix.from_fractions(values)",
        "abs(coefficients) @ ExactMatrix.from_fractions(values)",
    ),
    (
        "replay.forms",
        "ExactFeatures._chord_slopes",
        "max(near << BITS, chord, (-near << BITS) if c != 0 else 0, 0)",
        "max(near << BITS, chord, 0)",
    ),
    (
        "replay.forms",
        "ExactFeatures._chord_slopes",
        "max(near << BITS, chord, (-near << BITS) if c != 0 else 0, 0)",
        "max(near << BITS, (-near << BITS) if c != 0 else 0, 0)",
    ),
    (
        "replay.forms",
        "ExactFeatures.chords",
        "below + kinks.scaled_columns(slopes)",
        "kinks.scaled_columns(slopes)",
    ),
    (
        "replay.forms",
        "ExactForms.range",
        "self.centre + of_inputs.high + spread",
        "self.centre + of_inputs.high",
    ),
    ("replay.forms", "ExactForms.minus", "self.centre - other.centre", "self.centre"),
    ("replay.forms", "ExactForms.minus", "self.joint - other.joint", "self.joint"),
    (
        "replay.forms",
        "error_of_relu",
        "return maximum(below, scaled_rows(positive_part(before.high), complement(slope)))",
        "return below",
    ),
    (
        "replay.forms",
        "error_of_relu",
        "maximum(below, scaled_rows(positive_part(before.high), complement(slope)))",
        "scaled_rows(positive_part(before.high), complement(slope))",
    ),
    # zonotope
    (
        "replay.zonotope",
        "ReplayedZonotope._through_layer",
        "d.mapped(weight).plus(y.mapped(error.positive)).shifted(error.bias)",
        "d.mapped(weight).plus(y.mapped(error.positive))",
    ),
    (
        "replay.zonotope",
        "ReplayedZonotope._through_layer",
        "d.mapped(weight).plus(y.mapped(error.positive)).shifted(error.bias)",
        "d.mapped(weight).shifted(error.bias)",
    ),
    (
        "replay.zonotope",
        "ReplayedZonotope._through_layer",
        "d.mapped(weight).plus(above.mapped(error.positive)).plus(below.mapped(error.negative))",
        "d.mapped(weight).plus(above.mapped(error.positive)).plus(below.mapped(error.positive))",
    ),
    (
        "replay.zonotope",
        "ReplayedZonotope._through_layer",
        "above.mapped(of_g.positive).plus(below.mapped(of_g.negative))",
        "above.mapped(of_g.negative).plus(below.mapped(of_g.positive))",
    ),
    (
        "replay.zonotope",
        "_through_relu",
        "d.scaled(where(apart, of_f, together)).plus(y.scaled(where(apart, of_g - of_f, nothing)))",
        "d.scaled(where(apart, of_f, together))",
    ),
    (
        "replay.zonotope",
        "_through_relu",
        "apart, nothing = chosen.apart.tolist(), zeros(chosen.apart.size)\n...\nhalf(low + high)",
        "nothing",
    ),
    (
        "replay.zonotope",
        "_through_relu",
        "where(apart, error_g - error_f, half(low + high))",
        "where(apart, error_g, half(low + high))",
    ),
    ("replay.zonotope", "_through_relu", "of_d.with_own(where(apart, error_f, half(high - low)))", "of_d"),
    ("replay.zonotope", "_through_relu", "y.scaled(of_g).shifted(error_g)", "y.scaled(of_g)"),
    (
        "replay.zonotope",
        "_signed_parts",
        "y.scaled(complement(slope)).shifted(-error).with_shared(-error, carriers)",
        "y.scaled(complement(slope)).shifted(-error).with_shared(error, carriers)",
    ),
    ("replay.zonotope", "deviation_error", "(on and one_less == 0) or (off and s == 0)", "on or off"),
    ("replay.zonotope", "ExactPairRanges.both_on", "g >= 0 and f >= 0", "g >= 0 or f >= 0"),
    ("replay.zonotope", "ExactPairRanges.both_off", "g <= 0 and f <= 0", "g <= 0"),
    ("replay.zonotope", "ExactPairRanges.relu", "where(on, high, positive_part(high))", "high"),
    (
        "replay.zonotope",
        "_minus",
        "ExactRange(a.low - b.high, a.high - b.low)",
        "ExactRange(a.low - b.low, a.high - b.high)",
    ),
    (
        "replay.zonotope",
        "ReplayedZonotope._ranges",
        "image(layer.positive, inputs.deviation).plus(two_slope_image(self._errors[index], inputs.g))",
        "image(layer.positive, inputs.deviation)",
    ),
    (
        "replay.zonotope",
        "ReplayedZonotope._ranges",
        "image(layer.positive, inputs.f).plus(point(layer.bias))",
        "image(layer.positive, inputs.f)",
    ),
    ("replay.zonotope_norms", "_l2_up", "forms.centre + slopes @ middle", "forms.centre"),
    ("replay.zonotope_norms", "_l2_up", "centre.beside(forms.symbols())", "centre"),
    (
        "replay.zonotope_norms",
        "_l2_up",
        "centre.beside(forms.symbols()).beside(kinks.scaled_columns(bend))",
        "centre.beside(forms.symbols())",
    ),
    ("replay.zonotope_norms", "_l2_up", "_total(columns) + 2 * sum(cross, Fraction(0))", "_total(columns)"),
    (
        "replay.zonotope_norms",
        "_l2_up",
        "_total(columns) + 2 * sum(cross, Fraction(0)) + spectral_norm_up(of_inputs) ** 2",
        "_total(columns) + 2 * sum(cross, Fraction(0))",
    ),
    ("replay.zonotope_norms", "forms_norm_up", "range(2 ** (m - 1))", "[0] * 2 ** (m - 1)"),
    # duals
    ("replay.dual", "ReplayedDual.bound", "constant + added + p @ self._bias[index - 1]", "constant + added"),
    ("replay.dual", "ReplayedDual.bound", "constant + added", "constant"),
    (
        "replay.dual",
        "ReplayedDual.bound",
        "b = q @ self._weights[index]",
        "b = q @ abs(self._weights[index])",
    ),
    ("replay.dual", "ReplayedDual._relaxed", "(a + split, -split, b - split)", "(a + split, -split, b)"),
    (
        "replay.dual",
        "ReplayedDual._relaxed",
        (
            "positive_part(of_g) @ error_of_relu(before.g, g_above) + positive_part(of_f) @ "
            "error_of_relu(before.f, f_above) + positive_part(of_d) @ deviation_error(before, "
            "d_above)[1] - positive_part(-of_d) @ deviation_error(before, d_below)[0]"
        ),
        (
            "positive_part(of_g) @ error_of_relu(before.g, g_above) + positive_part(of_f) @ "
            "error_of_relu(before.f, f_above) + positive_part(of_d) @ deviation_error(before, "
            "d_above)[1]"
        ),
    ),
    (
        "replay.dual",
        "ReplayedDual._relaxed",
        (
            "positive_part(of_g) @ error_of_relu(before.g, g_above) + positive_part(of_f) @ "
            "error_of_relu(before.f, f_above)"
        ),
        "positive_part(of_g) @ error_of_relu(before.g, g_above)",
    ),
    ("replay.dual", "ReplayedDual._relaxed", "of_d - sloped_f - held_f", "of_d - held_f"),
    ("replay.dual", "ReplayedDual._relaxed", "of_d - sloped_f - held_f", "of_d - sloped_f"),
    (
        "replay.dual",
        "ReplayedDual._relaxed",
        "positive_part(of_d).scaled_columns(d_above) - positive_part(-of_d).scaled_columns(d_below)",
        "of_d.scaled_columns(d_above) - positive_part(-of_d).scaled_columns(d_below)",
    ),
    # splitting
    (
        "replay.splitting",
        "_largest_of_boxes",
        "[(low, until, halves[0]), (since, high, halves[1])]",
        "[(low, until, halves[0])]",
    ),
    (
        "replay.splitting",
        "_largest_of_boxes",
        "[(low, until, halves[0]), (since, high, halves[1])]",
        "[(since, high, halves[1])]",
    ),
    ("replay.splitting", "_ReplayedUnits.largest", "(1, -1)", "(1,)"),
    ("replay.splitting", "_ReplayedUnits.largest", "(1, -1)", "(-1,)"),
    (
        "replay.splitting",
        "_clipped",
        (
            "on, off = [s > 0 for s in signs], [s < 0 for s in signs]\n"
            "...\n"
            "where(on, positive_part(ranges.low), ranges.low)"
        ),
        "where(off, positive_part(ranges.low), ranges.low)",
    ),
    (
        "replay.splitting",
        "_ReplayedUnits._value",
        "positive_part(maximum(up, down))",
        "positive_part(minimum(up, down))",
    ),
    ("replay.splitting", "_ReplayedUnits.largest", "max(largest, bound)", "bound"),
    (
        "replay.splitting",
        "_ReplayedUnits._narrowed",
        "ExactRange(-limits[1], limits[0])",
        "ExactRange(-limits[0], limits[0])",
    ),
    (
        "replay.splitting",
        "_ReplayedUnits._narrowed",
        '{"g": (1, 0), "f": (1, -1), "deviation": (0, 1)}',
        '{"g": (1, 0), "f": (1, 1), "deviation": (0, 1)}',
    ),
]


# Every third runs by default.
ALL = [
    pytest.param(*mutant, marks=[pytest.mark.slow] if k % 3 else [], id=str(k))
    for k, mutant in enumerate(MUTANTS)
]


@pytest.mark.thinned
@pytest.mark.parametrize(("name", "where", "right", "wrong"), ALL)
def test_every_mutant_is_caught(monkeypatch, name, where, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", where, right, wrong)
    for user in USERS[name]:
        for public in vars(mutant):
            if not public.startswith("__") and public in vars(user):
                monkeypatch.setattr(user, public, vars(mutant)[public])
    with pytest.raises(AssertionError):
        all_checks(mutant, name)


def all_checks(mutant, name):
    if name in ("replay.forms", "replay.zonotope_norms", "replay.zonotope"):
        module = mutant if name == "replay.zonotope" else replay_zonotope
        for which in ("few", "kinked", "unstable", "reached"):
            check_zonotopes(module.ReplayedZonotope, which)
    else:
        module = mutant if name == "replay.splitting" else replay_splitting
        for which in ("split", "random", "kinked"):
            check_searches(module.replayed_splitting, which)

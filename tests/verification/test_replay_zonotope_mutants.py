"""Deliberate bugs in the replays of "zonotope" and "splitting", each of which their checks must catch."""

import pytest
from planting import plain_python
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
    ("replay.forms", "if low < 0 < high]", "if False]"),
    ("replay.forms", "j if high > 0 else d + j for", "j for"),
    ("replay.forms", "values.append(at_low.scaled", "values = [at_low, at_low]; (at_low.scaled"),
    ("replay.forms", "coefficients.columns(self._meeting_low())", "coefficients.columns(range(self.inputs))"),
    ("replay.forms", "middle = coefficients @", "middle = abs(coefficients) @"),
    ("replay.forms", "(-near << BITS) if c != 0 else 0, 0)", "0)"),
    ("replay.forms", "max(near << BITS, chord, ", "max(near << BITS, "),
    ("replay.forms", "sloped = below + kinks", "sloped = kinks"),
    ("replay.forms", "self.centre + of_inputs.high + spread", "self.centre + of_inputs.high"),
    ("replay.forms", "self.centre - other.centre, ", "self.centre, "),
    ("replay.forms", "self.joint - other.joint, -other.own", "self.joint, -other.own"),
    (
        "replay.forms",
        "return maximum(below, scaled_rows(positive_part(before.high), complement(slope)))",
        "return below",
    ),
    ("replay.forms", "    return maximum(below, scaled_rows(", "    return (scaled_rows("),
    # zonotope
    (
        "replay.zonotope",
        "d.mapped(weight).plus(y.mapped(error.positive)).shifted(error.bias)",
        "d.mapped(weight).plus(y.mapped(error.positive))",
    ),
    (
        "replay.zonotope",
        "d.mapped(weight).plus(y.mapped(error.positive)).shifted(error.bias)",
        "d.mapped(weight).shifted(error.bias)",
    ),
    ("replay.zonotope", ".plus(below.mapped(error.negative))", ".plus(below.mapped(error.positive))"),
    (
        "replay.zonotope",
        "above.mapped(of_g.positive).plus(below.mapped(of_g.negative))",
        "above.mapped(of_g.negative).plus(below.mapped(of_g.positive))",
    ),
    ("replay.zonotope", ".plus(y.scaled(where(apart, of_g - of_f, nothing)))", ""),
    ("replay.zonotope", "error_g - error_f, half(low + high)", "error_g - error_f, nothing"),
    ("replay.zonotope", "error_g - error_f, half(low + high)", "error_g, half(low + high)"),
    ("replay.zonotope", "of_d.with_own(where(apart, error_f, half(high - low)))", "of_d"),
    ("replay.zonotope", "y.scaled(of_g).shifted(error_g)", "y.scaled(of_g)"),
    (
        "replay.zonotope",
        "y.scaled(complement(slope)).shifted(-error).with_shared(-error,",
        "y.scaled(complement(slope)).shifted(-error).with_shared(error,",
    ),
    ("replay.zonotope", "(on and one_less == 0) or (off and s == 0)", "on or off"),
    ("replay.zonotope", "return [g >= 0 and f >= 0 for", "return [g >= 0 or f >= 0 for"),
    ("replay.zonotope", "return [g <= 0 and f <= 0 for", "return [g <= 0 for"),
    ("replay.zonotope", "where(on, high, positive_part(high))", "high"),
    ("replay.zonotope", "a.low - b.high, a.high - b.low", "a.low - b.low, a.high - b.high"),
    ("replay.zonotope", ".plus(two_slope_image(self._errors[index], inputs.g))", ""),
    (
        "replay.zonotope",
        "image(layer.positive, inputs.f).plus(point(layer.bias))",
        "image(layer.positive, inputs.f)",
    ),
    ("replay.zonotope_norms", "centre = forms.centre + slopes @ middle", "centre = forms.centre"),
    ("replay.zonotope_norms", "centre.beside(forms.symbols())", "centre"),
    ("replay.zonotope_norms", ".beside(kinks.scaled_columns(bend))", ""),
    ("replay.zonotope_norms", "_total(columns) + 2 * sum(cross, Fraction(0)) + ", "_total(columns) + "),
    ("replay.zonotope_norms", " + spectral_norm_up(of_inputs) ** 2", ""),
    (
        "replay.zonotope_norms",
        "for pattern in range(2 ** (m - 1)) for",
        "for pattern in [0] * 2 ** (m - 1) for",
    ),
    # duals
    ("replay.dual", "p @ self._bias[index - 1] + q", "q"),
    ("replay.dual", "constant + added + p", "constant + p"),
    ("replay.dual", "b = q @ self._weights[index]", "b = q @ abs(self._weights[index])"),
    ("replay.dual", "-split, b - split", "-split, b"),
    ("replay.dual", "                - positive_part(-of_d) @ deviation_error(before, d_below)[0]\n", ""),
    ("replay.dual", "                + positive_part(of_f) @ error_of_relu(before.f, f_above)\n", ""),
    ("replay.dual", "of_d - sloped_f - held_f", "of_d - held_f"),
    ("replay.dual", "of_d - sloped_f - held_f", "of_d - sloped_f"),
    ("replay.dual", "positive_part(of_d).scaled_columns(d_above)", "of_d.scaled_columns(d_above)"),
    # splitting
    ("replay.splitting", "halves[0]), (since, high, halves[1])]", "halves[0])]"),
    ("replay.splitting", "todo += [(low, until, halves[0]), ", "todo += ["),
    ("replay.splitting", "for sign in (1, -1)]", "for sign in (1,)]"),
    ("replay.splitting", "for sign in (1, -1)]", "for sign in (-1,)]"),
    (
        "replay.splitting",
        "where(on, positive_part(ranges.low), ranges.low)",
        "where(off, positive_part(ranges.low), ranges.low)",
    ),
    ("replay.splitting", "positive_part(maximum(up, down))", "positive_part(minimum(up, down))"),
    (
        "replay.splitting",
        "largest = max(largest, bound)\n            else:",
        "largest = bound\n            else:",
    ),
    ("replay.splitting", "ExactRange(-limits[1], limits[0])", "ExactRange(-limits[0], limits[0])"),
    ("replay.splitting", '"f": (1, -1)', '"f": (1, 1)'),
]


# Every third runs by default.
ALL = [
    pytest.param(*mutant, marks=[pytest.mark.slow] if k % 3 else [], id=str(k))
    for k, mutant in enumerate(MUTANTS)
]


@pytest.mark.parametrize(("name", "right", "wrong"), ALL)
def test_every_mutant_is_caught(monkeypatch, name, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", right, wrong)
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

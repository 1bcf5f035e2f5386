"""Deliberate bugs in the replay, each of which its checks must catch."""

import pytest
from planting import plain_python
from verification.replay_checks import (
    check_eigenvalues,
    check_replay,
    check_slope_interval,
    check_spectral,
    known,
)

from subsetsum_nets.verification import replay, replay_propagated

PARTS = {
    "exact_ranges": (replay, replay_propagated),
    "exact_layers": (replay,),
    "exact_spectral": (replay,),
    "exact_arithmetic": (replay, replay_propagated),
    "replay_propagated": (replay,),
    "replay": (),
}

OLDER = ("norms", "interval", "differential", "propagated")
METHODS = {"replay_propagated": ("propagated",), "exact_spectral": ("norms",)}  # others: all

MUTANTS = [
    # differential, interval, norms
    ("replay", "difference(f.relu() if target.final_relu else f, ", "difference(f, "),
    ("replay", "abs(layer.positive) @ deviation + error_size(", "layer.positive @ deviation + error_size("),
    ("replay", "abs(layer.positive) @ deviation + error_size(", "error_size("),
    ("replay", "inputs = x.plus(symmetric(deviation))", "inputs = x"),
    ("replay", "            inputs = inputs.relu()\n", "            pass\n"),
    ("replay", "positive_part(before.high + deviation)", "positive_part(before.high)"),
    ("replay", "x = before\n", "pass\n"),
    ("replay", "weight_norm * deviation\n", "0 * deviation\n"),
    ("replay", "(size + deviation)", "size"),
    ("replay", '            + norm_up(error.bias, "l2")\n', ""),
    ("replay", 'weight_norm * size + norm_up(layer.bias, "l2")', "weight_norm * size"),
    ("replay", "beside(error.negative.columns(negative))", "beside(error.negative.columns([]))"),
    ("replay", "if sign < 0]", "if sign > 0]"),
    ("replay", "[] if relu else positive", "[]"),
    ("replay", "deviation *= root_up(Fraction(layers[-1].positive.shape[0]))", "deviation *= 1"),
    ("replay", "center + Fraction(domain.radius)", "Fraction(domain.radius) / 2"),
    # ranges
    (
        "exact_ranges",
        "(_half(middle - reach), _half(middle + reach))",
        "(_half(middle), _half(middle + reach))",
    ),
    ("exact_ranges", "abs(weight) @ (x.high - x.low)", "abs(weight) @ x.high"),
    ("exact_ranges", ".plus(point(layer.bias))\n        if", "\n        if"),
    ("exact_ranges", "x = before.relu() if relu else before", "x = before.relu()"),
    ("exact_ranges", "[radius * norm for norm", "[radius * norm / 2 for norm"),
    ("exact_ranges", "entrywise(max, a.high - b.low, b.high - a.low)", "a.high - b.low"),
    (
        "exact_ranges",
        "negative.scaled_columns(below))\n        size",
        "positive.scaled_columns(below))\n        size",
    ),
    ("exact_ranges", "return size + abs(error.bias)", "return size"),
    ("exact_ranges", "counted @ center + ball_reach(counted, domain)", "ball_reach(counted, domain)"),
    ("exact_ranges", "int(sign < 0) for sign in x.low", "int(sign > 0) for sign in x.low"),
    ("exact_ranges", "image(layer.negative, below)", "image(layer.positive, below)"),
    # effective layers
    ("exact_layers", "(positive if slope > 0 else negative)", "(negative if slope > 0 else positive)"),
    ("exact_layers", "weight * max(bias_ints[unit], 0)", "weight * bias_ints[unit]"),
    ("exact_layers", "weight_scale + bias_scale) + _bias(second)", "weight_scale + bias_scale)"),
    ("exact_layers", "outer.positive @ inner.bias + outer.bias", "outer.bias"),
    ("exact_layers", "self.negative - layer.positive", "self.negative"),
    ("exact_layers", "self.bias - layer.bias", "self.bias"),
    # spectral norms
    ("exact_spectral", "return bool(matrix[0, 0] > 0)", "return True"),
    (
        "exact_spectral",
        "_positive_definite(rest - right.transpose() * eliminated)",
        "_positive_definite(rest)",
    ),
    ("exact_spectral", "    if not _positive_definite(corner):\n        return False\n", ""),
    ("exact_spectral", "return root_up(square)", "return root_up(square) / 2"),
    ("exact_spectral", "guess * (1 + slack)", "guess * (2 + slack)"),
    ("exact_spectral", "max(magnitude.row_sums().fractions()) * max", "1 * max"),
    # propagated
    ("replay_propagated", "        total = total.plus(symmetric(abs(matrix) @ residuals[index]))\n", ""),
    (
        "replay_propagated",
        "matrix = matrix @ layers[index + 1].positive",
        "matrix = matrix @ abs(layers[index + 1].positive)",
    ),
    ("replay_propagated", "            matrix = matrix.scaled_columns(middle)\n", "            pass\n"),
    ("replay_propagated", "effect.plus(point(matrix @ error.bias))", "effect"),
    (
        "replay_propagated",
        "negative = matrix @ error.negative if matters else positive",
        "negative = positive",
    ),
    ("replay_propagated", "max(high - t, t - low) * size", "(high - t) * size"),
    (
        "replay_propagated",
        "inputs.append(of_g.relu() if relu_after[index] else of_g)",
        "inputs.append(of_f.relu() if relu_after[index] else of_f)",
    ),
    ("replay_propagated", "if f_low >= 0 and g_low >= 0:", "if f_low >= 0:"),
    ("replay_propagated", "if f_high <= 0 and g_high <= 0:", "if g_high <= 0:"),
    ("replay_propagated", "        values.append(values[0].scaled_columns(across))\n", "        pass\n"),
    ("replay_propagated", "entrywise(min, *values).row_sums()", "entrywise(max, *values).row_sums()"),
    ("replay_propagated", ".plus(symmetric(reach))", ""),
    ("replay_propagated", "1 - quotient_down(off, size)", "1 - 2 * quotient_down(off, size)"),
    ("replay_propagated", "quotient_down(on, size), 1", "2 * quotient_down(on, size), 1"),
    # arithmetic
    ("exact_arithmetic", "root = floor if floor * floor == scaled else floor + 1", "root = floor"),
    ("exact_arithmetic", "return max(magnitudes)", "return min(magnitudes)"),
    ("exact_arithmetic", "sum((x * x for x in magnitudes), Fraction(0))", "max(x * x for x in magnitudes)"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_is_caught(monkeypatch, name, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", right, wrong)
    for user in PARTS[name]:
        for public in vars(mutant):
            if not public.startswith("__") and public in vars(user):
                monkeypatch.setattr(user, public, vars(mutant)[public])
    module = mutant if name == "replay" else replay
    with pytest.raises(AssertionError):
        all_checks(module, name, mutant)


def all_checks(module, name, mutant):
    if name == "exact_spectral":
        check_spectral(mutant.spectral_norm_up)
        check_eigenvalues(mutant.exceeds_eigenvalues)
    if name == "replay_propagated":
        check_slope_interval(mutant._slope_interval)
    for which in ("tight", "unstable", "few"):
        for case, true, bounds in known(which):
            check_replay(module.replayed_bound, case, true, bounds, METHODS.get(name, OLDER))

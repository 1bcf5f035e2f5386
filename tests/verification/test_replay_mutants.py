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

from subsetsum_nets.verification.replay import exact_comparison, replay
from subsetsum_nets.verification.replay import propagated as replay_propagated

PARTS = {
    "replay.ranges": (replay, replay_propagated),
    "replay.layers": (replay, exact_comparison),
    "replay.spectral": (replay,),
    "replay.arithmetic": (replay, replay_propagated),
    "replay.propagated": (replay,),
    "replay.replay": (),
}

OLDER = ("norms", "interval", "differential", "propagated")
METHODS = {"replay.propagated": ("propagated",), "replay.spectral": ("norms",)}  # others: all

MUTANTS = [
    # differential, interval, norms
    ("replay.replay", "difference(f.relu() if pair.target.final_relu else f, ", "difference(f, "),
    (
        "replay.replay",
        "abs(layer.positive) @ deviation + error_size(",
        "layer.positive @ deviation + error_size(",
    ),
    ("replay.replay", "abs(layer.positive) @ deviation + error_size(", "error_size("),
    ("replay.replay", "inputs = x.plus(symmetric(deviation))", "inputs = x"),
    ("replay.replay", "            inputs = inputs.relu()\n", "            pass\n"),
    ("replay.replay", "positive_part(before.high + deviation)", "positive_part(before.high)"),
    ("replay.replay", "x = before\n", "pass\n"),
    ("replay.replay", "weight_norm * deviation\n", "0 * deviation\n"),
    ("replay.replay", "(size + deviation)", "size"),
    ("replay.replay", '            + norm_up(error.bias, "l2")\n', ""),
    ("replay.replay", 'weight_norm * size + norm_up(layer.bias, "l2")', "weight_norm * size"),
    ("replay.replay", "beside(error.negative.columns(negative))", "beside(error.negative.columns([]))"),
    ("replay.replay", "if sign < 0]", "if sign > 0]"),
    ("replay.replay", "[] if relu else positive", "[]"),
    ("replay.replay", "deviation *= root_up(Fraction(layers[-1].positive.shape[0]))", "deviation *= 1"),
    ("replay.replay", "center + Fraction(domain.radius)", "Fraction(domain.radius) / 2"),
    # ranges
    (
        "replay.ranges",
        "(half(middle - reach), half(middle + reach))",
        "(half(middle), half(middle + reach))",
    ),
    ("replay.ranges", "abs(weight) @ (x.high - x.low)", "abs(weight) @ x.high"),
    ("replay.ranges", ".plus(point(layer.bias))\n        if", "\n        if"),
    ("replay.ranges", "x = before.relu() if relu else before", "x = before.relu()"),
    ("replay.ranges", "[radius * norm for norm", "[radius * norm / 2 for norm"),
    ("replay.ranges", "entrywise(max, a.high - b.low, b.high - a.low)", "a.high - b.low"),
    (
        "replay.ranges",
        "negative.scaled_columns(below))\n        size",
        "positive.scaled_columns(below))\n        size",
    ),
    ("replay.ranges", "return size + abs(error.bias)", "return size"),
    ("replay.ranges", "counted @ center + ball_reach(counted, ball)", "ball_reach(counted, ball)"),
    ("replay.ranges", "int(sign < 0) for sign in x.low", "int(sign > 0) for sign in x.low"),
    ("replay.ranges", "image(layer.negative, below)", "image(layer.positive, below)"),
    # effective layers
    ("replay.layers", "-value if column in minus else value", "value"),
    ("replay.layers", "if r > 0}", "if r > 0 or c == 2 * d}"),
    ("replay.layers", "total[one] = bias << finer - bias_scale", "total[one] = 0"),
    ("replay.layers", "(number << shift for", "(number for"),
    ("replay.layers", "layer.positive @ effective.bias + layer.bias", "layer.bias"),
    ("replay.layers", "self.negative - layer.positive", "self.negative"),
    ("replay.layers", "self.bias - layer.bias", "self.bias"),
    # spectral norms
    ("replay.spectral", "return bool(matrix[0, 0] > 0)", "return True"),
    (
        "replay.spectral",
        "_positive_definite(rest - right.transpose() * eliminated)",
        "_positive_definite(rest)",
    ),
    ("replay.spectral", "    if not _positive_definite(corner):\n        return False\n", ""),
    ("replay.spectral", "return root_up(square)", "return root_up(square) / 2"),
    ("replay.spectral", "guess * (1 + slack)", "guess * (2 + slack)"),
    ("replay.spectral", "max(magnitude.row_sums().fractions()) * max", "1 * max"),
    # propagated
    ("replay.propagated", "        total = total.plus(symmetric(abs(matrix) @ residuals[index]))\n", ""),
    (
        "replay.propagated",
        "matrix = matrix @ layers[index + 1].positive",
        "matrix = matrix @ abs(layers[index + 1].positive)",
    ),
    ("replay.propagated", "            matrix = matrix.scaled_columns(middle)\n", "            pass\n"),
    ("replay.propagated", "effect.plus(point(matrix @ error.bias))", "effect"),
    (
        "replay.propagated",
        "negative = matrix @ error.negative if matters else positive",
        "negative = positive",
    ),
    ("replay.propagated", "max(high - t, t - low) * size", "(high - t) * size"),
    (
        "replay.propagated",
        "inputs.append(of_g.relu() if relu_after[index] else of_g)",
        "inputs.append(of_f.relu() if relu_after[index] else of_f)",
    ),
    ("replay.propagated", "if f_low >= 0 and g_low >= 0:", "if f_low >= 0:"),
    ("replay.propagated", "if f_high <= 0 and g_high <= 0:", "if g_high <= 0:"),
    ("replay.propagated", "        values.append(values[0].scaled_columns(across))\n", "        pass\n"),
    ("replay.propagated", "entrywise(min, *values).row_sums()", "entrywise(max, *values).row_sums()"),
    ("replay.propagated", ".plus(symmetric(reach))", ""),
    ("replay.propagated", "1 - quotient_down(off, size)", "1 - 2 * quotient_down(off, size)"),
    ("replay.propagated", "quotient_down(on, size), 1", "2 * quotient_down(on, size), 1"),
    # arithmetic
    ("replay.arithmetic", "root = floor if floor * floor == scaled else floor + 1", "root = floor"),
    ("replay.arithmetic", "return max(magnitudes)", "return min(magnitudes)"),
    ("replay.arithmetic", "sum((x * x for x in magnitudes), Fraction(0))", "max(x * x for x in magnitudes)"),
]


@pytest.mark.parametrize(("name", "right", "wrong"), MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_is_caught(monkeypatch, name, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", right, wrong)
    for user in PARTS[name]:
        for public in vars(mutant):
            if not public.startswith("__") and public in vars(user):
                monkeypatch.setattr(user, public, vars(mutant)[public])
    if name == "replay.propagated":
        kind, _ = replay._FROM_RECORD["propagated"]
        monkeypatch.setitem(replay._FROM_RECORD, "propagated", (kind, mutant.replayed_propagated))
    module = mutant if name == "replay.replay" else replay
    with pytest.raises(AssertionError):
        all_checks(module, name, mutant)


def all_checks(module, name, mutant):
    if name == "replay.spectral":
        check_spectral(mutant.spectral_norm_up)
        check_eigenvalues(mutant.exceeds_eigenvalues)
    if name == "replay.propagated":
        check_slope_interval(mutant._slope_interval)
    for which in ("tight", "unstable", "few"):
        for case, true, bounds in known(which):
            check_replay(module.replayed_bound, case, true, bounds, METHODS.get(name, OLDER))

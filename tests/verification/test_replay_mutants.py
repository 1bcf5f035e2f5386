"""Deliberate bugs in the replay, each of which its checks must catch."""

import pytest
from support.planting import plain_python
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
    ("replay.replay", "_interval_bound", "f.relu() if pair.target.final_relu else f", "f"),
    ("replay.replay", "_differential_bound", "abs(layer.positive)", "layer.positive"),
    (
        "replay.replay",
        "_differential_bound",
        "abs(layer.positive) @ deviation + error_size(error, inputs, domain if index == 0 else None)",
        "error_size(error, inputs, domain if index == 0 else None)",
    ),
    ("replay.replay", "_differential_bound", "inputs = x.plus(symmetric(deviation))", "inputs = x"),
    ("replay.replay", "_differential_bound", "inputs = inputs.relu()", "pass"),
    (
        "replay.replay",
        "_differential_bound",
        "positive_part(before.high + deviation)",
        "positive_part(before.high)",
    ),
    ("replay.replay", "_differential_bound", "x = before", "pass"),
    (
        "replay.replay",
        "_norms_bound",
        "weight_norm * deviation + spectral_norm_up(visible) * (size + deviation)",
        "0 * deviation + spectral_norm_up(visible) * (size + deviation)",
    ),
    ("replay.replay", "_norms_bound", "size + deviation", "size"),
    (
        "replay.replay",
        "_norms_bound",
        (
            "weight_norm * deviation + spectral_norm_up(visible) * (size + deviation) + "
            'norm_up(error.bias, "l2")'
        ),
        "weight_norm * deviation + spectral_norm_up(visible) * (size + deviation)",
    ),
    ("replay.replay", "_norms_bound", 'weight_norm * size + norm_up(layer.bias, "l2")', "weight_norm * size"),
    ("replay.replay", "_norms_bound", "error.negative.columns(negative)", "error.negative.columns([])"),
    (
        "replay.replay",
        "_norms_bound",
        "[j for j, sign in enumerate(x.low.signs()) if sign < 0]",
        "[j for j, sign in enumerate(x.low.signs()) if sign > 0]",
    ),
    ("replay.replay", "_norms_bound", "[] if relu else positive", "[]"),
    (
        "replay.replay",
        "_norms_bound",
        "deviation *= root_up(Fraction(layers[-1].positive.shape[0]))",
        "deviation *= 1",
    ),
    ("replay.replay", "_norms_bound", "center + Fraction(domain.radius)", "Fraction(domain.radius) / 2"),
    # ranges
    ("replay.ranges", "image", "middle - reach", "middle"),
    ("replay.ranges", "image", "abs(weight) @ (x.high - x.low)", "abs(weight) @ x.high"),
    (
        "replay.ranges",
        "network_ranges",
        "image(layer.positive, x).plus(point(layer.bias))",
        "image(layer.positive, x)",
    ),
    ("replay.ranges", "network_ranges", "x = before.relu() if relu else before", "x = before.relu()"),
    ("replay.ranges", "ball_reach", "radius * norm", "radius * norm / 2"),
    ("replay.ranges", "difference", "entrywise(max, a.high - b.low, b.high - a.low)", "a.high - b.low"),
    (
        "replay.ranges",
        "error_size",
        "maximum(positive.scaled_columns(above), negative.scaled_columns(below))",
        "maximum(positive.scaled_columns(above), positive.scaled_columns(below))",
    ),
    ("replay.ranges", "error_size", "return size + abs(error.bias)", "return size"),
    (
        "replay.ranges",
        "error_size",
        "counted @ center + ball_reach(counted, ball)",
        "ball_reach(counted, ball)",
    ),
    ("replay.ranges", "counted_slopes", "int(sign < 0)", "int(sign > 0)"),
    ("replay.ranges", "two_slope_image", "image(layer.negative, below)", "image(layer.positive, below)"),
    # effective layers
    ("replay.layers", "_relu", "-value if column in minus else value", "value"),
    (
        "replay.layers",
        "_relu",
        "inputs = {c % d if c < 2 * d else None for c in counted}\n...\nr > 0",
        "r > 0 or c == 2 * d",
    ),
    ("replay.layers", "_through", "total[one] = bias << finer - bias_scale", "total[one] = 0"),
    ("replay.layers", "_through", "number << shift", "number"),
    ("replay.layers", "_effective", "layer.positive @ effective.bias + layer.bias", "layer.bias"),
    ("replay.layers", "ExactLayer.minus", "self.negative - layer.positive", "self.negative"),
    ("replay.layers", "ExactLayer.minus", "self.bias - layer.bias", "self.bias"),
    # spectral norms
    ("replay.spectral", "_positive_definite", "return bool(matrix[0, 0] > 0)", "return True"),
    (
        "replay.spectral",
        "_positive_definite",
        "_positive_definite(rest - right.transpose() * eliminated)",
        "_positive_definite(rest)",
    ),
    ("replay.spectral", "_positive_definite", "if not _positive_definite(corner):\n    return False", "pass"),
    (
        "replay.spectral",
        "spectral_norm_up",
        "if exceeds_eigenvalues(square, gram):\n    return root_up(square)",
        "if exceeds_eigenvalues(square, gram):\n    return root_up(square) / 2",
    ),
    ("replay.spectral", "spectral_norm_up", "guess * (1 + slack)", "guess * (2 + slack)"),
    ("replay.spectral", "spectral_norm_up", "max(magnitude.row_sums().fractions())", "1"),
    # propagated
    (
        "replay.propagated",
        "_propagated",
        "total = total.plus(symmetric(abs(matrix) @ residuals[index]))",
        "pass",
    ),
    (
        "replay.propagated",
        "_propagated",
        "matrix = matrix @ layers[index + 1].positive",
        "matrix = matrix @ abs(layers[index + 1].positive)",
    ),
    ("replay.propagated", "_propagated", "matrix = matrix.scaled_columns(middle)", "pass"),
    ("replay.propagated", "_effect", "effect.plus(point(matrix @ error.bias))", "effect"),
    (
        "replay.propagated",
        "_effect",
        "negative = matrix @ error.negative if matters else positive",
        "negative = positive",
    ),
    ("replay.propagated", "_residual", "max(high - t, t - low) * size", "(high - t) * size"),
    (
        "replay.propagated",
        "replayed_propagated",
        (
            "for index, (layer, of_f) in enumerate(zip(layers, of_f_all, strict=True)): ...\n"
            "...\n"
            "inputs.append(of_g.relu() if relu_after[index] else of_g)"
        ),
        "inputs.append(of_f.relu() if relu_after[index] else of_f)",
    ),
    ("replay.propagated", "_slope_interval", "f_low >= 0 and g_low >= 0", "f_low >= 0"),
    ("replay.propagated", "_slope_interval", "f_high <= 0 and g_high <= 0", "g_high <= 0"),
    ("replay.propagated", "_slope_range", "values.append(values[0].scaled_columns(across))", "pass"),
    (
        "replay.propagated",
        "_slope_range",
        "entrywise(min, *values).row_sums()",
        "entrywise(max, *values).row_sums()",
    ),
    (
        "replay.propagated",
        "_effect",
        "_slope_range(positive, negative, point(center)).plus(symmetric(reach))",
        "_slope_range(positive, negative, point(center))",
    ),
    (
        "replay.propagated",
        "_slope_interval",
        "1 - quotient_down(off, size)",
        "1 - 2 * quotient_down(off, size)",
    ),
    (
        "replay.propagated",
        "_slope_interval",
        "(quotient_down(on, size), 1 - quotient_down(off, size))",
        "(2 * quotient_down(on, size), 1 - quotient_down(off, size))",
    ),
    # arithmetic
    (
        "replay.arithmetic",
        "root_up",
        "root = floor if floor * floor == scaled else floor + 1",
        "root = floor",
    ),
    ("replay.arithmetic", "norm_up", "return max(magnitudes)", "return min(magnitudes)"),
    (
        "replay.arithmetic",
        "norm_up",
        "sum((x * x for x in magnitudes), Fraction(0))",
        "max(x * x for x in magnitudes)",
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "where", "right", "wrong"), MUTANTS, ids=range(len(MUTANTS)))
def test_every_mutant_is_caught(monkeypatch, name, where, right, wrong):
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", where, right, wrong)
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

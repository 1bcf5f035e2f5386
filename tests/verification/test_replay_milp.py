"""The replay of "milp": between the truth and the search's bound, whatever its proof says."""

import copy
import math
from dataclasses import fields, replace
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from support.planting import plain_python
from verification.test_milp import he_pair, single_kink
from verification.tiny_networks import power, random_pair
from verification.true_sup import true_sup

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, SearchOptions, SoundnessError, verify
from subsetsum_nets.verification.methods.milp.milp import milp_bound
from subsetsum_nets.verification.records import MilpNode, MilpProof, ProgramProof
from subsetsum_nets.verification.replay import milp as replay_milp
from subsetsum_nets.verification.replay import pair_model as exact_pair_model
from subsetsum_nets.verification.replay import steps as exact_steps
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix
from subsetsum_nets.verification.replay.exact_comparison import ExactComparison
from subsetsum_nets.verification.replay.layers import exact_effective_layers, exact_layers
from subsetsum_nets.verification.replay.milp import replayed_milp
from subsetsum_nets.verification.replay.replay import replayed_bound


def two_kinks():
    """Two inputs' parts in the middle of linear layers, so that negative slopes matter at depth."""
    f = ReluNetwork(
        [Dense([[1.0], [-0.5]], [0.25, 0.5]), Dense([[1.0, 2.0], [-1.0, 0.5]]), Dense([[1.0, -1.0]])],
        linear_after=[0],
    )
    g, _ = random_near(f, 3)
    return f, g


def random_near(f, seed):
    """Return two-slope neighbours of a network's layers, all linear where it is."""
    rng = np.random.default_rng(seed)
    layers, linear = [], []
    for index, (layer, relu) in enumerate(zip(f.layers, f.relu_after, strict=True)):
        d_in = layer.d_in
        near = [np.asarray(layer.weight) + rng.uniform(-0.1, 0.1, layer.weight.shape) for _ in range(2)]
        first = np.concatenate([np.eye(d_in), -np.eye(d_in)])
        layers += [Dense(first), Dense(np.concatenate([near[0], -near[1]], axis=1), layer.bias)]
        if not relu and index + 1 < len(f.layers):
            linear.append(2 * index + 1)
    return ReluNetwork(layers, linear_after=linear), rng


@cache
def cases():
    """Return (name, networks, domain, norm, truth, float result), each search recorded."""
    unlike = he_pair(1, (2, 3, 2), 0.1)[0], he_pair(2, (2, 2, 2), 0.1)[0]
    asked = [
        ("kink", single_kink(), Box(-1, 1), "linf", None),
        ("l1", he_pair(2, (2, 2, 2), 1e-1), Box(-0.5, 1.0), "l1", None),
        ("l2", he_pair(0, (1, 2, 2), 1e-1), Box(-1, 1), "l2", None),
        ("ball", he_pair(4, (2, 1, 2), 1e-1), Ball(0.5, [0.25, 0.5]), "linf", None),
        ("relu last", he_pair(3, (2, 2, 1), 1e-1, final_relu=True), Box(-1, 1), "linf", None),
        ("at outputs", unlike, Box(-1, 1), "linf", None),
        ("halves", two_kinks(), Box(-1, 1), "linf", None),
        ("cut off", he_pair(1, (2, 3, 2), 1e-1), Box(-1, 1), "l1", 1e-9),
        ("tiny", he_pair(6, (2, 2, 2), 1e-9), Box(-1, 1), "linf", None),
        ("generic", random_pair(3, (2, 3, 2)), Box(-1, 1), "linf", None),
    ]
    done = []
    for name, (f, g), domain, norm, limit in asked:
        options = SearchOptions(time_limit=limit, record=True)
        found = milp_bound(Comparison(f, g, domain, norm), options)
        least = true_sup(f, g, domain, norm)[0]
        done.append((name, (f, g), domain, norm, least, found))
    return done


def check_replay(replayed, case):
    """Check the replay of a search's own proof."""
    name, (f, g), domain, norm, least, found = case
    p = power(norm)
    bound = replayed(ExactComparison(f, g, domain, norm), found.record)
    assert least <= bound**p, f"{name}: the replay is below the truth"
    assert bound <= Fraction(found.upper), f"{name}: the replay is above {found.upper}"
    assert Fraction(found.upper) <= bound * (1 + Fraction(1, 10**5 if name == "tiny" else 10**11))


def check_any_proof(replayed, case, proof):
    """Check that a proof that was tampered with proves no less than the truth, or is refused."""
    name, (f, g), domain, norm, least, _ = case
    bound = replayed(ExactComparison(f, g, domain, norm), proof)
    assert least <= bound ** power(norm), f"{name}: a changed proof goes below the truth"
    return bound


# ---------------------------------------------------------------- proofs with mistakes


def nodes_of(proof):
    todo = list(proof.aims)
    while todo:
        node = todo.pop()
        yield node
        todo += node.children


def map_programs(proof, change):
    """Return a copy of a proof with every program changed."""
    proof = copy.deepcopy(proof)
    for node in nodes_of(proof):
        node.program = node.program and change(node.program)
        node.empty = node.empty and change(node.empty)
    proof.tightened = [
        step and (step[0], *(program and change(program) for program in step[1:])) for step in proof.tightened
    ]
    return proof


def scrambled(rng):
    def change(program):
        arrays = {f.name: getattr(program, f.name) for f in fields(program)}
        return ProgramProof(
            **{
                name: None
                if a is None
                else a * rng.uniform(-1, 2, a.shape) + 0.1 * rng.standard_normal(a.shape)
                for name, a in arrays.items()
            }
        )

    return change


CHANGES = {
    "wrong sign of equalities": lambda p: replace(p, equalities=-p.equalities),
    "wrong sign of inequalities": lambda p: replace(p, inequalities=-p.inequalities),
    "inequalities dropped": lambda p: replace(p, inequalities=0.0 * p.inequalities),
    "equalities dropped": lambda p: replace(p, equalities=0.0 * p.equalities),
    "steeper": lambda p: replace(p, slopes=2.0 * p.slopes),
    "flat": lambda p: replace(p, slopes=0.0 * p.slopes),
    "inequalities larger": lambda p: replace(p, inequalities=3.0 * p.inequalities + 0.1),
    "direction turned": lambda p: replace(p, direction=None if p.direction is None else -p.direction),
    "direction dropped": lambda p: replace(p, direction=None),
}


def check_changed_programs(replayed):
    scramble = scrambled(np.random.default_rng(1))
    loosened = set()
    for case in (cases()[1], cases()[3]):
        own = check_any_proof(replayed, case, case[-1].record)
        for name, change in CHANGES.items():
            if check_any_proof(replayed, case, map_programs(case[-1].record, change)) > own:
                loosened.add(name)
    assert loosened >= {*CHANGES}
    for case in cases():
        check_any_proof(replayed, case, map_programs(case[-1].record, scramble))


def check_changed_trees(replayed):
    """Wrong cuts, false claims of emptiness, and bounds taken from elsewhere."""
    rng = np.random.default_rng(2)
    for case in cases()[:7]:
        proof = case[-1].record
        programs = [n.program for n in nodes_of(proof) if n.program is not None]
        slopes = [n.slope for n in nodes_of(proof) if n.slope is not None]
        variables = proof.aims[0].slope.size + 1
        changed = copy.deepcopy(proof)
        for node in nodes_of(changed):
            if programs:
                node.program = programs[rng.integers(len(programs))]
                node.empty = programs[rng.integers(len(programs))]
            node.slope = slopes[rng.integers(len(slopes))]
            if node.variable >= 0:
                node.variable = int(rng.integers(variables))
            if node.ratio >= 0:
                node.at = float(rng.uniform(-2, 2))
        changed.tightened = [
            step and (int(rng.integers(variables)), step[2], step[1]) for step in changed.tightened
        ]
        check_any_proof(replayed, case, changed)


def check_no_slopes(replayed):
    """Without slopes the outputs' ends, or the largest output of a cone alone, must hold everything."""
    for case in cases()[:4]:
        changed = copy.deepcopy(case[-1].record)
        for node in nodes_of(changed):
            node.slope = node.slope if node.slope is None else 0.0 * node.slope
        check_any_proof(replayed, case, changed)


def check_cones(module):
    """A cone's linear function is at least the l2 norm there, with any slopes."""
    rng = np.random.default_rng(6)
    for _ in range(30):
        low, high = np.sort(rng.uniform(-1, 1, (2, 3)), axis=0)
        low[1] = high[1] = 1.0
        for sign in (1, -1):
            cone = module._Cone(1, sign, low, high)
            right = (low + high) / 2 / np.sqrt(np.square((low + high) / 2).sum())
            for given in (right, rng.uniform(-1, 1, 3)):
                slope = module._linear_in_cone(cone, low, high, [Fraction(c) for c in given])
                for ratios in (low, high, (low + high) / 2, np.array([low[0], 1.0, high[2]])):
                    outputs = [Fraction(r) for r in ratios]
                    outputs[1] = Fraction(sign)
                    value = sum(c * d for c, d in zip(slope, outputs, strict=True))
                    assert value >= 0
                    assert value**2 >= sum(d * d for d in outputs)


def check_bounds_of_boxes(model_of):
    """Any multipliers and slopes bound any function of the variables, in any box that holds them."""
    rng = np.random.default_rng(4)
    for final_relu, domain in ((False, Ball(1.0, [0.25, -0.5])), (True, Box(-1, 1))):
        f, g = he_pair(5, (2, 2, 2), 0.5, final_relu=final_relu)
        model, scales = model_of(domain, 2), (2.0, 4.0)
        exact = exact_layers(f), exact_effective_layers(f, g)
        model.compare_layers(*exact, f.relu_after, scales, (True, False))
        for point in domain.project(rng.uniform(-1, 1, (6, 2))):
            v = values_at(model, point, scales)
            near = np.array([float(x) for x in v])
            reach = rng.uniform(0, 1, (2, near.size)) * (rng.random((2, near.size)) < 0.7)
            box = exact_steps.FloatBox(near - reach[0] - 1e-9, near + reach[1] + 1e-9)
            signed = (rng.random(near.size) < 0.5) & (np.abs(near) > 1e-9)  # variables of known sign
            box.low[signed & (near > 0)] = np.maximum(box.low, 0.0)[signed & (near > 0)]
            box.high[signed & (near < 0)] = np.minimum(box.high, 0.0)[signed & (near < 0)]
            check_bounds_of_box(model, v, box, rng)


def check_bounds_of_box(model, v, box, rng):
    k, m = sum(u.pre.size for u in model.units), sum(p.d.size for p in model.pairs)
    defined = sum(s.out.size for s in model._steps if isinstance(s, exact_steps.Definition))
    for row in range(2 * (k + m)):  # one inequality at a time, so that none hides another
        linear = rng.uniform(-1, 1, len(v)) * (rng.random(len(v)) < 0.3)
        signed = np.where(np.arange(2 * (k + m)) == row, rng.uniform(-3, 9), 0.0)
        free = rng.uniform(-3, 3, defined) * (rng.random(defined) < 0.2)
        slopes = rng.uniform(-0.5, 1.5, k + 2 * m)
        direction = rng.uniform(-1, 1, 2) if model._ball is not None else None
        program = ProgramProof(slopes, free, signed, direction)
        rows, fixed = model._rows(box, program)
        assert sum(r * x for r, x in zip(rows.fractions(), v, strict=True)) <= fixed
        bound = model.bound(ExactMatrix.from_floats(linear), box, program)
        assert sum(Fraction(c) * x for c, x in zip(linear, v, strict=True)) <= bound


def values_at(model, point, scales):
    """Return all variables of a model at an input, exactly."""
    v = [Fraction(0)] * model.box.low.size
    v[:2] = [Fraction(float(x)) for x in point]
    scales = iter(scales)
    for step in model._steps:
        if isinstance(step, exact_steps.Definition):
            inputs = ExactMatrix.from_fractions([v[j] for j in step.inputs])
            for j, value in zip(step.out, (step.matrix @ inputs + step.offset).fractions(), strict=True):
                v[j] = value
        elif isinstance(step, exact_steps.Units):
            for a, b in zip(step.pre, step.post, strict=True):
                v[b] = max(v[a], Fraction(0))
        elif isinstance(step, exact_steps.Pairs):
            scale = Fraction(next(scales))
            for z, y, e in zip(step.z, step.y, step.e, strict=True):
                v[e] = (max(v[y], Fraction(0)) - max(v[z], Fraction(0))) / scale
    return v


def check_scales(replayed):
    case = cases()[0]
    proof = case[-1].record
    for factor in (0.25, 8.0, 2.0**-40):
        changed = replace(proof, scales=tuple(s * factor for s in proof.scales))
        check_any_proof(replayed, case, changed)


def all_checks(module=replay_milp, model_of=exact_pair_model.ExactPairModel):
    replayed = module.replayed_milp
    for case in cases():
        check_replay(replayed, case)
    check_bounds_of_boxes(model_of)
    check_cones(module)
    check_no_slopes(replayed)
    check_changed_programs(replayed)
    check_changed_trees(replayed)
    check_scales(replayed)


@pytest.mark.slow
def test_the_checks_pass_as_things_are():
    all_checks()
    proofs = {case[0]: case[-1].record for case in cases()}
    assert any(n.variable >= 0 for n in nodes_of(proofs["l1"]))
    assert any(n.ratio >= 0 for n in nodes_of(proofs["l2"]))
    assert any(n.program and n.program.direction is not None for n in nodes_of(proofs["ball"]))
    assert any(proofs["halves"].halved)
    assert not proofs["at outputs"].layer_by_layer


def refused(message, change, which=1):
    _, (f, g), domain, norm, _, found = cases()[which]
    proof = copy.deepcopy(found.record)
    changed = change(proof)
    with pytest.raises(ValueError, match=message):
        replayed_milp(
            ExactComparison(f, g, domain, norm), changed if isinstance(changed, MilpProof) else proof
        )


def a_cut(proof):
    return next(n for n in nodes_of(proof) if n.variable >= 0 or n.ratio >= 0)


def test_incomplete_proofs_are_refused():
    refused("1 aims, the norm needs 4|3 aims, the norm needs 4", lambda p: p.aims.pop(), which=0)
    refused("a cut has 1 parts, not 2", lambda p: a_cut(p).children.pop())
    refused("a cut has 3 parts, not 2", lambda p: a_cut(p).children.append(MilpNode()))
    refused("parts of a node that was not cut", lambda p: setattr(a_cut(p), "variable", -1))

    def without_bound(proof):
        for node in nodes_of(proof):
            node.slope = None

    refused("a part that is not empty has no bound", without_bound)


def test_proofs_that_do_not_fit_are_refused():
    refused("a scale must be a power of two, got 3.0", lambda p: replace(p, scales=(3.0, 1.0)))
    refused("a scale must be a power of two, got 0.0", lambda p: replace(p, scales=(0.0, 1.0)))
    refused("1 scales where 2 are needed", lambda p: replace(p, scales=(1.0,)))
    refused("speaks of 1 layers", lambda p: replace(p, halved=(True,)))
    refused("may be negative", lambda p: replace(p, halved=(False, False, False)), which=6)
    for name in ("slopes", "equalities", "inequalities"):
        for wrong in (lambda a: a[1:], lambda a: a * math.nan):

            def with_wrong(program, name=name, wrong=wrong):
                return replace(program, **{name: wrong(getattr(program, name))})

            refused("finite", lambda p, change=with_wrong: map_programs(p, change))
    refused("domain is a Box", lambda p: map_programs(p, lambda q: replace(q, direction=np.zeros(2))))
    refused("which its aim does not have", lambda p: vars(a_cut(p)).update(variable=-1, ratio=0))


def test_a_proof_of_another_pair_bounds_this_one_or_is_refused():
    _, _, domain, norm, _, found = cases()[1]
    f, g = he_pair(7, (2, 2, 2), 0.5)
    try:
        bound = replayed_milp(ExactComparison(f, g, domain, norm), found.record)
    except ValueError:
        return
    assert bound >= true_sup(f, g, domain, norm)[0]


def test_replay_wants_a_proof_of_this_method():
    f, g = single_kink()
    split = verify(f, g, method="splitting", exact=True)
    assert split.replayed <= split.upper
    comparison = Comparison(f, g, Box(-1, 1), "linf")
    for method in ("propagated", "zonotope", "milp", "splitting"):
        with pytest.raises(ValueError, match=f"'{method}' is replayed from its own record"):
            replayed_bound(method, comparison)
    with pytest.raises(ValueError, match="'splitting' is replayed from its own record"):
        replayed_bound("splitting", comparison, cases()[0][-1].record)


# ---------------------------------------------------------------- planted mistakes

USERS = {
    "replay.milp": (),
    "replay.pair_model": (replay_milp,),
    "replay.steps": (exact_pair_model, replay_milp),
    "replay.combinations": (exact_pair_model,),
}

MUTANTS = [
    (
        "replay.milp",
        "_Replay.largest",
        "largest = max(largest, self._bound_of_leaf(part))",
        "largest = self._bound_of_leaf(part)",
    ),
    ("replay.milp", "_Replay._within", "cone.sign > 0", "cone.sign < 0"),
    (
        "replay.milp",
        "_Replay._proven_empty",
        "self._model.bound(nothing, part.box, program) < 0",
        "self._model.bound(nothing, part.box, program) < 1",
    ),
    (
        "replay.milp",
        "_Replay._linear",
        "max(abs(end) - s * end for end in ends)",
        "min(abs(end) - s * end for end in ends)",
    ),
    ("replay.milp", "_Replay._bound", "return bound + constant", "return bound"),
    (
        "replay.milp",
        "_Replay._linear",
        "Fraction(cone.sign * (j == cone.output))",
        "Fraction(j == cone.output)",
    ),
    (
        "replay.milp",
        "_linear_in_cone",
        "own += sum(abs((lows[j] + highs[j]) / (2 * a) - given[j]) for j in others)",
        "0 and sum(abs((lows[j] + highs[j]) / (2 * a) - given[j]) for j in others)",
    ),
    (
        "replay.milp",
        "_linear_in_cone",
        "1 + a * a - sum(lows[j] * highs[j] for j in others)",
        "a * a - sum(lows[j] * highs[j] for j in others)",
    ),
    (
        "replay.milp",
        "_Replay._tightened_root",
        "box.cut(np.array([variable]), -ends[0], ends[1])",
        "box.cut(np.array([variable]), -ends[0] / 2, ends[1] / 2)",
    ),
    ("replay.milp", "_Replay._children", "(-math.inf, 0.0)", "(0.0, 0.0)"),
    (
        "replay.milp",
        "_Replay._children",
        "high[node.ratio] = low[node.ratio] = at",
        "high[node.ratio] = at\nlow[node.ratio] = (at + 1) / 2",
    ),
    ("replay.milp", "_Replay.largest", "return largest * self._model.scale", "return largest"),
    ("replay.milp", "_cones", "(1, -1)", "(1, 1)"),
    ("replay.pair_model", "ExactPairModel._rows", "signed = np.maximum(signed, 0.0)", "pass"),
    ("replay.pair_model", "ExactPairModel._rows", "total.fixed += dot(y, step.offset)", "pass"),
    (
        "replay.pair_model",
        "ExactPairModel._rows",
        "total.add(step.inputs, -(step.matrix.T @ y))",
        "total.add(step.inputs, step.matrix.T @ y)",
    ),
    ("replay.pair_model", "ExactPairModel._rows", "total.add(post, -below)", "pass"),
    (
        "replay.pair_model",
        "ExactPairModel._rows",
        "total.line(e, d, under, least, box.part(d), on, off, sign=-1)",
        "total.line(e, d, under, least, box.part(d), off, on, sign=-1)",
    ),
    (
        "replay.pair_model",
        "ExactPairModel._rows",
        "total.line(e, d, under, least, box.part(d), on, off, sign=-1)",
        "total.line(e, d, under, least, box.part(d), on, off)",
    ),
    (
        "replay.pair_model",
        "ExactPairModel._rows",
        (
            'z, y_, d, e = (np.concatenate([getattr(p, name) for p in pairs]) for name in "zyde")\n'
            "...\n"
            "box.low[y_] >= 0.0"
        ),
        "box.low[y_] >= -9.0",
    ),
    (
        "replay.pair_model",
        "ExactPairModel._direction",
        "total.fixed += Fraction(self._ball.radius) * norm",
        "pass",
    ),
    (
        "replay.pair_model",
        "ExactPairModel._direction",
        "total.fixed += dot(direction, ball_center(self._ball, self._dimension))",
        "0 and dot(direction, ball_center(self._ball, self._dimension))",
    ),
    (
        "replay.pair_model",
        "ExactPairModel.compare_layers",
        "(error.negative, negative)",
        "(error.positive, negative)",
    ),
    (
        "replay.pair_model",
        "ExactPairModel.compare_layers",
        "[(_shifted(layer.positive, last), difference)]",
        "[]",
    ),
    (
        "replay.pair_model",
        "ExactPairModel.compare_layers",
        "_shifted(error.bias, -scale)",
        "zeros(error.bias.shape[0])",
    ),
    (
        "replay.pair_model",
        "ExactPairModel.compare_layers",
        (
            "blocks = [] if difference is None else [(_shifted(layer.positive, last), difference)]\n"
            "...\n"
            "last = scale"
        ),
        "last = 0",
    ),
    (
        "replay.pair_model",
        "ExactPairModel.bound",
        "fixed + sum(largest.fractions(), Fraction(0))",
        "sum(largest.fractions(), Fraction(0))",
    ),
    ("replay.pair_model", "ExactPairModel.compare_outputs", "[(one, g), (-one, f)]", "[(one, g), (one, f)]"),
    (
        "replay.steps",
        "Pairs.tighten",
        "np.where(box.low[self.z] >= 0.0, low, np.minimum(low, 0.0))",
        "np.where(box.low[self.z] >= 0.0, low, 0.0 * low)",
    ),
    (
        "replay.steps",
        "Pairs.tighten",
        "np.where(box.low[self.y] >= 0.0, high, np.maximum(high, 0.0))",
        "np.where(box.low[self.y] >= 0.0, high, 0.0 * high)",
    ),
    (
        "replay.steps",
        "Units.tighten",
        "np.maximum(box.high[self.pre], 0.0)",
        "np.maximum(box.high[self.pre] / 2, 0.0)",
    ),
    (
        "replay.steps",
        "NegativeParts.tighten",
        "np.minimum(box.low[self.value], 0.0)",
        "box.low[self.value] / 2",
    ),
    (
        "replay.steps",
        "Definition.tighten",
        "image(self.matrix, box.part(self.inputs)).plus(point(self.offset))",
        "image(self.matrix, box.part(self.inputs))",
    ),
    (
        "replay.combinations",
        "Combination.line",
        "(positive_part(x.low), positive_part(x.high))",
        "(x.low, x.high)",
    ),
    ("replay.combinations", "Combination.line", "weights = -multipliers", "pass"),
    ("replay.combinations", "Combination.line", "self.fixed += dot(multipliers, b)", "pass"),
    (
        "replay.combinations",
        "Combination.line",
        "b = where(on.tolist(), minimum(b, by_x), b)\n...\nminimum(b, by_zero)",
        "minimum(b, by_x)",
    ),
    ("replay.combinations", "Combination.line", "x = ExactRange(-x.high, -x.low)", "pass"),
]


# Every eighth runs by default.
ALL = [
    pytest.param(*mutant, marks=[pytest.mark.slow] if k % 8 else [], id=f"{mutant[0]}-{k}")
    for k, mutant in enumerate(MUTANTS)
]


@pytest.mark.thinned
@pytest.mark.parametrize(("name", "where", "right", "wrong"), ALL)
def test_every_mutant_is_caught(monkeypatch, name, where, right, wrong):
    cases()  # searched and recorded without the mistake
    mutant = plain_python(monkeypatch, f"subsetsum_nets.verification.{name}", where, right, wrong)
    for user in USERS[name]:
        for public in vars(mutant):
            if not public.startswith("__") and public in vars(user):
                monkeypatch.setattr(user, public, vars(mutant)[public])
    checked = {
        "replay.milp": {"module": mutant},
        "replay.pair_model": {"model_of": vars(mutant).get("ExactPairModel")},
    }
    with pytest.raises((AssertionError, SoundnessError)):
        all_checks(**checked.get(name, {}))

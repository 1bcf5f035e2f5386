"""Decisions about all prunings against every pruning, one by one, in exact arithmetic."""

from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from support.planting import plain_python
from theory.all_prunings import exact, kept, meets, prunings, serves, some_serves, value

from subsetsum_nets.networks import Dense, ReluNetwork
from subsetsum_nets.theory.packings import lattice_packing
from subsetsum_nets.theory.prunings import (
    Probe,
    PruningDecision,
    PruningStatus,
    decide_prunings,
    different_prunings,
    exhaustion,
    mask_program,
)
from subsetsum_nets.theory.prunings.decision import pruned_by
from subsetsum_nets.theory.prunings.mask_program import MaskProgram, OutOfTimeError, decide_by_points


def case(d, s, seed, unit=8):
    """Return a network with short weights, a matrix near one of its prunings, and an epsilon."""
    rng = np.random.default_rng([d, s, seed])
    first, second = (rng.integers(-unit, unit, shape, endpoint=True) / unit for shape in ((s, d), (d, s)))
    member = (second * (rng.random((d, s)) < 0.7)) @ (first * (rng.random((s, d)) < 0.7)) / 2
    member = np.round((member + rng.normal(0, 0.1, (d, d))) * unit) / unit
    # Off the grid of the weights, so that errors of exactly epsilon, which floats leave open, are rare.
    return (
        first,
        second,
        member,
        float(rng.choice([0.25, 0.375, 0.5, 0.625] if d > 1 else [0.02, 0.1])) + 2**-11,
    )


def network(first, second):
    return ReluNetwork([Dense(first), Dense(second)])


SMALL = network(np.array([[0.5, 0.25]]), np.array([[0.25], [0.125]]))  # every pruning is within 1/4 of 0


def agrees(decide, d, s, seeds):
    """Compare decisions with the truth; return the statuses, None where one is wrong."""
    found = []
    for seed in seeds:
        first, second, member, epsilon = case(d, s, seed)
        decision = decide(network(first, second), member, epsilon)
        status, truth = decision.status.name, some_serves(first, second, member, epsilon)
        right = status == "UNKNOWN" or (status == "SERVED") == truth
        w, bound = exact(member), Fraction(epsilon)
        if right and status == "SERVED":
            right = serves(*kept(first, second, decision.masks), w, bound) and decision.bound <= epsilon
        if right and status == "NOT_SERVED":
            right = not any(
                all(meets(u, v, w, bound, probe) for probe in decision.probes)
                for u, v in prunings(first, second)
            )
        found.append(status if right else None)
    return found


def one(net, member, epsilon):
    return decide_prunings(net, member, epsilon)[0]


def test_scalar_decisions_are_those_of_all_prunings():
    found = agrees(one, 1, 3, range(30)) + agrees(one, 1, 4, range(10))
    assert None not in found
    assert set(found) == {"SERVED", "NOT_SERVED"}
    assert min(found.count("SERVED"), found.count("NOT_SERVED")) > 8


def test_decisions_about_matrices_are_those_of_all_prunings():
    found = agrees(one, 2, 1, range(5)) + agrees(one, 2, 2, range(10))
    assert None not in found
    assert min(found.count("SERVED"), found.count("NOT_SERVED")) > 1
    assert found.count("UNKNOWN") <= 1


@pytest.mark.slow
def test_decisions_about_matrices_of_wider_networks():
    found = agrees(one, 2, 3, range(25))
    assert None not in found
    assert min(found.count("SERVED"), found.count("NOT_SERVED")) > 3
    assert found.count("UNKNOWN") <= 1


def test_decisions_are_checked_from_their_proofs_alone():
    for d, s, seeds in ((1, 4, range(12)), (2, 2, range(3))):
        for seed in seeds:
            first, second, member, epsilon = case(d, s, seed)
            net = network(first, second)
            decision = one(net, member, epsilon)
            decision.check(net, member, epsilon)
            lie = {
                PruningStatus.SERVED: PruningDecision(PruningStatus.NOT_SERVED, probes=decision.probes),
                PruningStatus.NOT_SERVED: PruningDecision(
                    PruningStatus.SERVED, (np.ones_like(first, bool), np.ones_like(second, bool)), epsilon
                ),
            }
            with pytest.raises(ArithmeticError):
                lie[decision.status].check(net, member, epsilon)


def test_products_beyond_float64_are_decided_exactly():
    third = 1 / 3  # its square is no float64
    net = network(np.array([[third], [-third]]), np.array([[third, -third]]))
    epsilon = 2.0**-54
    member = np.array([[third * third]])
    off = abs(Fraction(third) ** 2 - Fraction(third * third))
    assert off > 0
    assert one(net, member, epsilon).status is (
        PruningStatus.SERVED if off <= epsilon else PruningStatus.NOT_SERVED
    )
    below = float(off) * (1 - 1e-9)
    assert one(net, member, below).status is PruningStatus.NOT_SERVED
    assert one(net, member, float(off) * (1 + 1e-9)).status is PruningStatus.SERVED


def test_equal_signs_leave_only_zero():
    net = network(np.array([[1.0], [0.5]]), np.array([[0.5, 1.0]]))
    statuses = [d.status.name for d in decide_prunings(net, [[[0.5]], [[0.0]], [[-0.125]]], 0.125)]
    assert statuses == ["NOT_SERVED", "SERVED", "SERVED"]


def test_three_dimensions():
    first, second = np.vstack([np.eye(3), -np.eye(3)]), np.hstack([np.eye(3), -np.eye(3)])
    members = [np.eye(3), np.diag([1.0, 0.0, 1.0]), -np.eye(3)]
    found = decide_prunings(network(first, second), members, 0.125)
    assert [d.status.name for d in found] == ["SERVED", "SERVED", "NOT_SERVED"]
    pruned = pruned_by(network(first, second), found[1].masks)
    assert pruned(np.array([0.5, 0.5, -0.5])).tolist() == [0.5, 0.0, -0.5]


def test_time_limit_says_unknown():
    first, second, member, epsilon = case(2, 3, 1)
    decision = decide_by_points(network(first, second), member, epsilon, 1e-6, 0)
    assert decision.status is PruningStatus.UNKNOWN
    assert "time limit" in decision.message
    decision.check(network(first, second), member, epsilon)
    program = MaskProgram(first, second, member, epsilon)
    for angle in range(12):
        program.add(Probe(np.array([np.cos(angle), np.sin(angle)]), np.array([1.0, 0.5])))
    with pytest.raises(OutOfTimeError):
        program.solve(time_limit=1e-9, seed=0)


def test_unverified_masks_are_set_aside(monkeypatch):
    monkeypatch.setattr(mask_program, "proven_bound", lambda *_, **__: None)
    decision = decide_by_points(SMALL, np.zeros((2, 2)), 0.25, 60.0, 0)
    assert decision.status is PruningStatus.UNKNOWN
    assert "could not be verified" in decision.message


def test_no_rounding_excludes_a_pruning_that_meets_the_conditions():
    probes = [
        Probe(np.array(x), np.array(c)) for x in ((1.0, 0.0), (-0.7, 0.3)) for c in ((1.0, 0.0), (0.3, 0.9))
    ]
    assert sound_relaxations(mask_program, probes) > 5


def sound_relaxations(module, probes):
    """Count cases where some pruning meets all probes, and the program at a coarse scale must see that."""
    counted = 0
    for seed in range(16):
        first, second, member, epsilon = case(2, 2, seed)
        w, bound = exact(member), Fraction(epsilon)
        truth = any(all(meets(u, v, w, bound, p) for p in probes) for u, v in prunings(first, second))
        for bits in (6, 34):
            program = module.MaskProgram(first, second, member, epsilon, bits=bits)
            for probe in probes:
                program.add(probe)
            masks = program.solve(time_limit=None, seed=0)
            if truth:
                assert masks is not None, (seed, bits)
            if masks is not None and bits == 34:
                u, v = kept(first, second, masks)
                slack = bound + Fraction(1, 2**16)
                assert all(meets(u, v, w, slack, p) for p in probes), (seed, bits)
        counted += truth
    return counted


def test_count_of_different_prunings_is_that_of_all_masks():
    first, second, _, _ = case(2, 2, 3, unit=2**20)
    assert len(prunings(first, second)) == different_prunings(2, 2) == 100
    functions = set()
    points = [[Fraction(a), Fraction(b)] for a, b in ((3, 1), (-2, 5), (-4, -1), (1, -3), (7, 2), (-1, 1))]
    for bits in product((False, True), repeat=8):
        u, v = kept(first, second, (np.reshape(bits[:4], (2, 2)), np.reshape(bits[4:], (2, 2))))
        functions.add(tuple(tuple(value(u, v, x)) for x in points))
    assert len(functions) <= 100
    with pytest.raises(ValueError, match="width"):
        different_prunings(0, 2)


def test_statuses_are_sentences():
    assert [str(status) for status in PruningStatus] == [status.text for status in PruningStatus]
    assert "proven" in str(PruningStatus.NOT_SERVED)


def test_a_packing_member_by_member():
    packing = lattice_packing(1, 0.125)
    net = network(np.array([[1.0], [1.0], [-1.0], [-1.0]]), np.array([[0.5, 0.25, -0.5, -0.25]]))
    found = decide_prunings(net, packing.members, 0.125)
    served = {round(float(w), 2) for w, d in zip(packing.members.ravel(), found, strict=True) if d.masks}
    assert served == {round(float(w), 2) for w in packing.members.ravel() if -0.125 <= w <= 0.875}


BAD = {
    "a network with a bias": (lambda: ReluNetwork([Dense([[1.0]], [1.0]), Dense([[1.0]])]), [[0.5]], 0.1),
    "one layer": (lambda: ReluNetwork([Dense([[1.0]])]), [[0.5]], 0.1),
    "other outputs than inputs": (lambda: ReluNetwork([Dense([[1.0]]), Dense([[1.0], [1.0]])]), [[0.5]], 0.1),
    "a matrix of another shape": (lambda: network(np.eye(2), np.eye(2)), [[0.5]], 0.1),
    "epsilon 0": (lambda: network(np.eye(1), np.eye(1)), [[0.5]], 0.0),
    "epsilon NaN": (lambda: network(np.eye(1), np.eye(1)), [[0.5]], float("nan")),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused(name):
    make, member, epsilon = BAD[name]
    with pytest.raises(ValueError, match="must"):
        decide_prunings(make(), member, epsilon)


@pytest.mark.parametrize("option", [{"time_limit": 0}, {"time_limit": float("inf")}, {"seed": -1}])
def test_bad_options_are_refused(option):
    with pytest.raises(ValueError, match="must"):
        decide_prunings(network(np.eye(1), np.eye(1)), [[0.5]], 0.1, **option)


PROGRAM = {
    "no ReLU": ("MaskProgram.add", "max(Fraction(0), _inner(row, x, pattern))", "_inner(row, x, pattern)"),
    "all inputs whatever the pattern": (
        "MaskProgram.add",
        "max(Fraction(0), _inner(row, x, pattern))",
        "max(Fraction(0), _inner(row, x, (True,) * len(x)))",
    ),
    "edges without their pattern": (
        "MaskProgram._new_unit",
        "model.add_implication(edge, pattern)",
        "model.add_implication(pattern, pattern)",
    ),
    "several patterns a unit": ("MaskProgram._new_unit", "model.add_at_most_one(patterns)", "pass"),
    "goal of the other sign": ("MaskProgram.add", "reach + sign * goal", "reach - sign * goal"),
    "one sign only": ("MaskProgram.add", "for sign in (1, -1): ...", "for sign in (1,): ..."),
    "squares for norms": ("MaskProgram.add", "root_up(_square(x) * _square(c))", "_square(x) * _square(c)"),
}


def exhausted(module, probes, seeds=range(20)):
    """Compare the enumeration with every pruning one by one; return how often it excluded all."""
    excluded = 0
    for seed in seeds:
        first, second, member, epsilon = case(2, 2, seed)
        epsilon /= 4
        w, bound = exact(member), Fraction(epsilon)
        truth = any(all(meets(u, v, w, bound, p) for p in probes) for u, v in prunings(first, second))
        found = module.excludes_all(first, second, member, epsilon, probes)
        assert found == (not truth), seed
        excluded += found
    return excluded


AXES = [Probe(np.array(x), np.array(c)) for x in ((1.0, 0.0), (-0.7, 0.3)) for c in ((1.0, 0.0), (0.3, 0.9))]


def test_enumeration_is_that_of_all_prunings():
    assert 2 < exhausted(exhaustion, AXES) < 18
    assert not exhaustion.excludes_all(np.eye(2), np.eye(2), np.eye(2), 0.5, [])


def test_enumeration_gives_up_rather_than_guess(monkeypatch):
    first, second, _, _ = case(2, 3, 0, unit=2**20)
    far = 10.0 * np.eye(2)
    assert exhaustion.excludes_all(first, second, far, 0.125, AXES)
    monkeypatch.setattr(exhaustion, "MOST_SUMS", 0)
    tight = second @ np.maximum(first, 0) / 2
    assert not exhaustion.excludes_all(first, second, tight, 0.5, AXES[:1])


def test_infeasibility_is_not_believed_without_the_enumeration(monkeypatch):
    monkeypatch.setattr(mask_program.MaskProgram, "solve", lambda *_, **__: None)
    decision = decide_by_points(SMALL, np.zeros((2, 2)), 0.25, 60.0, 0)
    assert decision.status is PruningStatus.UNKNOWN
    assert "CP-SAT" in decision.message


EXHAUSTION = {
    "one output only": (
        "_condition",
        "(h * w for h in hidden for w in outputs)",
        "(h * w for h in hidden for w in outputs[:1])",
    ),
    "no ReLU": (
        "_condition",
        "max(Fraction(0), sum((Fraction(first[i, j]) * x[j] for j in range(d) if p[j]), Fraction(0)))",
        "(lambda _, y: y)(0, sum((Fraction(first[i, j]) * x[j] for j in range(d) if p[j]), Fraction(0)))",
    ),
    "a window without its lower end": (
        "excludes_all",
        "(moved + rest_least <= high) & (moved + rest_most >= low)",
        "moved + rest_least <= high",
    ),
    "no hope of the units to come": (
        "excludes_all",
        "(moved + rest_least <= high) & (moved + rest_most >= low)",
        "(moved + rest_most <= high) & (moved + rest_most >= low)",
    ),
    "a wider reach": (
        "_condition",
        "Fraction(epsilon) * root_up(lengths[0] * lengths[1])",
        "Fraction(epsilon) * 2 * root_up(lengths[0] * lengths[1])",
    ),
}


@pytest.mark.parametrize("name", EXHAUSTION)
def test_planted_mistakes_in_the_enumeration_are_noticed(name, monkeypatch):
    copy = plain_python(monkeypatch, "subsetsum_nets.theory.prunings.exhaustion", *EXHAUSTION[name])
    with pytest.raises(AssertionError):
        exhausted(copy, AXES)


def tight(seed):
    """Return weights, a matrix that agrees with one of their prunings at (1, 0), and conditions there."""
    first, second, _, _ = case(2, 2, seed, unit=2**20)
    rng = np.random.default_rng(seed)
    masks = rng.random((2, 2)) < 0.7, rng.random((2, 2)) < 0.7
    member = np.zeros((2, 2))
    member[:, 0] = [float(y) for y in value(*kept(first, second, masks), [Fraction(1), Fraction(0)])]
    probes = [Probe(np.array([1.0, 0.0]), np.array(c)) for c in ((1.0, 0.0), (0.0, 1.0), (0.3, -0.9))]
    return first, second, member, probes


def excluded_by_enumeration(module, bits, seed):
    module._BITS = bits
    first, second, member, probes = tight(seed)
    return module.excludes_all(first, second, member, 2.0**-12, probes)


def excluded_by_program(module, bits, seed):
    first, second, member, probes = tight(seed)
    program = module.MaskProgram(first, second, member, 2.0**-12, bits=bits)
    for probe in probes:
        program.add(probe)
    return program.solve(time_limit=None, seed=0) is None


ROUNDED = [(bits, seed) for bits in (5, 6, 7, 8) for seed in range(8)]
INWARD = {
    "enumeration, low end": (
        "prunings.exhaustion",
        "_condition",
        "math.ceil((goal - reach) * scale) - s",
        "math.ceil((goal - reach) * scale)",
    ),
    "enumeration, high end": (
        "prunings.exhaustion",
        "_condition",
        "math.floor((goal + reach) * scale)",
        "-2 + math.floor((goal + reach) * scale)",
    ),
    "program, coefficients": (
        "prunings.mask_program",
        "MaskProgram.add",
        "math.floor(sign * weight * scale)",
        "math.ceil(sign * weight * scale)",
    ),
    "program, reach": (
        "prunings.mask_program",
        "MaskProgram.add",
        "math.floor((reach + sign * goal) * scale)",
        "math.floor((reach + sign * goal) * scale) - 1",
    ),
}


def test_rounding_is_outward(monkeypatch):
    monkeypatch.setattr(exhaustion, "_BITS", exhaustion._BITS)  # restored at the end
    assert not any(excluded_by_enumeration(exhaustion, *one) for one in ROUNDED)
    assert not any(excluded_by_program(mask_program, *one) for one in ROUNDED)


@pytest.mark.parametrize("name", INWARD)
def test_rounding_inward_is_noticed(name, monkeypatch):
    module, *mistake = INWARD[name]
    copy = plain_python(monkeypatch, f"subsetsum_nets.theory.{module}", *mistake)
    check = excluded_by_enumeration if module == "prunings.exhaustion" else excluded_by_program
    assert any(check(copy, *one) for one in ROUNDED)


def program_is_right(module):
    """Hold the program against all prunings, and against one unit of which two patterns would do."""
    sound_relaxations(module, [*AXES, Probe(np.array([0.5, 0.5]), np.array([0.3, 0.4]))])
    program = module.MaskProgram(np.ones((1, 2)), np.array([[1.0], [0.0]]), np.diag([2.0, 0.0]), 0.1)
    program.add(Probe(np.array([1.0, 0.0]), np.array([1.0, 0.0])))
    assert program.solve(time_limit=None, seed=0) is None
    program = module.MaskProgram(np.ones((1, 2)), np.array([[1.0], [0.0]]), np.diag([1.0, 0.0]), 0.1)
    program.add(Probe(np.array([1.0, 1.0]), np.array([1.0, 0.0])))
    assert program.solve(time_limit=None, seed=0) is not None


@pytest.mark.thinned
@pytest.mark.parametrize("name", PROGRAM)
def test_planted_mistakes_in_the_program_are_noticed(name, monkeypatch):
    copy = plain_python(monkeypatch, "subsetsum_nets.theory.prunings.mask_program", *PROGRAM[name])
    with pytest.raises(AssertionError):
        program_is_right(copy)


DECISION = {
    "served without proof": (
        "decide_by_points",
        (
            "if masks is None and (not excludes_all(first, second, member, epsilon, probes)): ...\n"
            "...\n"
            "if bound is not None:\n"
            "    return PruningDecision(PruningStatus.SERVED, masks, bound)"
        ),
        (
            "bound = bound or epsilon\n"
            "if True:\n"
            "    return PruningDecision(PruningStatus.SERVED, masks, bound)"
        ),
    ),
}


@pytest.mark.parametrize("name", DECISION)
def test_planted_mistakes_in_the_search_are_noticed(name, monkeypatch):
    copy = plain_python(monkeypatch, "subsetsum_nets.theory.prunings.mask_program", *DECISION[name])
    monkeypatch.setattr(copy, "proven_bound", lambda *_, **__: None)
    decision = copy.decide_by_points(SMALL, np.zeros((2, 2)), 0.25, 60.0, 0)
    assert decision.status is not PruningStatus.UNKNOWN  # the right one says UNKNOWN, see above


SCALAR = {
    "both signs from the same units": (
        "decide_scalars",
        "np.flatnonzero(sign * first > 0)",
        "np.flatnonzero(first > 0)",
    ),
    "one sign is enough": ("decide_scalars", "(1.0, -1.0)", "(1.0,)"),
    "sums of the second weights": (
        "decide_scalars",
        "_products(first[units], second[units])",
        "second[units]",
    ),
}


@pytest.mark.parametrize("name", SCALAR)
def test_planted_mistakes_in_scalar_decisions_are_noticed(name, monkeypatch):
    copy = plain_python(monkeypatch, "subsetsum_nets.theory.prunings.scalar_prunings", *SCALAR[name])

    def decide(net, member, epsilon):
        first, second = (np.asarray(layer.weight) for layer in net.layers)
        return copy.decide_scalars(first[:, 0], second[0], member[0], epsilon)[0]

    assert None in agrees(decide, 1, 3, range(40))


def test_pruned_by_keeps_what_the_masks_say():
    net = network(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    pruned = pruned_by(net, (np.array([[True, False]]), np.array([[False], [True]])))
    assert pruned(np.array([2.0, 5.0])).tolist() == [0.0, 8.0]

"""What the replays of "zonotope" and "splitting" must satisfy on tiny networks, and their mutants fail."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

import numpy as np
from verification.propagated_checks import float_traps, pointed, unstable_cases
from verification.splitting_checks import exact_rounding_cases, split_cases
from verification.tiny_networks import NORMS, Case, exact_pair, power, random_cases, truth
from verification.zonotope_checks import (
    kinked_cases,
    random_slopes,
    reached_cases,
    rounding_cases,
    structured,
)

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import Comparison, SearchOptions
from subsetsum_nets.verification.methods.splitting import splitting
from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope
from subsetsum_nets.verification.records import ReluSlopes
from subsetsum_nets.verification.replay.exact_comparison import ExactComparison

LOSING = ("lost", "trap", "many-equal", "subnormal", "three-layers-one-ulp")  # digits, in floating point


@dataclass(frozen=True, eq=False)
class Replayable:
    """A case, the largest exact value found, and a floating bound of it with the choices behind it."""

    case: Case
    true: Fraction
    upper: float
    choices: object

    @property
    def exact(self):
        """The case as the replay reads it."""
        return ExactComparison(self.case.f, self.case.g, self.case.domain, self.case.norm)


def check_bound(known, bound):
    """Check a replayed bound from both sides."""
    p, upper = power(known.case.norm), Fraction(known.upper)
    assert isinstance(bound, Fraction)
    assert known.true <= bound**p, f"{known.case}: {float(known.true)} exceeds the replay, {float(bound)}"
    assert bound <= upper, f"{known.case}: the replay is above {known.upper}"
    if known.upper > 1e-12 and not known.case.name.startswith(LOSING):
        assert upper - bound <= upper / 10**9, f"{known.case}: {float(bound)} is far below {known.upper}"


# ---------------------------------------------------------------- zonotope


def more_kinked_cases():
    """Return cases for what is rare: balls of l2 with split inputs, a ReLU at the end, deep signed layers."""
    rng = np.random.default_rng(4)
    cases = []
    layers = [rng.uniform(-1, 1, shape) for shape in ((3, 2), (3, 3), (2, 3))]
    for final in (False, True):
        f = ReluNetwork([Dense(w, np.full(len(w), 0.125)) for w in layers], final_relu=final)
        pairs = [
            part
            for w in layers
            for part in exact_pair(w + rng.uniform(-0.1, 0.1), w - 0.0625, np.full(len(w), 0.25))
        ]
        g = ReluNetwork(pairs, final_relu=final)
        cases.extend(
            Case(f"more-{final}", f, g, domain, norm, "zonotope", tight=False)
            for domain in (Ball(0.75, [0.25, -0.125]), Box([-0.5, -1.0], [1.0, 0.25]))
            for norm in NORMS
        )
    return cases


def switched_case():
    """Return networks with units that are on for some inputs in one of them, never in the other."""
    out = [Dense([[1.0, 0.5]])]
    f, g = (ReluNetwork([Dense([[1.0], [1.0]], bias), *out]) for bias in ([0.5, -2.0], [-2.0, 0.5]))
    return Case("switched", f, g, Box(-1, 1), "linf", "zonotope", tight=False)


def flat_slopes(enclosure):
    """Return slopes of 0 everywhere, each pair relaxed together."""
    return [
        None if s is None else ReluSlopes(*(np.zeros(s.g.size),) * 3, np.zeros(s.g.size, dtype=bool))
        for s in enclosure.slopes
    ]


@cache
def known_zonotopes(which):
    """Return floating zonotopes of a family of cases: with their own slopes, with arbitrary ones and none."""
    families = {
        "reached": lambda: [pointed(case) for case in reached_cases()[::2]],
        "kinked": lambda: [*kinked_cases(), *more_kinked_cases(), switched_case()],
        "rounding": rounding_cases,
        "traps": lambda: structured(float_traps()),
        "unstable": unstable_cases,
        "random": lambda: structured(random_cases(range(24))),
        "few": lambda: structured(random_cases(range(8))),
        "many": lambda: structured(random_cases(range(100, 170))),
    }
    rng = np.random.default_rng(21)
    known = []
    for case in families[which]():
        zonotope = DifferentialZonotope(Comparison(case.f, case.g, case.domain, case.norm))
        true = truth(case)
        own = zonotope.enclose(case.domain)
        others = (random_slopes(own, rng), flat_slopes(own))
        drawn = [zonotope.enclose(case.domain, slopes=slopes) for slopes in others]
        known += [
            Replayable(case, true, enclosure.norm_up(case.norm), enclosure.record())
            for enclosure in (own, *drawn)
        ]
    assert known
    return known


def check_zonotopes(replayed_zonotope, which):
    """Check the class that replays zonotopes."""
    for known in known_zonotopes(which):
        check_bound(known, replayed_zonotope(known.exact).bound(known.case.domain, known.choices))


# ---------------------------------------------------------------- splitting


def searched(case, nodes, few_inputs):
    """Return a recorded search, by boxes or by phases."""
    usual = splitting._FEW_INPUTS
    splitting._FEW_INPUTS = few_inputs
    try:
        return splitting_bound(
            Comparison(case.f, case.g, case.domain, case.norm),
            SearchOptions(node_limit=nodes, threads=1, record=True),
        )
    finally:
        splitting._FEW_INPUTS = usual


@cache
def known_searches(which):
    """Return the searches of a family of cases."""
    families = {
        "split": lambda: [
            replace(c, norm=NORMS[k % 3]) for k, c in enumerate([*split_cases()[:3], split_cases()[-1]])
        ],
        "kinked": lambda: [kinked_cases()[0], more_kinked_cases()[3]],
        "rounding": lambda: exact_rounding_cases()[::8],
        "random": lambda: structured(random_cases(range(40, 43))),
        "all": lambda: [
            *(replace(c, norm=n) for c in split_cases() for n in NORMS),
            *kinked_cases(),
            *more_kinked_cases(),
            *exact_rounding_cases(),
            *structured(random_cases(range(300, 315))),
        ],
    }
    known = []
    for case in families[which]():
        true = truth(case)
        for few_inputs in (0, 6):
            found = searched(case, 40, few_inputs)
            known.append(Replayable(case, true, found.upper, found.record))
    assert known
    return known


def check_searches(replayed_splitting, which):
    """Check the function that replays searches."""
    for known in known_searches(which):
        check_bound(known, replayed_splitting(known.exact, known.choices))

"""Replays of "zonotope" and "splitting": between the truth and the floating bound, whatever was recorded."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from verification.replay_splitting_checks import (
    check_bound,
    check_searches,
    check_zonotopes,
    known_searches,
    known_zonotopes,
    searched,
)
from verification.tiny_networks import NORMS, Case, power, random_pair

from subsetsum_nets.networks import Ball, Box, Dense, ReluNetwork, load_network, shipped_network
from subsetsum_nets.verification import Comparison, SearchOptions, UnsupportedStructureError
from subsetsum_nets.verification.methods.milp.milp import milp_bound
from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound
from subsetsum_nets.verification.methods.zonotope.zonotope import zonotope_bound
from subsetsum_nets.verification.records import BoxProof, RowsProof, UnitProof
from subsetsum_nets.verification.replay.arithmetic import ExactMatrix
from subsetsum_nets.verification.replay.dual import ReplayedDual
from subsetsum_nets.verification.replay.forms import ExactFeatures
from subsetsum_nets.verification.replay.replay import replayed_bound
from subsetsum_nets.verification.replay.splitting import replayed_splitting
from subsetsum_nets.verification.replay.zonotope import ReplayedZonotope


@pytest.mark.thinned
@pytest.mark.parametrize("which", ["reached", "kinked", "rounding", "traps", "unstable", "random"])
def test_zonotope_is_between_the_truth_and_the_floating_bound(which):
    check_zonotopes(ReplayedZonotope, which)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["split", "kinked", "rounding", "random"])
def test_splitting_is_between_the_truth_and_the_floating_bound(which):
    check_searches(replayed_splitting, which)


@pytest.mark.slow
def test_hundreds_of_tiny_networks():
    check_zonotopes(ReplayedZonotope, "many")
    check_searches(replayed_splitting, "all")


def test_searches_of_both_kinds_are_replayed():
    searches = [known.choices.search for which in ("split", "kinked") for known in known_searches(which)]
    boxes = [s for s in searches if isinstance(s, BoxProof) and s.halves]
    units = [s for s in searches if isinstance(s, UnitProof) and s.cuts and s.narrowed]
    assert len(boxes) >= 4
    assert len(units) >= 3
    assert {known.case.norm for known in known_searches("split")} == set(NORMS)


# ---------------------------------------------------------------- proofs that were tampered with


def _replayed(known, proof):
    return replayed_splitting(known.exact, proof)


def test_any_multipliers_and_cuts_of_units_prove_a_true_bound():
    rng = np.random.default_rng(3)
    tampered = 0
    for known in known_searches("split"):
        unit = known.choices.search
        if not isinstance(unit, UnitProof):
            continue
        parts = {}
        for key, rows in unit.parts.items():
            choices = [
                replace(
                    c,
                    split=c.split + rng.normal(0, 0.1, c.split.shape),
                    phase_g=rng.normal(0, 0.1, c.phase_g.shape),
                    phase_f=rng.normal(0, 0.1, c.phase_f.shape),
                    g_below=rng.random(c.g_below.shape),
                    d_above=rng.random(c.d_above.shape),
                )
                for c in rows.choices
            ]
            # The functions that are bounded follow from the objective, not from what is recorded.
            parts[key] = RowsProof(rows.p + 1.0, rows.q * 0.5, choices)
        narrowed = [
            (index, name, units, tuple([(s, replace(r, p=0 * r.p, q=0 * r.q)) for s, r in e] for e in ends))
            for index, name, units, ends in unit.narrowed
        ]
        changed = replace(unit, parts=parts, narrowed=narrowed)
        bound = _replayed(known, replace(known.choices, search=changed))
        assert known.true <= bound ** power(known.case.norm)
        tampered += 1
    assert tampered >= 3


def test_any_cuts_of_boxes_prove_a_true_bound():
    rng = np.random.default_rng(5)

    def shifted(part):
        halves = [shifted(half) for half in part.halves]
        return replace(part, at=part.at + rng.normal(0, 2), halves=halves[::-1], bound=0.0)

    boxes = [known for known in known_searches("split") if isinstance(known.choices.search, BoxProof)]
    for known in boxes:
        changed = replace(known.choices, search=shifted(known.choices.search))
        assert known.true <= _replayed(known, changed) ** power(known.case.norm)


def test_a_cut_off_proof_is_refused_or_proves_less():
    known = next(k for k in known_searches("split") if isinstance(k.choices.search, UnitProof))
    unit = known.choices.search
    with pytest.raises(ValueError, match="not complete"):
        _replayed(
            known, replace(known.choices, upper=0.0, search=replace(unit, objectives=unit.objectives[1:]))
        )
    fewer = replace(known.choices, search=replace(unit, parts={}))
    assert known.true <= _replayed(known, fewer) ** power(known.case.norm)
    boxes = BoxProof(1.0, known.choices.whole)
    with pytest.raises(TypeError, match="only a Box can be cut"):
        replayed_splitting(
            replace(known.exact, domain=Ball(1.0)), replace(known.choices, upper=0.0, search=boxes)
        )


def test_slopes_outside_the_unit_interval_are_refused():
    known = known_zonotopes("unstable")[0]
    relus = known.choices.relus
    for wrong in (-0.25, 1.25, np.nan):
        bent = replace(relus[0], g=np.full_like(relus[0].g, wrong))
        changed = replace(known.choices, relus=(bent, *relus[1:]))
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            ReplayedZonotope(known.exact).bound(known.case.domain, changed)


def test_two_slopes_after_no_relu_have_no_dual():
    known = next(k for k in known_zonotopes("kinked") if k.case.name.startswith("signed"))
    features = ReplayedZonotope(known.exact).features(known.case.domain)
    with pytest.raises(UnsupportedStructureError, match="layer 1 has two slopes"):
        ReplayedDual(known.exact, features)


def test_splitting_needs_its_record():
    f, g = random_pair(2, (2, 3, 2))
    with pytest.raises(ValueError, match="from its own record, a SplitProof"):
        replayed_bound("splitting", Comparison(f, g, Box(-1, 1)))


# ---------------------------------------------------------------- parts


def test_support_over_a_ball_is_reached():
    # h = 2 max(x, 0) - min(x, 0) about 0.5 with radius 1: largest at 1.5, or at -0.5; least at 0.
    features = ExactFeatures.of(Ball(1.0, [0.5]), 1, linear=False)
    assert features.split == [0]
    ends = features.support(ExactMatrix.from_floats([[2.0, -1.0], [1.0, -9.0], [0.0, 1.0]]))
    high = ends.high.fractions()
    assert high[0] == 3
    assert 0 <= high[1] - Fraction(9, 2) < Fraction(1, 2**100)  # 9 * 0.5 at the far end
    assert high[2] == 0
    assert ends.low.fractions()[0] == -1  # 1 - 2, the chord towards 0; the value itself is 0


def test_support_over_a_box_is_exact():
    features = ExactFeatures.of(Box([-1.0, 1.0], [2.0, 3.0]), 2, linear=False)
    ends = features.support(ExactMatrix.from_floats([[1.0, 2.0, -5.0], [-1.0, 0.0, 1.0]]))
    assert ends.high.fractions() == [5 + 6, 0]
    assert ends.low.fractions() == [2, -2]


# ---------------------------------------------------------------- networks of practical size


@pytest.mark.slow
@pytest.mark.parametrize("norm", NORMS)
def test_trained_network(norm):
    from subsetsum_nets import prune

    f = load_network(shipped_network("digits-64-128-64-10"))
    g = prune(f, epsilon=0.05, seed=1).network
    for domain in (Box(0, 1), Ball(0.25, 0.5)):
        comparison = Comparison(f, g, domain, norm)
        bound = zonotope_bound(comparison)
        replayed = replayed_bound("zonotope", comparison, bound.record)
        assert bound.upper * (1 - 1e-6) <= replayed <= bound.upper


@pytest.mark.slow
def test_phases_of_a_wide_network():
    f, g = random_pair(7, (20, 16, 16, 3), error=0.01)
    case = Case("wide", f, g, Box(-0.25, 0.25), "linf", "splitting", tight=False)
    found = searched(case, 200, 6)
    comparison = Comparison(f, g, case.domain, "linf")
    replayed = replayed_bound("splitting", comparison, found.record)
    assert found.lower <= replayed <= found.upper <= zonotope_bound(comparison).upper
    assert isinstance(found.record.search, UnitProof)
    assert replayed >= found.upper * (1 - 1e-9)


def test_nothing_is_recorded_unless_asked_for():
    f, g = ReluNetwork([Dense([[1.0, 1.0]])]), ReluNetwork([Dense([[1.5, 0.5]])])
    comparison = Comparison(f, g, Box(-1, 1), "linf")
    assert splitting_bound(comparison, SearchOptions(node_limit=3)).record is None
    assert milp_bound(comparison).record is None
    known = known_searches("split")[0]
    check_bound(known, _replayed(known, known.choices))

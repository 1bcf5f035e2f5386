"""The tight allocation: its predictions come true, and where they don't a further round makes up for it."""

import math

import numpy as np
import pytest
from constructions.tiny_targets import NAMES, target

from subsetsum_nets import load_network, shipped_network
from subsetsum_nets.allocation.compile_task import CompileTask
from subsetsum_nets.allocation.misses import miss_chance
from subsetsum_nets.allocation.offered_items import best_items, choose_items, with_items
from subsetsum_nets.allocation.simulated_bounds import ErrorLaw, SimulatedBounds
from subsetsum_nets.allocation.sizing import expected_errors
from subsetsum_nets.allocation.tight import TightAllocation
from subsetsum_nets.compiler import prune
from subsetsum_nets.constructions import construction_named
from subsetsum_nets.networks import Box

DIGITS = load_network(shipped_network("digits-64-32-10"))
SMALL = target((3, 3, 2), bias=(True, False))


def allocation_for(f, epsilon, name="relu", objective="nearest", domain=None):
    domain = domain or f.domain or Box(-1, 1)
    task = CompileTask(construction_named(name), f, domain, epsilon, 0.01, objective)
    return TightAllocation(task)


# ---------------------------------------------------------------- fewer parameters for the same epsilon


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [*(pytest.param(e, marks=pytest.mark.slow) for e in (0.1, 0.001)), 0.01])
def test_it_takes_fewer_random_and_fewer_kept_parameters_than_the_recursion(epsilon):
    tight, simple = (prune(DIGITS, epsilon=epsilon, allocation=a) for a in ("tight", "recursion"))
    assert tight.certificate.verified
    assert simple.certificate.verified
    for count in ("random_parameters", "kept_parameters"):
        assert tight.certificate.counts[count] < 0.9 * simple.certificate.counts[count]
    assert tight.certificate.bound > 0.2 * epsilon  # which epsilon leaves room for


@pytest.mark.slow
@pytest.mark.parametrize("epsilon", [0.1, 0.01, 0.001])
def test_no_more_draws_of_the_digits_network_fail_than_delta_allows(epsilon):
    proven = [prune(DIGITS, epsilon=epsilon, seed=seed).certificate.verified for seed in range(6)]
    assert all(proven)


@pytest.mark.parametrize("objective", ["within", "sparsest"])
@pytest.mark.parametrize("name", NAMES)
def test_tolerances_that_are_filled_are_proven_too(name, objective):
    f = target((4, 3, 2), seed=3)
    pruned = prune(f, construction=name, epsilon=0.1, objective=objective, threads=1)
    assert pruned.certificate.verified
    assert np.all(pruned.solution.errors <= pruned.solution.tolerances)


def test_tolerances_are_larger_where_an_error_costs_less():
    allocation = allocation_for(DIGITS, 0.05, objective="within")
    random = construction_named("relu").recipe(DIGITS, max(allocation.sizes())).draw(0)
    offer = allocation.offer(random)
    assert offer.enough
    effects = np.concatenate(
        [(s * t).ravel() for s, t in zip(allocation.sensitivities, offer.tolerances, strict=True)]
    )
    low, high = np.quantile(effects, [0.25, 0.75])
    assert high < 1.5 * low  # most rows contribute alike


# ---------------------------------------------------------------- safety


@pytest.mark.slow
@pytest.mark.parametrize("optimism", [30.0])
def test_a_prediction_that_is_too_good_is_made_up_for(monkeypatch, tmp_path, optimism):
    right = SimulatedBounds.bound
    monkeypatch.setattr(SimulatedBounds, "bound", lambda self, means: right(self, means) / optimism)
    pruned = prune(DIGITS, epsilon=0.01, checkpoint=tmp_path / "c")
    assert pruned.certificate.verified
    assert (tmp_path / "c" / "round-1").is_dir()
    assert pruned.shortfall is None
    again = prune(DIGITS, epsilon=0.01, checkpoint=tmp_path / "c")  # from its checkpoints
    assert again.certificate.masks_digest == pruned.certificate.masks_digest
    assert prune(DIGITS, epsilon=0.01).certificate.masks_digest == pruned.certificate.masks_digest


@pytest.mark.slow
def test_a_given_network_gets_more_items_but_stays_the_same(monkeypatch):
    into = prune(DIGITS, epsilon=0.01, candidates=40).random
    right = SimulatedBounds.bound
    monkeypatch.setattr(SimulatedBounds, "bound", lambda self, means: right(self, means) / 8)
    pruned = prune(DIGITS, epsilon=0.01, into=into)
    assert pruned.random is into
    assert pruned.certificate.verified


def test_the_recursion_is_not_helped():
    recursion = prune(SMALL, epsilon=0.02, candidates=5, allocation="recursion")
    assert not recursion.certificate.verified
    assert recursion.shortfall.rows > 0


# ---------------------------------------------------------------- the parts


@pytest.mark.parametrize("objective", ["nearest", "within"])
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_an_ideal_sample_has_the_mean_of_its_law(objective, size):
    sample = ErrorLaw.of(objective, 10, 0.01).ideal_sample(size)
    assert sample.mean() == pytest.approx(1.0)
    assert np.all(sample > 0)
    if size == 1000:
        assert sample.var() == pytest.approx(1.0 if objective == "nearest" else 1 / 3, rel=0.05)


def drawn_rows(candidates, count, rng):
    slopes = rng.uniform(-1, 1, (count, 2 * candidates))
    return np.abs(slopes) * rng.uniform(-1, 1, slopes.shape), slopes > 0


@pytest.mark.parametrize("size", [0.25, 0.5, 0.875])
def test_rare_misses_are_as_frequent_as_predicted(size):
    candidates, count, threshold = 14, 20_000, 0.02
    rng = np.random.default_rng(0)
    items, serving = drawn_rows(candidates, count, rng)
    errors = best_items(items, serving, np.full(count, size), 44)[2]
    seen = float((errors >= threshold).mean())
    law = construction_named("relu").law
    predicted = float(miss_chance(law, candidates, np.array([size]), np.array([threshold]))[0])
    assert 20 / count < seen  # enough to compare with
    assert 0.6 * seen < predicted < 1.7 * seen


def test_rarer_misses_with_more_candidates_and_none_beyond_the_target():
    law = construction_named("relu").law
    sizes = np.array([0.3, 0.9])
    chances = [miss_chance(law, n, sizes, np.full(2, 1e-3)) for n in (20, 30, 40, 50)]
    assert np.all(np.diff(chances, axis=0) < 0)
    assert np.all(np.diff(chances, axis=1) > 0)
    assert chances[-1].max() < 1e-5
    assert not miss_chance(law, 20, sizes, np.ones(2)).any()


def test_a_choice_that_leaves_the_target_out_of_reach_is_replaced():
    rng = np.random.default_rng(0)
    items, serving = drawn_rows(23, 5000, rng)
    targets = np.full(5000, 0.1)
    places, valid = choose_items(items, serving, targets, 15)
    before = expected_errors(
        np.where(valid, np.take_along_axis(items, places, axis=1), 0.0), valid.sum(axis=1), targets
    )
    places, valid, after = best_items(items, serving, targets, 15)
    assert (before > 0.01).any()
    assert after.max() < 0.01
    assert np.all(after <= before)
    assert np.take_along_axis(serving, places, axis=1)[valid].all()
    assert all(len(set(row[ok])) == ok.sum() for row, ok in zip(places, valid, strict=True))


def test_rows_offer_as_many_items_as_they_are_given():
    f = target((3, 4, 2), seed=2)
    random = construction_named("relu").recipe(f, 12).draw(1)
    task = CompileTask(construction_named("relu"), f, Box(-1, 1), 0.1, 0.01)
    rng = np.random.default_rng(0)
    for group in task.groups(random):
        counts = rng.integers(1, 15, group.targets.shape)
        chosen, errors = with_items(group, counts)
        wanted = np.minimum(counts, group.valid.sum(axis=2))
        assert np.array_equal(chosen.valid.sum(axis=2), wanted)
        assert np.all(errors <= np.abs(group.targets))
        for i, j in np.ndindex(group.targets.shape):
            there = dict(zip(group.units[i, j], group.items[i, j], strict=True))
            for unit, item in zip(
                chosen.units[i, j][chosen.valid[i, j]], chosen.items[i, j][chosen.valid[i, j]], strict=True
            ):
                assert there[unit] == item


def test_numbers_of_candidates_ascend_to_that_for_delta():
    for name in NAMES:
        allocation = allocation_for(target((6, 5, 3), seed=1), 0.05, name)
        sizes = list(allocation.sizes())
        assert sizes == sorted(set(sizes))
        assert sizes[-1] <= allocation.sizing.candidates
        assert allocation.sizing.enough
        assert not allocation_for(SMALL, 1e-14, name).sizing.enough


def test_the_simulated_bound_scales_with_the_errors():
    task = CompileTask(construction_named("relu"), DIGITS, DIGITS.domain, 0.01, 0.01)
    bounds = SimulatedBounds(task, ErrorLaw.of("nearest", task.rows, 0.01))
    means = [np.full((DIGITS.layers[p.layer].d_out, p.columns.size), 1e-6) for p in task.places]
    one, ten = bounds.bound(means), bounds.bound([10 * mean for mean in means])
    assert ten == pytest.approx(10 * one, rel=0.05)
    assert bounds.bound([np.full_like(mean, math.inf) for mean in means]) == math.inf
    assert bounds.quantile(means, 0.01) > one

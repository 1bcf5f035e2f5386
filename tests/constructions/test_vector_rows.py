"""Rows that are vectors, of several dimensions in one compile: solved, masked, verified, stored, shown."""

import json
from fractions import Fraction

import numpy as np
import pytest
from constructions.tiny_targets import effective_by_side, exactly, target
from support.paired_outputs import PairedOutputs
from typer.testing import CliRunner

from subsetsum_nets import row_batches
from subsetsum_nets.allocation.compile_task import CompileTask
from subsetsum_nets.allocation.offered_items import with_at_most
from subsetsum_nets.allocation.sizing import predicted_errors
from subsetsum_nets.allocation.tight import TightAllocation
from subsetsum_nets.audit import audit
from subsetsum_nets.cli import app
from subsetsum_nets.compiler import prune
from subsetsum_nets.constructions import CONSTRUCTIONS, RowGroup, RowPlace, relu_blocks
from subsetsum_nets.constructions.protocol import row_targets, weight_with_bias
from subsetsum_nets.graphs import LayeredDag
from subsetsum_nets.networks import Box, Dense, ReluNetwork, save_network
from subsetsum_nets.pruned_network import PrunedNetwork
from subsetsum_nets.reports import write_report
from subsetsum_nets.reports.rows import rows_by_layer
from subsetsum_nets.row_batches import solve_groups

F = target((2, 3, 2, 1, 4), seed=1, bias=(True, False, True, True))  # scalars, pairs, scalars, pairs
DIMENSIONS = [1, 2, 1, 2]
LOOSE = {"construction": "paired", "epsilon": 0.05, "domain": Box(-1, 1), "threads": 1}


@pytest.fixture
def paired(monkeypatch):
    """Register the construction, as one line of the registry would."""
    monkeypatch.setitem(CONSTRUCTIONS, PairedOutputs.name, PairedOutputs())
    return CONSTRUCTIONS[PairedOutputs.name]


def check_weights(pruned):
    """Compare the exact effective weights with the target's, row by row of the solution."""
    row = 0
    for place in CONSTRUCTIONS[pruned.construction].places(pruned.target, pruned.domain):
        layer, d = pruned.target.layers[place.layer], place.dimension
        assert d == DIMENSIONS[place.layer]
        wanted = exactly(weight_with_bias(layer))
        found = effective_by_side(pruned.network, place.layer)[place.side]
        off = abs(found[:, : wanted.shape[1]] - wanted)
        for first in range(0, layer.d_out, d):
            for column in place.columns.tolist():
                error, row = float(pruned.solution.errors[row]), row + 1
                exact = max(off[first : first + d, column])
                assert Fraction(error) >= exact
                assert error == 0 or Fraction(np.nextafter(error, 0)) < exact
    assert row == len(pruned.solution)


@pytest.mark.parametrize("objective", ["nearest", "within"])
def test_vectors_and_scalars_in_one_compile(paired, objective):
    pruned = prune(F, objective=objective, **LOOSE)
    assert pruned.certificate.verified
    assert pruned.shortfall is None
    assert np.all(pruned.solution.errors <= pruned.solution.tolerances)
    assert pruned.certificate.counts["subset_sums"] == len(pruned.solution)
    check_weights(pruned)
    second = pruned.all_masks.weights[3]  # of the second target layer: pairs
    assert np.array_equal(second[0], second[1])
    assert not np.array_equal(*pruned.all_masks.weights[1][:2])


@pytest.mark.slow
def test_a_result_with_vectors_is_stored_and_checked_like_any_other(paired, tmp_path):
    pruned = prune(F, **LOOSE)
    pruned.save(tmp_path / "ticket")
    back = PrunedNetwork.load(tmp_path / "ticket")
    assert np.array_equal(back.solution.masks, pruned.solution.masks)
    assert np.array_equal(back.solution.tolerances, pruned.solution.tolerances)
    check_weights(back)
    checked = audit(tmp_path / "ticket", exact=True)
    assert checked.verified
    assert checked.result.upper == pytest.approx(pruned.certificate.bound, rel=1e-9)
    write_report(back, tmp_path / "ticket" / "report.html")
    assert "a toy of the tests" in (tmp_path / "ticket" / "report.html").read_text()
    layers = rows_by_layer(back)
    for layer, d, found in zip(F.layers, DIMENSIONS, layers, strict=True):
        assert found.picture.shape[0] == layer.d_out
        assert found.picture.sum() == d * found.sizes.sum()
    assert sum(len(found.errors) for found in layers) == len(back.solution)
    dag = LayeredDag.from_network(back)
    assert dag.kept_parameters == pruned.all_masks.kept


def test_a_checkpoint_resumes_and_progress_is_shown(paired, tmp_path):
    seen = []
    options = {**LOOSE, "objective": "nearest", "checkpoint": tmp_path / "c"}
    once = prune(F, progress=lambda *counts: seen.append(counts), **options)
    assert {path.name for path in (tmp_path / "c").iterdir()} == {"dimension-1", "dimension-2"}
    assert sum({total for _, total in seen}) == len(once.solution)
    again = prune(F, **options)
    assert again.certificate.masks_digest == once.certificate.masks_digest
    assert prune(F, **LOOSE).certificate.masks_digest == once.certificate.masks_digest


def test_too_few_candidates_say_how_many_do(paired):
    short = prune(F, candidates=3, **LOOSE)
    assert not short.certificate.verified
    assert short.shortfall.rows > 0
    assert prune(F, candidates=short.shortfall.enough_candidates, **LOOSE).certificate.verified


def test_a_given_network_is_pruned_like_the_same_one_drawn(paired):
    drawn = prune(F, seed=2, **LOOSE)
    given = prune(F, into=drawn.random, **LOOSE)
    assert given.certificate.masks_digest == drawn.certificate.masks_digest


# ---------------------------------------------------------------- names and registries


def test_a_construction_offers_its_own_allocations(paired):
    assert prune(F, allocation="recursion", **LOOSE).certificate.verified
    for name in ("tight", "loose"):
        words = f"construction 'paired' has no allocation '{name}'; available are recursion$"
        with pytest.raises(ValueError, match=words):
            prune(F, allocation=name, **LOOSE)
    with pytest.raises(
        ValueError, match="predicts scalar rows; those of construction 'paired' have dimension 2"
    ):
        TightAllocation(CompileTask(paired, F, Box(-1, 1), 0.1, 0.1))


def test_a_registered_construction_is_known_to_every_command(paired, tmp_path):
    run = CliRunner().invoke
    shown = run(app, ["info"]).stdout
    assert "a toy of the tests" in shown
    assert "paired" in json.loads(run(app, ["info", "--json"]).stdout)["constructions"]
    save_network(ReluNetwork([Dense([[0.5], [-0.25]])]), tmp_path / "f.npz")
    options = ["--construction", "paired", "--epsilon", "0.1", "--out", str(tmp_path / "ticket")]
    done = run(app, ["prune", str(tmp_path / "f.npz"), *options, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["construction"] == "paired"
    assert "a toy of the tests" in (tmp_path / "ticket" / "report.html").read_text()
    refused = run(app, ["prune", str(tmp_path / "f.npz"), *options, "--allocation", "tight"])
    assert refused.exit_code == 2
    assert "available are recursion" in refused.output


# ---------------------------------------------------------------- the parts


def two_vectors(m, rows, rng):
    """Return a group of 2-vectors with uniform items, and targets near the middle of what they reach."""
    items = rng.uniform(-1, 1, (rows, 1, m, 2))
    targets = items.sum(axis=2) / 2 + rng.uniform(-0.2, 0.2, (rows, 1, 2))
    every = np.ones(items.shape[:3], dtype=bool)
    place = RowPlace(0, "both", np.zeros(1, np.int64), 2 * rows, 2)
    return RowGroup(place, items, every, targets, np.zeros(every.shape, np.int64))


@pytest.mark.parametrize("m", [10, 14])
def test_as_many_vectors_miss_their_prediction_as_it_says(m):
    group = two_vectors(m, 600, np.random.default_rng(m))
    errors = solve_groups([group], [np.full((600, 1), 1e9)], objective="nearest", threads=1).errors
    for level in (0.5, 1.0, 2.0):
        q = predicted_errors(group, 1, 2 * np.exp(-level))[:, 0]
        assert 0.7 * np.exp(-level) < float((errors > q).mean()) < 1.6 * np.exp(-level) + 0.02
    assert predicted_errors(group, 1, 0.1).shape == (600, 1)


def test_vectors_offer_their_first_items():
    group = two_vectors(9, 4, np.random.default_rng(0))
    fewer = with_at_most(group, 5)
    assert np.array_equal(fewer.items, group.items[:, :, :5])
    assert fewer.valid.shape == (4, 1, 5)
    assert with_at_most(group, 9) is group


WRONG = {
    "items": lambda g: (g.items[..., 0], g.valid, g.targets, g.units),
    "valid": lambda g: (g.items, g.valid[:, :, :-1], g.targets, g.units),
    "targets": lambda g: (g.items, g.valid, g.targets.swapaxes(0, 2), g.units),
    "units": lambda g: (g.items, g.valid, g.targets, g.units[:-1]),
    "rows": lambda g: tuple(a[:-1] for a in (g.items, g.valid, g.targets, g.units)),
}


@pytest.mark.parametrize("what", WRONG)
def test_arrays_that_do_not_go_together_are_refused(what):
    group = two_vectors(3, 4, np.random.default_rng(0))
    with pytest.raises(ValueError, match="must be"):
        RowGroup(group.place, *WRONG[what](group))


# ---------------------------------------------------------------- planted mistakes


def swapped_targets(layer, place):
    return np.flip(row_targets(layer, place), axis=-1) if place.dimension == 2 else row_targets(layer, place)


class OutputsTornApart(PairedOutputs):
    """Writes coordinate k of row r to output r + k R instead of r d + k."""

    def masks(self, target, random, groups, kept):
        masks = super().masks(target, random, groups, kept)
        second = masks.weights[7]  # of the last layer, 4 outputs: rows (0, 1) and (2, 3)
        masks.weights[7] = second[[0, 2, 1, 3]]
        return masks


@pytest.mark.parametrize("mistake", ["swapped targets", "outputs torn apart", "batches exchanged"])
def test_a_planted_mistake_is_noticed(paired, monkeypatch, mistake):
    check_weights(prune(F, **LOOSE))
    if mistake == "swapped targets":
        monkeypatch.setattr(relu_blocks, "row_targets", swapped_targets)
    elif mistake == "outputs torn apart":
        monkeypatch.setitem(CONSTRUCTIONS, "paired", OutputsTornApart())
    else:
        right = row_batches._joined
        monkeypatch.setattr(row_batches, "_joined", lambda batches: right(batches[::-1]))
    with pytest.raises((AssertionError, ValueError)):
        check_weights(prune(F, candidates=12, **LOOSE))

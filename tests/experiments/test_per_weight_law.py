"""The per-weight law: proven subsets, predicted sizes, what is written, and measured requirements."""

import csv
import json

import numpy as np
import pytest

from subsetsum_nets.experiments.per_weight import run_per_weight, write_outputs
from subsetsum_nets.experiments.requirements import THEOREMS, requirement_table, requirements
from subsetsum_nets.experiments.requirements import write_outputs as write_requirements
from subsetsum_nets.experiments.requirements.measured import measured_requirement, random_target
from subsetsum_nets.networks import Conv2d, Dense, ReluNetwork, load_network, shipped_network
from subsetsum_nets.theory import network_sizes as bounds


@pytest.fixture(scope="module")
def digits():
    return run_per_weight(load_network(shipped_network()), 21)


def test_shipped_network_keeps_as_many_coefficients_as_theory_says(digits):
    page = digits.summary()
    nearest, sparsest = page["nearest"], page["sparsest"]
    assert page["weights"] == 64 * 32 + 32 * 10
    assert nearest["within_epsilon"] == sparsest["within_epsilon"] == page["weights"]
    assert abs(nearest["kept"] - nearest["predicted_kept"]) < 4 * nearest["predicted_deviation_of_kept"]
    assert sparsest["kept"] == pytest.approx(sparsest["predicted_kept"], rel=0.05)
    assert sparsest["kept"] < nearest["kept"] / 4
    assert nearest["error_mean"] < sparsest["error_mean"] / 500
    # Some weights are next to 0 and served best by nothing: (n - 1) / 2 alone would be far off.
    assert nearest["predicted_empty_share"] > 0.05
    assert nearest["kept"] < 10 * page["weights"] - 8 * nearest["predicted_deviation_of_kept"]


def test_both_objectives_are_true_and_ordered(digits):
    nearest, sparsest = digits.solutions["nearest"], digits.solutions["sparsest"]
    assert (sparsest.sizes <= nearest.sizes).all()
    assert (nearest.errors <= sparsest.errors).all()
    rows = np.concatenate(
        [
            np.random.default_rng(np.random.SeedSequence(0, spawn_key=(i,))).uniform(-1, 1, (size, 21))
            for i, size in enumerate((2048, 320))
        ]
    )
    for solution in (nearest, sparsest):
        sums = (rows * solution.masks).sum(axis=1)
        assert np.abs(np.abs(sums - digits.weights) - solution.errors).max() < 1e-14


def test_weights_of_any_law_without_zeros_keep_half_of_n_minus_one():
    rng = np.random.default_rng(0)
    found = run_per_weight(ReluNetwork([Dense(rng.uniform(0.05, 0.3, (50, 60)))]), 16, scale=0.5)
    page = found.summary()["nearest"]
    assert page["kept_per_weight"] == pytest.approx(7.5, abs=0.2)
    assert page["predicted_empty_share"] < 1e-3


def test_convolutions_and_weights_out_of_reach():
    kernel = np.full((2, 2, 1, 2), 0.2)
    kernel[0, 0, 0, 0] = 50.0
    found = run_per_weight(ReluNetwork([Conv2d(kernel)], input_shape=(3, 3, 1)), 12, epsilon=0.05)
    assert len(found.weights) == 8
    assert found.within("nearest").tolist() == found.within("sparsest").tolist() == [False] + [True] * 7
    assert found.summary()["nearest"]["within_epsilon"] == 7


def test_tables_and_figure(tmp_path):
    found = run_per_weight(ReluNetwork([Dense([[0.5, -0.25]]), Dense([[0.75]])]), 10, folder=tmp_path)
    write_outputs(found, tmp_path, ["per-weight"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"per_weight.csv", "summary.json", "provenance.json", "per_weight.png", "per_weight.svg"}
    with (tmp_path / "per_weight.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["layer"], float(r["weight"])) for r in rows] == [("0", 0.5), ("0", -0.25), ("1", 0.75)]
    assert [float(r["nearest_error_at_most"]) for r in rows] == found.solutions["nearest"].errors.tolist()
    assert json.loads((tmp_path / "provenance.json").read_text())["parameters"]["seed"] == 0
    again = run_per_weight(ReluNetwork([Dense([[0.5, -0.25]]), Dense([[0.75]])]), 10, folder=tmp_path)
    assert (again.solutions["nearest"].masks == found.solutions["nearest"].masks).all()
    with pytest.raises(ValueError, match="another problem"):
        run_per_weight(ReluNetwork([Dense([[0.5, -0.25]]), Dense([[0.75]])]), 10, seed=1, folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"items": 1}, "items"),
        ({"items": 33}, "items"),
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": 2.0}, "epsilon"),
        ({"scale": np.inf}, "scale"),
        ({"seed": -3}, "seed"),
    ],
)
def test_bad_numbers_are_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        run_per_weight(ReluNetwork([Dense([[0.5]])]), **{"items": 5, **change})


# -- measured requirements ---------------------------------------------------------------------------


def test_random_targets_belong_to_theorem_1():
    target = random_target(6, 3, seed=2)
    assert target.widths == (6, 6, 6, 6)
    for layer in target.layers:
        assert np.linalg.norm(layer.weight, 2) == pytest.approx(1)
        assert layer.bias is None


def test_measured_sizes_are_proven_and_between_the_bounds():
    found = measured_requirement(3, 2, [0.1, 0.001])
    assert all(m.proven and m.bound <= m.epsilon for m in found)
    assert found[0].parameters <= found[1].parameters
    for m in found:
        assert m.depth == 4
        assert m.parameters == 2 * 2 * 3 * m.width
        assert bounds.pensia_2020_lower_parameters(3, m.epsilon) < m.parameters
        assert m.parameters < bounds.malach_2020(3, 2, m.epsilon).parameters
        # Theorem 1 with the constant that this size amounts to
        assert 0.5 < m.width / bounds.pensia_2020(3, 2, m.epsilon, 0.01).width < 8


def test_table_of_requirements(tmp_path):
    found = requirement_table(4, 2, 0.01, constants={"pensia": 3}, measure=False)
    assert tuple(found.table) == THEOREMS
    assert found.table["pensia"].width == bounds.pensia_2020(4, 2, 0.01, 0.01, constant=3).width
    assert found.table["lower"].width == bounds.pensia_2020_lower(4, 0.01).width
    assert not found.table["lower"].sufficient
    assert found.curves[0.01] == found.table
    write_requirements(found, tmp_path)
    with (tmp_path / "requirements.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(found.curves) * len(THEOREMS)
    assert {r["theorem"] for r in rows if r["sufficient"] == "False"} == {"lower", "counting"}
    with pytest.raises(ValueError, match="no theorem 'lower'"):
        requirements(4, 2, 0.1, 0.1, constants={"lower": 1})

"""The random subset-sum experiment: true radii and intervals, seeds, resuming, fits, and what it writes."""

import csv
import json
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from solvers import InvalidProblemError, SubsetSum, covering_radius, solve
from subsetsum_nets.experiments.intervals import clopper_pearson, resampled_interval
from subsetsum_nets.experiments.random_subset_sum import (
    covering_samples,
    run_random_subset_sum,
    write_outputs,
)
from subsetsum_nets.experiments.random_subset_sum.covering_samples import (
    SampleDesign,
    covering_radii,
    nearest_errors,
)
from subsetsum_nets.experiments.random_subset_sum.item_counts import (
    Served,
    error_slope,
    error_table,
    fitted_constant,
    least_items,
    served_table,
)

EXPERIMENT = "subsetsum_nets.experiments."


# -- exact binomial intervals --------------------------------------------------------------------------


@pytest.mark.parametrize(("successes", "trials"), [(0, 1), (1, 1), (0, 50), (3, 50), (49, 50), (500, 1000)])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_clopper_pearson_is_scipys(successes, trials, confidence):
    exact = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    assert clopper_pearson(successes, trials, confidence=confidence) == pytest.approx(
        (exact.low, exact.high), abs=1e-9
    )


@pytest.mark.parametrize("chance", [0.01, 0.2, 0.5, 0.93])
def test_clopper_pearson_covers_at_least_as_often_as_it_says(chance):
    trials = 30
    covered = sum(
        stats.binom.pmf(k, trials, chance)
        for k in range(trials + 1)
        if clopper_pearson(k, trials, confidence=0.9)[0]
        <= chance
        <= clopper_pearson(k, trials, confidence=0.9)[1]
    )
    assert covered >= 0.9


def test_intervals_refuse_bad_numbers():
    for successes, trials, confidence in ((2, 1, 0.9), (-1, 5, 0.9), (0, 0, 0.9), (1, 5, 1.0), (1, 5, 0.0)):
        with pytest.raises(ValueError, match=r"successes|trials|confidence"):
            clopper_pearson(successes, trials, confidence=confidence)
    assert np.isnan(resampled_interval(np.array([np.nan]))).all()


# -- samples -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("law", ["uniform", "normal", "product", "product-or-zero"])
def test_radii_are_those_of_covering_radius_rounded_up(law):
    design = SampleDesign.checked(law, [3, 11], 6, seed=4, low=-0.25, high=0.75)
    radii = covering_radii(design)
    for n in (3, 11):
        items, _ = design.draw(n, 0, 6)
        for row, radius in zip(items, radii[n], strict=True):
            exact = covering_radius(row, -0.25, 0.75).radius
            assert exact <= Fraction(radius)
            assert np.nextafter(radius, 0) < exact or exact == 0


def test_nearest_errors_are_those_of_solve():
    design = SampleDesign.checked("product", [6, 9], 5, seed=1)
    errors = nearest_errors(design)
    for n in (6, 9):
        items, targets = design.draw(n, 0, 5)
        for row, target, error in zip(items, targets, errors[n], strict=True):
            assert float(solve(SubsetSum(row, target)).error) == pytest.approx(error, rel=1e-15)
        assert ((targets >= -0.5) & (targets <= 0.5)).all()
    assert (errors[6] <= covering_radii(design)[6]).all()


def test_a_sample_depends_on_seed_n_and_its_number_only(monkeypatch):
    few = covering_radii(SampleDesign.checked("uniform", [8], 5, seed=2))
    monkeypatch.setattr(covering_samples, "_MOST_CHUNK", 3)
    many = covering_radii(SampleDesign.checked("uniform", [4, 8], 20, seed=2))
    assert (many[8][:5] == few[8]).all()
    other = covering_radii(SampleDesign.checked("uniform", [8], 5, seed=3))
    assert (other[8] != few[8]).all()


def test_processes_change_nothing():
    design = SampleDesign.checked("uniform", [6, 7], 8, seed=0)
    alone, together = (covering_radii(design, processes=p) for p in (1, 2))
    assert all((alone[n] == together[n]).all() for n in (6, 7))


def test_interrupted_runs_resume_and_grow(tmp_path, monkeypatch):
    monkeypatch.setattr(covering_samples, "_MOST_CHUNK", 4)
    calls = []
    true = covering_samples.covering_radius

    def counted(*arguments):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return true(*arguments)

    monkeypatch.setattr(covering_samples, "covering_radius", counted)
    design = SampleDesign.checked("uniform", [5], 20, seed=0)
    with pytest.raises(KeyboardInterrupt):
        covering_radii(design, folder=tmp_path)
    seen = []
    resumed = covering_radii(design, folder=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert len(calls) == 10 + 20 - 8  # two chunks of four were kept
    assert seen[-1] == (20, 20)
    assert (resumed[5] == covering_radii(design)[5]).all()
    before = len(calls)
    more = covering_radii(SampleDesign.checked("uniform", [5], 28, seed=0), folder=tmp_path)
    assert len(calls) == before + 8
    assert (more[5][:20] == resumed[5]).all()


def test_damaged_chunks_are_computed_again_and_foreign_ones_refused(tmp_path):
    design = SampleDesign.checked("uniform", [5], 6, seed=0)
    first = covering_radii(design, folder=tmp_path)
    [shard] = tmp_path.glob("covering-5/*.shard")
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(bytes(content))
    with pytest.warns(UserWarning, match="damaged"):
        again = covering_radii(design, folder=tmp_path)
    assert (again[5] == first[5]).all()
    for other in (
        SampleDesign.checked("uniform", [5], 6, seed=1),
        SampleDesign.checked("normal", [5], 6, seed=0),
        SampleDesign.checked("uniform", [5], 6, seed=0, high=1.0),
    ):
        with pytest.raises(InvalidProblemError, match="another problem"):
            covering_radii(other, folder=tmp_path)


def _halves(rng, size):
    return rng.uniform(-1, 1, size) / 2


def test_a_users_law_that_changed_behind_its_name_is_noticed(tmp_path):
    covering_radii(SampleDesign.checked(_halves, [5], 6, seed=0), folder=tmp_path)

    def changed(rng, size):
        return rng.uniform(-1, 1, size) / 3

    changed.__qualname__ = _halves.__qualname__
    with pytest.raises(InvalidProblemError, match="other rows"):
        covering_radii(SampleDesign.checked(changed, [5], 6, seed=0), folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"sizes": []}, "sizes"),
        ({"sizes": [0]}, "sizes"),
        ({"sizes": [41]}, "sizes"),
        ({"sizes": [3.5]}, "sizes"),
        ({"samples": 0}, "samples"),
        ({"seed": -1}, "seed"),
        ({"low": 1.0}, "low must be a number in"),
        ({"high": np.inf}, "high must be a number"),
        ({"law": "levy"}, "no law"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 1.0}, "delta"),
        ({"processes": 0}, "processes"),
        ({"epsilons": [0.1, -1]}, "epsilons"),
        ({"confidence": 1.5}, "confidence"),
    ],
)
def test_bad_numbers_are_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        run_random_subset_sum(**{"sizes": [3], "samples": 2, **change})


# -- what the samples say ----------------------------------------------------------------------------


def rows_of(shares, samples=1000):
    return [
        Served(n, 0.1, samples, round(share * samples), *clopper_pearson(round(share * samples), samples))
        for n, share in shares.items()
    ]


def test_least_items_with_both_ends():
    rows = rows_of({1: 0.2, 2: 0.89, 3: 0.905, 4: 0.94, 5: 0.999})
    found = least_items(rows, 0.1, 0.1)
    assert (found.estimate, found.low, found.high) == (3, 2, 4)
    assert least_items(rows, 0.1, 1e-4).estimate is None
    assert least_items(rows, 0.1, 1e-4).low == 5
    dip = least_items(rows_of({1: 0.95, 2: 0.5, 3: 0.95}), 0.1, 0.1)
    assert dip.estimate == 3
    with pytest.raises(ValueError, match="not measured"):
        least_items(rows, 0.2, 0.1)
    with pytest.raises(ValueError, match="delta"):
        least_items(rows, 0.1, 0)


def test_fitted_constant_is_that_of_a_law_which_has_one():
    # P(radius > e) = 2^(-n/C) for all e at once: the crossing at 2^-k is exactly n = C k.
    samples = 1 << 14
    radii = {}
    for n in range(1, 30):
        failed = round(samples * 2.0 ** (-n / 2.5))
        radii[n] = np.where(np.arange(samples) < failed, 1.0, 1e-9)
    fit = fitted_constant(radii)
    assert fit.value == pytest.approx(2.5, abs=0.02)
    assert fit.low < 2.5 < fit.high
    assert fit.high - fit.low < 0.2
    for k, n in fit.points:
        assert n == pytest.approx(2.5 * k, abs=0.25)
    assert [k for k, _ in fit.points] == list(range(2, 11))  # 2^14 / 10 samples resolve 2^-10
    assert fitted_constant(radii, seed=1).low != fit.low
    assert fitted_constant(radii).low == fit.low


def test_no_fit_where_n_do_not_reach():
    assert fitted_constant({n: np.ones(100) for n in (3, 4, 5)}) is None
    assert fitted_constant({3: np.zeros(100)}) is None


def test_served_counts_radii_at_epsilon_itself():
    [row] = served_table({4: np.array([0.25, np.nextafter(0.25, 1), 0.125])}, [0.25])
    assert row.served == 2


def test_slope_of_the_errors():
    rng = np.random.default_rng(0)
    errors = {n: 2.0**-n * rng.exponential(1, 4000) for n in range(4, 20)}
    fit = error_slope(errors)
    assert fit.low < fit.value < fit.high
    assert fit.value == pytest.approx(-1, abs=0.02)
    assert [n for n, _ in fit.points] == list(range(8, 20))
    assert error_slope({n: errors[n] for n in (4, 5)}) is None
    table = error_table(errors)
    assert [row.n for row in table] == list(range(4, 20))
    assert all(row.quantiles == tuple(sorted(row.quantiles)) for row in table)
    assert all(row.quantiles[-1] < row.largest for row in table)


# -- the whole experiment ----------------------------------------------------------------------------


@pytest.mark.slow
def test_experiment_agrees_with_theory_and_writes_it_down(tmp_path):
    found = run_random_subset_sum(
        "uniform",
        range(4, 13),
        120,
        epsilon=0.0625,
        delta=0.1,
        seed=5,
        folder=tmp_path,
        epsilons=[0.25, 0.125],
    )
    assert 8 <= found.least.estimate <= 11
    assert found.least.low <= found.least.estimate <= found.least.high
    assert 2.0 < found.constant.low < found.constant.value < found.constant.high < 2.8
    assert -1.05 < found.slope.value < -0.85
    for row in found.served:
        assert abs(row.estimate - found.predicted(row.n, row.epsilon)) < 0.17
    write_outputs(found, tmp_path, ["rssp", "--seed", "5"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"samples.csv", "served.csv", "nearest.csv", "summary.json", "provenance.json",
                     "random_subset_sum.png", "random_subset_sum.svg", "checkpoint"}  # fmt: skip
    with (tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 9 * 120
    assert all(
        float(r["covering_radius_at_most"]) == found.radii[int(r["n"])][int(r["sample"])] for r in rows
    )
    with (tmp_path / "served.csv").open(newline="") as file:
        served = list(csv.DictReader(file))
    assert [(int(r["n"]), float(r["epsilon"]), int(r["served"])) for r in served] == [
        (r.n, r.epsilon, r.served) for r in found.served
    ]
    provenance = json.loads((tmp_path / "provenance.json").read_text())
    assert provenance["parameters"]["seed"] == 5
    assert provenance["parameters"]["law"] == "uniform"
    assert provenance["command"] == ["rssp", "--seed", "5"]
    assert {"numpy", "scipy", "numba", "python", "subsetsum-nets"} <= set(provenance["versions"])
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(found.summary()))


@pytest.mark.slow
def test_same_seed_writes_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_outputs(run_random_subset_sum("product", [4, 9], 20, epsilon=0.1, delta=0.1), tmp_path / name)
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_users_law_has_no_prediction_and_one_size_no_fit(tmp_path):
    found = run_random_subset_sum(_halves, [6], 10, epsilon=0.1, delta=0.1)
    assert found.predicted(6, 0.1) is None
    assert found.constant is None
    assert found.slope is None
    write_outputs(found, tmp_path)
    assert (tmp_path / "random_subset_sum.svg").read_text().count("too few sizes") == 1


@pytest.mark.slow
def test_uniform_law_of_many_samples_is_the_predicted_one():
    found = run_random_subset_sum("uniform", range(4, 19), 400, epsilon=0.01, delta=0.01)
    assert 15 <= found.least.estimate <= 18
    assert found.constant.value == pytest.approx(2.37, abs=0.1)
    assert found.slope.value == pytest.approx(-0.946, abs=0.04)

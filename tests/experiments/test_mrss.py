"""The vector random subset-sum experiment: samples, exact counts beside moments, files, and the command."""

import csv
import json
import math
from itertools import combinations

import numpy as np
import pytest
from support.planting import plant
from typer.testing import CliRunner

from subsetsum_nets.cli import app
from subsetsum_nets.experiments.mrss import run_mrss, write_outputs
from subsetsum_nets.experiments.mrss.comparison import lemma_rows
from subsetsum_nets.experiments.mrss.samples import VectorDesign, nearest_errors, subset_sum_numbers
from subsetsum_nets.theory import subset_sum_number
from subsetsum_nets.theory.vector_laws import NSN, log_uniform, vector_law


def design(law="nsn", dimensions=(1, 2), kept=3, sizes=(5, 8), samples=12, coordinate=0.25, seed=0):
    return VectorDesign.checked(law, dimensions, kept, sizes, samples, coordinate, seed)


# -- laws and samples ---------------------------------------------------------------------------------


def test_vectors_share_their_scale_and_are_exact_multiples():
    drawn = NSN.draw(np.random.default_rng(0), 20_000, 4)
    assert np.array_equal(drawn * 2.0**48, np.rint(drawn * 2.0**48))
    assert np.mean(drawn**2) == pytest.approx(1, abs=0.1)
    squares = drawn**2
    # E[V^4] E[G^2]^2 = 3 for two coordinates of one vector, which would be 1 for independent ones.
    assert np.mean(squares[:, 0] * squares[:, 1]) == pytest.approx(3, abs=0.5)


def test_log_uniform_scales_have_as_many_of_every_magnitude():
    scales = log_uniform(4).scales(np.random.default_rng(1), 40_000)
    shares = np.histogram(-np.log2(abs(scales)), bins=4, range=(0, 4))[0] / 40_000
    assert shares == pytest.approx([0.25] * 4, abs=0.01)
    assert np.mean(scales > 0) == pytest.approx(0.5, abs=0.01)
    assert vector_law("log-uniform-4").name == "log-uniform-4"
    with pytest.raises(ValueError, match="no law of vectors 'cauchy'; there are: nsn"):
        vector_law("cauchy")
    with pytest.raises(ValueError, match="bits"):
        vector_law("log-uniform-99")


@pytest.mark.parametrize("law", ["nsn", "log-uniform-8"])
@pytest.mark.parametrize("d", [1, 2, 3])
def test_errors_and_counts_are_those_of_all_subsets(law, d):
    asked = design(law, (d,), 3, (7,), 5)
    errors, numbers = nearest_errors(asked, threads=1)[d, 7], subset_sum_numbers(asked, d, 7, 0.5)
    for vectors, error, number in zip(asked.draw(d, 7), errors, numbers, strict=True):
        misses = [abs(vectors[list(s)].sum(axis=0) - 0.25).max() for s in combinations(range(7), 3)]
        assert error == pytest.approx(min(misses), rel=1e-12)
        assert number == sum(miss <= 0.5 for miss in misses)


# -- the whole experiment -----------------------------------------------------------------------------


def agrees(samples=120):
    """Compare counts with moments, and shares with bounds; of fixed seeds, far enough inside."""
    found = run_mrss([1, 2], 3, [6, 9], samples, laws=["nsn"], epsilon=0.25, threads=1)
    for row in found.counts:
        assert abs(row.deviations) < 3.5
        assert row.second == pytest.approx(row.expected_second, rel=0.5)
        assert row.at_least - 0.1 < row.positive < row.at_most + 0.1
        assert row.accuracy < 1e-5
    return found


def test_counts_agree_with_the_moments_of_lemma_9():
    found = agrees()
    shares = {
        (one.dimension, row.n): row for one in found.existence for row in one.served if row.epsilon == 0.25
    }
    for row in found.counts:  # two ways to the same samples: nearest subsets, and counts
        assert shares[row.dimension, row.n].estimate == row.positive


@pytest.mark.slow
def test_files_hold_what_was_found(tmp_path):
    found = run_mrss([1, 2], [3, 2], [6, 9], 30, laws=["nsn"], epsilon=0.25, threads=1)
    write_outputs(found, tmp_path, ["mrss", "--seed", "0"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"samples.csv", "served.csv", "counts.csv", "least.csv", "lemmas.csv", "summary.json",
                     "provenance.json", "mrss.png", "mrss.svg"}  # fmt: skip
    with (tmp_path / "samples.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8 * 30
    errors = {(one.kept, one.dimension): one.errors for one in found.existence}
    assert all(
        float(r["error_at_most"])
        == errors[int(r["kept"]), int(r["dimension"])][int(r["n"])][int(r["sample"])]
        for r in rows
    )
    assert json.loads((tmp_path / "summary.json").read_text()) == json.loads(json.dumps(found.summary()))
    assert json.loads((tmp_path / "provenance.json").read_text())["parameters"]["kept"] == [3, 2]
    assert "k = 2, d = 1" in (tmp_path / "mrss.svg").read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        (subset_sum_number._log_hit, "weights + counts @ hits", "weights + hits.sum(axis=0)"),
        (subset_sum_number._log_both, "n * _log(_both(rule, math.exp(b)))", "_log(_both(rule, math.exp(b)))"),
        (subset_sum_number.moments, "math.comb(count - k, j)", "math.comb(count, j)"),
        (VectorDesign.draw, "self.law.draw(np.random.default_rng(one), n, dimension)",
         "self.law.draw(np.random.default_rng(one), n, 1) + np.zeros(dimension)"),
    ],
)  # fmt: skip
def test_mistakes_in_moments_and_samples_are_noticed(function, right, wrong, monkeypatch):
    plant(monkeypatch, function, right, wrong)
    with pytest.raises(AssertionError):
        agrees()


def test_several_sizes_of_subsets_see_the_same_vectors():
    found = run_mrss([1, 2], [3, 2], [6, 8], 10, laws=["nsn"], epsilon=0.5, threads=1)
    assert [(one.kept, one.dimension) for one in found.existence] == [(3, 1), (3, 2), (2, 1), (2, 2)]
    assert [(row.kept, row.dimension, row.n) for row in found.counts[4:6]] == [(2, 1, 6), (2, 1, 8)]
    alone = run_mrss([2], 2, [8], 10, laws=["nsn"], epsilon=0.5, threads=1)
    assert np.array_equal(found.existence[3].errors[8], alone.existence[0].errors[8])
    assert found.counts[7] == alone.counts[0]


def test_lemmas_are_judged():
    rows = {(row.lemma, row.dimension): row for row in lemma_rows((2, 9, 12), 0.1)}
    assert {place: row.verdict for place, row in rows.items()} == {
        (7, 2): "both hold",
        (7, 9): "both hold",
        (7, 12): "false as printed",
        (8, 2): "both hold",
    }


@pytest.mark.slow
def test_a_folder_is_gone_on_from(tmp_path):
    options = {"laws": ["log-uniform-8"], "threads": 1}
    first = run_mrss([2], 2, [4], 10, folder=tmp_path, **options)
    again = run_mrss([2], 2, [4], 10, folder=tmp_path, **options)
    assert np.array_equal(first.existence[0].errors[4], again.existence[0].errors[4])
    assert first.counts == first.least == []
    write_outputs(first, tmp_path)  # one n only, and no moments: nothing to draw lines through
    assert "E[T] = 1" not in (tmp_path / "mrss.svg").read_text()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"dimensions": [13]}, "dimensions"),
        ({"dimensions": []}, "dimension"),
        ({"kept": 0}, "kept"),
        ({"kept": []}, "kept"),
        ({"kept": [2, 4]}, "sizes"),
        ({"sizes": [3, 41]}, "sizes"),
        ({"sizes": [1]}, "sizes"),  # fewer than k
        ({"samples": 0}, "samples"),
        ({"laws": ["levy"]}, "no law of vectors 'levy'"),
        ({"laws": []}, "at least one law"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"delta": 1.0}, "delta"),
        ({"coordinate": math.nan}, "coordinate"),
        ({"epsilons": [-1.0]}, "epsilons"),
    ],
)
def test_bad_numbers_are_refused_by_name(change, named):
    with pytest.raises(ValueError, match=named):
        run_mrss(**{"dimensions": [1], "kept": 2, "sizes": [3], "samples": 2, **change})


# -- the command --------------------------------------------------------------------------------------


def run(*arguments):
    return CliRunner().invoke(app, ["mrss", *map(str, arguments)])


SMALL = (
    "--dimension",
    2,
    "--kept",
    2,
    "--vectors-from",
    4,
    "--vectors-to",
    8,
    "--samples",
    20,
    "--threads",
    1,
)


@pytest.mark.slow
def test_the_command_prints_and_writes(tmp_path):
    result = run(*SMALL, "--law", "nsn", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    for words in ("share of 20 samples", "E[T]^2/E[T^2]", "Corollary 19", "false as printed", "nsn"):
        assert words in result.stdout
    page = json.loads(run(*SMALL, "--law", "nsn", "--json").stdout)
    assert page == json.loads((tmp_path / "summary.json").read_text())
    assert page["sizes"] == [4, 6, 8]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--vectors-from", 9), "--vectors-to 8"),
        (("--vectors-step", 0), "--vectors-step"),
        (("--law", "levy"), "levy"),
        (("--kept", 5), "sizes"),
    ],
)
def test_bad_options_are_refused(arguments, named):
    result = run(*SMALL, *arguments)
    assert result.exit_code == 2
    assert named in result.output

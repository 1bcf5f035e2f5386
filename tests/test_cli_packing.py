"""Command packing as a user meets it: tables, JSON, resuming, bad input."""

import json

import pytest
from typer.testing import CliRunner

from subsetsum_nets.cli import app
from subsetsum_nets.experiments.packing import cells as packing_cells

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, ["packing", *(str(a) for a in arguments)])


def test_readable_view_has_the_width_beside_the_bounds(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    result = run("--dimension", 1, "--epsilon", 0.25, "--trials", 5, "--out", tmp_path)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].split()[:6] == ["epsilon", "width", "asked", "served", "unknown", "share"]
    assert "s = 9" in result.stdout
    assert "s > 0" in result.stdout
    assert "width 9: 10 of 20 served" in result.stderr
    for name in ("widths.csv", "epsilons.csv", "provenance.json", "packing.png", "packing.svg"):
        assert (tmp_path / name).exists()
        assert name in result.stdout


def test_json_is_one_object_and_a_second_run_computes_nothing(tmp_path, monkeypatch):
    arguments = (
        "--epsilon",
        0.5,
        "--epsilon",
        0.25,
        "--trials",
        3,
        "--width-to",
        2,
        "--out",
        tmp_path,
        "--json",
    )
    first = run(*arguments)
    assert first.exit_code == 0, first.output
    page = json.loads(first.stdout)
    assert [row["epsilon"] for row in page["epsilons"]] == [0.5, 0.25]
    assert len(page["widths"]) == 4
    assert page["question"]["seed"] == 0
    monkeypatch.setattr(packing_cells, "compute", lambda *_: pytest.fail("computed again"))
    assert json.loads(run(*arguments).stdout) == page


def test_two_dimensions():
    result = run("--dimension", 2, "--epsilon", 0.5, "--trials", 2, "--members", 2, "--width-to", 2, "--json")
    assert result.exit_code == 0, result.output
    page = json.loads(result.stdout)
    assert [row["asked"] for row in page["widths"]] == [4, 4]
    assert page["files"] == []


@pytest.mark.thinned
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--epsilon", 0],
        ["--epsilon", "nan"],
        ["--epsilon", 0.25, "--dimension", 4],
        ["--epsilon", 0.25, "--trials", 0],
        ["--epsilon", 0.25, "--kind", "magic"],
        ["--epsilon", 0.25, "--seed", -1],
        ["--epsilon", 0.01, "--dimension", 3],
    ],
    ids=str,
)
def test_bad_input_is_one_clear_line_and_exit_code_2(arguments):
    result = run(*arguments)
    assert result.exit_code == 2, result.output
    assert result.stderr.strip()
    assert "Traceback" not in result.output


def test_a_folder_that_is_a_file_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    assert run("--epsilon", 0.5, "--out", path).exit_code == 2
    assert path.read_text() == "mine"

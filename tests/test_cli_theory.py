"""Commands bounds, rssp and per-weight as a user meets them."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from subsetsum_nets.cli import app
from subsetsum_nets.networks import Dense, ReluNetwork, save_network
from subsetsum_nets.theory.network_sizes import pensia_2020, pensia_2020_lower

RUNNER = CliRunner()


def run(*arguments):
    return RUNNER.invoke(app, [str(a) for a in arguments])


def page_of(result):
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout.strip().splitlines()[-1])


def test_bounds_prints_every_theorem():
    result = run("bounds", "--width", 16, "--depth", 2, "--epsilon", 0.01, "--no-measure")
    assert result.exit_code == 0
    for words in (
        "Malach",
        "Orseau",
        "Pensia",
        "Diffenderfer",
        "Sreenivasan",
        "da Cunha",
        "≥ 46",
        "not measured",
    ):
        assert words in result.stdout
    assert f"{pensia_2020(16, 2, 0.01, 0.01).width:,}" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80


def test_bounds_in_json_and_in_files(tmp_path):
    page = page_of(
        run("bounds", "--width", 2, "--depth", 1, "--epsilon", 0.05, "--delta", 0.1, "--constant", "pensia=3",
            "--seed", 2, "--out", tmp_path, "--json")
    )  # fmt: skip
    assert page["requirements"]["pensia"]["width"] == pensia_2020(2, 1, 0.05, 0.1, constant=3).width
    assert page["requirements"]["lower"]["width"] == pensia_2020_lower(2, 0.05).width
    assert [m["epsilon"] for m in page["measured"]] == [0.5, 0.05, pytest.approx(0.005)]
    assert all(m["proven"] for m in page["measured"])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"requirements.csv", "measured.csv", "summary.json", "provenance.json",
                     "requirements.png", "requirements.svg", "requirements.pdf"}  # fmt: skip
    readable = run("bounds", "--width", 1, "--depth", 1, "--epsilon", 0.3)
    assert "pruned here" in readable.stdout


@pytest.mark.slow
def test_rssp_measures_and_writes(tmp_path):
    options = ("--items-from", 3, "--items-to", 11, "--samples", 90, "--epsilon", 0.125, "--delta", 0.1,
               "--processes", 1, "--seed", 1)  # fmt: skip
    page = page_of(run("rssp", *options, "--out", tmp_path, "--json"))
    assert page["sizes"] == list(range(3, 12))
    assert page["seed"] == 1
    assert page["least_items"]["estimate"] in (6, 7, 8, 9)
    assert page["constant"]["low"] < page["constant"]["value"] < page["constant"]["high"]
    assert json.loads((tmp_path / "summary.json").read_text()) == page
    readable = run("rssp", *options)
    assert readable.exit_code == 0
    assert "least n for (0.125, 0.1)" in readable.stdout


def test_rssp_takes_laws_by_name_and_from_modules():
    options = ("--items-from", 5, "--items-to", 5, "--samples", 5, "--interval", -1, 1, "--json")
    page = page_of(run("rssp", "--law", "product-or-zero", *options))
    assert (page["law"], page["low"], page["high"]) == ("product-or-zero", -1, 1)
    assert page["uniform_component"] == pytest.approx(0.1733, abs=1e-4)
    result = run("rssp", "--law", "math:no_such", *options)
    assert result.exit_code == 2
    assert "no_such" in result.stderr


def test_per_weight_measures_and_writes(tmp_path):
    path = tmp_path / "target.npz"
    save_network(ReluNetwork([Dense([[0.5, -0.25], [0.125, 0.3]]), Dense([[0.75, 0.1]])]), path)
    page = page_of(run("per-weight", path, "--items", 14, "--seed", 3, "--out", tmp_path / "out", "--json"))
    assert page["weights"] == 6
    assert page["coefficients"] == 84
    assert page["nearest"]["within_epsilon"] == page["sparsest"]["within_epsilon"] == 6
    assert (tmp_path / "out" / "per_weight.png").stat().st_size > 1000
    readable = run("per-weight", path, "--items", 14, "--seed", 3)
    assert readable.exit_code == 0
    assert f"{page['nearest']['kept']:,}" in readable.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("bounds", "--width", 0, "--depth", 1, "--epsilon", 0.1), "width"),
        (("bounds", "--width", 4, "--depth", 1, "--epsilon", 2), "epsilon"),
        (("bounds", "--width", 4, "--depth", 1, "--epsilon", 0.1, "--delta", 0), "delta"),
        (("bounds", "--width", 4, "--depth", 1, "--epsilon", 0.1, "--constant", "pensia"), "pensia=3"),
        (("bounds", "--width", 4, "--depth", 1, "--epsilon", 0.1, "--constant", "x=1"), "no theorem 'x'"),
        (("rssp", "--law", "levy"), "levy"),
        (("rssp", "--items-from", 5, "--items-to", 4), "items-to"),
        (("rssp", "--samples", 0), "samples"),
        (("rssp", "--items-to", 5, "--epsilon", 0), "epsilon"),
        (("per-weight", "nowhere.npz"), "nowhere.npz"),
        (("per-weight", "--items", 1), "items"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, named):
    for more in ((), ("--json",)):
        result = run(*arguments, *more)
        assert result.exit_code == 2
        assert named in result.stderr
        assert "Traceback" not in result.output


@pytest.mark.slow
def test_rssp_resumes_on_two_processes_from_the_command_line(tmp_path):
    command = [sys.executable, "-m", "subsetsum_nets", "rssp", "--items-from", "12", "--items-to", "13",
               "--samples", "40", "--processes", "2", "--out", str(tmp_path), "--json"]  # fmt: skip
    first, second = (subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(2))
    assert json.loads(first.stdout) == json.loads(second.stdout)

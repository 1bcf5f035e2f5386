"""The command line as a user meets it: readable and JSON output, exit codes, bad input."""

import errno
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from subsetsum_nets.cli import app
from subsetsum_nets.networks import Box, Dense, ReluNetwork, random_network, save_network, shipped_network
from subsetsum_nets.rounding import upper

RUNNER = CliRunner()


@pytest.fixture
def target(tmp_path):
    rng = np.random.default_rng(5)
    layers = [Dense(rng.uniform(-1, 1, (3, 2)), rng.uniform(-1, 1, 3)), Dense(rng.uniform(-1, 1, (2, 3)))]
    path = tmp_path / "target.safetensors"
    save_network(ReluNetwork(layers, domain=Box(-0.5, 1)), path)
    return path


def run(*arguments):
    return RUNNER.invoke(app, [str(a) for a in arguments])


def last_json(result):
    return json.loads(result.stdout.strip().splitlines()[-1])


def prune_into(folder, target, *more):
    return run("prune", target, "--out", folder, *more)


# -- prune -------------------------------------------------------------------------------------------


def test_default_run_prunes_the_shipped_digits_network_and_proves_it(tmp_path):
    result = run("prune", "--out", tmp_path / "ticket", "--json")
    assert result.exit_code == 0, result.output
    page = last_json(result)
    assert page["verified"]
    assert page["bound"] <= page["epsilon"] == 0.01
    assert 0 < page["attack"] <= page["bound"]
    assert page["weights"] == 2410
    assert page["kept_parameters"] < page["random_parameters"]
    assert page["domain"] == {"kind": "box", "low": 0.0, "high": 1.0}
    assert page["accuracy_before"] == page["accuracy_after"] > 0.97
    names = {path.name for path in (tmp_path / "ticket").iterdir()}
    assert {"masks.npz", "pruned.safetensors", "certificate.json", "report.html"} <= names


@pytest.mark.slow
def test_larger_shipped_network_is_proven_too(tmp_path):
    result = run("prune", shipped_network("digits-64-128-64-10"), "--out", tmp_path / "ticket", "--json")
    assert result.exit_code == 0, result.output
    page = last_json(result)
    assert page["verified"]
    assert page["weights"] == 17226
    assert page["accuracy_before"] == page["accuracy_after"] > 0.97
    assert run("verify", tmp_path / "ticket").exit_code == 0


def test_readable_view_has_every_number_a_reader_needs(tmp_path, target):
    result = prune_into(tmp_path / "out", target)
    assert result.exit_code == 0
    for words in (
        "random parameters",
        "kept parameters",
        "worst weight error",
        "proven bound",
        "attack lower bound",
        "verified",
    ):
        assert words in result.stdout
    certificate = json.loads((tmp_path / "out" / "certificate.json").read_text())
    assert upper(certificate["bound"], within=0.01) in result.stdout
    assert f"{certificate['counts']['kept_parameters']:,}" in result.stdout


def test_not_reaching_epsilon_is_exit_code_1_with_advice(tmp_path, target):
    result = prune_into(tmp_path / "out", target, "--candidates", 2, "--json")
    assert result.exit_code == 1
    page = last_json(result)
    assert not page["verified"]
    assert page["shortfall"]["rows"] > 0
    assert page["shortfall"]["enough_candidates"] > 2
    readable = prune_into(tmp_path / "out", target, "--candidates", 2)
    assert readable.exit_code == 1
    assert "candidates=" in readable.stdout
    assert "\nverified" not in readable.stdout


def test_domain_options(tmp_path, target):
    box = prune_into(tmp_path / "box", target, "--box", -2, 3, "--json")
    assert last_json(box)["domain"] == {"kind": "box", "low": -2.0, "high": 3.0}
    ball = prune_into(tmp_path / "ball", target, "--ball", 0.25, "--json")
    assert last_json(ball)["domain"] == {"kind": "ball", "radius": 0.25, "center": 0.0}
    assert prune_into(tmp_path / "both", target, "--box", 0, 1, "--ball", 1).exit_code == 2


def test_given_random_network_is_pruned_and_stored(tmp_path, target):
    into = random_network((2, 180, 3, 180, 2), bias=True, seed=3)
    save_network(into, tmp_path / "random.npz")
    result = prune_into(tmp_path / "out", target, "--into", tmp_path / "random.npz", "--json")
    assert result.exit_code == 0, result.output
    assert last_json(result)["seed"] is None
    assert (tmp_path / "out" / "random.safetensors").exists()
    assert run("verify", tmp_path / "out").exit_code == 0


def test_same_seed_writes_the_same_bytes(tmp_path, target):
    for name in ("a", "b"):
        assert prune_into(tmp_path / name, target, "--seed", 7).exit_code == 0
    for name in ("masks.npz", "pruned.safetensors", "certificate.json"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


BAD = {
    "a file that is no network": lambda d, t: [
        "prune",
        write(d / "x.safetensors", b"not a network"),
        "--out",
        d / "o",
    ],
    "a truncated network": lambda d, t: [
        "prune",
        write(d / "x.safetensors", t.read_bytes()[:-9]),
        "--out",
        d / "o",
    ],
    "a missing file": lambda d, t: ["prune", d / "nothing.npz", "--out", d / "o"],
    "an unknown suffix": lambda d, t: ["prune", write(d / "x.pickle", b""), "--out", d / "o"],
    "epsilon 0": lambda d, t: ["prune", t, "--epsilon", 0, "--out", d / "o"],
    "negative epsilon": lambda d, t: ["prune", t, "--epsilon", -1, "--out", d / "o"],
    "NaN epsilon": lambda d, t: ["prune", t, "--epsilon", "nan", "--out", d / "o"],
    "candidates 0": lambda d, t: ["prune", t, "--candidates", 0, "--out", d / "o"],
    "delta 1": lambda d, t: ["prune", t, "--delta", 1, "--out", d / "o"],
    "negative seed": lambda d, t: ["prune", t, "--seed", -1, "--out", d / "o"],
    "unknown construction": lambda d, t: ["prune", t, "--construction", "magic", "--out", d / "o"],
    "unknown allocation": lambda d, t: ["prune", t, "--allocation", "loose", "--out", d / "o"],
    "unknown objective": lambda d, t: ["prune", t, "--objective", "best", "--out", d / "o"],
    "an into of the wrong shape": lambda d, t: ["prune", t, "--into", t, "--out", d / "o"],
    "an output that is a file": lambda d, t: ["prune", t, "--out", write(d / "file", b"x")],
    "an output of other files": lambda d, t: [
        "prune",
        t,
        "--out",
        write(d / "full" / "mine.txt", b"x").parent,
    ],
    "a box upside down": lambda d, t: ["prune", t, "--box", 1, 0, "--out", d / "o"],
    "no folder to verify": lambda d, t: ["verify", d / "nowhere"],
    "a folder without certificate": lambda d, t: ["verify", d],
    "an unknown method": lambda d, t: ["verify", d, "--method", "magic"],
    "no instance": lambda d, t: ["solve", d / "nothing.json"],
    "a broken instance": lambda d, t: ["solve", write(d / "x.json", b"{")],
    "an unknown backend": lambda d, t: ["solve", instance(d / "x.json"), "--backend", "abacus"],
    "a NaN item": lambda d, t: ["solve", instance(d / "x.json", items=[float("nan")])],
    "within without tolerance": lambda d, t: ["solve", instance(d / "x.json"), "--objective", "within"],
    "an unknown option": lambda d, t: ["prune", "--frobnicate"],
}


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def instance(path, **changes):
    page = {"format": "subset-sum", "version": 1, "name": path.stem, "items": [3, 5, 9], "target": 8}
    path.write_text(json.dumps({**page, **changes}))
    return path


@pytest.mark.thinned
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line_and_exit_code_2(case, tmp_path, target):
    result = run(*BAD[case](tmp_path, target))
    assert result.exit_code == 2, (case, result.output)
    assert result.stderr.strip()
    assert "Traceback" not in result.output
    assert not (tmp_path / "o").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("weights", [[[float("nan"), 1.0]], [[float("inf"), 1.0]]])
def test_nan_and_infinite_weights_are_refused(tmp_path, weights):
    path = tmp_path / "bad.npz"
    save_network(ReluNetwork([Dense([[1.0, 1.0]])]), path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **{**arrays, "layers.0.weight": np.array(weights)})
    result = run("prune", path, "--out", tmp_path / "o", "--json")
    assert result.exit_code == 2
    assert "finite" in last_json(result)["error"]


def test_mismatched_layers_are_refused(tmp_path):
    path = tmp_path / "bad.npz"
    save_network(ReluNetwork([Dense(np.ones((3, 2))), Dense(np.ones((1, 3)))]), path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    np.savez(path, **{**arrays, "layers.1.weight": np.ones((1, 4))})
    result = run("prune", path, "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert "layer 1 takes 4" in result.stderr


def test_full_disk_leaves_the_earlier_result(tmp_path, target, monkeypatch):
    assert prune_into(tmp_path / "out", target).exit_code == 0
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    result = prune_into(tmp_path / "out", target, "--seed", 9)
    monkeypatch.undo()
    assert result.exit_code == 2
    assert "No space left" in result.stderr
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_module_runs_as_the_command():
    arguments = [sys.executable, "-m", "subsetsum_nets", "info", "--json"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    page = json.loads(done.stdout)
    assert page["threads"] == os.cpu_count()
    assert {"mitm", "cp-sat"} <= set(page["backends"])
    assert "digits-64-32-10" in page["networks"]


# -- solve -------------------------------------------------------------------------------------------


def test_solve_prints_one_json_line_an_instance(tmp_path):
    first = instance(tmp_path / "first.json", items=[3, "1/2", "0x1.8p+1"], target="7/2")
    second = instance(tmp_path / "second.json", items=[[1, 0], [0, 1]], target=[1, 1])
    result = run("solve", first, second, "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.strip().splitlines()]
    assert [line["name"] for line in lines] == ["first", "second"]
    assert lines[0]["error_exact"] == "0"
    assert lines[0]["subset"] in ([0, 1], [1, 2])
    assert lines[1] == {**lines[1], "status": "OPTIMAL", "proof": "EXACT", "gap": 0.0, "subset": [0, 1]}
    assert set(lines[0]) == {
        *("name", "status", "proof", "error", "error_exact", "lower_bound", "gap", "subset"),
        *("backend", "seconds", "stop", "message", "objective", "resolution", "size_bound", "solution"),
        *("lower_bound_exact", "gap_exact", "total_exact"),
    }
    assert {line["stop"] for line in lines} == {"PROVEN"}


def test_solve_says_why_it_stopped(tmp_path):
    hard = instance(
        tmp_path / "hard.json", items=[2**50 + 3**k for k in range(40)], target=2**54, tolerance=0
    )
    limits = ("--time-limit", 1e-6, "--backend", "mitm")
    assert "(the time limit was reached)" in " ".join(run("solve", hard, *limits).stdout.split())
    assert last_json(run("solve", hard, *limits, "--json"))["stop"] == "TIME_LIMIT"


def test_solve_says_infeasible_with_exit_code_1(tmp_path):
    result = run("solve", instance(tmp_path / "odd.json", items=[2, 4], target=5, tolerance=0.5))
    assert result.exit_code == 1
    assert "INFEASIBLE" in result.stdout
    assert "no subset meets the tolerance (proven)" in result.stdout


def test_solve_takes_folders_and_every_format(tmp_path):
    folder = tmp_path / "many"
    instance(write(folder / "a.json", b""))
    write(folder / "b.dat", b"2 3\n 1 2 3 4\n 0 1 1 1\n")
    write(folder / "b.opt.sol", b"1 0 1\n")
    write(folder / "c_w.txt", b"3\n4\n")
    write(folder / "c_c.txt", b"4\n")
    write(folder / "d.kp", b"\n2\n5\n\n2 2\n4 4\n")
    for arguments in ([folder], sorted(folder.iterdir())):  # a shell's * names the companions too
        result = run("solve", *arguments, "--json")
        assert result.exit_code == 0, result.output
        lines = [json.loads(line) for line in result.stdout.strip().splitlines()]
        assert [(line["name"], line["error"]) for line in lines] == [("a", 0), ("b", 0), ("c", 0), ("d", 1)]


@pytest.mark.parametrize("width", ["80", "120"])
def test_solve_table_has_every_column(tmp_path, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    result = run("solve", instance(tmp_path / "first.json"), instance(tmp_path / "second.json", target=10.25))
    heading, first, second = (line.split() for line in result.stdout.splitlines())
    assert heading == ["instance", "n", "d", "status", "error", "bound", "gap", "backend", "seconds"]
    assert first[:7] == ["first", "3", "1", "OPTIMAL", "0", "0", "0"]
    assert second[:7] == ["second", "3", "1", "OPTIMAL", "1.25", "1.25", "0"]


def test_solve_reads_everything_before_it_solves_anything(tmp_path):
    good = instance(tmp_path / "good.json")
    bad, worse = write(tmp_path / "bad.dat", b"2 5\n1\n"), tmp_path / "missing.json"
    result = run("solve", good, bad, worse, "--json")
    assert result.exit_code == 2
    assert last_json(result)["kind"] == "InvalidProblemError"
    assert len(result.stdout.strip().splitlines()) == 1
    for words in ("bad.dat line 2", "missing.json"):
        assert words in result.stderr


def test_solve_goes_on_after_an_instance_that_the_backend_cannot_take(tmp_path):
    limited = instance(tmp_path / "limited.json", tolerance=1)
    result = run("solve", instance(tmp_path / "plain.json"), limited, "--objective", "sparsest", "--json")
    assert result.exit_code == 2
    refusal, answer = (json.loads(line) for line in result.stdout.strip().splitlines())
    assert "plain" in refusal["error"]
    assert answer["name"] == "limited"


def test_solve_with_another_tolerance(tmp_path):
    path = instance(tmp_path / "x.json", target="8.3")
    assert run("solve", path, "--objective", "within", "--tolerance", "3/10").exit_code == 0
    assert run("solve", path, "--objective", "within", "--tolerance", "0.2").exit_code == 1
    for nonsense in ("-1", "nan", "1e9999", "much"):
        assert run("solve", path, "--tolerance", nonsense).exit_code == 2


def test_solve_passes_its_limits_on(tmp_path):
    path = instance(tmp_path / "x.json")
    limits = ["--memory-limit", 10**9, "--threads", 1, "--seed", 3, "--time-limit", 30]
    assert run("solve", path, *limits).exit_code == 0
    for option in ("--memory-limit", "--threads", "--time-limit"):
        assert run("solve", path, option, 0).exit_code == 2


def test_solve_warns_loudly_when_a_known_answer_is_refuted(tmp_path):
    wrong = instance(tmp_path / "wrong.json", known={"status": "OPTIMAL", "error": 1})
    result = run("solve", wrong, "--json")
    assert result.exit_code == 1
    assert last_json(result)["error"] == 0
    assert "WARNING: wrong" in result.stderr
    assert "below the known optimum 1" in result.stderr
    right = instance(tmp_path / "right.json", known={"status": "OPTIMAL", "error": 0})
    assert "WARNING" not in run("solve", right).stderr


def test_solve_writes_valid_json_past_the_largest_float(tmp_path):
    path = instance(tmp_path / "x.json", items=[1.5e308, 1.5e308], target=-1.5e308, cardinality=2)
    line = last_json(run("solve", path, "--json"))
    assert line["error"] is None
    assert int(line["error_exact"]) == 3 * int(1.5e308)


def test_info_reads_well():
    result = run("info")
    assert result.exit_code == 0
    for words in ("mitm", "cp-sat", "numpy", "relu-paper", "digits-64-128-64-10"):
        assert words in result.stdout


def test_what_a_solver_prints_itself_does_not_get_between_the_json_lines(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import os\n"
        "from subsetsum_nets.cli import app\n"
        "from solvers.backend.mip.highs import Highs\n"
        "answer = Highs.solve\n"
        "Highs.solve = lambda *a: os.write(1, b'chatter') and answer(*a)\n"
        "app()\n"
    )
    instance = tmp_path / "one.json"
    instance.write_text('{"format": "subset-sum", "version": 1, "items": [1, 2, 4], "target": 5}')
    command = [sys.executable, str(script), "solve", str(instance), "--backend", "highs", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout)["error"] == 0
    assert "chatter" in done.stderr

"""What a long call says of itself: stages, to a callback and the log; lines on a terminal, none in a pipe."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from subsetsum_nets import Box, Dense, ReluNetwork, prune, save_network, verify
from subsetsum_nets.cli import app
from subsetsum_nets.stage_lines import StageLines
from subsetsum_nets.stages import Stage, stage, stages_told_to

TARGET = ReluNetwork([Dense([[0.5, -0.25], [0.1, 0.3]]), Dense([[0.75, 0.5]])], domain=Box(0, 1))
OF_PRUNE = ["planning", "drawing", "solving", "masking", "verifying", "attack", "certifying"]


@pytest.mark.parametrize("construction", ["relu", "binary"])
def test_prune_tells_its_stages_and_their_times(construction):
    said, counted = [], []
    prune(TARGET, construction=construction, on_stage=said.append, progress=lambda *n: counted.append(n))
    begun = [each for each in said if each.seconds is None]
    ended = [each for each in said if each.seconds is not None]
    assert [each.name for each in begun] == [each.name for each in ended]
    assert list(dict.fromkeys(each.name for each in begun)) == OF_PRUNE
    assert all(each.seconds >= 0 for each in ended)
    assert counted[-1][0] == counted[-1][1]  # progress is told rows, as ever


def test_verify_tells_each_method_and_the_attack():
    said = []
    verify(TARGET, TARGET, on_stage=said.append, exact=True)
    details = {each.detail for each in said if each.name == "verifying"}
    assert {"differential", "zonotope"} <= details
    assert {"attack", "replaying"} <= {each.name for each in said}


def test_the_log_has_the_stages(caplog):
    with caplog.at_level(logging.INFO, logger="subsetsum_nets"):
        prune(TARGET)
    lines = [record.getMessage() for record in caplog.records if record.name == "subsetsum_nets"]
    assert any(line.startswith("solving: ") and line.endswith(" s") for line in lines)
    assert any(line.startswith("verifying (zonotope): ") for line in lines)


def test_what_cannot_be_called_is_refused_and_a_watcher_is_gone_after_an_error():
    with pytest.raises(TypeError, match="on_stage must be callable, got 3"):
        prune(TARGET, on_stage=3)
    with pytest.raises(TypeError, match="on_stage must be callable, got 'x'"):
        verify(TARGET, TARGET, on_stage="x")
    said = []

    def fail(each):
        said.append(each)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        verify(TARGET, TARGET, on_stage=fail)
    verify(TARGET, TARGET)
    assert len(said) == 1


def test_a_stage_that_fails_has_not_ended():
    said = []
    with pytest.raises(ValueError, match="no"), stages_told_to(said.append), stage("solving"):
        raise ValueError("no")
    assert said == [Stage("solving")]


def test_lines_add_up_what_has_one_name(monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with StageLines() as lines:
        for said in (
            Stage("planning"),
            Stage("planning", seconds=1.25),
            Stage("verifying", "norms"),
            Stage("verifying", "norms", 1.0),
            Stage("verifying", "zonotope"),
            Stage("verifying", "zonotope", 2.0),
        ):
            lines.see(said)
    shown = sys.stderr.getvalue().splitlines()
    assert [line.split() for line in shown] == [
        ["planning", "1.2", "s"],
        ["verifying", "3.0", "s", "(zonotope", "2.0", "s)"],
    ]


def test_a_pipe_gets_no_lines(tmp_path):
    save_network(TARGET, tmp_path / "f.npz")
    done = CliRunner().invoke(app, ["prune", str(tmp_path / "f.npz"), "--out", str(tmp_path / "t")])
    assert (done.exit_code, done.stderr) == (0, "")
    done = CliRunner().invoke(app, ["verify", str(tmp_path / "t")])
    assert (done.exit_code, done.stderr) == (0, "")


def on_a_terminal(*command):
    """Return what a command writes to a terminal of 80 columns."""
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "NO_COLOR": "1"}
    with subprocess.Popen(command, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        while True:
            try:
                read = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            text += read
    os.close(ours)
    return process.returncode, text.decode()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_a_terminal_gets_a_line_a_stage_and_the_bar(tmp_path):
    save_network(TARGET, tmp_path / "f.npz")
    files = [str(tmp_path / "f.npz"), "--out", str(tmp_path / "t")]
    code, text = on_a_terminal(sys.executable, "-m", "subsetsum_nets", "prune", *files)
    assert code == 0, text
    for name in [*OF_PRUNE, "writing"]:
        assert f"{name:<10}" in text
    assert "written to" in text
    code, text = on_a_terminal(
        sys.executable, "-m", "subsetsum_nets", "verify", str(tmp_path / "t"), "--time-limit", "2"
    )
    assert code == 0, text
    assert "verifying " in text
    assert "attack " in text
    code, text = on_a_terminal(
        sys.executable, "-m", "subsetsum_nets", "verify", str(tmp_path / "t"), "--json"
    )
    assert text.startswith("{")


COMPILES = """
import logging, sys
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
from solvers.kernels.first_use import compiling_told_to
with compiling_told_to(lambda text: print("told:", text)):
    import numpy as np
    from solvers.kernels.two_pointers import nearest_pair
    from solvers.kernels.half_sums import merge_with_item
    sums, masks = np.array([0]), np.array([0], np.uint32)
    merge_with_item(sums, masks, sums, masks, 3, 1)
    nearest_pair(sums, sums, 0, 1 << 40)
"""


@pytest.mark.slow
def test_compiling_is_announced_once_and_then_no_more(tmp_path):
    def run():
        environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
        command = [sys.executable, "-c", COMPILES]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [line for line in done.stdout.splitlines() if "compiling kernels" in line]

    first = run()
    assert [line.partition(":")[0] for line in first] == ["solvers", "told"]
    assert run() == []
    assert any(Path(tmp_path).rglob("*.nbi"))

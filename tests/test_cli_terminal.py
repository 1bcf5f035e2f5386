"""The terminal: help and version, choices, pipes without folded lines, encodings that lack a character."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from subsetsum_nets import Dense, ReluNetwork, __version__, save_network
from subsetsum_nets.cli import app
from subsetsum_nets.cli.terminal import complain


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_help_and_version_are_where_everybody_looks():
    assert run("--version").stdout.strip() == f"subsetsum-nets {__version__}"
    assert run("-h").stdout == run("--help").stdout
    assert "Usage" in run("verify", "-h").stdout


@pytest.mark.parametrize(
    ("command", "option", "choices"),
    [
        ("prune", "--objective", ("nearest", "within", "sparsest")),
        ("verify", "--norm", ("l2", "linf", "l1")),
        ("verify", "--method", ("differential", "zonotope", "splitting")),
        ("solve", "--objective", ("nearest", "within", "sparsest")),
        ("solve", "--side", ("both", "below", "above")),
    ],
)
def test_a_choice_that_is_none_is_refused_with_the_choices(command, option, choices):
    result = run(command, "somewhere", option, "nearst")
    assert result.exit_code == 2
    message = " ".join(result.stderr.replace("│", " ").split())
    for choice in choices:
        assert repr(choice) in message


def test_lines_in_a_pipe_are_not_folded(tmp_path):
    name = f"{'a_long_name_' * 15}.npz"
    save_network(ReluNetwork([Dense([[1.0]])]), tmp_path / name)
    shown = run("info", tmp_path / name).stdout
    assert str(tmp_path / name) in shown
    shown = run("verify", tmp_path / name, tmp_path / name).stdout
    assert f"{name} and {name}" in shown


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_an_encoding_without_a_character_gets_ascii_and_no_traceback(tmp_path, encoding):
    save_network(ReluNetwork([Dense([[1.0]])]), tmp_path / "\u2265.npz")
    command = [sys.executable, "-m", "subsetsum_nets", "info", str(tmp_path / "\u2265.npz")]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    shown = "\u2265" if encoding == "utf-8" else ">="
    assert f"{shown}.npz" in done.stdout.decode(encoding)


@pytest.mark.parametrize("no_color", ["1", None])
def test_no_color_takes_the_red_of_errors_too(monkeypatch, no_color):
    colours = []
    if no_color is None:
        monkeypatch.delenv("NO_COLOR", raising=False)
    else:
        monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr("typer.secho", lambda *_, fg=None, **__: colours.append(fg))
    complain("wrong", ValueError(), as_json=False)
    assert colours == [None if no_color else "red"]

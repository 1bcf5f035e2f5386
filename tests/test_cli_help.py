"""What --help shows at 80 columns, in which order, and what the shells complete."""

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import get_args

import pytest
from support.snapshots import UPDATE, check_snapshot, stored
from typer.testing import CliRunner

from subsetsum_nets.choices import AllocationName, ScaleName
from subsetsum_nets.cli import app
from subsetsum_nets.constructions import construction_names
from subsetsum_nets.verification.methods.table import METHODS

COMMANDS = [command.name or command.callback.__name__ for command in app.registered_commands]
NAME = "help_at_80_columns.txt"
DRAWN_BY = f"drawn by typer {version('typer')}, rich {version('rich')}"


def help_of(*command, columns=80):
    plain = {
        "COLUMNS": str(columns),
        "NO_COLOR": "1",
        "TERM": "dumb",
        "FORCE_COLOR": None,
        "GITHUB_ACTIONS": None,
    }
    shown = CliRunner().invoke(app, [*command, "--help"], prog_name="subsetsum-nets", env=plain)
    assert shown.exit_code == 0
    text = re.sub(r"\x1b\[[0-9;]*m", "", shown.stdout)
    return [line.rstrip() for line in text.splitlines()]


@pytest.fixture(scope="module")
def helps():
    return {" ".join(words): help_of(*words) for words in [(), *map(str.split, COMMANDS), *below()]}


def below():
    """Yield the words of commands that stand below another."""
    for group in app.registered_groups:
        yield (group.name,)
        for command in group.typer_instance.registered_commands:
            yield group.name, command.name or command.callback.__name__


def test_help_fits_80_columns_and_cuts_nothing_off(helps):
    for name, lines in helps.items():
        assert max(map(len, lines)) <= 80, name
        assert "\N{HORIZONTAL ELLIPSIS}" not in "".join(lines), name


def test_help_is_the_one_that_was_looked_at(helps):
    if not os.environ.get(UPDATE) and stored(NAME)[0] != DRAWN_BY:
        pytest.skip(f"the stored help is {stored(NAME)[0]}; this one {DRAWN_BY}")
    lines = [DRAWN_BY]
    for name, text in helps.items():
        lines += ["", f"$ subsetsum-nets {name} --help".replace("  ", " "), *text]
    check_snapshot(NAME, lines, "the command line shows something else than before: say it in CHANGELOG.md")


def test_what_is_used_most_comes_first_and_every_command_has_a_job(helps):
    text = "\n".join(helps[""])
    assert COMMANDS[:3] == ["prune", "verify", "solve"]
    panels = {each.rich_help_panel for each in (*app.registered_commands, *app.registered_groups)}
    assert all(isinstance(panel, str) and panel in text for panel in panels)
    assert [text.index(f"\u2502 {name} ") for name in COMMANDS] == sorted(
        text.index(f"\u2502 {name} ") for name in COMMANDS
    )


@pytest.mark.parametrize(
    ("command", "choices"),
    [
        ("prune", construction_names()),
        ("prune", list(get_args(AllocationName))),
        ("prune", list(get_args(ScaleName))),
        ("verify", ["auto", *METHODS]),
        ("verify", ["l2", "linf", "l1"]),
        ("packing", ["lattice", "greedy"]),
        ("solve", ["both", "below", "above"]),
    ],
)
def test_help_lists_the_choices(command, choices):
    assert f"<{'|'.join(choices)}>" in "".join(help_of(command, columns=250))


COMPLETED = [
    (["p"], {"prune", "packing", "per-weight"}),
    (["ver"], {"verify"}),
    (["prune", "--constr"], {"--construction"}),
    (["prune", "--construction", "relu"], {"relu", "relu-paper"}),
    (["verify", "a", "--method", "z"], {"zonotope"}),
    (["solve", "a", "--objective", ""], {"nearest", "within", "sparsest"}),
]
ASKED = "_SUBSETSUM_NETS_COMPLETE"


@pytest.fixture
def answer(monkeypatch, capsys):
    """Return a function that gives what the program prints where a shell asks it by its environment."""

    def answered(**asked):
        with monkeypatch.context() as shell:
            for name, value in asked.items():
                shell.setenv(name, value)
            with pytest.raises(SystemExit):
                app([], prog_name="subsetsum-nets")
        return capsys.readouterr().out

    return answered


@pytest.mark.parametrize(("words", "expected"), COMPLETED, ids=[" ".join(words) for words, _ in COMPLETED])
def test_bash_and_zsh_are_told_what_can_follow(answer, words, expected):
    line = " ".join(["subsetsum-nets", *words])
    bash = answer(**{ASKED: "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(words))})
    assert set(bash.split()) == expected
    zsh = answer(**{ASKED: "complete_zsh", "_TYPER_COMPLETE_ARGS": line})
    assert set(re.findall(r'^(?:.*\(\()?"([^"]*)"', zsh, re.MULTILINE)) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_script_of_a_shell_is_shown(answer, shell):
    shown = answer(**{ASKED: f"source_{shell}"})
    assert f"{ASKED}=complete_{shell}" in shown
    assert "subsetsum-nets" in shown.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_itself_completes(answer, tmp_path):
    command = tmp_path / "subsetsum-nets"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m subsetsum_nets "$@"\n')
    command.chmod(0o755)
    script = answer(**{ASKED: "source_bash"})
    asks = """
COMP_WORDS=(subsetsum-nets prune --construction b) COMP_CWORD=3
_subsetsum_nets_completion subsetsum-nets
echo "${COMPREPLY[@]}"
"""
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", script + asks], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.stdout.strip(), done.stderr) == ("binary", "")

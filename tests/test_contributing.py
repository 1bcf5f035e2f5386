"""The way in for newcomers: what CONTRIBUTING.md, noxfile.py and pre-commit name is there and can be run."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text()
SESSIONS = {"check", "test", "slow", "docs", "bench", "lowest", "newest"}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture(scope="module")
def noxfile():
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "")  # the module puts the environment's own tools first
        spec.loader.exec_module(module)
        yield module


class Recorder:
    """Stands in for a nox session: what it would run."""

    def __init__(self, *posargs):
        self.posargs, self.commands, self.installed = list(posargs), [], []

    def run(self, *command):
        self.commands.append(command)

    def install(self, *what):
        self.installed += what


def commands_of(noxfile, name, *posargs):
    session = Recorder(*posargs)
    getattr(noxfile, name)(session)
    return session.commands


def unreal(command, path=None):
    """Say what about a command is not there: the program, or a file or test that it names; None if all is."""
    program, *words = command
    in_extras = any(re.match(rf"{program}\b", need) for needs in EXTRAS.values() for need in needs)
    if not (shutil.which(program, path=path) or in_extras):
        return f"there is no program {program}"
    for word in words:
        file, _, test = word.partition("::")
        if re.fullmatch(r"[\w/.]+\.py|tests/\w+", file) and not (ROOT / file).exists():
            return f"there is no file {file}"
        if test and f"def {test}(" not in (ROOT / file).read_text():
            return f"there is no test {word}"
    return None


def test_nox_lists_the_sessions():
    done = subprocess.run(
        [sys.executable, "-m", "nox", "--list"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(re.findall(r"^[*-] (\w+) ->", done.stdout, re.MULTILINE)) == SESSIONS
    assert re.search(r"^\* check ->", done.stdout, re.MULTILINE), "plain `nox` runs the fast gate"


@pytest.mark.parametrize("name", sorted(SESSIONS))
def test_sessions_run_what_there_is(noxfile, name):
    import os

    commands = commands_of(noxfile, name)
    assert commands
    assert [what for command in commands if (what := unreal(command, os.environ["PATH"]))] == []


@pytest.mark.parametrize(
    "command",
    [
        ("rufff", "check"),
        ("python", "benchmarks/no_such.py"),
        ("pytest", "tests/no_such_room"),
        ("pytest", "tests/test_house.py::test_no_such"),
    ],
)
def test_what_is_not_there_is_noticed(command):
    assert unreal(command)


def test_the_fast_gate_is_style_types_imports_and_tests_of_every_room(noxfile):
    *static, tests = commands_of(noxfile, "check")
    assert static == [
        ("ruff", "check", "."),
        ("ruff", "format", "--check", "."),
        ("mypy",),
        ("lint-imports",),
    ]
    rooms = {path.parent.name for path in (ROOT / "tests").glob("*/test_*.py")} - {"support"}
    assert rooms <= {word.split("/")[1] for word in tests if word.startswith("tests/")}


def test_words_for_the_tool_are_handed_on(noxfile):
    assert commands_of(noxfile, "test", "tests/graphs") == [("pytest", "tests/graphs")]
    assert commands_of(noxfile, "slow", "-x") == [("pytest", "-m", "slow", "-x")]
    assert commands_of(noxfile, "check", "tests/graphs")[-1][-1] == "tests/graphs"


def test_lowest_takes_each_dependency_at_its_floor(noxfile, monkeypatch):
    monkeypatch.chdir(ROOT)
    needs = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    session = Recorder()
    noxfile.lowest(session)
    assert all(need.replace(">=", "==") in session.installed for need in needs)
    assert "." in session.installed
    assert not any(">" in what for what in session.installed)


def hooks():
    page = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    return [(repo, hook) for repo in page["repos"] for hook in repo["hooks"]]


def test_hooks_need_no_network_and_name_what_there_is():
    assert {hook["id"] for _, hook in hooks()} >= {"ruff-check", "ruff-format", "lint-imports", "check"}
    for repo, hook in hooks():
        assert repo["repo"] == "local"
        assert hook["language"] == "system"
        assert {"id", "name", "entry", "language"} <= set(hook)
        program, *words = hook["entry"].split()
        assert shutil.which(program, path=Path(sys.executable).parent), program
        if program == "nox":
            assert set(words) - {"-s"} <= SESSIONS


# -- CONTRIBUTING.md ---------------------------------------------------------------------------------


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    assert len(links) >= 5
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_sessions_that_it_names_are_there():
    named = re.findall(r"`nox -s ([a-z ]+?)(?: --.*?)?`", PAGE)
    assert {word for words in named for word in words.split()} == SESSIONS


def test_every_room_is_in_the_tables():
    rooms = {path.parent for path in (ROOT / "solvers").glob("*/__init__.py")}
    rooms |= {path.parent for path in (ROOT / "solvers/backend").glob("*/__init__.py")}
    rooms |= {path.parent for path in (ROOT / "subsetsum_nets").glob("*/__init__.py")}
    names = {str(room.relative_to(ROOT)).partition("/")[2] for room in rooms}
    assert {name for name in names if f"`{name}/`" not in PAGE} - {"backend"} == set()


def test_set_up_is_one_command_and_its_extra_has_the_tools():
    (command,) = re.findall(r"```sh\n(.+)\n```", PAGE)
    assert '".[dev]"' in command
    assert any("[docs,test]" in need for need in EXTRAS["dev"])
    assert {re.split(r"[>=;]", need)[0] for need in EXTRAS["test"]} >= {
        "nox",
        "ruff",
        "mypy",
        "import-linter",
    }

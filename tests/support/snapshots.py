"""Texts that a test compares with a stored file, and that are written anew on request."""

import os
from difflib import unified_diff
from pathlib import Path

FOLDER = Path(__file__).parent.parent / "snapshots"
UPDATE = "UPDATE_SNAPSHOTS"


def stored(name):
    """Return the lines of a stored text."""
    return (FOLDER / name).read_text(encoding="utf-8").splitlines()


def check_snapshot(name, lines, advice):
    """Fail with the difference and the advice unless the lines are those stored; store them if asked to."""
    if os.environ.get(UPDATE):
        (FOLDER / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = "\n".join(unified_diff(stored(name), lines, f"tests/snapshots/{name}", "now", lineterm="", n=1))
    assert not told, f"{told}\n\n{advice}; then run this test once with {UPDATE}=1 and look at the difference"

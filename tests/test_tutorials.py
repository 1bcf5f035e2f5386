"""The tutorials run as they stand: every Python block prints the text block below it."""

import contextlib
import io
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
TUTORIALS = ("tutorial_ticket.md", "tutorial_packing.md", "tutorial_cnn.md")
_BLOCK = re.compile(r"```(python|text)\n(.*?)```", re.DOTALL)


def blocks(name):
    """Return (code, shown output or None) in order."""
    found = _BLOCK.findall((DOCS / name).read_text())
    pairs = []
    for kind, body in found:
        if kind == "python":
            pairs.append([body, None])
        else:
            assert pairs, f"{name} shows output before any code"
            assert pairs[-1][1] is None, f"{name} shows two outputs of one block"
            pairs[-1][1] = body
    return pairs


@pytest.mark.slow
@pytest.mark.parametrize("name", TUTORIALS)
def test_tutorial_prints_what_it_shows(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    pairs = blocks(name)
    assert len(pairs) >= 4
    assert sum(shown is not None for _, shown in pairs) >= 3
    for code, shown in pairs:
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(compile(code, name, "exec"), namespace)  # noqa: S102 - our own tutorial
        assert output.getvalue() == (shown or ""), code


def test_ticket_takes_at_most_40_lines():
    code = "".join(code for code, _ in blocks("tutorial_ticket.md"))
    lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert 15 <= len(lines) <= 40

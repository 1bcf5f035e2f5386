"""What a page tells its reader to type, taken out of the page and run as the reader would run it.

A Python block belongs to the session of its page, and prints the text block that follows, if one does; one
with prompts is a doctest. What stands behind ``$`` is a command, and what follows is what it prints;
each line of a ``sh`` block is a command. Other blocks are data. ``<!-- not run: WHY -->`` above a block
says that it is not run, and why.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import solvers

ROOT = Path(__file__).parent.parent.parent
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("*/*.md"))
    if path.parts[-2] in (ROOT.name, "docs", "instances")
)
FENCE = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+?) -->\s*\n(?:<!--.*?-->\s*\n)?)?^```(?P<kind>\w*)\n(?P<body>.*?)^```",
    re.MULTILINE | re.DOTALL,
)
# What tests are run in is installed already.
INSTALLING = re.compile(
    r"(python3 -m venv \.venv && \.venv/bin/pip install (-e )?\S+|\. \.venv/bin/activate)( && |$)"
)
MARK = "---- ends with"
# What differs from run to run, from machine to machine, from terminal to terminal.
SETTLING = (
    (r"(\d\.\d{4})\d{6,}", r"\1"),
    (r"\d+(\.\d+)? s\b", "T s"),
    (r"\b\d+\.\d{3}$", "T"),
    (r"^real\b.*\n", ""),
    (r"[ \t]+", " "),
    (r" $", ""),
)


class Block(NamedTuple):
    """A fenced block: its line in the page, its kind, what it holds, and why it is not run, if it is not."""

    line: int
    kind: str
    body: str
    why: str | None

    @property
    def is_typed(self) -> bool:
        """Tell whether the block holds commands."""
        return self.kind == "sh" or bool(re.match(r"\$ ", self.body))


class Command(NamedTuple):
    """A command of the shell, and what the page shows that it prints."""

    line: str
    shown: str


def blocks(page):
    """Return the fenced blocks of a page, in order."""
    text = (ROOT / page).read_text()
    return [
        Block(text.count("\n", 0, found.start("body")), found["kind"], found["body"], found["why"])
        for found in FENCE.finditer(text)
    ]


def commands(block):
    """Return the commands of a block."""
    if block.kind == "sh":
        return [Command(line, "") for line in map(typed, block.body.splitlines()) if line]
    return [
        Command(typed(line), shown)
        for line, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block.body, re.MULTILINE)
    ]


def typed(line):
    """Return a command as it is typed where the package is installed already."""
    return INSTALLING.sub("", line).replace(".venv/bin/", "").strip()


def settled(text):
    """Return what is printed without what differs from run to run."""
    for pattern, instead in SETTLING:
        text = re.sub(pattern, instead, text, flags=re.MULTILINE)
    return text.strip()


def run_python(page, block, shown, names):
    """Run a block of Python in the session of its page; it must print what is shown, if anything is."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile("\n" * block.line + block.body, page, "exec"), names)  # noqa: S102 - our own page
    if shown is not None:
        assert settled(output.getvalue()) == settled(shown), f"{page}:{block.line}"


def run_doctest(page, block, names):
    """Run a block with Python's prompts in the session of its page."""
    test = doctest.DocTestParser().get_doctest(block.body, names, page, page, block.line)
    report = io.StringIO()
    runner = doctest.DocTestRunner()
    assert runner.run(test, out=report.write, clear_globs=False).failed == 0, report.getvalue()
    names.update(test.globs)


def run_typed(page, block, folder):
    """Run the commands of a block in one shell; each must print what is shown, or end well.

    What another block shows the output of is run there.
    """
    shown = {
        command.line
        for other in blocks(page)
        if other.is_typed
        for command in commands(other)
        if command.shown
    }
    wanted = [command for command in commands(block) if command.shown or command.line not in shown]
    kept = "last=$?; printf '\\n%s %s\\n' '" + MARK + "' $last; (exit $last)"
    done = subprocess.run(
        ["bash", "-c", "\n".join(f"{command.line}\n{kept}" for command in wanted)],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    printed = re.findall(rf"(.*?)\n{MARK} (\d+)\n", done.stdout, re.DOTALL)
    assert len(printed) == len(wanted), done.stderr
    for index, (command, (output, code)) in enumerate(zip(wanted, printed, strict=True)):
        place = f"{page}:{block.line}: {command.line}\n{output}{done.stderr}"
        if command.shown.strip():
            assert settled(output) == settled(command.shown), place
        elif not any("$?" in later.line for later in wanted[index + 1 : index + 2]):
            assert code == "0", place


def environment():
    """Return the environment of a reader: the programs and packages that the tests run in."""
    where = [str(Path(solvers.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join(filter(None, where)), "COLUMNS": "200"}

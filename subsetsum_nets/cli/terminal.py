"""What all commands share: how they print, and how they refuse bad input."""

from __future__ import annotations

import codecs
import io
import json
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from solvers.interrupts import heard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_Item = TypeVar("_Item")
_UNBROKEN = 10_000  # columns of a pipe or a file: no line is folded
_PLAIN = "subsetsum-nets"  # the name of the error handler
_ASCII = {"≥": ">=", "≤": "<=", "±": "+-", "∞": "inf", "−": "-", "ε": "epsilon", "δ": "delta", "×": "x"}


@contextmanager
def refusing_bad_input(as_json: bool, checkpoint: Path | None = None) -> Iterator[None]:
    """Turn the errors that users can cause into one line and exit code 2; leave bugs their traceback."""
    try:
        with heard():
            yield
    except (ValueError, OSError, NotImplementedError, ImportError, MemoryError) as error:
        complain(str(error) or type(error).__name__, error, as_json)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        hint = "" if checkpoint is None else f"; run the same command again to resume from {checkpoint}"
        typer.secho(f"interrupted{hint}", err=True)
        raise typer.Exit(130) from None


def complain(message: str, error: Exception, as_json: bool) -> None:
    """Say what is wrong on stderr and, for machines, as a JSON line on stdout."""
    if as_json:
        print(json.dumps({"error": message, "kind": type(error).__name__}), flush=True)  # noqa: T201
    alarm(f"error: {message}")


def alarm(message: str) -> None:
    """Print a line on stderr in red, unless the user wants no colours."""
    typer.secho(message, err=True, fg=None if os.environ.get("NO_COLOR") else typer.colors.RED)


@contextmanager
def solver_chatter_on_stderr() -> Iterator[None]:
    """Send what compiled solvers print past Python (HiGHS does, even when told not to) to stderr."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def console() -> Any:
    """Return a rich console: the terminal folds long lines, and in a pipe none is folded."""
    from rich.console import Console

    return Console(soft_wrap=True, width=None if sys.stdout.isatty() else _UNBROKEN)


def print_what_the_terminal_can() -> None:
    """Let stdout and stderr write ASCII for what their encoding does not have, where Python would stop."""
    codecs.register_error(_PLAIN, _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAIN)


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in text), error.end


@contextmanager
def counting(what: str, total: int | None, *, as_json: bool) -> Iterator[Callable[[int], object]]:
    """Give a function to tell how many are done, for a bar with the time left; on a terminal alone."""
    if as_json or total is None or total < 2 or not sys.stderr.isatty():
        yield lambda done: done
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)


def counted(items: Sequence[_Item], what: str, *, as_json: bool) -> Iterator[_Item]:
    """Yield the items, with a bar that counts them."""
    with counting(what, len(items), as_json=as_json) as tell:
        for number, item in enumerate(items):
            tell(number)
            yield item


def say_to_people(text: str) -> None:
    """Print a line on stderr where that is a terminal."""
    if sys.stderr.isatty():
        typer.echo(text, err=True)


def print_pairs(title: str, rows: list[tuple[str, Any]]) -> None:
    """Print a title and a line for each (name, value)."""
    from rich.table import Table
    from rich.text import Text

    style: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "pad_edge": False}
    table = Table(title=Text(title), show_header=False, box=None, **style)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(str(value)))
    console().print(table)


def print_found(found: Any, show: Callable[[Any], None], out: Path | None, as_json: bool) -> None:
    """Print what an experiment found, as JSON or as ``show`` does, and where its tables were written."""
    if as_json:
        print(json.dumps(found.summary()))  # noqa: T201
        return
    show(found)
    if out is not None:
        console().print(f"written to {out}", highlight=False, markup=False)


def open_table(
    title: str | None,
    headings: Sequence[str],
    left: Sequence[str] = (),
    *,
    no_wrap: bool = False,
    **style: Any,
) -> Any:
    """Return a rich table without lines; columns are set right, but for those whose headings are ``left``."""
    from rich.table import Table
    from rich.text import Text

    plain = None if title is None else Text(title)  # names of files may look like markup
    table = Table(title=plain, title_justify="left", title_style="bold", box=None, pad_edge=False, **style)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in left else "right", no_wrap=no_wrap)
    return table


def at_most(value: float | None, required: float | None = None) -> str:
    """Show an upper bound, rounded up; "-" for none."""
    from subsetsum_nets.rounding import upper

    return "-" if value is None else upper(value, within=required)


def at_least(value: float, required: float | None = None) -> str:
    """Show a lower bound, rounded down."""
    from subsetsum_nets.rounding import lower

    return lower(value, beyond=required)

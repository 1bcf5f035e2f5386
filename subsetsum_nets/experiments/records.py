"""What every experiment leaves behind: CSV tables, provenance.json, and a figure as PNG, SVG and PDF.

All files are written atomically. Numbers in the tables are written so that they read back exactly.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.pictures import NEEDED, can_draw, write_pictures
from subsetsum_nets.version import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from os import PathLike

    from matplotlib.figure import Figure

    Table = tuple[Sequence[str], Iterable[Sequence[Any]]]  # header and rows

_DPI = 110  # of PNG files: under 150 kB each


def write_record(
    folder: str | PathLike[str],
    experiment: str,
    command: Sequence[str] | None,
    *,
    tables: Mapping[str, Table],
    figure: str,
    draw: Callable[[], Figure],
    about: dict[str, Any],
    summary: dict[str, Any] | None = None,
    summary_file: str = "summary.json",
) -> list[Path]:
    """Write what an experiment found, into a folder that is made if it is not there; return the paths.

    ``experiment`` is its name, for people; ``command`` the command line, None for a call from Python. Tables,
    (header, rows), go by the names of their CSV files. ``draw`` makes the figure, within the style of the
    house, which is written as PNG, SVG and PDF. ``about``, JSON-able, is for provenance.json: all that the
    tables depend on, the seed included; ``summary`` is for ``summary_file``. OSError if something cannot be
    written; ImportError without matplotlib, when all but the figure is.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    pages = {name: _csv(*table) for name, table in tables.items()}
    if summary is not None:
        pages[summary_file] = _json(summary)
    pages["provenance.json"] = _json(_provenance(experiment, command, about))
    for name, text in pages.items():
        with atomic_write(place / name) as file:
            file.write(text.encode())
    if not can_draw():
        raise ImportError(f"{NEEDED}; all but the figure is written to {place}")
    pictures = [place / f"{figure}.{kind}" for kind in ("png", "svg", "pdf")]
    write_pictures(draw, *pictures, dpi=_DPI, salt=figure, settings={"axes.grid": True})
    return [*(place / name for name in pages), *pictures]


def table_of(kind: type[Any], rows: Iterable[Any]) -> Table:
    """Return dataclasses of one kind as a table with a column a field."""
    return [field.name for field in fields(kind)], map(astuple, rows)


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table as CSV; floats as the shortest text that reads back to the same, None as nothing."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _json(page: dict[str, Any]) -> str:
    return json.dumps(page, indent=1) + "\n"


def _provenance(experiment: str, command: Sequence[str] | None, about: dict[str, Any]) -> dict[str, Any]:
    """Return what was run, from which seed, with which versions."""
    return {
        "experiment": experiment,
        "command": None if command is None else list(command),
        **about,
        "versions": versions(),
    }

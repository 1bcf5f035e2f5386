"""What every experiment leaves behind: CSV tables, provenance.json, and a figure as PNG and SVG.

All files are written atomically. Numbers in the tables are written so that they read back exactly.
"""

from __future__ import annotations

import csv
import io
import json
import platform
from dataclasses import astuple, fields
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.pictures import write_pictures
from subsetsum_nets.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

PROVENANCE, SUMMARY = "provenance.json", "summary.json"
_DPI = 110  # of PNG files: under 150 kB each


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; floats as the shortest text that reads back to the same float, None as nothing."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def write_rows(path: Path, kind: type[Any], rows: Iterable[Any]) -> None:
    """Write dataclasses of one kind as a CSV file with a column a field."""
    write_table(path, [field.name for field in fields(kind)], map(astuple, rows))


def write_json(path: Path, page: dict[str, Any]) -> None:
    """Write a JSON file."""
    with atomic_write(path) as file:
        file.write((json.dumps(page, indent=1) + "\n").encode())


def write_provenance(folder: Path, experiment: str, command: Sequence[str] | None, **about: Any) -> None:
    """Write provenance.json: what was run, from which seed, with which versions.

    Parameters
    ----------
    folder : Path
    experiment : str
    command : sequence of str or None
        The command line; None for a call from Python.
    **about
        Everything that the tables depend on, the seed included; JSON-able.

    """
    page = {
        "experiment": experiment,
        "command": None if command is None else list(command),
        **about,
        "versions": {
            "subsetsum-nets": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in ("numpy", "scipy", "ortools", "numba")},
        },
    }
    write_json(folder / PROVENANCE, page)


def write_figure(folder: Path, name: str, draw: Callable[[], Figure]) -> None:
    """Write NAME.png and NAME.svg; ``draw`` is called within the style of the house."""
    paths = [folder / f"{name}.{kind}" for kind in ("png", "svg")]
    write_pictures(draw, *paths, dpi=_DPI, salt=name, settings={"axes.grid": True})

"""What every experiment leaves behind: CSV tables, provenance.json, and a figure as PNG and SVG.

All files are written atomically. Numbers in the tables are written so that they read back exactly.
"""

from __future__ import annotations

import csv
import io
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.version import versions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

PROVENANCE = "provenance.json"
INK, MUTED, GRID = "#1f2328", "#59636e", "#d3d9e0"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito
_WIDTH = 7.2  # inches
_DPI = 110  # of PNG files: under 150 kB each
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a CSV file; floats as the shortest text that reads back to the same float, None as nothing."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def write_provenance(
    folder: Path, experiment: str, parameters: dict[str, Any], command: Sequence[str] | None
) -> None:
    """Write provenance.json: what was run, from which seed, with which versions.

    Parameters
    ----------
    folder : Path
    experiment : str
    parameters : dict
        Everything that the tables depend on, the seed included; JSON-able.
    command : sequence of str or None
        The command line; None for a call from Python.

    """
    page = {
        "experiment": experiment,
        "command": None if command is None else list(command),
        "parameters": parameters,
        "versions": versions(),
    }
    with atomic_write(folder / PROVENANCE) as file:
        file.write((json.dumps(page, indent=1) + "\n").encode())


def write_figure(folder: Path, name: str, draw: Callable[[], Figure]) -> None:
    """Write NAME.png and NAME.svg; ``draw`` is called within the style of the house."""
    with _style(name):
        figure = draw()
        for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=kind, dpi=_DPI, metadata=metadata)
            with atomic_write(folder / f"{name}.{kind}") as file:
                file.write(buffer.getvalue())


def new_figure(height: float) -> Figure:
    """Return an empty figure of the house's width and a height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH, height), layout="constrained")


@contextmanager
def _style(salt: str) -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        settings: Any = mpl.rcParams
        settings.update({**_STYLE, "svg.hashsalt": salt})
        yield

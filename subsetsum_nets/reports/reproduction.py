"""The page of a reproduction: one self-contained HTML file, whose numbers come from the run's JSON alone."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.reports.page_svg import PALETTE, page_svg
from subsetsum_nets.reports.templates import environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    Pairs = Sequence[tuple[str, str]]
    Options = Sequence[tuple[object, ...]]  # of a command: names, each with its values
    Table = tuple[Sequence[str], Sequence[Sequence[str]]]  # headings, rows


@dataclass(frozen=True)
class ReproductionPage:
    """What the page says, in words and in numbers that are written out already."""

    title: str
    source: str
    word: str
    symbol: str
    tone: str
    """"good" or "open"."""
    claims: Sequence[str]
    asked: Pairs
    beside: Table
    notes: Sequence[str]
    captions: Mapping[str, str]
    """By the name of the figure."""
    tables: Sequence[tuple[str, Sequence[str], Sequence[Sequence[str]]]]
    command: str
    digests: Pairs


def write_reproduction(
    path: str | PathLike[str], page: ReproductionPage, figures: Sequence[tuple[str, str, Path]]
) -> None:
    """Write the page atomically; ``figures`` are names, titles and SVG files of the house's style.

    OSError if a figure cannot be read or the page cannot be written.
    """
    drawn = [(name, title, page_svg(svg.read_text(), name, title)) for name, title, svg in figures]
    template = environment().get_template("reproduction.html.jinja")
    text = template.render(page=page, figures=drawn, palette=PALETTE)
    with atomic_write(path) as file:
        file.write(text.encode())


def percent(share: float) -> str:
    """Return a share as a percentage of two digits.

    >>> percent(0.9719).split()
    ['97.19', '%']
    """
    return f"{100 * share:.2f}\N{NO-BREAK SPACE}%"


def about_the_data(page: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what a run's JSON says about its images, for the digests at the end of the page."""
    return [
        ("Data", page["data"]),
        ("Their source", page["source"]),
        ("Their licence", page["licence"]),
        ("SHA-256 of pixels and labels", page["data_digest"]),
    ]


def shell_command(experiment: str, options: Options) -> str:
    """Return the command that runs an experiment again, three options a line."""
    words = [f"--{name} {shlex.join(map(str, values))}" for name, *values in options]
    lines = [" ".join(words[first : first + 3]) for first in range(0, len(words), 3)]
    return " \\\n    ".join([f"subsetsum-nets reproduce {experiment} --out AGAIN", *lines])

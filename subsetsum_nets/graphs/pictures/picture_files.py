"""What all pictures of graphs share: colours of nodes and edges, sizes of text, files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.pictures import BLUE, INK, MUTED, ORANGE, check_can_draw, picture_style, write_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POSITIVE, NEGATIVE, ZERO, PRUNED = BLUE, ORANGE, INK, "#8b95a0"
INPUT, HIDDEN, OUTPUT, CONSTANT = "#f0e442", "#86d0b9", "#dfb0cc", "#dde2e8"

SUFFIXES = (".png", ".svg", ".pdf")
EXPORTS = (".graphml", ".json", ".dot", ".safetensors")
TITLE_SIZE, CAPTION_SIZE, SMALL_SIZE = 10.0, 8.0, 7.0  # points
MARGIN = 0.18  # inches around a drawing
_SALT = "subsetsum-nets"
_SETTINGS: dict[str, Any] = {
    "svg.fonttype": "path",  # places are chosen by the width of the text: it must not change with the font
    "text.parse_math": False,  # titles are shown as they are given
    "font.size": CAPTION_SIZE,
    "axes.labelsize": CAPTION_SIZE,
    "axes.spines.top": True,
    "axes.spines.right": True,
}


def checked_suffix(path: str | PathLike[str]) -> str:
    """Return the suffix of a picture's file.

    Raises
    ------
    ValueError
        For another suffix than .png, .svg and .pdf.
    ImportError
        If matplotlib is not installed.

    """
    place = Path(path)
    if place.suffix not in SUFFIXES:
        raise ValueError(
            f"a graph is drawn as {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}; {place.name!r} ends in "
            f"{place.suffix!r} (save() writes {', '.join(EXPORTS)})"
        )
    check_can_draw()
    return place.suffix


def write_picture(make: Callable[[], Figure], path: str | PathLike[str], dpi: float) -> None:
    """Draw a figure in the style of this module and write it, atomically, the same bytes every time.

    Raises
    ------
    ValueError
        For another suffix than .png, .svg and .pdf, or a resolution that is not in 20..1200 dots an inch.
    OSError
        If the file cannot be written.

    """
    checked_suffix(path)
    if not 20 <= dpi <= 1200:
        raise ValueError(f"dpi must be from 20 to 1200, got {dpi!r}")
    write_pictures(make, path, dpi=dpi, salt=_SALT, settings=_SETTINGS)


def graph_style() -> AbstractContextManager[None]:
    """Set matplotlib's style for the block to that of graphs, whatever the user's own settings are."""
    return picture_style(_SALT, _SETTINGS)


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Return the width of a line of text in inches."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    font = FontProperties(size=size, weight="bold" if bold else "normal")
    width, _, _ = TextToPath().get_text_width_height_descent(text, font, ismath=False)
    return float(width) / 72


def caption_width(lines: Sequence[str]) -> float:
    """Return the width in inches of a caption, whose first line is bold."""
    return max(text_width(line, CAPTION_SIZE, bold=not place) for place, line in enumerate(lines))


def draw_title(axes: Axes, title: str | None, top: float) -> None:
    """Write the title of a picture at the upper left of axes in inches, ``top`` high."""
    if title:
        look: Any = {"fontsize": TITLE_SIZE, "fontweight": "bold"}
        axes.text(MARGIN, top - MARGIN, title, ha="left", va="top", **look)


def draw_caption(axes: Axes, x: float, lowest: float, step: float, lines: Sequence[str]) -> None:
    """Write lines below one another, the first bold, the last at height ``lowest``."""
    for number, line in enumerate(lines):
        axes.text(
            x,
            lowest + step * (len(lines) - 1 - number),
            line,
            ha="center",
            va="baseline",
            fontsize=CAPTION_SIZE,
            fontweight="normal" if number else "bold",
            color=MUTED if number else INK,
        )


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure and one axes all over it without frame, whose coordinates are inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0.0, width)
    axes.set_ylim(0.0, height)
    axes.set_axis_off()
    return figure, axes


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return a number and its noun: ``"1 unit"``, ``"2,000 units"``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def share(part: int, whole: int) -> str:
    """Return a share in per cent that is 0 % and 100 % only where that is exact."""
    if part in (0, whole):
        return "0 %" if part == 0 else "100 %"
    per_cent = 100.0 * part / whole
    if per_cent < 0.01:
        return "< 0.01 %"
    if per_cent > 99.99:
        return "> 99.99 %"
    digits = 2 if per_cent < 0.1 or per_cent > 99.9 else 1
    return f"{per_cent:.{digits}f} %"

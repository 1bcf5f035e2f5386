"""The legend below a drawing: samples of lines and nodes with their names, in rows as wide as the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from subsetsum_nets.graphs.pictures import picture_files as style
from subsetsum_nets.pictures import INK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_SAMPLE, _GAP, _ROW = 0.32, 0.24, 0.19  # inches
_BELOW = 0.2


@dataclass(frozen=True)
class Entry:
    """A name and its sample: a line of a colour, dashed or not, or a mark filled with it."""

    text: str
    colour: str
    marker: str = ""
    dashed: bool = False
    edge: str = INK

    @property
    def width(self) -> float:
        """Inches from this entry to the next."""
        return _SAMPLE + style.text_width(self.text, style.CAPTION_SIZE) + _GAP


class Legend:
    """The entries in rows of at most ``width`` inches: as few as can be, and about equally long."""

    def __init__(self, entries: Sequence[Entry], width: float) -> None:
        fewest = _filled(entries, width)
        self.rows: list[list[Entry]] = fewest
        even = sum(entry.width for entry in entries) / max(1, len(fewest))
        while even < width:
            rows = _filled(entries, even)
            if len(rows) == len(fewest):
                self.rows = rows
                break
            even += 0.1

    @property
    def width(self) -> float:
        """The width of the longest row in inches."""
        return max((sum(entry.width for entry in row) - _GAP for row in self.rows), default=0.0)

    @property
    def height(self) -> float:
        """The height of all rows, with the margin below, in inches."""
        return _BELOW + _ROW * len(self.rows)

    def draw(self, axes: Axes, width: float) -> None:
        """Draw the rows at the bottom of axes in inches, in the middle of ``width``."""
        left = (width - self.width) / 2
        for number, row in enumerate(self.rows):
            x, y = left, _BELOW + _ROW * (len(self.rows) - number - 0.75)
            for entry in row:
                if entry.marker:
                    axes.plot(
                        [x + 0.13],
                        [y],
                        entry.marker,
                        markersize=7,
                        markerfacecolor=entry.colour,
                        markeredgecolor=entry.edge,
                        markeredgewidth=0.8,
                    )
                else:
                    dashes = (0, (4, 3)) if entry.dashed else "solid"
                    axes.plot(
                        [x, x + 0.26],
                        [y, y],
                        color=entry.colour,
                        linewidth=0.9 if entry.dashed else 1.8,
                        linestyle=dashes,
                        solid_capstyle="butt",
                    )
                axes.text(
                    x + _SAMPLE, y, entry.text, ha="left", va="center_baseline", fontsize=style.CAPTION_SIZE
                )
                x += entry.width


def _filled(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    rows: list[list[Entry]] = []
    for entry in entries:
        if rows and sum(other.width for other in rows[-1]) + entry.width - _GAP <= width:
            rows[-1].append(entry)
        else:
            rows.append([entry])
    return rows

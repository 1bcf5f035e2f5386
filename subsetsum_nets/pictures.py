"""One look for all pictures: colours, text, files of equal bytes for equal figures.

Graphs, experiments and reports draw with it. matplotlib, of the extra ``pictures``, is loaded only where
something is drawn.
"""

from __future__ import annotations

import io
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.files.atomic_files import atomic_write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from subsetsum_nets.networks.arrays import FloatArray

INK, PAPER, MUTED, FAINT, GRID = "#1f2328", "#ffffff", "#59636e", "#c3cad2", "#d3d9e0"
# Okabe and Ito's palette, told apart by people with any colour vision.
BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
COLOURS = (BLUE, ORANGE, GREEN, PINK, YELLOW, SKY)
WIDTH = 7.2  # inches, of a figure that stands in a page
_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",  # text stays text
    "pdf.fonttype": 42,  # there too, in its own font
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
}
NEEDED = "pictures need the package matplotlib: pip install 'subsetsum-nets[pictures]'"
_LEFT_OUT = {
    "png": ("Software",),
    "svg": ("Date", "Creator", "Format", "Type"),
    "pdf": ("CreationDate", "Creator", "Producer"),
}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def can_draw() -> bool:
    """Tell whether matplotlib is installed."""
    return find_spec("matplotlib") is not None


def check_can_draw() -> None:
    """Raise ImportError with the extra to install, if matplotlib is missing."""
    if not can_draw():
        raise ImportError(NEEDED)


@contextmanager
def picture_style(salt: str, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Set matplotlib's style for the block, whatever the user's own settings are.

    Parameters
    ----------
    salt : str
        Of the identifiers in SVG files, which are then the same every time.
    settings : mapping, optional
        What differs from the style of the house.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    """
    check_can_draw()
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        style: Any = mpl.rcParams
        style.update({**_STYLE, "svg.hashsalt": salt, **(settings or {})})
        yield


def picture_bytes(figure: Figure, kind: str, **options: Any) -> bytes:
    """Return a figure as a "png", "svg" or "pdf" file; to be called within the style that it was drawn in."""
    buffer = io.BytesIO()
    # Nothing of when and with what it was made: equal figures are equal files.
    figure.savefig(buffer, format=kind, metadata=dict.fromkeys(_LEFT_OUT[kind]), **options)
    return buffer.getvalue()


def write_pictures(
    make: Callable[[], Figure],
    *paths: str | PathLike[str],
    dpi: float,
    salt: str,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Draw a figure in the style of the house and write it atomically, the same bytes every time.

    Parameters
    ----------
    make : callable
        Draws it; called once, within the style.
    *paths : path
        Each ends in .png, .svg or .pdf.
    dpi : float
        Dots an inch of PNG files.
    salt, settings
        As for :func:`picture_style`.

    Raises
    ------
    OSError
        If a file cannot be written.
    ImportError
        If matplotlib is not installed.

    """
    with picture_style(salt, settings):
        figure = make()
        pages = [picture_bytes(figure, Path(path).suffix[1:], dpi=dpi) for path in paths]
    for path, page in zip(paths, pages, strict=True):
        with atomic_write(path) as file:
            file.write(page)


def new_figure(height: float) -> Figure:
    """Return an empty figure of the house's width and a height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), layout="constrained")


def draw_map(
    axes: Axes, cells: FloatArray, shape: tuple[int, int], *, largest: float, colours: Any
) -> AxesImage:
    """Draw numbers from 0 to ``largest`` as a map of a matrix, whose rows and columns are counted from 1."""
    rows, columns = shape
    for axis, count in ((axes.xaxis, columns), (axes.yaxis, rows)):
        axis.set_ticks([1] if count == 1 else [1, count] if count < 8 else [1, (count + 1) // 2, count])
    return axes.imshow(
        cells,
        cmap=colours,
        vmin=0.0,
        vmax=largest,
        aspect="auto",
        interpolation="none",
        extent=(0.5, columns + 0.5, rows + 0.5, 0.5),
    )


def power(base: int, exponent: int) -> str:
    """Write a power: 2⁻⁴.

    Examples
    --------
    >>> power(2, -4), power(10, 0)
    ('2⁻⁴', '1')

    """
    return f"{base}{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else "1"


def as_power_of_two(value: float) -> str:
    """Write a float as the power of two that it is, or else in short.

    Examples
    --------
    >>> as_power_of_two(0.0625), as_power_of_two(0.01)
    ('2⁻⁴', '0.01')

    """
    mantissa, exponent = value.hex().split("p")
    return power(2, int(exponent)) if mantissa == "0x1.0000000000000" else f"{value:g}"

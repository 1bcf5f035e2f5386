"""Maps of masks: where edges are kept, entry by entry or as the share kept in each cell of a grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.graphs.pictures import picture_files as style
from subsetsum_nets.pictures import PAPER, draw_map, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.graphs.dag.graph import Dag
    from subsetsum_nets.networks.arrays import FloatArray, Ints

MOST_CELLS = (128, 256)
"""The largest map, rows and columns; masks that fit are shown entry by entry."""
_MOST_MAPS = 8


def masks_figure(graph: Dag, *, title: str | None, layers: tuple[int, int]) -> Figure:
    """Draw a map for each pair of layers that edges join; of more than eight the first are drawn.

    Raises
    ------
    InvalidGraphError
        If there are no edges between these layers.

    """
    spans = [(a, b) for a, b in graph.blocks if layers[0] <= a and b <= layers[1]]
    if not spans:
        raise InvalidGraphError(
            f"no edges join layers {layers[0]} to {layers[1]}: there are no masks to draw"
        )
    shown = spans[:_MOST_MAPS]
    maps = [mask_density(graph.blocks[span]) for span in shown]
    heights = [min(max(5.6 * found.shape[0] / found.shape[1], 0.55), 3.2) for found in maps]
    lines = [] if title is None else [title]
    if len(shown) < len(spans):
        lines.append(f"the first {len(shown)} of {len(spans)} pairs of layers")
    heading = "\n".join(lines)
    height = sum(heights) + 0.75 * len(maps) + 0.25 * len(lines)
    figure = new_figure(height)
    if heading:
        figure.suptitle(heading, x=0.012, ha="left", fontsize=style.TITLE_SIZE, fontweight="bold")
    grid = figure.subplots(len(maps), 1, squeeze=False, gridspec_kw={"height_ratios": heights})[:, 0]
    for axes, span, found in zip(grid, shown, maps, strict=True):
        _draw_map(figure, axes, graph, span, found)
    return figure


def mask_density(block: EdgeBlock, most: tuple[int, int] = MOST_CELLS) -> FloatArray:
    """Return the share of kept edges in each cell of a grid over a block; NaN where a cell has no edge.

    Parameters
    ----------
    block : EdgeBlock
    most : (int, int)
        The largest grid. An axis that fits has a cell for every node; others have cells of nearly equal size.

    Returns
    -------
    float64, shape (min(rows, most[0]), min(columns, most[1]))

    Examples
    --------
    >>> from subsetsum_nets.graphs import EdgeBlock
    >>> kept = np.array([[True, True, False, False], [True, False, False, False]])
    >>> block = EdgeBlock.of(np.ones((2, 4)), kept)
    >>> mask_density(block, most=(2, 2))
    array([[1. , 0. ],
           [0.5, 0. ]])

    """
    rows, columns = (_cells(size, limit) for size, limit in zip(block.shape, most, strict=True))
    shape = (int(rows[-1]) + 1, int(columns[-1]) + 1)
    edges, kept = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    if block.pattern is None:
        edges += np.outer(np.bincount(rows), np.bincount(columns))
        if block.kept is None:
            kept += edges
        else:
            starts = np.searchsorted(columns, np.arange(shape[1]))
            for start, stop in block.row_ranges():
                counts = np.add.reduceat(block.kept[start:stop].astype(np.int64), starts, axis=1)
                np.add.at(kept, rows[start:stop], counts)
    else:
        for chunk in block.chunks():
            cell = rows[chunk.rows] * shape[1] + columns[chunk.columns]
            edges += np.bincount(cell, minlength=edges.size).reshape(shape)
            kept += np.bincount(cell[chunk.kept], minlength=edges.size).reshape(shape)
    density: FloatArray = np.divide(kept, edges, out=np.full(shape, np.nan), where=edges > 0)
    return density


def _cells(size: int, most: int) -> Ints:
    """Return the cell that each position belongs to."""
    numbers = np.arange(size, dtype=np.int64)
    return numbers if size <= most else numbers * most // size


def _draw_map(figure: Figure, axes: Axes, graph: Dag, span: tuple[int, int], found: FloatArray) -> None:
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    block = graph.blocks[span]
    rows, columns = block.shape
    cividis = mpl.colormaps["cividis"]
    entries = bool(np.isin(found[~np.isnan(found)], (0.0, 1.0)).all())
    largest = 1.0 if entries else float(np.nanmax(found))
    colours = ListedColormap([cividis(0.0), cividis(1.0)]) if entries else cividis
    colours = colours.with_extremes(bad=PAPER)
    picture = draw_map(axes, found, block.shape, largest=largest, colours=colours)
    first, last = (_name(graph, number) for number in span)
    kept = f"{block.kept_edges:,} of {style.counted(block.edges, 'edge')} kept"
    title = f"{first} to {last}: {rows:,} × {columns:,}, {kept}"
    axes.set_title(title, loc="left", fontsize=style.CAPTION_SIZE, fontweight="bold")
    axes.set_xlabel(first)
    axes.set_ylabel(last)
    bar = figure.colorbar(picture, ax=axes, fraction=0.03, pad=0.015, aspect=12)
    outline: Any = bar.outline
    outline.set_visible(False)
    if entries:
        bar.set_ticks([0.25, 0.75], labels=["pruned", "kept"])
        bar.ax.tick_params(length=0)
    else:
        ticks = [0.0, largest / 2, largest]
        bar.set_ticks(ticks, labels=[f"{100 * tick:.3g} %" for tick in ticks])


def _name(graph: Dag, number: int) -> str:
    return {"input": "inputs", "hidden": f"layer {number}", "output": "outputs"}[graph.kind(number)]

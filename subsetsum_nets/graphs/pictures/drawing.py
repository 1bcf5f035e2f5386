"""Pictures of graphs: which one suits a graph, and its file.

Small graphs are drawn node by node (:mod:`.layered_drawing`), large ones as a block for each layer
(:mod:`.summary_drawing`); masks as maps of densities (:mod:`.mask_maps`). matplotlib is loaded only there.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.graphs.pictures.layered_drawing import layered_figure
from subsetsum_nets.graphs.pictures.mask_maps import masks_figure
from subsetsum_nets.graphs.pictures.picture_files import checked_suffix, write_picture
from subsetsum_nets.graphs.pictures.summary_drawing import summary_figure

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.graphs.dag.graph import Dag

VIEWS = ("auto", "layered", "summary", "masks")
SMALL = (60, 1500, 16)
"""Most nodes of a layer, edges and layers behind the inputs for which "auto" draws every node and edge."""
_LARGEST = (400, 20_000, 60)  # what view="layered" still takes


def draw(
    graph: Dag,
    path: str | PathLike[str],
    *,
    title: str | None = None,
    view: str = "auto",
    layers: tuple[int, int] | None = None,
    pruned: bool = True,
    weights: bool | None = None,
    dpi: float = 150,
) -> str:
    """Draw a graph to a .png, .svg or .pdf file; the same graph gives the same bytes.

    Parameters
    ----------
    graph : Dag
    path : path
        Ends in .png, .svg or .pdf. The file is complete or not there at all.
    title : str, optional
    view : str
        "layered": every node and edge; kept edges by the sign of their weight, the others dashed, dead units
        faint. "summary": a block for each layer and the share of kept edges between them. "masks": maps of
        where edges are kept. "auto": layered for up to 60 nodes a layer and 1,500 edges, else summary.
    layers : (int, int), optional
        Draw only layers ``first`` to ``last`` and the edges between them; dead units are those of the whole.
    pruned : bool
        Whether edges that are not kept are drawn, in the layered view.
    weights : bool, optional
        Whether the layered view writes weights on edges. By default where there are few and all fit.
    dpi : float
        Dots an inch of a .png file.

    Returns
    -------
    str
        The view that was drawn: "layered", "summary" or "masks".

    Raises
    ------
    ValueError
        For another suffix or view, layers that the graph does not have, or a dpi outside 20..1200.
    InvalidGraphError
        For ``view="layered"`` of a graph too large to draw every edge, and masks of a graph without edges.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import random_network
    >>> dag = LayeredDag.from_network(random_network([2, 3, 1]))
    >>> draw(dag, tempfile.mkdtemp() + "/net.svg", title="2-3-1")
    'layered'

    """
    checked_suffix(path)
    if view not in VIEWS:
        raise ValueError(f"view must be one of {', '.join(VIEWS)}, got {view!r}")
    first, last = checked_layers(graph, layers)
    size = _size(graph, first, last)
    if view == "auto":
        view = "layered" if _within(size, SMALL) else "summary"
    if view == "layered":
        if not _within(size, _LARGEST):
            raise InvalidGraphError(
                f"{size[0]} nodes in a layer, {size[1]} edges and {size[2]} layers are too many to draw; "
                f"at most {', '.join(map(str, _LARGEST))} are: take view='summary', view='masks' or layers="
            )
        make = partial(layered_figure, pruned=pruned, weights=weights)
    else:
        make = partial(summary_figure if view == "summary" else masks_figure)
    write_picture(partial(make, graph, title=title, layers=(first, last)), path, dpi)
    return view


def checked_layers(graph: Dag, layers: tuple[int, int] | None) -> tuple[int, int]:
    """Return the first and the last layer to draw.

    Raises
    ------
    ValueError
        If the graph does not have them, or they are not at least two.

    """
    if layers is None:
        return 0, graph.depth
    first, last = layers
    if not 0 <= first < last <= graph.depth:
        raise ValueError(
            f"layers must be (first, last) with 0 <= first < last <= {graph.depth}, got {tuple(layers)!r}"
        )
    return first, last


def _size(graph: Dag, first: int, last: int) -> tuple[int, int, int]:
    edges = sum(block.edges for (a, b), block in graph.blocks.items() if first <= a and b <= last)
    return max(graph.widths[first : last + 1]), edges, last - first


def _within(size: tuple[int, int, int], limits: tuple[int, int, int]) -> bool:
    return all(number <= most for number, most in zip(size, limits, strict=True))

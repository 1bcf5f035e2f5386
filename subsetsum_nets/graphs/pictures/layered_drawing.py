"""The layered drawing of a small graph: every node, every edge, layers from left to right.

Everything is placed in inches, with the widths that text really has, so that nothing overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.analysis.reachability import live_units
from subsetsum_nets.graphs.pictures import picture_files as style
from subsetsum_nets.graphs.pictures.drawn_edges import CONSTANT, DrawnEdges, drawn_edges
from subsetsum_nets.graphs.pictures.picture_legend import Entry, Legend
from subsetsum_nets.pictures import FAINT, INK, PAPER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.graphs.dag.graph import Dag
    from subsetsum_nets.networks.arrays import FloatArray

    Area = tuple[float, float, float, float]

_LINE = 0.15  # inches, as everything here: from a line of a caption to the next
_ROOM_FOR_LABELS = 0.115  # the radius from which on labels stand inside their nodes
_MOST_WEIGHTS = 24  # so many edges have their weights written on them by default
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
_LOOKS = {
    "input": (style.INPUT, "input"),
    "relu": (style.HIDDEN, "ReLU unit"),
    "linear": (style.HIDDEN, "linear unit"),
    "output": (style.OUTPUT, "output"),
    "relu output": (style.OUTPUT, "ReLU output"),
    "constant": (style.CONSTANT, "constant 1 (biases)"),
}
_ROUND = ("input", "relu", "relu output")


@dataclass(frozen=True)
class Node:
    """A node where it is drawn; ``look`` is one of _LOOKS."""

    x: float
    y: float
    look: str
    faint: bool
    label: str


@dataclass
class Layout:
    """Where nodes stand: sizes first, then the nodes of each drawn layer.

    The constant that feeds the biases of a layer stands at the end of the column before.
    """

    radius: float
    side: float
    width: float
    height: float
    spacing: float
    columns: list[list[Node]] = field(default_factory=list)
    constants: dict[int, Node] = field(default_factory=dict)

    @property
    def nodes(self) -> list[Node]:
        """All nodes, constants too."""
        return [node for column in self.columns for node in column] + list(self.constants.values())


def layered_figure(
    graph: Dag,
    *,
    title: str | None,
    layers: tuple[int, int],
    pruned: bool = True,
    weights: bool | None = None,
) -> Figure:
    """Draw every node and edge of some layers of a graph, see :func:`.drawing.draw`.

    Biases are edges from a constant node in the layer before; a bias of 0 is not drawn.
    """
    live = live_units(graph)
    edges = drawn_edges(graph, layers, live, pruned=pruned)
    few = edges.kept.size <= _MOST_WEIGHTS and not edges.signs_only
    write = few if weights is None else weights
    captions = [_caption(graph, number, live) for number in range(layers[0], layers[1] + 1)]
    layout = _layout(graph, layers, edges, captions, with_weights=write)
    legend = Legend(_legend(graph, layers, edges, live), max(layout.width, 4.2) - 2 * style.MARGIN)
    width = max(layout.width, legend.width + 2 * style.MARGIN)
    if title:
        width = max(width, style.text_width(title, style.TITLE_SIZE, bold=True) + 2 * style.MARGIN)
    bottom = legend.height + style.MARGIN
    top = bottom + layout.height + _room_above(edges)
    height = top + 0.1 + _LINE * max(map(len, captions)) + (0.3 if title else 0.0) + style.MARGIN
    figure, axes = style.canvas(width, height)
    left = layout.side + (width - layout.width) / 2
    _place_nodes(graph, layers, live, edges, layout, left, bottom)
    lines = _edge_lines(edges, layout, bottom + layout.height)
    _draw_edges(axes, edges, lines)
    _draw_nodes(axes, layout)
    if write:
        _write_weights(axes, edges, lines, layout, all_or_none=weights is None)
    most = max(map(len, captions))
    for column, caption in enumerate(captions):
        lowest = top + 0.1 + _LINE * (most - len(caption))
        style.draw_caption(axes, left + column * layout.spacing, lowest, _LINE, caption)
    style.draw_title(axes, title, height)
    legend.draw(axes, width)
    return figure


# -- layout ------------------------------------------------------------------------------------------


def _caption(graph: Dag, number: int, live: Sequence[Any]) -> list[str]:
    """Return the lines above a column: its name, its units, how many of them are dead."""
    layer, kind = graph.layers[number], graph.kind(number)
    noun = "channel" if graph.summary else "unit"
    relu = int(layer.relu.sum())
    linear = layer.size - relu
    if kind == "input":
        return ["inputs", f"{layer.size:,}"]
    name = "outputs" if kind == "output" else f"layer {number}"
    if relu and linear:
        lines = [name, f"{relu:,} ReLU, {linear:,} linear"]
    else:
        lines = [name, style.counted(layer.size, f"{'ReLU' if relu else 'linear'} {noun}")]
    dead = int((~live[number]).sum())
    return [*lines, f"{dead:,} dead"] if dead else lines


def _layout(
    graph: Dag,
    layers: tuple[int, int],
    edges: DrawnEdges,
    captions: list[list[str]],
    *,
    with_weights: bool,
) -> Layout:
    """Choose sizes: nodes as large as the fullest column allows, columns no nearer than their captions."""
    most = max(graph.widths[n] + ((n + 1) in edges.biased) for n in range(layers[0], layers[1] + 1))
    pitch = min(max(6.0 / most, 0.13), 0.44)
    radius = 0.36 * pitch
    widest = [style.caption_width(lines) for lines in captions]
    beside = max((a + b) / 2 for a, b in pairwise(widest)) + 0.2
    spacing = max(beside, min(max(1.25, 0.35 * most * pitch), 2.4), 2.1 if with_weights else 0.0)
    label = 0.0 if radius >= _ROOM_FOR_LABELS else 0.4
    side = style.MARGIN + max(widest[0] / 2, widest[-1] / 2, radius + label)
    width = 2 * side + spacing * (len(captions) - 1)
    return Layout(radius, side, width, most * pitch, spacing)


def _place_nodes(
    graph: Dag,
    layers: tuple[int, int],
    live: Sequence[Any],
    edges: DrawnEdges,
    layout: Layout,
    left: float,
    bottom: float,
) -> None:
    """Put nodes in columns, each spread over the whole height, so that blocks stand beside their input."""
    for number in range(layers[0], layers[1] + 1):
        layer, kind = graph.layers[number], graph.kind(number)
        constant = (number + 1) in edges.biased
        slots = layer.size + constant
        x = left + (number - layers[0]) * layout.spacing
        ys = [bottom + layout.height * (1 - (slot + 0.5) / slots) for slot in range(slots)]
        column = []
        for node in range(layer.size):
            letter = {"input": "x", "output": "y"}.get(kind, "")
            label = str(int(layer.index[node]) + 1)
            label = letter + label.translate(_SUBSCRIPTS) if letter else label
            look = _look(kind, relu=bool(layer.relu[node]))
            column.append(Node(x, ys[node], look, not live[number][node], label))
        layout.columns.append(column)
        if constant:
            layout.constants[number + 1] = Node(x, ys[-1], "constant", not edges.biased[number + 1], "1")


def _look(kind: str, *, relu: bool) -> str:
    if kind == "hidden":
        return "relu" if relu else "linear"
    return "relu output" if relu else kind


def _room_above(edges: DrawnEdges) -> float:
    """Return the height above the nodes that edges over more than one layer take."""
    return max((_peak(b - a, 1.0) + 0.1 for a, b in edges.skips), default=0.0)


def _peak(length: int, rank: float) -> float:
    """Return how far above the nodes an edge over ``length`` layers bends; ``rank``, 0..1 parts equals."""
    return 0.05 + 0.12 * length + 0.3 * rank


def _edge_lines(edges: DrawnEdges, layout: Layout, top: float) -> list[FloatArray]:
    """Return the points of each edge, shape (2, 2), or (33, 2) where it bends over the layers between."""
    found = []
    t = np.linspace(0.0, 1.0, 33)[:, np.newaxis]
    drawn = dict.fromkeys(edges.skips, 0)
    most = {(a, b): int(((edges.start == a) & (edges.end == b)).sum()) for a, b in edges.skips}
    for a, b, source, sink in zip(edges.start, edges.end, edges.source, edges.sink, strict=True):
        constant = source == CONSTANT
        here = layout.constants[int(b)] if constant else layout.columns[a - edges.first][source]
        there = layout.columns[b - edges.first][sink]
        points = np.array([[here.x, here.y], [there.x, there.y]])
        if not constant and b - a > 1:
            rank = drawn[a, b] / max(6, most[a, b])
            drawn[a, b] += 1
            middle, peak = points.mean(axis=0), top + _peak(b - a, rank)
            bend = np.array([middle[0], 2 * peak - middle[1]])  # a parabola through the peak
            points = (1 - t) ** 2 * points[0] + 2 * t * (1 - t) * bend + t**2 * points[1]
        found.append(points)
    return found


# -- drawing -----------------------------------------------------------------------------------------


def _draw_edges(axes: Axes, edges: DrawnEdges, lines: list[FloatArray]) -> None:
    from matplotlib.collections import LineCollection

    widths = edges.line_widths()
    thin = min(1.0, max(0.4, 100 / max(1, int((~edges.is_kept).sum()))))  # many pruned edges stay behind
    for group in edges.groups():
        order = group.edges[np.argsort(abs(edges.weight[group.edges]), kind="stable")]  # the heaviest on top
        look: Any = {"linestyles": "solid" if group.kept else (0, (4, 3))}
        collection = LineCollection(
            [lines[edge] for edge in order],
            colors=group.colour,
            linewidths=widths[order] if group.kept else 0.6,
            alpha=(0.3 if group.faint else 1.0) * (1.0 if group.kept else thin),
            zorder=2 if group.kept else 1,
            **look,
        )
        collection.set_gid(group.name)
        axes.add_collection(collection)


def _draw_nodes(axes: Axes, layout: Layout) -> None:
    for look, (colour, _) in _LOOKS.items():
        for faint in (False, True):
            nodes = [node for node in layout.nodes if (node.look, node.faint) == (look, faint)]
            if not nodes:
                continue
            size = layout.radius * (1.0 if look in _ROUND else 0.9)  # a square looks larger than a disc
            marks = axes.scatter(
                [node.x for node in nodes],
                [node.y for node in nodes],
                s=(144 * size) ** 2,
                marker="o" if look in _ROUND else "s",
                facecolor=PAPER if faint else colour,
                edgecolor=FAINT if faint else INK,
                linewidth=0.8,
                zorder=3,
            )
            marks.set_gid(f"{look}, removed" if faint else look)
    for node, x, side in _labels(layout):
        size = 7.5
        if side == "center":
            size = min(7.5, 7.5 * 1.6 * layout.radius / style.text_width(node.label, 7.5))
        axes.text(
            x,
            node.y,
            node.label,
            ha=side,
            va="center_baseline",
            fontsize=size,
            color=style.PRUNED if node.faint else INK,
            zorder=4,
        )


def _labels(layout: Layout) -> Iterator[tuple[Node, float, str]]:
    """Yield labels with their place: inside large nodes, beside small ones of the first and last column."""
    if layout.radius >= _ROOM_FOR_LABELS:
        for node in layout.nodes:
            yield node, node.x, "center"
        return
    first, last = (end(node.x for node in layout.nodes) for end in (min, max))
    away = layout.radius + 0.05
    for node in layout.nodes:
        if node.x == first:
            yield node, node.x - away, "right"
        elif node.x == last:
            yield node, node.x + away, "left"


def _write_weights(
    axes: Axes, edges: DrawnEdges, lines: list[FloatArray], layout: Layout, *, all_or_none: bool
) -> None:
    """Write the weights of kept edges where they hide neither a node nor each other."""
    reach = layout.radius + 0.02
    taken: list[Area] = [(n.x - reach, n.y - reach, n.x + reach, n.y + reach) for n in layout.nodes]
    found: list[tuple[float, float, str, bool]] = []
    for edge in edges.kept:
        text = f"{edges.weight[edge]:.2g}".replace("-", "−")
        half = style.text_width(text, style.SMALL_SIZE) / 2 + 0.03
        for t in (0.5, 0.4, 0.6, 0.32, 0.68, 0.25, 0.75, 0.2, 0.8):
            x, y = _along(lines[edge], t)
            area = (x - half, y - 0.07, x + half, y + 0.07)
            if not any(_overlap(area, other) for other in taken):
                taken.append(area)
                found.append((x, y, text, bool(edges.faint[edge])))
                break
        else:
            if all_or_none:
                return
    ground: Any = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.7}
    for x, y, text, faint in found:
        look: Any = {"fontsize": style.SMALL_SIZE, "color": style.PRUNED if faint else INK}
        axes.text(x, y, text, ha="center", va="center", bbox=ground, zorder=2.5, **look)


def _along(points: FloatArray, t: float) -> tuple[float, float]:
    place = t * (len(points) - 1)
    low = min(int(place), len(points) - 2)
    x, y = points[low] + (place - low) * (points[low + 1] - points[low])
    return float(x), float(y)


def _overlap(one: Area, other: Area) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _legend(graph: Dag, layers: tuple[int, int], edges: DrawnEdges, live: Sequence[Any]) -> list[Entry]:
    """Return an entry for everything that the drawing shows."""
    shown = {group.name.removesuffix(" to removed") for group in edges.groups()}
    plus, minus = ("weight 1", "weight −1") if edges.signs_only else ("weight > 0", "weight < 0")
    entries = [
        entry
        for name, entry in (
            ("positive", Entry(plus, style.POSITIVE)),
            ("negative", Entry(minus, style.NEGATIVE)),
            ("zero", Entry("weight 0", style.ZERO)),
            ("pruned", Entry("pruned", style.PRUNED, dashed=True)),
        )
        if name in shown
    ]
    numbers = range(layers[0], layers[1] + 1)
    looks = {
        _look(graph.kind(number), relu=bool(relu))
        for number in numbers
        for relu in np.unique(graph.layers[number].relu)
    }
    if edges.biased:
        looks.add("constant")
    for look, (colour, name) in _LOOKS.items():
        if look in looks:
            entries.append(Entry(name, colour, "o" if look in _ROUND else "s"))
    if any(not live[number].all() for number in numbers):
        entries.append(Entry("dead unit", PAPER, "o", edge=FAINT))
    return entries

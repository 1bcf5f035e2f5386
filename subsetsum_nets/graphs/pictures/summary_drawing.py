"""The summary drawing of a large graph: a block for each layer, arrows with how many edges are kept.

Everything is placed in inches, like in :mod:`.layered_drawing`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from subsetsum_nets.graphs.analysis.reachability import live_units
from subsetsum_nets.graphs.pictures import picture_files as style
from subsetsum_nets.graphs.pictures.picture_legend import Entry, Legend
from subsetsum_nets.pictures import FAINT, INK, MUTED, PAPER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.graphs.dag.graph import Dag

    Span = tuple[int, int]

_LINE = 0.16  # inches, as everything here
_TALLEST, _LOWEST = 2.0, 0.3
_MOST_BLOCKS = 14  # of a deeper graph the first and last layers are drawn
_ARC = 0.34  # from one arc over the blocks to the next


@dataclass(frozen=True)
class Block:
    """A layer as it is drawn: its number, place, size, the share of dead units, and the lines below it."""

    layer: int
    x: float
    width: float
    height: float
    dead: float
    colour: str
    lines: list[str]


def summary_figure(graph: Dag, *, title: str | None, layers: tuple[int, int]) -> Figure:
    """Draw a block for each layer and an arrow for each pair of layers that edges join.

    The area of a block is in proportion to its units but for very small ones; its grey part are dead units.
    Of more than 14 layers the first and last seven are drawn.
    """
    shown, hidden = _shown_layers(layers)
    spans = [span for span in graph.blocks if span[0] in shown and span[1] in shown]
    straight = [(a, b) for a, b in spans if b == a + 1]
    arcs = sorted((span for span in spans if span not in straight), key=lambda s: (s[1] - s[0], s))
    dead = [int((~nodes).sum()) for nodes in live_units(graph)]
    blocks, right = _blocks(graph, shown, straight, hidden, dead)
    tallest = max(block.height for block in blocks)
    below = _LINE * max(len(block.lines) for block in blocks) + 0.1
    legend = Legend(_legend(graph, shown, dead), max(right, 4.2))
    title_width = style.text_width(title, style.TITLE_SIZE, bold=True) if title else 0.0
    width = max(right, legend.width, title_width) + 2 * style.MARGIN
    middle = legend.height + style.MARGIN + below + tallest / 2
    above = max(tallest / 2, 0.35) + (_ARC * len(arcs) + 0.2 if arcs else 0.0)
    height = middle + above + 0.15 + (0.3 if title else 0.0) + style.MARGIN
    figure, axes = style.canvas(width, height)
    left = (width - right) / 2
    for block in blocks:
        _draw_block(axes, block, left, middle, middle - tallest / 2)
    by_layer = {block.layer: block for block in blocks}
    largest = max((graph.blocks[span].kept_edges for span in spans), default=1)
    for span in straight:
        here, there = by_layer[span[0]], by_layer[span[1]]
        start, end = left + here.x + here.width / 2, left + there.x - there.width / 2
        _draw_arrow(axes, graph, span, [(start, middle), (end, middle)], largest)
    for number, span in enumerate(arcs):
        here, there = by_layer[span[0]], by_layer[span[1]]
        start, end = left + here.x + here.width / 5, left + there.x - there.width / 5
        peak = middle + tallest / 2 + _ARC * (number + 1)
        points = [
            (start, middle + here.height / 2),
            (start, peak),
            (end, peak),
            (end, middle + there.height / 2),
        ]
        _draw_arrow(axes, graph, span, points, largest)
    if hidden:
        place = shown.index(hidden[0] - 1)
        x = (
            blocks[place].x + blocks[place].width / 2 + blocks[place + 1].x - blocks[place + 1].width / 2
        ) / 2
        text = f"{len(hidden)} layers\nnot drawn"
        axes.text(left + x, middle, text, ha="center", va="center", color=MUTED)
    style.draw_title(axes, title, height)
    legend.draw(axes, width)
    return figure


def _shown_layers(layers: tuple[int, int]) -> tuple[list[int], list[int]]:
    every = list(range(layers[0], layers[1] + 1))
    if len(every) <= _MOST_BLOCKS:
        return every, []
    half = _MOST_BLOCKS // 2
    return every[:half] + every[-half:], every[half:-half]


def _blocks(
    graph: Dag, shown: list[int], straight: list[Span], hidden: list[int], dead: list[int]
) -> tuple[list[Block], float]:
    """Return the blocks from left to right, with room for the words on arrows, and where the last ends."""
    most = max(graph.widths[number] for number in shown)
    blocks: list[Block] = []
    end = 0.0
    for number in shown:
        units = graph.widths[number]
        height = max(_LOWEST, _TALLEST * math.sqrt(units / most)) if units else _LOWEST
        lines = _lines(graph, number, dead[number])
        below = style.caption_width(lines)
        width = max(0.35, min(0.9, 0.45 * height))
        if blocks:
            before = blocks[-1]
            words = _words(graph, (before.layer, number)) if (before.layer, number) in straight else []
            if hidden and number == hidden[-1] + 1:
                words = ["not drawn"]
            on_arrow = max((style.text_width(word, style.CAPTION_SIZE) for word in words), default=0.3) + 0.35
            captions = (style.caption_width(before.lines) + below - before.width - width) / 2 + 0.15
            x = end + max(on_arrow, captions) + width / 2
        else:
            x = max(below, width) / 2
        kind = graph.kind(number)
        colour = {"input": style.INPUT, "hidden": style.HIDDEN, "output": style.OUTPUT}[kind]
        blocks.append(Block(number, x, width, height, dead[number] / max(1, units), colour, lines))
        end = x + width / 2
    last = blocks[-1]
    return blocks, max(end, last.x + style.caption_width(last.lines) / 2)


def _lines(graph: Dag, number: int, dead: int) -> list[str]:
    """Return the lines below a block."""
    layer, kind = graph.layers[number], graph.kind(number)
    if kind == "input":
        return ["inputs", f"{layer.size:,}"]
    relu = int(layer.relu.sum())
    name = "outputs" if kind == "output" else f"layer {number}"
    lines = [name, f"{layer.size:,} " + ("ReLU" if relu == layer.size else "linear" if not relu else "mixed")]
    if layer.bias is not None:
        lines.append(f"{int(layer.keeps_bias.sum()):,} of {style.counted(layer.size, 'bias', 'biases')}")
    if dead:
        lines.append(f"{dead:,} dead")
    return lines


def _words(graph: Dag, span: Span) -> list[str]:
    """Return what stands above and below an arrow."""
    block = graph.blocks[span]
    if block.kept is None:
        return [f"{style.counted(block.edges, 'edge')}", "all kept"]
    return [f"{block.kept_edges:,} of {block.edges:,}", f"{style.share(block.kept_edges, block.edges)} kept"]


def _draw_block(axes: Axes, block: Block, left: float, middle: float, lowest: float) -> None:
    from matplotlib.patches import Rectangle

    corner = (left + block.x - block.width / 2, middle - block.height / 2)
    dead = block.dead * block.height
    look: Any = {"linewidth": 0, "zorder": 3}
    axes.add_patch(Rectangle(corner, block.width, dead, facecolor=FAINT, **look))
    rest = Rectangle(
        (corner[0], corner[1] + dead), block.width, block.height - dead, facecolor=block.colour, **look
    )
    axes.add_patch(rest)
    outline = Rectangle(corner, block.width, block.height, fill=False, edgecolor=INK, linewidth=0.9, zorder=4)
    outline.set_gid(f"layer {block.layer}")
    axes.add_patch(outline)
    last = lowest - 0.18 - _LINE * (len(block.lines) - 1)
    style.draw_caption(axes, left + block.x, last, _LINE, block.lines)


def _draw_arrow(axes: Axes, graph: Dag, span: Span, points: list[tuple[float, float]], largest: int) -> None:
    """Draw an arrow as thick as the edges it stands for are many, its words above and below or on the arc."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    kept = graph.blocks[span].kept_edges
    width = 0.8 + 2.4 * math.log1p(kept) / math.log1p(max(1, largest))
    arrow = FancyArrowPatch(
        path=Path(points),
        arrowstyle=f"-|>,head_width={0.07 + width / 40:.3f},head_length=0.2",
        mutation_scale=28,
        linewidth=width,
        color=MUTED,
        shrinkA=0,
        shrinkB=0,
        joinstyle="miter",
        capstyle="butt",
        zorder=2,
        linestyle="solid" if kept else (0, (3, 2)),
    )
    arrow.set_gid(f"edges {span[0]} to {span[1]}")
    axes.add_patch(arrow)
    upper, lower = _words(graph, span)
    look: Any = {"ha": "center", "fontsize": style.CAPTION_SIZE}
    if len(points) == 2:
        x, y = (points[0][0] + points[1][0] - 0.08) / 2, points[0][1]
        axes.text(x, y + 0.1, upper, va="bottom", **look)
        axes.text(x, y - 0.1, lower, va="top", color=MUTED, **look)
    else:
        x, y = (
            points[1][0] + 0.12 + style.text_width(f"{upper}, {lower}", style.CAPTION_SIZE) / 2,
            points[1][1],
        )
        ground: Any = {"facecolor": PAPER, "edgecolor": "none", "pad": 1.5}
        axes.text(x, y, f"{upper}, {lower}", va="center", bbox=ground, zorder=5, **look)


def _legend(graph: Dag, shown: list[int], dead: list[int]) -> list[Entry]:
    noun = "channels" if graph.summary else "units"
    kinds = {graph.kind(number) for number in shown}
    entries = [
        Entry(text, colour, "s")
        for kind, text, colour in (
            ("input", "inputs", style.INPUT),
            ("hidden", f"hidden {noun}", style.HIDDEN),
            ("output", "outputs", style.OUTPUT),
        )
        if kind in kinds
    ]
    if any(dead[number] for number in shown):
        entries.append(Entry(f"dead {noun}", FAINT, "s"))
    return entries

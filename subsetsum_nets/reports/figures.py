"""The figures of a report, drawn with matplotlib's object-oriented API and written as SVG text or PNG.

A figure is drawn in the light palette. In SVG its colours become CSS variables and its fonts those of the
page, so that one picture serves light mode, dark mode and print. Everything is binned: the size of a figure
does not grow with the network.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.pictures import draw_map, new_figure, picture_bytes, picture_style, power, write_pictures
from subsetsum_nets.reports.filters import filters_figure, has_filters
from subsetsum_nets.reports.page_svg import INK, MET, MISSED, MUTED, PAGE, WEIGHT, page_svg
from subsetsum_nets.reports.rows import all_rows, rows_by_layer
from subsetsum_nets.rounding import exact, lower, upper

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from subsetsum_nets.pruned_network import PrunedNetwork
    from subsetsum_nets.reports.rows import LayerRows

    Floats = NDArray[np.float64]


_MOST_PANELS = 4
_MOST_CELLS = (96, 192)  # of a mask picture
_SETTINGS = {"text.parse_math": False}  # names are shown as they are


# -- the figures -------------------------------------------------------------------------------------


def errors_figure(pruned: PrunedNetwork) -> Figure:
    """Draw the errors of the subset sums, a panel a layer, with their tolerances."""
    panels = _panels(pruned)
    low, high = _decades(panels)
    per_decade = max(2, min(8, 64 // (high - low)))
    edges = np.linspace(low, high, (high - low) * per_decade + 1)
    middles, width = (edges[:-1] + edges[1:]) / 2, 1 / per_decade
    below_at = low - 0.085 * (high - low) - width  # a bar for all that is smaller than the axis shows
    below = [rows.errors[rows.errors < 10.0**low] for rows in panels]
    figure = new_figure(0.6 + 1.55 * len(panels))
    all_axes = list(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    for axes, rows in zip(all_axes, panels, strict=True):
        bottom = np.zeros(len(middles) + 1)
        for part, colour, label in (
            (~rows.missed, MET, "error, within tolerance"),
            (rows.missed, MISSED, "error, tolerance missed"),
        ):
            counts = np.append(_counts(rows.errors[part], edges), (rows.errors[part] < 10.0**low).sum())
            if part.any():
                places = np.append(middles, below_at)
                axes.bar(places, counts, width * 0.92, bottom=bottom, color=colour.light, label=label)
            bottom += counts
        tolerances = _counts(rows.tolerances, edges)
        if tolerances.any():
            axes.stairs(tolerances, edges, color=INK.light, linewidth=1.2, label="tolerance")
        axes.set_title(f"{rows.name}, {len(rows.errors):,} subset sums")
        _count_axis(axes)
    last = all_axes[-1]
    decades = list(range(low, high + 1, max(1, -(-(high - low) // 12))))
    smallest = "0" if all(np.all(part == 0) for part in below) else f"< {power(10, low)}"
    pooled = any(part.size for part in below)
    ticks = {below_at: smallest} if pooled else {}
    ticks |= {float(decade): power(10, decade) for decade in decades}
    last.set_xticks(list(ticks), list(ticks.values()))
    ends = (below_at if pooled else low) - width, high + width / 2
    last.set(xlim=ends, xlabel="|subset sum − target weight|")
    figure.supylabel("subset sums", fontsize=9)
    _legend(figure, all_axes, ("error, within tolerance", "error, tolerance missed", "tolerance"))
    return figure


def sizes_figure(pruned: PrunedNetwork) -> Figure:
    """Draw how many items the subsets keep, a panel a layer."""
    panels = _panels(pruned)
    offered = pruned.solution.masks.shape[1]
    bins = min(offered + 1, 80)
    edges = np.linspace(-0.5, offered + 0.5, bins + 1) if bins <= offered else np.arange(offered + 2) - 0.5
    figure = new_figure(0.4 + 1.3 * len(panels))
    all_axes = list(figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0])
    for axes, rows in zip(all_axes, panels, strict=True):
        counts, _ = np.histogram(rows.sizes, edges)
        axes.bar((edges[:-1] + edges[1:]) / 2, counts, np.diff(edges) * 0.85, color=MET.light)
        axes.set_title(f"{rows.name}, {rows.sizes.mean() if rows.sizes.size else 0:.1f} kept on average")
        _count_axis(axes)
    all_axes[-1].set(xlim=(edges[0], edges[-1]), xlabel=f"items kept, of at most {offered} offered")
    all_axes[-1].xaxis.get_major_locator().set_params(integer=True)
    figure.supylabel("subset sums", fontsize=9)
    return figure


def layers_figure(pruned: PrunedNetwork) -> Figure:
    """Draw how the proven error grows from weights to outputs, against epsilon and the attack."""
    certificate = pruned.certificate
    assert certificate is not None  # noqa: S101 - FIGURES asks `applies` first
    stages = [
        (_finite(layer.get("weight_error")), _finite(layer.get("deviation_after")))
        for layer in certificate.layers
    ]
    bound, attack, epsilon = (
        _finite(value) for value in (certificate.bound, certificate.attack, certificate.epsilon)
    )
    positive = [v for stage in (*stages, (bound, attack, epsilon)) for v in stage if v is not None and v > 0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    floor, ceiling = 10.0 ** (low - 0.35), 10.0 ** (high + 0.35)
    figure = new_figure(3.4)
    axes = figure.subplots()
    axes.set_yscale("log")
    at, end = np.arange(1, len(stages) + 1), len(stages) + 1
    deviation = "largest deviation of a unit" if certificate.method != "norms" else "deviation (l2)"
    for column, colour, marker, size, label in (
        (0, WEIGHT, "s", 7, "largest weight error"),
        (1, MET, "o", 4.5, f"{deviation} after the layer"),
    ):
        values = [math.nan if stage[column] is None else max(stage[column] or 0.0, floor) for stage in stages]
        if not np.all(np.isnan(values)):
            many = len(stages) > 30
            axes.plot(
                at, values, color=colour.light, marker="" if many else marker, markersize=size, label=label
            )
    shown_bound = ceiling if bound is None else max(bound, floor)
    shown_attack = None if attack is None else max(attack, floor)
    if shown_attack is not None:
        axes.plot([end, end], [shown_attack, shown_bound], color=MUTED.light, linewidth=1, zorder=1)
        axes.plot(end, shown_attack, "^", color=MISSED.light, markersize=7, label="largest difference found")
    axes.plot(end, shown_bound, "D", color=INK.light, markersize=6.5, label="proven bound on the output")
    most = f"≤ {upper(certificate.bound, within=certificate.epsilon)}"
    if shown_attack is not None:
        least = f"≥ {lower(certificate.attack, beyond=certificate.epsilon)}"
        if math.log10(shown_bound / shown_attack) > 0.06 * math.log10(ceiling / floor):
            _beside(axes, end, shown_attack, least)
        else:  # the marks nearly touch: one line of text for both
            most = f"{least}, {most}"
    _beside(axes, end, shown_bound, most)
    if epsilon is not None:
        axes.axhline(epsilon, color=INK.light, linewidth=1, linestyle=(0, (5, 3)))
        axes.annotate(
            f"required: ε = {exact(epsilon)}",
            (0.5, epsilon),
            (3, 3),
            textcoords="offset points",
            fontsize=8.5,
        )
    axes.set(xlim=(0.5, end + 0.5 + 0.06 * end), ylim=(floor, ceiling), ylabel="error")
    step = max(1, -(-len(stages) // 12))
    ticks = [*range(1, len(stages) + 1 - (step > 1), step), end]
    name = "layer {}" if len(stages) <= 8 else "{}"
    axes.set_xticks(ticks, [name.format(t) for t in ticks[:-1]] + [f"output, {certificate_norm(pruned)}"])
    axes.set_xlabel("" if len(stages) <= 8 else "target layer")
    step = max(1, -(-(high - low) // 10))
    decades = range(low, high + 1, step)
    axes.set_yticks([10.0**decade for decade in decades], [power(10, decade) for decade in decades])
    axes.minorticks_off()
    axes.grid(axis="y")
    _legend(figure, [axes])
    return figure


def masks_figure(pruned: PrunedNetwork) -> Figure:
    """Draw how many random weights are kept for each target weight, a map a layer."""
    layers = [(rows, rows.picture) for rows in rows_by_layer(pruned) or [] if rows.picture is not None]
    layers = layers[:_MOST_PANELS]
    most = max(float(picture.max()) for _, picture in layers) or 1.0
    heights = [min(max(picture.shape[0] / picture.shape[1] * 5.6, 0.35), 3.2) for _, picture in layers]
    figure = new_figure(sum(heights) + 0.62 * len(layers) + 0.75)
    grid = figure.subplots(
        len(layers) + 1, 1, squeeze=False, gridspec_kw={"height_ratios": [*heights, 0.09]}
    )[:, 0]
    for axes, (rows, picture) in zip(grid, layers, strict=False):
        d_out, columns = picture.shape
        draw_map(axes, _downsampled(picture), (d_out, columns), largest=most, colours="cividis")
        axes.set_title(f"{rows.name}, {d_out} × {columns}" + (" (last column: bias)" if rows.biased else ""))
        axes.set_ylabel("output")
        axes.spines[:].set_visible(False)
    grid[len(layers) - 1].set_xlabel("input")
    key = grid[-1]
    key.imshow(
        np.linspace(0, most, 256)[np.newaxis],
        cmap="cividis",
        aspect="auto",
        interpolation="none",
        extent=(0, most, 0, 1),
    )
    key.set_yticks([])
    key.spines[:].set_visible(False)
    key.xaxis.get_major_locator().set_params(integer=True)
    key.set_xlabel("random weights kept for one target weight")
    return figure


@dataclass(frozen=True)
class FigureKind:
    """A figure of the report: how it is drawn, when it says something, and its heading and caption."""

    name: str
    title: str
    draw: Callable[[PrunedNetwork], Figure]
    applies: Callable[[PrunedNetwork], bool]
    caption: str


def _has_rows(pruned: PrunedNetwork) -> bool:
    return len(pruned.solution) > 0


def _has_layers(pruned: PrunedNetwork) -> bool:
    certificate = pruned.certificate
    return certificate is not None and bool(certificate.layers) and (_finite(certificate.epsilon) or 0) > 0


def _has_picture(pruned: PrunedNetwork) -> bool:
    rows = rows_by_layer(pruned)
    return rows is not None and sum(part.picture.size for part in rows if part.picture is not None) >= 4


FIGURES = (
    FigureKind(
        "layers",
        "How the error grows through the network",
        layers_figure,
        _has_layers,
        "Every mark is a proven upper bound, except the triangle: a difference that an input really attains. "
        "The true worst case on the output lies between triangle and diamond.",
    ),
    FigureKind(
        "errors",
        "How near the subset sums come",
        errors_figure,
        _has_rows,
        "Distance from each target weight to its subset sum (bars), and the distance that epsilon allows it "
        "(outline). Sums that are exact, or too near for the scale, stand apart on the left.",
    ),
    FigureKind(
        "sizes",
        "How many random weights a subset sum keeps",
        sizes_figure,
        _has_rows,
        "Items kept in each subset sum.",
    ),
    FigureKind(
        "masks",
        "Where weights are kept",
        masks_figure,
        _has_picture,
        "The masks in the shape of the target: for each of its weights, the random weights that its subset "
        "sums keep (both signs together). Large layers are shown as averages of blocks.",
    ),
    FigureKind(
        "filters",
        "Which filters are kept",
        filters_figure,
        has_filters,
        "The hidden channels of each pair of random layers, a strip for each block: block t sees input "
        "channel t alone. The darkest are removed; others are as light as much of them is kept. Large blocks "
        "are shown as averages.",
    ),
)


# -- writing them ------------------------------------------------------------------------------------


def svg_text(kind: FigureKind, pruned: PrunedNetwork) -> str:
    """Return the figure as an ``<svg>`` element for an HTML page; its identifiers begin with its name."""
    with picture_style(kind.name, _SETTINGS):
        svg = picture_bytes(kind.draw(pruned), "svg", transparent=True).decode()
    return page_svg(svg, kind.name, kind.title)


def save_png(kind: FigureKind, pruned: PrunedNetwork, path: str | PathLike[str], *, dpi: int = 150) -> None:
    """Write the figure as a PNG file on white, atomically."""
    write_pictures(lambda: kind.draw(pruned), path, dpi=dpi, salt=kind.name, settings=_SETTINGS)


# -- what they share ---------------------------------------------------------------------------------


def certificate_norm(pruned: PrunedNetwork) -> str:
    """Return the norm as it is written in a figure."""
    norm = None if pruned.certificate is None else pruned.certificate.norm
    return {"l2": "‖·‖₂", "l1": "‖·‖₁", "linf": "‖·‖∞"}.get(str(norm), "norm")


def _panels(pruned: PrunedNetwork) -> list[LayerRows]:
    """Return the subset sums of each layer if they are few, else all together."""
    layers = [rows for rows in rows_by_layer(pruned) or [] if rows.errors.size]
    return layers if 0 < len(layers) <= _MOST_PANELS else [all_rows(pruned)]


def _decades(panels: Sequence[LayerRows]) -> tuple[int, int]:
    """Return the decades (low, high), low < high, that hold the errors and tolerances but for tiny ones.

    Target weights next to 0 have errors next to 0, down to 1e-300; they would leave the others no room.
    """
    parts = (np.concatenate([getattr(rows, name) for rows in panels]) for name in ("errors", "tolerances"))
    found = [part[(part > 0) & np.isfinite(part)] for part in parts]
    found = [part for part in found if part.size]
    if not found:
        return -1, 0
    smallest = min(max(float(part.min()), 1e-3 * float(np.median(part))) for part in found)
    largest = max(float(part.max()) for part in found)
    low = math.floor(math.log10(smallest))
    return low, max(low + 1, math.ceil(math.log10(largest)))


def _counts(values: Floats, edges: Floats) -> NDArray[np.int64]:
    """Count the logarithms in each bin; what lies below the first is left out."""
    counted = values[(values >= 10.0 ** edges[0]) & np.isfinite(values)]
    logs = np.clip(np.log10(counted), edges[0], edges[-1])
    return np.asarray(np.histogram(logs, edges)[0], dtype=np.int64)


def _count_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y")


def _legend(figure: Figure, all_axes: Sequence[Axes], order: Sequence[str] = ()) -> None:
    """Put one legend above everything, each label once."""
    labelled: dict[str, Any] = {}
    for axes in all_axes:
        handles, labels = axes.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            labelled.setdefault(label, handle)
    labelled = {label: labelled[label] for label in order or labelled if label in labelled}
    figure.legend(
        list(labelled.values()),
        list(labelled),
        loc="outside upper left",
        ncols=2 if len(labelled) == 4 else 3,
        handlelength=1.4,
        columnspacing=1.6,
    )


def _beside(axes: Axes, x: float, y: float, text: str) -> None:
    """Write beside a mark, on a ground that keeps grid lines away from the letters."""
    ground = {"facecolor": PAGE.light, "edgecolor": "none", "pad": 1.5}
    axes.annotate(text, (x, y), (9, 0), textcoords="offset points", va="center", fontsize=8.5, bbox=ground)


def _finite(value: object) -> float | None:
    """Return ``value`` if it is a finite number; a certificate read from a file may hold anything."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _downsampled(picture: Floats) -> Floats:
    """Return block averages, at most _MOST_CELLS of them."""
    for axis, most in enumerate(_MOST_CELLS):
        size = picture.shape[axis]
        if size > most:
            starts = np.arange(most) * size // most
            widths = np.diff(np.append(starts, size))
            shape = (-1, 1) if axis == 0 else (1, -1)
            picture = np.add.reduceat(picture, starts, axis=axis) / widths.reshape(shape)
    return picture

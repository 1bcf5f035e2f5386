"""What the curves leave in their folder: tables, summary, provenance, and a figure of two panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.experiments.coresets.run import CurvePoint
from subsetsum_nets.experiments.records import table_of, write_record
from subsetsum_nets.pictures import COLOURS, INK, MUTED, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.coresets.run import CoresetCurves

_LOOKS = [(colour, "-") for colour in COLOURS] + [(INK, "--"), (MUTED, "--"), (INK, ":")]


def write_outputs(
    found: CoresetCurves, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write curves.csv, summary.json, provenance.json and coresets.png, .svg, .pdf; return the paths.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    return write_record(
        folder,
        "coresets",
        command,
        tables={"curves.csv": table_of(CurvePoint, found.points)},
        figure="coresets",
        draw=lambda: draw(found),
        about={"trials": found.trials, "seed": found.seed, "measured_on": found.measured_on},
        summary=found.summary(),
    )


def draw(found: CoresetCurves) -> Figure:
    """Draw relative error and, where there are labels, accuracy lost over the fraction kept."""
    labelled = any(point.drop is not None for point in found.points)
    figure = new_figure(3.4)
    panels = figure.subplots(1, 2 if labelled else 1, squeeze=False)[0]
    for look, method in zip(_LOOKS, dict.fromkeys(point.method for point in found.points), strict=False):
        curve = sorted(found.of(method), key=lambda point: point.fraction)
        shares = [point.fraction for point in curve]
        errors = [(point.relative_l1, point.relative_l1_sd) for point in curve]
        _curve(panels[0], shares, errors, method, look)
        if labelled:
            drops = [(point.drop or 0.0, point.drop_sd or 0.0) for point in curve]
            _curve(panels[1], shares, drops, method, look)
    panels[0].set(xlabel="parameters kept", ylabel="relative l1 error", yscale="log", title="Error")
    if labelled:
        panels[1].set(xlabel="parameters kept", ylabel="accuracy lost, points", title="Accuracy")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper")
    return figure


def _curve(
    axes: Axes, shares: list[float], values: list[tuple[float, float]], method: str, look: tuple[str, str]
) -> None:
    """Draw means as a line, and one standard deviation around them as a band."""
    colour, style = look
    means = [mean for mean, _ in values]
    axes.plot(shares, means, color=colour, linestyle=style, linewidth=1.3, label=method)
    low, high = ([mean + sign * sd for mean, sd in values] for sign in (-1, 1))
    axes.fill_between(shares, low, high, color=colour, alpha=0.15, linewidth=0)

"""What the experiment on convolutions' weights leaves in its folder: a table, and a figure of two panels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.records import write_record
from subsetsum_nets.pictures import COLOURS, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.conv_weights.run import ConvWeights, Row

_STYLES = ("-", "--", "-.")


def write_outputs(
    found: ConvWeights,
    folder: str | PathLike[str],
    command: Sequence[str] | None = None,
    about: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write conv_weights.csv, summary.json, provenance.json and the figure; return the paths.

    See :func:`subsetsum_nets.experiments.records.write_record`; ``about`` says more of the network.
    """
    parts = list(found.images)
    header = ["way", "n", "random", "kept", "weight_error", *(f"output_error_{p}" for p in parts), "proven"]
    rows = (
        (r.way, r.n, r.random, r.kept, r.weight_error, *(r.output_errors[p] for p in parts), r.proven)
        for r in found.rows
    )
    parameters = {"network": found.network, "seed": found.seed, "images": found.images, **(about or {})}
    return write_record(
        folder,
        "weights of convolutions",
        command,
        tables={"conv_weights.csv": (header, rows)},
        figure="conv_weights",
        draw=lambda: draw(found),
        about={"parameters": parameters},
        summary=found.summary(),
    )


def draw(found: ConvWeights) -> Figure:
    """Draw the largest relative errors of weights, and of outputs on the images and proven for all."""
    figure = new_figure(3.4)
    left, right = figure.subplots(1, 2)
    for colour, way in zip(COLOURS, dict.fromkeys(row.way for row in found.rows), strict=False):
        rows = [row for row in found.rows if row.way == way]
        n = [row.n for row in rows]
        left.plot(n, [row.weight_error for row in rows], color=colour, marker="o", markersize=3, label=way)
        for style, part in zip(_STYLES, found.images, strict=False):
            label = f"{way}, {part}"
            right.plot(
                n, _on(rows, part), color=colour, marker="o", markersize=3, linestyle=style, label=label
            )
        proven = [row.proven for row in rows]
        right.plot(n, proven, color=colour, linewidth=0.9, linestyle=":", label=f"{way}, proven for all")
    left.set(title="Largest relative error of a weight")
    right.set(title="Largest relative error of an output")
    for axes in (left, right):
        axes.set(yscale="log", xlabel="coefficients n")
        axes.legend(fontsize=7)
    return figure


def _on(rows: Sequence[Row], part: str) -> list[float]:
    return [row.output_errors[part] for row in rows]

"""What the per-weight experiment leaves in its folder: a table, and a figure of errors and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.experiments.records import write_record
from subsetsum_nets.experiments.weight_panels import draw_errors, draw_nearest_law, draw_sizes
from subsetsum_nets.pictures import new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.per_weight.run import PerWeight


def write_outputs(
    found: PerWeight, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write per_weight.csv, summary.json, provenance.json and the figure; return the paths.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    columns = {"layer": found.layers, "weight": found.weights}
    for name, solution in found.solutions.items():
        columns |= {f"{name}_error_at_most": solution.errors, f"{name}_kept": solution.sizes}
    summary = found.summary()
    asked = ("network", "items", "epsilon", "scale", "seed")
    return write_record(
        folder,
        "per-weight law",
        command,
        tables={"per_weight.csv": (list(columns), zip(*(c.tolist() for c in columns.values()), strict=True))},
        figure="per_weight",
        draw=lambda: draw(found),
        about={"parameters": {name: summary[name] for name in asked}},
        summary=summary,
    )


def draw(found: PerWeight) -> Figure:
    """Draw the two panels."""
    figure = new_figure(3.4)
    left, right = figure.subplots(1, 2)
    inside = {name: (solution, found.within(name)) for name, solution in found.solutions.items()}
    errors = {name: solution.errors[part] for name, (solution, part) in inside.items()}
    sizes = {name: solution.sizes[part] for name, (solution, part) in inside.items()}
    title = f"Errors of {len(found.weights):,} weights, n = {found.items}"
    draw_errors(left, errors, found.epsilon, title)
    draw_sizes(right, sizes, found.items, {name: found.predicted_size(name) for name in sizes})
    count = len(sizes["nearest"]) * (1 - found.empty_share())
    draw_nearest_law(right, count, found.items, found.size_deviation())
    return figure

"""What the per-weight experiment leaves in its folder: a table, and a figure of errors and sizes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.experiments.records import write_record
from subsetsum_nets.pictures import COLOURS, INK, new_figure
from subsetsum_nets.theory.subset_sizes import nearest_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.per_weight.run import PerWeight

_LEAST_SHOWN = 1e-3  # of the median error: smaller ones are counted in the first bar


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
    _errors(left, found)
    _sizes(right, found)
    return figure


def _errors(axes: Axes, found: PerWeight) -> None:
    shown = {name: solution.errors[found.within(name)] for name, solution in found.solutions.items()}
    medians = [np.median(errors) for errors in shown.values() if errors.size and np.median(errors) > 0]
    low = np.floor(np.log10(_LEAST_SHOWN * min(medians))) if medians else -9.0
    edges = np.linspace(low, np.ceil(np.log10(found.epsilon)), 61)
    for colour, (name, errors) in zip(COLOURS, shown.items(), strict=False):
        logs = np.log10(np.maximum(errors, 10.0**low))
        counts = np.histogram(logs, edges)[0]
        axes.stairs(counts, 10.0**edges, fill=True, color=colour, alpha=0.3)
        axes.stairs(counts, 10.0**edges, color=colour, label=name)
    title = f"Errors of {len(found.weights):,} weights, n = {found.items}"
    axes.set(
        xscale="log", xlabel="|subset sum − weight| (first bar: all smaller)", ylabel="weights", title=title
    )
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.legend(loc="upper center")


def _sizes(axes: Axes, found: PerWeight) -> None:
    k = np.arange(found.items + 1)
    for colour, (name, solution) in zip(COLOURS, found.solutions.items(), strict=False):
        sizes = solution.sizes[found.within(name)]
        expected = found.predicted_size(name)
        mean = sizes.mean() if sizes.size else float("nan")
        counts = np.bincount(sizes, minlength=len(k))
        axes.bar(k, counts, 0.9, color=colour, alpha=0.4, label=f"{name}: {mean:.2f} (theory {expected:.2f})")
        if name == "nearest":
            middle, spread = nearest_size(found.items), found.size_deviation()
            normal = np.exp(-(((k - middle) / spread) ** 2) / 2) / (spread * np.sqrt(2 * np.pi))
            expected_counts = len(sizes) * (1 - found.empty_share()) * normal
            axes.plot(k, expected_counts, color=INK, linewidth=1, linestyle="--", label="nearest, theory")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.set(xlim=(-0.8, found.items + 0.8), xlabel="coefficients kept", title="Kept per weight")
    axes.legend(loc="upper right")

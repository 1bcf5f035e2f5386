"""What the per-weight experiment leaves in its folder: a table, and a figure of errors and sizes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.experiments.per_weight.run import OBJECTIVES
from subsetsum_nets.experiments.records import (
    SUMMARY,
    write_figure,
    write_json,
    write_provenance,
    write_table,
)
from subsetsum_nets.pictures import COLOURS, INK, new_figure
from subsetsum_nets.theory.subset_sizes import nearest_size

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.per_weight.run import PerWeight

FIGURE = "per_weight"
_LEAST_SHOWN = 1e-3  # of the median error: smaller ones are counted in the first bar


def write_outputs(
    found: PerWeight, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> None:
    """Write per_weight.csv, summary.json, provenance.json and the figure.

    Parameters
    ----------
    found : PerWeight
    folder : path
        Made if it is not there.
    command : sequence of str, optional
        The command line that asked for it.

    Raises
    ------
    OSError
        If something cannot be written.

    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    columns = [found.layers.tolist(), found.weights.tolist()]
    for name in OBJECTIVES:
        solution = found.solutions[name]
        columns += [solution.errors.tolist(), solution.sizes.tolist()]
    header = ("layer", "weight", *(f"{o}_{what}" for o in OBJECTIVES for what in ("error_at_most", "kept")))
    write_table(place / "per_weight.csv", header, zip(*columns, strict=True))
    summary = found.summary()
    write_json(place / SUMMARY, summary)
    names = ("network", "items", "epsilon", "scale", "seed")
    write_provenance(place, "per-weight law", command, parameters={name: summary[name] for name in names})
    write_figure(place, FIGURE, lambda: draw(found))


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
    axes.set_ylim(0, 1.15 * axes.get_ylim()[1])
    axes.set_xscale("log")
    axes.set_xlabel("|subset sum − weight| (first bar: all smaller)")
    axes.set_ylabel("weights")
    axes.set_title(f"Errors of {len(found.weights):,} weights, n = {found.items}")
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
    axes.set_xlim(-0.8, found.items + 0.8)
    axes.set_xlabel("coefficients kept")
    axes.set_title("Kept per weight")
    axes.legend(loc="upper right")

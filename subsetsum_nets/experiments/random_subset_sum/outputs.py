"""What the random subset-sum experiment leaves in its folder: tables, and a figure of three panels.

The panels: served against n, the fit of C, errors against n.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.experiments.records import write_record
from subsetsum_nets.pictures import COLOURS, INK, MUTED, as_power_of_two, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.random_subset_sum.run import Findings
    from subsetsum_nets.experiments.records import Table

_MOST_CURVES = 6
_MOST_TICKS = 12


def write_outputs(
    found: Findings, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write samples.csv, served.csv, nearest.csv, summary.json, provenance.json and the figure.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    asked = {name: getattr(found, name) for name in ("epsilon", "delta", "confidence")}
    return write_record(
        folder,
        "random subset sum",
        command,
        tables=_tables(found),
        figure="random_subset_sum",
        draw=lambda: draw(found),
        about={"parameters": {**found.design.to_json(), **asked}},
        summary=found.summary(),
    )


def _tables(found: Findings) -> dict[str, Table]:
    samples = (
        (n, sample, radius, error)
        for n in found.design.sizes
        for sample, (radius, error) in enumerate(
            zip(found.radii[n].tolist(), found.errors[n].tolist(), strict=True)
        )
    )
    served = (
        (r.epsilon, r.n, r.samples, r.served, r.estimate, r.low, r.high, found.predicted(r.n, r.epsilon))
        for r in found.served
    )
    nearest = ((row.n, row.mean, *row.quantiles, row.largest) for row in found.table)
    return {
        "samples.csv": (("n", "sample", "covering_radius_at_most", "error_at_most"), samples),
        "served.csv": (("epsilon", "n", "samples", "served", "share", "low", "high", "predicted"), served),
        "nearest.csv": (("n", "mean", "q05", "q25", "median", "q75", "q95", "largest"), nearest),
    }


def draw(found: Findings) -> Figure:
    """Draw the three panels."""
    figure = new_figure(6.4)
    grid = figure.add_gridspec(2, 2, height_ratios=(1.15, 1))
    _served(figure.add_subplot(grid[0, :]), found)
    _constant(figure.add_subplot(grid[1, 0]), found)
    _errors(figure.add_subplot(grid[1, 1]), found)
    return figure


def _served(axes: Axes, found: Findings) -> None:
    q = found.design
    epsilons = sorted({row.epsilon for row in found.served}, reverse=True)
    if len(epsilons) > _MOST_CURVES:
        others = [e for e in epsilons if e != found.epsilon][: _MOST_CURVES - 1]
        epsilons = sorted([*others, found.epsilon], reverse=True)
    for colour, epsilon in zip(COLOURS, epsilons, strict=False):
        rows = sorted((row for row in found.served if row.epsilon == epsilon), key=lambda row: row.n)
        n = [row.n for row in rows]
        share = np.array([row.estimate for row in rows])
        reach = [share - [row.low for row in rows], [row.high for row in rows] - share]
        axes.errorbar(
            n, share, np.abs(reach), color=colour, marker="o", markersize=3, linewidth=1.1,
            elinewidth=0.9, capsize=2, label=f"ε = {as_power_of_two(epsilon)}",
        )  # fmt: skip
        predicted = [found.predicted(row.n, epsilon) for row in rows]
        if None not in predicted:
            axes.plot(n, np.array(predicted, dtype=float), color=colour, linestyle=":", linewidth=1.2)
    axes.axhline(1 - found.delta, color=MUTED, linewidth=0.8, linestyle="--")
    axes.annotate(
        f"1 − δ = {1 - found.delta:g}", (1, 1 - found.delta), (6, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", ha="left", va="center", color=MUTED, fontsize=8,
    )  # fmt: skip
    _whole_ticks(axes, found)
    title = f"All targets in [{q.low:g}, {q.high:g}] within ε, items {q.law.name} (dotted: prediction)"
    axes.set(ylim=(-0.02, 1.04), ylabel=f"share of {q.samples:,} samples", title=title)
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))


def _constant(axes: Axes, found: Findings) -> None:
    axes.set(title="Least n for ε = δ = 2⁻ᵏ", xlabel="k = log₂ 1/min(ε, δ)", ylabel="items n")
    fit = found.constant
    if fit is None:
        axes.text(0.5, 0.5, "too few sizes or samples\nfor a fit", ha="center", transform=axes.transAxes)
        return
    k, n = np.array(fit.points).T
    line = np.array([0.0, k.max() * 1.08])
    axes.fill_between(line, fit.low * line, fit.high * line, color=COLOURS[0], alpha=0.2, linewidth=0)
    label = f"C k, C = {fit.value:.3f} [{fit.low:.3f}, {fit.high:.3f}]"
    axes.plot(line, fit.value * line, color=COLOURS[0], linewidth=1.2, label=label)
    axes.plot(k, n, "o", color=INK, markersize=4)
    axes.set(xlim=(0, line[1]), ylim=(0, None))
    axes.legend(loc="upper left")


def _errors(axes: Axes, found: Findings) -> None:
    n = [row.n for row in found.table]
    quantiles = np.array([row.quantiles for row in found.table])
    positive = np.maximum(quantiles, np.finfo(float).tiny)
    colour = COLOURS[2]
    for low, high, alpha, label in ((0, 4, 0.15, "5–95 %"), (1, 3, 0.3, "25–75 %")):
        band = positive[:, low], positive[:, high]
        axes.fill_between(n, *band, color=colour, alpha=alpha, linewidth=0, label=label)
    axes.plot(n, positive[:, 2], color=colour, linewidth=1.2, label="median")
    axes.plot(n, [row.mean for row in found.table], color=INK, linewidth=1, linestyle="--", label="mean")
    axes.set_yscale("log", base=2)
    title = "Nearest error to a random target"
    if found.slope is not None:
        title += f"\nmedian: {found.slope.value:.3f} bits an item".replace("-", "−")
    axes.set_title(title)
    _whole_ticks(axes, found)
    axes.legend(loc="upper right")


def _whole_ticks(axes: Axes, found: Findings) -> None:
    sizes = found.design.sizes
    step = -(-(sizes[-1] - sizes[0] + 1) // _MOST_TICKS)
    axes.set_xticks(list(range(sizes[0], sizes[-1] + 1, step)))
    axes.set_xlabel("items n")

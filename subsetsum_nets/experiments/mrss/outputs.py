"""What the vector random subset-sum experiment leaves in its folder: tables, and a figure.

The figure: a phase diagram of n and epsilon for each dimension; below, P(T > 0) against n between its bounds,
and the measured mean of T over E[T].
"""

from __future__ import annotations

import math
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.experiments.mrss.comparison import Count, LeastByTheory, Lemma
from subsetsum_nets.experiments.records import table_of, write_record
from subsetsum_nets.pictures import COLOURS, INK, MUTED, ORANGE, new_figure
from subsetsum_nets.theory.subset_sum_number import hit_probability
from subsetsum_nets.theory.vector_laws import NSN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from subsetsum_nets.experiments.mrss.run import Existence, Findings
    from subsetsum_nets.experiments.random_subset_sum.item_counts import Served
    from subsetsum_nets.experiments.records import Table

    Floats = NDArray[np.float64]

_MOST_PANELS = 3
_HALF = 0.5


def write_outputs(
    found: Findings, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write samples, served, counts, least and lemmas .csv, summary.json, provenance.json and the figure.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    asked = {name: getattr(found, name) for name in ("epsilon", "delta", "confidence")}
    return write_record(
        folder,
        "vector random subset sum",
        command,
        tables=_tables(found),
        figure="mrss",
        draw=lambda: draw(found),
        about={
            "parameters": {
                **found.design.to_json(),
                "laws": list(found.laws),
                "kept": list(found.kept),
                **asked,
            }
        },
        summary=found.summary(),
    )


def _tables(found: Findings) -> dict[str, Table]:
    samples = (
        (one.law, one.kept, one.dimension, n, sample, error)
        for one in found.existence
        for n, errors in one.errors.items()
        for sample, error in enumerate(errors.tolist())
    )
    served = (
        (one.law, one.kept, one.dimension, r.epsilon, r.n, r.samples, r.served, r.estimate, r.low, r.high)
        for one in found.existence
        for r in one.served
    )
    columns = ("law", "kept", "dimension", "epsilon", "n", "samples", "served", "share", "low", "high")
    return {
        "samples.csv": (("law", "kept", "dimension", "n", "sample", "error_at_most"), samples),
        "served.csv": (columns, served),
        "counts.csv": table_of(Count, found.counts),
        "least.csv": table_of(LeastByTheory, found.least),
        "lemmas.csv": table_of(Lemma, found.lemmas),
    }


def draw(found: Findings) -> Figure:
    """Draw the phase diagrams, a row for each k, and the two panels below, of the first k."""
    subsets, wide = found.kept[:_MOST_PANELS], found.design.dimensions[:_MOST_PANELS]
    figure = new_figure(3.0 + 3.4 * len(subsets))
    halves: Any = figure.subfigures(2, 1, height_ratios=(1.15 * len(subsets), 1))
    above, below = halves
    panels = above.subplots(len(subsets), len(wide), sharex=True, sharey=True, squeeze=False)
    for row, k in zip(panels, subsets, strict=True):
        for axes, d in zip(row, wide, strict=True):
            _phases(axes, found, k, d)
        row[0].set_ylabel("ε")
    for axes in panels[-1]:
        axes.set_xlabel("vectors n")
    _legend(above, found)
    left, right = below.subplots(1, 2)
    _existence(left, found)
    _means(right, found)
    _legend_below(below, found)
    return figure


def _phases(axes: Axes, found: Findings, kept: int, dimension: int) -> None:
    """Draw the share of samples of the first law over n and epsilon, and where it is one half."""
    own = [one for one in found.existence if (one.kept, one.dimension) == (kept, dimension)]
    sizes = found.design.sizes
    epsilons = sorted({row.epsilon for row in own[0].served})
    share = _grid(own[0], sizes, epsilons, lambda row: row.estimate)
    axes.pcolormesh(sizes, epsilons, share, cmap="Greys", vmin=0, vmax=1.25, shading="nearest")
    ends: list[tuple[Callable[[Served], float], float, str]] = [
        (lambda row: row.estimate, 1.4, "-"),
        (lambda row: row.low, 0.7, "-"),
        (lambda row: row.high, 0.7, "-"),
    ]
    for colour, one in zip(COLOURS, own, strict=False):
        for end, width, style in ends:
            _line(axes, sizes, epsilons, _grid(one, sizes, epsilons, end) - _HALF, colour, width, style)
    if own[0].law == NSN.name:
        log_mean = _log_mean(found, kept, dimension, epsilons)
        _line(axes, sizes, epsilons, log_mean, INK, 1.1, "--")
    axes.set(yscale="log", title=f"k = {kept}, d = {dimension}", xticks=sizes[:: -(-len(sizes) // 5)])
    axes.grid(visible=False)


def _legend(figure: Any, found: Findings) -> None:
    """Say what the lines of the phase diagrams are."""
    lines = [
        ({"color": colour}, f"half of all samples, {law}")
        for colour, law in zip(COLOURS, _styles(found), strict=False)
    ]
    if found.counts:
        lines.append(({"color": INK, "linestyle": "--"}, "E[T] = 1, nsn"))
    _say(figure, lines)


def _legend_below(figure: Any, found: Findings) -> None:
    """Say what the colours of both panels below are, and the lines of the left one."""
    lines = [
        ({"color": colour}, f"d = {d}") for colour, d in zip(COLOURS, found.design.dimensions, strict=False)
    ]
    lines += [({"color": INK, "linestyle": style}, law) for law, style in _styles(found).items()]
    _say(figure, lines)


def _say(figure: Any, lines: list[tuple[dict[str, Any], str]]) -> None:
    """Write below a figure what its lines are: their looks and names."""
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], label=name, **look) for look, name in lines]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))


def _styles(found: Findings) -> dict[str, Any]:
    """Return the style of each law's lines."""
    laws = dict.fromkeys(one.law for one in found.existence)
    return dict(zip(laws, cycle(("-", ":", "--")), strict=False))


def _line(
    axes: Axes,
    sizes: Sequence[int],
    epsilons: Sequence[float],
    values: Floats,
    colour: str,
    width: float,
    style: str,
) -> None:
    """Draw where values cross 0, if they do."""
    if min(values.shape) > 1 and values.min() < 0 < values.max():
        options: dict[str, Any] = {"colors": colour, "linewidths": width, "linestyles": style}
        axes.contour(sizes, epsilons, values, levels=[0.0], **options)


def _grid(
    one: Existence, sizes: Sequence[int], epsilons: Sequence[float], of: Callable[[Served], float]
) -> Floats:
    rows = {(row.epsilon, row.n): of(row) for row in one.served}
    return np.array([[rows[epsilon, n] for n in sizes] for epsilon in epsilons])


def _log_mean(found: Findings, kept: int, dimension: int, epsilons: Sequence[float]) -> Floats:
    chances = [hit_probability(kept, found.design.target(dimension), e).log[0] for e in epsilons]
    return np.add.outer(chances, [math.log(math.comb(n, kept)) for n in found.design.sizes])


def _existence(axes: Axes, found: Findings) -> None:
    """Draw P(T > 0) against n at the epsilon asked for: measured, and between the bounds of the moments."""
    styles = _styles(found)
    for colour, d in zip(COLOURS, found.design.dimensions, strict=False):
        rows = [row for row in found.counts if (row.kept, row.dimension) == (found.kept[0], d)]
        band = [row.n for row in rows], [row.at_least for row in rows], [row.at_most for row in rows]
        axes.fill_between(*band, color=colour, alpha=0.15, linewidth=0)
        for one in (one for one in found.existence if (one.kept, one.dimension) == (found.kept[0], d)):
            own = sorted((r for r in one.served if r.epsilon == found.epsilon), key=lambda r: r.n)
            share = np.array([r.estimate for r in own])
            reach = np.abs([share - [r.low for r in own], [r.high for r in own] - share])
            axes.errorbar(
                [r.n for r in own], share, reach, color=colour, linestyle=styles[one.law], marker="o",
                markersize=2.5, linewidth=1.1, elinewidth=0.8, capsize=1.5,
            )  # fmt: skip
    axes.axhline(1 - found.delta, color=MUTED, linewidth=0.8, linestyle="--")
    axes.set(
        ylim=(-0.02, 1.04), xlabel="vectors n", title=f"P(T > 0), k = {found.kept[0]}, ε = {found.epsilon:g}"
    )
    axes.set_xticks(found.design.sizes[:: -(-len(found.design.sizes) // 9)])


def _means(axes: Axes, found: Findings) -> None:
    """Draw the mean of T over E[T], with two standard deviations that Lemma 9 gives."""
    for colour, d in zip(COLOURS, found.design.dimensions, strict=False):
        rows = [row for row in found.counts if (row.kept, row.dimension) == (found.kept[0], d)]
        ratio = np.array([row.mean / row.expected_mean for row in rows])
        variances = [row.expected_second / row.expected_mean**2 - 1 for row in rows]
        spread = 2 * np.sqrt(np.array(variances) / found.design.samples)
        n = [row.n for row in rows]
        axes.fill_between(n, 1 - spread, 1 + spread, color=colour, alpha=0.15, linewidth=0)
        axes.plot(n, ratio, "o", color=colour, markersize=3)
    axes.axhline(1, color=ORANGE, linewidth=0.8)
    axes.set(xlabel="vectors n", title="mean of T over E[T], ± 2 deviations", ylim=(0, 2))
    axes.set_xticks(found.design.sizes[:: -(-len(found.design.sizes) // 9)])

"""What the packing experiment leaves in its folder: two tables, provenance, and a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.experiments.packing.run import EpsilonRow, WidthRow
from subsetsum_nets.experiments.records import table_of, write_record
from subsetsum_nets.pictures import BLUE, COLOURS, GREEN, MUTED, ORANGE, as_power_of_two, new_figure
from subsetsum_nets.theory.prunings import different_prunings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.packing.run import PackingResult

_NAMED = 6  # curves at most that have a colour and a name each; others have a number at their end
_BARRED = 3  # curves at most that have error bars


def write_outputs(
    result: PackingResult, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write widths.csv, epsilons.csv, provenance.json and the figure; return the paths.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    return write_record(
        folder,
        "packing, Theorem 2 of Pensia et al. 2020",
        command,
        tables={
            "widths.csv": table_of(WidthRow, result.widths),
            "epsilons.csv": table_of(EpsilonRow, result.epsilons),
        },
        figure="packing",
        draw=lambda: draw(result),
        about={
            "question": result.question,
            "unknown": sum(row.unknown for row in result.widths),
            "step_one_pairs": sum(row.pairs for row in result.epsilons),
        },
    )


def draw(result: PackingResult) -> Figure:
    """Draw the share served against the width, and the width for half against epsilon with the bounds."""
    drawn = new_figure(4.4)
    left, right = drawn.subplots(1, 2)
    _shares(left, result)
    _widths(right, result)
    drawn.suptitle(
        f"{result.question['kind']} packings of {result.question['dimension']} x "
        f"{result.question['dimension']} matrices, {result.question['trials']} random networks a width",
        x=0.01,
        ha="left",
        fontsize=10,
    )
    return drawn


def _shares(axes: Axes, result: PackingResult) -> None:
    from matplotlib.ticker import MaxNLocator

    many = len(result.epsilons) > _NAMED
    barred = len(result.epsilons) <= _BARRED
    for number, row in enumerate(result.epsilons):
        rows = [one for one in result.widths if one.epsilon == row.epsilon]
        widths = [one.width for one in rows]
        shade = 0.25 + 0.75 * number / max(1, len(result.epsilons) - 1)
        colour: Any = BLUE if many else COLOURS[number]
        axes.plot(
            widths,
            [one.share_low for one in rows],
            color=colour,
            alpha=shade if many else 1.0,
            marker="o",
            markersize=3,
            label=None if many else f"ε = {as_power_of_two(row.epsilon)}",
        )
        if many:
            axes.annotate(
                f"{-np.log2(row.epsilon):.3g}",
                (widths[-1], rows[-1].share_low),
                (0, 5),
                textcoords="offset points",
                ha="center",
                color=colour,
                fontsize=9,
                fontweight="bold",
            )
        if barred:
            places = [width + 0.16 * (number - (len(result.epsilons) - 1) / 2) for width in widths]
            ends = [one.success_low for one in rows], [one.success_high for one in rows]
            axes.vlines(places, *ends, color=colour, alpha=0.35, linewidth=1.6)
        if any(one.unknown for one in rows):
            axes.plot(widths, [one.share_high for one in rows], color=colour, linestyle=":", linewidth=1)
    if barred:
        axes.vlines([], [], [], color=MUTED, alpha=0.5, linewidth=1.6, label="95 % interval of P(success)")
    if many:
        axes.plot([], [], color=BLUE, marker="o", markersize=3, label="the number at a curve: log2(1/ε)")
    axes.axhline(0.5, color=MUTED, linewidth=0.8, linestyle="--")
    axes.set(xlabel="width s of the random network", ylabel="share of members served", ylim=(-0.02, 1.02))
    axes.set_title("Served (proven), by width")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), fontsize=9, ncols=2)


def _widths(axes: Axes, result: PackingResult) -> None:
    from matplotlib.ticker import MaxNLocator

    d, rows = int(result.question["dimension"]), sorted(result.epsilons, key=lambda row: -row.epsilon)
    bits = [-float(np.log2(row.epsilon)) for row in rows]
    line = np.linspace(max(1.0, min(bits) - 0.5), max(bits) + 0.5, 100)
    axes.plot(
        line,
        np.maximum((d * d * (line - 1) - 1) / (2 * d), 0),
        color=ORANGE,
        label="Theorem 2: s must exceed",
    )
    states = np.log2(different_prunings(1, d))
    axes.plot(
        line,
        np.maximum((d * d * (line - 1) - 1) / states, 0),
        color=ORANGE,
        linestyle="--",
        label="the same, where equal prunings count once",
    )
    constant = result.question["constant"]
    axes.plot(
        line,
        constant * d * np.log2(d * d / np.minimum(2.0**-line, 0.5)),
        color=GREEN,
        linestyle="-.",
        label=f"Theorem 1: C d log2(d²/ε), drawn with C = {constant:g}",
    )
    half = [(b, row.half_width) for b, row in zip(bits, rows, strict=True) if row.half_width is not None]
    if half:
        axes.plot(*zip(*half, strict=True), "o-", color=BLUE, label="measured: half are served")
    tried = [
        (b, max(one.width for one in result.widths if one.epsilon == row.epsilon))
        for b, row in zip(bits, rows, strict=True)
        if row.half_width is None
    ]
    if tried:
        axes.plot(*zip(*tried, strict=True), "^", color=BLUE, fillstyle="none", label="measured: above this")
    axes.set(xlabel="log2(1/ε)", ylabel="width s", ylim=(0, None))
    axes.set_title("Width at which half are served")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.16), fontsize=9)

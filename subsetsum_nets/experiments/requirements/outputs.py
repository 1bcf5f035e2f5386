"""What the comparison of the bounds leaves in its folder: two tables, and a figure over epsilon."""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.experiments.records import table_of, write_record
from subsetsum_nets.experiments.requirements.measured import Measured
from subsetsum_nets.experiments.requirements.run import WITH_CONSTANT
from subsetsum_nets.pictures import COLOURS, INK, PAPER, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike
    from pathlib import Path

    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.requirements.run import RequirementTable


def write_outputs(
    found: RequirementTable, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write requirements.csv, measured.csv, summary.json, provenance.json and the figure.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    columns = ("source", "width", "depth", "units", "parameters")
    curves = (
        (epsilon, name, *(getattr(r, c) for c in columns), r.constants.get("C"), r.sufficient)
        for epsilon, row in found.curves.items()
        for name, r in row.items()
    )
    return write_record(
        folder,
        "bounds",
        command,
        tables={
            "requirements.csv": (("epsilon", "theorem", *columns, "constant", "sufficient"), curves),
            "measured.csv": table_of(Measured, found.measured),
        },
        figure="requirements",
        draw=lambda: draw(found),
        about={"parameters": found.parameters},
        summary=found.summary(),
    )


def draw(found: RequirementTable) -> Figure:
    """Draw the curves of all theorems over epsilon, and what was measured."""
    figure = new_figure(4.2)
    axes = figure.subplots()
    epsilons = sorted(found.curves)
    for colour, name in zip(COLOURS, WITH_CONSTANT, strict=False):
        curve = [found.curves[epsilon][name] for epsilon in epsilons]
        label = f"{curve[0].source}, C = {curve[0].constants['C']:g}"
        axes.plot(epsilons, [float(r.parameters) for r in curve], color=colour, linewidth=1.3, label=label)
    least = [max(1.0, float(found.curves[epsilon]["lower"].parameters)) for epsilon in epsilons]
    label = "needed by two layers: " + found.table["lower"].source.removesuffix(" (lower bound)")
    axes.plot(epsilons, least, color=INK, linewidth=1.3, linestyle="--", label=label)
    for proven, filled in ((True, INK), (False, PAPER)):
        points = [m for m in found.measured if m.proven == proven]
        if points:
            what = "pruned here, bound proven" if proven else "pruned here, epsilon not reached"
            axes.plot(
                [m.epsilon for m in points], [m.parameters for m in points], "o", markersize=6,
                markerfacecolor=filled, markeredgecolor=INK, label=what,
            )  # fmt: skip
    p = found.parameters
    title = f"Parameters to approximate {p['depth']} layers of width {p['width']}, δ = {p['delta']:g}"
    axes.set(xscale="log", yscale="log", xlabel="ε", ylabel="random parameters", title=title)
    axes.invert_xaxis()
    figure.legend(loc="outside lower left", ncols=2, fontsize=8)
    return figure

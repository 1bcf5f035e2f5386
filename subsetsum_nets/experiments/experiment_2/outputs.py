"""What Experiment 2 leaves in its folder: experiment_2.json, .csv and figure, compiled.csv, and its page."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.experiment_2.run import Point
from subsetsum_nets.experiments.experiment_2.structures import STRUCTURES
from subsetsum_nets.experiments.records import table_of, write_record
from subsetsum_nets.pictures import BLUE, GREEN, INK, ORANGE, new_figure
from subsetsum_nets.reports.curves import best_curve, compiled_curve
from subsetsum_nets.reports.reproduction import write_reproduction
from subsetsum_nets.reports.reproduction_2 import experiment_2_page
from subsetsum_nets.ticket_folder import REPORT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.experiment_2.run import Experiment2

NAME = "experiment_2"
_COLUMNS = 10  # of the table: what only some points have stands in compiled.csv
_COLOURS = {"linear": BLUE, "relu": ORANGE, "wide": GREEN}
_HEIGHT = 3.6  # inches a network


def write_outputs(
    found: Experiment2, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write experiment_2.json, .csv, .png, .svg, compiled.csv, provenance.json and report.html.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    names = [field.name for field in fields(Point)][:_COLUMNS]
    page = found.summary()
    compiled = [point for point in found.points if point.structure.startswith("compiled")]
    paths = write_record(
        folder,
        "experiment 2",
        command,
        tables={
            f"{NAME}.csv": (names, [[getattr(point, name) for name in names] for point in found.points]),
            "compiled.csv": table_of(Point, compiled),
        },
        figure=NAME,
        draw=lambda: draw(page),
        about={"parameters": asdict(found.settings), "data_digest": page["data_digest"]},
        summary=page,
        summary_file=f"{NAME}.json",
    )
    report = Path(folder) / REPORT
    figures = [(NAME, "Accuracy over the parameters kept", Path(folder) / f"{NAME}.svg")]
    write_reproduction(report, experiment_2_page(page), figures)
    return [*paths, report]


def draw(page: dict[str, Any]) -> Figure:
    """Draw accuracy over the number of parameters, as the paper's Figure 4, a panel a network."""
    figure = new_figure(_HEIGHT * len(page["networks"]))
    panels = figure.subplots(len(page["networks"]), 1, squeeze=False)[:, 0]
    for axes, network in zip(panels, page["networks"], strict=True):
        _panel(axes, page, network)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=3, fontsize=8)
    return figure


def _panel(axes: Axes, page: dict[str, Any], network: str) -> None:
    points = [point for point in page["points"] if point["network"] == network]
    for kind in STRUCTURES:
        colour = _COLOURS[kind]
        _band(axes, best_curve(points, kind), f"edge-popup, {kind}", color=colour)
        if kind == "wide":
            continue
        sparsest = compiled_curve(points, kind, page["redundancy"], by="tolerance")
        _band(axes, sparsest, f"exact, {kind}, fewest", color=colour, linestyle="--", marker=".")
        nearest = compiled_curve(points, kind, None, by="redundancy")
        _band(axes, nearest, f"exact, {kind}, nearest, r = 5 to 20", color=colour, linestyle=":", marker="D")
    levels = [point["accuracy"] for point in points if point["structure"] == "baseline"]
    axes.axhline(sum(levels) / len(levels), color=INK, linewidth=1, label="trained network")
    size = max(point["parameters"] for point in points if point["structure"] == "linear")
    axes.set(
        xlim=(0, 1.05 * size / 1000),
        ylim=(0, 1),
        xlabel="parameters kept, thousands",
        ylabel="accuracy",
        title=f"{network}, {page['data']}",
    )


def _band(axes: Axes, curve: list[tuple[float, float, float, float]], label: str, **look: Any) -> None:
    """Draw the mean over seeds as a line, and from the worst to the best as a band."""
    if not curve:
        return
    kept, low, mean, high = zip(*curve, strict=True)
    thousands = [count / 1000 for count in kept]
    axes.plot(thousands, mean, linewidth=1.3, markersize=4, label=label, **look)
    axes.fill_between(thousands, low, high, color=look["color"], alpha=0.15, linewidth=0)

"""What Experiment 1 leaves in its folder: experiment_1.json, .csv and figure, provenance, and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from subsetsum_nets.experiments.records import write_record
from subsetsum_nets.experiments.weight_panels import draw_errors, draw_sizes
from subsetsum_nets.pictures import INK, new_figure
from subsetsum_nets.reports.reproduction import write_reproduction
from subsetsum_nets.reports.reproduction_1 import experiment_1_page
from subsetsum_nets.ticket_folder import REPORT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from matplotlib.figure import Figure

    from subsetsum_nets.experiments.experiment_1.run import Experiment1

NAME = "experiment_1"


def write_outputs(
    found: Experiment1, folder: str | PathLike[str], command: Sequence[str] | None = None
) -> list[Path]:
    """Write experiment_1.json, .csv, .png and .svg, provenance.json and report.html; return the paths.

    See :func:`subsetsum_nets.experiments.records.write_record`.
    """
    layers = found.page["layers"]
    asked = ("data", "data_digest", "target_digest", "items", "range", "draw", "objective", "epsilon", "seed")
    paths = write_record(
        folder,
        "experiment 1",
        command,
        tables={
            f"{NAME}.csv": (
                [*layers[0], "data"],
                [[*layer.values(), found.page["data"]] for layer in layers],
            )
        },
        figure=NAME,
        draw=lambda: draw(found),
        about={"parameters": {name: found.page[name] for name in asked}},
        summary=found.page,
        summary_file=f"{NAME}.json",
    )
    report = Path(folder) / REPORT
    figures = [("experiment_1", "Errors and sizes of the subset sums", Path(folder) / f"{NAME}.svg")]
    write_reproduction(report, experiment_1_page(found.page), figures)
    return [*paths, report]


def draw(found: Experiment1) -> Figure:
    """Draw the errors on a log axis, and how many coefficients the weights keep."""
    page, answers = found.page, found.answers
    name = page["objective"]
    figure = new_figure(3.4)
    left, right = figure.subplots(1, 2)
    figure.suptitle(f"{page['network']} on {page['data']}", fontsize=9)
    title = f"Errors of {page['weights']:,} weights, n = {page['items']}"
    draw_errors(left, {name: answers.errors}, max(page["epsilon"], page["worst_error"]), title)
    left.axvline(page["epsilon"], color=INK, linewidth=1, linestyle="--")
    expected = page["kept_predicted"]
    per_weight = None if expected is None else expected / page["weights"]
    draw_sizes(right, {name: answers.sizes}, page["items"], {name: per_weight})
    return figure

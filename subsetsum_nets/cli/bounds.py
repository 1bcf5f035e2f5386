"""Command bounds: what the theorems require, and what our construction took."""

from __future__ import annotations

import json
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from subsetsum_nets.cli.app import app
from subsetsum_nets.cli.terminal import Json, at_most, console, refusing_bad_input

if TYPE_CHECKING:
    from subsetsum_nets.experiments.requirements import RequirementTable

_MOST_MEASURED = 20_000  # weights of the target, unless asked for


@app.command()
def bounds(
    width: Annotated[int, typer.Option(help="Units of every layer of the target (channels).")],
    depth: Annotated[int, typer.Option(help="Layers of the target.")],
    epsilon: Annotated[float, typer.Option(help="Required bound on sup ||f - g||.")],
    delta: Annotated[float, typer.Option(help="Accepted probability of not reaching epsilon.")] = 0.01,
    kernel: Annotated[int, typer.Option(help="Rows of the kernels, for the structured theorem.")] = 1,
    constant: Annotated[
        list[str] | None,
        typer.Option(metavar="THEOREM=C", help="C of a theorem, as pensia=3; 1 for those not named."),
    ] = None,
    measure: Annotated[
        bool | None,
        typer.Option(help=f"Prune random networks too; default: for up to {_MOST_MEASURED:,} weights."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the measurement's networks.")] = 0,
    threads: Annotated[int | None, typer.Option(help="All cores if not given.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables, provenance and the plot.")] = None,
    as_json: Json = False,
) -> None:
    """Show the size of a random network that each theorem requires, beside what prune needed.

    Sizes with an unknown constant C show how a bound grows, not what it is.
    """
    with refusing_bad_input(as_json):
        from subsetsum_nets.experiments.requirements import requirement_table, write_outputs

        few = width * width * depth <= _MOST_MEASURED
        found = requirement_table(
            width,
            depth,
            epsilon,
            delta,
            kernel=kernel,
            constants=_constants(constant or []),
            measure=few if measure is None else measure,
            seed=seed,
            threads=threads,
        )
        if out is not None:
            write_outputs(found, out, sys.argv)
    if as_json:
        print(json.dumps(found.summary()))  # noqa: T201
    else:
        _show(found, out)


def _constants(given: list[str]) -> dict[str, float]:
    constants = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            constants[name] = float(value)
        except ValueError:
            raise ValueError(f"--constant takes THEOREM=NUMBER, as pensia=3, got {text!r}") from None
    return constants


def _show(found: RequirementTable, out: Path | None) -> None:
    from rich.table import Table

    from subsetsum_nets.constructions import DEFAULT

    p = found.parameters
    title = f"{p['depth']} layers of width {p['width']}, epsilon {p['epsilon']:g}, delta {p['delta']:g}"
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 1, 0, 0)
    )
    for heading in ("", "theorem", "width", "depth", "parameters", "C"):
        table.add_column(heading, justify="left" if heading in ("", "theorem") else "right", no_wrap=True)
    for name, r in found.table.items():
        least = "" if r.sufficient else "≥ "
        source = r.source.removesuffix(" (lower bound)")
        constant = f"{r.constants['C']:g}" if r.constants else "-"
        table.add_row(
            name, source, least + _count(r.width), str(r.depth), least + _count(r.parameters), constant
        )
    screen = console()
    screen.print(table)
    screen.print("C is assumed: the theorems state no value", style="dim")
    if found.measured:
        own = Table(
            title=f"\npruned here ({DEFAULT})",
            title_justify="left",
            title_style="bold",
            box=None,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        for heading in ("epsilon", "proven bound", "width", "depth", "parameters", "kept"):
            own.add_column(heading, justify="right")
        for m in found.measured:
            own.add_row(
                f"{m.epsilon:g}", at_most(m.bound, m.epsilon) + ("" if m.proven else " (not reached)"),
                f"{m.width:,}", str(m.depth), f"{m.parameters:,}", f"{m.kept:,}",
            )  # fmt: skip
        screen.print(own)
    else:
        screen.print("not measured; --measure prunes random networks too")
    if out is not None:
        screen.print(f"written to {out}", highlight=False)


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**9 else f"{number:.2e}"

"""Command bounds: what the theorems require, and what our construction took."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from subsetsum_nets.cli.options import EXPERIMENTS, Delta, Epsilon, Json, Threads, app
from subsetsum_nets.cli.terminal import at_most, console, open_table, print_found, refusing_bad_input
from subsetsum_nets.stage_lines import shown_to_people

if TYPE_CHECKING:
    from subsetsum_nets.experiments.requirements import RequirementTable

_MOST_MEASURED = 20_000  # weights of the target, unless asked for
_PADDING = (0, 1, 0, 0)  # one space between columns


@app.command(rich_help_panel=EXPERIMENTS)
def bounds(
    width: Annotated[int, typer.Option(help="Units of every layer of the target (channels).")],
    depth: Annotated[int, typer.Option(help="Layers of the target.")],
    epsilon: Epsilon,
    delta: Delta = 0.01,
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
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables, provenance and the plot.")] = None,
    as_json: Json = False,
) -> None:
    """Show the size of a random network that each theorem requires, beside what prune needed.

    Sizes with an unknown constant C show how a bound grows, not what it is.
    """
    with refusing_bad_input(as_json):
        from subsetsum_nets.experiments.requirements import requirement_table, write_outputs

        few = width * width * depth <= _MOST_MEASURED
        with shown_to_people(as_json=as_json):
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
    print_found(found, _show, out, as_json)


def _constants(given: list[str]) -> dict[str, float]:
    constants = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            constants[name] = float(value)
        except ValueError:
            raise ValueError(f"--constant takes THEOREM=NUMBER, as pensia=3, got {text!r}") from None
    return constants


def _show(found: RequirementTable) -> None:
    from subsetsum_nets.constructions import DEFAULT

    p = found.parameters
    title = f"{p['depth']} layers of width {p['width']}, epsilon {p['epsilon']:g}, delta {p['delta']:g}"
    headings = ("", "theorem", "width", "depth", "parameters", "C")
    table = open_table(title, headings, headings[:2], no_wrap=True, padding=_PADDING)
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
        headings = ("epsilon", "proven bound", "width", "depth", "parameters", "kept")
        own = open_table(f"\npruned here ({DEFAULT})", headings, padding=_PADDING)
        for m in found.measured:
            own.add_row(
                f"{m.epsilon:g}", at_most(m.bound, m.epsilon) + ("" if m.proven else " (not reached)"),
                f"{m.width:,}", str(m.depth), f"{m.parameters:,}", f"{m.kept:,}",
            )  # fmt: skip
        screen.print(own)
    else:
        screen.print("not measured; --measure prunes random networks too")


def _count(number: int) -> str:
    return f"{number:,}" if number < 10**9 else f"{number:.2e}"

"""Command packing: how wide a random network must be to serve half of a packing, beside Theorem 2."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from itertools import count
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from subsetsum_nets.choices import PackingKind  # noqa: TC001 - typer reads the annotations
from subsetsum_nets.cli.options import EXPERIMENTS, Json, app
from subsetsum_nets.cli.terminal import console, counting, open_table, refusing_bad_input

if TYPE_CHECKING:
    from subsetsum_nets.experiments.packing.run import PackingResult, WidthRow


@app.command(rich_help_panel=EXPERIMENTS)
def packing(
    epsilon: Annotated[list[float], typer.Option(help="Error allowed; give it again for more of them.")],
    dimension: Annotated[int, typer.Option(help="d of the d x d matrices, from 1 to 3.")] = 1,
    width_to: Annotated[
        int | None, typer.Option(help="Every width up to this one; without, until half are served.")
    ] = None,
    trials: Annotated[int, typer.Option(help="Random networks a width.")] = 20,
    members: Annotated[
        int | None, typer.Option(help="Members drawn for each network; without, all for d = 1, else 4.")
    ] = None,
    kind: Annotated[PackingKind, typer.Option(help="How the packing is built.")] = "lattice",
    time_limit: Annotated[float, typer.Option(help="Seconds a member, then it is unknown.")] = 60.0,
    constant: Annotated[float, typer.Option(help="C of Theorem 1; no value is known.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Of all random networks.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for tables, figure, finished cells; a second run resumes.", metavar="DIR"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Decide which matrices of a packing random two-layer networks can be pruned to, width by width.

    Every answer is proven: by masks with a verified bound, or by points at which no pruning does.
    """
    with refusing_bad_input(as_json, out):
        from subsetsum_nets.experiments.packing import run_packing, write_outputs

        widths = None if width_to is None else width_to * len(epsilon)
        with counting("widths", widths, as_json=as_json) as tell:
            done = count(1)

            def show(row: WidthRow) -> None:
                _show_width(row)
                tell(next(done))

            result = run_packing(
                dimension,
                epsilon,
                width_to=width_to,
                trials=trials,
                members=members,
                kind=kind,
                time_limit=time_limit,
                constant=constant,
                seed=seed,
                out=out,
                progress=None if as_json else show,
            )
        written = [] if out is None else [str(path) for path in write_outputs(result, out, sys.argv)]
    if as_json:
        print(json.dumps({**asdict(result), "files": written}))  # noqa: T201
        return
    _show(result)
    for path in written:
        console().print(f"written to {path}", highlight=False, markup=False)


_LEGEND = """\
share: of all members that the random networks were asked for. P(success): that a random network serves a
random member; its interval takes one member of each network, since those of one are dependent, and the share
may lie a little outside it. at most: the different prunings over the members.
"""


def _show_width(row: WidthRow) -> None:
    unknown = f", {row.unknown:,} unknown" if row.unknown else ""
    where = f"epsilon {row.epsilon:g}, width {row.width}"
    typer.echo(f"{where}: {row.served:,} of {row.asked:,} served{unknown}", err=True)


def _show(result: PackingResult) -> None:
    names = ("epsilon", "width", "asked", "served", "unknown", "share", "P(success), 95 %", "at most")
    widths = open_table(None, names)
    for row in result.widths:
        share = f"{row.share_low:.3f}" + (f" to {row.share_high:.3f}" if row.unknown else "")
        widths.add_row(
            *(f"{row.epsilon:g}", f"{row.width}", f"{row.asked:,}", f"{row.served:,}", f"{row.unknown:,}"),
            *(share, f"{row.success_low:.3f} to {row.success_high:.3f}", f"{row.largest_share:.3g}"),
        )
    columns = ("epsilon", "members", "volume bound", "half served", "Theorem 2", "counting", "Theorem 1")
    epsilons = open_table(None, columns)
    for one in result.epsilons:
        half = "not reached" if one.half_width is None else f"s = {one.half_width}"
        epsilons.add_row(
            *(f"{one.epsilon:g}", f"{one.members:,}", f"{one.volume_bound:.3g}", half),
            *(
                f"s > {max(one.theorem_2, 0.0):.3g}",
                f"s >= {one.counting_width}",
                f"s = {one.theorem_1_width}",
            ),
        )
    for table in (widths, _LEGEND, epsilons):
        console().print(table, highlight=False)

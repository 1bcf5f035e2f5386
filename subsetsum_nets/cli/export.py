"""Command export: a ticket's question for other verifiers, and its masks for PyTorch."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subsetsum_nets.cli.options import Json, MaxMemory, Ticket, app
from subsetsum_nets.cli.terminal import print_pairs, refusing_bad_input

if TYPE_CHECKING:
    from subsetsum_nets.networks import Domain
    from subsetsum_nets.pruned_network import PrunedNetwork


@app.command()
def export(
    folder: Ticket,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    epsilon: Annotated[
        float | None, typer.Option(help="To ask about, in the maximum norm; the ticket's if not given.")
    ] = None,
    float32: Annotated[
        bool, typer.Option("--float32", help="Round the networks to float32, for verifiers that need it.")
    ] = False,
    bounding_box: Annotated[
        bool, typer.Option("--bounding-box", help="Ask about the box around a ball; VNN-LIB has no balls.")
    ] = False,
    torch_masks: Annotated[
        Path | None,
        typer.Option(help="Also write weight_orig and weight_mask as torch.nn.utils.prune keeps them."),
    ] = None,
    max_memory: MaxMemory = None,  # noqa: ARG001 - its callback sees to it
    as_json: Json = False,
) -> None:
    """Write f, g and f - g as ONNX, and "is sup ||f - g||_inf <= epsilon?" as VNN-LIB 1.0 and 2.0."""
    with refusing_bad_input(as_json):
        from subsetsum_nets.exchange import export_pair, write_masks
        from subsetsum_nets.pruned_network import PrunedNetwork

        ticket = PrunedNetwork.load(folder)
        asked = ticket.epsilon if epsilon is None else epsilon
        domain = _domain(ticket, bounding_box)
        written = export_pair(
            ticket.target,
            ticket.network,
            out,
            epsilon=asked,
            domain=domain,
            dtype="float32" if float32 else None,
        )
        if torch_masks is not None:
            write_masks(ticket.random, ticket.all_masks, torch_masks)
            written = [*written, torch_masks]
    if as_json:
        page: dict[str, Any] = {"files": [str(path) for path in written], "epsilon": asked, "norm": "linf"}
        print(json.dumps({**page, "domain": domain.to_json()}))  # noqa: T201
        return
    print_pairs(
        f"is ||f(x) - g(x)||_inf <= {asked:g} for every x in {domain!r}?",
        [(path.name, f"{path.stat().st_size:,} bytes") for path in written],
    )


def _domain(ticket: PrunedNetwork, bounding_box: bool) -> Domain:
    from subsetsum_nets.networks import Ball, Box

    if bounding_box and isinstance(ticket.domain, Ball):
        return Box(*ticket.domain.bounds(ticket.target.widths[0]))
    return ticket.domain

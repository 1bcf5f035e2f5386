"""Command export: how far two networks are apart as a question for other verifiers; masks for PyTorch."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from subsetsum_nets.cli.network_options import Logits, Output, check_ticket, read_pair
from subsetsum_nets.cli.options import FILES, Json, MaxMemory, app
from subsetsum_nets.cli.questions import (
    Asked,
    BallRadius,
    BoxFile,
    ChannelsFirst,
    DomainRange,
    in_one_order,
    questions,
)
from subsetsum_nets.cli.terminal import print_pairs, refusing_bad_input
from subsetsum_nets.shown import shown_domain

if TYPE_CHECKING:
    from subsetsum_nets.networks import Domain, ReluNetwork


class _Question(NamedTuple):
    """Two networks and what is to be asked about them."""

    target: ReluNetwork
    pruned: ReluNetwork
    domain: Domain
    epsilon: float


@app.command(rich_help_panel=FILES)
def export(
    first: Annotated[
        Path, typer.Argument(metavar="DIR|F", help="A folder that prune wrote, or a network file.")
    ],
    second: Annotated[
        Path | None, typer.Argument(metavar="G", help="The network file to compare with.")
    ] = None,
    *,
    out: Annotated[Path, typer.Option(help="Folder for the files.")],
    epsilon: Annotated[
        float | None, typer.Option(help="To ask about, in the maximum norm; the ticket's if not given.")
    ] = None,
    domain: DomainRange = None,
    box: BoxFile = None,
    ball: BallRadius = None,
    output: Output = None,
    logits: Logits = False,  # noqa: ARG001 - the callback of output sees to it
    channels_first: ChannelsFirst = None,
    float32: Annotated[
        bool, typer.Option("--float32", help="Round the networks to float32, for verifiers that need it.")
    ] = False,
    bounding_box: Annotated[
        bool, typer.Option("--bounding-box", help="Ask about the box around a ball; VNN-LIB has no balls.")
    ] = False,
    torch_masks: Annotated[
        Path | None,
        typer.Option(help="Also write weight_orig and weight_mask as PyTorch keeps them."),
    ] = None,
    max_memory: MaxMemory = None,  # noqa: ARG001 - its callback sees to it
    as_json: Json = False,
) -> None:
    """Write f, g and f - g as ONNX, and "is sup ||f - g||_inf <= epsilon?" as VNN-LIB 1.0 and 2.0."""
    asked = Asked(domain, box, ball, None, None, None, None, epsilon, channels_first)
    with refusing_bad_input(as_json):
        from subsetsum_nets.exchange import export_pair

        if second is None:
            question, more = _of_ticket(first, asked, output, torch_masks)
        elif torch_masks is None:
            question, more = _of_files((first, second), asked, output), []
        else:
            raise ValueError(
                "two network files have no masks; --torch-masks is for a folder that prune wrote"
            )
        around = _around(question, bounding_box)
        written = export_pair(
            question.target,
            question.pruned,
            out,
            epsilon=question.epsilon,
            domain=around,
            dtype="float32" if float32 else None,
        )
        written += more
    if as_json:
        page: dict[str, Any] = {"files": [str(path) for path in written], "epsilon": question.epsilon}
        print(json.dumps({**page, "norm": "linf", "domain": around.to_json()}))  # noqa: T201
        return
    print_pairs(
        f"is ||f(x) - g(x)||_inf <= {question.epsilon:g} for every x in {shown_domain(around)}?",
        [(path.name, f"{path.stat().st_size:,} bytes") for path in written],
    )


def _of_ticket(
    folder: Path, asked: Asked, output: str | None, torch_masks: Path | None
) -> tuple[_Question, list[Path]]:
    """Return what a ticket's certificate asks, and the file of its masks where that is wanted."""
    from subsetsum_nets.exchange import write_masks
    from subsetsum_nets.pruned_network import PrunedNetwork

    given = [name for name in asked.given if name != "--epsilon"] + (["--output"] if output else [])
    if given:
        raise ValueError(f"{given[0]} is for two network files, export F G; a ticket has its domain")
    ticket = PrunedNetwork.load(check_ticket(folder))
    if torch_masks is not None:
        write_masks(ticket.random, ticket.all_masks, torch_masks)
    epsilon = ticket.epsilon if asked.epsilon is None else asked.epsilon
    question = _Question(ticket.target, ticket.compared, ticket.domain, epsilon)
    return question, [] if torch_masks is None else [torch_masks]


def _of_files(files: tuple[Path, Path], asked: Asked, output: str | None) -> _Question:
    if asked.epsilon is None:
        raise ValueError("give --epsilon: the files ask whether sup ||f - g||_inf <= epsilon")
    f, g = in_one_order(*read_pair(*files, output), asked.channels_first)
    (domain,) = questions(asked, f, g).domains
    return _Question(f, g, domain, asked.epsilon)


def _around(question: _Question, bounding_box: bool) -> Domain:
    from subsetsum_nets.networks import Ball, Box

    if bounding_box and isinstance(question.domain, Ball):
        return Box(*question.domain.bounds(question.target.widths[0]))
    return question.domain

"""The typer application that every command registers with."""

import typer

app = typer.Typer(
    name="subsetsum-nets",
    help="Exact subset-sum solving for strong lottery tickets: prune a random network, prove the error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

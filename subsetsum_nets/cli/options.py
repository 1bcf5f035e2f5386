"""The application that every command registers with, and options that several commands share."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.models import CommandInfo

app: typer.Typer = typer.Typer(
    name="subsetsum-nets",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# The jobs of commands, in the order in which help shows them.
MAIN = "Prune, verify, solve"
FILES = "Look at networks, and take them elsewhere"
TRAINED = "Sparsify trained networks"
EXPERIMENTS = "Experiments on what the papers say"
INSTALLATION = "This installation"
_PANELS = (MAIN, FILES, TRAINED, EXPERIMENTS, INSTALLATION)
_FIRST = ("prune", "verify", "solve", "info", "graph", "export", "bounds")


def in_order(application: typer.Typer) -> None:
    """Sort the commands by their jobs; those that are used most come first, then as they were registered."""
    application.registered_commands.sort(key=_place)


def _place(command: CommandInfo) -> tuple[int, int]:
    name, panel = command.name or getattr(command.callback, "__name__", ""), command.rich_help_panel
    return _index(_PANELS, panel), _index(_FIRST, name)


def _index(known: tuple[str, ...], name: Any) -> int:
    return known.index(name) if name in known else len(known)


def _show_version(asked: bool) -> None:
    if asked:
        from subsetsum_nets.version import __version__

        typer.echo(f"subsetsum-nets {__version__}")
        raise typer.Exit


@app.callback()
def _all_commands(
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Exact subset-sum solving for strong lottery tickets: prune a random network, prove the error."""


def _allow_memory(context: typer.Context, most: int | None) -> int | None:
    if most is not None:
        from subsetsum_nets.networks.files.budget import memory_allowed

        context.with_resource(memory_allowed(most))
    return most


Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Threads = Annotated[int | None, typer.Option(help="All cores if not given.")]
Target = Annotated[Path | None, typer.Argument(help="Network file; the shipped digits one if none.")]
Ticket = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that prune wrote.")]
Epsilon = Annotated[float, typer.Option(help="Required bound on sup ||f - g||.")]
Delta = Annotated[float, typer.Option(help="Accepted probability of not reaching epsilon.")]
MaxMemory = Annotated[
    int | None,
    typer.Option(
        min=1, callback=_allow_memory, metavar="BYTES", help="That reading a file may take, else 2 GiB."
    ),
]
RunFolder = Annotated[
    Path | None, typer.Option(help="Folder for tables, provenance and figure; a cut-off run resumes from it.")
]

"""Network files on the command line: read, or refused with the command that was meant."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from subsetsum_nets.networks import ReluNetwork


def _output_asked(context: typer.Context, output: str | None) -> str | None:
    if not context.params.get("logits"):
        return output
    if output not in (None, "logits"):
        raise typer.BadParameter(f"--logits and --output {output} ask for different tensors; give one")
    return "logits"


Output = Annotated[
    str | None,
    typer.Option(
        callback=_output_asked,
        help="Of ONNX files: read up to this tensor, or up to the logits.",
        metavar="NAME|logits",
    ),
]
Logits = Annotated[
    bool,
    typer.Option("--logits", is_eager=True, help="The same as --output logits: drop a softmax at the end."),
]


def read_network(path: Path, output: str | None = None) -> ReluNetwork:
    """Read a network file, of an ONNX file up to ``output``; or a state dict, whose ReLUs are assumed.

    Raises
    ------
    IsADirectoryError
        For a folder, with what to do about it.
    ValueError, OSError
        As :func:`~subsetsum_nets.networks.load_network`.

    """
    from subsetsum_nets.exchange import read_state_dict
    from subsetsum_nets.exchange.torch_files import is_state_dict
    from subsetsum_nets.networks.files.network_files import load_workable
    from subsetsum_nets.ticket_folder import PRUNED, TARGET

    if path.is_dir():
        within = [path / name for name in (TARGET, PRUNED) if (path / name).is_file()]
        advice = f"; its networks are {' and '.join(map(str, within))}" if within else ""
        raise IsADirectoryError(f"{path} is a folder, and a network file was expected{advice}")
    if output is None and is_state_dict(path):
        typer.echo(f"note: {path} is a state dict; a ReLU is taken to stand between its layers", err=True)
        return read_state_dict(path)
    with _roundings_as_notes(path):
        return load_workable(path, output=output)


@contextmanager
def _roundings_as_notes(path: Path) -> Iterator[None]:
    """Say on stderr which weights of a file were rounded: what is proven is about the rounded ones."""
    from subsetsum_nets.networks.lowering.notes import RoundedFoldingWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RoundedFoldingWarning)
        yield
    for warning in caught:
        if issubclass(warning.category, RoundedFoldingWarning):
            typer.echo(f"note: {path}: {warning.message}", err=True)
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def read_notes(path: Path) -> dict[str, str]:
    """Return the notes of a network file; a state dict has none."""
    from subsetsum_nets.exchange.torch_files import is_state_dict
    from subsetsum_nets.networks import read_extra

    return {} if is_state_dict(path) else read_extra(path)


def read_pair(first: Path, second: Path, output: str | None) -> tuple[ReluNetwork, ReluNetwork]:
    """Read two network files; ``output`` is for those of them that are ONNX, of which there must be one."""
    onnx = [path.suffix.lower() == ".onnx" for path in (first, second)]
    if output is not None and not any(onnx):
        raise ValueError(f"--output chooses in ONNX files, and neither {first} nor {second} is one")
    f, g = (
        read_network(path, output if chosen else None)
        for path, chosen in zip((first, second), onnx, strict=True)
    )
    return f, g


def check_ticket(folder: Path) -> Path:
    """Return the folder of a ticket, or raise NotADirectoryError with what to do about a file."""
    if folder.is_file():
        raise NotADirectoryError(
            f"{folder} is a file, and a folder that prune wrote was expected; {_advice(folder)}"
        )
    return folder


def _advice(path: Path) -> str:
    from subsetsum_nets.networks.files.suffixes import SUFFIXES, TORCH_SUFFIXES
    from subsetsum_nets.ticket_folder import CERTIFICATE

    if path.suffix.lower() in (*SUFFIXES, *TORCH_SUFFIXES):
        return f"two network files are compared by  subsetsum-nets verify {path.name} OTHER"
    if path.name == CERTIFICATE:
        return f"the folder is {path.parent}"
    if path.suffix == ".json":
        return "a certificate of two network files is checked by  subsetsum-nets verify F G --check FILE"
    return f"subsetsum-nets info {path.name} says what it is"

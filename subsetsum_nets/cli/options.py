"""Arguments and options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Threads = Annotated[int | None, typer.Option(help="All cores if not given.")]
Target = Annotated[Path | None, typer.Argument(help="Network file; the shipped digits one if none.")]
Ticket = Annotated[Path, typer.Argument(metavar="DIR", help="A folder that prune wrote.")]
Epsilon = Annotated[float, typer.Option(help="Required bound on sup ||f - g||.")]
Delta = Annotated[float, typer.Option(help="Accepted probability of not reaching epsilon.")]
RunFolder = Annotated[
    Path | None, typer.Option(help="Folder for tables, provenance and figure; a cut-off run resumes from it.")
]

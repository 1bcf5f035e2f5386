"""Command info: what a file is; or versions, backends, threads, shipped networks."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from subsetsum_nets.cli.network_options import Logits, Output  # noqa: TC001 - typer reads the annotations
from subsetsum_nets.cli.options import FILES, Json, MaxMemory, app
from subsetsum_nets.cli.terminal import print_pairs, refusing_bad_input


@app.command(rich_help_panel=FILES)
def info(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE|DIR", help="Say what this is, and what to do with it.")
    ] = None,
    output: Output = None,
    logits: Logits = False,  # noqa: ARG001 - the callback of output sees to it
    max_memory: MaxMemory = None,  # noqa: ARG001 - its callback sees to it
    as_json: Json = False,
) -> None:
    """Say what a file or folder is; without one show versions, backends, threads and shipped networks."""
    if file is None:
        _installation(as_json)
        return
    with refusing_bad_input(as_json):
        from subsetsum_nets.cli.described import described, rows_of

        page = described(file, output)
    if as_json:
        print(json.dumps({"path": str(file), **page}))  # noqa: T201
    else:
        print_pairs(str(file), rows_of(page))


def _installation(as_json: bool) -> None:
    """Show what this installation has."""
    with refusing_bad_input(as_json):
        import os
        import platform
        from importlib.metadata import version

        from solvers import backends
        from subsetsum_nets.constructions import CONSTRUCTIONS, DEFAULT, EXACT
        from subsetsum_nets.networks import shipped_networks
        from subsetsum_nets.verification.methods.table import METHODS
        from subsetsum_nets.version import __version__

        libraries = {name: version(name) for name in ("numpy", "scipy", "numba", "ortools", "safetensors")}
        page = {
            "version": __version__,
            "python": platform.python_version(),
            "libraries": libraries,
            "threads": os.cpu_count(),
            "backends": backends(),
            "constructions": sorted([*CONSTRUCTIONS, *EXACT]),
            "methods": list(METHODS),
            "networks": shipped_networks(),
        }
        if as_json:
            print(json.dumps(page))  # noqa: T201
            return
        print_pairs(
            f"subsetsum-nets {__version__}",
            [
                ("python", page["python"]),
                ("libraries", ", ".join(f"{name} {number}" for name, number in libraries.items())),
                ("threads", page["threads"]),
                *[(f"backend {name}", summary) for name, summary in backends().items()],
                *[
                    (
                        f"construction {name}",
                        f"{found.source}; allocation {' or '.join(found.allocations)}"
                        + ("; the default" if name == DEFAULT else ""),
                    )
                    for name, found in sorted(CONSTRUCTIONS.items())
                ],
                *[(f"construction {name}", f"{exact.source}; exact") for name, exact in EXACT.items()],
                ("methods", ", ".join(METHODS)),
                ("networks", ", ".join(shipped_networks())),
            ],
        )

"""Command info: versions, backends, threads, shipped networks."""

from __future__ import annotations

import json

from subsetsum_nets.cli.options import Json, app
from subsetsum_nets.cli.terminal import print_pairs, refusing_bad_input


@app.command()
def info(as_json: Json = False) -> None:
    """Show versions, the backends found, threads and shipped networks."""
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

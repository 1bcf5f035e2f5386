"""The pictures of the README, as the code makes them: ``python -m subsetsum_nets.reports.docs_images OUT``.

They show the shipped digits network, pruned with the defaults.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from subsetsum_nets.reports.figures import FIGURES, save_png

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.pruned_network import PrunedNetwork

PICTURES = ("errors", "layers")


def write_pictures(pruned: PrunedNetwork, folder: str | PathLike[str]) -> list[Path]:
    """Write errors.png and layers.png of a pruned network to ``folder``; return their paths."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in FIGURES:
        if kind.name in PICTURES and kind.applies(pruned):
            written.append(place / f"{kind.name}.png")
            save_png(kind, pruned, written[-1])
    return written


def main(arguments: list[str]) -> int:
    """Prune the shipped digits network and write its pictures."""
    from subsetsum_nets.compiler import prune
    from subsetsum_nets.networks import load_network, shipped_network

    if len(arguments) != 1:
        sys.stderr.write("usage: python -m subsetsum_nets.reports.docs_images OUT\n")
        return 2
    pruned = prune(load_network(shipped_network("digits-64-32-10")))
    for path in write_pictures(pruned, arguments[0]):
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

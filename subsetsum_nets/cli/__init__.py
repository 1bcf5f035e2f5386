"""The command line: prune, verify, solve, graph, export, bounds, packing, rssp, mrss, coreset and more.

Every command has a readable view and, with ``--json``, one for machines. Exit codes: 0 done and, where asked,
verified; 1 not verified or infeasible; 2 bad input. One file a group of commands.
"""

from subsetsum_nets.cli import (
    bounds,
    coreset,
    export,
    graph,
    info,
    instances,
    packing,
    random_subset_sum,
    reproduce,
    selftest,
    tickets,
    vector_subset_sum,
    verify,
)
from subsetsum_nets.cli.options import app
from subsetsum_nets.cli.terminal import print_what_the_terminal_can

__all__ = [
    "app",
    "bounds",
    "coreset",
    "export",
    "graph",
    "info",
    "instances",
    "main",
    "packing",
    "random_subset_sum",
    "reproduce",
    "selftest",
    "tickets",
    "vector_subset_sum",
    "verify",
]


def main() -> None:
    """Run the command line."""
    print_what_the_terminal_can()
    app()

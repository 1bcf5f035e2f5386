"""The command line: prune, verify, solve, graph, export, bounds, packing, rssp, mrss, coreset and more.

Every command has a readable view and, with ``--json``, one for machines. Exit codes: 0 done and, where asked,
verified; 1 not verified or infeasible; 2 bad input. One file a group of commands.
"""

from solvers.kernels.first_use import compiling_told_to
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
from subsetsum_nets.cli.options import app, in_order
from subsetsum_nets.cli.terminal import print_what_the_terminal_can, say_to_people

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

in_order(app)


def main() -> None:
    """Run the command line."""
    print_what_the_terminal_can()
    with compiling_told_to(say_to_people):
        app(prog_name="subsetsum-nets")

"""``python -m subsetsum_nets``: the command line."""

from subsetsum_nets.cli import main

main()

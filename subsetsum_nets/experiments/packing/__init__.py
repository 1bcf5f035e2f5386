"""The packing experiment: what share of a packing random two-layer networks serve."""

from subsetsum_nets.experiments.packing.outputs import write_outputs
from subsetsum_nets.experiments.packing.run import PackingResult, run_packing

__all__ = ["PackingResult", "run_packing", "write_outputs"]

"""The per-weight experiment: subset sums for the weights of a trained network."""

from subsetsum_nets.experiments.per_weight.outputs import write_outputs
from subsetsum_nets.experiments.per_weight.run import PerWeight, run_per_weight

__all__ = ["PerWeight", "run_per_weight", "write_outputs"]

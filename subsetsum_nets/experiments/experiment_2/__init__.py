"""Experiment 2 of Pensia et al. (2020): edge-popup in structured networks, beside exact subset sums."""

from subsetsum_nets.experiments.experiment_2.outputs import write_outputs
from subsetsum_nets.experiments.experiment_2.run import Experiment2, run_experiment_2

__all__ = ["Experiment2", "run_experiment_2", "write_outputs"]

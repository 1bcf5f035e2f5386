"""Experiment 1 of Pensia et al. (2020): a trained network, every weight replaced by a subset sum."""

from subsetsum_nets.experiments.experiment_1.outputs import write_outputs
from subsetsum_nets.experiments.experiment_1.run import Experiment1, run_experiment_1

__all__ = ["Experiment1", "run_experiment_1", "write_outputs"]

"""The vector random subset-sum experiment: how many vectors hit a target with a subset of k of them."""

from subsetsum_nets.experiments.mrss.outputs import write_outputs
from subsetsum_nets.experiments.mrss.run import Findings, run_mrss

__all__ = ["Findings", "run_mrss", "write_outputs"]

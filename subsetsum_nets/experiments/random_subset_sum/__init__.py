"""The random subset-sum experiment: how many items serve every target of an interval."""

from subsetsum_nets.experiments.random_subset_sum.outputs import write_outputs
from subsetsum_nets.experiments.random_subset_sum.run import Findings, run_random_subset_sum

__all__ = ["Findings", "run_random_subset_sum", "write_outputs"]

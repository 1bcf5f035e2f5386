"""Can this random network be pruned to within epsilon of that matrix? With a proof either way."""

from subsetsum_nets.theory.prunings.decision import PruningDecision, PruningStatus
from subsetsum_nets.theory.prunings.exhaustion import Probe
from subsetsum_nets.theory.prunings.prunings import decide_prunings, different_prunings

__all__ = ["Probe", "PruningDecision", "PruningStatus", "decide_prunings", "different_prunings"]

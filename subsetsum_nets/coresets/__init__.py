"""Coresets: trained networks with fewer parameters, by sampling, saliency or cost, and proofs of their error.

Baykal et al. 2018, *Data-Dependent Coresets*, with its traps removed; the peers that a reader would use; and
what the paper wanted to guarantee, proven by the verifier: over a domain, or near data points.
"""

from subsetsum_nets.coresets.paper_sizes import PaperSizes, paper_sizes
from subsetsum_nets.coresets.population import PopulationBound, population_bound
from subsetsum_nets.coresets.sensitivity import Sensitivities, sensitivities
from subsetsum_nets.coresets.sparsified_network import SparsifiedNetwork
from subsetsum_nets.coresets.sparsify import sparsify
from subsetsum_nets.coresets.task import TooFewEdgesError, WholeLayerWarning

__all__ = [
    "PaperSizes",
    "PopulationBound",
    "Sensitivities",
    "SparsifiedNetwork",
    "TooFewEdgesError",
    "WholeLayerWarning",
    "paper_sizes",
    "population_bound",
    "sensitivities",
    "sparsify",
]

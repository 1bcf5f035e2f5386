"""Error and accuracy over the size kept, method by method: the two figure families of Baykal et al. 2018."""

from subsetsum_nets.experiments.coresets.outputs import write_outputs
from subsetsum_nets.experiments.coresets.run import CoresetCurves, CurvePoint, coreset_curves

__all__ = ["CoresetCurves", "CurvePoint", "coreset_curves", "write_outputs"]

"""Verification: sound bounds on sup ||f - g||, proven from the two networks alone.

The independent judge of the flow: it imports ``networks`` and nothing of solvers, constructions or the
compiler. Every bound speaks of the real-arithmetic functions with exactly the stored float64 weights.
"""

from subsetsum_nets.verification.collapse import collapse
from subsetsum_nets.verification.comparison import Comparison, SearchOptions
from subsetsum_nets.verification.enclosures.effective import LayerErrors, TwoSlope, effective_layers
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError, UnsupportedStructureError
from subsetsum_nets.verification.methods.differential import DifferentialRecursion, differential_bound
from subsetsum_nets.verification.methods.table import METHODS
from subsetsum_nets.verification.near import NearResult, verify_near
from subsetsum_nets.verification.results import LayerBound, MethodBound, VerificationResult
from subsetsum_nets.verification.same_class import same_class
from subsetsum_nets.verification.verifier import proven_bound, verify

__all__ = [
    "METHODS",
    "BoundOverflowError",
    "Comparison",
    "DifferentialRecursion",
    "LayerBound",
    "LayerErrors",
    "MethodBound",
    "NearResult",
    "SearchOptions",
    "SoundnessError",
    "TwoSlope",
    "UnsupportedStructureError",
    "VerificationResult",
    "collapse",
    "differential_bound",
    "effective_layers",
    "proven_bound",
    "same_class",
    "verify",
    "verify_near",
]

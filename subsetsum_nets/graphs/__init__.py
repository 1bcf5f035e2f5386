"""Networks as graphs: what is connected to what, what is dead, which edges implement which target weight.

Beside verification in the flow: it reads networks and masks, and gives networks, counts and files back.
"""

from subsetsum_nets.graphs.analysis.comparison import GraphComparison
from subsetsum_nets.graphs.analysis.exact_paths import LinearMap
from subsetsum_nets.graphs.dag.edges import EdgeBlock, Edges, FactoredOrigin
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import GraphFileError, InvalidGraphError
from subsetsum_nets.graphs.face import LayeredDag

__all__ = [
    "EdgeBlock",
    "Edges",
    "FactoredOrigin",
    "GraphComparison",
    "GraphFileError",
    "InvalidGraphError",
    "LayeredDag",
    "LinearMap",
    "NodeLayer",
]

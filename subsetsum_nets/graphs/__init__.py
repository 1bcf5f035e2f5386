"""Networks as graphs: what is connected to what, what is dead, which edges implement which target weight.

Beside verification in the flow: it reads networks and masks, and gives networks, counts and files back.
"""

from subsetsum_nets.graphs.comparison import GraphComparison
from subsetsum_nets.graphs.edges import EdgeBlock, Edges, FactoredOrigin
from subsetsum_nets.graphs.errors import GraphFileError, InvalidGraphError
from subsetsum_nets.graphs.exact_paths import LinearMap
from subsetsum_nets.graphs.layered_dag import LayeredDag
from subsetsum_nets.graphs.nodes import NodeLayer

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

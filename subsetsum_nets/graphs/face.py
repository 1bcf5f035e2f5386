"""LayeredDag: a network as a weighted directed acyclic graph, in arrays a layer at a time.

What a network *is* stands in :mod:`~subsetsum_nets.networks`; the graph is for looking at how it is
connected: which units are dead, how many paths there are, which edges implement a target weight. It reads
networks and masks and gives networks back. What takes a graph first is a method as it stands in its room.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from subsetsum_nets.graphs.analysis import comparison, exact_paths, reachability
from subsetsum_nets.graphs.analysis import serving as serving_part
from subsetsum_nets.graphs.dag.graph import Dag
from subsetsum_nets.graphs.files import graph_files, networkx_bridge
from subsetsum_nets.graphs.networks import conversion, pass_through
from subsetsum_nets.graphs.networks.channels import channel_graph
from subsetsum_nets.graphs.pictures import drawing

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.graphs.networks.conversion import Pruned
    from subsetsum_nets.networks.relu_network import ReluNetwork


class LayeredDag(Dag):
    """A feed-forward network as a graph: nodes in layers, edges in one block for each pair of layers.

    Layer 0 holds the inputs, the last layer the outputs, every layer between at least one hidden node. Edges
    go from a layer to any later one. An edge or a bias that is not kept belongs to the graph but carries
    nothing: evaluation, paths and dead units are those of the kept ones.

    Parameters
    ----------
    layers : sequence of NodeLayer
        At least two.
    blocks : mapping of (int, int) to EdgeBlock
        The edges from layer a to layer b > a under the key (a, b), shape (nodes of b, nodes of a).
    domain : Box or Ball, optional
        The inputs the network is meant for.
    target_shapes : sequence of (int, int)
        For a graph whose edges have origins: (d_out, d_in + 1) of each layer of the target. An origin
        numbers the weights of the target: layer after layer, row after row, the bias last in its row.
    summary : bool
        Whether nodes stand for channels of a convolution; such a graph is to look at, not to evaluate.

    Raises
    ------
    InvalidGraphError
        If layers and blocks do not fit together.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> dag = LayeredDag.from_network(ReluNetwork([Dense([[1.0], [-1.0]]), Dense([[1.0, 1.0]])]))   # |x|
    >>> dag
    LayeredDag(1-2-1, 4 edges, 4 kept)
    >>> dag([-3.0])
    array([3.])
    >>> dag.path_count()
    2

    """

    __slots__ = ()

    # -- from and to networks ------------------------------------------------------------------------

    @classmethod
    def from_network(cls, network: ReluNetwork | Pruned, *, channels: bool = False) -> LayeredDag:
        """Return the graph of a network, see :func:`subsetsum_nets.graphs.networks.conversion.network_graph`.

        Parameters
        ----------
        network : ReluNetwork or PrunedNetwork
            Of a pruned network, the graph is its *random* network with ``kept`` from the masks, and origins
            where they follow from the structure.
        channels : bool
            A node for each channel of a convolution instead of each value, see
            :func:`subsetsum_nets.graphs.networks.channels.channel_graph`.

        """
        return cls.of(channel_graph(network) if channels else conversion.network_graph(network))

    to_network: Final = conversion.graph_network
    to_masked_network: Final = conversion.masked_network
    with_pass_through: Final = pass_through.with_pass_through

    # -- what is in it -------------------------------------------------------------------------------

    compare: Final = comparison.compare
    path_count: Final = reachability.path_count
    serving: Final = serving_part.serving
    without_dead_units: Final = reachability.without_dead_units

    # -- exact arithmetic ----------------------------------------------------------------------------

    linear_map: Final = exact_paths.linear_map
    active_at: Final = exact_paths.active_at
    exact_values: Final = exact_paths.values_at

    # -- networkx, files and pictures ----------------------------------------------------------------

    to_networkx: Final = networkx_bridge.to_networkx
    save: Final = graph_files.save_graph
    draw: Final = drawing.draw

    @classmethod
    def from_networkx(cls, graph: Any) -> LayeredDag:
        """Read a networkx DiGraph, see :func:`subsetsum_nets.graphs.files.networkx_bridge.from_networkx`."""
        return cls.of(networkx_bridge.from_networkx(graph))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> LayeredDag:
        """Read a .graphml, .json or .safetensors file: :func:`~.graph_files.load_graph`."""
        return cls.of(graph_files.load_graph(path))

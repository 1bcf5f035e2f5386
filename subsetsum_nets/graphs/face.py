"""LayeredDag: a network as a weighted directed acyclic graph, in arrays a layer at a time.

What a network *is* stands in :mod:`~subsetsum_nets.networks`; the graph is for looking at how it is
connected: which units are dead, how many paths there are, which edges implement a target weight. It reads
networks and masks and gives networks back; what a method does is told in the module that it names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from subsetsum_nets.graphs.analysis.comparison import compare
from subsetsum_nets.graphs.analysis.exact_paths import active_at, linear_map, values_at
from subsetsum_nets.graphs.analysis.reachability import path_count, without_dead_units
from subsetsum_nets.graphs.analysis.serving import serving
from subsetsum_nets.graphs.dag.graph import Dag
from subsetsum_nets.graphs.files.graph_files import load_graph, save_graph
from subsetsum_nets.graphs.files.networkx_bridge import from_networkx, to_networkx
from subsetsum_nets.graphs.networks.channels import channel_graph
from subsetsum_nets.graphs.networks.conversion import graph_network, masked_network, network_graph
from subsetsum_nets.graphs.networks.pass_through import with_pass_through

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from subsetsum_nets.graphs.analysis.comparison import GraphComparison
    from subsetsum_nets.graphs.analysis.exact_paths import LinearMap
    from subsetsum_nets.graphs.networks.conversion import Pruned
    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]


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
        return LayeredDag.of(channel_graph(network) if channels else network_graph(network))

    def to_network(self) -> ReluNetwork:
        """Return the network of the kept edges, see :func:`~.conversion.graph_network`.

        Skip connections go through pass-through nodes; the function is exactly the same.
        """
        return graph_network(self)

    def to_masked_network(self) -> tuple[ReluNetwork, NetworkMasks]:
        """Return the network of all edges and the masks that keep the kept ones.

        Raises
        ------
        InvalidGraphError
            If there are skip connections or layers of mixed activation.

        """
        return masked_network(self)

    @classmethod
    def from_networkx(cls, graph: Any) -> LayeredDag:
        """Read a networkx DiGraph, see :func:`subsetsum_nets.graphs.files.networkx_bridge.from_networkx`."""
        return LayeredDag.of(from_networkx(graph))

    def to_networkx(self) -> Any:
        """Return a networkx DiGraph, see :func:`subsetsum_nets.graphs.files.networkx_bridge.to_networkx`."""
        return to_networkx(self)

    # -- other graphs ---------------------------------------------------------------------------------

    def without_dead_units(self) -> LayeredDag:
        """Return the graph without units that change nothing.

        See :func:`subsetsum_nets.graphs.analysis.reachability.without_dead_units`.
        """
        return without_dead_units(self)

    def with_pass_through(self) -> LayeredDag:
        """Return the same function without skip connections.

        See :func:`subsetsum_nets.graphs.networks.pass_through.with_pass_through`.
        """
        return with_pass_through(self)

    def serving(self, layer: int, row: int, column: int, *, candidates: bool = False) -> LayeredDag:
        """Return the part that implements one weight of the target.

        See :func:`subsetsum_nets.graphs.analysis.serving.serving`.
        """
        return LayeredDag.of(serving(self, layer, row, column, candidates=candidates))

    def compare(self, other: LayeredDag) -> GraphComparison:
        """Say what is in both graphs and what is in one: :func:`~.comparison.compare`."""
        return compare(self, other)

    def path_count(self) -> int:
        """Return the number of paths of kept, nonzero edges from inputs to outputs, exactly.

        See :func:`subsetsum_nets.graphs.analysis.reachability.path_count`.
        """
        return path_count(self)

    # -- exact arithmetic ----------------------------------------------------------------------------

    def linear_map(
        self,
        active: Sequence[Any] | None = None,
        *,
        first: int = 0,
        last: int | None = None,
        before_activation: bool = False,
    ) -> LinearMap:
        """Return the linear map of a part as sums over paths: :func:`~.exact_paths.linear_map`."""
        return linear_map(self, active, first=first, last=last, before_activation=before_activation)

    def active_at(self, x: Any) -> tuple[Bools, ...]:
        """Return which ReLUs are on at a point, exactly: :func:`~.exact_paths.active_at`."""
        return active_at(self, x)

    def exact_values(self, x: Any) -> tuple[tuple[Fraction, ...], ...]:
        """Return the values of all nodes at a point, exactly: :func:`~.exact_paths.values_at`."""
        return values_at(self, x)

    # -- files and pictures --------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write to .graphml, .json, .dot or .safetensors: :func:`~.graph_files.save_graph`."""
        save_graph(self, path)

    @staticmethod
    def load(path: str | PathLike[str]) -> LayeredDag:
        """Read a .graphml, .json or .safetensors file: :func:`~.graph_files.load_graph`."""
        return LayeredDag.of(load_graph(path))

    def draw(self, path: str | PathLike[str], **options: Any) -> str:
        """Draw the graph to a file, see :func:`subsetsum_nets.graphs.pictures.drawing.draw`."""
        from subsetsum_nets.graphs.pictures.drawing import draw

        return draw(self, path, **options)

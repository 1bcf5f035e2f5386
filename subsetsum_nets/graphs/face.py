"""LayeredDag: a network as a weighted directed acyclic graph, in arrays a layer at a time.

What a network *is* stands in :mod:`~subsetsum_nets.networks`; the graph is for looking at how it is
connected: which units are dead, how many paths there are, which edges implement a target weight. It reads
networks and masks and gives networks back; what a method does is told in the module that it names.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.analysis.comparison import compare
from subsetsum_nets.graphs.analysis.exact_paths import active_at, linear_map, values_at
from subsetsum_nets.graphs.analysis.reachability import path_count, without_dead_units
from subsetsum_nets.graphs.analysis.serving import serving
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.dag.parts import DagParts
from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.graphs.files.graph_files import load_graph, save_graph
from subsetsum_nets.graphs.files.networkx_bridge import from_networkx, to_networkx
from subsetsum_nets.graphs.networks.channels import channel_graph
from subsetsum_nets.graphs.networks.conversion import graph_network, masked_network, network_graph
from subsetsum_nets.graphs.networks.pass_through import with_pass_through
from subsetsum_nets.networks.arrays import FloatArray, exact_float64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from fractions import Fraction
    from os import PathLike
    from types import MappingProxyType

    from numpy.typing import NDArray

    from subsetsum_nets.graphs.analysis.comparison import GraphComparison
    from subsetsum_nets.graphs.analysis.exact_paths import LinearMap
    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.graphs.networks.conversion import Pruned
    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]
    Span = tuple[int, int]


class LayeredDag:
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

    __slots__ = ("blocks", "domain", "layers", "summary", "target_shapes")

    layers: tuple[NodeLayer, ...]
    blocks: MappingProxyType[Span, EdgeBlock]
    domain: Domain | None
    target_shapes: tuple[tuple[int, int], ...]
    summary: bool

    def __init__(
        self,
        layers: Sequence[NodeLayer],
        blocks: Mapping[Span, EdgeBlock],
        *,
        domain: Domain | None = None,
        target_shapes: Sequence[tuple[int, int]] = (),
        summary: bool = False,
    ) -> None:
        parts = DagParts(layers, blocks, domain, target_shapes, summary)
        for name in self.__slots__:
            object.__setattr__(self, name, getattr(parts, name))

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a LayeredDag does not change; make a new one instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a LayeredDag does not change; {name} cannot be deleted")

    def __reduce__(self) -> Any:
        return _rebuilt, (self.layers, dict(self.blocks), self.domain, self.target_shapes, self.summary)

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.widths)) if self.depth < 12 else f"{self.depth + 1} layers"
        return f"LayeredDag({shape}, {self.edges} edges, {self.kept_edges} kept)"

    # -- counts --------------------------------------------------------------------------------------

    @property
    def widths(self) -> tuple[int, ...]:
        """Number of nodes of each layer."""
        return tuple(layer.size for layer in self.layers)

    @property
    def depth(self) -> int:
        """Number of layers behind the inputs."""
        return len(self.layers) - 1

    @property
    def nodes(self) -> int:
        """Number of nodes, inputs and outputs included."""
        return sum(self.widths)

    @property
    def edges(self) -> int:
        """Number of edges, kept or not."""
        return sum(block.edges for block in self.blocks.values())

    @property
    def kept_edges(self) -> int:
        """Number of kept edges."""
        return sum(block.kept_edges for block in self.blocks.values())

    @property
    def parameters(self) -> int:
        """Number of edges and biases, kept or not."""
        return self.edges + sum(layer.bias.size for layer in self.layers if layer.bias is not None)

    @property
    def kept_parameters(self) -> int:
        """Number of kept edges and biases."""
        biases = [
            layer.size if layer.bias_kept is None else int(layer.bias_kept.sum())
            for layer in self.layers
            if layer.bias is not None
        ]
        return self.kept_edges + sum(biases)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, those shared with a network included."""
        nodes = sum(
            array.nbytes
            for layer in self.layers
            for array in (layer.relu, layer.bias, layer.bias_kept, layer.index)
            if array is not None
        )
        return nodes + sum(block.nbytes for block in self.blocks.values())

    @property
    def layered(self) -> bool:
        """Whether every edge goes to the next layer."""
        return all(b == a + 1 for a, b in self.blocks)

    def kind(self, layer: int) -> str:
        """Return ``"input"``, ``"hidden"`` or ``"output"``, the kind of the nodes of a layer."""
        return "input" if layer == 0 else "output" if layer == self.depth else "hidden"

    def path_count(self) -> int:
        """Return the number of paths of kept, nonzero edges from inputs to outputs, exactly.

        See :func:`subsetsum_nets.graphs.analysis.reachability.path_count`.
        """
        return path_count(self)

    # -- evaluation ----------------------------------------------------------------------------------

    def __call__(self, x: Any) -> FloatArray:
        """Evaluate the kept edges in float64; the same, bit for bit, as the network the graph is from.

        Parameters
        ----------
        x : array_like, shape (inputs,) or (batch, inputs)

        Returns
        -------
        array, shape (outputs,) or (batch, outputs)

        Raises
        ------
        InvalidNetworkError
            If ``x`` is not finite.
        InvalidGraphError
            For another number of inputs, and for a graph of channels.

        """
        self.check_exact("evaluated")
        points = exact_float64(x, "the input")
        inputs = self.widths[0]
        if points.ndim not in (1, 2) or points.shape[-1] != inputs:
            raise InvalidGraphError(
                f"the graph takes inputs of shape ({inputs},) or (batch, {inputs}), got {points.shape}"
            )
        values = [np.atleast_2d(points)]
        for number, layer in enumerate(self.layers[1:], start=1):
            total: Any = None
            for (a, b), block in self.blocks.items():
                if b == number:
                    matrix = block.matrix()
                    term = values[a] @ matrix.T if block.pattern is None else (matrix @ values[a].T).T
                    total = term if total is None else total + term
            if total is None:
                total = np.zeros((len(values[0]), layer.size))
            if layer.kept_bias is not None:
                total = total + layer.kept_bias
            if layer.relu.any():
                total = np.where(layer.relu, np.maximum(total, 0.0), total)
            values.append(total)
        return values[-1] if points.ndim == 2 else values[-1][0]

    def check_exact(self, what: str) -> None:
        """Raise InvalidGraphError for a graph of channels, which cannot be ``what``."""
        if self.summary:
            raise InvalidGraphError(
                f"a graph of channels cannot be {what}; take from_network(network) without channels=True"
            )

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
        return _made(channel_graph(network) if channels else network_graph(network))

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
        return _made(from_networkx(graph))

    def to_networkx(self) -> Any:
        """Return a networkx DiGraph, see :func:`subsetsum_nets.graphs.files.networkx_bridge.to_networkx`."""
        return to_networkx(self)

    # -- other graphs --------------------------------------------------------------------------------

    def without_dead_units(self) -> LayeredDag:
        """Return the graph without units that change nothing.

        See :func:`subsetsum_nets.graphs.analysis.reachability.without_dead_units`.
        """
        return without_dead_units(self)

    def kept_only(self) -> LayeredDag:
        """Return the graph without the edges that are not kept; its nodes all stay, and its biases' zeros."""
        layers = [
            NodeLayer.of(layer.relu, layer.kept_bias, None, layer.index)
            if layer.bias_kept is not None
            else layer
            for layer in self.layers
        ]
        return self.with_parts(layers, {span: block.kept_only() for span, block in self.blocks.items()})

    def with_all_kept(self) -> LayeredDag:
        """Return the graph before pruning."""
        layers = [NodeLayer(layer.relu, layer.bias, None, layer.index) for layer in self.layers]
        return self.with_parts(layers, {span: block.with_all_kept() for span, block in self.blocks.items()})

    def compact(self) -> LayeredDag:
        """Return the same graph in memory of its own instead of the network's.

        Weights are stored as float32 where that changes none of them; random weights are drawn to allow it.
        """
        return self.with_parts(self.layers, {span: block.compact() for span, block in self.blocks.items()})

    def with_pass_through(self) -> LayeredDag:
        """Return the same function without skip connections.

        See :func:`subsetsum_nets.graphs.networks.pass_through.with_pass_through`.
        """
        return with_pass_through(self)

    def serving(self, layer: int, row: int, column: int, *, candidates: bool = False) -> LayeredDag:
        """Return the part that implements one weight of the target.

        See :func:`subsetsum_nets.graphs.analysis.serving.serving`.
        """
        return _made(serving(self, layer, row, column, candidates=candidates))

    def target_weight(self, origin: int) -> tuple[int, int, int]:
        """Return (layer, row, column) of the target weight with this number; the bias is the last column.

        Raises
        ------
        IndexError
            If there is no such target weight.

        """
        first = 0
        for layer, (rows, columns) in enumerate(self.target_shapes):
            if first <= origin < first + rows * columns:
                return (layer, *divmod(int(origin) - first, columns))
            first += rows * columns
        raise IndexError(f"{origin} is no target weight; there are {first}")

    def origin_number(self, layer: int, row: int, column: int) -> int:
        """Return the number of a target weight; column d_in is the bias.

        Raises
        ------
        IndexError
            If the target has no such weight, or is not known.

        """
        if not 0 <= layer < len(self.target_shapes):
            raise IndexError(
                f"there is no target layer {layer}: this graph knows of {len(self.target_shapes)}"
            )
        rows, columns = self.target_shapes[layer]
        if not (0 <= row < rows and 0 <= column < columns):
            raise IndexError(
                f"target layer {layer} has no weight ({row}, {column}); "
                f"rows go to {rows - 1}, columns to {columns - 2}, and {columns - 1} is the bias"
            )
        return sum(math.prod(shape) for shape in self.target_shapes[:layer]) + row * columns + column

    def compare(self, other: LayeredDag) -> GraphComparison:
        """Say what is in both graphs and what is in one: :func:`~.comparison.compare`."""
        return compare(self, other)

    def with_parts(self, layers: Sequence[NodeLayer], blocks: Mapping[Span, EdgeBlock]) -> LayeredDag:
        """Return a graph of other parts with everything else the same."""
        return LayeredDag(
            layers,
            blocks,
            domain=self.domain,
            target_shapes=self.target_shapes,
            summary=self.summary,
        )

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
        return _made(load_graph(path))

    def draw(self, path: str | PathLike[str], **options: Any) -> str:
        """Draw the graph to a file, see :func:`subsetsum_nets.graphs.pictures.drawing.draw`."""
        from subsetsum_nets.graphs.pictures.drawing import draw

        return draw(self, path, **options)


def _made(parts: DagParts) -> LayeredDag:
    return LayeredDag(**vars(parts))


def _rebuilt(
    layers: Sequence[NodeLayer],
    blocks: Mapping[Span, EdgeBlock],
    domain: Domain | None,
    target_shapes: Sequence[tuple[int, int]],
    summary: bool,
) -> LayeredDag:
    return LayeredDag(layers, blocks, domain=domain, target_shapes=target_shapes, summary=summary)

"""Networks and masks to graphs, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from subsetsum_nets.graphs.dag.edges import EdgeBlock
from subsetsum_nets.graphs.dag.graph import Dag
from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.graphs.networks.origins import derived_origins
from subsetsum_nets.graphs.networks.pass_through import mixed, uniform_layers
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import UnsupportedStructureError
from subsetsum_nets.networks.layer_groups import layer_groups
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import Bools, Shape
    from subsetsum_nets.networks.layer_shapes import Layer


class Pruned(Protocol):
    """What a graph needs of a :class:`~subsetsum_nets.pruned_network.PrunedNetwork`."""

    @property
    def random(self) -> ReluNetwork:
        """The network before pruning."""

    @property
    def masks(self) -> list[Any]:
        """Masks of the weights, one per layer."""

    @property
    def bias_masks(self) -> list[Bools | None]:
        """Masks of the biases, one per layer."""

    @property
    def target(self) -> ReluNetwork:
        """The network that was approximated."""


class NetworkParts(NamedTuple):
    """A network and its masks: None in place of every mask for a network that is not pruned."""

    network: ReluNetwork
    masks: Sequence[Any]
    bias_masks: Sequence[Any]
    target: ReluNetwork | None
    pruned: ReluNetwork | None = None


def network_parts(network: ReluNetwork | Pruned) -> NetworkParts:
    """Return the network to draw the graph of, with its masks.

    Raises
    ------
    TypeError
        For anything else than a network.
    InvalidGraphError
        If there is not a mask for each layer.

    """
    if isinstance(network, ReluNetwork):
        none = [None] * len(network.layers)
        return NetworkParts(network, none, none, None)
    if not isinstance(getattr(network, "random", None), ReluNetwork):
        raise TypeError(f"a graph is made of a ReluNetwork or PrunedNetwork, got {type(network).__name__}")
    pruned = getattr(network, "network", None)
    parts = NetworkParts(network.random, network.masks, network.bias_masks, network.target, pruned)
    if not len(parts.network.layers) == len(parts.masks) == len(parts.bias_masks):
        raise InvalidGraphError(f"there are {len(parts.masks)} masks for {len(parts.network.layers)} layers")
    return parts


def network_graph(network: ReluNetwork | Pruned) -> Dag:
    """Return the graph of a network; a convolution is unrolled to a node for each value.

    Parameters
    ----------
    network : ReluNetwork or PrunedNetwork
        Every entry of a dense weight is an edge, zeros too; of a sparse weight or a convolution every stored
        entry. Of a pruned network the graph is its random network, with the masks as ``kept`` and origins
        where the structure says which target weight an edge serves
        (:func:`~subsetsum_nets.graphs.networks.origins.derived_origins`).

    Returns
    -------
    Dag
        They share the arrays of the weights.

    Raises
    ------
    TypeError
        For anything else than a network.
    InvalidGraphError
        If masks do not go with the weights.

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> graph = LayeredDag.from_network(ReluNetwork([Dense([[1.0, -2.0]], bias=[0.5])]))
    >>> graph.widths, graph.edges, graph.parameters
    ((2, 1), 2, 3)

    """
    parts = network_parts(network)
    network, masks, bias_masks, target, _ = parts
    matrices: Sequence[Any] = network.affine_layers
    layers = [NodeLayer.of(np.zeros(matrices[0].d_in, dtype=bool))]
    blocks = []
    for index, (matrix, mask, bias_mask, relu) in enumerate(
        zip(matrices, masks, bias_masks, network.relu_after, strict=True)
    ):
        weight = matrix.weight
        if hasattr(weight, "tocsr"):  # sparse, or the matrix of a convolution
            if getattr(mask, "ndim", 2) == 4:  # of a convolution: unroll it like the kernel
                mask = _unrolled(network.layers[index], mask, network.shapes[index])  # noqa: PLW2901
                if bias_mask is not None:
                    bias_mask = np.tile(bias_mask, matrix.d_out // len(bias_mask))  # noqa: PLW2901
            weight = weight.tocsr()
        blocks.append(EdgeBlock.of(weight, mask))
        layers.append(NodeLayer.of(np.full(matrix.d_out, relu), matrix.bias, bias_mask))
    origins, shapes = derived_origins(
        () if target is None else target.affine_layers, _groups(parts), layers, blocks
    )
    if (
        not shapes and target is not None and len(blocks) > len(target.layers)
    ):  # widths may tell which layers stand for the target's
        shapes = [(layer.d_out, layer.d_in + 1) for layer in target.affine_layers]
    found = {
        (a, a + 1): EdgeBlock(block.shape, block.weight, block.pattern, block.kept, origin)
        for a, (block, origin) in enumerate(zip(blocks, origins, strict=True))
    }
    return Dag(layers, found, domain=network.domain, target_shapes=shapes)


def _groups(parts: NetworkParts) -> tuple[range, ...]:
    """Return which layers stand for which layer of the target; none where they do not."""
    if parts.target is None:
        return ()
    masks = NetworkMasks(list(parts.masks), list(parts.bias_masks))
    try:
        groups = layer_groups(parts.target, parts.pruned or masks.apply(parts.network))
    except UnsupportedStructureError:
        return ()
    return tuple(range(group.start, group.start + len(group.layers)) for group in groups)


def _unrolled(layer: Layer, mask: Any, shape: Shape) -> Any:
    """Return the mask of a convolution of images of ``shape``, of its nonzero entries only, as CSR."""
    kept = np.where(mask & (layer.stored != 0.0), 1.0, 0.0)
    unrolled: Any = layer.with_stored(kept, None).on(shape).weight
    return unrolled.tocsr().astype(bool)


def graph_network(graph: Dag) -> ReluNetwork:
    """Return the network of a graph's kept edges: exactly the same real function.

    Skip connections and linear nodes beside ReLU nodes go through pass-through nodes
    (:func:`~subsetsum_nets.graphs.networks.pass_through.uniform_layers`). Weights are dense where the graph
    has an edge for every entry, else CSR.

    Raises
    ------
    InvalidGraphError
        For a graph of channels, or one without inputs.

    """
    graph.check_exact("made a network")
    if not graph.widths[0]:
        raise InvalidGraphError("a network needs inputs; this graph has only constants")
    return _network(uniform_layers(graph))


def masked_network(graph: Dag) -> tuple[ReluNetwork, NetworkMasks]:
    """Return the network of all edges, and the masks of the kept ones, for a layered graph.

    Raises
    ------
    InvalidGraphError
        If there are skip connections, layers of mixed activation, or no inputs.

    """
    graph.check_exact("made a network")
    if not graph.layered or any(map(mixed, graph.layers)) or not graph.widths[0]:
        raise InvalidGraphError(
            "masks need a layered graph with one activation a layer; with_pass_through() "
            "removes skip connections"
        )
    weights = [_kept(graph, number) for number in range(1, graph.depth + 1)]
    biases = [None if layer.bias is None else layer.keeps_bias for layer in graph.layers[1:]]
    return _network(graph.with_all_kept()), NetworkMasks(weights, biases)


def _kept(graph: Dag, number: int) -> Any:
    """Return which edges into a layer are kept: bool, a CSR array where not every entry is an edge."""
    block = graph.blocks.get((number - 1, number))
    if block is not None and block.pattern is None:
        return np.ones(block.shape, dtype=bool) if block.kept is None else block.kept
    kept = _matrix(graph, number)
    return type(kept)((np.ones(kept.nnz, dtype=bool), kept.indices, kept.indptr), shape=kept.shape)


def _matrix(graph: Dag, number: int) -> Any:
    block = graph.blocks.get((number - 1, number))
    if block is not None:
        return block.matrix()
    from scipy.sparse import csr_array

    return csr_array((graph.widths[number], graph.widths[number - 1]))


def _network(graph: Dag) -> ReluNetwork:
    behind = graph.layers[1:]
    layers = [Dense(_matrix(graph, number), layer.kept_bias) for number, layer in enumerate(behind, start=1)]
    relu = [bool(layer.relu.all()) for layer in behind]
    linear = [index for index, active in enumerate(relu[:-1]) if not active]
    return ReluNetwork(layers, final_relu=relu[-1], linear_after=linear, domain=graph.domain)

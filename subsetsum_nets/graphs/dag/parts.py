"""DagParts: what a graph is made of, checked. The rooms below the face make these, the face a LayeredDag."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from subsetsum_nets.graphs.errors import InvalidGraphError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.graphs.dag.nodes import NodeLayer
    from subsetsum_nets.networks.domains import Domain

    Span = tuple[int, int]


@dataclass(frozen=True, eq=False)
class DagParts:
    """Layers of nodes and blocks of edges that fit together.

    Parameters
    ----------
    layers : sequence of NodeLayer
        At least two.
    blocks : mapping of (int, int) to EdgeBlock
        The edges from layer a to layer b > a under the key (a, b), shape (nodes of b, nodes of a). Kept in
        the order of b, then a, without blocks that have no edge.
    domain : Box or Ball, optional
    target_shapes : sequence of (int, int)
        (d_out, d_in + 1) of each layer of the target that origins number the weights of.
    summary : bool
        Whether nodes stand for channels.

    Raises
    ------
    InvalidGraphError
        If layers and blocks do not fit together.
    InvalidNetworkError
        If the domain has another dimension than the inputs.

    """

    layers: Sequence[NodeLayer]
    blocks: Mapping[Span, EdgeBlock]
    domain: Domain | None = None
    target_shapes: Sequence[tuple[int, int]] = ()
    summary: bool = False

    def __post_init__(self) -> None:
        _check_layers(self.layers)
        _check_blocks(self.layers, self.blocks)
        ordered = sorted(self.blocks.items(), key=lambda item: (item[0][1], item[0][0]))
        if self.domain is not None:
            self.domain.bounds(self.layers[0].size)  # raises when the dimensions differ
        for name, value in (
            ("layers", tuple(self.layers)),
            ("blocks", MappingProxyType({span: block for span, block in ordered if block.edges})),
            ("target_shapes", tuple((int(r), int(c)) for r, c in self.target_shapes)),
            ("summary", bool(self.summary)),
        ):
            object.__setattr__(self, name, value)


def _check_layers(layers: Sequence[NodeLayer]) -> None:
    if len(layers) < 2:
        raise InvalidGraphError(f"a graph needs inputs and outputs, got {len(layers)} layers")
    for number, layer in enumerate(layers):
        if number and not layer.size:
            raise InvalidGraphError(f"layer {number} has no nodes; only the inputs may be none")
    if layers[0].bias is not None or layers[0].relu.any():
        raise InvalidGraphError("inputs have no bias and no activation")


def _check_blocks(layers: Sequence[NodeLayer], blocks: Mapping[Span, EdgeBlock]) -> None:
    for (a, b), block in blocks.items():
        if not 0 <= a < b < len(layers):
            raise InvalidGraphError(f"edges go from a layer to a later one, not from {a} to {b}")
        shape = (layers[b].size, layers[a].size)
        if block.shape != shape:
            raise InvalidGraphError(f"the edges from layer {a} to {b} have shape {block.shape}, not {shape}")

"""Dag: the parts of a graph, what they count up to, what they compute. Every room knows graphs as this."""

from __future__ import annotations

import math
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from subsetsum_nets.graphs.dag.nodes import NodeLayer
from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.networks.arrays import FloatArray, exact_float64

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from subsetsum_nets.graphs.dag.edges import EdgeBlock
    from subsetsum_nets.networks.domains import Domain

    Span = tuple[int, int]


class Dag:
    """Layers of nodes and blocks of edges that fit together: what a LayeredDag is made of.

    See :class:`~subsetsum_nets.graphs.face.LayeredDag`, which adds all that other rooms do with a graph.
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
        _check_layers(layers)
        _check_blocks(layers, blocks)
        if domain is not None:
            domain.bounds(layers[0].size)  # raises when the dimensions differ
        ordered = sorted(blocks.items(), key=lambda item: (item[0][1], item[0][0]))
        for name, value in (
            ("layers", tuple(layers)),
            ("blocks", MappingProxyType({span: block for span, block in ordered if block.edges})),
            ("domain", domain),
            ("target_shapes", tuple((int(rows), int(columns)) for rows, columns in target_shapes)),
            ("summary", bool(summary)),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, graph: Dag) -> Self:
        """Return a graph of this class with all that another has."""
        return cls(graph.layers, graph.blocks, **graph.extras)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a graph does not change; make a new one instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a graph does not change; {name} cannot be deleted")

    def __reduce__(self) -> Any:
        return partial(type(self), **self.extras), (self.layers, dict(self.blocks))

    def __repr__(self) -> str:
        shape = "-".join(map(str, self.widths)) if self.depth < 12 else f"{self.depth + 1} layers"
        return f"{type(self).__name__}({shape}, {self.edges} edges, {self.kept_edges} kept)"

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
        biased = [layer for layer in self.layers if layer.bias is not None]
        return self.kept_edges + sum(int(layer.keeps_bias.sum()) for layer in biased)

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

    # -- parts of it ----------------------------------------------------------------------------------

    @property
    def extras(self) -> dict[str, Any]:
        """What a graph has beside nodes and edges: domain, target_shapes and summary."""
        return {"domain": self.domain, "target_shapes": self.target_shapes, "summary": self.summary}

    def with_parts(self, layers: Sequence[NodeLayer], blocks: Mapping[Span, EdgeBlock]) -> Self:
        """Return a graph of other parts with everything else the same."""
        return type(self)(layers, blocks, **self.extras)

    def kept_only(self) -> Self:
        """Return the graph without the edges that are not kept; its nodes all stay, and its biases' zeros."""
        layers = [
            NodeLayer.of(layer.relu, layer.kept_bias, None, layer.index)
            if layer.bias_kept is not None
            else layer
            for layer in self.layers
        ]
        return self.with_parts(layers, {span: block.kept_only() for span, block in self.blocks.items()})

    def with_all_kept(self) -> Self:
        """Return the graph before pruning."""
        layers = [NodeLayer(layer.relu, layer.bias, None, layer.index) for layer in self.layers]
        return self.with_parts(layers, {span: block.with_all_kept() for span, block in self.blocks.items()})

    def compact(self) -> Self:
        """Return the same graph in memory of its own instead of the network's.

        Weights are stored as float32 where that changes none of them; random weights are drawn to allow it.
        """
        return self.with_parts(self.layers, {span: block.compact() for span, block in self.blocks.items()})

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


AnyDag = TypeVar("AnyDag", bound=Dag)
"""A graph of any class; what is made of it has the same."""


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

"""The edges of a layered drawing: which, in which colour, how thick. Biases are edges from a constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.graphs.pictures import picture_files as style

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from subsetsum_nets.graphs.dag.graph import Dag
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


CONSTANT = -1
"""In place of the source of an edge that stands for a bias."""
_THINNEST, _THICKEST = 0.7, 2.6  # points, of kept edges


class EdgeGroup(NamedTuple):
    """Edges that look the same but for their width."""

    name: str
    colour: str
    kept: bool
    faint: bool
    edges: Ints


@dataclass(frozen=True, eq=False)
class DrawnEdges:
    """All edges of a drawing, in arrays of equal length.

    Attributes
    ----------
    first : int
        The first layer that is drawn.
    start, end : int64
        The layers an edge joins.
    source, sink : int64
        The positions in these layers; source is CONSTANT for a bias.
    weight : float64
    is_kept : bool
    faint : bool
        The edge ends at a dead unit.
    biased : dict of int to bool
        The layers with an edge from a constant, and whether any of these carries.

    """

    first: int
    start: Ints
    end: Ints
    source: Ints
    sink: Ints
    weight: FloatArray
    is_kept: Bools
    faint: Bools
    biased: dict[int, bool]

    @property
    def kept(self) -> Ints:
        """The numbers of the kept edges."""
        return np.flatnonzero(self.is_kept)

    @property
    def skips(self) -> set[tuple[int, int]]:
        """The pairs of layers that edges join over another layer."""
        long = (self.end - self.start > 1) & (self.source != CONSTANT)
        return set(zip(self.start[long].tolist(), self.end[long].tolist(), strict=True))

    @property
    def signs_only(self) -> bool:
        """Whether every kept weight is +1 or -1, so that the colour says it all."""
        return bool(np.all(abs(self.weight[self.kept]) == 1.0))

    def line_widths(self) -> FloatArray:
        """Return the width of each edge in points, by its magnitude."""
        largest = float(abs(self.weight[self.kept]).max(initial=0.0))
        if self.signs_only or largest == 0.0:
            return np.full(self.weight.size, 1.1)
        return _THINNEST + (_THICKEST - _THINNEST) * np.minimum(abs(self.weight) / largest, 1.0)

    def groups(self) -> Iterator[EdgeGroup]:
        """Yield the edges in groups of one look."""
        for name, colour, kept, chosen in (
            ("pruned", style.PRUNED, False, ~self.is_kept),
            ("zero", style.ZERO, True, self.is_kept & (self.weight == 0.0)),
            ("positive", style.POSITIVE, True, self.is_kept & (self.weight > 0.0)),
            ("negative", style.NEGATIVE, True, self.is_kept & (self.weight < 0.0)),
        ):
            for faint in (True, False):
                edges = np.flatnonzero(chosen & (self.faint == faint))
                if edges.size:
                    yield EdgeGroup(f"{name}{' to removed' if faint else ''}", colour, kept, faint, edges)


def drawn_edges(graph: Dag, layers: tuple[int, int], live: Sequence[Any], *, pruned: bool) -> DrawnEdges:
    """Return the edges between two layers of a graph, biases too (but for those that are 0).

    Parameters
    ----------
    graph : Dag
    layers : (int, int)
        The first and the last that are drawn.
    live : sequence of bool arrays
        Which nodes of each layer are alive.
    pruned : bool
        Whether edges that are not kept are among them.

    """
    first, last = layers
    parts: list[tuple[Any, ...]] = []
    for (a, b), block in graph.blocks.items():
        if first <= a and b <= last:
            edges = block.all_edges()
            if not pruned:
                edges = edges.where(edges.kept)
            faint = ~(live[a][edges.columns] & live[b][edges.rows])
            parts.append((a, b, edges.columns, edges.rows, edges.weight, edges.kept, faint))
    biased: dict[int, bool] = {}
    for b in range(first + 1, last + 1):
        layer = graph.layers[b]
        if layer.bias is None:
            continue
        kept = layer.keeps_bias
        sinks = np.flatnonzero((layer.bias != 0.0) & (kept | pruned))
        if sinks.size:
            biased[b] = bool((kept & live[b])[sinks].any())
            constant = np.full(sinks.size, CONSTANT)
            parts.append((b - 1, b, constant, sinks, layer.bias[sinks], kept[sinks], ~live[b][sinks]))
    counts = [len(part[2]) for part in parts]
    start, end = (
        np.repeat(np.array([part[place] for part in parts], dtype=np.int64), counts) for place in (0, 1)
    )
    kinds = (np.int64, np.int64, np.float64, bool, bool)
    source, sink, weight, is_kept, faint = (
        np.concatenate([np.zeros(0, kind), *(part[place] for part in parts)])
        for place, kind in enumerate(kinds, start=2)
    )
    return DrawnEdges(first, start, end, source, sink, weight, is_kept, faint, biased)

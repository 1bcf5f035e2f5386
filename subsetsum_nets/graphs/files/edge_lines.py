"""A line of text for every edge of a graph, in the words of a file format."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from subsetsum_nets.graphs.dag.graph import Dag

_LINES = 1 << 13  # lines written at a time; their text stays in the cache until it is in the file


class EdgeWords(NamedTuple):
    """The words of one line; ``{a}`` and ``{b}`` stand for the layers that the edge leaves and enters.

    A line is: before, number of the source, between, number of the sink, behind, weight, after,
    [not_kept,] [origin_before, origin, origin_behind,] end.
    """

    before: str
    between: str
    behind: str
    after: str
    not_kept: str
    origin_before: str
    origin_behind: str
    end: str


def edge_lines(graph: Dag, words: EdgeWords) -> Iterator[memoryview]:
    """Yield the lines of all edges, many at a time; each piece is only valid until the next."""
    from subsetsum_nets.graphs.files.text_kernels import LONGEST_FLOAT, LONGEST_INT, powers_of_ten, put_edges

    powers = powers_of_ten()
    for (a, b), block in graph.blocks.items():
        texts = tuple(
            np.frombuffer(word.replace("{a}", str(a)).replace("{b}", str(b)).encode(), dtype=np.uint8)
            for word in words
        )
        longest = sum(text.size for text in texts) + 3 * LONGEST_INT + LONGEST_FLOAT
        out = np.empty(0, dtype=np.uint8)
        left, entered = graph.layers[a].index, graph.layers[b].index
        for edges in block.chunks(_LINES):
            if out.size < longest * edges.rows.size:
                out = np.empty(longest * edges.rows.size, dtype=np.uint8)
            written = put_edges(
                out,
                left[edges.columns],
                entered[edges.rows],
                np.ascontiguousarray(edges.weight).view(np.uint64),
                edges.kept,
                edges.origin,
                powers,
                texts,
            )
            yield out.data[:written]

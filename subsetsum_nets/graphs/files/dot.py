"""DOT, the language of Graphviz: writing a graph, streamed. For pictures only; there is no way back."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from subsetsum_nets.graphs.files.edge_lines import EdgeWords, edge_lines
from subsetsum_nets.graphs.files.networkx_bridge import node_attributes

if TYPE_CHECKING:
    from subsetsum_nets.graphs.dag.graph import Dag

_WORDS = EdgeWords(
    "n{a}_", " -> n{b}_", ' [weight_="', '"', ", style=dashed, kept=false", ", origin=", "", "];\n"
)


def write_dot(file: IO[bytes], graph: Dag) -> None:
    """Write a graph, a rank for each layer; edges that are not kept are dashed.

    The number on an edge is ``weight_``, because ``weight`` is how Graphviz calls the pull of an edge, which
    cannot be negative.
    """
    file.write(b'digraph network {\nrankdir="LR";\n')
    for number, layer in enumerate(graph.layers):
        file.write(b"{ rank=same;\n")
        for attributes in node_attributes(graph, number, layer):
            del attributes["layer"]  # means something else to Graphviz; rank and id say it
            words = [f"{name}={_word(value)}" for name, value in attributes.items()]
            file.write(f"n{number}_{attributes['index']} [{', '.join(words)}];\n".encode())
        file.write(b"}\n")
    for lines in edge_lines(graph, _WORDS):
        file.write(lines)
    file.write(b"}\n")


def _word(value: object) -> str:
    """Return a value as DOT has it: quoted, but for plain numbers (which have no exponent there)."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else f'"{str(value).lower()}"'

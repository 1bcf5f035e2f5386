"""Reading and writing graphs by the suffix of their file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from subsetsum_nets.graphs.errors import GraphFileError, InvalidGraphError
from subsetsum_nets.graphs.files.dot import write_dot
from subsetsum_nets.graphs.files.graph_arrays import read_arrays, write_arrays
from subsetsum_nets.graphs.files.graphml import read_graphml, write_graphml
from subsetsum_nets.graphs.files.node_link import read_node_link, write_node_link
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import open_regular

if TYPE_CHECKING:
    from os import PathLike

    from subsetsum_nets.graphs.dag.graph import Dag

_WRITERS = {
    ".graphml": write_graphml,
    ".json": write_node_link,
    ".dot": write_dot,
    ".safetensors": write_arrays,
}


def save_graph(graph: Dag, path: str | PathLike[str]) -> None:
    """Write a graph to a file; the file is complete or not there at all.

    Weights and biases are written so that they read back exactly. Text is streamed: memory does not grow
    with the graph.

    Parameters
    ----------
    graph : Dag
    path : path
        Ends in .graphml, .json (node-link), .dot or .safetensors.

    Raises
    ------
    ValueError
        For another suffix.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import random_network
    >>> dag = LayeredDag.from_network(random_network([2, 3, 1]))
    >>> path = Path(tempfile.mkdtemp()) / "net.graphml"
    >>> save_graph(dag, path)
    >>> LayeredDag.load(path).compare(dag).same
    True

    """
    suffix = Path(path).suffix
    if suffix not in _WRITERS:
        raise ValueError(f"a graph is saved as {', '.join(_WRITERS)}; {Path(path).name!r} ends in {suffix!r}")
    with atomic_write(path) as file:
        _WRITERS[suffix](file, graph)


def load_graph(path: str | PathLike[str]) -> Dag:
    """Read a graph from a file, its own or one that networkx or another program wrote.

    Attributes are those of :mod:`subsetsum_nets.graphs.files.networkx_bridge`; only ``weight`` must be there.
    Nothing in the file is executed, no entity expanded, no other file opened, and memory stays in proportion
    to the size of the file.

    Parameters
    ----------
    path : path
        Ends in .graphml, .json (node-link) or .safetensors.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        For another suffix.
    GraphFileError
        If the file is foreign, truncated, or nested too deep.
    InvalidGraphError
        If its nodes and edges are not those of a network: cycles, edges twice, NaN weights.

    """
    place = Path(path)
    readers = {".graphml": read_graphml, ".json": read_node_link}
    if place.suffix not in (*readers, ".safetensors"):
        raise ValueError(
            f"a graph is read from .graphml, .json or .safetensors; {place.name!r} ends in {place.suffix!r}"
        )
    if not place.exists():
        raise FileNotFoundError(f"there is no file {place}")
    try:
        if place.suffix == ".safetensors":
            return read_arrays(place)
        with open_regular(place) as file:
            return readers[place.suffix](file)
    except GraphFileError as error:
        raise GraphFileError(f"cannot read {place}: {error}") from error
    except (InvalidGraphError, InvalidNetworkError) as error:
        raise InvalidGraphError(f"{place}: {error}") from error

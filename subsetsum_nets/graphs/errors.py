"""Errors about graphs and their files."""


class InvalidGraphError(ValueError):
    """Nodes and edges that do not make a network: cycles, NaN weights, edges to nowhere, missing outputs."""


class GraphFileError(ValueError):
    """A file that cannot be read as a graph: foreign, truncated, nested or too large to be one."""

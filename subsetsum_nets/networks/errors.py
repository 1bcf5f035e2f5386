"""Errors about networks and their files."""

from os import PathLike
from pathlib import Path


class InvalidNetworkError(ValueError):
    """Layers that do not make a network: mismatched shapes, NaN or infinite weights, an empty list."""


def needs_input_shape(what: str) -> InvalidNetworkError:
    """Return the error that says that ``what`` cannot be told for images of any size."""
    return InvalidNetworkError(
        f"{what} depends on the size of the images: give the network its input_shape=(h, w, c)"
    )


class UnsupportedStructureError(NotImplementedError):
    """A pruned network whose layers do not stand for those of its target, group by group.

    Methods that compare layer by layer raise it; "interval" works for any two networks.
    """


class NetworkFileError(ValueError):
    """A file that cannot be read as a network: foreign, truncated, or of an unknown format."""


def unreadable(path: str | PathLike[str], reason: str) -> NetworkFileError:
    """Return the error that says why a file is no network."""
    return NetworkFileError(f"{Path(path)} cannot be read as a network: {reason}")

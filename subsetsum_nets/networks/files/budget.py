"""What reading a file may cost: regular files only, and no more memory than is allowed, whatever they ask.

A file of a kilobyte can describe arrays of gigabytes. So what a header, a recipe or a mask asks for is held
against one budget before anything of that size is made.
"""

from __future__ import annotations

import stat
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO, TYPE_CHECKING

from subsetsum_nets.networks.arguments import checked_integer
from subsetsum_nets.networks.errors import NetworkFileError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

DEFAULT = 2 << 30
"""Bytes that reading one file may take: 2 GiB."""

VALUE_BYTES = 128
"""Bytes that evaluating and bounding a network takes for each value of its widest layer, roughly."""

_allowed: ContextVar[int] = ContextVar("memory_allowed", default=DEFAULT)


@contextmanager
def memory_allowed(most: int) -> Iterator[None]:
    """Let files that are read inside take up to ``most`` bytes of memory.

    Raises
    ------
    ValueError
        If ``most`` is not an integer >= 1.

    Examples
    --------
    >>> with memory_allowed(8 << 30):
    ...     check_demand(5 << 30, "the mask of layer 0")

    """
    token = _allowed.set(checked_integer(most, "most"))
    try:
        yield
    finally:
        _allowed.reset(token)


def check_demand(needed: int, what: str) -> None:
    """Raise NetworkFileError if what a file asks for would take more bytes than are allowed."""
    if needed > _allowed.get():
        raise NetworkFileError(
            f"{what} would take {needed:,} bytes of memory, {_allowed.get():,} are allowed; if you trust the "
            "file, raise that with --max-memory or memory_allowed()"
        )


def check_regular(path: str | os.PathLike[str]) -> Path:
    """Return a path to a regular file that memory holds; a pipe would hang, a device never end.

    Raises
    ------
    FileNotFoundError
        If there is nothing.
    OSError
        If it is no regular file.
    NetworkFileError
        If it is larger than what is allowed.

    """
    place = Path(path)
    try:
        found = place.stat()
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {place}") from None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(f"{place} is not a regular file")
    check_demand(found.st_size, f"reading {place}")
    return place


def open_regular(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open a regular file for reading; raises what :func:`check_regular` raises."""
    return check_regular(path).open("rb")


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """Return the bytes of a regular file; raises what :func:`check_regular` raises."""
    with open_regular(path) as file:
        return file.read()

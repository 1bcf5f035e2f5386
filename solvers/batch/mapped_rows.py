"""Rows of arrays that are mapped from files, sent to other processes as places in these files.

A row of 21 items is 176 bytes, solved in microseconds: to send it through a scheduler may take a fifth of
that. A worker that sees the same file reads its rows itself. They are the same if the file's inode, size and
time of the last change agree and the numbers have the checksum of those that were mapped; if not, the worker
says so, and is sent the numbers.
"""

from __future__ import annotations

import math
import mmap
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from solvers.batch.chunks import solve_chunk
from solvers.batch.rows import Answers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.batch.rows import Rows

Stamp = tuple[int, int, int]


@dataclass(frozen=True)
class FilePart:
    """An array that lies in a file."""

    path: str
    stamp: Stamp
    offset: int
    dtype: str
    shape: tuple[int, ...]
    checksum: int  # of the numbers as they were mapped: the file of that path may be another by now

    @classmethod
    def of(cls, array: NDArray[Any]) -> Self | None:
        """Return where an array lies; None if it is not mapped read-only from a file, or not in one piece."""
        mapped: Any = array
        while mapped is not None and not isinstance(mapped, np.memmap):
            mapped = getattr(mapped, "base", None)
        if mapped is None or mapped.mode != "r" or mapped.filename is None or not array.flags.c_contiguous:
            return None
        buffer: Any = mapped
        while not isinstance(buffer, mmap.mmap):
            buffer = buffer.base
        start = np.frombuffer(buffer, np.uint8).ctypes.data
        # A mapping begins at a multiple of the granularity; NumPy keeps the offset that it was asked for.
        before = mapped.offset - mapped.offset % mmap.ALLOCATIONGRANULARITY
        path = str(Path(mapped.filename).resolve())
        try:
            stamp = _stamp(path)
        except OSError:  # it was removed after it had been mapped
            return None
        offset = array.ctypes.data - start + before
        return cls(path, stamp, offset, array.dtype.str, array.shape, _checksum(array))

    def read(self) -> NDArray[Any]:
        """Return the array; OSError if there is no such file here, or it is another."""
        numbers = np.fromfile(self.path, self.dtype, math.prod(self.shape), offset=self.offset)
        if _stamp(self.path) != self.stamp or _checksum(numbers) != self.checksum:
            raise OSError(f"{self.path} is another file here, or has changed")
        return numbers.reshape(self.shape)


@dataclass(frozen=True)
class MappedRows:
    """Rows whose items, and perhaps other arrays, are in files."""

    rest: Rows  # with empty arrays in place of those that are in files
    parts: dict[str, FilePart]  # where arrays lie, by name

    @classmethod
    def of(cls, rows: Rows) -> Self | None:
        """Return what to send instead of rows; None if their items are in no file."""
        named = {"items": rows.items, "targets": rows.targets, "valid": rows.valid}
        parts = {name: part for name, array in named.items() if (part := FilePart.of(array)) is not None}
        if "items" not in parts:
            return None
        empty: dict[str, Any] = {name: np.empty(0, named[name].dtype) for name in parts}
        return cls(replace(rows, **empty), parts)

    def with_seconds(self, seconds: float | None) -> Self:
        """Return the same rows, and how long they may take."""
        return replace(self, rest=replace(self.rest, seconds=seconds))

    def read(self) -> Rows:
        """Return the rows, in plain arrays of float64; OSError if they cannot be had here."""
        read: dict[str, Any] = {name: part.read() for name, part in self.parts.items()}
        rows = replace(self.rest, **read)
        return replace(rows, items=_floats(rows.items), targets=_floats(rows.targets))


def solve_mapped(mapped: MappedRows) -> Answers:
    """Answer rows as :func:`~solvers.batch.chunks.solve_chunk` does; none if their files are not here."""
    try:
        rows = mapped.read()
    except (OSError, ValueError):  # ValueError: the file is shorter
        return Answers.unknown(0, 0)
    return solve_chunk(rows)


def _stamp(path: str) -> Stamp:
    status = Path(path).stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def _checksum(array: NDArray[Any]) -> int:
    return zlib.crc32(array.data)


def _floats(array: NDArray[Any]) -> NDArray[np.float64]:
    return array.astype(np.float64, copy=False)

"""IDX files, as image data sets come in: plain or gzip, read no farther than their headers say.

The format: two zero bytes, a type (8: unsigned bytes), the number of dimensions, each dimension as 4 bytes
with the highest first, then the entries in row-major order.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from typing import IO, TYPE_CHECKING, cast

import numpy as np

from subsetsum_nets.networks.files.budget import check_demand, open_regular

if TYPE_CHECKING:
    from os import PathLike

    from numpy.typing import NDArray

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 8
_MOST_EXPANSION = 1032  # of deflate: 258 bytes for two bits


class IdxFileError(ValueError):
    """A file that is no complete IDX file of unsigned bytes, or not of the dimensions asked for."""


def read_idx(path: str | PathLike[str], dimensions: int) -> NDArray[np.uint8]:
    """Read an IDX file of unsigned bytes; whether it is compressed, its first two bytes tell.

    What the header announces is held against the size of the file before anything of that size is made, and
    of a compressed file no more is unpacked than that and one byte.

    Parameters
    ----------
    path : path
    dimensions : int
        3 for images, (n, rows, columns); 1 for labels, (n,).

    Returns
    -------
    uint8 array

    Raises
    ------
    FileNotFoundError, OSError
        If there is no such file, or it is no regular one.
    NetworkFileError
        If it would take more memory than is allowed.
    IdxFileError
        If it is anything else; the message says what was found.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "labels"
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 9]))
    >>> read_idx(path, 1)
    array([7, 9], dtype=uint8)

    """
    with open_regular(path) as raw:
        size = raw.seek(0, 2)
        raw.seek(0)
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        file = cast("IO[bytes]", gzip.GzipFile(fileobj=raw)) if packed else raw
        try:
            shape = _header(path, file.read(4 + 4 * dimensions), dimensions)
            entries = math.prod(shape)
            _check_size(path, shape, size - len(shape) * 4 - 4, packed=packed)
            content = file.read(entries + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise IdxFileError(f"{path} is not a complete gzip file ({error})") from error
    if len(content) != entries:
        found = "more" if len(content) > entries else f"only {len(content):,}"
        raise IdxFileError(f"{path}: its header announces {entries:,} bytes {_by(shape)}, it holds {found}")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _header(path: str | PathLike[str], head: bytes, dimensions: int) -> tuple[int, ...]:
    wanted = bytes((0, 0, _UNSIGNED_BYTES, dimensions))
    if head[:4] != wanted:
        raise IdxFileError(
            f"{path}: its magic number is {head[:4].hex() or 'missing'}, that of unsigned bytes in "
            f"{dimensions} dimension{'s' if dimensions > 1 else ''} is {wanted.hex()}"
        )
    if len(head) < 4 + 4 * dimensions:
        raise IdxFileError(f"{path}: its header ends after {len(head)} of {4 + 4 * dimensions} bytes")
    return struct.unpack(f">{dimensions}I", head[4:])


def _check_size(path: str | PathLike[str], shape: tuple[int, ...], size: int, *, packed: bool) -> None:
    """Refuse a header that announces more, or of a plain file other, than ``size`` bytes can hold."""
    entries = math.prod(shape)
    if packed and entries > _MOST_EXPANSION * (size + 64):
        raise IdxFileError(
            f"{path}: its header announces {entries:,} bytes {_by(shape)}, more than its compressed bytes "
            "hold"
        )
    if not packed and entries != size:
        raise IdxFileError(
            f"{path}: its header announces {entries:,} bytes {_by(shape)}, {max(size, 0):,} follow it"
        )
    check_demand(entries, f"unpacking {path}")


def _by(shape: tuple[int, ...]) -> str:
    return f"({' x '.join(map(str, shape))})"

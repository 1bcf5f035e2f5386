"""Reading NumPy's files, whoever may have written to them, in memory bounded by their size."""

from __future__ import annotations

import stat
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def regular_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file; OSError for others: a pipe would hang, a device never end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(f"{path} is not a regular file")
    return path.read_bytes()


def stored_arrays(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the arrays of an .npz archive as numpy.savez writes them, uncompressed, by name.

    They are views of what was read, so that neither an archive nor an array that says it is larger than it is
    takes memory. ValueError, and what zipfile raises, for anything else.
    """
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > len(content):
            raise ValueError("it unpacks to more than its size")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("it is compressed")
        return {m.filename.removesuffix(".npy"): array_of(archive.read(m)) for m in members}


def array_of(content: bytes) -> NDArray[Any]:
    """Return the array of an .npy file as a view of its bytes; ValueError for anything else."""
    stream = BytesIO(content[: 1 << 16])  # a header is far shorter
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f".npy version {version}")
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject:
        raise ValueError("it holds pickled objects, which are never loaded")
    entries = np.frombuffer(content, dtype=dtype, offset=stream.tell())
    return entries.reshape(shape, order="F" if by_column else "C")

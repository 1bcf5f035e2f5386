"""Reading arrays from .npz files with bounded memory, whatever a file holds; numpy writes them."""

from __future__ import annotations

import warnings
import zipfile
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.files.budget import check_demand

if TYPE_CHECKING:
    from numpy.typing import NDArray

# What a file may unpack to. Stored members are no longer than the file; numbers that were trained or drawn
# hardly compress, and pruned ones by the share of zeros.
_MOST_EXPANSION = 32
_ALWAYS_ALLOWED = 2**26
_PIECE = 2**20  # bytes unpacked at a time


def read_npz(file: IO[bytes]) -> dict[str, NDArray[Any]]:
    """Read the arrays of an open .npz file, compressed or not; nothing in it is ever run.

    A file that says it unpacks to more than 32 times its size plus 64 MiB is refused before anything is
    unpacked, and of no member more is unpacked than it says.

    Returns
    -------
    dict of str to array
        By name, without ".npy".

    Raises
    ------
    Exception
        Of many kinds, for a file that is no complete .npz file of arrays of numbers.

    """
    size = file.seek(0, 2)
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        for member in members:
            # Other methods cannot be unpacked a piece at a time.
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError(f"{member.filename} is compressed by method {member.compress_type}")
        unpacked = sum(member.file_size for member in members)
        limit = _MOST_EXPANSION * size + _ALWAYS_ALLOWED
        check_demand(unpacked, "unpacking its arrays")
        if unpacked > limit:
            raise ValueError(f"its {size} bytes unpack to {unpacked}, more than the {limit} that are allowed")
        return {
            member.filename.removesuffix(".npy"): npy_array(member.filename, _unpacked(archive, member))
            for member in members
        }


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    """Return the bytes of one member: as many as it declares, a piece at a time."""
    raw = bytearray(member.file_size)
    filled = 0
    with archive.open(member) as entry:
        while piece := entry.read(_PIECE):
            raw[filled : filled + len(piece)] = piece
            filled += len(piece)
    if filled != member.file_size:
        raise ValueError(f"{member.filename} has {filled} of its {member.file_size} bytes")
    return raw


def npy_array(name: str, raw: bytearray) -> NDArray[Any]:
    """Return the array of an .npy file's bytes, as a view of them: a lying header allocates nothing.

    Raises exceptions of many kinds for bytes that are no complete .npy file of numbers.
    """
    stream = BytesIO(raw[:_PIECE])  # headers are far shorter
    version = np.lib.format.read_magic(stream)
    if version not in {(1, 0), (2, 0)}:
        raise ValueError(f"{name} is of .npy version {version}")
    read_header = (
        np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy repairs odd headers with a warning; nothing we wrote needs it
        shape, by_column, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError(f"{name} holds pickled Python objects, which are never loaded")
    entries = np.frombuffer(raw, dtype=dtype, offset=stream.tell())
    return entries.reshape(shape, order="F" if by_column else "C")

"""Weights that an ONNX model keeps in files beside it: read from its own folder only, and no further.

A location is a plain file name. Links that lead elsewhere, paths, and offsets or lengths that the file does
not have are refused before a byte is read.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from subsetsum_nets.networks.errors import NetworkFileError
from subsetsum_nets.networks.files.budget import check_demand, check_regular

if TYPE_CHECKING:
    from onnx import GraphProto, TensorProto

_EXTERNAL = 1  # TensorProto.DataLocation
_KEYS = {"location", "offset", "length", "checksum", "basepath"}


class ExternalData:
    """The files beside a model, by the names that its tensors give.

    Parameters
    ----------
    folder : path or None
        Of the model; None where no other file may be read.

    """

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self._folder = None if folder is None else Path(folder)
        self._read = 0

    def size(self, graph: GraphProto) -> int:
        """Return the size of all files that a graph's initializers are in."""
        found: dict[str, Path] = {}
        for tensor in filter(is_external, graph.initializer):
            name = _entries(tensor).get("location", "")
            if name not in found:
                found[name] = self._place(name, f"the tensor {tensor.name[:60]!r}")
        return sum(check_regular(place).stat().st_size for place in found.values())

    def bytes(self, tensor: TensorProto, count: int) -> bytes:
        """Return the bytes of a tensor, of which there must be ``count``.

        Raises
        ------
        NetworkFileError
            If they are not in a regular file of the model's own folder, or are not as many.
        FileNotFoundError
            If that file is missing.

        """
        what = f"the tensor {tensor.name[:60]!r}"
        entries = _entries(tensor)
        place = self._place(entries.get("location", ""), what)
        offset, length = (_number(entries, key, what) for key in ("offset", "length"))
        available = check_regular(place).stat().st_size
        start = offset or 0
        length = max(0, available - start) if length is None else length
        if length != count or start + length > available:
            raise NetworkFileError(
                f"{what} of {count} bytes is said to be bytes {start} to {start + length} of {place.name}, "
                f"which has {available}"
            )
        self._read += count
        check_demand(self._read, f"reading the weights in {place.name}")
        with place.open("rb") as file:
            file.seek(start)
            return file.read(count)

    def _place(self, name: str, what: str) -> Path:
        if self._folder is None:
            raise NetworkFileError(f"{what} is stored in another file; save the model with its data inside")
        plain = name not in ("", ".", "..") and not set(name) & set("/\\\0:")
        place = self._folder / name if plain else self._folder
        if not plain or not os.path.lexists(place):
            raise NetworkFileError(
                f"{what} is stored in {name[:80]!r}, which is no file beside the model; only files of its "
                "own folder are opened. Put it there, or save the model with its data inside "
                "(torch.onnx.export(..., external_data=False), or onnx.save of the loaded model)"
            )
        if place.resolve().parent != self._folder.resolve():
            raise NetworkFileError(f"{what} is stored in {name[:80]!r}, a link out of the model's folder")
        return place


def is_external(tensor: TensorProto) -> bool:
    """Tell whether the numbers of a tensor are in another file."""
    return bool(tensor.data_location == _EXTERNAL or tensor.external_data)


def _entries(tensor: TensorProto) -> dict[str, str]:
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if len(entries) < len(tensor.external_data) or not set(entries) <= _KEYS:
        raise NetworkFileError(f"the tensor {tensor.name[:60]!r} says twice where it is stored, or too much")
    return entries


def _number(entries: dict[str, str], key: str, what: str) -> int | None:
    text = entries.get(key)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise NetworkFileError(f"{what} has the {key} {text[:40]!r} in its file")
    return int(text)

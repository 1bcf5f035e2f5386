"""NumPy files: .npz with arrays ``items`` and ``target``, .npy with items alone."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

from solvers.bounded_arrays import array_of, stored_arrays
from solvers.errors import InvalidProblemError
from solvers.instances.instance import Instance
from solvers.instances.pages import shown, stem_of
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from pathlib import Path

_ARRAY, _ARCHIVE = b"\x93NUMPY", b"PK\x03\x04"
_NEEDED, _OPTIONAL = (
    ("items", "target"),
    ("tolerance", "cardinality", "multiplicity", "required", "forbidden"),
)


def is_numpy(content: bytes) -> bool:
    r"""Whether a file is one of NumPy's: an array, or an archive that names an array ``items``.

    >>> is_numpy(b"\x93NUMPY"), is_numpy(b"PK\x03\x04 .. items.npy .."), is_numpy(b"PK\x03\x04 sheet1.xml")
    (True, True, False)
    """
    return content.startswith(_ARRAY) or (content.startswith(_ARCHIVE) and b"items.npy" in content)


def read_numpy(path: Path, content: bytes, target: Any = None) -> Instance:
    """Read the problem of such a file, in memory bounded by its size; pickled objects are never loaded.

    InvalidProblemError for a damaged or compressed one, missing or unknown arrays, or items without a target.
    """
    try:
        alone = content.startswith(_ARRAY)
        arrays = {"items": array_of(content)} if alone else stored_arrays(content)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise InvalidProblemError(f"{path} is no readable NumPy file: {shown(error)}") from error
    if "target" not in arrays and target is not None:
        arrays["target"] = target
    for name in _NEEDED:
        if name not in arrays:
            where = "give it (--target)" if name == "target" else f"it holds {shown(sorted(arrays))}"
            raise InvalidProblemError(f"{path} has no array {name!r}; {where}")
    if unknown := set(arrays) - {*_NEEDED, *_OPTIONAL}:
        raise InvalidProblemError(f"{path} holds {shown(sorted(unknown))}, which no instance has")
    given: dict[str, Any] = {name: arrays[name].tolist() for name in _OPTIONAL if name in arrays}
    if isinstance(sizes := given.get("cardinality"), list):
        given["cardinality"] = tuple(sizes)
    try:
        problem = SubsetSum(arrays["items"], arrays["target"], **given)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{path}: {error}") from error
    return Instance(problem, stem_of(path), "", None)

"""One conversion at the door: whatever holds numbers is read by position, as a NumPy array or a list.

Series and frames are labelled, tensors are of their own class, sparse matrices hold few of their numbers; all
of them are turned into arrays here, once, so that nothing behind the door ever sees a label.
"""

from __future__ import annotations

from array import array as machine_array
from typing import Any

import numpy as np

from solvers.errors import InvalidProblemError

_LISTS = (list, tuple)
_NUMBERS = {float, int, np.float64, np.int64}


def positional(values: Any, what: str) -> Any:
    """Return array-likes as arrays, or as lists where an array would round; anything else as it is.

    Taken are NumPy arrays and their subclasses, what has ``__array__`` (pandas, tensors) or is sparse,
    buffers and, element by element, lists and tuples of them.

    Raises
    ------
    InvalidProblemError
        For masked entries, and for what calls itself an array but cannot be made one.

    """
    if type(values) in _NUMBERS or (type(values) is np.ndarray and values.dtype != object):
        return values
    if isinstance(values, _LISTS):
        return _list(values, what)
    if isinstance(values, np.ndarray):
        return _array(values, what)
    if not _is_array_like(values):
        return values
    array = _converted(values, what)
    if array.dtype.kind == "f" and _holds_integers(values):
        # Integers beside floats or gaps would all have become float64, however large they are.
        return _list(np.asarray(values.astype(object), dtype=object).tolist(), what)
    return _array(array, what)


def one_number(value: Any) -> Any:
    """Return the element of an array without dimensions; anything else as it is."""
    if type(value) in _NUMBERS:
        return value
    if isinstance(value, np.generic) or not (isinstance(value, np.ndarray) or _is_array_like(value)):
        return value
    array = positional(value, "the number")
    return array[()] if isinstance(array, np.ndarray) and array.ndim == 0 else value


def _is_array_like(values: Any) -> bool:
    if isinstance(values, (np.generic, type)):
        return False
    if isinstance(values, (memoryview, machine_array)):
        return True
    return any(hasattr(values, name) for name in ("__array__", "__array_interface__", "toarray"))


def _holds_integers(values: Any) -> bool:
    """Tell whether a series or a frame says that some of its numbers are integers."""
    kinds: Any = getattr(values, "dtypes", None)
    kinds = kinds if hasattr(kinds, "__iter__") else [kinds]
    return hasattr(values, "astype") and any("int" in str(kind).lower() for kind in kinds)


def _list(values: Any, what: str) -> Any:
    kinds = set(map(type, values)) - _NUMBERS
    if not any(issubclass(kind, (*_LISTS, np.ndarray)) or _may_be_array_like(kind) for kind in kinds):
        return values
    return [_element(x, f"{what}[{i}]") for i, x in enumerate(values)]


def _may_be_array_like(kind: type) -> bool:
    named = any(hasattr(kind, name) for name in ("__array__", "__array_interface__", "toarray"))
    return issubclass(kind, (memoryview, machine_array)) or (named and not issubclass(kind, np.generic))


def _element(value: Any, what: str) -> Any:
    found = positional(value, what)
    return found[()] if isinstance(found, np.ndarray) and found.ndim == 0 else found


def _array(values: Any, what: str) -> Any:
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise InvalidProblemError(f"{what} hold masked entries; fill them or leave them out")
    array = np.asarray(values)
    if array.dtype.kind == "O" and array.ndim == 1 and any(map(_may_be_array_like, set(map(type, array)))):
        return _list(array.tolist(), what)
    return array


def _converted(values: Any, what: str) -> Any:
    """Return an array of what is array-like: as it says itself, dense, or off its device and its graph."""
    ways = ("toarray", "__array__", "todense", "to_dense", "detach")
    reason: Exception | None = None
    for way in ways:
        if way == "__array__" or hasattr(values, way):
            try:
                found = np.asarray(_in_one_way(values, way))
            except Exception as error:  # noqa: BLE001 - every library raises its own
                reason = reason or error
                continue
            if found.dtype.kind != "O" or found.ndim > 0:
                return found
    raise InvalidProblemError(
        f"{what} are a {type(values).__name__}, of which no array can be made ({reason}); give a NumPy array"
    )


def _in_one_way(values: Any, way: str) -> Any:
    if way == "__array__":
        return values
    found = getattr(values, way)()
    return found.cpu() if way == "detach" and hasattr(found, "cpu") else found

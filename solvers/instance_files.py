"""Instance files: reading and writing subset-sum problems as JSON, numbers kept exactly.

``{"format": "subset-sum", "version": 1, "name": .., "items": [..] or [[..]..], "target": .., "tolerance": ..,
"cardinality": .., "known": {"status": .., "error": ..}, "source": ..}``. A number is JSON (an integer
of any size; any other is the float64 it parses to) or a string: a fraction "p/q" or a hex float "0x1.8p-3".
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers.errors import InvalidProblemError
from solvers.files import replacing
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from os import PathLike

_FORMAT, _VERSION = "subset-sum", 1


@dataclass(frozen=True)
class Instance:
    """A problem with its name, where it comes from, and what is known about it.

    Attributes
    ----------
    problem : SubsetSum
    name, source : str
    known : dict or None
        ``{"status": .., "error": ..}`` of the nearest subset, the error as Fraction or None.

    """

    problem: SubsetSum
    name: str
    source: str = ""
    known: dict[str, Any] | None = None


def read_instance(path: str | PathLike[str]) -> Instance:
    """Read one instance from a JSON file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidProblemError
        If it is not such a file, or its problem makes no sense; the message names the file.

    """
    place = Path(path)
    try:
        page = json.loads(place.read_bytes(), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidProblemError(f"{place} is not a JSON instance: {error}") from error
    try:
        return _instance(page, default_name=place.stem)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{place}: {error}") from error


def write_instance(instance: Instance, path: str | PathLike[str]) -> None:
    """Write one instance to a JSON file, atomically; :func:`read_instance` reads back the same problem."""
    problem = instance.problem
    target = problem.target if isinstance(problem.target, tuple) else [problem.target]
    vectors = isinstance(problem.target, tuple)
    exact_items = [[_written(x) for x in (row if vectors else [row])] for row in problem.items.tolist()]
    known = instance.known
    page = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": instance.name,
        "items": exact_items if vectors else [row[0] for row in exact_items],
        "target": [_written(t) for t in target] if vectors else _written(target[0]),
        "tolerance": None if problem.tolerance is None else _written(problem.tolerance),
        "cardinality": None if problem.cardinality is None else list(problem.cardinality),
        "known": None
        if known is None
        else {
            "status": known["status"],
            "error": None if known["error"] is None else _written(known["error"]),
        },
        "source": instance.source,
    }
    with replacing(Path(path)) as file:
        file.write((json.dumps(page, indent=1) + "\n").encode())


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _instance(page: Any, default_name: str) -> Instance:
    if not isinstance(page, dict) or page.get("format") != _FORMAT:
        raise InvalidProblemError(f"not a subset-sum instance: 'format' must be {_FORMAT!r}")
    if page.get("version") != _VERSION:
        raise InvalidProblemError(f"version {page.get('version')!r} is unknown; this reads {_VERSION}")
    for key in ("items", "target"):
        if key not in page:
            raise InvalidProblemError(f"{key!r} is missing")
    if not isinstance(page["items"], list):
        raise InvalidProblemError("'items' must be a list")
    items = [_numbers(x) for x in page["items"]]
    cardinality = page.get("cardinality")
    problem = SubsetSum(
        items,
        _numbers(page["target"]),
        tolerance=None if page.get("tolerance") is None else _number(page["tolerance"]),
        cardinality=tuple(cardinality) if isinstance(cardinality, list) else cardinality,
    )
    known = page.get("known")
    if known is not None:
        if not isinstance(known, dict) or "status" not in known:
            raise InvalidProblemError("'known' must be null or {status, error}")
        error = known.get("error")
        known = {"status": str(known["status"]), "error": None if error is None else Fraction(_number(error))}
    return Instance(problem, str(page.get("name", default_name)), str(page.get("source") or ""), known)


def _numbers(value: Any) -> Any:
    return [_number(x) for x in value] if isinstance(value, list) else _number(value)


def _number(value: Any) -> int | float | Fraction:
    if isinstance(value, str):
        try:
            return float.fromhex(value) if "x" in value.lower() else Fraction(value)
        except (ValueError, ZeroDivisionError, OverflowError) as error:
            raise InvalidProblemError(f"{value!r} is neither a fraction p/q nor a hex float") from error
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidProblemError(f"{value!r} is not a number")
    return value


def _written(value: Any) -> Any:
    """Write integers as they are, floats and dyadic fractions as hex floats, other fractions as "p/q"."""
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value.hex()
    exact = Fraction(value)
    return exact.numerator if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}"

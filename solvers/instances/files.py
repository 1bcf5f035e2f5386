"""Instance files: reading and writing subset-sum problems, numbers kept exactly.

JSON: ``{"format": "subset-sum", "version": 1, "name": .., "items": [..] or [[..]..], "target": ..,
"tolerance": .., "cardinality": .., "multiplicity": [..], "required": [..], "forbidden": [..], "side": ..,
"interval": [low, high], "known": {"status": .., "error": ..}, "source": ..}``; all but items and target may
be missing, format and version together too. A number is JSON (an integer of any size; any other is the
float64 it parses to) or a string: a fraction "p/q", a decimal "0.1" (a tenth exactly) or a hex float
"0x1.8p-3". The field's text formats are in :mod:`solvers.instances.text_formats`, NumPy's in
:mod:`solvers.instances.numpy_files`. Which one a file is in is decided by its content.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from solvers.atomic_files import replacing
from solvers.errors import InvalidProblemError
from solvers.exact import as_fraction
from solvers.instances.instance import Instance, contradiction
from solvers.instances.numpy_files import is_numpy, read_numpy
from solvers.instances.pages import MOST_NUMBERS, bounded_bytes, name_of, shown, stem_of
from solvers.instances.text_formats import principal, read_text
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from os import PathLike

__all__ = [
    "Instance",
    "contradiction",
    "instance_paths",
    "number_from",
    "read_instance",
    "read_instances",
    "write_instance",
]

_FORMAT, _VERSION = "subset-sum", 1
_SUFFIXES = (".json", ".txt", ".dat", ".kp")
_JSON_STARTS = (b"{", b"[", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"\x00")
# Exponents beyond those of float64 would let a few characters stand for a number of any size.
_RATIONAL = re.compile(r"[+-]?[0-9]+/[0-9]+|[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")


def read_instance(path: str | PathLike[str]) -> Instance:
    """Read the one problem of an instance file in any format of :mod:`.text_formats`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidProblemError
        If it is in no known format, its problem makes no sense, or it holds several; the message names the
        file, and the line where there is one to blame.

    """
    found = read_instances(path)
    if len(found) != 1:
        raise InvalidProblemError(f"{path} holds {len(found)} problems; read_instances() reads them all")
    return found[0]


def read_instances(path: str | PathLike[str], *, target: Any = None) -> list[Instance]:
    """Read all problems of an instance file, at least one; OR-Library's formats put several into a file.

    ``path`` "-" is standard input; what gzip, bz2 or xz compressed is read as what it was. ``target`` is for
    a text file or a table that holds items alone.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    InvalidProblemError
        As for :func:`read_instance`; one bad problem spoils the file.

    """
    place = Path(path)
    content = bounded_bytes(place)
    if is_numpy(content):
        return [read_numpy(place, content, target)]
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if not name_of(place).endswith(".json") and not start.startswith(_JSON_STARTS):
        return read_text(place, content, target)
    try:
        page = json.loads(content, parse_constant=_no_constant, object_pairs_hook=_without_duplicates)
        return [_instance(page, default_name=stem_of(place))]
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{place}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise InvalidProblemError(f"{place} is not a JSON instance: {shown(error)}") from error


def instance_paths(path: str | PathLike[str]) -> list[Path]:
    """Return ``path`` itself, or for a folder the instance files in and below it, sorted.

    Taken are .json, .txt, .dat and .kp, also compressed (.json.gz). For a file that belongs to another one (a
    target, solutions) that other one is returned, once.

    Raises
    ------
    InvalidProblemError
        For a folder without instance files.

    """
    place = Path(path)
    if not place.is_dir():
        return [principal(place)]
    found = [
        file
        for file in sorted(place.rglob("*"))
        if Path(name_of(file)).suffix in _SUFFIXES and file.is_file() and not file.name.startswith(".")
    ]
    found = list(dict.fromkeys(principal(file) for file in found))
    if not found:
        raise InvalidProblemError(f"{place} holds no instance files ({', '.join(_SUFFIXES)})")
    return found


def write_instance(instance: Instance, path: str | PathLike[str]) -> None:
    """Write one instance to a JSON file, atomically; :func:`read_instance` reads back the same problem.

    Raises
    ------
    InvalidProblemError
        If a number has more digits than JSON readers accept (4300).

    """
    problem = instance.problem
    target = problem.target
    known = instance.known
    try:
        page = {
            "format": _FORMAT,
            "version": _VERSION,
            "name": instance.name,
            "items": _written(problem.items.tolist()),
            "target": _written(target),
            "tolerance": _written(problem.tolerances or problem.tolerance),
            "cardinality": None if problem.cardinality is None else list(problem.cardinality),
            **_restrictions(problem),
            **({} if problem.multiplicity is None else {"multiplicity": problem.multiplicity.tolist()}),
            "known": known and {"status": known["status"], "error": _written(known["error"])},
            "source": instance.source,
        }
        text = json.dumps(page, indent=1) + "\n"
    except ValueError as error:
        raise InvalidProblemError(f"{instance.name} cannot be written: {error}") from error
    with replacing(Path(path)) as file:
        file.write(text.encode())


def number_from(text: str) -> float | Fraction:
    """Return the number that a string stands for in an instance file: "p/q", a decimal, or a hex float.

    >>> number_from("0.1"), number_from("-7/21"), number_from("0x1.8p-3")
    (Fraction(1, 10), Fraction(-1, 3), 0.1875)

    Raises
    ------
    InvalidProblemError
        For anything else.

    """
    try:
        if "x" in text.lower():
            return float.fromhex(text)
        if _RATIONAL.fullmatch(text):
            return Fraction(text)
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise InvalidProblemError(f"{shown(text)!r} is no number: {shown(error)}") from error
    raise InvalidProblemError(f"{shown(text)!r} is neither a fraction p/q, a decimal nor a hex float")


# -- JSON --------------------------------------------------------------------------------------------


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    page = dict(pairs)
    if len(page) != len(pairs):
        twice = next(key for i, (key, _) in enumerate(pairs) if key in dict(pairs[:i]))
        raise InvalidProblemError(f"{shown(twice)!r} is given twice")
    return page


def _instance(page: Any, default_name: str) -> Instance:
    if not isinstance(page, dict) or page.get("format", _FORMAT) != _FORMAT:
        raise InvalidProblemError(f"not a subset-sum instance: 'format' must be {_FORMAT!r}, or missing")
    version = page.get("version", None if "format" in page else _VERSION)
    if type(version) is not int or version != _VERSION:
        raise InvalidProblemError(f"version {shown(page.get('version'))} is unknown; this reads {_VERSION}")
    for key in ("items", "target"):
        if key not in page:
            raise InvalidProblemError(f"{key!r} is missing")
    if not isinstance(page["items"], list):
        raise InvalidProblemError("'items' must be a list")
    count = sum(max(1, len(x)) if isinstance(x, list) else 1 for x in page["items"])
    if count > MOST_NUMBERS:
        raise InvalidProblemError(f"{count} numbers in 'items'; at most {MOST_NUMBERS} are read")
    name, source = page.get("name", default_name), page.get("source")
    if not isinstance(name, str) or not isinstance(source, str | None):
        raise InvalidProblemError("'name' and 'source' must be strings")
    arguments: dict[str, Any] = {
        "tolerance": None if page.get("tolerance") is None else _numbers(page["tolerance"]),
        "cardinality": tuple(sizes) if isinstance(sizes := page.get("cardinality"), list) else sizes,
        "multiplicity": page.get("multiplicity"),
        "required": page.get("required"),
        "forbidden": page.get("forbidden"),
        "side": page.get("side") or "both",
    }
    items, interval = [_numbers(x) for x in page["items"]], page.get("interval")
    if interval is None:
        problem = SubsetSum(items, _numbers(page["target"]), **arguments)
    elif isinstance(interval, list) and len(interval) == 2:
        problem = SubsetSum.between(items, *map(_numbers, interval), **arguments)
    else:
        raise InvalidProblemError(f"'interval' must be [low, high], got {shown(interval)}")
    return Instance(problem, name, source or "", _known(page.get("known")))


def _restrictions(problem: SubsetSum) -> dict[str, Any]:
    """Return the keys for what few problems have."""
    page: dict[str, Any] = {
        name: list(x) for name in ("required", "forbidden") if (x := getattr(problem, name))
    }
    if problem.side != "both":
        page["side"] = problem.side
    if problem.interval is not None:
        page["interval"] = [_written(end) for end in problem.interval]
    return page


def _known(value: Any) -> dict[str, Any] | None:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("status") not in ("OPTIMAL", "INFEASIBLE"):
        raise InvalidProblemError("'known' must be null or {status: OPTIMAL or INFEASIBLE, error}")
    error = value.get("error")
    exact = None if error is None else as_fraction(_number(error), "the known error")
    if exact is not None and exact < 0:
        raise InvalidProblemError("the known error must be >= 0")
    return {"status": value["status"], "error": exact}


def _numbers(value: Any) -> Any:
    return [_number(x) for x in value] if isinstance(value, list) else _number(value)


def _number(value: Any) -> int | float | Fraction:
    if isinstance(value, str):
        return number_from(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidProblemError(f"{shown(value)} is not a number")
    return value


def _written(value: Any) -> Any:
    """Write integers as they are, floats as hex floats, other numbers as "p/q"; lists of them as lists."""
    if isinstance(value, (list, tuple)):
        return [_written(x) for x in value]
    if value is None or type(value) is int:
        return value
    if isinstance(value, float):
        return float(value).hex()
    exact = as_fraction(value, "a number")
    return exact.numerator if exact.denominator == 1 else f"{exact.numerator}/{exact.denominator}"

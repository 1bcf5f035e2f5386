"""The folder of a run that can be cut off: what was asked stands in it, and another question is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.files.atomic_files import atomic_write
from subsetsum_nets.networks.files.budget import read_regular
from subsetsum_nets.networks.files.strict_json import strict_json

if TYPE_CHECKING:
    from os import PathLike

QUESTION = "question.json"


def open_run(folder: str | PathLike[str], experiment: str, question: dict[str, Any]) -> Path:
    """Make the folder of a run, or find it again; return its path.

    Parameters
    ----------
    folder : path
    experiment : str
        Whose folder it is.
    question : dict, JSON-able
        All that the answers depend on.

    Raises
    ------
    FileExistsError
        If it is a file, or holds something else than such a run.
    ValueError
        If it holds the run of another question; the message says what differs.
    OSError
        If it cannot be written to.

    """
    place = Path(folder)
    if place.exists() and not place.is_dir():
        raise FileExistsError(f"{place} is a file; choose another folder")
    place.mkdir(parents=True, exist_ok=True)
    asked = json.loads(json.dumps({"experiment": experiment, **question}))
    if any(place.iterdir()):
        _check_same(place, asked)
    else:
        write_json(place / QUESTION, asked)
    return place


def write_json(path: Path, page: dict[str, Any]) -> None:
    """Write a page of JSON atomically."""
    with atomic_write(path) as file:
        file.write((json.dumps(page, indent=1) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return a page of JSON; None if there is none that is whole."""
    try:
        return strict_json(read_regular(path))
    except (OSError, ValueError):
        return None


def _check_same(place: Path, asked: dict[str, Any]) -> None:
    stored = read_json(place / QUESTION)
    if not isinstance(stored, dict) or stored.get("experiment") != asked["experiment"]:
        raise FileExistsError(f"{place} holds other files; choose another folder or empty it")
    for name in (*asked, *stored):
        if stored.get(name) != asked.get(name):
            raise ValueError(
                f"{place} was begun with {name} {stored.get(name)!r}, not {asked.get(name)!r}; choose "
                "another folder"
            )

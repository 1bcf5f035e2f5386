"""The folder of a ticket: what its files are called, whether a folder is one, and how one is replaced."""

from __future__ import annotations

import ctypes
import json
import os
import re
import secrets
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

TARGET, RANDOM, PRUNED = "target.safetensors", "random.safetensors", "pruned.safetensors"
MASKS, CERTIFICATE = "masks.npz", "certificate.json"
SOLUTION, PROVENANCE = "solution.npz", "provenance.json"
REPORT = "report.html"
FILES = frozenset((TARGET, RANDOM, PRUNED, MASKS, CERTIFICATE, SOLUTION, PROVENANCE, REPORT))
_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of Linux
FORMAT = "subsetsum-nets pruned network"
"""The format that provenance.json names."""


def is_ticket(folder: Path) -> bool:
    """Whether a folder holds an earlier result and nothing else; anybody may have a provenance.json."""
    if {path.name for path in folder.iterdir()} - FILES:
        return False
    try:
        provenance = json.loads((folder / PROVENANCE).read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(provenance, dict) and provenance.get("format") == FORMAT


def check_folder(folder: str | PathLike[str], ours: Callable[[Path], bool] = is_ticket) -> None:
    """See to it that a result could be saved in ``folder`` now; called before long work, too.

    ``ours`` tells whether a folder holds an earlier result of the same kind and nothing else.

    Raises
    ------
    FileExistsError
        If it is a file, or holds something else than an earlier result.
    OSError
        If nothing can be written beside it.

    """
    place = Path(folder).absolute()
    if place.exists() and not place.is_dir():
        raise FileExistsError(f"{place} is a file; choose another folder")
    if place.is_dir() and any(place.iterdir()) and not ours(place):
        raise FileExistsError(f"{place} holds other files; choose another folder or empty it")
    place.parent.mkdir(parents=True, exist_ok=True)
    probe = _beside(place)
    probe.mkdir()
    probe.rmdir()


@contextmanager
def replaced(folder: str | PathLike[str], ours: Callable[[Path], bool] = is_ticket) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``folder`` at the end, or, after an error, vanishes.

    Raises
    ------
    FileExistsError, OSError
        As :func:`check_folder`; an earlier result is then left as it was.

    """
    place = Path(os.path.realpath(folder))  # a rename would replace a link, not what it points to
    check_folder(place, ours)
    staging, retired = _beside(place), _beside(place)
    held: list[int] = []
    try:
        staging.mkdir()
        held += _held(staging)
        yield staging
        if not (place.exists() and _exchanged(staging, place)):
            if place.exists():
                place.rename(retired)  # a kill before the next line leaves it under this name
            staging.rename(place)
        _sweep(place)
    finally:
        for descriptor in held:
            os.close(descriptor)
        if retired.exists() and not place.exists():
            retired.rename(place)
        shutil.rmtree(staging, ignore_errors=True)
        shutil.rmtree(retired, ignore_errors=True)


def _exchanged(first: Path, second: Path) -> bool:
    """Exchange two folders in one step: a kill leaves one or the other. False where that cannot be."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2  # Linux, since glibc 2.28
        return bool(rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0)
    except (AttributeError, OSError, TypeError):
        return False


def _sweep(place: Path) -> None:
    """Remove what killed processes left beside a complete result; what a running one works at is locked."""
    name = re.compile(rf"\.{re.escape(place.name)}-[0-9a-f]{{8}}")
    for path in place.parent.iterdir():
        if name.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
            for descriptor in _held(path):
                shutil.rmtree(path, ignore_errors=True)
                os.close(descriptor)


def _held(folder: Path) -> list[int]:
    """Lock a folder; return its descriptor, none where another process holds it or there are no locks."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise
    except (ImportError, OSError):
        return []
    return [descriptor]


def _beside(place: Path) -> Path:
    return place.with_name(f".{place.name}-{secrets.token_hex(4)}")

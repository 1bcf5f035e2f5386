"""Files that are either complete or not there."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNFINISHED = ".unfinished-"  # how the names of temporary files begin
_SWEPT: set[Path] = set()  # folders that this process has swept


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place, synced to disk, when the block succeeds.

    On any failure (a full disk, Ctrl-C) the temporary file is removed and ``path`` is as it was. Symbolic
    links are followed; what is there but no regular file is refused with an OSError.
    """
    final = Path(os.path.realpath(path))  # a rename would replace a link, not what it points to
    if final.exists() and not final.is_file():
        raise OSError(f"{path} is not a regular file; give another name to write to")
    _sweep_once(final.parent)
    temporary, file = _fresh(final.parent)
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove temporary files that killed processes left in a folder; those of running ones are locked."""
    for path in folder.glob(f"{UNFINISHED}*"):
        with suppress(OSError), path.open("rb") as file:
            if _locked(file, wait=False):
                path.unlink(missing_ok=True)


def _sweep_once(folder: Path) -> None:
    """Sweep a folder before this process first writes there."""
    if folder not in _SWEPT:
        _SWEPT.add(folder)
        sweep(folder)


def _fresh(folder: Path) -> tuple[Path, IO[bytes]]:
    """Open a temporary file that no sweep takes for left behind."""
    while True:
        path = folder / f"{UNFINISHED}{secrets.token_hex(8)}"
        file = path.open("xb")
        _locked(file, wait=True)
        if path.exists():  # else a sweep came between the two lines above
            return path, file
        file.close()


def _locked(file: IO[bytes], *, wait: bool) -> bool:
    """Lock an open file until it is closed; False where another process holds it, or there are no locks."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True

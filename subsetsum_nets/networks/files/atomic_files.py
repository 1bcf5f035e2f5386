"""Writing files so that a reader finds the old file or the new one, never a part of it.

:mod:`solvers.atomic_files` does the same: the verifier, which needs this one, imports no solver. One test
runs over both.
"""

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
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing bytes that replaces ``path`` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and renamed at the
    end, and removed when anything fails: a full disk, an exception of the block, Ctrl-C. What killed
    processes left there is removed by the next one that writes there. Symbolic links are followed.

    Parameters
    ----------
    path : path
        Where the file shall stand; its folder must exist.

    Raises
    ------
    OSError
        If the folder is missing or not writable, the disk is full, or ``path`` is there but not a
        regular file.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with atomic_write(folder / "greeting.txt") as file:
    ...     _ = file.write(b"hello")
    >>> [found.name for found in folder.iterdir()]
    ['greeting.txt']

    """
    final = Path(os.path.realpath(path))  # a rename would replace a link, not what it points to
    if final.exists() and not final.is_file():
        raise OSError(f"{os.fspath(path)} is not a regular file; give another name to write to")
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

"""Writing files so that a reader finds the old file or the new one, never a part of it."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a file for writing bytes that replaces ``path`` only when the block ends without an error.

    The bytes go to a temporary file in the same folder, which is flushed to the disk and renamed at the
    end, and removed when anything fails: a full disk, an exception of the block, Ctrl-C. Symbolic links
    are followed.

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
    temporary = final.with_name(f".unfinished-{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

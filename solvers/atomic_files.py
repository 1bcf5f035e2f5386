"""Files that are either complete or not there."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

UNFINISHED = ".unfinished-"  # how the names of temporary files begin


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place, synced to disk, when the block succeeds.

    On any failure (a full disk, Ctrl-C) the temporary file is removed and ``path`` is as it was.
    """
    temporary = path.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

"""Files that are either complete or not there."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

UNFINISHED = ".unfinished-"  # how the names of temporary files begin


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside ``path`` that takes its place, synced to disk, when the block succeeds.

    On any failure (a full disk, Ctrl-C) the temporary file is removed and ``path`` is as it was. Symbolic
    links are followed; what is there but no regular file is refused with an OSError.
    """
    final = Path(os.path.realpath(path))  # a rename would replace a link, not what it points to
    if final.exists() and not final.is_file():
        raise OSError(f"{path} is not a regular file; give another name to write to")
    temporary = final.with_name(f"{UNFINISHED}{secrets.token_hex(8)}")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

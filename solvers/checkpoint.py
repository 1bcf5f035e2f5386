"""Checkpoints: finished chunks of a long solve_many() on disk, each complete and of this very problem."""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.errors import InvalidProblemError
from solvers.files import replacing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Answers = tuple[NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]

_FORMAT = "subset-sum checkpoint"
_MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a manifest (what problem, how many rows a chunk) and a checksummed shard per chunk."""

    folder: Path
    chunk_rows: int

    @classmethod
    def open(cls, folder: Path, digest: str, rows: int, chunk_rows: int) -> Checkpoint:
        """Begin a checkpoint in ``folder``, or resume the one that is there.

        Raises
        ------
        InvalidProblemError
            If the folder holds a checkpoint of another problem, or a damaged manifest.

        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _MANIFEST
        mine: dict[str, Any] = {"format": _FORMAT, "version": 1, "digest": digest, "rows": rows}
        if path.exists():
            try:
                stored = json.loads(path.read_bytes())
                resumed = int(stored.pop("chunk_rows"))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
                raise InvalidProblemError(f"{path} is not a checkpoint manifest: {error}") from error
            if stored != mine or resumed < 1:
                raise InvalidProblemError(
                    f"{folder} holds a checkpoint of another problem; choose another folder or delete it"
                )
            return cls(folder, resumed)
        with replacing(path) as file:
            file.write(json.dumps({**mine, "chunk_rows": chunk_rows}).encode())
        return cls(folder, chunk_rows)

    def _shard(self, first: int, last: int) -> Path:
        return self.folder / f"rows-{first:012d}-{last:012d}.shard"

    def write(self, first: int, last: int, answers: Answers) -> None:
        """Keep the answers to rows first:last, atomically."""
        masks, errors, lower, status = answers
        buffer = io.BytesIO()
        np.savez(buffer, masks=np.packbits(masks, axis=1), errors=errors, lower=lower, status=status)
        content = buffer.getvalue()
        with replacing(self._shard(first, last)) as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)

    def read(self, first: int, last: int, n: int) -> Answers | None:
        """Return the kept answers to rows first:last; None, with a warning naming it, for a damaged shard."""
        path = self._shard(first, last)
        if not path.exists():
            return None
        stored = path.read_bytes()
        if hashlib.sha256(stored[32:]).digest() != stored[:32]:
            warnings.warn(f"{path} is damaged; its rows are solved again", stacklevel=3)
            return None
        try:
            with np.load(io.BytesIO(stored[32:]), allow_pickle=False) as shard:
                masks = np.unpackbits(shard["masks"], axis=1, count=n).astype(bool)
                answers = masks, shard["errors"], shard["lower"], shard["status"]
        except (ValueError, KeyError, zipfile.BadZipFile) as error:
            warnings.warn(f"{path} is foreign ({error}); its rows are solved again", stacklevel=3)
            return None
        if masks.shape != (last - first, n) or any(len(a) != last - first for a in answers):
            warnings.warn(f"{path} has other rows than its name says; they are solved again", stacklevel=3)
            return None
        return answers

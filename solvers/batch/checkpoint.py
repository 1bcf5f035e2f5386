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

from solvers.atomic_files import replacing, sweep
from solvers.batch.rows import Answers
from solvers.bounded_arrays import regular_bytes, stored_arrays
from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = "subset-sum checkpoint"
_VERSION = 2
_MANIFEST = "manifest.json"
# What a damaged shard, or one that was made to do harm, may raise.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, zipfile.BadZipFile)


@dataclass(frozen=True)
class Checkpoint:
    """A folder with a manifest (what problem, how many rows a chunk) and a checksummed shard per chunk.

    A shard is the SHA-256 of all that follows, and a .npz archive of a header (which problem, which rows,
    what was in them) and the answers, masks packed to bits.
    """

    folder: Path
    digest: str
    chunk_rows: int

    @classmethod
    def open(cls, folder: Path, digest: str, rows: int | None, chunk_rows: int) -> Checkpoint:
        """Begin a checkpoint in ``folder``, or resume the one that is there.

        InvalidProblemError if that is of another problem, or its manifest is damaged.
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / _MANIFEST
        mine: dict[str, Any] = {"format": _FORMAT, "version": _VERSION, "digest": digest, "rows": rows}
        if path.exists():
            try:
                stored = json.loads(regular_bytes(path))
                resumed = int(stored.pop("chunk_rows"))
            except (
                ValueError,
                KeyError,
                TypeError,
                AttributeError,
                OverflowError,
                RecursionError,
            ) as error:
                raise InvalidProblemError(f"{path} is not a checkpoint manifest: {error}") from error
            if stored != mine or resumed < 1:
                raise InvalidProblemError(
                    f"{folder} holds a checkpoint of another problem; choose another folder or delete it"
                )
            sweep(folder)
            return cls(folder, digest, resumed)
        with replacing(path) as file:
            file.write(json.dumps({**mine, "chunk_rows": chunk_rows}).encode())
        return cls(folder, digest, chunk_rows)

    def _shard(self, first: int, last: int) -> Path:
        return self.folder / f"rows-{first:012d}-{last:012d}.shard"

    def _header(self, first: int, last: int) -> dict[str, Any]:
        return {"format": _FORMAT, "version": _VERSION, "digest": self.digest, "rows": [first, last]}

    def write(self, first: int, last: int, answers: Answers, fingerprint: str = "") -> None:
        """Keep the answers to rows first:last, atomically.

        A later :meth:`read` must ask for the same ``fingerprint``: of rows that ``digest`` does not cover.
        """
        buffer = io.BytesIO()
        header = json.dumps({**self._header(first, last), "fingerprint": fingerprint})
        np.savez(
            buffer,
            header=np.frombuffer(header.encode(), np.uint8),
            masks=np.packbits(answers.masks, axis=1),
            errors=answers.errors,
            lower=answers.lower,
            status=answers.status,
        )
        content = buffer.getvalue()
        with replacing(self._shard(first, last)) as file:
            file.write(hashlib.sha256(content).digest())
            file.write(content)

    def read(self, first: int, last: int, n: int, fingerprint: str = "") -> Answers | None:
        """Return the kept answers to rows first:last; None, with a warning naming it, for a damaged shard.

        InvalidProblemError if they are answers to other rows, by their fingerprint.
        """
        path = self._shard(first, last)
        try:
            asked, answers = self._unpacked(regular_bytes(path), first, last, n)
        except FileNotFoundError:
            return None
        except _UNREADABLE as error:
            self.refuse(first, last, str(error))
            return None
        if asked != fingerprint:
            raise InvalidProblemError(
                f"{path} was made from other rows {first} to {last - 1} than these: {self.folder} holds a "
                "checkpoint of another problem; choose another folder or delete it"
            )
        return answers

    def refuse(self, first: int, last: int, why: str) -> None:
        """Warn that a shard is of no use."""
        path = self._shard(first, last)
        warnings.warn(f"{path} is of no use: {why}; its rows are solved again", stacklevel=4)

    def _unpacked(self, stored: bytes, first: int, last: int, n: int) -> tuple[str, Answers]:
        if hashlib.sha256(stored[32:]).digest() != stored[:32]:
            raise ValueError("it is damaged")
        shard = stored_arrays(stored[32:])
        header = json.loads(bytes(shard["header"]))
        asked = str(header.pop("fingerprint"))
        if header != self._header(first, last):
            raise ValueError("it has other rows than its name says, or another problem's")
        rows = last - first
        for name, (shape, kind) in {
            "masks": ((rows, (n + 7) // 8), np.uint8),
            "errors": ((rows,), np.float64),
            "lower": ((rows,), np.float64),
            "status": ((rows,), np.uint8),
        }.items():
            if shard[name].shape != shape or shard[name].dtype != kind:
                raise ValueError(f"its {name} are {shard[name].dtype} {shard[name].shape}")
        masks = np.unpackbits(shard["masks"], axis=1, count=n).astype(bool)
        return asked, Answers(masks, shard["errors"], shard["lower"], shard["status"])

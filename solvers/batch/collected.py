"""The answers of a run as they come in: in memory for the caller, and in the checkpoint."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from solvers.batch.rows import Answers
from solvers.batch.taken_over import contradiction
from solvers.solution import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.batch.checkpoint import Checkpoint
    from solvers.batch.row_inputs import Piece
    from solvers.batch.rows import BatchQuestion


class Collected:
    """Answers to rows of n items, as many as there turn out to be (``total``, where it is known).

    ``timed`` is what is asked, if there is a time limit: a chunk that more time might answer better is not
    kept in the ``shards``.
    """

    def __init__(
        self, n: int, total: int | None, shards: Checkpoint | None, timed: BatchQuestion | None
    ) -> None:
        self.answers: Answers = Answers.unknown(total or 0, n)
        self.n: int = n
        self.total: int | None = total
        self.shards: Checkpoint | None = shards
        self.timed: BatchQuestion | None = timed
        self.done: int = 0
        self.kept: int = 0
        self.last: int = total or 0
        self.worst: float = 0.0
        self._unwritten: list[Piece] = []

    def missing(self, pieces: Iterator[Piece]) -> Iterator[Piece]:
        """Yield the pieces that the checkpoint does not hold, and take over those that it does."""
        for piece in pieces:
            self._make_room(piece.last)
            kept = None
            if self.shards is not None:
                kept = self._read(self.shards, piece)
            if kept is None:
                yield piece
            else:
                self._take(piece, kept)
                self.kept += len(kept)

    def _read(self, shards: Checkpoint, piece: Piece) -> Answers | None:
        """Return what the checkpoint holds of a piece, where it is true of the piece's rows."""
        kept = shards.read(piece.first, piece.last, self.n, piece.fingerprint)
        wrong = None if kept is None else contradiction(piece.load(), kept)
        if wrong is None:
            return kept
        shards.refuse(piece.first, piece.last, wrong)
        return None

    def put(self, piece: Piece, answers: Answers) -> None:
        """Add the answers to a piece, and keep them."""
        self._take(piece, answers)
        if self.shards is not None and self._is_final(answers) and not self._write(piece):
            if not self._unwritten:
                warnings.warn(
                    f"{self.shards.folder} cannot be written; the run goes on, and what is not kept is "
                    "tried again when it ends",
                    RuntimeWarning,
                    stacklevel=3,
                )
            self._unwritten.append(piece)

    def close(self) -> None:
        """Try once more to keep what could not be kept, and say what failed."""
        lost = sum(piece.last - piece.first for piece in self._unwritten if not self._write(piece))
        self._unwritten.clear()
        if lost and self.shards is not None:
            warnings.warn(
                f"{lost} solved rows could not be kept in {self.shards.folder}; a second call would solve "
                "them again",
                RuntimeWarning,
                stacklevel=3,
            )

    def result(self) -> Answers:
        """Return the answers to all rows."""
        whole, rows = self.answers, slice(0, self.last)
        if len(whole) == self.last:
            return whole
        return Answers(
            whole.masks[rows], whole.errors[rows], whole.lower[rows], whole.status[rows], whole.failures
        )

    def _take(self, piece: Piece, answers: Answers) -> None:
        self.answers.put(slice(piece.first, piece.last), answers)
        self.done += len(answers)
        known = answers.errors[np.isfinite(answers.errors)]
        self.worst = max(self.worst, float(known.max(initial=0.0)))

    def _make_room(self, rows: int) -> None:
        self.last = max(self.last, rows)
        if rows > len(self.answers):
            roomier = Answers.unknown(max(rows, 3 * len(self.answers) // 2), self.n)
            roomier.put(slice(0, len(self.answers)), self.answers)
            self.answers = roomier

    def _write(self, piece: Piece) -> bool:
        if self.shards is None:
            return False
        rows, whole = slice(piece.first, piece.last), self.answers
        part = Answers(whole.masks[rows], whole.errors[rows], whole.lower[rows], whole.status[rows])
        try:
            self.shards.write(piece.first, piece.last, part, piece.fingerprint)
        except OSError:
            return False
        self.kept += len(part)
        return True

    def _is_final(self, answers: Answers) -> bool:
        """Whether neither more time nor another try would answer a chunk better."""
        if answers.failures:
            return False
        unfinished = answers.status == Status.UNKNOWN
        if self.timed is not None and self.timed.objective != "within":
            unfinished |= answers.status == Status.FEASIBLE
        return self.timed is None or not unfinished.any()

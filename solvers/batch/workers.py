"""Chunks on threads or on any executor, and what happens when a worker dies.

Every chunk is a pure function of its rows, so it can be run again anywhere. A chunk whose worker died is run
again alone, when nothing else is under way; if its worker dies again it is halved until the guilty row is
found, which then fails alone.
"""

from __future__ import annotations

import os
import threading
import warnings
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from solvers.batch.chunks import is_brief, solve_chunk
from solvers.batch.mapped_rows import solve_mapped
from solvers.batch.row_inputs import Piece
from solvers.batch.rows import Answers, Failure, Rows
from solvers.errors import InvalidProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from solvers.backend.protocol import Limits

_UNKNOWN_WORKERS = 64
_MOST_DEATHS = 100  # in a row, without an answer in between; finding one guilty row takes fewer
_GRACE = 20.0  # seconds after the deadline in which some worker must answer
# What executors raise for a lost worker without having concurrent.futures' own exception for it.
_DEATHS = ("KilledWorker", "CommClosedError", "LostWorkerError")


class Workers:
    """Local threads, an executor of the caller's, or executors from a function of the caller's.

    A context manager that shuts down what was not the caller's. A function is asked for another executor when
    one is broken. Local threads are used without an executor, or after it broke. Chunks are sent the seconds
    that remain; of rows that each might take them all, those that are their share.
    """

    def __init__(self, executor: Executor | Callable[[], Executor] | None, limits: Limits) -> None:
        self.threads: int = limits.threads or os.cpu_count() or 1
        self.limits = limits
        self.rows_left: int | None = None  # not answered yet; None where no one knows
        self.deaths: int = 0
        self.files_are_shared: bool = True  # until a worker finds no file where this process has one
        self.make: Callable[[], Executor] | None = executor if callable(executor) else None
        self.owned: bool = self.make is not None
        self.local: bool = executor is None
        made = self.make() if self.make is not None else executor
        if executor is not None and not isinstance(made, Executor):
            raise InvalidProblemError(
                f"executor must be a concurrent.futures.Executor, or a function that makes one, got {made!r}"
            )
        self.pool: Executor | None = made if isinstance(made, Executor) else None
        self.count: int = self.threads if self.pool is None else _workers_of(self.pool)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.limits.interruption.set()
        if self.owned and self.pool is not None:
            ctrl_c = kind is not None and issubclass(kind, KeyboardInterrupt)
            self.pool.shutdown(wait=kind is None or (self.local and not ctrl_c), cancel_futures=True)

    def run(self, pieces: Iterator[Piece], rows: int | None = None) -> Generator[tuple[Piece, Answers]]:
        """Yield finished pieces, in any order; what is not reached in time is left out.

        ``rows`` says how many there are in all pieces, if that is known.
        """
        self.rows_left = rows
        for piece, answers in self._finished(pieces):
            if self.rows_left is not None:
                self.rows_left -= piece.last - piece.first
            yield piece, answers

    def _finished(self, pieces: Iterator[Piece]) -> Generator[tuple[Piece, Answers]]:
        if self.local and self.threads == 1 and not _hears_signals():
            for piece in pieces:
                if self.limits.expired:
                    return
                yield piece, self._solve_here(piece.load())
            return
        if self.local:
            self._use_threads()
        under_way: dict[Future[Answers], tuple[Piece, Executor]] = {}
        suspects: list[Piece] = []
        ahead = 1 if self.local and self.threads == 1 else 2 * self.count
        try:
            while True:
                # More than one chunk a worker, so that none waits for the next; not many more, so that
                # memory stays flat and the seconds sent along are about right.
                while len(under_way) < ahead and not self.limits.expired:
                    following = next(pieces, None)
                    if following is None:
                        break
                    future, pool = self._submit(following)
                    under_way[future] = following, pool
                if not under_way:
                    break
                patience = self.limits.remaining
                if self.limits.expired:  # what has begun has its own clock and soon ends, unless it is lost
                    under_way = {f: kept for f, kept in under_way.items() if not f.cancel()}
                    patience = _GRACE
                done = wait(under_way, patience, FIRST_COMPLETED).done
                if patience == _GRACE and not done:
                    break
                for future in done:
                    piece, pool = under_way.pop(future)
                    answers = self._outcome(future, pool)
                    if answers is None:
                        suspects.append(piece)
                    elif not len(answers):  # its files are not there where the worker is
                        self.files_are_shared = False
                        again, pool = self._submit(piece)
                        under_way[again] = piece, pool
                    else:
                        yield piece, answers
            for piece in suspects:
                if not self.limits.expired:
                    yield piece, self._alone(piece.load())
        finally:
            for future in under_way:
                future.cancel()

    def _submit(self, piece: Piece) -> tuple[Future[Answers], Executor]:
        pool = self.pool
        if pool is None:  # never: run() saw to it
            raise RuntimeError("there is no pool to submit to")
        try:
            if self.local:
                return pool.submit(self._solve_here, piece.load()), pool
            mapped = piece.mapped() if self.files_are_shared else None
            if mapped is not None:
                seconds = self._seconds(piece.load())
                return pool.submit(solve_mapped, mapped.with_seconds(seconds)), pool
            rows = piece.load()
            return pool.submit(solve_chunk, replace(rows, seconds=self._seconds(rows))), pool
        except BrokenExecutor as error:
            self._replace(pool, error)
            return self._submit(piece)

    def _solve_here(self, rows: Rows) -> Answers:
        return solve_chunk(replace(rows, seconds=self._seconds(rows)), self.limits.interruption)

    def _seconds(self, rows: Rows) -> float | None:
        """Return how long a chunk that is begun now may take: no row has the time of those to come."""
        remaining, left = self.limits.remaining, self.rows_left
        if remaining is None or not left or is_brief(rows):
            return remaining
        return remaining * min(1.0, self.count * len(rows) / left)

    def _outcome(self, future: Future[Answers], pool: Executor) -> Answers | None:
        """Return the answers, or None if the worker died."""
        try:
            answers = future.result()
        except (Exception, CancelledError) as error:
            if (
                not isinstance(error, (BrokenExecutor, CancelledError))
                and type(error).__name__ not in _DEATHS
            ):
                raise
            if isinstance(error, BrokenExecutor):
                self._replace(pool, error)
            return None
        self.deaths = 0
        return answers

    def _alone(self, rows: Rows) -> Answers:
        """Answer rows while nothing else is under way, so that it is they who kill a worker that dies."""
        for _ in range(2 if len(rows) == 1 else 1):
            if self.limits.expired:
                return Answers.unknown(len(rows), rows.n)
            answers = self._outcome(*self._submit(Piece(0, len(rows), lambda: rows)))
            if answers is not None:
                return answers
            self._count_death()
        if len(rows) == 1:
            answers = Answers.unknown(1, rows.n)
            answers.failures[0] = Failure("WorkerDied", "every worker that was given this row alone died")
            return answers
        middle = len(rows) // 2
        halves = rows.take(slice(0, middle)), rows.take(slice(middle, None))
        return Answers.joined([self._alone(half) for half in halves])

    def _replace(self, broken: Executor, error: Exception) -> None:
        """Go on with another executor, or with threads, if it has not been done yet."""
        if broken is not self.pool:
            return
        if self.make is not None:
            self._count_death()
            broken.shutdown(wait=False, cancel_futures=True)
            self.pool = self.make()
            return
        warnings.warn(
            f"the executor is broken ({error}); the rest is solved in {self.threads} threads here. "
            "Give solve_many() a function that makes executors to have it replaced instead",
            RuntimeWarning,
            stacklevel=2,
        )
        self._use_threads()

    def _count_death(self) -> None:
        self.deaths += 1
        if self.deaths > _MOST_DEATHS:
            raise BrokenExecutor(f"{self.deaths} workers died one after the other without any answer")

    def _use_threads(self) -> None:
        self.pool = ThreadPoolExecutor(self.threads)
        self.count = self.threads
        self.local = self.owned = True


def _hears_signals() -> bool:
    """Tell whether Ctrl-C interrupts this thread, which then should wait and not compute."""
    return threading.current_thread() is threading.main_thread()


def _workers_of(executor: Executor) -> int:
    """Return the number of workers of an executor, as far as it can be found out."""
    for name in ("num_workers", "_max_workers"):  # mpi4py's; the standard library's and loky's
        count = getattr(executor, name, None)
        if isinstance(count, int) and count > 0:
            return count
    client = getattr(executor, "_client", None)  # Dask's
    count = sum(client.nthreads().values()) if client is not None else 0
    return count or _UNKNOWN_WORKERS

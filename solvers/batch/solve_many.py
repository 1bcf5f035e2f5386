"""solve_many(): many problems at once, in chunks, on threads or any executor, resumable.

A chunk is a pure function of its rows, so the answers depend neither on chunking nor on who solves them.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import errors
from solvers.arguments import count_or_none
from solvers.backend.protocol import Limits
from solvers.batch.batch_solution import BatchSolution
from solvers.batch.checkpoint import Checkpoint
from solvers.batch.chunks import chunk_rows, is_compiled, row_problem
from solvers.batch.collected import Collected
from solvers.batch.progress import Progress
from solvers.batch.row_inputs import Stream, Table, checked_question
from solvers.batch.workers import Workers
from solvers.dispatch import named
from solvers.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor
    from os import PathLike

    from solvers.batch.rows import Answers, Rows
    from solvers.solution import Objective

__all__ = ["BatchSolution", "solve_many"]


def solve_many(
    items: Any,
    targets: Any = None,
    *,
    valid: Any = None,
    objective: Objective = "nearest",
    tolerance: Any = None,
    cardinality: int | tuple[int, int] | None = None,
    backend: str = "auto",
    threads: int | None = None,
    executor: Executor | Callable[[], Executor] | None = None,
    chunk_size: int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | Callable[[int, Any], object] = False,
    time_limit: float | None = None,
    seed: int = 0,
) -> BatchSolution:
    """Solve N subset-sum problems; scalar float64 rows of up to 32 items in compiled, multithreaded code.

    Parameters
    ----------
    items : array_like, shape (N, n) or (N, n, d), or (n,) or (n, d) when all rows share them
        float64 (each the exact dyadic rational it stores), integers, or an object array of Fractions; frames,
        tensors and the like are read by position. N may be 0. Arrays
        mapped from files (``np.load(path, mmap_mode="r")``) are read a chunk at a time. Or, without
        ``targets``, an iterator of chunks: tuples (items, targets) or (items, targets, valid) of such arrays.
    targets : array_like, shape (N,) or (N, d)
    valid : bool array_like, shape (N, n) or (n,), optional
        The items that may be used in each row; all of them when None. Others may be NaN.
    objective : {"nearest", "within", "sparsest"}
    tolerance : float or array_like of shape (N,), optional
    cardinality : int or (int, int), optional
        For all rows.
    backend : str
        "auto" or a name from :func:`solvers.backends`. Rows that the compiled kernel cannot take (more than
        32 valid items, vectors, cardinalities, exponents too mixed) are solved one by one with it.
    threads : int, optional
        All cores when None. With an executor, only used if it breaks.
    executor : concurrent.futures.Executor, or callable() -> Executor, optional
        Chunks are submitted to it instead of to threads. A chunk whose worker died is solved again elsewhere;
        an executor that is broken for good is replaced, by threads or, given a function, by another of its
        making.
    chunk_size : int, optional
        Rows a chunk.
    checkpoint : path, optional
        A folder that keeps finished chunks; a second call with the same problem resumes from it.
    progress : bool or callable(done, total)
        ``total`` is None for an iterator of chunks.
    time_limit : float, optional
        Seconds for the whole call, shared among rows that might each take all of it; rows not reached by then
        are UNKNOWN with error inf.
    seed : int

    Returns
    -------
    BatchSolution
        A row that no backend could answer is UNKNOWN and in ``failures``, with a warning.

    Raises
    ------
    InvalidProblemError
        For wrong shapes, NaN or infinities, a negative tolerance, a missing tolerance, an unknown backend, or
        a checkpoint of another problem.
    UnsupportedProblemError, BackendUnavailableError
        If the chosen backend is not installed, or no row can be answered.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> batch = solve_many(rng.uniform(-1, 1, (1000, 18)), rng.uniform(-0.5, 0.5, 1000))
    >>> batch.summary()["status"]["optimal"], bool(batch.errors.max() < 0.01)
    (1000, True)

    """
    limits = Limits.checked(time_limit, None, threads, seed)
    chunk_size = count_or_none(chunk_size, "chunk_size")
    question = checked_question(objective, tolerance, cardinality, backend, limits.seed)
    source = (
        Stream(items, valid, tolerance, question)
        if targets is None
        else Table(items, targets, valid, tolerance, question)
    )
    source.survey(digest=checkpoint is not None)
    example = source.example()
    _refuse_at_once(example, backend)
    timed = question if limits.seconds is not None else None
    with Workers(executor, limits) as workers:
        size = chunk_size or chunk_rows(example, source.total, workers.count)
        shards = None
        if checkpoint is not None:
            shards = Checkpoint.open(Path(checkpoint), source.digest, source.total, size)
            size = shards.chunk_rows
        collected = Collected(example.n, source.total, shards, timed)
        missing = collected.missing(source.pieces(size))
        rows_left = None
        if source.total is not None:  # so that what is there already is seen first
            pieces = list(missing)
            missing, rows_left = iter(pieces), sum(piece.last - piece.first for piece in pieces)
        try:
            with (
                Progress(progress, source.total) as shown,
                closing(workers.run(missing, rows_left)) as finished,
            ):
                shown.advance(collected.done, collected.worst)
                for piece, answers in finished:
                    collected.put(piece, answers)
                    shown.advance(collected.done, collected.worst)
        except KeyboardInterrupt:
            if shards is not None:
                sys.stderr.write(
                    f"interrupted: {collected.kept:,} rows are kept in {shards.folder}; "
                    "the same call goes on from there\n"
                )
            raise
        finally:
            collected.close()
    whole = collected.result()
    _report(whole)
    return BatchSolution(
        whole.masks,
        whole.errors,
        whole.lower,
        whole.status,
        question.objective,
        None if tolerance is None else np.broadcast_to(source.tolerances, (len(whole),)),
        example.question.cardinality,
        limits.clock() - limits.started,
        {row: str(why) for row, why in sorted(whole.failures.items())},
    )


def _refuse_at_once(first: Rows, backend: str) -> None:
    """Refuse a backend by name that is not installed, or cannot answer even the first row."""
    if backend != "auto" and len(first) and not is_compiled(first):
        try:
            named(backend, row_problem(first, 0)[0], first.question.objective, Limits(threads=1))
        except UnsupportedProblemError as error:
            raise UnsupportedProblemError(f"row 0: {error}") from None


def _report(answers: Answers) -> None:
    """Warn of rows that failed; raise if all of them did."""
    failures = answers.failures
    if not failures:
        return
    row, why = min(failures.items())
    if len(failures) == len(answers):
        raise getattr(errors, why.kind, RuntimeError)(f"row {row}: {why.message}")
    warnings.warn(
        f"{len(failures)} of {len(answers)} rows failed and are UNKNOWN, see .failures; row {row}: {why}",
        RuntimeWarning,
        stacklevel=3,
    )

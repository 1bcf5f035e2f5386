"""solve_many(): many problems at once, in chunks, on threads or any executor, resumable.

A chunk is a pure function of its rows, so the answers depend neither on chunking nor on threads.
"""

from __future__ import annotations

import math
import os
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.batch_solution import BatchSolution
from solvers.checkpoint import Checkpoint
from solvers.dispatch import solve
from solvers.errors import InvalidProblemError
from solvers.exact import as_fraction, exact_array, float_down, float_up
from solvers.problem import SubsetSum
from solvers.registry import backend_named
from solvers.solution import Objective, Status, checked_objective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from os import PathLike

    from numpy.typing import NDArray

__all__ = ["BatchSolution", "solve_many"]

_CHUNK_WORK = 2**25  # half sums a chunk: about a third of a second


@dataclass(frozen=True)
class _Rows:
    """The rows of one call, or of one chunk of it; picklable."""

    items: NDArray[Any]  # (N, n) or (N, n, d)
    targets: NDArray[Any]  # (N,) or (N, d)
    valid: NDArray[np.bool_]  # (N, n)
    tolerances: NDArray[np.float64]  # (N,), inf for none
    objective: Objective
    cardinality: tuple[int, int] | None
    backend: str
    seed: int
    deadline: float | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def chunk(self, start: int, stop: int) -> _Rows:
        rows = slice(start, stop)
        return _Rows(
            self.items[rows],
            self.targets[rows],
            self.valid[rows],
            self.tolerances[rows],
            self.objective,
            self.cardinality,
            self.backend,
            self.seed,
            self.deadline,
        )

    @property
    def compiled(self) -> bool:
        """Whether the compiled kernel for rows can take these."""
        return (
            self.items.dtype == np.float64
            and self.items.ndim == 2
            and self.cardinality is None
            and self.backend in ("auto", "mitm")
        )


Answers = tuple["NDArray[np.bool_]", "NDArray[np.float64]", "NDArray[np.float64]", "NDArray[np.uint8]"]


def solve_many(
    items: Any,
    targets: Any,
    *,
    valid: Any = None,
    objective: str = "nearest",
    tolerance: Any = None,
    cardinality: int | tuple[int, int] | None = None,
    backend: str = "auto",
    threads: int | None = None,
    executor: Executor | None = None,
    chunk_size: int | None = None,
    checkpoint: str | PathLike[str] | None = None,
    progress: bool | Callable[[int, int], object] = False,
    time_limit: float | None = None,
    seed: int = 0,
) -> BatchSolution:
    """Solve N subset-sum problems; scalar float64 rows of up to 32 items in compiled, multithreaded code.

    Parameters
    ----------
    items : array_like, shape (N, n) or (N, n, d), or (n,) or (n, d) when all rows share them
        float64 (each the exact dyadic rational it stores), integers, or an object array of Fractions.
    targets : array_like, shape (N,) or (N, d)
    valid : bool array_like, shape (N, n) or (n,), optional
        The items that may be used in each row; all of them when None.
    objective : {"nearest", "within", "sparsest"}
    tolerance : float or array_like of shape (N,), optional
    cardinality : int or (int, int), optional
        For all rows.
    backend : str
        "auto" or a name from :func:`solvers.backends`. Rows that the compiled kernel cannot take (more than
        32 valid items, vectors, cardinalities, exponents too mixed) are solved one by one with it.
    threads : int, optional
        All cores when None. Ignored with an executor.
    executor : concurrent.futures.Executor, optional
        Chunks are submitted to it instead of to threads.
    chunk_size : int, optional
        Rows a chunk.
    checkpoint : path, optional
        A folder that keeps finished chunks; a second call with the same problem resumes from it.
    progress : bool or callable(done, total)
    time_limit : float, optional
        Seconds for the whole call; rows not reached by then are UNKNOWN with error inf.
    seed : int

    Returns
    -------
    BatchSolution

    Raises
    ------
    InvalidProblemError
        For wrong shapes, NaN or infinities, a negative tolerance, a missing tolerance, an unknown backend, or
        a checkpoint of another problem.
    UnsupportedProblemError
        If the chosen backend cannot answer some row.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> batch = solve_many(rng.uniform(-1, 1, (1000, 18)), rng.uniform(-0.5, 0.5, 1000))
    >>> batch.summary()["status"]["optimal"], bool(batch.errors.max() < 0.01)
    (1000, True)

    """
    start = monotonic()
    if time_limit is not None and not (time_limit > 0 and math.isfinite(time_limit)):
        raise InvalidProblemError(f"time_limit must be a positive number of seconds, got {time_limit!r}")
    deadline = None if time_limit is None else start + time_limit
    rows = _checked_rows(items, targets, valid, objective, tolerance, cardinality, backend, seed, deadline)
    given_counts: list[tuple[str, Any, int]] = [("threads", threads, 1), ("chunk_size", chunk_size, 1)]
    for name, count, least in [*given_counts, ("seed", seed, 0)]:
        if count is not None and not (isinstance(count, int | np.integer) and count >= least):
            raise InvalidProblemError(f"{name} must be an integer of at least {least}, got {count!r}")
    total, n = len(rows), rows.items.shape[1]
    size = chunk_size or _chunk_rows(rows)
    shards = None if checkpoint is None else Checkpoint.open(Path(checkpoint), _digest(rows), total, size)
    size = size if shards is None else shards.chunk_rows
    masks = np.zeros((total, n), dtype=bool)
    errors, lower = np.full(total, np.inf), np.zeros(total)
    status = np.full(total, Status.UNKNOWN, dtype=np.uint8)
    report = _reporter(progress, total)
    done = 0
    bounds = [(first, min(first + size, total)) for first in range(0, total, size)]
    with report as advance:
        remaining = []
        for first, last in bounds:
            kept = None if shards is None else shards.read(first, last, n)
            if kept is None:
                remaining.append((first, last))
                continue
            masks[first:last], errors[first:last], lower[first:last], status[first:last] = kept
            done += last - first
        advance(done)
        for (first, last), answers in _run(rows, remaining, threads, executor):
            masks[first:last], errors[first:last], lower[first:last], status[first:last] = answers
            if shards is not None and _final(rows, answers[3]):
                shards.write(first, last, answers)
            done += last - first
            advance(done)
    given = None if tolerance is None else rows.tolerances
    return BatchSolution(
        masks, errors, lower, status, rows.objective, given, rows.cardinality, monotonic() - start
    )


# -- checking the question ---------------------------------------------------------------------------


def _checked_rows(
    items: Any,
    targets: Any,
    valid: Any,
    objective: str,
    tolerance: Any,
    cardinality: Any,
    backend: str,
    seed: int,
    deadline: float | None,
) -> _Rows:
    goal = checked_objective(objective)
    if backend != "auto":
        backend_named(backend)
    goals = _numbers(targets, "targets")
    offered = _numbers(items, "items")
    if goals.ndim not in (1, 2) or goals.size == 0:
        raise InvalidProblemError(f"targets must have shape (N,) or (N, d) with N >= 1, got {goals.shape}")
    if offered.ndim == goals.ndim:  # one list of items for all rows
        offered = np.broadcast_to(offered, (len(goals), *offered.shape))
    if offered.ndim != goals.ndim + 1 or len(offered) != len(goals) or 0 in offered.shape:
        raise InvalidProblemError(f"items of shape {np.shape(items)} do not go with targets {goals.shape}")
    if goals.ndim == 2 and offered.shape[2] != goals.shape[1]:
        raise InvalidProblemError(f"items have {offered.shape[2]} dimensions, targets {goals.shape[1]}")
    if offered.dtype != goals.dtype:
        offered, goals = offered.astype(object), goals.astype(object)
    count, n = offered.shape[:2]
    usable = np.ones(n, dtype=bool) if valid is None else np.asarray(valid)
    if usable.dtype != bool or usable.shape not in ((n,), (count, n)):
        raise InvalidProblemError(
            f"valid must be bool of shape {(count, n)} or {(n,)}, got {usable.dtype} {usable.shape}"
        )
    if goal != "nearest" and tolerance is None:
        raise InvalidProblemError(f"objective {objective!r} needs a tolerance")
    limits = _tolerances(tolerance)
    if limits.shape not in ((), (count,)) or not bool((limits >= 0).all()):
        raise InvalidProblemError(
            f"tolerance must be >= 0, one number or one a row ({count}), got {tolerance!r}"
        )
    if tolerance is not None and not np.isfinite(limits).all():
        raise InvalidProblemError("tolerance must be finite; leave it None for none")
    sizes = None
    if cardinality is not None:
        sizes = SubsetSum([0] * n, 0, cardinality=cardinality).cardinality
        counts = np.broadcast_to(usable, (count, n)).sum(axis=1)
        if sizes is not None and counts.min() < sizes[0]:
            raise InvalidProblemError(
                f"row {int(counts.argmin())} has {counts.min()} valid items, fewer than cardinality {sizes}"
            )
    return _Rows(
        offered,
        goals,
        np.broadcast_to(usable, (count, n)),
        np.broadcast_to(limits, (count,)),
        goal,
        sizes,
        backend,
        seed,
        deadline,
    )


def _tolerances(tolerance: Any) -> NDArray[np.float64]:
    """Return tolerances as the float64 they are; rounding one could accept or refuse a row wrongly."""
    if tolerance is None:
        return np.full((), np.inf)
    given = exact_array(tolerance)
    if given.dtype.kind not in "iufO":
        raise InvalidProblemError(f"tolerance must be a number or numbers, got {tolerance!r}")
    try:
        limits = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidProblemError(f"tolerance must be a number or numbers, got {tolerance!r}") from error
    if (given.dtype.kind != "f" or given.dtype.itemsize > 8) and np.isfinite(limits).all():
        for x, limit in zip(given.flat, limits.flat, strict=True):
            if as_fraction(x, "the tolerance") != Fraction(float(limit)):
                raise InvalidProblemError(
                    f"tolerance {x!r} is not a float64; the nearest ones are {limit!r} and its neighbours"
                )
    return limits


def _numbers(values: Any, what: str) -> NDArray[Any]:
    """Return finite float64, or Python numbers in an object array where float64 would round."""
    try:
        array = exact_array(values)
    except ValueError as error:
        raise InvalidProblemError(f"{what} are ragged: {error}") from error
    if array.dtype.kind in "iu":
        wide = bool((array > 2**53).any()) or bool((array < -(2**53)).any())
        return array.astype(object) if wide else array.astype(np.float64)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        finite = np.isfinite(array)
        if not finite.all():
            place = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise InvalidProblemError(f"{what} hold {array[place]} at {place}; every number must be finite")
        return array.astype(np.float64, copy=False)
    if array.dtype.kind == "O" or array.dtype == np.longdouble:
        return array.astype(object)
    raise InvalidProblemError(f"{what} have dtype {array.dtype}; give floats, integers or Fractions")


# -- running chunks ----------------------------------------------------------------------------------


def _chunk_rows(rows: _Rows) -> int:
    if not rows.compiled:
        return 16
    widest = min(32, int(rows.valid.sum(axis=1).max(initial=0)))
    return max(1, min(1 << 15, _CHUNK_WORK >> ((widest + 1) // 2 + 2)))


def _run(
    rows: _Rows, bounds: list[tuple[int, int]], threads: int | None, executor: Executor | None
) -> Iterator[tuple[tuple[int, int], Answers]]:
    """Yield finished chunks, in any order, with a few more chunks under way than there are workers."""
    workers = threads or os.cpu_count() or 1
    if executor is None and (workers == 1 or len(bounds) <= 1):
        for first, last in bounds:
            yield (first, last), solve_chunk(rows.chunk(first, last))
        return
    pool = executor or ThreadPoolExecutor(min(workers, len(bounds)))
    under_way: dict[Future[Answers], tuple[int, int]] = {}
    waiting = iter(bounds)
    most = 4 * workers if executor is None else 4 * max(workers, 64)
    try:
        while True:
            for first, last in waiting:
                under_way[pool.submit(solve_chunk, rows.chunk(first, last))] = (first, last)
                if len(under_way) >= most:
                    break
            if not under_way:
                return
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                yield under_way.pop(future), future.result()
    finally:
        for future in under_way:
            future.cancel()
        if executor is None:
            pool.shutdown(wait=True, cancel_futures=True)


def solve_chunk(rows: _Rows) -> Answers:
    """Solve the rows of one chunk: a pure function of them (but for a deadline)."""
    count, n = rows.items.shape[:2]
    masks = np.zeros((count, n), dtype=bool)
    errors, lower = np.full(count, np.inf), np.zeros(count)
    status = np.full(count, Status.UNKNOWN, dtype=np.uint8)
    left = np.arange(count)
    if rows.deadline is not None and monotonic() >= rows.deadline:
        return masks, errors, lower, status
    if rows.compiled:
        from solvers.kernels.batch_rows import UNSOLVED, solve_rows

        solve_rows(
            _plain(rows.items),
            _plain(rows.targets),
            _plain(rows.valid),
            _plain(rows.tolerances),
            rows.objective,
            masks,
            errors,
            lower,
            status,
        )
        left = np.flatnonzero(status == UNSOLVED)
        status[left], errors[left], lower[left], masks[left] = Status.UNKNOWN, np.inf, 0.0, False
    for row in left:
        remaining = None if rows.deadline is None else rows.deadline - monotonic()
        if remaining is not None and remaining <= 0:
            break
        _solve_row(rows, int(row), remaining, (masks, errors, lower, status))
    return masks, errors, lower, status


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return it contiguous and writable: numba compiles a kernel anew for every other memory layout."""
    return np.require(array, requirements=["C", "A", "W"])


def _solve_row(rows: _Rows, row: int, time_limit: float | None, answers: Answers) -> None:
    masks, errors, lower, status = answers
    usable = np.flatnonzero(rows.valid[row])
    if not usable.size:  # only the empty subset: pose it as one item that may not be chosen
        usable = np.zeros(1, np.int64)
        cardinality: tuple[int, int] | None = (0, 0)  # k_min is 0: _checked_rows saw to it
    else:
        cardinality = rows.cardinality
    limit = rows.tolerances[row]
    problem = SubsetSum(
        rows.items[row][usable],
        rows.targets[row],
        tolerance=None if np.isinf(limit) else float(limit),
        cardinality=cardinality,
    )
    solution = solve(
        problem,
        objective=rows.objective,
        backend=rows.backend,
        time_limit=time_limit,
        threads=1,
        seed=rows.seed,
    )
    status[row] = solution.status
    # For "sparsest" an OPTIMAL row's bound is about subsets of as few items, not about all of them.
    everywhere = rows.objective != "sparsest" or solution.status is Status.INFEASIBLE
    lower[row] = float_down(solution.lower_bound) if everywhere else 0.0
    if solution.subset is not None and solution.error is not None:
        masks[row, usable[solution.subset]] = True
        errors[row] = float_up(solution.error)


def _final(rows: _Rows, status: NDArray[np.uint8]) -> bool:
    """Whether more time would not have answered a chunk better."""
    unfinished = status == Status.UNKNOWN
    if rows.objective != "within":
        unfinished |= status == Status.FEASIBLE
    return rows.deadline is None or not unfinished.any()


# -- checkpoints and progress ------------------------------------------------------------------------


def _digest(rows: _Rows) -> str:
    import hashlib

    digest = hashlib.sha256()
    question = (
        rows.objective,
        rows.cardinality,
        rows.backend,
        rows.seed,
        rows.items.shape,
        rows.targets.shape,
    )
    digest.update(repr(question).encode())
    for array in (rows.items, rows.targets, rows.valid, rows.tolerances):
        step = max(1, (1 << 20) // max(1, array[:1].size))
        for first in range(0, len(array), step):
            part = array[first : first + step]
            digest.update(repr(part.tolist()).encode() if part.dtype == object else part.tobytes())
    return digest.hexdigest()


class _reporter:  # noqa: N801 - used as a context function
    """Shows progress as asked: a bar, a callable, or nothing."""

    def __init__(self, progress: bool | Callable[[int, int], object], total: int) -> None:
        self.progress, self.total = progress, total
        self.bar: Any = None

    def __enter__(self) -> Callable[[int], None]:
        if self.progress is True:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self.bar = Progress(
                TextColumn("subset sums"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self.bar.start()
            self.task = self.bar.add_task("rows", total=self.total)
        return self.advance

    def advance(self, done: int) -> None:
        if self.bar is not None:
            self.bar.update(self.task, completed=done)
        elif callable(self.progress):
            self.progress(done, self.total)

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.stop()

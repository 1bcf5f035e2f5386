"""Chunks of rows: answered by the compiled kernels where they can, row by row with solve() where not.

A chunk is enough work that handing it out does not count, and few enough rows that every worker gets some.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.backend.automatic import provers
from solvers.backend.protocol import Limits
from solvers.backend.registry import backend_named
from solvers.batch.digit_rows import solve_digits
from solvers.batch.rows import Answers, Failure, Rows
from solvers.batch.shared_items import MOST_ITEMS, solve_shared
from solvers.dispatch import solved
from solvers.exact import float_down, float_up
from solvers.interrupts import Interruption, heard
from solvers.problem import SubsetSum
from solvers.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HALF_SUMS = 1 << 28  # a chunk, in compiled code: some tenths of a second
_HALF_SUMS_AT_A_TIME = 1 << 24  # between two looks at the clock
_SECONDS = 0.5  # a chunk, row by row
_LEAST_SECONDS = 1e-4  # a row, by solve()
_MOST_BYTES = 1 << 23  # a chunk: executors send it, Dask warns above 10 MB
_LEAST_ROWS = 256  # a chunk, in compiled code, however many workers there are
_SHARED_ROWS = 1 << 18  # a chunk, where the sums of shared items are listed for each chunk
_CHUNKS_A_WORKER = 4


def is_compiled(rows: Rows) -> bool:
    """Whether the compiled kernel for rows can take these."""
    question = rows.question
    return (
        rows.items.dtype.kind != "O"
        and rows.targets.ndim == 1
        and question.cardinality is None
        and question.backend in ("auto", "mitm")
    )


def is_brief(rows: Rows) -> bool:
    """Whether the kernel for rows takes these, and is done with each in no time."""
    return is_compiled(rows) and rows.n <= MOST_ITEMS


def chunk_rows(rows: Rows, total: int | None, workers: int) -> int:
    """Return a number of rows a chunk; ``rows`` are some of them, and ``total`` may be unknown."""
    if not len(rows):
        return _LEAST_ROWS
    share = _SHARED_ROWS if total is None else -(-total // (_CHUNKS_A_WORKER * workers))
    if not is_compiled(rows):
        return max(1, min(share, round(_SECONDS / _seconds_a_row(rows)), 256))
    if rows.shared and rows.valid.ndim == 1:
        return max(_LEAST_ROWS, min(max(share, _SHARED_ROWS // 8), _SHARED_ROWS))
    bytes_a_row = 8 * rows.n + 16 + (rows.n if rows.valid.ndim == 2 else 0)
    return max(_LEAST_ROWS, min(share, int(_HALF_SUMS / _half_sums(rows)), _MOST_BYTES // bytes_a_row))


def _half_sums(rows: Rows) -> float:
    """Return how many sums of halves there are for a row, on average."""
    sample = np.atleast_2d(rows.valid).sum(axis=1)
    return 4 * float(np.exp2(np.minimum(sample, 32) / 2).mean())


def _seconds_a_row(rows: Rows) -> float:
    """Estimate what solve() takes for the first row."""
    problem, _ = row_problem(rows, 0)
    name, objective = rows.question.backend, rows.question.objective
    if name == "auto":
        seconds, _ = next(provers(problem, objective, Limits()), (None, None))
    else:
        seconds = backend_named(name).seconds_to_proof(problem, objective)
    return _SECONDS if seconds is None else max(seconds, _LEAST_SECONDS)


def solve_chunk(rows: Rows, interruption: Interruption | None = None) -> Answers:
    """Answer the rows of one chunk: a pure function of them, as long as there is time.

    A row that cannot be answered fails alone. After an ``interruption`` no one waits for the answers.
    """
    limits = Limits(rows.seconds, threads=1, interruption=interruption or Interruption())
    answers = Answers.unknown(len(rows), rows.n)
    left = np.arange(len(rows))
    if is_compiled(rows):
        with heard():
            left = solve_digits(rows, solve_shared(rows, answers, limits), answers)
            left = _solve_compiled(rows, left, answers, limits)
    waiting = _solve_each(rows, left.tolist(), limits, answers)
    if limits.seconds is not None and not limits.expired:  # the hard ones share what the easy ones left
        _solve_each(rows, waiting, limits, answers)
    return answers


def _solve_each(rows: Rows, places: list[int], limits: Limits, answers: Answers) -> list[int]:
    """Answer rows one by one, each in its share of the time; return those that more might answer better."""
    waiting: list[int] = []
    for number, row in enumerate(places):
        if limits.expired:
            return [*waiting, *places[number:]]
        share = limits.remaining and limits.remaining / (len(places) - number)
        try:
            with heard():
                settled = _solve_row(rows, row, limits.share(share), answers)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rows must not suffer
            answers.put(slice(row, row + 1), Answers.unknown(1, rows.n))
            answers.failures[row] = Failure(type(error).__name__, str(error))
        else:
            waiting += [] if settled else [row]
    return waiting


def _solve_compiled(
    rows: Rows, places: NDArray[np.int64], answers: Answers, limits: Limits
) -> NDArray[np.int64]:
    """Answer rows with the kernel for rows, as long as there is time; return those that it leaves."""
    left = [
        _solve_block(rows, places[first:last], answers)
        for first, last in limits.blocks(places.size, _half_sums(rows), _HALF_SUMS_AT_A_TIME)
    ]
    return np.concatenate(left) if left else places[:0]


def _solve_block(rows: Rows, places: NDArray[np.int64], answers: Answers) -> NDArray[np.int64]:
    from solvers.kernels.batch_rows import UNSOLVED, RowAnswers, RowInputs, solve_rows

    some = rows if places.size == len(rows) else rows.take(places)
    part = answers if some is rows else Answers.unknown(len(some), rows.n)
    shape = len(some), rows.n
    inputs = RowInputs(
        _plain(np.broadcast_to(some.items, shape)),
        _plain(some.targets),
        _plain(np.broadcast_to(some.valid, shape)),
        _plain(np.broadcast_to(some.tolerances, len(some))),
    )
    solve_rows(inputs, rows.question.objective, RowAnswers(part.masks, part.errors, part.lower, part.status))
    left = np.flatnonzero(part.status == UNSOLVED)
    part.put(left, Answers.unknown(left.size, rows.n))
    if part is not answers:
        answers.put(places, part)
    return places[left]


def _plain(array: NDArray[Any]) -> NDArray[Any]:
    """Return it contiguous and writable: numba compiles a kernel anew for every other memory layout."""
    return np.require(array, requirements=["C", "A", "W"])


def row_problem(rows: Rows, row: int) -> tuple[SubsetSum, NDArray[np.int64]]:
    """Return one row as a problem over its valid items, and the places of these."""
    usable = rows.valid_of(row)
    cardinality = rows.question.cardinality
    if not usable.size:  # only the empty subset: pose it as one item that may not be chosen
        usable = np.zeros(1, np.int64)
        cardinality = (0, 0)  # k_min is 0: this was checked before
    limit = rows.tolerance_of(row)
    problem = SubsetSum(
        rows.items_of(row)[usable],
        rows.targets[row],
        tolerance=None if np.isinf(limit) else limit,
        cardinality=cardinality,
    )
    return problem, usable


def _solve_row(rows: Rows, row: int, limits: Limits, answers: Answers) -> bool:
    """Answer a row, unless what is known already is as good; tell whether nothing remains to be shown."""
    question = rows.question
    problem, usable = row_problem(rows, row)
    limits = replace(limits, seed=question.seed)
    solution = solved(problem, question.objective, question.backend, limits)
    settled = solution.status.settles(question.objective)
    if not settled and solution.error is not None and float_up(solution.error) >= answers.errors[row]:
        return False
    answers.masks[row], answers.errors[row] = False, np.inf
    answers.status[row] = solution.status
    # For "sparsest" an OPTIMAL row's bound is about subsets of as few items, not about all of them.
    everywhere = question.objective != "sparsest" or solution.status is Status.INFEASIBLE
    answers.lower[row] = float_down(solution.lower_bound) if everywhere else 0.0
    if solution.subset is not None and solution.error is not None:
        answers.masks[row, usable[solution.subset]] = True
        answers.errors[row] = float_up(solution.error)
    return settled

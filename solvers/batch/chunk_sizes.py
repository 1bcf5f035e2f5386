"""How many rows make a chunk: enough work that handing it out does not count, few enough to go round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.automatic import provers
from solvers.backend.protocol import Limits
from solvers.backend.registry import backend_named
from solvers.batch.chunks import is_compiled, row_problem

if TYPE_CHECKING:
    from solvers.batch.rows import Rows

_HALF_SUMS = 1 << 28  # a chunk, in compiled code: some tenths of a second
_SECONDS = 0.5  # a chunk, row by row
_LEAST_SECONDS = 1e-4  # a row, by solve()
_MOST_BYTES = 1 << 23  # a chunk: executors send it, Dask warns above 10 MB
_LEAST_ROWS = 256  # a chunk, in compiled code, however many workers there are
_SHARED_ROWS = 1 << 18  # a chunk, where the sums of shared items are listed for each chunk
_CHUNKS_A_WORKER = 4


def chunk_rows(rows: Rows, total: int | None, workers: int) -> int:
    """Return a number of rows a chunk.

    Parameters
    ----------
    rows : Rows
        Some of them.
    total : int or None
        The number of rows, where it is known.
    workers : int

    """
    share = _SHARED_ROWS if total is None else -(-total // (_CHUNKS_A_WORKER * workers))
    if not is_compiled(rows):
        return max(1, min(share, round(_SECONDS / _seconds_a_row(rows)), 256))
    if rows.shared and rows.valid.ndim == 1:
        return max(_LEAST_ROWS, min(max(share, _SHARED_ROWS // 8), _SHARED_ROWS))
    sample = np.atleast_2d(rows.valid).sum(axis=1)
    half_sums = 4 * float(np.exp2(np.minimum(sample, 32) / 2).mean())
    bytes_a_row = 8 * rows.n + 16 + (rows.n if rows.valid.ndim == 2 else 0)
    return max(_LEAST_ROWS, min(share, int(_HALF_SUMS / half_sums), _MOST_BYTES // bytes_a_row))


def _seconds_a_row(rows: Rows) -> float:
    """Estimate what solve() takes for the first row."""
    problem, _ = row_problem(rows, 0)
    name, objective = rows.question.backend, rows.question.objective
    if name == "auto":
        seconds, _ = next(provers(problem, objective, Limits()), (None, None))
    else:
        seconds = backend_named(name).seconds_to_proof(problem, objective)
    return _SECONDS if seconds is None else max(seconds, _LEAST_SECONDS)

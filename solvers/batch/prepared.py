"""The kernels for rows, made ready while something else is done: compiled on a first run, else read."""

from __future__ import annotations

from functools import cache
from threading import Thread
from typing import TYPE_CHECKING

import numpy as np

from solvers.batch.rows import BatchQuestion, Rows

if TYPE_CHECKING:
    from solvers.solution import Objective


@cache
def prepare_kernels(objective: Objective) -> Thread:
    """Begin to make ready what rows of scalars need in this process, once; return who does it."""
    thread = Thread(target=_solve_one_row, args=(objective,), name="compiling kernels")
    thread.start()
    return thread


def _solve_one_row(objective: Objective) -> None:
    from solvers.batch.chunks import solve_chunk

    items, valid = np.array([[0.5, 0.25]]), np.ones((1, 2), dtype=bool)
    question = BatchQuestion(objective, None, "auto", 0)
    solve_chunk(Rows(items, np.array([0.75]), valid, np.array([1.0]), question))

"""Answers that a checkpoint kept, against the rows that they are to: nothing is claimed that was only read.

Whoever can write to a folder can renew a shard's checksum. So masks are added up again before answers are
taken over: vectorised, to within rounding, and exactly where that leaves a doubt. A lower bound is a proof
that cannot be made again without solving; that it goes with the errors is checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.batch.batch_solution import BatchSolution
from solvers.errors import CertificateError
from solvers.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.batch.rows import Answers, Rows

_ROUNDING = 2.0**-45  # of the largest partial sum: far more than compensated sums of so few terms lose


def contradiction(rows: Rows, answers: Answers) -> str | None:
    """Return what is wrong with these answers to these rows, or None."""
    if answers.masks.shape != (len(rows), rows.n) or len(answers) != len(rows):
        return f"masks of shape {answers.masks.shape} for {len(rows)} rows of {rows.n} items"
    if (answers.masks & ~rows.valid).any():
        return "a mask has an item that its row may not use"
    question = rows.question
    tolerances = np.broadcast_to(rows.tolerances, (len(rows),))
    claimed = BatchSolution(
        answers.masks,
        answers.errors,
        answers.lower,
        answers.status,
        question.objective,
        None if np.isinf(tolerances).all() else tolerances,
        question.cardinality,
    )
    doubtful = np.flatnonzero(~_plausible(rows, answers, tolerances))
    if not doubtful.size:
        return None
    try:
        claimed.check(rows.items, rows.targets, rows=doubtful)
    except CertificateError as error:
        return str(error)
    return None


def _plausible(rows: Rows, answers: Answers, tolerances: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell for each row whether all that it says is true to within rounding; False is no verdict."""
    if rows.items.dtype != np.float64 or rows.targets.ndim > 1 or rows.targets.dtype != np.float64:
        return np.zeros(len(rows), dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        found, slack = _sums(np.where(answers.masks, rows.items, 0.0), rows.targets)
        good = np.abs(np.abs(found) - answers.errors) <= slack
    errors, lower, status = answers.errors, answers.lower, answers.status
    sizes = answers.masks.sum(axis=1)
    low, high = rows.question.cardinality or (0, rows.n)
    good &= (sizes >= low) & (sizes <= high) & (lower >= 0) & (lower <= errors)
    best, valid = status == Status.OPTIMAL, status == Status.FEASIBLE
    near = errors <= tolerances
    if rows.question.objective != "nearest":
        return np.asarray(good & valid & near)
    return np.asarray(good & near & best & (errors <= np.nextafter(lower, np.inf)))


def _sums(
    terms: NDArray[np.float64], targets: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sum - target of every row by compensated summation, and a bound of what that loses."""
    total, rest, largest = -targets, np.zeros(len(targets)), np.abs(targets)
    for term in terms.T:
        following = total + term
        part = following - total
        rest += (total - (following - part)) + (term - part)
        total = following
        largest = np.maximum(largest, np.abs(total))
    return total + rest, _ROUNDING**2 * largest + _ROUNDING * np.abs(total + rest)

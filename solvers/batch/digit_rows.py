"""Rows of signed digits (items +-u, +-2u, +-4u, ..): met exactly, however many they are.

Every subset sum is a multiple of the largest power of two that divides all items. Where the multiple nearest
to the target is reached, no subset is nearer; rows in which it is not are left to the other methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.batch.rows import Answers, Rows

_LEAST_ITEMS = 12  # rows with fewer are answered as fast by the kernel for all rows
_EXPONENTS = 900  # of the numbers: far from subnormal numbers and from overflow
_WORD = 2.0**61


def solve_digits(rows: Rows, places: NDArray[np.int64], answers: Answers) -> NDArray[np.int64]:
    """Answer those of the scalar float64 rows that are signed digits, and met; return the rest.

    A subset of fewest items is chosen among those of the same sum.
    """
    if rows.question.objective == "sparsest" or not places.size:
        return places
    some = rows.take(places)
    shape = len(some), rows.n
    valid = np.broadcast_to(some.valid, shape)
    items = np.where(valid, np.broadcast_to(some.items, shape), 0.0)
    unit = _unit(items)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled, goal = np.ldexp(items, -unit[:, None]), np.rint(np.ldexp(some.targets, -unit))
        tried = (valid.sum(axis=1) > _LEAST_ITEMS) & (np.abs(unit) < _EXPONENTS)
        tried &= (np.abs(scaled).sum(axis=1) < _WORD) & (np.abs(goal) < 2.0**53)
    (at,) = np.nonzero(tried)
    if at.size:
        at = at[_are_digits(np.sort(np.abs(scaled[at]).astype(np.int64), axis=1))]
    if not at.size:  # and the kernel is not even compiled
        return places
    masks, met = np.zeros((at.size, rows.n), dtype=bool), np.zeros(at.size, dtype=bool)
    _run(scaled[at].astype(np.int64), goal[at].astype(np.int64), masks, met)
    errors = np.abs(some.targets[at] - np.ldexp(goal[at], unit[at]))  # exact: at most half a unit
    within = errors <= np.broadcast_to(some.tolerances, len(some))[at]
    met &= within | (rows.question.objective == "nearest")
    done = places[at[met]]
    answers.masks[done], answers.errors[done], answers.lower[done] = masks[met], errors[met], errors[met]
    answers.status[done] = np.where(within[met], Status.OPTIMAL, Status.INFEASIBLE)
    if rows.question.objective == "within":
        answers.status[done], answers.lower[done] = Status.FEASIBLE, 0.0
    return np.setdiff1d(places, done, assume_unique=True)


def _unit(items: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the exponent of the largest power of two that divides all items of each row; 0 for no items."""
    mantissas, exponents = np.frexp(items)
    whole = np.ldexp(mantissas, 53).astype(np.int64)
    lowest = np.frexp((whole & -whole).astype(np.float64))[1] - 1  # the place of the lowest bit
    places = np.where(whole == 0, 1 << 20, exponents - 53 + lowest).min(axis=1)
    return np.where(places == 1 << 20, 0, places)


def _are_digits(sizes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell in which rows of ascending magnitudes each divides the next; most others fail at the largest."""
    found = np.zeros(len(sizes), dtype=bool)
    (likely,) = np.nonzero(sizes[:, -1] % np.maximum(sizes[:, -2], 1) == 0)
    some = sizes[likely]
    found[likely] = (some[:, 1:] % np.maximum(some[:, :-1], 1) == 0).all(axis=1)
    return found


def _run(
    values: NDArray[np.int64], goal: NDArray[np.int64], masks: NDArray[np.bool_], met: NDArray[np.bool_]
) -> None:
    from solvers.kernels.digit_rows import digit_rows

    orders = np.argsort(np.abs(values), axis=1, kind="stable")
    digit_rows(values, orders, goal, masks, met)

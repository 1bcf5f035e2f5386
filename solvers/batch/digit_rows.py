"""Rows of signed digits (items +-u, +-2u, +-4u, ..): met exactly, however many they are.

Every subset sum is a multiple of the largest power of two that divides all items. Where the multiple nearest
to the target is reached, no subset is nearer; rows in which it is not are left to the other methods. For
"sparsest" all multiples within the tolerance are tried.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from solvers.batch.rows import Answers, Rows

_LEAST_ITEMS = 12  # rows with fewer are answered as fast by the kernel for all rows
_EXPONENTS = 900  # of the numbers: far from subnormal numbers and from overflow
_WORD = 2.0**61
_MOST_MULTIPLES = 64  # within the tolerance, on either side, for "sparsest"


def solve_digits(rows: Rows, places: NDArray[np.int64], answers: Answers) -> NDArray[np.int64]:
    """Answer those of the scalar float64 rows that are signed digits, and met; return the rest.

    A subset of fewest items is chosen among those of the same sum.
    """
    if not places.size or rows.n <= _LEAST_ITEMS:
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
    if rows.question.objective == "sparsest":
        found = _Sparsest(some, at, scaled[at].astype(np.int64), unit[at], goal[at])
        return found.write(places, answers)
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


@dataclass(eq=False)
class _Sparsest:
    """The search for the fewest items within the tolerance, multiple by multiple, for many rows.

    Errors are exact where they decide. If 0 is within the tolerance, no items are the fewest. If not, a
    multiple T within it is between 0 and twice the target, so that T - target is a multiple of the finer of
    the two grids and less than 2^53 times that.
    """

    rows: Rows
    at: NDArray[np.int64]  # which of the rows
    values: NDArray[np.int64]
    unit: NDArray[np.int64]
    goal: NDArray[np.float64]  # the multiple nearest to each target

    def __post_init__(self) -> None:
        self.masks = np.zeros(self.values.shape, dtype=bool)
        self.sizes = np.full(len(self.at), self.values.shape[1] + 1)
        self.errors = np.full(len(self.at), np.inf)
        self.targets = self.rows.targets[self.at]
        self.limits = np.broadcast_to(self.rows.tolerances, len(self.rows))[self.at]
        with np.errstate(over="ignore"):
            reach = np.ldexp(self.limits, -self.unit) + 1.0
        self.few = reach <= _MOST_MULTIPLES
        for step in range(int(reach[self.few].max(initial=-1.0)) + 1):
            for sign in (1, -1) if step else (1,):
                self._try(sign * step)

    def _try(self, step: int) -> None:
        """Take the multiple so many steps from the nearest one, where it is within and has fewer items."""
        goal = self.goal + step
        errors = np.abs(self.targets - np.ldexp(goal, self.unit))
        (tried,) = np.nonzero(self.few & (errors <= self.limits))
        masks, met = np.zeros((len(tried), self.values.shape[1]), bool), np.zeros(len(tried), bool)
        _run(self.values[tried], goal[tried].astype(np.int64), masks, met)
        sizes, errors, earlier = masks.sum(axis=1), errors[tried], self.sizes[tried]
        better = met & ((sizes < earlier) | ((sizes == earlier) & (errors < self.errors[tried])))
        chosen = tried[better]
        self.masks[chosen], self.sizes[chosen] = masks[better], sizes[better]
        self.errors[chosen] = errors[better]

    def write(self, places: NDArray[np.int64], answers: Answers) -> NDArray[np.int64]:
        """Write the rows that are answered; return the others."""
        found = np.isfinite(self.errors)
        done = places[self.at[found]]
        answers.masks[done], answers.errors[done] = self.masks[found], self.errors[found]
        answers.lower[done], answers.status[done] = 0.0, Status.OPTIMAL
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

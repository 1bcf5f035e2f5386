"""Rows with the same items: their sums are listed and sorted once, and every target is answered by search.

The sums of k items go into a sorted table, which is searched for each sum of the other items (Horowitz &
Sahni 1974, with halves of unequal size): building takes O(2^k), a target O(k 2^(n-k)), so the more targets
share the items, the larger the table should be.

A row is answered here only when one subset is nearer than all others. Then every exact method finds that
subset, and it does not matter which rows happened to be solved together.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.batch.rows import Answers
from solvers.solution import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from solvers.backend.protocol import Limits
    from solvers.batch.rows import Rows

MOST_ITEMS = 32
_LEAST_ROWS = 64  # of fewer rows, each is answered faster on its own
_MOST_IN_TABLE = 20  # items: 25 MB while a table is built
_STEPS_AT_A_TIME = 1 << 22  # of bisection, between two looks at the clock
_WORD = 2.0**61
_EXPONENTS = 900  # of the unit: far from subnormal numbers and from overflow


def solve_shared(rows: Rows, answers: Answers, limits: Limits) -> NDArray[np.int64]:
    """Answer the scalar float64 rows that share their items with enough others; return the rest.

    As long as there is time.
    """
    left = np.ones(len(rows), dtype=bool)
    if rows.question.objective == "sparsest":
        return np.flatnonzero(left)
    for places in _groups(rows):
        if limits.expired:
            break
        found = _search(rows.take(places), limits)
        if found is not None:
            done, part = found
            answers.put(places[done], part)
            left[places[done]] = False
    return np.flatnonzero(left)


def _groups(rows: Rows) -> Iterator[NDArray[np.int64]]:
    """Yield the rows that have the same valid items, where they are many."""
    # For "within" any acceptable subset will do, and here it is the nearest one. So that answers do not
    # depend on which rows a chunk holds, it is answered here only where the call says that items are shared.
    within = rows.question.objective == "within"
    if rows.shared and rows.valid.ndim == 1:
        if within or len(rows) >= _LEAST_ROWS:
            yield np.arange(len(rows))
        return
    if len(rows) < _LEAST_ROWS or (within and not rows.shared):
        if within and rows.shared:
            yield from np.arange(len(rows))[:, None]
        return
    if not _may_repeat(rows):
        return
    codes = _codes(rows)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=codes[order[0]] ^ np.uint64(1)))
    for first, last in zip(starts, [*starts[1:], len(order)], strict=True):
        if last - first >= _LEAST_ROWS or (within and rows.shared):
            places = order[first:last]
            yield places[_like_the_first(rows, places)]


def _may_repeat(rows: Rows) -> bool:
    """Tell by their first numbers whether enough rows may be equal: of random rows none are."""
    if rows.shared:
        return True
    numbers = np.sort(rows.items[:, 0])
    return bool((numbers[_LEAST_ROWS - 1 :] == numbers[: 1 - _LEAST_ROWS]).any())


def _codes(rows: Rows) -> NDArray[np.uint64]:
    """Return a 64-bit code of each row's items and valid places: different codes, different rows."""
    factors = np.random.default_rng(0).integers(0, 2**64, (2, rows.n), dtype=np.uint64) | np.uint64(1)
    codes = np.zeros(len(rows), np.uint64)
    if not rows.shared:
        bits = np.ascontiguousarray(rows.items).view(np.uint64)
        codes += ((bits ^ (bits >> np.uint64(29))) * factors[0]).sum(axis=1, dtype=np.uint64)
    if rows.valid.ndim == 2:
        codes += (rows.valid * factors[1]).sum(axis=1, dtype=np.uint64)
    return codes


def _like_the_first(rows: Rows, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    alike = np.ones(len(places), dtype=bool)
    for array in (rows.items if not rows.shared else None, rows.valid if rows.valid.ndim == 2 else None):
        if array is not None:
            alike &= (array[places] == array[places[0]]).all(axis=1)
    return alike


def _search(rows: Rows, limits: Limits) -> tuple[NDArray[np.int64], Answers] | None:
    """Answer rows of the same items; return (which of them, their answers), or None where none can be."""
    from solvers.kernels.shared_sums import nearest_sums, rounded_distances, sorted_sums

    usable = rows.valid_of(0)
    grid = _integers(rows.items_of(0)[usable]) if 0 < usable.size <= MOST_ITEMS else None
    if grid is None:
        return None
    items, exponent = grid
    # Exact multiplication by a power of two; what it would push out of range is left to others.
    scaled = np.ldexp(rows.targets, -exponent)
    fits = (np.abs(scaled) < _WORD) & (np.ldexp(scaled, exponent) == rows.targets)
    goals = np.rint(scaled[fits])
    goals -= scaled[fits] - goals == -0.5  # half-way downward: no sum below ``goal`` is then as near as it
    rests = scaled[fits] - goals
    count = goals.size
    k = min(items.size, _MOST_IN_TABLE, max(items.size // 2, (items.size + 2 + count.bit_length()) // 2))
    subsets, distances = np.full(count, -1), np.zeros(count, np.int64)
    sides, lower, upper = np.zeros(count), np.empty(count), np.empty(count)
    table, others = sorted_sums(items[:k]), sorted_sums(items[k:])
    whole = goals.astype(np.int64)
    for first, last in limits.blocks(count, (k + 1) * others[0].size, _STEPS_AT_A_TIME):
        found = subsets[first:last], distances[first:last], sides[first:last]
        nearest_sums(table, others, whole[first:last], rests[first:last], *found)
    rounded_distances(distances, sides, exponent, lower, upper)

    alone = np.flatnonzero(subsets >= 0)
    done = np.flatnonzero(fits)[alone]
    answers = Answers.unknown(done.size, rows.n)
    for place, item in enumerate(usable):
        bit = place if place < k else place - k + 32
        answers.masks[:, item] = (subsets[alone] >> bit) & 1
    answers.errors[:], answers.lower[:] = upper[alone], lower[alone]
    tolerances = np.broadcast_to(rows.tolerances, len(rows))[done]
    within = rows.question.objective == "within"
    answers.status[:] = Status.FEASIBLE if within else Status.OPTIMAL
    # An error rounded up exceeds a float tolerance if and only if the exact error does.
    answers.status[answers.errors > tolerances] = Status.INFEASIBLE
    if within:
        answers.lower[answers.status == Status.FEASIBLE] = 0.0
    return done, answers


def _integers(items: NDArray[np.float64]) -> tuple[NDArray[np.int64], int] | None:
    """Write items as integers times a power of two, if all their sums then fit a word."""
    fractions, exponents = np.frexp(items)
    mantissas = np.ldexp(fractions, 53).astype(np.int64)
    lowest = np.frexp((mantissas & -mantissas).astype(np.float64))[1] - 1 + exponents - 53
    exponent = int(lowest[items != 0].min(initial=1024))
    if not items.any():
        exponent = 0
    if abs(exponent) > _EXPONENTS or np.abs(items).max() >= math.ldexp(1.0, exponent + 61):
        return None
    if math.fsum(np.abs(items).tolist()) >= math.ldexp(1.0, exponent + 61):
        return None
    return np.ldexp(items, -exponent).astype(np.int64), exponent

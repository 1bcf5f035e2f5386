"""Pairs of vectors, one from each of two lists, that nearly agree; and rounding by exchanges."""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Bools, Floats, Ints


@compiled
def _distance(left: Ints, right: Ints, i: int, j: int, limit: int) -> int:
    """Return the max-norm distance of two rows, or any number above ``limit`` where it exceeds that."""
    distance = 0
    for k in range(left.shape[1]):
        distance = max(distance, abs(left[i, k] - right[j, k]))
        if distance > limit:
            break
    return distance


@compiled
def sampled_distances(
    left: Ints,
    left_keys: Ints,
    right: Ints,
    right_keys: Ints,
    most: int,
    stride: int,
    distances: Ints,
) -> tuple[int, int]:
    """Return (number of pairs of equal keys, number of distances of such pairs that were stored).

    The distance of every ``stride``-th pair is stored, as far as ``distances`` reaches; counting ends at
    ``most``. The arguments are those of :func:`pairs_of_a_cell`.
    """
    found = stored = 0
    start = 0
    for i in range(left_keys.size):
        while start < right_keys.size and right_keys[start] < left_keys[i]:
            start += 1
        j = start
        while j < right_keys.size and right_keys[j] == left_keys[i]:
            if found % stride == 0 and stored < distances.size:
                distances[stored] = _distance(left, right, i, j, 1 << 62)
                stored += 1
            found += 1
            if found == most:
                return found, stored
            j += 1
    return found, stored


@compiled
def pairs_of_a_cell(
    left: Ints,
    left_keys: Ints,
    right: Ints,
    right_keys: Ints,
    most: int,
    limit: int,
    pairs: Ints,
) -> int:
    """List (i, j) with equal keys and a max-norm distance of at most ``limit``; returns their number.

    Rows have shape (., d); their keys, sorted, are the cells that they lie in. At ``most`` so many pairs of
    equal keys are looked at, and the search ends when ``pairs``, shape (capacity, 2), is full.
    """
    looked_at = found = 0
    start = 0
    for i in range(left_keys.size):
        while start < right_keys.size and right_keys[start] < left_keys[i]:
            start += 1
        j = start
        while j < right_keys.size and right_keys[j] == left_keys[i]:
            if _distance(left, right, i, j, limit) <= limit:
                pairs[found, 0] = i
                pairs[found, 1] = j
                found += 1
                if found == pairs.shape[0]:
                    return found
            looked_at += 1
            if looked_at == most:
                return found
            j += 1
    return found


@compiled
def nearest_of_a_cell(
    left: Ints,
    left_keys: Ints,
    right: Ints,
    right_keys: Ints,
    most: int,
) -> tuple[int, int, int]:
    """Return (i, j, distance) of the nearest pair of equal keys; i = -1 where there is none.

    The arguments are those of :func:`pairs_of_a_cell`.
    """
    best, best_i, best_j = 1 << 62, -1, -1
    looked_at = 0
    start = 0
    for i in range(left_keys.size):
        while start < right_keys.size and right_keys[start] < left_keys[i]:
            start += 1
        j = start
        while j < right_keys.size and right_keys[j] == left_keys[i]:
            distance = _distance(left, right, i, j, best)
            if distance < best:
                best, best_i, best_j = distance, i, j
                if best == 0:
                    return best_i, best_j, best
            looked_at += 1
            if looked_at == most:
                return best_i, best_j, best
            j += 1
    return best_i, best_j, best


@compiled
def round_by_exchanges(
    items: Floats, difference: Floats, chosen: Bools, low: int, high: int, proposals: Ints
) -> None:
    """Improve a subset: each proposed flip or exchange that brings its sum nearer to the target is made.

    ``items`` have shape (n, d); ``difference``, target less sum, changes along with ``chosen``. The number of
    chosen items stays in, or moves towards, low to high. ``proposals``, shape (p, 2), are pairs (i, j):
    exchange a chosen one of the two for the other; where i = j, flip item i.
    """
    d = difference.size
    count = 0
    for i in range(chosen.size):
        count += chosen[i]
    for p in range(proposals.shape[0]):
        i, j = proposals[p, 0], proposals[p, 1]
        if i == j:
            grown = count - 1 if chosen[i] else count + 1
            if not low <= grown <= high:
                continue
        elif chosen[i] == chosen[j]:
            continue
        before = after = 0.0
        for k in range(d):
            step = -items[i, k] if chosen[i] else items[i, k]
            if i != j:
                step += -items[j, k] if chosen[j] else items[j, k]
            before += difference[k] * difference[k]
            after += (difference[k] - step) * (difference[k] - step)
        if after >= before:
            continue
        for k in range(d):
            step = -items[i, k] if chosen[i] else items[i, k]
            if i != j:
                step += -items[j, k] if chosen[j] else items[j, k]
            difference[k] -= step
        if i == j:
            count += -1 if chosen[i] else 1
            chosen[i] = not chosen[i]
        else:
            chosen[i], chosen[j] = chosen[j], chosen[i]

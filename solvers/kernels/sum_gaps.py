"""Where on a line of cells the sums of two halves fall, and which runs of cells they leave empty.

A window of values ``start <= v < stop`` is cut into cells of ``2^shift`` units, a byte each in ``marks``: 0
for an empty cell, 1 for one that holds a sum, ``WATCHED`` for one whose extreme sums are wanted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from solvers.kernels.array_types import Bytes, Ints

    Probes = NDArray[np.uint8] | NDArray[np.uint64]

WATCHED = 2


@compiled
def neighbours(left: Ints, right: Ints, value: int) -> tuple[int, int]:
    """Return the largest sum below ``value`` and the smallest not below; where none is, the end of all sums.

    Both lists are sorted. In plain Python it takes lists of integers of any size.
    """
    below = left[0] + right[0]
    above = left[-1] + right[-1]
    i, j = 0, len(right) - 1
    while i < len(left) and j >= 0:
        total = left[i] + right[j]
        if total >= value:
            above = min(above, total)
            j -= 1
        else:
            below = max(below, total)
            i += 1
    return below, above


@compiled
def _first_at_least(sums: Ints, value: int, guess: int) -> int:
    """Return the first place in ``sums`` whose sum is at least ``value``; quick when the guess is close."""
    place = guess
    while place > 0 and sums[place - 1] >= value:
        place -= 1
    step = 1
    while place + step <= sums.size and sums[place + step - 1] < value:
        place += step
        step *= 2
    while step > 1:
        step //= 2
        if place + step <= sums.size and sums[place + step - 1] < value:
            place += step
    return place


@compiled
def mark(
    left: Ints,
    right: Ints,
    places: Ints,
    first: int,
    last: int,
    start: int,
    stop: int,
    shift: int,
    marks: Bytes,
) -> None:
    """Mark the cells of all sums ``left[first:last] + right`` in the window; ``right`` is sorted.

    ``places[i]`` is a guess of where in ``right`` the window begins for ``left[i]``; it receives the end.
    """
    for i in range(first, last):
        base = start - left[i]
        limit = stop - left[i]
        j = _first_at_least(right, base, places[i])
        while j < right.size and right[j] < limit:
            marks[(right[j] - base) >> shift] = 1
            j += 1
        places[i] = j


@compiled
def watch(
    left: Ints,
    right: Ints,
    places: Ints,
    first: int,
    last: int,
    start: int,
    stop: int,
    shift: int,
    marks: Bytes,
    lowest: Ints,
    highest: Ints,
) -> None:
    """Spread ``lowest`` and ``highest`` to the extreme sums of each watched cell, less ``start``."""
    for i in range(first, last):
        base = start - left[i]
        limit = stop - left[i]
        j = _first_at_least(right, base, places[i])
        while j < right.size and right[j] < limit:
            distance = right[j] - base
            cell = distance >> shift
            if marks[cell] == WATCHED:
                lowest[cell] = min(lowest[cell], distance)
                highest[cell] = max(highest[cell], distance)
            j += 1
        places[i] = j


@compiled
def last_marked(marks: Bytes, cells: int) -> int:
    """Return the last of the first ``cells`` cells that is marked, -1 if none is."""
    cell = cells - 1
    while cell >= 0 and marks[cell] == 0:
        cell -= 1
    return cell


@compiled
def empty_runs(probes: Probes, marks: Bytes, cells: int, least: int, runs: Ints) -> int:
    """List pairs of marked cells, ``least`` or more apart, with nothing but empty cells between them.

    ``probes`` views the marks as they are, or as words of eight; seen are the runs that cover one probe: all,
    or all of at least 15 cells. ``runs``, shape (capacity, 2), receives the pairs; the listing ends when it
    is full. Returns their number. Cell 0 is marked.
    """
    width = marks.size // probes.size
    found = 0
    probe = 0
    while probe * width < cells and found < runs.shape[0]:
        if probes[probe] != 0:
            probe += 1
            continue
        before = probe * width - 1
        while marks[before] == 0:
            before -= 1
        after = (probe + 1) * width
        while after < cells and marks[after] == 0:
            after += 1
        if after >= cells:
            break
        if after - before >= least:
            runs[found, 0] = before
            runs[found, 1] = after
            found += 1
        probe = after // width
    return found

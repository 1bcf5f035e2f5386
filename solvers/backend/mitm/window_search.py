"""The search over windows of sums: stripes of left sums, an incumbent for each, exact ranking.

Left sums are cut into stripes, always the same ones, that threads work through; each starts from the same
incumbent and keeps its own, so that the answer does not depend on the number of threads.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.copies import apart, copies_of
from solvers.backend.mitm.quarter_lists import Half, extent, meeting_points, number
from solvers.backend.protocol import OutOfTimeError
from solvers.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from solvers.backend.copies import Copies
    from solvers.backend.mitm.quarter_lists import Sizes
    from solvers.backend.protocol import Limits
    from solvers.kernels.sum_windows import Buffers, Side
    from solvers.problem import SubsetSum

    Part = tuple[Sizes, Sizes]
    Box = tuple[int, int, int]  # a left sum, and the least and largest right sum it is paired with

WINDOW = 1 << 15  # sums a side and window: with the table of cells they stay in the second-level cache
_SCOUTING_WINDOW = 1 << 11
_ROOM_PER_SUM = 4  # buffers hold this many windows
_PAIRS = 1 << 14
_FIRST_BUDGET, _LARGEST_BUDGET = 1 << 18, 1 << 24  # sums per kernel call: below 1 ms, some 0.05 s
_SUMS_PER_STRIPE = 1 << 20
_MOST_STRIPES = 64
_ITEMS_WORTH_THREADS = 40
_MOST_THREADS = 4
_WATCHED = 1 << 8  # half sums between two looks at the clock
_BYTES_PER_RANKED = 400  # at most: its mask, its exact sum, a pair of them and references
_MOST_RANKED = 1 << 20  # half sums listed to settle what rounding left open
_GRID_BITS = 60
ENDLESS = 1 << _GRID_BITS  # a reach that covers every sum


class Halves:
    """An instance's items by value, rounded to a grid, as two halves of two lists each.

    Where it ``counts`` every item is a value of its own: in ascending order, so that equal items meet in one
    list, whose sums then coincide.
    """

    def __init__(
        self, problem: SubsetSum, *, by_size: bool, most: int | None = None, counts: bool = False
    ) -> None:
        copies = copies_of(problem, sized=by_size)
        self.copies: Copies = copies if copies.merged and not counts else apart(problem)
        values = [value[0] for value in self.copies.values]
        self.target: int = self.copies.target[0]
        self.by_size = by_size
        self.count: int = sum(self.copies.most)
        grid = replace(self.copies, target=(0,)).grid(_GRID_BITS)
        self.shift: int = grid.shift
        self.slack: int = grid.slack
        top = (problem.n if most is None else most) if by_size else None
        self.places: tuple[list[int], list[int]] = self.copies.halves
        halves = (
            Half(grid.items[half, 0], [values[k] for k in half], [self.copies.most[k] for k in half], top)
            for half in self.places
        )
        self.left: Half = next(halves)
        self.right: Half = next(halves)

    def possible(self, low: int, high: int) -> tuple[int, int]:
        """Return the range of grid sums of all subsets whose exact sum lies in [low, high]."""
        return (low >> self.shift) - self.slack, high >> self.shift

    def sure(self, low: int, high: int) -> tuple[int, int]:
        """Return a range of grid sums of subsets whose exact sum surely lies in [low, high]."""
        loss = self.slack * ((1 << self.shift) - 1)
        return -(-low >> self.shift), (high - loss) >> self.shift

    def parts(self, low: int, high: int) -> Iterator[Part]:
        """Split the subsets of ``low`` to ``high`` items by the number of items on the left."""
        if not self.by_size:
            yield None, None
            return
        for size in self.left.sizes:
            if size <= high and low - size <= self.right.sizes[-1]:
                yield (size, size), (max(0, low - size), high - size)

    def sides(self, part: Part, *, distinct: bool = True) -> tuple[Side, Side]:
        """Return the sums of a part, left and right, as the kernels take them."""
        return self.left.side(part[0], distinct=distinct), self.right.side(part[1], distinct=distinct)

    def subset(self, left: int, right: int) -> list[int]:
        """Return the sorted indices, in the order the items were given, of two masks."""
        halves = zip(self.places, (self.left, self.right), (left, right), strict=True)
        return self.copies.subset(
            {places[i]: count for places, half, mask in halves for i, count in half.counts(mask).items()}
        )

    def pairs(self, part: Part, box: Box) -> Iterator[tuple[int, int, int]]:
        """Yield (left mask, right mask, exact sum) of every subset in a box."""
        for left in self.left.between(part[0], box[0], box[0]):
            total = self.left.total(left)
            for right in self.right.between(part[1], box[1], box[2]):
                yield left, right, total + self.right.total(right)


@dataclass(frozen=True)
class Best:
    """An incumbent: its exact error in units, and its masks; None before there is one."""

    units: int | None = None
    masks: tuple[int, int] = (0, 0)

    def at_most(self, units: int) -> bool:
        """Whether there is an incumbent and its error is at most this."""
        return self.units is not None and self.units <= units


class Scratch:
    """The buffers of one sweep at a time."""

    def __init__(self, left: Side, right: Side) -> None:
        room = max(_ROOM_PER_SUM * WINDOW, left[0].size)
        self.pointers: tuple[NDArray[np.int64], NDArray[np.int64]] = (
            np.empty(left[0].size, np.int64),
            np.empty(right[0].size, np.int64),
        )
        self.sums: tuple[NDArray[np.int64], NDArray[np.int64]] = (
            np.empty(room, np.int64),
            np.empty(room, np.int64),
        )
        from solvers.kernels.sum_windows import SECOND_BITS, TABLE_BITS

        self.tables: tuple[NDArray[np.int64], NDArray[np.int64]] = (
            np.empty(1 << (TABLE_BITS - 6), np.int64),
            np.empty(1 << (SECOND_BITS - 6), np.int64),
        )
        self.found: NDArray[np.int64] = np.empty((_PAIRS, 2), np.int64)

    def buffers(self, window: int) -> Buffers:
        """Return what the kernel takes, with room for windows of this many sums."""
        from solvers.kernels.sum_windows import Buffers

        room = max(_ROOM_PER_SUM * window, self.pointers[0].size)
        lefts, rights = self.sums
        return Buffers(*self.pointers, lefts[:room], rights[:room], *self.tables, self.found)


def swept(
    sides: tuple[Side, Side],
    interval: tuple[int, int],
    aim: Callable[[], tuple[int, int]],
    margin: int,
    stop: int,
    scratch: Scratch,
    width: int,
    window: int,
    budget: int = _FIRST_BUDGET,
) -> Iterator[tuple[int, list[Box]]]:
    """Yield the boxes within reach, a kernel call at a time, for left sums in [interval[0], interval[1]).

    With them comes the left sum to go on with.

    ``aim()`` says (centre, reach) before each call; the other arguments are as in ``sum_windows``.
    """
    from solvers.kernels.sum_windows import STUCK, Aim, sweep

    first, last = interval
    buffers = scratch.buffers(window)
    while first < last:
        centre, reach = aim()
        if reach < 0:
            return
        sought = Aim(centre, reach, margin, stop)
        status, first, width, found, reach = map(
            int, sweep(*sides, sought, (first, last), width, window, budget, buffers)
        )
        pairs = scratch.found[:found]
        near = np.abs(pairs[:, 0] + pairs[:, 1] - centre) <= max(reach, reach - margin)
        boxes = [(left, right, right) for left, right in dict.fromkeys(map(tuple, pairs[near].tolist()))]
        if status == STUCK:
            boxes.append((first, centre - first - reach, centre - first + reach))
            first += 1
        yield first, boxes
        budget = min(4 * budget, _LARGEST_BUDGET)


class NearestSearch:
    """The nearest subset, sizes by sizes, with the best so far as the incumbent of what follows."""

    def __init__(self, halves: Halves, limits: Limits, stop: int) -> None:
        self.halves = halves
        self.limits = limits
        self.stop = stop
        n = halves.count
        workers = limits.threads
        if workers is None:
            workers = 1
            if halves.copies.bits >= _ITEMS_WORTH_THREADS:
                workers = min(_MOST_THREADS, os.cpu_count() or 1)
        self.workers = workers
        if halves.shift:
            # A subset at a grid distance d from the centre has an error below d + n/2 + 2 steps, and those
            # of at most that error are at grid distances of at most d + n + 4.
            self.margin: int = n + 6
            self.grid_stop: int = max(-1, min(ENDLESS, stop >> halves.shift) - n // 2 - 4)
        else:
            self.margin = -1
            self.grid_stop = min(ENDLESS, stop)

    def aim(self, best: Best) -> tuple[int, int]:
        """Return (centre, reach) on the grid of all subsets nearer than the incumbent."""
        target = self.halves.target
        if best.units is None:
            low, high = self.halves.possible(target, target)
            return (low + high) // 2, ENDLESS
        low, high = self.halves.possible(target - best.units + 1, target + best.units - 1)
        return (low + high) // 2, (high - low + 1) // 2 if low <= high else -1

    def improve_all(self, parts: Iterable[Part], best: Best) -> tuple[Best, bool]:
        """Search one part after the other; returns the best, and whether that is all there is to find."""
        complete = True
        for part in parts:
            best, complete = self.improve(part, best)
            if not complete or best.at_most(self.stop):
                break
        return best, complete

    def improve(self, part: Part, best: Best) -> tuple[Best, bool]:
        """Search a part; returns the better of ``best`` and what was found, and whether that is all of it."""
        sides = self.halves.sides(part)
        if not sides[0][0].size or not sides[1][0].size:
            return best, True
        pool = [Scratch(*sides)]
        first, last = extent(sides[0])
        if best.units is None:
            sample = meeting_points(sides, self.aim(best)[0])
            low, middle, high = (int(sample[len(sample) * k // 8]) for k in (3, 4, 5))
            window = min(_SCOUTING_WINDOW, WINDOW)
            scouting = swept(
                sides,
                (min(max(first, middle), last - 1), last),
                lambda: self.aim(best),
                self.margin,
                self.grid_stop,
                pool[0],
                width_of_windows(high - low, (number(sides[0]) + number(sides[1])) // 4, window),
                window,
                1,
            )
            for _, boxes in scouting:
                best = self._ranked(part, boxes, best)
                if best.units is not None or self.limits.expired:
                    break
            if best.at_most(self.stop):
                return best, True
        if self.limits.expired:
            return best, False
        centre, reach = self.aim(best)
        lowest, highest = extent(sides[1])
        interval = max(first, centre - highest - reach), min(last, centre - lowest + reach + 1)
        if interval[0] >= interval[1] or reach < 0:
            return best, True
        return self._in_stripes(part, sides, _stripes(sides, interval, centre), best, pool)

    def _in_stripes(
        self, part: Part, sides: tuple[Side, Side], borders: list[int], start: Best, pool: list[Scratch]
    ) -> tuple[Best, bool]:
        stripes = range(len(borders) - 1)
        sums = number(sides[0]) + number(sides[1])
        stopped_at = [len(borders)]  # no stripe beyond this one matters; it only ever falls

        def search(stripe: int) -> tuple[Best, bool]:
            best = start
            complete = not self.limits.expired
            if stripe > stopped_at[0] or not complete:
                return best, complete
            try:
                scratch = pool.pop()
            except IndexError:
                scratch = Scratch(*sides)
            interval = borders[stripe], borders[stripe + 1]
            chunks = swept(
                sides,
                interval,
                lambda: self.aim(best),
                self.margin,
                self.grid_stop,
                scratch,
                width_of_windows(interval[1] - interval[0], sums // len(stripes), WINDOW),
                WINDOW,
            )
            for _, boxes in chunks:
                best = self._ranked(part, boxes, best)
                if best.at_most(self.stop):
                    stopped_at[0] = min(stopped_at[0], stripe)
                    break
                if stripe > stopped_at[0]:
                    break
                if self.limits.expired:
                    complete = False
                    break
            pool.append(scratch)
            return best, complete

        if self.workers == 1 or len(stripes) == 1:
            results = [search(stripe) for stripe in stripes]
        else:
            with ThreadPoolExecutor(self.workers) as executor:
                try:
                    results = list(executor.map(search, stripes))
                except BaseException:
                    stopped_at[0] = -1  # or the threads would finish their stripes first
                    raise
        kept = results[: stopped_at[0] + 1]
        found = min((best for best, _ in kept if best.units is not None), key=_units, default=start)
        return found, found.at_most(self.stop) or all(complete for _, complete in kept)

    def _ranked(self, part: Part, boxes: list[Box], best: Best) -> Best:
        """Return the best of the incumbent and all subsets in the boxes, by exact error."""
        halves = self.halves
        if not halves.shift and boxes:
            left, right, _ = boxes[-1]  # each was nearer than the one before
            masks = (
                next(halves.left.between(part[0], left, left)),
                next(halves.right.between(part[1], right, right)),
            )
            return Best(abs(left + right - halves.target), masks)
        with suppress(OutOfTimeError):  # the caller sees that, too, and calls the search incomplete
            for box in boxes:
                if best.units is not None:
                    self.limits.check()
                best = self._ranked_exactly(part, box, best)
        return best

    def _ranked_exactly(self, part: Part, box: Box, best: Best) -> Best:
        left, right, watched = self.halves.left, self.halves.right, self.limits.watched
        most = min(_MOST_RANKED, self.limits.bytes_allowed // _BYTES_PER_RANKED)
        lefts = list(watched(islice(left.between(part[0], box[0], box[0]), most), _WATCHED))
        rights = list(watched(islice(right.between(part[1], box[1], box[2]), most), _WATCHED))
        if len(lefts) + len(rights) > most:
            raise UnsupportedProblemError(
                "the items' magnitudes are too mixed for the backend schroeppel-shamir: rounded to 60 bits, "
                f"more than {most} half sums cannot be told apart; able: cp-sat"
            )
        ascending = sorted((left.total(mask), mask) for mask in watched(lefts, _WATCHED))
        descending = sorted(((right.total(mask), mask) for mask in watched(rights, _WATCHED)), reverse=True)
        self.limits.check()
        i = j = 0
        while i < len(ascending) and j < len(descending):
            difference = ascending[i][0] + descending[j][0] - self.halves.target
            if best.units is None or abs(difference) < best.units:
                best = Best(abs(difference), (ascending[i][1], descending[j][1]))
            if difference > 0:
                j += 1
            else:
                i += 1
        return best


def _units(best: Best) -> int:
    return best.units or 0


def width_of_windows(length: int, sums: int, window: int) -> int:
    """Return a first width, for windows of ``window`` sums a side where ``length`` values hold ``sums``."""
    return min(ENDLESS, max(1, 2 * length * window // max(1, sums)))


def _stripes(sides: tuple[Side, Side], interval: tuple[int, int], centre: int) -> list[int]:
    """Cut an interval of left sums where the work, left and right sums generated, is about the same."""
    stripes = min(_MOST_STRIPES, max(1, (number(sides[0]) + number(sides[1])) // _SUMS_PER_STRIPE))
    sample = meeting_points(sides, centre)
    sample = sample[(sample > interval[0]) & (sample < interval[1])]
    cuts = [int(sample[k * len(sample) // stripes]) for k in range(1, stripes)] if len(sample) else []
    return sorted({*interval, *cuts})

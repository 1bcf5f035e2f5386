"""The sums of two halves of a vector problem's items, and the pairs of them in a window of differences."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from solvers.backend.mitm.threads import in_order
from solvers.backend.protocol import OutOfTimeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from solvers.backend.copies import Copies
    from solvers.backend.grid import Grid
    from solvers.backend.protocol import Limits
    from solvers.kernels.array_types import Ints

    Sizes = tuple[int, int]
    Window = tuple[int, int]  # least and largest grid difference, in every coordinate

Result = TypeVar("Result")

FAR = 1 << 62  # farther than any two sums on a grid

_BUDGET = 1 << 20  # node visits of one compiled call: some hundredths of a second
_ROWS_AT_A_TIME = 1 << 20  # sums made in one compiled call
_GROWN_AT_A_TIME = 1 << 18  # points of a subtree made in one compiled call
_SECONDS_A_NUMBER = 1e-8  # of a point, in each level of the tree
_BUFFER = 1 << 13  # pairs listed at a time
_SAMPLES = (4093, 251, 31)  # every so many-th query goes first, in three passes
_SMALL = 1 << 14  # as many queries are not worth a second thread
_ROUND = 8  # stripes of queries that start from the same incumbent, whatever the number of threads


class Halves:
    """The sums of two halves of the items on the grid: one as a tree, the other as the queries it is asked.

    Where the cardinality matters, a last column counts items. The places of sums, as they are listed, are
    numbers in mixed radix: how often each value of the half is taken.
    """

    def __init__(self, copies: Copies, grid: Grid, limits: Limits, *, counts_items: bool) -> None:
        n = len(grid.items)
        self.dims: int = grid.items.shape[1]
        self.limits = limits
        self.most: tuple[int, ...] = copies.most
        self.left: list[int] = copies.halves[0]
        self.right: list[int] = copies.halves[1]
        items, target = grid.items, grid.target
        if counts_items:
            items = np.column_stack([items, np.ones(n, np.int64)])
            target = np.append(target, 0)
        self.queries: Ints = self._sums(target, -items, self.left)
        self._grow(self._sums(np.zeros_like(target), items, self.right))

    def counts(self, query: int, point: int) -> dict[int, int]:
        """Return how often a pair takes each value."""
        counts = {}
        for values, place in (
            (self.left, query),
            (self.right, int(self.masks[point]) if self._is_real(point) else 0),
        ):
            left = place
            for k in values:
                left, counts[k] = divmod(left, self.most[k] + 1)
        return counts

    def _is_real(self, point: int) -> bool:
        return bool(self.masks[point] < self.real)

    # -- building ------------------------------------------------------------------------------------

    def _sums(self, start: Ints, items: Ints, values: list[int]) -> Ints:
        from solvers.kernels.half_sums import add_item

        sums = np.empty((math.prod(self.most[k] + 1 for k in values), len(start)), np.int64)
        sums[0] = start
        size = 1
        for k in values:
            filled = size * self.most[k]  # rows, each one copy more than the row ``size`` before it
            step = min(size, _ROWS_AT_A_TIME) if self.most[k] == 1 else _ROWS_AT_A_TIME
            for first in self.limits.watched(range(0, filled, step), every=1):
                add_item(sums[first:], size, min(filled - first, step), items[k])
            size += filled
        return sums

    def _grow(self, points: Ints) -> None:
        from solvers.kernels.closest_pairs import LEAF, Tree, grow_tree

        columns = points.shape[1]
        self.real: int = len(points)
        self.leaves: int = 1 << ((self.real - 1) // LEAF).bit_length()
        # Every leaf has as many points; where values are taken several times, the first one fills them up.
        count = -(-self.real // self.leaves) * self.leaves
        if count > self.real:
            points = np.concatenate([points, np.repeat(points[:1], count - self.real, axis=0)])
        self.masks: NDArray[np.uint32] = np.arange(count, dtype=np.uint32)
        self.tree: Tree = Tree(points, *np.empty((2, 2 * self.leaves, columns), np.int64))

        def grow(root: int, levels: int) -> None:
            points = count >> (root.bit_length() - 1)
            if not self.limits.allow(_SECONDS_A_NUMBER * points * columns * levels):
                raise OutOfTimeError("there is no time to grow the tree")
            self.limits.check()
            grow_tree(self.tree, self.masks, root, levels)

        levels = self.leaves.bit_length()
        top = 0 if count < _SMALL else max(3, (count // _GROWN_AT_A_TIME).bit_length())
        for level in range(top):
            list(self._map(grow, [(root, 1) for root in range(1 << level, 2 << level)]))
        list(self._map(grow, [(root, levels - top) for root in range(1 << top, 2 << top)]))

    # -- asking --------------------------------------------------------------------------------------

    def nearest(self, sizes: Sizes, best: int, stop: int) -> tuple[tuple[int, int] | None, bool]:
        """Find (query, point) of the pair least far apart on the grid, or one at most ``stop`` apart.

        Only distances below ``best`` count. Returns None if there is none, and whether the search was
        completed. Neither depends on the number of threads.
        """
        total = len(self.queries)
        passes = [[(0, total, step)] for step in _SAMPLES if total > 4 * step]
        stripes = [(first, last, 1) for first, last in self._stripes()]
        passes += [stripes[k : k + _ROUND] for k in range(0, len(stripes), _ROUND)]
        pair = None
        for jobs in passes:
            answers = list(self._map(self._nearest, [(*job, sizes, best, stop) for job in jobs]))
            for distance, query, point, _ in answers:
                if distance < best and best > stop:
                    best, pair = distance, (query, point)
            if best <= stop:
                return pair, True
            if not all(complete for *_, complete in answers):
                return pair, False
        return pair, True

    def _nearest(
        self, first: int, last: int, step: int, sizes: Sizes, best: int, stop: int
    ) -> tuple[int, int, int, bool]:
        from solvers.kernels.closest_pairs import nearest_pair

        pair = -1, -1
        while first < last and best > stop:
            if self.limits.expired:
                return best, *pair, False
            distance, query, point, first = nearest_pair(
                self.tree, self.queries, (first, last, step), self.dims, sizes, best, stop, _BUDGET
            )
            if distance < best:
                best, pair = distance, (query, point)
        return best, *pair, True

    def count(self, sizes: Sizes, window: Window, share: float) -> int:
        """Count the pairs whose grid differences lie in the window, a share of what there is to do."""
        from solvers.kernels.closest_pairs import count_pairs

        box = self._box(sizes, window)

        def count(first: int, last: int) -> int:
            number = 0
            while first < last:
                self.limits.check()
                more, first = count_pairs(self.tree, self.queries, first, last, box, _BUDGET)
                number += more
            return number

        stripes, total, progress = self._stripes(), 0, self.limits.progress
        for place, number in enumerate(self._map(count, stripes), 1):
            total += number
            progress.share, progress.counted = share * place / len(stripes), total
        return total

    def listed(self, sizes: Sizes, outer: Callable[[], Window], inner: Window) -> Iterator[dict[int, int]]:
        """Yield how often each value is taken by the pairs in one window that are not all in the other.

        Meant are windows of grid differences.

        ``outer`` is asked anew now and then: it may shrink meanwhile.
        """
        from solvers.kernels.closest_pairs import list_pairs

        pairs = np.empty((_BUFFER, 2), np.int64)
        cursor, total = 0, len(self.queries)
        while cursor < total * self.leaves:
            self.limits.check()
            boxes = self._box(sizes, outer()), self._box(sizes, inner)
            found, cursor = list_pairs(self.tree, self.queries, cursor, total, *boxes, pairs, _BUDGET)
            for query, point in self.limits.watched(pairs[:found].tolist()):
                if self._is_real(point):
                    yield self.counts(query, point)

    def _box(self, sizes: Sizes, window: Window) -> Ints:
        low, high = (max(-FAR, min(FAR, x)) for x in window)
        box = np.empty((2, self.queries.shape[1]), np.int64)
        box[0], box[1] = low, high
        if len(box[0]) > self.dims:
            box[:, self.dims] = sizes
        return box

    # -- resources -----------------------------------------------------------------------------------

    def _stripes(self) -> list[tuple[int, int]]:
        """Divide the queries into at most 128 ranges, the same for any number of threads."""
        total = len(self.queries)
        stripe = max(_SMALL >> 4, total >> 7)
        return [(first, min(first + stripe, total)) for first in range(0, total, stripe)]

    def _map(self, function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]]) -> Iterator[Result]:
        """Yield what a function returns for every job, in order; in threads where there is enough to do."""
        threads = self.limits.threads or os.cpu_count() or 1
        return in_order(function, jobs, 1 if len(self.masks) < _SMALL else threads)

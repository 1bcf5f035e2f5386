"""The sums of two halves of a vector problem's items, and the pairs of them in a window of differences."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from solvers.backend.grid import Grid
    from solvers.backend.protocol import Limits
    from solvers.kernels.array_types import Ints

    Sizes = tuple[int, int]
    Window = tuple[int, int]  # least and largest grid difference, in every coordinate

Result = TypeVar("Result")

FAR = 1 << 62  # farther than any two sums on a grid
NOTHING = (1, 0)  # an empty window

_BUDGET = 1 << 22  # node visits of one compiled call: a tenth of a second or two
_BUFFER = 1 << 13  # pairs listed at a time
_SAMPLES = (4093, 251, 31)  # every so many-th query goes first, in three passes
_SMALL = 1 << 14  # as many queries are not worth a second thread
_ROUND = 8  # stripes of queries that start from the same incumbent, whatever the number of threads


class OutOfTimeError(Exception):
    """The time limit was reached."""


class Halves:
    """The sums of two halves of the items on the grid: one as a tree, the other as the queries it is asked.

    Where the cardinality matters, a last column counts items.
    """

    def __init__(self, grid: Grid, limits: Limits, *, counts_items: bool) -> None:
        n, self.dims = grid.items.shape
        self.limits = limits
        self.middle = n // 2
        items, target = grid.items, grid.target
        if counts_items:
            items = np.column_stack([items, np.ones(n, np.int64)])
            target = np.append(target, 0)
        self.queries = self._sums(target, -items[: self.middle])
        self._grow(self._sums(np.zeros_like(target), items[self.middle :]))

    def subset(self, query: int, point: int) -> list[int]:
        """Return the items of a pair."""
        mask = int(self.masks[point]) << self.middle | query
        return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]

    # -- building ------------------------------------------------------------------------------------

    def _sums(self, start: Ints, items: Ints) -> Ints:
        from solvers.kernels.vector_sums import add_item

        sums = np.empty((1 << len(items), len(start)), np.int64)
        sums[0] = start
        for bit, item in enumerate(items):
            self._check_time()
            add_item(sums, 1 << bit, item)
        return sums

    def _grow(self, points: Ints) -> None:
        from solvers.kernels.closest_pairs import LEAF, Tree, grow_tree

        count, columns = points.shape
        self.leaves = max(1, count // LEAF)
        self.masks = np.arange(count, dtype=np.uint32)
        self.tree = Tree(points, *np.empty((2, 2 * self.leaves, columns), np.int64))

        def grow(root: int, levels: int) -> None:
            self._check_time()
            grow_tree(self.tree, self.masks, root, levels)

        levels = self.leaves.bit_length()
        if count < _SMALL:
            grow(1, levels)
        else:
            grow(1, 3)
            self._map(grow, [(root, levels - 3) for root in range(8, 16)])

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
            answers = self._map(self._nearest, [(*job, sizes, best, stop) for job in jobs])
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

    def count(self, sizes: Sizes, window: Window) -> int:
        """Count the pairs whose grid differences lie in the window."""
        from solvers.kernels.closest_pairs import count_pairs

        box = self._box(sizes, window)

        def count(first: int, last: int) -> int:
            number = 0
            while first < last:
                self._check_time()
                more, first = count_pairs(self.tree, self.queries, first, last, box, _BUDGET)
                number += more
            return number

        return sum(self._map(count, self._stripes()))

    def listed(self, sizes: Sizes, outer: Callable[[], Window], inner: Window) -> Iterator[list[int]]:
        """Yield the subsets whose grid differences lie in one window and not all in the other.

        ``outer`` is asked anew now and then: it may shrink meanwhile.
        """
        from solvers.kernels.closest_pairs import list_pairs

        pairs = np.empty((_BUFFER, 2), np.int64)
        cursor, total = 0, len(self.queries)
        while cursor < total * self.leaves:
            self._check_time()
            boxes = self._box(sizes, outer()), self._box(sizes, inner)
            found, cursor = list_pairs(self.tree, self.queries, cursor, total, *boxes, pairs, _BUDGET)
            for query, point in pairs[:found].tolist():
                yield self.subset(query, point)

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

    def _map(self, function: Callable[..., Result], jobs: Sequence[tuple[Any, ...]]) -> list[Result]:
        """Call a function with the arguments of every job, in threads where there is enough to do."""
        threads = self.limits.threads or os.cpu_count() or 1
        if threads == 1 or len(jobs) == 1 or len(self.masks) < _SMALL:
            return [function(*job) for job in jobs]
        with ThreadPoolExecutor(threads) as pool:
            try:
                return [future.result() for future in [pool.submit(function, *job) for job in jobs]]
            except BaseException:  # Ctrl-C too must not wait for jobs that have not begun
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _check_time(self) -> None:
        if self.limits.expired:
            raise OutOfTimeError

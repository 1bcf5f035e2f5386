"""Tables over the sums of non-negative integer items, and the subset behind an entry.

A table alone tells which sums can be had; the subset is found by divide and conquer (Kellerer, Pferschy &
Pisinger 2004, section 3.3): tables of both halves of the items show how the sum splits between them, and each
half is asked again for its part. The halves' tables are half as large, and so on down, so that all of it
takes about as long as the first table, and the memory of two tables. Once a table for each item fits a few
MiB, those are kept and followed back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from solvers.backend.protocol import Limits
    from solvers.kernels.array_types import Ints

_CELLS_A_CALL = 1 << 22  # words or counts: some hundredths of a second, when their memory is new
MOST_SCRATCH = 4 << 20  # bytes for histories: what a second-level cache holds about


@dataclass(frozen=True)
class Goal:
    """The sums looked for, of the items together, and the largest number of items."""

    size: int
    low: int
    high: int

    @classmethod
    def between(cls, low: int, high: int) -> Goal:
        """Return the goal of any number of items; a table of the empty sum alone if low > high."""
        return cls(0, low, high) if low <= high else cls(0, 0, 0)

    @property
    def bytes_of_bits(self) -> int:
        """The memory of a bit for each sum and size."""
        return 8 * (self.size + 1) * (self.high // 64 + 1)


@dataclass(frozen=True)
class Items:
    """Items of a table, and by how much each changes the number of chosen ones."""

    sizes: Ints
    weights: Ints

    @classmethod
    def of(cls, items: list[int], weights: list[int] | None = None) -> Items:
        """Convert Python integers, which fit a machine word."""
        return cls(np.array(items, np.int64), np.array(weights or [1] * len(items), np.int64))

    def __len__(self) -> int:
        return self.sizes.size

    def first(self, count: int) -> Items:
        """Return the first items."""
        return Items(self.sizes[:count], self.weights[:count])

    def every_other(self, first: int) -> Items:
        """Return half of the items."""
        return Items(self.sizes[first::2].copy(), self.weights[first::2].copy())

    def tops(self, goal: Goal, *, sized: bool) -> Ints:
        """Return the largest sum worth keeping in each row of a table."""
        if not sized:
            return np.array([goal.high])
        largest = np.full(goal.size + 1, self.total)
        first = np.cumsum(-np.sort(-self.sizes)[: goal.size])
        largest[0], largest[1 : first.size + 1] = 0, first
        largest[largest > goal.high] = goal.high
        return largest

    @property
    def total(self) -> int:
        """The sum of all items."""
        return int(self.sizes.sum())

    def useful(self, low: int, high: int) -> tuple[Ints, Ints]:
        """Return from which to which sum each item, in turn, matters to the sums low to high."""
        so_far = np.cumsum(self.sizes)
        to_come = self.total - so_far
        return np.maximum(0, low - to_come), np.minimum(so_far, high)


def _in_calls(items: int, cells: int, limits: Limits) -> Iterator[slice]:
    """Yield slices of the items such that one kernel call does not take long, but for one item as it does."""
    count = max(1, _CELLS_A_CALL // max(1, cells))
    for first in range(0, items, count):
        limits.check()
        yield slice(first, min(items, first + count))


def _in_blocks(
    items: Items, goal: Goal, table: NDArray[Any], limits: Limits
) -> Iterator[tuple[slice, Ints, Ints]]:
    """Yield slices of the items, and from which to which sums to apply them in one kernel call.

    A single item to a large table block by block, from the high sums to the low ones: below a sum it reads
    what the table held before it.
    """
    lows, highs = items.useful(goal.low, goal.high)
    for part in _in_calls(len(items), table.size, limits):
        block = goal.high + 1
        if part.stop - part.start == 1:  # whole words of bits
            block = 64 * max(1, _CELLS_A_CALL * block // (64 * table.size))
        for start in range(goal.high // block * block, -1, -block):
            limits.check()
            yield part, np.maximum(lows[part], start), np.minimum(highs[part], start + block - 1)


class BitTable:
    """Reachable sums as bits; ``sized``: a row for each number of items, else one row, whose size is 0."""

    def __init__(self, limits: Limits, *, sized: bool) -> None:
        self.limits = limits
        self.sized = sized

    def bytes_of(self, goal: Goal) -> int:
        """Return the memory of one table."""
        return goal.bytes_of_bits

    def made(self, items: Items, goal: Goal) -> NDArray[np.uint64]:
        """Return the table of these items."""
        return self.made_until(items, goal)[0]

    def made_until(
        self,
        items: Items,
        goal: Goal,
        hit: tuple[int, int] = (1, 0),
        found: Callable[[NDArray[np.uint64]], bool] | None = None,
    ) -> tuple[NDArray[np.uint64], int]:
        """Return the table of the first items that reach a sum in ``hit``, and their number; or of all.

        In a table by size ``found`` tells when to stop; it is asked every now and then.
        """
        from solvers.kernels.reachability import extend_bits, first_set

        words = goal.high // 64 + 1
        bits = np.zeros((goal.size + 1, words), np.uint64)
        bits[0, 0] = 1
        tops = items.tops(goal, sized=self.sized)
        applied = 0
        for part, lows, highs in _in_blocks(items, goal, bits, self.limits):
            applied = part.start + extend_bits(
                bits, items.sizes[part], self.sized, part.start, lows, highs, tops, *hit
            )
            is_hit = hit[0] <= hit[1] and first_set(bits[0], *hit) >= 0
            if is_hit or (found is not None and found(bits)):
                break
        return bits, applied

    def history(self, items: Items, goal: Goal) -> NDArray[np.uint64]:
        """Return the tables of the first 0, 1, 2, ... items."""
        from solvers.kernels.reachability import bit_history

        history = np.zeros((len(items) + 1, goal.size + 1, goal.high // 64 + 1), np.uint64)
        history[0, 0, 0] = 1
        lows, highs = items.useful(goal.low, goal.high)
        tops = items.tops(goal, sized=self.sized)
        for part in _in_calls(len(items), history[0].size, self.limits):
            bit_history(history, items.sizes[part], self.sized, part.start, lows[part], highs[part], tops)
        return history

    def holds(self, table: NDArray[np.uint64], size: int, total: int) -> bool:
        """Tell whether the sum can be had."""
        return size >= 0 and total >= 0 and bool(int(table[size, total >> 6]) >> (total & 63) & 1)

    def split(
        self, first: NDArray[np.uint64], second: NDArray[np.uint64], size: int, total: int
    ) -> tuple[int, int] | None:
        """Return the (size, sum) of the first table's part."""
        from solvers.kernels.reachability import split_bits

        for k in range(max(0, size - len(second) + 1), min(len(first) - 1, size) + 1):
            s = int(split_bits(first[k], second[size - k], total))
            if s >= 0:
                return k, s
        return None


class FewestTable:
    """The least number of chosen items for each sum."""

    def __init__(self, limits: Limits, n: int) -> None:
        self.limits = limits
        self.dtype: np.dtype[Any] = self.type_for(n)

    @staticmethod
    def type_for(n: int) -> np.dtype[Any]:
        """Return a type for numbers up to n and one more value, which stands for "cannot be had"."""
        return np.min_scalar_type(n + 1)

    def bytes_of(self, goal: Goal) -> int:
        """Return the memory of one table."""
        return self.dtype.itemsize * (goal.high + 1)

    def made(self, items: Items, goal: Goal) -> NDArray[Any]:
        """Return the table of these items."""
        from solvers.kernels.reachability import extend_fewest

        fewest = self._empty((goal.high + 1,), items)
        for part, lows, highs in _in_blocks(items, goal, fewest, self.limits):
            extend_fewest(fewest, items.sizes[part], items.weights[part].astype(self.dtype), lows, highs)
        return fewest

    def history(self, items: Items, goal: Goal) -> NDArray[Any]:
        """Return the tables of the first 0, 1, 2, ... items."""
        from solvers.kernels.reachability import fewest_history

        history = self._empty((len(items) + 1, goal.high + 1), items)
        lows, highs = items.useful(goal.low, goal.high)
        fewest_history(history, items.sizes, items.weights.astype(self.dtype), 0, lows, highs)
        return history

    def _empty(self, shape: tuple[int, ...], items: Items) -> NDArray[Any]:
        fewest = np.full(shape, np.iinfo(self.dtype).max, self.dtype)
        # Items of weight -1 count as chosen until they are "taken".
        fewest[(0,) * len(shape)] = np.count_nonzero(items.weights < 0)
        return fewest

    def holds(self, table: NDArray[Any], size: int, total: int) -> bool:
        """Tell whether the sum can be had with this number of items and no fewer."""
        return total >= 0 and int(table[total]) == size

    def split(
        self, first: NDArray[Any], second: NDArray[Any], size: int, total: int
    ) -> tuple[int, int] | None:
        """Return the (size, sum) of the first table's part."""
        from solvers.kernels.reachability import split_fewest

        s = int(split_fewest(first, second, size, total))
        return None if s < 0 else (int(first[s]), s)


class CountTable:
    """The number of subsets for each sum (``sized``: and number of items), modulo at most 2^63.

    ``turn``: which table this is, and of how many.
    """

    def __init__(self, limits: Limits, *, sized: bool, modulus: int, turn: tuple[int, int]) -> None:
        self.limits = limits
        self.sized = sized
        self.modulus = modulus
        self.turn = turn

    def made(self, items: Items, goal: Goal) -> NDArray[np.uint64]:
        """Return the table of these items."""
        from solvers.kernels.reachability import extend_counts

        counts = np.zeros((goal.size + 1, goal.high + 1), np.uint64)
        counts[0, 0] = 1
        tops, modulus = items.tops(goal, sized=self.sized), np.uint64(self.modulus)
        for part, lows, highs in _in_blocks(items, goal, counts, self.limits):
            passed = self.turn[0] + part.start / len(items)
            self.limits.progress.share = passed / self.turn[1]
            extend_counts(counts, items.sizes[part], self.sized, part.start, lows, highs, tops, modulus)
        return counts

    def between(self, row: NDArray[np.uint64], low: int, high: int) -> int:
        """Return the number of subsets with sums from low to high, up to a multiple of the modulus."""
        from solvers.kernels.reachability import sum_of_counts

        total = 0
        for first in self.limits.watched(range(low, high + 1, _CELLS_A_CALL), every=1):
            last = min(high, first + _CELLS_A_CALL - 1)
            total += int(sum_of_counts(row, first, last, np.uint64(self.modulus)))
        return total


Table = BitTable | FewestTable


def recovered(
    kind: Table, items: Items, size: int, total: int, scratch: int = MOST_SCRATCH
) -> NDArray[np.bool_]:
    """Return which items to take for a (size, sum) that the table of these items holds."""
    n, everything = len(items), items.total
    if isinstance(kind, BitTable):
        size_left = n - size if kind.sized else 0
        if (size_left + 1) * (everything - total) < (size + 1) * total:  # ask for the items to leave
            return ~_recovered(kind, items, size_left, everything - total, scratch)
    return _recovered(kind, items, size, total, scratch)


def _recovered(kind: Table, items: Items, size: int, total: int, scratch: int) -> NDArray[np.bool_]:
    goal = Goal(size, total, total)
    n = len(items)
    if n == 0:
        return np.zeros(0, np.bool_)
    if n == 1:
        return np.array([size == 1 if isinstance(kind, BitTable) and kind.sized else total > 0])
    if (n + 1) * kind.bytes_of(goal) <= scratch:
        return _followed_back(kind, items, goal)
    parts = items.every_other(0), items.every_other(1)
    first, second = (
        kind.made(part, Goal(min(size, len(part)), max(0, total - other.total), min(total, part.total)))
        for part, other in (parts, parts[::-1])
    )
    split = kind.split(first, second, size, total)
    if split is None:
        raise AssertionError(
            f"the sum {total} of {size} items is in the table of all items, not in its parts"
        )
    del first, second
    taken = np.empty(n, np.bool_)
    taken[0::2] = recovered(kind, parts[0], *split, scratch)
    taken[1::2] = recovered(kind, parts[1], size - split[0], total - split[1], scratch)
    return taken


def _followed_back(kind: Table, items: Items, goal: Goal) -> NDArray[np.bool_]:
    history = kind.history(items, goal)
    taken = np.zeros(len(items), np.bool_)
    size, total = goal.size, goal.high
    for index in range(len(items) - 1, -1, -1):
        if not kind.holds(history[index], size, total):
            taken[index] = True
            total -= int(items.sizes[index])
            if isinstance(kind, FewestTable) or kind.sized:
                size -= int(items.weights[index])
    return taken

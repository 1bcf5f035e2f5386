"""Half of an instance's items, as two sorted lists whose pairwise sums are all sums of the half.

Only O(2^(n/4)) sums are stored for the 2^(n/2) of a half (Schroeppel & Shamir 1981). The second list is the
longer one, so that a window of values holds a run of it and not a single sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from solvers.kernels.array_types import Ints, Masks
    from solvers.kernels.sum_windows import Side

    Sizes = tuple[int, int] | None

_LONGER = 4  # the second list takes this many items more than half


def items_listed(half: int) -> int:
    """Return how many items of a half go into its second, longer list."""
    return half - max(0, half // 2 - _LONGER)


@dataclass(frozen=True)
class _Quarter:
    """Sorted sums with their masks, by cardinality (all under 0 where that does not matter)."""

    groups: dict[int, tuple[Ints, NDArray[np.uint32]]]

    @staticmethod
    def of(items: Sequence[int], copies: Sequence[int], most: int | None) -> _Quarter:
        """List the sums of up to ``most`` items; None: of any number, and not by cardinality.

        ``copies`` says how often each item may be taken; masks have a digit for each.
        """
        from solvers.kernels.half_sums import merge_with_item

        nothing = np.empty(0, np.int64), np.empty(0, np.uint32)
        groups = {0: (np.zeros(1, np.int64), np.zeros(1, np.uint32))}
        flag = 1
        for item, many in zip(items, copies, strict=True):
            if most is None and many == 1:
                groups = {0: merge_with_item(*groups[0], *groups[0], item, flag)}
            elif most is None:
                groups = {0: _shifted([(count, *groups[0]) for count in range(many + 1)], item, flag)}
            elif many == 1:
                for size in range(min(max(groups) + 1, most), 0, -1):
                    groups[size] = merge_with_item(*groups.get(size, nothing), *groups[size - 1], item, flag)
            else:
                sizes = range(min(max(groups) + many, most) + 1)
                terms = {
                    size: [
                        (count, *groups[size - count]) for count in range(many + 1) if size - count in groups
                    ]
                    for size in sizes
                }
                groups = {size: _shifted(some, item, flag) for size, some in terms.items() if some}
            flag *= many + 1
        return _Quarter(groups)


def _shifted(terms: list[tuple[int, Ints, Masks]], item: int, flag: int) -> tuple[Ints, Masks]:
    """Merge sorted sums, each shifted by so many copies of an item."""
    sums = np.concatenate([some + count * item for count, some, _ in terms])
    masks = np.concatenate([some + np.uint32(count * flag) for count, _, some in terms])
    order = np.argsort(sums, kind="stable")  # sorted runs
    return sums[order], masks[order]


class Half:
    """The sums of some items of an instance, each taken up to so many times, on the grid and exactly.

    ``most`` is the largest cardinality of interest; None when cardinality does not matter at all.
    """

    def __init__(
        self, grid_items: Ints, items: Sequence[int], copies: Sequence[int], most: int | None
    ) -> None:
        self.items = items
        self.copies = copies
        self.simple: bool = max(copies, default=1) == 1  # masks are bits
        split = _split(copies)
        self.place: int = math.prod(m + 1 for m in copies[:split])  # the weight of the second list's masks
        rounded = [int(x) for x in grid_items]
        self.first: _Quarter = _Quarter.of(rounded[:split], copies[:split], most)
        self.second: _Quarter = _Quarter.of(rounded[split:], copies[split:], most)

    @property
    def sizes(self) -> range:
        """The cardinalities that there are."""
        return range(max(self.first.groups) + max(self.second.groups) + 1)

    def _group_pairs(self, sizes: Sizes) -> list[tuple[int, int]]:
        return [
            (a, b)
            for a in self.first.groups
            for b in self.second.groups
            if sizes is None or sizes[0] <= a + b <= sizes[1]
        ]

    def side(self, sizes: Sizes, *, distinct: bool) -> Side:
        """Return the sums of these cardinalities as a side for the kernels."""
        pick = _distinct if distinct else np.asarray
        firsts: dict[int, Any] = {a: pick(sums) for a, (sums, _) in self.first.groups.items()}
        seconds: dict[int, Any] = {b: pick(sums) for b, (sums, _) in self.second.groups.items()}
        ends = dict(zip(seconds, np.cumsum([len(x) for x in seconds.values()]).tolist(), strict=True))
        bases, starts, stops = [], [], []
        for a, b in self._group_pairs(sizes):
            bases.append(firsts[a])
            starts.append(np.full(len(firsts[a]), ends[b] - len(seconds[b])))
            stops.append(np.full(len(firsts[a]), ends[b]))
        empty = [np.empty(0, np.int64)]
        return (
            np.concatenate(empty + bases),
            np.concatenate(empty + starts),
            np.concatenate(empty + stops),
            np.concatenate(list(seconds.values())),
        )

    def between(self, sizes: Sizes, low: int, high: int) -> Iterator[int]:
        """Yield the mask (bit 0 is the first item) of every subset with a grid sum in [low, high]."""
        for a, b in self._group_pairs(sizes):
            first_sums, first_masks = self.first.groups[a]
            sums, masks = self.second.groups[b]
            begins = np.searchsorted(sums, low - first_sums, "left")
            ends = np.searchsorted(sums, high - first_sums, "right")
            for i in np.flatnonzero(begins < ends):
                mask = int(first_masks[i])
                for other in range(int(begins[i]), int(ends[i])):
                    yield mask + int(masks[other]) * self.place

    def total(self, mask: int) -> int:
        """Return the exact sum of a subset."""
        return sum(self.items[i] * count for i, count in self.counts(mask).items())

    def counts(self, mask: int) -> dict[int, int]:
        """Return how often a mask takes each of the half's items; none are left out that it takes."""
        if self.simple:
            return dict.fromkeys(positions(mask), 1)
        counts = {}
        for i, many in enumerate(self.copies):
            mask, counts[i] = divmod(mask, many + 1)
        return counts


def _split(copies: Sequence[int]) -> int:
    """Return how many items go into the first list, so that the second is some times longer."""
    if max(copies, default=1) == 1:
        return len(copies) - items_listed(len(copies))
    bits = np.cumsum([0.0, *(math.log2(m + 1) for m in copies)])
    return int(np.searchsorted(bits, max(0.0, bits[-1] / 2 - _LONGER), "right")) - 1


def _distinct(ascending: Ints) -> Ints:
    rises = np.empty(ascending.size, bool)
    rises[:1] = True
    np.not_equal(ascending[1:], ascending[:-1], out=rises[1:])
    return ascending[rises]


def positions(mask: int) -> list[int]:
    """List the bits set in a mask."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


def number(side: Side) -> int:
    """Return how many sums a side has."""
    return int((side[2] - side[1]).sum())


def extent(side: Side) -> tuple[int, int]:
    """Return the smallest sum of a side, and one more than the largest."""
    bases, starts, ends, sums = side
    return int((bases + sums[starts]).min()), int((bases + sums[ends - 1]).max()) + 1


def _sample(side: Side, count: int) -> Ints:
    """Return sums of a side drawn uniformly, always the same ones."""
    bases, starts, ends, sums = side
    counts = np.cumsum(ends - starts)
    drawn = np.random.default_rng(0).integers(0, counts[-1], count)
    stream = np.searchsorted(counts, drawn, "right")
    sample: Ints = bases[stream] + sums[ends[stream] - (counts[stream] - drawn)]
    return sample


def meeting_points(sides: tuple[Side, Side], centre: int) -> Ints:
    """Return a sorted sample of left sums, and of the left sums that right ones need, in proportion."""
    counts = number(sides[0]), number(sides[1])
    share = 1 + 2048 * counts[0] // sum(counts)
    return np.sort(np.concatenate([_sample(sides[0], share), centre - _sample(sides[1], 2050 - share)]))

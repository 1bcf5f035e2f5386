"""k-trees of vectors: lists of sums, merged by exact joins in some coordinates after the other (Wagner 2002).

Wagner's lists merge where some bits of their sums agree. Of real vectors, the coordinates are shared out to
the levels instead: a merge keeps all pairs that come near to an intermediate target in the coordinates of
its level, in a box so narrow that as many are left as there were; the last one keeps the nearest in the max
norm. No pair is lost to the walls of cells, which in many dimensions lose nearly all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.first_subset import float_vectors, nearest_known
from solvers.backend.protocol import Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.first_subset import FloatVectors
    from solvers.kernels.array_types import Floats, Ints
    from solvers.problem import SubsetSum

LEAST_BITS, FIRST_BITS, MOST_BITS = 8, 12, 18  # binary logarithms of the lengths of lists
_MOST_LEVELS = 3
_ROUNDS_OF_MOST = 2  # without a time limit
_OF_WHAT_IS_LEFT = 0.9  # of the time: the last tree is to reach its root
_START_SECONDS = 1e-6  # for each number, at most
_MOST_LOOKS = 1 << 27  # of a merge: narrower boxes are joined where more would be necessary
_SHARE_OF_ROOM = 0.9  # so many pairs are to be expected
_EXPECTED_AT_FIRST, _WIDER = 4.0, 1.4  # pairs in the first box in which the nearest one is looked for
_FEW_PAIRS = 1 << 22  # are all looked at
_LOOKS_AT_A_TIME = 1 << 23
_SECONDS_A_LOOK = 2e-9
_SECONDS_A_NUMBER = 2e-8  # of the lists
_SPARE_ITEMS = 8  # of which some are left out, other ones in each round


def search_trees(problem: SubsetSum, goal: int, limits: Limits) -> Finding:
    """Search one of Wagner's trees after the other, with longer and longer lists, up to goal or time limit.

    ``goal`` is in units. Without a time limit it ends after two trees with the longest lists.
    """
    best, bound = nearest_known(problem, limits.start), simple_bound(problem)
    units, late = problem.image.error(best), not limits.allow(_START_SECONDS * problem.n * problem.d)
    rng = np.random.default_rng(np.random.SeedSequence(limits.seed))
    if not late and bound <= goal < units:
        for bits in _lengths(problem, limits):
            found = tree_round(float_vectors(problem), bits, rng, limits)
            if found is not None and (error := problem.image.error(found)) < units:
                best, units = np.sort(found).tolist(), error
            if units <= goal or limits.expired:
                break
        late = units > goal and limits.seconds is not None
    stop = Stop.TIME_LIMIT if late else Stop.SEARCH_EXHAUSTED
    return Finding(best, bound * problem.image.unit, stop=stop)


def tree_bytes(bits: int, d: int) -> int:
    """Return the memory of a tree with lists of ``2**bits`` sums."""
    return (8 << bits) * (6 * d + 16)


def _lengths(problem: SubsetSum, limits: Limits) -> Iterator[int]:
    """Yield the binary logarithms of the lengths of lists; with a time limit those that fit what is left."""
    most = MOST_BITS
    while most > LEAST_BITS and tree_bytes(most, problem.d) > limits.bytes_allowed:
        most -= 1
    bits, rounds_of_most = min(FIRST_BITS, most), 0
    while limits.seconds is not None or rounds_of_most < _ROUNDS_OF_MOST:
        begun = limits.clock()
        yield bits
        rounds_of_most += bits == most
        seconds, before = limits.clock() - begun, bits
        bits = min(bits + 1, most)
        left = limits.remaining
        while left is not None and seconds * 2.0 ** (bits - before) > _OF_WHAT_IS_LEFT * left:
            bits -= 1
            if bits < LEAST_BITS:
                return


@dataclass(frozen=True)
class Lists:
    """Sums of subsets, and where they come from: rows of two lists, or subsets of items from some one on."""

    sums: Floats  # shape (rows, d)
    sources: tuple[Lists, Lists] | int
    rows: Ints  # shape (rows, 2)

    def without_sums(self) -> Lists:
        """Return what it takes to find subsets, without the numbers: most of the memory."""
        return replace(self, sums=self.sums[:0].copy())

    def subset(self, row: int) -> list[int]:
        """Return the places of the items of one sum."""
        if isinstance(self.sources, int):
            return [self.sources + k for k in range(62) if row >> k & 1]
        left, right = self.sources
        i, j = self.rows[row].tolist()
        return left.subset(i) + right.subset(j)


def tree_round(vectors: FloatVectors, bits: int, rng: np.random.Generator, limits: Limits) -> Ints | None:
    """Search one tree, with lists of up to ``2**bits`` sums; None when the time is up or nothing matched."""
    levels, group = _shape(len(vectors.items), bits)
    free = _smallest(vectors, group << levels, rng)
    fixed = _rounded(vectors, free)
    target = vectors.target - vectors.items[fixed].sum(axis=0)
    shares = np.array_split(rng.permutation(target.size), levels)
    found = _Tree(vectors.items[free], group, bits, shares, limits).nearest(target)
    return None if found is None else np.concatenate([fixed, free[found]])


def _shape(n: int, bits: int) -> tuple[int, int]:
    """Return (levels, items of a group): what gains most bits, and of that the one of the fewest items."""

    def gain(levels: int) -> int:
        length, gained = min(bits, n >> levels), 0
        for _ in range(1, levels):
            gained += max(0, 2 * length - bits)
            length = min(2 * length, bits)
        return gained + 2 * length

    levels = max(range(1, _MOST_LEVELS + 1), key=lambda k: (gain(k), -k))
    return levels, min(bits, n >> levels)


def _smallest(vectors: FloatVectors, count: int, rng: np.random.Generator) -> Ints:
    """Return so many of the smallest items, in any order."""
    pool = vectors.order[-(count + _SPARE_ITEMS) :]
    lateness = np.arange(pool.size) + _SPARE_ITEMS * rng.random(pool.size)
    return rng.permutation(pool[np.argsort(-lateness)[:count]])


def _rounded(vectors: FloatVectors, free: Ints) -> Ints:
    """Return which of the other items to take, so that about half the sum of the free ones remains."""
    from solvers.kernels.one_pass import take_towards_half

    others = vectors.order[~np.isin(vectors.order, free)]
    taken = np.zeros(len(vectors.items), dtype=np.bool_)
    rest = vectors.target - 0.5 * vectors.items[free].sum(axis=0)
    take_towards_half(vectors.items, others, rest, taken)
    return np.flatnonzero(taken)


class _Tree:
    """A tree over groups of items, in lists of up to ``2**bits`` sums."""

    def __init__(self, items: Floats, group: int, bits: int, shares: list[Ints], limits: Limits) -> None:
        self.items, self.group, self.bits, self.limits = items, group, bits, limits
        self.shares = shares  # the coordinates of each level

    def nearest(self, target: Floats) -> list[int] | None:
        """Return the items of the nearest sum that is found."""
        halves = self._halves(0, target, len(self.shares))
        if halves is None:
            return None
        wanted, right = target - halves[0].sums, halves[1]
        row = self._nearest_pair(wanted, right.sums)
        return None if row is None else halves[0].subset(row[0]) + right.subset(row[1])

    def _halves(self, first: int, target: Floats, level: int) -> tuple[Lists, Lists] | None:
        half = self.group << (level - 1)
        # What the whole is off from half of its items' sum is shared among the two sides.
        own, others = (0.5 * self.items[k : k + half].sum(axis=0) for k in (first, first + half))
        aim = own + 0.5 * (target - own - others)
        left = self._list(first, aim, level - 1)
        right = None if left is None else self._list(first + half, target - aim, level - 1)
        return None if left is None or right is None else (left, right)

    def _list(self, first: int, target: Floats, level: int) -> Lists | None:
        """Return sums of ``2**level`` groups, near the target in the coordinates that are merged so far."""
        if level == 0:
            sums = np.zeros((1, self.items.shape[1]))
            for item in self.items[first : first + self.group]:
                sums = np.concatenate([sums, sums + item])
            return Lists(sums, first, np.empty((0, 2), np.int64))
        halves = self._halves(first, target, level)
        if halves is None:
            return None
        wanted, right = target - halves[0].sums, halves[1].sums
        rows = self._near_pairs(wanted, right, self.shares[level - 1])
        if not len(rows):
            return None
        self.limits.spend(_SECONDS_A_NUMBER * rows.size * self.items.shape[1])
        sums = halves[0].sums[rows[:, 0]] + right[rows[:, 1]]
        sources = halves[0].without_sums(), halves[1].without_sums()
        return None if self.limits.expired else Lists(sums, sources, rows)

    def _near_pairs(self, wanted: Floats, rows: Floats, columns: Ints) -> Ints:
        """List the pairs that are nearest to each other in the widest coordinates, as many as fit a list."""
        from solvers.kernels.cell_joins import in_cells, pairs_in_box

        spreads, most = Spreads(wanted, rows), 1 << self.bits
        wanted, order = _in_order(_columns(wanted, columns), spreads.typical)
        rows, width = _columns(rows, columns), math.inf
        if spreads.all_pairs > most:
            width = spreads.width(columns, _SHARE_OF_ROOM * most)
            width = _calibrated(wanted, rows, width, _SHARE_OF_ROOM * most, columns.size)
            width = min(width, spreads.width(columns[:2], _MOST_LOOKS))
        cells = in_cells(rows, width)
        pairs, found = np.empty((most, 2), np.int64), 0
        for first, last in self._portions(spreads, columns[:2], width):
            found = pairs_in_box(wanted, cells, width, first, last, pairs, found)
        return np.stack([order[pairs[:found, 0]], cells.order[pairs[:found, 1]]], axis=1)

    def _nearest_pair(self, wanted: Floats, rows: Floats) -> tuple[int, int] | None:
        """Return the pair that is nearest in the max norm; None where none is in the boxes searched."""
        from solvers.kernels.cell_joins import in_cells, nearest_in_box

        spreads = Spreads(wanted, rows)
        columns = spreads.widest(rows.shape[1])
        wanted, order = _in_order(_columns(wanted, columns), spreads.typical)
        rows, pair = _columns(rows, columns), None
        for width in spreads.widths(columns):
            cells, best = in_cells(rows, width), width
            for first, last in self._portions(spreads, columns[:2], width):
                best, i, j = nearest_in_box(wanted, cells, best, first, last)
                pair = pair if i < 0 else (int(order[i]), int(cells.order[j]))
            if pair is not None or self.limits.expired:
                break
        return pair

    def _portions(self, spreads: Spreads, columns: Ints, width: float) -> Iterator[tuple[int, int]]:
        """Cut the rows that are wanted into portions between two looks at the clock."""
        looks = 1 + 3 * spreads.pairs(columns, width) / spreads.wanted  # for each
        size = max(1, int(_LOOKS_AT_A_TIME / looks))
        for first in range(0, spreads.wanted, size):
            if self.limits.expired:
                return
            last = min(first + size, spreads.wanted)
            self.limits.spend(_SECONDS_A_LOOK * looks * (last - first))
            yield first, last


class Spreads:
    """How two lists of vectors differ, coordinate by coordinate, were the differences normal."""

    def __init__(self, wanted: Floats, rows: Floats) -> None:
        self.wanted: int = len(wanted)
        self.all_pairs: float = float(len(wanted)) * len(rows)
        self.variances: Floats = wanted.var(axis=0) + rows.var(axis=0) + 1e-300
        means = wanted.mean(axis=0) - rows.mean(axis=0)
        self.densities: Floats = np.exp(-np.minimum(means**2 / self.variances / 2, 30.0))
        self.densities /= np.sqrt(2 * math.pi * self.variances)

    def widest(self, count: int) -> Ints:
        """Return the coordinates in which they differ most, those first."""
        order: Ints = np.argsort(-self.variances, kind="stable")[:count]
        return order

    def pairs(self, columns: Ints, width: float) -> float:
        """Return how many pairs are to be expected within this width in these coordinates."""
        return self.all_pairs * float(np.prod(np.minimum(1.0, 2 * width * self.densities[columns])))

    def width(self, columns: Ints, count: float) -> float:
        """Return the width in which so many pairs are to be expected."""
        high = 64.0 + math.log2(self.variances.max()) / 2
        low = high - 256.0
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if self.pairs(columns, math.exp2(middle)) < count else (low, middle)
        return math.exp2(high)

    def widths(self, columns: Ints) -> Iterator[float]:
        """Yield wider and wider boxes to look for the nearest pair in; one of all where pairs are few."""
        if self.all_pairs <= _FEW_PAIRS:
            yield math.inf
            return
        width, widest = self.width(columns, _EXPECTED_AT_FIRST), self.width(columns[:2], _MOST_LOOKS)
        while width < widest:
            yield width
            width *= _WIDER
        yield widest

    @property
    def typical(self) -> float:
        """A width for cells that is not too far off."""
        return 0.05 * math.sqrt(float(self.variances.max()))


def _calibrated(wanted: Floats, rows: Floats, width: float, count: float, columns: int) -> float:
    """Return the width at which about so many pairs are found, judged by some of the rows."""
    from solvers.kernels.cell_joins import in_cells, pairs_in_box

    some = np.ascontiguousarray(wanted[:: max(1, len(wanted) >> 9)])
    goal = count * len(some) / len(wanted)
    pairs = np.empty((int(4 * goal) + 1, 2), np.int64)
    for _ in range(4):
        found = pairs_in_box(some, in_cells(rows, width), width, 0, len(some), pairs, 0)
        width *= (goal / max(found, 0.1 * goal)) ** (1 / columns)
        if 0.9 * goal <= found <= 1.1 * goal:
            break
    return width


def _columns(rows: Floats, columns: Ints) -> Floats:
    """Return some columns, two at least, for cells have two sides."""
    some = rows[:, columns]
    return some if some.shape[1] > 1 else np.column_stack([some, np.zeros(len(rows))])


def _in_order(rows: Floats, width: float) -> tuple[Floats, Ints]:
    """Return rows in the order of their cells, so that neighbours are looked up one after the other."""
    from solvers.kernels.cell_joins import in_cells

    cells = in_cells(rows, width)
    return cells.rows, cells.order

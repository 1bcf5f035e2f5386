"""Exact hits in any dimension: subsets whose sum is the target, by one hash that is linear.

Every vector is mapped to a residue modulo a 61-bit prime by fixed random multipliers. The map is linear, so
that a subset which hits the target hits its residue: a scalar problem modulo p, whatever the dimension and
the size of the integers. It is solved in O(2^(n/4)) memory and O(2^(n/2)) time after Schroeppel & Shamir
(1981), in the modular form of Howgrave-Graham & Joux ("New generic algorithms for hard knapsacks", 2010).
Each candidate is confirmed in exact integers. An exact cardinality is one more coordinate of the vectors.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass, field, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.mitm.threads import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from solvers.backend.protocol import Limits
    from solvers.kernels.array_types import Ints
    from solvers.kernels.modular_join import Pairing
    from solvers.problem import SubsetSum

    Joined = tuple[int, Ints, Ints, Ints, Ints]
    Vector = tuple[int, ...]

_MOST_ITEMS = 64
_PRIME = 0x1C5B_F891_B4EF_6B59  # of no special form, so that no instance's own structure repeats modulo it
_PAIRS_PER_WINDOW = 1 << 16
_CANDIDATES_PER_WINDOW = 1 << 16
_MOST_PAIRS_PER_CHUNK = 1 << 21  # some hundredths of a second
_LEAST_PAIRS_PER_CHUNK = 1 << 20
_CHUNKS = 32
_MOST_THREADS = 4


def exact_hits_refusal(problem: SubsetSum, limits: Limits) -> str | None:
    """Return why the exact hits of this problem cannot be searched for, or None when they can.

    Time is not a reason: beyond 60 items the search takes minutes.
    """
    if problem.n > _MOST_ITEMS:
        return f"exact hits are searched for among up to {_MOST_ITEMS} items, these are {problem.n}"
    quarter = 1 << -(-problem.n // 4)
    per_entry = 4 * (200 + 40 * problem.d)  # four quarters, their exact vectors where duplicates need them
    per_thread = 80 * max(_CANDIDATES_PER_WINDOW, quarter) + 32 * quarter
    needed = per_entry * quarter + _threads(limits) * per_thread
    return limits.shortage(needed, f"{problem.n} items")


def exact_hits(problem: SubsetSum, limits: Limits) -> Iterator[list[int]]:
    """Yield every subset of an allowed cardinality whose sum is exactly the target, each once.

    They come in the same order whatever the number of threads. OutOfTimeError when the time is up.
    """
    if simple_bound(problem) > 0:
        return
    search = _Search(problem, limits)
    for joined in search.joined():
        yield from limits.watched(search.confirmed(joined))


def _threads(limits: Limits) -> int:
    return limits.threads or min(_MOST_THREADS, os.cpu_count() or 1)


# -- the four lists ----------------------------------------------------------------------------------


@dataclass
class _Quarter:
    """The subset sums of a quarter of the items, equal ones once."""

    places: Sequence[int]  # the items' indices in the problem
    vectors: Sequence[Vector]  # their exact vectors
    residues: Ints  # ascending
    sizes: Ints  # the number of items of each; 0 where it does not matter
    # the masks behind each entry: subsets of one exact sum and, where it matters, one size
    members: list[list[int]]
    totals: dict[int, Vector]  # the exact sums needed so far, by mask

    def total(self, mask: int) -> Vector:
        """Return the exact sum of a subset."""
        known = self.totals.get(mask)
        if known is None:
            item = self.vectors[(mask & -mask).bit_length() - 1]
            known = self.totals[mask] = _add(self.total(mask & (mask - 1)), item)
        return known

    def subset(self, mask: int) -> list[int]:
        """Return the problem's indices of a subset."""
        return [place for bit, place in enumerate(self.places) if mask >> bit & 1]

    def reflected(self, residue: int) -> _Quarter:
        """Return the same entries, each with what it leaves of ``residue``."""
        left = (residue - self.residues) % _PRIME
        order = np.argsort(left, kind="stable")
        members = [self.members[k] for k in order.tolist()]
        return replace(self, residues=left[order], sizes=self.sizes[order], members=members)


def _add(a: Vector, b: Vector) -> Vector:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _quarter(
    places: Sequence[int],
    vectors: Sequence[Vector],
    residues: Sequence[int],
    zero: Vector,
    limits: Limits,
    *,
    sized: bool,
) -> _Quarter:
    """List all subset sums; those with equal residues are told apart by their exact vectors."""
    sums, sizes = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for residue in residues:
        sums = np.concatenate([sums, (sums + residue) % _PRIME])
        sizes = np.concatenate([sizes, sizes + int(sized)])
    order = np.lexsort((sizes, sums))  # the place in the lists is the mask
    sums, sizes, masks = sums[order], sizes[order], order.tolist()
    quarter = _Quarter(places, vectors, sums, sizes, [[mask] for mask in masks], {0: zero})
    fresh = np.ones(sums.size, dtype=bool)
    fresh[1:] = (sums[1:] != sums[:-1]) | (sizes[1:] != sizes[:-1])
    if fresh.all():
        return quarter
    kept: list[int] = []
    quarter.members = []
    starts = np.flatnonzero(fresh).tolist()
    for first, end in limits.watched(zip(starts, [*starts[1:], sums.size], strict=True)):
        by_total: dict[Vector, list[int]] = defaultdict(list)
        for mask in limits.watched(masks[first:end]):
            by_total[quarter.total(mask)].append(mask)
        quarter.members += by_total.values()
        kept += range(first, first + len(by_total))
    quarter.residues, quarter.sizes = sums[kept], sizes[kept]
    return quarter


@dataclass
class _Side:
    """Two quarters, whose pairs are joined with those of the other side."""

    outer: _Quarter
    inner: _Quarter
    pairing: Pairing = field(init=False)

    def __post_init__(self) -> None:
        from solvers.kernels.modular_join import Pairing

        residues = self.inner.residues
        twice = np.concatenate([residues - _PRIME, residues, [_PRIME]])
        self.pairing = Pairing(self.outer.residues, twice, self.outer.sizes, self.inner.sizes)

    @property
    def pairs(self) -> int:
        return self.outer.residues.size * self.inner.residues.size

    @property
    def most_equal(self) -> int:
        """How many pairs may share one residue."""
        _, counts = np.unique(self.inner.residues, return_counts=True)
        return int(counts.max()) * self.outer.residues.size

    def entries(self, pair: int) -> tuple[int, int]:
        """Return the entries of both quarters in a pair that the kernel lists."""
        return pair >> 32, (pair & 0xFFFF_FFFF) % self.inner.residues.size

    def size(self, i: int, j: int) -> int:
        """Return the number of items of a pair of entries, 0 where it does not matter."""
        return int(self.outer.sizes[i] + self.inner.sizes[j])

    def total(self, i: int, j: int) -> Vector:
        """Return the exact sum of a pair of entries."""
        return _add(self.outer.total(self.outer.members[i][0]), self.inner.total(self.inner.members[j][0]))

    def subsets(self, i: int, j: int) -> Iterator[list[int]]:
        """Yield all subsets behind a pair of entries."""
        for a, b in product(self.outer.members[i], self.inner.members[j]):
            yield self.outer.subset(a) + self.inner.subset(b)


# -- the join ----------------------------------------------------------------------------------------


class _Search:
    """One problem as a scalar problem modulo p, in four lists."""

    def __init__(self, problem: SubsetSum, limits: Limits) -> None:
        self.limits = limits
        fewest, most = problem.sizes
        counted = (1,) if fewest == most else ()
        vectors = [item + counted for item in problem.image.items]
        self.target = problem.image.target + ((fewest,) if counted else ())
        sized = not counted and (fewest, most) != (0, problem.n)
        self.fewest, self.most = (fewest, most) if sized else (0, 0)
        multipliers: list[int] = np.random.default_rng(0).integers(1, _PRIME, len(self.target)).tolist()

        def residue(vector: Vector) -> int:
            return sum(r * x for r, x in zip(multipliers, vector, strict=True)) % _PRIME

        order = sorted(range(problem.n), key=vectors.__getitem__)  # equal items into one quarter
        ends = [problem.n * k // 4 for k in range(5)]
        quarters = [
            _quarter(
                order[a:b],
                [vectors[i] for i in order[a:b]],
                [residue(vectors[i]) for i in order[a:b]],
                (0,) * len(self.target),
                limits,
                sized=sized,
            )
            for a, b in limits.watched(pairwise(ends), every=1)
        ]
        limits.check()
        first, second, third, fourth = sorted(quarters, key=lambda quarter: quarter.residues.size)
        self.left = _Side(first, fourth)
        self.right = _Side(second.reflected(0), third.reflected(residue(self.target)))

    def joined(self) -> Iterator[Joined]:
        """Yield the pairs of both sides with equal residues, in ascending windows of residues."""
        from solvers.kernels.modular_join import join_windows

        pairs = max(self.left.pairs, self.right.pairs)
        width = min(_PRIME, max(1, _PRIME * _PAIRS_PER_WINDOW // pairs))
        capacity = max(_CANDIDATES_PER_WINDOW, self.left.most_equal, self.right.most_equal) + 1
        per_chunk = min(max(pairs // _CHUNKS, _LEAST_PAIRS_PER_CHUNK), _MOST_PAIRS_PER_CHUNK)
        stride = min(_PRIME, max(1, _PRIME * per_chunk // pairs))

        def join(first: int, last: int) -> Joined:
            found: Joined = join_windows(
                self.left.pairing, self.right.pairing, first, last, width, capacity, self.fewest, self.most
            )
            return found

        self.limits.check()
        chunks = [(first, min(first + stride, _PRIME)) for first in range(0, _PRIME, stride)]
        outcomes = in_order(join, chunks, _threads(self.limits))
        for (_, last), outcome in zip(chunks, outcomes, strict=True):
            found = outcome
            while True:
                if found[1].size:
                    yield found
                self.limits.progress.share = found[0] / _PRIME
                if found[0] == last:
                    break
                self.limits.check()
                found = join(found[0], last)
            if last < _PRIME:
                self.limits.check()

    def confirmed(self, joined: Joined) -> Iterator[list[int]]:
        """Yield the subsets among joined pairs that hit the target in exact integers."""
        _, left_keys, left_pairs, right_keys, right_pairs = joined
        keys, left_starts = np.unique(left_keys, return_index=True)
        lefts = np.split(left_pairs, left_starts[1:])
        rights = np.split(right_pairs, np.searchsorted(right_keys, keys[1:]))
        for left, right in zip(lefts, rights, strict=True):  # of equal keys
            by_total: dict[Vector, dict[int, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
            for i, j in self.limits.watched(map(self.left.entries, left.tolist())):
                by_total[self.left.total(i, j)][self.left.size(i, j)].append((i, j))
            for i, j in self.limits.watched(map(self.right.entries, right.tolist())):
                total, size = self.right.total(i, j), self.right.size(i, j)
                needed = tuple(t - x for t, x in zip(self.target, total, strict=True))
                for other, fitting in by_total.get(needed, {}).items():
                    if self.fewest <= other + size <= self.most:
                        for a, b in fitting:
                            for half in self.left.subsets(a, b):
                                for rest in self.right.subsets(i, j):
                                    yield sorted(half + rest)

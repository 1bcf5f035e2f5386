"""k-tree: lists of partial sums, merged pairwise while they stay near one another (Wagner 2002).

The generalised birthday method, for real numbers. The free items are split into k = 2^j groups. The sums of
all subsets of each group are its list; two lists merge into the pairs of sums that come nearest to an
intermediate target, at most 2^b of them; the last merge keeps the nearest pair. With so many more subsets
than cells of the wanted size there is one among the few that are ever looked at: about (j + 1) b bits of
precision for k lists of 2^b sums. Vectors are for :mod:`solvers.backend.anytime.vector_trees`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.anytime.sub_windows import Rounding
from solvers.backend.anytime.vector_search import FEW_VECTORS, refusal_of_sizes
from solvers.backend.anytime.vector_trees import LEAST_BITS, search_trees, tree_bytes
from solvers.backend.bounds import simple_bound
from solvers.backend.first_subset import first_subset
from solvers.backend.grid import grid_of
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.exact import IntegerImage
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.kernels.array_types import Ints
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_FEWEST_ITEMS = 24
MOST_DIMENSIONS = 6  # that "auto" asks it about; beyond, lattices come nearer
_LEAST_BITS, _FIRST_BITS, _MOST_BITS = 8, 12, 18  # binary logarithms of the lengths of lists
_MOST_LEVELS = 5
_OVERHEAD = 1 << 12  # of a merge, in rows of a list
_ROUNDS_OF_LARGEST = 2  # without a time limit
_SECONDS_A_ROW = 3e-6  # of the last merge; of others an eighth
_START_SECONDS = 3e-6  # for each number, at most: rounding, a start by random exchanges
_SPARE_BITS = 4.0  # what neighbours in other cells and off-centre targets cost, roughly
_LOOKS = 16  # pairs looked at, for each one kept
_LOOKS_AT_LAST = 64
_SAMPLE = 1 << 14


class KTree(Backend):
    """Wagner's generalised birthday search, scalar or vectors; anytime, proves nothing but luck."""

    name = "k-tree"
    summary: str = (
        f"from {_FEWEST_ITEMS} items on, also vectors, any number of items chosen; nearest and within; "
        "anytime: proven only where the search-free bound is met"
    )
    anytime = True

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: few items, a cardinality, fewest items asked for, too little memory."""
        if problem.n < _FEWEST_ITEMS:
            return f"it takes {_FEWEST_ITEMS} items or more, these are {problem.n}: list them all instead"
        least = _bytes(_LEAST_BITS, 1) if problem.d == 1 else tree_bytes(LEAST_BITS, problem.d)
        return refusal_of_sizes(problem, objective) or limits.shortage(least, "its shortest lists")

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return whether these are vectors of few dimensions; for scalars lns runs it where it pays."""
        return 1 < problem.d <= MOST_DIMENSIONS and problem.n >= FEW_VECTORS

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Search in rounds of growing lists, until the goal, the time limit or the last round is reached.

        Without a time limit the search ends after two rounds with lists of 2^18 sums.
        """
        if problem.d > 1:
            goal = problem.tolerance_units or 0 if objective == "within" else simple_bound(problem)
            return search_trees(problem, goal, limits)
        if not limits.allow(_START_SECONDS * problem.n * problem.d):
            return Finding(first_subset(problem), size_bound=problem.sizes[0], stop=Stop.TIME_LIMIT)
        bound = simple_bound(problem)
        goal = problem.tolerance_units or 0 if objective == "within" else bound
        rng = np.random.default_rng(np.random.SeedSequence(limits.seed))
        rounding = Rounding(problem)
        best = np.flatnonzero(rounding.subset(rng)).tolist()
        error = problem.image.error(best)
        late = False
        for wanted in _shapes(problem, rounding, goal, limits):
            if error <= goal or bound > goal:
                break
            shape = _in_time(problem.n, wanted, limits)
            late = shape is None
            if shape is None:
                break
            found = _round(problem, rounding, shape, rng, limits)
            if found is not None and (found_error := problem.image.error(found)) < error:
                best, error = found, found_error
            late = limits.expired
            if late:
                break
        stop = Stop.TIME_LIMIT if late else Stop.SEARCH_EXHAUSTED
        return Finding(best, bound * problem.image.unit, problem.sizes[0], stop=stop)


@dataclass(frozen=True)
class _Shape:
    """A tree over ``2**levels`` groups of ``group`` items each, with lists of up to ``2**bits`` sums."""

    levels: int
    group: int
    bits: int

    @property
    def seconds_to_merge(self) -> float:
        """About how long it takes to merge two lists, at the root, where most pairs are looked at."""
        return _SECONDS_A_ROW * (_OVERHEAD + (1 << self.bits))

    @property
    def capacity(self) -> int:
        """The bits of precision that it gains: what the merges leave out of the pairs that there are."""
        length, gained = self.group, 0
        for _ in range(1, self.levels):
            gained += max(0, 2 * length - self.bits)
            length = min(2 * length, self.bits)
        return gained + 2 * length


def _best_shape(n: int, most: int, wanted: float) -> _Shape:
    """Return the cheapest tree over n items that gains as many bits as wanted, or else what gains most."""
    shapes = [
        _Shape(levels, min(n >> levels, bits), bits)
        for bits in range(_LEAST_BITS, most + 1)
        for levels in range(1, min(_MOST_LEVELS, n.bit_length() - 1) + 1)
    ]
    enough = [shape for shape in shapes if shape.capacity >= wanted]
    if enough:
        return min(enough, key=lambda shape: (_OVERHEAD + (1 << shape.bits)) << shape.levels)
    return max(shapes, key=lambda shape: (shape.capacity, -shape.levels))


def _shapes(problem: SubsetSum, rounding: Rounding, goal: int, limits: Limits) -> Iterator[_Shape]:
    """Yield the trees to try: the cheapest that should do, or else larger and larger ones up to the largest.

    With a time limit there is no last one.
    """
    largest = _MOST_BITS
    while largest > _LEAST_BITS and _bytes(largest, problem.d) > limits.bytes_allowed:
        largest -= 1
    bits = min(_FIRST_BITS, largest)
    wanted = rounding.bits(problem.n, goal) + _SPARE_BITS
    rounds_of_largest = 0
    while limits.seconds is not None or rounds_of_largest < _ROUNDS_OF_LARGEST:
        shape = _best_shape(problem.n, bits, wanted)
        yield shape
        if shape.capacity >= wanted:  # it should have done; luck varies by some bits in each dimension
            wanted += 1.5 + 0.5 * problem.d
        elif bits < largest:
            bits = min(bits + 2, largest)
        else:
            rounds_of_largest += 1


def _in_time(n: int, shape: _Shape, limits: Limits) -> _Shape | None:
    """Return a tree with lists short enough for the time that is left; None where none are."""
    if limits.allow(shape.seconds_to_merge):
        return shape
    for bits in range(shape.bits - 1, _LEAST_BITS - 1, -1):
        shorter = _best_shape(n, bits, math.inf)
        if limits.allow(shorter.seconds_to_merge):
            return shorter
    return None


def _bytes(bits: int, d: int) -> int:
    """Memory of a round: a few lists of sums with keys and order alive at a time, and all lists of pairs."""
    return (1 << bits) * (8 * (8 * d + 40) + 32 * 16)


# -- one round ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Pairs:
    """Where the sums of a merged list come from: row by row, a row of the left and one of the right list."""

    left: _Pairs | int  # an integer is a leaf: the first item of a group whose rows are masks
    right: _Pairs | int
    rows: Ints


def _round(
    problem: SubsetSum, rounding: Rounding, shape: _Shape, rng: np.random.Generator, limits: Limits
) -> list[int] | None:
    """Search one tree over random groups; None when the time is up or nothing matched."""
    free = rng.permutation(problem.n)[: shape.group << shape.levels]
    fixed = np.flatnonzero(rounding.around(free, rng)).tolist()
    image = problem.image
    remaining = tuple(t - s for t, s in zip(image.target, image.total(fixed), strict=True))
    grid = grid_of(IntegerImage(tuple(image.items[i] for i in free), remaining, image.unit))
    merged = _merged(grid.items, 0, grid.target, shape, shape.levels, rng, limits)
    if merged is None:
        return None
    return sorted(fixed + [int(free[k]) for k in _subset(merged[1], 0, shape.group)])


def _subset(source: _Pairs | int, row: int, group: int) -> list[int]:
    """List the items of one row of a list."""
    if isinstance(source, int):
        return [source + k for k in range(group) if row >> k & 1]
    i, j = source.rows[row].tolist()
    return _subset(source.left, i, group) + _subset(source.right, j, group)


def _merged(
    items: Ints,
    first: int,
    target: Ints,
    shape: _Shape,
    level: int,
    rng: np.random.Generator,
    limits: Limits,
) -> tuple[Ints, _Pairs | int] | None:
    """Return sums of ``2**level`` groups near the target and their sources; at the root the nearest."""
    if level == 0:
        sums = np.zeros((1, items.shape[1]), dtype=np.int64)
        for item in items[first : first + shape.group]:
            sums = np.concatenate([sums, sums + item])
        return sums, first
    half = shape.group << (level - 1)
    # What the whole is off from half of its items' sum is shared among the two sides.
    own, others = (items[k : k + half].sum(axis=0) // 2 for k in (first, first + half))
    left_target = own + (target - own - others) // 2
    left = _merged(items, first, left_target, shape, level - 1, rng, limits)
    if left is None:
        return None
    right = _merged(items, first + half, target - left_target, shape, level - 1, rng, limits)
    if right is None or limits.expired:
        return None
    limits.spend(shape.seconds_to_merge / 8)
    rows = _near_pairs(left[0], target - right[0], 1 << shape.bits, rng, last=level == shape.levels)
    if not len(rows):
        return None
    return left[0][rows[:, 0]] + right[0][rows[:, 1]], _Pairs(left[1], right[1], rows)


def _near_pairs(left: Ints, right: Ints, keep: int, rng: np.random.Generator, *, last: bool) -> Ints:
    """List about the ``keep`` nearest pairs of rows, or the nearest one: among those of a common cell.

    The cells are cubes, as wide as makes the number of pairs to look at a fixed multiple of ``keep``.
    """
    from solvers.kernels.list_merging import nearest_of_a_cell, pairs_of_a_cell, sampled_distances

    looks = min((_LOOKS_AT_LAST if last else _LOOKS) * keep, len(left) * len(right))
    width = _cell_width(left, right, looks / len(left) / len(right))
    low = np.minimum(left.min(axis=0), right.min(axis=0)) - rng.integers(0, width, left.shape[1])
    # Where every pair is looked at, all rows share one cell.
    odd = rng.integers(1 << 62, size=left.shape[1]) | 1 if looks < len(left) * len(right) else 0
    keys = [((rows - low) // width * odd).sum(axis=1) for rows in (left, right)]  # hashes, modulo 2^64
    orders = [np.argsort(key) for key in keys]
    lists = left[orders[0]], keys[0][orders[0]], right[orders[1]], keys[1][orders[1]]
    most = 2 * looks
    pairs = np.empty((keep, 2), dtype=np.int64)
    if last:
        pairs[0] = nearest_of_a_cell(*lists, most)[:2]
        count = int(pairs[0, 0] >= 0)
    else:
        distances = np.empty(_SAMPLE, dtype=np.int64)
        count, stored = sampled_distances(*lists, most, max(1, looks // _SAMPLE), distances)
        place = stored * keep // max(count, 1)
        limit = int(np.partition(distances[:stored], place)[place]) if place < stored else 1 << 62
        count = pairs_of_a_cell(*lists, most, limit, pairs)
    return np.stack([order[pairs[:count, side]] for side, order in enumerate(orders)], axis=1)


def _cell_width(left: Ints, right: Ints, share: float) -> int:
    """Return the width of cells in which about this share of all pairs meet, were the rows normal vectors."""
    means = left.mean(axis=0) - right.mean(axis=0)
    variances = left.var(axis=0) + right.var(axis=0) + 1e-9
    density = np.exp(-np.minimum(means**2 / variances / 2, 30.0)) / np.sqrt(2 * math.pi * variances)
    low, high = 0.0, 61.0
    for _ in range(30):
        middle = (low + high) / 2
        meeting = np.prod(np.minimum(1.0, density * 2.0**middle))
        low, high = (middle, high) if meeting < share else (low, middle)
    return max(1, int(2.0**high))

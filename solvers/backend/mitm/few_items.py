"""few-items: subsets of few items, or of all but few, of any number of items: pairs of smaller ones. Exact.

A subset of k items is one of k // 2 items and one of the others, in one way only when the first ones stand
before the others. Both lists, C(n, k / 2) sums long, are sorted by one coordinate, and each sum of the one
meets those of the other that may be near enough (Horowitz & Sahni 1974, by cardinality). Choosing all items
but a few is choosing those to leave out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.grid import WORD_BITS, Grid
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MOST_LISTED = 1 << 24  # sums of one list
_MOST_LISTED_IN_PYTHON = 1 << 21
_MOST_OPEN = 1 << 14  # pairs that rounding leaves open, ranked one by one
_SCOUTED = 4  # right sums on either side that are looked at first, for a good incumbent
_BUDGET = 1 << 23  # pairs looked at between two looks at the clock
_BUFFER = 1 << 13
_FEW_ITEMS = 28
_SECONDS_PER_SUM = 1.5e-7
_FAR = 1 << 62


class FewItems(Enumerator):
    """Meet in the middle over the number of items, where few are chosen or few left out."""

    name = "few-items"
    summary = (
        "scalar and vector, any n, where few items are chosen or few left out; all objectives, proven; "
        "counts, lists; O(n^(k/2)) memory"
    )
    counts_copies_once = True
    bounding: frozenset[Objective] = frozenset({"sparsest"})

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: too many subsets, too little memory."""
        few, most = _most_few(problem), _most_affordable(problem, limits)
        if objective == "sparsest" and problem.sizes[0] <= most:
            return None  # as far as it gets
        if few <= most:
            return None
        return f"it takes up to {most} of {problem.n} items here, or all but {most}; asked are {few}"

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return False where items are so few that it does not matter how many are chosen."""
        return problem.n > _FEW_ITEMS

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float | None:
        """Estimate the time of listing and sorting, for "sparsest" up to the size that should be there."""
        few = _most_few(problem)
        if objective == "sparsest" and problem.n > _FEW_ITEMS:
            # Coordinates that go together make vectors fit more seldom than chance would.
            few = min(few, max(problem.sizes[0], _expected_size(problem) * (1 if problem.d == 1 else 2)))
            if few > _most_affordable(problem, Limits()):
                return None
        if few > 2 * _listed_size(problem):
            return math.inf
        listed = 2 * sum(math.comb(problem.n, half) for half in range((few + 1) // 2 + 1))
        if problem.d == 1:
            return 2e-4 + 1e-4 * few + 2.4e-7 * listed
        near = sum(_pairs_near(problem, k, exactly=objective == "nearest") for k in range(1, few + 1))
        return 2e-4 + 1e-4 * few + 2e-7 * (1 + 0.2 * problem.d) * listed + 4e-9 * near

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(n^(k/2)) memory, and in little more time where few sums are equal."""
        search = _Search(problem, limits)
        low, bound, unit = problem.sizes[0], simple_bound(problem), problem.image.unit
        tolerance = problem.tolerance_units
        if objective != "nearest" and bound > (tolerance or 0):
            return Finding(None, bound * unit, low)
        try:
            if objective == "sparsest":
                return search.sparsest(tolerance or 0)
            limit = None if objective == "nearest" else (tolerance or 0) + 1
            stop = bound if objective == "nearest" else max(bound, tolerance or 0)
            search.improve(search.sizes, limit, stop)
        except OutOfTimeError:
            subset = search.subset if search.subset is not None else search.greedy()
            return Finding(subset, bound * unit, search.fewest, stop=Stop.TIME_LIMIT)
        if objective == "within":
            proven = bound if search.subset is not None else (tolerance or 0) + 1
            return Finding(search.subset, proven * unit, low)
        return Finding(search.subset, search.units * unit, low)

    def enumeration_refusal(self, problem: SubsetSum, limits: Limits) -> str | None:
        """Return why the subsets cannot be counted and listed: there are too many."""
        return self.refusal(problem, "nearest", limits)

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count the subsets, one look at each pair of sums near enough in one coordinate."""
        search = _Search(problem, limits)
        if problem.origins is not None:
            return sum(1 for _ in search.listed(above, reach))
        return search.count(above, reach)

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets by size."""
        yield from _Search(problem, limits).listed(above, reach)


# -- how far it reaches ------------------------------------------------------------------------------


def _leaves_out(problem: SubsetSum) -> bool:
    low, high = problem.sizes
    return problem.n - low < high


def _most_few(problem: SubsetSum) -> int:
    """Return how many items are chosen, or left out, at most."""
    low, high = problem.sizes
    return min(high, problem.n - low)


def _listed_size(problem: SubsetSum, most: int = _MOST_LISTED) -> int:
    """Return how many items the sums of a list may have."""
    size = 0
    while size < problem.n and math.comb(problem.n, size + 1) <= most:
        size += 1
    return size


def _most_affordable(problem: SubsetSum, limits: Limits) -> int:
    """Return the most items of which all subsets can be had in pairs."""
    per_sum = 2 * (8 * problem.d + 8 * 4 + 16)
    return min(problem.n, 2 * _listed_size(problem, min(_MOST_LISTED, limits.bytes_allowed // per_sum)))


def _pairs_near(problem: SubsetSum, size: int, *, exactly: bool) -> float:
    """Estimate how many pairs are near enough in one coordinate to be looked at in the others.

    ``exactly``: nearer than the nearest; else within the tolerance as well.
    """
    pairs = math.comb(problem.n, size // 2) * math.comb(problem.n, size - size // 2)
    if exactly:  # of C(n, k) points in a cube, to the nearest
        share = math.exp(-math.log(math.comb(problem.n, size)) / problem.d)
    else:
        share = _share_within(problem, size)
    return math.exp(min(math.log(pairs), 700)) * share


def _share_within(problem: SubsetSum, size: int) -> float:
    """Estimate the least share, over the coordinates, of sums of so many items within the tolerance."""
    spread, tolerance = _spread(problem)
    return float(np.min(np.minimum(1, (2 * tolerance + 1) / (2.5 * spread * math.sqrt(size)))))


@lru_cache(maxsize=8)
def _spread(problem: SubsetSum) -> tuple[NDArray[np.float64], float]:
    """Return the standard deviations of the items' coordinates, and the tolerance, in steps of a grid."""
    grid = _grid(problem, problem.n)
    spread: NDArray[np.float64] = np.maximum(grid.items.astype(float).std(axis=0), 0.5)
    return spread, float(min((problem.tolerance_units or 0) >> grid.shift, _FAR))


@lru_cache(maxsize=8)
def _expected_size(problem: SubsetSum) -> int:
    """Estimate how many items the sparsest subset has, as if sums were normally distributed."""
    grid = _grid(problem, problem.n)
    mean, target = grid.items.astype(float).mean(axis=0), grid.target.astype(float)
    spread, tolerance = _spread(problem)
    for size in range(max(1, problem.sizes[0]), problem.sizes[1] + 1):
        width = spread * math.sqrt(size)
        off = np.minimum(np.maximum(np.abs(target - size * mean) - tolerance, 0) / width, 30)
        share = np.minimum(1, (2 * tolerance + 1) / (2.5 * width)) * np.exp(-off * off / 2)
        many = math.lgamma(problem.n + 1) - math.lgamma(size + 1) - math.lgamma(problem.n - size + 1)
        if many + float(np.log(np.maximum(share, 1e-300)).sum()) > 0:
            return size
        if size > 64:
            break
    return problem.n


def _target(problem: SubsetSum) -> tuple[int, ...]:
    """Return what the few items are to add up to: those chosen, or those left out."""
    image = problem.image
    if not _leaves_out(problem):
        return image.target
    total = image.total(range(problem.n))
    return tuple(s - t for s, t in zip(total, image.target, strict=True))


def _grid(problem: SubsetSum, most: int) -> Grid:
    """Round items and target so that ``most`` items and the target take a machine word."""
    items, target = problem.image.items, _target(problem)
    largest = max(max(map(abs, item)) for item in items)
    shift = max(0, (most * largest + max(map(abs, target))).bit_length() - WORD_BITS)
    return Grid(
        np.array([[x >> shift for x in item] for item in items], np.int64),
        np.array([t >> shift for t in target], np.int64),
        shift,
        most if shift else 0,
    )


# -- the search --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sets:
    """All sets of so many items, ascending in one coordinate of their sums."""

    sums: NDArray[Any]  # shape (N, d)
    places: NDArray[np.int32]  # shape (N, size), each row ascending

    @property
    def firsts(self) -> NDArray[np.int64]:
        """The smallest place of each."""
        return self.places[:, 0].astype(np.int64)

    @property
    def lasts(self) -> NDArray[np.int64]:
        """The largest place of each, -1 for the empty set."""
        if not self.places.shape[1]:
            return np.full(len(self.places), -1)
        return self.places[:, -1].astype(np.int64)


@dataclass(frozen=True)
class _Pairs:
    """Every set of so many items once: a left set, and a right one whose places all come later."""

    left: _Sets
    right: _Sets

    def places(self, i: int, j: int) -> list[int]:
        """Return the places of a pair, ascending."""
        return [*self.left.places[i].tolist(), *self.right.places[j].tolist()]


class _TooManyOpenError(Exception):
    """Rounding left too many pairs to rank one by one."""


class _Search:
    """One problem, the sets of few items made so far, and the incumbent."""

    def __init__(self, problem: SubsetSum, limits: Limits) -> None:
        self.problem = problem
        self.limits = limits
        self.leaves_out = _leaves_out(problem)
        low, high = problem.sizes
        first, last = (problem.n - high, problem.n - low) if self.leaves_out else (low, high)
        few = min(last, _most_affordable(problem, limits))
        self.sizes = list(range(first, few + 1))  # of the few items
        self.complete = last == few
        self.grid = _grid(problem, max(1, few))
        self.key = int(np.argmax(np.ptp(self.grid.items.astype(float), axis=0)))
        self.made: dict[int, _Sets] = {}
        self.in_python = False
        self.subset: list[int] | None = None
        self.units = 0  # the error of the subset
        self.fewest = low  # no acceptable subset has fewer items

    # -- objectives ----------------------------------------------------------------------------------

    def improve(self, sizes: list[int], limit: int | None, stop: int) -> None:
        """Find the nearest subset of these sizes, of an error below ``limit``, or one of at most ``stop``."""
        for size in sizes:
            self.limits.check()
            try:
                self._improve(size, limit, stop)
            except _TooManyOpenError:
                self._restart_in_python()
                self._improve(size, limit, stop)
            if self.subset is not None and self.units <= stop:
                return

    def sparsest(self, tolerance: int) -> Finding:
        """Find the fewest items within the tolerance, and among those the smallest error."""
        low, unit = self.problem.sizes[0], self.problem.image.unit
        sizes = self.sizes[::-1] if self.leaves_out else self.sizes
        if self.leaves_out and not self.complete:
            raise UnsupportedProblemError("backend few-items cannot begin with the fewest items here")
        for size in sizes:
            self.fewest = self.problem.n - size if self.leaves_out else size
            self.improve([size], tolerance + 1, 0)
            if self.subset is not None:
                return Finding(self.subset, self.units * unit, self.fewest)
        if self.complete:
            return Finding(None, (tolerance + 1) * unit, low)
        return Finding(
            None, size_bound=self.fewest + 1, message=f"all subsets of up to {self.fewest} items excluded"
        )

    def greedy(self) -> list[int]:
        """Return a subset of the fewest items that may be taken, each the one that leaves the least."""
        left = self.grid.target.astype(float)
        items = self.grid.items.astype(float)
        places: list[int] = []
        for _ in range(self.sizes[0]):
            errors = np.abs(items - left).max(axis=1)
            errors[places] = np.inf
            places.append(int(np.argmin(errors)))
            left = left - items[places[-1]]
        return self._chosen(places)

    # -- the sets ------------------------------------------------------------------------------------

    def _sets(self, size: int) -> _Sets:
        """Return all sets of so many items, made from those of one item less."""
        if size in self.made:
            return self.made[size]
        places = np.zeros((1, 0), np.int32)
        items = self.grid.items
        sums = np.zeros((1, self.problem.d), items.dtype)
        for _ in range(size):
            self._check_time(math.comb(self.problem.n, places.shape[1] + 1))
            begins: NDArray[Any] = places[:, -1] + 1 if places.shape[1] else np.zeros(1, np.int64)
            more = self.problem.n - begins
            before = np.repeat(np.arange(len(places)), more)
            added = np.arange(len(before)) - np.repeat(np.cumsum(more) - more, more) + begins[before]
            places = np.column_stack([places[before], added.astype(np.int32)])
            sums = sums[before] + items[added]
        order = np.argsort(sums[:, self.key], kind="stable")
        self.made[size] = _Sets(sums[order], places[order])
        return self.made[size]

    def _check_time(self, listed: int) -> None:
        """Raise OutOfTimeError if there is no time to list and sort so many sums, at one go."""
        left = self.limits.remaining
        if left is not None and left <= _SECONDS_PER_SUM * self.problem.d * listed:
            raise OutOfTimeError

    def _pairs(self, size: int) -> _Pairs:
        self.made = {k: sets for k, sets in self.made.items() if k >= size // 2}
        return _Pairs(self._sets(size // 2), self._sets(size - size // 2)) if size else self._empty()

    def _empty(self) -> _Pairs:
        sums = np.zeros((1, self.problem.d), self.grid.items.dtype)
        nothing = np.zeros((1, 0), np.int32)
        # A right set has a first place: here one beyond all.
        return _Pairs(_Sets(sums, nothing), _Sets(sums, np.full((1, 1), self.problem.n, np.int32)))

    def _restart_in_python(self) -> None:
        """Go on in Python's integers: magnitudes are too mixed for one machine word."""
        most = (max(self.sizes) + 1) // 2
        if math.comb(self.problem.n, most) > _MOST_LISTED_IN_PYTHON:
            raise UnsupportedProblemError(
                f"the magnitudes are too mixed for the backend few-items: {math.comb(self.problem.n, most)} "
                f"sums in Python's integers, allowed are {_MOST_LISTED_IN_PYTHON}"
            ) from None
        self.in_python, self.made = True, {}
        self.grid = Grid(
            np.array(self.problem.image.items, dtype=object).reshape(-1, self.problem.d),
            np.array(_target(self.problem), dtype=object),
            0,
            0,
        )

    # -- the nearest ---------------------------------------------------------------------------------

    def _improve(self, size: int, limit: int | None, stop: int) -> None:
        pairs = self._pairs(size)
        below = self.units if self.subset is not None else limit
        start = (
            self._far() if below is None else min(self._far(), max(map(abs, self.grid.window(below - 1))) + 1)
        )
        # On a coarse grid a small distance proves nothing yet.
        grid_stop = -1 if self.grid.shift else min(stop, self._far() - 1)
        best, pair = self._nearest(pairs, start, grid_stop, _SCOUTED)
        if pair is None and below is None:  # an incumbent, for all that follows
            best, pair = self._nearest(pairs, start, grid_stop, len(pairs.right.sums))
        if pair is not None:
            self._offer(pairs.places(*pair), limit)
        if self.subset is not None and self.units <= stop:
            return
        if not self.grid.shift:
            _, pair = self._nearest(pairs, best, grid_stop, len(pairs.right.sums))
            if pair is not None:
                self._offer(pairs.places(*pair), limit)
            return
        self._rank_open(pairs, limit, stop)

    def _far(self) -> int:
        """Return a distance that no sum of few items has."""
        if not self.in_python:
            return _FAR
        return 2 * self.problem.image.magnitude + max(map(abs, _target(self.problem))) + 1

    def _nearest(self, pairs: _Pairs, best: int, stop: int, reach: int) -> tuple[int, tuple[int, int] | None]:
        from solvers.kernels.few_sums import nearest_of_few

        nearest: Any = nearest_of_few.py_func if self.in_python else nearest_of_few  # type: ignore[attr-defined]
        budget = _BUDGET >> 6 if self.in_python else _BUDGET
        left, right = pairs.left, pairs.right
        lasts, firsts = left.lasts, right.firsts
        pair, begin = None, 0
        while begin < len(left.sums) and best > stop:
            self.limits.check()
            distance, i, j, begin = nearest(
                left.sums,
                lasts,
                right.sums,
                firsts,
                self.grid.target,
                self.key,
                begin,
                best,
                stop,
                reach,
                budget,
            )
            if i >= 0:
                best, pair = distance, (int(i), int(j))
        return best, pair

    def _offer(self, places: list[int], limit: int | None) -> None:
        """Take a subset for the incumbent if it is nearer, and near enough."""
        subset = self._chosen(places)
        units = self.problem.image.error(subset)
        if units < (self.units if self.subset is not None else units + 1 if limit is None else limit):
            self.subset, self.units = subset, units

    def _rank_open(self, pairs: _Pairs, limit: int | None, stop: int) -> None:
        """Rank exactly every pair that rounding leaves a chance to be nearer than the incumbent."""
        bound = self.units if self.subset is not None else limit
        if bound is None:
            raise AssertionError("few-items ranks what an incumbent or a limit leaves open, and has neither")
        outer = self.grid.window(bound - 1)
        for ranked, places in enumerate(self._listed(pairs, outer, (1, 0))):
            if ranked > _MOST_OPEN:
                raise _TooManyOpenError
            self._offer(places, limit)
            if self.subset is not None and self.units <= stop:
                return

    def _chosen(self, places: list[int]) -> list[int]:
        if not self.leaves_out:
            return [i for i in places if i < self.problem.n]
        left_out = set(places)
        return [i for i in range(self.problem.n) if i not in left_out]

    # -- counting and listing ------------------------------------------------------------------------

    def count(self, above: int, reach: int) -> int:
        """Count the subsets with ``above < error <= reach``."""
        number = 0
        for place, size in enumerate(self.sizes):
            try:
                number += self._count(size, above, reach)
            except _TooManyOpenError:
                self._restart_in_python()
                number += self._count(size, above, reach)
            self.limits.progress.share = (place + 1) / len(self.sizes)
            self.limits.progress.counted = number
        return number

    def _count(self, size: int, above: int, reach: int) -> int:
        return self._count_within(size, reach) - self._count_within(size, above)

    def _count_within(self, size: int, reach: int) -> int:
        if reach < 0:
            return 0
        pairs, sure = self._pairs(size), self.grid.sure_window(reach)
        number = sum(found for found, _ in self._windows(pairs, sure, (1, 0), 0)) if sure[0] <= sure[1] else 0
        if self.grid.shift:
            for ranked, places in enumerate(self._listed(pairs, self.grid.window(reach), sure)):
                if ranked > _MOST_OPEN:
                    raise _TooManyOpenError
                number += self.problem.image.error(self._chosen(places)) <= reach
        return number

    def listed(self, above: int, reach: int) -> Iterator[list[int]]:
        """Yield the subsets with ``above < error <= reach``."""
        for size in self.sizes:
            outer, inner = self.grid.window(reach), self.grid.sure_window(above)
            for places in self._listed(self._pairs(size), outer, inner):
                subset = self._chosen(places)
                if above < self.problem.image.error(subset) <= reach and self._counts_once(subset):
                    yield subset

    def _counts_once(self, subset: list[int]) -> bool:
        """Tell whether a subset takes the first copies of every item that has copies."""
        origins = self.problem.origins
        if origins is None:
            return True
        chosen = set(subset)
        return all(i == 0 or origins[i - 1] != origins[i] or i - 1 in chosen for i in subset)

    def _listed(self, pairs: _Pairs, outer: tuple[int, int], inner: tuple[int, int]) -> Iterator[list[int]]:
        """Yield the places of the pairs whose grid differences lie in one window and not all in the other."""
        for _, found in self._windows(pairs, outer, inner, _BUFFER):
            for i, j in self.limits.watched(found):
                yield pairs.places(i, j)

    def _windows(
        self, pairs: _Pairs, outer: tuple[int, int], inner: tuple[int, int], room: int
    ) -> Iterator[tuple[int, list[list[int]]]]:
        """Yield, a kernel call at a time, how many pairs lie in a window, and the pairs if there is room."""
        from solvers.kernels.few_sums import few_in_window

        kernel: Any = few_in_window.py_func if self.in_python else few_in_window  # type: ignore[attr-defined]
        budget = _BUDGET >> 6 if self.in_python else _BUDGET
        left, right = pairs.left, pairs.right
        boxes = self._box(outer), self._box(inner)
        keys = right.sums[:, self.key]
        begins = keys.searchsorted(boxes[0][0, self.key] - left.sums[:, self.key])
        ends = keys.searchsorted(boxes[0][1, self.key] - left.sums[:, self.key], "right")
        buffer = np.empty((room, 2), np.int64)
        lasts, firsts, place = left.lasts, right.firsts, (0, 0)
        while place[0] < len(left.sums):
            self.limits.check()
            number, kept, *place = kernel(
                left.sums, lasts, right.sums, firsts, begins, ends, *boxes, tuple(place), budget, buffer
            )
            yield int(number), buffer[:kept].tolist()

    def _box(self, window: tuple[int, int]) -> NDArray[Any]:
        """Return a window of differences to the target as a box of sums, shape (2, d)."""
        box = np.empty((2, self.problem.d), self.grid.items.dtype)
        far = self._far()
        for row, edge in enumerate(window):
            for k, t in enumerate(self.grid.target):
                box[row, k] = max(-far, min(far, int(t) + edge))
        return box

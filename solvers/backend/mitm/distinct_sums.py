"""distinct-sums: the different sums of two halves, however many subsets have them. Exact.

Multiples of one scale, also where each was rounded to a float, have many equal sums: 300 items of 31 levels
make a million at most, and 2^300 subsets. The sums of a half grow value by value, equal ones are kept once,
and the lists of all stages tell in the end how a sum came about (dynamic programming over the sums that there
are, Bellman 1957, in two halves). Only for scalars whose number of chosen items does not matter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.copies import choice_bits, copies_of
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from solvers.backend.copies import Copies
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

    Sums = NDArray[Any]  # ascending and different: int64, or Python's integers where these are wide

_MOST_SUMS = 1 << 22  # of a half
_MOST_WIDE_SUMS = 1 << 17
_MOST_ITEMS = 1 << 14
_PROBED = 1 << 14  # so many sums show whether many are equal
_BYTES_PER_SUM = 64
_WORD = (1 << 63) - 1
# So few choices are listed by mitm faster than they are compared: of equal items, and of different ones.
_MANY_EQUAL = 0.8
_FEW_BITS, _FEW_DIFFERENT_BITS = 24, 40


class DistinctSums(Enumerator):
    """Meet in the middle over the different sums of scalars, where many are equal."""

    name = "distinct-sums"
    summary = (
        "scalar, any n, no cardinality, where many sums are equal (levels times a scale); nearest and "
        "within, proven; counts, lists"
    )
    counts_copies_once = True

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: vectors, a number of items that matters, too many different sums."""
        if problem.d > 1:
            return f"it takes scalar items, these have {problem.d} dimensions"
        if objective == "sparsest" or problem.sizes != (0, problem.n):
            return "it does not count how many items are chosen"
        if problem.n > _MOST_ITEMS:
            return f"it takes up to {_MOST_ITEMS} items, these are {problem.n}"
        expected = _expected_sums(problem)
        if expected > _MOST_SUMS:
            return f"half of the items have more than {_MOST_SUMS} different sums"
        return limits.shortage(_BYTES_PER_SUM * int(expected), "the different sums")

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return False where all choices are so few that they need not be compared."""
        bits = choice_bits(problem, sized=False)
        return bits > _FEW_DIFFERENT_BITS or _FEW_BITS < bits < _MANY_EQUAL * problem.n

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float | None:
        """Estimate the time of sorting the sums of every stage."""
        if self.refusal(problem, objective, Limits()) is not None:
            return None
        values = len(copies_of(problem, sized=False).values)
        return 5e-4 + 1e-7 * values * _expected_sums(problem)

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in the time that it takes to list the different sums of both halves."""
        bound, unit = simple_bound(problem), problem.image.unit
        form = _Form.of(copies_of(problem, sized=False))
        try:
            left, right = form.halves(limits)
        except OutOfTimeError:
            return Finding(None, bound * unit, stop=Stop.TIME_LIMIT)
        pairs = _nearest(left.sums, right.sums, form.target // form.step)
        counts = [left.counts(left.sums[i]) | right.counts(right.sums[j]) for i, j in pairs]
        subset = min(map(form.copies.subset, counts), key=problem.image.error)
        units = problem.image.error(subset)
        good_enough = objective == "within" and units <= (problem.tolerance_units or 0)
        return Finding(subset, (bound if good_enough else units) * unit)

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count the subsets by the numbers of them that have each sum."""
        form = _Form.of(copies_of(problem, sized=False))
        left, right = form.halves(limits, weighed=True)
        up_to = np.concatenate([np.zeros(1, object), np.cumsum(right.ways)])

        def within(radius: int) -> int:
            begins, ends = form.between(left.sums, right.sums, radius)
            return int((left.ways * (up_to[ends] - up_to[begins])).sum()) if radius >= 0 else 0

        return form.copies.free_ways * (within(reach) - within(above))

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets in the order of the sums of one half."""
        form = _Form.of(copies_of(problem, sized=False))
        left, right = form.halves(limits)
        begins, ends = form.between(left.sums, right.sums, reach)
        for i in limits.watched(np.flatnonzero(begins < ends).tolist()):
            for other in right.sums[begins[i] : ends[i]].tolist():
                if above < abs((int(left.sums[i]) + other) * form.step - form.target) <= reach:
                    for some in limits.watched(left.all_counts(int(left.sums[i]))):
                        for more in right.all_counts(other):
                            yield from form.copies.subsets(some | more)


@dataclass(frozen=True)
class _Form:
    """A problem over positive values ``step * x``: of a negative value, to take means to leave out."""

    copies: Copies
    step: int
    target: int  # what the values taken add up to
    dtype: type  # of sums: int64, or object where these are wider

    @staticmethod
    def of(copies: Copies) -> _Form:
        values = [value[0] for value in copies.values]
        step = math.gcd(*values) or 1
        target = copies.target[0] - sum(m * x for m, x in zip(copies.most, values, strict=True) if x < 0)
        largest = max(sum(copies.most[k] * abs(values[k]) for k in half) for half in copies.halves)
        narrow = max(largest, abs(target)) // step < _WORD
        return _Form(copies, step, target, np.int64 if narrow else object)

    def halves(self, limits: Limits, *, weighed: bool = False) -> tuple[_Half, _Half]:
        """List the different sums of both halves."""
        left, right = (_Half(self, half, limits, weighed=weighed) for half in self.copies.halves)
        return left, right

    def between(self, left: Sums, right: Sums, radius: int) -> tuple[Sums, Sums]:
        """Return where, for each left sum, the right ones of an error of at most ``radius`` begin and end."""
        low, high = -((radius - self.target) // self.step), (self.target + radius) // self.step
        low, high = max(low, 0), min(high, int(left[-1]) + int(right[-1]))
        if low > high:
            return np.zeros(len(left), np.int64), np.zeros(len(left), np.int64)
        return _up_to(left, right, low - 1), _up_to(left, right, high)


class _Half:
    """The different sums of some values, stage by stage: of the first value, of the first two, and so on.

    ``ways``, where they are wanted, are the numbers of subsets behind the last stage's sums. With ``enough``
    sums no further value is added.
    """

    def __init__(
        self,
        form: _Form,
        values: list[int],
        limits: Limits,
        *,
        weighed: bool = False,
        enough: float = math.inf,
    ) -> None:
        copies = form.copies
        self.values = [(k, abs(copies.values[k][0]) // form.step, copies.most[k]) for k in values]
        self.left_out = {k for k in values if copies.values[k][0] < 0}
        most = _MOST_WIDE_SUMS if form.dtype is object else _MOST_SUMS
        self.stages: list[Sums] = [np.zeros(1, form.dtype)]
        self.ways = np.ones(1, object)
        for k, value, many in self.values:
            limits.check()
            if len(self.sums) > enough:
                break
            if len(self.sums) > most or (weighed and len(self.sums) * (many + 1) > 16 * most):
                raise UnsupportedProblemError(
                    f"backend distinct-sums: half of the items have more than {most} different sums"
                )
            if weighed:
                shifted = np.concatenate([self.sums + count * value for count in range(many + 1)])
                # As many subsets take so many as leave so many out.
                ways = np.concatenate([self.ways * number for number in copies.ways[k]])
                sums, which = np.unique(shifted, return_inverse=True)
                self.ways = np.zeros(len(sums), object)
                np.add.at(self.ways, which, ways)
            else:
                sums = _with_copies(self.sums, value, many)
            self.stages.append(sums)

    @property
    def sums(self) -> Sums:
        """The different sums of all values."""
        return self.stages[-1]

    def counts(self, total: int) -> dict[int, int]:
        """Return how often each value is taken for one of the ways to reach a sum."""
        return next(self.all_counts(int(total)))

    def all_counts(self, total: int, stage: int | None = None) -> Iterator[dict[int, int]]:
        """Yield how often each value is taken, for every way to reach a sum."""
        stage = len(self.values) if stage is None else stage
        if stage == 0:
            yield {}
            return
        k, value, many = self.values[stage - 1]
        before = self.stages[stage - 1]
        for count in range(many + 1):
            rest = total - count * value
            place = int(before.searchsorted(rest)) if before[0] <= rest <= before[-1] else len(before)
            if place < len(before) and before[place] == rest:
                taken = many - count if k in self.left_out else count
                for counts in self.all_counts(rest, stage - 1):
                    yield counts | {k: taken}


def _with_copies(sums: Sums, value: int, many: int) -> Sums:
    """Return the different sums with up to ``many`` copies of a value added, by doubling."""
    if many == 0:
        return sums
    below = (many - 1) // 2
    half = _with_copies(sums, value, below)
    all_sums = _merged(half, half + (below + 1) * value)
    return all_sums if many % 2 else _merged(all_sums, sums + many * value)


def _merged(one: Sums, other: Sums) -> Sums:
    both = np.sort(np.concatenate([one, other]), kind="stable")  # two runs: linear time
    fresh = np.ones(both.size, bool)
    fresh[1:] = both[1:] != both[:-1]
    return both[fresh]


def _up_to(left: Sums, right: Sums, bound: int) -> Sums:
    """Return how many right sums, none of them negative, are at most ``bound`` with each left one."""
    if right.dtype == object or bound < _WORD:
        return right.searchsorted(bound - left, "right")
    # Beyond a word: what exceeds the largest right sum is as good as that.
    return right.searchsorted(np.array([min(bound - x, int(right[-1])) for x in left.tolist()]), "right")


def _nearest(left: Sums, right: Sums, goal: int) -> list[tuple[int, int]]:
    """Return the pairs of the largest sum up to ``goal`` and of the smallest beyond, those that there are."""
    goal = max(-1, min(goal, int(left[-1]) + int(right[-1])))
    ends = _up_to(left, right, goal)
    pairs = []
    some = np.flatnonzero(ends > 0)
    if some.size:
        i = int(some[np.argmin(goal - left[some] - right[ends[some] - 1])])
        pairs.append((i, int(ends[i]) - 1))
    some = np.flatnonzero(ends < len(right))
    if some.size:
        i = int(some[np.argmin(right[ends[some]] - (goal - left[some]))])
        pairs.append((i, int(ends[i])))
    return pairs


@lru_cache(maxsize=8)
def _expected_sums(problem: SubsetSum) -> float:
    """Estimate how many different sums half of the items have: by a look at some, none where all differ."""
    copies = copies_of(problem, sized=False)
    if copies.bits <= (_FEW_BITS if copies.merged else _FEW_DIFFERENT_BITS):
        return float(copies.half_sums)
    expected = 0.0
    for half in copies.halves:
        probe = _Half(_Form.of(copies), half, Limits(), enough=_PROBED)
        seen, taken = len(probe.sums), half[: len(probe.stages) - 1]
        if 2 * seen > math.prod(copies.most[k] + 1 for k in taken):
            return math.inf
        # Levels and what rounding made of them both add up: sums grow with the square of the items.
        all_items, some_items = (sum(copies.most[k] for k in which) for which in (half, taken))
        expected = max(expected, seen * (all_items / max(some_items, 1)) ** 2)
    return expected

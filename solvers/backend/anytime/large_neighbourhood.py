"""lns: large neighbourhood search (Shaw 1998): windows of a few items, each solved exactly for what remains.

An anytime method for hundreds or thousands of items: for easy tolerances the first window often contains an
answer. It proves what the search-free bounds prove, and everything where one window holds all items.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from solvers.backend.anytime.annealing import Annealing
from solvers.backend.anytime.k_tree import KTree
from solvers.backend.anytime.lattice import Lattice
from solvers.backend.anytime.sub_windows import Rounding, Windows, solved_exactly
from solvers.backend.anytime.vector_search import FEW_VECTORS
from solvers.backend.bounds import simple_bound
from solvers.backend.first_subset import first_subset
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_Plan: TypeAlias = tuple[tuple[int, int], ...]

# Sizes of windows, and how often each is tried while nothing improves: scalars, vectors.
_SCALAR_PLAN: _Plan = ((16, 4), (24, 6), (32, 6), (40, 4))
_VECTOR_PLAN: _Plan = ((12, 4), (16, 4), (20, 4), (24, 2))
_SCALAR_LARGEST, _VECTOR_LARGEST = (44, 3), (28, 3)
_SPARSEST_PLAN: _Plan = ((20, 8), (28, 8), (36, 6))
_MERGE_FROM = 50  # items: from there on lists are merged rather than windows of more than 40 items solved
_WINDOW_SECONDS = 2.0  # so that no single window takes all the time there is
_MANY = 1 << 12  # items: from there on a first subset often does
_START_SECONDS = 3e-6  # for each number, at most: rounding, a start by random exchanges
_START_SECONDS_OF_WORDS = 2e-7  # from a first subset, where machine words hold the numbers
_SPARE_BITS = 2.0  # a window of 2^m subsets should hold about 2^2 that meet the goal


class LargeNeighbourhood(Backend):
    """Large neighbourhood search for any number of items and dimensions."""

    name = "lns"
    summary = (
        "any number of items, also vectors, any cardinality; all objectives; anytime: proven only where the "
        "search-free bound is met or one window holds all items"
    )
    anytime = True

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:
        """Return False for many vectors, any number of them to choose: k-tree and annealing come nearer."""
        any_number = problem.sizes == (0, problem.n) and objective != "sparsest"
        return not (any_number and problem.d > 1 and problem.n >= FEW_VECTORS)

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Improve a rounded subset window by window until the goal, the time limit or the plan's end.

        The goal is the tolerance for "within", the search-free bound for "nearest". Without a time limit
        the effort is a few windows of each size without improvement, then (from 50 items on, any number of
        them to choose) the rounds of :class:`~solvers.backend.anytime.k_tree.KTree`, of vectors of many
        dimensions the runs of :class:`~solvers.backend.anytime.annealing.Annealing`.
        """
        start = first_subset(problem) if problem.n >= _MANY else None
        if start is not None:
            if objective == "within" and problem.image.error(start) <= (problem.tolerance_units or 0):
                return Finding(start, size_bound=problem.sizes[0])
            quick = objective != "sparsest" and problem.image.columns is not None
            seconds = _START_SECONDS_OF_WORDS if quick else _START_SECONDS
            if not limits.allow(seconds * problem.n * problem.d):
                return Finding(start, size_bound=problem.sizes[0], stop=Stop.TIME_LIMIT)
        whole = _whole(problem, objective, limits)
        if whole is not None:
            return whole
        if objective == "sparsest":
            return _Sparsest(problem, limits).finding()
        given = None if limits.start is None else list(limits.start)
        return _Nearest(problem, objective, limits, start if given is None else given).finding()


def _whole(problem: SubsetSum, objective: Objective, limits: Limits) -> Finding | None:
    """Solve the problem as one window, if it is no larger than the windows that are always tried."""
    if problem.n > (_SCALAR_PLAN if problem.d == 1 else _VECTOR_PLAN)[-1][0]:
        return None
    return solved_exactly(problem, objective, limits)


class _Search:
    """What the searches share: a subset to improve, and the bound that needs no search."""

    def __init__(
        self, problem: SubsetSum, limits: Limits, *, few: bool, start: list[int] | None = None
    ) -> None:
        self.problem = problem
        self.limits = limits
        self.late = False  # for the next step, although some time is left
        self.rng = np.random.default_rng(np.random.SeedSequence(limits.seed))
        self.rounding = Rounding(problem)
        self.bound = simple_bound(problem)
        chosen = np.zeros(problem.n, np.bool_)
        if start is None:
            chosen = self.rounding.subset(self.rng, few=few)
        else:
            chosen[start] = True
        self.windows = Windows(problem, chosen, self.rng)

    def improve(self, size: int, tries: int, objective: Objective, goal: int) -> None:
        """Solve windows of one size until as many as ``tries`` in a row have not helped."""
        idle = 0
        while idle < tries and not self.limits.expired and self.windows.error > goal:
            better = self.windows.improve(size, objective, self.limits.share(_WINDOW_SECONDS))
            idle = 0 if better else idle + 1

    @property
    def stop(self) -> Stop:
        """Why the search ended."""
        return Stop.TIME_LIMIT if self.late or self.limits.expired else Stop.SEARCH_EXHAUSTED


class _Nearest(_Search):
    """The search for "nearest" and "within"."""

    def __init__(
        self, problem: SubsetSum, objective: Objective, limits: Limits, start: list[int] | None
    ) -> None:
        super().__init__(problem, limits, few=False, start=start)
        self.objective = objective
        self.goal = (problem.tolerance_units or 0) if objective == "within" else self.bound
        many: tuple[Backend, ...] = (Lattice(), Annealing())
        self.wider = next((b for b in many if b.suits(problem, objective)), KTree())
        self.merges = problem.n >= _MERGE_FROM and self.wider.refusal(problem, objective, limits) is None

    def finding(self) -> Finding:
        """Search, and claim no more than the search-free bound or a window of all items proves."""
        if self.bound <= self.goal:
            for size, tries in self._plan():
                self.improve(size, tries, self.objective, self.goal)
            if self.windows.error > self.goal and not self.limits.expired:
                self._search_wider()
        unit = self.problem.image.unit
        return Finding(self.windows.subset, self.bound * unit, self.problem.sizes[0], stop=self.stop)

    def _plan(self) -> Iterator[tuple[int, int]]:
        """Yield window sizes and tries; where lists can be merged instead, only those likely to do."""
        plan = _SCALAR_PLAN if self.problem.d == 1 else _VECTOR_PLAN
        for size, tries in plan[:-1] if self.merges else plan:
            if not self.merges or size >= self.rounding.bits(size, self.goal) + _SPARE_BITS:
                yield size, tries

    def _search_wider(self) -> None:
        """Go beyond the plan: all items at once, in lists or annealed, or the largest windows over again."""
        problem, limits = self.problem, self.limits
        size, tries = _SCALAR_LARGEST if problem.d == 1 else _VECTOR_LARGEST
        if self.merges:
            merged = self.wider.solve(problem, self.objective, limits)
            self.windows.adopt(merged.subset or [])
            self.late = merged.stop is Stop.TIME_LIMIT
        elif problem.n <= size:
            found = solved_exactly(problem, self.objective, limits)
            if found is not None:
                self.windows.adopt(found.subset or [])
                self.bound = max(self.bound, int(found.lower_bound / problem.image.unit))
        else:
            while self.windows.error > self.goal and not limits.expired:
                self.improve(size, tries, self.objective, self.goal)
                if limits.seconds is None:
                    break


class _Sparsest(_Search):
    """The search for "sparsest": within the tolerance first, then with fewer and fewer items."""

    def __init__(self, problem: SubsetSum, limits: Limits) -> None:
        super().__init__(
            problem, limits, few=True, start=None if limits.start is None else list(limits.start)
        )
        self.tolerance = problem.tolerance_units or 0
        self.least = least_size(problem)

    def finding(self) -> Finding:
        """Search, and claim as size bound the least number of items whose sums range far enough."""
        unit, low = self.problem.image.unit, self.problem.sizes[0]
        if self.least is None or self.bound > self.tolerance:
            return Finding(self.windows.subset, max(self.bound, self.tolerance + 1) * unit, low)
        plan = _SCALAR_PLAN if self.problem.d == 1 else _VECTOR_PLAN
        for size, tries in plan:
            self.improve(min(size, self.problem.n), tries, "within", self.tolerance)
        if self.windows.error <= self.tolerance:
            self._shrink()
        return Finding(self.windows.subset, self.bound * unit, self.least, stop=self.stop)

    @property
    def _done(self) -> bool:
        return self.windows.error == self.bound and self.windows.key == (0, self.least)

    def _shrink(self) -> None:
        plan = _SPARSEST_PLAN if self.problem.d == 1 else _VECTOR_PLAN
        for size, tries in plan:
            idle = 0
            while idle < tries and not self.limits.expired and not self._done:
                limits = self.limits.share(_WINDOW_SECONDS)
                better = self.windows.improve(min(size, self.problem.n), "sparsest", limits)
                idle = 0 if better else idle + 1


def least_size(problem: SubsetSum) -> int | None:
    """Return the fewest items whose sums range to within the tolerance of the target, None if no number does.

    A bound only: in each dimension by itself, between the sums of the smallest and of the largest items.
    """
    low, high = problem.sizes
    tolerance = problem.tolerance_units or 0
    possible = [True] * (problem.n + 1)
    for k, target in enumerate(problem.image.target):
        ascending = sorted(item[k] for item in problem.image.items)
        smallest = accumulate(ascending, initial=0)
        largest = accumulate(reversed(ascending), initial=0)
        for size, (least, most) in enumerate(zip(smallest, largest, strict=True)):
            possible[size] &= least - tolerance <= target <= most + tolerance
    return next((size for size in range(low, high + 1) if possible[size]), None)

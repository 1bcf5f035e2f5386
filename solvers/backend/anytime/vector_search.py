"""Searches for any number of vectors: what they refuse, where they start, the nearest subset so far."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.anytime.sub_windows import solved_exactly
from solvers.backend.bounds import simple_bound
from solvers.backend.first_subset import float_vectors, nearest_known
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from solvers.backend.first_subset import FloatVectors
    from solvers.kernels.array_types import Bools, Floats, Ints
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

FEW_VECTORS = 40  # windows of exact searches hold most of fewer ones
_WHOLE = 16  # items, or fewer, are solved exactly
_START_SECONDS = 1e-6  # for each number, at most
_DISORDER = 0.2  # of passes: lengths are changed by about so much


def refusal_of_sizes(problem: SubsetSum, objective: Objective) -> str | None:
    """Return why a search for any number of items does not take a cardinality, or the fewest items."""
    if problem.sizes != (0, problem.n):
        return "it cannot keep to a cardinality"
    if objective == "sparsest":
        return "it cannot minimise the number of items (objective sparsest)"
    return None


class NearestSoFar:
    """The nearest subset so far, judged in exact integers; ``vectors`` are float64 to look for a nearer one.

    ``goal`` and ``bound`` are in units: what is near enough, and what nothing is below.
    """

    def __init__(self, problem: SubsetSum, start: list[int], goal: int, bound: int, limits: Limits) -> None:
        self.problem: SubsetSum = problem
        self.goal: int = goal
        self.bound: int = bound
        self.limits: Limits = limits
        self.rng: np.random.Generator = np.random.default_rng(np.random.SeedSequence(limits.seed))
        self.vectors: FloatVectors = float_vectors(problem)
        items = self.vectors.items
        self.lengths: Floats = np.sqrt(np.einsum("ik,ik->i", items, items))
        self.subset: list[int] = start
        self.units: int = problem.image.error(start)

    @property
    def wanted(self) -> bool:
        """Whether there is time for a nearer subset, and any use."""
        return self.units > self.goal >= self.bound and not self.limits.expired

    def see(self, subset: Ints) -> None:
        """Keep a subset if it is nearer."""
        units = self.problem.image.error(subset)
        if units < self.units:
            self.subset, self.units = np.sort(subset).tolist(), units

    def about_longest_first(self, some: Ints) -> Ints:
        """Order some items from about the longest to about the shortest."""
        disorder = np.exp(_DISORDER * self.rng.standard_normal(len(some)))
        order: Ints = some[np.argsort(-self.lengths[some] * disorder, kind="stable")]
        return order

    def passed(self, order: Ints, rest: Floats) -> Bools:
        """Take or leave items in this order, centring what remains of ``rest``; return those taken."""
        from solvers.kernels.one_pass import take_towards_half

        chosen = np.zeros(self.problem.n, dtype=np.bool_)
        take_towards_half(self.vectors.items, order, rest, chosen)
        return chosen


class VectorSearch(Backend):
    """A search for vectors near a target; anytime, proves nothing but luck."""

    anytime = True

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: scalars, a cardinality, fewest items asked for, too little memory."""
        if problem.d == 1:
            return "it takes vectors of two coordinates or more, these are scalars: lns takes them"
        return refusal_of_sizes(problem, objective) or limits.shortage(*self.memory(problem))

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Search until the goal or the time limit is reached; without one, for some time."""
        start, unit = nearest_known(problem, limits.start), problem.image.unit
        if not limits.allow(_START_SECONDS * problem.n * problem.d):
            return Finding(start, stop=Stop.TIME_LIMIT)
        whole = solved_exactly(problem, objective, limits) if problem.n <= _WHOLE else None
        if whole is not None:
            return whole
        bound = simple_bound(problem)
        goal = problem.tolerance_units or 0 if objective == "within" else bound
        nearest = NearestSoFar(problem, start, goal, bound, limits)
        self.search(nearest)
        stop = Stop.TIME_LIMIT if limits.expired else Stop.SEARCH_EXHAUSTED
        return Finding(nearest.subset, bound * unit, stop=stop)

    @abstractmethod
    def memory(self, problem: SubsetSum) -> tuple[int, str]:
        """Return how many bytes it needs, and for what."""

    @abstractmethod
    def search(self, nearest: NearestSoFar) -> None:
        """Show ``nearest`` subsets as long as one is wanted."""

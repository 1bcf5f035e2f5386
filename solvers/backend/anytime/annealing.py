"""annealing: the smallest vectors annealed, in the 2-norm, then near the max norm (Kirkpatrick et al. 1983).

The longest items are taken or left by one pass that centres what remains; the shortest, some for each
dimension, are the resource: they are annealed, run after run, each of another length (Luby, Sinclair &
Zuckerman 1993) and after a pass in another order. In many dimensions nothing here comes nearer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.bounds import simple_bound
from solvers.backend.first_subset import first_subset, float_vectors
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from solvers.kernels.array_types import Bools, Floats, Ints, Words
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

FEWEST_DIMENSIONS = 13  # from there on "auto" asks it
_ITEMS_A_DIMENSION = (4, 6, 8)  # that are annealed, in turn
_FEWEST_ANNEALED = 40
_PROPOSALS = 1 << 18  # of a run of length 1, in either norm
_MORE_IN_SIXTH = 2
_HOT, _COLD = 0.3, 0.001  # in the 2-norm: shares of the median squared length of an item
_HOT_SIXTH, _COLD_SIXTH = 0.5, 0.05  # in the 6-norm, to the power 6: shares of the present value
_RUNS = 6  # without a time limit
_LONGEST_RUN = 64.0
_OF_WHAT_IS_LEFT = 0.9  # of the time: the last run is to reach its end
_DISORDER = 0.2  # of the passes after the first: lengths are changed by about so much
_START_SECONDS = 1e-6  # for each number, at most
_SECONDS_A_PROPOSAL = 2e-8  # and, in the 6-norm, for each coordinate
_SECONDS_A_COORDINATE = 1e-9
_PORTION = 0.02  # seconds between two looks at the clock


class Annealing(Backend):
    """Simulated annealing of vectors, any number of them chosen; anytime, proves nothing but luck."""

    name = "annealing"
    summary = (
        "vectors of many dimensions, any number of items chosen; nearest and within; anytime: proven only "
        "where the search-free bound is met"
    )
    anytime = True

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: scalars, a cardinality, fewest items asked for, too little memory."""
        if problem.d == 1:
            return "it takes vectors of two coordinates or more, these are scalars: lns takes them"
        if problem.sizes != (0, problem.n):
            return "it cannot keep to a cardinality"
        if objective == "sparsest":
            return "it cannot minimise the number of items (objective sparsest)"
        annealed = _annealed(problem, max(_ITEMS_A_DIMENSION))
        return limits.shortage(8 * (3 * problem.n * problem.d + annealed**2), "its inner products")

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return whether there are so many dimensions that merging lists comes less near."""
        return problem.d >= FEWEST_DIMENSIONS

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Anneal in runs until the goal or the time limit is reached; without one, six of them."""
        start, unit = first_subset(problem), problem.image.unit
        if not limits.allow(_START_SECONDS * problem.n * problem.d):
            return Finding(start, stop=Stop.TIME_LIMIT)
        bound = simple_bound(problem)
        goal = problem.tolerance_units or 0 if objective == "within" else bound
        search = _Search(problem, start, goal, limits)
        for number, length in enumerate(_lengths(limits)):
            if search.units <= goal or bound > goal or limits.expired:
                break
            search.run(length, _ITEMS_A_DIMENSION[number % len(_ITEMS_A_DIMENSION)], first=not number)
        stop = Stop.TIME_LIMIT if limits.expired else Stop.SEARCH_EXHAUSTED
        return Finding(search.best, bound * unit, stop=stop)


def _lengths(limits: Limits) -> Iterator[float]:
    """Yield the lengths of runs: twice as long each time, as far as the time that is left allows."""
    length, number = 1.0, 0
    while limits.seconds is not None or number < _RUNS:
        begun = limits.clock()
        yield length
        number += 1
        seconds = (limits.clock() - begun) / length  # a run of length 1
        length = min(2 * length, _LONGEST_RUN)
        if limits.remaining is not None and seconds > 0:
            length = min(length, max(1.0, _OF_WHAT_IS_LEFT * limits.remaining / seconds))


def _annealed(problem: SubsetSum, a_dimension: int) -> int:
    return min(problem.n, max(_FEWEST_ANNEALED, a_dimension * problem.d))


class _Search:
    """The best subset so far, judged in exact integers; and runs that look for a better one in float64."""

    def __init__(self, problem: SubsetSum, start: list[int], goal: int, limits: Limits) -> None:
        self.problem, self.goal, self.limits = problem, goal, limits
        self.rng = np.random.default_rng(np.random.SeedSequence(limits.seed))
        self.vectors = float_vectors(problem)
        self.lengths = np.sqrt(np.einsum("ik,ik->i", self.vectors.items, self.vectors.items))
        self.best, self.units = start, problem.image.error(start)

    def run(self, length: float, a_dimension: int, *, first: bool) -> None:
        """Anneal once, so many items a dimension."""
        chosen = self._pass(first=first)
        free = self.vectors.order[-_annealed(self.problem, a_dimension) :]
        items = np.ascontiguousarray(self.vectors.items[free])
        taken, state = chosen[free], self.rng.integers(1, 1 << 63, 1).astype(np.uint64)
        fixed = chosen.copy()
        fixed[free] = False
        target = self.vectors.target - self.vectors.items[fixed].sum(axis=0)
        self._shorten(items, target, taken, state, length)
        self._flatten(items, target, taken, state, length, np.flatnonzero(fixed), free)

    def _pass(self, *, first: bool) -> Bools:
        """Take or leave every item in one pass, from about the longest to about the shortest."""
        from solvers.kernels.one_pass import take_towards_half

        order: NDArray[np.int64] = self.vectors.order
        if not first:
            disorder = np.exp(_DISORDER * self.rng.standard_normal(self.problem.n))
            order = np.argsort(-self.lengths * disorder, kind="stable")
        chosen = np.zeros(self.problem.n, dtype=np.bool_)
        take_towards_half(self.vectors.items, order, self.vectors.target.copy(), chosen)
        return chosen

    def _shorten(self, items: Floats, target: Floats, taken: Bools, state: Words, length: float) -> None:
        """Anneal the length of the rest."""
        from solvers.kernels.annealing import anneal_length

        gram = items @ items.T
        inner = items @ (target - items[taken].sum(axis=0))
        temperature = _HOT * max(float(np.median(gram.diagonal())), 1e-300)
        sweeps = max(1, int(length * _PROPOSALS / len(items)))
        cooling = (_COLD / _HOT) ** (1 / sweeps)
        for some in self._portions(sweeps, len(items) * _SECONDS_A_PROPOSAL):
            anneal_length(gram, inner, taken, temperature, cooling, some, state)
            temperature *= cooling**some

    def _flatten(
        self,
        items: Floats,
        target: Floats,
        taken: Bools,
        state: Words,
        length: float,
        fixed: Ints,
        free: Ints,
    ) -> None:
        """Anneal the 6-norm of the rest, and keep what is nearest in the max norm."""
        from solvers.kernels.annealing import anneal_sixth

        rest = target - items[taken].sum(axis=0)
        nearest, least = taken.copy(), float(abs(rest).max())
        self._see(np.concatenate([fixed, free[nearest]]))
        temperature = _HOT_SIXTH
        sweeps = max(1, int(_MORE_IN_SIXTH * length * _PROPOSALS / len(items)))
        cooling = (_COLD_SIXTH / _HOT_SIXTH) ** (1 / sweeps)
        a_proposal = _SECONDS_A_PROPOSAL + _SECONDS_A_COORDINATE * items.shape[1]
        for some in self._portions(sweeps, len(items) * a_proposal):
            before = least
            least = anneal_sixth(items, rest, taken, nearest, least, temperature, cooling, some, state)
            temperature *= cooling**some
            if least < before:
                self._see(np.concatenate([fixed, free[nearest]]))
            if self.units <= self.goal:
                return

    def _portions(self, sweeps: int, seconds: float) -> Iterator[int]:
        """Cut sweeps, of so many seconds each, into portions between two looks at the clock."""
        size = max(1, int(_PORTION / seconds))
        for done in range(0, sweeps, size):
            if self.limits.expired:
                return
            some = min(size, sweeps - done)
            self.limits.spend(some * seconds)
            yield some

    def _see(self, subset: Ints) -> None:
        """Keep a subset if it is nearer than the best."""
        units = self.problem.image.error(subset)
        if units < self.units:
            self.best, self.units = np.sort(subset).tolist(), units

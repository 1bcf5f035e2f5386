"""annealing: the smallest vectors annealed, in the 2-norm, then near the max norm (Kirkpatrick et al. 1983).

The longest items are taken or left by one pass that centres what remains; the shortest, some for each
dimension, are the resource: they are annealed, run after run, each of another length (Luby, Sinclair &
Zuckerman 1993) and after a pass in another order. In many dimensions nothing here comes nearer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.backend.anytime.lattice import MOST_DIMENSIONS
from solvers.backend.anytime.vector_search import FEW_VECTORS, NearestSoFar, VectorSearch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.protocol import Limits
    from solvers.kernels.array_types import Bools, Floats, Ints, Words
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_ITEMS_A_DIMENSION = (4, 6, 8)  # that are annealed, in turn
_FEWEST_ANNEALED = 40
_PROPOSALS = 1 << 18  # of a run of length 1, in either norm
_MORE_IN_SIXTH = 2
_HOT, _COLD = 0.3, 0.001  # in the 2-norm: shares of the median squared length of an item
_HOT_SIXTH, _WARM_SIXTH, _COLD_SIXTH = 0.5, 0.15, 0.05  # in the 6-norm: shares of its 6th power now
_RUNS = 6  # without a time limit
_LONGEST_RUN = 64.0
_OF_WHAT_IS_LEFT = 0.9  # of the time: the last run is to reach its end
_SECONDS_A_PROPOSAL = 2e-8  # and, in the 6-norm, for each coordinate
_SECONDS_A_COORDINATE = 1e-9
_PORTION = 0.02  # seconds between two looks at the clock


class Annealing(VectorSearch):
    """Annealing (Kirkpatrick, Gelatt & Vecchi 1983) of vectors; anytime, proves nothing but luck."""

    name = "annealing"
    summary = (
        "vectors of many dimensions, any number of items chosen; nearest and within; anytime: proven only "
        "where the search-free bound is met"
    )

    def memory(self, problem: SubsetSum) -> tuple[int, str]:
        """Return the bytes of the inner products."""
        annealed = _annealed(problem, max(_ITEMS_A_DIMENSION))
        return 8 * (3 * problem.n * problem.d + annealed**2), "its inner products"

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return whether there are so many dimensions that lattices come less near."""
        return problem.d > MOST_DIMENSIONS and problem.n >= FEW_VECTORS

    def search(self, nearest: NearestSoFar) -> None:
        """Anneal in runs; without a time limit, six of them."""
        annealer = _Annealer(nearest)
        for number, length in enumerate(_lengths(nearest.limits)):
            if not nearest.wanted:
                break
            annealer.run(number, length)


def _lengths(limits: Limits) -> Iterator[float]:
    """Yield the lengths of runs: twice as long each time, as far as the time that is left allows."""
    length, number = 1.0, 0
    while limits.seconds is not None or number < _RUNS:
        begun = limits.clock()
        yield length
        number += 1
        seconds = (limits.clock() - begun) / length  # a run of length 1
        length, left = 2 * length, limits.remaining
        if left is not None and seconds > 0:
            room = max(1.0, _OF_WHAT_IS_LEFT * left / seconds)
            length = room if 2 * length > room else length  # the last but one would be cut short
        length = min(length, _LONGEST_RUN)


def _annealed(problem: SubsetSum, a_dimension: int) -> int:
    return min(problem.n, max(_FEWEST_ANNEALED, a_dimension * problem.d))


class _Part(NamedTuple):
    """The items that are annealed, what remains for them, and where they stand in the whole problem."""

    items: Floats  # shape (m, d)
    target: Floats  # less the items that are fixed
    taken: Bools  # shape (m,), changed in place
    fixed: Ints  # items that are taken whatever happens here
    free: Ints  # shape (m,), places of the items
    state: Words  # of the random numbers

    @property
    def rest(self) -> Floats:
        """What remains of the target."""
        rest: Floats = self.target - self.items[self.taken].sum(axis=0)
        return rest

    def subset(self, taken: Bools) -> Ints:
        """Return the whole subset where these are taken."""
        return np.concatenate([self.fixed, self.free[taken]])


class _Annealer:
    """Runs that look for a nearer subset in float64."""

    def __init__(self, nearest: NearestSoFar) -> None:
        self.nearest, self.vectors, self.limits = nearest, nearest.vectors, nearest.limits
        n = nearest.problem.n
        # More than there are subsets by far would be no use.
        self.proposals = min(_PROPOSALS, n << min(n + 3, 18))

    def run(self, number: int, length: float) -> None:
        """Anneal once; every third time from the best subset on, and less hot."""
        turn = number % len(_ITEMS_A_DIMENSION)
        again = turn == len(_ITEMS_A_DIMENSION) - 1
        if again:
            chosen = np.zeros(self.nearest.problem.n, dtype=np.bool_)
            chosen[self.nearest.subset] = True
        else:
            chosen = self._pass(first=number == 0)
        part = self._part(chosen, _ITEMS_A_DIMENSION[turn])
        if not again:
            self._shorten(part, length)
        self._flatten(part, length, _WARM_SIXTH if again else _HOT_SIXTH)

    def _part(self, chosen: Bools, a_dimension: int) -> _Part:
        """Return the shortest items, so many a dimension, as a problem of their own."""
        free = self.vectors.order[-_annealed(self.nearest.problem, a_dimension) :]
        fixed = chosen.copy()
        fixed[free] = False
        items = np.ascontiguousarray(self.vectors.items[free])
        target = self.vectors.target - self.vectors.items[fixed].sum(axis=0)
        state = self.nearest.rng.integers(1, 1 << 63, 1).astype(np.uint64)
        return _Part(items, target, chosen[free], np.flatnonzero(fixed), free, state)

    def _pass(self, *, first: bool) -> Bools:
        """Take or leave every item in one pass, from about the longest to about the shortest."""
        order = self.vectors.order
        if not first:
            order = self.nearest.about_longest_first(np.arange(self.nearest.problem.n))
        return self.nearest.passed(order, self.vectors.target.copy())

    def _shorten(self, part: _Part, length: float) -> None:
        """Anneal the length of the rest."""
        from solvers.kernels.annealing import anneal_length

        gram, inner = part.items @ part.items.T, part.items @ part.rest
        temperature = _HOT * max(float(np.median(gram.diagonal())), 1e-300)
        sweeps = max(1, int(length * self.proposals / len(gram)))
        cooling = (_COLD / _HOT) ** (1 / sweeps)
        for some in self._portions(sweeps, len(gram) * _SECONDS_A_PROPOSAL):
            anneal_length(gram, inner, part.taken, temperature, cooling, some, part.state)
            temperature *= cooling**some

    def _flatten(self, part: _Part, length: float, temperature: float) -> None:
        """Anneal the 6-norm of the rest, and keep what is nearest in the max norm."""
        from solvers.kernels.annealing import anneal_sixth

        (m, d), rest, nearest = part.items.shape, part.rest, part.taken.copy()
        least = float(abs(rest).max())
        self.nearest.see(part.subset(nearest))
        sweeps = max(1, int(_MORE_IN_SIXTH * length * self.proposals / m))
        cooling = (_COLD_SIXTH / temperature) ** (1 / sweeps)
        for some in self._portions(sweeps, m * (_SECONDS_A_PROPOSAL + _SECONDS_A_COORDINATE * d)):
            before, heat = least, temperature
            least = anneal_sixth(
                part.items, rest, part.taken, nearest, least, heat, cooling, some, part.state
            )
            temperature *= cooling**some
            if least < before:
                self.nearest.see(part.subset(nearest))
            if self.nearest.units <= self.nearest.goal:
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

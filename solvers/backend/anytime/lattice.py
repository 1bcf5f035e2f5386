"""lattice: vectors whose sum is near a target are lattice points near a goal (Lagarias & Odlyzko 1985).

The longest items are taken or left by one pass that centres what remains; the shortest span a lattice: row i
is item i, doubled, beside a weight, doubled, in column i. Where every number is 0 or 1, the point is off from
the goal (the weights beside the target, doubled) by 1 weight in each column (Coster et al. 1992), so points
near the goal are subsets near the target. A basis is reduced by LLL (Lenstra, Lenstra & Lovász 1982) with
deep insertions, once, and then serves for many ways to take or leave the longest items.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from solvers.backend.anytime.k_tree import MOST_DIMENSIONS as DIMENSIONS_OF_TREES
from solvers.backend.anytime.vector_search import FEW_VECTORS, NearestSoFar, VectorSearch

if TYPE_CHECKING:
    from solvers.kernels.array_types import Floats, Ints
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

MOST_DIMENSIONS = 30  # that "auto" asks it about; beyond, annealing comes nearer
_SIZES = ((36, 2), (48, 3))  # of lattices, in turn: so many items, and so many for each dimension
_MOST_ITEMS = 160  # of a lattice
_BASES = 32  # without a time limit
_STEPS = 20_000  # of a reduction with deep insertions, at most
_NODES = 4096  # for each goal
_GOALS_SHARE = 1.0  # of the time of a reduction goes to goals
_SLACK = 0.12  # beyond the square of the weights, that points are looked for in
_TYPICAL = 0.7  # share of its largest number that a rest's coordinates are in the mean square
_NEARER, _FARTHER = 0.95, 1.03
_LEAST = 1e-280  # square that float64 holds well
_SECONDS_A_PRODUCT = 5e-10
_SECONDS_A_NODE = 5e-10  # and coefficient
_PORTION = 0.02  # seconds between two looks at the clock


class Lattice(VectorSearch):
    """Subsets as points of a lattice (Lagarias & Odlyzko 1985); vectors; anytime, proves nothing but luck."""

    name = "lattice"
    summary = (
        "vectors of some dimensions, any number of items chosen; nearest and within; anytime: proven only "
        "where the search-free bound is met"
    )

    def memory(self, problem: SubsetSum) -> tuple[int, str]:
        """Return the bytes of the lattice."""
        m = max(_sizes(problem))
        return 8 * (3 * problem.n * problem.d + 4 * m * (m + problem.d)), "its lattice"

    def suits(self, problem: SubsetSum, objective: Objective) -> bool:  # noqa: ARG002
        """Return whether lists come less near, and there are not so many dimensions that annealing does."""
        return DIMENSIONS_OF_TREES < problem.d <= MOST_DIMENSIONS and problem.n >= FEW_VECTORS

    def search(self, nearest: NearestSoFar) -> None:
        """Reduce one basis after the other; without a time limit, some."""
        lattices, sizes, number = _Lattices(nearest), _sizes(nearest.problem), 0
        while nearest.wanted and (nearest.limits.seconds is not None or number < _BASES):
            lattices.run(sizes[number % len(sizes)])
            number += 1


def _sizes(problem: SubsetSum) -> list[int]:
    """Return the numbers of items whose lattices are reduced, in turn."""
    return [min(problem.n, _MOST_ITEMS, fixed + each * problem.d) for fixed, each in _SIZES]


class _Window(NamedTuple):
    """The items of a lattice, and the others."""

    free: Ints  # shape (m,), places in the whole problem
    items: Floats  # shape (m, d)
    others: Ints
    weight: float

    @property
    def basis(self) -> Floats:
        """The rows before they are reduced."""
        return np.hstack([2 * self.weight * np.eye(len(self.free)), 2 * self.items])


class _Lattices:
    """Lattices in float64 that a nearer subset is looked for in."""

    def __init__(self, nearest: NearestSoFar) -> None:
        self.nearest, self.vectors, self.limits = nearest, nearest.vectors, nearest.limits
        self.aims: dict[int, float] = {}  # for each size, the squared length of a rest that is looked for

    def run(self, m: int) -> None:
        """Reduce the basis of some m of the shortest items, and look for points near some goals."""
        window = self._window(m)
        basis, shares, squares = window.basis, np.zeros((m, m)), np.zeros(m)
        seconds = self._reduce(basis, shares, squares)
        spent = 0.0
        while self.nearest.wanted:
            spent += self._look(window, basis, shares, squares)
            if spent > _GOALS_SHARE * seconds or not len(window.others):
                return

    def _window(self, m: int) -> _Window:
        """Choose about the shortest m items, in any order, and a weight that suits what is looked for."""
        order = self.nearest.about_longest_first(np.arange(self.nearest.problem.n))
        free = self.nearest.rng.permutation(order[-m:])
        items = np.ascontiguousarray(self.vectors.items[free])
        if m not in self.aims:
            self.aims[m] = min(_first_aim(items), self._useful)
        weight = math.sqrt(4 * self.aims[m] / (_SLACK * m))
        return _Window(free, items, np.sort(order[:-m]), weight)

    def _reduce(self, basis: Floats, shares: Floats, squares: Floats) -> float:
        """Reduce a basis, first without deep insertions; return the seconds that this costs, by estimate."""
        from solvers.kernels.lattice_reduction import reduce_basis

        (m, columns), seconds = basis.shape, 0.0
        a_step = _SECONDS_A_PRODUCT * m * columns
        portion = max(1, int(_PORTION / a_step))
        for depth in (1, m):
            row, steps = 0, 0
            while row < m and steps < _STEPS and not self.limits.expired:
                row, left = reduce_basis(basis, shares, squares, depth, row, portion)
                steps += portion - left
                self.limits.spend((portion - left) * a_step)
            seconds += steps * a_step
        # After the last step that there was time for, the rows to come are left in their order.
        reduce_basis(basis, shares, squares, 0, row, m)
        return seconds

    def _look(self, window: _Window, basis: Floats, shares: Floats, squares: Floats) -> float:
        """Look for points near a goal; return the seconds that this costs, by estimate."""
        from solvers.kernels.lattice_points import subsets_near

        m = len(window.free)
        fixed, target = self._pass(window)
        goal = np.concatenate([np.full(m, window.weight), 2 * target])
        best = np.zeros(m, dtype=np.bool_)
        radius = m * window.weight**2 + 4 * self.aims[m]
        _, points, left = subsets_near(
            basis, shares, squares, goal, window.items, target, radius, _NODES, math.inf, best
        )
        self.aims[m] *= _NEARER if points else _FARTHER
        if points:
            self.nearest.see(np.concatenate([fixed, window.free[best]]))
        self.aims[m] = max(min(self.aims[m], self._useful), _LEAST)
        seconds = (
            _NODES - left
        ) * _SECONDS_A_NODE * m + 1e-7 * self.nearest.problem.n * self.nearest.problem.d
        self.limits.spend(seconds)
        return seconds

    def _pass(self, window: _Window) -> tuple[Ints, Floats]:
        """Take or leave the other items; return those taken, and what remains of the target."""
        order = self.nearest.about_longest_first(window.others)
        chosen = self.nearest.passed(order, self.vectors.target - window.items.sum(axis=0) / 2)
        fixed = np.flatnonzero(chosen)
        return fixed, self.vectors.target - self.vectors.items[fixed].sum(axis=0)

    @property
    def _useful(self) -> float:
        """The squared length of a rest that is likely to be nearer than the best subset in the max norm."""
        rest: Floats = self.vectors.target - self.vectors.items[self.nearest.subset].sum(axis=0)
        return max(self.nearest.problem.d * (_TYPICAL * float(abs(rest).max())) ** 2, _LEAST)


def _first_aim(items: Floats) -> float:
    """Return a squared length of what remains that about the points of a reduced basis have."""
    m, d = items.shape
    lengths = np.maximum(np.linalg.svd(2 * items, compute_uv=False), math.sqrt(_LEAST))
    weight = math.exp(float(np.log(lengths).sum()) / d - math.log(1.7) * (m + 1) / d)
    return max(float(_SLACK * m * weight * weight) / 4, _LEAST)

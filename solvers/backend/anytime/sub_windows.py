"""Sub-windows: all items but a few stay as they are, and the few are solved exactly for what remains.

The move of large neighbourhood search (Shaw 1998) on subset sum. What remains of the target is kept in exact
integers, so a window's answer is the whole subset's error, however many moves came before.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.first_subset import float_vectors
from solvers.backend.grid import grid_of
from solvers.backend.mitm.meet_in_the_middle import MeetInTheMiddle
from solvers.backend.mitm.multidimensional import MultidimensionalMeetInTheMiddle
from solvers.backend.protocol import OutOfTimeError
from solvers.errors import UnsupportedProblemError
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from solvers.backend.protocol import Backend, Finding, Limits
    from solvers.solution import Objective

_SHARE_OF_SHORT, _SHORT_A_PLACE = 0.5, 3  # windows of short vectors; of so many for each that a window holds
_FLOAT_BITS = 53  # squares of such numbers, and sums of those, are far from overflow


def solved_exactly(problem: SubsetSum, objective: Objective, limits: Limits) -> Finding | None:
    """Return what an exact backend finds for a problem of one window's size; None without a subset."""
    solver: Backend = MeetInTheMiddle() if problem.d == 1 else MultidimensionalMeetInTheMiddle()
    if solver.refusal(problem, objective, limits) is not None:
        return None
    limits.spend(solver.seconds_to_proof(problem, objective) or 0.0)
    try:
        found = solver.solve(problem, objective, limits)
    except (UnsupportedProblemError, OutOfTimeError):  # magnitudes too mixed for so many items, or too late
        return None
    return None if found.subset is None else found


class Rounding:
    """Subsets whose sum is near the target, by random exchanges; only a start, so in float64."""

    def __init__(self, problem: SubsetSum) -> None:
        grid = grid_of(problem.image, _FLOAT_BITS)
        self.items: NDArray[np.float64] = grid.items.astype(np.float64)
        self.target: NDArray[np.float64] = grid.target.astype(np.float64)
        self.shift: int = grid.shift
        self.sizes: tuple[int, int] = problem.sizes

    def bits(self, size: int, goal: int) -> float:
        """Return how many subsets, as a power of 2, it takes for one within ``goal`` units of a target.

        The sums of random subsets of ``size`` typical items are about normal in each dimension.
        """
        spread = 0.5 * np.sqrt(size * np.mean(self.items**2, axis=0))
        width = math.log2(2 * goal + 1) - self.shift
        bits = np.log2(np.maximum(math.sqrt(2 * math.pi) * spread, 2.0**-9)) - width
        return float(np.maximum(bits, 0.0).sum())

    def subset(self, rng: np.random.Generator, *, few: bool = False) -> NDArray[np.bool_]:
        """Return a random subset of an allowed size near the target; ``few``: from large items, as few."""
        n, (low, high) = len(self.items), self.sizes
        chosen = np.zeros(n, dtype=np.bool_)
        by_norm = np.argsort(-np.abs(self.items).max(axis=1), kind="stable")
        size = low if few else min(max(n // 2, low), high)
        chosen[by_norm[:size] if few else rng.permutation(n)[:size]] = True
        difference = self.target - self.items[chosen].sum(axis=0)
        first = by_norm if few else rng.permutation(n)
        self._improve(difference, chosen, self.sizes, first, np.arange(n), rng)
        return chosen

    def around(self, free: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Return a subset of the items that are not free, so that half of the free ones' sum remains."""
        others = np.setdiff1d(np.arange(len(self.items)), free)
        chosen = np.zeros(len(self.items), dtype=np.bool_)
        difference = self.target - self.items[free].sum(axis=0) / 2
        self._improve(difference, chosen, (0, len(others)), rng.permutation(others), others, rng)
        return chosen

    def _improve(
        self,
        difference: NDArray[np.float64],
        chosen: NDArray[np.bool_],
        sizes: tuple[int, int],
        first: NDArray[np.int64],
        movable: NDArray[np.int64],
        rng: np.random.Generator,
    ) -> None:
        from solvers.kernels.list_merging import round_by_exchanges

        if movable.size == 0:
            return
        flips = np.concatenate([first, rng.permutation(movable)])
        proposals = [np.stack([flips, flips], axis=1), rng.choice(movable, (8 * movable.size + 64, 2))]
        round_by_exchanges(self.items, difference, chosen, *sizes, np.concatenate(proposals))


class Windows:
    """A subset of an allowed size that improves window by window; its error is exact at any time."""

    def __init__(self, problem: SubsetSum, chosen: NDArray[np.bool_], rng: np.random.Generator) -> None:
        self.problem = problem
        self.rng = rng
        self.chosen: NDArray[np.bool_] = chosen.copy()
        total = problem.image.total(self.subset)
        # Target less sum, in units of the image.
        self.remaining: list[int] = [t - s for t, s in zip(problem.image.target, total, strict=True)]

    @property
    def subset(self) -> list[int]:
        """The chosen items."""
        return [int(i) for i in np.flatnonzero(self.chosen)]

    @property
    def error(self) -> int:
        """The subset's exact error, in units."""
        return max(map(abs, self.remaining))

    @property
    def key(self) -> tuple[int, int]:
        """What "sparsest" minimises: (0, size) within the tolerance; (error beyond it, size) otherwise."""
        excess = max(0, self.error - (self.problem.tolerance_units or 0))
        return excess, int(self.chosen.sum())

    def improve(self, size: int, objective: Objective, limits: Limits) -> bool:
        """Solve a random window of ``size`` items; returns whether the subset got better."""
        window = self._random_window(size)
        sub_problem = self._sub_problem(window, fewer=objective == "sparsest")
        found = solved_exactly(sub_problem, objective, limits)
        return found is not None and self._accept(window, found.subset or [], objective)

    def adopt(self, subset: Sequence[int]) -> None:
        """Take another subset of an allowed size where it is nearer."""
        error = self.problem.image.error(subset)
        if error < self.error:
            self.chosen[:] = False
            self.chosen[list(subset)] = True
            total = self.problem.image.total(subset)
            self.remaining = [t - s for t, s in zip(self.problem.image.target, total, strict=True)]

    def _random_window(self, size: int) -> NDArray[np.int64]:
        """Take as many chosen as other items, as far as there are: what remains is then within reach.

        Of vectors every other window is one of the shortest: those are what small differences are made of.
        """
        pool = np.ones(self.problem.n, dtype=np.bool_)
        if self.problem.d > 1 and self.rng.random() < _SHARE_OF_SHORT:
            pool[float_vectors(self.problem).order[: -_SHORT_A_PLACE * size]] = False
        taken = self.rng.permutation(np.flatnonzero(self.chosen & pool))
        left = self.rng.permutation(np.flatnonzero(~self.chosen & pool))
        share = min(len(taken), max(size // 2, size - len(left)))
        return np.sort(np.concatenate([taken[:share], left[: size - share]]))

    def _sub_problem(self, window: NDArray[np.int64], *, fewer: bool) -> SubsetSum:
        image = self.problem.image
        items = [image.items[i] for i in window]
        inside = [item for item, taken in zip(items, self.chosen[window], strict=True) if taken]
        target = [r + sum(item[k] for item in inside) for k, r in enumerate(self.remaining)]
        outside = int(self.chosen.sum()) - len(inside)
        low, high = self.problem.sizes
        sizes = max(0, low - outside), min(len(items), high - outside)
        if fewer and self.key[0] == 0:
            sizes = sizes[0], max(sizes[0], len(inside))
        scalar = len(target) == 1
        return SubsetSum(
            [item[0] for item in items] if scalar else [list(item) for item in items],
            target[0] if scalar else target,
            tolerance=self.problem.tolerance_units,
            cardinality=None if sizes == (0, len(items)) else sizes,
        )

    def _accept(self, window: NDArray[np.int64], subset: Sequence[int], objective: Objective) -> bool:
        before, error_before = self.chosen.copy(), self.error
        key_before = self.key
        remaining_before = self.remaining
        items = self.problem.image.items
        wanted = np.zeros(len(window), dtype=np.bool_)
        wanted[list(subset)] = True
        moves = [
            (int(i), 1 if now else -1) for i, now in zip(window, wanted, strict=True) if now != before[i]
        ]
        self.remaining = [
            r - sum(sign * items[i][k] for i, sign in moves) for k, r in enumerate(remaining_before)
        ]
        self.chosen[window] = wanted
        if objective == "sparsest":
            better = (*self.key, self.error) < (*key_before, error_before)
        else:
            better = self.error < error_before
        if not better:
            self.chosen = before
            self.remaining = remaining_before
        return better

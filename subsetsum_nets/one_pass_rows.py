"""Rows that are vectors, answered in one pass each; and polished where that is not within the tolerance.

What is done depends on the items alone, not on a clock: the same network gives the same masks everywhere.
"""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np

from solvers import BatchSolution, Status
from solvers.kernels.annealing import anneal_sixth
from solvers.kernels.one_pass import flip_if_shorter, largest_first, take_if_shorter, take_towards_half

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from solvers.solution import Objective
    from subsetsum_nets.constructions import RowGroup
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints

_SWEEPS = 16  # at most, over all items; they end before where none makes the rest shorter
_ANNEALED, _LEAST_ANNEALED = 6, 40  # so many items for each coordinate; at least
_ANNEALING_SWEEPS, _HOT, _COLD = 256, 0.5, 0.05  # temperatures as shares of the present value
_STREAM = 0x5EED  # of the annealing, the same for every row


def solve_in_one_pass(
    groups: Sequence[RowGroup], tolerances: Sequence[FloatArray], objective: Objective
) -> BatchSolution:
    """Answer all rows of groups of one dimension; errors are exact, and nothing is proven to be nearest.

    Parameters
    ----------
    groups : sequence of RowGroup
    tolerances : sequence of float64 arrays, shape (R, J)
        One per group.
    objective : {"nearest", "within"}
        Both take what one pass finds.

    Raises
    ------
    ValueError
        For "sparsest".

    """
    if objective == "sparsest":
        raise ValueError(
            "one pass over vectors does not look for the fewest filters; objective is 'nearest' or 'within', "
            "got 'sparsest'"
        )
    started = perf_counter()
    rows = sum(group.place.rows for group in groups)
    masks = np.zeros((rows, max(group.valid.shape[2] for group in groups)), dtype=bool)
    limits = np.concatenate([each.ravel() for each in tolerances])
    errors, row = np.zeros(rows), 0
    for group in groups:
        parts = (group.flat(group.items), group.flat(group.valid), group.flat(group.targets))
        for items, valid, target in zip(*parts, strict=True):
            (there,) = np.nonzero(valid)
            taken, errors[row] = subset_of(items[there], target, float(limits[row]))
            masks[row, there[taken]] = True
            row += 1
    status = np.where(errors <= limits, Status.FEASIBLE, Status.UNKNOWN).astype(np.uint8)
    seconds = perf_counter() - started
    return BatchSolution(masks, errors, np.zeros(rows), status, objective, limits, seconds=seconds)


def subset_of(items: FloatArray, target: FloatArray, tolerance: float) -> tuple[Bools, float]:
    """Return a subset of items (n, d), and its error in the max norm, rounded up.

    Where one pass is not within the tolerance, it is polished, in this order, until something is: items are
    taken and dropped while that makes the rest shorter; the same from a pass that stays near half of what is
    left; the shortest items of both are annealed, in the 6-norm, for a fixed number of sweeps. The best of
    all and of the empty subset is returned.

    Examples
    --------
    >>> items = np.array([[1.0, 0.0], [0.0, 0.5], [0.5, 0.5]])
    >>> subset_of(items, np.array([1.0, 0.5]), 0.0)
    (array([ True,  True, False]), 0.0)

    """
    best = np.zeros(len(items), dtype=bool), float(np.abs(target).max(initial=0.0))
    for taken in _subsets(items, target):
        error = error_up(items[taken], target)
        if error < best[1]:
            best = taken.copy(), error
        if best[1] <= tolerance:
            break
    return best


def _subsets(items: FloatArray, target: FloatArray) -> Iterator[Bools]:
    """Yield subsets, cheap ones first."""
    order, polished = largest_first(items), []
    for rule in (take_if_shorter, take_towards_half):
        taken, rest = np.zeros(len(items), dtype=bool), target.astype(np.float64)
        rule(items, order, rest, taken)
        yield taken
        for _ in range(_SWEEPS):
            if not flip_if_shorter(items, order, rest, taken):
                break
        yield taken
        polished.append(taken)
    for taken in polished:
        yield _annealed(items, order, taken, target)


def _annealed(items: FloatArray, order: Ints, taken: Bools, target: FloatArray) -> Bools:
    """Return the subset with its shortest items annealed, or as it was if that does not bring it nearer."""
    shortest = order[-max(_LEAST_ANNEALED, _ANNEALED * len(target)) :]
    free, chosen, rest = items[shortest], taken[shortest], target - items[taken].sum(axis=0)
    best = chosen.copy()
    cooling = math.pow(_COLD / _HOT, 1 / _ANNEALING_SWEEPS)
    limits = float(np.abs(rest).max()), _HOT, cooling, _ANNEALING_SWEEPS
    anneal_sixth(free, rest, chosen, best, *limits, np.array([_STREAM], dtype=np.uint64))
    subset = taken.copy()
    subset[shortest] = best
    return subset


def error_up(items: FloatArray, target: FloatArray) -> float:
    """Return the max norm of the target less the sum of items, exactly, rounded up; items (k, d)."""
    sums = (math.fsum([wanted, *(-column).tolist()]) for wanted, column in zip(target, items.T, strict=True))
    error = max(map(abs, sums), default=0.0)  # each rounded once, to the nearest
    return error if error == 0.0 else math.nextafter(error, math.inf)

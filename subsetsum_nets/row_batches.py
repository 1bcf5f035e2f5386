"""All subset sums of a compile, answered: one batch for each dimension of rows, put together again."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import BatchSolution, solve_many
from solvers.solution import checked_objective
from subsetsum_nets.one_pass_rows import solve_in_one_pass

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from solvers.solution import Objective
    from subsetsum_nets.constructions import RowGroup
    from subsetsum_nets.networks.arrays import Bools, FloatArray


def solve_groups(
    groups: Sequence[RowGroup],
    tolerances: Sequence[FloatArray],
    *,
    objective: Objective,
    checkpoint: str | PathLike[str] | None = None,
    one_pass: bool = False,
    **options: Any,
) -> BatchSolution:
    """Answer all rows of all groups, in their order.

    Parameters
    ----------
    groups : sequence of RowGroup
        In ascending order of their dimensions.
    tolerances : sequence of float64 arrays, shape (R, J)
        One per group.
    objective, checkpoint, options
        As for :func:`solvers.solve_many`. Where rows are vectors, the batch of each dimension has a folder of
        its own in ``checkpoint``; ``progress`` counts each batch.
    one_pass : bool
        Whether vectors are decided in one pass, :mod:`subsetsum_nets.one_pass_rows`.

    """
    if not groups:  # over a domain of zeros no weight counts
        none = np.zeros(0)
        masks, status = np.zeros((0, 1), dtype=bool), np.zeros(0, dtype=np.uint8)
        return BatchSolution(masks, none, none, status, checked_objective(objective), none)
    batches: list[BatchSolution] = []
    vectors = groups[-1].place.dimension > 1
    for d, pairs in groupby(zip(groups, tolerances, strict=True), lambda pair: pair[0].place.dimension):
        mine, tolerance = zip(*pairs, strict=True)
        if one_pass and d > 1:
            batches.append(solve_in_one_pass(mine, tolerance, objective))
            continue
        batches.append(
            solve_many(
                _stacked([group.flat(group.items) for group in mine]),
                np.concatenate([group.flat(group.targets) for group in mine]),
                valid=_stacked([group.flat(group.valid) for group in mine]),
                objective=objective,
                tolerance=np.concatenate([each.ravel() for each in tolerance]),
                checkpoint=Path(checkpoint) / f"dimension-{d}" if checkpoint and vectors else checkpoint,
                **options,
            )
        )
    return batches[0] if len(batches) == 1 else _joined(batches)


def solve_rows(
    items: Sequence[NDArray[Any]],
    targets: Sequence[FloatArray],
    valid: Sequence[Bools],
    tolerances: Sequence[FloatArray],
    **options: Any,
) -> BatchSolution:
    """Answer the scalar rows of several tables of unlike widths as one batch; options as for solve_many."""
    if not sum(map(len, targets)):
        return solve_groups([], [], **options)
    goals, limits = np.concatenate(targets), np.concatenate(tolerances)
    return solve_many(_stacked(items), goals, valid=_stacked(valid), tolerance=limits, **options)


def by_group(groups: Sequence[RowGroup], masks: Bools) -> list[Bools]:
    """Cut the masks of all rows back to (R, J, m) a group."""
    cut, first = [], 0
    for group in groups:
        cut.append(masks[first : first + group.place.rows, : group.valid.shape[2]].reshape(group.valid.shape))
        first += group.place.rows
    return cut


def _stacked(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Return arrays (N, m, ..) one below the other; narrower ones get zeros, as unusable items."""
    widest = max(array.shape[1] for array in arrays)
    whole = np.zeros((sum(map(len, arrays)), widest, *arrays[0].shape[2:]), arrays[0].dtype)
    first = 0
    for array in arrays:
        whole[first : first + len(array), : array.shape[1]] = array
        first += len(array)
    return whole


def _joined(batches: Sequence[BatchSolution]) -> BatchSolution:
    """Return several batches as one, their rows one after the other."""

    def whole(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(batch, name) for batch in batches])

    failures: dict[int, str] = {}
    first = 0
    for batch in batches:
        failures |= {first + row: why for row, why in batch.failures.items()}
        first += len(batch)
    return BatchSolution(
        _stacked([batch.masks for batch in batches]),
        whole("errors"),
        whole("lower_bounds"),
        whole("status"),
        batches[0].objective,
        whole("tolerances"),
        seconds=sum(batch.seconds for batch in batches),
        failures=failures,
    )

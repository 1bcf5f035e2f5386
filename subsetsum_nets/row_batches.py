"""All subset sums of a compile, answered: one batch for each dimension of rows, put together again."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import BatchSolution, solve_many
from solvers.solution import checked_objective

if TYPE_CHECKING:
    from collections.abc import Sequence
    from os import PathLike

    from numpy.typing import NDArray

    from subsetsum_nets.constructions import RowGroup
    from subsetsum_nets.networks.arrays import FloatArray

    Bools = NDArray[np.bool_]


def solve_groups(
    groups: Sequence[RowGroup],
    tolerances: Sequence[FloatArray],
    *,
    objective: str,
    checkpoint: str | PathLike[str] | None = None,
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

    """
    if not groups:  # over a domain of zeros no weight counts
        none = np.zeros(0)
        masks, status = np.zeros((0, 1), dtype=bool), np.zeros(0, dtype=np.uint8)
        return BatchSolution(masks, none, none, status, checked_objective(objective), none)
    batches: list[BatchSolution] = []
    vectors = groups[-1].place.dimension > 1
    for d, pairs in groupby(zip(groups, tolerances, strict=True), lambda pair: pair[0].place.dimension):
        mine, tolerance = zip(*pairs, strict=True)
        items, valid, targets = _stacked(mine)
        batches.append(
            solve_many(
                items,
                targets,
                valid=valid,
                objective=objective,
                tolerance=np.concatenate([each.ravel() for each in tolerance]),
                checkpoint=Path(checkpoint) / f"dimension-{d}" if checkpoint and vectors else checkpoint,
                **options,
            )
        )
    return batches[0] if len(batches) == 1 else _joined(batches)


def by_group(groups: Sequence[RowGroup], masks: Bools) -> list[Bools]:
    """Cut the masks of all rows back to (R, J, m) a group."""
    cut, first = [], 0
    for group in groups:
        cut.append(masks[first : first + group.place.rows, : group.valid.shape[2]].reshape(group.valid.shape))
        first += group.place.rows
    return cut


def _stacked(groups: Sequence[RowGroup]) -> tuple[FloatArray, Bools, FloatArray]:
    """Return items, valid and targets of groups of one dimension; narrower ones get unusable items."""
    rows, widest = sum(group.place.rows for group in groups), max(group.valid.shape[2] for group in groups)
    vector = groups[0].targets.shape[2:]
    items, valid = np.zeros((rows, widest, *vector)), np.zeros((rows, widest), dtype=bool)
    first = 0
    for group in groups:
        last, width = first + group.place.rows, group.valid.shape[2]
        items[first:last, :width], valid[first:last, :width] = (
            group.flat(group.items),
            group.flat(group.valid),
        )
        first = last
    return items, valid, np.concatenate([group.flat(group.targets) for group in groups])


def _joined(batches: Sequence[BatchSolution]) -> BatchSolution:
    """Return several batches as one, their rows one after the other."""

    def whole(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(batch, name) for batch in batches])

    widest = max(batch.masks.shape[1] for batch in batches)
    masks = [np.pad(batch.masks, ((0, 0), (0, widest - batch.masks.shape[1]))) for batch in batches]
    failures: dict[int, str] = {}
    first = 0
    for batch in batches:
        failures |= {first + row: why for row, why in batch.failures.items()}
        first += len(batch)
    return BatchSolution(
        np.concatenate(masks),
        whole("errors"),
        whole("lower_bounds"),
        whole("status"),
        batches[0].objective,
        whole("tolerances"),
        seconds=sum(batch.seconds for batch in batches),
        failures=failures,
    )

"""All subset sums of a compile, answered: one batch for each dimension of rows, put together again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import BatchSolution, solve_many
from solvers.solution import checked_objective

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
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
    progress: bool | Callable[[int, int], object] = False,
    **options: Any,
) -> BatchSolution:
    """Answer all rows of all groups, in their order.

    Parameters
    ----------
    groups : sequence of RowGroup
    tolerances : sequence of float64 arrays, shape (R, J)
        One per group.
    objective, checkpoint, progress, options
        As for :func:`solvers.solve_many`. Where rows have several dimensions, the batch of each has a folder
        of its own in ``checkpoint``.

    """
    if not groups:  # over a domain of zeros no weight counts
        none = np.zeros(0)
        masks, status = np.zeros((0, 1), dtype=bool), np.zeros(0, dtype=np.uint8)
        return BatchSolution(masks, none, none, status, checked_objective(objective), none)
    dimensions = sorted({group.place.dimension for group in groups})
    total, done = sum(group.rows for group in groups), 0
    batches = {}
    for d in dimensions:
        chosen = [index for index, group in enumerate(groups) if group.place.dimension == d]
        folder, shown = checkpoint, progress
        if len(dimensions) > 1:
            folder = None if checkpoint is None else Path(checkpoint) / f"dimension-{d}"
            shown = _of_all(progress, done, total) if callable(progress) else progress
        items, valid, targets = _stacked([groups[index] for index in chosen])
        batches[d] = solve_many(
            items,
            targets,
            valid=valid,
            objective=objective,
            tolerance=np.concatenate([tolerances[index].ravel() for index in chosen]),
            checkpoint=folder,
            progress=shown,
            **options,
        )
        done += len(targets)
    return batches[d] if len(batches) == 1 else _joined(groups, batches)


def by_group(groups: Sequence[RowGroup], masks: Bools) -> list[Bools]:
    """Cut the masks of all rows back to (R, J, m) a group."""
    cut, first = [], 0
    for group in groups:
        cut.append(masks[first : first + group.rows, : group.valid.shape[2]].reshape(group.valid.shape))
        first += group.rows
    return cut


def _of_all(progress: Callable[[int, int], object], before: int, total: int) -> Callable[[int, Any], object]:
    return lambda done, _: progress(before + done, total)


def _stacked(groups: Sequence[RowGroup]) -> tuple[FloatArray, Bools, FloatArray]:
    """Return items, valid and targets of groups of one dimension; narrower ones get unusable items."""
    rows, widest = sum(group.rows for group in groups), max(group.valid.shape[2] for group in groups)
    vector = groups[0].targets.shape[2:]
    items, valid = np.zeros((rows, widest, *vector)), np.zeros((rows, widest), dtype=bool)
    first = 0
    for group in groups:
        last, width = first + group.rows, group.valid.shape[2]
        items[first:last, :width], valid[first:last, :width] = (
            group.flat(group.items),
            group.flat(group.valid),
        )
        first = last
    return items, valid, np.concatenate([group.flat(group.targets) for group in groups])


def _joined(groups: Sequence[RowGroup], batches: Mapping[int, BatchSolution]) -> BatchSolution:
    """Return the batches of several dimensions as one, its rows in the order of the groups."""
    starts = dict.fromkeys(batches, 0)
    parts: list[tuple[BatchSolution, slice]] = []
    failures: dict[int, str] = {}
    row = 0
    for group in groups:
        d = group.place.dimension
        first, starts[d] = starts[d], starts[d] + group.rows
        parts.append((batches[d], slice(first, starts[d])))
        mine = batches[d].failures.items()
        failures |= {row + k - first: why for k, why in mine if first <= k < starts[d]}
        row += group.rows

    def whole(name: str) -> NDArray[Any]:
        return np.concatenate([getattr(batch, name)[rows] for batch, rows in parts])

    widest = max(batch.masks.shape[1] for batch in batches.values())
    masks = [np.pad(batch.masks[rows], ((0, 0), (0, widest - batch.masks.shape[1]))) for batch, rows in parts]
    return BatchSolution(
        np.concatenate(masks),
        whole("errors"),
        whole("lower_bounds"),
        whole("status"),
        parts[0][0].objective,
        whole("tolerances"),
        seconds=sum(batch.seconds for batch in batches.values()),
        failures=failures,
    )

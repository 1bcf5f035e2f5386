"""How long the subset sums of a compile will take, said before they are solved where it is long.

Meet in the middle takes time in proportion to 2^(m/2) for m items. The factors were measured on one core of a
server of 2024, rows of products of two uniforms with one subset in a hundred within the tolerance; a
prediction within a factor of three or so.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions import RowGroup

_LOG = logging.getLogger("subsetsum_nets")
_COMPILED_ITEMS = 32  # up to which rows are solved by a compiled kernel
_SECONDS_AT_28, _SECONDS_AT_34 = 8e-5, 4e-3
_LEAST_SECONDS = 2e-6
_SPARSEST = 5.0  # times as long
_LONG = 60.0  # seconds


class WorkEstimate(NamedTuple):
    """What rows of subset sums are expected to take.

    Attributes
    ----------
    rows, items : int
        How many, and items at most.
    seconds : float
        On all threads.
    bytes : int
        Of the rows alone, without what a solver needs.

    """

    rows: int
    items: int
    seconds: float
    bytes: int


def estimated_work(
    groups: Sequence[RowGroup], *, objective: str = "nearest", threads: int | None = None
) -> WorkEstimate:
    """Return what solving all rows is expected to take.

    Parameters
    ----------
    groups : sequence of RowGroup
    objective : {"nearest", "within", "sparsest"}
    threads : int, optional
        All cores by default.

    """
    counts = [group.flat(group.valid).sum(axis=1) for group in groups]
    items = np.concatenate([np.zeros(0, np.int64), *counts])
    compiled = items <= _COMPILED_ITEMS
    each = np.where(
        compiled,
        _LEAST_SECONDS + _SECONDS_AT_28 * np.exp2((items - 28) / 2),
        _SECONDS_AT_34 * np.exp2((items - 34) / 2),
    )
    factor = (_SPARSEST if objective == "sparsest" else 1.0) / (threads or os.cpu_count() or 1)
    # Stacked for the solver once more.
    size = 2 * sum(group.items.nbytes + group.valid.nbytes + group.units.nbytes for group in groups)
    return WorkEstimate(items.size, int(items.max(initial=0)), float(each.sum()) * factor, size)


def announce(work: WorkEstimate) -> None:
    """Log a warning that says how long it will take and what is cheaper, where that is over a minute."""
    if work.seconds <= _LONG:
        return
    _LOG.warning(
        "%s subset sums of up to %s items: expected to take about %s and %.1f GB. Cheaper: an epsilon 16 "
        "times as large takes about a quarter of that; objective='within' up to four times less where rows "
        "have more than %s items. With checkpoint=FOLDER the run may be interrupted.",
        f"{work.rows:,}",
        work.items,
        _shown(work.seconds),
        work.bytes / 1e9,
        _COMPILED_ITEMS,
    )


def _shown(seconds: float) -> str:
    for size, unit in ((86400.0, "days"), (3600.0, "hours")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 60:.0f} minutes"

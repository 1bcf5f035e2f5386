"""The subset sums of Experiment 1: those asked for, and the nearest ones where none is within epsilon."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from solvers import Status, solve_many

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from subsetsum_nets.experiments.weight_rows import WeightRows
    from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints


@dataclass(frozen=True)
class Asked:
    """The question, but for network and data."""

    items: int
    interval: tuple[float, float] | None
    draw: Any
    objective: Any
    epsilon: float
    seed: int

    @property
    def ends(self) -> tuple[float, float]:
        """The range of the coefficients, once it is known."""
        if self.interval is None:
            raise ValueError("the range of the coefficients is not known yet")
        return self.interval


@dataclass(frozen=True)
class Answers:
    """A subset for every weight.

    Attributes
    ----------
    masks : bool, shape (N, n)
    errors : float64, shape (N,)
        Exact distances from weight to subset sum, rounded up.
    statuses : dict of str to int
        How many rows were answered how, for those statuses that occur.
    seconds, processor_seconds : float
        Of solving; a run that was resumed counts from there.

    """

    masks: Bools
    errors: FloatArray
    statuses: dict[str, int]
    seconds: float
    processor_seconds: float

    @property
    def sizes(self) -> Ints:
        """How many coefficients each subset keeps."""
        sizes: Ints = self.masks.sum(axis=1, dtype=np.int64)
        return sizes


def answered(
    rows: WeightRows,
    asked: Asked,
    checkpoint: Path,
    threads: int | None,
    progress: bool | Callable[[int, Any], object],
) -> Answers:
    """Answer all rows; RuntimeError if any is left open."""
    began, used = time.perf_counter(), time.process_time()
    options: dict[str, Any] = {"threads": threads, "progress": progress}
    found = solve_many(
        rows.coefficients,
        rows.weights,
        objective=asked.objective,
        tolerance=None if asked.objective == "nearest" else asked.epsilon,
        checkpoint=checkpoint / asked.objective,
        **options,
    )
    masks, errors = found.masks.copy(), found.errors.copy()
    missed = found.status == Status.INFEASIBLE
    if missed.any():
        nearest = solve_many(
            rows.coefficients[missed], rows.weights[missed], checkpoint=checkpoint / "missed", **options
        )
        masks[missed], errors[missed] = nearest.masks, nearest.errors
        _check_settled(nearest.status)
    _check_settled(found.status)
    counted = {status.name.lower(): int((found.status == status).sum()) for status in Status}
    statuses = {name: count for name, count in counted.items() if count}
    return Answers(masks, errors, statuses, time.perf_counter() - began, time.process_time() - used)


def _check_settled(status: Any) -> None:
    unknown = int((status == Status.UNKNOWN).sum())
    if unknown:
        raise RuntimeError(f"{unknown} subset sums are not settled")

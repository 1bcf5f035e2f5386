"""Rows of subset-sum problems: what one chunk of solve_many() is asked, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from solvers.solution import Objective, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class BatchQuestion:
    """What is asked of every row."""

    objective: Objective
    cardinality: tuple[int, int] | None
    backend: str
    seed: int

    def __str__(self) -> str:
        """Return what the digests of checkpoints hold, of this version's and of older ones."""
        asked = f"objective={self.objective!r}, cardinality={self.cardinality!r}, backend={self.backend!r}"
        return f"Question({asked}, seed={self.seed!r})"


@dataclass(frozen=True)
class Rows:
    """Some rows and all that it takes to answer them; picklable."""

    items: NDArray[Any]  # shape (N, n) or (N, n, d); (n,) or (n, d) where all rows share them
    targets: NDArray[Any]  # shape (N,) or (N, d)
    valid: NDArray[np.bool_]  # shape (N, n) or (n,)
    tolerances: NDArray[np.float64]  # shape (N,) or (), inf for none
    question: BatchQuestion
    seconds: float | None = None  # the time they may take, counted from when they are begun, wherever that is

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def n(self) -> int:
        """The number of items offered to each row."""
        return int(self.valid.shape[-1])

    @property
    def shared(self) -> bool:
        """Whether all rows were given the same items."""
        return self.items.ndim == self.targets.ndim

    def take(self, rows: slice | NDArray[np.int64]) -> Rows:
        """Return some of the rows."""
        return replace(
            self,
            items=self.items if self.shared else self.items[rows],
            targets=self.targets[rows],
            valid=self.valid if self.valid.ndim == 1 else self.valid[rows],
            tolerances=self.tolerances if self.tolerances.ndim == 0 else self.tolerances[rows],
        )

    def items_of(self, row: int) -> NDArray[Any]:
        """Return the items of one row, shape (n,) or (n, d)."""
        items: NDArray[Any] = self.items if self.shared else self.items[row]
        return items

    def valid_of(self, row: int) -> NDArray[np.int64]:
        """Return the places of the items that one row may use."""
        return np.flatnonzero(self.valid if self.valid.ndim == 1 else self.valid[row])

    def tolerance_of(self, row: int) -> float:
        """Return the tolerance of one row; inf for none."""
        return float(self.tolerances if self.tolerances.ndim == 0 else self.tolerances[row])


class Failure(NamedTuple):
    """Why a row has no answer: the exception's name and text."""

    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


@dataclass(frozen=True)
class Answers:
    """The answers to some rows, as in BatchSolution; failed rows are UNKNOWN."""

    masks: NDArray[np.bool_]
    errors: NDArray[np.float64]
    lower: NDArray[np.float64]
    status: NDArray[np.uint8]
    failures: dict[int, Failure] = field(default_factory=dict)

    @classmethod
    def unknown(cls, rows: int, n: int) -> Answers:
        """Return what is known before anything is solved."""
        return cls(
            np.zeros((rows, n), dtype=bool),
            np.full(rows, np.inf),
            np.zeros(rows),
            np.full(rows, Status.UNKNOWN, dtype=np.uint8),
        )

    def __len__(self) -> int:
        return len(self.status)

    def __reduce__(self) -> tuple[Any, ...]:
        """Send masks as bits: half of an answer's bytes."""
        bits = np.packbits(self.masks, axis=1)
        return _unpacked, (bits, self.masks.shape[1], self.errors, self.lower, self.status, self.failures)

    def put(self, rows: slice | NDArray[np.int64], answers: Answers) -> None:
        """Write the answers to some of the rows into these."""
        self.masks[rows], self.errors[rows] = answers.masks, answers.errors
        self.lower[rows], self.status[rows] = answers.lower, answers.status
        if answers.failures:
            places = np.arange(len(self))[rows]
            self.failures.update({int(places[k]): why for k, why in answers.failures.items()})

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Return the answers to consecutive rows."""
        whole = cls.unknown(sum(map(len, parts)), parts[0].masks.shape[1])
        first = 0
        for part in parts:
            whole.put(slice(first, first + len(part)), part)
            first += len(part)
        return whole


def _unpacked(bits: NDArray[np.uint8], n: int, *rest: Any) -> Answers:
    return Answers(np.unpackbits(bits, axis=1, count=n).view(np.bool_), *rest)

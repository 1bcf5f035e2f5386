"""What a compile is asked to do, and what it offers in answer: between a construction and an allocation.

An allocation says how many candidates a network needs and how far each subset sum may be off:
:mod:`.recursion` and :mod:`.tight`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from subsetsum_nets.allocation.sizing import wider
from subsetsum_nets.networks.convolution_matrix import has_kernel
from subsetsum_nets.verification.enclosures.midrad import entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from subsetsum_nets.allocation.sizing import Sizing
    from subsetsum_nets.choices import Norm
    from subsetsum_nets.constructions.protocol import Construction, RowGroup, RowPlace
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.enclosures.midrad import Matrix

ALLOWANCE = 1 - 2**-10  # of epsilon goes to weight errors; the rest covers rounding in the verifier
NORM: Norm = "l2"


@dataclass(frozen=True, eq=False)
class CompileTask:
    """What ``prune`` was asked: a target, the construction, and what is required."""

    construction: Construction
    target: ReluNetwork
    domain: Domain
    epsilon: float
    delta: float
    objective: str = "nearest"

    @cached_property
    def places(self) -> list[RowPlace]:
        """Where rows are needed; there is a group of rows for each."""
        return self.construction.places(self.target, self.domain)

    @cached_property
    def rows(self) -> int:
        """The number of subset sums; at least 1."""
        return max(1, sum(place.rows for place in self.places))

    def groups(self, random: ReluNetwork) -> Iterator[RowGroup]:
        """Yield the rows that a random network offers at each place, with all their items."""
        for place in self.places:
            yield self.construction.rows(self.target, random, place)

    def arranged(self, errors: Sequence[FloatArray]) -> list[tuple[Matrix, Matrix, FloatArray]]:
        """Arrange errors of rows, shape (R, J) a place, as (E+, E-, e_b) of every layer, as its weight is.

        The error of a vector is that of each of its coordinates. Where no row is needed no error counts: 0.
        """
        layers = []
        for index, (layer, affine) in enumerate(
            zip(self.target.layers, self.target.affine_layers, strict=True)
        ):
            shape = layer.matrix.shape
            sides = {side: np.zeros((shape[0], shape[1] + 1)) for side in ("positive", "negative")}
            for place, error in zip(self.places, errors, strict=True):
                if place.layer != index:
                    continue
                for side in ("positive", "negative") if place.side == "both" else (place.side,):
                    sides[side][place.entries] = np.repeat(error, place.dimension, axis=0)
            constant = sides["positive"][:, -1]
            weights: list[Matrix] = [matrix[:, :-1] for matrix in sides.values()]
            if has_kernel(kernel := affine.weight):  # of the bias, one entry of the kernel has rows
                weights = [kernel.with_kernel(layer.from_matrix(entries(matrix))) for matrix in weights]
                constant = constant.reshape(-1, kernel.kernel.shape[3]).sum(axis=0)
            layers.append((weights[0], weights[1], np.tile(constant, affine.d_out // len(constant))))
        return layers


@dataclass(frozen=True, eq=False)
class Offer:
    """The subset sums to solve.

    Attributes
    ----------
    groups : list of RowGroup
    tolerances : list of float64 arrays, shape (R, J)
        One per group.
    items : int
        Items at most that a row has.
    enough : bool
        Whether solving these is predicted to reach epsilon.
    expected : list of float64 arrays, shape (R, J)
        The errors of the nearest subsets that are expected, one per group; empty where nobody asks.

    """

    groups: list[RowGroup]
    tolerances: list[FloatArray]
    items: int
    enough: bool
    expected: list[FloatArray] = field(default_factory=list)

    @property
    def total(self) -> int:
        """The number of items of all rows."""
        return sum(int(group.valid.sum()) for group in self.groups)


class Allocation(ABC):
    """A way to share epsilon out over the weights."""

    met_is_proven: ClassVar[bool]  # whether a network whose rows all meet their tolerances always verifies

    def __init__(self, task: CompileTask) -> None:
        self._task = task

    @property
    @abstractmethod
    def sizing(self) -> Sizing:
        """What a network needs that fails with probability delta."""

    def sizes(self) -> Iterator[int]:
        """Yield numbers of candidates, ascending to that: to be drawn until an offer is enough."""
        yield self.sizing.candidates

    @abstractmethod
    def offer(self, random: ReluNetwork) -> Offer:
        """Return the subset sums that a random network offers, with their tolerances."""

    def tightened(self, random: ReluNetwork, offer: Offer, bound: float) -> Offer | None:  # noqa: ARG002
        """Return subset sums with smaller errors, where only ``bound`` was proven; None if there are none."""
        return None

    def wider(self, candidates: int, bound: float) -> int | None:  # noqa: ARG002
        """Return how many candidates should do, where these proved only ``bound``; None if unknown."""
        return None

    def enough(self, candidates: int, ratio: float, groups: Sequence[RowGroup]) -> int | None:
        """Return how many candidates should do, where rows missed by a factor of ``ratio``; None if none."""
        return wider(self._task.construction, self.sizing, candidates, ratio, groups)

    def advice(self, ratio: float) -> str | None:  # noqa: ARG002 - others say more
        """Return what should do, where that is no number of candidates."""
        return None

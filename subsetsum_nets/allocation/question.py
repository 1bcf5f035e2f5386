"""What a compile asks, and what it offers in answer: between a construction and the allocation of epsilon.

An allocation says how many candidates a network needs and how far each subset sum may be off:
:mod:`.recursion` and :mod:`.tight`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from subsetsum_nets.constructions.protocol import InputSigns

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.allocation.sizing import Sizing
    from subsetsum_nets.constructions.protocol import Construction, RowGroup, Side
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork

ALLOWANCE = 1 - 2**-10  # of epsilon goes to weight errors; the rest covers rounding in the verifier
NORM = "l2"


class Place(Protocol):
    """Which effective weights some rows stand for; a RowGroup is one."""

    @property
    def layer(self) -> int:
        """The target layer."""

    @property
    def side(self) -> Side:
        """The sign of the inputs for which the weights count."""

    @property
    def columns(self) -> NDArray[np.int64]:
        """Inputs of the layer, shape (J,); d_in stands for the bias."""


@dataclass(frozen=True, eq=False)
class RowPlace:
    """The place of a group of rows before there is a random network; see :class:`Place`."""

    layer: int
    side: Side
    columns: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Question:
    """A target, the construction, and what is required.

    Attributes
    ----------
    method : Construction
    target : ReluNetwork
    domain : Box or Ball
    signs : list of InputSigns
        Of the inputs of every layer.
    epsilon, delta : float
    objective : {"nearest", "within", "sparsest"}

    """

    method: Construction
    target: ReluNetwork
    domain: Domain
    signs: list[InputSigns]
    epsilon: float
    delta: float
    objective: str

    @classmethod
    def ask(
        cls,
        method: Construction,
        target: ReluNetwork,
        domain: Domain,
        epsilon: float,
        delta: float,
        objective: str = "nearest",
    ) -> Question:
        """Ask, with the signs that the domain gives."""
        signs = InputSigns.of_layers(target, domain)
        return cls(method, target, domain, signs, epsilon, delta, objective)

    @property
    def places(self) -> list[RowPlace]:
        """Where rows are needed, in the order in which the construction's groups come."""
        return [
            RowPlace(index, side, self.method.columns(sign, side))
            for index, sign in enumerate(self.signs)
            for side in self.method.sides(sign)
            if self.method.columns(sign, side).size
        ]

    @property
    def rows(self) -> int:
        """The number of subset sums; at least 1."""
        rows = [self.target.dense_layers[place.layer].d_out * len(place.columns) for place in self.places]
        return max(1, sum(int(count) for count in rows))


@dataclass(frozen=True, eq=False)
class Offer:
    """The subset sums to solve.

    Attributes
    ----------
    groups : list of RowGroup
    tolerances : list of float64 arrays, shape (d_out, J)
        One per group.
    expected : list of float64 arrays, shape (d_out, J)
        The errors of the nearest subsets that are expected; one per group.
    items : int
        Items at most that a row has.
    enough : bool
        Whether solving these is predicted to reach epsilon.

    """

    groups: list[RowGroup]
    tolerances: list[FloatArray]
    expected: list[FloatArray]
    items: int
    enough: bool

    @property
    def total(self) -> int:
        """The number of items of all rows."""
        return sum(int(group.valid.sum()) for group in self.groups)


class Allocation(Protocol):
    """A way to share epsilon out over the weights."""

    met_is_proven: bool  # whether a network whose rows all meet their tolerances always verifies

    @property
    def sizing(self) -> Sizing:
        """What a network needs that fails with probability delta."""

    def sizes(self) -> Iterator[int]:
        """Yield numbers of candidates, ascending to that: to be drawn until an offer is enough."""

    def offer(self, random: ReluNetwork) -> Offer:
        """Return the subset sums that a random network offers, with their tolerances."""

    def tightened(self, random: ReluNetwork, offer: Offer, bound: float) -> Offer | None:
        """Return subset sums with smaller errors, where only ``bound`` was proven; None if there are none."""

    def wider(self, candidates: int, bound: float) -> int | None:
        """Return how many candidates should do, where these proved only ``bound``; None if unknown."""


def arranged(
    target: ReluNetwork, places: Sequence[Place], errors: Sequence[FloatArray]
) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Arrange errors of rows, shape (d_out, J) a place, as (E+, E-, e_b) of every layer.

    Where no row is needed no error counts: 0.
    """
    layers = []
    for index, layer in enumerate(target.dense_layers):
        columns = layer.d_in + (layer.bias is not None)
        sides = {side: np.zeros((layer.d_out, columns)) for side in ("positive", "negative")}
        for place, error in zip(places, errors, strict=True):
            if place.layer != index:
                continue
            for side in ("positive", "negative") if place.side == "both" else (place.side,):
                sides[side][:, place.columns] = error
        bias = sides["positive"][:, layer.d_in] if layer.bias is not None else np.zeros(layer.d_out)
        layers.append((sides["positive"][:, : layer.d_in], sides["negative"][:, : layer.d_in], bias))
    return layers

"""What every construction shares: rows of subset sums, the signs of inputs, and the protocol."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np

from subsetsum_nets.networks.arrays import dense_array
from subsetsum_nets.networks.distributions import Uniform

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]

Side = Literal["positive", "negative", "both"]


@dataclass(frozen=True, eq=False)
class InputSigns:
    """Which signs the inputs of a target layer can take; the constant-one input, where there is one, is last.

    Attributes
    ----------
    positive, negative : bool arrays, shape (columns,)
        Whether the input can be > 0, < 0. ``columns`` is d_in, plus 1 for a layer with bias.

    """

    positive: Bools
    negative: Bools

    @classmethod
    def of_layers(cls, target: ReluNetwork, domain: Domain) -> list[InputSigns]:
        """Return the signs for each layer: from the domain for the first, non-negative behind every ReLU."""
        low, high = domain.bounds(target.widths[0])
        signs = []
        for index, layer in enumerate(target.dense_layers):
            if index:
                low = np.zeros(layer.d_in) if target.relu_after[index - 1] else np.full(layer.d_in, -1.0)
                high = np.ones(layer.d_in)
            constant = [] if layer.bias is None else [1.0]
            signs.append(cls(np.append(high, constant) > 0, np.append(low, constant) < 0))
        return signs

    def columns(self, side: Side) -> NDArray[np.int64]:
        """Return the inputs for which this side counts at all."""
        if side == "both":
            return np.flatnonzero(self.positive | self.negative)
        return np.flatnonzero(self.positive if side == "positive" else self.negative)


@dataclass(frozen=True, eq=False)
class RowGroup:
    """The subset-sum problems of one target layer for one sign of its inputs.

    The row of target weight (i, j) has the items ``items[i, j]`` (those that are ``valid``): what each
    offered unit would add to the effective weight if its outgoing weight were kept.

    Attributes
    ----------
    layer : int
        The target layer.
    side : {"positive", "negative", "both"}
        Whether the effective weight counts for inputs > 0, < 0, or all.
    columns : int array, shape (J,)
        Inputs of the target layer; d_in stands for the constant-one input of its bias.
    items : float64, shape (d_out, J, m)
        Products of two weights are rounded to float64; for drawn networks they are exact.
    valid : bool, shape (d_out, J, m)
    targets : float64, shape (d_out, J)
    units : int array, shape (d_out, J, m)
        The hidden unit behind each item.

    """

    layer: int
    side: Side
    columns: NDArray[np.int64]
    items: FloatArray
    valid: Bools
    targets: FloatArray
    units: NDArray[np.int64]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.targets.size)


@dataclass(frozen=True)
class ItemLaw:
    """The law of a row's items: what :mod:`~subsetsum_nets.allocation.sizing` needs to size a network.

    Attributes
    ----------
    second_moment : float
        E[X^2] of an item for a unit item scale.
    share : float
        Units per candidate from which a row draws: 2 when both halves serve both signs, 1 otherwise.
    usable : float
        Probability that such a unit has the right sign; 1.0 when every candidate is an item.

    """

    second_moment: float
    share: int
    usable: float

    @property
    def factors(self) -> int:
        """How many U[-1, 1] an item is a product of: E[X^2] = 3^-factors."""
        return round(-math.log(self.second_moment, 3))


class Construction(Protocol):
    """A theorem made to work: how a target weight becomes subset sums of a random network's weights."""

    name: str
    law: ItemLaw
    least_scale: float  # the smallest range from which the pruned weights are drawn

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return how to draw the random network for ``candidates`` units per subset sum."""

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return how many candidates a given network offers; InvalidNetworkError if it misfits."""

    def sides(self, signs: InputSigns) -> tuple[Side, ...]:
        """Return the sides for which a layer with such inputs needs subset sums."""

    def columns(self, signs: InputSigns, side: Side) -> NDArray[np.int64]:
        """Return the inputs whose weights have rows on this side."""

    def rows(
        self, target: ReluNetwork, random: ReluNetwork, signs: Sequence[InputSigns], most_items: int
    ) -> list[RowGroup]:
        """Return the rows of all layers; a row offers at most ``most_items`` items."""

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Write the solved subsets, shape (d_out, J, m) a group, into masks of the random network."""


def weight_with_bias(layer: Dense) -> FloatArray:
    """Return the dense weight (d_out, d_in), with the bias as one more column where there is one."""
    weight = dense_array(layer.weight)
    return weight if layer.bias is None else np.column_stack([weight, layer.bias])


def covering_scale(layer: Dense, *, least: float) -> float:
    """Return the smallest power of two that is at least ``least`` and every absolute weight of the layer.

    A power of two keeps drawn weights on a dyadic grid, so that their products stay exact in float64.
    """
    largest = float(np.abs(weight_with_bias(layer)).max())
    needed = max(largest, least)
    if needed == 0.0:
        return 1.0
    return math.ldexp(1.0, math.ceil(math.log2(needed))) if needed > 0 else least


def covering_uniform(layer: Dense, *, least: float = 0.0) -> Uniform:
    """Return U[-s, s] with the scale of :func:`covering_scale`."""
    return Uniform(covering_scale(layer, least=least))

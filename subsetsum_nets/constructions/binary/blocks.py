"""Blocks in a network of weights +-1: where each stands, what its first layer reads, and what is kept of it.

Before a block there may be layers that have nothing to do: in each of them one unit carries each input on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from subsetsum_nets.constructions.binary.choosing import matched
from subsetsum_nets.constructions.binary.rows import forget_idle_units
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.constructions.binary.rows import BlockRows
    from subsetsum_nets.constructions.binary.selecting import SelectBlock
    from subsetsum_nets.networks.arrays import Bools, Ints
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.random_networks import RandomRecipe

    Rows = BlockRows | SelectBlock


class Placed(NamedTuple):
    """A block in a network.

    Attributes
    ----------
    start : int
        Its first layer; of those that carry, where there are some.
    carriers : list of int arrays, shape (inputs,)
        Of each layer that only carries: the unit of each input of the block.
    rows : BlockRows or SelectBlock

    """

    start: int
    carriers: list[Ints]
    rows: Rows


class BlockNetwork:
    """A network of signs in which a block stands for each layer of a target.

    Attributes
    ----------
    layers : list of Dense
        The network before pruning.
    blocks : list of Placed
    ends : tuple of int
        The exponents s of 2^-s by which the last layer of each block is scaled.
    recipe : RandomRecipe or None
        How the network is drawn; None where it was given.

    """

    ends: tuple[int, ...]

    def __init__(self, target: ReluNetwork) -> None:
        self.target = target
        self.layers: list[Dense] = []
        self.blocks: list[Placed] = []

    @property
    def recipe(self) -> RandomRecipe | None:
        """How the network is drawn."""
        return None

    @property
    def rows(self) -> list[Rows]:
        """The subset sums of all blocks."""
        return [placed.rows for placed in self.blocks]

    def random(self, domain: Domain | None) -> ReluNetwork:
        """Return the network before pruning."""
        return ReluNetwork(self.layers, final_relu=self.target.final_relu, domain=domain)

    def reads(self, layer: IntegerLayer, start: int, plus: Bools) -> Bools:
        """Return which inputs of a block each unit of its first layer can carry, (units, inputs)."""
        eligible = plus[:, self._sources(layer, start)] ^ layer.negative
        if start == 0:
            constant = layer.columns == plus.shape[1]
            if constant.any():
                eligible[:, constant] = self.layers[0].offset[:, np.newaxis] > 0
        return eligible

    def _sources(self, layer: IntegerLayer, start: int) -> Ints:
        """Return the units before the block that its inputs come from; 0 for a constant made by a bias."""
        if start:
            return layer.columns
        return np.where(layer.columns < self.target.widths[0], layer.columns, 0)

    def masks(self, kept: Bools) -> NetworkMasks:
        """Return what is kept: the solved subsets, those of all blocks together, and edges that carry."""
        weights = [np.zeros(layer.weight.shape, dtype=bool) for layer in self.layers]
        bias = [None if layer.bias is None else np.zeros(layer.d_out, dtype=bool) for layer in self.layers]
        first = 0
        for placed, end in zip(self.blocks, self._stops(), strict=True):
            number, items = placed.rows.valid.shape
            keep_first = self._first_edges(placed, weights[placed.start], bias[0])
            carrying = len(placed.carriers)
            mine = weights[placed.start : end]
            if carrying:
                keep_carriers(placed.carriers, mine, keep_first)
                keep_first = _edges_from(mine[carrying], placed.carriers[-1])
            placed.rows.keep_structure(mine[carrying:], keep_first)
            placed.rows.keep(mine[carrying:], kept[first : first + number, :items])
            first += number
        forget_idle_units(weights, bias)
        return NetworkMasks(weights, bias)

    def _stops(self) -> list[int]:
        return [*(placed.start for placed in self.blocks[1:]), len(self.layers)]

    def _first_edges(self, placed: Placed, mask: Bools, bias: Bools | None) -> Callable[[Ints], None]:
        """Return what keeps, in a block's first layer, the one edge of each of the units (inputs, copies)."""
        layer, start = placed.rows.layer, placed.start
        from_sources = _edges_from(mask, self._sources(layer, start))
        if start or bias is None:
            return from_sources
        constant = layer.columns == self.target.widths[0]

        def keep(copies: Ints) -> None:
            from_sources(np.where(constant[:, np.newaxis], -1, copies))
            made = copies[constant]
            bias[made[made >= 0]] = True

        return keep


def _edges_from(mask: Bools, sources: Ints) -> Callable[[Ints], None]:
    """Return what keeps an edge from each source to its units, (sources, units) with -1 for none."""

    def keep(copies: Ints) -> None:
        inputs, places = np.nonzero(copies >= 0)
        mask[copies[inputs, places], sources[inputs]] = True

    return keep


def carriers_of(eligible: Bools, plus: Sequence[Bools]) -> list[Ints] | None:
    """Choose a unit for each input in each of some layers that only carry; None if one has too few.

    Parameters
    ----------
    eligible : bool array, shape (units, inputs)
        Which inputs each unit of the first of these layers can carry.
    plus : sequence of bool arrays
        Where the edges of those behind it are +, (units, units before).

    """
    found: list[Ints] = []
    for number in range(len(plus) + 1):
        units = matched(plus[number - 1][:, found[-1]] if number else eligible, 1)
        if units is None:
            return None
        found.append(units[:, 0])
    return found


def keep_carriers(
    carriers: Sequence[Ints], masks: Sequence[Bools], keep_first: Callable[[Ints], None]
) -> None:
    """Keep the one edge of each unit that carries, in the masks of the layers."""
    keep_first(carriers[0][:, np.newaxis])
    for number in range(1, len(carriers)):
        masks[number][carriers[number], carriers[number - 1]] = True

"""relu: Theorem 1 with every unit used by its sign, and no subset sum that the inputs do not need.

In each block of 2n units those with positive u serve inputs x >= 0, those with negative u serve x <= 0,
wherever they stand: each sum draws on about n items instead of n/2 of them. Where an input is proven
non-negative (behind every ReLU, in a domain such as [0, 1]^d, for the constant one) the negative sum is not
needed, and its units are pruned away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.constructions.blocks import (
    LEAST_SCALE,
    block_masks,
    block_recipe,
    block_rows,
    block_slopes,
    check_blocks,
)
from subsetsum_nets.constructions.plan import Construction, InputSigns, ItemLaw, RowGroup, Side

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]


class ReluSigned(Construction):
    """The block construction with units used by their sign."""

    name = "relu"
    law = ItemLaw(second_moment=1 / 9, share=2, usable=0.5)
    least_scale = LEAST_SCALE

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return 2 ``candidates`` hidden units an input, all weights U[-1, 1]."""
        return block_recipe(target, candidates)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return n of a network with blocks of 2n units."""
        return check_blocks(target, random)

    def sides(self, signs: InputSigns) -> tuple[Side, ...]:
        """Return the sides on which some input can lie."""
        sides: list[Side] = []
        if signs.positive.any():
            sides.append("positive")
        if signs.negative.any():
            sides.append("negative")
        return tuple(sides)

    def columns(self, signs: InputSigns, side: Side) -> NDArray[np.int64]:
        """Return the inputs that can lie on this side."""
        return signs.columns(side)

    def rows(
        self, target: ReluNetwork, random: ReluNetwork, signs: Sequence[InputSigns], most_items: int
    ) -> list[RowGroup]:
        """Return a row for each target weight and each sign that its input can take."""
        groups = []
        for index, layer in enumerate(target.layers):
            slopes = block_slopes(layer, random.layers[2 * index])
            for side in self.sides(signs[index]):
                usable = slopes > 0 if side == "positive" else slopes < 0
                columns = self.columns(signs[index], side)
                groups.append(block_rows(target, random, index, side, columns, usable, most_items))
        return groups

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep the subsets, and the units that some subset uses."""
        return block_masks(target, random, groups, kept, [None] * len(target.layers))

"""relu: Theorem 1 with every unit used by its sign, and no subset sum that the inputs do not need.

In each block of 2n units those with positive u serve inputs x >= 0, those with negative u serve x <= 0,
wherever they stand: each sum draws on about n items instead of n/2 of them. Where an input is proven
non-negative (behind every ReLU, in a domain such as [0, 1]^d, for the constant one) the negative sum is not
needed, and its units are pruned away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from subsetsum_nets.constructions.protocol import InputSigns, ItemLaw, RowGroup, Side
from subsetsum_nets.constructions.relu_blocks import BlockConstruction, block_masks

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]


class ReluSigned(BlockConstruction):
    """Theorem 1 of Pensia et al. (2020), but with units used by their sign."""

    name = "relu"
    law = ItemLaw(second_moment=1 / 9, share=2, usable=0.5)

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

    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return the units by the sign of their slope."""
        return {"positive": slopes > 0, "negative": slopes < 0}

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep the subsets, and the units that some subset uses."""
        return block_masks(target, random, groups, kept, [None] * len(target.layers))

"""relu-paper: Theorem 1 of Pensia et al. 2020, word for word, by way of Lemmas 1, 2 and 3.

In each block of 2n units the top half keeps those with positive u and serves inputs x >= 0, the bottom half
keeps those with negative u and serves x <= 0. Each target weight is two subset sums, over about n/2 items
each. Both are solved whatever the signs of the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.protocol import InputSigns, ItemLaw, RowGroup, Side
from subsetsum_nets.constructions.relu_blocks import BlockConstruction, block_masks, block_slopes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]


class ReluPaper(BlockConstruction):
    """The construction in the proof of Theorem 1 of Pensia et al. (2020)."""

    name = "relu-paper"
    law = ItemLaw(second_moment=1 / 9, share=1, usable=0.5)  # E[(UV)^2] = 1/9 for U, V ~ U[-1, 1]

    def sides(self, signs: InputSigns) -> tuple[Side, ...]:  # noqa: ARG002 - the proof asks for both
        """Return both sides, always."""
        return ("positive", "negative")

    def columns(self, signs: InputSigns, side: Side) -> NDArray[np.int64]:  # noqa: ARG002 - both, always
        """Return all inputs."""
        return np.arange(len(signs.positive))

    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return a^+ of the top halves and c^- of the bottom halves."""
        n = slopes.shape[1] // 2
        top = np.arange(2 * n) < n
        return {"positive": top & (slopes > 0), "negative": ~top & (slopes < 0)}

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep a^+ in the top halves and c^- in the bottom halves, and the subsets behind them."""
        alive = []
        for layer, first in zip(target.layers, random.layers[::2], strict=True):
            serving = self.serving(block_slopes(layer, first))
            alive.append(serving["positive"] | serving["negative"])
        return block_masks(target, random, groups, kept, alive)

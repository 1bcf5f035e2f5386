"""relu-paper: Theorem 1 of Pensia et al. 2020, word for word, by way of Lemmas 1, 2 and 3.

In each block of 2n units the top half keeps those with positive u and serves inputs x >= 0, the bottom half
keeps those with negative u and serves x <= 0. Each target weight is two subset sums, over about n/2 items
each. Both are solved whatever the signs of the inputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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

    from numpy.typing import NDArray

    from subsetsum_nets.masks import NetworkMasks
    from subsetsum_nets.networks.random_networks import RandomRecipe
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Bools = NDArray[np.bool_]


class ReluPaper(Construction):
    """The construction in the proof of Theorem 1."""

    name = "relu-paper"
    law = ItemLaw(second_moment=1 / 9, share=1, usable=0.5)  # E[(UV)^2] = 1/9 for U, V ~ U[-1, 1]
    least_scale = LEAST_SCALE

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return 2 ``candidates`` hidden units an input, all weights U[-1, 1]."""
        return block_recipe(target, candidates)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return n of a network with blocks of 2n units."""
        return check_blocks(target, random)

    def sides(self, signs: InputSigns) -> tuple[Side, ...]:  # noqa: ARG002 - the proof asks for both
        """Return both sides, always."""
        return ("positive", "negative")

    def columns(self, signs: InputSigns, side: Side) -> NDArray[np.int64]:  # noqa: ARG002 - both, always
        """Return all inputs."""
        return np.arange(len(signs.positive))

    def rows(
        self, target: ReluNetwork, random: ReluNetwork, signs: Sequence[InputSigns], most_items: int
    ) -> list[RowGroup]:
        """Return two rows for each target weight."""
        return [
            block_rows(target, random, index, side, self.columns(signs[index], side), usable, most_items)
            for index in range(len(target.layers))
            for side, usable in self._halves(target, random, index).items()
        ]

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep a^+ in the top halves and c^- in the bottom halves, and the subsets behind them."""
        alive = [np.logical_or(*self._halves(target, random, i).values()) for i in range(len(target.layers))]
        return block_masks(target, random, groups, kept, alive)

    def _halves(self, target: ReluNetwork, random: ReluNetwork, index: int) -> dict[Side, Bools]:
        slopes = block_slopes(target.layers[index], random.layers[2 * index])
        n = slopes.shape[1] // 2
        top = np.arange(2 * n) < n
        return {"positive": top & (slopes > 0), "negative": ~top & (slopes < 0)}

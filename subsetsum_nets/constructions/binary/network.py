"""A random network of weights +-1, grown block by block around an integer network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.binary.blocks import BlockNetwork, Placed
from subsetsum_nets.constructions.binary.chains import ChainBlock, chain_widths, grow_chain
from subsetsum_nets.constructions.binary.growing import Block, Lack, Plan, grow
from subsetsum_nets.constructions.binary.rows import BlockRows
from subsetsum_nets.constructions.binary.selecting import SelectBlock, grow_selecting, selecting_widths
from subsetsum_nets.networks.distributions import Signs
from subsetsum_nets.networks.layer_draws import DenseDraw
from subsetsum_nets.networks.random_networks import RandomRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions.binary.blocks import Rows
    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools
    from subsetsum_nets.networks.relu_network import ReluNetwork

UNITS = Signs()


def planned_widths(layer: IntegerLayer, growth: int, layout: str) -> list[int]:
    """Return the planned widths of a block's hidden layers."""
    if layout == ChainBlock.layout:
        return chain_widths(layer)
    return selecting_widths(layer) if layout == SelectBlock.layout else Plan.of(layer, growth).widths


class GrownNetwork(BlockNetwork):
    """Blocks grown one after the other, each layer drawn from the seed and its index.

    Parameters
    ----------
    target : ReluNetwork
    layers : sequence of IntegerLayer
        One for each layer of the target.
    growth : int
    seed : int
    scales : sequence of int
        The exponents s of 2^-s by which the last layer of each block is scaled.
    layouts : sequence of {"accumulate", "select", "select-3"}

    """

    def __init__(
        self,
        target: ReluNetwork,
        layers: Sequence[IntegerLayer],
        growth: int,
        seed: int,
        scales: Sequence[int],
        layouts: Sequence[str],
    ) -> None:
        super().__init__(target)
        self._seed = seed
        self.ends: tuple[int, ...] = tuple(scales)
        self._biased = any(
            (layer.columns == f.d_in).any() for layer, f in zip(layers, target.dense_layers, strict=True)
        )
        self.draws: list[DenseDraw] = []
        for layer, scale, layout in zip(layers, scales, layouts, strict=True):
            start, depth = len(self.draws), len(planned_widths(layer, growth, layout))
            rows = self._grown(layer, growth, Signs(2.0**-scale), layout, start, depth)
            self.blocks.append(Placed(start, [], rows))

    def _grown(
        self, layer: IntegerLayer, growth: int, last_scale: Signs, layout: str, start: int, depth: int
    ) -> Rows:
        def draw(index: int, width: int) -> Bools:
            at = start + index
            del self.draws[at:], self.layers[at:]
            before = self.draws[-1].d_out if at else self.target.widths[0]
            signs = last_scale if index == depth else UNITS
            self.draws.append(DenseDraw(width, before, self._biased and at == 0, signs))
            self.layers.append(self.draws[-1].draw(self._seed, at))
            return np.asarray(self.layers[-1].weight) > 0

        def reads(plus: Bools) -> Bools:
            return self.reads(layer, start, plus)

        found: SelectBlock | Block | Lack
        if layout == ChainBlock.layout:
            found = grow_chain(layer, reads, draw)
        elif layout == SelectBlock.layout:
            found = grow_selecting(layer, reads, draw)
        else:
            found = grow(layer, Plan.of(layer, growth), reads, draw)
        if isinstance(found, Lack):
            raise RuntimeError(f"no layer of up to {found.units} units carries what layer {start} has to")  # noqa: TRY004
        return BlockRows(found) if isinstance(found, Block) else found

    @property
    def recipe(self) -> RandomRecipe:
        """How the random network is drawn."""
        return RandomRecipe(tuple(self.draws), final_relu=self.target.final_relu)

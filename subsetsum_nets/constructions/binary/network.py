"""A random network of weights +-1, grown block by block around an integer network, and its masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.binary.growing import Plan, grow
from subsetsum_nets.constructions.binary.rows import BlockRows, forget_idle_units
from subsetsum_nets.constructions.binary.selecting import SelectBlock, grow_selecting, selecting_widths
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.distributions import Signs
from subsetsum_nets.networks.layer_draws import DenseDraw
from subsetsum_nets.networks.random_networks import RandomRecipe
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions.binary.integers import IntegerLayer
    from subsetsum_nets.networks.arrays import Bools, Ints
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.domains import Domain

UNITS = Signs()


def planned_widths(layer: IntegerLayer, growth: int, layout: str) -> list[int]:
    """Return the planned widths of a block's hidden layers."""
    return selecting_widths(layer) if layout == SelectBlock.layout else Plan.of(layer, growth).widths


class GrownNetwork:
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
    layouts : sequence of {"accumulate", "select"}

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
        self._target = target
        self._seed = seed
        self.ends: tuple[int, ...] = tuple(scales)
        self._biased = any(
            (layer.columns == f.d_in).any() for layer, f in zip(layers, target.dense_layers, strict=True)
        )
        self.draws: list[DenseDraw] = []
        self.drawn: list[Dense] = []
        self.rows: list[BlockRows | SelectBlock] = []
        self.starts: list[int] = []
        for layer, scale, layout in zip(layers, scales, layouts, strict=True):
            self._grow(layer, growth, Signs(2.0**-scale), layout)

    def _grow(self, layer: IntegerLayer, growth: int, last_scale: Signs, layout: str) -> None:
        start, depth = len(self.draws), len(planned_widths(layer, growth, layout))

        def draw(index: int, width: int) -> Bools:
            at = start + index
            del self.draws[at:], self.drawn[at:]
            before = self.draws[-1].d_out if at else self._target.widths[0]
            signs = last_scale if index == depth else UNITS
            self.draws.append(DenseDraw(width, before, self._biased and at == 0, signs))
            self.drawn.append(self.draws[-1].draw(self._seed, at))
            return np.asarray(self.drawn[-1].weight) > 0

        def reads(plus: Bools) -> Bools:
            eligible = plus[:, self._sources(layer, start)] ^ layer.negative
            if start == 0:
                constant = layer.columns == plus.shape[1]
                if constant.any():
                    eligible[:, constant] = self.drawn[0].offset[:, np.newaxis] > 0
            return eligible

        self.starts.append(start)
        if layout == SelectBlock.layout:
            self.rows.append(grow_selecting(layer, reads, draw))
        else:
            self.rows.append(BlockRows(grow(layer, growth, reads, draw)))

    def _sources(self, layer: IntegerLayer, start: int) -> Ints:
        """Return the units before the block that its inputs come from; 0 for a constant made by a bias."""
        if start:
            return layer.columns
        return np.where(layer.columns < self._target.widths[0], layer.columns, 0)

    @property
    def recipe(self) -> RandomRecipe:
        """How the random network is drawn."""
        return RandomRecipe(tuple(self.draws), final_relu=self._target.final_relu)

    def random(self, domain: Domain | None) -> ReluNetwork:
        """Return the random network as it was drawn."""
        return ReluNetwork(self.drawn, final_relu=self._target.final_relu, domain=domain)

    def masks(self, kept: Bools) -> NetworkMasks:
        """Return what is kept: the solved subsets, those of all blocks together, and edges that carry."""
        weights = [np.zeros(layer.weight.shape, dtype=bool) for layer in self.drawn]
        bias = [np.zeros(layer.d_out, dtype=bool) if layer.bias is not None else None for layer in self.drawn]
        ends = [*self.starts[1:], len(weights)]
        first = 0
        for each, start, end in zip(self.rows, self.starts, ends, strict=True):
            layer, (number, items) = each.layer, each.valid.shape
            chosen = kept[first : first + number, :items]
            first += number

            def keep_sources(copies: Ints, layer: IntegerLayer = layer, start: int = start) -> None:
                sources = self._sources(layer, start)
                constant = (
                    layer.columns == self._target.widths[0] if start == 0 else np.zeros(len(sources), bool)
                )
                for units, source, made in zip(copies, sources, constant, strict=True):
                    mine = units[units >= 0]
                    if made:
                        bias[0][mine] = True  # type: ignore[index]
                    else:
                        weights[start][mine, source] = True

            each.keep_structure(weights[start:end], keep_sources)
            each.keep(weights[start:end], chosen)
        forget_idle_units(weights, bias)
        return NetworkMasks(weights, bias)

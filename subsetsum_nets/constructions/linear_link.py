"""linear: section 3.1 and Experiment 1 of Pensia et al. 2020, one linear hidden layer of n units a weight.

Every target weight has its own coefficients a_1..a_n ~ U[-s, s]; the second layer is all ones and not random.
The scale s is the power of two that covers the layer's weights: the paper draws from a range "fine-tuned for
the target network". Both layers are sparse: unit c of weight (i, j) is joined to input j and output i only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.protocol import (
    Construction,
    InputSigns,
    ItemLaw,
    RowGroup,
    RowPlace,
    Side,
    row_targets,
)
from subsetsum_nets.masks import NetworkMasks, sparse_mask
from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints, is_sparse
from subsetsum_nets.networks.distributions import Uniform
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.layer_draws import LinkDraw, OnesDraw
from subsetsum_nets.networks.random_networks import RandomRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.relu_network import ReluNetwork


class LinearLink(Construction):
    """Every weight a subset sum of its own random coefficients: section 3.1 of Pensia et al. (2020)."""

    name = "linear"
    source = "section 3.1 of Pensia et al. 2020, linear hidden units of their own for every weight"
    law = ItemLaw(second_moment=1 / 3, share=1, usable=1.0)

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return ``candidates`` linear hidden units for every target weight and bias."""
        layers: list[LinkDraw | OnesDraw] = []
        for layer in target.dense_layers:
            bias = layer.bias is not None
            layers.append(LinkDraw(layer.d_out, layer.d_in, candidates, bias, Uniform(self.scale(layer))))
            layers.append(OnesDraw(layer.d_out, layer.d_in, candidates, bias))
        linear = [2 * index for index in range(len(target.dense_layers))]
        linear += [2 * index + 1 for index in target.linear_after]
        return RandomRecipe(tuple(layers), linear_after=tuple(sorted(linear)), final_relu=target.final_relu)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return n of a network of linear links."""
        pairs = zip(target.dense_layers, random.dense_layers[::2], strict=False)
        found = {max(1, first.d_out // self._weights(layer)) for layer, first in pairs}
        if len(found) != 1 or len(random.dense_layers) != 2 * len(target.dense_layers):
            raise InvalidNetworkError(
                f"the random network does not have n units a weight: {random!r} for {target!r}"
            )
        n = int(found.pop())
        wanted = self.recipe(target, n).draw(0)
        for index, (mine, given) in enumerate(zip(wanted.dense_layers, random.dense_layers, strict=True)):
            same = is_sparse(given.weight) and given.weight.shape == mine.weight.shape
            same = same and (given.bias is None) == (mine.bias is None)
            for part in ("indices", "indptr"):
                same = same and np.array_equal(getattr(given.weight, part), getattr(mine.weight, part))
            if not same or (index % 2 and np.any(given.weight.data != 1)):
                raise InvalidNetworkError(
                    f"layer {index} of the random network is not the sparse layer of linear links that "
                    f"{n} candidates a weight give; draw it from the recipe"
                )
        if wanted.relu_after != random.relu_after:
            raise InvalidNetworkError("the hidden layers of linear links must be linear")
        return n

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the one side that a linear unit has."""
        return {"both": signs.columns("both")}

    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return one row for each target weight and bias; items are its own coefficients."""
        layer = target.dense_layers[place.layer]
        coefficients = self._coefficients(layer, random.dense_layers[2 * place.layer])
        units = np.arange(coefficients.size).reshape(coefficients.shape)
        items = coefficients[:, place.columns]
        every = np.ones(items.shape, dtype=bool)
        return RowGroup(place, items, every, row_targets(layer, place), units[:, place.columns])

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep a coefficient and its one where the coefficient is in its subset; drop the unit otherwise."""
        weights, biases = [], []
        for index, layer in enumerate(target.dense_layers):
            first, second = random.dense_layers[2 * index], random.dense_layers[2 * index + 1]
            alive = np.zeros(first.d_out, dtype=bool)
            for group, chosen in zip(groups, kept, strict=True):
                if group.place.layer == index:
                    alive[group.units[chosen]] = True
            n = first.d_out // self._weights(layer)
            columns = layer.d_in + (layer.bias is not None)
            units = np.flatnonzero(alive)
            outputs, inputs = units // (n * columns), units // n % columns
            reading = inputs < layer.d_in
            weights.append(sparse_mask(units[reading], inputs[reading], first.weight.shape))
            weights.append(sparse_mask(outputs, units, second.weight.shape))
            constants = np.zeros(first.d_out, dtype=bool)
            constants[units[~reading]] = True
            biases += [None if first.bias is None else constants, None]
        return NetworkMasks(weights, biases)

    def _weights(self, layer: Dense) -> int:
        return layer.d_out * (layer.d_in + (layer.bias is not None))

    def _coefficients(self, layer: Dense, first: Dense) -> FloatArray:
        """Return all coefficients, shape (d_out, columns, n)."""
        columns = layer.d_in + (layer.bias is not None)
        n = first.d_out // self._weights(layer)
        coefficients = np.zeros(first.d_out) if first.bias is None else first.bias.copy()
        entries = first.weight.tocoo() if is_sparse(first.weight) else None
        if entries is not None:
            coefficients[entries.row] = entries.data
        return coefficients.reshape(layer.d_out, columns, n)

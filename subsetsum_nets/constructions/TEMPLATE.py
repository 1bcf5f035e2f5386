"""A construction to copy: complete, small, and no theorem. docs/adding_a_construction.md says what to change.

Two random layers, without a ReLU between them, stand for each target layer. Every hidden unit looks at one
input; n of them look at the same. A unit with weight u on input j and weight v to output i adds u v to the
effective weight of (i, j): these products are the items of one subset sum for each target weight.
"""
# ruff: noqa: N999 - a name that nobody takes for a construction

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.protocol import Construction, InputSigns, ItemLaw, RowGroup, row_targets
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.distributions import Uniform
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.layer_draws import DenseDraw
from subsetsum_nets.networks.random_networks import RandomRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.constructions.protocol import RowPlace, Side
    from subsetsum_nets.networks.arrays import Bools, Ints
    from subsetsum_nets.networks.relu_network import ReluNetwork


class Template(Construction):
    """Every weight a subset sum of products of two random weights, for inputs of either sign at once."""

    name = "template"
    source = "no theorem: an example to copy"
    law = ItemLaw(second_moment=1 / 9, share=1, usable=1.0)  # E[(UV)^2] for U, V ~ U[-1, 1]; all units serve
    least_scale = 1.0

    def check_layers(self, network: ReluNetwork, role: str) -> None:
        """Raise InvalidNetworkError unless all layers are Dense and without bias."""
        super().check_layers(network, role)
        if any(layer.bias is not None for layer in network.layers):
            raise InvalidNetworkError(f"{role} has biases, for which construction {self.name!r} has no place")

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return n linear hidden units for every input of every target layer."""
        layers = []
        for layer in target.dense_layers:
            units = candidates * layer.d_in
            layers.append(DenseDraw(units, layer.d_in))
            layers.append(DenseDraw(layer.d_out, units, distribution=Uniform(self.scale(layer))))
        linear = [2 * index for index in range(len(target.dense_layers))]
        linear += [2 * index + 1 for index in target.linear_after]
        return RandomRecipe(tuple(layers), linear_after=tuple(sorted(linear)), final_relu=target.final_relu)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return n of a network like those of the recipe; InvalidNetworkError for another."""
        n = max(1, int(random.dense_layers[0].d_out // target.dense_layers[0].d_in))
        wanted = self.recipe(target, n).draw(0)
        shapes = [[np.shape(layer.weight) for layer in network.dense_layers] for network in (wanted, random)]
        if shapes[0] != shapes[1] or wanted.relu_after != random.relu_after:
            raise InvalidNetworkError(f"construction {self.name!r} draws {wanted!r}, and not {random!r}")
        return n

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the one side that a linear unit has, with the inputs that are not always 0."""
        return {"both": signs.columns("both")}

    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return one row for each target weight."""
        layer = target.dense_layers[place.layer]
        first, second = (np.asarray(random.dense_layers[2 * place.layer + k].weight) for k in (0, 1))
        units = np.arange(len(first)).reshape(layer.d_in, -1)[place.columns]  # (J, n)
        items = second[:, units] * first[units, place.columns[:, np.newaxis]]  # (d_out, J, n)
        every = np.ones(items.shape, dtype=bool)
        return RowGroup(place, items, every, row_targets(layer, place), np.broadcast_to(units, items.shape))

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep the subsets in every second layer; in every first one the units that some subset uses."""
        masks = [np.zeros(layer.weight.shape, dtype=bool) for layer in random.dense_layers]
        for group, chosen in zip(groups, kept, strict=True):
            index = group.place.layer
            incoming, outgoing = masks[2 * index : 2 * index + 2]
            outgoing[np.nonzero(chosen)[0], group.units[chosen]] = True
            used = np.flatnonzero(outgoing.any(axis=0))
            incoming[used, used // (len(incoming) // target.dense_layers[index].d_in)] = True
        return NetworkMasks(masks, [None] * len(masks))

"""linear: section 3.1 and Experiment 1 of Pensia et al. 2020, one linear hidden layer of n units a weight.

Every target weight has its own coefficients a_1..a_n ~ U[-s, s]; the second layer is all ones and not random.
The scale s is the power of two that covers the layer's weights: the paper draws from a range "fine-tuned for
the target network". Both layers are sparse: unit c of weight (i, j) is joined to input j and output i only.

A network that is given may have any number of units for each weight. Where its units are joined to more than
one input or output, they are shared out among the weights, one after the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from subsetsum_nets.constructions.kept_layers import (
    check_count,
    check_kept,
    kept_draw,
    kept_mask,
    places_of_pairs,
)
from subsetsum_nets.constructions.protocol import (
    Construction,
    InputSigns,
    ItemLaw,
    RowGroup,
    RowPlace,
    Side,
    row_targets,
    weight_with_bias,
)
from subsetsum_nets.masks import NetworkMasks, sparse_mask
from subsetsum_nets.networks.arrays import (
    Bools,
    FloatArray,
    Ints,
    csr_of_nonzeros,
    dense_array,
    is_sparse,
)
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.distributions import Uniform
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import scaling_layers
from subsetsum_nets.networks.layer_draws import LayerDraw, LinkDraw, OnesDraw
from subsetsum_nets.networks.random_networks import RandomRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


class LinearLink(Construction):
    """Every weight a subset sum of its own random coefficients: section 3.1 of Pensia et al. (2020)."""

    name = "linear"
    source = "section 3.1 of Pensia et al. 2020, linear hidden units of their own for every weight"
    law: ClassVar[ItemLaw] = ItemLaw(second_moment=1 / 3, share=1, usable=1.0)
    why_not = (
        ": hidden channels of their own for every weight would need a kernel of ones, stored whole; "
        "the constructions of ReLU blocks take Conv2d layers"
    )

    def places(self, target: ReluNetwork, domain: Domain) -> list[RowPlace]:
        """Return where rows are needed: not in layers that only scale the inputs, which are kept."""
        return places_of_pairs(target, super().places(target, domain))

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return ``candidates`` linear hidden units for every target weight and bias."""
        kept = scaling_layers(target)
        layers: list[LayerDraw] = [kept_draw(layer) for layer in target.layers[:kept]]
        for layer in target.dense_layers[kept:]:
            bias = layer.bias is not None
            layers.append(LinkDraw(layer.d_out, layer.d_in, candidates, bias, Uniform(self.scale(layer))))
            layers.append(OnesDraw(layer.d_out, layer.d_in, candidates, bias))
        relu_after = self._relu_after(target)
        linear = tuple(index for index, relu in enumerate(relu_after[:-1]) if not relu)
        return RandomRecipe(tuple(layers), linear_after=linear, final_relu=target.final_relu)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return the smallest n of a network of linear links with n units a weight, or more."""
        count, kept = len(target.dense_layers), scaling_layers(target)
        check_kept(target, random)
        check_count(target, random)
        if self._relu_after(target) != random.relu_after:
            raise InvalidNetworkError("the hidden layers of linear links must be linear")
        layers = target.dense_layers
        return min(_fewest(layers[k], *self._pair(target, random, k), k) for k in range(kept, count))

    def sides(self, signs: InputSigns) -> dict[Side, Ints]:
        """Return the one side that a linear unit has."""
        return {"both": signs.columns("both")}

    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return one row for each target weight and bias; items are its own coefficients."""
        layer = target.dense_layers[place.layer]
        links = _Links.of(layer, *self._pair(target, random, place.layer))
        columns = layer.d_in + (layer.bias is not None)
        units, there = links.by_weight(layer.d_out * columns)
        shape = (layer.d_out, columns, -1)
        units, there = units.reshape(shape)[:, place.columns], there.reshape(shape)[:, place.columns]
        items = np.where(there, links.coefficients[units], 0.0)
        return RowGroup(place, items, there, row_targets(layer, place), units)

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Keep a coefficient and its one where the coefficient is in its subset; drop the unit otherwise."""
        kept_masks = [kept_mask(layer) for layer in random.layers[: scaling_layers(target)]]
        weights, biases = ([masks[part] for masks in kept_masks] for part in (0, 1))
        for index, layer in enumerate(target.dense_layers[len(weights) :], len(weights)):
            first, second = self._pair(target, random, index)
            alive = np.zeros(first.d_out, dtype=bool)
            for group, chosen in zip(groups, kept, strict=True):
                if group.place.layer == index:
                    alive[group.units[chosen]] = True
            columns = layer.d_in + (layer.bias is not None)
            units = np.flatnonzero(alive)
            numbers = _Links.of(layer, first, second).weights[units]
            outputs, inputs = numbers // columns, numbers % columns
            reading = inputs < layer.d_in
            weights.append(_mask(units[reading], inputs[reading], first))
            weights.append(_mask(outputs, units, second))
            constants = np.zeros(first.d_out, dtype=bool)
            constants[units[~reading]] = True
            biases.append(None if first.bias is None else constants)
            biases.append(None if second.bias is None else np.zeros(second.d_out, dtype=bool))
        return NetworkMasks(weights, biases)

    def _relu_after(self, target: ReluNetwork) -> tuple[bool, ...]:
        """Return whether a ReLU follows, for each layer of the random network."""
        kept = scaling_layers(target)
        pairs = (relu for after in target.relu_after[kept:] for relu in (False, after))
        return (*(False for _ in range(kept)), *pairs)

    def _pair(self, target: ReluNetwork, random: ReluNetwork, index: int) -> tuple[Dense, Dense]:
        """Return the two layers that stand for target layer ``index``."""
        start = 2 * index - scaling_layers(target)
        first, second = random.dense_layers[start : start + 2]
        return first, second


class _Links(NamedTuple):
    """What each hidden unit of a pair of layers can stand for.

    Attributes
    ----------
    weights : int array, shape (units,)
        The number of its target weight, i (d_in + 1) + j or i d_in + j; -1 for none.
    coefficients : array, shape (units,)

    """

    weights: Ints
    coefficients: FloatArray

    @classmethod
    def of(cls, layer: Dense, first: Dense, second: Dense) -> _Links:
        """Read them off the layers: as units are joined, or shared out where they are joined to many."""
        columns = layer.d_in + (layer.bias is not None)
        bias = first.offset if layer.bias is not None else np.zeros(first.d_out)
        incoming, outgoing = csr_of_nonzeros(first.weight), csr_of_nonzeros(csr_of_nonzeros(second.weight).T)
        reads, gives = np.diff(incoming.indptr) + (bias != 0.0), np.diff(outgoing.indptr)
        if reads.max(initial=0) <= 1 and gives.max(initial=0) <= 1:
            inputs = np.full(first.d_out, layer.d_in)
            coefficients = bias.copy()
            at = np.repeat(np.arange(first.d_out), np.diff(incoming.indptr))
            inputs[at], coefficients[at] = incoming.indices, incoming.data
            outputs = np.zeros(first.d_out, dtype=np.int64)
            outputs[gives == 1] = outgoing.indices
            there = (reads == 1) & (gives == 1)
            return cls(np.where(there, outputs * columns + inputs, -1), coefficients)
        units = np.arange(first.d_out)
        numbers = units * (layer.d_out * columns) // first.d_out
        coefficients = weight_with_bias(Dense(first.weight, bias if columns > layer.d_in else None))[
            units, numbers % columns
        ]
        there = (coefficients != 0.0) & (dense_array(second.weight)[numbers // columns, units] != 0.0)
        return cls(np.where(there, numbers, -1), coefficients)

    def by_weight(self, count: int) -> tuple[Ints, Bools]:
        """Return the units of each of ``count`` weights, shape (count, most), and which places are filled."""
        order = np.argsort(self.weights, kind="stable")
        order = order[self.weights[order] >= 0]
        sizes = np.bincount(self.weights[order], minlength=count)
        there = np.arange(max(1, int(sizes.max(initial=0)))) < sizes[:, np.newaxis]
        units = np.zeros(there.shape, dtype=np.int64)
        units[there] = order
        return units, there


def _fewest(layer: Dense, first: Dense, second: Dense, index: int) -> int:
    """Return how many units a weight of target layer ``index`` has at least, or raise InvalidNetworkError."""
    columns = layer.d_in + (layer.bias is not None)
    name = f"layers {2 * index} and {2 * index + 1} of the random network"
    needed = layer.d_out * columns
    if first.d_in != layer.d_in or second.d_out != layer.d_out or first.d_out < needed:
        raise InvalidNetworkError(
            f"{name} have shapes {first.weight.shape} and {second.weight.shape}; target layer {index} needs "
            f"(h, {layer.d_in}) and ({layer.d_out}, h), h at least {needed}: a unit for each weight and bias"
        )
    if (csr_of_nonzeros(second.weight).data != 1.0).any():
        raise InvalidNetworkError(
            f"the second of {name} must hold ones, which is what linear links are joined by"
        )
    _, there = _Links.of(layer, first, second).by_weight(needed)
    sizes = there.sum(axis=1)
    if not sizes.all():
        output, column = divmod(int(sizes.argmin()), columns)
        weight = f"the weight of input {column} to" if column < layer.d_in else "the bias of"
        raise InvalidNetworkError(f"{name} have no unit for {weight} output {output} of target layer {index}")
    return int(sizes.min())


def _mask(rows: Ints, columns: Ints, layer: Dense) -> Any:
    """Return a mask in the form of the layer's weight, sparse or dense."""
    if is_sparse(layer.weight):
        return sparse_mask(rows, columns, layer.weight.shape)
    mask = np.zeros(layer.weight.shape, dtype=bool)
    mask[rows, columns] = True
    return mask

"""The block structure of Lemmas 1-3 (Pensia et al. 2020), shared by the ReLU constructions.

The random network has two layers for each target layer. The first is cut to blocks: block j holds 2n hidden
units that look at input j only (block d_in at the constant-one input, through the units' biases). A unit with
slope u is active for inputs of the sign of u; with outgoing weight v_i it adds u v_i to the effective weight
of (i, j) for inputs of that sign. The second layer is pruned by subset sums over these products.

The constant-one input is not carried through hidden layers: every first layer of a pair has biases of its
own, of which only the last block's are kept; second layers have none.

A network that is given may have any number of units: blocks are cut as evenly as that goes, the first ones a
unit larger than the last.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.kept_scalings import (
    check_scalings,
    places_behind,
    scaling_draws,
    scaling_masks,
)
from subsetsum_nets.constructions.protocol import Construction, RowGroup, RowPlace, Side, row_targets
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints, is_sparse
from subsetsum_nets.networks.distributions import Uniform
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import scaling_layers
from subsetsum_nets.networks.layer_draws import DenseDraw, LayerDraw
from subsetsum_nets.networks.random_networks import RandomRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork


class BlockConstruction(Construction):
    """What the block constructions have in common; each says which units serve which sign of input."""

    least_scale = 1.0  # Theorem 1 draws from U[-1, 1]

    @abstractmethod
    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return which units of every block, shape (blocks, 2n), serve inputs > 0 and inputs < 0.

        A slope of 0, with which smaller blocks are filled up, serves neither.
        """

    def uncut(self, slopes: FloatArray, used: Bools) -> Bools:  # noqa: ARG002 - the proof asks for more
        """Return which units keep their weight on their input, where some subset uses those ``used``."""
        return used

    def places(self, target: ReluNetwork, domain: Domain) -> list[RowPlace]:
        """Return where rows are needed: not in layers that only scale the inputs, which are kept."""
        return places_behind(target, super().places(target, domain))

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return 2n hidden units an input, U[-1, 1] weights, two layers for each of the target's.

        Theorem 1 (Pensia et al.) assumes weights of at most 1. For a layer with larger ones, the second layer
        of its pair is drawn from U[-s, s] with s the next power of two.
        """
        kept = scaling_layers(target)
        layers: list[LayerDraw] = [*scaling_draws(target)]
        for layer in target.dense_layers[kept:]:
            units = 2 * candidates * _blocks(layer)
            layers.append(DenseDraw(units, layer.d_in, bias=layer.bias is not None))
            layers.append(DenseDraw(layer.d_out, units, distribution=Uniform(self.scale(layer))))
        linear = (2 * index + 1 - kept for index in target.linear_after if index >= kept)
        return RandomRecipe(tuple(layers), linear_after=(*range(kept), *linear), final_relu=target.final_relu)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return the smallest n of a random network with 2n units a block, or 1 more.

        Raises
        ------
        InvalidNetworkError
            If the network does not have two layers for each target layer, two units a block, or the biases
            and ReLUs that the target needs.

        """
        count, kept = len(target.dense_layers), scaling_layers(target)
        check_scalings(target, random)
        if len(random.layers) != 2 * count - kept:
            raise InvalidNetworkError(
                f"the random network has {len(random.layers)} layers; a target of {count} needs "
                f"{2 * count - kept}"
            )
        if any(random.relu_after[:kept]):
            raise InvalidNetworkError("no ReLU must follow the layers that scale the inputs")
        return min(_candidates(target, random, index, 2 * index - kept) for index in range(kept, count))

    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return a row for each target weight (or d of them), of all units that serve; large products first.

        Lemma 1 of Pensia et al.: for each sign of its input, a link is a subset sum of products of weights.
        A row of dimension d needs a unit's weights to its d outputs.
        """
        layer, d = target.dense_layers[place.layer], place.dimension
        first, second = self._pair(target, random, place.layer)
        slopes = block_slopes(layer, first)
        blocks = block_units(layer, first)
        serving = self.serving(slopes)[place.side][place.columns]
        most = max(1, int(serving.sum(axis=1).max(initial=0)))
        used = np.argsort(~serving, axis=1, kind="stable")[:, :most]
        there = np.take_along_axis(serving, used, axis=1)
        inputs = np.take_along_axis(slopes[place.columns], used, axis=1)
        numbers = np.take_along_axis(blocks[place.columns], used, axis=1)
        outgoing, targets = np.asarray(second.weight), row_targets(layer, place)
        shape = (*targets.shape[:2], most)
        items, valid, units = np.empty((*shape, d)), np.empty(shape, dtype=bool), np.empty(shape, np.int64)
        for row in range(len(targets)):  # one at a time bounds the memory
            products = np.where(there, outgoing[row * d : (row + 1) * d, numbers] * inputs, 0.0)
            order = np.argsort(np.where(there, -np.abs(products).max(axis=0), np.inf), axis=1, kind="stable")
            valid[row], units[row] = (np.take_along_axis(array, order, axis=1) for array in (there, numbers))
            items[row] = np.moveaxis(np.take_along_axis(products, order[np.newaxis], axis=2), 0, 2)
        return RowGroup(place, items.reshape(shape + targets.shape[2:]), valid, targets, units)

    def masks(
        self, target: ReluNetwork, random: ReluNetwork, groups: Sequence[RowGroup], kept: Sequence[Bools]
    ) -> NetworkMasks:
        """Write subsets into second layers, cut first ones to blocks: Lemma 2, Lemma 3 of Pensia et al."""
        weights, biases = scaling_masks(target, random)
        for index, layer in enumerate(target.dense_layers[len(weights) :], len(weights)):
            first, second = self._pair(target, random, index)
            outgoing = np.zeros(second.weight.shape, dtype=bool)
            for group, chosen in zip(groups, kept, strict=True):
                if group.place.layer == index:
                    rows, d = np.nonzero(chosen)[0], group.place.dimension
                    for k in range(d):
                        outgoing[rows * d + k, group.units[chosen]] = True
            slopes, blocks = block_slopes(layer, first), block_units(layer, first)
            there = blocks >= 0
            alive = self.uncut(slopes, np.asarray(outgoing.any(axis=0))[blocks] & there) & there
            incoming = np.zeros(first.weight.shape, dtype=bool)
            for column in range(layer.d_in):
                incoming[blocks[column, alive[column]], column] = True
            bias_mask = None
            if first.bias is not None:
                bias_mask = np.zeros(first.d_out, dtype=bool)
                if layer.bias is not None:
                    bias_mask[blocks[layer.d_in, alive[layer.d_in]]] = True
            weights += [incoming, outgoing]
            biases += [bias_mask, None if second.bias is None else np.zeros(second.d_out, dtype=bool)]
        return NetworkMasks(weights, biases)

    def _pair(self, target: ReluNetwork, random: ReluNetwork, index: int) -> tuple[Dense, Dense]:
        """Return the two layers that stand for target layer ``index``."""
        start = 2 * index - scaling_layers(target)
        first, second = random.dense_layers[start : start + 2]
        return first, second


def _blocks(layer: Dense) -> int:
    return layer.d_in + (layer.bias is not None)


def _candidates(target: ReluNetwork, random: ReluNetwork, index: int, start: int) -> int:
    """Return n of the pair of layers from ``start`` on for a target layer, or raise InvalidNetworkError."""
    layer, (first, second) = target.dense_layers[index], random.dense_layers[start : start + 2]
    blocks = _blocks(layer)
    if is_sparse(first.weight) or is_sparse(second.weight):
        raise InvalidNetworkError(f"layers {start} and {start + 1} must be dense")
    if first.d_in != layer.d_in or second.d_out != layer.d_out or first.d_out < 2 * blocks:
        raise InvalidNetworkError(
            f"layers {start} and {start + 1} have shapes {first.weight.shape} and "
            f"{second.weight.shape}; target layer {index} {layer.weight.shape}"
            f"{' with bias' if layer.bias is not None else ''} needs (h, {layer.d_in}) and "
            f"({layer.d_out}, h), h at least {2 * blocks}: two units for each input"
            f"{' and for 1' if layer.bias is not None else ''}"
        )
    if layer.bias is not None and first.bias is None:
        raise InvalidNetworkError(
            f"target layer {index} has a bias, so layer {start} of the random network needs one"
        )
    if not random.relu_after[start] or random.relu_after[start + 1] != target.relu_after[index]:
        raise InvalidNetworkError(
            f"the ReLUs after layers {start} and {start + 1} do not go with target layer {index}"
        )
    return int(first.d_out // (2 * blocks))


def block_units(layer: Dense, first: Dense) -> Ints:
    """Return the units of every block, shape (blocks, size), those of smaller ones filled up with -1.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense
    >>> block_units(Dense([[1.0, 1.0]]), Dense([[1.0, 1.0]] * 5))
    array([[ 0,  1,  2],
           [ 3,  4, -1]])

    """
    blocks = _blocks(layer)
    sizes = first.d_out // blocks + (np.arange(blocks) < first.d_out % blocks)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    units = starts[:-1, np.newaxis] + np.arange(sizes.max())
    return np.where(units < starts[1:, np.newaxis], units, -1)


def block_slopes(layer: Dense, first: Dense) -> FloatArray:
    """Return the slopes of all units, shape (blocks, size): block j's weights on input j, its last on 1."""
    units = block_units(layer, first)
    inputs = np.arange(layer.d_in)[:, np.newaxis]
    slopes = np.asarray(first.weight)[units[: layer.d_in], inputs]
    if first.bias is not None and layer.bias is not None:
        slopes = np.vstack([slopes, first.bias[units[layer.d_in]]])
    return np.where(units < 0, 0.0, slopes)

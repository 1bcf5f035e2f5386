"""The block structure of Lemmas 1-3 (Pensia et al. 2020), shared by the ReLU constructions.

The random network has two layers for each target layer. The first is cut to blocks: block j holds 2n hidden
units that look at input j only (block d_in at the constant-one input, through the units' biases). A unit with
slope u is active for inputs of the sign of u; with outgoing weight v_i it adds u v_i to the effective weight
of (i, j) for inputs of that sign. The second layer is pruned by subset sums over these products.

The constant-one input is not carried through hidden layers: every first layer of a pair has biases of its
own, of which only the last block's are kept; second layers have none.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.constructions.protocol import Construction, RowGroup, covering_uniform, row_targets
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.random_networks import DenseDraw, RandomRecipe
from subsetsum_nets.networks.relu_network import is_sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.constructions.protocol import RowPlace, Side
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import Dense, ReluNetwork

    Bools = NDArray[np.bool_]


class BlockConstruction(Construction):
    """What the block constructions have in common; each says which units serve which sign of input."""

    least_scale = 1.0  # Theorem 1 draws from U[-1, 1]

    @abstractmethod
    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return which units of every block, shape (blocks, 2n), serve inputs > 0 and inputs < 0."""

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return 2 ``candidates`` hidden units an input, all weights U[-1, 1]."""
        return block_recipe(target, candidates, self.least_scale)

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return n of a network with blocks of 2n units."""
        return check_blocks(target, random)

    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return a row for each target weight, or each d outputs, at the place: all units that serve it."""
        layer = target.layers[place.layer]
        first, second = random.layers[2 * place.layer : 2 * place.layer + 2]
        slopes = block_slopes(layer, first)
        return block_rows(layer, second, place, slopes, self.serving(slopes)[place.side])


def block_recipe(target: ReluNetwork, candidates: int, least_scale: float) -> RandomRecipe:
    """Return the random network of Theorem 1: 2n units an input, U[-1, 1] weights, 2l layers.

    Theorem 1 assumes weights of at most 1. For a layer with larger ones, the second layer of its pair is
    drawn from U[-s, s] with s the next power of two.
    """
    layers: list[DenseDraw] = []
    for layer in target.layers:
        units = 2 * candidates * _blocks(layer)
        layers.append(DenseDraw(units, layer.d_in, bias=layer.bias is not None))
        layers.append(DenseDraw(layer.d_out, units, distribution=covering_uniform(layer, least=least_scale)))
    linear = tuple(2 * index + 1 for index in target.linear_after)
    return RandomRecipe(tuple(layers), linear_after=linear, final_relu=target.final_relu)


def _blocks(layer: Dense) -> int:
    return layer.d_in + (layer.bias is not None)


def check_blocks(target: ReluNetwork, random: ReluNetwork) -> int:
    """Return the smallest n of a random network with 2n units a block.

    Raises
    ------
    InvalidNetworkError
        If the network does not have two layers for each target layer, whole blocks, or the biases and ReLUs
        that the target needs.

    """
    count = len(target.layers)
    if len(random.layers) != 2 * count:
        raise InvalidNetworkError(
            f"the random network has {len(random.layers)} layers; a target of {count} needs {2 * count}"
        )
    fewest = None
    for index, layer in enumerate(target.layers):
        first, second = random.layers[2 * index], random.layers[2 * index + 1]
        blocks = _blocks(layer)
        if is_sparse(first.weight) or is_sparse(second.weight):
            raise InvalidNetworkError(f"layers {2 * index} and {2 * index + 1} must be dense")
        if first.d_in != layer.d_in or second.d_out != layer.d_out or first.d_out % (2 * blocks):
            raise InvalidNetworkError(
                f"layers {2 * index} and {2 * index + 1} have shapes {first.weight.shape} and "
                f"{second.weight.shape}; target layer {index} {layer.weight.shape}"
                f"{' with bias' if layer.bias is not None else ''} needs ({2 * blocks} n, {layer.d_in}) and "
                f"({layer.d_out}, {2 * blocks} n)"
            )
        if layer.bias is not None and first.bias is None:
            raise InvalidNetworkError(
                f"target layer {index} has a bias, so layer {2 * index} of the random network needs one"
            )
        if not random.relu_after[2 * index] or random.relu_after[2 * index + 1] != target.relu_after[index]:
            raise InvalidNetworkError(
                f"the ReLUs after layers {2 * index} and {2 * index + 1} do not go with target layer {index}"
            )
        n = first.d_out // (2 * blocks)
        fewest = n if fewest is None else min(fewest, n)
    return fewest or 0


def block_slopes(layer: Dense, first: Dense) -> FloatArray:
    """Return the slopes of all units, shape (blocks, 2n): block j's weights on input j, its last on 1."""
    blocks = _blocks(layer)
    size = first.d_out // blocks
    units = np.arange(first.d_out).reshape(blocks, size)
    inputs = np.arange(layer.d_in)[:, np.newaxis]
    slopes = np.asarray(first.weight)[units[: layer.d_in], inputs]
    if first.bias is not None and layer.bias is not None:
        slopes = np.vstack([slopes, first.bias[units[layer.d_in]]])
    return slopes


def block_rows(layer: Dense, second: Dense, place: RowPlace, slopes: FloatArray, serving: Bools) -> RowGroup:
    """Return the rows of one target layer at a place, the largest products of a row first.

    Parameters
    ----------
    layer, second : Dense
        The target layer, and the layer that is pruned by subset sums.
    place : RowPlace
    slopes, serving : arrays, shape (blocks, 2n)
        The slopes of all units, and which units serve this side.

    """
    size, d = slopes.shape[1], place.dimension
    usable = serving[place.columns]
    most = max(1, int(usable.sum(axis=1).max(initial=0)))
    used = np.argsort(~usable, axis=1, kind="stable")[:, :most]
    there = np.take_along_axis(usable, used, axis=1)
    inputs = np.take_along_axis(slopes[place.columns], used, axis=1)
    numbers = place.columns[:, np.newaxis] * size + used
    outgoing, targets = np.asarray(second.weight), row_targets(layer, place)
    shape = (*targets.shape[:2], most)
    items, valid, units = np.empty((*shape, d)), np.empty(shape, dtype=bool), np.empty(shape, np.int64)
    for row in range(len(targets)):  # one at a time bounds the memory
        products = np.where(there, outgoing[row * d : (row + 1) * d, numbers] * inputs, 0.0)  # (d, J, most)
        order = np.argsort(np.where(there, -np.abs(products).max(axis=0), np.inf), axis=1, kind="stable")
        valid[row], units[row] = (np.take_along_axis(array, order, axis=1) for array in (there, numbers))
        items[row] = np.moveaxis(np.take_along_axis(products, order[np.newaxis], axis=2), 0, 2)
    return RowGroup(place, items.reshape(shape + targets.shape[2:]), valid, targets, units)


def block_masks(
    target: ReluNetwork,
    random: ReluNetwork,
    groups: Sequence[RowGroup],
    kept: Sequence[Bools],
    first_layers: Sequence[Bools | None],
) -> NetworkMasks:
    """Write subsets into the second layer of each pair, and cut the first to blocks.

    ``first_layers[l]``, shape (blocks, 2n), says which units of the first layer keep their weight; None keeps
    those that some output uses.
    """
    weights, biases = [], []
    for index, layer in enumerate(target.layers):
        first, second = random.layers[2 * index], random.layers[2 * index + 1]
        outgoing = np.zeros(second.weight.shape, dtype=bool)
        for group, chosen in zip(groups, kept, strict=True):
            if group.place.layer == index:
                d, rows = group.place.dimension, np.nonzero(chosen)[0]
                for k in range(d):
                    outgoing[rows * d + k, group.units[chosen]] = True
        given = first_layers[index]
        blocks = _blocks(layer)
        alive = outgoing.any(axis=0).reshape(blocks, -1) if given is None else given
        size = alive.shape[1]
        incoming = np.zeros(first.weight.shape, dtype=bool)
        for column in range(layer.d_in):
            incoming[column * size : (column + 1) * size, column] = alive[column]
        bias_mask = None
        if first.bias is not None:
            bias_mask = np.zeros(first.d_out, dtype=bool)
            if layer.bias is not None:
                bias_mask[layer.d_in * size :] = alive[layer.d_in]
        weights += [incoming, outgoing]
        biases += [bias_mask, None if second.bias is None else np.zeros(second.d_out, dtype=bool)]
    return NetworkMasks(weights, biases)

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

from subsetsum_nets.constructions.protocol import Construction, RowGroup, covering_uniform, weight_with_bias
from subsetsum_nets.masks import NetworkMasks
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.random_networks import DenseDraw, RandomRecipe
from subsetsum_nets.networks.relu_network import is_sparse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.constructions.protocol import InputSigns, Side
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.relu_network import Dense, ReluNetwork

    Bools = NDArray[np.bool_]


_OFF_CENTRE = 0.5  # deviations between the target and half the total of the items offered


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

    def rows(
        self, target: ReluNetwork, random: ReluNetwork, signs: Sequence[InputSigns], most_items: int
    ) -> list[RowGroup]:
        """Return a row for each target weight on each side that needs one."""
        groups = []
        for index, (layer, sign) in enumerate(zip(target.layers, signs, strict=True)):
            serving = self.serving(block_slopes(layer, random.layers[2 * index]))
            for side in self.sides(sign):
                columns = self.columns(sign, side)
                groups.append(block_rows(target, random, index, side, columns, serving[side], most_items))
        return groups


def block_recipe(target: ReluNetwork, candidates: int, least_scale: float) -> RandomRecipe:
    """Return the random network of Theorem 1 (Pensia et al.): 2n units an input, U[-1, 1], 2l layers.

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


def block_rows(
    target: ReluNetwork,
    random: ReluNetwork,
    index: int,
    side: Side,
    columns: NDArray[np.int64],
    usable: Bools,
    most_items: int,
) -> RowGroup:
    """Return one row for each target weight of layer ``index`` in ``columns``: Lemma 1 of Pensia et al.

    ``usable``, shape (blocks, 2n), says which units serve this side; a row offers at most ``most_items`` of
    them.
    """
    layer, first, second = target.layers[index], random.layers[2 * index], random.layers[2 * index + 1]
    slopes = block_slopes(layer, first)
    size = slopes.shape[1]
    serving = usable[columns]
    most = max(1, min(most_items, int(serving.sum(axis=1).max(initial=0))))
    outgoing = np.asarray(second.weight).reshape(layer.d_out, -1, size)
    targets = weight_with_bias(layer)[:, columns]
    places = np.empty((*targets.shape, most), np.int64)
    items = np.empty(places.shape)
    valid = np.empty(places.shape, dtype=bool)
    for output in range(layer.d_out):  # one output at a time bounds the memory
        products = outgoing[output, columns] * slopes[columns]
        places[output], valid[output] = choose_items(products, serving, targets[output], most)
        items[output] = np.take_along_axis(products, places[output], axis=1)
    return RowGroup(
        index,
        side,
        columns,
        np.where(valid, items, 0.0),
        valid,
        targets,
        columns[:, np.newaxis] * size + places,
    )


def choose_items(
    products: FloatArray, serving: Bools, targets: FloatArray, most: int
) -> tuple[NDArray[np.int64], Bools]:
    """Choose which ``most`` units to offer to each of J rows; returns places (J, most) and validity.

    The larger products first, as they reach further. As long as there are units to spare, those that would
    leave the target more than half a deviation from half the total are passed over, unless they bring it
    nearer: subset sums are densest there. Asking for less than that would pass over all but small products
    once a large one stands at twice the target, and leave a gap around it.
    """
    order = np.argsort(np.where(serving, -np.abs(products), np.inf), axis=1, kind="stable")
    ranked = np.take_along_axis(products, order, axis=1)
    available = serving.sum(axis=1)
    spare = np.maximum(available - most, 0)
    total, spread = np.zeros(len(products)), np.zeros(len(products))  # twice their mean and deviation
    taken = np.zeros(len(products), dtype=np.int64)
    chosen = np.zeros(order.shape, dtype=bool)
    for rank in range(int(available.max(initial=0))):
        item = ranked[:, rank]
        offered = rank < available
        distance = np.abs(total + item - 2 * targets)
        away = distance > np.abs(total - 2 * targets)
        away &= distance > _OFF_CENTRE * np.hypot(spread, item)
        passed = offered & away & (spare > 0)
        chosen[:, rank] = offered & ~passed & (taken < most)
        total += np.where(chosen[:, rank], item, 0.0)
        spread = np.where(chosen[:, rank], np.hypot(spread, item), spread)
        taken += chosen[:, rank]
        spare -= passed
    front = np.argsort(~chosen, axis=1, kind="stable")[:, :most]
    return np.take_along_axis(order, front, axis=1), np.take_along_axis(chosen, front, axis=1)


def block_masks(
    target: ReluNetwork,
    random: ReluNetwork,
    groups: Sequence[RowGroup],
    kept: Sequence[Bools],
    first_layers: Sequence[Bools | None],
) -> NetworkMasks:
    """Write subsets into the second layer of each pair, and cut the first to blocks.

    Lemma 2 and Lemma 3 of Pensia et al. (2020): all neurons of a layer share the blocks of its inputs.

    ``first_layers[l]``, shape (blocks, 2n), says which units of the first layer keep their weight; None keeps
    those that some output uses.
    """
    weights, biases = [], []
    for index, layer in enumerate(target.layers):
        first, second = random.layers[2 * index], random.layers[2 * index + 1]
        outgoing = np.zeros(second.weight.shape, dtype=bool)
        for group, chosen in zip(groups, kept, strict=True):
            if group.layer == index:
                rows = np.broadcast_to(np.arange(layer.d_out)[:, np.newaxis, np.newaxis], chosen.shape)
                outgoing[rows[chosen], group.units[chosen]] = True
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

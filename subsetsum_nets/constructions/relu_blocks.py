"""The block structure of Lemmas 1-3 (Pensia et al. 2020), shared by the ReLU constructions.

The random network has two layers for each target layer. The first is cut to blocks: block j holds 2n hidden
units that look at input j only (block d_in at the constant-one input, through the units' biases). A unit with
slope u is active for inputs of the sign of u; with outgoing weight v_i it adds u v_i to the effective weight
of (i, j) for inputs of that sign. The second layer is pruned by subset sums over these products.

The constant-one input is not carried through hidden layers: every first layer of a pair has biases of its
own, of which only the last block's are kept; second layers have none.

Of a convolution of r x s entries, an input is a channel, and the pair is one of a 1x1 convolution and one
of r x s, stride, padding and dilation those of the target layer (Lemma 11 of da Cunha et al. 2023). So a row
stands for one entry of a kernel. The second layer has one group: what joins others is pruned away.

A network that is given may have any number of units: blocks are cut as evenly as that goes, the first ones a
unit larger than the last.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from subsetsum_nets.constructions.kept_layers import (
    check_count,
    check_kept,
    kept_draw,
    kept_mask,
    places_of_pairs,
)
from subsetsum_nets.constructions.protocol import Construction, RowGroup, RowPlace, Side, row_targets
from subsetsum_nets.masks import NetworkMasks, sparse_mask
from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints, is_sparse
from subsetsum_nets.networks.convolution import Conv2d
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.distributions import UNIT_UNIFORM, Uniform
from subsetsum_nets.networks.draw_kinds import pair_draws
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import kept_layers, starts
from subsetsum_nets.networks.random_networks import RandomRecipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.layer_draws import LayerDraw
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork


class BlockConstruction(Construction):
    """What the block constructions have in common; each says which units serve which sign of input."""

    least_scale: ClassVar[float] = 1.0  # Theorem 1 draws from U[-1, 1]
    layer_types: ClassVar[tuple[type, ...]] = (Dense, Conv2d)
    sparse_first: ClassVar[bool] = False  # whether the first layer of a pair may be sparse, as one of blocks

    @abstractmethod
    def serving(self, slopes: FloatArray) -> dict[Side, Bools]:
        """Return which units of every block, shape (blocks, 2n), serve inputs > 0 and inputs < 0.

        A slope of 0, with which smaller blocks are filled up, serves neither.
        """

    def uncut(self, slopes: FloatArray, used: Bools) -> Bools:  # noqa: ARG002 - the proof asks for more
        """Return which units keep their weight on their input, where some subset uses those ``used``."""
        return used

    def places(self, target: ReluNetwork, domain: Domain) -> list[RowPlace]:
        """Return where rows are needed: not in layers that are kept."""
        return places_of_pairs(target, super().places(target, domain))

    def recipe(self, target: ReluNetwork, candidates: int) -> RandomRecipe:
        """Return 2n hidden units an input, U[-1, 1] weights, two layers for each of the target's.

        Theorem 1 (Pensia et al.) assumes weights of at most 1. For a layer with larger ones, the second layer
        of its pair is drawn from U[-s, s] with s the next power of two.
        """
        layers: list[LayerDraw] = []
        linear = []
        for layer, kept, relu in zip(target.layers, kept_layers(target), target.relu_after, strict=True):
            layers += (kept_draw(layer),) if kept else self.pair(layer, candidates)
            linear += [] if relu else [len(layers) - 1]
        return RandomRecipe(
            tuple(layers),
            linear_after=tuple(index for index in linear if index < len(layers) - 1),
            final_relu=target.final_relu,
            input_shape=target.input_shape,
        )

    def pair(self, layer: Layer, candidates: int) -> tuple[LayerDraw, LayerDraw]:
        """Return how to draw the two layers that stand for a layer of the target."""
        return pair_draws(layer, 2 * candidates * blocks_of(layer), Uniform(self.scale(layer)))

    def offered(self, layer: Layer, n: int) -> int:  # noqa: ARG002 - others count by the layer
        """Return how many candidates 2n units a block are."""
        return n

    def candidates_in(self, target: ReluNetwork, random: ReluNetwork) -> int:
        """Return the smallest n of a random network with 2n units a block, or 1 more.

        Raises
        ------
        InvalidNetworkError
            If the network does not have two layers for each target layer, two units a block, or the biases
            and ReLUs that the target needs.

        """
        check_kept(target, random)
        check_count(target, random)
        if random.input_shape != target.input_shape:
            raise InvalidNetworkError(
                f"the random network has the input_shape {random.input_shape}, the target has "
                f"{target.input_shape}"
            )
        offered = []
        for index, (kept, start) in enumerate(zip(kept_layers(target), starts(target), strict=False)):
            if not kept:
                units = _candidates(target, random, index, start, sparse=self.sparse_first)
                offered.append(self.offered(target.layers[index], units))
            elif random.relu_after[start] != target.relu_after[index]:
                relu = "a" if target.relu_after[index] else "no"
                raise InvalidNetworkError(
                    f"{relu} ReLU must follow layer {start} of the random network, as in the target"
                )
        return min(offered, default=1)

    def targets(self, target: ReluNetwork, place: RowPlace) -> FloatArray:
        """Return what the rows at a place are to add up to."""
        return row_targets(target.layers[place.layer], place)

    def rows(self, target: ReluNetwork, random: ReluNetwork, place: RowPlace) -> RowGroup:
        """Return a row for each target weight (or d of them), of all units that serve; large products first.

        Lemma 1 of Pensia et al.: for each sign of its input, a link is a subset sum of products of weights.
        A row of dimension d needs a unit's weights to its d outputs.
        """
        layer, d = target.layers[place.layer], place.dimension
        first, second = self._pair(target, random, place.layer)
        slopes = block_slopes(layer, first)
        blocks = block_units(layer, first)
        serving = self.serving(slopes)[place.side][place.columns]
        most = max(1, int(serving.sum(axis=1).max(initial=0)))
        used = np.argsort(~serving, axis=1, kind="stable")[:, :most]
        there = np.take_along_axis(serving, used, axis=1)
        inputs = np.take_along_axis(slopes[place.columns], used, axis=1)
        numbers = np.take_along_axis(blocks[place.columns], used, axis=1)
        outgoing, targets = np.asarray(second.matrix)[place.matrix_rows], self.targets(target, place)
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
        weights: list[Any] = []
        biases: list[Bools | None] = []
        for index, (layer, kept_whole) in enumerate(zip(target.layers, kept_layers(target), strict=True)):
            if kept_whole:
                weight, bias = kept_mask(random.layers[len(weights)])
                weights, biases = [*weights, weight], [*biases, bias]
                continue
            first, second = self._pair(target, random, index)
            outgoing = np.zeros(second.matrix.shape, dtype=bool)
            for group, chosen in zip(groups, kept, strict=True):
                if group.place.layer == index:
                    rows, d = np.nonzero(chosen)[0], group.place.dimension
                    for k in range(d):
                        outgoing[group.place.matrix_rows[rows * d + k], group.units[chosen]] = True
            slopes, blocks = block_slopes(layer, first), block_units(layer, first)
            there = blocks >= 0
            alive = self.uncut(slopes, np.asarray(outgoing.any(axis=0))[blocks] & there) & there
            inputs = layer.takes[-1] or 0
            column, place = np.nonzero(alive[:inputs])
            incoming = _mask_of(first, blocks[column, place], column)
            bias_mask = None
            if first.bias is not None:
                bias_mask = np.zeros(first.bias.shape, dtype=bool)
                if layer.bias is not None:
                    bias_mask[blocks[inputs, alive[inputs]]] = True
            weights += [incoming, second.from_matrix(outgoing)]
            biases += [bias_mask, None if second.bias is None else np.zeros(second.bias.shape, dtype=bool)]
        return NetworkMasks(weights, biases)

    def _pair(self, target: ReluNetwork, random: ReluNetwork, index: int) -> tuple[Layer, Layer]:
        """Return the two layers that stand for target layer ``index``."""
        start = starts(target)[index]
        first, second = random.layers[start : start + 2]
        return first, second


def blocks_of(layer: Layer) -> int:
    """Return how many blocks stand for a layer: one for each input, and one for a bias."""
    return (layer.takes[-1] or 0) + (layer.bias is not None)


def _candidates(target: ReluNetwork, random: ReluNetwork, index: int, start: int, *, sparse: bool) -> int:
    """Return n of the pair of layers from ``start`` on for a target layer, or raise InvalidNetworkError."""
    layer, (first, second) = target.layers[index], random.layers[start : start + 2]
    blocks, biased = blocks_of(layer), layer.bias is not None
    if (is_sparse(first.stored) and not sparse) or is_sparse(second.stored):
        which = f"layer {start + 1}" if sparse else f"layers {start} and {start + 1}"
        raise InvalidNetworkError(f"{which} must be dense")
    units = random.shapes[start + 1][-1] or 0
    wanted = pair_draws(layer, max(units, 1), UNIT_UNIFORM)
    pairs = list(zip(wanted, (first, second), strict=True))
    if any(want.shape != given.stored.shape for want, given in pairs) or units < 2 * blocks:
        axes = (0, 1) if len(layer.takes) == 1 else (3, 2)
        needed = " and ".join(_with_h(want.shape, axis) for want, axis in zip(wanted, axes, strict=True))
        raise InvalidNetworkError(
            f"layers {start} and {start + 1} have shapes {first.stored.shape} and {second.stored.shape}; "
            f"target layer {index} {layer.stored.shape}{' with bias' if biased else ''} needs {needed}, "
            f"h at least {2 * blocks}: two units for each input{' and for 1' if biased else ''}"
        )
    for want, given in pairs:
        windows = [getattr(each, "geometry", None) for each in (want, given)]
        if windows[0] != windows[1]:
            raise InvalidNetworkError(
                f"layer {start + (given is second)} is a {given!r}, with the {windows[1]}; the pair for "
                f"target layer {index}, a {layer!r}, needs the {windows[0]} there"
            )
    if biased and first.bias is None:
        raise InvalidNetworkError(
            f"target layer {index} has a bias, so layer {start} of the random network needs one"
        )
    if not random.relu_after[start] or random.relu_after[start + 1] != target.relu_after[index]:
        raise InvalidNetworkError(
            f"the ReLUs after layers {start} and {start + 1} do not go with target layer {index}"
        )
    return int(units // (2 * blocks))


def _with_h(shape: tuple[int, ...], axis: int) -> str:
    """Return a shape as messages show it where one number may be any."""
    return f"({', '.join('h' if number == axis else str(n) for number, n in enumerate(shape))})"


def block_units(layer: Layer, first: Layer) -> Ints:
    """Return the units of every block, shape (blocks, size), those of smaller ones filled up with -1.

    The channels of block t of a convolution are those that Definition 3 of da Cunha et al. 2023 leaves to
    input channel t.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense
    >>> block_units(Dense([[1.0, 1.0]]), Dense([[1.0, 1.0]] * 5))
    array([[ 0,  1,  2],
           [ 3,  4, -1]])

    """
    blocks = blocks_of(layer)
    hidden = first.matrix.shape[0]
    sizes = hidden // blocks + (np.arange(blocks) < hidden % blocks)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    units = starts[:-1, np.newaxis] + np.arange(sizes.max())
    return np.where(units < starts[1:, np.newaxis], units, -1)


def block_slopes(layer: Layer, first: Layer) -> FloatArray:
    """Return the slopes of all units, shape (blocks, size): block j's weights on input j, its last on 1."""
    units = block_units(layer, first)
    count = layer.takes[-1] or 0
    slopes = _entries(first.matrix, units[:count], np.arange(count)[:, np.newaxis])
    if first.bias is not None and layer.bias is not None:
        slopes = np.vstack([slopes, first.bias[units[count]]])
    return np.where(units < 0, 0.0, slopes)


def _entries(matrix: Any, rows: Ints, columns: Ints) -> FloatArray:
    """Return entries of a matrix, numpy or CSR, at places that broadcast; no row of CSR twice but -1."""
    if not is_sparse(matrix):
        return np.asarray(matrix)[rows, columns]
    rows, columns = np.broadcast_arrays(rows, columns)
    inside, looked_at = rows >= 0, np.full(matrix.shape[0], -1)
    looked_at[rows[inside]] = columns[inside]
    entries = matrix.tocoo()
    here = looked_at[entries.row] == entries.col
    value: FloatArray = np.zeros(matrix.shape[0])
    value[entries.row[here]] = entries.data[here]
    found: FloatArray = value[rows]
    return found


def _mask_of(layer: Layer, rows: Ints, columns: Ints) -> Any:
    """Return the mask of a layer that keeps these entries of its matrix."""
    if is_sparse(layer.stored):
        return sparse_mask(rows, columns, layer.stored.shape)
    mask = np.zeros(layer.matrix.shape, dtype=bool)
    mask[rows, columns] = True
    return layer.from_matrix(mask)

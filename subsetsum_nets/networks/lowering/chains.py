"""The chain of layers that computes a value.

A level of the chain computes its own atoms and passes on those of earlier levels that later ones need:
x >= 0 as relu(x), any other x through a ReLU as relu(x) and relu(-x). A level is one convolution where all of
its parts are convolutions of images of one size, so that nothing is unrolled; from the first level on that is
none, layers are dense.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.dense_levels import dense_layer, moved_rows, selection
from subsetsum_nets.networks.lowering.image_levels import image_layer, is_image_work
from subsetsum_nets.networks.lowering.index_maps import IndexMap
from subsetsum_nets.networks.lowering.levels import levels_of
from subsetsum_nets.networks.lowering.states import Block, State, outputs_of
from subsetsum_nets.networks.lowering.values import Atom, Value, as_atom
from subsetsum_nets.networks.relu_network import ReluNetwork

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import Ints
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.lowering.levels import Levels


@dataclass(frozen=True)
class _Chain:
    """Layers, how many at the start are of images, and how the values before and behind them lie."""

    layers: list[Layer]
    images: int
    first: State
    last: State


def network_of(value: Value, *, domain: Domain | None = None) -> ReluNetwork:
    """Return the network that computes a value.

    Images are (h, w, c) where the network takes them, as one that starts with a convolution does, and where
    its last layer gives them; every other input and output is in the order of the value.

    Raises
    ------
    NetworkFileError
        If the value does not depend on the input, or the layers would take more memory than is allowed.
    InvalidNetworkError
        If weights are not finite, or the domain does not fit.

    """
    atom, order = _last(value)
    levels = levels_of(atom)
    chain = _chain(levels)
    layers, relus = list(chain.layers), [level.relu for level in levels.levels]
    columns = chain.last.columns(chain.last.blocks[0])
    if _needs_order(order, columns, chain):
        if isinstance(layers[-1], Dense):
            layers[-1] = moved_rows(layers[-1], order)
        else:
            layers.append(selection(order, columns, columns.size))
            relus.append(False)
    shape = chain.first.blocks[0].view.shape
    return ReluNetwork(
        layers,
        final_relu=relus[-1],
        linear_after=[index for index, relu in enumerate(relus[:-1]) if not relu],
        domain=domain,
        input_shape=(shape[1], shape[2], shape[0]) if chain.images else None,
    )


def _last(value: Value) -> tuple[Atom, IndexMap]:
    """Return the atom that the last layer computes, and the map that leads from it to the value."""
    atom = value.atom
    if atom is None or atom.argument is None:
        value = as_atom(value, relu=False)
    term = value.settled.terms[0]
    return term.atom, term.pre


def _needs_order(order: IndexMap, columns: Ints, chain: _Chain) -> bool:
    """Tell whether the last layer's values are in another order than the network's output."""
    if chain.images == len(chain.layers):
        shape = order.shape
        while len(shape) > 3 and shape[0] == 1:
            shape = shape[1:]
        if order.places is None and shape == chain.last.blocks[0].view.shape:
            return False
        flat = order.flat
        return not (flat.min(initial=0) >= 0 and np.array_equal(columns[flat], np.arange(columns.size)))
    return order.places is not None


def _chain(levels: Levels) -> _Chain:
    """Return the layers of all levels: of images as far as they are, then dense."""
    view = levels.views[levels.input]
    first = _images(levels.input, view)
    layers: list[Layer] = []
    images, state = 0, first
    if first is not None:
        images, layers, state = _image_layers(levels, first)
    if not images or state is None or first is None:
        still = IndexMap(levels.input.shape, levels.input.shape)
        first = state = State((Block(levels.input, 1.0, still, 0),), None)
    spent = 0
    for level in levels.levels[images:]:
        outputs = outputs_of(level, state, levels.views)
        layer, state = dense_layer(outputs, state)
        layers.append(layer)
        spent += 16 * layer.parameters
        check_demand(spent, "the layers of the network")
    return _Chain(layers, images, first, state)


def _images(atom: Atom, view: IndexMap) -> State | None:
    if len(view.shape) != 3 or 0 in view.shape:
        return None
    return State((Block(atom, 1.0, view, 0),), (view.shape[1], view.shape[2]))


def _image_layers(levels: Levels, first: State) -> tuple[int, list[Layer], State]:
    """Return the layers of the first levels as convolutions: all, or up to the last real one."""
    layers: list[Layer] = []
    state = first
    kept: tuple[int, State] = (0, first)
    spent = 0
    for level in levels.levels:
        outputs = outputs_of(level, state, levels.views)
        found = image_layer(outputs, state)
        if found is None:
            break
        layer, state = found
        layers.append(layer)
        spent += 16 * layer.parameters
        check_demand(spent, "the layers of the network")
        if is_image_work(outputs, layer) or (kept[0] and len(layers) == len(levels.levels)):
            kept = len(layers), state
    return kept[0], layers[: kept[0]], kept[1]

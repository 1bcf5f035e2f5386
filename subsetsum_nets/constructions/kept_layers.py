"""Layers of the target that constructions keep as they are: there are no rows for them.

They are those that only scale its inputs (:mod:`subsetsum_nets.networks.input_scaling`) and ``fixed`` ones,
as pooling is. Every other layer has a pair in the random network, and each of these one layer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import csr_of_nonzeros
from subsetsum_nets.networks.convolution_draws import FixedConvDraw
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import diagonal, kept_layers, starts
from subsetsum_nets.networks.layer_draws import ScalingDraw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from subsetsum_nets.constructions.protocol import RowPlace
    from subsetsum_nets.networks.arrays import Bools
    from subsetsum_nets.networks.layer_draws import LayerDraw
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork


def kept_draw(layer: Layer) -> LayerDraw:
    """Return a kept layer for a recipe."""
    if layer.fixed:
        return FixedConvDraw.of(layer)  # type: ignore[arg-type]  # only convolutions are
    shift = () if layer.bias is None else tuple(layer.bias.tolist())
    return ScalingDraw(tuple(diagonal(layer).tolist()), shift)  # type: ignore[arg-type]


def kept_mask(layer: Layer) -> tuple[Any, Bools | None]:
    """Return the masks of a kept layer's weight and bias, which keep all of it."""
    return layer.stored != 0.0, None if layer.bias is None else np.ones(layer.bias.shape, dtype=bool)


def check_kept(target: ReluNetwork, random: ReluNetwork) -> None:
    """Raise InvalidNetworkError unless a given network has the kept layers where they belong."""
    for index, (kept, start) in enumerate(zip(kept_layers(target), starts(target), strict=False)):
        layer = target.layers[index]
        if kept and (start >= len(random.layers) or not _same(layer, random.layers[start])):
            does = "is fixed" if layer.fixed else "only scales its inputs"
            raise InvalidNetworkError(
                f"layer {index} of the target {does} and is kept as it is: layer {start} of the random "
                f"network must be the same, {layer!r}"
            )


def check_count(target: ReluNetwork, random: ReluNetwork) -> None:
    """Raise InvalidNetworkError unless a given network has as many layers as stand for the target's."""
    if len(random.layers) != starts(target)[-1]:
        raise InvalidNetworkError(
            f"the random network has {len(random.layers)} layers; a target of {len(target.layers)} needs "
            f"{starts(target)[-1]}"
        )


def places_of_pairs(target: ReluNetwork, places: Iterable[RowPlace]) -> list[RowPlace]:
    """Return the places but those in the layers that are kept."""
    kept = kept_layers(target)
    return [place for place in places if not kept[place.layer]]


def _same(layer: Layer, given: Layer) -> bool:
    """Tell whether two layers are the same function, whether ``fixed`` or not."""
    options = [{**each.options, "fixed": None} for each in (layer, given)]
    if options[0] != options[1] or layer.stored.shape != given.stored.shape:
        return False
    difference = csr_of_nonzeros(layer.matrix) - csr_of_nonzeros(given.matrix)
    biases = [0.0 if each.bias is None else each.bias for each in (layer, given)]
    return not difference.count_nonzero() and not np.any(biases[0] - biases[1])

"""Layers of the target that only scale its inputs, as constructions keep them: in front, as they are.

See :mod:`subsetsum_nets.networks.input_scaling`. There are no rows for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import csr_of_nonzeros
from subsetsum_nets.networks.errors import InvalidNetworkError
from subsetsum_nets.networks.input_scaling import diagonal, scaling_layers
from subsetsum_nets.networks.layer_draws import ScalingDraw

if TYPE_CHECKING:
    from collections.abc import Iterable

    from subsetsum_nets.constructions.protocol import RowPlace
    from subsetsum_nets.networks.arrays import Bools
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.relu_network import ReluNetwork


def scaling_draws(target: ReluNetwork) -> list[ScalingDraw]:
    """Return the layers for a recipe."""
    kept = target.dense_layers[: scaling_layers(target)]
    return [ScalingDraw(*_scale_and_shift(layer)) for layer in kept]


def scaling_masks(target: ReluNetwork, random: ReluNetwork) -> tuple[list[Any], list[Bools | None]]:
    """Return masks of the layers, which keep all of them."""
    kept = random.dense_layers[: scaling_layers(target)]
    weights = [layer.weight != 0.0 for layer in kept]
    return weights, [None if layer.bias is None else np.ones(layer.d_out, dtype=bool) for layer in kept]


def check_scalings(target: ReluNetwork, random: ReluNetwork) -> None:
    """Raise InvalidNetworkError unless a given network starts with the layers."""
    for index, layer in enumerate(target.dense_layers[: scaling_layers(target)]):
        given = random.dense_layers[index] if index < len(random.layers) else None
        if given is None or given.weight.shape != layer.weight.shape or not _same(layer, given):
            raise InvalidNetworkError(
                f"layer {index} of the target only scales its inputs and is kept as it is: the random "
                "network must start with the same layer"
            )


def places_behind(target: ReluNetwork, places: Iterable[RowPlace]) -> list[RowPlace]:
    """Return the places but those in the layers that are kept."""
    kept = scaling_layers(target)
    return [place for place in places if place.layer >= kept]


def _scale_and_shift(layer: Dense) -> tuple[tuple[float, ...], tuple[float, ...]]:
    shift = () if layer.bias is None else tuple(layer.bias.tolist())
    return tuple(diagonal(layer).tolist()), shift


def _same(layer: Dense, given: Dense) -> bool:
    """Tell whether two layers are the same function, one of them a scaling."""
    difference = csr_of_nonzeros(layer.weight) - csr_of_nonzeros(given.weight)
    return not difference.count_nonzero() and np.array_equal(layer.offset, given.offset)

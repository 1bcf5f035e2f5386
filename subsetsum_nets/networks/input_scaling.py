"""Input scaling that is written as layers: x -> D x + s with a diagonal D and no ReLU behind it.

Keras' Rescaling, a StandardScaler or the Sub and Div of an ONNX file are read as such layers. Nothing in them
was learned, so that nothing has to be approximated: a pruned network keeps them as they are.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import TYPE_CHECKING

from subsetsum_nets.networks.arrays import csr_of_nonzeros

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.dense import Dense
    from subsetsum_nets.networks.layer_shapes import Layer
    from subsetsum_nets.networks.relu_network import ReluNetwork


def scaling_layers(network: ReluNetwork) -> int:
    """Return how many layers at the start do nothing but scale and shift two inputs or more; never all.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> layers = [Dense([[0.5, 0.0], [0.0, 2.0]], [1.0, 0.0]), Dense([[1.0, 1.0]])]
    >>> scaling_layers(ReluNetwork(layers, linear_after=[0])), scaling_layers(ReluNetwork(layers))
    (1, 0)

    """
    count = 0
    for layer, relu in zip(network.layers[:-1], network.relu_after, strict=False):
        if relu or not _scales(layer):
            break
        count += 1
    return count


def kept_layers(target: ReluNetwork) -> tuple[bool, ...]:
    """Return which layers a pruned network keeps as they are: these, and ``fixed`` ones, such as pooling.

    >>> import numpy as np
    >>> from subsetsum_nets.networks import AvgPool2d, Conv2d, ReluNetwork
    >>> kept_layers(ReluNetwork([Conv2d(np.ones((1, 1, 1, 1))), AvgPool2d(2)], input_shape=(2, 2, 1)))
    (False, True)
    """
    scaling = scaling_layers(target)
    return tuple(index < scaling or layer.fixed for index, layer in enumerate(target.layers))


def starts(target: ReluNetwork) -> tuple[int, ...]:
    """Return where in a network of pairs each target layer's layers start; at the end, how many it has.

    Two layers stand for each layer, one for those that are kept as they are.
    """
    ends = itertools.accumulate((1 if kept else 2 for kept in kept_layers(target)), initial=0)
    return tuple(ends)


def hidden_of_pairs(target: ReluNetwork) -> tuple[int, ...]:
    """Return the first layer of every pair in such a network.

    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> hidden_of_pairs(ReluNetwork([Dense([[1.0]]), Dense([[1.0]])]))
    (0, 2)
    """
    pairs = zip(starts(target), kept_layers(target), strict=False)
    return tuple(start for start, kept in pairs if not kept)


def diagonal(layer: Dense) -> FloatArray:
    """Return the factors of a layer that scales, shape (d,)."""
    factors: FloatArray = csr_of_nonzeros(layer.weight).diagonal()
    return factors


def scaled_ends(layer: Dense, ends: list[list[Fraction]]) -> list[list[Fraction]]:
    """Return the least and the largest values behind a layer that scales, from those before it, exactly."""
    low, high = ends
    moved = []
    for factor, shift, a, b in zip(diagonal(layer).tolist(), layer.offset.tolist(), low, high, strict=True):
        images = (Fraction(factor) * a + Fraction(shift), Fraction(factor) * b + Fraction(shift))
        moved.append((min(images), max(images)))
    return [list(end) for end in zip(*moved, strict=True)]


def _scales(layer: Layer) -> bool:
    weight = layer.stored  # a kernel has four axes
    if weight.ndim != 2 or weight.shape[0] != weight.shape[1] or weight.shape[0] < 2:
        return False
    entries = csr_of_nonzeros(weight).tocoo()
    return bool((entries.row == entries.col).all())

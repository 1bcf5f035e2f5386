"""Which layers of a pruned network g stand for which layer of its target f.

g may be deeper than f: a *group* of k layers in a row stands for one layer of f, for any k, not the same for
every layer. It takes and gives as many values as that layer, and a ReLU follows it just where one follows
that layer. To be compared with it, a group must be a two-slope layer ``P max(x, 0) + N min(x, 0) + c`` of
its inputs x: linear in q = (max(x, 0), max(-x, 0), 1).

Let r q be a unit of the group before a ReLU. As q >= 0, the ReLU gives ``max(r, 0) q``, entry by entry, where

* no entry of r is negative (the unit passes) or none is positive (it is off), or
* r has entries at the two parts of one input only, one of which is 0 (Pensia et al. 2020, Lemmas 1-3).

Else it gives nothing linear in q: two entries of opposite sign, at parts that can be positive together,
make a kink between them. Behind a ReLU x >= 0, so that max(-x, 0) is 0 and its entries do not matter. The
signs of r are read off those of the weights: what weights of both signs add up to counts as mixed, even
where they cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix, composable, has_kernel
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import UnsupportedStructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.layer_shapes import AffineLayer
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Floats = NDArray[np.float32]

Fits = Callable[[int, int, int], bool]
_MOST_UNROLLED = 2**24  # entries of a matrix that convolutions are unrolled to


@dataclass(frozen=True, eq=False)
class LayerGroup:
    """Layers in a row of a pruned network that stand for one layer of the target.

    Parameters
    ----------
    start : int
        The first one's index in the pruned network.
    layers : tuple of Dense or AffineConvolution
    relu_after : tuple of bool
        Whether a ReLU follows each but the last.
    nonnegative : bool
        Whether a ReLU comes before the first.

    """

    start: int
    layers: tuple[AffineLayer, ...]
    relu_after: tuple[bool, ...]
    nonnegative: bool

    @property
    def convolutions(self) -> tuple[ConvolutionMatrix, ConvolutionMatrix] | None:
        """The weights of two layers whose product is a convolution again; None for other groups."""
        first, last = self.layers[0].weight, self.layers[-1].weight
        if len(self.layers) == 2 and has_kernel(first) and has_kernel(last):
            return composable(first, last)
        return None

    @property
    def matrices(self) -> list[Dense]:
        """The layers as matrices, convolutions as sparse ones."""
        weights = [
            layer.weight.tocsr() if has_kernel(layer.weight) else layer.weight for layer in self.layers
        ]
        return [Dense(weight, layer.bias) for weight, layer in zip(weights, self.layers, strict=True)]

    @cached_property
    def refusal(self) -> str | None:
        """Why the signs of its weights do not make the group a two-slope layer; None where they do."""
        pair, units = self.convolutions, max((layer.d_out for layer in self.layers[1:]), default=0)
        unrolled = pair is None and any(has_kernel(layer.weight) for layer in self.layers)
        if unrolled and self.layers[0].d_in * units > _MOST_UNROLLED:
            return (
                f"the layers around hidden layer {self.start} do not combine to a convolution, as one of two "
                f"would have to look at single pixels, and unrolled they have {units} x "
                f"{self.layers[0].d_in} weights, more than {_MOST_UNROLLED}"
            )
        if not any(self.relu_after):
            return None
        if pair is None:
            return _first_bend(self.matrices[:-1], self)
        rows = pair[0].rows  # channel by channel
        return _first_bend([Dense(rows, self.layers[0].offset[: len(rows)])], self)


def layer_groups(target: ReluNetwork, pruned: ReluNetwork) -> tuple[LayerGroup, ...]:
    """Return the groups of layers of g that stand for the layers of f.

    Where the sizes of layers leave a choice, groups of one size are tried first, then short groups before
    long ones, from the first layer on; the first grouping whose groups are all two-slope layers is taken.

    Parameters
    ----------
    target, pruned : ReluNetwork
        f and g.

    Returns
    -------
    tuple of LayerGroup
        One for each layer of f; together they are g.

    Raises
    ------
    UnsupportedStructureError
        If there is no such grouping.
    InvalidNetworkError
        If a network takes images of any size.

    Examples
    --------
    >>> from subsetsum_nets.networks import ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0]]), Dense([[1.0]])])
    >>> passing = ReluNetwork([Dense([[1.0]]), Dense([[0.5], [2.0]]), Dense([[1.0, 0.25]])])
    >>> [len(group.layers) for group in layer_groups(f, passing)]
    [1, 2]

    """
    layers, relu_after = pruned.affine_layers, pruned.relu_after
    groups: dict[tuple[int, int], LayerGroup] = {}

    def fits(layer: int, start: int, stop: int) -> bool:
        if _misfit(target, pruned, layer, start, stop):
            return False
        if (start, stop) not in groups:
            behind_relu = start > 0 and relu_after[start - 1]
            groups[start, stop] = LayerGroup(
                start, layers[start:stop], relu_after[start : stop - 1], behind_relu
            )
        return groups[start, stop].refusal is None

    chosen = next(groupings(len(target.layers), len(layers), fits), None)
    if chosen is None:
        reasons = [group.refusal for group in groups.values() if group.refusal]
        raise UnsupportedStructureError(
            f"{(reasons or [_misfits(target, pruned)])[0]} (method 'interval' needs no such structure)"
        )
    return tuple(groups[part.start, part.stop] for part in chosen)


def groupings(count: int, length: int, fits: Fits) -> Iterator[tuple[range, ...]]:
    """Yield the ways to cut ``length`` layers into ``count`` groups that fit, in the order of preference.

    ``fits(layer, start, stop)`` tells whether these layers may stand for that layer of the target.

    Examples
    --------
    >>> [tuple(map(len, ranges)) for ranges in groupings(2, 4, lambda layer, start, stop: True)]
    [(2, 2), (1, 3), (3, 1)]

    """
    hopeless: set[tuple[int, int]] = set()

    def cut(layer: int, start: int) -> Iterator[tuple[range, ...]]:
        if layer == count:
            yield ()
            return
        found = False
        for stop in (length,) if layer == count - 1 else range(start + 1, length):
            if (layer + 1, stop) not in hopeless and fits(layer, start, stop):
                for others in cut(layer + 1, stop):
                    found = True
                    yield (range(start, stop), *others)
        if not found:
            hopeless.add((layer, start))

    equal = _equal_parts(count, length)
    if equal and all(fits(layer, part.start, part.stop) for layer, part in enumerate(equal)):
        yield equal
    yield from (ranges for ranges in cut(0, 0) if ranges != equal)


def _equal_parts(count: int, length: int) -> tuple[range, ...]:
    """Return ``count`` groups of one size, none where they do not come out even."""
    size, rest = divmod(length, count)
    return () if rest or not size else tuple(range(k, k + size) for k in range(0, length, size))


def _misfit(f: ReluNetwork, g: ReluNetwork, layer: int, start: int, stop: int) -> str | None:
    """Return why these layers of g do not have the sizes and the ReLU of a layer of f; None if they have."""
    (a, b), (c, d) = f.widths[layer : layer + 2], (g.widths[start], g.widths[stop])
    if (a, b) != (c, d):
        return f"layer {layer} of the target maps {a} to {b} values, its replacement {c} to {d}"
    if f.relu_after[layer] != g.relu_after[stop - 1]:
        return f"a ReLU follows layer {layer} of the target or {stop - 1} of the pruned network, but not both"
    return None


def _misfits(f: ReluNetwork, g: ReluNetwork) -> str:
    """Return where groups of one size do not fit, or that no groups do."""
    parts = enumerate(_equal_parts(len(f.layers), len(g.layers)))
    reasons = [_misfit(f, g, layer, part.start, part.stop) for layer, part in parts]
    return next(filter(None, reasons), None) or (
        f"the pruned network has {len(g.layers)} layers of the widths {g.widths}; no groups of them have the "
        f"widths {f.widths} and the ReLUs of the target's {len(f.layers)} layers"
    )


def _first_bend(hidden: list[Dense], group: LayerGroup) -> str | None:
    """Return which unit a ReLU bends elsewhere than at an input's zero; None if it bends none.

    What is followed through the layers is where units can be > 0 and < 0 as rows over (max(x, 0), max(-x, 0),
    1).
    """
    if len(hidden) == 1 and _looks_at_one(hidden[0]):
        return None
    d_in = hidden[0].d_in
    above, below = (np.eye(d_in, 2 * d_in + 1, shift, dtype=np.float32) for shift in (0, d_in))
    below *= not group.nonnegative
    for index, (layer, relu) in enumerate(zip(hidden, group.relu_after, strict=True), group.start):
        above, below = _signs(layer, above, below)
        if relu:
            used = (above + below) > 0.0
            inputs = (used[:, :d_in] | used[:, d_in:-1]).sum(axis=1)
            bent = above.any(axis=1) & below.any(axis=1) & (inputs + used[:, -1] > 1)
            if bent.any():
                unit = int(bent.argmax())
                both = "both an input weight and a bias"
                has = f"{inputs[unit]} nonzero input weights" if inputs[unit] > 1 else both
                return (
                    f"unit {unit} of hidden layer {index} has {has}; only one can be compared layer by layer"
                )
            below *= 0.0
    return None


def _looks_at_one(layer: Dense) -> bool:
    """Tell, at a glance, that every unit has one input weight at most, or a bias alone."""
    weight = layer.weight
    entries = np.diff(weight.indptr) if is_sparse(weight) else np.count_nonzero(weight, axis=1)
    return bool((entries + (layer.offset != 0.0) <= 1).all())


def _signs(layer: Dense, above: Floats, below: Floats) -> tuple[Floats, Floats]:
    """Return 1.0 where the layer's units can be > 0 and < 0, from the same of the units before it."""
    weight, bias = layer.weight, layer.offset
    up, down = (weight > 0.0).astype(np.float32), (weight < 0.0).astype(np.float32)
    signs = up @ above + down @ below, up @ below + down @ above
    for side, constant in zip(signs, (bias > 0.0, bias < 0.0), strict=True):
        side[:, -1] += constant
        np.minimum(side, 1.0, out=side)
    return signs

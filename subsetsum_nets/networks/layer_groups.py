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
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.convolution import composable
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.errors import UnsupportedStructureError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.convolution import ConvolutionMatrix
    from subsetsum_nets.networks.layer_shapes import AffineLayer
    from subsetsum_nets.networks.relu_network import ReluNetwork

    Signs = tuple[csr_array[Any, Any], csr_array[Any, Any]]

Fits = Callable[[int, int, int], bool]
_MOST_UNROLLED = 2**24  # entries of a matrix that convolutions are unrolled to
_ELSE = "(method 'interval' needs no such structure)"


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
    def range(self) -> range:
        """The layers' indices in the pruned network."""
        return range(self.start, self.start + len(self.layers))

    @property
    def convolutions(self) -> tuple[ConvolutionMatrix, ConvolutionMatrix] | None:
        """The weights of two layers whose product is a convolution again; None for other groups."""
        first, *others = (layer.convolution for layer in self.layers)
        if first is None or len(others) != 1 or others[0] is None:
            return None
        return composable(first, others[0])

    @property
    def matrices(self) -> tuple[Dense, ...]:
        """The layers as matrices, convolutions as sparse ones.

        Raises
        ------
        UnsupportedStructureError
            If there are convolutions, and they are large.

        """
        inputs, units = self.layers[0].d_in, max(layer.d_out for layer in self.layers[1:])
        unrolled = any(layer.convolution is not None for layer in self.layers)
        if unrolled and inputs * units > _MOST_UNROLLED:
            raise UnsupportedStructureError(
                f"the layers around hidden layer {self.start} do not combine to a convolution, as one of two "
                f"would have to look at single pixels, and unrolled they have {units} x {inputs} weights, "
                f"more than {_MOST_UNROLLED} {_ELSE}"
            )
        return tuple(layer.unrolled() for layer in self.layers)

    def check(self) -> None:
        """Raise UnsupportedStructureError unless the signs of its weights make it a two-slope layer."""
        if not any(self.relu_after):
            return
        if (pair := self.convolutions) is not None:  # channel by channel
            rows, bias = pair[0].rows, self.layers[0].bias
            layers = [Dense(rows, None if bias is None else bias[: len(rows)])]
        else:
            layers = list(self.matrices[:-1])
        if len(layers) == 1 and _looks_at_one(layers[0]):
            return
        above, below = _input_signs(layers[0].d_in, nonnegative=self.nonnegative)
        for index, (layer, relu) in enumerate(zip(layers, self.relu_after, strict=True), self.start):
            above, below = _signs_after(layer, above, below)
            if relu:
                _check_units(above, below, layers[0].d_in, index)
                below = type(below)(below.shape, dtype=bool)  # max(r, 0) has none


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
    layers, relu_after, same_size = pruned.affine_layers, pruned.relu_after, size_fits(target, pruned)
    valid: dict[tuple[int, int], LayerGroup] = {}
    refused: dict[tuple[int, int], UnsupportedStructureError] = {}

    def fits(layer: int, start: int, stop: int) -> bool:
        if not same_size(layer, start, stop):
            return False
        if (start, stop) not in valid and (start, stop) not in refused:
            behind_relu = start > 0 and relu_after[start - 1]
            group = LayerGroup(start, layers[start:stop], relu_after[start : stop - 1], behind_relu)
            try:
                group.check()
                valid[start, stop] = group
            except UnsupportedStructureError as error:
                refused[start, stop] = error
        return (start, stop) in valid

    chosen = next(groupings(len(target.layers), len(layers), fits), None)
    if chosen is None:
        raise next(iter(refused.values()), _wrong_sizes(target, pruned))
    return tuple(valid[part.start, part.stop] for part in chosen)


def groupings(count: int, length: int, fits: Fits) -> Iterator[tuple[range, ...]]:
    """Yield the ways to cut ``length`` layers into ``count`` groups that fit, in the order of preference.

    ``fits(layer, start, stop)`` tells whether these layers may stand for that layer of the target.

    Examples
    --------
    >>> [tuple(map(len, ranges)) for ranges in groupings(2, 4, lambda layer, start, stop: True)]
    [(2, 2), (1, 3), (3, 1)]

    """
    size, rest = divmod(length, count)
    equal = tuple(range(size * layer, size * (layer + 1)) for layer in range(count))
    if not rest and size and all(fits(i, part.start, part.stop) for i, part in enumerate(equal)):
        yield equal
    hopeless: set[tuple[int, int]] = set()

    def cut(layer: int, start: int) -> Iterator[tuple[range, ...]]:
        if layer == count:
            yield from [()] if start == length else []
        elif (layer, start) not in hopeless:
            none = True
            for stop in range(start + 1, length - (count - layer - 1) + 1):
                if fits(layer, start, stop):
                    for others in cut(layer + 1, stop):
                        none = False
                        yield (range(start, stop), *others)
            if none:
                hopeless.add((layer, start))

    yield from (ranges for ranges in cut(0, 0) if ranges != equal)


def size_fits(target: ReluNetwork, pruned: ReluNetwork) -> Fits:
    """Return the test whether layers of g have the sizes, and the ReLU behind them, of a layer of f."""
    f, g = target.widths, pruned.widths

    def fits(layer: int, start: int, stop: int) -> bool:
        sizes = (g[start], g[stop]) == (f[layer], f[layer + 1])
        return sizes and pruned.relu_after[stop - 1] == target.relu_after[layer]

    return fits


def _wrong_sizes(target: ReluNetwork, pruned: ReluNetwork) -> UnsupportedStructureError:
    """Return the error that says where networks of these sizes part."""
    count, length = len(target.layers), len(pruned.layers)
    size, rest = divmod(length, count)
    for layer in range(0 if rest or not size else count):
        (a, b), (c, d) = target.widths[layer : layer + 2], pruned.widths[size * layer :: size][:2]
        last = size * (layer + 1) - 1
        if (a, b) != (c, d):
            return UnsupportedStructureError(
                f"layer {layer} of the target maps {a} to {b} values, its replacement {c} to {d}"
            )
        if target.relu_after[layer] != pruned.relu_after[last]:
            return UnsupportedStructureError(
                f"a ReLU follows layer {layer} of the target or layer {last} of the pruned network, "
                "but not both"
            )
    return UnsupportedStructureError(
        f"the pruned network has {length} layers of the widths {pruned.widths}; no groups of them have the "
        f"widths {target.widths} of the target's {count} layers and its ReLUs {_ELSE}"
    )


# ---------------------------------------------------------------- signs


def _looks_at_one(layer: Dense) -> bool:
    """Tell, at a glance, that every unit has one input weight at most, or a bias alone."""
    weight = layer.weight
    entries = np.diff(weight.indptr) if is_sparse(weight) else np.count_nonzero(weight, axis=1)
    return bool((entries + (0 if layer.bias is None else layer.bias != 0.0) <= 1).all())


def _input_signs(d_in: int, *, nonnegative: bool) -> Signs:
    """Return which entries of the inputs, as rows over (max(x, 0), max(-x, 0), 1), are > 0 and < 0."""
    from scipy.sparse import csr_array

    each, shape = np.arange(d_in), (d_in, 2 * d_in + 1)
    above = csr_array((np.ones(d_in, dtype=bool), (each, each)), shape=shape)
    if nonnegative:
        return above, csr_array(shape, dtype=bool)
    return above, csr_array((np.ones(d_in, dtype=bool), (each, d_in + each)), shape=shape)


def _signs_after(layer: Dense, above: csr_array[Any, Any], below: csr_array[Any, Any]) -> Signs:
    """Return which entries of the layer's units can be > 0 and < 0, from those of what it takes."""
    from scipy.sparse import csr_array

    def constant(where: NDArray[np.bool_]) -> csr_array[Any, Any]:
        units, last = np.flatnonzero(where), above.shape[1] - 1
        return csr_array((where[units], (units, np.full(units.size, last))), shape=(layer.d_out, last + 1))

    positive, negative = csr_array(layer.weight > 0.0), csr_array(layer.weight < 0.0)
    bias = np.zeros(layer.d_out) if layer.bias is None else layer.bias
    return (
        positive @ above + negative @ below + constant(bias > 0.0),
        positive @ below + negative @ above + constant(bias < 0.0),
    )


def _check_units(above: csr_array[Any, Any], below: csr_array[Any, Any], d_in: int, index: int) -> None:
    """Refuse a unit of hidden layer ``index`` that a ReLU bends elsewhere than at an input's zero."""
    mixed = np.flatnonzero((np.diff(above.indptr) > 0) & (np.diff(below.indptr) > 0))
    used = (above + below)[mixed]
    inputs = np.diff((used[:, :d_in] + used[:, d_in : 2 * d_in]).tocsr().indptr)
    constant = np.diff(used[:, 2 * d_in :].tocsr().indptr)
    bent = np.flatnonzero(inputs + constant > 1)
    if not bent.size:
        return
    unit, count = int(mixed[bent[0]]), int(inputs[bent[0]])
    if count > 1:
        raise UnsupportedStructureError(
            f"unit {unit} of hidden layer {index} has {count} nonzero input weights; "
            "comparing layer by layer needs at most one where signs are mixed (method 'interval' does not)"
        )
    raise UnsupportedStructureError(
        f"unit {unit} of hidden layer {index} has both an input weight and a bias; "
        "comparing layer by layer needs at most one of them where signs are mixed "
        "(method 'interval' does not)"
    )

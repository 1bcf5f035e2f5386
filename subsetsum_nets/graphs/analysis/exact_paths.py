"""Sums over paths in exact arithmetic: effective linear maps, and the values and signs of units at a point.

Every float64 is an integer times a power of two. Weights are brought to integers with a common exponent, so
that sums over paths are sums and products of integers of any size; nothing is rounded before the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.networks.arrays import Bools, FloatArray, Ints, exact_float64
from subsetsum_nets.verification.replay.arithmetic import dyadic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from subsetsum_nets.graphs.dag.edges import EdgeBlock, Edges
    from subsetsum_nets.graphs.dag.graph import Dag
    from subsetsum_nets.graphs.dag.nodes import NodeLayer

    Integers = NDArray[np.object_]

_PAIRS = 1 << 20  # products of an edge and an entry that are in memory at a time
_PAIRS_OF_PYTHON = 1 << 12  # up to so many products matrices do not pay
_DENSE = 0.25  # from this share of nonzero products on, matrices of integers are multiplied as a whole


@dataclass(frozen=True, eq=False)
class LinearMap:
    """An affine map ``x -> weight @ x + bias`` with exact dyadic entries.

    Attributes
    ----------
    numerators : object array of int, shape (outputs, inputs + 1)
        The last column is the bias.
    exponent : int
        Every entry is its numerator times ``2 ** -exponent``.

    """

    numerators: Integers
    exponent: int

    @property
    def weight(self) -> FloatArray:
        """The weights, each rounded once to the nearest float64; OverflowError where there is none."""
        return self._rounded()[:, :-1]

    @property
    def bias(self) -> FloatArray:
        """The bias, each entry rounded once; shape (outputs,)."""
        return self._rounded()[:, -1]

    def exact_weight(self, row: int, column: int) -> Fraction:
        """Return one weight exactly; column ``inputs`` is the bias."""
        return Fraction(int(self.numerators[row, column])) / Fraction(2) ** self.exponent

    def _rounded(self) -> FloatArray:
        up, down = 1 << max(0, -self.exponent), 1 << max(0, self.exponent)
        rounded = [float(Fraction(int(number) * up, down)) for number in self.numerators.reshape(-1)]
        return np.array(rounded, dtype=np.float64).reshape(self.numerators.shape)


@dataclass(frozen=True, eq=False)
class _Rows:
    """A matrix of integers times ``2 ** -exponent`` by rows: CSR with integers of any size."""

    indptr: Ints
    columns: Ints
    numbers: Integers
    exponent: int
    width: int

    def dense(self) -> Integers:
        matrix = np.zeros((len(self.indptr) - 1, self.width), dtype=object)
        matrix[np.repeat(np.arange(len(matrix)), np.diff(self.indptr)), self.columns] = self.numbers
        return matrix


def linear_map(
    graph: Dag,
    active: Sequence[Any] | None = None,
    *,
    first: int = 0,
    last: int | None = None,
    before_activation: bool = False,
) -> LinearMap:
    """Return the map from the nodes of one layer to those of another, exactly: sums of products over paths.

    Only kept edges count. For a pair of layers that implements a layer of the target
    (``first=2 * l, last=2 * l + 2, before_activation=True``), its entries are the effective weights.

    Parameters
    ----------
    graph : Dag
    active : sequence of bool arrays, optional
        For each layer of the graph, which ReLUs are on (entries of linear nodes do not matter); as
        :func:`active_at` returns it. A ReLU that is on passes its value, one that is off gives 0. None where
        the part between has no ReLU. The values in layer ``first`` are taken as they are.
    first, last : int
        The part: from the nodes of layer ``first`` (default the inputs) to those of ``last`` (default the
        outputs).
    before_activation : bool
        Whether to leave out the ReLU of layer ``last`` itself.

    Raises
    ------
    InvalidGraphError
        If the part has a ReLU and ``active`` is None, layers are out of order, or an edge from before the
        part leads into it.

    Examples
    --------
    >>> from subsetsum_nets.graphs import LayeredDag
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> dag = LayeredDag.from_network(ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -3.0]])]))
    >>> linear_map(dag, dag.active_at([1.0])).exact_weight(0, 0)
    Fraction(1, 1)
    >>> linear_map(dag, dag.active_at([-1.0])).exact_weight(0, 0)
    Fraction(3, 2)

    """
    graph.check_exact("turned into a linear map")
    end = graph.depth if last is None else last
    if not 0 <= first < end <= graph.depth:
        raise InvalidGraphError(
            f"a part goes from a layer to a later one of 0..{graph.depth}, not {first} to {end}"
        )
    if active is not None and len(active) != len(graph.layers):
        raise InvalidGraphError(f"active has {len(active)} arrays; the graph has {len(graph.layers)} layers")
    for a, b in graph.blocks:
        if a < first < b <= end:
            raise InvalidGraphError(
                f"edges from layer {a} to layer {b} lead into the part; start it at layer {a} or before"
            )
    inputs = graph.widths[first]
    ones = np.array([1] * inputs, dtype=object)
    values = {first: _Rows(np.arange(inputs + 1), np.arange(inputs), ones, 0, inputs + 1)}
    for number in range(first + 1, end + 1):
        layer = graph.layers[number]
        linear = before_activation and number == end
        if active is None and layer.relu.any() and not linear:
            raise InvalidGraphError(
                f"layer {number} has ReLUs; say which are on (active=graph.active_at(x) for those at a point)"
            )
        on = np.ones(layer.size, dtype=bool)
        if active is not None and not linear:
            on = ~layer.relu | _signs(active[number], layer)
        values[number] = _step(graph, values, number, on)
    result = values[end]
    return LinearMap(result.dense(), result.exponent)


def values_at(graph: Dag, x: Any) -> tuple[tuple[Fraction, ...], ...]:
    """Return the exact values of all nodes at a point, a tuple for each layer.

    Raises
    ------
    InvalidGraphError
        If ``x`` has not one number for each input.

    """
    return tuple(
        tuple(Fraction(int(number)) / Fraction(2) ** rows.exponent for number in rows.dense()[:, 0])
        for rows in _values(graph, x)[0]
    )


def active_at(graph: Dag, x: Any) -> tuple[Bools, ...]:
    """Return which nodes are positive before their activation at a point, decided exactly.

    Returns
    -------
    tuple of bool arrays, one for each layer, shape (nodes,)
        For :func:`linear_map`. False where a value is exactly 0.

    """
    return _values(graph, x)[1]


def _values(graph: Dag, x: Any) -> tuple[list[_Rows], tuple[Bools, ...]]:
    graph.check_exact("evaluated")
    point = exact_float64(x, "the input")
    if point.shape != graph.widths[:1]:
        raise InvalidGraphError(f"the graph takes inputs of shape {graph.widths[:1]}, got {point.shape}")
    numbers, exponent = integers(point)
    count = point.size
    values = {0: _Rows(np.arange(count + 1), np.zeros(count, np.int64), numbers, exponent, 1)}
    positive = [numbers > 0]
    for number, layer in enumerate(graph.layers[1:], start=1):
        before = _step(graph, values, number, np.ones(layer.size, dtype=bool))
        total = before.dense()[:, 0]
        positive.append(np.array(total > 0, dtype=bool))
        after = np.where(layer.relu & ~positive[-1], 0, total)
        values[number] = _Rows(
            np.arange(layer.size + 1), np.zeros(layer.size, np.int64), after, before.exponent, 1
        )
    return list(values.values()), tuple(np.asarray(signs, dtype=bool) for signs in positive)


def integers(values: FloatArray) -> tuple[Integers, int]:
    """Return integers and an exponent with ``values == integers * 2 ** -exponent``, exactly.

    >>> integers(np.array([0.5, -3.0]))
    (array([1, -6], dtype=object), 1)
    """
    numbers, shifts, exponent = dyadic(values)
    return numbers.astype(object) << shifts.astype(object), exponent


def _signs(active: Any, layer: NodeLayer) -> Bools:
    signs = np.asarray(active)
    if signs.shape != (layer.size,) or signs.dtype != bool:
        raise InvalidGraphError(
            f"an array of active has {signs.dtype} {signs.shape}, it must be bool ({layer.size},)"
        )
    return signs


def _step(graph: Dag, values: dict[int, _Rows], number: int, on: Bools) -> _Rows:
    """Return the rows of one layer from those of earlier layers; the last column is the constant one."""
    layer = graph.layers[number]
    width = next(iter(values.values())).width
    parts: list[tuple[Ints, Integers, int]] = []  # keys row * width + column, numbers, exponent
    for (a, b), block in graph.blocks.items():
        if b == number and a in values:
            parts += _products(block, values[a], on)
    bias = layer.kept_bias
    if bias is not None:
        rows = np.flatnonzero(on & (bias != 0.0))
        numbers, exponent = integers(bias[rows])
        parts.append((rows * width + width - 1, numbers, exponent))
    exponent = max((part[2] for part in parts), default=0)
    keys, numbers = _summed(
        np.concatenate([np.zeros(0, dtype=np.int64), *(part[0] for part in parts)]),
        np.concatenate(
            [np.zeros(0, dtype=object), *(_shifted(part[1], exponent - part[2]) for part in parts)]
        ),
    )
    indptr = np.searchsorted(keys, width * np.arange(layer.size + 1))
    return _Rows(indptr, keys % width, numbers, exponent, width)


def _products(block: EdgeBlock, before: _Rows, on: Bools) -> list[tuple[Ints, Integers, int]]:
    """Return the product of a block with the rows of its earlier layer, in parts."""
    entries = np.diff(before.indptr)
    average = max(1, int(entries.mean())) if entries.size else 1
    products = block.kept_edges * average
    as_matrices = (
        products > _PAIRS_OF_PYTHON and products >= _DENSE * block.shape[0] * entries.size * before.width
    )
    parts = []
    for edges in block.chunks(block.edges if as_matrices else max(1, _PAIRS // average)):
        chosen = edges.where(edges.kept & (edges.weight != 0.0) & on[edges.rows])
        if not chosen.rows.size:
            continue
        weights, exponent = integers(chosen.weight)
        multiply = _as_matrices if as_matrices else _pair_by_pair
        parts.append((*multiply(chosen, weights, before), exponent + before.exponent))
    return parts


def _pair_by_pair(edges: Edges, weights: Integers, before: _Rows) -> tuple[Ints, Integers]:
    """Multiply every edge with every entry of the node it leaves."""
    repeat = np.diff(before.indptr)[edges.columns]
    which = np.repeat(np.arange(len(weights)), repeat)
    offset = np.arange(len(which)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    place = before.indptr[edges.columns][which] + offset
    return _summed(
        edges.rows[which] * before.width + before.columns[place], weights[which] * before.numbers[place]
    )


def _as_matrices(edges: Edges, weights: Integers, before: _Rows) -> tuple[Ints, Integers]:
    """Multiply matrices of integers as a whole, by FLINT."""
    from flint import fmpz_mat

    start = int(edges.rows[0])
    matrix = np.zeros((int(edges.rows[-1]) - start + 1, len(before.indptr) - 1), dtype=object)
    matrix[edges.rows - start, edges.columns] = weights
    left = fmpz_mat(matrix.shape[0], matrix.shape[1], [int(number) for number in matrix.reshape(-1)])
    other = before.dense()
    right = fmpz_mat(other.shape[0], other.shape[1], [int(number) for number in other.reshape(-1)])
    numbers = np.array([int(number) for number in (left * right).entries()], dtype=object)
    keys = start * before.width + np.arange(numbers.size)
    chosen = numbers != 0
    return keys[chosen], numbers[chosen]


def _summed(keys: Ints, numbers: Integers) -> tuple[Ints, Integers]:
    """Add up the numbers of equal keys; returns increasing keys."""
    if not keys.size:
        return keys, numbers
    order = np.argsort(keys, kind="stable")
    keys, numbers = keys[order], numbers[order]
    starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[starts], np.add.reduceat(numbers, starts)


def _shifted(numbers: Integers, bits: int) -> Integers:
    return numbers << bits if numbers.size and bits else numbers

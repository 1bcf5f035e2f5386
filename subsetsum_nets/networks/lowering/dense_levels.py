"""A level of the chain as a dense layer: an array, or sparse where it mostly passes values on."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.dense import Dense
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.linear_maps import Convolution, Matrix
from subsetsum_nets.networks.lowering.states import state_of

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray, Ints
    from subsetsum_nets.networks.lowering.index_maps import IndexMap
    from subsetsum_nets.networks.lowering.states import Output, Part, State

_SMALL = 1 << 14  # entries up to which a matrix is dense in any case
_FULL = 8  # one entry in so many makes it dense
_ENTRY_BYTES = 64  # of a sparse matrix while it is made


class _Entries(NamedTuple):
    """Entries of a sparse matrix."""

    values: FloatArray
    rows: Ints
    columns: Ints


class _Submatrix(NamedTuple):
    """A dense matrix at some rows and columns."""

    values: FloatArray
    rows: Ints
    columns: Ints


def dense_layer(outputs: list[Output], state: State) -> tuple[Dense, State]:
    """Return the layer that gives outputs, and how they lie.

    Raises
    ------
    NetworkFileError
        If it would take more memory than is allowed.

    """
    after = state_of(outputs, None)
    d_in = state.width * (math.prod(state.image) if state.image else 1)
    pieces, row = [], 0
    for output in outputs:
        pieces += [_piece(part, output, state, row) for part in output.parts]
        row += output.view.size
    return Dense(_assembled(pieces, (row, d_in)), _bias(outputs)), after


def moved_rows(layer: Dense, order: IndexMap) -> Dense:
    """Return a layer that gives the values of another one in another order, or zeros."""
    places = order.flat
    weight: Any = layer.weight[np.maximum(places, 0)]
    bias = None if layer.bias is None else layer.bias[places] * (places >= 0)
    if places.min(initial=0) < 0:
        weight = weight * (places >= 0)[:, np.newaxis]
    return Dense(weight, bias)


def selection(order: IndexMap, columns: Ints, width: int) -> Dense:
    """Return the layer that gives ``values[columns[place]]`` for each place of a map, 0 for -1."""
    from scipy.sparse import csr_array

    places = order.flat
    (kept,) = np.nonzero(places >= 0)
    entries = np.ones(kept.size), (kept, columns[places[kept]])
    return Dense(csr_array(entries, shape=(places.size, width)))


def _bias(outputs: list[Output]) -> FloatArray | None:
    if all(output.constant is None for output in outputs):
        return None
    parts = [
        np.broadcast_to(np.zeros(1) if output.constant is None else output.constant, output.shape).ravel()
        for output in outputs
    ]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _piece(part: Part, output: Output, state: State, start: int) -> _Entries | _Submatrix:
    """Return what a part is of the matrix of a layer; the rows of its output begin with ``start``."""
    columns = state.columns(part.block)
    term = part.term
    taken = term.pre.flat  # for each column of the core the atom's entry
    if not isinstance(term.core, Matrix | Convolution):
        (kept,) = np.nonzero(taken >= 0)
        numbers: FloatArray = np.full(1, part.sign)
        if term.core is not None:
            numbers = part.sign * np.broadcast_to(term.core.numbers, output.shape).ravel()[kept]
        return _Entries(np.broadcast_to(numbers, kept.shape), start + kept, columns[taken[kept]])
    places = None if term.post is None or term.post.places is None else term.post.flat
    inside = np.where(taken >= 0, columns[taken], -1)
    if isinstance(term.core, Matrix) and not is_sparse(term.core.weight):
        return _dense_piece(term.core.weight, part.sign, places, start, inside)
    if isinstance(term.core, Convolution):
        matrix: Any = term.core.unrolled()
    else:
        matrix = term.core.weight
    if places is not None:
        matrix = matrix[np.maximum(places, 0)]
    entries = matrix.tocoo()
    kept_entries = inside[entries.col] >= 0
    if places is not None:
        kept_entries &= places[entries.row] >= 0
    values = entries.data[kept_entries]
    return _Entries(
        -values if part.sign < 0 else values,
        start + entries.row[kept_entries],
        inside[entries.col[kept_entries]],
    )


def _dense_piece(
    weight: FloatArray, sign: float, places: Ints | None, start: int, inside: Ints
) -> _Submatrix:
    rows = start + np.arange(weight.shape[0] if places is None else places.size)
    if places is not None:
        (used,) = np.nonzero(places >= 0)
        weight, rows = weight[places[used]], rows[used]
    if inside.min(initial=0) < 0:
        (used,) = np.nonzero(inside >= 0)
        weight, inside = weight[:, used], inside[used]
    return _Submatrix(-weight if sign < 0 else weight, rows, inside)


def _assembled(pieces: list[_Entries | _Submatrix], shape: tuple[int, int]) -> Any:
    """Return the matrix of the pieces, dense or sparse."""
    dense = [piece for piece in pieces if isinstance(piece, _Submatrix)]
    sparse = [piece for piece in pieces if isinstance(piece, _Entries)]
    if len(pieces) == len(dense) == 1 and dense[0].values.shape == shape:
        return _ordered(dense[0])
    count = sum(piece.values.size for piece in pieces)
    entries = math.prod(shape)
    if (entries <= _SMALL and dense) or (count * _FULL >= entries and dense):
        check_demand(8 * entries, "the weight of a layer")
        return _dense(dense, sparse, shape)
    from scipy.sparse import coo_array

    check_demand(_ENTRY_BYTES * count, "the weight of a layer")
    sparse += [_entries(piece) for piece in dense]
    values, rows, columns = (np.concatenate(parts) for parts in zip(*sparse, strict=True))
    return coo_array((values, (rows, columns)), shape=shape).tocsr()


def _ordered(piece: _Submatrix) -> FloatArray:
    if np.array_equal(piece.columns, np.arange(piece.columns.size)):
        return piece.values
    ordered = np.empty_like(piece.values)
    ordered[:, piece.columns] = piece.values
    return ordered


def _dense(dense: list[_Submatrix], sparse: list[_Entries], shape: tuple[int, int]) -> FloatArray:
    matrix = np.zeros(shape)
    for piece in dense:
        matrix[np.ix_(piece.rows, piece.columns)] = piece.values
    for entries in sparse:
        np.add.at(matrix, (entries.rows, entries.columns), entries.values)
    return matrix


def _entries(piece: _Submatrix) -> _Entries:
    rows, columns = np.nonzero(piece.values)
    return _Entries(piece.values[rows, columns], piece.rows[rows], piece.columns[columns])

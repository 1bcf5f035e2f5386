"""EdgeBlock: the edges from one layer of nodes to a later one, in arrays.

A block is a matrix of shape (rows, columns) = (nodes of the later layer, nodes of the earlier one), like the
weight of a dense layer. A dense block has an edge for every entry and shares the array of the network it is
from; a sparse block has an edge for every stored entry (CSR).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from subsetsum_nets.graphs.errors import InvalidGraphError
from subsetsum_nets.networks.arrays import FloatArray, exact_float64, frozen, is_sparse, locked, narrowed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.integer[Any]]

CHUNK = 1 << 20
"""Edges handled at a time where a pass over a block needs temporary arrays."""


@dataclass(frozen=True, eq=False)
class FactoredOrigin:
    """Origins that follow from the two ends of an edge: ``by_row[row] + by_column[column]``.

    The edge has none (-1) where either is negative. A million candidate edges of a construction so need
    memory for their nodes only.
    """

    by_row: NDArray[np.int64]
    by_column: NDArray[np.int64]

    def of(self, rows: Ints, columns: Ints) -> NDArray[np.int64]:
        """Return the origins of edges given by their ends, -1 for none."""
        by_row, by_column = self.by_row[rows], self.by_column[columns]
        return np.where((by_row < 0) | (by_column < 0), -1, by_row + by_column)


class Edges(NamedTuple):
    """Edges of a block one by one: five arrays of equal length.

    ``rows`` and ``columns`` are positions in the later and the earlier layer; ``origin`` is the number of the
    target weight that an edge serves, -1 for none.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    weight: FloatArray
    kept: Bools
    origin: NDArray[np.int64]

    def where(self, chosen: Any) -> Edges:
        """Return the edges that a mask or an index array chooses."""
        return Edges(*(field[chosen] for field in self))


@dataclass(frozen=True, eq=False)
class EdgeBlock:
    """All edges from one layer to a later one; see :meth:`dense`, :meth:`sparse` and :meth:`from_edges`.

    Attributes
    ----------
    shape : (int, int)
        Nodes of the later layer, nodes of the earlier layer.
    weight : read-only float64 or float32 array
        Shape (rows, columns) for a dense block, (edges,) for a sparse one. float32 only where that holds
        every number exactly; everything that is computed is float64.
    pattern : (indptr, indices) or None
        The CSR structure of a sparse block; None for a dense one.
    kept : read-only bool array of the shape of ``weight``, or None
        None when every edge is kept.
    origin : FactoredOrigin, int64 array of the shape of ``weight``, or None
        Which target weight each edge serves. None when no edge has an origin.

    """

    shape: tuple[int, int]
    weight: NDArray[np.floating[Any]]
    pattern: tuple[Ints, Ints] | None
    kept: Bools | None
    origin: FactoredOrigin | NDArray[np.int64] | None

    @classmethod
    def of(cls, weight: Any, kept: Any = None, origin: FactoredOrigin | None = None) -> EdgeBlock:
        """Return the block of a layer's weight and its mask.

        Parameters
        ----------
        weight : array (rows, columns) or scipy.sparse CSR with sorted indices
            Not copied where it is read-only already.
        kept : bool array of the same shape, numpy or scipy.sparse, optional
        origin : FactoredOrigin, optional

        Raises
        ------
        InvalidNetworkError
            For entries that are not finite real numbers.
        InvalidGraphError
            If the mask does not go with the weight.

        Examples
        --------
        >>> block = EdgeBlock.of(np.array([[1.0, 2.0]]), np.array([[True, False]]))
        >>> block.edges, block.kept_edges
        (2, 1)

        """
        if kept is not None and kept.shape != weight.shape:
            raise InvalidGraphError(f"the mask has shape {kept.shape}, its weight {weight.shape}")
        if not is_sparse(weight):
            mask = kept.toarray() if is_sparse(kept) else kept
            values = exact_float64(weight, "the weight")
            return cls((values.shape[0], values.shape[1]), values, None, _mask(mask), origin)
        values = exact_float64(weight.data, "the weight")
        pattern = (frozen(weight.indptr), frozen(weight.indices))
        mask = None if kept is None else _kept_of_stored(weight, kept)
        return cls(tuple(weight.shape), values, pattern, _mask(mask), origin)

    @classmethod
    def from_edges(cls, shape: tuple[int, int], edges: Edges) -> EdgeBlock:
        """Return the block of edges given one by one, in any order; dense when every entry is there.

        Raises
        ------
        InvalidGraphError
            If an edge is there twice.

        """
        rows, columns = shape
        key = edges.rows.astype(np.int64) * columns + edges.columns
        if np.any(np.diff(key) <= 0):
            order = np.argsort(key, kind="stable")
            key, edges = key[order], edges.where(order)
            twice = np.flatnonzero(np.diff(key) == 0)
            if twice.size:
                row, column = divmod(int(key[twice[0]]), columns)
                raise InvalidGraphError(f"there are two edges from node {column} to node {row}; give one")
        kept = None if edges.kept.all() else edges.kept
        origin = edges.origin if (edges.origin >= 0).any() else None
        weight = np.asarray(edges.weight, dtype=np.float64)
        pattern = None
        if len(key) == rows * columns:
            weight = weight.reshape(shape)
            kept = None if kept is None else kept.reshape(shape)
            origin = None if origin is None else origin.reshape(shape)
        else:
            small = np.int32 if max(len(key), columns) < 2**31 else np.int64
            starts = np.zeros(rows + 1, dtype=small)
            np.cumsum(np.bincount(edges.rows, minlength=rows), out=starts[1:])
            pattern = (locked(starts), locked(edges.columns.astype(small)))
        if origin is not None:
            origin = locked(origin)
        checked = exact_float64(locked(weight), "the weight")
        return cls(shape, locked(narrowed(checked)), pattern, _mask(kept), origin)

    @property
    def edges(self) -> int:
        """Number of edges, kept or not."""
        return int(self.weight.size)

    @property
    def kept_edges(self) -> int:
        """Number of kept edges."""
        return self.edges if self.kept is None else int(np.count_nonzero(self.kept))

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays, those shared with a network included."""
        arrays: list[Any] = [self.weight, self.kept, *(self.pattern or ())]
        if isinstance(self.origin, FactoredOrigin):
            arrays += [self.origin.by_row, self.origin.by_column]
        else:
            arrays.append(self.origin)
        return sum(array.nbytes for array in arrays if array is not None)

    def matrix(self) -> Any:
        """Return the kept weights: a numpy array with zeros elsewhere, or a CSR array of the kept entries."""
        weight = self.weight.astype(np.float64, copy=False)
        if self.pattern is None:
            return weight if self.kept is None else np.where(self.kept, weight, 0.0)
        from scipy.sparse import csr_array

        indptr, indices = self.pattern
        if self.kept is None:
            return csr_array((weight, indices, indptr), shape=self.shape)
        starts = np.concatenate([[0], np.cumsum(self.kept)])[indptr].astype(indptr.dtype)
        return csr_array((weight[self.kept], indices[self.kept], starts), shape=self.shape)

    def chunks(self, most: int = CHUNK) -> Iterator[Edges]:
        """Yield all edges by rows, about ``most`` at a time (at least a row)."""
        for start, stop in self.row_ranges(most):
            yield self._rows(start, stop)

    def all_edges(self) -> Edges:
        """Return all edges at once."""
        return self._rows(0, self.shape[0])

    def row_ranges(self, most: int = CHUNK) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of rows that hold about ``most`` edges together, at least one row."""
        rows, columns = self.shape
        start = 0
        while start < rows:
            if self.pattern is None:
                stop = start + max(1, most // max(1, columns))
            else:
                indptr = self.pattern[0]
                stop = int(np.searchsorted(indptr, int(indptr[start]) + most, side="right")) - 1
                stop = max(start + 1, stop)
            stop = min(rows, stop)
            yield start, stop
            start = stop

    def carrying(self, start: int, stop: int) -> Any:
        """Return which entries of some rows carry a value (kept and not 0): bool, numpy or CSR."""
        span = self._span(start, stop)
        carries = self.weight[span] != 0.0
        if self.kept is not None:
            carries &= self.kept[span]
        if self.pattern is None:
            return carries
        from scipy.sparse import csr_array

        indptr, indices = self.pattern
        shape = (stop - start, self.shape[1])
        return csr_array((carries, indices[span], indptr[start : stop + 1] - indptr[start]), shape=shape)

    def select(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> EdgeBlock:
        """Return the block between some nodes only; ``rows`` and ``columns`` increase."""
        shape = (len(rows), len(columns))
        if shape == self.shape:
            return self
        places: Any = np.ix_(rows, columns)
        pattern = None
        if self.pattern is not None:
            from scipy.sparse import csr_array

            indptr, indices = self.pattern
            numbers = csr_array((np.arange(self.edges), indices, indptr), shape=self.shape)
            chosen = numbers[rows][:, columns].tocsr()
            chosen.sort_indices()
            places, pattern = chosen.data, (locked(chosen.indptr), locked(chosen.indices))
        kept = None if self.kept is None else self.kept[places]
        origin = self.origin
        if isinstance(origin, FactoredOrigin):
            origin = FactoredOrigin(locked(origin.by_row[rows]), locked(origin.by_column[columns]))
        elif origin is not None:
            origin = locked(origin[places])
        return EdgeBlock(shape, locked(self.weight[places]), pattern, _mask(kept), origin)

    def kept_only(self) -> EdgeBlock:
        """Return the block without the edges that are not kept; itself when all are."""
        if self.kept is None or self.kept.all():
            return self
        parts = [edges.where(edges.kept) for edges in self.chunks()]
        return EdgeBlock.from_edges(self.shape, joined(parts))

    def with_all_kept(self) -> EdgeBlock:
        """Return the block before pruning."""
        return EdgeBlock(self.shape, self.weight, self.pattern, None, self.origin)

    def compact(self) -> EdgeBlock:
        """Return the block in memory of its own, as float32 where that changes no number."""
        weight = narrowed(self.weight)
        weight = weight.copy() if weight is self.weight else weight
        return EdgeBlock(self.shape, locked(weight), self.pattern, self.kept, self.origin)

    def _span(self, start: int, stop: int) -> slice:
        if self.pattern is None:
            return slice(start, stop)
        return slice(int(self.pattern[0][start]), int(self.pattern[0][stop]))

    def _rows(self, start: int, stop: int) -> Edges:
        span, count = self._span(start, stop), self.shape[1]
        weight = self.weight[span].reshape(-1).astype(np.float64, copy=False)
        if self.pattern is None:
            rows = np.repeat(np.arange(start, stop, dtype=np.int64), count)
            columns = np.tile(np.arange(count, dtype=np.int64), stop - start)
        else:
            indptr, indices = self.pattern
            rows = np.repeat(np.arange(start, stop, dtype=np.int64), np.diff(indptr[start : stop + 1]))
            columns = indices[span].astype(np.int64)
        kept = np.ones(weight.size, dtype=bool) if self.kept is None else self.kept[span].reshape(-1)
        if self.origin is None:
            origin = np.full(weight.size, -1, dtype=np.int64)
        elif isinstance(self.origin, FactoredOrigin):
            origin = self.origin.of(rows, columns)
        else:
            origin = self.origin[span].reshape(-1)
        return Edges(rows, columns, weight, kept, origin)


def joined(parts: list[Edges]) -> Edges:
    """Return the edges of several chunks as one."""
    empty = Edges(
        np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0, bool), np.zeros(0, np.int64)
    )
    return Edges(*(np.concatenate(fields) for fields in zip(empty, *parts, strict=True)))


def _mask(kept: Any) -> Bools | None:
    """Return a read-only mask, None for one that keeps everything."""
    if kept is None or kept.all():
        return None
    if kept.dtype != bool:
        raise InvalidGraphError(f"a mask must be bool, got {kept.dtype}")
    mask: Bools = frozen(kept)
    return mask


def _kept_of_stored(weight: Any, kept: Any) -> Bools:
    """Return which stored entries of a CSR weight a mask keeps."""
    if not is_sparse(kept):
        rows = np.repeat(np.arange(weight.shape[0], dtype=np.int64), np.diff(weight.indptr))
        entries: Bools = np.asarray(kept)[rows, weight.indices]
        return entries
    mask = kept.tocsr().copy()
    mask.sort_indices()
    mask.eliminate_zeros()
    mask.sum_duplicates()
    # Entries of the weight by their numbers, from 1 on; one pass over both finds those of the mask.
    numbered = type(mask)((np.arange(1, weight.nnz + 1), weight.indices, weight.indptr), shape=weight.shape)
    both = numbered.multiply(mask).tocsr()
    if both.nnz != mask.nnz:
        raise InvalidGraphError("the mask keeps entries that the sparse weight does not store")
    found: Bools = np.zeros(weight.nnz, dtype=bool)
    found[both.data - 1] = True
    return found

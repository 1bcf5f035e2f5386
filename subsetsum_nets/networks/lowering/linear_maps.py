"""The linear maps of layers, as they stand in files: matrices, convolutions and scalings, channels first.

Each folds a scaling of what it gives or takes into itself where that is exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arrays import is_sparse
from subsetsum_nets.networks.files.budget import check_demand
from subsetsum_nets.networks.lowering.exact_arithmetic import Factor, product

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from subsetsum_nets.networks.arrays import FloatArray, Ints

    Sizes = tuple[int, ...]
    Pair = tuple[int, int]
    Folded = tuple["Core", float]


@dataclass(frozen=True, eq=False)
class Scaling:
    """Multiplication of every entry by a number; ``numbers`` broadcast with the entries."""

    numbers: FloatArray

    def scaled(self, factor: Factor, shape: Sizes) -> Folded | None:  # noqa: ARG002 - as every map is asked
        """Return the map behind which a factor acts, and the rounding; None if that is not exact."""
        found = product(self.numbers, factor)
        return None if found is None else (Scaling(found[0]), found[1])


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix (d_out, d_in), numpy or CSR, on flattened entries."""

    weight: Any

    @property
    def takes(self) -> Sizes:
        """Shape of what it takes."""
        return (int(self.weight.shape[1]),)

    @property
    def gives(self) -> Sizes:
        """Shape of what it gives."""
        return (int(self.weight.shape[0]),)

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(self.weight.nnz if is_sparse(self.weight) else self.weight.size)

    def scaled(self, factor: Factor, shape: Sizes) -> Folded | None:
        """Return the map behind which a factor acts, and the rounding; None if that is not exact."""
        rows = factor.changed(lambda part: _spread(part, shape))
        return self._product(rows, rows=True)

    def of_scaled(self, numbers: FloatArray, shape: Sizes) -> Folded | None:
        """Return the map of entries that are multiplied by numbers first; None if that is not exact."""
        return self._product(Factor(_spread(numbers, shape)), rows=False)

    def _product(self, factor: Factor, *, rows: bool) -> Folded | None:
        if not is_sparse(self.weight):
            found = product(self.weight, factor.changed(lambda p: p[:, np.newaxis] if rows else p))
            return None if found is None else (Matrix(found[0]), found[1])
        entries = self.weight.tocoo()
        at = entries.row if rows else entries.col
        found = product(entries.data, factor.changed(lambda part: part[at]))
        if found is None:
            return None
        return Matrix(type(entries)((found[0], (entries.row, entries.col)), entries.shape).tocsr()), found[1]

    def nonnegative(self) -> bool:
        """Whether no weight is negative."""
        return bool(np.all((self.weight.data if is_sparse(self.weight) else self.weight) >= 0.0))


@dataclass(frozen=True, eq=False)
class Convolution:
    """A cross-correlation of images (c_in, h, w), zeros around them.

    ``kernel`` has shape (c_out, c_in / groups, rows, columns), ``pads`` are (top, left, bottom, right).
    ``average`` marks the average of a window, whose weights were not learned.
    """

    kernel: FloatArray
    takes: Sizes
    strides: Pair = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: Pair = (1, 1)
    groups: int = 1
    average: bool = False

    @property
    def gives(self) -> Sizes:
        """Shape of what it gives."""
        return (int(self.kernel.shape[0]), *self.out_size)

    @property
    def out_size(self) -> Pair:
        """Rows and columns of what it gives."""
        rows, columns = (
            (size + before + after - dilation * (length - 1) - 1) // stride + 1
            for size, before, after, dilation, length, stride in zip(
                self.takes[1:], self.pads[:2], self.pads[2:], self.dilations, self.kernel.shape[2:],
                self.strides, strict=True,
            )
        )  # fmt: skip
        return rows, columns

    @property
    def size(self) -> int:
        """Number of weights."""
        return int(self.kernel.size)

    def scaled(self, factor: Factor, shape: Sizes) -> Folded | None:
        """Return the map behind which a factor acts, and the rounding; None if that is not exact."""
        return self._product(factor, shape, lambda part: part.reshape(-1, 1, 1, 1))

    def of_scaled(self, numbers: FloatArray, shape: Sizes) -> Folded | None:
        """Return the map of entries that are multiplied by numbers first; None if that is not exact."""
        c_out, c_in = self.kernel.shape[:2]

        def by_group(part: FloatArray) -> FloatArray:
            groups = np.repeat(part.reshape(self.groups, c_in), c_out // self.groups, axis=0)
            return groups[:, :, np.newaxis, np.newaxis]

        return self._product(Factor(numbers), shape, by_group)

    def _product(self, factor: Factor, shape: Sizes, arranged: Any) -> Folded | None:
        if len(shape) != 3 or math.prod(factor.high.shape[-2:]) != 1 or factor.high.size not in (1, shape[0]):
            return None  # not one number a channel
        channels = factor.changed(lambda part: np.broadcast_to(part.ravel(), (shape[0],)))
        found = product(self.kernel, channels.changed(arranged))
        return None if found is None else (replace(self, kernel=found[0], average=False), found[1])

    def nonnegative(self) -> bool:
        """Whether no weight is negative."""
        return bool(np.all(self.kernel >= 0.0))

    def unrolled_size(self) -> int:
        """Return how many entries the matrix has at most that :meth:`unrolled` returns."""
        return int(np.count_nonzero(self.kernel)) * math.prod(self.out_size)

    def unrolled(self) -> csr_array[Any, Any]:
        """Return the matrix on flattened images (c, h, w) that it is."""
        from scipy.sparse import coo_array

        c_out, c_in, rows, columns = self.kernel.shape
        h, w = self.takes[1:]
        top, left, bottom, right = self.pads
        check_demand(72 * self.unrolled_size(), "a convolution as a matrix")
        check_demand(8 * (h + top + bottom) * (w + left + right), "the image of a convolution")
        pixels = np.pad(np.arange(h * w).reshape(h, w), ((top, bottom), (left, right)), constant_values=-1)
        (n, m), (s, t), (d, e) = self.out_size, self.strides, self.dilations
        first_in = np.arange(c_out) // (c_out // self.groups) * c_in
        parts: list[tuple[FloatArray, Ints, Ints]] = []
        for p, q in np.ndindex(rows, columns):
            source = pixels[p * d : p * d + (n - 1) * s + 1 : s, q * e : q * e + (m - 1) * t + 1 : t].ravel()
            (to,) = np.nonzero(source >= 0)
            out, within = np.nonzero(self.kernel[:, :, p, q])
            parts.append(
                (
                    np.repeat(self.kernel[out, within, p, q], to.size),
                    (out[:, np.newaxis] * n * m + to).ravel(),
                    ((first_in[out] + within)[:, np.newaxis] * h * w + source[to]).ravel(),
                )
            )
        entries, at, of = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        matrix = coo_array((entries, (at, of)), shape=(c_out * n * m, math.prod(self.takes)))
        return matrix.tocsr()


Core = Scaling | Matrix | Convolution


def _spread(numbers: FloatArray, shape: Sizes) -> FloatArray:
    """Return numbers that broadcast with an array of ``shape`` as one number for each of its entries."""
    return np.broadcast_to(numbers, shape).ravel()

"""Rigorous midpoint-radius arithmetic on numpy arrays, without switching the rounding mode.

Every bound of this package is evaluated with the few primitives below. They rest on two facts about IEEE 754
binary64 with rounding to nearest, u = 2**-53:

* a sum or product is off by a factor in [1 - u, 1 + u], a product that underflows by at most 2**-1075 more
  (TINY = 2**-1022 is used instead, which also keeps what is inflated out of the subnormal range);
* so a sum of k products is off by at most ((1 + u)**k - 1) * sum |a_i b_i| + k * TINY, in whatever order
  it is summed, with or without fused multiply-add (Higham, Accuracy and Stability of Numerical
  Algorithms, 2nd ed., section 3.1; Rump, Acta Numerica 2010, for midpoint-radius products).

An entry whose factors are all zero gets the radius zero, so that equal networks have the bound 0 exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from subsetsum_nets.networks.arguments import checked_norm
from subsetsum_nets.networks.arrays import Bools, FloatArray, is_sparse
from subsetsum_nets.networks.convolution_matrix import ConvolutionMatrix, has_kernel
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError

UNIT = 2.0**-53
TINY = 2.0**-1022
MAX_TERMS = 2**33  # k * u < 2**-20, so that (1 + u)**k - 1 <= k * u * (1 + 2**-19)
_BLOCK = 2**24  # entries of a dense matrix that are copied at a time


class Matrix(Protocol):
    """What numpy arrays, CSR arrays and matrices kept as kernels have in common."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of rows and columns."""

    @property
    def T(self) -> Any:  # noqa: N802 - as in numpy
        """The transposed matrix, of the same kind but that of CSR is CSC."""

    def __matmul__(self, other: FloatArray, /) -> Any:
        """Return the product with an array of one or two axes."""

    def __abs__(self) -> Any:
        """Return the absolute matrix."""


def check_arithmetic() -> None:
    """Check that float64 rounds to nearest and underflows gradually here, as every bound assumes.

    Raises
    ------
    SoundnessError
        If another library has changed the rounding mode or flushes subnormal numbers to zero.

    """
    one, u, smallest_normal = np.array([1.0]), np.array([UNIT]), np.array([TINY])
    to_nearest = one + u == one and one + 3 * u == one + 4 * u and -one - u == -one
    gradual = smallest_normal * 0.5 * 2.0 == smallest_normal
    if not (to_nearest and gradual):
        raise SoundnessError("float64 here does not round to nearest with gradual underflow; no bound holds")


def finite(values: FloatArray) -> FloatArray:
    """Return ``values`` if they are all finite.

    Raises
    ------
    BoundOverflowError
        Otherwise.

    """
    if not np.isfinite(values).all():
        raise BoundOverflowError("a bound exceeds the range of float64; scale the weights or the domain down")
    return values


def entries(matrix: Matrix) -> FloatArray:
    """Return every stored entry of a matrix: those of the kernel of a convolution."""
    values: Any = matrix.kernel if has_kernel(matrix) else matrix.data if is_sparse(matrix) else matrix
    return np.asarray(values)


def with_entries(matrix: Matrix, values: FloatArray) -> Matrix:
    """Return the matrix of the same kind with other stored entries."""
    if has_kernel(matrix):
        return matrix.with_kernel(values)
    if not is_sparse(matrix):
        return values
    other = matrix.copy()
    other.data = values
    return other


def terms(weight: Matrix) -> int:
    """Return the largest number of products that are summed in a row of ``weight @ x``.

    Raises
    ------
    BoundOverflowError
        If there are 2**33 or more: the rounding bounds assume fewer.

    """
    if has_kernel(weight):
        count = weight.row_terms
    else:
        count = int(np.diff(weight.indptr).max()) if is_sparse(weight) else int(weight.shape[1])
    if count >= MAX_TERMS:
        raise BoundOverflowError(f"a sum of {count} products is too long for the rounding bounds (2**33)")
    return max(count, 1)


@np.errstate(over="ignore", invalid="ignore")
def inflate(value: FloatArray, roundings: int) -> FloatArray:
    """Return an upper bound of a nonnegative expression that was computed as ``value``.

    ``roundings`` counts the roundings on the longest path through the sums, products and square roots of the
    expression; all intermediate results must be nonnegative. Underflow of products is not covered: add TINY
    first. The exact value is at most ``value / (1 - u)**roundings``; the two further units absorb the
    rounding here.

    Examples
    --------
    >>> bool(inflate(np.array([0.1 + 0.2]), 1)[0] > 0.3)
    True

    """
    return finite(value * (1.0 + (roundings + 2) * 2 * UNIT))


def deflate(value: float, roundings: int) -> float:
    """Return a lower bound of a nonnegative expression computed as ``value``; see :func:`inflate`."""
    return value * (1.0 - (roundings + 2) * 2 * UNIT)


@np.errstate(over="ignore", invalid="ignore")
def rounding_error(magnitude: FloatArray, roundings: int) -> FloatArray:
    """Return an upper bound of the rounding and underflow errors of sums of products.

    ``magnitude`` is the sum of the absolute products, each subject to ``roundings`` roundings. The factor 1
    + 2**-10 absorbs the terms of higher order and the roundings of this very line.
    """
    relative = roundings * UNIT * (1.0 + 2.0**-10)
    return finite(np.abs(magnitude) * relative + (2 * roundings * TINY) * (magnitude != 0.0))


@np.errstate(over="ignore", invalid="ignore")
def sum_up(values: FloatArray) -> FloatArray:
    """Return upper bounds of the sums of a nonnegative array along its last axis."""
    return inflate(np.asarray(values.sum(axis=-1)), values.shape[-1])


@np.errstate(over="ignore", invalid="ignore")
def times_up(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return upper bounds of the entrywise products of nonnegative arrays (broadcast)."""
    return inflate(a * b + TINY * ((a != 0.0) & (b != 0.0)), 2)


@np.errstate(over="ignore", invalid="ignore")
def product_up(a: Matrix, b: FloatArray) -> FloatArray:
    """Return an upper bound of the product of a nonnegative matrix and a nonnegative array.

    ``a`` has shape (m, k) and may be sparse or a convolution, ``b`` has shape (k,) or (k, n).

    Examples
    --------
    >>> tenth = np.full((1, 3), 0.1)
    >>> from fractions import Fraction
    >>> Fraction(float(product_up(tenth, tenth[0])[0])) >= 3 * Fraction(0.1) ** 2
    True

    """
    count = terms(a)
    if has_kernel(a):
        touched = _pattern(a) @ (b != 0.0).astype(np.float64) > 0.0
    else:
        rows = np.diff(a.indptr) > 0 if is_sparse(a) else np.any(entries(a), axis=1)
        columns = (b != 0.0).any(axis=0)
        touched = np.logical_and.outer(rows, columns)
    return inflate(a @ b + (count * TINY) * touched, count + 1)


@dataclass(frozen=True, eq=False)
class MidRad:
    """The set of all arrays x with ``|x - mid| <= rad``, entry by entry.

    Parameters
    ----------
    mid, rad : array
        Finite float64 arrays of one shape; ``rad >= 0``.

    Examples
    --------
    >>> low, high = MidRad.from_bounds(np.array([0.0]), np.array([1.0])).bounds()
    >>> bool(low[0] <= 0.0 and high[0] >= 1.0)
    True

    """

    mid: FloatArray
    rad: FloatArray

    @classmethod
    def point(cls, values: FloatArray) -> MidRad:
        """Return the set that holds ``values`` alone."""
        return cls(values, np.zeros_like(values))

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")
    def from_bounds(cls, low: FloatArray, high: FloatArray) -> MidRad:
        """Return a set that holds every x with ``low <= x <= high``."""
        mid = np.where(low == high, low, 0.5 * low + 0.5 * high)
        return cls(finite(mid), inflate(np.maximum(high - mid, mid - low), 1))

    @np.errstate(over="ignore", invalid="ignore")
    def bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return (low, high), rounded outward."""
        exact = (self.rad == 0.0) | (self.mid == 0.0)
        low, high = self.mid - self.rad, self.mid + self.rad
        return (
            finite(np.where(exact, low, np.nextafter(low, -np.inf))),
            finite(np.where(exact, high, np.nextafter(high, np.inf))),
        )

    @np.errstate(over="ignore", invalid="ignore")
    def magnitude(self) -> FloatArray:
        """Return an upper bound of ``|x|`` over the set, entry by entry."""
        return inflate(np.abs(self.mid) + self.rad, 1)

    @np.errstate(over="ignore", invalid="ignore")
    def mignitude(self) -> FloatArray:
        """Return a lower bound, at least 0, of ``|x|`` over the set, entry by entry."""
        gap = np.abs(self.mid) - self.rad
        return np.where(self.rad == 0.0, gap, np.maximum(np.nextafter(gap, -np.inf), 0.0))

    def toarray(self) -> MidRad:
        """Return the set as one of arrays, which it is."""
        return self

    def columns(self, chosen: Bools) -> MidRad:
        """Return the set of matrices of the chosen columns."""
        return MidRad(self.mid[:, chosen], self.rad[:, chosen])

    def beside(self, other: Any) -> MidRad:
        """Return the set of matrices [A B], for A in this set and B in ``other``."""
        return MidRad(
            *(np.concatenate(parts, axis=1) for parts in ((self.mid, other.mid), (self.rad, other.rad)))
        )

    def __neg__(self) -> MidRad:
        return MidRad(-self.mid, self.rad)

    def relu(self) -> MidRad:
        """Return an enclosure of max(x, 0): entries that are >= 0 stay as they are."""
        low, high = self.bounds()
        mixed = MidRad.from_bounds(np.zeros_like(high), np.maximum(high, 0.0))
        return MidRad(np.where(low >= 0.0, self.mid, mixed.mid), np.where(low >= 0.0, self.rad, mixed.rad))

    @np.errstate(over="ignore", invalid="ignore")
    def plus(self, values: FloatArray) -> MidRad:
        """Return an enclosure of x + ``values``, where ``values`` is exact."""
        mid = finite(self.mid + values)
        return MidRad(mid, inflate(self.rad + rounding_error(mid, 1), 1))

    @np.errstate(over="ignore", invalid="ignore")
    def minus(self, other: MidRad) -> MidRad:
        """Return an enclosure of x - y for x in this set and y in ``other``."""
        mid = finite(self.mid - other.mid)
        return MidRad(mid, inflate(self.rad + other.rad + rounding_error(mid, 1), 2))


@np.errstate(over="ignore", invalid="ignore")
def affine(weight: Matrix, x: MidRad, bias: FloatArray | None = None) -> MidRad:
    """Enclose ``weight @ x + bias`` for all x in a set; the weight and the bias are exact.

    Parameters
    ----------
    weight : array, scipy.sparse array or ConvolutionMatrix, shape (m, k)
    x : MidRad, shape (k,) or (k, n)
    bias : array, shape (m,), optional
        Only for an x of shape (k,).

    Raises
    ------
    BoundOverflowError
        If an entry leaves the range of float64.

    Examples
    --------
    >>> y = affine(np.array([[2.0, -1.0]]), MidRad.point(np.array([1.0, 3.0])), np.array([0.5]))
    >>> float(y.mid[0]), bool(0.0 < y.rad[0] < 1e-14)
    (-0.5, True)

    """
    roundings = terms(weight) + 1
    mid = weight @ x.mid
    # |W| (rad + error of W @ mid, pulled inside the product): one product bounds both; product_up adds the
    # underflow.
    spread = inflate(x.rad + rounding_error(x.mid, roundings), 1)
    rad = product_up(abs(weight), spread)
    if bias is not None:
        mid = mid + bias
        rad = inflate(rad + rounding_error(bias, roundings), 1)
    return MidRad(finite(mid), rad)


@np.errstate(over="ignore", invalid="ignore")
def matmul(a: Matrix, b: Matrix) -> MidRad:
    """Enclose the product of two exact matrices, (m, k) and (k, n), each dense, sparse or a convolution.

    The enclosure is dense. Of two convolutions, or one and a sparse matrix, both are unrolled.

    Examples
    --------
    >>> product = matmul(np.array([[0.1, 0.1]]), np.array([[0.1], [0.2]]))
    >>> bool(product.rad[0, 0] < 1e-16)
    True

    """
    if has_kernel(a) and isinstance(b, np.ndarray):
        return affine(a, MidRad.point(b))
    if has_kernel(b) and isinstance(a, np.ndarray):
        product = affine(b.T, MidRad.point(a.T))
        return MidRad(product.mid.T, product.rad.T)
    return _unrolled_matmul(*(part.tocsr() if has_kernel(part) else part for part in (a, b)))


@np.errstate(over="ignore", invalid="ignore")
def _unrolled_matmul(a: Any, b: Any) -> MidRad:
    """Enclose the product of two arrays or CSR arrays."""
    count = min(
        terms(a), terms(b.T.tocsr() if is_sparse(b) else b.T)
    )  # a product with a zero factor is exact
    size_b = abs(b)
    # Row blocks keep the copies of a large dense matrix small.
    step = a.shape[0] if is_sparse(a) else max(1, _BLOCK // a.shape[1])
    mids, rads = [], []
    for start in range(0, a.shape[0], step):
        rows = a[start : start + step]
        mid, magnitude = rows @ b, abs(rows) @ size_b
        if is_sparse(mid):
            mid, magnitude = mid.toarray(), magnitude.toarray()
        touched = _touched(rows, b)
        magnitude = inflate(finite(magnitude) + (count * TINY) * touched, count + 1)
        mids.append(finite(mid))
        rads.append(rounding_error(magnitude, count))
    return MidRad(np.concatenate(mids), np.concatenate(rads))


def _touched(a: Any, b: Any) -> FloatArray:
    """Return True where row i of ``a`` and column j of ``b`` are both nonzero, shape (m, n)."""
    rows = np.diff(a.tocsr().indptr) > 0 if is_sparse(a) else a.any(axis=1)
    columns = np.diff(b.T.tocsr().indptr) > 0 if is_sparse(b) else b.any(axis=0)
    touched: FloatArray = np.logical_and.outer(rows, columns)
    return touched


def _pattern(matrix: ConvolutionMatrix) -> ConvolutionMatrix:
    """Return the matrix with a one wherever the kernel is not 0; its products are exact counts."""
    return matrix.with_kernel((matrix.kernel != 0.0).astype(np.float64))


def unit_scaled(magnitude: Any) -> tuple[Any, int]:
    """Return (scaled, e) with ``scaled * 2**e`` the nonnegative input, scaled to a maximum in [1/2, 1).

    Squares of scaled entries don't overflow. Scaled entries that underflow are rounded, by less than
    2**-1073. The input must not be all zero.
    """
    values = entries(magnitude)
    exponent = int(np.frexp(values.max())[1])
    return with_entries(magnitude, np.ldexp(values, -exponent)), exponent


@np.errstate(over="ignore", invalid="ignore")
def unscaled_up(values: FloatArray, exponent: int) -> FloatArray:
    """Return an upper bound of ``values * 2**exponent`` for positive values (the result may be subnormal)."""
    return finite(np.nextafter(np.ldexp(values, exponent), np.inf))


def row_norms_up(matrix: Matrix) -> FloatArray:
    """Return an upper bound of the l2 norm of every row of a matrix (m, n) of any kind; shape (m,).

    Examples
    --------
    >>> row_norms_up(np.array([[3.0, 4.0], [0.0, 0.0]])).round(12)
    array([5., 0.])

    """
    count = terms(matrix)
    magnitude = abs(matrix)
    result = np.zeros(matrix.shape[0])
    if not entries(magnitude).any():
        return result
    scaled, exponent = unit_scaled(magnitude)
    if has_kernel(magnitude):
        ones = np.ones(matrix.shape[1])
        nonzero = _pattern(magnitude) @ ones > 0.0
        squares = scaled.with_kernel(np.square(scaled.kernel)) @ ones
    else:
        nonzero = np.diff(magnitude.indptr) > 0 if is_sparse(magnitude) else magnitude.any(axis=1)
        squares = scaled.multiply(scaled).sum(axis=1) if is_sparse(scaled) else np.square(scaled).sum(axis=1)
    # TINY covers the underflow of the squares and of the scaling, each below 2**-1073 a term.
    squares = inflate(np.asarray(squares).ravel() + count * TINY, count + 1)
    roots = unscaled_up(inflate(np.sqrt(squares), 1), exponent)
    result[nonzero] = roots[nonzero]
    return result


def norm_up(values: FloatArray, norm: str) -> float:
    """Return an upper bound of the "l2", "linf" or "l1" norm of a vector (n,).

    Raises
    ------
    ValueError
        For another norm.
    BoundOverflowError
        If the norm exceeds the range of float64.

    Examples
    --------
    >>> norm_up(np.array([-3.0, 1.0]), "linf")
    3.0

    """
    checked_norm(norm)
    magnitude = np.abs(values)
    if norm == "linf":
        return float(magnitude.max())
    if norm == "l1":
        return float(sum_up(magnitude))
    return float(row_norms_up(magnitude[np.newaxis])[0])


@np.errstate(over="ignore")
def norm_down(values: FloatArray, norm: str) -> float:
    """Return a lower bound of the "l2", "linf" or "l1" norm of a vector (n,); see :func:`norm_up`.

    Examples
    --------
    >>> bool(4.999999 < norm_down(np.array([3.0, 4.0]), "l2") <= 5.0)
    True

    """
    checked_norm(norm)
    magnitude = np.abs(values)
    largest = float(magnitude.max())
    if norm == "linf" or largest == 0.0:
        return largest
    scaled, exponent = unit_scaled(magnitude)
    # The scaled sum is at least 1/4, so that the slack of deflate dwarfs all underflow.
    total = deflate(float((scaled if norm == "l1" else np.square(scaled)).sum()), magnitude.size + 1)
    root = total if norm == "l1" else deflate(math.sqrt(total), 1)
    result = float(np.nextafter(np.ldexp(root, exponent), 0.0))
    return result if math.isfinite(result) else largest

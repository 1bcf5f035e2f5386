"""Lattice bases made short: LLL with deep insertions (Schnorr & Euchner 1994), in float64.

A basis is an array whose rows are real vectors; whole multiples of rows are added to others, and rows change
places. What is whole at the start, in whatever unit, is whole at the end, as long as numbers stay below 2^53
of that unit; so a row's coefficients may be kept in columns of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from solvers.kernels.compiling import compiled

if TYPE_CHECKING:
    from solvers.kernels.array_types import Floats

_DELTA = 0.99
_REDUCTIONS = 8  # of a row, at most: rounding makes a second or third one necessary at times


@compiled
def _project(basis: Floats, shares: Floats, squares: Floats, inner: Floats, k: int) -> None:
    """Compute row k of the Gram-Schmidt coefficients, and the squared length of what is left of it."""
    square = 0.0
    for c in range(basis.shape[1]):
        square += basis[k, c] * basis[k, c]
    squares[k] = square
    for j in range(k):
        product = 0.0
        for c in range(basis.shape[1]):
            product += basis[k, c] * basis[j, c]
        for i in range(j):
            product -= shares[j, i] * inner[i]
        inner[j] = product
        shares[k, j] = product / squares[j]
        squares[k] -= shares[k, j] * product


@compiled
def _size_reduce(basis: Floats, shares: Floats, squares: Floats, inner: Floats, k: int) -> None:
    """Subtract whole multiples of the rows before from row k until all its coefficients are 1/2 at most."""
    for _ in range(_REDUCTIONS):
        _project(basis, shares, squares, inner, k)
        changed = False
        for j in range(k - 1, -1, -1):
            if abs(shares[k, j]) > 0.51:
                times = np.rint(shares[k, j])
                changed = True
                for c in range(basis.shape[1]):
                    basis[k, c] -= times * basis[j, c]
                for i in range(j):
                    shares[k, i] -= times * shares[j, i]
        if not changed:
            return


@compiled
def _place(shares: Floats, squares: Floats, k: int, depth: int) -> int:
    """Return the first place, at most ``depth`` before k, where row k makes the basis shorter; k if none."""
    left = squares[k]
    for i in range(k):
        left += shares[k, i] * shares[k, i] * squares[i]
    for i in range(k):
        if i >= k - depth and left < _DELTA * squares[i]:
            return i
        left -= shares[k, i] * shares[k, i] * squares[i]
    return k


@compiled
def reduce_basis(
    basis: Floats, shares: Floats, squares: Floats, depth: int, k: int, steps: int
) -> tuple[int, int]:
    """Reduce a basis, shape (rows, columns), in place, from row k on, whose predecessors are reduced.

    ``depth`` 1 is LLL (Lenstra, Lenstra & Lovász 1982). The rows must be independent. ``shares``, strictly
    below the diagonal, and ``squares`` are their Gram-Schmidt coefficients and the squared lengths of what
    is left of them, updated up to row k. Returns the row to go on from, the number of rows where all is done,
    and how many of the ``steps`` are left.
    """
    rows, columns = basis.shape
    inner = np.zeros(rows)
    while k < rows and steps > 0:
        steps -= 1
        _size_reduce(basis, shares, squares, inner, k)
        place = _place(shares, squares, k, depth)
        if place == k:
            k += 1
            continue
        for c in range(columns):
            moved = basis[k, c]
            for i in range(k, place, -1):
                basis[i, c] = basis[i - 1, c]
            basis[place, c] = moved
        k = place
    return k, steps

"""Rigorous and tight upper bounds of spectral norms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import (
    TINY,
    Matrix,
    MidRad,
    affine,
    inflate,
    matmul,
    norm_up,
    product_up,
    rounding_error,
    row_norms_up,
    times_up,
    unit_scaled,
    unscaled_up,
)

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray


def spectral_norm_up(matrix: MidRad) -> float:
    """Return an upper bound of the spectral norm of every matrix in a set, shape (m, n).

    ``||M|| <= ||mid|| + ||rad||``. The norm of the midpoint A comes from the Gram matrix G = A A^T and an
    approximate eigendecomposition Q D Q^T: ``||A||^2 = ||G|| <= max|d| (1 + ||Q^T Q - I||) + ||G - Q D
    Q^T||``, where nothing is assumed about Q and D. It is never above the Frobenius norm or sqrt(||.||_1
    ||.||_inf).

    Raises
    ------
    BoundOverflowError
        If the norm exceeds the range of float64.

    Examples
    --------
    >>> norm = spectral_norm_up(MidRad.point(np.array([[1.0, 1.0], [1.0, 1.0]])))
    >>> bool(2.0 <= norm < 2.0 + 1e-13)
    True

    """
    if matrix.mid.any():
        # Scale by a power of two: the squares then neither overflow nor vanish.
        magnitude, exponent = unit_scaled(np.abs(matrix.mid))
        scaled = np.copysign(magnitude, matrix.mid)
        centre = simple_bound(scaled)
        if not _scattered(scaled):
            centre = min(centre, _gram_bound(scaled if scaled.shape[0] <= scaled.shape[1] else scaled.T))
        # The entries that the scaling rounds are off by less than TINY each.
        centre = float(unscaled_up(inflate(np.array(centre + scaled.size * TINY), 1), exponent))
    else:
        centre = 0.0
    return float(inflate(np.array(centre + simple_bound(matrix.rad)), 1))


def _scattered(matrix: FloatArray) -> bool:
    """Tell whether no row and no column has two entries: the largest entry is the norm, a simple bound."""
    there = matrix != 0.0
    return bool(there.sum(axis=0).max(initial=0) <= 1 and there.sum(axis=1).max(initial=0) <= 1)


def simple_bound(matrix: Matrix) -> float:
    """Return min(Frobenius, sqrt(||.||_1 ||.||_inf)) of a matrix of any kind, rounded up."""
    magnitude = abs(matrix)
    frobenius = norm_up(row_norms_up(magnitude), "l2")
    rows = product_up(magnitude, np.ones(matrix.shape[1])).max(initial=0.0)
    columns = product_up(magnitude.T, np.ones(matrix.shape[0])).max(initial=0.0)
    # Roots before the product, so that it does not overflow.
    hoelder = times_up(inflate(np.sqrt(rows), 1), inflate(np.sqrt(columns), 1))
    return min(frobenius, float(hoelder))


def _gram_bound(matrix: FloatArray) -> float:
    """Return the bound by the eigendecomposition of ``matrix @ matrix.T``; inf if none is found."""
    gram = matmul(matrix, matrix.T)
    try:
        eigenvalues, vectors = np.linalg.eigh(gram.mid)
    except np.linalg.LinAlgError:
        return math.inf
    weighted = eigenvalues[:, np.newaxis] * vectors.T
    decomposed = affine(vectors, MidRad(weighted, rounding_error(weighted, 1) + TINY))
    residual = _frobenius_up(decomposed.minus(gram))
    identity = MidRad.point(np.eye(len(eigenvalues)))
    defect = _frobenius_up(matmul(vectors.T, vectors).minus(identity))
    square = inflate(np.abs(eigenvalues).max() * (1.0 + defect) + residual + TINY, 4)
    return float(inflate(np.sqrt(square), 1))


def _frobenius_up(matrix: MidRad) -> float:
    return float(row_norms_up(matrix.magnitude().reshape(1, -1))[0])

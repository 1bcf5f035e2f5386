"""Spectral norms with a proof in ball arithmetic: ``lambda 1 - M M^T`` is positive definite.

lambda is guessed from a floating eigenvector; what is proven about it owes nothing to the guess.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from subsetsum_nets.verification.replay.arithmetic import ExactMatrix, root_up

_PRECISION = 256  # bits of the balls
# What is added to the guess, smallest first: the proof fails as long as the guess is below the eigenvalue.
_SLACKS = tuple(Fraction(1, 2**k) for k in (60, 56, *range(53, 20, -1)))


def spectral_norm_up(matrix: ExactMatrix) -> Fraction:
    """Return an upper bound of the spectral norm, almost always tight to 2**-60.

    Never above the Frobenius norm or ``sqrt(||.||_1 ||.||_inf)``, the bounds that need no proof.

    Examples
    --------
    >>> norm = spectral_norm_up(ExactMatrix.from_floats(np.array([[1.0, 1.0], [1.0, 1.0]])))
    >>> 0 <= norm - 2 < Fraction(1, 2**58)
    True

    """
    rows, columns = matrix.shape
    if 0 in (rows, columns) or not any(matrix.signs()):
        return Fraction(0)
    gram = matrix @ matrix.T if rows <= columns else matrix.T @ matrix
    diagonal = [gram.ints[k, k] for k in range(gram.shape[0])]
    unit = Fraction(2) ** -gram.scale
    frobenius = int(sum(diagonal)) * unit
    magnitude = abs(matrix)
    hoelder = max(magnitude.row_sums().fractions()) * max(magnitude.T.row_sums().fractions())
    simple = min(frobenius, hoelder)
    guess = int(diagonal[0]) * unit if len(diagonal) == 1 else _rayleigh_quotient(gram)
    for slack in _SLACKS:
        square = guess * (1 + slack)
        if square >= simple:
            break
        if exceeds_eigenvalues(square, gram):
            return root_up(square)
    return root_up(simple)


def exceeds_eigenvalues(value: Fraction, symmetric: ExactMatrix) -> bool:
    """Prove that ``value`` is above every eigenvalue of a symmetric matrix; False proves nothing.

    Examples
    --------
    >>> identity, one = ExactMatrix.from_floats(np.eye(3)), Fraction(1)
    >>> exceeds_eigenvalues(one + Fraction(1, 2**60), identity), exceeds_eigenvalues(one, identity)
    (True, False)

    """
    from flint import arb_mat, ctx, fmpz_mat

    # value 1 - A, times the denominators of both, is an integer matrix.
    down = max(symmetric.scale, 0)
    numerator, denominator = value.numerator << down, value.denominator
    factor = denominator << max(-symmetric.scale, 0)
    n = symmetric.shape[0]
    shifted = fmpz_mat(n, n, [numerator * (i == j) for i in range(n) for j in range(n)])
    with ctx.workprec(_PRECISION):
        return _positive_definite(arb_mat(shifted - symmetric.ints * factor))


def _positive_definite(matrix: Any) -> bool:
    """Prove that a symmetric matrix of balls is positive definite, by Schur complements of halves."""
    from flint import arb_mat

    n = matrix.nrows()
    if n == 1:
        return bool(matrix[0, 0] > 0)
    half = n // 2
    rows = matrix.tolist()
    corner, right, rest = (
        arb_mat(part)
        for part in (
            [row[:half] for row in rows[:half]],
            [row[half:] for row in rows[:half]],
            [row[half:] for row in rows[half:]],
        )
    )
    if not _positive_definite(corner):
        return False
    try:
        eliminated = corner.solve(right)
    except ZeroDivisionError:  # the balls are too wide to tell
        return False
    return _positive_definite(rest - right.transpose() * eliminated)


def _rayleigh_quotient(gram: ExactMatrix) -> Fraction:
    """Return v^T G v / v^T v, exactly, for a floating guess v at the leading eigenvector."""
    numbers = gram.ints.entries()
    excess = max(max(abs(int(x)).bit_length() for x in numbers) - 62, 0)
    image = np.array([float(int(x) >> excess) for x in numbers]).reshape(gram.shape)
    try:
        vector = ExactMatrix.from_floats(np.linalg.eigh(image)[1][:, -1])
    except np.linalg.LinAlgError:
        vector = ExactMatrix.from_floats(np.ones(gram.shape[0]))
    (above,), (below,) = (vector.T @ gram @ vector).fractions(), (vector.T @ vector).fractions()
    return above / below

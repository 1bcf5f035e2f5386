"""Packings: many d x d matrices of operator norm at most 1, any two more than 2 epsilon apart.

The hard targets of Theorem 2 of Pensia et al. (2020): a network within epsilon of one member is farther than
epsilon from every other. Members are integer matrices times a power-of-two fraction, the *pitch*, so that
membership and separation are decided in integers: for an integer matrix K, ``||K||^2 <= t`` exactly if
``t I - K^T K`` is positive semidefinite, which its principal minors tell.

How many members there must be: if no matrix of the ball can be added (the packing is *maximal*), balls of
radius 2 epsilon around the members cover the unit ball, so there are at least ``(1 / (2 epsilon))^(d^2)``.
Any packing has at most ``(1 + 1 / epsilon)^(d^2)`` members, as balls of radius epsilon around them are
disjoint. A lattice is not maximal in general and owes the first number nothing; it may have fewer or more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer, checked_number

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.networks.arrays import FloatArray

    Integers = NDArray[np.int64]

MOST_MATRICES = 500_000  # in a grid
DIMENSIONS = (1, 2, 3)
_LATTICE_STEPS = 2  # pitches between neighbours of the lattice, so that it may be shifted by a half
_GREEDY_STEPS = (4, 3, 2)  # pitches; the first whose grid is not too large
_MOST_GREEDY = 60_000  # matrices of a grid to choose from
_STEP_BITS = 20  # the step is the least above 2 epsilon with this relative resolution
_BLOCK = 200_000  # matrices whose norms are decided at a time


@dataclass(frozen=True, eq=False)
class Packing:
    """A 2 epsilon-separated set in the operator-norm unit ball of d x d matrices.

    Attributes
    ----------
    kind : str
        "lattice" or "greedy".
    dimension : int
        d.
    epsilon : float
    integers : int64 array, shape (N, d, d)
        Member i is exactly ``integers[i] * pitch``.
    pitch : Fraction
        Its denominator is a power of two.
    steps : int
        Any two members are at least ``steps * pitch > 2 epsilon`` apart, see :meth:`check`.

    """

    kind: str
    dimension: int
    epsilon: float
    integers: Integers
    pitch: Fraction
    steps: int

    def __len__(self) -> int:
        return len(self.integers)

    @property
    def members(self) -> FloatArray:
        """The matrices, shape (N, d, d), exact in float64."""
        return np.asarray(self.integers * float(self.pitch), dtype=np.float64)

    @property
    def separation(self) -> Fraction:
        """Lower bound of the operator norm of every difference of two members."""
        return self.steps * self.pitch

    @property
    def volume_bound(self) -> float:
        """(1 / (2 epsilon))^(d^2): every maximal packing has at least as many members."""
        return float((0.5 / self.epsilon) ** (self.dimension**2))

    @property
    def most(self) -> float:
        """(1 + 1 / epsilon)^(d^2): no packing has more members."""
        return float((1.0 + 1.0 / self.epsilon) ** (self.dimension**2))

    def check(self) -> None:
        """Prove in integers that this is a packing: every member in the ball, every two far enough apart.

        Raises
        ------
        ArithmeticError
            Naming the member or the pair that is not as claimed.

        """
        if not self.separation > 2 * Fraction(self.epsilon):
            raise ArithmeticError(
                f"the separation {self.separation} is not above 2 epsilon = {2 * self.epsilon}"
            )
        outside = np.flatnonzero(~norm_at_most(self.integers, self._radius_square))
        if outside.size:
            raise ArithmeticError(f"member {outside[0]} has an operator norm above 1")
        for i, member in enumerate(self.integers):
            near = np.flatnonzero(norm_below(self.integers[i + 1 :] - member, self.steps**2))
            if near.size:
                raise ArithmeticError(f"members {i} and {i + 1 + near[0]} are closer than {self.separation}")

    @property
    def _radius_square(self) -> int:
        """A matrix lies in the ball if the squared norm of its integers is at most this."""
        return math.floor(1 / self.pitch**2)


def lattice_packing(dimension: int, epsilon: float) -> Packing:
    """Return the matrices of the ball whose entries are multiples of a step just above 2 epsilon.

    Two of them differ by a whole step in some entry, and no entry of a matrix exceeds its operator norm. Of
    the lattice through 0 and the one shifted by half a step in every entry, the larger set is returned. For
    d = 1 and 1/(2 epsilon) a power of two it has as many members as any packing can have.
    Step 1 of Theorem 2 of Pensia et al. (2020) needs such a set.

    Parameters
    ----------
    dimension : int
        d, from 1 to 3.
    epsilon : float
        In [2^-20, 1/2].

    Raises
    ------
    ValueError
        If a number is out of range, or there would be more matrices to look at than :data:`MOST_MATRICES`.

    Examples
    --------
    >>> packing = lattice_packing(2, 0.25)
    >>> len(packing), packing.volume_bound, packing.separation > 0.5
    (96, 16.0, True)

    """
    d, error = _checked(dimension, epsilon)
    pitch = _step(error) / _LATTICE_STEPS
    found = [_ball(d, pitch, _LATTICE_STEPS, shift) for shift in range(_LATTICE_STEPS)]
    return Packing("lattice", d, error, max(found, key=len), pitch, _LATTICE_STEPS)


def greedy_packing(dimension: int, epsilon: float) -> Packing:
    """Return a packing that no matrix of a grid two to four times finer can be added to.

    Takes the grid's matrices of the ball from the boundary inwards (by the largest sum of squares, ties in
    lexicographic order), each that is a step away from all taken before: a packing
    for Theorem 2 of Pensia et al. (2020) that is nearly maximal.

    Parameters
    ----------
    dimension, epsilon
        As for :func:`lattice_packing`.

    Raises
    ------
    ValueError
        As for :func:`lattice_packing`.

    Examples
    --------
    >>> packing = greedy_packing(1, 0.25)
    >>> packing.members.ravel().round(2).tolist()
    [-0.88, 0.88, -0.38, 0.38]

    """
    d, error = _checked(dimension, epsilon)
    steps, grid = _finest_grid(d, error)
    order = np.argsort(-(grid**2).sum(axis=(1, 2)), kind="stable")
    left, taken = grid[order], []
    while len(left):
        taken.append(left[0])
        difference = left - left[0]
        near = np.abs(difference).max(axis=(1, 2)) < steps  # the others are a step away
        near[near] = norm_below(difference[near], steps**2)
        left = left[~near]
    return Packing("greedy", d, error, np.array(taken), _step(error) / steps, steps)


# -- norms of integer matrices ---------------------------------------------------------------------------


def norm_at_most(matrices: Integers, square: int) -> NDArray[np.bool_]:
    """Decide ``||K||^2 <= square`` in integers: all principal minors of square I - K^T K are >= 0.

    Parameters
    ----------
    matrices : int64 array, shape (N, d, m), m <= 3
    square : int

    Examples
    --------
    >>> norm_at_most(np.array([[[3, 4], [0, 0]]]), 25), norm_at_most(np.array([[[3, 4], [0, 0]]]), 24)
    (array([ True]), array([False]))

    """
    form = _shifted(matrices, square)
    m = form.shape[1]
    subsets = [list(rows) for size in range(1, m + 1) for rows in combinations(range(m), size)]
    signs = [_determinant(form[:, rows][:, :, rows]) >= 0 for rows in subsets]
    return np.asarray(np.logical_and.reduce(signs), dtype=bool)


def norm_below(matrices: Integers, square: int) -> NDArray[np.bool_]:
    """Decide ``||K||^2 < square`` in integers: the leading principal minors are > 0.

    Examples
    --------
    >>> norm_below(np.array([[[3, 4], [0, 0]]]), 25), norm_below(np.array([[[3, 4], [0, 0]]]), 26)
    (array([False]), array([ True]))

    """
    form = _shifted(matrices, square)
    signs = [_determinant(form[:, :size, :size]) > 0 for size in range(1, form.shape[1] + 1)]
    return np.asarray(np.logical_and.reduce(signs), dtype=bool)


def _shifted(matrices: Integers, square: int) -> Integers:
    """Return square I - K^T K, refusing what int64 could not hold in a determinant."""
    m = matrices.shape[2]
    largest = int(np.abs(matrices).max(initial=0)) ** 2 * matrices.shape[1] + square
    if 6 * largest**m >= 2**63:
        raise OverflowError(f"entries up to {np.abs(matrices).max()} and the square {square} leave int64")
    return square * np.eye(m, dtype=np.int64) - matrices.transpose(0, 2, 1) @ matrices


def _determinant(a: Integers) -> Integers:
    """Return the determinants of integer matrices (N, m, m), m from 1 to 3, exactly."""
    found: Integers
    if a.shape[1] == 1:
        found = a[:, 0, 0]
    elif a.shape[1] == 2:
        found = a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0]
    else:
        first, rest = a[:, 0], a[:, 1:]
        minors = [_determinant(rest[:, :, columns]) for columns in ([1, 2], [0, 2], [0, 1])]
        found = first[:, 0] * minors[0] - first[:, 1] * minors[1] + first[:, 2] * minors[2]
    return found


# -- grids -----------------------------------------------------------------------------------------------


def _step(epsilon: float) -> Fraction:
    """Return the least multiple of a power of two above 2 epsilon, 2^-10 of it fine or finer."""
    exponent = math.frexp(2 * epsilon)[1] - 1 - _STEP_BITS
    unit = Fraction(2) ** exponent
    return (math.floor(2 * Fraction(epsilon) / unit) + 1) * unit


def _finest_grid(d: int, epsilon: float) -> tuple[int, Integers]:
    """Return how many pitches a step has, and the grid's matrices of the ball."""
    for steps in _GREEDY_STEPS:
        try:
            return steps, _ball(d, _step(epsilon) / steps, most=_MOST_GREEDY)
        except ValueError as error:
            refusal = error
    raise refusal


def _ball(d: int, pitch: Fraction, every: int = 1, shift: int = 0, most: int = MOST_MATRICES) -> Integers:
    """Return the integer matrices of norm at most 1 / pitch whose entries are ``shift`` modulo ``every``.

    Column by column: every part of a matrix of the ball is in the ball, too.
    """
    square = math.floor(1 / pitch**2)
    reach = math.isqrt(square)
    entries = [k for k in range(-reach, reach + 1) if (k - shift) % every == 0]
    _refuse_too_many(len(entries) ** d, most, d, pitch)
    columns = np.array(list(product(entries, repeat=d)), dtype=np.int64).reshape(-1, d, 1)
    columns = columns[norm_at_most(columns, square)]
    found = columns
    for _ in range(1, d):
        parts, count = [np.zeros((0, d, found.shape[2] + 1), dtype=np.int64)], 0
        rows = max(1, _BLOCK // max(1, len(columns)))
        for first in range(0, len(found), rows):
            block = found[first : first + rows]
            left = np.repeat(block, len(columns), axis=0)
            wider = np.concatenate([left, np.tile(columns, (len(block), 1, 1))], axis=2)
            parts.append(wider[norm_at_most(wider, square)])
            count += len(parts[-1])
            _refuse_too_many(count, most, d, pitch)
        found = np.concatenate(parts)
    return found


def _refuse_too_many(count: int, most: int, d: int, pitch: Fraction) -> None:
    if count > most:
        raise ValueError(
            f"there are {count:,} or more matrices of dimension {d} at pitch {float(pitch):.3g}, and "
            f"{most:,} are the most; take a larger epsilon or a smaller dimension"
        )


def _checked(dimension: int, epsilon: float) -> tuple[int, float]:
    d = checked_integer(dimension, "dimension", DIMENSIONS[0], DIMENSIONS[-1])
    return d, checked_number(epsilon, "epsilon", 2.0**-20, 0.5)

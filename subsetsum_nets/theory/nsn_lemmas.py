"""Random subset sum of NSN vectors by the lemmas of da Cunha et al. (2023), with every constant.

Lemmas 7 and 8 bound the probabilities of which the moments of T consist; Theorem 5 and Corollary 19 say how
many vectors are enough. In print the normal density lacks a factor: sqrt(pi v) stands for sqrt(2 pi v). Lemma
7, a lower bound, is false then; Lemma 8, an upper bound, only weaker. Both are here as printed and corrected.
In the ratio of Theorem 5's proof the factor cancels, so that its constant 270,801 stays.

Where the hypotheses say "for a large enough C", the functions check what the proofs use: Lemma 7 needs k of
at least 16 and of at least d^2 (it prints d); Lemma 8 needs exp(-c_d j) to be at most its power of d; Theorem
5 needs Lemma 8 for all j from k (1 - 1/d) on, and a tail to be small. For d = 1 its proof divides by 1 - 1/d,
which is 0: the functions start at d = 2. Corollary 19 covers the cube by cells of radius epsilon, and so
proves 2 epsilon; here cells have radius epsilon / 2, and Theorem 5 does the rest.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from subsetsum_nets.networks.arguments import checked_integer, checked_number

_PRINTED = math.pi
_CORRECTED = 2 * math.pi
_MOST_DIMENSION = 10**4
_MOST_KEPT = 10**12
_TAIL = 16 / math.e  # what the proof lets the tail be, beside the constant
_QUARTER = 0.25
_ROUNDED = 2.0**-48  # of a few operations on numbers of this size


def lemma_7(kept: int, dimension: int, epsilon: float) -> float:
    """Return (2 eps / sqrt(2 pi (1 + 2 sqrt c + 2 c) k))^d / 16, which P is at least: Lemma 7, corrected.

    P is the probability that the sum of k NSN vectors is within epsilon of z, for every z of l1 norm at most
    sqrt(k); c = min(1 / d^2, 1 / 16). Rounded down. da Cunha et al. (2023).

    Parameters
    ----------
    kept : int
        k, at least 16 and at least d^2.
    dimension : int
        d.
    epsilon : float
        In (0, 1/4).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> lemma_7(144, 12, 0.1) < 1.01e-26 < lemma_7_as_printed(144, 12, 0.1)
    True

    """
    return _lemma_7(kept, dimension, epsilon, _CORRECTED)


def lemma_7_as_printed(kept: int, dimension: int, epsilon: float) -> float:
    """Return Lemma 7's bound of da Cunha et al. (2023) as printed, with pi for 2 pi: it is false.

    Parameters
    ----------
    kept, dimension, epsilon
        As for :func:`lemma_7`.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> round(lemma_7_as_printed(16, 2, 0.1) / lemma_7(16, 2, 0.1), 9)
    2.0

    """
    return _lemma_7(kept, dimension, epsilon, _PRINTED)


def lemma_8(apart: int, dimension: int, epsilon: float) -> float:
    """Return 3 (4 eps^2 / (2 pi (1 - 2 sqrt c) j))^d, which P_j is at most: Lemma 8, corrected.

    P_j is the probability that two k-subsets of NSN vectors both hit, of which each has j vectors that the
    other lacks; for every target. Rounded up. da Cunha et al. (2023).

    Parameters
    ----------
    apart : int
        j; so large that 2 exp(-c j) is at most two thirds of the bound.
    dimension : int
        d.
    epsilon : float
        In (0, 1/4].

    Raises
    ------
    ValueError
        If a number is out of range, or j is too small for the lemma.

    Examples
    --------
    >>> round(lemma_8_as_printed(400, 2, 0.1) / lemma_8(400, 2, 0.1), 9)
    4.0

    """
    return _lemma_8(apart, dimension, epsilon, _CORRECTED)


def lemma_8_as_printed(apart: int, dimension: int, epsilon: float) -> float:
    """Return Lemma 8's bound of da Cunha et al. (2023) as printed, with pi for 2 pi: it holds, 2^d too large.

    Parameters
    ----------
    apart, dimension, epsilon
        As for :func:`lemma_8`.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> lemma_8_as_printed(400, 2, 0.1) < 1e-4
    True

    """
    return _lemma_8(apart, dimension, epsilon, _PRINTED)


class ProvenSizes(NamedTuple):
    """How many NSN vectors a theorem's proof needs.

    Attributes
    ----------
    kept : int
        k, the size of the subsets.
    vectors : int
        n.
    probability : float
        With which it serves the target, or all targets, at least.

    """

    kept: int
    vectors: int
    probability: float


def theorem_5(dimension: int, epsilon: float) -> ProvenSizes:
    """Return the least k, and n = k^2, for which the proof of Theorem 5 holds, and its probability.

    Vectors; da Cunha et al. (2023). A subset of size k is within epsilon of one target of l1 norm at most
    sqrt(k). The probability is 1 / (270,801 + 16 / e) in the paper, the reciprocal of the second moment's
    bound; here its constant is that of d.

    Parameters
    ----------
    dimension : int
        d, at least 2.
    epsilon : float
        In (0, 1/4).

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> found = theorem_5(2, 0.1)
    >>> found.vectors == found.kept**2, 1 / 270_808 < found.probability < 1e-4
    (True, True)

    """
    d = checked_integer(dimension, "dimension", 2, _MOST_DIMENSION)
    error = checked_number(epsilon, "epsilon", 0, _QUARTER, "()")
    # What it asks for holds from some k on, and always beyond d^3, where all terms fall.
    low = max(16, d * d)
    high = low
    while not _theorem_5_holds(high, d, error):
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if _theorem_5_holds(middle, d, error):
            high = middle
        else:
            low = middle + 1
    return ProvenSizes(high, high * high, 1 / (_ratio(d) + _tail(high, d, error)))


def corollary_19(dimension: int, epsilon: float) -> ProvenSizes:
    """Return how many NSN vectors the proof of Corollary 19 needs, for all targets of l1 norm at most 1.

    Vectors; da Cunha et al. (2023). Groups of k^2 vectors each serve a target with the probability of
    :func:`theorem_5` at epsilon / 2; there are as many as make all (2 / epsilon)^d cells of radius epsilon /
    2 served with probability 1 - epsilon.

    Parameters
    ----------
    dimension, epsilon
        As for :func:`theorem_5`.

    Raises
    ------
    ValueError
        As there.

    Examples
    --------
    >>> corollary_19(2, 0.1).vectors > 1000 * theorem_5(2, 0.1).vectors
    True

    """
    d = checked_integer(dimension, "dimension", 2, _MOST_DIMENSION)
    error = checked_number(epsilon, "epsilon", 0, _QUARTER, "()")
    one = theorem_5(d, error / 2)
    groups = math.ceil((d * math.log(2 / error) + math.log(1 / error)) / -math.log1p(-one.probability))
    return ProvenSizes(one.kept, groups * one.vectors, 1 - error)


def _shifted(logarithm: float, sign: int) -> float:
    """Move a logarithm by more than it was rounded by, and its exponential will be: down or up."""
    return logarithm + sign * _ROUNDED * (abs(logarithm) + 100)


def _c(d: int) -> float:
    return min(1 / d**2, 1 / 16)


def _lemma_7(kept: int, dimension: int, epsilon: float, circle: float) -> float:
    d = checked_integer(dimension, "dimension", 1, _MOST_DIMENSION)
    k = checked_integer(kept, "kept", max(16, d * d), _MOST_KEPT)
    error = checked_number(epsilon, "epsilon", 0, _QUARTER, "()")
    return math.exp(_shifted(_log_lemma_7(k, d, error, circle), -1))


def _log_lemma_7(k: int, d: int, epsilon: float, circle: float) -> float:
    c = _c(d)
    return d * math.log(2 * epsilon / math.sqrt(circle * (1 + 2 * math.sqrt(c) + 2 * c) * k)) - math.log(16)


def _lemma_8(apart: int, dimension: int, epsilon: float, circle: float) -> float:
    d = checked_integer(dimension, "dimension", 1, _MOST_DIMENSION)
    j = checked_integer(apart, "apart", 1, _MOST_KEPT)
    error = checked_number(epsilon, "epsilon", 0, _QUARTER, "(]")
    if not _lemma_8_holds(j, d, error):
        least = j
        while not _lemma_8_holds(least, d, error):
            least = math.ceil(1.01 * least)
        raise ValueError(
            f"Lemma 8 needs subsets of d = {d}, epsilon = {error:g} to differ in about {least:,} vectors, "
            f"so that 2 exp(-c_d j) is small; got apart = {j}"
        )
    return 3 * math.exp(_shifted(_log_power_of_8(j, d, error, circle), 1))


def _log_power_of_8(j: float, d: int, epsilon: float, circle: float) -> float:
    return d * math.log(4 * epsilon**2 / (circle * (1 - 2 * math.sqrt(_c(d))) * j))


def _lemma_8_holds(j: float, d: int, epsilon: float) -> bool:
    """Say whether exp(-c j) is at most the power; if so for j beyond d / c, also for all larger ones."""
    return -_c(d) * j <= min(0.0, _log_power_of_8(j, d, epsilon, _CORRECTED))


def _theorem_5_holds(k: int, d: int, epsilon: float) -> bool:
    """Say whether all that the proof uses holds for k; beyond d / c, if so, also for all larger k."""
    least_apart = k * (1 - 1 / d)
    return (
        least_apart >= d / _c(d) and _lemma_8_holds(least_apart, d, epsilon) and _tail(k, d, epsilon) <= _TAIL
    )


def _tail(k: int, d: int, epsilon: float) -> float:
    """Return the bound on P(|S & S'| >= k / d) / P: of the pairs that share too much, by Lemma 7."""
    chernoff = -2 * k / d**2 * (1 - d / k) ** 2
    return math.exp(min(700.0, chernoff - _log_lemma_7(k, d, epsilon, _CORRECTED)))


def _ratio(d: int) -> float:
    """Return the constant C' of Theorem 5's proof for this d; 270,801 bounds it for all d, reached at 4."""
    c = _c(d)
    factor = (1 + 2 * math.sqrt(c) + 2 * c) / ((1 - 2 * math.sqrt(c)) * (1 - 1 / d))
    return 768 * factor**d

"""How many items the subsets keep: of the nearest subset, and of the sparsest one within a tolerance.

Take n independent items of a symmetric law and a target w. Where sums lie densely, the nearest subset is one
drawn at random among those whose sum is w, up to next to nothing. Given the items a_i, size and sum of a
random subset have means n/2 and A/2, variances n/4 and Q/4 and covariance A/4, where A = sum of a_i and Q =
sum of a_i^2; so, by regression (they are close to jointly normal),

    E[size | sum = w] = n/2 + (A/Q) (w - A/2),      Var[size | sum = w] = n/4 - A^2 / (4 Q).

Signs are fair and independent of magnitudes, so E[A^2 / Q] = 1 and E[A / Q] = 0: the nearest subset keeps
(n - 1)/2 items on average, whatever the target and the law. But for one subset, which is special: the empty
one, always there and nearest to targets next to 0. The other sums near w are like a Poisson process whose
rate r is 2^n times the normal density of sums, so that none of them is nearer with chance E[exp(-2 r |w|)].
Trained networks have many such weights, at inputs that never vary and at silent hidden units.

Experiment 1 of Pensia et al. (2020) kept 3,725,871 coefficients of 397,000 weights: 9.385 a weight, where
n = 21 gives 10 and n = 20 gives 9.5, less what empty subsets save.

The sparsest subset is another matter: with f_k the density of a sum of k items, binom(n, k) 2 epsilon f_k(w)
subsets of k items are expected within epsilon of w, and the first k at which there is one is what it keeps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer, checked_number, checked_positive

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_MOST_ITEMS = 10**6
_MOST_SPARSE = 40  # items, beyond which alternating sums of the exact density cancel
_EXACT_DENSITY = 12  # items summed, beyond which the normal density is as good


def nearest_size(n: int) -> float:
    """Return the expected number of items in the nearest subset, where that is not empty: (n - 1) / 2.

    Parameters
    ----------
    n : int
        Items offered, with a symmetric law.

    Raises
    ------
    ValueError
        If n is not an integer from 1 to 10**6.

    Examples
    --------
    >>> nearest_size(21)
    10.0

    """
    return (checked_integer(n, "the number of items", 1, _MOST_ITEMS) - 1) / 2


def empty_chance(n: int, targets: Any, second_moment: float = 1 / 3) -> Floats:
    """Predict the chance that the empty subset is the nearest one.

    A prediction: E[exp(-2 r |w|)] with r = 2^n phi((w - m) / s) / s, s^2 = n v / 4 and m ~ N(0, s^2).

    Parameters
    ----------
    n : int
        Items offered, up to 1000, with a symmetric law.
    targets : array_like, any shape
        w.
    second_moment : float
        v of the law; 1/3 for U[-1, 1].

    Returns
    -------
    float64 array, same shape

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> empty_chance(21, [0.0, 1e-9, 0.01]).round(3).tolist()
    [1.0, 0.999, 0.0]

    """
    count = checked_integer(n, "the number of items", 1, 1000)
    checked_positive(second_moment, "second_moment")
    sizes = np.abs(np.asarray(targets, dtype=np.float64))
    spread = math.sqrt(count * second_moment / 4)
    chance = np.zeros(sizes.shape)
    nodes, weights = np.polynomial.hermite_e.hermegauss(31)
    for node, weight in zip(nodes, weights / weights.sum(), strict=True):
        log_rate = count * math.log(2) - (sizes / spread - node) ** 2 / 2
        log_rate -= math.log(spread * math.sqrt(2 * math.pi))
        chance += weight * np.exp(-2 * sizes * np.exp(np.minimum(log_rate, 700.0)))
    return np.minimum(chance, 1.0)


def nearest_size_deviation(n: int, target_square: float = 0.0) -> float:
    """Return the standard deviation of that number for items U[-1, 1].

    The variance is (n - 1)/4 within given items, plus that of the mean given the items:
    (1 - E[sum a^4 / Q^2]) / 2 = (1 - 9/(5 n)) / 2 to first order, and w^2 E[1/Q] = 3 w^2 / n.

    Parameters
    ----------
    n : int
        Items offered.
    target_square : float
        The mean of w^2 over the targets, in units of the items' range.

    Raises
    ------
    ValueError
        If n is not an integer from 2 to 10**6, or target_square is negative.

    Examples
    --------
    >>> round(nearest_size_deviation(21), 3)
    2.336

    """
    count = checked_integer(n, "the number of items", 2, _MOST_ITEMS)
    checked_number(target_square, "target_square", 0, math.inf, "[)")
    return math.sqrt((count - 1) / 4 + (1 - 9 / (5 * count)) / 2 + 3 * target_square / count)


def uniform_sum_density(k: int, w: Any) -> Floats:
    """Return the density at w of the sum of k items U[-1, 1] (the Irwin-Hall law, shifted).

    Exact up to k = 12, the normal density of variance k/3 beyond.

    Parameters
    ----------
    k : int
        At least 1.
    w : array_like, any shape

    Returns
    -------
    float64 array, same shape

    Raises
    ------
    ValueError
        If k is not an integer from 1 to 10**6.

    Examples
    --------
    >>> uniform_sum_density(2, [0.0, 1.0, 2.5]).tolist()
    [0.5, 0.25, 0.0]

    """
    count, places = (
        checked_integer(k, "the number of items", 1, _MOST_ITEMS),
        np.abs(np.asarray(w, dtype=np.float64)),
    )
    if count > _EXACT_DENSITY:
        normal: Floats = np.exp(-1.5 * places**2 / count) / math.sqrt(2 * math.pi * count / 3)
        return normal
    if count == 1:
        return np.where(places <= 1, 0.5, 0.0)
    total = np.zeros(places.shape)
    for j in range(count):  # at |w|, where few terms are left
        total += (-1) ** j * math.comb(count, j) * np.maximum(count - 2 * j - places, 0.0) ** (count - 1)
    density: Floats = total / (2**count * math.factorial(count - 1))
    return density


def predicted_sparsest_sizes(n: int, epsilon: float, targets: Any) -> Floats:
    """Predict the expected number of items in the sparsest subset within epsilon, for items U[-1, 1].

    A prediction: the numbers of subsets of 1, 2, ... items within epsilon are taken for independent and
    Poisson. The mean is over draws of items that have a subset within epsilon at all.

    Parameters
    ----------
    n : int
        Items offered, up to 40.
    epsilon : float
        In (0, 1), in units of the items' range; as ``targets``.
    targets : array_like, any shape

    Returns
    -------
    float64 array, same shape

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> predicted_sparsest_sizes(21, 0.01, [0.0, 0.3]).round(2).tolist()
    [0.0, 1.95]

    """
    count = checked_integer(n, "the number of items", 1, _MOST_SPARSE)
    checked_number(epsilon, "epsilon", 0, 1, "()")
    places = np.asarray(targets, dtype=np.float64)
    none_yet = np.where(np.abs(places) <= epsilon, 0.0, 1.0)  # the chance that no subset of k items will do
    tails = []
    for k in range(1, count + 1):
        tails.append(none_yet)
        expected = math.comb(count, k) * 2 * epsilon * uniform_sum_density(k, places)
        none_yet = none_yet * np.exp(-expected)
    found = np.maximum(1 - none_yet, np.finfo(float).tiny)
    sizes: Floats = np.maximum(sum(tails) - count * none_yet, 0.0) / found
    return sizes

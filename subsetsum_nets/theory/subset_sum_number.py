"""Moments of the subset-sum number T of NSN vectors, as numbers: da Cunha et al. (2023), Lemma 9.

T counts the k-subsets of n vectors whose sum is within epsilon of a target z in every coordinate (Definition
6). Given the scales V, the coordinates of a sum are independent normals of variance R = the sum of V^2, which
is chi-squared. So the probability P that one subset hits is an integral over one chi^2_k of a product of
normal probabilities, and E[T] = binom(n, k) P. Two subsets that share k - j vectors have the sums A + B and
B + C; given the variances a, b, c of A, B, C, chi-squared with j, k - j and j degrees, the probability that a
coordinate of both hits is

    q(a, b, c) = E_B [ g_a(B) g_c(B) ],    g_a(u) = P(|A + u - z| <= epsilon),

and P_j is the integral of the product of q over the coordinates. E[T^2] = binom(n, k) times the sum over j of
binom(k, j) binom(n - k, j) P_j, since so many subsets share k - j vectors with a given one.

All integrals are trapezoid rules in logarithms of variances, and of distances to the points where integrands
turn: there they are analytic and decay exponentially, so the error falls like exp(-const / step). Every
number is computed with two steps; their difference, relative, is the stated ``accuracy``. It is an estimate
of the error of the coarser rule, not a proof; the finer one's number is returned.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import gammaln, logsumexp, ndtr

from subsetsum_nets.networks.arguments import checked_integer, checked_number, checked_positive

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_LOST = 24.0  # nats below the largest contribution at which ranges of integration end: 4e-11
_MOST_ITEMS = 10**9
_MOST_KEPT = 10**4
_MOST_PAIRS = 64  # items a subset, for integrals over three variances


class _Steps(NamedTuple):
    """Steps of the trapezoid rules, in logarithms."""

    variance: float
    distance: float


_COARSE = _Steps(0.5, 0.28)
_FINE = _Steps(0.4, 0.22)


class Hits(NamedTuple):
    """Natural logarithms of probabilities, and how far apart two rules of integration are.

    Attributes
    ----------
    log : float64 array
        Of P, shape (1,), or of P_0, ..., P_k.
    accuracy : float
        The largest relative difference of the two rules.

    """

    log: Floats
    accuracy: float


def hit_probability(kept: int, target: Any, epsilon: float) -> Hits:
    """Return P: how likely the sum of k NSN vectors is within epsilon of a target in every coordinate.

    da Cunha et al. (2023), the event of Definition 6 for one subset.

    Parameters
    ----------
    kept : int
        k, up to 10**4.
    target : array_like, shape (d,)
        z.
    epsilon : float
        Positive.

    Returns
    -------
    Hits

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> found = hit_probability(1, [0.0], 1e9)
    >>> bool(abs(found.log[0]) < 1e-9), found.accuracy < 1e-6
    (True, True)

    """
    k, z, error = _checked(kept, target, epsilon, _MOST_KEPT)
    rules = [_log_hit(k, *z, error, steps.variance) for steps in (_COARSE, _FINE)]
    return Hits(np.array([rules[1]]), abs(math.expm1(rules[0] - rules[1])))


def pair_probabilities(kept: int, target: Any, epsilon: float) -> Hits:
    """Return P_0, ..., P_k: how likely both of two k-subsets that share all but j vectors hit.

    da Cunha et al. (2023), the joint events of Lemma 9. P_0 is P, and P_k is P^2.

    Parameters
    ----------
    kept : int
        k, up to 64.
    target : array_like, shape (d,)
        z; the time grows with the number of its different coordinates.
    epsilon : float

    Returns
    -------
    Hits

    Raises
    ------
    ValueError
        If a number is out of range.

    Examples
    --------
    >>> found = pair_probabilities(2, [0.25], 0.1)
    >>> bool(abs(found.log[2] - 2 * found.log[0]) < 1e-12), found.accuracy < 1e-6
    (True, True)

    """
    k, z, error = _checked(kept, target, epsilon, _MOST_PAIRS)
    rules = []
    for steps in (_COARSE, _FINE):
        alone = _log_hit(k, *z, error, steps.variance)
        both = [_log_both(k, j, *z, error, steps) for j in range(1, k)]
        rules.append(np.array([alone, *both, 2 * alone]))
    coarse, fine = rules
    return Hits(fine, float(np.abs(np.expm1(coarse - fine)).max()))


@dataclass(frozen=True)
class Moments:
    """The first two moments of T for n vectors, and what they say of P(T > 0).

    Attributes
    ----------
    n, kept : int
    log_mean, log_second : float
        Natural logarithms of E[T] and E[T^2].
    accuracy : float
        Of both, relative: how far apart two rules of integration are.

    """

    n: int
    kept: int
    log_mean: float
    log_second: float
    accuracy: float

    @property
    def mean(self) -> float:
        """E[T]; inf beyond float64."""
        return _exp(self.log_mean)

    @property
    def second(self) -> float:
        """E[T^2]; inf beyond float64."""
        return _exp(self.log_second)

    @property
    def variance(self) -> float:
        """Var T; inf beyond float64."""
        return _exp(self.log_second + math.log1p(-min(self.at_least, 1 - 1e-16)))

    @property
    def at_least(self) -> float:
        """E[T]^2 / E[T^2], which P(T > 0) is at least (Lemma 15), up to twice the accuracy stated."""
        return min(1.0, math.exp(2 * self.log_mean - self.log_second))

    @property
    def at_most(self) -> float:
        """min(1, E[T]), which P(T > 0) is at most by Markov's inequality, up to the accuracy stated."""
        return math.exp(min(0.0, self.log_mean))


def moments(n: int, pairs: Hits) -> Moments:
    """Return the moments of T for n vectors, from :func:`pair_probabilities` of its k and z: Lemma 9.

    Subset-sum number; da Cunha et al. (2023).

    Parameters
    ----------
    n : int
        At least k.
    pairs : Hits

    Raises
    ------
    ValueError
        If n is out of range.

    Examples
    --------
    >>> found = moments(10, pair_probabilities(2, [0.25], 0.1))
    >>> found.mean <= found.second, 0 < found.at_least < found.at_most <= 1
    (True, True)

    """
    k = len(pairs.log) - 1
    count = checked_integer(n, "n", k, _MOST_ITEMS)
    shared = [math.log(math.comb(k, j) * math.comb(count - k, j)) for j in range(min(k, count - k) + 1)]
    of_one = float(logsumexp(np.array(shared) + pairs.log[: len(shared)]))
    subsets = math.log(math.comb(count, k))
    return Moments(count, k, subsets + float(pairs.log[0]), subsets + of_one, pairs.accuracy)


def least_vectors_by_mean(pairs: Hits, chance: float) -> int:
    """Return the least n with E[T] >= chance: fewer hit with a smaller probability, by Markov's inequality.

    Vectors; da Cunha et al. (2023), Definition 6.

    Parameters
    ----------
    pairs : Hits
        Of :func:`pair_probabilities`.
    chance : float
        In (0, 1).

    Raises
    ------
    ValueError
        If that is out of range, or no n up to 10**9 does.

    Examples
    --------
    >>> pairs = pair_probabilities(2, [0.25], 0.1)
    >>> n = least_vectors_by_mean(pairs, 0.5)
    >>> moments(n - 1, pairs).mean < 0.5 <= moments(n, pairs).mean
    True

    """
    return _least_vectors(pairs, lambda found: found.at_most, chance)


def least_vectors_by_moments(pairs: Hits, chance: float) -> int:
    """Return the least n with E[T]^2 / E[T^2] >= chance: so many hit with that probability.

    Vectors; da Cunha et al. (2023), Lemma 9. The ratio grows with n: two random k-subsets of more vectors
    share fewer, and P_j falls as j grows.

    Parameters
    ----------
    pairs : Hits
        Of :func:`pair_probabilities`.
    chance : float
        In (0, 1).

    Raises
    ------
    ValueError
        If that is out of range, or no n up to 10**9 does.

    Examples
    --------
    >>> pairs = pair_probabilities(2, [0.25], 0.1)
    >>> n = least_vectors_by_moments(pairs, 0.5)
    >>> moments(n - 1, pairs).at_least < 0.5 <= moments(n, pairs).at_least
    True

    """
    return _least_vectors(pairs, lambda found: found.at_least, chance)


def _least_vectors(pairs: Hits, bound: Callable[[Moments], float], chance: float) -> int:
    """Return the least n whose bound, which grows with n, is at least ``chance``."""
    checked_number(chance, "chance", 0, 1, "()")
    low, high = len(pairs.log) - 1, _MOST_ITEMS
    if bound(moments(high, pairs)) < chance:
        raise ValueError(f"no n up to {_MOST_ITEMS:,} reaches {chance:g}; take a larger epsilon or k")
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if bound(moments(middle, pairs)) >= chance else (middle + 1, high)
    return high


def _exp(logarithm: float) -> float:
    return math.exp(logarithm) if logarithm < 709 else math.inf


def _checked(
    kept: int, target: Any, epsilon: float, most: int
) -> tuple[int, tuple[Floats, NDArray[np.int64]], float]:
    """Return k, the different coordinates of the target by size with how often each occurs, and epsilon."""
    z = np.asarray(target, dtype=np.float64)
    if z.ndim != 1 or not z.size or not np.isfinite(z).all():
        raise ValueError(f"a target must be a vector of at least one finite number, got {target!r}")
    values, counts = np.unique(np.abs(z), return_counts=True)  # the law of a sum is symmetric
    error = checked_number(checked_positive(epsilon, "epsilon"), "epsilon", 1e-30, np.inf)
    return checked_integer(kept, "kept", 1, most), (values, counts), error


# -- one subset -----------------------------------------------------------------------------------------


def _log_hit(k: int, values: Floats, counts: NDArray[np.int64], epsilon: float, step: float) -> float:
    """Return the logarithm of P."""
    logs, weights = _variances(k, epsilon, int(counts.sum()), step)
    deviation = np.exp(logs / 2)
    hits = _log(np.stack([_within(z, epsilon, deviation) for z in values]))
    return float(logsumexp(weights + counts @ hits))


def _variances(degrees: int, epsilon: float, dimension: int, step: float) -> tuple[Floats, Floats]:
    """Return logarithms of variances to integrate over, and of their weights: of chi-squared variables.

    Far below epsilon^2 hits depend on them no more, and their density falls like exp(degrees / 2 log v): all
    weights there go to one place. A hit's probability times v^(d / 2) grows with v: small v that would not
    matter if it were constant do not matter.
    """
    fine = step * min(1.0, 2 * math.sqrt(2 / degrees))  # the density is that much narrower
    still = min(2 * math.log(epsilon), math.log(degrees)) - _LOST
    low = still - 2 * _LOST / degrees
    high = math.log(degrees + 2 * math.sqrt(2 * _LOST * degrees) + 4 * _LOST)
    logs = fine * np.arange(math.floor(low / fine), math.ceil(high / fine) + 1, dtype=np.float64)
    weights = _log_chi_squared(degrees, logs) + math.log(fine)
    most = weights - dimension / 2 * logs
    first = max(int(np.searchsorted(logs, still)), int(np.argmax(most >= most.max() - _LOST)))
    weights[first] = logsumexp(weights[: first + 1])
    return logs[first:], weights[first:]


def _log_chi_squared(degrees: int, logs: Floats) -> Floats:
    """Return the logarithm of the density of the logarithm of a chi-squared variable."""
    half = degrees / 2
    density: Floats = half * (logs - math.log(2)) - np.exp(logs) / 2 - gammaln(half)
    return density


def _within(distance: Any, epsilon: float, deviation: Floats) -> Floats:
    """Return P(|N - distance| <= epsilon) for a centred normal N of that deviation; also small ones."""
    size = np.abs(distance)
    inside: Floats = ndtr((epsilon - size) / deviation) - ndtr((-epsilon - size) / deviation)
    return inside


def _log(chances: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(chances)


# -- two subsets ----------------------------------------------------------------------------------------


def _log_both(
    k: int, j: int, values: Floats, counts: NDArray[np.int64], epsilon: float, steps: _Steps
) -> float:
    """Return the logarithm of P_j for 0 < j < k."""
    d = int(counts.sum())
    alone, weights = _variances(j, epsilon, d, steps.variance)
    rules = [_coordinate(z, epsilon, alone, steps.distance) for z in values]
    pairs = weights[:, None] + weights
    parts = []
    for b, weight in zip(*_variances(k - j, epsilon, d, steps.variance), strict=True):
        logs = sum(n * _log(_both(rule, math.exp(b))) for n, rule in zip(counts, rules, strict=True))
        parts.append(weight + logsumexp(pairs + logs))
    return float(logsumexp(parts))


class _Coordinate(NamedTuple):
    """What one coordinate of a pair needs: points u of B with their weights, and g_a(u) of every a."""

    points: Floats  # (u,)
    weights: Floats  # (u,)
    hits: Floats  # (a, u)


def _coordinate(z: float, epsilon: float, logs: Floats, step: float) -> _Coordinate:
    points, weights = _points(np.unique([z - epsilon, 0.0, z + epsilon]), step)
    return _Coordinate(points, weights, _within(z - points, epsilon, np.exp(logs / 2)[:, None]))


def _both(rule: _Coordinate, variance: float) -> Floats:
    """Return q(a, b, c) for all a and c, and b the variance: shape (a, a)."""
    density = np.exp(-(rule.points**2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
    both: Floats = (rule.hits * (rule.weights * density)) @ rule.hits.T
    return both


def _points(edges: Floats, step: float) -> tuple[Floats, Floats]:
    """Return points and weights of a rule for the real line, dense towards all edges, at any scale.

    Where functions turn sharply they do so at the edges: at the ends of the hit interval, or at 0.
    """
    reach = np.arange(-math.ceil(_LOST / step), math.ceil(_LOST / step) + 1) * step
    outer = reach[reach < math.log(1e3)]
    points, weights = [edges[0] - np.exp(outer), edges[-1] + np.exp(outer)], [np.exp(outer) * step] * 2
    share = 1 / (1 + np.exp(-reach))
    for low, high in pairwise(edges):
        near_low = low + (high - low) * share
        points.append(np.where(reach < 0, near_low, high - (high - low) * share[::-1]))
        weights.append((high - low) * share * share[::-1] * step)
    return np.concatenate(points), np.concatenate(weights)

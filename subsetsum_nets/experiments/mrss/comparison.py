"""Measured numbers of subsets beside the moments of T, the lemmas beside probabilities, and sizes of n."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.experiments.mrss.samples import subset_sum_numbers
from subsetsum_nets.theory.nsn_lemmas import (
    corollary_19,
    lemma_7,
    lemma_7_as_printed,
    lemma_8,
    lemma_8_as_printed,
    theorem_5,
)
from subsetsum_nets.theory.subset_sum_number import (
    Moments,
    hit_probability,
    least_vectors_by_mean,
    least_vectors_by_moments,
    moments,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from subsetsum_nets.experiments.mrss.samples import VectorDesign
    from subsetsum_nets.theory.subset_sum_number import Hits

_LEMMA_KEPT = 16  # Lemma 7 needs as many at least
_PAIRED = (2, 3)  # dimensions in which Lemma 8's own k stays small


@dataclass(frozen=True)
class Count:
    """T of the samples of one k, d and n, beside its moments.

    ``deviations`` says how many standard deviations of the mean, which are known from Lemma 9, the measured
    mean lies from E[T].
    """

    kept: int
    dimension: int
    n: int
    epsilon: float
    mean: float
    expected_mean: float
    deviations: float
    second: float
    expected_second: float
    positive: float  # the share of samples with T > 0
    at_least: float  # E[T]^2 / E[T^2]
    at_most: float  # min(1, E[T])
    accuracy: float


def count_row(dimension: int, epsilon: float, numbers: NDArray[np.int64], found: Moments) -> Count:
    """Return T of samples beside its moments.

    Examples
    --------
    >>> from subsetsum_nets.theory.subset_sum_number import pair_probabilities
    >>> found = moments(2, pair_probabilities(1, [0.0], 1.0))
    >>> row = count_row(1, 1.0, np.array([0, 1, 2, 1]), found)
    >>> row.mean, row.second, row.positive
    (1.0, 1.5, 0.75)

    """
    values = numbers.astype(np.float64)
    deviation = math.sqrt(found.variance / len(values))
    return Count(
        kept=found.kept,
        dimension=dimension,
        n=found.n,
        epsilon=epsilon,
        mean=float(values.mean()),
        expected_mean=found.mean,
        deviations=float(values.mean() - found.mean) / deviation,
        second=float((values**2).mean()),
        expected_second=found.second,
        positive=float((numbers > 0).mean()),
        at_least=found.at_least,
        at_most=found.at_most,
        accuracy=found.accuracy,
    )


@dataclass(frozen=True)
class Lemma:
    """A lemma's bound beside the probability that it bounds, at target 0."""

    lemma: int
    dimension: int
    kept: int
    apart: int | None
    epsilon: float
    probability: float
    corrected: float
    printed: float

    @property
    def verdict(self) -> str:
        """Say which of the two bounds holds."""
        if self.lemma == 7:
            kinds = self.corrected <= self.probability, self.printed <= self.probability
        else:
            kinds = self.corrected >= self.probability, self.printed >= self.probability
        return {(True, True): "both hold", (True, False): "false as printed"}.get(kinds, "BOTH FAIL")


def lemma_rows(dimensions: tuple[int, ...], epsilon: float) -> list[Lemma]:
    """Return Lemma 7 at k = max(16, d^2) for each d, and Lemma 8 at disjoint subsets for small d.

    Examples
    --------
    >>> [row.verdict for row in lemma_rows((2, 12), 0.1) if row.lemma == 7]
    ['both hold', 'false as printed']

    """
    rows = []
    for d in dimensions:
        k = max(_LEMMA_KEPT, d * d)
        chance = math.exp(hit_probability(k, np.zeros(d), epsilon).log[0])
        bounds = lemma_7(k, d, epsilon), lemma_7_as_printed(k, d, epsilon)
        rows.append(Lemma(7, d, k, None, epsilon, chance, *bounds))
    for d in sorted({*dimensions} & {*_PAIRED}):
        k = theorem_5(d, epsilon).kept
        # Disjoint subsets: both hit with probability P^2.
        chance = math.exp(2 * hit_probability(k, np.zeros(d), epsilon).log[0])
        bounds = lemma_8(k, d, epsilon), lemma_8_as_printed(k, d, epsilon)
        rows.append(Lemma(8, d, k, k, epsilon, chance, *bounds))
    return rows


@dataclass(frozen=True)
class LeastByTheory:
    """How many NSN vectors are needed, and enough, for one target with probability 1 - delta.

    ``needed``: E[T] >= 1 - delta, since P(T > 0) <= E[T]. ``enough``: E[T]^2 / E[T^2] >= 1 - delta.
    Theorem 5 and Corollary 19 have k of their own, and fixed probabilities; None for d = 1, or epsilon of 1/4
    or more.
    """

    kept: int
    dimension: int
    epsilon: float
    delta: float
    needed: int
    enough: int
    theorem_5_kept: int | None
    theorem_5_vectors: int | None
    theorem_5_probability: float | None
    corollary_19_vectors: int | None


def least_by_theory(dimension: int, epsilon: float, delta: float, pairs: Hits) -> LeastByTheory:
    """Return the least n by both moments, for k of the pairs, and by the theorems.

    Examples
    --------
    >>> from subsetsum_nets.theory.subset_sum_number import pair_probabilities
    >>> found = least_by_theory(2, 0.1, 0.5, pair_probabilities(3, [0.25, 0.25], 0.1))
    >>> found.needed < found.enough < found.theorem_5_vectors < found.corollary_19_vectors
    True

    """
    of_theorems: tuple[int | None, int | None, float | None, int | None] = None, None, None, None
    if dimension > 1 and epsilon < 0.25:
        proven = theorem_5(dimension, epsilon)
        all_targets = corollary_19(dimension, epsilon)
        of_theorems = proven.kept, proven.vectors, proven.probability, all_targets.vectors
    return LeastByTheory(
        len(pairs.log) - 1,
        dimension,
        epsilon,
        delta,
        least_vectors_by_mean(pairs, 1 - delta),
        least_vectors_by_moments(pairs, 1 - delta),
        *of_theorems,
    )


def counts_of(design: VectorDesign, dimension: int, epsilon: float, pairs: Hits) -> list[Count]:
    """Return a row for every n of a dimension: exact counts over all samples beside the moments."""
    return [
        count_row(dimension, epsilon, subset_sum_numbers(design, dimension, n, epsilon), moments(n, pairs))
        for n in design.sizes
    ]

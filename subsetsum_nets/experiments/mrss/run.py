"""The vector random subset-sum experiment: how often a k-subset of n random vectors hits a target.

Theorem 5 of da Cunha et al. (2023), measured. Proven nearest errors of many samples give the probability
P(T > 0) for all epsilon at once, for NSN vectors and for other laws; exact counts T are compared with the
moments of Lemma 9, Lemmas 7 and 8 with what they bound. ``subsetsum-nets mrss`` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.mrss.comparison import (
    Count,
    LeastByTheory,
    Lemma,
    counts_of,
    least_by_theory,
    lemma_rows,
)
from subsetsum_nets.experiments.mrss.samples import VectorDesign, nearest_errors
from subsetsum_nets.experiments.random_subset_sum.item_counts import least_items, served_table
from subsetsum_nets.networks.arguments import checked_number, checked_positive
from subsetsum_nets.theory.subset_sum_number import pair_probabilities
from subsetsum_nets.theory.vector_laws import NSN

if TYPE_CHECKING:
    from collections.abc import Callable
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from subsetsum_nets.experiments.random_subset_sum.item_counts import LeastItems, Served

    Floats = NDArray[np.float64]

CHECKPOINT = "checkpoint"
LAWS = ("nsn", "log-uniform")
LEMMA_DIMENSIONS = (2, 3, 4, 6, 9, 12, 18, 30)
_EPSILONS = tuple(2.0 ** (-k / 2) for k in range(-2, 15))


@dataclass(frozen=True)
class Existence:
    """One law, k and d: the proven nearest errors, and the share of samples that each epsilon serves.

    ``errors`` has float64 arrays, shape (samples,), for each n.
    """

    law: str
    kept: int
    dimension: int
    errors: dict[int, Floats]
    served: list[Served]
    least: LeastItems

    def summary(self) -> dict[str, Any]:
        """Return all but the errors, JSON-able."""
        served = [{**asdict(row), "estimate": row.estimate} for row in self.served]
        return {
            "law": self.law,
            "kept": self.kept,
            "dimension": self.dimension,
            "served": served,
            "least": asdict(self.least),
        }


@dataclass(frozen=True)
class Findings:
    """What the experiment found."""

    design: VectorDesign  # of the first law and k
    laws: tuple[str, ...]
    kept: tuple[int, ...]
    epsilon: float
    delta: float
    confidence: float
    existence: list[Existence]
    counts: list[Count]  # NSN vectors
    least: list[LeastByTheory]
    lemmas: list[Lemma]

    def summary(self) -> dict[str, Any]:
        """Return the findings but for the samples, JSON-able."""
        return {
            **self.design.to_json(),
            "laws": list(self.laws),
            "kept": list(self.kept),
            "epsilon": self.epsilon,
            "delta": self.delta,
            "confidence": self.confidence,
            "existence": [one.summary() for one in self.existence],
            "counts": [asdict(row) for row in self.counts],
            "least_by_theory": [asdict(row) for row in self.least],
            "lemmas": [{**asdict(row), "verdict": row.verdict} for row in self.lemmas],
        }


def run_mrss(
    dimensions: Iterable[int] = (1, 2, 3),
    kept: int | Iterable[int] = 6,
    sizes: Iterable[int] = range(8, 25, 2),
    samples: int = 200,
    *,
    laws: Iterable[str] = LAWS,
    epsilon: float = 0.1,
    delta: float = 0.5,
    coordinate: float = 0.25,
    seed: int = 0,
    confidence: float = 0.95,
    epsilons: Iterable[float] = _EPSILONS,
    folder: str | PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool | Callable[[int, Any], object] = False,
) -> Findings:
    """Measure P(T > 0) for random vectors, and compare T with its moments: da Cunha et al. (2023), Theorem 5.

    Parameters
    ----------
    dimensions : iterable of int
        d, from 1 to 12.
    kept : int or iterable of int
        k: subsets have exactly so many vectors. The vectors are the same for every k.
    sizes : iterable of int
        The numbers n of vectors, from k to 40.
    samples : int
        Problems of each law, d and n.
    laws : iterable of str
        See :func:`subsetsum_nets.theory.vector_laws.vector_law`.
    epsilon, delta : float
        For which T is counted and the least n is sought: a subset within epsilon, with probability 1 - delta.
    coordinate : float
        The target has it in all places.
    seed : int
    confidence : float
        Of the intervals.
    epsilons : iterable of float
        For which the share of samples is listed, besides ``epsilon``.
    folder : path, optional
        Keeps what is finished in its folder ``checkpoint``; the same call goes on from there.
    threads : int, optional
    progress : bool or callable(done, total)

    Returns
    -------
    Findings

    Raises
    ------
    ValueError
        If a number is out of range, there is no such law, or the folder belongs to another design.

    Examples
    --------
    >>> found = run_mrss([2], 3, [6, 12], 40, laws=["nsn"], epsilon=0.5, threads=1)
    >>> [row.at_least <= row.at_most for row in found.counts], abs(found.counts[1].deviations) < 4
    ([True, True], True)

    """
    named = tuple(dict.fromkeys(laws))
    if not named:
        raise ValueError(f"there must be at least one law, as of {', '.join(LAWS)}; got none")
    wide, many = list(dimensions), list(sizes)
    sets = tuple(dict.fromkeys(kept if isinstance(kept, Iterable) else [kept]))
    if not sets:
        raise ValueError("there must be at least one size of subsets, kept; got none")
    asked = [(law, k) for k in sets for law in named]
    designs = [VectorDesign.checked(law, wide, k, many, samples, coordinate, seed) for law, k in asked]
    error = checked_number(epsilon, "epsilon", 0, 1e6, "(]")
    checked_number(delta, "delta", 0, 1, "()")
    shown = sorted({*(checked_positive(e, "each of epsilons") for e in epsilons), error}, reverse=True)
    place = None if folder is None else Path(folder) / CHECKPOINT
    existence = []
    for design in designs:
        errors = nearest_errors(design, folder=place, threads=threads, progress=progress)
        for d in design.dimensions:
            own = {n: errors[d, n] for n in design.sizes}
            rows = served_table(own, shown, confidence)
            least = least_items(rows, error, delta)
            existence.append(Existence(design.law.name, design.kept, d, own, rows, least))
    counts, by_theory = _theory(designs, error, delta)
    lemmas = lemma_rows(LEMMA_DIMENSIONS, min(error, 0.1))
    return Findings(designs[0], named, sets, error, delta, confidence, existence, counts, by_theory, lemmas)


def _theory(
    designs: list[VectorDesign], epsilon: float, delta: float
) -> tuple[list[Count], list[LeastByTheory]]:
    """Return exact counts beside the moments, and sizes by theory; none without NSN vectors."""
    counts, least = [], []
    for design in designs:
        if design.law is not NSN:
            continue
        for d in design.dimensions:
            pairs = pair_probabilities(design.kept, design.target(d), epsilon)
            counts += counts_of(design, d, epsilon, pairs)
            least.append(least_by_theory(d, epsilon, delta, pairs))
    return counts, least

"""The random subset-sum experiment: how many random items serve every target of an interval.

Lueker's theorem (Pensia et al. 2020, Theorem 3 and Corollary 2) measured: the exact covering radius of many
random problems gives the probability that *all* targets are served within epsilon; nearest errors to random
targets give how fast one target is approached. ``subsetsum-nets rssp`` runs it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subsetsum_nets.experiments.random_subset_sum.covering_samples import (
    SampleDesign,
    covering_radii,
    nearest_errors,
)
from subsetsum_nets.experiments.random_subset_sum.item_counts import (
    error_slope,
    error_table,
    fitted_constant,
    least_items,
    served_table,
)
from subsetsum_nets.networks.arguments import checked_number, checked_positive
from subsetsum_nets.theory.random_subset_sum import predicted_served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from os import PathLike

    import numpy as np
    from numpy.typing import NDArray

    from subsetsum_nets.experiments.random_subset_sum.item_counts import Errors, Fit, LeastItems, Served
    from subsetsum_nets.theory.random_subset_sum import ItemLaw, Sampler

    Floats = NDArray[np.float64]

CHECKPOINT = "checkpoint"


@dataclass(frozen=True)
class Findings:
    """What the experiment found."""

    design: SampleDesign
    epsilon: float  # what ``least`` is for, with delta
    delta: float
    confidence: float  # of all intervals
    # shape (samples,): the covering radii and the nearest errors, rounded up, for each n
    radii: dict[int, Floats]
    errors: dict[int, Floats]
    served: list[Served]  # for every n and every epsilon asked for
    least: LeastItems
    constant: Fit | None  # C of n = C log2(1 / min(epsilon, delta)); None where too few n were measured
    table: list[Errors]
    slope: Fit | None  # of log2 of the median nearest error against n

    def predicted(self, n: int, epsilon: float) -> float | None:
        """Return the predicted probability of serving all targets; None for a law of unknown moments."""
        law, q = self.design.law, self.design
        if law.second_moment is None:
            return None
        return predicted_served(n, epsilon, law.second_moment, zeros=law.zeros, low=q.low, high=q.high)

    def summary(self) -> dict[str, Any]:
        """Return the findings but for the samples, JSON-able."""
        return {
            **self.design.to_json(),
            "uniform_component": self.design.law.component,
            "confidence": self.confidence,
            "served": [
                {**asdict(row), "estimate": row.estimate, "predicted": self.predicted(row.n, row.epsilon)}
                for row in self.served
            ],
            "least_items": asdict(self.least),
            "constant": None if self.constant is None else asdict(self.constant),
            "nearest": [asdict(row) for row in self.table],
            "slope": None if self.slope is None else asdict(self.slope),
        }


def run_random_subset_sum(
    law: str | Sampler | ItemLaw = "uniform",
    sizes: Iterable[int] = range(4, 21),
    samples: int = 1000,
    *,
    epsilon: float = 0.01,
    delta: float = 0.01,
    seed: int = 0,
    low: float = -0.5,
    high: float = 0.5,
    confidence: float = 0.95,
    epsilons: Iterable[float] | None = None,
    folder: str | PathLike[str] | None = None,
    processes: int | None = 1,
    progress: bool | Callable[[int, Any], object] = False,
) -> Findings:
    """Find out how many random items are enough: Theorem 3 of Pensia et al. (2020), measured.

    Parameters
    ----------
    law : {"uniform", "normal", "product", "product-or-zero"} or callable(rng, size)
        Of the items; see :data:`subsetsum_nets.theory.random_subset_sum.LAWS`.
    sizes : iterable of int
        The numbers n of items, up to 40 (time doubles with each from about 16 on).
    samples : int
        Problems of each size.
    epsilon, delta : float
        For which the least n is sought.
    seed : int
    low, high : float
        The interval of targets.
    confidence : float
        Of the intervals.
    epsilons : iterable of float, optional
        For which the share served is listed, besides ``epsilon``; None takes 2^-2, 2^-4, ..., 2^-12.
    folder : path, optional
        Keeps what is finished in its folder ``checkpoint``; the same call goes on from there.
    processes : int or None
        For the covering radii; None takes one a core. See :func:`.covering_samples.covering_radii`.
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
    >>> found = run_random_subset_sum(sizes=range(4, 13), samples=40, epsilon=0.25, delta=0.25)
    >>> found.least.low <= found.least.estimate <= found.least.high
    True

    """
    design = SampleDesign.checked(law, sizes, samples, seed, low, high)
    for name, value in (("epsilon", epsilon), ("delta", delta)):
        checked_number(value, name, 0, 1, "()")
    given = [2.0**-k for k in range(2, 13, 2)] if epsilons is None else epsilons
    listed = [checked_positive(e, "each of epsilons") for e in given]
    place = None if folder is None else Path(folder) / CHECKPOINT
    radii = covering_radii(design, folder=place, processes=processes, progress=progress)
    errors = nearest_errors(design, folder=place, threads=processes, progress=progress)
    rows = served_table(radii, sorted({*listed, float(epsilon)}, reverse=True), confidence)
    return Findings(
        design=design,
        epsilon=float(epsilon),
        delta=float(delta),
        confidence=confidence,
        radii=radii,
        errors=errors,
        served=rows,
        least=least_items(rows, float(epsilon), delta),
        constant=fitted_constant(radii, seed, confidence),
        table=error_table(errors),
        slope=error_slope(errors, seed, confidence),
    )

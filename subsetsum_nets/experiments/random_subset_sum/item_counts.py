"""What samples of covering radii and errors say: how often all is served, how many items that takes.

Theorem 3 of Pensia et al. (2020) asks for n = C log(1 / min(epsilon, delta)) items. The constant is fitted to
the least numbers of items at epsilon = delta = 2^-k, through the origin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.experiments.intervals import clopper_pearson, resampled_interval
from subsetsum_nets.networks.arguments import checked_number

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_RESAMPLES = 400
_LEAST_FAILURES = 10  # expected of all samples, where a probability is to be fitted
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Served:
    """How many samples of n items serve all targets within epsilon, and the exact interval of the chance."""

    n: int
    epsilon: float
    samples: int
    served: int
    low: float
    high: float

    @property
    def estimate(self) -> float:
        """The share of samples."""
        return self.served / self.samples


@dataclass(frozen=True)
class LeastItems:
    """The least n that serves all targets within epsilon with probability at least 1 - delta.

    ``estimate`` is the n where the samples' share does (and at all larger n measured), ``low`` and ``high``
    the n where the upper and the lower ends of the exact intervals do; None where no n measured does.
    """

    epsilon: float
    delta: float
    estimate: int | None
    low: int | None
    high: int | None


@dataclass(frozen=True)
class Fit:
    """A number fitted to the data, its interval by resampling, and the points (x, y) it was fitted to."""

    value: float
    low: float
    high: float
    points: tuple[tuple[float, float], ...]


def served_table(
    radii: Mapping[int, Floats], epsilons: Iterable[float], confidence: float = 0.95
) -> list[Served]:
    """Return a row for each n and epsilon; radii as :func:`.covering_samples.covering_radii` gives them.

    Examples
    --------
    >>> [row] = served_table({3: np.array([0.5, 0.25, 0.125])}, [0.25])
    >>> row.served, round(row.low, 4), round(row.high, 4)
    (2, 0.0943, 0.9916)

    """
    rows = []
    for epsilon in epsilons:
        for n, values in sorted(radii.items()):
            count, served = len(values), int((values <= epsilon).sum())
            rows.append(
                Served(
                    n, float(epsilon), count, served, *clopper_pearson(served, count, confidence=confidence)
                )
            )
    return rows


def least_items(rows: Iterable[Served], epsilon: float, delta: float) -> LeastItems:
    """Return the least n for (epsilon, delta) from the rows of :func:`served_table` with that epsilon.

    Examples
    --------
    >>> radii = {n: np.full(1000, 2.0**-n) for n in range(1, 8)}
    >>> least_items(served_table(radii, [0.1]), 0.1, 0.01)
    LeastItems(epsilon=0.1, delta=0.01, estimate=4, low=4, high=4)

    """
    checked_number(delta, "delta", 0, 1, "()")
    own = sorted((row for row in rows if row.epsilon == epsilon), key=lambda row: row.n)
    if not own:
        raise ValueError(f"epsilon = {epsilon!r} was not measured")

    def first(chances: list[float]) -> int | None:
        least = None
        for row, chance in zip(reversed(own), reversed(chances), strict=True):
            if chance < 1 - delta:
                break
            least = row.n
        return least

    return LeastItems(
        epsilon,
        delta,
        first([row.estimate for row in own]),
        first([row.high for row in own]),
        first([row.low for row in own]),
    )


def fitted_constant(radii: Mapping[int, Floats], seed: int = 0, confidence: float = 0.95) -> Fit | None:
    """Return C of n = C log2(1 / min(epsilon, delta)), or None where the samples reach no such n.

    The points are (k, n) at epsilon = delta = 2^-k, k = 2, 3, ...; n is a real number where the logarithm of
    the share of failures, a straight line between neighbouring n after isotonic regression, crosses that of
    delta. Used are the k at which ten failures are expected and the n measured reach to both sides. The
    interval is that of the fit under resampling of the samples, all epsilon together.

    Parameters
    ----------
    radii : mapping of int to float64 array
        All arrays of the same length.
    seed : int
        Of the resampling.
    confidence : float

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> radii = {n: np.exp2(-n / 2 + rng.exponential(1, 2000)) for n in range(1, 31)}
    >>> fit = fitted_constant(radii)
    >>> fit.low < fit.value < fit.high
    True

    """
    sizes = sorted(radii)
    samples = len(radii[sizes[0]])
    powers = np.arange(2, max(3, math.floor(math.log2(max(samples / _LEAST_FAILURES, 1))) + 1))
    edges = np.exp2(-powers.astype(float))  # descending
    # Cell j holds the radii that epsilon = 2^-k serves for the first j powers k only.
    cells = np.array(
        [
            np.bincount(np.searchsorted(-edges, -radii[n], side="right"), minlength=len(edges) + 1)
            for n in sizes
        ]
    )
    whole = _crossings(cells, sizes, powers)
    usable = np.isfinite(whole)
    if usable.sum() < 2:
        return None
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    constants = np.array(
        [
            _through_origin(powers, _crossings(_resampled(cells, rng), sizes, powers), usable)
            for _ in range(_RESAMPLES)
        ]
    )
    points = tuple((float(k), float(n)) for k, n in zip(powers[usable], whole[usable], strict=True))
    value = _through_origin(powers, whole, usable)
    return Fit(value, *resampled_interval(constants, confidence), points)


def _resampled(cells: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
    return np.array([rng.multinomial(row.sum(), row / row.sum()) for row in cells])


def _crossings(cells: NDArray[np.int64], sizes: list[int], powers: NDArray[np.int64]) -> Floats:
    """Return, for each power k, the real n at which the share of failures at 2^-k is 2^-k; NaN for none."""
    from scipy.optimize import isotonic_regression

    samples = cells[0].sum()
    # Failing at the power with index i: cells 0..i, which are served for at most the first i powers.
    failures = np.cumsum(cells, axis=1)[:, :-1]
    found = np.full(len(powers), np.nan)
    for i, power in enumerate(powers):
        # More items cannot serve less: the true shares fall with n, and so must their estimates.
        falling = isotonic_regression(failures[:, i], increasing=False).x
        heights = -np.log2(np.maximum(falling, 0.5) / samples)
        last = int((heights < power).sum()) - 1
        if 0 <= last < len(sizes) - 1:
            low, high = heights[last], heights[last + 1]
            found[i] = sizes[last] + (sizes[last + 1] - sizes[last]) * (power - low) / (high - low)
    return found


def _through_origin(x: NDArray[np.int64], y: Floats, used: NDArray[np.bool_]) -> float:
    return float((x[used] * y[used]).sum() / (x[used] ** 2).sum())


@dataclass(frozen=True)
class Errors:
    """Mean and quantiles (5, 25, 50, 75, 95 %) of the nearest errors with n items."""

    n: int
    mean: float
    quantiles: tuple[float, ...]
    largest: float


def error_table(errors: Mapping[int, Floats]) -> list[Errors]:
    """Return a row for each n.

    Examples
    --------
    >>> error_table({2: np.array([0.25, 0.5, 0.75])})[0].quantiles[2]
    0.5

    """
    return [
        Errors(n, float(e.mean()), tuple(np.quantile(e, _QUANTILES).tolist()), float(e.max()))
        for n, e in sorted(errors.items())
    ]


def error_slope(
    errors: Mapping[int, Floats], seed: int = 0, confidence: float = 0.95, least: int = 8
) -> Fit | None:
    """Return the slope of log2(median error) against n, by least squares over n of at least ``least``.

    2^n sums with a deviation that grows like sqrt(n) predict -1 + 1 / (2 n ln 2), near -0.95. None for fewer
    than two such n. The median, unlike the mean, does not hang on a few targets out of reach.

    Examples
    --------
    >>> error_slope({n: np.full(100, 2.0**-n) for n in range(8, 12)}).value
    -1.0

    """
    sizes = [n for n in sorted(errors) if n >= least and np.median(errors[n]) > 0]
    if len(sizes) < 2:
        return None
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1,)))
    logs = np.array([np.log2(np.median(errors[n])) for n in sizes])
    drawn = np.array(
        [[np.median(rng.choice(errors[n], len(errors[n]))) for n in sizes] for _ in range(_RESAMPLES)]
    )
    with np.errstate(divide="ignore"):
        slopes = np.array([_slope(sizes, row) for row in np.log2(drawn)])
    points = tuple((float(n), float(y)) for n, y in zip(sizes, logs, strict=True))
    return Fit(_slope(sizes, logs), *resampled_interval(slopes, confidence), points)


def _slope(x: list[int], y: Floats) -> float:
    centred = np.array(x) - np.mean(x)
    return float(centred @ y / (centred @ centred))

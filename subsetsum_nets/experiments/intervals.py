"""How sure a number is: exact intervals of a probability, intervals from resampled data (Efron 1979)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.distributions import is_integer

if TYPE_CHECKING:
    from numpy.typing import NDArray


def clopper_pearson(successes: int, trials: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval of Clopper and Pearson (1934): it holds the truth at least this often.

    Parameters
    ----------
    successes, trials : int
        Of independent trials with one probability.
    confidence : float

    Raises
    ------
    ValueError
        Unless 0 <= successes <= trials, trials >= 1 and 0 < confidence < 1.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 10)
    >>> low, abs((1 - high) ** 10 - 0.025) < 1e-12
    (0.0, True)

    """
    if not (is_integer(successes) and is_integer(trials) and 0 <= successes <= trials and trials >= 1):
        raise ValueError(f"successes must be an integer from 0 to trials, got {successes!r} of {trials!r}")
    tail = (1 - checked_confidence(confidence)) / 2
    # scipy.stats.binomtest looks for these roots by iteration, and is off by 6e-6 of a small probability.
    from scipy.stats import beta

    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def resampled_interval(estimates: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """Return the percentile interval of estimates from resampled data; NaNs (no estimate) are left out.

    Examples
    --------
    >>> resampled_interval(np.arange(1025.0), 0.75)
    (128.0, 896.0)

    """
    tail = (1 - checked_confidence(confidence)) / 2
    known = estimates[np.isfinite(estimates)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def checked_confidence(confidence: float) -> float:
    """Return ``confidence`` if it lies in (0, 1), or raise ValueError."""
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    return confidence

"""How sure a number is: exact intervals of a probability, intervals from resampled data (Efron 1979)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_integer, checked_number

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
    checked_integer(successes, "successes", 0, checked_integer(trials, "trials"))
    tail = (1 - checked_number(confidence, "confidence", 0, 1, "()")) / 2
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
    tail = (1 - checked_number(confidence, "confidence", 0, 1, "()")) / 2
    known = estimates[np.isfinite(estimates)]
    if not known.size:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)

"""Exact confidence intervals of a probability from independent trials."""

from __future__ import annotations

from subsetsum_nets.networks.arguments import checked_integer, checked_number


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
    checked_number(confidence, "confidence", 0, 1, "()")
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high

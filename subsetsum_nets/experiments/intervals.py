"""How sure a fitted number is: intervals from resampled data (Efron 1979)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.arguments import checked_number

if TYPE_CHECKING:
    from numpy.typing import NDArray


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

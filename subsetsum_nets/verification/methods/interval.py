"""Method "interval": bound each network on its own, then the difference of the two output boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.enclosures.midrad import inflate, norm_up
from subsetsum_nets.verification.enclosures.ranges import Range, network_ranges
from subsetsum_nets.verification.results import LayerBound, MethodBound

if TYPE_CHECKING:
    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.verification.comparison import Comparison


@np.errstate(over="ignore", invalid="ignore")
def interval_bound(comparison: Comparison) -> MethodBound:
    """Bound sup ||f - g|| by interval arithmetic on each network alone; works for any two networks.

    Raises
    ------
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[1.25]])])
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> round(interval_bound(Comparison(f, g, Box(-1, 1), "linf")).upper, 12)
    2.25

    """
    target, pruned, domain = comparison.target, comparison.pruned, comparison.domain
    f, g = network_ranges(target, domain)[-1], network_ranges(pruned, domain)[-1]
    before = difference_up(f, g)
    after = difference_up(f.relu() if target.final_relu else f, g.relu() if pruned.final_relu else g)
    layer = LayerBound(len(target.layers) - 1, None, float(before.max()), float(after.max()))
    return MethodBound(norm_up(after, comparison.norm), (layer,))


@np.errstate(over="ignore")
def difference_up(f: Range, g: Range) -> FloatArray:
    """Return an upper bound of ``|x - y|`` for x in ``f`` and y in ``g``, shape (n,)."""
    # One of the two differences is >= 0, so that the larger one is what inflate may round up.
    return inflate(np.maximum(f.high - g.low, g.high - f.low), 1)

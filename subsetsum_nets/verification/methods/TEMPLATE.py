"""Method "halves": each network on its own, on the half of the domain where one input is >= 0, and the other.

A method to copy: docs/adding_a_method.md says how; it is not in the table. Here would stand the inequality
that the method rests on, in real arithmetic, and its source. Every step below is that, or rounded outward.
"""  # noqa: N999 - in capitals, so that no one takes it for a method

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.networks.domains import Box, Domain
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.results import LayerBound, MethodBound

if TYPE_CHECKING:
    from subsetsum_nets.verification.comparison import Comparison


def halves_bound(comparison: Comparison) -> MethodBound:
    """Bound sup ||f - g|| by interval arithmetic on two halves of the domain; works for any two networks.

    Raises
    ------
    BoundOverflowError
        If a bound exceeds the range of float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[1.25]])])
    >>> round(halves_bound(Comparison(f, g, Box(-1, 1), "linf")).upper, 12)
    1.25

    """
    # All of the question is in the comparison. For methods that go layer by layer, comparison.errors encloses
    # g's effective weights minus f's, or raises UnsupportedStructureError.
    parts = halves(comparison.domain, comparison.target.widths[0])
    bounds = [interval_bound(replace(comparison, domain=part)) for part in parts]
    layers = [bound.layers[-1] for bound in bounds]
    # What is computed in floats is rounded outward, by the functions ending in _up of enclosures.midrad. The
    # larger of two bounds is exact.
    layer = LayerBound(
        layers[0].index,
        None,
        max(layer.deviation_before for layer in layers),
        max(layer.deviation_after for layer in layers),
    )
    # A method that is free to choose (a slope, a multiplier, where to cut) also returns what it chose, as
    # MethodBound(.., record=..): the exact replay starts from that. Here there is no choice.
    return MethodBound(max(bound.upper for bound in bounds), (layer,))


def halves(domain: Domain, dimension: int) -> list[Box]:
    """Return boxes that hold the domain between them, cut at 0 where an input changes sign the most."""
    low, high = domain.bounds(dimension)  # of a ball: the box around it
    across = np.minimum(-low, high)
    axis = int(np.argmax(across))
    if across[axis] <= 0.0:
        return [Box(low, high)]
    cut = np.arange(dimension) == axis
    return [Box(low, np.where(cut, 0.0, high)), Box(np.where(cut, 0.0, low), high)]

"""The falsifier: search for an input where f and g differ most, and prove how much they differ there.

The search is ordinary floating point and may go wrong without harm: only its final point counts, where both
networks are evaluated rigorously as stored.
"""

from __future__ import annotations

import math
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from subsetsum_nets.verification.attack import Search, float_layers, float_two_slopes
from subsetsum_nets.verification.enclosures.midrad import MidRad, affine, norm_down, norm_up
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError
from subsetsum_nets.verification.results import LowerBound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.arrays import FloatArray
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.comparison import Comparison
    from subsetsum_nets.verification.enclosures.effective import TwoSlope

_NARROW = 1 - 1e-9  # of two bounds of a difference, beyond which exact arithmetic would show nothing new
_MOST_EXACT = 1_000_000  # weights that are evaluated exactly, in a second or two


def falsify(comparison: Comparison, *, seed: int = 0, time_limit: float | None = None) -> LowerBound:
    """Search the domain for a large ||f - g||.

    The search is that of :mod:`attack`, with g's effective layers as a faster stand-in for g where it has
    some; what it finds is proven here. Deterministic for a fixed seed unless the time limit cuts it short.

    Parameters
    ----------
    comparison : Comparison
    seed : int
    time_limit : float, optional
        Seconds after which the search stops with the best point so far.

    Returns
    -------
    LowerBound
        Its witness lies in the domain exactly.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0, 1.0]])]), ReluNetwork([Dense([[1.5, 0.5]])])
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> found = falsify(Comparison(f, g, Box(-1, 1)))
    >>> round(found.lower, 9), bool(abs(found.witness[0] - found.witness[1]) == 2.0)
    (1.0, True)

    """
    deadline = math.inf if time_limit is None else time.perf_counter() + time_limit
    target, domain, effective = comparison.target, comparison.domain, comparison.effective_or_none
    stand_in = float_layers(comparison.pruned) if effective is None else float_two_slopes(target, effective)
    center = domain.centre(target.widths[0])
    search = Search((float_layers(target), stand_in), domain, center, comparison.norm, deadline)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        candidate = search.run(np.random.default_rng(seed))
    return max(
        (lower_bound_near(comparison, point) for point in (candidate, center)),
        key=lambda found: found.lower,
    )


def lower_bound_near(comparison: Comparison, point: FloatArray) -> LowerBound:
    """Return what :func:`difference_down` proves at the point of the domain nearest to ``point``.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.5]])])
    >>> lower_bound_near(Comparison(f, g, Box(-1, 1)), np.array([7.0])).witness
    array([1.])

    """
    domain = comparison.domain
    witness = _inside(point, domain, domain.centre(comparison.target.widths[0]))
    lower = difference_down(comparison, witness)
    witness.flags.writeable = False
    return LowerBound(lower, witness)


def difference_down(comparison: Comparison, point: FloatArray) -> float:
    """Return a lower bound, at least 0, of ||f(point) - g(point)|| for the two networks as stored.

    g's effective layers, where it has some, give a second enclosure of g(point), narrower for wide layers.

    Parameters
    ----------
    comparison : Comparison
        Its domain does not matter.
    point : array, shape (d_0,)

    Raises
    ------
    SoundnessError
        If the two enclosures of g(point) are disjoint.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f, g = ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.5]])])
    >>> round(difference_down(Comparison(f, g, Box(-1, 1)), np.array([1.0])), 12)
    0.5

    """
    return difference_bounds(comparison, point)[0]


@np.errstate(over="ignore", invalid="ignore")
def difference_bounds(comparison: Comparison, point: FloatArray) -> tuple[float, float]:
    """Return the bound of :func:`difference_down`, and one from above: inf where float64 overflowed."""
    nothing = 0.0, math.inf
    try:
        value = value_enclosure(comparison.target, point)
    except BoundOverflowError:
        return nothing
    ways = [partial(value_enclosure, comparison.pruned, point)]
    effective = comparison.effective_or_none
    if effective is not None:
        ways.append(partial(_effective_value, comparison.target, effective, point))
    low, high = np.full(value.mid.shape, -np.inf), np.full(value.mid.shape, np.inf)
    for way in ways:
        try:
            one_low, one_high = way().bounds()
        except BoundOverflowError:
            continue
        low, high = np.maximum(low, one_low), np.minimum(high, one_high)
    if (low > high).any():
        raise SoundnessError(f"two enclosures of the pruned network at {point!r} are disjoint")
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return nothing
    try:
        difference = value.minus(MidRad.from_bounds(low, high))
        least = norm_down(difference.mignitude(), comparison.norm)
        return least, norm_up(difference.magnitude(), comparison.norm)
    except BoundOverflowError:
        return nothing


def sharpened(comparison: Comparison, found: LowerBound) -> LowerBound:
    """Return what is exactly true at a witness, where rounding hides a part of it, rounded down once.

    Large outputs of nearly equal networks, say, leave little of their difference. Networks of more than a
    million weights keep the bound that was found.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f = ReluNetwork([Dense([[2.0**80, 1.0]])])
    >>> g = ReluNetwork([Dense([[2.0**80, 0.0], [-(2.0**80), 0.0]]), Dense([[1.0, -1.0]])])
    >>> comparison, at = Comparison(f, g, Box(1, 1)), np.ones(2)
    >>> difference_down(comparison, at), sharpened(comparison, LowerBound(0.0, at)).lower
    (0.0, 1.0)

    """
    f, g = comparison.target, comparison.pruned
    least, most = difference_bounds(comparison, found.witness)
    if least >= _NARROW * most or comparison.known is not None or f.parameters + g.parameters > _MOST_EXACT:
        return found
    from subsetsum_nets.verification.replay.evaluation import exact_difference_down

    exact = exact_difference_down(f, g, found.witness, comparison.norm)
    return found if exact <= found.lower else LowerBound(exact, found.witness)


@np.errstate(over="ignore", invalid="ignore")
def value_enclosure(network: ReluNetwork, point: FloatArray) -> MidRad:
    """Enclose the exact value of ``network`` at ``point``."""
    values = MidRad.point(point)
    for layer, relu in zip(network.affine_layers, network.relu_after, strict=True):
        values = affine(layer.weight, values, layer.bias)
        values = values.relu() if relu else values
    return values


def _effective_value(target: ReluNetwork, effective: Sequence[TwoSlope], point: FloatArray) -> MidRad:
    values = MidRad.point(point)
    for two_slope, relu in zip(effective, target.relu_after, strict=True):
        values = two_slope.image(values)
        values = values.relu() if relu else values
    return values


def _inside(point: FloatArray, domain: Domain, center: FloatArray) -> FloatArray:
    """Return a point near ``point`` that lies in the domain exactly."""
    candidate = domain.project(point) if np.isfinite(point).all() else center
    pull = 2.0**-50
    while not domain.contains(candidate):
        if pull >= 1.0:
            return center.copy()
        candidate = candidate + pull * (center - candidate)
        pull *= 4.0
    return np.array(candidate)

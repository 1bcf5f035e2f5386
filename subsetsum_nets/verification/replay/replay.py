"""Replay: recompute a method's bound in exact arithmetic, from the stored weights alone.

What the methods do in floating point, rounded outward, is done again with integers of any size: no rounding
but that of square roots and quotients, upward and to 128 bits, and of the spectral norms' proof, to 256. The
replayed bound is therefore a proof of its own, and it must not exceed the floating one: every floating step
rounds outward from what is computed here. The floating code is asked for free choices at most, never for
something that must be true.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from subsetsum_nets.networks.domains import Ball
from subsetsum_nets.verification.enclosures.effective import effective_layers
from subsetsum_nets.verification.enclosures.midrad import check_norm
from subsetsum_nets.verification.methods.propagated import chosen_slopes
from subsetsum_nets.verification.methods.zonotope.zonotope import DifferentialZonotope
from subsetsum_nets.verification.records import ChosenSlopes, MilpProof, SplitProof
from subsetsum_nets.verification.replay.arithmetic import (
    ExactMatrix,
    minimum,
    norm_up,
    positive_part,
    root_up,
    zeros,
)
from subsetsum_nets.verification.replay.layers import ExactLayer, exact_effective_layers, exact_layers
from subsetsum_nets.verification.replay.milp import replayed_milp
from subsetsum_nets.verification.replay.propagated import propagated_deviation
from subsetsum_nets.verification.replay.ranges import (
    ball_center,
    difference,
    domain_range,
    error_size,
    network_ranges,
    symmetric,
)
from subsetsum_nets.verification.replay.spectral import spectral_norm_up
from subsetsum_nets.verification.replay.splitting import replayed_splitting
from subsetsum_nets.verification.replay.zonotope import ReplayedZonotope

if TYPE_CHECKING:
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.methods.zonotope.zonotope import Enclosure

REPLAYED_METHODS = ("norms", "interval", "differential", "propagated", "zonotope", "splitting", "milp")


def replayed_bound(
    method: str,
    target: ReluNetwork,
    pruned: ReluNetwork,
    domain: Domain,
    norm: str = "l2",
    proof: SplitProof | MilpProof | None = None,
) -> Fraction:
    """Bound sup ||f - g|| as a method does, in exact arithmetic.

    Parameters
    ----------
    method : {"norms", "interval", "differential", "propagated", "zonotope", "splitting", "milp"}
    target, pruned : ReluNetwork
        f and g.
    domain : Box or Ball
    norm : {"l2", "linf", "l1"}
    proof : SplitProof or MilpProof, optional
        For "splitting" and "milp": how the search went, from ``splitting_bound(..., record=True)`` and
        ``milp_bound(..., record=True)``.

    Returns
    -------
    Fraction
        At least the supremum, and at most the method's bound in floating point.

    Raises
    ------
    ValueError
        For another method or norm, or "splitting" or "milp" without a proof of its own.
    UnsupportedStructureError
        If the method compares layer by layer and the networks do not allow it.
    BoundOverflowError
        By "propagated" and "zonotope", if the floating method, whose slopes are used, leaves the range of
        float64.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> f, g = ReluNetwork([Dense([[1.0, 0.5]])]), ReluNetwork([Dense([[1.25, 0.5]])])
    >>> replayed_bound("differential", f, g, Box(-1, 1), "linf")
    Fraction(1, 4)

    """
    check_norm(norm)
    if method not in REPLAYED_METHODS:
        raise ValueError(f"cannot replay method {method!r}; available are {', '.join(REPLAYED_METHODS)}")
    if method == "milp":
        if not isinstance(proof, MilpProof):
            raise ValueError("method 'milp' is replayed from the proof of its search: pass it as proof")
        return replayed_milp(target, pruned, domain, norm, proof)
    layers = exact_layers(target)
    if method == "interval":
        return norm_up(_interval_deviation(target, pruned, layers, domain), norm)
    effective = exact_effective_layers(target, pruned)
    errors = [g.minus(f) for f, g in zip(layers, effective, strict=True)]
    if method == "norms":
        return _norms_bound(layers, errors, target.relu_after, domain, norm)
    if method == "differential":
        return norm_up(_differential_deviation(layers, errors, target.relu_after, domain), norm)
    if method == "splitting":
        if not isinstance(proof, SplitProof):
            raise ValueError("method 'splitting' is replayed from the proof of its search: pass it as proof")
        return replayed_splitting(layers, effective, target.relu_after, domain, norm, proof)
    if method == "zonotope":
        chosen = ChosenSlopes.of(_zonotope(target, pruned, domain))
        return ReplayedZonotope(layers, effective, target.relu_after).bound(domain, norm, chosen)
    slopes = [
        ExactMatrix.from_floats(t) for t in chosen_slopes(target, effective_layers(target, pruned), domain)
    ]
    return norm_up(propagated_deviation(layers, effective, target.relu_after, domain, slopes), norm)


def _zonotope(target: ReluNetwork, pruned: ReluNetwork, domain: Domain) -> Enclosure:
    """Return the floating zonotope, for its slopes."""
    enclosure = DifferentialZonotope(target, effective_layers(target, pruned)).enclose(domain)
    if enclosure is None:
        raise ValueError("without phases the whole domain is enclosed, so that nothing can be empty")
    return enclosure


def _interval_deviation(
    target: ReluNetwork, pruned: ReluNetwork, layers: list[ExactLayer], domain: Domain
) -> ExactMatrix:
    f = network_ranges(layers, target.relu_after, domain)[-1]
    g = network_ranges(exact_layers(pruned), pruned.relu_after, domain)[-1]
    return difference(f.relu() if target.final_relu else f, g.relu() if pruned.final_relu else g)


def _differential_deviation(
    layers: list[ExactLayer], errors: list[ExactLayer], relu_after: tuple[bool, ...], domain: Domain
) -> ExactMatrix:
    """Return the bound of every output's deviation by method "differential"."""
    x = domain_range(domain, layers[0].positive.shape[1])  # of f
    deviation = zeros(layers[0].positive.shape[1])
    for index, (before, layer, error) in enumerate(
        zip(network_ranges(layers, relu_after, domain), layers, errors, strict=True)
    ):
        inputs = x.plus(symmetric(deviation))
        if index and relu_after[index - 1]:
            inputs = inputs.relu()
        deviation = abs(layer.positive) @ deviation + error_size(
            error, inputs, domain if index == 0 else None
        )
        x = before
        if relu_after[index]:
            deviation = minimum(deviation, positive_part(before.high + deviation))
            x = before.relu()
    return deviation


def _norms_bound(
    layers: list[ExactLayer],
    errors: list[ExactLayer],
    relu_after: tuple[bool, ...],
    domain: Domain,
    norm: str,
) -> Fraction:
    """Return the bound of method "norms"."""
    x = domain_range(domain, layers[0].positive.shape[1])
    size = norm_up(x.magnitude(), "l2")
    if isinstance(domain, Ball):
        center = norm_up(ball_center(domain, x.low.shape[0]), "l2")
        size = min(size, center + Fraction(domain.radius))
    positive = [j for j, sign in enumerate(x.high.signs()) if sign > 0]
    negative = [j for j, sign in enumerate(x.low.signs()) if sign < 0]
    deviation = Fraction(0)
    for layer, error, relu in zip(layers, errors, relu_after, strict=True):
        weight_norm = spectral_norm_up(layer.positive)
        if error.negative is error.positive:
            visible = error.positive
        else:
            visible = error.positive.columns(positive).beside(error.negative.columns(negative))
        deviation = (
            weight_norm * deviation
            + spectral_norm_up(visible) * (size + deviation)
            + norm_up(error.bias, "l2")
        )
        size = weight_norm * size + norm_up(layer.bias, "l2")
        positive = list(range(layer.positive.shape[0]))
        negative = [] if relu else positive
    if norm == "l1":
        deviation *= root_up(Fraction(layers[-1].positive.shape[0]))
    return deviation

"""Replay: recompute a method's bound in exact arithmetic, from the stored weights and the method's record.

What the methods do in floating point, rounded outward, is done again with integers of any size: no rounding
but that of square roots and quotients, upward and to 128 bits, and of the spectral norms' proof, to 256. The
replayed bound is therefore a proof of its own, and it must not exceed the floating one: every floating step
rounds outward from what is computed here. No floating code is run: a record holds the free choices, never
something that must be true, so that a wrong one proves less or is refused.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from subsetsum_nets.networks.domains import Ball
from subsetsum_nets.verification.records import ChosenSlopes, MilpProof, PropagatedSlopes, Record, SplitProof
from subsetsum_nets.verification.replay.arithmetic import minimum, norm_up, positive_part, root_up, zeros
from subsetsum_nets.verification.replay.exact_comparison import Compared, ExactComparison
from subsetsum_nets.verification.replay.layers import exact_layers
from subsetsum_nets.verification.replay.milp import replayed_milp
from subsetsum_nets.verification.replay.propagated import replayed_propagated
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
from subsetsum_nets.verification.replay.zonotope import replayed_zonotope

if TYPE_CHECKING:
    from collections.abc import Callable


def replayed_bound(method: str, comparison: Compared, record: Record | None = None) -> Fraction:
    """Bound sup ||f - g|| as a method does, in exact arithmetic.

    Parameters
    ----------
    method : {"norms", "interval", "differential", "propagated", "zonotope", "splitting", "milp"}
    comparison : Comparison
        Of which only the two networks, the domain and the norm are looked at.
    record : optional
        That of the method's bound. The first three have no free choices and need none.

    Returns
    -------
    Fraction
        At least the supremum, whatever the record says; with the method's own, at most its floating bound.

    Raises
    ------
    ValueError
        For another method or norm, or a record that is missing, of another method, or does not fit.
    UnsupportedStructureError
        If the method compares layer by layer and the networks do not allow it.

    Examples
    --------
    >>> from subsetsum_nets.networks import Box, Dense, ReluNetwork
    >>> from subsetsum_nets.verification.comparison import Comparison
    >>> f, g = ReluNetwork([Dense([[1.0, 0.5]])]), ReluNetwork([Dense([[1.25, 0.5]])])
    >>> replayed_bound("differential", Comparison(f, g, Box(-1, 1), "linf"))
    Fraction(1, 4)

    """
    pair = ExactComparison.of(comparison)
    if method in _WITHOUT_RECORD:
        return _WITHOUT_RECORD[method](pair)
    if method not in _FROM_RECORD:
        raise ValueError(f"cannot replay method {method!r}; available are {', '.join(REPLAYED_METHODS)}")
    kind, replayed = _FROM_RECORD[method]
    if not isinstance(record, kind):
        raise ValueError(f"method {method!r} is replayed from its own record, a {kind.__name__}: pass it")  # noqa: TRY004
    return replayed(pair.layered if _by_layers(record) else pair, record)


def _by_layers(record: Record) -> bool:
    """Tell whether the bound speaks of layers, so that networks of unlike shapes were brought to one."""
    return isinstance(record, ChosenSlopes | SplitProof) or (
        isinstance(record, MilpProof) and record.layer_by_layer
    )


def _interval_bound(pair: ExactComparison) -> Fraction:
    f = network_ranges(pair.layers, pair.relu_after, pair.domain)[-1]
    g = network_ranges(exact_layers(pair.pruned), pair.pruned.relu_after, pair.domain)[-1]
    after = difference(f.relu() if pair.target.final_relu else f, g.relu() if pair.pruned.final_relu else g)
    return norm_up(after, pair.norm)


def _differential_bound(pair: ExactComparison) -> Fraction:
    layers, relu_after, domain = pair.layers, pair.relu_after, pair.domain
    x = domain_range(domain, layers[0].positive.shape[1])  # of f
    deviation = zeros(layers[0].positive.shape[1])
    for index, (before, layer, error) in enumerate(
        zip(network_ranges(layers, relu_after, domain), layers, pair.errors, strict=True)
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
    return norm_up(deviation, pair.norm)


def _norms_bound(pair: ExactComparison) -> Fraction:
    layers, domain = pair.layers, pair.domain
    x = domain_range(domain, layers[0].positive.shape[1])
    size = norm_up(x.magnitude(), "l2")
    if isinstance(domain, Ball):
        center = norm_up(ball_center(domain, x.low.shape[0]), "l2")
        size = min(size, center + Fraction(domain.radius))
    positive = [j for j, sign in enumerate(x.high.signs()) if sign > 0]
    negative = [j for j, sign in enumerate(x.low.signs()) if sign < 0]
    deviation = Fraction(0)
    for layer, error, relu in zip(layers, pair.errors, pair.relu_after, strict=True):
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
    if pair.norm == "l1":
        deviation *= root_up(Fraction(layers[-1].positive.shape[0]))
    return deviation


_WITHOUT_RECORD: dict[str, Callable[[ExactComparison], Fraction]] = {
    "norms": _norms_bound,
    "interval": _interval_bound,
    "differential": _differential_bound,
}
_FROM_RECORD: dict[str, tuple[type[Record], Callable[[ExactComparison, Any], Fraction]]] = {
    "propagated": (PropagatedSlopes, replayed_propagated),
    "zonotope": (ChosenSlopes, replayed_zonotope),
    "splitting": (SplitProof, replayed_splitting),
    "milp": (MilpProof, replayed_milp),
}
REPLAYED_METHODS = (*_WITHOUT_RECORD, *_FROM_RECORD)

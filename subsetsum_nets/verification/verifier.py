"""verify(): the proven answer to "how far is the pruned network from its target?".

Last station of the flow before the certificate, and an independent judge: it sees two networks and a domain,
nothing of how the pruned one was found.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Protocol, cast

from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.relu_network import ReluNetwork
from subsetsum_nets.verification.differential import differential_bound
from subsetsum_nets.verification.effective import effective_layers
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError, UnsupportedStructureError
from subsetsum_nets.verification.falsifier import falsify
from subsetsum_nets.verification.interval import interval_bound
from subsetsum_nets.verification.midrad import check_arithmetic, check_norm
from subsetsum_nets.verification.norms import norms_bound
from subsetsum_nets.verification.results import MethodBound, VerificationResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.effective import TwoSlope

METHODS = ("differential", "norms", "interval")  # of equal bounds, "auto" names the first
_UNIT_BOX = Box(-1, 1)


class HasNetwork(Protocol):
    """Anything that carries a network, such as a PrunedNetwork."""

    @property
    def network(self) -> ReluNetwork:
        """The network g that is meant."""


def verify(
    target: ReluNetwork,
    pruned: ReluNetwork | HasNetwork,
    *,
    domain: Domain = _UNIT_BOX,
    norm: str = "l2",
    method: str = "auto",
    epsilon: float | None = None,
    time_limit: float | None = None,
) -> VerificationResult:
    """Prove bounds on sup ||f(x) - g(x)|| over a domain.

    f and g are the real functions with exactly the stored float64 weights; no rounding of their evaluation
    is meant.

    Parameters
    ----------
    target : ReluNetwork
        f.
    pruned : ReluNetwork or object with a ``network``
        g, with as many inputs and outputs as f.
    domain : Box or Ball
    norm : {"l2", "linf", "l1"}
        The norm of the output.
    method : str
        "norms" and "differential" compare layer by layer, "interval" bounds each network alone;
        "auto" returns the smallest bound of all that apply.
    epsilon : float, optional
        The bound to decide: see ``verified`` and ``falsified`` of the result.
    time_limit : float, optional
        Seconds; the search for a lower bound stops then. The methods for the upper bound always finish.

    Returns
    -------
    VerificationResult
        ``upper`` is inf when every method left the range of float64.

    Raises
    ------
    ValueError
        For networks or a domain of other sizes, an unknown norm or method, or an epsilon or time limit that
        is not > 0.
    TypeError
        If ``target`` or ``pruned`` is no network, or ``domain`` is neither Box nor Ball.
    UnsupportedStructureError
        If the method named cannot compare these networks.
    SoundnessError
        If the proven bounds contradict each other, or float64 arithmetic here is not IEEE 754's default.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense
    >>> f = ReluNetwork([Dense([[1.0]])])
    >>> g = ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -2.5]])])
    >>> result = verify(f, g, epsilon=0.3)
    >>> result.verified, round(result.lower, 9), round(result.upper, 9), result.method
    (True, 0.25, 0.25, 'differential')

    """
    started = time.perf_counter()
    g = _checked_network(target, pruned)
    if not isinstance(domain, Box | Ball):
        raise TypeError(f"the domain must be a Box or a Ball, got {type(domain).__name__}")
    check_norm(norm)
    if method != "auto" and method not in METHODS:
        raise ValueError(f"unknown method {method!r}; available are auto, {', '.join(METHODS)}")
    for name, value in (("epsilon", epsilon), ("time_limit", time_limit)):
        if value is not None and not value > 0:
            raise ValueError(f"{name} must be > 0, got {value!r}")
    check_arithmetic()

    effective = _effective(target, g, method)
    winner, bound = _upper(target, g, domain, norm, method, effective)
    left = None if time_limit is None else max(time_limit - (time.perf_counter() - started), 0.0)
    found = falsify(target, g, domain, norm, effective=effective, time_limit=left)
    if not found.lower <= bound.upper:
        raise SoundnessError(
            f"method {winner!r} proves ||f - g|| <= {bound.upper!r}, but it is at least {found.lower!r} "
            f"at {found.witness!r}; please report this defect"
        )
    return VerificationResult(
        upper=bound.upper,
        lower=found.lower,
        witness=found.witness,
        method=winner,
        verified=epsilon is not None and bound.upper <= epsilon,
        falsified=epsilon is not None and found.lower > epsilon,
        layers=bound.layers,
        seconds=time.perf_counter() - started,
        domain=domain,
        norm=norm,
        epsilon=epsilon,
    )


def _checked_network(target: ReluNetwork, pruned: ReluNetwork | HasNetwork) -> ReluNetwork:
    """Return the network in ``pruned``, of the same input and output sizes as ``target``."""
    g: Any = pruned if isinstance(pruned, ReluNetwork) else getattr(pruned, "network", None)
    for role, given in (("target", target), ("pruned", g)):
        if not isinstance(given, ReluNetwork):
            raise TypeError(f"{role} must be a ReluNetwork (or, if pruned, carry one as .network)")
    sizes = (target.widths[0], target.widths[-1]), (g.widths[0], g.widths[-1])
    if sizes[0] != sizes[1]:
        raise ValueError(
            f"the target maps {sizes[0][0]} inputs to {sizes[0][1]} outputs, "
            f"the pruned network {sizes[1][0]} to {sizes[1][1]}"
        )
    return cast("ReluNetwork", g)


def _effective(target: ReluNetwork, pruned: ReluNetwork, method: str) -> tuple[TwoSlope, ...] | None:
    """Return g's effective layers; None where it has none and the method does not ask for them."""
    try:
        return effective_layers(target, pruned)
    except UnsupportedStructureError:
        if method in ("norms", "differential"):
            raise
    except BoundOverflowError:
        pass
    return None


def _upper(
    target: ReluNetwork,
    pruned: ReluNetwork,
    domain: Domain,
    norm: str,
    method: str,
    effective: Sequence[TwoSlope] | None,
) -> tuple[str, MethodBound]:
    """Return the smallest bound among the methods asked for that apply, and its method."""
    winner, best = (METHODS[-1] if method == "auto" else method), MethodBound(math.inf, ())
    for name in METHODS if method == "auto" else (method,):
        try:
            if name == "interval":
                bound = interval_bound(target, pruned, domain, norm)
            elif effective is None:  # unsupported under "auto", or out of the range of float64
                continue
            elif name == "norms":
                bound = norms_bound(target, pruned, domain, norm, effective)
            else:
                errors = [
                    two_slope.minus(layer).magnitudes()
                    for two_slope, layer in zip(effective, target.layers, strict=True)
                ]
                bound = differential_bound(target, errors, domain, norm)
        except BoundOverflowError:
            continue
        if bound.upper < best.upper:
            winner, best = name, bound
    return winner, best

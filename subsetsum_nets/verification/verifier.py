"""verify(): the proven answer to "how far is the pruned network from its target?".

Last station of the flow before the certificate, and an independent judge: it sees two networks and a domain,
nothing of how the pruned one was found.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol, cast

from subsetsum_nets.networks.arguments import checked_positive, checked_seconds
from subsetsum_nets.networks.domains import Ball, Box
from subsetsum_nets.networks.relu_network import ReluNetwork
from subsetsum_nets.verification.enclosures.effective import effective_layers
from subsetsum_nets.verification.enclosures.midrad import check_arithmetic, check_norm
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError, UnsupportedStructureError
from subsetsum_nets.verification.falsifier import falsify
from subsetsum_nets.verification.methods.table import METHODS, TABLE, Question, to_ask
from subsetsum_nets.verification.results import MethodBound, VerificationResult

if TYPE_CHECKING:
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.verification.enclosures.effective import TwoSlope
    from subsetsum_nets.verification.falsifier import LowerBound

_UNIT_BOX = Box(-1, 1)
_ATTACK_SHARE = 0.2  # of the time limit, for the search for a lower bound
_LITTLE_BETTER = 1 - 1e-9  # a bound that is only rounded less does not replace one of a cheaper method


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
    exact: bool = False,
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
        "norms", "differential", "propagated" and "zonotope" compare layer by layer, "interval" bounds each
        network alone. "milp" and "splitting" branch, and go on until the bounds meet or the time is up.
        "auto" asks the others, cheapest first, then those two where a time limit is given, and returns
        the smallest bound.
    epsilon : float, optional
        The bound to decide: see ``verified`` and ``falsified`` of the result. With a time limit, no further
        method is asked once it is decided.
    time_limit : float, optional
        Seconds. A method that has begun and cannot stop midway finishes; no further one begins.
    exact : bool
        Whether to compute the winning bound once more in exact arithmetic: ``replayed`` of the result. This
        takes its own time after the limit; "splitting" then stops at 2,000 parts.

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
        If the method named cannot compare these networks, or cannot be replayed where that is asked for.
    SoundnessError
        If the proven bounds contradict each other, or float64 arithmetic here is not IEEE 754's default.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense
    >>> f = ReluNetwork([Dense([[1.0]])])
    >>> g = ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -2.5]])])
    >>> result = verify(f, g, epsilon=0.3, exact=True)
    >>> result.verified, round(result.lower, 9), round(result.upper, 9), result.method, result.replayed
    (True, 0.25, 0.25, 'differential', 0.25)

    """
    started = time.perf_counter()
    g = _checked_network(target, pruned)
    if not isinstance(domain, Box | Ball):
        raise TypeError(f"the domain must be a Box or a Ball, got {type(domain).__name__}")
    check_norm(norm)
    if method != "auto" and method not in METHODS:
        raise ValueError(f"unknown method {method!r}; available are auto, {', '.join(METHODS)}")
    if exact and method != "auto" and not TABLE[method].replayed:
        raise UnsupportedStructureError(
            f"method {method!r} cannot be replayed in exact arithmetic; those that can are "
            f"{', '.join(name for name in METHODS if TABLE[name].replayed)}"
        )
    if epsilon is not None:
        checked_positive(epsilon, "epsilon")
    if time_limit is not None:
        checked_seconds(time_limit)
    check_arithmetic()

    deadline = math.inf if time_limit is None else started + time_limit
    effective = _effective(target, g, method)
    question = Question(target, g, domain, norm, effective, epsilon, deadline, exact)
    search = _Verification(question, method, None if time_limit is None else _ATTACK_SHARE * time_limit)
    search.run()
    found = search.found
    return VerificationResult(
        upper=search.best.upper,
        lower=found.lower,
        witness=found.witness,
        method=search.winner,
        verified=epsilon is not None and search.best.upper <= epsilon,
        falsified=epsilon is not None and found.lower > epsilon,
        layers=search.best.layers,
        seconds=time.perf_counter() - started,
        domain=domain,
        norm=norm,
        epsilon=epsilon,
        replayed=_replayed(question, search.winner, search.best) if exact else None,
    )


class _Verification:
    """The methods asked one after the other; the best bound from above and from below so far."""

    def __init__(self, question: Question, method: str, attack_seconds: float | None) -> None:
        self._question = question
        self._asked = to_ask(method, question)
        self._attack_seconds = attack_seconds
        self.winner = self._asked[0][0].name if len(self._asked) == 1 else "interval"
        self.best = MethodBound(math.inf, ())
        self.found: LowerBound

    def run(self) -> None:
        attacked = False
        for number, (method, share) in enumerate(self._asked):
            if method.anytime and not attacked:
                self._attack()
                attacked = True
            if number and (self._out_of_time() or (attacked and self._decided())):
                break
            if method.by_layers and self._question.effective is None:
                continue  # the effective weights leave the range of float64
            left = self._question.seconds_left
            deadline = math.inf if left is None else time.perf_counter() + share * left
            try:
                bound, found = method.answer(replace(self._question, deadline=deadline))
            except BoundOverflowError:
                continue
            except UnsupportedStructureError:
                if len(self._asked) == 1:
                    raise
                continue
            if found is not None and found.lower > self.found.lower:
                self.found = found
            if bound.upper < self.best.upper * _LITTLE_BETTER:
                self.winner, self.best = method.name, bound
            if attacked:
                self._check(method.name)
        if not attacked:
            self._attack()

    def _attack(self) -> None:
        q = self._question
        self.found = falsify(
            q.target, q.pruned, q.domain, q.norm, effective=q.effective, time_limit=self._attack_seconds
        )
        self._check(self.winner)

    def _check(self, name: str) -> None:
        if not self.found.lower <= self.best.upper:
            raise SoundnessError(
                f"method {name!r} proves ||f - g|| <= {self.best.upper!r}, but it is at least "
                f"{self.found.lower!r} at {self.found.witness!r}; please report this defect"
            )

    def _out_of_time(self) -> bool:
        return time.perf_counter() >= self._question.deadline

    def _decided(self) -> bool:
        epsilon, upper, lower = self._question.epsilon, self.best.upper, self.found.lower
        return upper <= lower or (epsilon is not None and (upper <= epsilon or lower > epsilon))


def _replayed(question: Question, winner: str, best: MethodBound) -> float | None:
    """Return the winning method's bound in exact arithmetic, rounded up; None where there is no bound."""
    if math.isinf(best.upper):
        return None
    from subsetsum_nets.verification.replay.arithmetic import float_up
    from subsetsum_nets.verification.replay.replay import replayed_bound

    bound = replayed_bound(
        winner, question.target, question.pruned, question.domain, question.norm, best.proof
    )
    if bound > best.upper:
        raise SoundnessError(
            f"method {winner!r} proves ||f - g|| <= {best.upper!r}, but only {float_up(bound)!r} in exact "
            "arithmetic; please report this defect"
        )
    return float_up(bound)


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
        if method != "auto" and TABLE[method].by_layers:
            raise
    except BoundOverflowError:
        pass
    return None

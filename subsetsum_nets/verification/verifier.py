"""verify(): the proven answer to "how far is the pruned network from its target?".

Last station of the flow before the certificate, and an independent judge: it sees two networks and a domain,
nothing of how the pruned one was found.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from subsetsum_nets.networks.arguments import checked_limit, checked_norm
from subsetsum_nets.networks.domains import Box, Domain
from subsetsum_nets.networks.rounding import with_outputs_times
from subsetsum_nets.stages import stage, stages_told_to
from subsetsum_nets.verification.comparison import Comparison, SearchOptions
from subsetsum_nets.verification.enclosures.midrad import check_arithmetic
from subsetsum_nets.verification.errors import BoundOverflowError, SoundnessError, UnsupportedStructureError
from subsetsum_nets.verification.falsifier import falsify, sharpened
from subsetsum_nets.verification.methods.table import METHODS, Method, to_ask
from subsetsum_nets.verification.results import LowerBound, MethodBound, VerificationResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.choices import MethodName, Norm
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.stages import Stage
    from subsetsum_nets.verification.certificate import Certificate

_UNIT_BOX = Box(-1, 1)
_LITTLE_BETTER = 1 - 1e-9  # a bound that is only rounded less does not replace one of a cheaper method
# Parts that "splitting" bounds where no time limit is given, or each is to be bounded once more exactly.
_NODES_WITHOUT_LIMIT = 2_000


class HasNetwork(Protocol):
    """Anything that carries a network, such as a PrunedNetwork."""

    @property
    def network(self) -> ReluNetwork:
        """The network g that is meant."""


def verify(
    target: ReluNetwork,
    pruned: ReluNetwork | HasNetwork,
    *,
    domain: Domain | None = None,
    norm: Norm | None = None,
    method: MethodName = "auto",
    epsilon: float | None = None,
    time_limit: float | None = None,
    exact: bool = False,
    on_stage: Callable[[Stage], object] | None = None,
) -> VerificationResult:
    """Prove bounds on sup ||f(x) - g(x)|| over a domain.

    f and g are the real functions with exactly the stored float64 weights; no rounding of their evaluation
    is meant.

    Parameters
    ----------
    target : ReluNetwork
        f.
    pruned : ReluNetwork or object with a ``network``
        g, with as many inputs and outputs as f. Where it carries a ``certificate``, as a
        :class:`~subsetsum_nets.PrunedNetwork` does, what is not given of domain, norm and epsilon is the
        certificate's, and where that speaks of 2^-t g, 2^-t g is meant.
    domain : Box or Ball, optional
        By default the certificate's; else the one stored with ``target``; else Box(-1, 1).
    norm : {"l2", "linf", "l1"}, optional
        The norm of the output. By default the certificate's, else "l2".
    method : str
        "norms", "differential", "propagated" and "zonotope" compare layer by layer, "interval" bounds each
        network alone. "milp" and "splitting" branch, and go on until the bounds meet or the time is up.
        "auto" asks the others, cheapest first, then those two where a time limit is given, and returns
        the smallest bound.
    epsilon : float, optional
        The bound to decide: see ``verified`` and ``falsified`` of the result. Any real number, NumPy's and
        Fractions included; one that is no float64 is rounded down, which decides the same. With a time
        limit, no further method is asked once it is decided. By default the certificate's, else none.
    time_limit : float, optional
        Seconds. A method that has begun and cannot stop midway finishes; no further one begins.
    exact : bool
        Whether to compute the winning bound once more in exact arithmetic: ``replayed`` of the result. This
        takes its own time after the limit; "splitting" then stops at 2,000 parts.
    on_stage : callable(Stage), optional
        Told when a stage begins and ends (:class:`~subsetsum_nets.stages.Stage`): "verifying" by each method,
        "attack", "replaying".

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
        If ``target`` or ``pruned`` is no network, ``domain`` is neither Box nor Ball, or ``on_stage`` cannot
        be called.
    UnsupportedStructureError
        If the method named cannot compare these networks, or cannot be replayed where that is asked for.
    SoundnessError
        If the proven bounds contradict each other, or float64 arithmetic here is not IEEE 754's default.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> f = ReluNetwork([Dense([[1.0]])])
    >>> g = ReluNetwork([Dense([[0.5], [-0.5]]), Dense([[2.0, -2.5]])])
    >>> result = verify(f, g, epsilon=0.3, exact=True)
    >>> result.verified, round(result.lower, 9), round(result.upper, 9), result.method, result.replayed
    (True, 0.25, 0.25, 'differential', 0.25)
    >>> verify(f, g).verified is None  # nothing was asked
    True

    """
    started = time.perf_counter()
    network: Any = getattr(pruned, "network", pruned)
    certificate = getattr(pruned, "certificate", None)
    domain, measured, epsilon = _question(target, certificate, domain, norm, epsilon)
    network = with_outputs_times(network, -getattr(certificate, "output_exponent", 0))
    comparison = Comparison(target, network, domain, measured).collapsed
    if method != "auto" and method not in METHODS:
        raise ValueError(f"unknown method {method!r}; available are auto, {', '.join(METHODS)}")
    options = SearchOptions(time_limit=time_limit, epsilon=epsilon, record=exact)
    if exact or time_limit is None:
        options = replace(options, node_limit=_NODES_WITHOUT_LIMIT)
    asked = to_ask(method, comparison, timed=time_limit is not None)
    if exact:
        asked = _replayable(asked)
    check_arithmetic()

    search, replayed = _Verification(comparison, asked, options, started), None
    with stages_told_to(on_stage):
        found = search.run()
        best = search.best
        if exact:
            with stage("replaying"):
                replayed = _replayed(comparison, search.winner, best)
    return VerificationResult(
        upper=best.upper,
        lower=found.lower,
        witness=found.witness,
        method=search.winner,
        verified=None if epsilon is None else best.upper <= epsilon,
        falsified=None if epsilon is None else found.lower > epsilon,
        layers=best.layers,
        seconds=time.perf_counter() - started,
        domain=domain,
        norm=measured,
        epsilon=epsilon,
        replayed=replayed,
    )


def proven_bound(
    target: ReluNetwork, pruned: ReluNetwork, *, domain: Domain = _UNIT_BOX, norm: str = "l2"
) -> float:
    """Return the bound of :func:`verify` with method "auto", without its search for a lower bound.

    A twentieth of the time for small networks; for those who try many. Errors are those of :func:`verify`.

    Examples
    --------
    >>> from subsetsum_nets.networks import Dense, ReluNetwork
    >>> round(proven_bound(ReluNetwork([Dense([[1.0]])]), ReluNetwork([Dense([[0.75]])])), 9)
    0.25

    """
    comparison = Comparison(target, pruned, domain, norm).collapsed
    check_arithmetic()
    bounds = [math.inf]
    with np.errstate(over="ignore", invalid="ignore"):
        for method, _ in to_ask("auto", comparison, timed=False):
            with suppress(BoundOverflowError, UnsupportedStructureError):
                bounds.append(method.bound(comparison).upper)
    return min(bounds)


def _question(
    target: ReluNetwork,
    certificate: Certificate | None,
    domain: Domain | None,
    norm: Norm | None,
    epsilon: float | None,
) -> tuple[Domain, Norm, float | None]:
    """Return domain, norm and epsilon: what is not given as the certificate says, else the usual."""
    if certificate is not None:
        domain = certificate.domain_set if domain is None else domain
        norm = checked_norm(certificate.norm) if norm is None else norm
        epsilon = certificate.epsilon if epsilon is None else epsilon
    if domain is None:
        domain = getattr(target, "domain", None) or _UNIT_BOX
    return domain, norm or "l2", None if epsilon is None else checked_limit(epsilon, "epsilon")


class _Verification:
    """The methods asked one after the other; the best bound from above and from below so far."""

    def __init__(
        self,
        comparison: Comparison,
        asked: list[tuple[Method, float]],
        options: SearchOptions,
        started: float,
    ) -> None:
        self._comparison, self._asked, self._options = comparison, asked, options
        limit = options.time_limit
        self._deadline = math.inf if limit is None else started + limit
        self.winner = asked[0][0].name if len(asked) == 1 else "interval"
        self.best = MethodBound(math.inf, ())
        self._found: LowerBound | None = None

    @np.errstate(over="ignore", invalid="ignore")  # what leaves float64 is told by the values themselves
    def run(self) -> LowerBound:
        """Ask the methods while it makes sense; return the best lower bound."""
        for number, (method, share) in enumerate(self._asked):
            if number and method.anytime:
                self._attacked()
            if number and (time.perf_counter() >= self._deadline or self._decided()):
                break
            try:
                with stage("verifying", method.name):
                    bound = self._bound_of(method, share)
            except BoundOverflowError:
                continue
            except UnsupportedStructureError:
                if len(self._asked) == 1:
                    raise
                continue
            if isinstance(bound, LowerBound) and (self._found is None or bound.lower > self._found.lower):
                self._found = LowerBound(bound.lower, bound.witness)
            if bound.upper < self.best.upper * _LITTLE_BETTER:
                self.winner, self.best = method.name, bound
            self._check(method.name)
        found = self._attacked()
        with stage("attack"):
            self._found = sharpened(self._comparison, found)
        self._check(self.winner)
        return self._found

    def _bound_of(self, method: Method, share: float) -> MethodBound:
        if not method.anytime:
            return method.bound(self._comparison)
        left: float | None = None
        if not math.isinf(self._deadline):
            left = share * max(self._deadline - time.perf_counter(), 0.01)
        return method.bound(self._comparison, replace(self._options, time_limit=left, found=self._found))

    def _attacked(self) -> LowerBound:
        """Return the best lower bound; search for one where there is none yet."""
        if self._found is None:
            with stage("attack"):
                self._found = falsify(self._comparison, time_limit=self._options.attack_limit)
            self._check(self.winner)
        return self._found

    def _check(self, name: str) -> None:
        found = self._found
        if found is not None and not found.lower <= self.best.upper:
            raise SoundnessError(
                f"method {name!r} proves ||f - g|| <= {self.best.upper!r}, but it is at least "
                f"{found.lower!r} at {found.witness!r}; please report this defect"
            )

    def _decided(self) -> bool:
        if self._found is None:
            return False
        epsilon, upper, lower = self._options.epsilon, self.best.upper, self._found.lower
        return upper <= lower or (epsilon is not None and (upper <= epsilon or lower > epsilon))


def _replayable(asked: list[tuple[Method, float]]) -> list[tuple[Method, float]]:
    """Return those of the methods whose bounds can be computed once more in exact arithmetic."""
    from subsetsum_nets.verification.replay.replay import REPLAYED_METHODS

    kept = [(method, share) for method, share in asked if method.name in REPLAYED_METHODS]
    if not kept:
        raise UnsupportedStructureError(
            f"method {asked[0][0].name!r} cannot be replayed in exact arithmetic; those that can are "
            f"{', '.join(REPLAYED_METHODS)}"
        )
    return kept


def _replayed(comparison: Comparison, winner: str, best: MethodBound) -> float | None:
    """Return the winning method's bound in exact arithmetic, rounded up; None where there is no bound."""
    if math.isinf(best.upper):
        return None
    from subsetsum_nets.verification.replay.arithmetic import float_up
    from subsetsum_nets.verification.replay.replay import replayed_bound

    bound = replayed_bound(winner, comparison, best.record)
    if bound > best.upper:
        raise SoundnessError(
            f"method {winner!r} proves ||f - g|| <= {best.upper!r}, but only {float_up(bound)!r} in exact "
            "arithmetic; please report this defect"
        )
    return float_up(bound)

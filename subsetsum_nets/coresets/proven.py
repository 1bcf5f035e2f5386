"""The fewest parameters whose error is proven: a bisection over sizes, each judged by the verifier."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Protocol

from subsetsum_nets.coresets.edges import network_of
from subsetsum_nets.coresets.task import Size, Sparser, TooFewEdgesError, WholeLayerWarning
from subsetsum_nets.verification.comparison import Comparison
from subsetsum_nets.verification.errors import BoundOverflowError
from subsetsum_nets.verification.methods.zonotope.zonotope import zonotope_bound
from subsetsum_nets.verification.verifier import verify

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.choices import MethodName, Norm
    from subsetsum_nets.coresets.methods import Method
    from subsetsum_nets.coresets.task import Task
    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.near import NearResult
    from subsetsum_nets.verification.results import VerificationResult

METHOD: MethodName = "zonotope"
_FINENESS = 1000  # sizes are told apart to a thousandth of the target's, or one parameter


class Judge(Protocol):
    """Who proves a bound for one g after the other."""

    def within(self, network: ReluNetwork, epsilon: float) -> bool:
        """Tell whether the error is proven to be at most epsilon."""

    def result(self, network: ReluNetwork, epsilon: float) -> VerificationResult | NearResult:
        """Return all that is proven."""


class OverDomain:
    """Proofs for every x of a domain."""

    def __init__(self, target: ReluNetwork, domain: Domain, norm: Norm) -> None:
        self._target, self._domain, self._norm = target, domain, norm

    def within(self, network: ReluNetwork, epsilon: float) -> bool:
        """Tell whether the error is proven to be at most epsilon over the domain."""
        try:
            comparison = Comparison(self._target, network, self._domain, self._norm)
            return zonotope_bound(comparison).upper <= epsilon
        except BoundOverflowError:
            return False

    def result(self, network: ReluNetwork, epsilon: float) -> VerificationResult:
        """Return the bound, the attack below it, and what they decide."""
        return verify(
            self._target, network, domain=self._domain, norm=self._norm, method=METHOD, epsilon=epsilon
        )


def fewest(
    task: Task,
    method: Method,
    judge: Judge,
    epsilon: float,
    progress: Callable[[int, int], object] | None = None,
) -> tuple[Sparser, VerificationResult | NearResult]:
    """Return the smallest result that the judge accepts, and what is proven of it.

    Bounds need not fall with every edge that is added: the bisection ends at a size that is proven, where one
    a little smaller is not; the target itself is what it ends at, at worst.
    """
    best = Sparser.of(task.matrices)
    low, high = 0, task.size
    steps = max(1, (task.size // max(1, task.size // _FINENESS)).bit_length())
    done = 0
    while high - low > max(1, task.size // _FINENESS):
        middle = (low + high) // 2
        found = _attempt(task, method, middle)
        if found is not None and judge.within(network_of(task.target, found.matrices), epsilon):
            high, best = middle, min(best, found, key=lambda one: one.size)
        else:
            low = middle
        done += 1
        if progress is not None:
            progress(min(done, steps), steps)
    return best, judge.result(network_of(task.target, best.matrices), epsilon)


def _attempt(task: Task, method: Method, edges: int) -> Sparser | None:
    """Return what the method makes of so few edges; None where it can't."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WholeLayerWarning)  # of layers kept whole: their size tells
        try:
            return method.sparser(task, Size(edges=edges))
        except TooFewEdgesError:
            return None

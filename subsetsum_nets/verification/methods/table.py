"""The table of methods: what each is called, what it needs, and what it costs.

In the order in which "auto" asks: cheapest first. A method takes a :class:`Question` and returns a
:class:`MethodBound`; an anytime method may also bring a better lower bound with its witness.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from subsetsum_nets.verification.methods.differential import differential_bound
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.norms import norms_bound
from subsetsum_nets.verification.results import MethodBound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from subsetsum_nets.networks.domains import Domain
    from subsetsum_nets.networks.relu_network import ReluNetwork
    from subsetsum_nets.verification.enclosures.effective import TwoSlope
    from subsetsum_nets.verification.falsifier import LowerBound

# Parts that "splitting" bounds where no time limit is given, or each is to be bounded once more exactly.
NODES_WITHOUT_LIMIT = 2_000
_FEW_KINKS = 48  # up to which "auto" tries "milp" before "splitting"
_MILP_SHARE = 0.5  # of the time left, where "splitting" may still follow


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a method.

    Parameters
    ----------
    target, pruned : ReluNetwork
    domain : Box or Ball
    norm : {"l2", "linf", "l1"}
    effective : sequence of TwoSlope or None
        g's effective layers; None where it has none.
    epsilon : float or None
        Anytime methods may stop once it is decided.
    deadline : float
        On ``time.perf_counter()``; inf for none.
    exact : bool
        Whether the bound is to be replayed in exact arithmetic.

    """

    target: ReluNetwork
    pruned: ReluNetwork
    domain: Domain
    norm: str
    effective: Sequence[TwoSlope] | None
    epsilon: float | None
    deadline: float
    exact: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Seconds to the deadline, at least a hundredth; None without one."""
        return None if math.isinf(self.deadline) else max(self.deadline - time.perf_counter(), 0.01)


Answer = Callable[[Question], tuple[MethodBound, "LowerBound | None"]]


@dataclass(frozen=True)
class Method:
    """One way to bound sup ||f - g||.

    Parameters
    ----------
    name : str
    answer : callable
    by_layers : bool
        Whether it needs g's effective layers.
    anytime : bool
        Whether it goes on until a time limit: "auto" asks it only when one is given.
    replayed : bool
        Whether its bound can be computed once more in exact arithmetic; "auto" leaves the others out where
        that is asked for.

    """

    name: str
    answer: Answer
    by_layers: bool = True
    anytime: bool = False
    replayed: bool = True


def _norms(q: Question) -> tuple[MethodBound, LowerBound | None]:
    return norms_bound(q.target, q.pruned, q.domain, q.norm, q.effective), None


def _interval(q: Question) -> tuple[MethodBound, LowerBound | None]:
    return interval_bound(q.target, q.pruned, q.domain, q.norm), None


def _differential(q: Question) -> tuple[MethodBound, LowerBound | None]:
    errors = [
        two_slope.minus(layer).magnitudes()
        for two_slope, layer in zip(q.effective or (), q.target.affine_layers, strict=True)
    ]
    return differential_bound(q.target, errors, q.domain, q.norm), None


def _propagated(q: Question) -> tuple[MethodBound, LowerBound | None]:
    from subsetsum_nets.verification.methods.propagated import propagated_bound

    return propagated_bound(q.target, q.effective or (), q.domain, q.norm), None


def _zonotope(q: Question) -> tuple[MethodBound, LowerBound | None]:
    from subsetsum_nets.verification.methods.zonotope.zonotope import zonotope_bound

    return zonotope_bound(q.target, q.pruned, q.domain, q.norm, q.effective), None


def _milp(q: Question) -> tuple[MethodBound, LowerBound | None]:
    from subsetsum_nets.verification.falsifier import LowerBound
    from subsetsum_nets.verification.methods.milp.milp import milp_bound

    found = milp_bound(
        q.target,
        q.pruned,
        q.domain,
        q.norm,
        time_limit=q.seconds_left,
        effective=q.effective,
        record=q.exact,
    )
    return MethodBound(found.upper, (), found.proof), LowerBound(found.lower, found.witness)


def _splitting(q: Question) -> tuple[MethodBound, LowerBound | None]:
    from subsetsum_nets.verification.falsifier import LowerBound
    from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound

    found = splitting_bound(
        q.target,
        q.pruned,
        q.domain,
        q.norm,
        time_limit=q.seconds_left,
        node_limit=NODES_WITHOUT_LIMIT if q.exact or q.seconds_left is None else None,
        epsilon=q.epsilon,
        effective=q.effective,
        record=q.exact,
    )
    return MethodBound(found.upper, found.layers, found.proof), LowerBound(found.lower, found.witness)


# Of equal bounds, "auto" names the first.
TABLE = {
    method.name: method
    for method in (
        Method("differential", _differential),
        Method("norms", _norms),
        Method("interval", _interval, by_layers=False),
        Method("propagated", _propagated),
        Method("zonotope", _zonotope),
        Method("milp", _milp, by_layers=False, anytime=True),
        Method("splitting", _splitting, anytime=True),
    )
}
METHODS = tuple(TABLE)


def to_ask(method: str, question: Question) -> list[tuple[Method, float]]:
    """Return the methods that ``method`` stands for, each with its share of the time that is left then."""
    if method != "auto":
        return [(TABLE[method], 1.0)]
    asked = [
        (entry, 1.0)
        for entry in TABLE.values()
        if not entry.anytime and (question.effective is not None or not entry.by_layers)
    ]
    if question.seconds_left is None:
        return asked
    kinks = sum(question.target.widths[1:])
    milp = kinks <= _FEW_KINKS and (TABLE["milp"].replayed or not question.exact)
    if question.effective is None:
        return [*asked, (TABLE["milp"], 1.0)] if milp else asked
    if milp:
        asked.append((TABLE["milp"], _MILP_SHARE))
    return [*asked, (TABLE["splitting"], 1.0)]

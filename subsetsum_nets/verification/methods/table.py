"""The table of methods: what each is called, what it needs, and what it costs.

In the order in which "auto" asks: cheapest first. A method takes a :class:`Comparison` and returns a
:class:`MethodBound`; an anytime method takes :class:`SearchOptions` too and returns a :class:`Bracket`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from subsetsum_nets.verification.methods.differential import own_errors_bound
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.norms import norms_bound
from subsetsum_nets.verification.methods.propagated import propagated_bound
from subsetsum_nets.verification.methods.zonotope.zonotope import zonotope_bound
from subsetsum_nets.verification.results import LayerBound

if TYPE_CHECKING:
    from collections.abc import Callable

    from subsetsum_nets.verification.comparison import Comparison, SearchOptions
    from subsetsum_nets.verification.results import Bracket, MethodBound

_FEW_KINKS = 48  # up to which "auto" tries "milp" before "splitting"
_SHARE = 0.5  # of the time left, for an anytime method that another one follows

_Bound = TypeVar("_Bound", bound="MethodBound")


@dataclass(frozen=True)
class Method:
    """One way to bound sup ||f - g||.

    Parameters
    ----------
    name : str
    bound : callable
        Takes a Comparison, an anytime method SearchOptions too.
    by_layers : bool
        Whether it looks at g's effective layers.
    unlike : bool
        Whether it brings networks that have none to one shape, and compares them then.
    anytime : bool
        Whether it goes on until a time limit: "auto" asks it only when one is given.

    """

    name: str
    bound: Callable[..., MethodBound]
    by_layers: bool = True
    unlike: bool = False
    anytime: bool = False


def _zonotope(comparison: Comparison) -> MethodBound:
    return _about_target(comparison, zonotope_bound(comparison.layered))


# The searches are loaded when they are first asked, so that importing verification stays fast.


def _milp(comparison: Comparison, options: SearchOptions) -> Bracket:
    from subsetsum_nets.verification.methods.milp.milp import milp_bound

    return milp_bound(comparison.widened, options)


def _splitting(comparison: Comparison, options: SearchOptions) -> Bracket:
    from subsetsum_nets.verification.methods.splitting.splitting import splitting_bound

    return _about_target(comparison, splitting_bound(comparison.layered, options))


def _about_target(comparison: Comparison, bound: _Bound) -> _Bound:
    """Return the bound with layers of f: of those of f - g, only the last one says something about f."""
    count = len(comparison.target.layers)
    if len(comparison.layered.target.layers) == count:
        return bound
    last = bound.layers[-1]
    layer = LayerBound(count - 1, None, last.deviation_before, last.deviation_after)
    return replace(bound, layers=(layer,))


# Of equal bounds, "auto" names the first.
TABLE = {
    method.name: method
    for method in (
        Method("differential", own_errors_bound),
        Method("norms", norms_bound),
        Method("interval", interval_bound, by_layers=False),
        Method("propagated", propagated_bound),
        Method("zonotope", _zonotope, unlike=True),
        Method("milp", _milp, by_layers=False, anytime=True),
        Method("splitting", _splitting, unlike=True, anytime=True),
    )
}
METHODS = tuple(TABLE)


def to_ask(method: str, comparison: Comparison, *, timed: bool) -> list[tuple[Method, float]]:
    """Return the methods that ``method`` stands for, each with its share of the time that is left then."""
    if method != "auto":
        return [(TABLE[method], 1.0)]
    layered = comparison.effective_or_none is not None
    able = [entry for entry in TABLE.values() if layered or entry.unlike or not entry.by_layers]
    asked = [entry for entry in able if not entry.anytime]
    if timed and _kinks(comparison) <= _FEW_KINKS:
        asked.append(TABLE["milp"])
    if timed:
        asked.append(TABLE["splitting"])
    return [(entry, _SHARE if entry.anytime and entry is not asked[-1] else 1.0) for entry in asked]


def _kinks(comparison: Comparison) -> int:
    """Return how many units "milp" may have to branch on, of each network where they are not compared."""
    compared = comparison.widened
    networks = [compared.target]
    if compared.effective_or_none is None:
        networks.append(compared.pruned)
    return sum(sum(network.widths[1:]) for network in networks)

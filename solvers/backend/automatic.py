"""What "auto" does: it asks every backend what it offers for a problem, and sorts. None is named here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING

from solvers.backend.protocol import Enumerator
from solvers.backend.registry import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.backend.protocol import Backend, Limits
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

# Without a time limit, a proof that would take longer than this (in seconds, by the model) is not begun.
_PATIENCE = 1200.0
# "within" looks for an easy answer before a proof that costs more than this, for a share of the proof's cost.
# Without a time limit these are seconds of work, not of the clock.
_SHORT = 0.01
_EASY_SHARE = 0.5
# "auto" gives a search that has no end of its own so much work when there is no time limit.
_OPEN_END = 30.0
# With a time limit: a proof is tried if it is to take no more than this share of the time, ...
_PROVABLE = 0.75
# ... after a search of this share if the proof may well take most of the rest; else it gets so much of what
# is left, for if that does not do its cost was misjudged, and the search gets the rest.
_SEARCH_FIRST = 0.25
_SURE = 0.3
_PROOF_SHARE = 0.6


@dataclass(frozen=True)
class Attempt:
    """A backend, how long it may take, and what it is asked."""

    backend: Backend
    seconds: float | None = None  # None: all the time that is left
    proves: bool = True  # whether it might add a proof, not only a subset
    objective: Objective | None = None  # None: the one that was asked for


def plan(problem: SubsetSum, objective: Objective, limits: Limits) -> Iterator[Attempt]:
    """Yield what "auto" tries, in order, until an answer leaves nothing to add.

    The proving backends that can finish in time come first, cheapest first. "within" looks for an easy answer
    before: most instances with many items have very many. With a time limit no proof is left all of it before
    a search has had its share. Where no proof can be had in time, the anytime searches take the time; their
    answer is FEASIBLE, or OPTIMAL when it meets a bound.
    """
    if objective == "nearest" and problem.d > 1 and problem.tolerance_units == 0:
        # No subset is nearer than an exact hit, and those are searched for faster than nearest vectors.
        for _, backend in provers(problem, "within", limits):
            if backend.refusal(problem, objective, limits) is not None:
                time = limits.remaining
                yield Attempt(backend, time and time * _SEARCH_FIRST, objective="within")
                break
    proofs = provers(problem, objective, limits)
    seconds, first = next(proofs, (0.0, None))
    if first is None:
        yield from _without_proof(problem, objective, limits)
        return
    time = limits.remaining
    if objective == "within" and seconds > _SHORT:
        yield from _searches(problem, objective, limits, max(_SHORT, _EASY_SHARE * seconds))
    elif time is not None and seconds > _SURE * time:
        yield from _searches(problem, objective, limits, _SEARCH_FIRST * time)
    for cost, backend in chain([(seconds, first)], proofs):
        time = limits.remaining
        yield Attempt(backend, None if time is None or cost > _SURE * time else _PROOF_SHARE * time)
    yield from _searches(problem, objective, limits)


def provers(problem: SubsetSum, objective: Objective, limits: Limits) -> Iterator[tuple[float, Backend]]:
    """Yield the backends that can prove an answer in time, and their seconds to proof, cheapest first."""
    patience = _PATIENCE if limits.remaining is None else _PROVABLE * limits.remaining
    costs = ((b.seconds_to_proof(problem, objective), b) for b in BACKENDS.values())
    in_time = [(seconds, b) for seconds, b in costs if seconds is not None and seconds <= patience]
    for seconds, backend in sorted(in_time, key=itemgetter(0)):
        if _is_willing(backend, problem, objective, limits):
            yield seconds, backend


def counting_order(problem: SubsetSum, limits: Limits) -> list[Enumerator]:
    """Return the backends that can count and list this problem's subsets, cheapest first."""

    def cost(backend: Enumerator) -> float:
        seconds = backend.seconds_to_proof(problem, "nearest")
        return math.inf if seconds is None else seconds

    able = [
        backend
        for backend in BACKENDS.values()
        if isinstance(backend, Enumerator)
        and why_not_listed(backend, problem, limits) is None
        and backend.missing() is None
    ]
    return sorted(able, key=cost)


def why_not_listed(backend: Enumerator, problem: SubsetSum, limits: Limits) -> str | None:
    """Return why a backend cannot count and list the subsets of this problem, or None when it can."""
    if problem.origins is not None and not backend.counts_copies_once:
        return "it takes the copies of an item that may be used several times for different items"
    return backend.enumeration_refusal(problem, limits)


def _without_proof(problem: SubsetSum, objective: Objective, limits: Limits) -> Iterator[Attempt]:
    """Yield the searches; before backends that at least raise the bounds, they get a quarter of the time."""
    bounding = [
        b for b in BACKENDS.values() if objective in b.bounding and _is_willing(b, problem, objective, limits)
    ]
    time = limits.remaining
    yield from _searches(problem, objective, limits, time / 4 if bounding and time is not None else None)
    yield from _shared_out(bounding, limits, _OPEN_END if time is None else None, proves=True)


def _searches(
    problem: SubsetSum, objective: Objective, limits: Limits, seconds: float | None = None
) -> Iterator[Attempt]:
    able = [b for b in BACKENDS.values() if b.anytime and _is_able(b, problem, objective, limits)]
    anytime = [b for b in able if b.suits(problem, objective)] or able
    return _shared_out(anytime, limits, seconds, proves=False)


def _shared_out(
    backends: list[Backend], limits: Limits, seconds: float | None, *, proves: bool
) -> Iterator[Attempt]:
    """Share these seconds out evenly, or with None the time that is left."""
    time = limits.remaining if seconds is None else seconds
    for backend in backends:
        takes_the_rest = seconds is None and backend is backends[-1]
        share = None if time is None or takes_the_rest else time / len(backends)
        yield Attempt(backend, share, proves)


def _is_willing(backend: Backend, problem: SubsetSum, objective: Objective, limits: Limits) -> bool:
    """Tell whether a backend suits the problem, can answer it, and is installed."""
    return backend.suits(problem, objective) and _is_able(backend, problem, objective, limits)


def _is_able(backend: Backend, problem: SubsetSum, objective: Objective, limits: Limits) -> bool:
    return backend.refusal(problem, objective, limits) is None and backend.missing() is None

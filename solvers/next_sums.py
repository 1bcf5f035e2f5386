"""The distinct sums of a scalar problem, nearest first, each found by itself.

Where items repeat, or are small integers, very many subsets have the same sum; to list them all and pass over
most would never end. So the next sum below the last one is asked for, and the next one above.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from solvers.backend.protocol import Finding, OutOfTimeError
from solvers.dispatch import certified, solved
from solvers.errors import UnsupportedProblemError
from solvers.solution import Proof, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from solvers.backend.protocol import Limits
    from solvers.problem import Side, SubsetSum
    from solvers.solution import Solution

_SUBSETS_A_SUM = 64  # from there on, on average, sums are sought rather than subsets listed
_MANY = 1 << 100


def sums_repeat(problem: SubsetSum) -> bool:
    """Tell whether a scalar problem has many subsets for each sum, and its sums can be sought one by one."""
    if problem.items.ndim != 1 or problem.interval is not None or problem.multiplicity is not None:
        return False
    times = Counter(x for (x,) in problem.image.items)
    sums = min(
        problem.image.magnitude + 1,
        prod(min(times[x] + 1, _MANY) for x in times) if len(times) < 64 else _MANY,
    )
    return sums * _SUBSETS_A_SUM < 1 << min(problem.n, 99)


def distinct_sums(problem: SubsetSum, backend: str, limits: Limits) -> Iterator[Solution]:
    """Yield a solution for each sum, best first, within the tolerance if there is one."""
    target, unit = problem.target, problem.image.unit
    if isinstance(target, tuple):
        raise UnsupportedProblemError("the sums of vectors have no order to seek them in")
    below = None if problem.side == "above" else _next(problem, "below", target, backend, limits)
    beyond = target + unit if problem.side == "both" else target
    above = None if problem.side == "below" else _next(problem, "above", beyond, backend, limits)
    nearest: Fraction | None = None
    while below is not None or above is not None:
        down = below is not None and (above is None or _distance(below, target) <= _distance(above, target))
        found = below if down else above
        if found is None or found.subset is None:
            return
        error = _distance(found, target)
        if problem.tolerance is not None and error > problem.tolerance:
            return
        nearest = error if nearest is None else nearest
        finding = Finding(found.subset.tolist(), nearest, problem.sizes[0], message=found.message)
        seconds = limits.clock() - limits.started
        yield certified(problem, "nearest", finding, backend=found.backend, seconds=seconds)
        if down:
            below = _next(problem, "below", _sum(found) - unit, backend, limits)
        else:
            above = _next(problem, "above", _sum(found) + unit, backend, limits)


def _next(problem: SubsetSum, side: Side, target: Fraction, backend: str, limits: Limits) -> Solution | None:
    """Return the nearest sum on a side, None if there is none; OutOfTimeError if it is not found in time."""
    asked = problem.replace(target=target, side=side, tolerance=None)
    found = solved(asked, "nearest", backend, replace(limits, started=limits.started))
    if found.status is Status.INFEASIBLE and found.subset is None:
        return None
    if (found.status, found.proof) != (Status.OPTIMAL, Proof.EXACT):
        if limits.expired:
            raise OutOfTimeError
        raise UnsupportedProblemError(
            f"no backend proves which sum of {problem!r} is the next ({found.stop})"
        )
    return found


def _sum(solution: Solution) -> Fraction:
    assert solution.total is not None  # noqa: S101 - for the type checker
    return solution.total if not isinstance(solution.total, tuple) else solution.total[0]


def _distance(solution: Solution, target: Fraction) -> Fraction:
    return abs(_sum(solution) - target)

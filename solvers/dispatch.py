"""solve(): pick a backend, and let nothing leave that exact arithmetic has not confirmed."""

from __future__ import annotations

import math
from time import perf_counter
from typing import TYPE_CHECKING

from solvers.errors import (
    BackendUnavailableError,
    CertificateError,
    InvalidProblemError,
    UnsupportedProblemError,
)
from solvers.methods.cp_sat import CpSat
from solvers.methods.dynamic_programming import DynamicProgramming
from solvers.methods.highs import Highs
from solvers.methods.k_tree import KTree
from solvers.methods.large_neighbourhood import LargeNeighbourhood
from solvers.methods.meet_in_the_middle import MeetInTheMiddle
from solvers.methods.multidimensional import MultidimensionalMeetInTheMiddle
from solvers.methods.protocol import Backend, Finding, Limits
from solvers.methods.pulp_mip import PulpMip
from solvers.methods.schroeppel_shamir import SchroeppelShamir
from solvers.problem import SubsetSum
from solvers.solution import Objective, Proof, Solution, Status, checked_objective, exact_total_and_error

if TYPE_CHECKING:
    from fractions import Fraction

# In the order in which "auto" tries them.
_BACKENDS: tuple[Backend, ...] = (
    MeetInTheMiddle(),
    SchroeppelShamir(),
    MultidimensionalMeetInTheMiddle(),
    DynamicProgramming(),
    CpSat(),
    Highs(),
    PulpMip(),
    LargeNeighbourhood(),
    KTree(),
)


def backends() -> dict[str, str]:
    """List the backends by name, with what each accepts and, where it is missing, how to install it.

    >>> sorted(backends())
    ['cp-sat', 'mitm']
    """
    return {
        backend.name: backend.summary + (f" (not installed: {gap})" if (gap := backend.missing()) else "")
        for backend in _BACKENDS
    }


def solve(
    problem: SubsetSum,
    *,
    objective: str = "nearest",
    backend: str = "auto",
    time_limit: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
    seed: int = 0,
) -> Solution:
    """Solve one subset-sum problem; the answer is recomputed in exact arithmetic before it is returned.

    Parameters
    ----------
    problem : SubsetSum
    objective : {"nearest", "within", "sparsest"}
        Minimise the error; find any subset within the tolerance; or the fewest items within the tolerance,
        ties by smaller error. The last two need a tolerance.
    backend : str
        "auto", or one of the names that :func:`backends` lists.
    time_limit : float, optional
        Seconds. When it is reached the best subset found so far is returned with what is proven about it.
    memory_limit : int, optional
        Bytes.
    threads : int, optional
        For backends that can use several.
    seed : int
        For backends that search at random.

    Returns
    -------
    Solution

    Raises
    ------
    InvalidProblemError
        For an unknown objective or backend, a missing tolerance, or limits that are not positive.
    UnsupportedProblemError
        If the chosen backend cannot answer this problem; the message names those that can.
    BackendUnavailableError
        If the chosen backend's package is not installed.
    CertificateError
        If a backend's claim fails exact recomputation: a bug, in it or here; never silently passed on.

    Examples
    --------
    >>> answer = solve(SubsetSum([7, 5, 3], 11, tolerance=0), objective="within")
    >>> print(answer.status)
    no subset meets the tolerance (proven)
    >>> answer.subset, answer.error
    (array([0, 1]), Fraction(1, 1))

    """
    if not isinstance(problem, SubsetSum):
        raise InvalidProblemError(f"solve() takes a SubsetSum, got a {type(problem).__name__}")
    goal = checked_objective(objective)
    if goal != "nearest" and problem.tolerance is None:
        raise InvalidProblemError(f"objective {objective!r} needs a tolerance; give the SubsetSum one")
    limits = _checked_limits(time_limit, memory_limit, threads, seed)
    start = perf_counter()
    *others, last = _choose(backend, problem, goal, limits)
    for chosen in others:
        try:
            finding = chosen.solve(problem, goal, limits)
        except UnsupportedProblemError:  # seen only on a closer look at the numbers
            continue
        return certified(problem, goal, finding, backend=chosen.name, seconds=perf_counter() - start)
    finding = last.solve(problem, goal, limits)
    return certified(problem, goal, finding, backend=last.name, seconds=perf_counter() - start)


def _checked_limits(
    time_limit: float | None, memory_limit: int | None, threads: int | None, seed: int
) -> Limits:
    if time_limit is not None and not (time_limit > 0 and math.isfinite(time_limit)):
        raise InvalidProblemError(f"time_limit must be a positive number of seconds, got {time_limit!r}")
    if memory_limit is not None and memory_limit <= 0:
        raise InvalidProblemError(f"memory_limit must be a positive number of bytes, got {memory_limit!r}")
    if threads is not None and threads < 1:
        raise InvalidProblemError(f"threads must be at least 1, got {threads!r}")
    if seed < 0:
        raise InvalidProblemError(f"seed must be >= 0, got {seed!r}")
    return Limits(time_limit, memory_limit, threads, seed)


def checked_backend(name: str) -> None:
    """Raise InvalidProblemError unless ``name`` is "auto" or a backend."""
    names = [backend.name for backend in _BACKENDS]
    if name != "auto" and name not in names:
        raise InvalidProblemError(f"unknown backend {name!r}; choose 'auto' or one of {names}")


def _choose(name: str, problem: SubsetSum, objective: Objective, limits: Limits) -> list[Backend]:
    """Return the backends to try, in order: one when it was named."""
    checked_backend(name)
    willing = [b for b in _BACKENDS if b.refusal(problem, objective, limits) is None]
    if name == "auto":
        ready = [b for b in willing if b.missing() is None]
        if not ready:
            reasons = "; ".join(f"{b.name}: {b.refusal(problem, objective, limits)}" for b in _BACKENDS)
            raise UnsupportedProblemError(f"no backend can answer {problem!r} ({reasons})")
        return ready
    backend = next(b for b in _BACKENDS if b.name == name)
    reason = backend.refusal(problem, objective, limits)
    if reason is not None:
        able = ", ".join(b.name for b in willing) or "none"
        raise UnsupportedProblemError(f"backend {name} cannot answer {problem!r}: {reason}; able: {able}")
    gap = backend.missing()
    if gap is not None:
        raise BackendUnavailableError(f"backend {name} is not available: {gap}")
    return [backend]


def certified(
    problem: SubsetSum, objective: Objective, finding: Finding, *, backend: str, seconds: float
) -> Solution:
    """Turn a backend's finding into a Solution: recompute sum and error, and derive the status from bounds.

    Raises
    ------
    CertificateError
        If the finding contradicts itself or the problem.

    """
    subset = total = error = None
    if finding.subset is not None:
        import numpy as np

        indices = sorted(finding.subset)
        if len(set(indices)) != len(indices) or not all(0 <= i < problem.n for i in indices):
            raise CertificateError(f"backend {backend} chose impossible items {finding.subset}")
        total, error = exact_total_and_error(problem, indices)
        subset = np.array(indices, dtype=np.int64)
        subset.flags.writeable = False
    status = _status(problem, objective, finding, error)
    known = status is not Status.UNKNOWN
    solution = Solution(
        status=status,
        subset=subset,
        total=total,
        error=error,
        lower_bound=finding.lower_bound,
        proof=finding.proof if known else Proof.NONE,
        objective=objective,
        n=problem.n,
        size_bound=finding.size_bound,
        resolution=finding.resolution if known else 0.0,
        backend=backend,
        seconds=seconds,
        message=finding.message,
    )
    solution.check(problem)
    return solution


def _status(problem: SubsetSum, objective: Objective, finding: Finding, error: Fraction | None) -> Status:
    tolerance = problem.tolerance
    if tolerance is not None and finding.lower_bound > tolerance and (error is None or error > tolerance):
        return Status.INFEASIBLE
    if error is None or finding.subset is None or (tolerance is not None and error > tolerance):
        return Status.UNKNOWN
    best = error == finding.lower_bound
    if objective == "sparsest":
        best = best and len(finding.subset) == finding.size_bound
    return Status.OPTIMAL if best and objective != "within" else Status.FEASIBLE

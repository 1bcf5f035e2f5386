"""solve(): pick a backend, and let nothing leave that exact arithmetic has not confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from solvers.backend.automatic import Attempt, counting_order, plan, why_not_listed
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.backend.registry import BACKENDS, backend_named
from solvers.errors import (
    BackendUnavailableError,
    CertificateError,
    InvalidProblemError,
    UnsupportedProblemError,
)
from solvers.problem import SubsetSum
from solvers.solution import (
    Proof,
    Solution,
    Status,
    Stop,
    checked_objective,
    exact_total_and_error,
    within_multiplicity,
)

if TYPE_CHECKING:
    from fractions import Fraction

    from solvers.backend.protocol import Backend
    from solvers.solution import Objective


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
        Seconds. When it is reached the best subset found so far is returned with what is proven about it,
        and ``stop`` says so.
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
        For an unknown objective or backend, a missing tolerance, or limits, threads or a seed that make no
        sense.
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
    checked = checked_objective(objective)
    if checked != "nearest" and problem.tolerance is None:
        raise InvalidProblemError(f"objective {objective!r} needs a tolerance; give the SubsetSum one")
    limits = Limits.checked(time_limit, memory_limit, threads, seed)
    best: Solution | None = None
    core = problem.expanded
    attempts = plan(core, checked, limits) if backend == "auto" else [named(backend, core, checked, limits)]
    reasons = []
    for attempt in attempts:
        if best is not None and best.status is Status.INFEASIBLE and not attempt.proves:
            break
        try:
            finding = _asked(attempt, core, checked, limits)
        except UnsupportedProblemError as reason:  # seen only on a closer look at the numbers
            reasons.append(f"{attempt.backend.name}: {reason}")
            continue
        seconds = limits.clock() - limits.started
        finding = in_items_of(problem, finding)
        found = certified(problem, checked, finding, backend=attempt.backend.name, seconds=seconds)
        best = found if best is None else _better(problem, best, found)
        if _is_final(best) or limits.expired or found.stop is Stop.INTERRUPTED:
            break
    if best is None:
        raise UnsupportedProblemError(f"{problem!r} cannot be answered ({'; '.join(reasons)})")
    return best


def in_items_of(problem: SubsetSum, finding: Finding) -> Finding:
    """Return what was found for the expanded problem as a finding for the problem itself."""
    origins = problem.expanded.origins
    if origins is None or finding.subset is None:
        return finding
    if not all(0 <= i < len(origins) for i in finding.subset):
        raise CertificateError(f"a backend chose impossible items {finding.subset}")
    return replace(finding, subset=sorted(origins[i] for i in finding.subset))


def _asked(attempt: Attempt, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
    """Ask one backend, for its share of the time; that this is over is no time limit of the caller's."""
    share = limits.share(attempt.seconds)
    try:
        finding = attempt.backend.solve(problem, attempt.objective or objective, share)
    except OutOfTimeError:
        finding = Finding(None, stop=Stop.TIME_LIMIT)
    except MemoryError as reason:
        return Finding(None, message=f"{attempt.backend.name}: {reason}", stop=Stop.MEMORY_LIMIT)
    if finding.stop is Stop.TIME_LIMIT and share.seconds == attempt.seconds and not limits.expired:
        return replace(finding, stop=Stop.SEARCH_EXHAUSTED)
    return finding


def named(name: str, problem: SubsetSum, objective: Objective, limits: Limits) -> Attempt:
    """Return the one attempt of a backend that was asked for by name; raise as :func:`solve` says."""
    backend = backend_named(name)
    reason = backend.refusal(problem, objective, limits)
    if reason is not None:
        able = [b.name for b in BACKENDS.values() if b.refusal(problem, objective, limits) is None]
        raise UnsupportedProblemError(
            f"backend {name} cannot answer {problem!r}: {reason}; able: {', '.join(able) or 'none'}"
        )
    _check_installed(backend)
    return Attempt(backend)


def _check_installed(backend: Backend) -> None:
    gap = backend.missing()
    if gap is not None:
        raise BackendUnavailableError(f"backend {backend.name} is not available: {gap}")


def enumerators(problem: SubsetSum, name: str, limits: Limits) -> list[Enumerator]:
    """Return the backends that can count and list this problem's subsets, best first: one when it was named.

    For a problem with multiplicities give the expanded one.

    UnsupportedProblemError if there is none; for the one that was named the errors of :func:`solve`.
    """
    if name != "auto":
        backend = backend_named(name)
        if isinstance(backend, Enumerator) and why_not_listed(backend, problem, limits) is None:
            _check_installed(backend)
            return [backend]
    able = counting_order(problem, limits)
    if name != "auto":
        able_names = ", ".join(b.name for b in able) or "none"
        reason = why_not_listed(backend, problem, limits) if isinstance(backend, Enumerator) else None
        reason = reason or "it cannot count or list subsets"
        raise UnsupportedProblemError(f"backend {name}, {problem!r}: {reason}; able: {able_names}")
    if not able:
        reasons = "; ".join(
            f"{b.name}: {why_not_listed(b, problem, limits)}"
            for b in BACKENDS.values()
            if isinstance(b, Enumerator)
        )
        raise UnsupportedProblemError(f"no backend can count or list the subsets of {problem!r} ({reasons})")
    return able


def _is_final(solution: Solution) -> bool:
    """Tell whether no other backend could add anything to this answer."""
    if solution.status is Status.INFEASIBLE and solution.objective == "nearest" and solution.subset is None:
        return False  # the nearest subset is still wanted
    if solution.status is Status.FEASIBLE:
        return solution.objective == "within"
    return solution.status is not Status.UNKNOWN and solution.proof is Proof.EXACT


def _better(problem: SubsetSum, first: Solution, second: Solution) -> Solution:
    """Join what two backends have established: the better subset and the stronger bounds."""

    def merit(solution: Solution) -> tuple[bool, int, Fraction]:
        if solution.error is None:
            return True, problem.copies, problem.image.magnitude * problem.image.unit
        missed = problem.tolerance is not None and solution.error > problem.tolerance
        size = solution.size if solution.objective == "sparsest" and not missed else 0
        return missed, size or 0, solution.error

    shown = min(first, second, key=merit)
    bound = max((first.size_bound, first.lower_bound), (second.size_bound, second.lower_bound))
    settled = second.status is Status.INFEASIBLE or _is_final(second)
    messages = [second.message] if settled else [first.message, second.message]
    finding = Finding(
        None if shown.subset is None else shown.subset.tolist(),
        lower_bound=bound[1],
        size_bound=bound[0],
        message="; ".join(dict.fromkeys(m for m in messages if m)),
        # That the last search ended by itself does not undo a limit that an earlier one met.
        stop=first.stop if second.stop is Stop.SEARCH_EXHAUSTED else second.stop,
    )
    return certified(problem, shown.objective, finding, backend=shown.backend, seconds=second.seconds)


def certified(
    problem: SubsetSum, objective: Objective, finding: Finding, *, backend: str, seconds: float
) -> Solution:
    """Turn a backend's finding into a Solution: recompute sum and error, and derive the status from bounds.

    CertificateError if the finding contradicts itself or the problem.
    """
    subset = total = error = None
    if finding.subset is not None:
        import numpy as np

        indices = sorted(finding.subset)
        if not within_multiplicity(problem, indices):
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
        stop=Stop.PROVEN if status.settles(objective) else finding.stop,
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
    if finding.proof is Proof.TOLERANCE:
        best = best or finding.optimal_within_resolution
    if objective == "sparsest":
        best = best and len(finding.subset) == finding.size_bound
    return Status.OPTIMAL if best and objective != "within" else Status.FEASIBLE

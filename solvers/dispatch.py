"""solve(): pick a backend, and let nothing leave that exact arithmetic has not confirmed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from solvers.backend.automatic import Attempt, counting_order, plan, why_not_listed
from solvers.backend.first_subset import first_subset
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.backend.registry import BACKENDS, backend_named
from solvers.decimals import are_decimals, misses_by_rounding
from solvers.errors import (
    BackendUnavailableError,
    CertificateError,
    InvalidProblemError,
    UnsupportedProblemError,
)
from solvers.interrupts import interruptible
from solvers.problem import SubsetSum, start_subset
from solvers.restrictions import restricted_finding
from solvers.solution import (
    Proof,
    Solution,
    Status,
    Stop,
    checked_objective,
    exact_total_and_error,
    within_multiplicity,
)
from solvers.watching import Watch, checked_watchers, watched

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction
    from threading import Event

    import numpy as np
    from numpy.typing import NDArray

    from solvers.backend.protocol import Backend
    from solvers.solution import Objective

# By estimate, in seconds; a thread takes a tenth of that to start.
_BRIEF = 1e-3


def solve(
    problem: SubsetSum,
    *,
    objective: Objective = "nearest",
    backend: str = "auto",
    time_limit: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
    seed: int = 0,
    start: Any = None,
    progress: bool | Callable[[float, Solution | None], object] = False,
    cancel: Event | None = None,
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
        and ``stop`` says so. Where nothing better was found that is a quick guess, so that there is always
        one. Without a limit no answer depends on the clock.
    memory_limit : int, optional
        Bytes.
    threads : int, optional
        For backends that can use several.
    seed : int
        For backends that search at random.
    start : array_like of int, or of bool and shape (n,), or Solution, optional
        A subset that may be chosen, to start from: the answer is at least as good.
    progress : bool or callable(seconds, best)
        Called about twice a second, from another thread, with the seconds so far and the best Solution that
        a search which ended has left (None before); True prints a line each on stderr. An exception of its
        own ends the call.
    cancel : threading.Event, optional
        Once it is set, from another thread, the best subset so far is returned, and ``stop`` is INTERRUPTED
        unless nothing remained to be shown.

    Returns
    -------
    Solution

    Raises
    ------
    InvalidProblemError
        For an unknown objective or backend, a missing tolerance, or limits, threads, a seed or a start that
        make no sense.
    UnsupportedProblemError
        If the chosen backend cannot answer this problem; the message names those that can.
    BackendUnavailableError
        If the chosen backend's package is not installed.
    CertificateError
        If a backend's claim fails exact recomputation: a bug, in it or here; never silently passed on.
    KeyboardInterrupt
        On Ctrl-C, within a second; the search ends soon after.

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
    if start is None and not progress and cancel is None:
        return solved(problem, checked, backend, limits)
    report, event = checked_watchers(progress, cancel)
    watch = Watch()
    best = None if start is None else _started(problem, checked, start, limits)
    with watched(watch, report, event, limits.interruption):
        found = solved(problem, checked, backend, limits, best=best, watch=watch)
        watch.see(found)
    if event is not None and event.is_set() and found.stop is not Stop.PROVEN:
        return replace(found, stop=Stop.INTERRUPTED)
    return found


def _started(problem: SubsetSum, objective: Objective, start: Any, limits: Limits) -> Solution:
    """Return the subset to start from as an answer; InvalidProblemError if it may not be chosen."""
    subset = start_subset(problem, start)
    seconds = limits.clock() - limits.started
    finding = Finding(subset, size_bound=problem.sizes[0])
    try:
        return certified(problem, objective, finding, backend="start", seconds=seconds)
    except CertificateError as reason:
        raise InvalidProblemError(f"start is no subset of this problem: {reason}") from reason


def solved(
    problem: SubsetSum,
    checked: Objective,
    backend: str,
    limits: Limits,
    *,
    best: Solution | None = None,
    watch: Watch | None = None,
) -> Solution:
    """Do what :func:`solve` does, within limits that have been checked; ``best`` is what is known before."""
    if best is not None and _is_final(best):
        return best
    if problem.is_restricted:
        found = _restricted(problem, checked, backend, limits)
        return found if best is None else _better(problem, best, found)
    if best is not None and best.subset is not None and problem.multiplicity is None:
        limits = replace(limits, start=tuple(best.subset.tolist()))
    core = problem.expanded
    attempts = plan(core, checked, limits) if backend == "auto" else [named(backend, core, checked, limits)]
    reasons = []
    for attempt in attempts:
        if best is not None and best.status is Status.INFEASIBLE and not attempt.proves:
            continue
        try:
            finding = _asked(attempt, core, checked, limits)
        except UnsupportedProblemError as reason:  # seen only on a closer look at the numbers
            reasons.append(f"{attempt.backend.name}: {reason}")
            continue
        seconds = limits.clock() - limits.started
        finding = in_items_of(problem, finding)
        found = certified(problem, checked, finding, backend=attempt.backend.name, seconds=seconds)
        found = _no_worse_than_a_guess(problem, found, finding)
        best = found if best is None else _better(problem, best, found)
        if watch is not None:
            watch.see(best)
        if _is_final(best) or limits.expired or found.stop is Stop.INTERRUPTED:
            break
    if best is None:
        raise UnsupportedProblemError(f"{problem!r} cannot be answered ({'; '.join(reasons)})")
    if best.subset is None and (best.status is Status.UNKNOWN or checked == "nearest"):
        return _with_a_guess(problem, best)
    return best


def _restricted(problem: SubsetSum, objective: Objective, backend: str, limits: Limits) -> Solution:
    """Answer a problem with restrictions by plain ones."""
    finding, name = restricted_finding(
        problem, objective, lambda core, about: solved(core, about, backend, limits)
    )
    seconds = limits.clock() - limits.started
    return certified(problem, objective, finding, backend=name, seconds=seconds)


def _no_worse_than_a_guess(problem: SubsetSum, found: Solution, finding: Finding) -> Solution:
    """Return an open answer about vectors with a first guess in place of its subset, where that is nearer."""
    settled = found.status.settles(found.objective)
    if problem.d == 1 or settled or found.error is None or found.objective == "sparsest":
        return found
    subset = first_subset(problem.expanded)
    if problem.expanded.image.error(subset) * problem.image.unit >= found.error:
        return found
    guess = in_items_of(problem, replace(finding, subset=subset))
    return certified(problem, found.objective, guess, backend=found.backend, seconds=found.seconds)


def _with_a_guess(problem: SubsetSum, open_yet: Solution) -> Solution:
    """Show some subset where a search ended without one: any may be an answer, and it shows how far off."""
    guess = Finding(
        first_subset(problem.expanded),
        open_yet.lower_bound,
        open_yet.size_bound,
        message=open_yet.message,
        stop=open_yet.stop,
    )
    finding = in_items_of(problem, guess)
    return certified(problem, open_yet.objective, finding, backend=open_yet.backend, seconds=open_yet.seconds)


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
    backend, asked = attempt.backend, attempt.objective or objective
    try:
        finding = interruptible(
            lambda: backend.solve(problem, asked, share),
            limits.interruption,
            brief=_is_brief(backend, problem, asked),
        )
    except OutOfTimeError:
        finding = Finding(None, stop=Stop.TIME_LIMIT)
    except MemoryError as reason:
        return Finding(None, message=f"{attempt.backend.name}: {reason}", stop=Stop.MEMORY_LIMIT)
    if finding.stop is Stop.TIME_LIMIT and share.seconds == attempt.seconds and not limits.expired:
        return replace(finding, stop=Stop.SEARCH_EXHAUSTED)
    return finding


def _is_brief(backend: Backend, problem: SubsetSum, objective: Objective) -> bool:
    seconds = backend.seconds_to_proof(problem, objective) if problem.n * problem.d < 1 << 10 else None
    return seconds is not None and seconds < _BRIEF


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
    # The fewest items, then the error of so few; that no subset is acceptable says more than both.
    stronger = max(
        (second, first), key=lambda s: (s.status is Status.INFEASIBLE, s.size_bound, s.lower_bound)
    )
    settled = second.status is Status.INFEASIBLE or _is_final(second)
    messages = [second.message] if settled else [first.message, second.message]
    finding = Finding(
        None if shown.subset is None else shown.subset.tolist(),
        lower_bound=stronger.lower_bound,
        size_bound=stronger.size_bound,
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

        subset = np.sort(np.array(finding.subset, dtype=np.int64))
        if not within_multiplicity(problem, subset):
            raise CertificateError(f"backend {backend} chose impossible items {finding.subset}")
        total, error = exact_total_and_error(problem, subset)
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
        message=_with_hint(problem, status, subset, finding.message),
        stop=Stop.PROVEN if status.settles(objective) else finding.stop,
    )
    solution.check(problem)
    return solution


def _with_hint(problem: SubsetSum, status: Status, subset: NDArray[np.int64] | None, message: str) -> str:
    """Add, where only the rounding of decimals to floats keeps a subset from the tolerance, what to give."""
    if status is not Status.INFEASIBLE or problem.is_restricted:
        return message
    hint = ""
    if subset is not None and misses_by_rounding(problem, subset.tolist()):
        hint = "the nearest misses by less than the rounding of the decimals"
    elif subset is None and problem.tolerance == 0 and are_decimals(problem):
        hint = "floats are taken exactly; if these are rounded decimals"
    if not hint:
        return message
    hint += ": give Decimal, Fraction or a tolerance"
    return f"{message}; {hint}" if message else hint


def _status(problem: SubsetSum, objective: Objective, finding: Finding, error: Fraction | None) -> Status:
    reach = problem.reach
    missed = error is None or (reach is not None and error > reach)
    if missed and reach is not None and finding.lower_bound > reach:
        return Status.INFEASIBLE
    if error is None or finding.subset is None or missed:
        return Status.UNKNOWN
    best = error == finding.lower_bound
    if finding.proof is Proof.TOLERANCE:
        best = best or finding.optimal_within_resolution
    if objective == "sparsest":
        best = best and len(finding.subset) == finding.size_bound
    return Status.OPTIMAL if best and objective != "within" else Status.FEASIBLE

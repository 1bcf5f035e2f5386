"""count() and solutions(): all subsets within the tolerance, their number or one by one, best first."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Any, TypeVar

from solvers.arguments import count_or_none
from solvers.backend.protocol import Finding, Limits, OutOfTimeError
from solvers.dispatch import certified, enumerators, in_items_of
from solvers.errors import InvalidProblemError, UnsupportedProblemError
from solvers.interrupts import interruptible
from solvers.next_sums import distinct_sums, sums_repeat
from solvers.problem import SubsetSum
from solvers.restrictions import Reduction, countable_core, listed_core
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from fractions import Fraction

    from solvers.backend.protocol import Enumerator
    from solvers.solution import Solution

Asked = TypeVar("Asked")

# Subsets are listed and sorted by error in portions of about this many.
_PORTION = 1 << 14
# Of so few numbers all subsets are counted and listed in less time than it takes to start a thread.
_BRIEF = 16
_STEP = 64  # subsets that are asked for at a time


def count(
    problem: SubsetSum,
    *,
    backend: str = "auto",
    time_limit: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
) -> int:
    """Count the subsets of an allowed cardinality with error <= tolerance, exactly.

    Subsets are sets of indices: items that are equal are different items. Of an item that may be used several
    times only the number of uses counts. With tolerance epsilon this is the subset-sum number T of
    Definition 6 of da Cunha et al. (2023).

    Parameters
    ----------
    problem : SubsetSum
        With a tolerance.
    backend : str
        "auto", or one that can count: mitm, schroeppel-shamir, mitm-nd, few-items, distinct-sums, dp.
    time_limit : float, optional
        Seconds.
    memory_limit : int, optional
        Bytes.
    threads : int, optional

    Returns
    -------
    int

    Raises
    ------
    InvalidProblemError
        Without a tolerance, or for an unknown backend or a senseless limit.
    UnsupportedProblemError
        If there are too many subsets for every method; the message says why.
    TimeoutError
        When the time limit is reached; the message says what share of the search was done by then and, where
        they are counted one after the other, how many subsets were.

    Examples
    --------
    >>> from solvers import SubsetSum, count
    >>> count(SubsetSum([15, 22, 14, 26, 32, 9, 16, 8], 53, tolerance=0))
    3

    """
    limits = Limits.checked(time_limit, memory_limit, threads)
    if checked_problem(problem).tolerance is None:
        raise InvalidProblemError("count() needs a tolerance; give the SubsetSum one")
    if problem.is_restricted:
        core = countable_core(problem)
        if core is None:
            return 0
        problem = core
    reach = problem.tolerance_units or 0
    core = problem.expanded
    choice = enumerators(core, backend, limits)
    try:
        return interruptible(
            lambda: _of_first_able(choice, lambda able: able.count(core, -1, reach, limits)),
            limits.interruption,
            brief=_is_brief(problem),
        )
    except TimeoutError:
        share, counted = limits.progress.share, limits.progress.counted
        told = f"{share:.1%} of the search done" + (f", {counted:,} subsets counted" if counted else "")
        raise TimeoutError(f"count: time limit of {time_limit} s reached: {told}") from None


def solutions(
    problem: SubsetSum,
    *,
    limit: int | None = None,
    distinct: bool = False,
    backend: str = "auto",
    time_limit: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
) -> Iterator[Solution]:
    """Iterate over all subsets within the tolerance, best first.

    Each is an answer to "nearest": OPTIMAL for the nearest ones, FEASIBLE for the others, with the proven
    nearest error as lower bound. Subsets of equal error come in the order of their indices, unless there are
    more than some thousands of them.

    Parameters
    ----------
    problem : SubsetSum
    limit : int, optional
        Stop after this many: the ``limit`` best. Without it the problem needs a tolerance.
    distinct : bool
        Only one subset for each sum.
    backend : str
        "auto", or one that can list: mitm, schroeppel-shamir, mitm-nd, few-items, distinct-sums, dp.
    time_limit : float, optional
        Seconds of searching for all of them together. What happens between two of them, outside of the
        iterator, does not count.
    memory_limit : int, optional
        Bytes.
    threads : int, optional

    Yields
    ------
    Solution

    Raises
    ------
    InvalidProblemError
        Without tolerance and limit, or for a limit that is not a positive integer.
    UnsupportedProblemError
        If no method can list the subsets of this problem.
    TimeoutError
        From the iterator, when the time limit is reached before the next subset is found; the message says
        how many came before. Those are valid, and the best.

    Examples
    --------
    >>> from solvers import SubsetSum, solutions
    >>> for answer in solutions(SubsetSum([3, 5, 9, 11], 13), limit=3):
    ...     print(answer.subset, answer.error)
    [0 2] 1
    [0 3] 1
    [1 2] 1

    """
    limits = Limits.checked(time_limit, memory_limit, threads)
    if checked_problem(problem).tolerance is None and limit is None:
        raise InvalidProblemError("solutions() needs a tolerance (of the SubsetSum) or a limit")
    limit = count_or_none(limit, "limit")
    if not problem.is_restricted and not distinct:
        return _best_first(problem, limit, enumerators(problem.expanded, backend, limits), limits)
    if distinct and sums_repeat(problem):
        return islice(_timed(distinct_sums(problem, backend, limits), time_limit), limit)
    core, reduction = listed_core(problem) if problem.is_restricted else (problem, None)
    if core is None:
        return iter(())
    listed = _best_first(core, None, enumerators(core.expanded, backend, limits), limits)
    return islice(_chosen(problem, reduction, listed, distinct=bool(distinct)), limit)


def _timed(sums: Iterator[Solution], time_limit: float | None) -> Iterator[Solution]:
    listed = 0
    try:
        for listed, solution in enumerate(sums, start=1):  # noqa: B007 - the message tells it
            yield solution
    except OutOfTimeError:
        told = f"solutions: time limit of {time_limit} s reached: {listed:,} sums listed, best first"
        raise TimeoutError(told) from None


def _chosen(
    problem: SubsetSum, reduction: Reduction | None, listed: Iterator[Solution], *, distinct: bool
) -> Iterator[Solution]:
    """Yield those of a plain core's subsets that are asked for, as subsets of the problem itself."""
    nearest: Fraction | None = None
    seen: set[object] = set()
    error = None
    for found in listed:
        solution = found if reduction is None else _lifted(problem, reduction, found, nearest)
        if solution is None or solution.error is None:
            continue
        nearest = solution.error if nearest is None else nearest
        if distinct:
            # Equal sums have equal errors, and errors only grow.
            seen, error = (seen, error) if solution.error == error else (set(), solution.error)
            if solution.total in seen:
                continue
            seen.add(solution.total)
        yield solution


def listed_subsets(problem: SubsetSum, backend: str, limits: Limits) -> list[list[int]]:
    """Return all subsets within the tolerance, in no order; for few of them."""
    reduction = Reduction(problem) if problem.is_restricted else None
    core = countable_core(problem) if problem.is_restricted else problem
    if core is None:
        return []
    reach = core.tolerance_units or 0
    whole = core.expanded  # with each copy of an item that may be used several times
    found = _of_first_able(
        enumerators(whole, backend, limits), lambda able: list(able.listed(whole, -1, reach, limits))
    )
    origins = whole.origins
    if origins is not None:
        found = [sorted(origins[i] for i in subset) for subset in found]
    return found if reduction is None else [reduction.lifted(subset) or [] for subset in found]


def _lifted(
    problem: SubsetSum, reduction: Reduction, found: Solution, nearest: Fraction | None
) -> Solution | None:
    """Return a subset of the core as one of the problem's; None if it is on the wrong side, say."""
    subset = reduction.lifted(None if found.subset is None else found.subset.tolist())
    error = None if subset is None else reduction.error(subset)
    if error is None:
        return None
    bound = error if nearest is None else nearest
    finding = Finding(subset, bound, problem.sizes[0], message=found.message)
    return certified(problem, "nearest", finding, backend=found.backend, seconds=found.seconds)


def _of_first_able(choice: list[Enumerator], asked: Callable[[Enumerator], Asked]) -> Asked:
    """Return what the first backend that does not back out, on a closer look at the numbers, answers."""
    *others, last = choice
    for able in others:
        try:
            return asked(able)
        except UnsupportedProblemError:
            continue
    return asked(last)


def checked_problem(problem: SubsetSum) -> SubsetSum:
    """Return the problem if it is one; InvalidProblemError for anything else."""
    if not isinstance(problem, SubsetSum):
        raise InvalidProblemError(f"a SubsetSum is needed, got a {type(problem).__name__}")
    return problem


def _best_first(
    problem: SubsetSum, limit: int | None, choice: list[Enumerator], limits: Limits
) -> Iterator[Solution]:
    idle, listed = 0.0, 0

    def clock() -> float:
        return monotonic() - idle

    limits = replace(limits, started=clock(), clock=clock)  # it runs while this searches, and only then
    portion = _PORTION if limit is None else min(_PORTION, 64 + 4 * limit)

    def heard(step: Callable[[], Asked]) -> Asked:
        return interruptible(step, limits.interruption, brief=_is_brief(problem))

    try:
        rings = heard(lambda: _of_first_able(choice, lambda able: _Rings(able, problem.expanded, limits)))
        name = rings.enumerator.name
        for subset in islice(rings.subsets(portion, heard), limit):
            found = Finding(subset, rings.nearest * problem.image.unit, problem.sizes[0])
            finding = in_items_of(problem, found)
            seconds = clock() - limits.started
            solution = certified(problem, "nearest", finding, backend=name, seconds=seconds)
            listed += 1
            given = monotonic()
            yield solution
            idle += monotonic() - given
    except TimeoutError:
        told = f"time limit of {limits.seconds} s reached: {listed:,} subsets listed, best first"
        raise TimeoutError(f"solutions: {told}") from None


def _next_few(ring: Iterator[list[int]]) -> list[list[int]]:
    return list(islice(ring, _STEP))


def _is_brief(problem: SubsetSum) -> bool:
    return problem.n * problem.d <= _BRIEF


class _Rings:
    """The subsets of a problem by ranges ``(above, reach]`` of their errors, in whole units."""

    def __init__(self, enumerator: Enumerator, problem: SubsetSum, limits: Limits) -> None:
        self.enumerator = enumerator
        self.problem = problem
        self.limits = limits
        magnitude = problem.image.magnitude  # no error is larger
        tolerance = problem.tolerance_units
        self.last = magnitude if tolerance is None else min(tolerance, magnitude)
        self.nearest = self._nearest()

    def _nearest(self) -> int:
        if self.enumerator.refusal(self.problem, "nearest", self.limits) is not None:
            return 0  # a method for exact hits only, which has said that it will do
        finding = self.enumerator.solve(self.problem, "nearest", self.limits)
        if finding.stop is Stop.TIME_LIMIT:
            raise OutOfTimeError
        units = finding.lower_bound / self.problem.image.unit
        return units.numerator

    def subsets(self, portion: int, heard: Callable[[Callable[[], Any]], Any]) -> Iterator[list[int]]:
        """Yield them by error, then by their indices where those of one error are few enough to be sorted.

        ``heard`` calls a function that may take long.
        """
        above, width = self.nearest - 1, 1
        while above < self.last:
            reach = min(above + width, self.last)
            number = heard(partial(self.enumerator.count, self.problem, above, reach, self.limits))
            if number > portion and reach > above + 1:
                width = max(1, (reach - above) * portion // (2 * number))
                continue
            ring = self.enumerator.listed(self.problem, above, reach, self.limits)
            if number <= portion:
                yield from heard(partial(self._sorted, ring))
            else:  # so many, that it takes no time to find the next few
                while step := heard(partial(_next_few, ring)):
                    yield from step
            width = 2 * width * max(1, portion // (2 * number + 1))
            above = reach

    def _sorted(self, ring: Iterator[list[int]]) -> list[list[int]]:
        ranked = sorted(map(self._rank, self.limits.watched(ring)))
        self.limits.check()
        return [subset for _, subset in ranked]

    def _rank(self, subset: list[int]) -> tuple[int, list[int]]:
        return self.problem.image.error(subset), subset

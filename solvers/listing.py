"""count() and solutions(): all subsets within the tolerance, their number or one by one, best first."""

from __future__ import annotations

from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from solvers.backend.protocol import Finding
from solvers.dispatch import certified, checked_limits, enumerators
from solvers.errors import InvalidProblemError, UnsupportedProblemError
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from solvers.backend.protocol import Enumerator, Limits
    from solvers.solution import Solution

Asked = TypeVar("Asked")

# Subsets are listed and sorted by error in portions of about this many.
_PORTION = 1 << 14


def count(
    problem: SubsetSum,
    *,
    backend: str = "auto",
    memory_limit: int | None = None,
    threads: int | None = None,
) -> int:
    """Count the subsets of an allowed cardinality with error <= tolerance, exactly.

    With tolerance epsilon this is the subset-sum number T of Definition 6 of da Cunha et al. (2023).

    Parameters
    ----------
    problem : SubsetSum
        With a tolerance.
    backend : str
        "auto", or one that can count: mitm, schroeppel-shamir, mitm-nd, dp.
    memory_limit : int, optional
        Bytes.
    threads : int, optional

    Returns
    -------
    int

    Raises
    ------
    InvalidProblemError
        Without a tolerance, or for an unknown backend.
    UnsupportedProblemError
        If there are too many subsets for every method; the message says why.

    Examples
    --------
    >>> from solvers import SubsetSum, count
    >>> count(SubsetSum([15, 22, 14, 26, 32, 9, 16, 8], 53, tolerance=0))
    3

    """
    limits = checked_limits(None, memory_limit, threads, 0)
    if _checked(problem).tolerance is None:
        raise InvalidProblemError("count() needs a tolerance; give the SubsetSum one")
    reach = problem.tolerance_units or 0
    return _of_first_able(
        enumerators(problem, backend, limits), lambda able: able.count(problem, -1, reach, limits)
    )


def solutions(
    problem: SubsetSum,
    *,
    limit: int | None = None,
    backend: str = "auto",
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
    backend : str
        "auto", or one that can list: mitm, schroeppel-shamir, mitm-nd, dp.
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

    Examples
    --------
    >>> from solvers import SubsetSum, solutions
    >>> for answer in solutions(SubsetSum([3, 5, 9, 11], 13), limit=3):
    ...     print(answer.subset, answer.error)
    [0 2] 1
    [0 3] 1
    [1 2] 1

    """
    limits = checked_limits(None, memory_limit, threads, 0)
    if _checked(problem).tolerance is None and limit is None:
        raise InvalidProblemError("solutions() needs a tolerance (of the SubsetSum) or a limit")
    _check_limit(limit)
    return _best_first(problem, limit, enumerators(problem, backend, limits), limits)


def _of_first_able(choice: list[Enumerator], asked: Callable[[Enumerator], Asked]) -> Asked:
    """Return what the first backend that does not back out, on a closer look at the numbers, answers."""
    *others, last = choice
    for able in others:
        try:
            return asked(able)
        except UnsupportedProblemError:
            continue
    return asked(last)


def _checked(problem: SubsetSum) -> SubsetSum:
    if not isinstance(problem, SubsetSum):
        raise InvalidProblemError(f"a SubsetSum is needed, got a {type(problem).__name__}")
    return problem


def _check_limit(limit: Any) -> None:
    whole = isinstance(limit, (int, np.integer)) and not isinstance(limit, bool)
    if limit is not None and not (whole and limit >= 1):
        raise InvalidProblemError(f"limit must be a positive integer, got {limit!r}")


def _best_first(
    problem: SubsetSum, limit: int | None, choice: list[Enumerator], limits: Limits
) -> Iterator[Solution]:
    started = perf_counter()
    rings = _of_first_able(choice, lambda able: _Rings(able, problem, limits))
    name = rings.enumerator.name
    portion = _PORTION if limit is None else min(_PORTION, 64 + 4 * limit)
    for subset in islice(rings.subsets(portion), limit):
        finding = Finding(subset, rings.nearest * problem.image.unit, problem.sizes[0])
        yield certified(problem, "nearest", finding, backend=name, seconds=perf_counter() - started)


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
        units = finding.lower_bound / self.problem.image.unit
        return units.numerator

    def subsets(self, portion: int) -> Iterator[list[int]]:
        """Yield them by error, then by their indices where those of one error are few enough to be sorted."""
        above, width = self.nearest - 1, 1
        while above < self.last:
            reach = min(above + width, self.last)
            number = self.enumerator.count(self.problem, above, reach, self.limits)
            if number > portion and reach > above + 1:
                width = max(1, (reach - above) * portion // (2 * number))
                continue
            ring = self.enumerator.listed(self.problem, above, reach, self.limits)
            yield from ring if number > portion else sorted(ring, key=self._rank)
            width = 2 * width * max(1, portion // (2 * number + 1))
            above = reach

    def _rank(self, subset: list[int]) -> tuple[int, list[int]]:
        return self.problem.image.error(subset), subset

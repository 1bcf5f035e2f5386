"""sample(): subsets within the tolerance drawn uniformly, exactly so, by counting.

The subsets are numbered without being listed: those without some item first, then those with it, and so on
down, where the counts of both say which numbers are where; once few are left, they are listed. A number drawn
uniformly is then a subset drawn uniformly (Nijenhuis & Wilf 1978, "Combinatorial Algorithms").
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from solvers.arguments import whole_number
from solvers.backend.protocol import Finding, Limits
from solvers.dispatch import certified
from solvers.errors import InvalidProblemError, UnsupportedProblemError
from solvers.listing import checked_problem, count, listed_subsets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.problem import SubsetSum
    from solvers.solution import Solution

_FEW = 1 << 12  # subsets that are listed rather than parted further
_A_DRAW = 1 << 6  # and so many more for each one that is drawn from them


def sample(
    problem: SubsetSum,
    size: int,
    seed: int = 0,
    *,
    backend: str = "auto",
    time_limit: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
) -> list[Solution]:
    """Draw subsets within the tolerance, each with the same probability, independently and with replacement.

    Exact: the draws are as uniform as Python's ``random`` is. Takes some counts for every draw, so it goes as
    far as :func:`count` does.

    Parameters
    ----------
    problem : SubsetSum
        With a tolerance.
    size : int
        How many.
    seed : int
        The same one gives the same subsets.
    backend : str
        "auto", or one that can count.
    time_limit, memory_limit, threads : optional
        As for :func:`count`, for all of it.

    Returns
    -------
    list of Solution
        Answers to "within".

    Raises
    ------
    InvalidProblemError
        Without a tolerance, where no subset is within it, or for a senseless size or seed.
    UnsupportedProblemError
        If there are too many subsets for every method.
    TimeoutError
        When the time limit is reached.

    Examples
    --------
    >>> from solvers import SubsetSum, sample
    >>> [answer.subset.tolist() for answer in sample(SubsetSum([3, 5, 9, 11], 13, tolerance=1), 3, seed=1)]
    [[0, 2], [1, 2], [0, 2]]

    """
    limits = Limits.checked(time_limit, memory_limit, threads, seed)
    size = whole_number(size, "size", 0)
    if checked_problem(problem).tolerance is None:
        raise InvalidProblemError("sample() needs a SubsetSum with a tolerance")
    total = _count(problem, backend, limits)
    if size and not total:
        raise InvalidProblemError("no subset is within the tolerance; there is none to draw")
    generator = random.Random(seed)  # noqa: S311 - numbers of any size; no secrets
    ranks = [generator.randrange(total) for _ in range(size)]
    found = dict(_numbered(problem, total, sorted(set(ranks)), backend, limits)) if ranks else {}
    seconds = limits.clock() - limits.started
    return [certified(problem, "within", Finding(found[r]), backend="sample", seconds=seconds) for r in ranks]


def _count(problem: SubsetSum, backend: str, limits: Limits) -> int:
    limits.check()
    return count(
        problem,
        backend=backend,
        time_limit=limits.remaining,
        memory_limit=limits.memory,
        threads=limits.threads,
    )


def _numbered(
    problem: SubsetSum, total: int, ranks: list[int], backend: str, limits: Limits
) -> Iterator[tuple[int, list[int]]]:
    """Yield those of the problem's subsets that have these numbers, with the number of each."""
    parts = [(problem, total, 0, ranks)]
    while parts:
        part, number, first, wanted = parts.pop()
        if number <= _FEW + _A_DRAW * len(wanted):
            limits.check()
            listed = sorted(listed_subsets(part, backend, limits))
            yield from ((rank, listed[rank - first]) for rank in wanted)
            continue
        decided = {*part.required, *part.forbidden}
        item = next((i for i in range(part.n) if i not in decided), None)
        if item is None:
            raise UnsupportedProblemError("too many ways to use some items several times to be drawn from")
        without = _part(part, forbidden=[*part.forbidden, item])
        fewer = 0 if without is None else _count(without, backend, limits)
        left = [rank for rank in wanted if rank - first < fewer]
        if left and without is not None:
            parts.append((without, fewer, first, left))
        if right := wanted[len(left) :]:
            chosen = part.replace(required=[*part.required, item])
            parts.append((chosen, number - fewer, first + fewer, right))


def _part(problem: SubsetSum, **changes: list[int]) -> SubsetSum | None:
    """Return the problem with some items decided; None where that leaves too few to choose from."""
    try:
        return problem.replace(**changes)
    except InvalidProblemError:
        return None

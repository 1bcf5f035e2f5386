"""count_bounds(): how many subsets are within the tolerance, between two numbers that are proven.

Where counting them is out of reach, items are rounded to a grid so coarse that dynamic programming can count.
Rounding moves the sum of a subset by no more than the items' own remainders add up to, so the subsets of the
rounded items within a window made narrower by that are all within the tolerance, and those within one made
wider are all that can be.
"""

from __future__ import annotations

import math
from fractions import Fraction
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from solvers.backend.automatic import counting_order
from solvers.backend.protocol import Limits
from solvers.errors import InvalidProblemError, UnsupportedProblemError
from solvers.listing import checked_problem, count
from solvers.problem import SubsetSum
from solvers.restrictions import countable_core

if TYPE_CHECKING:
    from collections.abc import Iterator

_PATIENCE = 10.0  # seconds for all, without a time limit
_EXACT_SHARE = 0.5  # of the time, for an exact count
_COARSEST, _FINEST = 12, 30  # bits of the grids that are tried
_BITS_A_GRID = 3
_TIGHT = 1.01  # bounds that differ by less than this factor are not refined


class CountBounds(NamedTuple):
    """Proven bounds: ``low`` <= number of subsets <= ``high``."""

    low: int
    high: int


def count_bounds(
    problem: SubsetSum,
    *,
    time_limit: float | None = None,
    memory_limit: int | None = None,
    threads: int | None = None,
) -> CountBounds:
    """Bound the number of subsets of an allowed cardinality with error <= tolerance, from below and above.

    Both bounds are proven in exact arithmetic. They are equal where counting is within reach, and the closer
    to each other the larger the tolerance is beside the items otherwise. For vectors the upper bound is that
    of the coordinate with the fewest, and the lower one seldom more than 0.

    Parameters
    ----------
    problem : SubsetSum
        With a tolerance.
    time_limit : float, optional
        Seconds; 10 by default. More time allows finer grids.
    memory_limit : int, optional
        Bytes.
    threads : int, optional

    Returns
    -------
    CountBounds
        A named tuple (low, high) of int.

    Raises
    ------
    InvalidProblemError
        Without a tolerance, or for senseless limits.

    Examples
    --------
    >>> from solvers import SubsetSum, count_bounds
    >>> count_bounds(SubsetSum([15, 22, 14, 26, 32, 9, 16, 8], 53, tolerance=0))
    CountBounds(low=3, high=3)

    """
    limits = Limits.checked(_PATIENCE if time_limit is None else time_limit, memory_limit, threads)
    if checked_problem(problem).tolerance is None:
        raise InvalidProblemError("count_bounds() needs a SubsetSum with a tolerance")
    core = countable_core(problem) if problem.is_restricted else problem
    if core is None:
        return CountBounds(0, 0)
    exact = _exactly(core, limits)
    if exact is not None:
        return CountBounds(exact, exact)
    bounds = CountBounds(0, _all_subsets(core))
    for better in _by_grids(core, limits):
        bounds = CountBounds(max(bounds.low, better.low), min(bounds.high, better.high))
    return bounds


def _exactly(core: SubsetSum, limits: Limits) -> int | None:
    """Return the number itself, where a method promises it in time and keeps the promise."""
    seconds = _EXACT_SHARE * (limits.remaining or 0.0)
    whole = core.expanded
    for backend in counting_order(whole, limits):
        expected = backend.seconds_to_proof(whole, "nearest")
        if expected is None or expected > seconds:
            continue
        try:
            return _counted(core, limits, seconds, backend.name)
        except (TimeoutError, UnsupportedProblemError, MemoryError):
            continue
    return None


def _counted(core: SubsetSum, limits: Limits, seconds: float, backend: str = "auto") -> int:
    return count(
        core, backend=backend, time_limit=seconds, memory_limit=limits.memory, threads=limits.threads
    )


def _all_subsets(core: SubsetSum) -> int:
    """Return the number of subsets of an allowed cardinality, or more."""
    low, high = core.sizes
    uses = core.multiplicity
    if uses is not None:
        return math.prod(int(m) + 1 for m in uses)
    return (
        sum(math.comb(core.n, k) for k in range(low, high + 1)) if (low, high) != (0, core.n) else 1 << core.n
    )


def _by_grids(core: SubsetSum, limits: Limits) -> Iterator[CountBounds]:
    """Yield the bounds that ever finer grids give, as long as there is time."""
    total = _all_subsets(core)
    open_yet = set(range(core.d))
    for bits in range(_COARSEST, _FINEST + 1, _BITS_A_GRID):
        begun = monotonic()
        lows, highs = [], []
        for k in sorted(open_yet):
            bounds = _on_grid(core, k, bits, limits)
            if bounds is None:
                return
            lows.append(bounds.low)
            highs.append(bounds.high)
            if bounds.high <= _TIGHT * bounds.low:
                open_yet.discard(k)
        # A subset misses in some coordinate, or is within the tolerance in all.
        joint = lows[0] if core.d == 1 else 0
        yield CountBounds(max(0, joint), min([*highs, total]))
        taken = monotonic() - begun
        if not open_yet or (1 << _BITS_A_GRID) * taken > (limits.remaining or 0.0):
            return


def _on_grid(core: SubsetSum, k: int, bits: int, limits: Limits) -> CountBounds | None:
    """Bound the number of subsets whose coordinate k is within the tolerance; None when the time is up."""
    image, reach = core.image, core.tolerance_units or 0
    numbers, target = [row[k] for row in image.items], image.target[k]
    grid = max(1, sum(map(abs, numbers)) >> bits)
    rounded = [(2 * x + grid) // (2 * grid) for x in numbers]
    uses = core.multiplicity
    times = [1] * core.n if uses is None else [int(m) for m in uses]
    rests = [(x - grid * r) * m for x, r, m in zip(numbers, rounded, times, strict=True)]
    up, down = sum(x for x in rests if x > 0), -sum(x for x in rests if x < 0)
    low, high = target - reach, target + reach
    # Sums lie between grid * rounded - down and grid * rounded + up.
    inner = math.ceil(Fraction(low + down, grid)), (high - up) // grid
    outer = math.ceil(Fraction(low - up, grid)), (high + down) // grid
    found = []
    for first, last in (inner, outer):
        if first > last:
            found.append(0)
            continue
        more: dict[str, Any] = {} if uses is None else {"multiplicity": uses}
        window = SubsetSum(
            rounded,
            Fraction(first + last, 2),
            tolerance=Fraction(last - first, 2),
            cardinality=core.cardinality,
            **more,
        )
        try:
            found.append(_counted(window, limits, max(limits.remaining or 0.0, 1e-6)))
        except (TimeoutError, UnsupportedProblemError, MemoryError):
            return None
    return CountBounds(*found)

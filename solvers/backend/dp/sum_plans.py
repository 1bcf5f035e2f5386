"""Which table over the sums answers what, how large it gets, and whether it fits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.dp.nonnegative import Nonnegative, flipped, shifted, weighted
from solvers.backend.dp.sum_tables import FewestTable, Goal, Items
from solvers.errors import UnsupportedProblemError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from solvers.backend.protocol import Limits
    from solvers.problem import SubsetSum


@dataclass(frozen=True)
class Plan:
    """A table to be made."""

    form: Nonnegative
    kind: str  # "bits", "by size" or "fewest"
    goal: Goal  # the sizes and sums of the table
    needed: int  # bytes
    left_out: bool = False  # whether a table of the fewest items counts those left out

    @property
    def sized(self) -> bool:
        """Whether the table has a row for each number of items."""
        return self.kind == "by size"

    @property
    def too_large(self) -> int:
        """How many items, the first ones, exceed every sum of the table: they are never taken."""
        return sum(x > self.goal.high for x in self.form.items)

    @property
    def items(self) -> Items:
        """The other items."""
        first = self.too_large
        return Items.of(self.form.items[first:], self.form.weights[first:])

    @property
    def always_counted(self) -> int:
        """How many of the items that are never taken count as chosen for it."""
        return sum(weight < 0 for weight in self.form.weights[: self.too_large])

    def subset(self, taken: NDArray[np.bool_]) -> list[int]:
        """Return the original items chosen when, of ``items``, these are taken."""
        return self.form.subset([False] * self.too_large + taken.tolist())

    def subsets(self, taken: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Return the same for many subsets, shape (m, items), as masks; for items that stand for one each."""
        chosen = np.tile(~np.array(self.form.plus), (len(taken), 1))
        for column, group in enumerate(self.form.groups[self.too_large :]):
            chosen[:, group[0]] ^= taken[:, column] == 1
        return chosen

    def windows(self, reach: int) -> Iterator[tuple[int, int, int]]:
        """Yield (row, low, high): the sums within an error of ``reach`` units that the table can tell of."""
        for k in self.form.targets:
            low, high = self.form.window(k, reach)
            high = min(high, self.goal.high)
            if k <= self.goal.size and low <= high:
                yield k, low, high

    def refusal(self, limits: Limits) -> str | None:
        """Return why the table cannot be had, or None."""
        if self.needed <= limits.bytes_allowed:
            return None
        return (
            f"it needs about {_readable(self.needed)} for sums up to {_short(self.goal.high)} steps of the "
            f"items' common grid, the memory limit is {_readable(limits.bytes_allowed)}"
        )

    def check(self, limits: Limits) -> None:
        """Raise UnsupportedProblemError if the table cannot be had."""
        reason = self.refusal(limits)
        if reason is not None:
            raise UnsupportedProblemError(f"backend dp cannot answer this: {reason}")


def _readable(size: int) -> str:
    for power, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if power <= size < 10**18:
            return f"{size / power:.1f} {name}"
    return f"{_short(size)} bytes"


def _short(number: int) -> str:
    return str(number) if number < 10**18 else f"2^{number.bit_length() - 1}"


def plan_of_bits(form: Nonnegative, reach: int) -> Plan:
    """Plan one bit for each sum, to tell which sums within ``reach`` can be had by any number of items."""
    low, high = form.window(0, reach)
    if low + high > form.total:
        form = form.mirrored()
        low, high = form.window(0, reach)
    goal = Goal.between(low, high)
    return Plan(form, "bits", goal, 2 * goal.bytes_of_bits)


def plan_by_size(problem: SubsetSum, sizes: tuple[int, int], reach: int) -> Plan:
    """Plan a row of bits for each number of items."""
    form = shifted(problem, sizes, reach)
    goal = _sized_goal(form, reach)
    return Plan(form, "by size", goal, 2 * goal.bytes_of_bits)


def _sized_goal(form: Nonnegative, reach: int) -> Goal:
    size, high = form.largest(reach)
    lows = [low for low, _ in (form.window(k, reach) for k in form.targets if k <= size)]
    return Goal(size, min(min(lows, default=0), high), high)


def plan_by_fewest(problem: SubsetSum, reach: int, *, left_out: bool = False) -> Plan:
    """Plan the least number of chosen items (``left_out``: of the others) for each sum."""
    form = weighted(problem, reach, left_out=left_out)
    low, high = form.window(0, reach)
    goal = Goal.between(low, high)
    needed = 2 * FewestTable.type_for(problem.n).itemsize * (goal.high + 1)
    return Plan(form, "fewest", goal, needed, left_out)


def plan_to_count(problem: SubsetSum, reach: int) -> Plan:
    """Plan the number of subsets for each sum."""
    form, goal, kind = _enumeration(problem, reach)
    return Plan(form, kind, goal, 8 * (goal.size + 1) * (goal.high + 1))


def plan_to_list(problem: SubsetSum, reach: int) -> Plan:
    """Plan bits for each sum (and number of items) after each item."""
    form, goal, kind = _enumeration(problem, reach)
    return Plan(form, kind, goal, (problem.n + 1) * goal.bytes_of_bits)


def _enumeration(problem: SubsetSum, reach: int) -> tuple[Nonnegative, Goal, str]:
    if problem.sizes != (0, problem.n):
        form = shifted(problem, problem.sizes, reach)
        return form, _sized_goal(form, reach), "by size"
    form = flipped(problem, bundled=False)
    low, high = form.window(0, reach)
    return form, Goal.between(low, high), "bits"

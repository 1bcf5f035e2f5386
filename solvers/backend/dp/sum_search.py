"""The search for the nearest and the sparsest subset with tables over the sums."""

from __future__ import annotations

import math
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING

from solvers.backend.bounds import simple_bound
from solvers.backend.dp.nonnegative import Nonnegative, flipped, nearby_subset
from solvers.backend.dp.sum_plans import Plan, plan_by_fewest, plan_by_size, plan_of_bits
from solvers.backend.dp.sum_tables import MOST_SCRATCH, BitTable, FewestTable, recovered
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from solvers.backend.protocol import Limits

_SPARE_BITS = 6  # a core of c items has 2^c subsets; so many times more than sums, and most sums can be had


class SumSearch:
    """One problem, its incumbent and the bound that needs no search.

    ``subset`` and ``units`` are the incumbent, of an allowed number of items, and its error.
    """

    def __init__(self, problem: SubsetSum, limits: Limits) -> None:
        self.problem = problem
        self.limits = limits
        self.bound: int = simple_bound(problem)
        self.any_size: bool = problem.sizes == (0, problem.n)
        self.subset: list[int]
        self.units: int
        self.subset, self.units = self._prefix() if self.any_size else nearby_subset(problem)

    @cached_property
    def _form(self) -> Nonnegative:
        return flipped(self.problem, bundled=True)

    def _prefix(self) -> tuple[list[int], int]:
        """Take the smallest items up to the target, or one more: at most half an item off, if reachable."""
        form = self._form
        errors = [form.error(0, total) for total in accumulate(reversed(form.items), initial=0)]
        units = min(errors)
        left = len(form.items) - errors.index(units)
        return form.subset([j >= left for j in range(len(form.items))]), units

    # -- plans ---------------------------------------------------------------------------------------

    def plan_nearest(self) -> Plan:
        """Return the table that decides which subset is nearest."""
        reach = max(0, self.units - 1)
        if self.any_size:
            return plan_of_bits(self._form, reach)
        low, high = self.problem.sizes
        plans = [plan_by_size(self.problem, (low, high), reach)]
        if low == 0:
            plans.append(plan_by_fewest(self.problem, reach))
        if high == self.problem.n:
            plans.append(plan_by_fewest(self.problem, reach, left_out=True))
        return min(plans, key=lambda plan: plan.needed)

    def plan_sparsest(self, most: int) -> Plan:
        """Return the table that decides the sparsest subset within the tolerance, of up to ``most`` items."""
        reach = self.problem.tolerance_units or 0
        low = self.problem.sizes[0]
        plans = [plan_by_size(self.problem, (low, most), reach)]
        if low == 0:
            plans.append(plan_by_fewest(self.problem, reach))
        return min(plans, key=lambda plan: plan.needed)

    # -- nearest -------------------------------------------------------------------------------------

    def nearest(self, stop: int) -> None:
        """Improve the incumbent until it is nearest, or its error is at most ``stop`` units."""
        if self.units <= stop:
            return
        if self.any_size:
            for form in self._cores():
                self._nearest_of(form, stop)
                if self.units <= stop:
                    return
        else:
            for core in self._sized_cores():
                self._nearest_with(core, stop)
                if self.units <= stop:
                    return
            plan = self.plan_nearest()
            if plan.sized:
                self._nearest_by_size(plan, stop)
            else:
                self._nearest_by_fewest(plan)

    def _cores(self) -> Iterator[Nonnegative]:
        """Yield the problem of the few smallest items, of twice as many, and so on; last that of all."""
        form, size, total = self._form, 0, 0
        n = len(form.items)
        while size < n and size < total.bit_length() + _SPARE_BITS:
            size += 1
            total += form.items[-size]
        size = max(1, size // 4)  # smaller ones take next to no time and give a fair incumbent
        while 2 * size <= n:
            yield form.core(size)
            size *= 2
        yield form

    def _sized_cores(self) -> Iterator[list[int]]:
        """Yield a few items spread evenly from the smallest to the largest, and twice as many."""
        values = [item[0] for item in self.problem.image.items]
        order = sorted(range(self.problem.n), key=values.__getitem__)
        spread = values[order[-1]] - values[order[0]]
        few = spread.bit_length() + 2 * _SPARE_BITS
        for size in (few, 2 * few):
            if 2 * size <= self.problem.n:
                yield [order[j * (self.problem.n - 1) // (size - 1)] for j in range(size)]

    def _nearest_with(self, core: list[int], stop: int) -> None:
        """Improve the incumbent in these items, the choice of all others fixed."""
        values = [item[0] for item in self.problem.image.items]
        fixed = sorted(set(self.subset) - set(core))
        low, high = (k - len(fixed) for k in self.problem.sizes)
        left = self.problem.image.target[0] - sum(values[i] for i in fixed)
        part = SubsetSum([values[i] for i in core], left, cardinality=(max(0, low), high))
        search = SumSearch(part, self.limits)
        if search.plan_nearest().refusal(self.limits) is not None:
            return
        search.nearest(math.floor(stop / part.image.unit))
        units = int(search.units * part.image.unit)
        if units < self.units:
            self.subset, self.units = sorted(fixed + [core[i] for i in search.subset]), units

    def _nearest_of(self, form: Nonnegative, stop: int) -> None:
        low, high = form.window(0, self.units - 1)
        if low > high:
            return
        plan = plan_of_bits(form, self.units - 1)
        kind, items = BitTable(self.limits, sized=False), plan.items
        bits, applied = kind.made_until(items, plan.goal, plan.form.window(0, stop))
        best = self._nearest_in(plan, bits[0], 0, *next(plan.windows(self.units - 1))[1:])
        del bits  # the recovery needs the memory
        if best is not None:
            taken = recovered(kind, items.first(applied), 0, best, self._scratch(plan))
            self._offer(plan, taken, 0, best)

    def _nearest_by_size(self, plan: Plan, stop: int) -> None:
        from solvers.kernels.reachability import first_set

        kind, items = BitTable(self.limits, sized=True), plan.items
        hits = list(plan.windows(stop))

        def found(bits: NDArray[np.uint64]) -> bool:
            return any(first_set(bits[k], low, high) >= 0 for k, low, high in hits)

        bits, applied = kind.made_until(items, plan.goal, found=found)
        best = None
        for k, low, high in plan.windows(self.units - 1):
            total = self._nearest_in(plan, bits[k], k, low, high)
            if total is not None and (best is None or plan.form.error(k, total) < plan.form.error(*best)):
                best = k, total
        del bits
        if best is not None:
            taken = recovered(kind, items.first(applied), *best, self._scratch(plan))
            self._offer(plan, taken, *best)

    def _nearest_in(self, plan: Plan, row: NDArray[np.uint64], k: int, low: int, high: int) -> int | None:
        from solvers.kernels.reachability import first_set, last_set

        form = plan.form
        middle = form.targets[k] // form.step
        below = int(last_set(row, low, min(middle, high))) if low <= middle else -1
        above = int(first_set(row, max(middle + 1, low), high)) if middle < high else -1
        return None if below < 0 and above < 0 else form.nearer(k, below, above)

    def _nearest_by_fewest(self, plan: Plan) -> None:
        low, high = self.problem.sizes
        most = self.problem.n - low if plan.left_out else high
        kind = FewestTable(self.limits, self.problem.n)
        fewest = kind.made(plan.items, plan.goal)
        self._take_fewest(plan, kind, fewest, self.units - 1, most - plan.always_counted)

    def _take_fewest(
        self, plan: Plan, kind: FewestTable, fewest: NDArray[np.uint8], reach: int, most: int
    ) -> None:
        from solvers.kernels.reachability import nearest_at_most

        windows = list(plan.windows(reach))
        if not windows or most < 0:
            return
        _, low, high = windows[0]
        middle = plan.form.targets[0] // plan.form.step
        below, above = nearest_at_most(fewest, low, min(max(middle, low - 1), high), high, most)
        if below >= 0 or above >= 0:
            total = plan.form.nearer(0, int(below), int(above))
            number = int(fewest[total])
            taken = recovered(kind, plan.items, number, total, self._scratch(plan))
            self._offer(plan, taken, 0, total)

    def _offer(self, plan: Plan, taken: NDArray[np.bool_], size: int, total: int) -> None:
        self.subset = plan.subset(taken)
        self.units = plan.form.error(size, total)

    def _scratch(self, plan: Plan) -> int:
        return max(0, min(MOST_SCRATCH, self.limits.bytes_allowed - plan.needed))

    # -- sparsest ------------------------------------------------------------------------------------

    def sparsest(self) -> None:
        """Turn an incumbent within the tolerance into the sparsest one, the nearest among those."""
        reach = self.problem.tolerance_units or 0
        plan = self.plan_sparsest(len(self.subset))
        if not plan.sized:
            kind = FewestTable(self.limits, self.problem.n)
            fewest = kind.made(plan.items, plan.goal)
            ((_, low, high),) = plan.windows(reach)
            self._take_fewest(plan, kind, fewest, reach, int(fewest[low : high + 1].min()))
            return
        bits_of = BitTable(self.limits, sized=True)
        bits = bits_of.made(plan.items, plan.goal)
        windows = list(plan.windows(reach))
        for k, low, high in windows if all(plan.form.plus) else reversed(windows):
            total = self._nearest_in(plan, bits[k], k, low, high)
            if total is not None:
                del bits
                self._offer(plan, recovered(bits_of, plan.items, k, total, self._scratch(plan)), k, total)
                return

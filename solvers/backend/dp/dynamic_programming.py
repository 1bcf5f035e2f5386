"""dp: tables over all sums of the exact integer image (Bellman 1957; word-parallel: Pisinger 2003). Exact.

The nearest sum needs one bit for each sum up to the target. Before the table of all items come tables of a
few of them, the others fixed (a core: Balas & Zemel 1980): on dense instances one of these hits the target.
Cardinalities need a row of bits for each number of items, or, where only the fewest or the most items matter,
the least number of items for each sum.

Nothing is rounded: real items are refused unless their common grid is coarse enough for the memory allowed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from solvers.backend.dp.sum_plans import plan_to_count, plan_to_list
from solvers.backend.dp.sum_search import SumSearch
from solvers.backend.dp.sum_tables import BitTable, CountTable
from solvers.backend.protocol import Enumerator, Finding, Limits, OutOfTimeError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MANY = 1 << 16  # items, beyond which not even their sums are looked at for an estimate
_LISTED_AT_A_TIME = 256


class DynamicProgramming(Enumerator):
    """Tables over the sums of a scalar problem."""

    name = "dp"
    summary = (
        "scalar, any n, where the range of the sums fits memory; all objectives, proven; counts and lists"
    )

    def refusal(self, problem: SubsetSum, objective: Objective, limits: Limits) -> str | None:
        """Return why not, if not: vectors, or more memory than allowed."""
        if problem.d > 1:
            return _no_vectors(problem)
        search = SumSearch(problem, limits)
        reasons = []
        if search.units > _good_enough(search, objective):
            reasons.append(search.plan_nearest().refusal(limits))
        if objective == "sparsest" and search.bound <= (problem.tolerance_units or 0):
            reasons.append(search.plan_sparsest(problem.sizes[1]).refusal(limits))
        return next((reason for reason in reasons if reason is not None), None)

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:
        """Estimate the time of the tables of all items that matter, as long as the sums that do.

        Without a cardinality these are the sums up to the target, or of what is left out if these are fewer.
        """
        if problem.n > _MANY:  # whose sums are not looked at, only how far they reach
            return 4e-4 + 7e-12 * problem.n * min(problem.image.magnitude, 1 << 60)
        values = [item[0] for item in problem.image.items]
        total = sum(map(abs, values))
        if problem.sizes != (0, problem.n):
            per_sum, sums, items = 7e-11 if objective == "sparsest" else 3e-11, total, problem.n
        else:
            taken = problem.image.target[0] - sum(x for x in values if x < 0)
            reach = 0 if objective == "nearest" else problem.tolerance_units or 0
            sums = min(total, max(0, min(taken, total - taken)) + reach)
            items = sum(abs(x) <= sums for x in values)
            per_sum = 1.4e-10 if objective == "sparsest" else 1.4e-11
        step = math.gcd(*values) or 1
        return 4e-4 + per_sum * items * min(sums // step, 1 << 60)

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer in O(n R / 64) steps for R sums, times the number of items where cardinality matters."""
        search = SumSearch(problem, limits)
        unit, fewest = problem.image.unit, problem.sizes[0]
        stop = _good_enough(search, objective)
        try:
            search.nearest(stop)
            if search.units > stop:
                return Finding(search.subset, search.units * unit, fewest)
            if objective == "sparsest" and search.units <= (problem.tolerance_units or 0):
                search.sparsest()
                return Finding(search.subset, search.units * unit, len(search.subset))
        except OutOfTimeError:
            return Finding(search.subset, search.bound * unit, fewest, stop=Stop.TIME_LIMIT)
        return Finding(search.subset, search.bound * unit, fewest)

    def enumeration_refusal(self, problem: SubsetSum, limits: Limits) -> str | None:
        """Return why the subsets within the tolerance (all of them, without one) have too many sums."""
        if problem.d > 1:
            return _no_vectors(problem)
        reach = problem.image.magnitude if problem.tolerance_units is None else problem.tolerance_units
        return plan_to_count(problem, reach).refusal(limits) or plan_to_list(problem, reach).refusal(limits)

    def count(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> int:
        """Count the subsets with above < error <= reach: O(n R) steps for each 62 bits that 2^n may take."""
        plan = plan_to_count(problem, reach)
        plan.check(limits)
        low, high = problem.sizes
        answer, modulus = 0, 1
        moduli = list(_coprime_moduli(sum(math.comb(problem.n, k) for k in range(low, high + 1))))
        for place, prime in enumerate(moduli):
            counts = CountTable(limits, sized=plan.sized, modulus=prime, turn=(place, len(moduli)))
            table = counts.made(plan.items, plan.goal)
            residue = sum(counts.between(table[k], first, last) for k, first, last in plan.windows(reach))
            residue -= sum(counts.between(table[k], first, last) for k, first, last in plan.windows(above))
            # Chinese remaindering: the number below modulus * prime that has both remainders.
            answer += modulus * ((residue - answer) * pow(modulus, -1, prime) % prime)
            modulus *= prime
        return answer

    def listed(self, problem: SubsetSum, above: int, reach: int, limits: Limits) -> Iterator[list[int]]:
        """Yield the subsets with above < error <= reach, from tables of the first 0, 1, ..., n items."""
        from solvers.kernels.reachability import first_set, next_subsets

        plan = plan_to_list(problem, reach)
        plan.check(limits)
        history = BitTable(limits, sized=plan.sized).history(plan.items, plan.goal)
        left_out = {k: (first, last) for k, first, last in plan.windows(above)}
        n = len(plan.items)
        found = np.empty((_LISTED_AT_A_TIME, n), np.uint8)
        for k, first, last in plan.windows(reach):
            total = first - 1
            while total < last and (total := int(first_set(history[n, k], total + 1, last))) >= 0:
                if k in left_out and left_out[k][0] <= total <= left_out[k][1]:
                    continue
                steps, state = np.zeros(n + 1, np.int64), np.array([n, k, total])
                more = True
                while more:
                    limits.check()
                    count = next_subsets(history, plan.items.sizes, plan.sized, steps, state, found)
                    more = count == len(found)
                    for chosen in plan.subsets(found[:count]):
                        yield np.flatnonzero(chosen).tolist()


def _good_enough(search: SumSearch, objective: Objective) -> int:
    """Return an error, in units, at which the search for the nearest subset may stop."""
    tolerance = search.problem.tolerance_units
    return search.bound if objective == "nearest" or tolerance is None else max(search.bound, tolerance)


def _no_vectors(problem: SubsetSum) -> str:
    return f"it takes scalar items, these have {problem.d} dimensions"


def _coprime_moduli(largest: int) -> Iterator[int]:
    """Yield pairwise coprime numbers just below 2^63 until their product exceeds ``largest``."""
    candidate, product = 1 << 63, 1
    while product <= largest:
        candidate -= 1
        if math.gcd(candidate, product) == 1:
            product *= candidate
            yield candidate

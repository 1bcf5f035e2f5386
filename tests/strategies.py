"""Subset-sum instances to test with, and the answers that brute force gives them.

Nothing here uses :mod:`solvers` beyond posing the question: the arithmetic is ``fractions.Fraction`` and the
search is all 2^n subsets, so that a mistake in the solvers cannot hide in what they are compared with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import strategies as st

from solvers import Proof, Status, SubsetSum

# -- instances ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """The arguments of a SubsetSum, and the truth about it."""

    items: list[Any]  # numbers, or lists of d numbers
    target: Any
    tolerance: Any = None
    cardinality: Any = None

    @property
    def problem(self) -> SubsetSum:
        return SubsetSum(self.items, self.target, tolerance=self.tolerance, cardinality=self.cardinality)

    @cached_property
    def truth(self) -> Truth:
        return brute_force(self.items, self.target, self.tolerance, self.cardinality)


# -- brute force -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Truth:
    """What all subsets of an allowed size say: (size, error) of each distinct kind, exactly."""

    outcomes: frozenset[tuple[int, Fraction]]
    tolerance: Fraction | None
    least_size: int

    @cached_property
    def nearest(self) -> Fraction:
        return min(error for _, error in self.outcomes)

    @cached_property
    def acceptable(self) -> bool:
        return self.tolerance is None or self.nearest <= self.tolerance

    @cached_property
    def sparsest(self) -> tuple[int, Fraction] | None:
        """The least size within the tolerance and the least error of that size."""
        limit = self.tolerance
        return min((o for o in self.outcomes if limit is None or o[1] <= limit), default=None)


def exact(number: Any) -> Fraction:
    """Return the rational that a number stores."""
    return Fraction(int(number)) if isinstance(number, (int, np.integer)) else Fraction(number)


def vector(value: Any) -> tuple[Fraction, ...]:
    return tuple(map(exact, value)) if isinstance(value, (list, tuple, np.ndarray)) else (exact(value),)


def error_of(items: list[Any], target: Any, subset: Any) -> Fraction:
    """Return the exact error of one subset, given by its indices."""
    goal = vector(target)
    rows = [vector(items[int(i)]) for i in subset]
    return max(abs(sum((row[k] for row in rows), -goal[k])) for k in range(len(goal)))


def brute_force(items: Any, target: Any, tolerance: Any = None, cardinality: Any = None) -> Truth:
    """Try every subset, in integers over the common denominator."""
    rows, goal = [vector(x) for x in items], vector(target)
    scale = math.lcm(*(x.denominator for row in [*rows, goal] for x in row))
    bounds = cardinality if isinstance(cardinality, tuple) else (cardinality, cardinality)
    low, high = (0, len(rows)) if cardinality is None else bounds
    sums = {(0, tuple(int(-x * scale) for x in goal))}
    for row in rows:
        step = [int(x * scale) for x in row]
        sums |= {(size + 1, tuple(map(sum, zip(total, step, strict=True)))) for size, total in sums}
    outcomes = {(size, Fraction(max(map(abs, total)), scale)) for size, total in sums if low <= size <= high}
    return Truth(frozenset(outcomes), None if tolerance is None else exact(tolerance), low)


def contradiction(case: Case, objective: str, solution: Any) -> str | None:
    """Say how a solution that claims a proof disagrees with brute force; None when it does not."""
    truth = case.truth
    shown = None if solution.subset is None else error_of(case.items, case.target, solution.subset)
    if shown != solution.error:
        return f"the subset's error is {shown}, claimed is {solution.error}"
    if shown is not None and (len(solution.subset), shown) not in truth.outcomes:
        return f"{len(solution.subset)} items are not an allowed number"
    if solution.proof is not Proof.EXACT:
        return f"nothing is proven: {solution.status.name}, {solution.stop}, {solution.message}"
    feasible = truth.acceptable
    claims = {"nearest": Status.OPTIMAL, "within": Status.FEASIBLE, "sparsest": Status.OPTIMAL}
    expected = claims[objective] if feasible else Status.INFEASIBLE
    if solution.status is not expected:
        return f"status {solution.status.name}, the truth is {expected.name}"
    best = {"bound": truth.nearest, "error": truth.nearest, "size": truth.least_size}
    if objective == "sparsest" and feasible:
        best["size"], best["error"] = truth.sparsest
        best["bound"] = best["error"]
        if len(solution.subset) != best["size"]:
            return f"{len(solution.subset)} items, the fewest are {best['size']}"
    if solution.size_bound != best["size"]:
        return f"size bound {solution.size_bound}, the truth is {best['size']}"
    if solution.lower_bound > best["bound"]:
        return f"lower bound {solution.lower_bound} above the best error {best['bound']}"
    if not feasible and solution.lower_bound <= truth.tolerance:
        return f"INFEASIBLE with a lower bound {solution.lower_bound} within the tolerance"
    if objective == "within" and feasible:
        return None if shown <= truth.tolerance else f"error {shown} exceeds the tolerance"
    if objective == "nearest" or feasible:
        if shown != best["error"]:
            return f"error {shown}, the best is {best['error']}"
        if solution.lower_bound != best["bound"]:
            return f"lower bound {solution.lower_bound}, the best is {best['bound']}"
    return None


def false_claim(case: Case, objective: str, solution: Any) -> str | None:
    """Say which claim of a solution brute force refutes; None when all are true, up to its resolution."""
    truth, status = case.truth, solution.status
    shown = None if solution.subset is None else error_of(case.items, case.target, solution.subset)
    resolution = Fraction(solution.resolution)
    if shown != solution.error:
        return f"the subset's error is {shown}, claimed is {solution.error}"
    if shown is not None and (len(solution.subset), shown) not in truth.outcomes:
        return f"{len(solution.subset)} items are not an allowed number"
    if solution.proof is not Proof.TOLERANCE and resolution != 0:
        return f"a resolution of {solution.resolution} with {solution.proof}"
    if status is Status.INFEASIBLE and truth.acceptable:
        return "INFEASIBLE, but a subset meets the tolerance"
    if (
        status in (Status.OPTIMAL, Status.FEASIBLE)
        and truth.tolerance is not None
        and shown > truth.tolerance
    ):
        return f"{status.name} with an error {shown} above the tolerance"
    if objective == "sparsest" and truth.sparsest is not None:
        size, least = truth.sparsest
        if solution.size_bound > size:
            return f"size bound {solution.size_bound}, the fewest are {size}"
        if status is Status.OPTIMAL and (len(solution.subset) != size or shown - least > resolution):
            return f"OPTIMAL with {len(solution.subset)} items and error {shown}; best is {truth.sparsest}"
        exact_size = [error for k, error in truth.outcomes if k == solution.size_bound]
        return None if solution.lower_bound <= min(exact_size, default=math.inf) else "a false lower bound"
    if solution.lower_bound > truth.nearest and (objective == "nearest" or truth.acceptable):
        return f"lower bound {solution.lower_bound}, the least error is {truth.nearest}"
    if status is Status.OPTIMAL and shown - truth.nearest > resolution:
        return f"OPTIMAL with error {shown}, the least is {truth.nearest}"
    return None


def is_rounded_up(number: float, value: Fraction) -> bool:
    """Whether a float is the least one that is at least ``value``, by definition."""
    above = number == math.inf or Fraction(number) >= value
    below = math.nextafter(number, -math.inf)
    return above and (below == -math.inf or Fraction(below) < value)


def batch_contradiction(rows: list[Case], objective: str, batch: Any, valid: Any = None) -> str | None:
    """Say which row of a BatchSolution disagrees with brute force over that row; None when none does.

    Where ``valid`` is given, ``rows`` hold only the items that are valid.
    """
    for number, (case, chosen) in enumerate(zip(rows, batch.masks, strict=True)):
        offered = np.ones(len(chosen), dtype=bool) if valid is None else valid[number]
        subset = np.flatnonzero(chosen[offered])
        what = _row_contradiction(case, objective, batch, number, subset)
        if what is not None:
            return f"row {number}: {what}"
    return None


def _row_contradiction(case: Case, objective: str, batch: Any, row: int, subset: Any) -> str | None:
    truth, status = case.truth, Status(int(batch.status[row]))
    if len(subset) != batch.masks[row].sum():
        return "items outside the row were chosen"
    shown = error_of(case.items, case.target, subset)
    if (len(subset), shown) not in truth.outcomes:
        return f"{len(subset)} items are not an allowed number"
    if not is_rounded_up(float(batch.errors[row]), shown):
        return f"error {batch.errors[row]} is not {shown} rounded up"
    claims = {"nearest": Status.OPTIMAL, "within": Status.FEASIBLE, "sparsest": Status.OPTIMAL}
    expected = claims[objective] if truth.acceptable else Status.INFEASIBLE
    if status is not expected:
        return f"status {status.name}, the truth is {expected.name}"
    if objective == "nearest" or not truth.acceptable:
        if shown != truth.nearest:
            return f"error {shown}, the best is {truth.nearest}"
        if not is_rounded_up(-float(batch.lower_bounds[row]), -truth.nearest):
            return f"lower bound {batch.lower_bounds[row]} is not {truth.nearest} rounded down"
    elif batch.lower_bounds[row] > truth.nearest:
        return f"lower bound {batch.lower_bounds[row]} above {truth.nearest}"
    if objective == "sparsest" and truth.sparsest is not None and (len(subset), shown) != truth.sparsest:
        return f"{len(subset)} items and error {shown}, the sparsest have {truth.sparsest}"
    return None


# -- numbers -----------------------------------------------------------------------------------------

uniforms = st.floats(-1, 1)
small_integers = st.integers(-8, 8)
small_dyadics = small_integers.map(lambda k: k / 8)
subnormals = st.integers(-40, 40).map(lambda k: k * 5e-324)
negatives = st.floats(-1, -1e-3)
mixed_exponents = st.builds(
    lambda mantissa, exponent: mantissa * 10.0**exponent, st.floats(-9.99, 9.99), st.integers(-300, 299)
)
moderate_exponents = st.builds(math.ldexp, uniforms, st.integers(-50, 50))
# Equal on any 61-bit grid, different below it: what rounding to a grid must not confuse.
near_twins = st.builds(
    lambda sign, tail: sign * (2.0 + tail * 2.0**-51), st.sampled_from([-1, 1, 1]), st.integers(-9, 9)
)
enormous = st.floats(1e307, 1.7e308).flatmap(lambda x: st.sampled_from([x, -x]))
big_integers = st.integers(-(2**200), 2**200)
big_twins = st.builds(
    lambda sign, tail: sign * (2**90 + tail), st.sampled_from([-1, 1, 1]), st.integers(-99, 99)
)
fractions = st.fractions(-5, 5, max_denominator=30)
products = st.builds(lambda x, y: Fraction(x) * Fraction(y), uniforms, uniforms)

float_families = [
    uniforms,
    small_dyadics,
    subnormals,
    negatives,
    mixed_exponents,
    moderate_exponents,
    near_twins,
    enormous,
    st.sampled_from([0.0, 0.1, 0.2, 0.3, -0.1]),
    st.one_of(uniforms, mixed_exponents, small_dyadics),
]
exact_families = [
    *float_families,
    small_integers,
    big_integers,
    big_twins,
    fractions,
    products,
    st.one_of(uniforms, big_integers, fractions, products, small_integers),
]


@st.composite
def cases(draw, *, max_items=10, dimensions=(1,), families=None, tolerance="maybe", cardinality="maybe"):
    """Draw an instance whose target and tolerance are often hit exactly, or missed by next to nothing."""
    d = draw(st.sampled_from(dimensions))
    numbers = draw(st.sampled_from(families or exact_families))
    n = draw(st.integers(1, max_items))
    rows = draw(st.lists(st.lists(numbers, min_size=d, max_size=d), min_size=n, max_size=n))
    if draw(st.booleans()):  # duplicates
        rows = [rows[draw(st.integers(0, i))] for i in range(n)]
    hidden = draw(st.lists(st.integers(0, n - 1), unique=True))
    total = [sum((exact(rows[i][k]) for i in hidden), Fraction(0)) for k in range(d)]
    kind = draw(st.sampled_from(["hit", "near", "off the grid", "any", "unreachable"]))
    if kind == "near":
        total = [t + exact(draw(numbers)) / 1024 for t in total]
    elif kind == "off the grid":
        total = [t + (abs(t) + 1) * Fraction(1, 3 * 2 ** draw(st.integers(1, 90))) for t in total]
    elif kind == "any":
        total = [exact(draw(numbers)) for _ in total]
    elif kind == "unreachable":
        total = [sum((abs(exact(row[k])) for row in rows), Fraction(1)) for k in range(d)]
    items: list[Any] = [row[0] for row in rows] if d == 1 else rows
    target: Any = total[0] if d == 1 else tuple(total)
    asks_tolerance = tolerance == "always" or (tolerance == "maybe" and draw(st.booleans()))
    limit = draw(tolerances(items, target)) if asks_tolerance else None
    sizes = draw(cardinalities(n)) if cardinality == "maybe" else None
    return Case(items, target, limit, sizes)


@st.composite
def tolerances(draw, items, target):
    """Draw the exact error of some subset, a hair less, a hair more, zero, or any tolerance."""
    subset = draw(st.lists(st.integers(0, len(items) - 1), unique=True))
    attained = error_of(items, target, subset)
    hair = attained / 2**80
    return draw(
        st.sampled_from([attained, attained - hair, attained + hair, Fraction(0), attained / 7, 0.125, 3])
    )


def cardinalities(n):
    """Draw None, k, or (k_min, k_max), the latter beyond n at times."""
    ranges = st.tuples(st.integers(0, n), st.integers(0, n + 2)).map(lambda k: (k[0], max(k)))
    return st.one_of(st.none(), st.integers(0, n), ranges)


@st.composite
def float_batches(draw, *, max_rows=6, max_items=9, tolerance="maybe"):
    """Draw (items (N, n), targets (N,), valid (N, n), tolerances (N,) or None) in float64."""
    count, n = draw(st.integers(1, max_rows)), draw(st.integers(1, max_items))
    items, targets, limits = np.zeros((count, n)), np.zeros(count), np.zeros(count)
    valid = np.ones((count, n), dtype=bool)
    any_mask = st.lists(st.booleans(), min_size=n, max_size=n)
    for row in range(count):
        numbers = draw(st.sampled_from(float_families))
        items[row] = draw(st.lists(numbers, min_size=n, max_size=n))
        valid[row] = draw(st.one_of(st.just([True] * n), any_mask))
        hidden = np.flatnonzero(np.array(draw(any_mask)) & valid[row])
        total = sum((Fraction(x) for x in items[row, hidden].tolist()), Fraction(0))
        largest = Fraction(np.finfo(float).max)
        hit = float(max(-largest, min(largest, total)))
        near = math.nextafter(hit, draw(st.sampled_from([-1e308, 1e308])))
        targets[row] = draw(st.one_of(st.just(hit), st.just(near), numbers, st.floats(-2, 2)))
        attained = min(largest, error_of(items[row].tolist(), targets[row], hidden))
        limits[row] = _up(attained) * draw(st.sampled_from([1.0, 1.0, 0.5, 0.0]))
        if draw(st.booleans()):
            limits[row] = max(0.0, math.nextafter(limits[row], -math.inf))
    asks_tolerance = tolerance == "always" or (tolerance == "maybe" and draw(st.booleans()))
    return items, targets, valid, limits if asks_tolerance else None


def _up(value: Fraction) -> float:
    number = float(value)
    return math.nextafter(number, math.inf) if Fraction(number) < value else number

"""What the MIP backends in floating point share: what a solver's claim is worth in exact arithmetic.

Subsets are recomputed in exact integers, so their errors are exact. A solver's bound is lowered by the margin
of :mod:`solvers.backend.mip.floating_model` before it is passed on, and whatever rests on it is claimed with
Proof.TOLERANCE. Bounds from the range and the lattice of the sums rest on no solver and stay exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeGuard

from solvers.backend.bounds import extreme_subset, simple_bound
from solvers.backend.copies import apart, copies_of
from solvers.backend.first_subset import first_subset
from solvers.backend.mip.floating_model import model_of, scaled
from solvers.backend.protocol import Finding
from solvers.exact import float_up
from solvers.problem import SubsetSum
from solvers.solution import Proof, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from solvers.backend.copies import Copies
    from solvers.backend.mip.floating_model import Minimise, Model, Scaled, Tolerances
    from solvers.backend.protocol import Limits
    from solvers.solution import Objective

    Run = Callable[[Model], "Claim"]
    Seen = tuple[int, int, list[int]]

_MOST_RETRIES = 20
_MOST_CHANGES = 20
_UNSUPPORTED = "the solver calls it optimal, its floating-point resolution does not support that"
_MORE_THAN_PROVEN = "fewer items within the tolerance are neither found nor excluded"
_UNUSABLE = "the solver returned no usable subset"
_UNDECIDED = "subsets exceed the tolerance by less than the solver's floating-point resolution"
_CONTRADICTED = "the solver contradicted exact arithmetic; its claims were dropped"


@dataclass(frozen=True)
class Claim:
    """What a solver says about a model."""

    outcome: Literal["complete", "infeasible", "stopped"]  # proven optimal or unsolvable, or anything else
    values: Sequence[float | None] | None = None  # of at least the integers; may hold None
    bound: float | None = None  # lower bound on the objective
    note: str = ""  # what else there is to say
    stop: Stop = Stop.SEARCH_EXHAUSTED  # why it was stopped


def too_late(problem: SubsetSum) -> Finding:
    """Return what there is to say when there is no time to write a model."""
    bound = simple_bound(problem) * problem.image.unit
    return Finding(None, bound, problem.sizes[0], stop=Stop.TIME_LIMIT)


class FloatingSearch:
    """Answers one problem with a floating-point MIP solver, given as a function from a model to its claim."""

    def __init__(self, problem: SubsetSum, limits: Limits, tolerances: Tolerances, run: Run) -> None:
        self.problem = problem
        self.limits = limits
        self.run = run
        self.scaled: Scaled = scaled(problem.image, tolerances.bits, tolerances.smallest)
        self.margin: Fraction = tolerances.margin(problem.n) + self.scaled.lost
        # Bounds are lowered by the margin, and the solver's own subset may be off by it too.
        self.resolution: float = float_up(2 * self.margin * self.scaled.step * problem.image.unit)
        self.floor: int = simple_bound(problem)
        self.note: str = ""
        self.stop: Stop = Stop.SEARCH_EXHAUSTED
        self.seen: list[Seen] = []  # (error in units, size, subset) of every subset that came up
        self._see(first_subset(problem))
        # A target out of reach is nearest to an extreme; of vectors in reach, none is near anything.
        for subset in _extreme_subsets(problem) if problem.d == 1 or self.floor else ():
            if limits.expired:
                break
            self._see(subset)

    def answer(self, objective: Objective) -> Finding:
        """Answer the question, claiming no more than the solver's floating point supports."""
        tolerance = self.problem.tolerance_units
        excluded = tolerance is not None and self.floor > tolerance
        nearest_known = min(self.seen)[0] == self.floor
        if (excluded and objective != "nearest") or (nearest_known and (excluded or objective != "sparsest")):
            return self._report(min(self.seen))
        if objective == "nearest":
            return self._nearest(None if excluded else tolerance)
        return self._within(tolerance or 0) if objective == "within" else self._sparsest(tolerance or 0)

    # -- objectives ----------------------------------------------------------------------------------

    def _nearest(self, tolerance: int | None) -> Finding:
        claim = self._solve("error", self.problem.sizes, tolerance)
        claimed = 0
        if claim.outcome == "infeasible" and tolerance is not None:
            claimed = tolerance + 1
            claim = self._solve("error", self.problem.sizes, None)
        return self._report(
            min(self.seen), max(claimed, self._units_proven(claim)), complete=claim.outcome == "complete"
        )

    def _within(self, tolerance: int) -> Finding:
        claimed = 0
        if min(self.seen)[0] > tolerance:
            claim = self._first_acceptable("none", tolerance)
            claimed = tolerance + 1 if claim.outcome == "infeasible" else 0
        return self._report(min(self.seen), claimed)

    def _sparsest(self, tolerance: int) -> Finding:
        claim = self._first_acceptable("size", tolerance)
        acceptable = [(size, units, subset) for units, size, subset in self.seen if units <= tolerance]
        if not acceptable:
            claimed = tolerance + 1 if claim.outcome == "infeasible" else 0
            return self._report(min(self.seen), claimed)
        low, (fewest, units, subset) = self.problem.sizes[0], min(acceptable)
        # The bound is a count: tolerances move it by far less than this.
        slack = 0.01 + 1e-5 * self.problem.n
        bound = math.ceil(claim.bound - slack) if _is_number(claim.bound) else low
        if claim.outcome == "infeasible" or bound > fewest:
            self.note, bound = _CONTRADICTED, low
        bound = max(bound, low)
        if fewest > bound:
            return self._report((units, fewest, subset), size_bound=bound)
        floor = simple_bound(SubsetSum(self.problem.items, self.problem.target, cardinality=fewest))
        if units == floor:
            return self._report((units, fewest, subset), size_bound=fewest, floor=floor)
        claim = self._solve("error", (fewest, fewest), tolerance)
        if claim.outcome == "infeasible":
            self.note, claim = _CONTRADICTED, Claim("stopped")
        return self._report(
            min(x for x in self.seen if x[1] == fewest),
            self._units_proven(claim),
            complete=claim.outcome == "complete",
            size_bound=fewest,
            floor=floor,
        )

    def _first_acceptable(self, minimise: Literal["none", "size"], tolerance: int) -> Claim:
        """Solve until a subset meets the tolerance exactly, excluding those that only seem to."""
        excluded: list[list[int]] = []
        for _ in range(_MOST_RETRIES):
            claim = self._solve(minimise, self.problem.sizes, tolerance, excluded)
            subset = self._subset(claim, excluded)
            if subset is None or self.problem.image.error(subset) <= tolerance:
                return claim
            if minimise == "none" and min(self.seen)[0] <= tolerance:
                return claim
            excluded.append(subset)
        self.note = _UNDECIDED
        return replace(claim, outcome="stopped")

    # -- what a claim is worth -----------------------------------------------------------------------

    def _report(
        self,
        shown: Seen,
        claimed: int = 0,
        *,
        complete: bool = False,
        size_bound: int | None = None,
        floor: int | None = None,
    ) -> Finding:
        """Show a subset with the bounds that hold: ``floor`` by arithmetic, the others by the solver's word.

        ``claimed`` and ``floor`` are bounds on the error in units; ``complete`` says that the solver calls
        its answer optimal.
        """
        units, size, subset = shown
        low, unit = self.problem.sizes[0], self.problem.image.unit
        floor = self.floor if floor is None else floor
        fewest = size_bound in (None, size)
        size_bound = low if size_bound is None else size_bound
        tolerance = self.problem.tolerance_units
        note = self.note
        if claimed > units:
            claimed, complete, size_bound, note = 0, False, low, _CONTRADICTED
        lower = max(floor, claimed)
        needs_solver = lower > floor or size_bound > low
        resolved = math.isfinite(self.resolution) and (units - lower) * unit <= Fraction(self.resolution)
        optimal = complete and resolved
        if complete and not resolved:
            note = _UNSUPPORTED
        elif fewest and (optimal or units == floor):
            note = ""
        elif not (fewest or note or self.stop is Stop.TIME_LIMIT):
            note = _MORE_THAN_PROVEN
        short = tolerance is not None and lower <= tolerance < units
        if short and not note and self.stop is not Stop.TIME_LIMIT:
            note = _UNDECIDED
        excluded = tolerance is not None and floor > tolerance
        says_more = needs_solver or (optimal and units > floor)
        if excluded or not says_more or not math.isfinite(self.resolution):
            bound = (floor if size == low else self.floor) * unit
            return Finding(subset, bound, low, message=note, stop=self.stop)
        return Finding(
            subset,
            lower * unit,
            size_bound,
            Proof.TOLERANCE,
            self.resolution,
            note,
            optimal_within_resolution=optimal,
            stop=self.stop,
        )

    def _units_proven(self, claim: Claim) -> int:
        """Return a claimed bound on the error, lowered by the margin, in whole units."""
        if not _is_number(claim.bound):
            return 0
        return max(0, math.ceil((Fraction(claim.bound) - self.margin) * self.scaled.step))

    def _see(self, subset: list[int]) -> None:
        """Remember a subset, and those that taking or leaving single items leads to while it helps.

        Items too small for the model's floats are in a solver's subset, or not, by chance.
        """
        units = self.problem.image.error(subset)
        for change in range(_MOST_CHANGES):
            if change and self.limits.expired:
                break
            if (units, len(subset), subset) in self.seen:
                break
            self.seen.append((units, len(subset), subset))
            units, subset = _best_single_change(self.problem, units, subset)

    # -- models --------------------------------------------------------------------------------------

    def _solve(
        self,
        minimise: Minimise,
        sizes: tuple[int, int],
        tolerance: int | None,
        excluded: Sequence[list[int]] = (),
    ) -> Claim:
        """Run the solver; keep its subset; drop claims that make no sense."""
        if self.limits.expired:
            self.note, self.stop = "", Stop.TIME_LIMIT
            return Claim("stopped")
        reach = math.inf
        if tolerance is not None:
            reach = float_up(tolerance / self.scaled.step + self.margin)
        claim = self.run(model_of(self.scaled, self._copies(excluded), minimise, sizes, reach, excluded))
        self.note = claim.note
        self.stop = claim.stop
        subset = self._subset(claim, excluded)
        if subset is not None and sizes[0] <= len(subset) <= sizes[1]:
            self._see(subset)
        elif claim.outcome == "complete" or (claim.outcome == "infeasible" and reach == math.inf):
            self.note = _UNUSABLE if claim.outcome == "complete" else _CONTRADICTED
            return Claim("stopped")
        return claim

    def _copies(self, excluded: Sequence[list[int]]) -> Copies:
        """Return equal items as one; each apart where subsets are excluded, which counts cannot tell."""
        return apart(self.problem) if excluded else copies_of(self.problem, sized=True)

    def _subset(self, claim: Claim, excluded: Sequence[list[int]]) -> list[int] | None:
        """Return the subset that the values are nearest to; None unless they make an allowed one."""
        copies = self._copies(excluded)
        values = list(claim.values or ())[: len(copies.most)]
        counts = {k: round(v) for k, v in enumerate(values) if _is_number(v)}
        if len(counts) < len(copies.most):
            return None
        if not all(0 <= counts[k] <= most for k, most in enumerate(copies.most)):
            return None
        subset = copies.subset(counts)
        return subset if self.problem.sizes[0] <= len(subset) <= self.problem.sizes[1] else None


def _is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _best_single_change(problem: SubsetSum, units: int, subset: list[int]) -> tuple[int, list[int]]:
    """Return the best allowed subset, and its error, among this one and those that differ in one item."""
    image, (low, high) = problem.image, problem.sizes
    residual = [s - t for s, t in zip(image.total(subset), image.target, strict=True)]
    best, changed, chosen = units, None, set(subset)
    for i, item in enumerate(image.items):
        sign = -1 if i in chosen else 1
        error = max(abs(r + sign * x) for r, x in zip(residual, item, strict=True))
        if error < best and low <= len(subset) + sign <= high:
            best, changed = error, i
    return (units, subset) if changed is None else (best, sorted(chosen ^ {changed}))


def _extreme_subsets(problem: SubsetSum) -> Iterator[list[int]]:
    """Yield, for each dimension, the allowed subsets of the smallest and the largest sum."""
    for k in range(problem.d):
        for sign in (1, -1):
            yield extreme_subset([sign * item[k] for item in problem.image.items], problem.sizes)

"""cp-sat: OR-Tools' constraint solver on exactly scaled integers. Exact.

Each dimension is one integer equation; the error is an integer variable that bounds both signs of every
residual. Integers beyond 60 bits are first rounded down to the finest grid that fits; then every subset that
rounding leaves a chance is enumerated and ranked in exact integers. Equal items are one integer variable,
and zeros none where their number does not matter: their choices are not told apart (``backend.copies``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from solvers.backend.bounds import simple_bound
from solvers.backend.copies import choice_bits, copies_of
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.errors import BackendUnavailableError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_MODEL_BITS = 60
_MOST_CANDIDATES = 20_000
_WORK_A_SECOND = 0.7  # of CP-SAT's own measure of work
_SECONDS_A_NUMBER = 6e-6  # to write the model


class CpSat(Backend):
    """CP-SAT: scalar and vector problems, any cardinality, all objectives, time limits with proven bounds."""

    name = "cp-sat"
    summary = "scalar and vector, any cardinality; all objectives, proven, with a bound when time runs out"
    bounding: frozenset[Objective] = frozenset({"sparsest"})  # the fewest items that may do: more and more

    def missing(self) -> str | None:
        """Return how to install OR-Tools, or None when it is there."""
        from importlib.util import find_spec

        return None if find_spec("ortools") else "install it with: pip install ortools"

    def seconds_to_proof(self, problem: SubsetSum, objective: Objective) -> float:
        """Estimate the time of its search, exponential from 16 items on.

        For the fewest items each further equation makes up for two items: its linear relaxation prunes.
        """
        bits = choice_bits(problem, sized=_sized(problem, objective)) - 16
        if objective == "sparsest" and problem.d > 1:
            return 2e-2 + 4e-3 * math.exp2(0.87 * min(bits - 2 * (problem.d - 2), 1000))
        return 1.5e-3 + 4e-3 * math.exp2(0.87 * min(bits, 1000))

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer with CP-SAT's exact integer reasoning; within the time limit if there is one."""
        if not limits.allow(_SECONDS_A_NUMBER * problem.n * (2 * problem.d + 1)):
            bound = simple_bound(problem) * problem.image.unit
            return Finding(None, bound, problem.sizes[0], stop=Stop.TIME_LIMIT)
        search = _Search(problem, limits, sized=_sized(problem, objective))
        if objective == "sparsest":
            return search.sparsest()
        if objective == "within":
            return search.within()
        return search.nearest(*problem.sizes)


def _sized(problem: SubsetSum, objective: Objective) -> bool:
    return objective == "sparsest" or problem.sizes != (0, problem.n)


@dataclass
class _Answer:
    """What one run of CP-SAT established, on the grid."""

    subset: list[int] | None
    complete: bool  # optimal, or proven infeasible
    bound: int  # proven lower bound of the objective


class _Search:
    def __init__(self, problem: SubsetSum, limits: Limits, *, sized: bool) -> None:
        try:
            from ortools.sat.python import cp_model
        except ImportError as error:
            raise BackendUnavailableError(
                "backend cp-sat needs OR-Tools; install it with: pip install ortools"
            ) from error
        self.cp_model = cp_model
        self.problem = problem
        self.limits = limits
        self.copies = copies_of(problem, sized=sized)
        self.grid = self.copies.grid(_MODEL_BITS)
        self.items: list[list[int]] = self.grid.items.tolist()
        self.target: list[int] = self.grid.target.tolist()
        self.floor = simple_bound(problem)
        self.stop = Stop.SEARCH_EXHAUSTED  # why the last run ended before its end, if it did

    # -- objectives ----------------------------------------------------------------------------------

    def nearest(self, low: int, high: int) -> Finding:
        """Minimise the error over subsets of ``low`` to ``high`` items."""
        answer = self._run(low, high, minimise="error")
        unit = self.problem.image.unit
        if answer.subset is None:
            bound = self._exact_bound(answer.bound)
            return Finding(None, bound * unit, self.problem.sizes[0], stop=self.stop)
        if not self.grid.shift:
            subset, proven = self._confirmed(answer, low, high)
            return Finding(subset, proven * unit, self.problem.sizes[0], stop=self.stop)
        units = self.problem.image.error(answer.subset)
        rivals, all_listed = self._subsets_within(low, high, units)
        best = min([answer.subset, *rivals], key=self.problem.image.error)
        units = self.problem.image.error(best)
        proven = units if all_listed else min(units, self._exact_bound(answer.bound))
        message = "" if all_listed else "ranking the subsets that rounding left equal was cut short"
        return Finding(best, proven * unit, self.problem.sizes[0], message=message, stop=self.stop)

    def _confirmed(self, answer: _Answer, low: int, high: int) -> tuple[list[int], int]:
        """Return the nearest subset, and the proven bound in units.

        CP-SAT compares objective and bound as doubles: beyond 2^53 it calls an answer optimal that is some
        units short of it. So it is asked for a nearer one until it proves that there is none.
        """
        subset, complete = answer.subset or [], answer.complete
        units = self.problem.image.error(subset)
        bound = min(self._exact_bound(answer.bound), units)
        while complete and bound < units:
            nearer = self._run(low, high, reach=units - 1)
            complete = nearer.complete
            if nearer.subset is None:
                bound = units if complete else bound
                break
            subset, units = nearer.subset, self.problem.image.error(nearer.subset)
        return subset, bound

    def within(self) -> Finding:
        """Find any subset within the tolerance, or prove that there is none."""
        low, high = self.problem.sizes
        tolerance = self.problem.tolerance_units or 0
        if self.floor > tolerance:
            return Finding(None, self.floor * self.problem.image.unit, low)
        if self.grid.shift:
            return self.nearest(low, high)
        answer = self._run(low, high, reach=tolerance)
        if answer.subset is None and answer.complete:
            return Finding(None, (tolerance + 1) * self.problem.image.unit, low)
        return Finding(answer.subset, size_bound=low, stop=self.stop)

    def sparsest(self) -> Finding:
        """Find the fewest items within the tolerance, then the smallest error among so few."""
        low, high = self.problem.sizes
        tolerance = self.problem.tolerance_units or 0
        if self.floor > tolerance:
            return Finding(None, self.floor * self.problem.image.unit, low)
        size = low
        while True:
            # On a coarse grid some of the sizes CP-SAT proposes are false; each pass excludes one more.
            answer = self._run(size, high, reach=tolerance, minimise="size")
            if answer.subset is None and answer.complete:
                return Finding(None, (tolerance + 1) * self.problem.image.unit, low)
            size = max(size, answer.bound)
            if answer.subset is None or not answer.complete:
                return Finding(answer.subset, size_bound=size, stop=self.stop)
            finding = self.nearest(len(answer.subset), len(answer.subset))
            units = self.problem.image.error(finding.subset or answer.subset)
            subset = finding.subset or answer.subset
            if units <= tolerance:
                return replace(finding, subset=subset, size_bound=len(answer.subset))
            if finding.lower_bound <= tolerance * self.problem.image.unit:
                return Finding(subset, size_bound=len(answer.subset), message=finding.message, stop=self.stop)
            size = len(answer.subset) + 1
            if size > high:
                return Finding(subset, (tolerance + 1) * self.problem.image.unit, low)

    def _exact_bound(self, grid_bound: int) -> int:
        """Turn a lower bound on the grid error into one on the exact error, in units."""
        grid = self.grid
        return max(self.floor, (grid_bound - 1 - grid.slack) << grid.shift if grid.shift else grid_bound)

    # -- models --------------------------------------------------------------------------------------

    def _model(
        self, low: int, high: int, window: tuple[int, int] | None, minimise: str
    ) -> tuple[Any, list[Any]]:
        model = self.cp_model.CpModel()
        chosen = [model.new_int_var(0, most, f"x{k}") for k, most in enumerate(self.copies.most)]
        if (low, high) != (0, self.problem.n):
            model.add_linear_constraint(sum(chosen), low, high)
        residuals = [
            sum(item[k] * x for item, x in zip(self.items, chosen, strict=True)) - t
            for k, t in enumerate(self.target)
        ]
        if window is not None:
            for residual in residuals:
                model.add_linear_constraint(residual, *window)
        if minimise == "error":
            most = max(
                sum(many * abs(item[k]) for item, many in zip(self.items, self.copies.most, strict=True))
                + abs(t)
                for k, t in enumerate(self.target)
            )
            # Knowing the least that arithmetic allows, it stops as soon as it is there.
            least = 0 if self.grid.shift else self.floor
            error = model.new_int_var(least, max(least, most), "error")
            for residual in residuals:
                model.add(residual <= error)
                model.add(-residual <= error)
            model.minimize(error)
        elif minimise == "size":
            model.minimize(sum(chosen))
        for i, x in enumerate(chosen if self.limits.start is not None else ()):
            model.add_hint(x, i in set(self.limits.start or ()))
        return model, chosen

    def _window(self, units: int) -> tuple[int, int]:
        """Return the grid residuals that an error of at most ``units`` can have, cut to what CP-SAT takes."""
        low, high = self.grid.window(units)
        return max(low, -1 << _MODEL_BITS), min(high, 1 << _MODEL_BITS)

    def _solver(self, *, counts_items: bool) -> Any:
        solver = self.cp_model.CpSolver()
        # Presolve gains nothing on one equation of huge numbers; over 60-bit coefficients of eight items it
        # can even take minutes. A linear relaxation helps where items are counted, and only there.
        solver.parameters.cp_model_presolve = False
        solver.parameters.linearization_level = 1 if counts_items else 0
        solver.parameters.catch_sigint_signal = False
        remaining = self.limits.remaining
        if self.limits.threads is not None:
            solver.parameters.num_workers = self.limits.threads
        if remaining is not None and self.limits.timed:
            solver.parameters.max_time_in_seconds = max(remaining, 1e-3)
        elif remaining is not None:  # a limit of work: then the same answer whatever the machine does
            solver.parameters.max_deterministic_time = max(_WORK_A_SECOND * remaining, 1e-3)
            solver.parameters.num_workers = 1
        if self.limits.memory is not None:
            solver.parameters.max_memory_in_mb = max(1, self.limits.memory >> 20)
        solver.parameters.random_seed = self.limits.seed % (1 << 31)
        return solver

    def _run(self, low: int, high: int, *, reach: int | None = None, minimise: str = "") -> _Answer:
        window = None if reach is None else self._window(reach)
        model, chosen = self._model(low, high, window, minimise)
        solver = self._solver(counts_items=minimise == "size" or (low, high) != (0, self.problem.n))
        with self.limits.interruption.telling(solver.stop_search):
            status = solver.solve(model)
        cp = self.cp_model
        if status == cp.MODEL_INVALID:
            raise RuntimeError(f"CP-SAT rejected the model: {model.validate()}")
        subset = None
        if status in (cp.OPTIMAL, cp.FEASIBLE):
            subset = self.copies.subset({k: solver.value(x) for k, x in enumerate(chosen)})
        complete = status in (cp.OPTIMAL, cp.INFEASIBLE) or (subset is not None and not minimise)
        bound = int(solver.response_proto.inner_objective_lower_bound) if minimise else 0
        self.stop = Stop.SEARCH_EXHAUSTED if complete else self._limit()
        return _Answer(subset, complete, bound)

    def _subsets_within(self, low: int, high: int, units: int) -> tuple[Iterable[list[int]], bool]:
        """List every subset that rounding leaves a chance of an error of at most ``units``."""
        model, chosen = self._model(low, high, self._window(units), "")
        solver = self._solver(counts_items=False)
        solver.parameters.num_workers = 1
        solver.parameters.enumerate_all_solutions = True
        collector = _collector(self.cp_model, chosen)
        with self.limits.interruption.telling(solver.stop_search):
            status = solver.solve(model, collector)
        complete = status == self.cp_model.OPTIMAL and not collector.full
        self.stop = Stop.SEARCH_EXHAUSTED if complete or collector.full else self._limit()
        return map(self.copies.subset, collector.counts), complete

    def _limit(self) -> Stop:
        """Return which limit ended a run: CP-SAT does not say."""
        if self.limits.interruption.is_set:
            return Stop.INTERRUPTED
        counts_work = self.limits.seconds is not None and not self.limits.timed
        if self.limits.expired or self.limits.memory is None or counts_work:
            return Stop.TIME_LIMIT
        return Stop.MEMORY_LIMIT


def _collector(cp_model: Any, chosen: list[Any]) -> Any:
    class Collector(cp_model.CpSolverSolutionCallback):  # type: ignore[misc]
        """Keeps every solution, up to a limit."""

        def __init__(self) -> None:
            super().__init__()
            self.counts: list[dict[int, int]] = []
            self.full = False

        def on_solution_callback(self) -> None:
            """Keep this one, or stop when there are too many."""
            self.counts.append({k: self.value(x) for k, x in enumerate(chosen)})
            if len(self.counts) >= _MOST_CANDIDATES:
                self.full = True
                self.stop_search()

    return Collector()

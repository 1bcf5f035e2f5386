"""highs: the HiGHS branch-and-cut solver, through scipy.optimize.milp. Floating point.

At its defaults HiGHS calls subsets of 21 uniform items optimal that are 2 to 100 times worse than the best: a
binary may be 1e-6 off, and that moves the sum by more than the least error. Here the absolute values of items
and target add up to less than 1, which also keeps a rounded solution within the row tolerance (else HiGHS
ends in "Solve error" now and then), and the tolerance is 1e-9. At 1e-10, the least it accepts, 2 in 2,000 of
its optima of 12 items were wrong by far more than any tolerance; at 1e-9 none.
"""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

from solvers.backend.mip.floating_mip import Claim, FloatingSearch, too_late
from solvers.backend.mip.floating_model import Model, Tolerances
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.solution import Stop

if TYPE_CHECKING:
    from solvers.problem import SubsetSum
    from solvers.solution import Objective

TOLERANCES = Tolerances(
    bits=0,
    feasibility=1e-9,  # option mip_feasibility_tolerance; of rows and of binaries
    integrality=1e-9,
    optimality=1e-10,  # HiGHS works at a tenth of option dual_feasibility_tolerance
    gap=2e-9,  # solutions better by less than the feasibility tolerance are not looked for
)
_SECONDS_A_NUMBER = 1e-5  # to write the model
_SECONDS_A_STEP = 1e-4  # for each item
_COMPLETE, _LIMIT, _INFEASIBLE = 0, 1, 2


class _Quiet:
    """Keep SciPy from warning that it passes HiGHS's own options on.

    Filters of warnings are the whole process's: of several threads the first one sets and the last one
    restores them, or one would put back what another has set.
    """

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0

    def __enter__(self) -> None:
        with self.lock:
            if not self.users:
                self.context = warnings.catch_warnings()
                self.context.__enter__()
                warnings.filterwarnings("ignore", "Unrecognized options detected", RuntimeWarning)
            self.users += 1

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.users -= 1
            if not self.users:
                self.context.__exit__(None, None, None)


_QUIET = _Quiet()


class Highs(Backend):
    """HiGHS: scalar and vector problems, any cardinality, all objectives, time limits with bounds."""

    name = "highs"
    summary = "scalar and vector, any cardinality; all objectives, proven up to a floating-point resolution"

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer with HiGHS."""
        if not limits.allow(_SECONDS_A_NUMBER * problem.n * (2 * problem.d + 1)):
            return too_late(problem)
        search = FloatingSearch(problem, limits, TOLERANCES, lambda model: _claim(model, limits))
        return search.answer(objective)


def _claim(model: Model, limits: Limits) -> Claim:
    import numpy as np
    from scipy.optimize import Bounds, LinearConstraint, milp

    options: Any = {
        "mip_rel_gap": 0.0,
        "mip_abs_gap": 0.0,
        "mip_feasibility_tolerance": TOLERANCES.feasibility,
        "dual_feasibility_tolerance": 1e-9,
        "random_seed": limits.seed % (1 << 31),
    }
    if limits.remaining is not None:
        # It looks at the clock between steps, which take the longer the more items there are.
        options["time_limit"] = max(0.3 * limits.remaining, limits.remaining - _SECONDS_A_STEP * model.n)
    with _QUIET:
        result = milp(
            model.cost,
            integrality=np.append(np.ones(model.n), 0),
            bounds=Bounds(np.zeros(model.n + 1), [*model.most, model.reach]),
            constraints=LinearConstraint(model.matrix, model.low, model.high),
            options=options,
        )
    values = None if result.x is None else [float(x) for x in result.x]
    bound = None if result.mip_dual_bound is None else float(result.mip_dual_bound)
    if result.status == _COMPLETE:
        return Claim("complete", values, bound)
    if result.status == _INFEASIBLE:
        return Claim("infeasible")
    if result.status == _LIMIT and limits.seconds is not None:
        return Claim("stopped", values, bound, stop=Stop.TIME_LIMIT)
    return Claim("stopped", values, note=f"HiGHS failed: {result.message}")

"""pulp: any mixed-integer solver that PuLP drives, CBC by default. Floating point.

The program is the paper's own in Experiment 1 (Pensia et al. 2020): ``|w - sum| <= epsilon`` as a constraint
where there is a tolerance, and ``|w - sum|`` as the objective. CBC at its defaults takes nothing that
improves the incumbent by less than 1e-5 and lets binaries be 1e-6 off, which for items around 1 makes wrong
optima from a dozen items on; here the items are scaled up and the tolerances down. Solvers not named in
``_SETTINGS`` run at their own tolerances, and the margin allows for the loosest ones in use.
"""

from __future__ import annotations

import inspect
import math
import re
import subprocess
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from solvers.backend.mip import highs
from solvers.backend.mip.floating_mip import Claim, FloatingSearch, too_late
from solvers.backend.mip.floating_model import Model, Tolerances
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.errors import BackendUnavailableError, InvalidProblemError
from solvers.solution import Stop

if TYPE_CHECKING:
    from collections.abc import Callable

    from solvers.problem import SubsetSum
    from solvers.solution import Objective

_CBC = Tolerances(
    bits=24,
    feasibility=1e-6,
    integrality=1e-9,
    optimality=1e-6,
    gap=2e-5,  # option increment
    rounding=1e-12,  # PuLP writes 13 digits of a coefficient
)
# CBC 2.10's integer preprocessing is left out: it lost the best of small instances whose error is just the
# tolerance (14 wrong claims in 1,042; none in as many without it).
_CBC_OPTIONS = ["integerTolerance 1e-9", "preprocess off"]
_LOOSEST = Tolerances(bits=24, feasibility=1e-5, integrality=1e-5, optimality=1e-5, gap=1e-3, rounding=1e-9)

# The keyword arguments that tighten a solver, and the tolerances it then works with.
_SETTINGS: dict[str, tuple[dict[str, Any], Tolerances]] = {
    "COIN_CMD": ({"options": _CBC_OPTIONS}, _CBC),
    "PULP_CBC_CMD": ({"options": _CBC_OPTIONS}, _CBC),
    "HiGHS": ({"mip_feasibility_tolerance": highs.TOLERANCES.feasibility}, highs.TOLERANCES),
    "GUROBI": (
        {"IntFeasTol": 1e-9, "FeasibilityTol": 1e-9, "OptimalityTol": 1e-9, "MIPGapAbs": 0.0},
        Tolerances(bits=10, feasibility=1e-9, integrality=1e-9, optimality=1e-9, gap=1e-6, smallest=1e-13),
    ),
}


_LOG = "log.txt"
_GRACE = 0.03  # seconds after the time limit in which CBC may end by itself
_SECONDS_A_NUMBER = 3e-5  # to write the program
_CBC_NAMES = ("COIN_CMD", "PULP_CBC_CMD")

# Where the solvers that PuLP runs in this process keep their bound.
_DUAL_BOUNDS: dict[str, Callable[[Any], float]] = {
    "HiGHS": lambda solver: solver.getInfo().mip_dual_bound,
    "GUROBI": lambda solver: solver.ObjBound,
    "SCIP_PY": lambda solver: solver.getDualbound(),
}


class PulpMip(Backend):
    """A MIP solver through PuLP: scalar and vector problems, any cardinality, all objectives, time limits.

    ``solver`` is its name in PuLP, in any case, CBC when left out; InvalidProblemError for an unknown one.
    """

    summary = "scalar and vector, any cardinality; all objectives, proven up to a floating-point resolution"

    def __init__(self, solver: str | None = None) -> None:
        self.name: str = "pulp"
        self.solver: str | None = None
        if solver is not None:
            self.solver = _known_name(solver)
            self.name = f"pulp:{self.solver}"

    def missing(self) -> str | None:
        """Return how to install what is missing, or None when the solver is there."""
        if not find_spec("pulp"):
            return "install it with: pip install pulp"
        if self.solver is not None and not _available(self.solver):
            return f"PuLP finds no {self.solver} here; install that solver, and its licence if it needs one"
        return None

    def solve(self, problem: SubsetSum, objective: Objective, limits: Limits) -> Finding:
        """Answer with the solver."""
        if not limits.allow(_SECONDS_A_NUMBER * problem.n * (2 * problem.d + 1)):
            return too_late(problem)
        name = self.solver or "PULP_CBC_CMD"
        _, tolerances = _SETTINGS.get(name, ({}, _LOOSEST))
        search = FloatingSearch(problem, limits, tolerances, lambda model: _claim(name, model, limits))
        return search.answer(objective)


def _pulp() -> Any:
    try:
        import pulp
    except ImportError as error:
        raise BackendUnavailableError("backend pulp needs PuLP; install it with: pip install pulp") from error
    return pulp


def _known_name(solver: str) -> str:
    names: dict[str, str] = {name.upper(): name for name in _pulp().listSolvers()}
    if solver.upper() not in names:
        raise InvalidProblemError(f"PuLP knows no solver {solver!r}; it knows {sorted(set(names.values()))}")
    return names[solver.upper()]


def _available(name: str) -> bool:
    return bool(_solver(name).available())


def _solver(name: str, **options: Any) -> Any:
    """Make a PuLP solver with those of the options that it takes."""
    pulp = _pulp()
    bundled = getattr(pulp, "PULP_CBC_CMD", None)
    if name == "PULP_CBC_CMD" and bundled is not None:  # the same, without PuLP's warning about its name
        return pulp.COIN_CMD(msg=False, path=bundled.pulp_cbc_path, **options)
    taken = inspect.signature(type(pulp.getSolver(name, msg=False)).__init__).parameters
    also = {"threads", *_SETTINGS[name][0]} if name in _SETTINGS else set()
    chosen = {key: value for key, value in options.items() if key in taken or key in also}
    return pulp.getSolver(name, msg=False, **chosen)


def _claim(name: str, model: Model, limits: Limits) -> Claim:
    pulp = _pulp()
    settings, _ = _SETTINGS.get(name, ({}, None))
    program, variables = _program(pulp, model)
    with TemporaryDirectory() as folder:
        log = Path(folder) / _LOG
        options: dict[str, Any] = {"gapRel": 0, "gapAbs": 0, **settings}
        if name in _CBC_NAMES and limits.seed:
            options["options"] = [*settings["options"], f"randomCbcSeed {limits.seed % 10**6}"]
        if limits.threads is not None and (limits.threads > 1 or name in _SETTINGS):
            options["threads"] = limits.threads
        if limits.remaining is not None:
            options["timeLimit"] = max(limits.remaining, 0.01)
        solver = _solver(name, **options)
        solver.tmpDir = folder
        if name in _CBC_NAMES:
            solver.solve_CBC = partial(_run_cbc, solver, Path(folder), limits)
        try:
            program.solve(solver)
        except (pulp.PulpError, OSError, ValueError) as error:  # crashed, or unreadable
            return Claim("stopped", note=f"{name} failed: {error}")
        text = log.read_text() if log.exists() else ""
    values = [v.varValue if used else 0.0 for v, used in zip(variables, model.used, strict=True)]
    return _read(pulp, name, program, values, text, limits)


def _run_cbc(solver: Any, folder: Path, limits: Limits, program: Any, **_: Any) -> Any:
    """Do what PuLP does to run CBC, but end it when the time is up: it looks at the clock when it likes."""
    written, solved = folder / "model.mps", folder / "model.sol"
    variables, names, rows, _ = program.writeMPS(str(written), rename=1)
    seconds = [] if solver.timeLimit is None else ["-sec", str(solver.timeLimit)]
    options = [word for option in [*solver.options, *solver.getOptions()] for word in f"-{option}".split()]
    command = [solver.path, str(written), *seconds, *options]
    command += ["-solve", "-printingOptions", "all", "-solution", str(solved)]
    ended = True
    with (
        (folder / _LOG).open("wb") as output,
        subprocess.Popen(  # noqa: S603 - PuLP's own program
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        ) as cbc,
    ):
        remaining = limits.remaining
        try:
            with limits.interruption.telling(cbc.kill):
                cbc.wait(None if remaining is None else remaining + _GRACE)
        except subprocess.TimeoutExpired:
            ended = False
            cbc.kill()
    if ended and cbc.returncode == 0 and solved.exists():
        status, values, *_others, kind = solver.readsol_MPS(str(solved), program, variables, names, rows)
        program.assignVarsVals(values)
        program.assignStatus(status, kind)
    elif ended and not limits.interruption.is_set:
        raise OSError(f"exit code {cbc.returncode}")
    return program.status


def _program(pulp: Any, model: Model) -> tuple[Any, list[Any]]:
    """Write the model in PuLP; return it with its variables."""
    program = pulp.LpProblem("subset_sum", pulp.LpMinimize)
    add = getattr(program, "add_variable", pulp.LpVariable)  # before PuLP 3.3 variables stood alone
    variables = [add(f"x{k}", 0, most, pulp.LpInteger) for k, most in enumerate(model.most)]
    variables.append(add("t", 0, model.reach if math.isfinite(model.reach) else None, pulp.LpContinuous))

    def weighted(row: Any) -> Any:
        return pulp.lpSum(c * v for c, v in zip(row.tolist(), variables, strict=True) if c)

    if model.cost.any():
        program += weighted(model.cost)
    for row, low, high in zip(model.matrix, model.low.tolist(), model.high.tolist(), strict=True):
        if math.isfinite(low):
            program += weighted(row) >= low
        if math.isfinite(high):
            program += weighted(row) <= high
    return program, variables


def _read(pulp: Any, name: str, program: Any, values: list[float | None], log: str, limits: Limits) -> Claim:
    if program.status == pulp.LpStatusOptimal and program.sol_status == pulp.LpSolutionOptimal:
        return Claim("complete", values, _bound(name, program, log, complete=True))
    if program.status == pulp.LpStatusInfeasible and not limits.expired:
        return Claim("infeasible")
    shown = values if program.sol_status == pulp.LpSolutionIntegerFeasible else None
    bound = _bound(name, program, log, complete=False)
    if limits.expired:
        return Claim("stopped", shown, bound, stop=Stop.TIME_LIMIT)
    return Claim("stopped", shown, bound, f"{name} ended with status {program.status}")


def _bound(name: str, program: Any, log: str, *, complete: bool) -> float | None:
    """Return the lower bound on the objective that a solver reports, less the digits that it is cut to."""
    if name in _DUAL_BOUNDS:
        return float(_DUAL_BOUNDS[name](program.solverModel))
    objective = program.objective.value() if complete and program.objective is not None else None
    if name in _CBC_NAMES:
        found = re.findall(r"Objective value: +(\S+)" if complete else r"best possible (\S+?)\)", log)
        numbers = [float(x) for x in found[-1:] if re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", x)]
        if numbers and complete:
            return numbers[0]
        objective = numbers[0] if numbers else objective
    return None if objective is None else objective - 1e-5 * abs(objective)

"""The floating-point MIP backends: whatever they claim is true, at least up to the resolution they state."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given, settings
from strategies import Case, cases, false_claim

from solvers import BackendUnavailableError, InvalidProblemError, Proof, Status, Stop, SubsetSum, solve
from solvers.backend.mip.floating_mip import Claim, FloatingSearch
from solvers.backend.mip.floating_model import Tolerances, scaled
from solvers.backend.mip.highs import Highs
from solvers.backend.mip.pulp_mip import PulpMip
from solvers.backend.protocol import Limits
from solvers.dispatch import certified

OBJECTIVES = ["nearest", "within", "sparsest"]
BACKENDS = ["highs", "pulp"]


def seeded_case(seed, n=10, d=1, **options):
    rng = np.random.default_rng(seed)
    items = rng.uniform(-1, 1, n if d == 1 else (n, d)).tolist()
    target = 0.3 if d == 1 else tuple(rng.uniform(-1, 1, d).tolist())
    return Case(items, target, **options)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("d", [1, 2])
def test_ordinary_instances_are_solved_and_not_only_soundly_refused(backend, d):
    case = seeded_case(1, d=d)
    solution = solve(case.problem, backend=backend)
    assert (solution.status, solution.proof) == (Status.OPTIMAL, Proof.TOLERANCE)
    assert solution.error == case.truth.nearest
    assert 0 < solution.gap <= solution.resolution < 1e-6


@pytest.mark.parametrize("backend", BACKENDS)
def test_ordinary_instances_are_proven_infeasible_and_sparse(backend):
    truth = seeded_case(1).truth.nearest
    case = seeded_case(1, tolerance=truth / 2)
    for objective in OBJECTIVES:
        solution = solve(case.problem, objective=objective, backend=backend)
        assert (solution.status, solution.proof) == (Status.INFEASIBLE, Proof.TOLERANCE)
    case = seeded_case(2, tolerance=0.005, cardinality=(2, 9))
    solution = solve(case.problem, objective="sparsest", backend=backend)
    assert solution.status is Status.OPTIMAL
    assert (len(solution.subset), solution.error) == case.truth.sparsest
    assert solve(case.problem, objective="within", backend=backend).proof is Proof.EXACT


@pytest.mark.parametrize("backend", BACKENDS)
def test_exact_hits_and_bounds_of_arithmetic_are_proven_exactly(backend):
    for case, status in (
        (Case([0, 0, 0], 5, 1), Status.INFEASIBLE),
        (Case([4, 6, 10], 7), Status.OPTIMAL),
        (Case([3.0], 3.0, 0), Status.OPTIMAL),
        (Case([1e300, 1e-300], 1e300), Status.OPTIMAL),
        (Case([[1, 2], [3, 5], [2, 2]], (4, 7)), Status.OPTIMAL),
        (Case([1.0, 2.0], 1e300), Status.OPTIMAL),
    ):
        solution = solve(case.problem, backend=backend)
        assert (solution.status, solution.proof, solution.resolution) == (status, Proof.EXACT, 0.0)
        assert false_claim(case, "nearest", solution) is None


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "case",
    [  # CBC's preprocessing calls these infeasible with so few items
        Case([10, 5, 5.25], 10.25, 0.25),
        Case([3.375, -0.625, 2.375, 6.625, -0.625, 7.125], 9.34375, 0.15625),
        Case([-1, 4.5, 2.625, 2, 0.875, 4.875, -2.125], 10.8125, 0.0625),
    ],
)
def test_an_error_that_is_just_the_tolerance(case, backend):
    solution = solve(case.problem, objective="sparsest", backend=backend)
    assert false_claim(case, "sparsest", solution) is None
    assert (len(solution.subset), solution.error) == case.truth.sparsest


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_floats_cannot_resolve_is_left_undecided(backend):
    items = [1.0, -1.0, 1e-200, 2e-200, 5e-200]
    case = Case(items, Fraction(1, 10**200) * Fraction(39, 10), tolerance=Fraction(1, 10**202))
    solution = solve(case.problem, backend=backend)
    assert (solution.status, solution.proof) == (Status.UNKNOWN, Proof.NONE)
    assert solution.message


@pytest.mark.parametrize("backend", BACKENDS)
def test_time_limited_bounds_never_cross_the_optimum(backend):
    rng = np.random.default_rng(4)
    for d in (1, 2):
        problem = SubsetSum(rng.uniform(-1, 1, 40 if d == 1 else (16, 2)), 0.1 if d == 1 else (0.1, 0.2))
        solution = solve(problem, backend=backend, time_limit=0.4)
        best = solve(problem, backend="mitm" if d == 1 else "cp-sat").error
        assert solution.subset is not None
        assert solution.lower_bound <= best <= solution.error
        if solution.status is Status.OPTIMAL:
            assert solution.error - best <= solution.resolution
        else:
            assert solution.stop is Stop.TIME_LIMIT


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    for variable in ("TMP", "TMPDIR", "TEMP"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.chdir(tmp_path)
    solve(seeded_case(3).problem, backend="pulp")
    assert list(tmp_path.iterdir()) == []


# -- solvers that lie --------------------------------------------------------------------------------

TOLERANCES = Tolerances(bits=4, feasibility=1e-9, integrality=1e-9, optimality=1e-9, gap=1e-9)
WRONG = (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
LIES = {
    "optimal at an error that the subset does not have": Claim("complete", WRONG, 0.0),
    "optimal, with a bound far above its own subset": Claim("complete", WRONG, 7.0),
    "stopped, with a bound above its own subset": Claim("stopped", WRONG, 7.0),
    "optimal without values": Claim("complete", None, 0.0),
    "values that are None": Claim("complete", (None,) * 6, 0.5),
    "values that are NaN": Claim("complete", (math.nan,) * 6, 0.5),
    "too few values": Claim("complete", (1.0,), 0.5),
    "fractional values": Claim("complete", (0.5, 0.4, 0.6, 0.5, 0.5, 0.0), 0.0),
    "no bound": Claim("complete", WRONG, None),
    "a bound that is NaN": Claim("complete", WRONG, math.nan),
    "an infinite bound": Claim("complete", WRONG, math.inf),
    "infeasible, where nothing is demanded": Claim("infeasible"),
    "nothing": Claim("stopped", note="crashed"),
}


# Where a tolerance is demanded, a solver that wrongly says infeasible cannot be refuted.
TOLD = [(lie, goal) for lie in LIES for goal in OBJECTIVES if goal == "nearest" or "infeasible" not in lie]


@pytest.mark.parametrize("cardinality", [None, 2])
@pytest.mark.parametrize(("lie", "objective"), TOLD)
def test_contradictory_solvers_make_no_false_claim(lie, objective, cardinality):
    tolerance = None if objective == "nearest" else Fraction(1, 2**6)
    case = Case([0.75, -0.5, 0.3125, 0.140625, 0.9], 0.4, tolerance, cardinality)
    search = FloatingSearch(case.problem, Limits(), TOLERANCES, lambda model: LIES[lie])
    finding = search.answer(objective)
    solution = certified(case.problem, objective, finding, backend="liar", seconds=0.0)
    assert false_claim(case, objective, solution) is None
    assert solution.status not in (Status.OPTIMAL, Status.INFEASIBLE) or solution.proof is Proof.EXACT


@pytest.mark.parametrize("status", [0, 1, 2, 3, 4])
def test_milp_responses_without_a_solution(monkeypatch, status):
    response = SimpleNamespace(status=status, x=None, mip_dual_bound=None, message="a crash")
    monkeypatch.setattr(scipy.optimize, "milp", lambda *args, **options: response)
    case = seeded_case(5, n=6)
    solution = solve(case.problem, backend="highs")
    assert false_claim(case, "nearest", solution) is None
    assert solution.status is Status.FEASIBLE  # a subset is there without HiGHS
    assert solution.stop is Stop.SEARCH_EXHAUSTED  # there was no time limit to reach
    assert solution.message


@pytest.mark.parametrize(("status", "sol_status"), [(1, 1), (1, 2), (0, 0), (-1, -1), (-2, -2), (-3, 0)])
def test_pulp_responses_without_a_solution(monkeypatch, status, sol_status):
    import pulp

    monkeypatch.setattr(
        pulp.COIN_CMD, "actualSolve", lambda self, program: program.assignStatus(status, sol_status)
    )
    case = seeded_case(5, n=6, tolerance=Fraction(1, 10**6), cardinality=3)
    solution = solve(SubsetSum(case.items, case.target, cardinality=3), backend="pulp")
    assert solution.status is Status.FEASIBLE
    assert solution.message
    for objective in ("within", "sparsest"):
        answer = solve(case.problem, objective=objective, backend="pulp")
        assert answer.status is (Status.INFEASIBLE if status == -1 else Status.UNKNOWN)


def test_a_crashing_solver_is_reported(monkeypatch):
    import pulp

    def crash(self, program):
        raise pulp.PulpSolverError("it crashed")

    monkeypatch.setattr(pulp.COIN_CMD, "actualSolve", crash)
    solution = solve(seeded_case(5, n=6).problem, backend="pulp")
    assert solution.status is Status.FEASIBLE
    assert "it crashed" in solution.message


# -- names -------------------------------------------------------------------------------------------


def test_unknown_and_missing_solvers(monkeypatch):
    with pytest.raises(InvalidProblemError, match="GUROBI"):
        PulpMip("Grobi")
    assert PulpMip("gurobi").name == "pulp:GUROBI"
    assert PulpMip("glpk_cmd").solver == "GLPK_CMD"
    assert PulpMip("pulp_cbc_cmd").missing() is None
    monkeypatch.setenv("PATH", "")
    assert "MIPCL_CMD" in PulpMip("mipcl_cmd").missing()
    monkeypatch.setitem(sys.modules, "pulp", None)
    with pytest.raises(BackendUnavailableError, match="pip install pulp"):
        PulpMip("glpk_cmd")


def test_a_named_solver_answers():
    case = seeded_case(6, n=7)
    backend = PulpMip("pulp_cbc_cmd")
    finding = backend.solve(case.problem, "nearest", Limits(seconds=20.0, threads=2, seed=3))
    solution = certified(case.problem, "nearest", finding, backend=backend.name, seconds=0.0)
    assert solution.error == case.truth.nearest


# -- scaling -----------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(cases(max_items=6, dimensions=(1, 2)))
def test_scaling_accounts_for_every_rounding(case):
    image = case.problem.image
    small = scaled(image, 10, 1e-9)
    for k in range(case.problem.d):
        column, total = [Fraction(x) for x in small.items[:, k]], Fraction(small.target[k])
        assert sum(map(abs, column)) + abs(total) <= 2**10
        lost = sum(abs(x - item[k] / small.step) for x, item in zip(column, image.items, strict=True))
        assert lost + abs(total - image.target[k] / small.step) <= small.lost


def test_resolution_covers_what_its_parts_say():
    problem = seeded_case(7).problem
    search = FloatingSearch(problem, Limits(), TOLERANCES, lambda model: Claim("stopped"))
    parts = 2**4 * 1e-9 + 1e-9 + 1e-9  # binaries off, a row violated, a gap left
    assert search.resolution > parts * search.scaled.step * problem.image.unit
    assert Highs().missing() is None

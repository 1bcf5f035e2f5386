"""A tenth backend, one file and one register(), takes part in everything that the other nine do."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from strategies import Case, contradiction
from support.backends import OBJECTIVES, asked_for
from support.gray_code import MOST_ITEMS, GrayCode, register_gray_code

from solvers import (
    BackendUnavailableError,
    InvalidProblemError,
    Status,
    SubsetSum,
    UnsupportedProblemError,
    backends,
    count,
    solutions,
    solve,
    solve_many,
)
from solvers.backend.automatic import counting_order, plan
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.backend.registry import BACKENDS, register
from solvers.backend.TEMPLATE import Exhaustive
from solvers.batch.chunks import chunk_rows
from solvers.batch.row_inputs import Table, checked_question

ROOT = Path(__file__).parents[2]
NAME = GrayCode.name
FEW = SubsetSum([3, 5, 9, 11], 13, tolerance=1)
MANY = SubsetSum(np.random.default_rng(0).uniform(-1, 1, 200).tolist(), 0.5, tolerance=1e-14)
VECTORS = SubsetSum(np.random.default_rng(0).uniform(-1, 1, (70, 9)).tolist(), [0.25] * 9, tolerance=0)


@pytest.fixture
def registered():
    """Register backends for one test."""
    before = dict(BACKENDS)
    yield register
    for name in set(BACKENDS) - set(before):
        del BACKENDS[name]
    assert before == BACKENDS


@pytest.fixture
def gray_code(registered):
    backend = GrayCode()
    registered(backend)
    return backend


def order(problem, objective="nearest", **limits):
    return [attempt.backend.name for attempt in plan(problem, objective, Limits(**limits))]


# -- it takes part -----------------------------------------------------------------------------------


def test_it_is_listed_with_what_it_says_of_itself(gray_code):
    assert list(backends())[-1] == NAME
    assert backends()[NAME] == gray_code.summary


@pytest.mark.parametrize("backend", [GrayCode, Exhaustive])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "case", [Case([3, 5, 9, 11], 13, 1), Case([[3, 1], [5, 2], [9, 4]], (10, 4), 1), Case([7, 8], 4, 0, 1)]
)
def test_it_solves(registered, backend, objective, case):
    registered(backend())
    solution = solve(case.problem, objective=objective, backend=backend.name)
    assert contradiction(case, objective, solution) is None
    assert solution.backend == backend.name


def test_it_counts_and_lists(gray_code):
    assert count(FEW, backend=NAME) == count(FEW, backend="mitm") == 3
    listed = list(solutions(FEW, backend=NAME))
    assert {s.backend for s in listed} == {NAME}
    assert [s.error for s in listed] == [s.error for s in solutions(FEW, backend="mitm")]


def test_it_is_chosen_where_it_is_the_cheapest(gray_code):
    assert order(FEW)[0] == counting_order(FEW, Limits())[0].name == NAME
    assert solve(FEW).backend == next(solutions(FEW)).backend == NAME
    assert count(FEW) == 3
    larger = SubsetSum(list(range(1, 15)), 40, tolerance=0)
    assert order(larger)[0] == "mitm"
    assert NAME in order(larger)
    assert NAME not in order(MANY)


@pytest.mark.parametrize("d", [None, 3])
def test_it_answers_batches(gray_code, d):
    rng = np.random.default_rng(1)
    items = rng.uniform(-1, 1, (30, 7) if d is None else (30, 7, d))
    targets = rng.uniform(-1, 1, 30 if d is None else (30, d))
    batch = solve_many(items, targets, backend=NAME)
    assert np.array_equal(batch.errors, solve_many(items, targets).errors)
    assert (batch.status == Status.OPTIMAL).all()
    with ThreadPoolExecutor(2) as pool:
        again = solve_many(items, targets, backend=NAME, executor=pool, chunk_size=7)
    assert np.array_equal(batch.masks, again.masks)


def test_its_cost_decides_how_many_rows_make_a_chunk(registered):
    class Timed(GrayCode):
        name = "timed"
        seconds = 1e-3

        def seconds_to_proof(self, problem, objective):
            return self.seconds

    backend = Timed()
    registered(backend)
    question = checked_question("nearest", 0.0, None, "timed", 0)
    rows = Table(np.ones((9, 4)), np.ones(9), None, 0.0, question).example()
    sizes = {}
    for backend.seconds in (0.0, 1e-2, 1e-1, 1e9, None):
        sizes[backend.seconds] = chunk_rows(rows, 10**6, 2)
    assert sizes == {0.0: 256, 1e-2: 50, 1e-1: 5, 1e9: 1, None: 1}


# -- it does not -------------------------------------------------------------------------------------


def test_it_refuses(gray_code):
    large = SubsetSum([1] * (MOST_ITEMS + 1), 3, tolerance=0)
    with pytest.raises(
        UnsupportedProblemError, match=r"gray-code cannot answer .* it takes 17 items, .* able: m"
    ):
        solve(large, backend=NAME)
    with pytest.raises(UnsupportedProblemError, match=r"gray-code, .* it takes 17 items, .* able: m"):
        count(large, backend=NAME)
    with pytest.raises(UnsupportedProblemError, match=r"row 0: .* it takes 17 items"):
        solve_many(np.ones((2, MOST_ITEMS + 1)), np.ones(2), backend=NAME)
    with pytest.raises(UnsupportedProblemError, match="able: gray-code, "):
        count(FEW, backend="cp-sat")
    assert NAME not in order(large)
    assert solve(large).error == 0


def test_it_may_be_missing(registered):
    class Missing(GrayCode):
        name = "missing"

        def missing(self):
            return "install it with: pip install gray"

    registered(Missing())
    assert backends()["missing"].endswith("(not installed: install it with: pip install gray)")
    for ask in (
        lambda: solve(FEW, backend="missing"),
        lambda: count(FEW, backend="missing"),
        lambda: solutions(FEW, backend="missing"),
        lambda: solve_many(np.ones((2, 4)), np.ones(2), backend="missing"),
    ):
        with pytest.raises(BackendUnavailableError, match=r"missing is not available: .*pip install gray"):
            ask()
    assert solve(FEW).backend == "mitm"
    assert "missing" not in [b.name for b in counting_order(FEW, Limits())]


class Least(Backend):
    """The least that a backend can be."""

    name = "least"
    summary = "anything; the empty subset"

    def solve(self, problem, objective, limits):
        return Finding([])


def test_what_proves_nothing_is_asked_by_name_only(registered):
    before = order(FEW), order(MANY, "within"), counting_order(FEW, Limits())
    registered(Least())
    assert (order(FEW), order(MANY, "within"), counting_order(FEW, Limits())) == before
    assert solve(FEW, backend="least").status is Status.UNKNOWN
    assert solve_many(np.ones((2, 3)), np.zeros(2), backend="least").errors.tolist() == [0, 0]
    with pytest.raises(UnsupportedProblemError, match=r"least, .* cannot count or list"):
        count(FEW, backend="least")


# -- every role of "auto" ----------------------------------------------------------------------------


def shares(problem, objective, **limits):
    attempts = plan(problem, objective, Limits(**limits))
    return [(a.backend.name, a.seconds and round(a.seconds, 1), a.proves) for a in attempts]


def test_anytime_searches_share_the_time_out(registered):
    class Anytime(Least):
        name = "anytime"
        anytime = True

    registered(Anytime())
    assert shares(MANY, "nearest", seconds=10.0) == [("lns", 5.0, False), ("anytime", None, False)]
    assert shares(MANY, "nearest") == [("lns", None, False), ("anytime", None, False)]
    assert shares(MANY, "sparsest", seconds=8.0) == [
        ("lns", 1.0, False),
        ("anytime", 1.0, False),
        ("few-items", 4.0, True),
        ("cp-sat", None, True),
    ]
    assert order(FEW)[-2:] == ["lns", "anytime"]


def test_those_that_raise_bounds_step_by_step_get_what_time_there_is(registered):
    class Bounding(Least):
        name = "bounding"
        bounding = frozenset({"nearest", "sparsest"})

    registered(Bounding())
    assert shares(MANY, "nearest", seconds=8.0) == [("lns", 2.0, False), ("bounding", None, True)]
    assert shares(MANY, "sparsest") == [
        ("lns", None, False),
        ("few-items", 10.0, True),
        ("cp-sat", 10.0, True),
        ("bounding", 10.0, True),
    ]


def test_one_for_exact_hits_only_is_asked_for_them(registered):
    class Hits(GrayCode):
        name = "hits"

        def refusal(self, problem, objective, limits):
            return None if objective == "within" and problem.tolerance_units == 0 else "exact hits only"

    registered(Hits())
    first = next(plan(VECTORS, "nearest", Limits()))
    assert (first.backend.name, first.objective) == ("lattice", None), "2^70 subsets take too long"
    few = SubsetSum([[3, 1], [5, 2], [9, 4]], (8, 3), tolerance=0)
    first = next(plan(few, "nearest", Limits()))
    assert (first.backend.name, first.objective) == ("hits", "within")
    assert (solve(few).status, solve(few).backend) == (Status.OPTIMAL, "hits")


def test_one_that_does_not_suit_the_problem_is_asked_by_name_only(registered):
    class Modest(GrayCode):
        name = "modest"

        def suits(self, problem, objective):
            return False

    registered(Modest())
    assert "modest" not in order(FEW)
    assert solve(FEW, backend="modest").status is Status.OPTIMAL


# -- registering -------------------------------------------------------------------------------------


def named(name, summary="anything"):
    backend = Least()
    backend.name, backend.summary = name, summary
    return backend


@pytest.mark.parametrize(
    ("backend", "error", "message"),
    [
        (GrayCode, TypeError, "instance of a subclass of Backend, got <class"),
        ("mitm", TypeError, "instance of a subclass of Backend, got 'mitm'"),
        (named("mitm"), ValueError, "'mitm' is taken"),
        (named("auto"), ValueError, "'auto' is taken"),
        (named("pulp:MINE"), ValueError, "'pulp:MINE' is taken"),
        (named(""), ValueError, "needs a name"),
        (named(None), ValueError, "needs a name, .* has None"),
        (named("mine", " "), ValueError, "needs a summary"),
    ],
)
def test_what_is_not_well_formed_is_not_registered(registered, backend, error, message):
    before = dict(BACKENDS)
    with pytest.raises(error, match=message):
        registered(backend)
    assert before == BACKENDS


def test_a_backend_that_solves_nothing_cannot_be_made():
    class Unfinished(Backend):
        name = summary = "unfinished"

    with pytest.raises(TypeError, match="solve"):
        Unfinished()


def test_a_worker_process_has_to_register_it_too(gray_code):
    rng = np.random.default_rng(2)
    question = rng.uniform(-1, 1, (20, 6)), rng.uniform(-1, 1, 20)
    spawned = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, mp_context=spawned) as pool,
        pytest.raises(InvalidProblemError, match=r"unknown backend 'gray-code'.*register\(\)"),
    ):
        solve_many(*question, backend=NAME, executor=pool)
    with ProcessPoolExecutor(1, mp_context=spawned, initializer=register_gray_code) as pool:
        batch = solve_many(*question, backend=NAME, executor=pool)
    assert np.array_equal(batch.errors, solve_many(*question).errors)


# -- pytest --backend --------------------------------------------------------------------------------


def suite_on(backend, *arguments):
    """Run the tests of backends on one, in a process of its own."""
    command = [sys.executable, "-P", "-m", "pytest", "-n0", "--backend", backend, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_suite_runs_on_a_backend_from_outside():
    done = suite_on(
        "support.gray_code:GrayCode", "tests/solvers/test_backends_against_brute_force.py", "-k", "hard"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "69 passed" in done.stdout


@pytest.mark.slow
def test_the_suite_notices_a_backend_that_claims_a_wrong_optimum():
    done = suite_on(
        "support.gray_code:Overconfident", "tests/solvers/test_backends_against_brute_force.py", "-k", "hard"
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "test_hard_cases[overconfident-no acceptable subset is sparse-nearest]" in done.stdout


def test_what_is_no_backend_is_refused_with_a_reason():
    done = suite_on("nobody", "tests/solvers/test_listing.py")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--backend nobody: unknown backend 'nobody'" in done.stderr


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("nobody", InvalidProblemError),
        ("json:Nobody", AttributeError),
        ("no_such_module:Nobody", ModuleNotFoundError),
        ("json:JSONDecoder", TypeError),
    ],
)
def test_only_backends_can_be_asked_for(registered, text, error):
    with pytest.raises(error):
        asked_for(text)


def test_backends_are_asked_for_by_name_or_by_class(registered):
    assert asked_for("mitm").name == "mitm"
    assert asked_for("pulp:pulp_cbc_cmd").name == "pulp:PULP_CBC_CMD"
    assert asked_for("support.gray_code:GrayCode") is BACKENDS[NAME]


@pytest.mark.slow
def test_the_whole_suite_passes_on_a_right_backend_and_not_on_a_wrong_one():
    template = suite_on("solvers.backend.TEMPLATE:Exhaustive", "tests/solvers")
    assert template.returncode == 0, template.stdout + template.stderr
    right = suite_on("support.gray_code:GrayCode", "tests/solvers", "-v")
    assert right.returncode == 0, right.stdout + right.stderr
    wrong = suite_on(
        "support.gray_code:Overconfident", "tests/solvers", "-k", "nearest or counted or beforehand"
    )
    assert wrong.returncode == 1
    for test in (
        "brute_force.py::test_scalar_problems",
        "brute_force.py::test_vector_problems",
        "metamorphic.py::test_choosing_an_item_of_the_answer_beforehand_leaves_the_same_error",
        "listing.py::test_every_subset_within_the_tolerance_is_counted_and_listed_once",
        "solve_many.py::test_each_backend_meets_attained_tolerances_and_none_an_ulp_less",
    ):
        assert f"{test}[gray-code" in right.stdout
        assert f"{test}[overconfident" in wrong.stdout
    for test in ("solution.py::test_time_limits", "choosing.py::test_costs_grow"):
        assert test in right.stdout

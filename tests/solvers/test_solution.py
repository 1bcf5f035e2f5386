"""Solution.check and dispatch.certified: right answers pass, every wrong one is refused."""

import pickle
from dataclasses import FrozenInstanceError, replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases
from support.backends import TAKE_INTEGERS

from solvers import (
    BackendUnavailableError,
    CertificateError,
    InvalidProblemError,
    Proof,
    Solution,
    Status,
    Stop,
    SubsetSum,
    UnsupportedProblemError,
    backends,
    dispatch,
    solve,
)
from solvers.backend import registry
from solvers.backend.automatic import Attempt
from solvers.backend.mitm import meet_in_the_middle
from solvers.backend.protocol import Backend, Finding, Limits

ITEMS = [Fraction(1, 3), 2.5, 10, -4, 7.25, 2**70]
UNIT = Fraction(1, 12)
PROBLEMS = {
    "feasible": SubsetSum(ITEMS, 9, tolerance=1),
    "exactly attained": SubsetSum(ITEMS, 9, tolerance=Fraction(7, 12)),
    "sized": SubsetSum(ITEMS, 9, tolerance=3, cardinality=(2, 4)),
    "infeasible": SubsetSum(ITEMS, 9, tolerance=Fraction(1, 100)),
    "two dimensions": SubsetSum([[1, 2.5], [3, 0.5], [-2, 7]], (3.5, 3), tolerance=1),
    "two dimensions, infeasible": SubsetSum([[1, 2.5], [3, 0.5], [-2, 7]], (30, 3), tolerance=1),
}
OBJECTIVES = ["nearest", "within", "sparsest"]
ANSWERS = {
    f"{objective}, {name}": (problem, solve(problem, objective=objective, threads=1))
    for name, problem in PROBLEMS.items()
    for objective in OBJECTIVES
}
ANSWERS["no tolerance"] = SubsetSum(ITEMS, 9), solve(SubsetSum(ITEMS, 9))
SHOWN = {name: answer for name, answer in ANSWERS.items() if answer[1].subset is not None}

every_answer = pytest.mark.parametrize(("problem", "right"), ANSWERS.values(), ids=ANSWERS.keys())
every_subset = pytest.mark.parametrize(("problem", "right"), SHOWN.values(), ids=SHOWN.keys())


def refuses(problem, wrong):
    with pytest.raises(CertificateError):
        wrong.check(problem)
    return True


def test_answers_are_as_varied_as_the_mutants_need():
    assert {(s.objective, s.status.name) for _, s in ANSWERS.values()} == {
        *(("nearest", "OPTIMAL"), ("nearest", "INFEASIBLE")),
        *(("within", "FEASIBLE"), ("within", "INFEASIBLE")),
        *(("sparsest", "OPTIMAL"), ("sparsest", "INFEASIBLE")),
    }
    assert len(SHOWN) > 12


@every_answer
def test_right_answers_pass(problem, right):
    right.check(problem)


@settings(max_examples=60, deadline=None)
@given(cases(tolerance="always", max_items=8), st.sampled_from(OBJECTIVES))
def test_every_answer_passes_for_its_problem_and_describes_its_subset(case, objective):
    problem = case.problem
    solution = solve(problem, objective=objective)
    solution.check(problem)
    if solution.subset is not None:
        assert np.flatnonzero(solution.mask).tolist() == solution.subset.tolist()
        assert solution.size == len(solution.subset)
        assert solution.gap == solution.error - solution.lower_bound >= 0


@every_subset
@pytest.mark.parametrize("place", range(3))
def test_a_flipped_bit_is_refused(problem, right, place):
    flipped = np.array(sorted(set(right.subset.tolist()) ^ {place}), dtype=np.int64)
    assert refuses(problem, replace(right, subset=flipped))


@every_subset
def test_impossible_subsets_are_refused(problem, right):
    chosen = right.subset.tolist()
    wrong = [[*chosen, problem.n], [-1, *chosen], [*chosen, *chosen[-1:], *([0, 0] if not chosen else [])]]
    wrong += [chosen[1:], chosen[:-1], chosen[::-1]] if len(chosen) > 1 else []
    for subset in wrong:
        assert refuses(problem, replace(right, subset=np.array(subset, dtype=np.int64)))
    assert refuses(problem, replace(right, subset=None))


@every_subset
@pytest.mark.parametrize("change", [Fraction(1), Fraction(1, 2**300), -Fraction(1, 2**300)])
def test_wrong_sums_errors_and_bounds_are_refused(problem, right, change):
    shifted = tuple(t + change for t in right.total) if problem.d > 1 else right.total + change
    assert refuses(problem, replace(right, total=shifted))
    assert refuses(problem, replace(right, error=right.error + change))
    if right.objective != "sparsest":
        assert refuses(problem, replace(right, lower_bound=right.error + abs(change)))
    if right.status is Status.OPTIMAL:
        assert refuses(problem, replace(right, lower_bound=right.lower_bound - abs(change)))
        assert refuses(problem, replace(right, lower_bound=right.lower_bound + abs(change)))


@every_answer
def test_wrong_shapes_of_sums_are_refused(problem, right):
    scalar_for_vector = replace(
        right, total=right.total[0] if isinstance(right.total, tuple) else (right.total,)
    )
    assert refuses(problem, scalar_for_vector)


@every_answer
@pytest.mark.parametrize("status", Status)
def test_every_other_status_is_refused(problem, right, status):
    if status is not right.status:
        assert refuses(problem, replace(right, status=status))
        assert refuses(problem, replace(right, status=status, proof=Proof.NONE))
    weaker = {right.status, status} == {Status.OPTIMAL, Status.FEASIBLE} and right.objective != "within"
    if status is not right.status and not weaker:
        assert refuses(problem, replace(right, status=status, proof=Proof.TOLERANCE, resolution=1e-9))


@every_answer
def test_wrong_proofs_and_resolutions_are_refused(problem, right):
    assert right.proof is Proof.EXACT
    assert refuses(problem, replace(right, proof=Proof.NONE))
    assert refuses(problem, replace(right, proof=Proof.TOLERANCE))
    assert refuses(problem, replace(right, resolution=1e-12))
    replace(right, proof=Proof.TOLERANCE, resolution=1e-9).check(problem)  # a weaker claim is no lie


@every_answer
def test_bounds_that_cannot_be_are_refused(problem, right):
    assert refuses(problem, replace(right, lower_bound=Fraction(-1, 9)))
    assert refuses(problem, replace(right, size_bound=-1))
    if right.status is Status.INFEASIBLE:
        assert refuses(problem, replace(right, lower_bound=problem.tolerance))
        assert refuses(problem, replace(right, lower_bound=Fraction(0)))
    elif right.objective == "sparsest":
        assert refuses(problem, replace(right, size_bound=right.size + 1))
        assert refuses(problem, replace(right, size_bound=right.size + 1, status=Status.FEASIBLE))
        assert right.size == 0 or refuses(problem, replace(right, size_bound=right.size - 1))
    else:
        assert refuses(problem, replace(right, size_bound=problem.sizes[0] + 1))


@every_answer
def test_answers_to_other_problems_are_refused(problem, right):
    assert refuses(problem, replace(right, n=problem.n + 1))
    others = {"tolerance": problem.tolerance, "cardinality": problem.cardinality}
    items = problem.items.tolist()
    assert refuses(SubsetSum([*items, items[0]], problem.target, **others), right)
    if right.subset is None:
        return
    moved = tuple(t + 1 for t in problem.target) if problem.d > 1 else problem.target + Fraction(1, 7)
    assert refuses(SubsetSum(items, moved, **others), right)
    for i in right.subset:
        changed = [
            (x if k != i else ([c + 1 for c in x] if problem.d > 1 else x + 1)) for k, x in enumerate(items)
        ]
        assert refuses(SubsetSum(changed, problem.target, **others), right)
    sizes = [k for k in range(problem.n + 1) if k != right.size]
    for k in sizes:
        assert refuses(SubsetSum(items, problem.target, tolerance=problem.tolerance, cardinality=k), right)
    if right.status is not Status.INFEASIBLE and right.error:
        tighter = SubsetSum(items, problem.target, tolerance=right.error * Fraction(99, 100))
        assert refuses(tighter, right)
    if right.status is Status.INFEASIBLE:
        looser = SubsetSum(items, problem.target, tolerance=right.error)
        assert refuses(looser, right)


def test_unknown_is_honest_and_stays_unknown():
    problem = PROBLEMS["feasible"]
    unknown = dispatch.certified(problem, "nearest", Finding(None), backend="test", seconds=0.0)
    assert unknown.status is Status.UNKNOWN
    assert unknown.proof is Proof.NONE
    assert (unknown.subset, unknown.mask, unknown.total, unknown.error, unknown.gap) == (None,) * 5
    for status in (Status.OPTIMAL, Status.FEASIBLE, Status.INFEASIBLE):
        for proof in Proof:
            assert refuses(problem, replace(unknown, status=status, proof=proof))
    assert refuses(problem, replace(unknown, lower_bound=problem.tolerance + 1))
    assert refuses(problem, replace(unknown, error=Fraction(1)))
    assert refuses(problem, replace(unknown, total=Fraction(1)))


def test_solutions_are_frozen_and_pickle():
    problem, solution = ANSWERS["nearest, feasible"]
    with pytest.raises(FrozenInstanceError):
        solution.error = Fraction(0)
    with pytest.raises(ValueError, match="read-only"):
        solution.subset[0] = 3
    twin = pickle.loads(pickle.dumps(solution))  # noqa: S301 - our own
    twin.check(problem)
    assert isinstance(twin, Solution)
    assert (twin.status, twin.error, twin.lower_bound) == (
        solution.status,
        solution.error,
        solution.lower_bound,
    )


def test_statuses_and_proofs_are_sentences():
    assert str(Status.INFEASIBLE) == "no subset meets the tolerance (proven)"
    assert len({str(s) for s in Status}) == 4
    assert [int(s) for s in Status] == [0, 1, 2, 3]
    assert Status(1) is Status.OPTIMAL
    assert str(Proof.EXACT) == "integer arithmetic end to end"


# -- lying backends ----------------------------------------------------------------------------------


class Puppet(Backend):
    """A backend that says what it is told to say."""

    name = "puppet"
    summary = "anything"

    def __init__(self, finding=None, *, refuses=None, lacks=None, raises=None):
        self.finding, self.refuses, self.lacks, self.raises = finding, refuses, lacks, raises

    def missing(self):
        return self.lacks

    def refusal(self, problem, objective, limits):
        return self.refuses

    def solve(self, problem, objective, limits):
        if self.raises:
            raise self.raises
        return self.finding


# Items 3, 5, 9 and target 10, tolerance 2: {3, 5} and {9} and {3, 9} are acceptable, {9} is nearest.
TRUTHS = [
    ("nearest", Finding([2], Fraction(1)), "OPTIMAL"),
    ("nearest", Finding([0, 2], Fraction(1, 2)), "FEASIBLE"),
    ("within", Finding([1, 0]), "FEASIBLE"),
    ("sparsest", Finding([2], Fraction(1), 1), "OPTIMAL"),
    ("sparsest", Finding([0, 2], Fraction(1), 1), "FEASIBLE"),
    ("nearest", Finding([0, 1, 2]), "UNKNOWN"),
    ("nearest", Finding(None), "FEASIBLE"),  # by a first guess
    # A false claim that nothing at all is acceptable, with nothing to show, is beyond recomputation.
    ("within", Finding(None, Fraction(5, 2)), "INFEASIBLE"),
]
LIES = [
    ("nearest", Finding([2], Fraction(3, 2)), "lower bound"),
    ("nearest", Finding([2], Fraction(-1)), "negative"),
    ("within", Finding([2], Fraction(5)), "lower bound"),
    ("nearest", Finding([2], Fraction(5)), "lower bound"),
    ("sparsest", Finding([2], Fraction(5), 1), "lower bound"),
    ("nearest", Finding([0, 1, 2], Fraction(8)), "lower bound"),
    ("nearest", Finding([3]), "impossible items"),
    ("nearest", Finding([-1]), "impossible items"),
    ("nearest", Finding([2, 2]), "impossible items"),
    ("sparsest", Finding([0, 2], Fraction(0), 3), "size bound"),
    ("nearest", Finding([2], Fraction(0), 1), "size bound"),
    ("nearest", Finding([2], Fraction(1), proof=Proof.NONE), "proof"),
    ("nearest", Finding([2], Fraction(1), proof=Proof.TOLERANCE), "resolution"),
    ("nearest", Finding([2], Fraction(1), resolution=1e-9), "resolution"),
]


@pytest.fixture
def plant(monkeypatch):
    def make_it_the_only_one(puppet):
        monkeypatch.setitem(registry.BACKENDS, puppet.name, puppet)
        monkeypatch.setattr(dispatch, "plan", lambda *_: [Attempt(puppet)])

    return make_it_the_only_one


@pytest.mark.parametrize(("objective", "finding", "status"), TRUTHS)
def test_honest_findings_pass(plant, objective, finding, status):
    plant(Puppet(finding))
    solution = solve(SubsetSum([3, 5, 9], 10, tolerance=2), objective=objective, backend="puppet")
    assert solution.status.name == status
    assert solution.backend == "puppet"


@pytest.mark.parametrize(("objective", "finding", "message"), LIES)
def test_lies_are_refused(plant, objective, finding, message):
    plant(Puppet(finding))
    for backend in ("puppet", "auto"):
        with pytest.raises(CertificateError, match=message):
            solve(SubsetSum([3, 5, 9], 10, tolerance=2), objective=objective, backend=backend)


def test_wrong_cardinalities_are_refused(plant):
    plant(Puppet(Finding([2], size_bound=2)))
    with pytest.raises(CertificateError, match="1 items, allowed are 2 to 3"):
        solve(SubsetSum([3, 5, 9], 10, tolerance=2, cardinality=(2, 3)), backend="puppet")


# -- choosing a backend ------------------------------------------------------------------------------

PROBLEM = SubsetSum([3, 5, 9], 10, tolerance=2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "best"}, "unknown objective 'best'"),
        ({"backend": "gurobi-cloud"}, "unknown backend 'gurobi-cloud'"),
        ({"time_limit": 0}, "time_limit"),
        ({"time_limit": -1.0}, "time_limit"),
        ({"time_limit": float("nan")}, "time_limit"),
        ({"time_limit": float("inf")}, "time_limit"),
        ({"memory_limit": 0}, "memory_limit"),
        ({"threads": 0}, "threads"),
        ({"seed": -1}, "seed"),
    ],
)
def test_senseless_options_are_refused(options, message):
    with pytest.raises(InvalidProblemError, match=message):
        solve(PROBLEM, **options)


@pytest.mark.parametrize("objective", ["within", "sparsest"])
def test_objectives_that_need_a_tolerance_say_so(objective):
    with pytest.raises(InvalidProblemError, match="needs a tolerance"):
        solve(SubsetSum([1], 1), objective=objective)


def test_only_a_subset_sum_is_solved():
    with pytest.raises(InvalidProblemError, match="takes a SubsetSum, got a list"):
        solve([1, 2, 3])


@pytest.mark.parametrize(
    ("problem", "options", "message"),
    [
        (SubsetSum([[1, 2]], (1, 2)), {}, "2 dimensions; able: mitm-nd, few-items, cp-sat"),
        (SubsetSum(range(1, 52), 1), {}, "up to 50 items"),
        (SubsetSum(range(1, 41), 1), {"memory_limit": 1 << 20}, "memory limit"),
    ],
)
def test_a_named_backend_that_cannot_says_who_can(problem, options, message):
    with pytest.raises(UnsupportedProblemError, match=message):
        solve(problem, backend="mitm", **options)


def test_missing_packages_are_named(plant):
    plant(Puppet(lacks="install it with: pip install puppet"))
    assert "pip install puppet" in backends()["puppet"]
    with pytest.raises(BackendUnavailableError, match="pip install puppet"):
        solve(PROBLEM, backend="puppet")


def test_a_named_backend_that_backs_out_is_not_replaced_by_another(plant):
    plant(Puppet(raises=UnsupportedProblemError("on principle")))
    with pytest.raises(UnsupportedProblemError, match="puppet: on principle"):
        solve(PROBLEM, backend="puppet")


def test_mitm_falls_back_to_pythons_integers_and_then_gives_up(monkeypatch):
    twins = [2**90 + k for k in (1, 2, 4, 8, 16, 32, 64, 128)]
    problem = SubsetSum(twins, 4 * 2**90 + 15 + 32 * 3, tolerance=0)
    expected = solve(problem, backend="mitm")
    monkeypatch.setattr(meet_in_the_middle, "_MOST_CANDIDATES", 1)
    for objective in OBJECTIVES:
        again = solve(problem, objective=objective, backend="mitm")
        assert (again.status is Status.INFEASIBLE, again.error) == (bool(expected.error), expected.error)
    monkeypatch.setattr(meet_in_the_middle, "_MOST_ITEMS_IN_PYTHON", 7)
    with pytest.raises(UnsupportedProblemError, match="mixed magnitudes"):
        solve(problem, backend="mitm")
    rescued = solve(problem, threads=1)
    assert rescued.backend != "mitm"
    assert rescued.error == expected.error


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_time_limits_leave_honest_answers(objective, backend):
    problem = first_taken(backend, objective, time_limited())
    if problem is None:
        assert (backend, objective) == ("k-tree", "sparsest") or backend not in TAKE_INTEGERS
        return  # refused, whatever the time
    solution = solve(problem, objective=objective, backend=backend, time_limit=1e-6, threads=1)
    solution.check(problem)
    assert solution.status is Status.UNKNOWN
    assert solution.stop is Stop.TIME_LIMIT


def time_limited():
    """Yield problems that take longer than a microsecond, the largest first."""
    for n, large in ((34, 2**50), (34, 2**24), (16, 2**24), (8, 2**24)):
        items = np.random.default_rng(3).integers(1, large, n)
        yield SubsetSum([int(x) for x in items], 4 * large + 1, tolerance=0)
        yield SubsetSum([[int(x), 1] for x in items], [4 * large + 1, n // 2], tolerance=0)


def first_taken(backend, objective, problems):
    """Return the first of these problems that a backend does not refuse; None where it refuses all."""
    chosen = registry.backend_named(backend)
    return next((p for p in problems if chosen.refusal(p, objective, Limits()) is None), None)


@pytest.mark.thinned
def test_answers_do_not_depend_on_threads_or_seed(backend):
    few = [0.125, 0.25, 0.375, 0.6875, 1.125, -0.4375]
    vectors = [[x, 1 - x] for x in few]
    problem = first_taken(
        backend,
        "nearest",
        [
            SubsetSum(few, 0.8125, tolerance=1),
            SubsetSum(few * 5, 0.8125, tolerance=1),
            SubsetSum(vectors, [0.8125, 1], tolerance=1),
        ],
    )
    if problem is None:
        assert backend not in TAKE_INTEGERS
        return
    answers = {
        solve(problem, backend=backend, threads=k, seed=s).error for k in (1, 2) for s in (0, 7, 2**40)
    }
    assert len(answers) == 1


# -- what must not change when the question is put another way ---------------------------------------


def proven(solution):
    return solution.status, solution.error, solution.size_bound


@settings(max_examples=40, deadline=None)
@given(cases(max_items=8, tolerance="always"), st.sampled_from(["nearest", "sparsest"]), st.data())
def test_metamorphic_relations(case, objective, data):
    problem = case.problem
    items, sizes = problem.items.tolist(), problem.cardinality
    exact_items = [Fraction(*x.as_integer_ratio()) for x in items]
    status, error, size = proven(solve(problem, objective=objective))

    def asked(rows, target, tolerance=problem.tolerance, cardinality=sizes):
        other = SubsetSum(rows, target, tolerance=tolerance, cardinality=cardinality)
        return proven(solve(other, objective=objective))

    permuted = data.draw(st.permutations(exact_items))
    assert asked(permuted, problem.target) == (status, error, size)
    assert asked([-x for x in exact_items], -problem.target) == (status, error, size)
    power = Fraction(2) ** data.draw(st.integers(-400, 400))
    scaled = asked([x * power for x in exact_items], problem.target * power, problem.tolerance * power)
    assert scaled == (status, error * power, size)
    # Taking or leaving item i decides everything: the better of the two is the answer.
    i = data.draw(st.integers(0, problem.n - 1))
    if problem.n > 1 and sizes is None and objective == "nearest":
        others = exact_items[:i] + exact_items[i + 1 :]
        without, taking = asked(others, problem.target), asked(others, problem.target - exact_items[i])
        assert error == min(without[1], taking[1])
        assert status == min(without[0], taking[0])

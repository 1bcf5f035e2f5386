"""Solution.stop says truly why a run ended, is kept by JSON and pickle, and contradictions are refused."""

import copy
import json
import pickle
import re
from dataclasses import fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases

import solvers
from solvers import (
    CertificateError,
    InvalidProblemError,
    Proof,
    Solution,
    Status,
    Stop,
    SubsetSum,
    dispatch,
    solve,
)
from solvers.backend.automatic import Attempt
from solvers.backend.protocol import Backend, Finding, OutOfTimeError
from solvers.dispatch import certified

OBJECTIVES = ["nearest", "within", "sparsest"]
# Items 3, 5, 9 and target 10, tolerance 2: {9} is nearest, {3, 5} and {3, 9} are acceptable.
PROBLEM = SubsetSum([3, 5, 9], 10, tolerance=2)
OPEN_ENDS = [stop for stop in Stop if stop is not Stop.PROVEN]


def test_every_reason_is_a_sentence():
    assert [stop.name for stop in Stop] == [
        *("PROVEN", "TIME_LIMIT", "MEMORY_LIMIT", "SEARCH_EXHAUSTED", "INTERRUPTED"),
    ]
    assert f"{Stop.TIME_LIMIT}" == str(Stop.TIME_LIMIT) == "the time limit was reached"
    assert len({str(stop) for stop in Stop}) == len({int(stop) for stop in Stop}) == len(Stop)
    assert solvers.Stop is Stop
    assert "Stop" in solvers.__all__


def test_no_backend_keeps_a_sentence_of_its_own_about_limits():
    folder = Path(solvers.__file__).parent
    kept = {
        path.name: re.findall(r"message=\S*(?:limit|time)\S*|\"time limit reached[^\"]*\"", path.read_text())
        for path in (folder / "backend").rglob("*.py")
    }
    assert {name for name, found in kept.items() if found} == {"protocol.py"}, (
        "where OutOfTimeError is raised"
    )


# -- what a status settles ---------------------------------------------------------------------------


def answer(objective, finding, problem=PROBLEM):
    return certified(problem, objective, finding, backend="test", seconds=0.0)


SETTLED = {
    "nearest, OPTIMAL": answer("nearest", Finding([2], Fraction(1))),
    "nearest, INFEASIBLE": answer("nearest", Finding([0], Fraction(3))),
    "within, FEASIBLE": answer("within", Finding([0, 1])),
    "within, INFEASIBLE": answer("within", Finding(None, Fraction(5, 2))),
    "sparsest, OPTIMAL": answer("sparsest", Finding([2], Fraction(1), 1)),
    "sparsest, INFEASIBLE": answer("sparsest", Finding(None, Fraction(5, 2))),
    "nearest, OPTIMAL within a resolution": answer(
        "nearest", Finding([2], Fraction(1), 0, Proof.TOLERANCE, 1e-9, optimal_within_resolution=True)
    ),
}
OPEN = {
    "nearest, FEASIBLE": answer("nearest", Finding([0, 1], Fraction(1), stop=Stop.TIME_LIMIT)),
    "nearest, UNKNOWN": answer("nearest", Finding([0], stop=Stop.TIME_LIMIT)),
    "within, UNKNOWN": answer("within", Finding(None, stop=Stop.TIME_LIMIT)),
    "sparsest, FEASIBLE": answer("sparsest", Finding([0, 1], Fraction(0), 1, stop=Stop.TIME_LIMIT)),
}


@pytest.mark.parametrize("name", SETTLED)
def test_what_is_settled_is_proven_and_nothing_else(name):
    right = SETTLED[name]
    assert right.stop is Stop.PROVEN
    right.check(PROBLEM)
    for stop in OPEN_ENDS:
        with pytest.raises(CertificateError, match=r"stop <Stop\..* does not go with status"):
            replace(right, stop=stop).check(PROBLEM)


@pytest.mark.parametrize("name", OPEN)
def test_what_is_open_ended_for_a_reason(name):
    right = OPEN[name]
    for stop in OPEN_ENDS:
        replace(right, stop=stop).check(PROBLEM)
    with pytest.raises(CertificateError, match=r"PROVEN.* does not go with status"):
        replace(right, stop=Stop.PROVEN).check(PROBLEM)


@pytest.mark.parametrize("what", [0, 1, 3, "TIME_LIMIT", None, Status.OPTIMAL, [Stop.TIME_LIMIT], True])
def test_what_is_no_reason_is_refused(what):
    for right in (*SETTLED.values(), *OPEN.values()):
        with pytest.raises(CertificateError, match="does not go with status"):
            replace(right, stop=what).check(PROBLEM)


def test_a_backend_that_claims_a_proof_it_does_not_have_is_refused():
    with pytest.raises(CertificateError, match="PROVEN"):
        answer("nearest", Finding([0, 1], Fraction(1), stop=Stop.PROVEN))
    with pytest.raises(CertificateError, match="PROVEN"):
        answer("within", Finding(None, stop=Stop.PROVEN))


@pytest.mark.parametrize("stop", Stop)
def test_a_limit_that_came_after_the_proof_does_not_matter(stop):
    assert answer("nearest", Finding([2], Fraction(1), stop=stop)).stop is Stop.PROVEN
    assert answer("within", Finding([0, 1], stop=stop)).stop is Stop.PROVEN


@settings(max_examples=60, deadline=None)
@given(cases(tolerance="always", max_items=7, dimensions=(1, 2)), st.sampled_from(OBJECTIVES))
def test_answered_questions_are_proven(case, objective):
    assert solve(case.problem, objective=objective, threads=1).stop is Stop.PROVEN


# -- several backends one after the other ------------------------------------------------------------


class Scripted(Backend):
    """A backend that finds what it is told to find, or raises it."""

    summary = "anything"

    def __init__(self, name, finding):
        self.name, self.finding = name, finding

    def missing(self):
        return None

    def refusal(self, problem, objective, limits):
        return None

    def solve(self, problem, objective, limits):
        if isinstance(self.finding, Exception):
            raise self.finding
        return self.finding


def joined(monkeypatch, *findings, seconds=None, **options):
    attempts = [Attempt(Scripted(f"backend {i}", f), seconds) for i, f in enumerate(findings)]
    monkeypatch.setattr(dispatch, "plan", lambda *_: attempts)
    return solve(PROBLEM, **options)


def found(stop, subset=(0, 1), bound=0):
    return Finding(list(subset), Fraction(bound), stop=stop)


@pytest.mark.parametrize(
    ("stops", "expected"),
    [
        ((Stop.SEARCH_EXHAUSTED, Stop.SEARCH_EXHAUSTED), Stop.SEARCH_EXHAUSTED),
        ((Stop.MEMORY_LIMIT, Stop.SEARCH_EXHAUSTED), Stop.MEMORY_LIMIT),
        ((Stop.SEARCH_EXHAUSTED, Stop.MEMORY_LIMIT), Stop.MEMORY_LIMIT),
        ((Stop.MEMORY_LIMIT, Stop.TIME_LIMIT), Stop.TIME_LIMIT),
        ((Stop.TIME_LIMIT, Stop.SEARCH_EXHAUSTED), Stop.TIME_LIMIT),
        ((Stop.MEMORY_LIMIT, Stop.SEARCH_EXHAUSTED, Stop.SEARCH_EXHAUSTED), Stop.MEMORY_LIMIT),
    ],
)
def test_a_limit_outlasts_a_search_that_ended_by_itself(monkeypatch, stops, expected):
    solution = joined(monkeypatch, *map(found, stops), time_limit=1e6)
    assert (solution.status, solution.stop) == (Status.FEASIBLE, expected)


def test_a_proof_outlasts_every_limit(monkeypatch):
    solution = joined(monkeypatch, found(Stop.TIME_LIMIT), found(Stop.MEMORY_LIMIT, [2], 1), time_limit=1e6)
    assert (solution.status, solution.stop) == (Status.OPTIMAL, Stop.PROVEN)
    solution = joined(monkeypatch, found(Stop.MEMORY_LIMIT, [2]), found(Stop.TIME_LIMIT, [0, 1], 1))
    assert (solution.status, solution.stop) == (Status.OPTIMAL, Stop.PROVEN), "joined from two halves"


def test_the_end_of_a_share_of_the_time_is_no_time_limit(monkeypatch):
    assert joined(monkeypatch, found(Stop.TIME_LIMIT), seconds=0.5).stop is Stop.SEARCH_EXHAUSTED
    assert (
        joined(monkeypatch, found(Stop.TIME_LIMIT), seconds=0.5, time_limit=1e6).stop is Stop.SEARCH_EXHAUSTED
    )
    assert joined(monkeypatch, found(Stop.TIME_LIMIT), time_limit=1e6).stop is Stop.TIME_LIMIT
    assert joined(monkeypatch, found(Stop.TIME_LIMIT), seconds=0.5, time_limit=1e-9).stop is Stop.TIME_LIMIT


def test_an_interruption_ends_it_all(monkeypatch):
    solution = joined(monkeypatch, found(Stop.INTERRUPTED), AssertionError("another one was asked"))
    assert solution.stop is Stop.INTERRUPTED


def test_too_little_memory_is_a_reason_not_a_crash(monkeypatch):
    solution = joined(monkeypatch, MemoryError("cannot allocate 9 TiB"))
    assert (solution.status, solution.stop) == (Status.FEASIBLE, Stop.MEMORY_LIMIT), "there is a first guess"
    assert solution.message == "backend 0: cannot allocate 9 TiB"
    rescued = joined(monkeypatch, MemoryError(), found(Stop.SEARCH_EXHAUSTED, [2], 1))
    assert (rescued.status, rescued.stop) == (Status.OPTIMAL, Stop.PROVEN)


def test_a_backend_may_leave_when_the_time_is_up(monkeypatch):
    solution = joined(monkeypatch, OutOfTimeError(), time_limit=1e6)
    assert (solution.status, solution.stop) == (Status.FEASIBLE, Stop.TIME_LIMIT), "there is a first guess"
    rescued = joined(monkeypatch, OutOfTimeError(), found(Stop.SEARCH_EXHAUSTED), time_limit=1e6)
    assert (rescued.status, rescued.stop) == (Status.FEASIBLE, Stop.TIME_LIMIT)


@pytest.mark.slow
def test_searches_that_end_by_themselves_say_so():
    rng = np.random.default_rng(2)
    problem = SubsetSum(rng.uniform(-1, 1, (70, 3)), (0.1, 0.2, 0.3))
    for backend in ("lns", "k-tree"):
        solution = solve(problem, backend=backend, threads=1)
        assert (solution.status, solution.stop) == (Status.FEASIBLE, Stop.SEARCH_EXHAUSTED)


# -- kept ----------------------------------------------------------------------------------------------


def same(first, second):
    """Whether two solutions agree in every field."""
    pairs = [(getattr(first, f.name), getattr(second, f.name)) for f in fields(Solution)]
    return all(
        np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b and type(a) is type(b) for a, b in pairs
    )


def through_pickle(solution):
    return pickle.loads(pickle.dumps(solution))  # noqa: S301 - our own


def through_json(solution):
    return Solution.from_json(json.loads(json.dumps(solution.to_json())))


@pytest.mark.parametrize("solution", [*SETTLED.values(), *OPEN.values()], ids=[*SETTLED, *OPEN])
@pytest.mark.parametrize("kept", [through_json, copy.copy, copy.deepcopy, through_pickle])
def test_a_solution_is_kept_whole(solution, kept):
    twin = kept(solution)
    assert same(twin, solution)
    twin.check(PROBLEM)


@settings(max_examples=80, deadline=None)
@given(cases(tolerance="always", max_items=7, dimensions=(1, 2, 3)), st.sampled_from(OBJECTIVES))
def test_json_is_exact_and_a_stranger_can_check_it(case, objective):
    solution = solve(case.problem, objective=objective, threads=1)
    page = solution.to_json()
    twin = through_json(solution)
    assert same(twin, solution)
    twin.check(case.problem)
    assert page["stop"] == solution.stop.name
    assert page["error"] is None or Fraction(page["error"]) == solution.error
    assert {
        "status",
        "proof",
        "objective",
        "n",
        "size_bound",
        "resolution",
        "backend",
        "seconds",
    } < page.keys()


PAGE = answer("nearest", Finding([2], Fraction(1))).to_json()


@pytest.mark.parametrize(
    "change",
    [
        *({"error": "2"}, {"total": "10"}, {"subset": [1]}, {"subset": [0, 2]}, {"lower_bound": "0"}),
        *(
            {"status": "FEASIBLE"},
            {"stop": "TIME_LIMIT"},
            {"proof": "NONE"},
            {"proof": "TOLERANCE"},
            {"n": 4},
        ),
        *({"objective": "within"}, {"objective": "sparsest"}, {"size_bound": 1}, {"resolution": 1e-9}),
        *({"resolution": float("nan")}, {"proof": "TOLERANCE", "resolution": float("inf")}, {"total": ["9"]}),
        *({"subset": None}, {"subset": None, "total": None, "error": None}, {"subset": [-1]}),
    ],
    ids=str,
)
def test_a_page_that_was_tampered_with_is_found_out(change):
    with pytest.raises(CertificateError):
        Solution.from_json(PAGE | change).check(PROBLEM)


@pytest.mark.parametrize(
    "page",
    [
        *({}, [], None, "text", 7),
        *({key: value for key, value in PAGE.items() if key != left_out} for left_out in PAGE),
        *(
            PAGE | change
            for change in (
                *(
                    {"format": "another"},
                    {"version": 2},
                    {"status": "GOOD"},
                    {"status": None},
                    {"status": []},
                ),
                *(
                    {"stop": "BORED"},
                    {"stop": None},
                    {"proof": 1},
                    {"objective": "best"},
                    {"objective": None},
                ),
                *({"error": "1e9"}, {"error": "1e999999999"}, {"error": "x"}, {"error": 1}, {"error": "1/0"}),
                *({"lower_bound": None}, {"lower_bound": "٣"}, {"total": [None]}, {"total": {}}),
                *(
                    {"subset": [1.5]},
                    {"subset": ["0"]},
                    {"subset": 3},
                    {"subset": [2**70]},
                    {"subset": [[1]]},
                ),
                *({"n": "3"}, {"n": 3.0}, {"n": None}, {"size_bound": 0.5}, {"resolution": "low"}),
                *({"seconds": None}, {"seconds": []}),
            )
        ),
    ],
    ids=repr,
)
def test_what_is_no_solution_in_json_is_refused(page):
    with pytest.raises(InvalidProblemError, match="not a solution in JSON"):
        Solution.from_json(page)


def test_a_number_of_too_many_digits_is_a_value_error():
    solution = solve(SubsetSum([10**5000], 0))
    with pytest.raises(ValueError, match="digits"):
        replace(solution, lower_bound=Fraction(10**5000)).to_json()

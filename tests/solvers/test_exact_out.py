"""Exact in, exact out: numbers leave rounded outward or exact, and copies are as read-only as originals."""

import copy
import json
import pickle
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from solvers import CertificateError, Solution, SubsetSum, solve, solve_many
from solvers.instances.files import Instance, read_instance, write_instance
from subsetsum_nets.cli import app

THIRD = Fraction(1, 3)
COPIES = [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))]  # noqa: S301 - our own


# -- solve --json --------------------------------------------------------------------------------------


def lines_of(folder, problems, *options):
    for k, problem in enumerate(problems):
        write_instance(Instance(problem, f"p{k}"), folder / f"p{k:03d}.json")
    result = CliRunner().invoke(app, ["solve", str(folder), "--json", *options])
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_bounds_leave_rounded_outward_and_beside_them_exact(tmp_path):
    problems = [
        SubsetSum([Fraction(1, q), Fraction(5, 2 * q + 1)], Fraction(1, 2 * q + 3)) for q in range(3, 60)
    ]
    problems.append(SubsetSum([[THIRD, 1], [1, THIRD]], (THIRD / 2, THIRD)))
    rounded = set()
    for problem, line in zip(problems, lines_of(tmp_path, problems), strict=True):
        exact = {name: Fraction(line[f"{name}_exact"]) for name in ("error", "lower_bound", "gap")}
        assert exact["gap"] == exact["error"] - exact["lower_bound"]
        assert line["lower_bound"] <= exact["lower_bound"] <= exact["error"] <= line["error"]
        assert line["gap"] >= exact["gap"]
        assert Fraction(np.nextafter(line["error"], 0)) < exact["error"]
        rounded |= {line["error"] > exact["error"], line["lower_bound"] < exact["lower_bound"]}
        answer = Solution.from_json(line["solution"])
        answer.check(problem)
        assert (line["objective"], line["resolution"], line["message"]) == ("nearest", 0.0, answer.message)
        total = line["total_exact"]
        assert (tuple(map(Fraction, total)) if problem.d > 1 else Fraction(total)) == answer.total
    assert True in rounded


def test_a_stranger_checks_an_answer_from_its_line_and_the_instance_alone(tmp_path):
    (line,) = lines_of(tmp_path, [SubsetSum([3, 5, THIRD], Fraction(31, 7), tolerance=1)])
    problem = read_instance(tmp_path / "p000.json").problem
    Solution.from_json(line["solution"]).check(problem)
    for key, wrong in {
        "error": "1/7",
        "lower_bound": "2",
        "subset": [0],
        "total": "9",
        "status": "INFEASIBLE",
    }.items():
        with pytest.raises(CertificateError):
            Solution.from_json(line["solution"] | {key: wrong}).check(problem)


# -- equality ------------------------------------------------------------------------------------------


def test_problems_are_equal_by_what_they_ask():
    same = [
        SubsetSum([1, 2, 0.5], 3, tolerance=0.25),
        SubsetSum([1.0, Decimal(2), Fraction(1, 2)], Fraction(3), tolerance=Fraction(1, 4)),
        SubsetSum(np.array([1, 2, 0.5]), np.float32(3), tolerance=0.25, cardinality=(0, 3)),
    ]
    assert all(a == b and hash(a) == hash(b) for a, b in pairwise([*same, copy.deepcopy(same[0])]))
    assert len(set(same)) == 1


def test_problems_that_ask_something_else_are_not_equal():
    base = SubsetSum([1, 2, 4], 3, tolerance=1)
    others = [
        SubsetSum([2, 1, 4], 3, tolerance=1),
        SubsetSum([1, 2, 4], 4, tolerance=1),
        SubsetSum([1, 2, 4], 3, tolerance=Fraction(1, 3)),
        SubsetSum([1, 2, 4], 3),
        SubsetSum([1, 2, 4], 3, tolerance=1, cardinality=2),
        SubsetSum([2, 4, 8], 6, tolerance=2),
        SubsetSum([[1], [2], [4]], [3], tolerance=1),
        SubsetSum([1, 2, 4, 0], 3, tolerance=1),
        "a problem",
    ]
    assert all(base != other for other in others)
    assert SubsetSum([0.1], 1) != SubsetSum([Fraction(1, 10)], 1)


def test_solutions_are_equal_by_what_they_say_however_long_it_took():
    problem = SubsetSum([3, 5, THIRD], Fraction(31, 7))
    first, again = solve(problem), solve(problem)
    assert first == again
    assert len({first, again, Solution.from_json(json.loads(json.dumps(first.to_json())))}) == 1
    assert first != solve(SubsetSum([3, 5, THIRD], 4))
    for key, other in {
        "subset": [0],
        "error": "1/7",
        "lower_bound": "0",
        "stop": "TIME_LIMIT",
        "n": 4,
    }.items():
        assert Solution.from_json(first.to_json() | {key: other}) != first
    assert first != "a solution"


# -- copies --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("duplicate", [lambda x: x, *COPIES])
def test_arrays_stay_read_only(duplicate):
    problem = SubsetSum([0.5, 0.25], 0.5, tolerance=0.1)
    answer = duplicate(solve(problem))
    batch = duplicate(solve_many([[0.5, 0.25]], [0.5], tolerance=0.1))
    arrays = [duplicate(problem).items, answer.subset]
    arrays += [batch.masks, batch.errors, batch.lower_bounds, batch.status, batch.tolerances]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    answer.check(problem)


def test_read_and_handmade_solutions_are_read_only_too():
    answer = solve(SubsetSum([3, 5], 8))
    mine = np.array([0, 1])
    made = Solution(**{**vars(answer), "subset": mine})
    mine[0] = 1
    assert made == answer
    for found in (made, Solution.from_json(answer.to_json())):
        with pytest.raises(ValueError, match="read-only"):
            found.subset[0] = 1

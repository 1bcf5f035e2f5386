"""Instance files: exact numbers in, exact numbers out, and a clear word about everything else."""

import json
from fractions import Fraction

import pytest

from solvers import InvalidProblemError, SubsetSum
from solvers.instance_files import Instance, read_instance, write_instance

PAGE = {"format": "subset-sum", "version": 1, "name": "demo", "items": [1, 2], "target": 3}


def read(tmp_path, **changes):
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**PAGE, **changes}))
    return read_instance(path)


def test_numbers_are_exact(tmp_path):
    problem = read(
        tmp_path, items=[0.1, "1/3", "0x1.8p-3", 2**80, "-7/2"], target="2/7", tolerance="1/9"
    ).problem
    assert [Fraction(x) for x in problem.items.tolist()] == [
        Fraction(0.1), Fraction(1, 3), Fraction(3, 16), 2**80, Fraction(-7, 2),
    ]  # fmt: skip
    assert problem.target == Fraction(2, 7)
    assert problem.tolerance == Fraction(1, 9)


@pytest.mark.parametrize(
    "problem",
    [
        SubsetSum([0.1, -3.5e-310, 1e300], 0.25, tolerance=1e-9),
        SubsetSum([2**100, -5, Fraction(1, 3)], Fraction(22, 7), cardinality=(1, 2)),
        SubsetSum([[1, 0.5], [Fraction(1, 3), 2]], [1, 1], cardinality=2),
    ],
)
def test_round_trip(tmp_path, problem):
    known = {"status": "OPTIMAL", "error": Fraction(1, 3)}
    write_instance(Instance(problem, "round trip", "here", known), tmp_path / "x.json")
    back = read_instance(tmp_path / "x.json")
    assert (back.name, back.source, back.known) == ("round trip", "here", known)
    assert back.problem.image == problem.image
    assert back.problem.tolerance == problem.tolerance
    assert back.problem.cardinality == problem.cardinality


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "knapsack"},
        {"version": 2},
        {"items": []},
        {"items": "1 2 3"},
        {"items": [1, "one third"]},
        {"items": [1, "1/0"]},
        {"items": [True, 2]},
        {"items": [[1, 2], [3]]},
        {"target": None},
        {"target": [1, 2]},
        {"tolerance": -1},
        {"cardinality": 5},
        {"known": "yes"},
    ],
)
def test_what_makes_no_sense_is_refused_with_the_file_name(tmp_path, changes):
    with pytest.raises(InvalidProblemError, match=r"x\.json"):
        read(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1, 2]", b'{"items": NaN}'])
def test_files_that_are_no_instances(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InvalidProblemError, match=r"x\.json"):
        read_instance(tmp_path / "x.json")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_instance(tmp_path / "nothing.json")

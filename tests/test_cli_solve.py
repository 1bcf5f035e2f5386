"""Command solve: what its options change, counts and lists, standard input, and restrictions in files."""

import json

import pytest
from typer.testing import CliRunner

from solvers import SubsetSum
from solvers.instances.files import Instance, write_instance
from subsetsum_nets.cli import app

RUNNER = CliRunner()


def run(*arguments, **more):
    return RUNNER.invoke(app, ["solve", *map(str, arguments)], **more)


def lines(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.fixture
def path(tmp_path):
    problem = SubsetSum([3, 5, 9, 11], 13, tolerance=1)
    write_instance(Instance(problem, "x", known={"status": "OPTIMAL", "error": 1}), tmp_path / "x.json")
    return tmp_path / "x.json"


def test_target_and_cardinality_replace_those_of_the_file(path):
    (line,) = lines(run(path, "--target", "17/2", "--json"))
    assert (line["error_exact"], line["status"]) == ("1/2", "OPTIMAL")
    (line,) = lines(run(path, "--target", "20", "--cardinality", "1:2", "--tolerance", "0", "--json"))
    assert line["subset"] == [2, 3]
    (line,) = lines(run(path, "--side", "below", "--json"))
    assert line["subset"] == [0, 2]
    result = run(path, "--target", "3", "--cardinality", "1")
    assert result.exit_code == 0, result.output  # what was known is not known of another problem


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "five"], "neither a fraction"),
        (["--target", "1,2"], "one number as target"),
        (["--cardinality", "7"], "x: cardinality 7 is impossible"),
        (["--cardinality", "1:2:3"], "K or MIN:MAX"),
        (["--cardinality", "-1"], "K or MIN:MAX"),
        (["--count", "--all"], "ask for different things"),
        (["--count", "--objective", "sparsest"], "takes no --objective sparsest"),
        (["--side", "left"], "'left' is not one of 'both', 'below', 'above'"),
        (["--k-best", "0"], "limit must be an integer of at least 1"),
    ],
)
def test_senseless_options_are_refused(path, options, message):
    result = run(path, *options)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_count_all_and_k_best(path):
    assert lines(run(path, "--count", "--json")) == [{"name": "x", "count": 3}]
    assert "3" in run(path, "--count").stdout
    listed = lines(run(path, "--all", "--json"))
    assert [(line["rank"], line["subset"], line["error"]) for line in listed] == [
        (1, [0, 2], 1.0),
        (2, [0, 3], 1.0),
        (3, [1, 2], 1.0),
    ]
    assert [line["subset"] for line in lines(run(path, "--k-best", 2, "--json"))] == [[0, 2], [0, 3]]
    assert "0 2" in run(path, "--k-best", 1).stdout


def test_what_is_not_there_is_exit_code_1(path):
    for option in ("--count", "--all"):
        assert run(path, option, "--target", "1000").exit_code == 1
    assert run(path, "--all", "--tolerance", "0", "--target", "1").exit_code == 1


def test_counting_needs_a_tolerance(tmp_path):
    write_instance(Instance(SubsetSum([3, 5], 8), "x"), tmp_path / "x.json")
    result = run(tmp_path / "x.json", "--count")
    assert result.exit_code == 2
    assert "needs a tolerance" in result.output


def test_standard_input():
    result = run("-", "--json", input="3 9\n4\n5\n7\n")
    assert [(line["name"], line["subset"]) for line in lines(result)] == [("stdin", [0, 1])]
    assert lines(run("-", "--target", "12", "--json", input="4\n5\n7\n"))[0]["subset"] == [1, 2]


def test_what_is_not_read_is_named(tmp_path):
    (tmp_path / "x.lp").write_text("Minimize\n obj: x\nSubject To\n c: x >= 1\nEnd\n")
    result = run(tmp_path / "x.lp")
    assert result.exit_code == 2
    assert "is an LP file" in " ".join(result.output.split())


def test_restrictions_of_a_file_are_kept(tmp_path):
    problem = SubsetSum([3, 5, 9, 11], 13, tolerance=4, required=[1], forbidden=[3], side="below")
    write_instance(Instance(problem, "x"), tmp_path / "x.json")
    (line,) = lines(run(tmp_path / "x.json", "--json"))
    assert (line["subset"], line["error"]) == ([0, 1], 5.0)
    assert line["status"] == "INFEASIBLE"
    assert lines(run(tmp_path / "x.json", "--tolerance", "8", "--count", "--json"))[0]["count"] == 2


def test_integers_are_shown_whole_and_the_chosen_items_if_asked(tmp_path):
    write_instance(Instance(SubsetSum([3000, 5001, 9000], 6000), "x"), tmp_path / "x.json")
    shown = run(tmp_path / "x.json", "--show").stdout.splitlines()
    assert shown[1].split() == ["x", "3", "1", "OPTIMAL", "999", "999", "0", "mitm", shown[1].split()[-1]]
    assert shown[2:] == ["x: 1 items, total 5001", "  1: 5001"]
    write_instance(Instance(SubsetSum([0.5, 3], 7.5, multiplicity=[3, 2]), "y"), tmp_path / "y.json")
    assert run(tmp_path / "y.json", "--show").stdout.splitlines()[2:] == [
        "y: 5 items, total 15/2",
        "  0: 0.5 x 3",
        "  1: 3 x 2",
    ]


def test_known_answers_are_still_compared(tmp_path):
    write_instance(
        Instance(SubsetSum([3, 5], 4), "x", known={"status": "OPTIMAL", "error": 0}), tmp_path / "x.json"
    )
    result = run(tmp_path / "x.json", "--show")
    assert result.exit_code == 1
    assert "WARNING" in result.stderr

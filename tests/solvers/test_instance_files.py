"""Instance files: exact numbers in, exact numbers out, and a clear word about everything else."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import cases

from solvers import InvalidProblemError, Proof, Status, SubsetSum, solve
from solvers.instances.files import (
    Instance,
    contradiction,
    instance_paths,
    number_from,
    read_instance,
    read_instances,
    write_instance,
)

SHIPPED = Path(__file__).parents[2] / "instances" / "subset_sum"

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
        {"target": "1e999999999"},
        {"target": "9" * 5000},
        {"target": "0x1p99999"},
        {"target": {"p": 1}},
        {"items": [[[1]]], "target": [[1]]},
        {"items": [None]},
        {"items": [1e999]},
        {"cardinality": 5},
        {"cardinality": "2"},
        {"cardinality": [1]},
        {"cardinality": [1, 1.5]},
        {"cardinality": True},
        {"cardinality": {}},
        {"tolerance": "none"},
        {"tolerance": [1]},
        {"version": True},
        {"version": 1.0},
        {"name": 7},
        {"source": ["here"]},
        {"known": "yes"},
        {"known": {}},
        {"known": {"status": "BEST", "error": 0}},
        {"known": {"status": ["OPTIMAL"], "error": 0}},
        {"known": {"status": "OPTIMAL", "error": -1}},
        {"known": {"status": "OPTIMAL", "error": "x"}},
    ],
)
def test_what_makes_no_sense_is_refused_with_the_file_name(tmp_path, changes):
    with pytest.raises(InvalidProblemError, match=r"x\.json"):
        read(tmp_path, **changes)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[1, 2]", b'{"items": NaN}', b"1" * 5000, b'{"a": 1, "a": 2}'],
)
def test_files_that_are_no_instances(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InvalidProblemError, match=r"x\.json"):
        read_instance(tmp_path / "x.json")


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_instance(tmp_path / "nothing.json")


def test_messages_stay_short_whatever_the_file_holds(tmp_path):
    with pytest.raises(InvalidProblemError) as caught:
        read(tmp_path, target="z" * 100_000)
    assert len(str(caught.value)) < 500


def test_size_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("solvers.instances.files.MOST_NUMBERS", 5)
    with pytest.raises(InvalidProblemError, match="at most 5"):
        read(tmp_path, items=[[1, 2], [1, 2], [1, 2]], target=[1, 1])


@pytest.mark.parametrize("text", ["", "1/0", "nan", "inf", "1e1000", "0xz", "1_000", "1/2/3", "--1", "٣"])
def test_what_is_no_number(text):
    with pytest.raises(InvalidProblemError):
        number_from(text)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=cases(dimensions=(1, 2)))
def test_any_problem_comes_back_unchanged(tmp_path, case):
    problem = SubsetSum(case.items, case.target, tolerance=case.tolerance, cardinality=case.cardinality)
    write_instance(Instance(problem, "case"), tmp_path / "x.json")
    back = read_instance(tmp_path / "x.json").problem
    assert back.image == problem.image
    assert (back.tolerance, back.cardinality) == (problem.tolerance, problem.cardinality)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.just("1/3"),
    st.just("0x1p-3"),
)
values = st.one_of(
    scalars, st.lists(scalars, max_size=3), st.lists(st.lists(scalars, max_size=2), max_size=3)
)
pages = st.dictionaries(
    st.sampled_from([*PAGE, "tolerance", "cardinality", "known", "source"]), values, max_size=5
).map(lambda changes: json.dumps({**PAGE, **changes}).encode())


@st.composite
def broken_pages(draw):
    page = draw(pages)
    start = draw(st.integers(0, len(page)))
    return page[:start] + draw(st.binary(max_size=4)) + page[start + draw(st.integers(0, 4)) :]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(pages, broken_pages()), name=st.sampled_from(["x.json", "x.txt"]))
def test_whatever_the_json_it_is_read_or_refused(tmp_path, content, name):
    (tmp_path / name).write_bytes(content)
    try:
        assert read_instance(tmp_path / name).problem.n >= 1
    except InvalidProblemError as error:
        assert name in str(error)  # noqa: PT017


def test_folders_are_searched(tmp_path):
    (tmp_path / "deep").mkdir()
    for name in ("b.json", "deep/a.dat", "README.md", ".hidden.json", "LICENSE"):
        (tmp_path / name).write_text("x")
    assert instance_paths(tmp_path) == [tmp_path / "b.json", tmp_path / "deep" / "a.dat"]
    assert instance_paths(tmp_path / "b.json") == [tmp_path / "b.json"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidProblemError, match="holds no instance files"):
        instance_paths(tmp_path / "empty")


# -- known answers -----------------------------------------------------------------------------------

DEMO = SubsetSum([4, 6, 10], 7, tolerance=2)  # nearest error 1


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (None, None),
        ({"status": "OPTIMAL", "error": Fraction(1)}, None),
        ({"status": "OPTIMAL", "error": None}, None),
        ({"status": "OPTIMAL", "error": Fraction(2)}, "below the known optimum 2"),
        ({"status": "OPTIMAL", "error": Fraction(1, 2)}, "above the known optimum 1/2"),
        ({"status": "INFEASIBLE", "error": None}, "known to be INFEASIBLE"),
    ],
)
def test_contradiction(known, words):
    found = contradiction(Instance(DEMO, "demo", "", known), solve(DEMO))
    assert found is None if words is None else words in found


def test_contradiction_by_a_false_claim_of_infeasibility():
    instance = Instance(DEMO, "demo", "", {"status": "OPTIMAL", "error": Fraction(1)})
    truth = solve(DEMO, objective="sparsest")
    assert contradiction(instance, truth) is None
    claim = replace(truth, status=Status.INFEASIBLE, subset=None, total=None, error=None)
    assert "INFEASIBLE" in contradiction(instance, claim)
    bare = Instance(DEMO, "demo", "", {"status": "OPTIMAL", "error": None})
    assert "INFEASIBLE" in contradiction(bare, claim)


def test_floating_point_bounds_get_their_resolution_of_slack():
    instance = Instance(DEMO, "demo", "", {"status": "OPTIMAL", "error": Fraction(1)})
    rough = replace(solve(DEMO), proof=Proof.TOLERANCE, resolution=0.25, lower_bound=Fraction(9, 8))
    assert contradiction(instance, rough) is None
    assert contradiction(instance, replace(rough, resolution=0.0625)) is not None


# -- the shipped set ---------------------------------------------------------------------------------


def test_readme_lists_exactly_the_shipped_files():
    listed = [
        line.split("`")[1] for line in (SHIPPED / "README.md").read_text().splitlines() if line[:3] == "| `"
    ]
    assert sorted(listed) == sorted(str(path.relative_to(SHIPPED)) for path in instance_paths(SHIPPED))


@pytest.mark.parametrize("path", instance_paths(SHIPPED), ids=lambda path: path.stem)
def test_shipped_instance_reads_and_says_what_it_is(path):
    for instance in read_instances(path):
        assert instance.name == path.stem
        assert instance.source
        if instance.known is None:
            assert path.parent.name == "kplib"
            continue
        tolerance, error = instance.problem.tolerance, instance.known["error"]
        infeasible = tolerance is not None and error > tolerance
        assert instance.known["status"] == ("INFEASIBLE" if infeasible else "OPTIMAL")


@pytest.mark.parametrize("path", instance_paths(SHIPPED), ids=lambda path: path.stem)
def test_known_answers_of_small_shipped_instances(path):
    instance = read_instance(path)
    if instance.problem.n > 24 or instance.problem.d > 1:
        pytest.skip("in the slow tests")
    answer = solve(instance.problem)
    assert contradiction(instance, answer) is None
    assert (answer.error, answer.proof) == (instance.known["error"], Proof.EXACT)


@pytest.mark.slow
@pytest.mark.parametrize("path", instance_paths(SHIPPED), ids=lambda path: path.stem)
def test_known_answers_of_all_shipped_instances(path):
    instance = read_instance(path)
    answer = solve(instance.problem, time_limit=120, memory_limit=4 << 30)
    assert contradiction(instance, answer) is None
    expected = instance.known or {"status": "OPTIMAL", "error": 0}
    assert (answer.status.name, answer.error) == (expected["status"], expected["error"])

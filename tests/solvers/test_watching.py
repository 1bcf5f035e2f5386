"""One long solve(): where it starts, what it reports, and that an event ends it with what it has."""

import threading
import time

import numpy as np
import pytest

from solvers import InvalidProblemError, Solution, Status, Stop, SubsetSum, solve

HARD = SubsetSum(np.random.default_rng(0).uniform(-1, 1, (60, 4)), (0.3, 0.2, 0.1, 0.0))
EASY = SubsetSum([3, 5, 9, 11], 13, tolerance=1)


# -- start ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [[0, 3], [True, False, False, True], np.array([3, 0]), solve(EASY)],
    ids=["indices", "mask", "array", "solution"],
)
@pytest.mark.parametrize("objective", ["nearest", "within", "sparsest"])
def test_a_start_changes_no_proof(start, objective):
    answer = solve(EASY, start=start, objective=objective)
    assert answer.error == 1
    assert answer.status is (Status.FEASIBLE if objective == "within" else Status.OPTIMAL)


def test_the_answer_is_at_least_as_good_as_the_start():
    hidden = np.flatnonzero(np.random.default_rng(1).random(60) < 0.5)
    target = tuple(sum(map(int, column)) for column in (HARD.items[hidden].T * 2**60).round())
    problem = SubsetSum((HARD.items * 2**60).round(), target)
    for backend in ("auto", "lns", "cp-sat"):
        answer = solve(problem, start=hidden, backend=backend, time_limit=0.2)
        assert (answer.status, answer.error) == (Status.OPTIMAL, 0)
    near = hidden[1:]
    known = max(abs(x) for x in problem.image.items[hidden[0]]) * problem.image.unit
    for backend in ("auto", "lns"):
        answer = solve(problem, start=near, backend=backend, time_limit=0.2)
        assert answer.error <= known


def test_a_start_keeps_restrictions():
    problem = SubsetSum([3, 5, 9, 11], 13, required=[0], side="below")
    assert solve(problem, start=[0]).error == 1
    for start in ([1], [0, 3]):
        with pytest.raises(InvalidProblemError, match="start is no subset"):
            solve(problem, start=start)


@pytest.mark.parametrize("start", [[4], [-1], [0.5], [0, 0], [True], 3, "01", [0, 1, 2]], ids=repr)
def test_senseless_starts_are_refused(start):
    with pytest.raises(InvalidProblemError, match="start"):
        solve(SubsetSum([3, 5, 9, 11], 13, cardinality=(0, 2)), start=start)


# -- cancel --------------------------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize("backend", ["auto", "lns", "k-tree", "cp-sat", "schroeppel-shamir"])
@pytest.mark.parametrize("side", ["both", "below"])
def test_an_event_ends_the_search_with_what_it_has(backend, side):
    items = np.random.default_rng(2).uniform(0, 1, 80)
    problem = SubsetSum(items, 20.3, side=side, cardinality=40 if backend == "cp-sat" else None)
    cancel = threading.Event()
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    begun = time.monotonic()
    try:
        answer = solve(problem, backend=backend, time_limit=60, cancel=cancel)
    except NotImplementedError:
        timer.cancel()
        pytest.skip("it cannot take so many items")
    assert time.monotonic() - begun < 10
    answer.check(problem)
    if answer.stop is not Stop.PROVEN:
        assert answer.stop is Stop.INTERRUPTED
    if backend == "auto":
        assert answer.subset is not None


def test_an_event_from_a_thread_of_its_own():
    cancel, found = threading.Event(), []
    thread = threading.Thread(target=lambda: found.append(solve(HARD, cancel=cancel)))
    thread.start()
    time.sleep(0.3)
    cancel.set()
    thread.join(20)
    assert found[0].stop is Stop.INTERRUPTED
    assert found[0].subset is not None


def test_an_event_set_before_is_heard_at_once():
    cancel = threading.Event()
    cancel.set()
    answer = solve(HARD, cancel=cancel)
    assert (answer.stop, answer.status) == (Stop.INTERRUPTED, Status.FEASIBLE)
    assert solve(EASY, cancel=threading.Event()).stop is Stop.PROVEN


# -- progress ------------------------------------------------------------------------------------------


def test_progress_is_reported_while_it_runs(capsys):
    seen = []
    solve(HARD, time_limit=1.6, progress=lambda seconds, best: seen.append((seconds, best)))
    assert len(seen) >= 2
    assert [seconds for seconds, _ in seen] == sorted(seconds for seconds, _ in seen)
    assert isinstance(seen[-1][1], Solution)
    solve(EASY, progress=True)
    assert "error 1, 2 items, OPTIMAL" in capsys.readouterr().err


def test_an_exception_of_progress_ends_the_search():
    def fail(seconds, best):
        raise KeyError("mine")

    begun = time.monotonic()
    with pytest.raises(KeyError, match="mine"):
        solve(HARD, time_limit=60, progress=fail)
    assert time.monotonic() - begun < 20


@pytest.mark.parametrize("options", [{"progress": "yes"}, {"cancel": True}, {"cancel": 5}], ids=repr)
def test_senseless_watchers_are_refused(options):
    with pytest.raises(InvalidProblemError, match=next(iter(options))):
        solve(EASY, **options)

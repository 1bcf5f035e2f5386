"""solve_many() on executors: bit for bit the same answers, none lost when workers die or rows fail."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from solvers import InvalidProblemError, Status, UnsupportedProblemError, solve_many
from solvers.backend.protocol import Limits
from solvers.batch import workers as executing
from solvers.batch.chunks import solve_chunk

ROOT = Path(__file__).parents[2]
NAMES = ("masks", "errors", "lower_bounds", "status")

forking = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")


def content(batch):
    return [getattr(batch, name).tobytes() for name in NAMES]


# -- the same answers everywhere ---------------------------------------------------------------------


def questions():
    rng = np.random.default_rng(11)
    items, targets = rng.uniform(-1, 1, (600, 14)), rng.uniform(-1, 1, 600)
    mixed = items.copy()
    mixed[::40] *= 10.0 ** rng.integers(-200, 200, (15, 14))  # left to solve() row by row
    blocks = np.repeat(items[:6], 100, axis=0)
    thirds = np.array([[Fraction(int(x), 3) for x in row] for row in rng.integers(-99, 99, (6, 5))])
    return {
        "rows": {"items": mixed, "targets": targets, "valid": rng.random((600, 14)) < 0.9, "tolerance": 1e-3},
        "blocks": {
            "items": blocks,
            "targets": targets,
            "valid": np.repeat(rng.random((6, 14)) < 0.9, 100, 0),
        },
        "shared": {"items": items[0], "targets": targets},
        "shared, within": {"items": items[0], "targets": targets, "objective": "within", "tolerance": 1e-3},
        "within": {"items": blocks, "targets": targets, "objective": "within", "tolerance": 1e-3},
        "sparsest": {
            "items": items[:40, :8],
            "targets": targets[:40],
            "objective": "sparsest",
            "tolerance": 0.1,
        },
        "vectors": {"items": items[:40].reshape(40, 7, 2), "targets": items[40:80, :2]},
        "fractions": {"items": thirds, "targets": thirds.sum(axis=1) / 2},
    }


QUESTIONS = questions()


@pytest.fixture(scope="module")
def expected():
    return {name: content(solve_many(**q, threads=1)) for name, q in QUESTIONS.items()}


def assert_all_the_same(expected, **options):
    for name, question in QUESTIONS.items():
        for size in (None, 37):
            assert content(solve_many(**question, chunk_size=size, **options)) == expected[name], name


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 4])
def test_threads_change_nothing(expected, threads):
    assert_all_the_same(expected, threads=threads)


def test_a_thread_pool_changes_nothing(expected):
    with ThreadPoolExecutor(3) as pool:
        assert_all_the_same(expected, executor=pool)


@pytest.mark.slow
@forking
@pytest.mark.parametrize("method", [pytest.param("spawn", marks=pytest.mark.slow), "fork"])
def test_processes_change_nothing(expected, method):
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as pool:
        assert_all_the_same(expected, executor=pool)


@pytest.mark.slow
def test_loky_changes_nothing(expected):
    loky = pytest.importorskip("loky")
    pool = loky.ProcessPoolExecutor(max_workers=2)
    try:
        assert_all_the_same(expected, executor=pool)
    finally:
        pool.shutdown()


def test_a_function_that_makes_executors_is_used_and_its_executor_shut_down(expected):
    made = []

    def make():
        made.append(ThreadPoolExecutor(2))
        return made[-1]

    assert content(solve_many(**QUESTIONS["rows"], executor=make)) == expected["rows"]
    assert len(made) == 1
    with pytest.raises(RuntimeError, match="shutdown"):
        made[0].submit(int)


@pytest.mark.parametrize("executor", [7, "pool", lambda: None, lambda: 7])
def test_what_is_no_executor_is_refused(executor):
    with pytest.raises(InvalidProblemError, match="executor must be"):
        solve_many(**QUESTIONS["rows"], executor=executor)


# -- Dask --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed")
    dask = pytest.importorskip("dask")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.slow
def test_dask_changes_nothing(expected, dask_client):
    assert executing.Workers(dask_client.get_executor(), Limits()).count == 2
    assert_all_the_same(expected, executor=dask_client.get_executor())


@pytest.mark.slow
def test_a_dask_worker_killed_in_the_middle_costs_no_answer(expected, dask_client, tmp_path):
    victims = list(dask_client.run(os.getpid).values())

    def kill(done, total):
        if done >= 100 and victims:
            os.kill(victims.pop(), signal.SIGKILL)

    batch = solve_many(
        **QUESTIONS["rows"],
        executor=dask_client.get_executor(),
        chunk_size=20,
        progress=kill,
        checkpoint=tmp_path,
    )
    assert not victims, "both workers were killed"
    assert content(batch) == expected["rows"]
    assert batch.failures == {}
    assert len(list(tmp_path.glob("*.shard"))) == 30


@pytest.mark.slow
def test_a_row_that_kills_dask_workers_fails_alone(dask_client):
    assert_the_fatal_row_fails_alone(dask_client.get_executor())


def examples():
    """Return the code blocks of the documentation, the one that runs on Dask last."""
    text = (ROOT / "docs" / "many_weights.md").read_text()
    return sorted(
        re.findall(r"```python\n(.+?)```", text, re.DOTALL), key=lambda code: "get_executor" in code
    )


def test_the_examples_of_the_docs_run(capsys):
    names = {}
    for code in examples()[:-1]:
        exec(code, names)  # noqa: S102
    assert "'optimal': 1000" in capsys.readouterr().out
    assert len(names["batch"]) == 5000


@pytest.mark.slow
def test_the_ten_lines_of_the_docs_run_on_dask(tmp_path):
    pytest.importorskip("distributed")
    code = examples()[-1]
    assert len([line for line in code.splitlines() if line.strip()]) == 10
    (tmp_path / "example.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "'optimal': 100000" in done.stdout


# -- workers that die --------------------------------------------------------------------------------


class Fatal(Fraction):
    """A number that ends any process but this one that reads it."""

    def __reduce__(self):
        again = f"__import__('sys').modules[{__name__!r}].Fatal({self.numerator}, {self.denominator})"
        return eval, (
            f"{again} if __import__('os').getpid() == {os.getpid()} else __import__('os')._exit(1)",
        )


FATAL_ROW = 7


def assert_the_fatal_row_fails_alone(executor):
    items = np.array([[Fraction(k, 3), Fraction(5), Fraction(k + 1, 7)] for k in range(16)])
    targets = items.sum(axis=1) - 5
    alone = solve_many(items, targets, threads=1)
    items[FATAL_ROW, 1] = Fatal(5)
    with pytest.warns(RuntimeWarning, match=f"1 of 16 rows failed.*row {FATAL_ROW}: WorkerDied"):
        batch = solve_many(items, targets, executor=executor, chunk_size=4)
    assert list(batch.failures) == [FATAL_ROW]
    assert (batch.status[FATAL_ROW], batch.errors[FATAL_ROW]) == (Status.UNKNOWN, np.inf)
    others = np.arange(16) != FATAL_ROW
    for name in NAMES:
        assert np.array_equal(getattr(batch, name)[others], getattr(alone, name)[others])
    batch.check(items, targets)


def process_pool():
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


@pytest.mark.slow
def test_a_row_that_kills_its_processes_fails_alone():
    assert_the_fatal_row_fails_alone(process_pool)


@pytest.mark.slow
@pytest.mark.parametrize("replaced", [False, True])
def test_a_killed_process_costs_no_answer(expected, replaced, tmp_path):
    pools = []

    def make():
        pools.append(process_pool())
        return pools[-1]

    def kill(done, total):
        if done >= 60 and len(killed) == 0:
            (victim,) = pools[0]._processes
            killed.append(victim)
            os.kill(victim, signal.SIGKILL)

    killed = []
    options = {"chunk_size": 20, "progress": kill, "checkpoint": tmp_path, "threads": 2}
    if replaced:
        batch = solve_many(**QUESTIONS["rows"], executor=make, **options)
        assert len(pools) == 2
    else:
        with make() as pool, pytest.warns(RuntimeWarning, match="executor is broken.*2 threads"):
            batch = solve_many(**QUESTIONS["rows"], executor=pool, **options)
    assert killed
    assert content(batch) == expected["rows"]
    assert batch.failures == {}
    assert len(list(tmp_path.glob("*.shard"))) == 30


def test_an_executor_that_was_broken_before_is_not_needed(expected):
    with process_pool() as pool:
        with pytest.raises(Exception, match="terminated abruptly"):
            pool.submit(os._exit, 1).result()
        with pytest.warns(RuntimeWarning, match="broken"):
            assert content(solve_many(**QUESTIONS["blocks"], executor=pool)) == expected["blocks"]


def test_executors_that_only_die_end_the_run(monkeypatch):
    monkeypatch.setattr(executing, "_MOST_DEATHS", 5)
    made = []

    class Dying(Executor):
        def __init__(self):
            made.append(self)

        def submit(self, function, rows):
            future = Future()
            future.set_exception(BrokenExecutor("no memory, say"))
            return future

    with pytest.raises(BrokenExecutor, match="6 workers died one after the other"):
        solve_many(**QUESTIONS["rows"], executor=Dying, chunk_size=100)
    assert len(made) <= 6


class Flaky(Executor):
    """Loses the first chunks that it is given, or raises what it is told to."""

    def __init__(self, loses, error):
        self.loses, self.error, self.rows = loses, error, []

    def submit(self, function, rows):
        future = Future()
        self.rows.append(rows)
        if len(self.rows) <= self.loses:
            future.set_exception(self.error)
        else:
            future.set_result(function(rows))
        return future


KilledWorker = type("KilledWorker", (Exception,), {})


@pytest.mark.thinned
@pytest.mark.parametrize("error", [KilledWorker("gone"), executing.CancelledError()], ids=repr)
@pytest.mark.parametrize("loses", [1, 7, 12])
def test_lost_chunks_are_solved_again(expected, error, loses):
    pool = Flaky(loses, error)
    assert content(solve_many(**QUESTIONS["rows"], executor=pool, chunk_size=100)) == expected["rows"]
    assert len(pool.rows) > 6


def test_other_errors_of_an_executor_are_not_hidden():
    with pytest.raises(ImportError, match="no solvers there"):
        solve_many(**QUESTIONS["rows"], executor=Flaky(1, ImportError("no solvers there")))


# -- time --------------------------------------------------------------------------------------------


def test_workers_are_told_seconds_and_not_the_time_of_another_clock():
    pool = Flaky(0, None)
    solve_many(**QUESTIONS["rows"], executor=pool, chunk_size=100, time_limit=1000)
    seconds = [rows.seconds for rows in pool.rows]
    assert all(0 < s <= 1000 for s in seconds)
    assert sorted(seconds, reverse=True) == seconds


def test_a_chunk_without_time_is_unknown():
    rows = next(executing_rows(seconds=0.0))
    answers = solve_chunk(rows)
    assert (answers.status == Status.UNKNOWN).all()
    assert np.isinf(answers.errors).all()


def executing_rows(**changes):
    from dataclasses import replace

    pool = Flaky(0, None)
    solve_many(**QUESTIONS["rows"], executor=pool)
    yield from (replace(rows, **changes) for rows in pool.rows)


class Waiting(Executor):
    """Never begins anything, or never ends it."""

    def __init__(self, begins):
        self.begins = begins

    def submit(self, function, rows):
        future = Future()
        if self.begins:
            future.set_running_or_notify_cancel()
        return future


@pytest.mark.parametrize("begins", [False, True])
def test_chunks_that_never_end_are_given_up_when_the_time_is_up(begins, monkeypatch):
    monkeypatch.setattr(executing, "_GRACE", 0.2)
    batch = solve_many(**QUESTIONS["rows"], executor=Waiting(begins), time_limit=0.2, chunk_size=50)
    assert (batch.status == Status.UNKNOWN).all()


# -- poisoned rows -----------------------------------------------------------------------------------


@pytest.fixture
def poisoned():
    """Rows for a backend that takes small integers only, and one row that has others."""
    rng = np.random.default_rng(5)
    items = rng.integers(1, 50, (40, 6)).astype(float)
    targets = items[:, :3].sum(axis=1)
    items[23] = rng.uniform(1, 50, 6)
    return {"items": items, "targets": targets, "backend": "dp"}


@pytest.mark.parametrize(
    "executor",
    [None, ThreadPoolExecutor, pytest.param(process_pool, marks=pytest.mark.slow)],
    ids=["", "threads", "processes"],
)
def test_a_poisoned_row_fails_alone(poisoned, executor, tmp_path):
    expected_errors = np.zeros(40)
    with pytest.warns(RuntimeWarning, match=r"1 of 40 rows failed.*row 23: UnsupportedProblemError: .*dp"):
        batch = solve_many(**poisoned, executor=executor, chunk_size=5, checkpoint=tmp_path / "kept")
    assert list(batch.failures) == [23]
    assert "dp" in batch.failures[23]
    assert batch.summary()["failed_rows"] == 1
    expected_errors[23] = np.inf
    assert np.array_equal(batch.errors, expected_errors)
    batch.check(poisoned["items"], poisoned["targets"])
    assert len(list((tmp_path / "kept").glob("*.shard"))) == 7, "its chunk is tried again by the next call"
    batch.save(tmp_path / "answers.npz")
    assert type(batch).load(tmp_path / "answers.npz").failures == batch.failures
    with pytest.warns(RuntimeWarning, match="row 23"):
        again = solve_many(**poisoned, checkpoint=tmp_path / "kept")
    assert content(again) == content(batch)


def test_if_every_row_fails_the_call_fails(poisoned):
    with pytest.raises(UnsupportedProblemError, match="row 0"):
        solve_many(poisoned["items"][23:24], poisoned["targets"][23:24], backend="dp")
    with pytest.raises(UnsupportedProblemError, match="row 0"):
        solve_many(poisoned["items"][[23, 23, 23]], poisoned["targets"][:3], backend="dp", chunk_size=1)


def test_a_crash_inside_a_solver_fails_alone(monkeypatch):
    from solvers.batch import chunks

    original = chunks.solved

    def crash(problem, *asked):
        if problem.n == 4:
            raise ZeroDivisionError("a bug")
        return original(problem, *asked)

    monkeypatch.setattr(chunks, "solved", crash)
    valid = np.ones((9, 5), dtype=bool)
    valid[4, 0] = False
    question = {"items": np.arange(45.0).reshape(9, 5), "targets": np.arange(9.0), "cardinality": (0, 3)}
    with pytest.warns(RuntimeWarning, match="row 4: ZeroDivisionError: a bug"):
        batch = solve_many(**question, valid=valid)
    assert batch.failures == {4: "ZeroDivisionError: a bug"}
    assert np.flatnonzero(batch.status == Status.UNKNOWN).tolist() == [4]
    with pytest.raises(RuntimeError, match="row 0: a bug"):
        solve_many(**question, valid=valid[4])

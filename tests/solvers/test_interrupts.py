"""Ctrl-C is a KeyboardInterrupt within a second, whatever is running, and what was finished is kept."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from solvers import SubsetSum, count, covering_radius, solutions, solve, solve_many
from solvers.interrupts import Interruption, heard, interruptible

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl-C is no signal to be sent"),
    pytest.mark.skipif(
        threading.current_thread() is not threading.main_thread(), reason="signals reach the main thread"
    ),
]
RNG = np.random.default_rng(0)
SCALAR = SubsetSum(RNG.uniform(-1, 1, 50), 0.3, tolerance=1e-3)
LONG = SubsetSum(RNG.uniform(-1, 1, 62), 0.3, tolerance=1e-3)
VECTORS = SubsetSum(RNG.uniform(-1, 1, (48, 3)), [0.1, 0.2, 0.3], tolerance=1e-3)
SMALL = SubsetSum(RNG.uniform(-1, 1, 20), 0.3, tolerance=0.1)


def slow(*values):
    return pytest.param(*values, marks=pytest.mark.slow)


def seconds_to_hear(call, after=0.3):
    """Return how long after Ctrl-C a call ended in KeyboardInterrupt."""
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    begun = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
    finally:
        timer.cancel()
        timer.join()
    return time.monotonic() - begun - after


@pytest.mark.parametrize(
    ("backend", "problem"),
    [
        ("auto", LONG),
        ("mitm", SCALAR),
        ("cp-sat", SCALAR),
        ("pulp", SCALAR),
        slow("schroeppel-shamir", LONG),
        slow("mitm-nd", VECTORS),
        slow("highs", SCALAR),
        slow("lns", VECTORS),
        slow("k-tree", LONG),
        slow("k-tree", VECTORS),
        slow("annealing", VECTORS),
        slow("lattice", VECTORS),
    ],
)
def test_solve_hears_ctrl_c(backend, problem):
    limit = 10.0 if backend in ("highs", "lns", "k-tree", "annealing", "lattice") else None
    few = SubsetSum([1, 2, 4] * 10, 33, tolerance=0)
    loads_kernels = few if problem.d == 1 else SubsetSum([[1, 2.5], [2, 1], [4, 3]] * 10, [33, 32.2])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("solvers.interrupts._GRACE", 0.01)  # what runs on is not waited for here
        solve(loads_kernels, backend=backend, time_limit=1.0)
        assert seconds_to_hear(lambda: solve(problem, backend=backend, time_limit=limit)) < 1


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("n", [30, slow(40)])
def test_solve_many_hears_ctrl_c_and_keeps_what_it_has(threads, n, tmp_path):
    rows = 40_000 if n <= 32 else 400
    items, targets = RNG.uniform(-1, 1, (rows, n)), RNG.uniform(-1, 1, rows)
    solve_many(items[:3], targets[:3], backend="mitm")
    done = []

    def ask():
        solve_many(
            items,
            targets,
            backend="mitm",
            threads=threads,
            checkpoint=tmp_path,
            chunk_size=1 if n > 32 else 256,
            progress=lambda rows, _: done.append(rows),
        )

    assert seconds_to_hear(ask, after=0.8) < 1
    size = 1 if n > 32 else 256
    assert len(list(tmp_path.glob("*.shard"))) * size == done[-1] > 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: count(LONG),
        slow(lambda: count(VECTORS)),
        slow(lambda: list(solutions(LONG, limit=10))),
        lambda: covering_radius(RNG.uniform(-1, 1, 40), 0, 1),
    ],
)
def test_counting_listing_and_covering_hear_ctrl_c(call):
    assert seconds_to_hear(call) < 1


def test_after_ctrl_c_the_next_call_is_as_good_as_ever():
    seconds_to_hear(lambda: solve(LONG, time_limit=20.0))
    assert solve(SMALL).error == solve(SMALL, backend="mitm").error


def test_a_system_error_that_was_ctrl_c_is_heard_as_such():
    def kernel(cause):
        raise SystemError("returned a result with an exception set") from cause

    with pytest.raises(KeyboardInterrupt), heard():
        kernel(KeyboardInterrupt())

    def outer():
        try:
            kernel(KeyboardInterrupt())
        except SystemError as first:
            raise SystemError("once more") from first

    with pytest.raises(KeyboardInterrupt), heard():
        outer()
    for other in (None, ValueError("a bug")):
        with pytest.raises(SystemError), heard():
            kernel(other)


def test_calls_run_where_they_are_unless_they_may_be_long():
    where = threading.current_thread
    assert interruptible(where, Interruption(), brief=True) is threading.main_thread()
    assert interruptible(where, Interruption()) is not threading.main_thread()
    seen = []
    thread = threading.Thread(target=lambda: seen.append(interruptible(where, Interruption())))
    thread.start()
    thread.join()
    assert seen == [thread]


def test_errors_come_back_from_the_thread():
    def fail():
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        interruptible(fail, Interruption())


def test_an_interruption_tells_those_who_cannot_look():
    interruption, told = Interruption(), []
    with interruption.telling(lambda: told.append("outer")):
        interruption.set()
    with interruption.telling(lambda: told.append("late")):
        assert interruption.is_set
    interruption.set()
    assert told == ["outer", "late"]


PROGRAM = """
import sys
sys.path[:0] = {path}
from subsetsum_nets.cli import main
sys.argv[1:] = {words}
print("begins", flush=True)
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "after", "hint"),
    [
        (["packing", "--dimension", "2", "--epsilon", "0.05", "--out", "{folder}"], 4, "resume from"),
        (["rssp", "--out", "{folder}"], 4, "resume from"),
        (["solve", "{instance}"], 2, ""),
        (["selftest"], 1, ""),
    ],
    ids=["packing", "rssp", "solve", "selftest"],
)
def test_commands_end_with_one_line_and_130(words, after, hint, tmp_path):
    instance = tmp_path / "hard.txt"  # no subset hits it, so that all 2^60 must be excluded
    items = np.random.default_rng(1).integers(1, 2**62, 60).tolist()
    instance.write_text("\n".join(map(str, [f"60 {sum(items) // 2}", *items])))
    words = [word.format(folder=tmp_path / "run", instance=instance) for word in words]
    path = [p for p in sys.path if p]
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(path=path, words=words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begins\n"
    time.sleep(after)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert time.monotonic() - begun < 3
    assert "Traceback" not in err
    last = err.strip().splitlines()[-1]
    assert last.startswith("interrupted")
    assert hint in last

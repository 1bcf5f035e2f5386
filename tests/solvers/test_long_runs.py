"""Long runs: nothing is lost to kill -9, Ctrl-C or a full disk, and memory stays flat."""

import errno
import os
import resource
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from solvers import InvalidProblemError, Status, solve_many
from solvers.batch import checkpoint
from solvers.batch import workers as executing
from solvers.batch.row_inputs import Table, checked_question

ROOT = Path(__file__).parents[2]
NAMES = ("masks", "errors", "lower_bounds", "status")


def content(batch):
    return [getattr(batch, name).tobytes() for name in NAMES]


def started(code, *arguments, cwd):
    """Start Python on some code, in a process that can be killed."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- kill -9 and Ctrl-C ------------------------------------------------------------------------------

CHUNKS = 150
LONG_RUN = f"""
import sys, time
import numpy as np
from solvers import solve_many

rng = np.random.default_rng(0)
items, targets = rng.uniform(-1, 1, ({CHUNKS * 4}, 8)), rng.uniform(-1, 1, {CHUNKS * 4})

def show(done, total):
    print(done, flush=True)
    time.sleep(0.01)

options = {{"cardinality": (0, 5), "threads": int(sys.argv[2]), "chunk_size": 4}}
batch = solve_many(items, targets, checkpoint=sys.argv[1], progress=show, **options)
batch.save("answers.npz")
again = solve_many(items, targets, threads=1, cardinality=(0, 5))
assert all((getattr(again, n) == getattr(batch, n)).all() for n in {NAMES!r}), "not bit-identical"
"""


@pytest.mark.slow
@pytest.mark.parametrize("kills", [20])
def test_a_run_killed_at_random_points_ends_as_if_it_had_not_been(kills, tmp_path):
    rng = np.random.default_rng(kills)
    kept = [0]
    for _ in range(kills):
        process = started(LONG_RUN, "run", 2, cwd=tmp_path)
        kept.append(int(process.stdout.readline()))  # the rows that it found answered
        for _ in range(rng.integers(CHUNKS // kills - 2)):
            process.stdout.readline()
        time.sleep(rng.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert not (tmp_path / "answers.npz").exists(), "the run ended before it was killed that often"
    assert kept == sorted(kept)
    assert kept[-1] > 0, "all of them came too early"
    process = started(LONG_RUN, "run", 2, cwd=tmp_path)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    assert int(out.split()[0]) >= kept[-1]
    assert int(out.split()[-1]) == 4 * CHUNKS
    assert not list((tmp_path / "run").glob(".unfinished*"))
    assert len(list((tmp_path / "run").glob("*.shard"))) == CHUNKS


@pytest.mark.slow
@pytest.mark.parametrize("threads", [2, 1])
def test_ctrl_c_leaves_a_hint_and_a_folder_to_resume_from(threads, tmp_path):
    process = started(LONG_RUN, "run", threads, cwd=tmp_path)
    while int(process.stdout.readline()) < 40:
        pass
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode != 0
    hints = [line for line in err.splitlines() if line.startswith("interrupted")]
    kept = 4 * len(list((tmp_path / "run").glob("*.shard")))
    assert hints == [f"interrupted: {kept} rows are kept in run; the same call goes on from there"]
    assert kept >= 36
    assert "KeyboardInterrupt" in err
    process = started(LONG_RUN, "run", threads, cwd=tmp_path)
    assert int(process.stdout.readline()) == kept
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err


def test_without_a_checkpoint_there_is_no_hint(capsys):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_many([[1.0]], [1.0], progress=stop)
    assert capsys.readouterr().err == ""


# -- full disks --------------------------------------------------------------------------------------


@pytest.fixture
def question():
    rng = np.random.default_rng(3)
    return {"items": rng.uniform(-1, 1, (60, 8)), "targets": rng.uniform(-1, 1, 60)}


class FullDisk:
    """Stands for ``replacing``: files that do not fit while ``full`` says so."""

    def __init__(self, monkeypatch, full):
        self.original, self.full, self.calls = checkpoint.replacing, full, 0
        monkeypatch.setattr(checkpoint, "replacing", self)

    def __call__(self, path):
        self.calls += 1
        return self._replacing(path, full=self.full(self.calls))

    def _replacing(self, path, *, full):
        from contextlib import contextmanager

        @contextmanager
        def limited():
            with self.original(path) as file:
                yield Failing(file) if full else file

        return limited()


class Failing:
    def __init__(self, file):
        self.file = file

    def write(self, data):
        self.file.write(bytes(data)[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_costs_no_answer(question, tmp_path, monkeypatch):
    expected = content(solve_many(**question, threads=1))
    FullDisk(monkeypatch, lambda call: call > 3)
    with pytest.warns(RuntimeWarning) as warned:
        assert content(solve_many(**question, chunk_size=10, checkpoint=tmp_path)) == expected
    texts = [str(w.message) for w in warned]
    assert len(texts) == 2
    assert "cannot be written; the run goes on" in texts[0]
    assert texts[1].startswith("40 solved rows could not be kept")
    assert len(list(tmp_path.iterdir())) == 3, "the manifest, two shards, and nothing half written"


def test_what_did_not_fit_is_written_when_there_is_room_again(question, tmp_path, monkeypatch):
    expected = content(solve_many(**question, threads=1))
    FullDisk(monkeypatch, lambda call: 3 <= call <= 5)
    with pytest.warns(RuntimeWarning) as warned:
        solve_many(**question, chunk_size=10, checkpoint=tmp_path)
    assert len(warned) == 1
    solved = []
    monkeypatch.setattr(executing, "solve_chunk", lambda *rows: solved.append(rows))
    assert content(solve_many(**question, checkpoint=tmp_path)) == expected
    assert solved == []


def test_a_disk_too_full_to_begin_is_an_error(question, tmp_path, monkeypatch):
    FullDisk(monkeypatch, lambda call: True)
    with pytest.raises(OSError, match="No space"):
        solve_many(**question, checkpoint=tmp_path)
    assert list(tmp_path.iterdir()) == []


LIMITED = """
import resource, sys, warnings
import numpy as np
from solvers import solve_many

rng = np.random.default_rng(0)
items, targets = rng.uniform(-1, 1, (400, 8)), rng.uniform(-1, 1, 400)
expected = solve_many(items, targets)
warnings.simplefilter("always")
if sys.argv[2:]:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
batch = solve_many(items, targets, checkpoint=sys.argv[1], chunk_size=100)
assert (batch.masks == expected.masks).all() and (batch.errors == expected.errors).all()
"""


@pytest.mark.slow
def test_files_that_may_not_grow_cost_no_answer(tmp_path):
    process = started(LIMITED, tmp_path / "run", 1000, cwd=tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "400 solved rows could not be kept" in err
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["manifest.json"]
    process = started(LIMITED, tmp_path / "run", cwd=tmp_path)
    assert "could not be kept" not in process.communicate(timeout=60)[1]
    assert len(list((tmp_path / "run").iterdir())) == 5


def test_a_full_file_system_costs_no_answer(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12k", "none", str(small)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system takes more rights than these")
    try:
        process = started(LIMITED, small / "run", cwd=tmp_path)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        assert "solved rows could not be kept" in err
        assert not list((small / "run").glob(".unfinished*"))
    finally:
        subprocess.run(["umount", str(small)], check=True)


# -- memory-mapped rows ------------------------------------------------------------------------------


def mapped(path, array, mode="r"):
    np.save(path, array)
    return np.load(path, mmap_mode=mode)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int32])
def test_mapped_rows_are_the_same_as_rows_in_memory(mode, kind, tmp_path):
    rng = np.random.default_rng(1)
    items, targets = rng.uniform(-99, 99, (500, 9)).astype(kind), rng.uniform(-99, 99, 500).astype(kind)
    valid = rng.random((500, 9)) < 0.8
    expected = solve_many(items, targets, valid=valid)
    arrays = [
        mapped(tmp_path / f"{i}.npy", a, mode)
        for i, a in enumerate((items[:499], targets[:499], valid[:499]))
    ]
    if mode == "c":  # changes that no file has
        arrays[0][7], arrays[1][7] = items[499], targets[499]
        arrays[2][7] = valid[499]
        order = np.r_[:7, 499, 8:499]
    else:
        order = np.arange(499)
    for _ in range(2):  # the second time from the checkpoint
        batch = solve_many(
            arrays[0], arrays[1], valid=arrays[2], chunk_size=50, checkpoint=tmp_path / "run", threads=2
        )
        for name in NAMES:
            assert np.array_equal(getattr(batch, name), getattr(expected, name)[order])
    batch.check(arrays[0], arrays[1])


def test_mapped_rows_that_are_not_numbers_are_refused(tmp_path):
    items = np.ones((300_000, 4))
    items[299_999, 1] = np.nan
    with pytest.raises(InvalidProblemError, match=r"nan at \(299999, 1\)"):
        solve_many(mapped(tmp_path / "items.npy", items), np.ones(300_000))


def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's way to ask for memory")
def test_pages_of_mapped_files_are_given_back(tmp_path):
    rows = 400_000
    items = mapped(tmp_path / "items.npy", np.random.default_rng(0).uniform(-1, 1, (rows, 32)))  # 100 MB
    question = checked_question("nearest", None, None, "auto", 0)
    table = Table(items, mapped(tmp_path / "targets.npy", np.zeros(rows)), None, None, question)
    before = resident()
    table.survey(digest=True)
    for piece in table.pieces(10_000):
        piece.load()
    assert resident() - before < 40e6


MANY = """
import sys
from pathlib import Path
import numpy as np
from solvers import solve_many

rows = int(sys.argv[1])
items, targets = np.load("items.npy", mmap_mode="r"), np.load("targets.npy", mmap_mode="r")
batch = solve_many(items, targets, checkpoint="run", progress=True)
assert batch.summary()["status"]["optimal"] == rows
assert batch.masks.shape == (rows, 21) and batch.masks.dtype == bool
(peak,) = [s for s in Path("/proc/self/status").read_text().splitlines() if s.startswith("VmHWM")]
print(peak.split()[1], batch.seconds)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's way to ask for memory")
def test_millions_of_rows_from_a_file_take_less_than_their_size(tmp_path):
    rows, rng = 4_000_000, np.random.default_rng(0)
    items = np.lib.format.open_memmap(tmp_path / "items.npy", "w+", np.float64, (rows, 21))
    for first in range(0, rows, 100_000):
        items[first : first + 100_000] = rng.uniform(-1, 1, (100_000, 21))
    del items
    np.save(tmp_path / "targets.npy", rng.uniform(-0.5, 0.5, rows))
    process = started(MANY, rows, cwd=tmp_path)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert int(out.split()[0]) * 1024 <= 640e6, out  # the items alone are 672 MB


# -- rows from an iterator ---------------------------------------------------------------------------


def cut(items, targets, *sizes, valid=None):
    first = 0
    for size in sizes:
        rows = slice(first, first + size)
        yield (items[rows], targets[rows]) if valid is None else (items[rows], targets[rows], valid[rows])
        first += size


@pytest.mark.parametrize("sizes", [(60,), (1,) * 60, (7, 50, 3), (25, 25, 10)])
@pytest.mark.parametrize("options", [{}, {"threads": 1}, {"chunk_size": 13, "threads": 2}])
def test_an_iterator_of_chunks_is_the_same_as_arrays(question, sizes, options):
    items, targets = question["items"], question["targets"]
    valid = np.random.default_rng(4).random(items.shape) < 0.8
    expected = solve_many(items, targets, valid=valid, tolerance=0.01)
    calls = []
    batch = solve_many(
        cut(items, targets, *sizes, valid=valid),
        tolerance=0.01,
        progress=lambda *call: calls.append(call),
        **options,
    )
    assert content(batch) == content(expected)
    assert batch.tolerances.tolist() == [0.01] * 60
    assert calls[-1] == (60, None)
    batch.check(items, targets)


def test_chunks_of_an_iterator_may_share_items_and_have_vectors_or_fractions(question):
    items, targets = question["items"], question["targets"]
    chunks = [(items[0], targets[:30]), (items[1], targets[30:])]
    stacked = np.repeat(items[:2], 30, axis=0)
    assert content(solve_many(chunks)) == content(solve_many(stacked, targets))
    vectors, goals = items.reshape(60, 4, 2), items[:, :2]
    assert content(solve_many(cut(vectors, goals, 40, 20))) == content(solve_many(vectors, goals))
    thirds = np.array([[Fraction(k, 3), Fraction(k, 7)] for k in range(9)])
    exact = solve_many(cut(thirds, thirds.sum(axis=1), 4, 5))
    assert (exact.errors == 0).all()


def test_a_stream_is_read_only_as_far_as_there_is_work_for(question):
    read = []

    def endless():
        for k in range(10**9):
            read.append(k)
            yield question["items"], question["targets"]

    def stop(done, total):
        if done >= 600:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_many(endless(), chunk_size=60, threads=2, progress=stop)
    assert len(read) < 30


def test_a_stream_resumes_from_its_checkpoint(question, tmp_path, monkeypatch):
    items, targets = question["items"], question["targets"]
    expected = content(solve_many(items, targets))

    def stop(done, total):
        if done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_many(cut(items, targets, 60), chunk_size=10, checkpoint=tmp_path, progress=stop, threads=1)
    solved, original = [], executing.solve_chunk
    monkeypatch.setattr(
        executing, "solve_chunk", lambda rows, *more: solved.append(len(rows)) or original(rows, *more)
    )
    again = solve_many(cut(items, targets, 31, 29), chunk_size=7, checkpoint=tmp_path)
    assert content(again) == expected
    assert sum(solved) == 40
    solved.clear()
    assert content(solve_many(cut(items, targets, 60), checkpoint=tmp_path)) == expected
    assert solved == []
    for other in (cut(items, -targets, 60), cut(-items, targets, 30, 30)):
        with pytest.raises(InvalidProblemError, match="another problem"):
            solve_many(other, checkpoint=tmp_path)
    for change in ({"tolerance": 0.1}, {"seed": 3}):
        with pytest.raises(InvalidProblemError, match="another problem"):
            solve_many(cut(items, targets, 60), checkpoint=tmp_path, **change)
    with pytest.raises(InvalidProblemError, match="another problem"):
        solve_many(items, targets, checkpoint=tmp_path)


def test_a_failing_iterator_loses_nothing_that_was_solved(question, tmp_path):
    def broken():
        yield from cut(question["items"], question["targets"], 30)
        raise ConnectionError("the source went away")

    with pytest.raises(ConnectionError, match="went away"):
        solve_many(broken(), chunk_size=10, checkpoint=tmp_path, threads=1)
    assert len(list(tmp_path.glob("*.shard"))) >= 2


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "empty"),
        ([3], "chunk 0 .* must be"),
        ([(np.ones((2, 3)),)], "chunk 0 .* must be"),
        ([(np.ones((2, 3)), np.ones(2)), (np.ones((2, 4)), np.ones(2))], "chunk 1 .*4 items"),
        (
            [(np.ones((2, 3)), np.ones(2)), (np.ones((2, 3, 1)), np.ones((2, 1)))],
            "chunk 1 .*other dimensions",
        ),
        ([(np.ones((2, 3)), np.ones(2)), ([[1, Fraction(1), 2]], [1])], "chunk 1 .*object numbers"),
        ([(np.ones((2, 3)), [1, np.nan])], "chunk 0 .*nan"),
        ([(np.ones((2, 3)), np.ones(2)), (np.ones((2, 3)), [1, np.inf])], "chunk 1 .*inf"),
    ],
)
def test_senseless_chunks_are_refused(chunks, message):
    with pytest.raises(InvalidProblemError, match=message):
        solve_many(iter(chunks), chunk_size=1)


@pytest.mark.parametrize(("items", "message"), [(3, "without targets"), (np.ones((2, 3)), "got ndarray")])
def test_rows_without_targets_are_refused(items, message):
    with pytest.raises(InvalidProblemError, match=message):
        solve_many(items)


def test_one_tolerance_for_all_chunks(question):
    with pytest.raises(InvalidProblemError, match="all chunks"):
        solve_many(cut(question["items"], question["targets"], 60), tolerance=np.ones(60))


# -- what is shown -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_the_bar_shows_rows_rate_and_the_worst_error(question, capfd, stream, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    rows = (cut(question["items"], question["targets"], 60),) if stream else question.values()
    batch = solve_many(*rows, progress=True)
    err = capfd.readouterr().err
    assert "rows/s" in err
    assert f"worst error {batch.errors.max():.3g}" in err
    assert ("60/60" in err) != stream


def test_a_shard_of_another_problem_is_solved_again(question, tmp_path):
    expected = content(solve_many(**question, chunk_size=30, checkpoint=tmp_path / "a"))
    solve_many(question["items"], -question["targets"], chunk_size=30, checkpoint=tmp_path / "b")
    name = "rows-000000000000-000000000030.shard"
    (tmp_path / "a" / name).write_bytes((tmp_path / "b" / name).read_bytes())
    with pytest.warns(UserWarning, match=f"{name} is of no use: it has other rows.*another problem's"):
        assert content(solve_many(**question, checkpoint=tmp_path / "a")) == expected


def test_a_time_limit_keeps_what_was_finished(question, tmp_path):
    def dawdle(done, total):
        if done == 20:
            time.sleep(1.1)

    batch = solve_many(
        **question, chunk_size=10, threads=1, time_limit=1.0, progress=dawdle, checkpoint=tmp_path
    )
    assert np.flatnonzero(batch.status != Status.UNKNOWN).tolist() == list(range(20))
    assert len(list(tmp_path.glob("*.shard"))) == 2
    assert content(solve_many(**question, checkpoint=tmp_path)) == content(solve_many(**question))

"""Rows of mapped files are sent to executors as places in the files, and never read from another file."""

import os
import pickle
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from solvers import solve_many
from solvers.batch.mapped_rows import FilePart, MappedRows, solve_mapped
from solvers.batch.row_inputs import Table
from solvers.batch.rows import Answers, BatchQuestion, Failure

NAMES = ("masks", "errors", "lower_bounds", "status")


def content(batch):
    return [getattr(batch, name).tobytes() for name in NAMES]


class Elsewhere(Executor):
    """A worker that sees only what was pickled, after whatever is done to its files."""

    _max_workers = 1

    def __init__(self, before=lambda: None):
        self.before, self.sent = before, []

    def submit(self, function, rows):
        message = pickle.dumps((function, rows))
        self.sent.append((function.__name__, len(message)))
        self.before()
        again, seen = pickle.loads(message)  # noqa: S301 - our own
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(again(seen))))  # noqa: S301
        return future


@pytest.fixture
def question():
    rng = np.random.default_rng(3)
    return {"items": rng.uniform(-1, 1, (600, 12)), "targets": rng.uniform(-1, 1, 600)}


def on_disk(folder, arrays, mode="r"):
    mapped = {}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        mapped[name] = np.load(folder / f"{name}.npy", mmap_mode=mode)
    return mapped


def rows_of(question):
    return Table(
        question["items"], question["targets"], None, None, BatchQuestion("nearest", None, "auto", 0)
    ).rows


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16])
def test_workers_read_mapped_rows_themselves(question, kind, tmp_path):
    question = {name: (100 * array).astype(kind) for name, array in question.items()}
    question["valid"] = np.random.default_rng(4).random((600, 12)) < 0.9
    alone = content(solve_many(**question, threads=1))
    mapped, pool = on_disk(tmp_path, question), Elsewhere()
    assert content(solve_many(**mapped, executor=pool, chunk_size=100)) == alone
    assert [name for name, _ in pool.sent] == ["solve_mapped"] * 6
    assert max(size for _, size in pool.sent) < 1500
    only_items = {**question, "items": mapped["items"]}
    assert content(solve_many(**only_items, executor=pool, chunk_size=100)) == alone
    assert pool.sent[-1][0] == "solve_mapped"


def test_parts_of_mapped_arrays_are_found_in_their_files(question, tmp_path):
    items = on_disk(tmp_path, question)["items"]
    for part in (items, items[17:200], items[5:][10:20], np.asarray(items)[3], items.reshape(300, 24)[7:]):
        place = FilePart.of(part)
        assert place is not None
        assert np.array_equal(place.read(), part)
    with (tmp_path / "raw").open("wb") as file:
        file.write(b"x" * 40960 + question["items"].tobytes())
    raw = np.memmap(tmp_path / "raw", np.float64, "r", offset=40960, shape=(600, 12))
    assert np.array_equal(FilePart.of(raw[400:500]).read(), question["items"][400:500])
    for other in (items[::2], items[:, 1:], items.T, question["items"], np.array(items)):
        assert FilePart.of(other) is None


@pytest.mark.parametrize("mode", ["r+", "c"])
def test_what_may_differ_from_its_file_is_sent(question, mode, tmp_path):
    mapped, pool = on_disk(tmp_path, question, mode), Elsewhere()
    mapped["items"][3, 4] = 0.25
    answers = content(solve_many(**mapped, executor=pool, chunk_size=100))
    assert {name for name, _ in pool.sent} == {"solve_chunk"}
    question["items"][3, 4] = 0.25
    assert answers == content(solve_many(**question, threads=1))


def test_numbers_that_float64_would_round_are_sent(tmp_path):
    items = np.arange(8 * 64).reshape(64, 8) + 2**60
    mapped, pool = on_disk(tmp_path, {"items": items, "targets": 3 * items[:, 1]}), Elsewhere()
    assert not solve_many(**mapped, executor=pool).errors.all()
    assert {name for name, _ in pool.sent} == {"solve_chunk"}


@pytest.mark.parametrize("change", ["removed", "replaced", "cut"])
def test_a_worker_with_another_file_is_sent_the_numbers(question, change, tmp_path):
    alone = content(solve_many(**question, threads=1))
    mapped = on_disk(tmp_path, question)
    path = tmp_path / "items.npy"
    original = path.read_bytes()

    def spoil():
        """Change what the worker sees, as if it were on another machine; the mapping keeps its file."""
        path.rename(tmp_path / "hidden")
        if change == "replaced":
            np.save(path, question["items"] + 1)
        elif change == "cut":
            path.write_bytes(original[:200])
        pool.before = lambda: None

    pool = Elsewhere(spoil)
    assert content(solve_many(**mapped, executor=pool, chunk_size=100)) == alone
    functions = [name for name, _ in pool.sent]
    assert functions[0] == "solve_mapped"
    assert functions[-6:] == ["solve_chunk"] * 6
    assert solve_many(**mapped, executor=pool).summary()["rows"] == 600


def test_a_file_that_was_replaced_after_it_was_mapped_is_not_read(question, tmp_path):
    alone = content(solve_many(**question, threads=1))
    mapped, pool = on_disk(tmp_path, question), Elsewhere()
    (tmp_path / "items.npy").rename(tmp_path / "hidden")
    np.save(tmp_path / "items.npy", question["items"][::-1])
    assert content(solve_many(**mapped, executor=pool, chunk_size=100)) == alone
    assert len(solve_mapped(MappedRows.of(rows_of(on_disk(tmp_path, question))))) == 600


@pytest.mark.parametrize("same_time", [False, True])
def test_no_answers_come_from_a_file_that_has_changed(question, same_time, tmp_path):
    rows = MappedRows.of(rows_of(on_disk(tmp_path, question)))
    path = tmp_path / "items.npy"
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(-8, os.SEEK_END)
        file.write(b"\0" * 8)
    if same_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(solve_mapped(rows)) == 0


@pytest.mark.slow
def test_separate_processes_read_mapped_rows(question, tmp_path):
    alone = content(solve_many(**question, threads=1))
    mapped = on_disk(tmp_path, question)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert content(solve_many(**mapped, executor=pool, chunk_size=300)) == alone


def test_answers_travel_with_masks_as_bits():
    rng = np.random.default_rng(0)
    answers = Answers(
        rng.random((1000, 21)) < 0.5, rng.random(1000), rng.random(1000), np.ones(1000, np.uint8)
    )
    answers.failures[7] = Failure("RuntimeError", "why")
    message = pickle.dumps(answers)
    assert len(message) < 1000 * (3 + 17) + 1000
    back = pickle.loads(message)  # noqa: S301 - our own
    assert back.failures == answers.failures
    for name in ("masks", "errors", "lower", "status"):
        one, other = getattr(back, name), getattr(answers, name)
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())

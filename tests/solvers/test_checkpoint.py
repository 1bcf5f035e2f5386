"""Checkpoints: an interrupted solve_many() resumes where it was, with the same answers, or says why not."""

from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest

from solvers import InvalidProblemError, Status, solve_many
from solvers.batch import workers as executing

ROWS, CHUNK = 60, 10


@pytest.fixture
def question():
    rng = np.random.default_rng(3)
    return {"items": rng.uniform(-1, 1, (ROWS, 8)), "targets": rng.uniform(-1, 1, ROWS), "tolerance": 0.01}


@pytest.fixture
def solved(monkeypatch):
    """Collect the number of rows of every chunk that is solved."""
    counts = []
    original = executing.solve_chunk

    def counted(rows, *more):
        counts.append(len(rows))
        return original(rows, *more)

    monkeypatch.setattr(executing, "solve_chunk", counted)
    return counts


def content(answers):
    return [a.tobytes() for a in (answers.masks, answers.errors, answers.lower_bounds, answers.status)]


def interrupted(question, folder, after, **options):
    def stop(done, total):
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        solve_many(**question, chunk_size=CHUNK, checkpoint=folder, progress=stop, **options)


@pytest.mark.parametrize("after", [CHUNK, 3 * CHUNK, ROWS])
def test_an_interrupted_run_resumes_with_what_is_missing(question, solved, tmp_path, after):
    expected = content(solve_many(**question, threads=1))
    interrupted(question, tmp_path / "new" / "folder", after, threads=1)
    solved.clear()
    calls = []
    resumed = solve_many(
        **question, threads=1, checkpoint=tmp_path / "new" / "folder", progress=lambda *c: calls.append(c)
    )
    assert content(resumed) == expected
    assert sum(solved) == ROWS - after
    assert calls[0] == (after, ROWS)
    assert calls[-1] == (ROWS, ROWS)
    solved.clear()
    assert content(solve_many(**question, checkpoint=str(tmp_path / "new" / "folder"))) == expected
    assert solved == []


def test_threads_and_executors_resume_each_other(question, solved, tmp_path):
    expected = content(solve_many(**question, threads=1))
    interrupted(question, tmp_path, 2 * CHUNK, threads=2)
    with ThreadPoolExecutor(2) as pool:
        interrupted(question, tmp_path, 4 * CHUNK, executor=pool)
    solved.clear()
    assert content(solve_many(**question, chunk_size=7, threads=4, checkpoint=tmp_path)) == expected
    assert 0 < sum(solved) <= 2 * CHUNK


def test_exact_numbers_have_checkpoints_too(solved, tmp_path):
    question = {"items": [[Fraction(1, 3), 2**70, 5]] * 3, "targets": [2**70, Fraction(16, 3), 1]}
    first = solve_many(**question, chunk_size=1, checkpoint=tmp_path)
    solved.clear()
    assert content(solve_many(**question, checkpoint=tmp_path)) == content(first)
    assert solved == []
    with pytest.raises(InvalidProblemError, match="another problem"):
        solve_many(question["items"], [2**70, Fraction(16, 3), 2], checkpoint=tmp_path)


def shards(folder):
    return sorted(folder.glob("*.shard"))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "exchange"])
def test_a_damaged_shard_is_named_and_solved_again(question, solved, tmp_path, damage):
    expected = content(solve_many(**question, chunk_size=CHUNK, checkpoint=tmp_path))
    path = shards(tmp_path)[2]
    whole = path.read_bytes()
    damaged = {
        "flip": whole[:99] + bytes([whole[99] ^ 1]) + whole[100:],
        "cut": whole[:-5],
        "empty": b"",
        "exchange": bytes(32) + whole[32:],
    }
    path.write_bytes(damaged[damage])
    solved.clear()
    with pytest.warns(UserWarning, match=path.name):
        assert content(solve_many(**question, checkpoint=tmp_path)) == expected
    assert solved == [CHUNK]
    assert path.read_bytes()[:32] == whole[:32]
    solved.clear()
    assert content(solve_many(**question, checkpoint=tmp_path)) == expected
    assert solved == []


def test_every_flipped_bit_of_a_shard_is_noticed(question, tmp_path):
    small = {"items": question["items"][:2], "targets": question["targets"][:2]}
    expected = content(solve_many(**small, checkpoint=tmp_path))
    (path,) = shards(tmp_path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 61):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        with pytest.warns(UserWarning, match="solved again"):
            assert content(solve_many(**small, checkpoint=tmp_path)) == expected


def test_a_shard_of_other_rows_is_solved_again(question, solved, tmp_path):
    expected = content(solve_many(**question, chunk_size=25, checkpoint=tmp_path))
    first, _, last = shards(tmp_path)  # of 25, 25 and 10 rows
    last.replace(first)
    solved.clear()
    with pytest.warns(UserWarning, match="other rows"):
        assert content(solve_many(**question, checkpoint=tmp_path)) == expected
    assert sorted(solved) == [10, 25]


def test_another_problems_folder_is_refused_and_left_alone(question, tmp_path):
    solve_many(**question, chunk_size=CHUNK, checkpoint=tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    items, targets = question["items"], question["targets"]
    others = [
        {"items": np.nextafter(items, 2)},
        {"items": items[:, :-1]},
        {"items": items[:-1], "targets": targets[:-1]},
        {"targets": -targets},
        {"tolerance": 0.02},
        {"tolerance": None},
        {"objective": "within"},
        {"cardinality": (0, 8)},
        {"valid": np.arange(8) > 0},
        {"backend": "mitm"},
        {"seed": 1},
    ]
    for change in others:
        with pytest.raises(InvalidProblemError, match="another problem"):
            solve_many(**(question | change), checkpoint=tmp_path)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    "manifest", ["", "{", "[]", "7", "{}", '{"chunk_rows": null}', '{"chunk_rows": 1e999}', "\0"]
)
def test_a_damaged_manifest_is_refused(question, tmp_path, manifest):
    solve_many(**question, checkpoint=tmp_path)
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(InvalidProblemError, match="manifest"):
        solve_many(**question, checkpoint=tmp_path)


@pytest.mark.parametrize("rows", [0, -3])
def test_a_manifest_without_rows_a_chunk_is_refused(question, tmp_path, rows):
    import json

    solve_many(**question, checkpoint=tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"chunk_rows": rows}))
    with pytest.raises(InvalidProblemError):
        solve_many(**question, checkpoint=tmp_path)


def test_a_folder_that_cannot_be_is_an_oserror(question, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OSError, match="file"):
            solve_many(**question, checkpoint=folder)


def test_no_temporary_files_are_left(question, tmp_path):
    interrupted(question, tmp_path, 2 * CHUNK, threads=2)
    solve_many(**question, checkpoint=tmp_path)
    assert len(shards(tmp_path)) == ROWS // CHUNK
    assert len(list(tmp_path.iterdir())) == ROWS // CHUNK + 1


def test_unfinished_rows_are_not_kept(question, solved, tmp_path):
    expected = content(solve_many(**question))
    early = solve_many(**question, chunk_size=CHUNK, checkpoint=tmp_path, time_limit=1e-9)
    assert (early.status == Status.UNKNOWN).all()
    assert shards(tmp_path) == []
    assert content(solve_many(**question, checkpoint=tmp_path)) == expected


def test_incumbents_of_a_time_limit_are_not_kept(question, tmp_path, monkeypatch):
    """A resumed call with more time must be able to do better than the first one."""

    def hurried(rows, *more):
        answers = original(rows, *more)
        answers.lower[:] = 0.0
        answers.status[answers.status == Status.OPTIMAL] = Status.FEASIBLE
        return answers

    relaxed = question | {"tolerance": 100}
    original = executing.solve_chunk
    monkeypatch.setattr(executing, "solve_chunk", hurried)
    solve_many(**relaxed, checkpoint=tmp_path, time_limit=100)
    assert shards(tmp_path) == []
    monkeypatch.setattr(executing, "solve_chunk", original)
    assert (solve_many(**relaxed, checkpoint=tmp_path).status == Status.OPTIMAL).all()

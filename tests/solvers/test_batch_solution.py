"""BatchSolution: its check refuses what is wrong, and its files are exact or refused."""

import json
import math
import pickle
import sys
import zipfile
from dataclasses import replace
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import float_batches

from solvers import BatchSolution, CertificateError, InvalidProblemError, Status, solve_many


def question(objective="nearest"):
    rng = np.random.default_rng(1)
    items, targets = rng.uniform(-1, 1, (12, 9)), rng.uniform(-2, 2, 12)
    targets[-2:] = 40.0  # out of reach
    targets[0] = 0.0  # the empty subset
    tolerance = np.full(12, 0.05)
    return items, targets, solve_many(items, targets, objective=objective, tolerance=tolerance)


def refused(items, targets, batch, row=None, **changes):
    wrong = replace(batch, **changes)
    with pytest.raises(CertificateError, match=None if row is None else f"row {row}:"):
        wrong.check(items, targets)
    return True


def changed(array, row, value):
    array = array.copy()
    array[row] = value
    return array


@pytest.mark.parametrize("objective", ["nearest", "within", "sparsest"])
def test_every_wrong_row_is_named(objective):
    items, targets, batch = question(objective)
    batch.check(items, targets)
    assert {Status(s) for s in batch.status[-2:]} == {Status.INFEASIBLE}
    assert (batch.status[:-2] != Status.INFEASIBLE).all()
    for row in range(12):
        for column in range(9):
            flipped = batch.masks.copy()
            flipped[row, column] ^= True
            assert refused(items, targets, batch, row, masks=flipped)
        for direction in (-math.inf, math.inf):
            near = math.nextafter(batch.errors[row], direction)
            assert refused(items, targets, batch, row, errors=changed(batch.errors, row, near))
        for value in (math.nan, math.inf, -1.0):
            assert refused(items, targets, batch, row, errors=changed(batch.errors, row, value))
        above = math.nextafter(batch.errors[row], math.inf)
        for value in (above, math.nan, -1.0, math.inf):
            assert refused(items, targets, batch, row, lower_bounds=changed(batch.lower_bounds, row, value))
        for status in [*Status, 4, 255]:
            weaker = (batch.status[row], status) == (Status.OPTIMAL, Status.FEASIBLE)  # claims less: no lie
            if status != batch.status[row] and not weaker:
                assert refused(items, targets, batch, row, status=changed(batch.status, row, status))


def test_bounds_must_carry_the_claim():
    items, targets, batch = question()
    row = int(np.argmax(batch.errors[:-2]))
    assert refused(items, targets, batch, row, lower_bounds=changed(batch.lower_bounds, row, 0.0))
    assert refused(items, targets, batch, 11, lower_bounds=changed(batch.lower_bounds, 11, 0.04))
    assert refused(items, targets, batch, 11, tolerances=changed(batch.tolerances, 11, 100.0))
    assert refused(items, targets, batch, row, tolerances=changed(batch.tolerances, row, 0.0))
    assert refused(items, targets, batch, cardinality=(9, 9))
    assert refused(items, targets, batch, cardinality=(0, 1))


def test_foreign_questions_are_refused():
    items, targets, batch = question()
    for i, t in [
        (items[:, ::-1], targets),
        (items[:, :8], targets),
        (items[:11], targets),
        (np.vstack([items, items]), targets),
        (items, targets[:11]),
        (items, np.nextafter(targets, 0) + 0.5),
        (items[0], targets),
        (items, 1.0),
        (np.float64(1), targets),
        (items[:, :, None], targets),
        (items[:, :, None], targets[:, None] * [1, 1]),
    ]:
        with pytest.raises(CertificateError):
            batch.check(i, t)


@pytest.mark.parametrize("value", [1e-300, 5e-324, 1e300, 1.7e308])
def test_extreme_magnitudes_are_checked_exactly(value):
    items, targets = np.array([[value, value, 1.0, -value]]), np.array([0.0])
    batch = solve_many(items, targets, cardinality=(2, 3))
    batch.check(items, targets)
    assert refused(items, targets, batch, 0, errors=np.nextafter(batch.errors, np.inf))
    assert refused(items, targets, batch, 0, masks=np.array([[True, True, False, False]]))


def test_exact_integers_are_checked_exactly():
    items, targets = np.array([[2**62 + 1, 2**61 + 1, 5]]), np.array([2**62 + 4])
    batch = solve_many(items, targets)
    assert batch.errors.tolist() == [2.0]
    batch.check(items, targets)
    with pytest.raises(CertificateError):
        batch.check(items.astype(float), targets.astype(float))
    mixed = [[2**53 + 1, 0.5]]
    solve_many(mixed, [2**53 + 1]).check(mixed, [2**53 + 1])


def test_arrays_of_other_lengths_are_refused():
    _, _, batch = question()
    for name in ("errors", "lower_bounds", "status", "tolerances"):
        with pytest.raises(InvalidProblemError, match=name):
            replace(batch, **{name: getattr(batch, name)[:5]})


def test_summary():
    _, _, batch = question()
    summary = batch.summary()
    assert json.loads(json.dumps(summary)) == summary
    assert summary["rows"] == len(batch) == 12
    assert summary["status"] == {"unknown": 0, "optimal": 10, "feasible": 0, "infeasible": 2}
    assert summary["worst_error"] == batch.errors.max()
    assert summary["mean_error"] == pytest.approx(batch.errors.mean())
    assert summary["kept_items"] == batch.sizes.sum() == batch.masks.sum()
    assert batch.sizes.tolist() == [int(m.sum()) for m in batch.masks]
    nothing = solve_many([[1.0]], [1.0], time_limit=1e-9).summary()
    assert (nothing["worst_error"], nothing["mean_error"]) == (None, None)


# -- files -------------------------------------------------------------------------------------------

ARRAYS = ("masks", "errors", "lower_bounds", "status", "tolerances")


def alike(first, second):
    def content(batch):
        arrays = [getattr(batch, name) for name in ARRAYS]
        stored = [None if a is None else (a.dtype.str, a.shape, a.tobytes()) for a in arrays]
        return [*stored, batch.objective, batch.cardinality, batch.seconds]

    return content(first) == content(second)


@settings(max_examples=40, deadline=None)
@given(question=float_batches())
def test_files_hold_everything_exactly(question, tmp_path_factory):
    items, targets, valid, tolerances = question
    batch = solve_many(items, targets, valid=valid, tolerance=tolerances, threads=1)
    path = tmp_path_factory.mktemp("batch") / "answers.npz"
    batch.save(path)
    again = BatchSolution.load(path)
    assert alike(batch, again)
    again.check(items, targets)


def test_any_file_name_will_do_and_cardinalities_are_kept(tmp_path):
    batch = solve_many([[1.0, 2.0]], [2.0], cardinality=(1, 2), tolerance=1, objective="sparsest")
    batch.save(str(tmp_path / "no suffix"))
    assert [p.name for p in tmp_path.iterdir()] == ["no suffix"]
    assert alike(BatchSolution.load(str(tmp_path / "no suffix")), batch)
    assert BatchSolution.load(tmp_path / "no suffix").cardinality == (1, 2)


@pytest.fixture
def saved(tmp_path):
    _, _, batch = question()
    path = tmp_path / "answers.npz"
    batch.save(path)
    return path, batch


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        BatchSolution.load(tmp_path / "nothing.npz")


def test_truncated_files_are_refused(saved):
    path, _ = saved
    content = path.read_bytes()
    for length in [0, 1, 4, 100, *range(200, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(InvalidProblemError, match="not a complete batch solution"):
            BatchSolution.load(path)


@pytest.mark.filterwarnings("ignore")  # numpy and zipfile may warn of what they then refuse
@pytest.mark.parametrize("every_bit", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_flipped_bits_never_change_an_answer(saved, every_bit):
    path, batch = saved
    content = path.read_bytes()
    places = {(i, bit) for i in range(len(content)) for bit in range(8)}
    if not every_bit:  # all that describe the masks, all of the last file's directory entry, some others
        masks = content.index(b"\x93NUMPY", content.index(b"masks.npy"))
        entry = content.rindex(b"PK\x01\x02")
        sample = np.random.default_rng(0).choice(len(content) * 8, 1000, replace=False)
        places = {(i, bit) for i, bit in places if 0 <= i - masks < 80 or 0 <= i - entry < 46}
        places |= {divmod(int(i), 8) for i in sample}
    refusals = 0
    for place, bit in sorted(places):
        damaged = bytearray(content)
        damaged[place] ^= 1 << bit
        path.write_bytes(damaged)
        try:
            loaded = BatchSolution.load(path)
        except InvalidProblemError:
            refusals += 1
            continue
        assert alike(loaded, batch), f"bit {bit} of byte {place} changed the answers unnoticed"
    assert refusals > len(places) / 2


def rewritten(path, **changes):
    with np.load(path) as archive:
        stored = dict(archive) | changes
    np.savez(path, **{name: a for name, a in stored.items() if a is not None})


def header(path, **changes):
    with np.load(path) as archive:
        fields = json.loads(bytes(archive["header"])) | changes
    return np.frombuffer(json.dumps(fields).encode(), np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "something else"},
        {"version": 2},
        {"items": 10**9},
        {"items": 17},
        {"items": 3},
        {"items": -1},
        {"objective": "best"},
        {"cardinality": [1]},
        {"seconds": None},
    ],
)
def test_foreign_headers_are_refused(saved, changes):
    path, _ = saved
    rewritten(path, header=header(path, **changes))
    with pytest.raises(InvalidProblemError):
        BatchSolution.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"header": np.frombuffer(b"[1, 2]", np.uint8)},
        {"header": np.frombuffer(b"not json", np.uint8)},
        *({name: None} for name in ("header", "masks", "errors", "lower_bounds", "status")),
        {"errors": np.zeros(3)},
        {"errors": np.zeros(12, dtype=np.float32)},
        {"errors": np.zeros((12, 1))},
        {"status": np.zeros(12, dtype=np.int64)},
        {"tolerances": np.zeros(3)},
        {"masks": np.zeros((12, 1), np.uint8)},
        {"masks": np.zeros((11, 2), np.uint8)},
        {"masks": np.zeros(24, np.uint8)},
        {"masks": np.zeros((12, 2))},
    ],
    ids=lambda changes: ", ".join(f"{k}: {getattr(v, 'shape', v)}" for k, v in changes.items()),
)
def test_foreign_arrays_are_refused(saved, changes):
    path, _ = saved
    rewritten(path, **changes)
    with pytest.raises(InvalidProblemError):
        BatchSolution.load(path)


class Bomb:
    def __reduce__(self):
        return print, ("a pickle was run",)


@pytest.mark.parametrize(
    "kind", ["text", "zip", "npy", "pickle", "npy of a pickle", "npz with a pickle", "folder"]
)
def test_foreign_files_are_refused(saved, kind, capsys):
    path, _ = saved
    if kind == "npz with a pickle":
        rewritten(path, errors=np.array([Bomb()] * 12, dtype=object))
    else:
        path.unlink()
    if kind == "text":
        path.write_text("items,target\n1,2\n")
    elif kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "hello")
    elif kind == "npy":
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb()))
    elif kind == "npy of a pickle":
        with path.open("wb") as file:
            np.save(file, np.array([Bomb()], dtype=object))
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(InvalidProblemError):
        BatchSolution.load(path)
    assert "a pickle was run" not in capsys.readouterr().out


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()], ids=repr)
def test_a_failing_save_leaves_the_old_file_and_nothing_else(saved, monkeypatch, failure):
    path, old = saved
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half of it")
        raise failure

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(type(failure)):
        old.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_saving_replaces_and_cannot_save_to_nowhere(saved):
    path, _ = saved
    other = solve_many([[1.0]], [Fraction(1)])
    other.save(path)
    assert alike(BatchSolution.load(path), other)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    with pytest.raises(OSError, match="nowhere"):
        other.save(path.parent / "nowhere" / "answers.npz")


def test_rows_are_seen_one_by_one():
    batch = solve_many([[3.0, 5, 9], [2, 9, 4]], [8.0, 40], tolerance=1)
    assert batch[0].subset.tolist() == [0, 1]
    assert np.array_equal(batch[-1].mask, batch[1].mask)
    assert [(row.status, row.error, row.lower_bound) for row in batch] == [
        (Status.OPTIMAL, 0.0, 0.0),
        (Status.INFEASIBLE, 25.0, 25.0),
    ]
    assert len(list(batch)) == len(batch) == 2
    assert not batch[0].mask.flags.writeable
    for row in (2, -3):
        with pytest.raises(IndexError, match=f"no row {row}; there are 2"):
            batch[row]
    with pytest.raises(TypeError):
        batch["0"]


def test_rows_make_a_frame(monkeypatch):
    batch = solve_many([[3.0, 5, 9], [2, 9, 4]], [8.0, 40], tolerance=1)
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=dict))
    frame = batch.to_frame()
    assert frame["status"] == ["OPTIMAL", "INFEASIBLE"]
    assert frame["subset"] == [[0, 1], [0, 1, 2]]
    assert frame["size"].tolist() == [2, 3]
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        batch.to_frame()

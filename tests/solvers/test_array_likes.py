"""Whatever holds numbers is read by position, at every entry, and never rounded."""

import array
from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from solvers import BatchSolution, InvalidProblemError, SubsetSum, covering_radius, solve, solve_many

NAN = float("nan")
pandas = pytest.importorskip("pandas")


class Tensor:
    """What torch, jax and xarray look like: elements are arrays of their own class, without dimensions."""

    def __init__(self, numbers, tracked=False):
        self.numbers, self.tracked = np.asarray(numbers), tracked

    def __array__(self, dtype=None, copy=None):
        if self.tracked:
            raise RuntimeError("call detach() first")
        return self.numbers if dtype is None else self.numbers.astype(dtype)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, i):
        return Tensor(self.numbers[i])

    def detach(self):
        return Tensor(self.numbers)


def series(numbers):
    """Return a series whose labels name other places than its own."""
    return pandas.Series(numbers, index=range(len(numbers))[::-1])


def frame(rows):
    return pandas.DataFrame(
        rows, index=range(len(rows))[::-1], columns=[f"c{k}" for k in range(len(rows[0]))][::-1]
    )


def tracked(numbers):
    return Tensor(numbers, tracked=True)


FLAT = [series, Tensor, tracked, list, tuple, np.array, pandas.Index, lambda x: array.array("d", x)]
FLAT += [lambda x: [Tensor(v) for v in x], lambda x: np.array([np.array(v) for v in x], dtype=object)]
FLAT += [lambda x: sparse.coo_array(np.array(x)), lambda x: memoryview(np.array(x))]
DEEP = [
    frame,
    Tensor,
    np.array,
    lambda x: np.asarray(x).view(np.matrix),
    sparse.csr_matrix,
    lambda x: [series(r) for r in x],
]
DEEP += [lambda x: [Tensor(r) for r in x], lambda x: memoryview(np.array(x))]


@pytest.mark.parametrize("kind", FLAT)
def test_items_and_targets_are_read_by_position(kind):
    items = [30.0, 20.0, 10.5]
    assert SubsetSum(kind(items), 30).items.tolist() == items
    assert solve(SubsetSum(kind(items), np.array(30.0))).subset.tolist() == [0]
    assert solve_many(kind(items), kind([30.0, 10.5])).masks.tolist() == [
        [True, False, False],
        [False, False, True],
    ]
    assert covering_radius(kind(items), Tensor(0), 1) == covering_radius(items, 0, 1)


@pytest.mark.parametrize("kind", DEEP)
def test_rows_and_vectors_are_read_by_position(kind):
    rows = [[1.5, 2.5], [3.0, 1.0], [4.0, 9.0]]
    assert SubsetSum(kind(rows), series([4.5, 3.5])).items.tolist() == rows
    batch = solve_many(
        kind(rows),
        series([4.0, 1.0, 0.0]),
        valid=frame([[True, True]] * 3),
        tolerance=series([9.0, 8.0, 7.0]),
    )
    assert (batch.errors == 0).all()
    assert batch.tolerances.tolist() == [9.0, 8.0, 7.0]
    batch.check(kind(rows), Tensor([4.0, 1.0, 0.0]))
    assert solve_many(kind(rows), frame([[4.5, 3.5]])).masks.tolist() == [[True, True, False]]


def test_numbers_without_dimensions_are_numbers():
    problem = SubsetSum([1.0, 2.0], Tensor(3), tolerance=np.array(Fraction(1, 3)))
    assert (problem.target, problem.tolerance) == (3, Fraction(1, 3))
    with pytest.raises(InvalidProblemError, match="one number as target"):
        SubsetSum([1.0, 2.0], Tensor([3.0]))


def test_integers_beside_floats_and_gaps_are_not_rounded():
    wide = 2**53 + 1
    mixed = pandas.DataFrame({"a": [wide, 5], "b": [0.5, 0.25]})
    assert SubsetSum(mixed, (0, 0)).items.tolist() == [[wide, 0.5], [5, 0.25]]
    assert solve_many(mixed, [wide, 5]).errors.tolist() == [0.0, 0.0]
    gaps = pandas.Series([wide, None], dtype="Int64")
    assert solve_many(gaps, [wide], valid=[True, False]).errors.tolist() == [0.0]


@pytest.mark.parametrize(
    "senseless",
    [
        np.array([1, 2], "m8[s]"),
        np.array(["2020"], "M8[D]"),
        np.ma.masked_array([1.0, 2.0], [0, 1]),
        pandas.Series(["a"]),
        pandas.Series([1, None], dtype="Int64"),
        [np.timedelta64(1, "s")],
    ],
    ids=repr,
)
def test_what_are_no_numbers_is_refused_everywhere(senseless):
    for call in (
        lambda: SubsetSum(senseless, 3),
        lambda: solve_many(senseless, [3.0]),
        lambda: covering_radius(senseless, 0, 1),
    ):
        with pytest.raises(InvalidProblemError):
            call()


def test_what_only_claims_to_be_an_array_is_refused_by_name():
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("no")

    with pytest.raises(InvalidProblemError, match=r"items are a Broken.*\(no\)"):
        SubsetSum(Broken(), 3)


# -- items that may not be used ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [float, object])
@pytest.mark.parametrize("hole", [NAN, float("inf")])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize(
    "options", [{}, {"cardinality": 1}, {"objective": "sparsest", "tolerance": 0.5}], ids=repr
)
def test_items_that_may_not_be_used_need_not_be_numbers(kind, hole, shared, options):
    given = [[1, hole, 3]] if shared else [[1, hole, 3], [hole, 2, 3]]
    valid = [[True, False, True]] if shared else [[True, False, True], [False, True, True]]
    items, valid = np.array(given, dtype=kind), np.array(valid)
    items, valid = (items[0], valid[0]) if shared else (items, valid)
    batch = solve_many(items, [1.0, 3.0], valid=valid, **options)
    assert batch.masks.tolist() == [[True, False, False], [False, False, True]]
    assert batch.errors.tolist() == [0.0, 0.0]
    batch.check(items, [1.0, 3.0])
    vectors = np.stack([items, items], axis=-1)
    assert (solve_many(vectors, np.array([[1.0, 1.0], [3.0, 3.0]]), valid=valid, **options).errors == 0).all()


def test_their_values_change_no_answer_and_no_chunk(tmp_path):
    rng = np.random.default_rng(0)
    items, targets, valid = (
        rng.uniform(-1, 1, (300, 12)),
        rng.uniform(-1, 1, 300),
        rng.random((300, 12)) < 0.7,
    )
    whole = solve_many(np.where(valid, items, 0.5), targets, valid=valid)
    np.save(tmp_path / "items.npy", np.where(valid, items, NAN))
    mapped = np.load(tmp_path / "items.npy", mmap_mode="r")
    for batch in (
        solve_many(mapped, targets, valid=valid, chunk_size=70),
        solve_many(
            (np.where(valid, items, NAN)[k : k + 40], targets[k : k + 40], valid[k : k + 40])
            for k in range(0, 300, 40)
        ),
    ):
        assert batch.masks.tolist() == whole.masks.tolist()
        assert batch.errors.tolist() == whole.errors.tolist()


def test_a_hole_that_some_row_may_use_is_refused():
    with pytest.raises(InvalidProblemError, match=r"nan at \(1, 0\)"):
        solve_many([[1, NAN, 3], [NAN, 2, 3.0]], [1.0, 3.0], valid=[True, False, True])
    with pytest.raises(InvalidProblemError, match=r"nan at \(1,\)"):
        solve_many([1, NAN, 3], [1.0, 3.0], valid=[[True, False, True], [True, True, True]])
    with pytest.raises(InvalidProblemError, match="targets hold nan"):
        solve_many([1, NAN, 3], [1.0, NAN], valid=[True, False, True])


# -- no rows -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{}, {"cardinality": 2}, {"backend": "dp"}, {"objective": "within", "tolerance": []}]
)
@pytest.mark.parametrize(("items", "targets", "n"), [
    (np.zeros((0, 5)), np.zeros(0), 5),
    (np.zeros((0, 5, 2)), np.zeros((0, 2)), 5),
    ([1.0, 2.0], [], 2),
    ([], [], 0),
])  # fmt: skip
def test_no_rows_have_no_answers(tmp_path, items, targets, n, options):
    batch = solve_many(items, targets, checkpoint=tmp_path / "kept", **options)
    batch.save(tmp_path / "none.npz")
    for found in (batch, BatchSolution.load(tmp_path / "none.npz")):
        assert (len(found), found.masks.shape, found.summary()["rows"]) == (0, (0, n), 0)
        found.check(items, targets)


def test_chunks_without_rows_are_passed_over():
    none = (np.zeros((0, 3)), np.zeros(0))
    assert len(solve_many(iter([none, none]))) == 0
    assert solve_many(iter([none, ([[1.0, 2.0, 4.0]], [3.0]), none])).masks.tolist() == [[True, True, False]]

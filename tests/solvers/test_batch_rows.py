"""The kernels for rows against other ways to the same answers, at sizes where brute force is out of reach."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solvers import Status, SubsetSum, solve, solve_many
from solvers.exact import float_up
from solvers.kernels.batch_rows import UNSOLVED, RowAnswers, RowInputs, nearest_rows, solve_rows
from solvers.kernels.half_sums import merge_with_item
from solvers.kernels.row_sorting import sort_rows
from solvers.kernels.two_pointers import nearest_pair


def answers_for(items, targets, *, valid=None, tolerance=np.inf, kernel=None, objective="nearest"):
    """Return (masks, upper, lower, status) of a kernel, or of all of them."""
    count, n = items.shape
    valid = np.ones((count, n), dtype=bool) if valid is None else valid
    tolerances = np.broadcast_to(np.asarray(tolerance, dtype=float), count).copy()
    masks, upper, lower = np.zeros((count, n), dtype=bool), np.zeros(count), np.zeros(count)
    status = np.full(count, UNSOLVED, dtype=np.uint8)
    rows, answers = RowInputs(items, targets, valid, tolerances), RowAnswers(masks, upper, lower, status)
    if kernel is None:
        solve_rows(rows, objective, answers)
    else:
        kernel(rows, objective == "within", answers)
    return answers


def rows_of(kind, rng, count, n):
    uniform = rng.uniform(-1, 1, (count, n))
    items = {
        "uniform": lambda: uniform,
        "products": lambda: uniform * rng.uniform(-1, 1, (count, n)),
        "normal": lambda: rng.normal(size=(count, n)),
        "float32": lambda: uniform.astype(np.float32).astype(float),
        "positive": lambda: np.abs(uniform),
        "integers": lambda: rng.integers(-1000, 1000, (count, n)).astype(float),
        "tiny": lambda: uniform * 2.0**-1060,
        "large": lambda: uniform * 2.0**900,
        "few values": lambda: rng.choice([0.1, 0.3, -0.7], (count, n)),
        "one large": lambda: np.where(np.arange(n) == 3, 2.0**20, uniform),
        "clusters": lambda: np.round(uniform) + uniform * 2.0**-30,
    }[kind]()
    targets = (items * (rng.random((count, n)) < 0.5)).sum(axis=1)
    targets += np.abs(items).max(axis=1) * rng.choice([0, 1e-9, 0.1, 5.0], count) * rng.uniform(-1, 1, count)
    return items, targets


KINDS = ["uniform", "products", "normal", "float32", "positive", "integers", "tiny", "large", "clusters"]
KINDS += ["few values", "one large"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n", [13, 14, 17, 21])
def test_cells_and_sorting_find_the_same_errors(kind, n):
    rng = np.random.default_rng(n)
    items, targets = rows_of(kind, rng, 300 if n < 20 else 60, n)
    valid = rng.random(items.shape) < 0.97
    _, upper, lower, status = answers_for(items, targets, valid=valid, kernel=nearest_rows)
    _, also_upper, also_lower, other = answers_for(items, targets, valid=valid, kernel=sort_rows)
    both = (status != UNSOLVED) & (other != UNSOLVED)
    assert np.array_equal(upper[both], also_upper[both])
    assert np.array_equal(lower[both], also_lower[both])
    if kind in ("uniform", "products", "normal", "float32", "positive"):
        assert np.mean(status == UNSOLVED) < 0.3, (
            "a quarter of the targets are far out; others need no sorting"
        )
        assert not (other == UNSOLVED).any()


def test_kernels_that_a_batch_does_not_need_are_not_compiled(monkeypatch):
    rng = np.random.default_rng(5)
    items, targets = rng.uniform(-1, 1, (40, 15)), rng.uniform(-1, 1, 40)
    items[:3, 0] = 1e-200  # of no use, and beyond the numbers of the kernels
    expected = solve_many(items, targets)

    def needless(*_):
        raise AssertionError("this takes seconds to compile, once on each machine")

    monkeypatch.setattr("solvers.kernels.batch_rows.sort_rows", needless)
    monkeypatch.setattr("solvers.kernels.digit_rows.digit_rows", needless)
    again = solve_many(items, targets)
    assert np.array_equal(again.errors, expected.errors)
    assert np.array_equal(again.masks, expected.masks)
    assert len(solve_many([[0.5]], [0.5])) == 1
    expected.check(items, targets)
    assert (expected.status == Status.OPTIMAL).all()


@pytest.mark.parametrize("kind", ["uniform", "products", "integers", "few values", "clusters"])
def test_sparsest_rows_equal_solve(kind):
    rng = np.random.default_rng(12)
    items, targets = rows_of(kind, rng, 12, 16)
    tolerance = np.abs(items).max(axis=1) * rng.choice([1e-5, 1e-3, 0.1], 12)
    masks, upper, _, status = answers_for(items, targets, tolerance=tolerance, objective="sparsest")
    assert not (status == UNSOLVED).any()
    for row in range(12):
        problem = SubsetSum(items[row], targets[row], tolerance=float(tolerance[row]))
        solution = solve(problem, objective="sparsest")
        assert status[row] == solution.status
        assert upper[row] == float_up(solution.error)
        if solution.status is Status.OPTIMAL:
            assert masks[row].sum() == solution.size


@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32),
    n=st.integers(1, 18),
    objective=st.sampled_from(["nearest", "within", "sparsest"]),
)
def test_a_row_does_not_depend_on_its_neighbours(kind, seed, n, objective):
    rng = np.random.default_rng(seed)
    items, targets = rows_of(kind, rng, 6, max(n, 4))
    valid = rng.random(items.shape) < 0.9
    tolerance = np.abs(items).max(axis=1) * 10.0 ** rng.uniform(-6, 0, 6)
    options = {"tolerance": tolerance, "objective": objective}
    together = answers_for(items, targets, valid=valid, **options)
    for row in range(6):
        one = slice(row, row + 1)
        options["tolerance"] = tolerance[one]
        alone = answers_for(items[one], targets[one], valid=valid[one], **options)
        assert all(np.array_equal(a[one], b) for a, b in zip(together, alone, strict=True))


@numba.njit
def errors_by_mitm(items, targets, unit):
    """Return the nearest errors with the kernels of the ``mitm`` backend, of items that are whole units."""
    errors = np.empty(targets.size, np.int64)
    for row in range(targets.size):
        halves = []
        middle = items.shape[1] // 2
        for first, last in ((0, middle), (middle, items.shape[1])):
            sums, masks = np.zeros(1, np.int64), np.zeros(1, np.uint32)
            for k in range(first, last):
                item = np.int64(items[row, k] * unit)
                sums, masks = merge_with_item(sums, masks, sums, masks, item, 1 << (k - first))
            halves.append(sums)
        errors[row] = nearest_pair(halves[0], halves[1], np.int64(targets[row] * unit), 0)[2]
    return errors


@pytest.mark.slow
def test_hundreds_of_thousands_of_rows_have_the_errors_of_mitm():
    rng = np.random.default_rng(21)
    for start in range(0, 400_000, 50_000):
        items = rng.uniform(-1, 1, (50_000, 21))
        targets = rng.uniform(-0.5, 0.5, 50_000) * (1 if start % 100_000 else 8)
        items, targets = (np.round(x * 2.0**53) * 2.0**-53 for x in (items, targets))
        masks, upper, lower, status = answers_for(items, targets)
        exact = errors_by_mitm(items, targets, 2.0**53)
        errors = exact.astype(float) * 2.0**-53  # rounded to nearest: at most one step from either bound
        assert (status == Status.OPTIMAL).all()
        assert (lower <= errors).all()
        assert (errors <= upper).all()
        assert (upper <= np.nextafter(lower, np.inf)).all()
        chosen = (np.where(masks, items, 0) * 2.0**53).astype(np.int64).sum(axis=1)
        assert np.array_equal(np.abs(chosen - (targets * 2.0**53).astype(np.int64)), exact)
        for row in range(5):
            solution = solve(SubsetSum(items[row], targets[row]), backend="mitm")
            assert float_up(solution.error) == upper[row]

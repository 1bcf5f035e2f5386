"""Rows of signed digits in solve_many: exact, of fewest items, and only where the items are such digits."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plain_python, plant

from solvers import Status, solve_many
from solvers.batch import digit_rows as paths

BASES = st.sampled_from([2, 3, 4])


def _rows(seed, base, n, rows):
    rng = np.random.default_rng(seed)
    items = rng.choice([-1.0, 1.0], (rows, n)) * float(base) ** rng.integers(0, 4, (rows, n)) * 2.0**-7
    return items, rng.uniform(-60, 60, rows) * 2.0**-7, rng.random((rows, n)) < 0.9


def _sums(items, valid):
    """All subset sums of one row and the number of items of each."""
    usable = items[valid]
    subsets = np.array(list(itertools.product([0, 1], repeat=len(usable))))
    return subsets @ usable, subsets.sum(axis=1)


@given(st.integers(0, 2**32), BASES, st.integers(10, 13), st.sampled_from(["nearest", "within"]))
@settings(max_examples=30)
def test_rows_of_signed_digits_are_nearest_and_of_fewest_items(seed, base, n, objective):
    items, targets, valid = _rows(seed, base, n, 6)
    monkey = pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr(paths, "_LEAST_ITEMS", 0)
        batch = solve_many(items, targets, valid=valid, objective=objective, tolerance=2.0**-8)
    batch.check(np.where(valid, items, 0.0), targets)
    assert not (batch.masks & ~valid).any()
    for row in range(len(items)):
        sums, sizes = _sums(items[row], valid[row])
        errors = abs(sums - targets[row])
        if objective == "nearest" or batch.status[row] != Status.FEASIBLE:
            assert batch.errors[row] == errors.min()
        assert (errors.min() <= 2.0**-8) == (batch.status[row] in (Status.OPTIMAL, Status.FEASIBLE))
        if errors.min() <= 2.0**-8:  # half a unit: met by the digits
            assert batch.sizes[row] == sizes[errors == batch.errors[row]].min()


@given(st.integers(0, 2**32), BASES, st.integers(10, 13), st.sampled_from([0, 1, 3, 7, 20, 200]))
@settings(max_examples=30)
def test_sparsest_rows_have_the_fewest_items_and_of_these_the_least_error(seed, base, n, halves):
    items, targets, valid = _rows(seed, base, n, 6)
    targets[0] = np.rint(targets[0] * 2.0**8) * 2.0**-8  # perhaps halfway between two sums
    tolerance, monkey = halves * 2.0**-8, pytest.MonkeyPatch()
    with monkey.context() as patched:
        patched.setattr(paths, "_LEAST_ITEMS", 0)
        batch = solve_many(items, targets, valid=valid, objective="sparsest", tolerance=tolerance)
    batch.check(np.where(valid, items, 0.0), targets)
    for row in range(len(items)):
        sums, sizes = _sums(items[row], valid[row])
        errors = abs(sums - targets[row])
        within = errors <= tolerance
        assert within.any() == (batch.status[row] == Status.OPTIMAL)
        if within.any():
            assert batch.sizes[row] == sizes[within].min()
            assert batch.errors[row] == errors[within & (sizes == sizes[within].min())].min()


def test_sparsest_rows_of_far_off_targets_are_exact():
    items = np.array([[1.0, -1.0, 2.0, -2.0] * 4]) * 2.0**40
    for target, tolerance in ((2.0**41 + 2.0**-11, 2.0**40), (1e-30, 2.0**41), (2.0**40 + 0.25, 2.0**40)):
        batch = solve_many(items, [target], objective="sparsest", tolerance=tolerance)
        sums, sizes = _sums(items[0], np.ones(16, dtype=bool))
        errors = [abs(Fraction(total) - Fraction(target)) for total in sums.tolist()]
        best = min((size, error) for size, error in zip(sizes, errors, strict=True) if error <= tolerance)
        assert (batch.sizes[0], batch.errors[0]) == best


WRITTEN = "answers.masks[done], answers.errors[done] = self.masks[found], self.errors[found]"
SPARSEST = [
    (paths._Sparsest._try, "errors <= self.limits", "errors <= 2.0 * self.limits"),
    (paths._Sparsest._try, "sizes < earlier", "True"),
    (paths._Sparsest._try, "(sizes == earlier) & (errors < self.errors[tried])", "False"),
    (paths._Sparsest.__post_init__, "self._try(sign * step)", "self._try(step)"),
    (paths._Sparsest.write, WRITTEN, WRITTEN.replace("self.errors[found]", "0.0")),
]


@pytest.mark.parametrize(("function", "right", "wrong"), SPARSEST)
def test_a_mistake_planted_in_sparsest_rows_is_seen(monkeypatch, function, right, wrong):
    items = np.array([[1.0, -1.0, 3.0, -3.0] * 4])

    def answers():
        found = []
        for target, tolerance in ((7.25, 1.5), (-7.25, 1.5), (5.25, 0.5), (1.8, 1.5), (8.25, 1.5)):
            batch = solve_many(items, [target], objective="sparsest", tolerance=tolerance)
            found.append((int(batch.status[0]), int(batch.sizes[0]), float(batch.errors[0])))
        return found

    before = answers()
    plant(monkeypatch, function, right, wrong)
    assert answers() != before


def test_many_digits_a_row_are_answered_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    items = rng.choice([-1.0, 1.0], (300, 64)) * np.repeat(2.0 ** -np.arange(16), 4)
    chosen = rng.random((300, 64)) < 0.5
    monkeypatch.setattr("solvers.batch.chunks._solve_compiled", lambda _rows, places, *_: places)
    monkeypatch.setattr(
        "solvers.batch.chunks._solve_each", lambda _r, places, *_: places and pytest.fail(f"left: {places}")
    )
    batch = solve_many(items, (items * chosen).sum(axis=1))
    assert batch.summary()["status"]["optimal"] == 300
    assert not batch.errors.any()
    assert (batch.sizes <= chosen.sum(axis=1)).all()


@pytest.mark.parametrize("special", [0.3, 3.0, 1e-300])
def test_items_that_are_no_digits_go_to_the_other_methods(special):
    items = np.array([[1.0, -1.0, 2.0, -2.0, 4.0, 8.0, 1.0, 2.0, -4.0, 16.0, 32.0, 1.0, -8.0, special]])
    batch = solve_many(items, [special + 1.0])
    assert batch.errors[0] <= 1e-15
    batch.check(items, [special + 1.0])


@pytest.mark.parametrize(
    ("function", "right", "wrong"),
    [
        ("_fewest", "target % unit != 0", "False"),
        ("_fewest", "left % (following // unit) != 0", "False"),
        ("_fewest", "cost < costs[level + 1, to]", "True"),
        ("_levels", "last > 0 and size % last != 0", "False"),
        ("digit_rows", "digit < 0 and values[row, place] < 0", "digit < 0"),
    ],
)
def test_a_mistake_planted_in_the_digits_is_seen(monkeypatch, function, right, wrong):
    module = plain_python(monkeypatch, "solvers.kernels.digit_rows", function, right, wrong)

    def answers(values, target):
        values = np.array([values])
        masks, met = np.zeros(values.shape, dtype=bool), np.zeros(1, dtype=bool)
        module.digit_rows(values, np.argsort(abs(values), axis=1), np.array([target]), masks, met)
        return (values[masks].sum(), masks.sum()) if met[0] else None

    seen = [
        answers([2, 4, -2, 4], 3) is None,
        answers([1, 4, -1, 4], 2) is None,
        answers([1, 1, 1, 1, 2], 4) == (4, 3),
        answers([-1, -1, -1, -1, -2], -4) == (-4, 3),
        answers([2, 3, 6, 1], 4) is None,
        answers([1, -1, 2, 2], -1) == (-1, 1),
    ]
    assert not all(seen)

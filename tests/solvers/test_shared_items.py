"""Rows that share items: the same answers as on their own, from sums that are listed once."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, batch_contradiction, float_families, is_rounded_up

from solvers import Status, solve_many
from solvers.batch import chunks, shared_items

NAMES = ("masks", "errors", "lower_bounds", "status")


def content(batch):
    return [getattr(batch, name).tobytes() for name in NAMES]


@pytest.fixture
def alone(monkeypatch):
    """Solve rows with the search for shared items switched off."""

    def solved(*args, **options):
        with monkeypatch.context() as patched:
            patched.setattr(chunks, "solve_shared", lambda rows, *_: np.arange(len(rows)))
            return solve_many(*args, **options)

    return solved


@pytest.fixture
def searched(monkeypatch):
    """Collect how many rows the search for shared items answered and how many it left."""
    counts = []
    original = chunks.solve_shared

    def counted(rows, answers, limits):
        left = original(rows, answers, limits)
        counts.append((len(rows) - len(left), len(left)))
        return left

    monkeypatch.setattr(chunks, "solve_shared", counted)
    return counts


@st.composite
def shared_questions(draw):
    """Draw (items (n,), targets (70,), tolerances (70,)), ties and exact hits among them."""
    n = draw(st.integers(1, 9))
    numbers = draw(st.sampled_from(float_families))
    items = np.array(draw(st.lists(numbers, min_size=n, max_size=n)))
    if draw(st.booleans()):
        items[draw(st.integers(0, n - 1))] = items[draw(st.integers(0, n - 1))]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    with np.errstate(all="ignore"):
        sums = (rng.random((70, n)) < 0.5) @ items
        scale = np.abs(items).max() or 1.0
        targets = sums + scale * rng.choice([0.0, 0.0, 2.0**-52, -(2.0**-52), 1e-30, 0.5, 1.0, -3.0], 70)
    targets = np.where(np.isfinite(targets), targets, 0.0)
    targets[::9] = np.nextafter(targets[::9], draw(st.sampled_from([-1e308, 1e308])))
    return items, targets, np.abs(items[0]) * rng.choice([0.0, 2.0**-52, 0.5, 1.0], 70)


@pytest.mark.parametrize("objective", ["nearest", "within"])
def test_against_brute_force(objective):
    @settings(max_examples=10, deadline=None)
    @given(shared_questions())
    def check(question):
        items, targets, tolerances = question
        batch = solve_many(items, targets, objective=objective, tolerance=tolerances, threads=1)
        rows = [
            Case(items.tolist(), *case) for case in zip(targets.tolist(), tolerances.tolist(), strict=True)
        ]
        assert batch_contradiction(rows, objective, batch) is None
        batch.check(items, targets)

    check()


@settings(max_examples=12, deadline=None)
@given(question=shared_questions(), data=st.data())
def test_rows_in_company_are_answered_as_on_their_own(question, data):
    items, targets, tolerances = question
    together = solve_many(items, targets, tolerance=tolerances, threads=1)
    cut = solve_many(
        items, targets, tolerance=tolerances, threads=1, chunk_size=data.draw(st.integers(1, 70))
    )
    assert content(cut) == content(together)
    stacked = solve_many(np.tile(items, (70, 1)), targets, tolerance=tolerances, threads=1)
    assert content(stacked) == content(together)


@pytest.mark.parametrize("target", [0.1875, -0.0625, 0.0625, 0.3125])
def test_a_target_half_way_between_two_sums_has_no_nearest_of_its_own(target, alone):
    items, targets = np.array([0.125, 0.125, -0.125]), np.full(70, target)
    assert content(solve_many(items, targets)) == content(alone(items, targets))


@pytest.mark.parametrize("n", [1, 2, 12, 21, 26, 32])
def test_uniform_items_are_searched_and_right(n, alone, searched):
    rng = np.random.default_rng(n)
    items, targets = rng.uniform(-1, 1, n), rng.uniform(-1, 1, 100)
    batch = solve_many(items, targets)
    assert searched == [(100, 0)]
    assert content(batch) == content(alone(items, targets))
    batch.check(items, targets)


def test_groups_of_equal_rows_in_a_batch_are_found(alone, searched):
    rng = np.random.default_rng(1)
    blocks, places = rng.uniform(-1, 1, (4, 12)), rng.permutation(np.repeat(np.arange(4), [100, 63, 64, 200]))
    valid = rng.random((4, 12)) < 0.8
    items, targets = blocks[places], rng.uniform(-1, 1, 427)
    items[~valid[places]] = rng.uniform(-1, 1, np.count_nonzero(~valid[places]))  # of no concern
    clean = np.where(valid[places], items, blocks[places])
    batch = solve_many(clean, targets, valid=valid[places], chunk_size=427)
    assert searched == [(364, 63)]
    assert content(batch) == content(alone(clean, targets, valid=valid[places]))
    assert not batch.masks[~valid[places]].any()
    batch.check(clean, targets)


def test_items_shared_but_for_what_is_valid(alone, searched):
    rng = np.random.default_rng(2)
    items, targets = rng.uniform(-1, 1, 10), rng.uniform(-1, 1, 300)
    valid = (rng.random((3, 10)) < 0.7)[rng.integers(0, 3, 300)]
    valid[5] = False
    for objective in ("nearest", "within"):
        options = {"valid": valid, "objective": objective, "tolerance": 0.01}
        batch = solve_many(items, targets, **options, chunk_size=300)
        assert searched == [(299, 1)]
        separate = alone(items, targets, **options)
        assert np.array_equal(batch.status, separate.status)
        assert content(batch) == content(solve_many(items, targets, **options, chunk_size=11))
        if objective == "nearest":
            assert content(batch) == content(separate)
        assert not batch.masks[~valid].any()
        batch.check(items, targets)
        searched.clear()


@pytest.mark.parametrize(
    "items",
    [
        [0.0, 0.0, 0.0],
        [1.0, 1.0, 2.0, 3.0],  # ties everywhere
        [2.0**-1060, 2.0**-1061, 5e-324],
        [1.7e308, 1.1e308, -1.7e308],
        [1.0, 2.0**-70],
        [1e300, 1e-300],
        [2.0**60 - 256.0, 2.0**59],
        [2.0**60, 2.0**60, 1.0],
        [3.0 * 2.0**890, 2.0**895],
    ],
)
def test_awkward_numbers_are_left_to_others_or_right(items, alone):
    items = np.array(items)
    places = np.random.default_rng(0).random((70, len(items))) < 0.5
    with np.errstate(over="ignore"):
        targets = np.nan_to_num(places @ items, posinf=1.0, neginf=1.0)
    targets[::2] = np.nextafter(targets[::2], 0)
    targets[:6] = [1e308, -1e308, 5e-324, -5e-324, 0.5, 2.0**61]
    batch = solve_many(items, targets, tolerance=1e-3)
    assert content(batch) == content(alone(items, targets, tolerance=1e-3))
    batch.check(items, targets)


def test_codes_that_collide_do_not_make_rows_equal(monkeypatch, alone):
    rng = np.random.default_rng(3)
    items, targets = rng.uniform(-1, 1, (130, 6)), rng.uniform(-1, 1, 130)
    items[::2] = items[0]
    monkeypatch.setattr(shared_items, "_codes", lambda rows: np.zeros(len(rows), np.uint64))
    batch = solve_many(items, targets, chunk_size=130)
    assert content(batch) == content(alone(items, targets))


distances = st.one_of(st.integers(0, 8), st.integers(0, 2**62 - 1), st.integers(2**53 - 3, 2**53 + 3))
sides = st.one_of(st.sampled_from([0.0, 0.5, -0.5, 2.0**-52, -(2.0**-1000)]), st.floats(-0.5, 0.5))


@settings(max_examples=300, deadline=None)
@given(whole=distances, side=sides, exponent=st.integers(-900, 900))
def test_distances_are_rounded_as_they_should_be(whole, side, exponent):
    from solvers.kernels.shared_sums import rounded_distances

    if abs(side) < 2.0**-100 or whole + side < 0:  # no float64 target has such a rest
        side = 0.0
    lower, upper = np.zeros(1), np.zeros(1)
    rounded_distances(np.array([whole]), np.array([side]), exponent, lower, upper)
    exact = (whole + Fraction(side)) * Fraction(2) ** exponent
    assert is_rounded_up(float(upper[0]), exact)
    assert is_rounded_up(-float(lower[0]), -exact)


def test_within_shows_the_status_that_is_true(alone):
    rng = np.random.default_rng(6)
    items, targets = rng.uniform(-1, 1, 8), rng.uniform(-3, 3, 500)
    for tolerance in (1e-3, 1e-2, 0.5):
        batch = solve_many(items, targets, objective="within", tolerance=tolerance)
        assert np.array_equal(
            batch.status, alone(items, targets, objective="within", tolerance=tolerance).status
        )
        assert set(batch.status.tolist()) <= {Status.FEASIBLE, Status.INFEASIBLE}
        batch.check(items, targets)

"""solve_many(): every row exactly as solve() and brute force say, however it is chunked, run or stored."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from time import sleep

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, batch_contradiction, cases, float_batches
from support.backends import TAKE_SCALARS

from solvers import InvalidProblemError, Status, SubsetSum, UnsupportedProblemError, solve, solve_many
from solvers.batch import chunks, workers
from solvers.batch.chunks import chunk_rows
from solvers.batch.row_inputs import Table, checked_question
from solvers.batch.rows import Answers
from solvers.exact import float_down, float_up

OBJECTIVES = ["nearest", "within", "sparsest"]


def rows_of(items, targets, valid=None, tolerances=None, cardinality=None):
    """Return the rows as cases, with the valid items only."""
    shared = np.ndim(items) == np.ndim(targets)
    offered = [items if shared else items[row] for row in range(len(targets))]
    usable = [slice(None)] * len(targets) if valid is None else valid
    limits = [None] * len(targets)
    if tolerances is not None:
        limits = np.broadcast_to(tolerances, len(targets)).tolist()
    return [
        Case(list(numbers[some]), target, limit, cardinality)
        for numbers, some, target, limit in zip(offered, usable, targets, limits, strict=True)
    ]


def same(first, second):
    """Whether two batches are the same bit for bit."""
    names = ("masks", "errors", "lower_bounds", "status")
    return all(getattr(first, n).tobytes() == getattr(second, n).tobytes() for n in names)


# -- right answers -----------------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_float_rows_against_brute_force(objective):
    @settings(max_examples=120, deadline=None)
    @given(float_batches(tolerance="maybe" if objective == "nearest" else "always"))
    def check(question):
        items, targets, valid, tolerances = question
        options = {"valid": valid, "tolerance": tolerances, "objective": objective, "threads": 1}
        batch = solve_many(items, targets, **options)
        rows = rows_of(items, targets.tolist(), valid, tolerances)
        assert batch_contradiction(rows, objective, batch, valid) is None
        batch.check(items, targets)

    check()


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=40, deadline=None)
@given(question=float_batches(max_rows=3, tolerance="always"))
def test_rows_equal_solve(objective, question):
    items, targets, valid, tolerances = question
    batch = solve_many(items, targets, valid=valid, tolerance=tolerances, objective=objective, threads=1)
    for row, case in enumerate(rows_of(items, targets.tolist(), valid, tolerances)):
        if not case.items:
            continue
        solution = solve(case.problem, objective=objective)
        assert batch.status[row] == solution.status
        if objective == "nearest" or solution.status is Status.INFEASIBLE:
            assert batch.errors[row] == float_up(solution.error)
        if objective == "nearest":
            assert batch.lower_bounds[row] == float_down(solution.lower_bound)
        if objective == "sparsest" and solution.status is Status.OPTIMAL:
            assert (batch.sizes[row], batch.errors[row]) == (solution.size, float_up(solution.error))


@pytest.mark.parametrize("objective", OBJECTIVES)
@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(cases(max_items=6, cardinality="never"), min_size=1, max_size=4), data=st.data())
def test_exact_numbers_of_any_kind(objective, drawn, data):
    """Object arrays: big integers, fractions and floats side by side."""
    n = max(len(case.items) for case in drawn)
    items = np.zeros((len(drawn), n), dtype=object)
    valid = np.zeros(items.shape, dtype=bool)
    for row, case in enumerate(drawn):
        items[row, : len(case.items)] = case.items
        valid[row, : len(case.items)] = True
    targets = np.array([*(case.target for case in drawn), None], dtype=object)[:-1]
    tolerance = data.draw(st.sampled_from([0, 0.125, 3, 1e300]))
    batch = solve_many(items, targets, valid=valid, tolerance=tolerance, objective=objective, threads=1)
    rows = [Case(case.items, case.target, tolerance) for case in drawn]
    assert batch_contradiction(rows, objective, batch, valid) is None
    batch.check(items, targets)


LARGE = [2**53 + 1, 2**60 + 3, -(2**62) + 1, 2**61 + 5]
EXACT_ROWS = {
    "int64 beyond 2^53": (np.array([LARGE]), np.array([LARGE[0] + LARGE[2]])),
    "uint64 beyond 2^63": (np.array([[2**64 - 1, 2**63 + 1]], dtype=np.uint64), np.array([2**64 - 1])),
    "small integers": (np.array([[3, 5, 9]], dtype=np.int8), np.array([12], dtype=np.int32)),
    "float32": (np.array([[0.1, 0.2, 0.3]], dtype=np.float32), np.array([0.3], dtype=np.float32)),
    "float16 and float64": (np.array([[0.1, 0.2, 0.3]], dtype=np.float16), np.array([0.3])),
    "big-endian": (np.array([[0.1, 0.2, 0.3]], dtype=">f8"), np.array([0.3], dtype=">f8")),
    "integers and floats in one list": ([[2**53 + 1, 0.5, 2**60 + 1]], [2**60 + 1 + 2**53 + 1]),
    "signs of 64 bits in one list": ([[2**63, -1, -(2**63)]], [-1]),
    "beyond 64 bits": ([[2**100 + 1, 2**100, 3]], [2**100 + 1]),
    "fractions": (np.array([[Fraction(1, 3), Fraction(1, 7)]]), np.array([Fraction(10, 21)])),
    "decimals": ([[Decimal("0.1"), Decimal("0.2")]], [Decimal("0.3")]),
    "long doubles": (np.array([[1, 3, 5]], dtype=np.longdouble) / 7, np.array([8], dtype=np.longdouble) / 7),
    "float64 items, integer target": (np.array([[0.5, 2.0**53]]), np.array([2**53 + 1])),
    "sum beyond float64": ([[1.7e308, 1.1e308, 1.0, 3.5]], [-1e308]),
    "error beyond float64": ([[10**400, 2]], [10**401]),
}


@pytest.mark.parametrize("name", EXACT_ROWS)
@pytest.mark.parametrize("cardinality", [None, (1, 2)])
def test_numbers_are_never_rounded(name, cardinality):
    items, targets = EXACT_ROWS[name]
    batch = solve_many(items, targets, cardinality=cardinality, threads=1)
    listed = [[plain(x) for x in row] for row in items]
    rows = [Case(row, plain(t), None, cardinality) for row, t in zip(listed, targets, strict=True)]
    assert batch_contradiction(rows, "nearest", batch) is None
    batch.check(items, targets)


def plain(x):
    return int(x) if isinstance(x, (int, np.integer)) else Fraction(*x.as_integer_ratio())


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_vectors(objective):
    rng = np.random.default_rng(2)
    items, targets = rng.uniform(-1, 1, (5, 6, 2)), rng.uniform(-1, 1, (5, 2))
    valid = rng.random((5, 6)) < 0.8
    options = {"valid": valid, "objective": objective, "tolerance": 0.35}
    batch = solve_many(items, targets, **options)
    rows = rows_of(items, targets, valid, 0.35)
    for case, status, error in zip(rows, batch.status, batch.errors, strict=True):
        assert (status == Status.INFEASIBLE) == (not case.truth.acceptable)
        if objective == "nearest":
            assert error == float_up(case.truth.nearest)
        elif status != Status.INFEASIBLE:
            assert error <= 0.35
    assert len(set(batch.status.tolist())) == 2
    batch.check(items, targets)


@pytest.mark.parametrize("objective", ["nearest", "sparsest"])
def test_cardinalities(objective):
    rng = np.random.default_rng(4)
    items, targets = rng.uniform(-1, 1, (20, 7)), rng.uniform(-2, 2, 20)
    batch = solve_many(items, targets, cardinality=(2, 3), objective=objective, tolerance=0.1)
    rows = rows_of(items, targets.tolist(), None, 0.1, (2, 3))
    assert batch_contradiction(rows, objective, batch) is None
    assert set(batch.sizes.tolist()) <= {2, 3}
    batch.check(items, targets)


@pytest.mark.parametrize("vectors", [False, True])
def test_shared_items_are_the_same_as_repeated_ones(vectors):
    rng = np.random.default_rng(5)
    items, targets = rng.uniform(-1, 1, (9, 2)), rng.uniform(-1, 1, (4, 2))
    if not vectors:
        items, targets = items[:, 0], targets[:, 0]
    shared = solve_many(items, targets)
    assert same(shared, solve_many(np.stack([items] * 4), targets))
    shared.check(items, targets)
    some = rng.random(9) < 0.6
    batch = solve_many(items, targets, valid=some)
    assert same(batch, solve_many(items, targets, valid=np.stack([some] * 4)))
    assert not batch.masks[:, ~some].any()


def test_more_than_32_items_and_mixed_exponents_share_a_batch():
    rng = np.random.default_rng(6)
    items = rng.uniform(-1, 1, (4, 36))
    valid = np.ones((4, 36), dtype=bool)
    valid[1, 30:] = False  # compiled
    valid[2] = False  # nothing to choose from
    items[3, :6] *= 10.0 ** np.array([200, 150, -100, -150, -200, 0])  # too mixed for two words
    valid[3, 12:] = False
    targets = items[:, :4].sum(axis=1)
    batch = solve_many(items, targets, valid=valid, threads=1)
    for row in (0, 1, 3):
        solution = solve(SubsetSum(items[row, valid[row]], targets[row]))
        assert (batch.errors[row], batch.status[row]) == (float_up(solution.error), Status.OPTIMAL)
    assert batch.errors[2] == abs(targets[2])
    assert not batch.masks[2].any()
    batch.check(items, targets)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_attained_tolerances_are_met_and_an_ulp_less_is_not(objective):
    attained_and_an_ulp_less(objective, "auto")


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_backend_meets_attained_tolerances_and_none_an_ulp_less(objective, proving_backend):
    try:
        attained_and_an_ulp_less(objective, proving_backend)
    except UnsupportedProblemError:
        assert proving_backend not in TAKE_SCALARS


def attained_and_an_ulp_less(objective, backend):
    items = np.array([[0.3, 0.5, 1.7], [0.1, 0.2, 0.4], [3.0, 5.0, 2.0**-40], [5e-324, 1e-323, 2e-323]])
    targets = np.array([1.0, 0.35, 11.0, 4e-323])
    attained = solve_many(items, targets).errors
    cases_ = rows_of(items, targets.tolist())
    exactly = [Fraction(e) == c.truth.nearest for e, c in zip(attained.tolist(), cases_, strict=True)]
    assert any(exactly)
    for tolerance, accepted in ((attained, True), (np.nextafter(attained, 0), False)):
        batch = solve_many(
            items, targets, tolerance=tolerance, objective=objective, backend=backend, threads=1
        )
        assert ((batch.status != Status.INFEASIBLE) == accepted).all()
        batch.check(items, targets)
        for row in range(4):  # one tolerance for all rows is the same
            alone = solve_many(
                items[[row]], targets[[row]], tolerance=tolerance[row], objective=objective, backend=backend
            )
            assert alone.status[0] == batch.status[row]


def test_rows_without_valid_items():
    items, targets = np.ones((3, 2)), np.array([0.0, 0.25, -7.0])
    nothing = np.zeros((3, 2), dtype=bool)
    for options in ({}, {"objective": "within"}, {"objective": "sparsest"}, {"cardinality": (0, 1)}):
        batch = solve_many(items, targets, valid=nothing, tolerance=0.25, **options)
        assert batch.errors.tolist() == [0.0, 0.25, 7.0]
        assert [s == Status.INFEASIBLE for s in batch.status] == [False, False, True]
        assert not batch.masks.any()
        batch.check(items, targets)
    with pytest.raises(InvalidProblemError, match="row 0 has 0 valid items"):
        solve_many(items, targets, valid=nothing, cardinality=1)


def test_infeasible_rows_show_what_is_proven():
    """cp-sat shows no subset for an infeasible 'within'; the row then has error inf and a bound."""
    items, targets = np.array([[[1.0, 2.0], [3.0, 4.0]]] * 2), np.array([[10.0, 10.0], [4.0, 6.0]])
    batch = solve_many(items, targets, objective="within", tolerance=0.25)
    assert [Status(s).name for s in batch.status] == ["INFEASIBLE", "FEASIBLE"]
    assert batch.lower_bounds[0] > 0.25
    batch.check(items, targets)
    sparse = solve_many([[1.0, 2.0]], [10.0], objective="sparsest", tolerance=0.25)
    assert (sparse.status[0], sparse.lower_bounds[0]) == (Status.INFEASIBLE, 7.0)
    sparse.check([[1.0, 2.0]], [10.0])


# -- the same answers however they are found ---------------------------------------------------------


@pytest.fixture(scope="module")
def question():
    rng = np.random.default_rng(8)
    items = rng.uniform(-1, 1, (300, 12))
    items[::50] *= 10.0 ** rng.integers(-200, 200, (6, 12))  # left to solve() one by one
    targets = items[:, :5].sum(axis=1) + rng.choice([0, 1e-3], 300)
    return {"items": items, "targets": targets, "valid": rng.random((300, 12)) < 0.9, "tolerance": 1e-3}


@pytest.fixture(scope="module")
def expected(question):
    return {objective: solve_many(**question, objective=objective, threads=1) for objective in OBJECTIVES[:2]}


@pytest.mark.thinned
@pytest.mark.parametrize("objective", OBJECTIVES[:2])
@pytest.mark.parametrize("threads", [None, 1, 2, 4])
@pytest.mark.parametrize("chunk_size", [None, 1, 7, 299, 300, 10**6])
def test_threads_and_chunks_change_nothing(question, expected, objective, threads, chunk_size):
    batch = solve_many(**question, objective=objective, threads=threads, chunk_size=chunk_size)
    assert same(batch, expected[objective])


@pytest.mark.parametrize("chunk_size", [None, 50])
def test_executors_change_nothing(question, expected, chunk_size):
    with ThreadPoolExecutor(3) as pool:
        batch = solve_many(**question, executor=pool, chunk_size=chunk_size)
        assert same(batch, expected["nearest"])
        assert pool.submit(int, "7").result() == 7, "the caller's executor stays the caller's"


@pytest.mark.slow
def test_processes_change_nothing(question, expected):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        batch = solve_many(**question, executor=pool, chunk_size=100, time_limit=300)
        assert same(batch, expected["nearest"])
        exact = solve_many([[Fraction(1, 3), 2**70]], [2**70], executor=pool)
        assert exact.masks.tolist() == [[False, True]]


def test_layouts_and_flags_change_nothing(question, expected):
    items, targets, valid = question["items"], question["targets"], question["valid"]
    tolerance = np.full(300, question["tolerance"])
    wide, long = np.zeros((300, 24)), np.zeros(900)
    wide[:, ::2], long[::3] = items, targets
    shapes = [
        (np.asfortranarray(items), targets, np.asfortranarray(valid), tolerance),
        (wide[:, ::2], long[::3], valid, tolerance),
        (items[::-1][::-1], targets[::-1][::-1], valid, tolerance),
        tuple(frozen(a) for a in (items, targets, valid, tolerance)),
        (items.tolist(), targets.tolist(), valid.tolist(), tolerance.tolist()),
        (items.astype(object), targets.astype(object), valid, tolerance),
    ]
    for a, b, c, d in shapes[:-1]:
        assert same(solve_many(a, b, valid=c, tolerance=d), expected["nearest"])
    a, b, c, d = shapes[-1]
    batch = solve_many(a, b, valid=c, tolerance=d)  # by solve(): of equally near subsets it may take another
    assert np.array_equal(batch.errors, expected["nearest"].errors)
    assert np.array_equal(batch.status, expected["nearest"].status)


def frozen(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def test_inputs_are_not_modified(question):
    before = {name: np.array(value).tobytes() for name, value in question.items()}
    batch = solve_many(**question, chunk_size=10, threads=2)
    batch.check(question["items"], question["targets"])
    assert before == {name: np.array(value).tobytes() for name, value in question.items()}


# -- progress and time -------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_is_reported_in_order(question, threads):
    calls = []
    solve_many(**question, chunk_size=40, threads=threads, progress=lambda *done: calls.append(done))
    assert {total for _, total in calls} == {300}
    counts = [done for done, _ in calls]
    assert counts[-1] == 300
    assert all(a <= b for a, b in pairwise(counts))
    assert len(set(counts)) >= 8


def test_a_progress_bar_goes_to_stderr(question, capfd):
    solve_many(**question, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "300/300" in err


def test_a_failing_progress_function_stops_the_run(question):
    def stop(done, total):
        if done:
            raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        solve_many(**question, chunk_size=10, threads=2, progress=stop)


def test_no_time_at_all_leaves_every_row_unknown(question):
    batch = solve_many(**question, time_limit=1e-9)
    assert (batch.status == Status.UNKNOWN).all()
    assert np.isinf(batch.errors).all()
    assert not batch.lower_bounds.any()
    assert not batch.masks.any()
    batch.check(question["items"], question["targets"])
    assert batch.summary()["status"]["unknown"] == 300


def test_rows_not_reached_are_unknown_and_the_others_are_answered(question, expected):
    def dawdle(done, total):
        if done == 40:
            sleep(2.1)

    batch = solve_many(**question, chunk_size=20, threads=1, time_limit=2.0, progress=dawdle)
    known = batch.status != Status.UNKNOWN
    assert np.flatnonzero(known).tolist() == list(range(40))
    for name in ("masks", "errors", "lower_bounds", "status"):
        assert np.array_equal(getattr(batch, name)[known], getattr(expected["nearest"], name)[known])
    assert np.isinf(batch.errors[~known]).all()
    batch.check(question["items"], question["targets"])


def shares(monkeypatch, *, rows=6, n=60, d=9):
    """Return what share of 600 seconds each row is told it may take, a chunk of its own."""
    told = []

    def answer(rows, interruption=None):
        told.append(rows.seconds / 600)
        return Answers.unknown(len(rows), rows.n)

    monkeypatch.setattr(workers, "solve_chunk", answer)
    shape = (rows, n) if d is None else (rows, n, d)
    solve_many(np.ones(shape), np.ones((rows, *shape[2:])), time_limit=600, threads=1, chunk_size=1)
    return np.round(told, 1).tolist()


def test_hard_rows_share_the_time_limit(monkeypatch):
    assert shares(monkeypatch) == [0.2, 0.2, 0.2, 0.3, 0.5, 1.0]  # a sixth, a fifth, ... of what is left
    assert shares(monkeypatch, d=None) == [0.2, 0.2, 0.2, 0.3, 0.5, 1.0]


def test_rows_of_microseconds_share_nothing_out(monkeypatch):
    assert shares(monkeypatch, n=32, d=None) == [1.0] * 6


# -- senseless questions -----------------------------------------------------------------------------

ITEMS, TARGETS = np.ones((3, 2)), np.ones(3)
NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("items", "targets", "options", "message"),
    [
        ([[1.0, NAN]], [1.0], {}, r"items hold nan at \(0, 1\)"),
        ([[1.0, INF]], [1.0], {}, "items hold inf"),
        ([[1.0, 2.0]], [-INF], {}, "targets hold -inf"),
        (np.array([[1, NAN]], dtype=object), [1.0], {}, r"items\[0, 1\] is nan"),
        ([[1.0, 2.0], [3.0]], [1.0, 2.0], {}, "ragged"),
        (ITEMS, 1.0, {}, "targets must have shape"),
        (ITEMS, [], {}, "targets must have shape"),
        (ITEMS, np.ones((3, 1, 1)), {}, "targets must have shape"),
        (ITEMS, np.ones(2), {}, "do not go with targets"),
        (np.ones((3, 0)), TARGETS, {}, "do not go with targets"),
        ([], TARGETS, {}, "do not go with targets"),
        (1.0, TARGETS, {}, "do not go with targets"),
        (np.ones((3, 2, 2, 2)), TARGETS, {}, "do not go with targets"),
        (np.ones((3, 2, 2)), np.ones((3, 3)), {}, "2 dimensions, targets 3"),
        (ITEMS > 0, TARGETS, {}, "dtype bool"),
        ([["1", "2"]], [1.0], {}, "dtype"),
        (ITEMS * 1j, TARGETS, {}, "dtype complex128"),
        (np.array([["1", 2]], dtype=object), [1.0], {}, "not a number"),
        (ITEMS, TARGETS, {"valid": np.ones((3, 2))}, "valid must be bool"),
        (ITEMS, TARGETS, {"valid": np.ones((2, 2), dtype=bool)}, "valid must be bool"),
        (ITEMS, TARGETS, {"objective": "best"}, "unknown objective 'best'"),
        (ITEMS, TARGETS, {"objective": "within"}, "needs a tolerance"),
        (ITEMS, TARGETS, {"objective": "sparsest"}, "needs a tolerance"),
        (ITEMS, TARGETS, {"backend": "magic"}, "unknown backend 'magic'"),
        (ITEMS, TARGETS, {"tolerance": -1}, "tolerance must be >= 0"),
        (ITEMS, TARGETS, {"tolerance": [0, 0, -5e-324]}, "tolerance must be >= 0"),
        (ITEMS, TARGETS, {"tolerance": NAN}, "tolerance must be >= 0"),
        (ITEMS, TARGETS, {"tolerance": INF}, "finite"),
        (ITEMS, TARGETS, {"tolerance": [0, 1]}, "one number or one a row"),
        (ITEMS, TARGETS, {"tolerance": np.ones((3, 1))}, "one number or one a row"),
        (ITEMS, TARGETS, {"tolerance": "1"}, "tolerance must be a number"),
        (ITEMS, TARGETS, {"tolerance": 1j}, "tolerance must be a number"),
        (ITEMS, TARGETS, {"tolerance": True}, "tolerance must be a number"),
        (ITEMS, TARGETS, {"tolerance": [0, None, 1]}, "tolerance must be"),
        (ITEMS, TARGETS, {"tolerance": Fraction(1, 3)}, "not a float64"),
        (ITEMS, TARGETS, {"tolerance": 2**53 + 1}, "not a float64"),
        (ITEMS, TARGETS, {"tolerance": 10**400}, "tolerance must be a number"),
        (ITEMS, TARGETS, {"cardinality": 3}, "cardinality"),
        (ITEMS, TARGETS, {"cardinality": (2, 1)}, "cardinality"),
        (ITEMS, TARGETS, {"cardinality": 2, "valid": [True, False]}, "row 0 has 1 valid items"),
        (ITEMS, TARGETS, {"threads": 0}, "threads must be an integer of at least 1"),
        (ITEMS, TARGETS, {"threads": 1.5}, "threads must be an integer of at least 1"),
        (ITEMS, TARGETS, {"chunk_size": 0}, "chunk_size must be an integer of at least 1"),
        (ITEMS, TARGETS, {"seed": -1}, "seed must be an integer of at least 0"),
        (ITEMS, TARGETS, {"time_limit": 0}, "time_limit"),
        (ITEMS, TARGETS, {"time_limit": NAN}, "time_limit"),
        (ITEMS, TARGETS, {"time_limit": INF}, "time_limit"),
    ],
)
def test_senseless_questions_are_refused(items, targets, options, message):
    with pytest.raises(InvalidProblemError, match=message):
        solve_many(items, targets, **options)


@pytest.mark.parametrize(
    "tolerance", [0, 3, np.float32(0.1), Fraction(1, 8), Decimal("0.5"), np.int8(2)], ids=repr
)
def test_tolerances_that_are_float64_are_taken_exactly(tolerance):
    batch = solve_many([[1.0]], [float(tolerance) + 1], tolerance=tolerance)
    assert batch.tolerances.tolist() == [float(tolerance)]
    assert batch.status[0] == Status.OPTIMAL


def test_rows_that_a_backend_cannot_take_are_refused():
    with pytest.raises(UnsupportedProblemError, match="2 dimensions"):
        solve_many(np.ones((2, 3, 2)), np.ones((2, 2)), backend="mitm")


def test_the_kernel_is_compiled_once_for_all_layouts(question):
    """Numba compiles a function anew for read-only or strided arrays, at seconds each."""
    from solvers.kernels.batch_rows import nearest_rows, sort_rows

    solve_many(**question)
    compiled = len(nearest_rows.signatures), len(sort_rows.signatures)
    solve_many(frozen(question["items"]), frozen(question["targets"]), tolerance=frozen(np.ones(300)))
    solve_many(question["items"][0], question["targets"], valid=question["valid"][0])
    solve_many(question["items"][:1], question["targets"][:1])
    assert (len(nearest_rows.signatures), len(sort_rows.signatures)) == compiled


# -- in bulk -----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES[:2])
def test_a_hundred_thousand_random_rows(objective):
    rng = np.random.default_rng(10)
    total = 100_000
    items = rng.uniform(-1, 1, (total, 24)) * np.where(
        rng.random((total, 1)) < 0.5, 1, rng.uniform(-1, 1, (total, 24))
    )
    valid = np.arange(24) < rng.integers(16, 25, (total, 1))
    targets = rng.uniform(-0.5, 0.5, total)
    tolerance = 10.0 ** rng.uniform(-8, -2, total)
    batch = solve_many(items, targets, valid=valid, tolerance=tolerance, objective=objective)
    batch.check(items, targets)
    assert not batch.masks[~valid].any()
    assert not (batch.status == Status.UNKNOWN).any()
    for row in rng.choice(total, 500, replace=False).tolist():
        problem = SubsetSum(items[row, valid[row]], targets[row], tolerance=tolerance[row])
        solution = solve(problem, objective=objective)
        assert batch.status[row] == solution.status
        if objective == "nearest" or solution.status is Status.INFEASIBLE:
            assert batch.errors[row] == float_up(solution.error)
            assert batch.lower_bounds[row] == float_down(solution.lower_bound)


def test_chunks_are_short_and_go_round():
    def size(items, targets, total, workers, cardinality=None):
        question = checked_question("nearest", 0.0, cardinality, "auto", 0)
        return chunk_rows(Table(items, targets, None, 0.0, question).example(), total, workers)

    wide, narrow = (np.ones((10, 32)), np.ones(10)), (np.ones((10, 21)), np.ones(10))
    assert size(*wide, 10**7, 2) * 2**18 <= 2**28, "some tenths of a second"
    assert 10_000 <= size(*narrow, 10**7, 2) <= 50_000
    assert size(*narrow, 100_000, 8) * 8 <= 100_000, "every worker has something to do"
    assert size(*narrow, 10, 8) >= 256
    assert 1 <= size(*narrow, 10**6, 2, cardinality=9) <= 4096, "one by one"
    assert size(np.random.default_rng(0).random((4, 60, 3)), np.ones((4, 3)), 10**6, 2) == 1
    assert size(np.ones(21), np.ones(10), 397_000, 2) >= 2**15, "listing shared sums must pay"


def test_a_slow_row_takes_no_time_from_the_easy_ones(monkeypatch):
    """Each row has its share; the hard ones share what is left, and keep the better of two answers."""
    rng = np.random.default_rng(0)
    items, targets = rng.integers(1, 10**6, (12, 10)), rng.integers(1, 10**6, 12)
    original, asked = chunks.solved, []

    def slow(problem, objective, backend, limits):
        if problem.items[0] != items[3, 0]:
            return original(problem, objective, backend, limits)
        asked.append(limits.remaining)
        sleep(limits.remaining)
        return original(problem, objective, "lns", limits)

    solve_many(items[:3], targets[:3], cardinality=(0, 9), threads=1)  # so that kernels are compiled
    monkeypatch.setattr(chunks, "solved", slow)
    batch = solve_many(items, targets, cardinality=(0, 9), threads=1, time_limit=2.4, chunk_size=12)
    assert (batch.status == Status.OPTIMAL).sum() >= 11
    assert np.isfinite(batch.errors[3])
    assert len(asked) == 2
    assert asked[0] < 0.5 < asked[1]
    batch.check(items, targets)

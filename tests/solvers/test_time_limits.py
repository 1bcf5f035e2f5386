"""When the time is up: solve() shows its best, count() and the others say how far they got; no private error.

The clock strikes at the first, second, third, ... look at it, so that every place where a search looks at
the clock is where some run ends.
"""

import re
from fractions import Fraction
from itertools import combinations
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import Case, big_twins, cases, contradiction, false_claim, mixed_exponents, products
from support.backends import proves
from support.planting import plain_python

from solvers import (
    CertificateError,
    Status,
    Stop,
    SubsetSum,
    UnsupportedProblemError,
    backends,
    count,
    covering_radius,
    listing,
    solutions,
    solve,
)
from solvers.backend.anytime import annealing, k_tree, lattice, vector_search, vector_trees
from solvers.backend.dp import sum_tables
from solvers.backend.mitm import (
    exact_hits,
    meet_in_the_middle,
    schroeppel_shamir,
    vector_halves,
    window_search,
)
from solvers.backend.protocol import Enumerator, Limits, OutOfTimeError
from solvers.backend.registry import BACKENDS
from solvers.dispatch import certified

OBJECTIVES = ["nearest", "within", "sparsest"]
OUTSIDE = ["cp-sat", "highs", "pulp"]  # these look at their own clocks
INSIDE = [name for name in backends() if name not in OUTSIDE]
ENUMERATORS = [name for name, backend in BACKENDS.items() if isinstance(backend, Enumerator)]


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Make all portions so small that a few items need many."""
    sizes = {
        meet_in_the_middle: {"_SUMS_AT_A_TIME": 4, "_INTEGERS_AT_A_TIME": 3, "_PAIRS_AT_A_TIME": 3},
        schroeppel_shamir: {"_COUNTING_BUDGET": 64, "_FEW": 3},
        window_search: {"WINDOW": 4, "_PAIRS": 16, "_FIRST_BUDGET": 64, "_SUMS_PER_STRIPE": 32},
        exact_hits: {"_PAIRS_PER_WINDOW": 3, "_LEAST_PAIRS_PER_CHUNK": 7, "_MOST_PAIRS_PER_CHUNK": 7},
        vector_halves: {"_BUDGET": 40, "_ROWS_AT_A_TIME": 3},
        sum_tables: {"_CELLS_A_CALL": 1},
        k_tree: {"_FEWEST_ITEMS": 2, "_LEAST_BITS": 1, "_FIRST_BITS": 2, "_MOST_BITS": 3},
        vector_trees: {"LEAST_BITS": 1, "FIRST_BITS": 2, "MOST_BITS": 3, "_LOOKS_AT_A_TIME": 4},
        vector_search: {"_WHOLE": 0},
        annealing: {"_PROPOSALS": 40, "_PORTION": 1e-7, "_LONGEST_RUN": 2.0},
        lattice: {"_NODES": 64, "_PORTION": 1e-7},
    }
    for module, values in sizes.items():
        for name, value in values.items():
            monkeypatch.setattr(module, name, value)


class Strike:
    """A clock that strikes after so many looks at it."""

    def __init__(self, patience):
        self.left = patience

    def __get__(self, limits, _):
        if limits.seconds is None:
            return None
        self.left -= 1
        return 1.0 if self.left >= 0 else 0.0


def strike_after(patience):
    Limits.remaining = Strike(patience)


@pytest.fixture
def clock(monkeypatch):
    """Return the function that sets the clock; it is the ordinary one again afterwards."""
    monkeypatch.setattr(Limits, "remaining", Limits.remaining)
    return strike_after


def twins(n):
    return [2**90 + k * k for k in range(1, n + 1)]


PRODUCTS = [Fraction(x) * Fraction(y) for x, y in np.random.default_rng(5).uniform(-1, 1, (9, 2)).tolist()]
MIXED = [1e300, -3e200, 7.5, -1e-3, 2e-100, 1e-300, 0.25, 3e150]
VECTORS = [[3, -1], [4, 4], [-2, 7], [5, 0], [1, 1], [6, -3], [2, 2]]
CASES = {
    "integers": Case([15, 22, 14, 26, 32, 9, 16, 8], 53, 1),
    "nothing within the tolerance": Case([14, 22, 30, 26, 32, 10, 16, 8], 53, 0),
    "by size": Case([15, 22, 14, 26, 32, 9, 16, 8], 53, 2, (2, 4)),
    "products": Case(PRODUCTS, sum(PRODUCTS[::2]) + Fraction(1, 999), Fraction(1, 500)),
    "products by size": Case(PRODUCTS, sum(PRODUCTS[::2]), Fraction(1, 50), (3, 6)),
    "near twins": Case(twins(8), 4 * 2**90 + 100, 20),
    "mixed exponents": Case(MIXED, 8, Fraction(1, 3)),
    "vectors": Case(VECTORS, (7, 6), 2),
    "vectors, an exact hit": Case(VECTORS, (9, 10), 0),
    "vectors by size": Case(VECTORS, (7, 6), 3, 3),
    "wide vectors": Case([[a, b + 2**90] for a, b in VECTORS], (7, 3 * 2**90 + 4), 30),
}


def reasons_until_done(ask, clock, *, endless=False):
    """Yield what a call returns, or the TimeoutError it raises, for a clock that strikes later and later."""
    patience = 0
    while patience < (30 if endless else 10**6):
        clock(patience)
        try:
            answer = ask()
        except TimeoutError as late:
            answer = late
        looked = patience - Limits.__dict__["remaining"].left
        yield answer
        if looked < patience:  # it never struck
            return
        patience += 1 + patience // 20
    if not endless:
        pytest.fail("never finished")


# -- solve() -----------------------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize("backend", ["auto", *INSIDE])
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_solve_shows_its_best_whenever_the_time_is_up(case, objective, backend, clock):
    def ask():
        return solve(case.problem, objective=objective, backend=backend, time_limit=1.0, threads=1)

    try:
        clock(30)
        ask()
    except UnsupportedProblemError:
        return
    asked = BACKENDS.get(backend)
    endless = asked is not None and asked.anytime  # with a time limit, as long as it lasts
    for solution in reasons_until_done(ask, clock, endless=endless):
        solution.check(case.problem)
        assert false_claim(case, objective, solution) is None
    assert solution.stop is Stop.PROVEN or (asked is not None and not proves(asked))


@pytest.mark.parametrize("backend", OUTSIDE)
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
def test_solvers_from_outside_leave_honest_answers(patience, objective, backend, clock):
    for case in CASES.values():
        clock(patience)
        solution = solve(case.problem, objective=objective, backend=backend, time_limit=1.0, threads=1)
        solution.check(case.problem)
        if backend == "cp-sat":
            assert false_claim(case, objective, solution) is None


@pytest.mark.thinned
@pytest.mark.parametrize("backend", ["auto", *INSIDE])
def test_no_private_error_leaves_solve(backend, clock):
    @settings(max_examples=80, deadline=None)
    @given(
        cases(
            max_items=9,
            dimensions=(1, 1, 2),
            families=[products, big_twins, mixed_exponents],
            tolerance="always",
        ),
        st.sampled_from(OBJECTIVES),
        st.integers(0, 60),
    )
    def check(case, objective, patience):
        clock(patience)
        try:
            solution = solve(case.problem, objective=objective, backend=backend, time_limit=1.0, threads=1)
        except UnsupportedProblemError:
            return
        solution.check(case.problem)
        assert false_claim(case, objective, solution) is None
        assert solution.stop in (Stop.PROVEN, Stop.TIME_LIMIT, Stop.SEARCH_EXHAUSTED)

    check()


def test_ranking_what_rounding_left_open_ends_with_the_best_so_far(clock):
    """Of wide items, when the time is up while subsets are ranked one by one."""
    case = CASES["near twins"]
    shown = set()
    for solution in reasons_until_done(lambda: solve(case.problem, backend="mitm", time_limit=1.0), clock):
        if solution.stop is Stop.TIME_LIMIT and solution.subset is not None:
            shown.add(solution.error)
    assert len(shown) >= 1
    assert all(error >= case.truth.nearest for error in shown)


# -- count() and solutions() -------------------------------------------------------------------------


def able(case, backend):
    try:
        count(case.problem, backend=backend)
    except UnsupportedProblemError:
        return False
    return True


@pytest.mark.parametrize("backend", ["auto", *ENUMERATORS])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_count_says_how_far_it_got(case, backend, clock):
    if not able(case, backend):
        return
    truth = count(case.problem, backend=backend)
    shares = []
    answers = reasons_until_done(lambda: count(case.problem, backend=backend, time_limit=1.0), clock)
    for answer in answers:
        if isinstance(answer, TimeoutError):
            assert type(answer) is TimeoutError
            told = re.fullmatch(
                r"count: time limit of 1.0 s reached: ([\d.]+)% of the search done"
                r"(?:, ([\d,]+) subsets counted)?",
                str(answer),
            )
            assert told, str(answer)
            shares.append(float(told[1]))
            assert 0 <= shares[-1] <= 100
            assert int((told[2] or "0").replace(",", "")) <= truth
        else:
            assert answer == truth
    assert shares or backend == "dp", "it never looked at the clock"
    assert shares == sorted(shares)


def costly(name):
    """The rings of mixed exponents are hundreds."""
    return pytest.param(CASES[name], id=name, marks=[pytest.mark.slow] if name == "mixed exponents" else [])


@pytest.mark.slow
@pytest.mark.parametrize("backend", ENUMERATORS)
@pytest.mark.parametrize("case", [costly(name) for name in CASES])
def test_solutions_are_the_best_up_to_where_the_time_is_up(case, backend, clock):
    if not able(case, backend):
        return
    truth = [(s.error, s.subset.tolist()) for s in solutions(case.problem, backend=backend, limit=12)]

    def ask():
        listed.clear()
        for solution in solutions(case.problem, backend=backend, limit=12, time_limit=1.0):
            solution.check(case.problem)
            listed.append((solution.error, solution.subset.tolist()))

    listed, most = [], 0
    for answer in reasons_until_done(ask, clock):
        assert [error for error, _ in listed] == [error for error, _ in truth[: len(listed)]]
        assert len(set(map(str, listed))) == len(listed)
        if answer is not None:
            assert type(answer) is TimeoutError
            told = f"solutions: time limit of 1.0 s reached: {len(listed)} subsets listed, best first"
            assert str(answer) == told
        most = max(most, len(listed))
    assert answer is None
    assert sorted(listed) == sorted(truth)
    assert most == len(truth)


def test_what_the_caller_does_between_two_subsets_does_not_count(monkeypatch):
    now = [0.0]

    def busy():
        now[0] += 1e-3
        return now[0]

    monkeypatch.setattr(listing, "monotonic", busy)
    problem = SubsetSum(CASES["integers"].items, 53)
    iterator = solutions(problem, limit=200, time_limit=1.0)
    now[0] += 100  # before the first
    listed = []
    for solution in iterator:
        now[0] += 100
        listed.append(solution)
    assert len(listed) == 200
    assert 0 <= listed[0].seconds <= listed[-1].seconds < 1.0
    with pytest.raises(TimeoutError, match=r"time limit of 0.01 s reached: \d+ subsets listed"):
        list(solutions(problem, limit=200, time_limit=0.01))


def test_a_limit_that_is_not_reached_changes_nothing():
    problem = CASES["products"].problem
    assert count(problem, time_limit=1000) == count(problem)
    both = [[s.subset.tolist() for s in solutions(problem, limit=9, time_limit=t)] for t in (None, 1000)]
    assert both[0] == both[1]


# -- covering_radius() -------------------------------------------------------------------------------


@pytest.mark.parametrize("items", [[3, 5, 9, 11, 70], PRODUCTS, MIXED], ids=["integers", "products", "mixed"])
def test_covering_radius_says_how_far_it_got(items, clock, monkeypatch):
    from solvers import covering

    for name, value in {"_FEW": 4, "_CELLS": 32, "_SUMS_PER_CALL": 8}.items():
        monkeypatch.setattr(covering, name, value)
    truth = covering_radius(items, 0, 1)
    late = 0
    for answer in reasons_until_done(lambda: covering_radius(items, 0, 1, time_limit=1.0), clock):
        if isinstance(answer, TimeoutError):
            assert type(answer) is TimeoutError
            assert re.fullmatch(
                r"covering_radius: time limit of 1.0 s reached: [\d.]+% of the interval searched", str(answer)
            )
            late += 1
        else:
            assert answer == truth
    assert late > 5


# -- portions ----------------------------------------------------------------------------------------


PORTIONED = ["integers", "by size", "products by size", "near twins"]
TABLED = ["integers", "nothing within the tolerance", "by size"]


def untrue(backend, names):
    """Return what brute force objects to in a backend that works in portions; None when nothing."""
    try:
        return first_objection(backend, names)
    except (CertificateError, IndexError, ValueError, AssertionError) as error:
        return f"noticed even without brute force: {error}"


def first_objection(backend, names):
    for name in names:
        case = CASES[name]
        problem, limits = case.problem, Limits(seconds=1e6, threads=1)
        for objective in OBJECTIVES:
            finding = backend.solve(problem, objective, limits)
            solution = certified(problem, objective, finding, backend=backend.name, seconds=0.0)
            if (what := contradiction(case, objective, solution)) is not None:
                return what
        low, high = problem.sizes
        subsets = [s for k in range(low, high + 1) for s in combinations(range(problem.n), k)]
        for reach in (0, problem.tolerance_units, problem.image.magnitude // 9, problem.image.magnitude):
            right = sorted(list(s) for s in subsets if 0 < problem.image.error(s) <= reach)
            if backend.count(problem, 0, reach, limits) != len(right):
                return "counted"
            if sorted(backend.listed(problem, 0, reach, limits)) != right:
                return "listed"
    return None


MITM, TABLES = "solvers.backend.mitm.meet_in_the_middle", "solvers.backend.dp.sum_tables"
MISTAKES = {
    "runs are cut where the item is not added": (
        MITM,
        "_Search._merge",
        "without[0][cuts] - item",
        "without[0][cuts]",
    ),
    "runs of the second list are cut at the first": (
        MITM,
        "_Search._merge",
        "taking[0].searchsorted(without[0][cuts] - item)",
        "without[0].searchsorted(without[0][cuts] - item)",
    ),
    "right sums that still fit are cut off": (
        MITM,
        "_Search._pairs_up_to",
        "bound - left[0]",
        "bound - left[-1]",
    ),
    "right sums that still fit are not listed": (
        MITM,
        "_Search._pairs_in",
        "high - left[0]",
        "high - left[-1]",
    ),
    "a portion is counted from where the one before began": (
        MITM,
        "_Search._listed_between",
        "first += len(some)",
        "first += len(some) - 1",
    ),
    "a portion is left out": (
        MITM,
        "_Search._portions",
        "range(0, len(sums[0]), step)",
        "range(0, len(sums[0]) - step, step)",
    ),
    "blocks in ascending order": (
        TABLES,
        "_in_blocks",
        "range(goal.high // block * block, -1, -block)",
        "range(0, goal.high + 1, block)",
    ),
    "blocks overlap": (TABLES, "_in_blocks", "start + block - 1", "start + block + 63"),
    "blocks that part a word": (
        TABLES,
        "_in_blocks",
        "64 * max(1, _CELLS_A_CALL * block // (64 * table.size))",
        "max(1, _CELLS_A_CALL * block // (64 * table.size))",
    ),
    "the lowest block is left out": (
        TABLES,
        "_in_blocks",
        "range(goal.high // block * block, -1, -block)",
        "range(goal.high // block * block, 0, -block)",
    ),
}


def planted(monkeypatch, name, *mistake):
    """Return a backend in one of whose modules a mistake is planted."""
    copy = plain_python(monkeypatch, name, *mistake)
    if name == MITM:
        copy._SUMS_AT_A_TIME, copy._INTEGERS_AT_A_TIME, copy._PAIRS_AT_A_TIME = 2, 3, 3
        return copy.MeetInTheMiddle()
    copy._CELLS_A_CALL = 1
    monkeypatch.setattr(sum_tables, "_in_blocks", copy._in_blocks)
    return BACKENDS["dp"]


@pytest.mark.parametrize("name", [MITM, TABLES])
def test_what_is_done_in_portions_is_right(monkeypatch, name):
    assert untrue(planted(monkeypatch, name), PORTIONED if name == MITM else TABLED) is None


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_in_portions_are_noticed(monkeypatch, mistake):
    name, *row = MISTAKES[mistake]
    backend = planted(monkeypatch, name, *row)
    assert untrue(backend, PORTIONED if name == MITM else TABLED) is not None


# -- often enough --------------------------------------------------------------------------------------


def big_problems():
    rng = np.random.default_rng(0)
    pairs = rng.uniform(-1, 1, (60, 2)).tolist()
    wide = [Fraction(x) * Fraction(y) for x, y in pairs]
    yield "mitm", SubsetSum(rng.uniform(-1, 1, 50), 0.25, tolerance=1e-3)
    yield "mitm", SubsetSum(wide[:46], 0.25, tolerance=1e-3)
    yield "mitm", SubsetSum(rng.uniform(-1, 1, 46), 0.25, tolerance=1e-3, cardinality=20)
    yield "schroeppel-shamir", SubsetSum(rng.uniform(-1, 1, 64), 0.25, tolerance=1e-3)
    yield "schroeppel-shamir", SubsetSum(wide, 0.25, tolerance=1e-12, cardinality=(10, 40))
    yield "schroeppel-shamir", SubsetSum(rng.integers(0, 100, (60, 6)), [1500] * 6, tolerance=0)
    yield "mitm-nd", SubsetSum(rng.uniform(-1, 1, (44, 3)), [0.25] * 3, tolerance=1e-2)
    yield "dp", SubsetSum(rng.integers(1, 10**6, 200), 5 * 10**7, tolerance=3)
    yield "dp", SubsetSum(rng.integers(1, 10**7, 60), 2 * 10**8, tolerance=3)


def warmed(backend, problem):
    """Compile what a problem of this kind needs."""
    few = problem.items[:20] % 1000 if problem.items.dtype == np.int64 else problem.items[:20]
    small = SubsetSum(
        few, problem.target if problem.d == 1 else [100] * problem.d, tolerance=problem.tolerance
    )
    for kind in (small, SubsetSum(few, small.target, tolerance=small.tolerance, cardinality=(4, 9))):
        for reach in (kind.tolerance_units, kind.image.magnitude // 4 if kind.d == 1 else 0):
            backend.count(kind, -1, reach, Limits(threads=1))
        list(backend.listed(kind, -1, kind.tolerance_units, Limits(threads=1)))


@pytest.mark.slow
@pytest.mark.parametrize("place", range(9))
@pytest.mark.parametrize("call", ["count", "listed"])
def test_big_instances_end_in_time(place, call, monkeypatch):
    monkeypatch.undo()  # portions of their own size
    name, problem = list(big_problems())[place]
    backend = BACKENDS[name]
    warmed(backend, problem)
    reach = problem.tolerance_units
    limits = Limits(seconds=0.2, threads=1, started=process_time(), clock=process_time)
    started = process_time()
    with pytest.raises(OutOfTimeError):
        for _ in (
            [backend.count(problem, -1, reach, limits)]
            if call == "count"
            else backend.listed(problem, -1, reach, limits)
        ):
            pass
    assert process_time() - started < 1.2 * 0.2 + 2.0  # for a busy machine; all of the work takes minutes


def test_statuses_and_reasons_of_real_limits():
    rng = np.random.default_rng(3)
    hard = SubsetSum(rng.integers(1, 2**50, 48), 2**53 + 1, tolerance=0)
    for backend in ("mitm", "schroeppel-shamir", "cp-sat", "lns", "k-tree"):
        solution = solve(hard, backend=backend, time_limit=1e-3, threads=1)
        assert (solution.status, solution.stop) == (Status.UNKNOWN, Stop.TIME_LIMIT)

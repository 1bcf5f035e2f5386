"""mitm-nd against brute force, against cKDTree and CP-SAT beyond it, and against mistakes planted in it."""

import functools
import itertools
import math
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.spatial import cKDTree
from strategies import (
    Case,
    big_twins,
    cases,
    contradiction,
    error_of,
    mixed_exponents,
    near_twins,
    products,
    small_integers,
)
from support.planting import plain_python, plant

from solvers import Status, Stop, SubsetSum, UnsupportedProblemError, solve
from solvers.backend import grid
from solvers.backend.mitm import multidimensional, vector_halves
from solvers.backend.mitm.multidimensional import MultidimensionalMeetInTheMiddle
from solvers.backend.protocol import Limits
from solvers.dispatch import certified
from solvers.kernels import closest_pairs

OBJECTIVES = ["nearest", "within", "sparsest"]
BACKEND = MultidimensionalMeetInTheMiddle()
ONE_THREAD = Limits(threads=1)


def answer(problem, objective="nearest", limits=ONE_THREAD, backend=BACKEND):
    finding = backend.solve(problem, objective, limits)
    return certified(problem, objective, finding, backend=backend.name, seconds=0)


def subsets_between(problem, above, reach):
    """Return all subsets of an allowed size with above < error <= reach in units, by trying every one."""
    low, high = problem.sizes
    tried = (list(s) for k in range(low, high + 1) for s in itertools.combinations(range(problem.n), k))
    return sorted(s for s in tried if above < problem.image.error(s) <= reach)


# -- brute force -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_objective(objective):
    @settings(max_examples=120, deadline=None)
    @given(cases(dimensions=(1, 2, 3), tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        assert contradiction(case, objective, answer(case.problem, objective)) is None

    check()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_trees_of_several_leaves(objective):
    families = [small_integers, near_twins, big_twins, products, mixed_exponents]

    @settings(max_examples=15, deadline=None)
    @given(cases(max_items=13, dimensions=(2, 3, 5), families=families, tolerance="always"))
    def check(case):
        assert contradiction(case, objective, answer(case.problem, objective)) is None

    check()


@settings(max_examples=120, deadline=None)
@given(cases(dimensions=(1, 2, 3), max_items=9, tolerance="always"))
def test_counting_and_listing(case):
    problem = case.problem
    reach = problem.tolerance_units
    for above in (-1, 0, reach // 2):
        expected = subsets_between(problem, above, reach)
        assert BACKEND.count(problem, above, reach, ONE_THREAD) == max(0, len(expected))
        assert sorted(BACKEND.listed(problem, above, reach, ONE_THREAD)) == expected


@settings(max_examples=40, deadline=None)
@given(cases(dimensions=(2, 3), max_items=12, tolerance="always"))
def test_interrupted_kernels_resume_where_they_stopped(case):
    problem = case.problem
    reach = problem.tolerance_units
    expected = sorted(BACKEND.listed(problem, -1, reach, ONE_THREAD))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vector_halves, "_BUDGET", 1)
        patch.setattr(vector_halves, "_BUFFER", closest_pairs.LEAF)
        assert sorted(BACKEND.listed(problem, -1, reach, ONE_THREAD)) == expected
        assert BACKEND.count(problem, -1, reach, ONE_THREAD) == len(expected)
        assert contradiction(case, "nearest", answer(problem)) is None


@pytest.mark.slow
def test_a_listing_larger_than_its_buffer():
    problem = SubsetSum([[1, 2]] * 9 + [[2, 1]] * 9, [13, 14])
    found = list(BACKEND.listed(problem, 0, 6, ONE_THREAD))
    assert len(found) > 2 * vector_halves._BUFFER
    assert len({tuple(s) for s in found}) == len(found) == BACKEND.count(problem, 0, 6, ONE_THREAD)
    assert {problem.image.error(s) for s in found} == set(range(1, 7))


def test_counting_everything_does_not_visit_everything():
    items = np.random.default_rng(0).uniform(-1, 1, (32, 3)).tolist()
    everything = SubsetSum(items, [0, 0, 0])
    assert BACKEND.count(everything, -1, everything.image.magnitude, ONE_THREAD) == 2**32
    some = SubsetSum(items, [0, 0, 0], cardinality=(3, 31))
    assert BACKEND.count(some, -1, 10**400, ONE_THREAD) == 2**32 - 1 - 32 - 32 * 31 // 2 - 1


# -- beyond brute force ------------------------------------------------------------------------------


def half_sums(rows):
    sums = np.zeros((1, rows.shape[1]))
    for row in rows:
        sums = np.concatenate([sums, sums + row])
    return sums


def random_rows(n, d, kind):
    rng = np.random.default_rng([n, d])
    # 40 bits: all sums and differences of them are exact in float64, so that cKDTree is too.
    rows = {
        "uniform": lambda: rng.integers(-(2**40), 2**40, (n, d)),
        "spread": lambda: rng.integers(-(2**40), 2**40, (n, d)) // 2 ** rng.integers(0, 30, d),
        "lattice": lambda: rng.integers(-4, 5, (n, d)),
        "flat": lambda: rng.integers(-(2**40), 2**40, (n, d)) * (np.arange(d) > 0),
    }[kind]()
    target = rows[rng.random(n) < 0.5].sum(axis=0) + rng.integers(-3, 4, d)
    return rows, target


@pytest.mark.thinned
@pytest.mark.parametrize("kind", ["uniform", "spread", "lattice", "flat"])
@pytest.mark.parametrize("d", [2, 3, 4, 8])
@pytest.mark.parametrize("n", [20, 23])
def test_agrees_with_a_plain_ckdtree(n, d, kind):
    rows, target = random_rows(n, d, kind)
    problem = SubsetSum(rows.tolist(), target.tolist())
    right, queries = cKDTree(half_sums(rows[n // 2 :])), target - half_sums(rows[: n // 2])
    nearest = int(right.query(queries, p=np.inf)[0].min())
    solution = answer(problem)
    assert solution.error == solution.lower_bound == nearest
    for reach in (nearest, 3 * nearest + 1):
        pairs = int(right.count_neighbors(cKDTree(queries), reach, p=np.inf))
        assert BACKEND.count(problem, -1, reach, ONE_THREAD) == pairs
        if pairs < 10_000:
            assert sum(1 for _ in BACKEND.listed(problem, -1, reach, ONE_THREAD)) == pairs


def brute_force_in_numpy(rows, target, tolerance, cardinality):
    """Return (least error, fewest items within the tolerance, least error of those) over all 2^n subsets."""
    n = len(rows)
    sums = np.zeros((1, rows.shape[1] + 1), np.int64)
    for row in np.column_stack([rows, np.ones(n, np.int64)]):
        sums = np.concatenate([sums, sums + row])
    sizes, errors = sums[:, -1], np.abs(sums[:, :-1] - target).max(axis=1)
    allowed = (sizes >= cardinality[0]) & (sizes <= cardinality[1])
    sizes, errors = sizes[allowed], errors[allowed]
    fewest = sizes[errors <= tolerance].min()
    return errors.min(), fewest, errors[(errors <= tolerance) & (sizes == fewest)].min()


@pytest.mark.parametrize("cardinality", [(0, 18), (9, 9), (2, 4), (5, 13), (17, 18)])
@pytest.mark.parametrize("kind", ["uniform", "lattice", "flat"])
def test_cardinalities_at_18_items(kind, cardinality):
    rows, target = random_rows(18, 3, kind)
    free = brute_force_in_numpy(rows, target, math.inf, cardinality)[0]
    tolerance = int(free) * 3 + 2
    least, fewest, best = brute_force_in_numpy(rows, target, tolerance, cardinality)
    problem = SubsetSum(rows.tolist(), target.tolist(), tolerance=tolerance, cardinality=cardinality)
    assert answer(problem).error == least
    sparsest = answer(problem, "sparsest")
    assert sparsest.status is Status.OPTIMAL
    assert (sparsest.size, sparsest.error) == (fewest, best)
    within = answer(problem, "within")
    assert within.error <= tolerance
    if least > 0:
        missed = SubsetSum(rows.tolist(), target.tolist(), tolerance=int(least) - 1, cardinality=cardinality)
        for objective in OBJECTIVES:
            assert answer(missed, objective).status is Status.INFEASIBLE


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("cardinality", [None, (4, 6)])
def test_agrees_with_cp_sat(objective, cardinality):
    rows = np.random.default_rng(5).integers(-999, 1000, (13, 2)).tolist()
    problem = SubsetSum(rows, [700, -300], tolerance=90, cardinality=cardinality)
    first, second = (
        answer(problem, objective),
        solve(problem, objective=objective, backend="cp-sat", threads=1),
    )
    assert (first.status, first.size_bound) == (second.status, second.size_bound)
    if objective != "within":
        assert (first.error, first.lower_bound) == (second.error, second.lower_bound)


def test_normally_scaled_normal_vectors():
    rng = np.random.default_rng(2)
    for d in (2, 4):
        scales, directions = rng.normal(size=12).tolist(), rng.normal(size=(12, d)).tolist()
        items = [[Fraction(s) * Fraction(x) for x in v] for s, v in zip(scales, directions, strict=True)]
        case = Case(items, [Fraction(1, 3)] * d, 2, (2, 9))
        for objective in OBJECTIVES:
            assert contradiction(case, objective, answer(case.problem, objective)) is None


@pytest.mark.thinned
@pytest.mark.parametrize(("n", "d"), [(33, 3), (32, 2), (32, 8)])
def test_planted_subsets_are_found_and_proven(n, d):
    rng = np.random.default_rng(n)
    rows = rng.integers(-(2**50), 2**50, (n, d))
    planted = np.flatnonzero(rng.random(n) < 0.5)
    problem = SubsetSum(rows.tolist(), rows[planted].sum(axis=0).tolist(), tolerance=0)
    for objective in OBJECTIVES:
        assert answer(problem, objective, Limits(threads=2)).subset.tolist() == planted.tolist()
    assert BACKEND.count(problem, -1, 0, Limits(threads=2)) == 1


def test_thousands_of_equal_sums_are_no_trouble():
    equal = SubsetSum([[1.5, 2.5, 3.5]] * 36, [30.1, 50.3, 70.2])
    assert answer(equal).error == min(
        error_of([[1.5, 2.5, 3.5]] * 36, [30.1, 50.3, 70.2], range(k)) for k in range(37)
    )
    bits = np.random.default_rng(1).integers(0, 2, (36, 3))
    hit = SubsetSum(bits.tolist(), (bits.sum(axis=0) // 2).tolist(), tolerance=0)
    assert answer(hit, "within").error == 0
    off = SubsetSum(bits.tolist(), [Fraction(9, 2), 7, 8])
    assert answer(off).error == Fraction(1, 2)


# -- what stays the same, and what is refused ---------------------------------------------------------


@pytest.mark.parametrize("kind", ["uniform", "lattice"])
def test_threads_change_nothing(kind):
    rows, target = random_rows(30, 3, kind)
    problem = SubsetSum(rows.tolist(), target.tolist(), tolerance=10**9 if kind == "uniform" else 1)
    for objective in OBJECTIVES:
        one, three = (answer(problem, objective, Limits(threads=threads)) for threads in (1, 3))
        assert one.subset.tolist() == three.subset.tolist()
        assert (one.status, one.lower_bound) == (three.status, three.lower_bound)
    counts = {BACKEND.count(problem, -1, 10**9 // 2, Limits(threads=threads)) for threads in (1, 3)}
    assert len(counts) == 1


def test_permuting_scaling_and_negating_change_nothing():
    rng = np.random.default_rng(8)
    items, target = rng.uniform(-1, 1, (22, 3)), rng.uniform(-1, 1, 3)
    error = answer(SubsetSum(items.tolist(), target.tolist())).error
    order = rng.permutation(22)
    assert answer(SubsetSum(items[order].tolist(), target.tolist())).error == error
    assert answer(SubsetSum((-items).tolist(), (-target).tolist())).error == error
    assert answer(SubsetSum((items * 2**-40).tolist(), (target * 2**-40).tolist())).error == error / 2**40
    assert answer(SubsetSum(items[:, [2, 0, 1]].tolist(), target[[2, 0, 1]].tolist())).error == error


@dataclass(frozen=True)
class Expiring(Limits):
    """Limits that expire when they are asked for the n-th time."""

    asked: list[int] = field(default_factory=lambda: [0])
    patience: int = 0

    @property
    def expired(self):
        self.asked[0] += 1
        return self.asked[0] > self.patience


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("wide", [False, True])
def test_what_is_said_when_time_runs_out_is_true(objective, wide, monkeypatch):
    monkeypatch.setattr(vector_halves, "_BUDGET", 40)
    rng = np.random.default_rng(3)
    items = [[int(x) + wide * 2**90 for x in row] for row in rng.integers(-99, 99, (11, 2))]
    target = [sum(column) for column in zip(*items[:5], strict=True)]
    target[0] += 30
    for tolerance in (35, 3):
        case = Case(items, target, tolerance)
        unfinished = 0
        for patience in range(400):
            limits = Expiring(threads=1, patience=patience)
            finding = BACKEND.solve(case.problem, objective, limits)
            solution = certified(case.problem, objective, finding, backend=BACKEND.name, seconds=0.0)
            if finding.stop is not Stop.TIME_LIMIT:
                break
            unfinished += 1
            assert solution.lower_bound <= (
                case.truth.sparsest[1] if case.truth.sparsest else case.truth.nearest
            )
            if case.truth.sparsest and objective == "sparsest":
                assert solution.size_bound <= case.truth.sparsest[0]
        else:
            pytest.fail("never finished")
        assert unfinished > 3
        assert contradiction(case, objective, solution) is None


def test_counting_and_listing_say_when_time_runs_out():
    problem = SubsetSum([[1, 2], [3, 4]], [1, 2])
    for limits in (Expiring(patience=0), Expiring(patience=3)):
        with pytest.raises(TimeoutError, match="time limit"):
            BACKEND.count(problem, -1, 5, limits)
        with pytest.raises(TimeoutError, match="time limit"):
            list(BACKEND.listed(problem, -1, 5, Expiring(patience=limits.patience)))


def test_memory_that_does_not_suffice_is_named():
    problem = SubsetSum(np.arange(1, 121).reshape(40, 3).tolist(), [1, 2, 3])
    needed = 84 << 20
    assert str(needed) in BACKEND.refusal(problem, "nearest", Limits(memory=needed - 1))
    assert BACKEND.refusal(problem, "nearest", Limits(memory=needed)) is None
    assert BACKEND.enumeration_refusal(problem, Limits(memory=needed - 1)) is not None
    assert "61" in BACKEND.refusal(SubsetSum(range(1, 62), 1), "nearest", Limits(memory=2**60))


def test_more_candidates_than_can_be_ranked_are_refused_not_guessed(monkeypatch):
    monkeypatch.setattr(multidimensional, "_MOST_RANKED", 40)
    items = [[2**90 + k * k, 2**90 - 3 * k] for k in range(8)]
    problem = SubsetSum(items, [2**92 + 5, 2**92 - 7])
    with pytest.raises(UnsupportedProblemError, match="more than 40 subsets"):
        answer(problem)
    with pytest.raises(UnsupportedProblemError, match="more than 40 subsets"):
        BACKEND.count(problem, -1, 50, ONE_THREAD)


# -- planted mistakes ---------------------------------------------------------------------------------


@functools.cache
def checked_cases():
    """Return fixed cases, each with the subsets of error in (above, tolerance] for some ``above``."""
    rng = np.random.default_rng(17)
    listed = []
    for n, d in ((1, 2), (8, 1), (11, 2), (11, 3)):
        integers = rng.integers(-6, 7, (n, d)).tolist()
        fine = rng.integers(-999, 999, (n, d)).tolist()
        twins = [[2**90 + int(x) for x in row] for row in rng.integers(-99, 99, (n, d))]
        for rows in (integers, fine, twins):
            hidden = np.flatnonzero(rng.random(n) < 0.5)
            target = [sum(rows[i][k] for i in hidden) + 2 + 5 * k for k in range(d)]
            nearest = Case(rows, target).truth.nearest
            sizes = (2, 6) if n > 6 else None
            for tolerance, cardinality in ((nearest, None), (nearest + 25, None), (nearest + 3, sizes)):
                case = Case(rows, target, tolerance, cardinality)
                above = int(tolerance) // 2 if cardinality is None else -1
                listed.append((case, above, subsets_between(case.problem, above, int(tolerance))))
    # Here the nearest point lies in the box that is farther from the query, which is rare.
    rng = np.random.default_rng(8)
    rows = rng.integers(-999, 999, (13, 4)).tolist()
    hidden = np.flatnonzero(rng.random(13) < 0.5)
    target = [sum(rows[i][k] for i in hidden) + 2 + 5 * k for k in range(4)]
    nearest = Case(rows, target, None, (2, 6)).truth.nearest
    case = Case(rows, target, nearest, (2, 6))
    return [*listed, (case, -1, subsets_between(case.problem, -1, int(nearest)))]


def complaints():
    """Run the fixed cases through everything; yield what is wrong."""
    for case, above, expected in checked_cases():
        for objective in OBJECTIVES:
            yield contradiction(case, objective, answer(case.problem, objective))
        reach = int(case.tolerance)
        listing = BACKEND.listed(case.problem, above, reach, ONE_THREAD)
        listed = sorted(itertools.islice(listing, len(expected) + 99))  # a mistake may go round in circles
        count = BACKEND.count(case.problem, above, reach, ONE_THREAD)
        yield None if (count, listed) == (len(expected), expected) else "not the subsets expected"


KERNEL_MISTAKES = {
    "the other child is never visited": (
        "nearest_pair",
        "if other_gap < best:\n    nodes[waiting], gaps[waiting] = far, other_gap\n    waiting += 1",
        "if other_gap < 0:\n    nodes[waiting], gaps[waiting] = far, other_gap\n    waiting += 1",
    ),
    "the other child is visited only where its box is entered": (
        "nearest_pair",
        "if other_gap < best:\n    nodes[waiting], gaps[waiting] = far, other_gap\n    waiting += 1",
        "if other_gap < 1:\n    nodes[waiting], gaps[waiting] = far, other_gap\n    waiting += 1",
    ),
    "pairs nearer by one are dropped": (
        "nearest_pair",
        "node, gap = nodes[waiting], gaps[waiting]\n...\nif gap < best: ...",
        "if gap < best - 1: ...",
    ),
    "a box forgets its last point": ("_box", "range(first + 1, last)", "range(first + 1, last - 1)"),
    "a box forgets its high side": ("_box", "max(high[node, k], points[row, k])", "high[node, k]"),
    "the last of a leaf is skipped": ("_nearest_point", "range(first, last)", "range(first, last - 1)"),
    "the last coordinate is forgotten": ("_nearest_point", "range(dims)", "range(max(1, dims - 1))"),
    "one item too many": ("_nearest_point", "sizes[1]", "sizes[1] + 1"),
    "the window is open above": (
        "_outside",
        "low[node, k] - query[k] > box[1, k]",
        "low[node, k] - query[k] >= box[1, k]",
    ),
    "the window is open below": (
        "_outside",
        "high[node, k] - query[k] < box[0, k]",
        "high[node, k] - query[k] <= box[0, k]",
    ),
    "the sure window is too wide": (
        "_inside",
        "high[node, k] - query[k] > box[1, k]",
        "high[node, k] - query[k] > box[1, k] + 1",
    ),
    "a whole node counts double": ("count_pairs", "count += last - first", "count += 2 * (last - first)"),
    "no leaf is counted": (
        "count_pairs",
        "_inside(points, points, row, asked, box)",
        "0 * _inside(points, points, row, asked, box)",
    ),
    "the last query is not listed": (
        "list_pairs",
        "range(cursor // leaves, last)",
        "range(cursor // leaves, last - 1)",
    ),
    "what was listed is listed again": (
        "list_pairs",
        "if leaf < cursor:\n    continue",
        "if leaf < cursor - 1:\n    continue",
    ),
    "a leaf is left out between two calls": ("list_pairs", "return found, leaf", "return found, leaf + 1"),
    "queries are skipped": ("nearest_pair", "query += step", "query += step + 1"),
}
POLICY_MISTAKES = {
    "the incumbent is stale": (
        vector_halves.Halves.nearest,
        "best, pair = distance, (query, point)",
        "pair = query, point",
    ),
    "the last query is never asked": (
        vector_halves.Halves._stripes,
        "min(first + stripe, total)",
        "min(first + stripe, total - 1)",
    ),
    "a value is told by the digit of another": (
        vector_halves.Halves.counts,
        "divmod(left, self.most[k] + 1)",
        "divmod(left, self.most[k] + 2)",
    ),
    "rivals are sought too near": (
        multidimensional._Search._nearest_of_candidates,
        "lambda: self.grid.window(best - 1)",
        "lambda: (0, 0)",
    ),
    "rounding is forgotten where an error is said to be small": (
        grid.Grid.sure_window,
        "return 1 - steps, steps - self.slack",
        "return -steps, steps + 2",
    ),
    "nothing is ranked exactly": (
        multidimensional._Search._nearest,
        "not self.grid.shift or not complete",
        "True",
    ),
    "equal to the tolerance is not within": (
        multidimensional._Search.within,
        "self._nearest(self.problem.sizes, tolerance + 1, tolerance)",
        "self._nearest(self.problem.sizes, tolerance, tolerance - 1)",
    ),
    "the fewest are not tried": (
        multidimensional._Search.sparsest,
        "self.problem.sizes[0]",
        "self.problem.sizes[0] + 1",
    ),
    "the first within the tolerance is called the nearest": (
        multidimensional._Search.sparsest,
        "answer = self._nearest((size, size), tolerance + 1, bound)",
        "answer = self._nearest((size, size), tolerance + 1, tolerance)",
    ),
}


# Every kernel stops and resumes all the time; samples and stripes from a few dozen sums on.
SMALL_STEPS = {
    "_BUDGET": 200,
    "_BUFFER": closest_pairs.LEAF,
    "_SMALL": 64,
    "_SAMPLES": (5,),
    "_ROWS_AT_A_TIME": 3,
    "_GROWN_AT_A_TIME": 4 * closest_pairs.LEAF,
}


def small_steps(monkeypatch):
    for name, value in SMALL_STEPS.items():
        monkeypatch.setattr(vector_halves, name, value)


def test_without_a_mistake_there_is_nothing_to_complain_about(monkeypatch):
    assert set(complaints()) == {None}
    small_steps(monkeypatch)
    assert set(complaints()) == {None}


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNEL_MISTAKES)
def test_mistakes_in_the_kernels_are_noticed(name, monkeypatch):
    small_steps(monkeypatch)
    copy = plain_python(monkeypatch, closest_pairs.__name__, *KERNEL_MISTAKES[name])
    for its, value in vars(copy).items():
        if getattr(value, "__module__", None) == copy.__name__:
            monkeypatch.setattr(closest_pairs, its, value)
    monkeypatch.setitem(globals(), "ONE_THREAD", Limits(threads=1, seconds=3.0))  # it may go round in circles
    with pytest.raises(Exception):  # noqa: B017 - however it comes to light
        assert all(complaint is None for complaint in complaints())


@pytest.mark.parametrize("name", POLICY_MISTAKES)
def test_mistakes_in_the_search_are_noticed(name, monkeypatch):
    method, right, wrong = POLICY_MISTAKES[name]
    if method.__module__ == vector_halves.__name__:
        small_steps(monkeypatch)
    plant(monkeypatch, method, right, wrong)
    with pytest.raises(Exception):  # noqa: B017 - however it comes to light
        assert all(complaint is None for complaint in complaints())

"""lns and k-tree: never more claimed than is so, quick where it is easy, the same for the same seed."""

from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import Case, cases, contradiction, false_claim

from solvers import CertificateError, Status, Stop, SubsetSum, UnsupportedProblemError, solve
from solvers.backend.anytime import k_tree, large_neighbourhood
from solvers.backend.anytime.sub_windows import Rounding, Windows
from solvers.backend.protocol import Limits

OBJECTIVES = ["nearest", "within", "sparsest"]


@contextmanager
def small_windows():
    """Make windows and lists so small that ten items are many."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "_SCALAR_PLAN": ((2, 2), (4, 3)),
            "_VECTOR_PLAN": ((2, 2), (4, 3)),
            "_SPARSEST_PLAN": ((3, 2), (5, 3)),
            "_SCALAR_LARGEST": (6, 2),
            "_VECTOR_LARGEST": (6, 2),
            "_MERGE_FROM": 9,
        }.items():
            patch.setattr(large_neighbourhood, name, value)
        for name, value in {"_FEWEST_ITEMS": 2, "_LEAST_BITS": 1, "_FIRST_BITS": 2, "_MOST_BITS": 3}.items():
            patch.setattr(k_tree, name, value)
        yield


def random_problem(n, d=None, *, seed=1, **options):
    rng = np.random.default_rng(seed)
    items = rng.uniform(-1, 1, n if d is None else (n, d)).tolist()
    return SubsetSum(items, np.asarray(rng.uniform(-1, 1, d)).tolist(), **options)


# -- soundness ---------------------------------------------------------------------------------------


@pytest.mark.thinned
@pytest.mark.parametrize(
    ("backend", "objective"),
    [*(("lns", objective) for objective in OBJECTIVES), ("k-tree", "nearest"), ("k-tree", "within")],
)
@pytest.mark.parametrize("dimensions", [(1,), (2, 3)], ids=["scalars", "vectors"])
def test_nothing_is_claimed_that_is_not_so(backend, objective, dimensions):
    @settings(max_examples=40, deadline=None)
    @given(cases(dimensions=dimensions, tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        with small_windows():
            try:
                solution = solve(case.problem, objective=objective, backend=backend, seed=3)
            except UnsupportedProblemError:
                assert backend == "k-tree"
                assert case.problem.n < 2 or case.problem.cardinality is not None
                return
        assert false_claim(case, objective, solution) is None

    check()


@settings(max_examples=40, deadline=None)
@given(cases(tolerance="always"))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_window_that_holds_all_items_proves_everything(objective, case):
    assert contradiction(case, objective, solve(case.problem, objective=objective, backend="lns")) is None


@settings(max_examples=60, deadline=None)
@given(cases(dimensions=(1, 2), tolerance="always"))
def test_the_least_size_is_a_lower_bound(case):
    least, truth = large_neighbourhood.least_size(case.problem), case.truth.sparsest
    assert truth is None or (least is not None and least <= truth[0])


def stale(problem, *, moves=12):
    """Say whether windows lose track of what remains of the target, or of the number of items."""
    rng = np.random.default_rng(5)
    windows = Windows(problem, Rounding(problem).subset(rng), rng)
    low, high = problem.sizes
    for number in range(moves):
        windows.improve(10, ("nearest", "sparsest")[number % 2], Limits())
        total = problem.image.total(windows.subset)
        if tuple(windows.remaining) != tuple(t - s for t, s in zip(problem.image.target, total, strict=True)):
            return "remaining target"
        if not low <= len(windows.subset) <= high:
            return "cardinality"
    return None


WINDOWED = {
    "free": random_problem(60, tolerance=0.5),
    "cardinality": random_problem(60, tolerance=0.5, cardinality=(7, 9)),
    "vectors": random_problem(40, 2, tolerance=0.5),
    "products": SubsetSum(
        [Fraction(x) * Fraction(y) for x, y in np.random.default_rng(2).uniform(-1, 1, (50, 2)).tolist()],
        Fraction(1, 3),
        tolerance=Fraction(1, 2),
    ),
}


@pytest.mark.parametrize("name", WINDOWED)
def test_windows_keep_track_of_the_exact_remaining_target(name):
    assert stale(WINDOWED[name]) is None


# -- easy instances ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
@pytest.mark.parametrize("n", [100, 200, 2000])
def test_easy_scalar_instances_are_answered(backend, n):
    problem = random_problem(n, tolerance=1e-9)
    solution = solve(problem, objective="within", backend=backend)
    assert solution.status is Status.FEASIBLE
    assert solution.error <= problem.tolerance


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
def test_many_doubles_hit_the_target_exactly_and_that_is_optimal(backend):
    solution = solve(random_problem(200), backend=backend)
    assert (solution.status, solution.error) == (Status.OPTIMAL, 0)


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
@pytest.mark.parametrize(("n", "d", "tolerance"), [(100, 3, 1e-3), (200, 9, 0.1)])
def test_vectors_come_within_modest_tolerances(backend, n, d, tolerance):
    problem = random_problem(n, d, tolerance=tolerance)
    solution = solve(problem, objective="within", backend=backend)
    assert solution.status is Status.FEASIBLE


@pytest.mark.parametrize("target", [60, -60.5])
def test_targets_far_from_the_middle_are_reached(target):
    rng = np.random.default_rng(4)
    items = (np.sign(target) * rng.uniform(0, 1, 150)).tolist()
    for backend in ("lns", "k-tree"):
        problem = SubsetSum(items, target, tolerance=1e-6)
        assert solve(problem, objective="within", backend=backend).status is Status.FEASIBLE


@pytest.mark.parametrize("cardinality", [20, (95, 103), (3, 300)])
def test_lns_keeps_to_the_cardinality(cardinality):
    problem = random_problem(200, tolerance=1e-6, cardinality=cardinality)
    solution = solve(problem, objective="within", backend="lns")
    assert solution.status is Status.FEASIBLE
    assert problem.sizes[0] <= solution.size <= problem.sizes[1]


def test_sparsest_uses_few_items_and_an_honest_size_bound():
    rng = np.random.default_rng(8)
    problem = SubsetSum(rng.uniform(0, 1, 120).tolist(), 5.5, tolerance=1e-4)
    solution = solve(problem, objective="sparsest", backend="lns")
    assert solution.status in (Status.FEASIBLE, Status.OPTIMAL)
    assert 6 <= solution.size_bound <= solution.size <= 9


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
def test_the_same_seed_gives_the_same_subset(backend):
    problem = random_problem(90, 2, tolerance=1e-3)
    first, again, other = (
        solve(problem, objective="within", backend=backend, seed=seed).subset.tolist() for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


# -- bounds, refusals, limits ------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
@pytest.mark.parametrize("objective", ["nearest", "within"])
def test_what_lattice_or_range_exclude_is_proven_infeasible(backend, objective):
    even = [int(x) for x in 2 * np.random.default_rng(0).integers(-1000, 1000, 100)]
    for target, error in ((51, 1), (10**6, 10**6 - sum(x for x in even if x > 0))):
        problem = SubsetSum(even, target, tolerance=Fraction(1, 2))
        solution = solve(problem, objective=objective, backend=backend)
        assert (solution.status, solution.lower_bound) == (Status.INFEASIBLE, error)
    assert solve(SubsetSum(even, 51), backend=backend).status is Status.OPTIMAL


def test_sparsest_beyond_the_range_of_so_few_items_is_infeasible():
    problem = SubsetSum([1.0] * 80, 30.5, tolerance=0.25, cardinality=(0, 20))
    solution = solve(problem, objective="sparsest", backend="lns")
    assert solution.status is Status.INFEASIBLE


@pytest.mark.parametrize(
    ("problem", "objective", "reason"),
    [
        (random_problem(23), "nearest", "24 items or more"),
        (random_problem(60, cardinality=9), "nearest", "cardinality"),
        (random_problem(60, tolerance=1), "sparsest", "sparsest"),
    ],
)
def test_k_tree_says_what_it_cannot_do(problem, objective, reason):
    with pytest.raises(UnsupportedProblemError, match=reason):
        solve(problem, objective=objective, backend="k-tree")


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
def test_a_time_limit_ends_the_search_with_the_best_so_far(backend):
    products = [
        Fraction(x) * Fraction(y) for x, y in np.random.default_rng(6).uniform(-1, 1, (70, 2)).tolist()
    ]
    solution = solve(SubsetSum(products, Fraction(1, 3)), backend=backend, time_limit=0.3)
    assert solution.status is Status.FEASIBLE
    assert solution.error < 1
    assert solution.stop is Stop.TIME_LIMIT


def test_memory_limits_shrink_the_lists():
    problem = random_problem(120, tolerance=1e-3)
    for backend in ("lns", "k-tree"):
        assert solve(problem, objective="within", backend=backend, memory_limit=1 << 22).subset is not None
    with pytest.raises(UnsupportedProblemError, match="memory limit"):
        solve(problem, objective="within", backend="k-tree", memory_limit=1 << 10)


@pytest.mark.parametrize("backend", ["lns", "k-tree"])
def test_magnitudes_of_every_kind(backend):
    rng = np.random.default_rng(12)
    items = [
        float(m) * 10.0 ** int(e)
        for m, e in zip(rng.uniform(-9, 9, 70), rng.integers(-300, 299, 70), strict=True)
    ]
    solution = solve(SubsetSum(items, 0.5), backend=backend, time_limit=0.5)
    assert solution.lower_bound <= solution.error
    zeros = solve(SubsetSum([0] * 70, 0), backend=backend)
    assert (zeros.status, zeros.error) == (Status.OPTIMAL, 0)


# -- planted mistakes --------------------------------------------------------------------------------


@pytest.mark.parametrize("module", [large_neighbourhood, k_tree])
def test_planted_a_bound_that_is_too_high(module, monkeypatch):
    backend = {large_neighbourhood: "lns", k_tree: "k-tree"}[module]
    case = Case([4, 6, 10, 14, 22, 5, 9, 13, 2, 8], 27, 0)
    monkeypatch.setattr(module, "simple_bound", lambda problem: 1)
    with small_windows():
        try:
            solution = solve(case.problem, backend=backend)
        except CertificateError:
            return
    assert false_claim(case, "nearest", solution) is not None


def test_planted_a_stale_remaining_target(monkeypatch):
    accept = Windows._accept

    def forgetful(self, window, subset, objective):
        before = self.remaining
        better = accept(self, window, subset, objective)
        self.remaining = before
        return better

    monkeypatch.setattr(Windows, "_accept", forgetful)
    assert stale(WINDOWED["free"]) == "remaining target"


def test_planted_a_cardinality_ignored(monkeypatch):
    monkeypatch.setattr(
        Windows,
        "_sub_problem",
        lambda self, window, *, fewer: SubsetSum(
            [self.problem.image.items[i][0] for i in window],
            self.remaining[0] + sum(self.problem.image.items[i][0] for i in window if self.chosen[i]),
            tolerance=self.problem.tolerance_units,
        ),
    )
    assert stale(WINDOWED["cardinality"]) == "cardinality"
    with pytest.raises(CertificateError, match="items, allowed are"):
        solve(random_problem(90, tolerance=1e-9, cardinality=10), objective="within", backend="lns")

"""Vectors: one-pass rules, exact joins and annealing; never above greedy or empty, the same for a seed."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import cases, false_claim
from support.planting import plain_python, plant

from solvers import Status, Stop, SubsetSum, UnsupportedProblemError, dispatch, solve
from solvers.backend import first_subset as first
from solvers.backend.anytime import annealing, k_tree, sub_windows, vector_search, vector_trees
from solvers.backend.anytime.sub_windows import Windows
from solvers.backend.protocol import Backend, Finding, Limits
from solvers.backend.registry import BACKENDS, register
from solvers.dispatch import solved
from solvers.kernels import annealing as annealing_kernels
from solvers.kernels import cell_joins

SEARCHES = ["k-tree", "annealing", "lattice"]


def products(d, n, seed=0):
    """Return the random vectors of structured pruning: a normal factor times normal numbers."""
    rng = np.random.default_rng(seed)
    items = rng.standard_normal((n, 1)) * rng.standard_normal((n, d))
    return SubsetSum(items, rng.uniform(-0.5, 0.5, d))


def after_work(problem, backend, seconds, objective="nearest", **options):
    """Solve with so many seconds of work, by estimate: the same answer on any machine."""
    return solved(problem, objective, backend, Limits(**options).share(seconds))


# -- one pass ----------------------------------------------------------------------------------------


def squared(vector):
    return sum(x * x for x in vector)


def one_pass(problem, *, centred):
    """Do in whole numbers what the two rules say; items of equal length in their order."""
    items, target = problem.image.items, problem.image.target
    order = sorted(range(problem.n), key=lambda i: -squared(items[i]))
    rest, chosen = [Fraction(t) for t in target], []
    for place, i in enumerate(order):
        later = [Fraction(sum(items[j][k] for j in order[place + 1 :])) / 2 for k in range(problem.d)]
        off = [r - (h if centred else 0) for r, h in zip(rest, later, strict=True)]
        if squared([x - y for x, y in zip(off, items[i], strict=True)]) < squared(off):
            chosen.append(i)
            rest = [x - y for x, y in zip(rest, items[i], strict=True)]
    return sorted(chosen)


INTEGER_VECTORS = st.integers(2, 3).flatmap(
    lambda d: st.tuples(
        st.lists(st.tuples(*[st.integers(-9, 9)] * d), min_size=1, max_size=9),
        st.tuples(*[st.integers(-12, 12)] * d),
    )
)


@settings(max_examples=40)
@given(INTEGER_VECTORS)
def test_a_first_subset_is_the_best_of_two_rules_and_the_empty_one(case):
    problem = SubsetSum(*case)
    error = problem.image.error
    rules = [one_pass(problem, centred=centred) for centred in (False, True)]
    assert error(first.first_subset(problem)) == min(map(error, [[], *rules]))


class Everything(Backend):
    """Takes all items, however far that is from the target."""

    name = "everything"
    summary = "a bad answer"

    def solve(self, problem, objective, limits):
        return Finding(list(range(problem.n)), stop=Stop.TIME_LIMIT)


@pytest.fixture
def everything():
    register(Everything())
    yield "everything"
    del BACKENDS["everything"]


def is_worse(problem, solution):
    """Say whether an answer is above the empty subset or a rule's."""
    candidates = [[], *(one_pass(problem, centred=centred) for centred in (False, True))]
    return any(problem.image.error(c) * problem.image.unit < solution.error for c in candidates)


def test_no_answer_is_above_greedy_or_empty(everything):
    for problem in (products(6, 12), products(20, 9), products(2, 12).replace(multiplicity=2)):
        solution = solve(problem, backend=everything)
        solution.check(problem)
        assert not is_worse(problem.expanded, solution)
    near = products(6, 12).replace(tolerance=1)
    assert solve(near, objective="within", backend=everything).status is Status.FEASIBLE


def test_planted_nobody_looks_at_the_first_guess(everything, monkeypatch):
    monkeypatch.setattr(dispatch, "_no_worse_than_a_guess", lambda problem, found, finding: found)
    assert is_worse(products(20, 9), solve(products(20, 9), backend=everything))


def test_planted_the_empty_subset_is_forgotten(everything, monkeypatch):
    passes = first._passes
    monkeypatch.setattr(first, "_passes", lambda problem: passes(problem)[1:])
    problem = products(20, 9, seed=8)  # both rules make the rest shorter, and its largest number larger
    assert is_worse(problem, solve(problem, backend=everything))


@pytest.mark.parametrize("backend", ["greedy", "lns", "cp-sat", "highs", *SEARCHES])
def test_backends_are_not_above_greedy_or_empty_however_short_the_time(backend):
    for problem in (products(20, 24), products(3, 30)):
        assert not is_worse(problem, solve(problem, backend=backend, time_limit=1e-3, threads=1))


# -- searches ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", SEARCHES)
def test_small_problems_are_answered_as_by_brute_force(backend, monkeypatch):
    monkeypatch.setattr(k_tree, "_FEWEST_ITEMS", 2)
    for seed, d, n in ((1, 3, 12), (2, 5, 10), (3, 2, 2)):
        problem = products(d, n, seed)
        subsets = (s for k in range(n + 1) for s in combinations(range(n), k))
        least = min(problem.image.error(s) for s in subsets) * problem.image.unit
        assert solve(problem, backend=backend).error == least


@pytest.mark.parametrize("backend", SEARCHES)
@settings(max_examples=25)
@given(cases(max_items=8, dimensions=(2, 3), tolerance="maybe"))
def test_nothing_is_claimed_that_is_not_so(backend, case):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(k_tree, "_FEWEST_ITEMS", 2)
        patch.setattr(vector_search, "_WHOLE", 0)
        patch.setattr(vector_trees, "MOST_BITS", 3)
        patch.setattr(vector_trees, "FIRST_BITS", 2)
        try:
            solution = solve(case.problem, backend=backend)
        except UnsupportedProblemError:
            assert case.problem.cardinality is not None or case.problem.n < 2
            return
    assert false_claim(case, "nearest", solution) is None


@pytest.mark.parametrize(
    ("backend", "d", "n", "reached"),
    [
        ("k-tree", 4, 60, 0.006),
        ("k-tree", 9, 200, 0.06),
        ("annealing", 18, 400, 0.12),
        ("lattice", 9, 200, 0.05),
    ],
)
def test_much_nearer_than_greedy_in_tenths_of_a_second_of_work(backend, d, n, reached):
    problem = products(d, n)
    solution = after_work(problem, backend, 0.2)
    assert solution.status is Status.FEASIBLE
    assert solution.error < reached < solve(problem, backend="greedy").error


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "d", "n", "reached"),
    [
        ("k-tree", 6, 200, 0.0024),
        ("k-tree", 9, 200, 0.03),
        ("k-tree", 12, 200, 0.12),
        ("lattice", 12, 200, 0.06),
        ("lattice", 18, 1000, 0.03),
        ("annealing", 36, 1000, 0.14),
        ("annealing", 72, 1000, 0.48),
    ],
)
def test_how_near_a_second_of_work_comes(backend, d, n, reached):
    assert after_work(products(d, n), backend, 1.0).error < reached


@pytest.mark.parametrize("backend", SEARCHES)
def test_the_same_seed_gives_the_same_subset(backend):
    problem = products(7, 60)
    answers = [after_work(problem, backend, 0.05, seed=s).subset.tolist() for s in (1, 1, 2)]
    assert answers[0] == answers[1]
    assert answers[0] != answers[2]


@pytest.mark.parametrize("backend", SEARCHES)
def test_searches_start_from_what_is_known(backend):
    problem = products(7, 60)
    known = tuple(after_work(problem, "k-tree", 0.05).subset.tolist())
    finding = BACKENDS[backend].solve(problem, "nearest", Limits(start=known, seconds=1e-9))
    assert finding.subset == list(known)


@pytest.mark.parametrize("backend", SEARCHES)
def test_a_tolerance_that_is_met_ends_the_search(backend):
    problem = products(5, 80).replace(tolerance=0.2)
    solution = solve(problem, objective="within", backend=backend)
    assert (solution.status, solution.stop) == (Status.FEASIBLE, Stop.PROVEN)


@pytest.mark.parametrize("backend", SEARCHES)
def test_vectors_of_equal_huge_and_zero_items(backend):
    for items, target in (
        ([[0, 0]] * 30, [1, 2]),
        ([[1e300, -1e300]] * 30, [1e301, 1]),
        ([[1, 1]] * 30, [7, 7]),
        ([[5e-324, 0.0]] * 15 + [[1.0, 1.0]] * 15, [3.0, 4.0]),
    ):
        solution = after_work(SubsetSum(items, target), backend, 0.01)
        assert solution.lower_bound <= solution.error
    assert solve(SubsetSum([[1, 1]] * 30, [7, 7]), backend=backend).status is Status.OPTIMAL


@pytest.mark.parametrize(
    ("problem", "objective", "limits", "reason"),
    [
        (SubsetSum([1.0, 2.0, 4.0] * 20, 3.3), "nearest", {}, "scalars"),
        (products(4, 60).replace(cardinality=9), "nearest", {}, "cardinality"),
        (products(4, 60).replace(tolerance=1), "sparsest", {}, "sparsest"),
        (products(4, 60), "nearest", {"memory_limit": 1000}, "memory limit"),
    ],
)
@pytest.mark.parametrize("backend", ["annealing", "lattice"])
def test_searches_say_what_they_cannot_do(backend, problem, objective, limits, reason):
    with pytest.raises(UnsupportedProblemError, match=reason):
        solve(problem, objective=objective, backend=backend, **limits)


def test_lists_are_as_short_as_memory_asks():
    limits = Limits(memory=vector_trees.tree_bytes(10, 5))
    assert list(vector_trees._lengths(products(5, 60), limits)) == [10, 10]
    with pytest.raises(UnsupportedProblemError, match="memory limit"):
        solve(products(5, 60), backend="k-tree", memory_limit=1000)


def test_without_memory_for_what_suits_auto_asks_who_can():
    assert solve(products(5, 60), memory_limit=10_000, time_limit=0.1).backend == "lns"


def share_of_short_items(*, size=10):
    """Return which share of the items of lns's windows are among the shortest sixth."""
    problem = products(3, 180)
    windows = Windows(problem, np.arange(180) % 2 == 0, np.random.default_rng(0))
    short = set(first.float_vectors(problem).order[-3 * size :].tolist())
    return np.mean([i in short for _ in range(200) for i in windows._random_window(size)])


def test_windows_hold_short_vectors_more_often():
    assert 0.5 < share_of_short_items() < 0.7


def test_planted_windows_of_any_items(monkeypatch):
    monkeypatch.setattr(sub_windows, "_SHARE_OF_SHORT", 0.0)
    assert share_of_short_items() < 0.25


# -- parts: joins ------------------------------------------------------------------------------------


def pairs_within(wanted, rows, width):
    return {
        (i, j)
        for i in range(len(wanted))
        for j in range(len(rows))
        if abs(wanted[i] - rows[j]).max() <= width
    }


def wrong_join(kernels, seed):
    """Say what a join gets wrong on some random lists."""
    rng = np.random.default_rng(seed)
    s, width = int(rng.integers(2, 5)), float(rng.choice([0.05, 0.4, 2.0, np.inf]))
    wanted, rows = rng.standard_normal((40, s)), rng.standard_normal((50, s)) + rng.choice([0, 0.5])
    cells = kernels.in_cells(rows, width)
    pairs = np.empty((3000, 2), np.int64)
    found = kernels.pairs_in_box(wanted, cells, width, 0, 40, pairs, 0)
    listed = [(int(i), int(cells.order[j])) for i, j in pairs[:found]]
    if sorted(listed) != sorted(pairs_within(wanted, rows, width)):
        return "pairs"
    best, i, j = kernels.nearest_in_box(wanted, cells, width, 0, 40)
    distances = abs(wanted[:, None] - rows[None]).max(axis=2)
    if not (distances < width).any():
        return None if (best, i, j) == (width, -1, -1) else "nearest"
    right = best == distances.min() == distances[i, cells.order[j]]
    return None if right else "nearest"


def test_joins_find_every_pair_and_the_nearest():
    assert not any(wrong_join(cell_joins, seed) for seed in range(30))


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("pairs_in_box", "range(x0, x1 + 1)", "range(x0, x1)"),
        ("pairs_in_box", "k = 0", "k = 1"),
        ("nearest_in_box", "range(x0, x1 + 1)", "range(x0 + 1, x1 + 1)"),
        ("_between", "middle - width - low", "middle - low"),
        ("_between", "middle + width - low", "middle - low"),
    ],
)
def test_planted_mistakes_in_joins(function, old, new, monkeypatch):
    kernels = plain_python(monkeypatch, "solvers.kernels.cell_joins", function, old, new)
    assert any(wrong_join(kernels, seed) for seed in range(30))


def wrong_tree(seed=0, bits=9):
    """Say whether a tree's subset is not as near as the pair that it was told by."""
    problem = products(4, 80, seed)
    vectors = first.float_vectors(problem)
    found = vector_trees.tree_round(vectors, bits, np.random.default_rng(1), Limits())
    if found is None:
        return True
    off = abs(vectors.items[found].sum(axis=0) - vectors.target).max()
    return len(set(found.tolist())) < len(found) or off > 0.02


def test_a_tree_leads_back_to_its_items():
    assert not any(wrong_tree(seed) for seed in range(4))


@pytest.mark.parametrize(
    ("owner", "old", "new"),
    [
        (vector_trees.Lists.subset, "left.subset(i) + right.subset(j)", "left.subset(i) + right.subset(i)"),
        (vector_trees.Lists.subset, "self.sources + k", "k"),
        (
            vector_trees._Tree._halves,
            "self._list(first + half, target - aim, level - 1)",
            "self._list(first + half, target + aim, level - 1)",
        ),
    ],
)
def test_planted_mistakes_in_trees(owner, old, new, monkeypatch):
    plant(monkeypatch, owner, old, new)
    assert any(wrong_tree(seed) for seed in range(4))


# -- parts: annealing --------------------------------------------------------------------------------


def wrong_annealing(kernels):
    """Say which number is stale after annealing, or whether it did not help."""
    rng = np.random.default_rng(2)
    items, target = rng.standard_normal((12, 3)), rng.standard_normal(3)
    chosen, state = np.zeros(12, dtype=bool), np.array([7], np.uint64)
    inner = items @ target
    kernels.anneal_length(items @ items.T, inner, chosen, 1.0, 0.9, 60, state)
    rest = target - items[chosen].sum(axis=0)
    if not np.allclose(inner, items @ rest):
        return "inner products"
    if rest @ rest > 0.6 * (target @ target):
        return "length"
    chosen[:], rest = False, target.copy()
    best, before = chosen.copy(), float(abs(rest).max())
    least = kernels.anneal_sixth(items, rest, chosen, best, before, 3.0, 0.95, 60, state)
    if not np.allclose(rest, target - items[chosen].sum(axis=0)):
        return "rest"
    nearest = abs(target - items[best].sum(axis=0)).max()
    return None if np.isclose(nearest, least) and least <= before else "best"


def test_annealing_keeps_track_of_what_remains(monkeypatch):
    assert wrong_annealing(annealing_kernels) is None
    with np.errstate(over="ignore"):
        assert wrong_annealing(plain_python(monkeypatch, "solvers.kernels.annealing")) is None


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("anneal_length", "inner[j] -= sign * gram[i, j]", "inner[j] += sign * gram[i, j]"),
        ("anneal_length", "gram[i, i] - 2.0 * sign * inner[i]", "gram[i, i] + 2.0 * sign * inner[i]"),
        ("anneal_sixth", "rest[k] -= sign * items[i, k]", "rest[k] -= items[i, k]"),
        ("anneal_sixth", "best[:] = chosen", "pass"),
    ],
)
def test_planted_mistakes_in_annealing(function, old, new, monkeypatch):
    kernels = plain_python(monkeypatch, "solvers.kernels.annealing", function, old, new)
    with np.errstate(over="ignore"):  # random numbers are words
        assert wrong_annealing(kernels) is not None


def test_runs_double_as_far_as_the_time_allows():
    assert list(annealing._lengths(Limits())) == [1, 2, 4, 8, 16, 32]
    limits, lengths = Limits().share(10.0), []
    for length in annealing._lengths(limits):
        lengths.append(length)
        limits.spend(length)
        if limits.expired:
            break
    assert lengths[:3] == [1, 2, pytest.approx(0.9 * 7, abs=0.01)]
    assert sum(lengths) == pytest.approx(10, abs=1.1)

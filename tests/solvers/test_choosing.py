"""What "auto" chooses, and that joining what several backends found loses and invents nothing."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.backends import TAKE_INTEGERS

from solvers import InvalidProblemError, Proof, Status, SubsetSum, UnsupportedProblemError, dispatch, solve
from solvers.backend import registry
from solvers.backend.automatic import Attempt, counting_order, plan
from solvers.backend.protocol import Backend, Finding, Limits


def uniform(n, d=1, **options):
    rng = np.random.default_rng(n)
    items = rng.uniform(-1, 1, (n, d))
    target = items[: n // 2].sum(axis=0) + 1 / 3
    return SubsetSum(
        items[:, 0].tolist() if d == 1 else items.tolist(),
        float(target[0]) if d == 1 else target.tolist(),
        **options,
    )


def names(problem, objective="nearest", **limits):
    return [attempt.backend.name for attempt in plan(problem, objective, Limits(**limits))]


@pytest.mark.parametrize(
    ("problem", "first"),
    [
        (uniform(21), "mitm"),
        (uniform(50), "schroeppel-shamir"),
        (uniform(30, 3), "mitm-nd"),
        (SubsetSum([3, 5, 9] * 40, 101), "mitm"),
        (SubsetSum(range(1, 121), 101), "dp"),
        (SubsetSum([0.01 * k for k in range(1, 25)] * 10, 1 / 3), "distinct-sums"),
        (uniform(1000, cardinality=3), "few-items"),
        (uniform(1000, cardinality=(998, 1000)), "few-items"),
        (uniform(300, 2, cardinality=2), "few-items"),
        (SubsetSum([[1, 1, 1]] * 100, [50, 50, 51]), "mitm-nd"),
        (uniform(200), "lns"),
        (uniform(200, 6), "k-tree"),
        (uniform(200, 9), "lattice"),
        (uniform(200, 30), "lattice"),
        (uniform(200, 40), "annealing"),
        (uniform(200, 40, cardinality=90), "lns"),
    ],
)
def test_each_kind_of_problem_has_its_method(problem, first):
    assert names(problem)[0] == first


def integers(n, most, d=1, **options):
    items = np.random.default_rng(n).integers(1, most, (n, d))
    target = (items.sum(axis=0) // 2).tolist()
    return SubsetSum(*((items[:, 0].tolist(), target[0]) if d == 1 else (items.tolist(), target)), **options)


def recorded_orders():
    text = (Path(__file__).parent / "orders_of_auto.txt").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if not line.startswith("#")]
    problems = dict.fromkeys(row[0] for row in rows)
    return {problem: [row[1:] for row in rows if row[0] == problem] for problem in problems}


ORDERS = recorded_orders()
LIMITS = {"none": {}, "1 s": {"seconds": 1.0}, "100 s": {"seconds": 100.0}, "4 MiB": {"memory": 1 << 22}}


def is_a_proofs_share(attempt, limits):
    return attempt.proves and limits.seconds is not None


def order_of(problem, objective, limits):
    if objective == "count":
        return ", ".join(b.name for b in counting_order(problem, limits)) or "-"
    return ", ".join(
        attempt.backend.name
        + ("" if attempt.proves else "?")
        + ("" if attempt.seconds is None or is_a_proofs_share(attempt, limits) else f"/{attempt.seconds:.3g}")
        + ("" if attempt.objective is None else f" {attempt.objective}")
        for attempt in plan(problem, objective, limits)
    )


@pytest.mark.parametrize("text", ORDERS)
def test_the_order_of_attempts_is_the_recorded_one(text):
    problem = eval(text, {"uniform": uniform, "integers": integers})  # noqa: S307 - our own text
    for objective, limited, order in ORDERS[text]:
        for name in LIMITS if limited == "any" else limited.split(", "):
            assert (
                order_of(problem, objective, Limits(**LIMITS[name], started=0.0, clock=lambda: 0.0)) == order
            ), (
                objective,
                name,
            )


def test_an_exact_hit_of_vectors_is_for_schroeppel_shamir():
    rng = np.random.default_rng(4)
    items = rng.integers(0, 100, (40, 5))
    problem = SubsetSum(items.tolist(), (items.sum(axis=0) // 2).tolist(), tolerance=0)
    assert names(problem, "within")[0] in ("schroeppel-shamir", "lns")
    assert "schroeppel-shamir" in names(problem, "within")


def market_split(seed, m, n, *, hit):
    """Items with even numbers, and a target that one subset hits, or an odd one that none does."""
    rng = np.random.default_rng(seed)
    items = 2 * rng.integers(0, 50, (n, m))
    items[0] += 1  # so that no lattice bound says so
    items[1] += 1
    chosen = rng.random(n) < 0.5
    chosen[:2] = True, True
    target = items[chosen].sum(axis=0) + (0 if hit else np.arange(m) % 2)
    return SubsetSum(items.tolist(), target.tolist(), tolerance=0)


def test_nearest_with_a_tolerance_of_zero_looks_for_an_exact_hit_first():
    hit = solve(market_split(1, 6, 46, hit=True))
    assert (hit.status, hit.error, hit.backend) == (Status.OPTIMAL, 0, "schroeppel-shamir")
    assert hit.objective == "nearest"
    shown = solve(market_split(2, 4, 24, hit=False))
    assert (shown.status, shown.gap) == (Status.INFEASIBLE, 0), "the nearest subset is there to see"


def test_a_proof_that_the_time_limit_rules_out_is_not_begun():
    assert "schroeppel-shamir" in names(uniform(60))
    assert names(uniform(60), seconds=1.0) == ["lns"]


def test_a_search_is_always_there_as_the_last_resort():
    for objective in ("nearest", "within"):
        assert names(uniform(24, tolerance=1e-3), objective)[-1] == "lns"


def test_within_looks_for_an_easy_answer_before_a_long_proof_but_not_before_a_short_one():
    assert names(uniform(24, tolerance=1e-3), "within")[0] == "mitm"
    assert names(uniform(60, tolerance=1e-3), "within")[:2] == ["lns", "schroeppel-shamir"]


def test_floating_point_backends_are_never_chosen_unasked():
    for problem in (uniform(5), uniform(30, 2), uniform(300), SubsetSum([1, 2, 3] * 30, 50)):
        for objective in ("nearest", "within", "sparsest"):
            tolerant = SubsetSum(problem.items, problem.target, tolerance=0.1)
            assert not {"highs", "pulp"} & set(names(tolerant, objective))


def test_costs_grow_with_the_problem(proving_backend):
    backend = registry.BACKENDS[proving_backend]
    costs = [backend.seconds_to_proof(SubsetSum([7] * n, 3 * n), "nearest") for n in (8, 16, 32, 64)]
    if None in costs:
        assert proving_backend not in TAKE_INTEGERS
        return
    assert costs == sorted(costs)
    assert costs[0] > 0


def relu_items(n, d):
    """A unit's inputs and weights: the fewest that give its output within 0.3."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=n) * 0.3
    inputs = np.maximum(rng.normal(size=(d, n)), 0)
    return SubsetSum((inputs * weights).T.copy(), inputs @ weights, tolerance=0.3)


def levels(n, count):
    """Weights of so many levels on either side of zero, times a scale."""
    return SubsetSum(np.random.default_rng(n).integers(-count, count + 1, n) * 0.0137, 0.1234567)


# Each with the method that proves it, and its cost.
MEASURED = {
    "many integers, small target": ("dp", "nearest", integers(10_000, 10**6), 10**5),
    "many integers, small target, sparsest": ("dp", "sparsest", integers(3000, 10**5), 10**3),
    "fewest vectors of twenty dimensions": ("cp-sat", "sparsest", relu_items(33, 20), None),
    "six values": ("mitm", "nearest", SubsetSum(np.repeat(uniform(6).items, 20), 1.2345), None),
    "levels": ("distinct-sums", "nearest", levels(300, 15), None),
    "one of 10,000": ("few-items", "nearest", uniform(10_000, cardinality=1), 0.4321),
    "two of 1,000": ("few-items", "nearest", uniform(1000, cardinality=2), 0.4321),
    "four of 100": ("few-items", "nearest", uniform(100, cardinality=4), 0.4321),
    "two vectors of 100": ("few-items", "nearest", uniform(100, 2, cardinality=2), None),
    "the fewest of 100": ("few-items", "sparsest", uniform(100, tolerance=1e-6), 0.4321),
    "equal vectors": ("mitm-nd", "nearest", SubsetSum([[1, 1, 1]] * 100, [50, 50, 51]), None),
}


def measured(text):
    backend, objective, p, target = MEASURED[text]
    if target is not None:
        p = SubsetSum(p.items, target, tolerance=p.tolerance or 0, cardinality=p.cardinality)
    return backend, objective, p


@pytest.mark.parametrize("text", MEASURED)
def test_what_is_easy_goes_to_the_method_that_it_is_easy_for(text):
    backend, objective, problem = measured(text)
    assert names(problem, objective, seconds=5.0)[0] == backend


def test_counting_is_offered_by_those_that_can():
    assert counting_order(uniform(20, tolerance=1), Limits())[0].name in ("mitm", "mitm-nd")
    assert counting_order(integers(120, 50, tolerance=0), Limits())[0].name == "dp"
    assert counting_order(uniform(1000, cardinality=2, tolerance=0), Limits())[0].name == "few-items"
    twice = SubsetSum(range(1, 9), 20, tolerance=0, multiplicity=2).expanded
    counting = {b.name for b in counting_order(twice, Limits())}
    assert counting == {"mitm", "mitm-nd", "few-items", "distinct-sums"}, "who counts copies once"
    assert counting_order(uniform(200, tolerance=1e-3), Limits()) == []


def test_large_instances_are_answered_honestly():
    many = uniform(200, tolerance=1e-9)
    within = solve(many, objective="within")
    assert within.status is Status.FEASIBLE
    assert within.error <= Fraction(1e-9)
    nearest = solve(many, time_limit=0.3)
    assert nearest.status in (Status.OPTIMAL, Status.FEASIBLE)
    assert nearest.lower_bound <= nearest.error
    vectors = solve(uniform(60, 3), time_limit=0.3)
    assert vectors.status is Status.FEASIBLE
    sparse = solve(uniform(200, tolerance=0.01), objective="sparsest", time_limit=0.5)
    assert sparse.status in (Status.OPTIMAL, Status.FEASIBLE)
    assert sparse.size >= sparse.size_bound


class Scripted(Backend):
    """A backend that says what it is told to."""

    summary = "scripted"

    def __init__(self, name, finding):
        self.name = name
        self.finding = finding

    def solve(self, problem, objective, limits):
        if isinstance(self.finding, Exception):
            raise self.finding
        return self.finding


def scripted(monkeypatch, *findings):
    attempts = [Attempt(Scripted(f"backend {i}", finding)) for i, finding in enumerate(findings)]
    monkeypatch.setattr(dispatch, "plan", lambda *_: attempts)


def test_the_better_subset_and_the_stronger_bound_are_joined(monkeypatch):
    problem = SubsetSum([4, 6, 11], 12)
    scripted(monkeypatch, Finding([2]), Finding([1], lower_bound=Fraction(1)))
    joined = solve(problem)
    assert (joined.error, joined.lower_bound, joined.status) == (1, 1, Status.OPTIMAL)
    assert joined.backend == "backend 0"
    scripted(monkeypatch, Finding([1]), Finding(None), Finding([2]))
    joined = solve(problem)
    assert (joined.error, joined.lower_bound, joined.status) == (1, 0, Status.FEASIBLE)


def test_a_sparser_subset_is_better_and_its_size_bound_counts(monkeypatch):
    problem = SubsetSum([4, 6, 11], 10, tolerance=1)
    scripted(monkeypatch, Finding([0, 1]), Finding([2], Fraction(1), size_bound=1))
    joined = solve(problem, objective="sparsest")
    assert joined.subset.tolist() == [2]
    assert joined.status is Status.OPTIMAL


def test_nothing_more_is_tried_once_the_answer_is_proven(monkeypatch):
    scripted(monkeypatch, Finding([2], Fraction(1)), AssertionError("not needed"))
    assert solve(SubsetSum([4, 6, 11], 12)).status is Status.OPTIMAL


def test_a_backend_that_backs_out_leaves_it_to_the_next(monkeypatch):
    scripted(monkeypatch, UnsupportedProblemError("too mixed"), Finding([2], Fraction(1)))
    assert solve(SubsetSum([4, 6, 11], 12)).backend == "backend 1"
    scripted(monkeypatch, UnsupportedProblemError("too mixed"))
    with pytest.raises(UnsupportedProblemError, match="too mixed"):
        solve(SubsetSum([4, 6, 11], 12))


def test_backends_that_are_missing_or_refuse_are_passed_over(monkeypatch):
    gone, unwilling = Scripted("mitm", None), Scripted("dp", None)
    gone.missing = lambda: "pip install it"
    unwilling.refusal = lambda *_: "on principle"
    monkeypatch.setitem(registry.BACKENDS, "mitm", gone)
    monkeypatch.setitem(registry.BACKENDS, "dp", unwilling)
    chosen = names(SubsetSum([1, 2, 3], 4))
    assert not {"mitm", "dp"} & set(chosen)
    assert "schroeppel-shamir" in chosen


def test_pulp_solvers_are_found_by_name():
    assert registry.backend_named("pulp:PULP_CBC_CMD").name == "pulp:PULP_CBC_CMD"
    solution = solve(SubsetSum([4, 6, 11], 12), backend="pulp:pulp_cbc_cmd")
    assert solution.error == 1
    assert solution.proof in (Proof.TOLERANCE, Proof.EXACT)


@pytest.mark.parametrize("name", [None, 5, ["mitm"], ""])
def test_what_is_no_name_of_a_backend_is_refused_like_an_unknown_one(name):
    with pytest.raises(InvalidProblemError, match="unknown backend"):
        solve(SubsetSum([4, 6, 11], 12), backend=name)


def test_limits_are_shared_out():
    limits = Limits(seconds=10.0)
    assert limits.share(1.0).seconds == 1.0
    assert limits.share(None).seconds <= 10.0
    assert limits.share(100.0).seconds <= 10.0
    assert Limits().share(None).seconds is None
    assert replace(limits, seconds=0.0).share(5.0).expired

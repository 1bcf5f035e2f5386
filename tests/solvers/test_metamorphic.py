"""Changes of a problem that leave its answer the same, or change it in a known way: for every backend."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from strategies import cases, vector
from support.backends import OBJECTIVES, TAKE_SCALARS, proves

from solvers import Proof, SubsetSum, UnsupportedProblemError, solve
from solvers.backend.protocol import Limits
from solvers.backend.registry import BACKENDS


def test_those_that_prove_say_so():
    assert all(proves(BACKENDS[name]) for name in ["mitm", "schroeppel-shamir", "mitm-nd", "dp", "cp-sat"])
    assert not any(proves(BACKENDS[name]) for name in ["highs", "pulp", "lns", "k-tree"])


def permuted(problem, order):
    return SubsetSum(
        [problem.items[i] for i in order],
        problem.target,
        tolerance=problem.tolerance,
        cardinality=problem.cardinality,
    )


def scaled(problem, factor):
    """Multiply everything exactly; a negative factor negates items and target."""
    items = [tuple(x * factor for x in vector(item)) for item in problem.items]
    target = tuple(x * factor for x in vector(problem.target))
    scalar = problem.d == 1 and not isinstance(problem.target, tuple)
    return SubsetSum(
        [x[0] for x in items] if scalar else items,
        target[0] if scalar else target,
        tolerance=None if problem.tolerance is None else problem.tolerance * abs(factor),
        cardinality=problem.cardinality,
    )


def without(problem, chosen):
    """Take one item out and its value off the target: what is left to do once the item is chosen."""
    rest = [item for i, item in enumerate(problem.items) if i != chosen]
    step, goal = vector(problem.items[chosen]), vector(problem.target)
    target = tuple(t - x for t, x in zip(goal, step, strict=True))
    scalar = not isinstance(problem.target, tuple)
    sizes = None
    if problem.cardinality is not None:
        sizes = (max(0, problem.cardinality[0] - 1), problem.cardinality[1] - 1)
    return SubsetSum(rest, target[0] if scalar else target, tolerance=problem.tolerance, cardinality=sizes)


def claims(solution, objective):
    """Return what must not change: which subset is shown may."""
    if objective == "within":
        return solution.status, solution.proof
    return solution.status, solution.proof, solution.error, solution.lower_bound, solution.size_bound


def answer(problem, objective, backend):
    try:
        return solve(problem, objective=objective, backend=backend, threads=1)
    except UnsupportedProblemError:
        return reject()


def ran(backend, check):
    """Run a check; one that a backend refuses to answer all examples of is skipped."""
    try:
        check()
    except Unsatisfiable:
        assert backend not in TAKE_SCALARS
        pytest.skip(f"{backend} refuses all of these")


def examples(backend, number):
    return settings(
        max_examples=number if backend != "cp-sat" else number // 4,
        deadline=None,
        suppress_health_check=[HealthCheck.filter_too_much],
    )


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_the_order_of_the_items_does_not_matter(proving_backend, objective):
    @examples(proving_backend, 24)
    @given(cases(max_items=9, tolerance="always"), st.randoms(use_true_random=False))
    def check(case, random):
        first = answer(case.problem, objective, proving_backend)
        order = list(range(case.problem.n))
        random.shuffle(order)
        second = answer(permuted(case.problem, order), objective, proving_backend)
        assert claims(first, objective) == claims(second, objective)

    ran(proving_backend, check)


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scaling_scales_and_negating_changes_nothing(proving_backend, objective):
    factors = st.sampled_from([-1, 2**70, Fraction(1, 2**70), -(2**20), 3, Fraction(-1, 7)])

    @examples(proving_backend, 24)
    @given(cases(max_items=9, tolerance="always"), factors)
    def check(case, factor):
        first = answer(case.problem, objective, proving_backend)
        second = answer(scaled(case.problem, factor), objective, proving_backend)
        assert first.status is second.status
        assert (first.error is None) == (second.error is None)
        if objective != "within":
            assert first.error is None or second.error == abs(factor) * first.error
            assert second.lower_bound == abs(factor) * first.lower_bound
            assert second.size_bound == first.size_bound

    ran(proving_backend, check)


@pytest.mark.thinned
def test_choosing_an_item_of_the_answer_beforehand_leaves_the_same_error(proving_backend):
    @examples(proving_backend, 24)
    @given(cases(max_items=9, dimensions=(1, 2), tolerance="no"))
    def check(case):
        first = answer(case.problem, "nearest", proving_backend)
        assume(case.problem.n > 1 and len(first.subset) > 0)
        second = answer(without(case.problem, int(first.subset[0])), "nearest", proving_backend)
        assert second.error == first.error

    ran(proving_backend, check)


def test_an_item_more_can_only_help(proving_backend):
    backend = BACKENDS[proving_backend]
    example = SubsetSum(np.random.default_rng(3).uniform(-1, 1, 26).tolist(), 0.5)
    seconds = backend.seconds_to_proof(example, "nearest")
    if seconds is None or seconds > 0.02 or backend.refusal(example, "nearest", Limits()) is not None:
        pytest.skip(f"26 items are too many for {proving_backend}")
    rng = np.random.default_rng(3)
    for _ in range(10):
        items = rng.uniform(-1, 1, 26).tolist()
        target = float(rng.uniform(-2, 2))
        fewer, more = (solve(SubsetSum(items[:n], target), backend=proving_backend) for n in (25, 26))
        assert more.error <= fewer.error
        assert fewer.proof is more.proof is Proof.EXACT


@pytest.mark.parametrize("kind", ["float", "product", "integer"])
@pytest.mark.parametrize("cardinality", [None, (9, 12)])
def test_methods_that_share_little_agree_beyond_brute_force(kind, cardinality):
    rng = np.random.default_rng(len(kind))
    n = 26
    items = {
        "float": lambda: rng.uniform(-1, 1, n).tolist(),
        "product": lambda: [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()],
        "integer": lambda: [int(x) for x in rng.integers(-5000, 5000, n)],
    }[kind]()
    target = Fraction(1, 3) if kind != "integer" else 12345
    tolerance = Fraction(1, 10**4) if kind != "integer" else 2
    problem = SubsetSum(items, target, tolerance=tolerance, cardinality=cardinality)
    vectors = SubsetSum([(x,) for x in items], (target,), tolerance=tolerance, cardinality=cardinality)
    for objective in OBJECTIVES:
        found = [solve(problem, objective=objective, backend=b) for b in ("mitm", "schroeppel-shamir")]
        found.append(solve(vectors, objective=objective, backend="mitm-nd"))
        if kind == "integer":
            found.append(solve(problem, objective=objective, backend="dp"))
        assert len({claims(solution, objective) for solution in found}) == 1

"""Every backend, every objective, every kind of instance: exactly what brute force says."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import Case, cases, contradiction, false_claim
from support.backends import OBJECTIVES, TAKE_EVERYTHING, TAKE_SCALARS, TAKE_VECTORS

from solvers import SubsetSum, UnsupportedProblemError, solve

# Proving backends prove what they say in integers. Floating-point solvers and anytime searches may honestly
# stop short of that; but what they claim has to be true.
EXAMPLES = {"mitm": 150, "schroeppel-shamir": 80, "mitm-nd": 80, "cp-sat": 40}
OTHERS = 60
CLAIMS = {"highs": 50, "lns": 40, "k-tree": 40}
OTHER_CLAIMS = (
    16  # of those that prove, which are under stricter tests, and of CBC, which is a process each time
)


def answer(case, **options):
    """Solve, or return None where the backend says by itself that it cannot."""
    try:
        return solve(case.problem, threads=1, **options)
    except UnsupportedProblemError:
        return None


@pytest.mark.thinned
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_scalar_problems(proving_backend, objective):
    @settings(max_examples=EXAMPLES.get(proving_backend, OTHERS), deadline=None)
    @given(cases(tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        solution = answer(case, objective=objective, backend=proving_backend)
        if solution is None:
            assert proving_backend not in TAKE_SCALARS
        else:
            assert contradiction(case, objective, solution) is None

    check()


@pytest.mark.thinned
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_vector_problems(proving_backend, objective):
    @settings(max_examples=EXAMPLES.get(proving_backend, OTHERS) // 2, deadline=None)
    @given(cases(max_items=7, dimensions=(2, 3), tolerance="maybe" if objective == "nearest" else "always"))
    def check(case):
        solution = answer(case, objective=objective, backend=proving_backend)
        if solution is None:
            assert proving_backend not in TAKE_VECTORS
        else:
            assert contradiction(case, objective, solution) is None

    check()


@pytest.mark.thinned
@settings(max_examples=4, deadline=None)
@given(case=cases(max_items=16, tolerance="always"))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_up_to_16_items(proving_backend, objective, case):
    solution = answer(case, objective=objective, backend=proving_backend)
    assert solution is None or contradiction(case, objective, solution) is None


@pytest.mark.thinned
@pytest.mark.parametrize("dimensions", [(1,), (2, 3)], ids=["scalars", "vectors"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_is_claimed_that_is_not_so(backend, objective, dimensions):
    tolerance = "maybe" if objective == "nearest" else "always"

    @settings(max_examples=CLAIMS.get(backend, OTHER_CLAIMS) // len(dimensions), deadline=None)
    @given(cases(max_items=8 if dimensions == (1,) else 6, dimensions=dimensions, tolerance=tolerance))
    def check(case):
        solution = answer(case, objective=objective, backend=backend)
        if solution is None:
            assert backend not in TAKE_EVERYTHING
        else:
            assert false_claim(case, objective, solution) is None

    check()


@settings(max_examples=20, deadline=None)
@given(cases(max_items=6, dimensions=(1, 2), tolerance="always") | cases(max_items=16, tolerance="always"))
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_auto_answers_everything(objective, case):
    assert contradiction(case, objective, solve(case.problem, objective=objective, threads=1)) is None


# Instances that once were, or easily could be, answered wrongly.
HARD_CASES = {
    "one item taken": Case([3], 3, 0),
    "one item left": Case([3], 0, 0),
    "one item, forced": Case([3], 0, 1, 1),
    "all zeros": Case([0, 0, 0], 0, 0, 2),
    "all zeros, unreachable": Case([0, 0, 0], 5, 1),
    "everything cancels": Case([1.0, -1.0, 1e300, -1e300], 0, 0, 4),
    "tie above and below": Case([4, 6], 5, 1),
    "target between two floats": Case([1e16, 1.0, -1e16], 1, 0, 3),
    "subnormals": Case([5e-324, 1e-323, 1.5e-323], 2e-323, 0, 2),
    "subnormal target": Case([1.0, -1.0, 0.5], 5e-324, 5e-324),
    "subnormal tolerance": Case([1.0, -1.0, 0.5], 1e-323, 5e-324),
    "decided below the 61-bit grid": Case([2**90, 2**90 + 1, 2**90 + 2, 2**90 + 3], 2**91 + 4, 0),
    "decided far below the grid": Case([2**500 + 1, 2**500, -(2**500), 2], 3, 0),
    "largest floats": Case([1.7e308, 1.1e308, 1.0, 3.5], -1e308, 0),
    "sum beyond float64": Case([1.7e308] * 6, 6 * int(1.7e308), 0),
    "no acceptable subset is sparse": Case([1] * 9, 9, 0),
    "sparsest prefers fewer over nearer": Case([10, 5, 5.25], 10.25, 0.25),
    "sparsest breaks ties by error": Case([10, 10.25, 9.75], 10.125, 0.5),
    "the empty subset": Case([7, 8], 0, 0),
    "no items allowed": Case([7, 8], 7, 7, 0),
    "thirds": Case([Fraction(1, 3), Fraction(1, 7), Fraction(-1, 11)], Fraction(10, 21), 0),
    "objectives beyond 2^53 that differ by one": Case(
        [[-(2**52)] * 3, [-(2**52)] * 3, [1 - 2**52, 2**52, 1 - 2**52], [2**52, 1 - 2**52, 2**52]],
        (20266198323167231,) * 3,
        0,
    ),
    "tolerance met by nothing, by 2^-200": Case([3], 2, 1 - Fraction(1, 2**200)),
}


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("name", HARD_CASES)
def test_hard_cases(name, objective, proving_backend):
    case = HARD_CASES[name]
    solution = answer(case, objective=objective, backend=proving_backend)
    if solution is None:
        assert proving_backend not in (TAKE_SCALARS if case.problem.d == 1 else TAKE_VECTORS)
        return
    assert contradiction(case, objective, solution) is None


def test_something_is_answered(proving_backend):
    answers = [
        answer(case, objective=objective, backend=proving_backend)
        for case in HARD_CASES.values()
        for objective in OBJECTIVES
    ]
    assert any(solution is not None for solution in answers)


# -- beyond brute force ------------------------------------------------------------------------------


def uniform_problems():
    rng = np.random.default_rng(11)
    for n, cardinality, tolerance in ((18, None, 1e-4), (20, (3, 9), 1e-5), (24, None, 0)):
        numbers = [int(x) for x in rng.integers(-(2**30), 2**30, n)]
        yield SubsetSum(
            numbers,
            int(rng.integers(-(2**30), 2**30)),
            tolerance=int(tolerance * 2**30),
            cardinality=cardinality,
        )


@pytest.mark.thinned
@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("problem", list(uniform_problems()), ids=repr)
def test_two_methods_that_share_nothing_agree(problem, objective):
    first, second = (
        solve(problem, objective=objective, backend=backend, threads=2) for backend in ("mitm", "cp-sat")
    )
    assert first.status is second.status
    assert first.size_bound == second.size_bound
    if objective == "nearest" or (objective == "sparsest" and first.status.name == "OPTIMAL"):
        assert (first.error, first.lower_bound) == (second.error, second.lower_bound)


@pytest.mark.parametrize("n", [30, 40])
@pytest.mark.parametrize("kind", ["float", "integer", "product"])
def test_planted_solutions_are_found(n, kind):
    rng = np.random.default_rng(n)
    items = {
        "float": lambda: rng.uniform(-1, 1, n).tolist(),
        "integer": lambda: [int(x) for x in rng.integers(-(2**62), 2**62, n)],
        "product": lambda: [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()],
    }[kind]()
    planted = rng.random(n) < 0.5
    target = sum((Fraction(x) for x, taken in zip(items, planted, strict=True) if taken), Fraction(0))
    solution = solve(SubsetSum(items, target, tolerance=0), backend="mitm")
    assert solution.status.name == "OPTIMAL"
    assert solution.error == 0
    within = solve(SubsetSum(items, target, tolerance=0), objective="within", backend="mitm")
    assert within.error == 0

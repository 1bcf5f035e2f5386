"""Restricted problems to test with, the subsets that they accept, and how answers compare with these."""

import json
import random
from fractions import Fraction

from solvers import (
    InvalidProblemError,
    Proof,
    Solution,
    Status,
    SubsetSum,
    UnsupportedProblemError,
    count,
    count_bounds,
    solutions,
    solve,
)
from solvers.solution import Stop

NUMBERS = {
    "integers": lambda r: r.randint(-9, 9),
    "floats": lambda r: r.uniform(-1, 1),
    "fractions": lambda r: Fraction(r.randint(-20, 20), r.choice([3, 7, 4])),
    "few": lambda r: r.randint(0, 3),
    "mixed": lambda r: r.choice([1e-3, 1e3, 1, 3, 2**70, 1e-300, 0.0]),
}


def drawn(seed):
    """Return a problem, its items as fractions, each coordinate's interval; None for a senseless one."""
    r = random.Random(seed)  # noqa: S311 - no secrets
    flat, n = r.random() < 0.5, r.randint(1, 7)
    d = 1 if flat else r.choice([1, 2, 2, 3])
    number = NUMBERS[r.choice(list(NUMBERS))]
    items = [[number(r) for _ in range(d)] for _ in range(n)]
    exact = [[Fraction(x) for x in row] for row in items]
    hit = [i for i in range(n) if r.random() < 0.5]
    off = r.choice([0, Fraction(1, 7), Fraction(-1, 3), 2])
    goal = [sum((exact[i][k] for i in hit), Fraction(off)) for k in range(d)]
    places = r.sample(range(n), n)
    a, b = r.choice([0, 0, 1, 2]), r.choice([0, 0, 1, 2])
    options = {"required": places[:a], "forbidden": places[a : a + b]}
    if r.random() < 0.4:
        low = r.randint(0, n)
        options["cardinality"] = (low, r.randint(low, n))
    options["tolerance"] = r.choice([None, 0, Fraction(1, 2), 1, 3])
    given = [row[0] for row in items] if flat else items

    def as_target(numbers):
        return numbers[0] if flat else numbers

    try:
        if r.random() < 0.3:
            low = [t - Fraction(1, 5) for t in goal]
            high = [t + Fraction(r.randint(0, 4), r.choice([1, 3])) for t in goal]
            return SubsetSum.between(given, as_target(low), as_target(high), **options), exact, (low, high)
        if r.random() < 0.6:
            options["side"] = r.choice(["below", "above"])
        if not flat and r.random() < 0.4:
            options["tolerance"] = [r.choice([0, Fraction(1, 3), 1, 3]) for _ in range(d)]
        return SubsetSum(given, as_target(goal), **options), exact, (goal, goal)
    except InvalidProblemError:
        return None


def acceptable(problem, exact, goal):
    """Return (error, size, subset) of every subset that the words of the documentation accept."""
    found = []
    limits = problem.tolerances or (problem.tolerance,) * problem.d
    for mask in range(1 << problem.n):
        subset = [i for i in range(problem.n) if mask >> i & 1]
        sums = [sum((exact[i][k] for i in subset), Fraction(0)) for k in range(problem.d)]
        errors = [max(low - s, s - high, Fraction(0)) for s, low, high in zip(sums, *goal, strict=True)]
        if (
            problem.sizes[0] <= len(subset) <= problem.sizes[1]
            and set(problem.required) <= set(subset)
            and not set(problem.forbidden) & set(subset)
            and not (problem.side == "below" and any(s > t for s, t in zip(sums, goal[0], strict=True)))
            and not (problem.side == "above" and any(s < t for s, t in zip(sums, goal[0], strict=True)))
            and all(limit is None or e <= limit for e, limit in zip(errors, limits, strict=True))
        ):
            found.append((max(errors), len(subset), subset))
    return found


def check_solve(case, backend="auto"):
    problem, exact, goal = case
    truth = acceptable(problem, exact, goal)
    for objective in ["nearest"] if problem.tolerance is None else ["nearest", "within", "sparsest"]:
        answer = solve(problem, objective=objective, backend=backend)
        Solution.from_json(json.loads(json.dumps(answer.to_json()))).check(problem)
        assert answer.proof is Proof.EXACT
        assert answer.stop is Stop.PROVEN
        if not truth:
            assert answer.status is Status.INFEASIBLE
            continue
        assert answer.subset.tolist() in [subset for _, _, subset in truth]
        best = {
            "nearest": min(error for error, _, _ in truth),
            "within": answer.error,
            "sparsest": min((size, error) for error, size, _ in truth)[1],
        }[objective]
        assert (answer.status, answer.error) == (
            Status.FEASIBLE if objective == "within" else Status.OPTIMAL,
            best,
        )
        if objective == "sparsest":
            assert answer.size == min(size for _, size, _ in truth)


def check_lists(case):
    problem, exact, goal = case
    truth = acceptable(problem, exact, goal)
    if problem.tolerance is not None:
        assert count(problem) == len(truth)
        low, high = count_bounds(problem)
        assert low <= len(truth) <= high
    limit = None if problem.tolerance is not None else 1 << problem.n
    try:
        listed = list(solutions(problem, limit=limit))
    except UnsupportedProblemError as reason:
        assert "several widths" in str(reason)  # noqa: PT017 - it need not come
        return
    for answer in listed:
        answer.check(problem)
        assert (answer.status is Status.OPTIMAL) == (answer.error == listed[0].error)
    assert [answer.error for answer in listed] == sorted(error for error, _, _ in truth)
    assert sorted(answer.subset.tolist() for answer in listed) == sorted(s for _, _, s in truth)
    distinct = [answer.total for answer in solutions(problem, limit=limit, distinct=True)]
    assert len(distinct) == len(set(distinct))
    assert set(distinct) == {answer.total for answer in listed}
    if listed and limit is not None:
        assert [answer.error for answer in solutions(problem, limit=2)] == [a.error for a in listed[:2]]

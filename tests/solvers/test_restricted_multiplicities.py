"""Restrictions of problems whose items may be used several times, against all vectors of counts."""

import random
from collections import Counter
from fractions import Fraction
from itertools import product

from solvers import (
    InvalidProblemError,
    Status,
    SubsetSum,
    UnsupportedProblemError,
    count,
    count_bounds,
    sample,
    solutions,
    solve,
)

NUMBERS = [lambda r: r.randint(-5, 7), lambda r: r.uniform(-1, 1), lambda r: Fraction(r.randint(-9, 9), 4)]


def drawn(seed):
    """Return a problem and (error, size, counts) of all that it accepts; None for a senseless one."""
    r = random.Random(seed)  # noqa: S311 - no secrets
    flat, n = r.random() < 0.7, r.randint(1, 5)
    d, number = 1 if flat else 2, r.choice(NUMBERS)
    items = [[number(r) for _ in range(d)] for _ in range(n)]
    uses = [r.randint(0, 3) for _ in range(n)]
    hit, off = [r.randint(0, m) for m in uses], r.choice([0, Fraction(1, 7), 2, -1])
    goal = [sum((Fraction(items[i][k]) * hit[i] for i in range(n)), Fraction(off)) for k in range(d)]
    places, a, b = r.sample(range(n), n), r.choice([0, 1]), r.choice([0, 1])
    options = {"multiplicity": uses, "required": places[:a], "forbidden": places[a : a + b]}
    options["tolerance"] = r.choice([None, 0, 1, Fraction(5, 2)])
    if r.random() < 0.4:
        low = r.randint(0, 4)
        options["cardinality"] = (low, low + r.randint(0, 4))
    lows, highs, given = goal, goal, [row[0] for row in items] if flat else items

    def as_target(numbers):
        return numbers[0] if flat else numbers

    try:
        if r.random() < 0.3:
            lows, highs = [t - Fraction(1, 5) for t in goal], [t + r.randint(0, 2) for t in goal]
            problem = SubsetSum.between(given, as_target(lows), as_target(highs), **options)
        else:
            options["side"] = r.choice(["both", "below", "above"])
            if not flat and r.random() < 0.3:
                options["tolerance"] = [r.choice([0, 1, 2]) for _ in range(2)]
            problem = SubsetSum(given, as_target(goal), **options)
    except InvalidProblemError:
        return None
    limits = problem.tolerances or (problem.tolerance,) * d
    accepted = []
    for counts in product(*(range(m + 1) for m in uses)):
        sums = [sum((Fraction(items[i][k]) * counts[i] for i in range(n)), Fraction(0)) for k in range(d)]
        errors = [max(low - s, s - high, Fraction(0)) for s, low, high in zip(sums, lows, highs, strict=True)]
        if (
            problem.sizes[0] <= sum(counts) <= problem.sizes[1]
            and all(counts[i] for i in problem.required)
            and not any(counts[i] for i in problem.forbidden)
            and not (problem.side == "below" and any(s > t for s, t in zip(sums, goal, strict=True)))
            and not (problem.side == "above" and any(s < t for s, t in zip(sums, goal, strict=True)))
            and all(m is None or e <= m for e, m in zip(errors, limits, strict=True))
        ):
            accepted.append((max(errors), sum(counts), counts))
    return problem, accepted


def test_answers_are_those_of_all_counts():
    for seed in range(30):
        if (case := drawn(seed)) is None:
            continue
        problem, truth = case
        for objective in ["nearest"] if problem.tolerance is None else ["nearest", "within", "sparsest"]:
            answer = solve(problem, objective=objective)
            answer.check(problem)
            if not truth:
                assert answer.status is Status.INFEASIBLE
            elif objective == "nearest":
                assert (answer.status, answer.error) == (Status.OPTIMAL, min(truth)[0])
            elif objective == "within":
                assert answer.status is Status.FEASIBLE
            else:
                best = min((size, error) for error, size, _ in truth)
                assert (answer.status, answer.size, answer.error) == (Status.OPTIMAL, *best)


def test_counts_lists_and_samples_are_those_of_all_counts():
    for seed in range(60):
        case = drawn(seed)
        if case is None or case[0].tolerance is None:
            continue
        problem, truth = case
        assert count(problem) == len(truth)
        low, high = count_bounds(problem)
        assert low <= len(truth) <= high
        if 0 < len(truth) < 30:
            seen = Counter(tuple(a.subset.tolist()) for a in sample(problem, 20 * len(truth), 1))
            assert len(seen) == len(truth)
        try:
            assert [a.error for a in solutions(problem)] == sorted(error for error, _, _ in truth)
        except UnsupportedProblemError as reason:
            assert "several widths" in str(reason)  # noqa: PT017 - it need not come

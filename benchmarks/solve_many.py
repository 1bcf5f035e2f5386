"""Proven-nearest subset sums, a row at a time: this package, a ten-line numpy Horowitz-Sahni, and CP-SAT.

One process, one core, rows of n items U[-1, 1] and targets U[-1/2, 1/2]. Run it with

    python benchmarks/solve_many.py [--n 21] [--rows 20000]
"""

import argparse
import statistics
from time import perf_counter

import numpy as np

from solvers import SubsetSum, solve, solve_many


def ten_line_horowitz_sahni(items, target):
    halves = []
    for half in (items[: len(items) // 2], items[len(items) // 2 :]):
        sums = np.zeros(1)
        for item in half:
            sums = np.concatenate([sums, sums + item])
        halves.append(np.sort(sums))
    left, right = halves
    places = np.searchsorted(right, target - left)
    nearby = np.stack([right[np.clip(places - k, 0, len(right) - 1)] for k in (0, 1)])
    return float(np.abs(left + nearby - target).min())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=21)
    parser.add_argument("--rows", type=int, default=20_000)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    items = rng.uniform(-1, 1, (arguments.rows, arguments.n))
    targets = rng.uniform(-0.5, 0.5, arguments.rows)

    start = perf_counter()
    solve_many(items[:1], targets[:1], threads=1)
    first_call = perf_counter() - start
    times = []
    for _ in range(3):
        start = perf_counter()
        batch = solve_many(items, targets, threads=1)
        times.append((perf_counter() - start) / arguments.rows)
    ours = statistics.median(times)

    few = min(300, arguments.rows)
    start = perf_counter()
    plain = [ten_line_horowitz_sahni(items[r], targets[r]) for r in range(few)]
    numpy_time = (perf_counter() - start) / few
    agree = np.isclose(plain, batch.errors[:few], rtol=1e-6, atol=1e-12).sum()

    cp_sat_times = []
    for row in range(min(5, arguments.rows)):
        start = perf_counter()
        answer = solve(SubsetSum(items[row], targets[row]), backend="cp-sat", threads=1)
        cp_sat_times.append(perf_counter() - start)
        assert float(answer.error) <= batch.errors[row]  # noqa: S101
    cp_sat_time = statistics.median(cp_sat_times)

    batch.check(items, targets)
    print(f"n = {arguments.n}, {arguments.rows} rows, one core; every row checked in exact arithmetic")
    print(f"first call, from the cache or compiled: {first_call:.2f} s")
    for name, seconds in (
        ("solve_many", ours),
        ("ten-line numpy (no subset, not exact)", numpy_time),
        ("CP-SAT, proven", cp_sat_time),
    ):
        print(f"{name:40}{seconds * 1e6:12.1f} us a row {seconds / ours:12.1f} x")
    print(f"numpy agrees on {agree} of {few} rows")


if __name__ == "__main__":
    main()

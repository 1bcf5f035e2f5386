"""Subset sums a row at a time on one core: this package, the same in C, ten lines of numpy, and CP-SAT.

Rows of n items U[-1, 1] and targets U[-1/2, 1/2]. Times are processor times, best of several runs. Run with

    python benchmarks/solve_many.py [--rows 20000]
"""

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

from solvers import SubsetSum, solve, solve_many

SIZES = (12, 14, 16, 18, 20, 21, 22, 24, 26, 28, 30, 32)
IN_C = Path(__file__).parent / "nearest_rows.c"


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


def microseconds(items, targets, runs=3, **options):
    """Return (processor time a row, answers)."""
    times = []
    for _ in range(runs):
        start = process_time()
        batch = solve_many(items, targets, threads=1, **options)
        times.append(process_time() - start)
    return min(times) / len(targets) * 1e6, batch


def microseconds_in_c(program, items, targets):
    """Return (processor time a row, masks)."""
    shape = np.array(items.shape[::-1], np.int64)
    question = b"".join(part.tobytes() for part in (shape, items, targets))
    done = subprocess.run([program], input=question, capture_output=True, check=True)  # noqa: S603 - our own
    return float(done.stderr) / len(targets) * 1e6, np.frombuffer(done.stdout, np.uint64)


def compiled_in_c(folder):
    compiler = shutil.which("cc")
    if compiler is None:
        return None
    program = str(Path(folder) / "nearest_rows")
    command = [compiler, "-O3", "-march=native", "-o", program, str(IN_C), "-lm"]
    subprocess.run(command, check=True)  # noqa: S603 - our own
    return program


def table(program, most):
    print("microseconds a row and core; the product rows' items have up to 106 bits\n")
    names = ("nearest", "in C", "product", "within .01", "sparsest .01", "sparsest 1e-4")
    print("  n    rows" + "".join(f"{name:>15}" for name in names))
    for n in SIZES:
        rng = np.random.default_rng(n)
        rows = max(30, min(most, int(3e7 / 2 ** (n / 2))))
        items, targets = rng.uniform(-1, 1, (rows, n)), rng.uniform(-0.5, 0.5, rows)
        times, batch = microseconds(items, targets)
        shown = [times, float("nan")]
        if program is not None:
            shown[1], in_c = microseconds_in_c(program, items, targets)
            ours = (batch.masks.astype(np.uint64) << np.arange(n, dtype=np.uint64)).sum(axis=1)
            solved = in_c != np.uint64(2**64 - 1)  # of equally near subsets both take the first
            assert np.array_equal(ours[solved], in_c[solved])  # noqa: S101
        shown.append(microseconds(items * rng.uniform(-1, 1, items.shape), targets)[0])
        shown += [
            microseconds(items, targets, objective=objective, tolerance=tolerance)[0]
            for objective, tolerance in (("within", 0.01), ("sparsest", 0.01), ("sparsest", 1e-4))
        ]
        print(f"{n:3}{rows:8}" + "".join(f"{time:15.2f}" for time in shown), flush=True)


def others(n, rows):
    rng = np.random.default_rng(0)
    items, targets = rng.uniform(-1, 1, (rows, n)), rng.uniform(-0.5, 0.5, rows)
    ours, batch = microseconds(items, targets)
    few = min(300, rows)
    start = process_time()
    plain = [ten_line_horowitz_sahni(items[row], targets[row]) for row in range(few)]
    numpy_time = (process_time() - start) / few * 1e6
    agree = np.isclose(plain, batch.errors[:few], rtol=1e-6, atol=1e-12).sum()
    cp_sat_times = []
    for row in range(min(5, rows)):
        start = process_time()
        answer = solve(SubsetSum(items[row], targets[row]), backend="cp-sat", threads=1)
        cp_sat_times.append(process_time() - start)
        assert float(answer.error) <= batch.errors[row]  # noqa: S101
    batch.check(items, targets)
    print(f"\nn = {n}, {rows} rows, every one checked in exact arithmetic; numpy agrees on {agree} of {few}")
    for name, time in (
        ("solve_many", ours),
        ("ten-line numpy (no subset, not exact)", numpy_time),
        ("CP-SAT, proven", float(np.median(cp_sat_times)) * 1e6),
    ):
        print(f"{name:40}{time:14.1f} us a row {time / ours:12.1f} x")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    most = parser.parse_args().rows
    start = perf_counter()
    solve_many(np.ones((1, 2)), np.ones(1), threads=1)
    print(f"first call, from the cache or compiled: {perf_counter() - start:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        table(compiled_in_c(folder), most)
    others(21, most)


if __name__ == "__main__":
    main()

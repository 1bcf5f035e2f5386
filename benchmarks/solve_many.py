"""Subset sums a row at a time on one core: this package, the same in C, ten lines of numpy, and CP-SAT.

Rows of n items U[-1, 1] and targets U[-1/2, 1/2]. Times are processor times, best of several runs. Run with

    python benchmarks/solve_many.py [--rows 20000]

and, for what processes and Dask take more than threads, where the client has a core to spare, with

    python benchmarks/solve_many.py --overhead [--workers 1]
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

# Python puts the folder of a script first on its path. There solvers.py would hide the package of that name.
FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER)]

from solvers import SubsetSum, solve, solve_many  # noqa: E402

SIZES = (12, 14, 16, 18, 20, 21, 22, 24, 26, 28, 30, 32)
IN_C = FOLDER / "nearest_rows.c"


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


def questions(folder):
    """Yield (name, rows, arguments) of what workers are sent: numbers, or places in files."""
    for n, rows in ((21, 400_000), (30, 20_000)):
        rng = np.random.default_rng(n)
        items, targets = rng.uniform(-1, 1, (rows, n)), rng.uniform(-0.5, 0.5, rows)
        yield f"n = {n}, in memory", rows, (items, targets)
        mapped = []
        for name, array in (("items", items), ("targets", targets)):
            np.save(Path(folder) / f"{name}{n}.npy", array)
            mapped.append(np.load(Path(folder) / f"{name}{n}.npy", mmap_mode="r"))
        yield f"n = {n}, mapped", rows, tuple(mapped)
    rng, shape = np.random.default_rng(2), (5000, 16, 2)
    yield "n = 16, two dimensions", 5000, (rng.uniform(-1, 1, shape), rng.uniform(-0.5, 0.5, (5000, 2)))


def overhead(workers, runs=7):
    """Print wall-clock seconds on executors of single-threaded workers, against as many threads here.

    Overhead is the seconds that they take longer, over the seconds of the threads; minima of runs in turn.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from distributed import Client, LocalCluster

    print(f"{workers} workers; seconds, best of {runs}\n")
    print("| rows | threads | processes | more | Dask | more |\n|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as folder,
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as processes,
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        ways = ({"threads": workers}, {"executor": processes}, {"executor": client.get_executor()})
        for name, rows, question in questions(folder):
            seconds = np.full((runs, len(ways)), np.inf)
            masks = [solve_many(*question, **way).masks for way in ways]
            assert all(np.array_equal(masks[0], other) for other in masks)  # noqa: S101
            for run in range(runs):
                for k, way in enumerate(ways):
                    start = perf_counter()
                    solve_many(*question, **way)
                    seconds[run, k] = perf_counter() - start
            here, *there = seconds.min(axis=0)
            shown = " | ".join(f"{time:.3f} | {time / here - 1:+.1%}" for time in there)
            print(f"| {rows:,} of {name} | {here:.3f} | {shown} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--overhead", action="store_true", help="measure executors instead")
    parser.add_argument("--workers", type=int, default=1, help="for --overhead")
    arguments = parser.parse_args()
    if arguments.overhead:
        overhead(arguments.workers)
        return
    most = arguments.rows
    start = perf_counter()
    solve_many(np.ones((1, 2)), np.ones(1), threads=1)
    print(f"first call, from the cache or compiled: {perf_counter() - start:.2f} s")
    with tempfile.TemporaryDirectory() as folder:
        table(compiled_in_c(folder), most)
    others(21, most)


if __name__ == "__main__":
    main()

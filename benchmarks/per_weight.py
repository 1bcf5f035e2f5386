"""The job of the paper's first experiment: a nearest subset sum for each weight of a 784-500-10 network.

397,000 rows of n items U[-1, 1] of their own, targets U[-1/2, 1/2]: rate and peak memory in one process, cold
and warm, on 1 and 2 threads; n = 12 to 30; the same rows, as many as there is time for, by CP-SAT, HiGHS, CBC
and a ten-line numpy Horowitz-Sahni; and what the paper's job costs at each rate. Run it, on an otherwise idle
machine, with

    python benchmarks/per_weight.py [--n 21] [--rows 397000] [--sample 20] [--seconds 60] [--budget 100]

It takes some ten minutes. Every row's answer is checked in exact arithmetic, and so is every answer of the
other programs, whose times are medians.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

# Python puts the folder of a script first on its path. There solvers.py would hide the package of that name.
FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER)]

from solvers import solve_many  # noqa: E402

WEIGHTS = 784 * 500 + 500 * 10
PAPER_HOURS, PAPER_CORES = 21.5, 36
EPSILON = 0.01
RUNS = 5
FIRST_CALL = """
from time import perf_counter
import numpy as np
start = perf_counter()
from solvers import solve_many
solve_many(np.linspace(-1, 1, 21)[None], [0.3], threads=1)
print(perf_counter() - start)
"""


def rows_of(rows, n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (rows, n)), rng.uniform(-0.5, 0.5, rows)


def timed(items, targets, clock=perf_counter, **options):
    start = clock()
    batch = solve_many(items, targets, **options)
    return batch, clock() - start


def best_of(runs, items, targets, **options):
    """Return the least processor seconds a row of one core."""
    return min(timed(items, targets, process_time, threads=1, **options)[1] for _ in range(runs)) / len(
        targets
    )


def peak_memory():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def first_call(environment):
    """Measure the first call of a fresh process, its imports included."""
    done = subprocess.run(  # noqa: S603 - this very script's own code
        [sys.executable, "-c", FIRST_CALL],
        env={**os.environ, "PYTHONPATH": str(FOLDER.parent), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)


def the_job(items, targets):
    """Solve all rows; return the seconds a row of one core."""
    rows = len(targets)
    before = peak_memory()
    solve_many(items[:1000], targets[:1000])
    results = {}
    print(f"\n{rows:,} rows of n = {items.shape[1]}, this process at {before:,.0f} MB with the rows in it")
    print(f"best of {RUNS} runs\n")
    print("| objective | threads | seconds | us a row and core | rows/s |\n|---|---|---|---|---|")
    for options in ({"objective": "nearest"}, {"objective": "within", "tolerance": EPSILON}):
        times = {1: [], 2: []}
        for _ in range(RUNS):  # in turn, so that what else the machine does hits both
            for threads, taken in times.items():
                batch, seconds = timed(items, targets, threads=threads, **options)
                taken.append(seconds)
                results[options["objective"], threads] = batch, min(taken)
        for threads, taken in times.items():
            seconds = min(taken)
            each = seconds * threads / rows * 1e6
            print(
                f"| {options['objective']} | {threads} | {seconds:.2f} | {each:.1f} | {rows / seconds:,.0f} |"
            )
        same = [results[options["objective"], t][0] for t in (1, 2)]
        assert all((getattr(same[0], a) == getattr(same[1], a)).all() for a in ("masks", "errors", "status"))  # noqa: S101
    batch = results["nearest", 2][0]
    print(f"\npeak memory {peak_memory():,.0f} MB; {batch.summary()}")
    return batch, results["nearest", 1][1] / rows


def sizes(largest):
    """Measure processor time for n = 12 to 30 on one core."""
    from benchmarks.peers import TEN_LINES

    print("\nprocessor time of one core, microseconds a row\n")
    print("| n | nearest | within 0.01 | ten-line numpy | ratio |\n|---|---|---|---|---|")
    for n in range(12, largest + 1, 3):
        rows = int(min(50_000, max(200, 2 ** (28 - n / 2) / 10)))
        items, targets = rows_of(rows, n, seed=n)
        nearest = best_of(RUNS, items, targets)
        within = best_of(RUNS, items, targets, objective="within", tolerance=EPSILON)
        each = []
        for row in range(min(300, rows)):
            start = process_time()
            TEN_LINES(items[row], targets[row], None)
            each.append(process_time() - start)
        plain = statistics.median(each)
        print(
            f"| {n} | {nearest * 1e6:.2f} | {within * 1e6:.2f} | {plain * 1e6:.0f} | {plain / nearest:.0f} |",
            flush=True,
        )


def two_pointers(items, target, seconds):  # noqa: ARG001 - all programs take the same arguments
    """Sort the sums of both halves and search with two pointers, like Horowitz and Sahni, in plain Python."""
    from benchmarks.peers import all_sums, bits_of

    middle = len(items) // 2
    halves = all_sums(items[:middle]), all_sums(items[middle:])
    orders = [np.argsort(half) for half in halves]
    left, right = (half[order].tolist() for half, order in zip(halves, orders, strict=True))
    target = float(target)
    best, i, j = (np.inf, 0, 0), 0, len(right) - 1
    while i < len(left) and j >= 0:
        difference = left[i] + right[j] - target
        if abs(difference) < best[0]:
            best = abs(difference), i, j
        if difference > 0:
            j -= 1
        else:
            i += 1
    return bits_of(orders[0][best[1]]) + bits_of(orders[1][best[2]], middle), True


def others(items, targets, batch, sample, seconds, budget):
    """Give other programs the first rows; yield (name, rows, median seconds a row)."""
    from benchmarks import peers

    programs = [
        (peers.TEN_LINES, 300),
        (peers.Peer("Horowitz-Sahni, two pointers in Python", two_pointers), 300),
        (peers.CP_SAT, sample),
        *((peer, max(1, sample // 4)) for peer in peers.MIP_SOLVERS if "gap 0" in peer.name),
    ]
    for peer, count in programs:
        if peer.missing:
            print(f"| {peer.name} | {peer.missing} | | | |")
            continue
        times, claimed, true = [], 0, 0
        for row in range(min(count, len(targets))):
            if sum(times) > budget:
                break
            start = perf_counter()
            subset, claim = peer(items[row], targets[row], seconds)
            times.append(perf_counter() - start)
            claimed += claim
            chosen = [] if subset is None else items[row, subset].tolist()
            error = abs(sum(map(Fraction, chosen), Fraction(0)) - Fraction(targets[row]))
            true += claim and error <= Fraction(batch.errors[row])
        yield peer.name, len(times), statistics.median(times), f"{true} of {claimed}"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=21)
    parser.add_argument("--rows", type=int, default=WEIGHTS)
    parser.add_argument("--sample", type=int, default=20, help="rows for CP-SAT; a quarter for the MIPs")
    parser.add_argument("--seconds", type=float, default=60.0, help="what these may take for a row")
    parser.add_argument("--budget", type=float, default=100.0, help="after which they begin no other row")
    parser.add_argument("--largest", type=int, default=30, help="the largest n of the table of sizes")
    arguments = parser.parse_args()

    items, targets = rows_of(arguments.rows, arguments.n)
    batch, ours = the_job(items, targets)
    with tempfile.TemporaryDirectory() as empty:
        cold = first_call({"NUMBA_CACHE_DIR": empty})
    warm = first_call({})
    print(f"first call of a process: {cold:.1f} s cold (compiling), {warm:.1f} s warm (from the cache)")
    start = perf_counter()
    batch.check(items, targets)
    print(f"all {len(batch):,} answers checked in exact arithmetic: {perf_counter() - start:.1f} s")
    sizes(arguments.largest)

    paper = PAPER_HOURS * PAPER_CORES
    print(
        f"\n| program, one core, n = {arguments.n} | rows | s a row | proven answers that are | times ours |"
    )
    print("|---|---|---|---|---|")
    print(f"| solve_many | {len(targets):,} | {ours:.3g} | all | 1 |")
    ratios = {}
    limits = arguments.sample, arguments.seconds, arguments.budget
    for name, rows, seconds, honest in others(items, targets, batch, *limits):
        ratios[name] = seconds / ours
        print(f"| {name} | {rows} | {seconds:.3g} | {honest} | {seconds / ours:,.0f} |", flush=True)
    print(
        f"\nthe paper: {PAPER_HOURS} h x {PAPER_CORES} cores = {paper:,.0f} core-hours for {WEIGHTS:,} rows, "
        f"{paper * 3600 / WEIGHTS:.1f} core-seconds a row (a commercial MIP solver)"
    )
    print(
        f"here: {WEIGHTS:,} rows x {ours * 1e6:.1f} us = {WEIGHTS * ours:.1f} core-seconds "
        f"= {WEIGHTS * ours / 3600:.5f} core-hours, {paper * 3600 / (WEIGHTS * ours):,.0f} times less"
    )
    for name, ratio in ratios.items():
        hours = WEIGHTS * ratio * ours / 3600
        print(f"{name}: {WEIGHTS:,} rows x {ratio * ours:.3g} s / 3600 = {hours:,.3f} core-hours")
    print(
        "\ntargets: at most 10 us a row nearest, 2 us within; 100,000 times CP-SAT; 40 times ten-line numpy"
    )


if __name__ == "__main__":
    main()

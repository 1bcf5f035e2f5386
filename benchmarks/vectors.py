"""Nearest vector subset sums at equal processor time: this package's searches, others, and mere counting.

Items are the random vectors of structured pruning: a normal number times d normal numbers, or (law "log 16")
a number log-uniform in [2^-16, 1], with a fair sign, times d normal ones. Targets are uniform in
[-1/2, 1/2]^d. "counting" is the error within which one of the 2^n subsets is to be expected, were their sums
normal. Shown are median max-norm errors. Run it with

    python benchmarks/vectors.py [--seconds 10] [--seeds 3] [--cases 9,200 72,5760,16] [--backends auto ..]

The searches of this package stop by the processor time of this process, one thread each. Other programs look
at the wall clock only: they are given as much more of that as the searches before them took, and the
processor seconds that each column took a solve are printed below the table. "auto ahead": on how many seeds
it comes nearer than all of them.
"""

import argparse
import math
import resource
import statistics
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER)]

from solvers import SubsetSum, UnsupportedProblemError, solve  # noqa: E402
from solvers.backend.protocol import Limits  # noqa: E402
from solvers.dispatch import solved  # noqa: E402

OUTSIDE = ("cp-sat", "highs", "pulp")
BACKENDS = ("greedy", "lns", "k-tree", "lattice", "annealing", "auto", *OUTSIDE)
TARGETS = {  # of 10 seconds
    (4, 60): None,
    (6, 200): 1.2e-3,
    (9, 200): 0.02,
    (9, 1000): 4e-3,
    (12, 200): 0.09,
    (18, 1000): 0.035,
    (36, 200): None,
    (36, 1000): 0.14,
    (72, 1000): 0.42,
    (72, 10_000): 0.07,
    (72, 5760, 16): 3e-4,
}


def instance(d, n, log=None, seed=0):
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], n)
    factors = rng.standard_normal(n) if log is None else signs * np.exp2(-rng.uniform(0, log, n))
    return SubsetSum(factors[:, None] * rng.standard_normal((n, d)), rng.uniform(-0.5, 0.5, d))


def counting(problem):
    """Return the error within which one subset is to be expected."""
    off = np.array(problem.target, float) - problem.items.sum(axis=0) / 2
    variances = (problem.items**2).sum(axis=0) / 4
    logs = -(off**2) / (2 * variances) - np.log(2 * math.pi * variances) / 2 + math.log(2)
    return math.exp(-(problem.n * math.log(2) + logs.sum()) / problem.d)


def processor_time():
    """Seconds of this process and of those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


class Clock:
    """Runs solves, and remembers by how much the wall clock is ahead of the processor's."""

    def __init__(self, seconds):
        self.seconds, self.ahead, self.used = seconds, 1.0, {}

    def error(self, problem, backend):
        """Return the error after the seconds; None where the backend refuses."""
        begun, wall = processor_time(), perf_counter()
        try:
            if backend in OUTSIDE:
                limit = self.seconds * self.ahead
                answer = solve(problem, backend=backend, time_limit=limit, threads=1)
            else:
                limits = Limits(seconds=self.seconds, threads=1, clock=process_time, started=process_time())
                answer = solved(problem, "nearest", backend, limits)
        except UnsupportedProblemError:
            return None
        seconds = processor_time() - begun
        if backend not in OUTSIDE and seconds > self.seconds / 2:
            self.ahead = max(1.0, (perf_counter() - wall) / seconds)
        self.used.setdefault(backend, []).append(seconds)
        return float(answer.error)


def row(case, backends, seeds, clock):
    problems = [instance(*case, seed=seed) for seed in range(seeds)]
    yield ", ".join(map(str, case[:2])) + (f", log {case[2]}" if len(case) > 2 else "")
    yield f"{statistics.median(float(max(map(abs, p.target))) for p in problems):.2g}"
    yield f"{statistics.median(map(counting, problems)):.1g}"
    found = {}
    for backend in backends:
        found[backend] = errors = [clock.error(problem, backend) for problem in problems]
        yield "-" if None in errors else f"{statistics.median(errors):.2g}"
    others = [found[backend] for backend in OUTSIDE if None not in found.get(backend, [None])]
    if "auto" in found and others:
        ahead = sum(own < min(theirs) for own, *theirs in zip(found["auto"], *others, strict=True))
        yield f"{ahead} of {seeds}"
    else:
        yield ""
    target = TARGETS.get(case)
    yield "" if target is None else f"{target:g}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cases", nargs="*", default=[",".join(map(str, case)) for case in TARGETS])
    parser.add_argument("--backends", nargs="*", default=list(BACKENDS))
    asked = parser.parse_args()
    for backend in asked.backends:  # compiles and loads the kernels
        for d in (2, 20):
            Clock(0.2).error(instance(d, 60), backend)
    names = ["d, n", "empty", "counting", *asked.backends, "auto ahead", "target"]
    print("| " + " | ".join(names) + " |")
    print("|---|" + "---:|" * (len(names) - 1))
    clock = Clock(asked.seconds)
    for case in asked.cases:
        cells = row(tuple(map(int, case.split(","))), asked.backends, asked.seeds, clock)
        print("| " + " | ".join(cells) + " |", flush=True)
    used = (f"{backend} {max(seconds):.1f}" for backend, seconds in clock.used.items())
    print("\nprocessor seconds a solve, at most: " + ", ".join(used))


if __name__ == "__main__":
    main()

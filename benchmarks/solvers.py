"""The exact solvers beside what others would run: a table of ratios, and an audit of the answers.

Every answer of every program is checked in exact arithmetic against one that this package proves. "claimed"
counts the answers that a program itself calls optimal, "true" those of them that are, and "worst" is the
largest ratio of such an answer's error to the optimum. Run it, on an otherwise idle machine, with

    python benchmarks/solvers.py [--quick] [--section nearest large dp vectors market auto]

Sections: n = 21 nearest; n = 30 to 60 (time and peak memory); integers; vectors; market split; "auto" against
the best backend. Targets are printed with what was measured. It takes some minutes with --quick.
"""

import argparse
import math
import multiprocessing
import os
import resource
import statistics
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import numpy as np

# Python puts the folder of a script first on its path. There this file would hide the package of the same
# name, for itself and for the other scripts here, so the folder is left out and the package loaded.
FOLDER = Path(__file__).resolve().parent
sys.path[:] = [str(FOLDER.parent), *(path for path in sys.path if Path(path).resolve() != FOLDER)]
if __name__ == "solvers":
    del sys.modules["solvers"]

from benchmarks import peers  # noqa: E402
from solvers import (  # noqa: E402
    BackendUnavailableError,
    Proof,
    Status,
    SubsetSum,
    UnsupportedProblemError,
    backends,
    solve,
    solve_many,
)

THREADS = os.cpu_count()


@dataclass
class Effort:
    """How much a section may do: seconds for one instance and for one program, and instances at most."""

    instance: float
    program: float
    instances: int
    quick: bool


@dataclass
class Record:
    """What one program did on the instances of a table."""

    name: str
    seconds: list = field(default_factory=list)
    out_of_time: int = 0
    claimed: int = 0
    true: int = 0
    worst: float = 1.0
    note: str = ""

    @property
    def median(self):
        """Seconds an instance."""
        return statistics.median(self.seconds) if self.seconds else math.nan

    def audit(self, error, best):
        """Count an answer called optimal, with its exact error and the proven optimum."""
        self.claimed += 1
        self.true += error == best
        if error < best:
            raise AssertionError(f"{self.name} found {error}, nearer than the 'proven' optimum {best}")
        self.worst = max(self.worst, float(error / best) if best else (1.0 if error == 0 else math.inf))


def exact_error(items, target, subset):
    """Compute a subset's error from the problem alone, in fractions."""
    rows, goal = np.atleast_2d(np.asarray(items).T), np.atleast_1d(target)
    return max(
        abs(sum((Fraction(x) for x in row[subset].tolist()), Fraction(0)) - Fraction(t))
        for row, t in zip(rows, goal.tolist(), strict=True)
    )


def problem_of(items, target):
    return SubsetSum(items, tuple(target.tolist()) if np.ndim(target) else target)


def proven_optimum(items, target):
    answer = solve(problem_of(items, target), threads=THREADS)
    if answer.proof is not Proof.EXACT or answer.status is not Status.OPTIMAL:
        raise AssertionError(f"nothing to compare with: {answer.status.name} by {answer.backend}")
    return answer.error


def run_peer(peer, instances, optima, effort):
    """Run a peer on as many instances as its time allows."""
    record = Record(peer.name, note=f"skipped: {peer.missing}" if peer.missing else "")
    start = perf_counter()
    for (items, target), best in zip(instances, optima, strict=True):
        if peer.missing or perf_counter() - start > effort.program:
            break
        began = perf_counter()
        try:
            subset, claim = peer(items, target, effort.instance)
        except Exception as error:  # noqa: BLE001 - whatever a peer fails with is a row of the table
            record.note = f"failed: {type(error).__name__}: {error}"[:60]
            break
        record.seconds.append(perf_counter() - began)
        record.out_of_time += not claim
        if claim:
            record.audit(exact_error(items, target, subset), best)
    return record


def run_ours(backend, instances, optima, effort):
    """Run solve() with a backend on as many instances as its time allows."""
    record = Record(f"solve(backend={backend!r})")
    start = perf_counter()
    for (items, target), best in zip(instances, optima, strict=True):
        if perf_counter() - start > effort.program:
            break
        problem = problem_of(items, target)
        began = perf_counter()
        try:
            answer = solve(problem, backend=backend, time_limit=effort.instance, threads=1)
        except (UnsupportedProblemError, BackendUnavailableError) as refusal:
            record.note = f"refused: {refusal}"[:60]
            break
        record.seconds.append(perf_counter() - began)
        record.out_of_time += answer.status is not Status.OPTIMAL
        if answer.status is Status.OPTIMAL:
            record.audit(answer.error, best)
            if answer.proof is Proof.TOLERANCE:
                record.note = f"claims optimality up to {answer.resolution:.0e} only"
    return record


def print_table(title, records, bases):
    """Print one row a program, with the ratio of its median time to those of ``bases``, records by name."""
    print(f"\n## {title}\n")
    heads = "".join(f"{'x ' + name:>14}" for name in bases)
    print(
        f"{'program':40}{'median':>10}{heads}{'runs':>6}{'no proof':>9}{'claimed':>8}{'true':>6}{'worst':>9}"
    )
    for r in records:
        if not r.seconds:
            print(f"{r.name:40}{r.note}")
            continue
        ratios = "".join(f"{r.median / base.median:14,.1f}" for base in bases.values())
        audit = f"{r.claimed:8}{r.true:6}" + (f"{r.worst:9.3g}" if r.claimed else f"{'-':>9}")
        print(
            f"{r.name:40}{clock(r.median):>10}{ratios}{len(r.seconds):6}{r.out_of_time:9}{audit}  {r.note}",
            flush=True,
        )


def clock(seconds):
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.1e} s"


def goal(what, measured, limit, unit="", *, at_least=False):
    """Print one of the targets that this package sets itself, and whether it was met."""
    met = measured >= limit if at_least else measured <= limit
    sign = ">=" if at_least else "<="
    verdict = "met" if met else "NOT MET"
    print(f"target: {what}: {measured:,.3g}{unit} (wanted {sign} {limit:,g}{unit}): {verdict}", flush=True)


# -- n = 21 --------------------------------------------------------------------------------------------


def nearest(effort):
    """Uniform items and targets, n = 21: the rows that prune a network."""
    rng = np.random.default_rng(0)
    rows = 2_000 if effort.quick else 20_000
    items, targets = rng.uniform(-1, 1, (rows, 21)), rng.uniform(-0.5, 0.5, rows)
    solve_many(items[:1], targets[:1])
    batch = Record("solve_many, a row, one core")
    for _ in range(3):
        start = perf_counter()
        answers = solve_many(items, targets, threads=1)
        batch.seconds.append((perf_counter() - start) / rows)
    answers.check(items, targets)

    instances = list(zip(items[: effort.instances], targets.tolist(), strict=False))
    optima = [proven_optimum(*instance) for instance in instances]
    for row, best in enumerate(optima):
        subset = np.flatnonzero(answers.masks[row])
        batch.audit(exact_error(*instances[row], subset), best)
    ours = [run_ours(name, instances, optima, effort) for name in ("auto", *backends())]
    others = [
        peers.BRUTE_FORCE,
        peers.TEN_LINES,
        peers.CP_SAT,
        *peers.MIP_SOLVERS,
        peers.KNAPSACK,
        peers.PRTPY,
    ]
    theirs = [run_peer(peer, instances, optima, effort) for peer in others]
    print_table(
        "n = 21, nearest, items U[-1, 1]", [batch, *ours, *theirs], {"solve_many": batch, "solve": ours[0]}
    )
    cp_sat = next(r for r in theirs if r.name == peers.CP_SAT.name)
    ratio = cp_sat.median / batch.median
    goal("n = 21 faster than CP-SAT's proven optimum", ratio, 50_000, " x", at_least=True)


# -- n = 30 to 60 --------------------------------------------------------------------------------------


def in_child(work):
    """Run ``work()`` in a forked process; return its result and how far that raised the peak of memory."""

    def child(pipe):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            result = work()
        except (UnsupportedProblemError, BackendUnavailableError) as refusal:
            result = refusal
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        pipe.send((result, (after - before) * 1024))

    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=child, args=(sender,))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def large(effort):
    """One instance beyond what others can do: time, and peak memory beyond what Python had before."""
    sizes = (30, 40, 50) if effort.quick else (30, 40, 50, 60)
    names = ("mitm", "schroeppel-shamir")
    rng = np.random.default_rng(1)
    wanted = {40: 0.05, 50: 3.0, 60: 120.0}
    best = {}
    for name in names:  # compile
        solve(SubsetSum(rng.uniform(-1, 1, 26), 0.1), backend=name, threads=THREADS)
    print(f"\n## nearest, items U[-1, 1], {THREADS} threads\n")
    print(f"{'n':>4}  {'backend':20}{'median':>10}{'peak memory':>14}  answer")
    for n in sizes:
        problems = [
            SubsetSum(rng.uniform(-1, 1, n), rng.uniform(-0.5, 0.5)) for _ in range(3 if n < 60 else 1)
        ]
        for name in names:
            limit = 60.0 if effort.quick else 600.0
            runs = []
            for problem in problems:
                result, memory = in_child(lambda p=problem, b=name, s=limit: timed(p, b, s))
                if isinstance(result, Exception):
                    print(f"{n:4}  {name:20}refused: {result}")
                    break
                runs.append((*result, memory))
            if not runs:
                continue
            seconds, memory = statistics.median(r[0] for r in runs), max(r[-1] for r in runs)
            proven = all(r[1] for r in runs)
            said = "proven" if proven else f"not proven: {runs[0][2]}"
            print(f"{n:4}  {name:20}{clock(seconds):>10}{memory / 2**20:10.0f} MiB  {said}", flush=True)
            if proven:
                best[n] = min(best.get(n, (math.inf, 0)), (seconds, memory))
    for n, limit in wanted.items():
        if n in sizes:
            goal(f"n = {n} nearest, proven", best.get(n, (math.inf, 0))[0], limit, " s")
    if 60 in best:
        goal("n = 60, peak memory", best[60][1] / 2**30, 2, " GiB")


def timed(problem, backend, limit):
    start = perf_counter()
    answer = solve(problem, backend=backend, time_limit=limit, threads=THREADS)
    seconds = perf_counter() - start
    return seconds, answer.status is Status.OPTIMAL and answer.proof is Proof.EXACT, answer.stop


# -- integers ------------------------------------------------------------------------------------------


def dp(effort):
    """Integers: a hit among random items, and one odd item too many so that no sum hits an odd target."""
    rng = np.random.default_rng(2)
    solve(SubsetSum([3, 5, 7], 6), backend="dp")
    ratios = []
    for n, largest in ((100, 10**4), (100, 10**6), (500, 10**5)):
        for kind in ("random", "nothing hits"):
            instances = []
            for _ in range(effort.instances):
                items = rng.integers(1, largest, n)
                half = int(items.sum()) // 2
                odd = np.append(2 * items, 2 * half + 3)
                instances.append((items, half) if kind == "random" else (odd, 2 * half + 1))
            optima = [proven_optimum(*instance) for instance in instances]
            ours = run_ours("dp", instances, optima, effort)
            others = [
                run_peer(peer, instances, optima, effort) for peer in (peers.BITSET, peers.CP_SAT_WHOLE)
            ]
            print_table(f"integers up to {largest:,}, n = {n}, {kind}", [ours, *others], {"ours": ours})
            ratios.append(others[0].median / ours.median)
    goal("dp faster than the integer bitset, at worst", min(ratios), 3, " x", at_least=True)


# -- vectors -------------------------------------------------------------------------------------------


def vectors(effort):
    """Vectors, nearest in max norm."""
    rng = np.random.default_rng(3)
    solve(SubsetSum(rng.uniform(-1, 1, (12, 3)), (0.1, 0.2, 0.3)), backend="mitm-nd")
    wanted = {(3, 30): 0.5, (3, 36): 10.0}
    measured = {}
    for d in (2, 3, 4):
        for n in (24, 30) if effort.quick else (24, 30, 36, 40):
            instances = [
                (rng.uniform(-1, 1, (n, d)), rng.uniform(-0.5, 0.5, d))
                for _ in range(min(3, effort.instances))
            ]
            optima = [proven_optimum(*instance) for instance in instances]
            ours = run_ours("mitm-nd", instances, optima, effort)
            others = [
                run_peer(peer, instances, optima, effort)
                for peer in (peers.KD_TREE, peers.CP_SAT, peers.HIGHS)
            ]
            print_table(f"d = {d}, n = {n}, nearest in max norm", [ours, *others], {"ours": ours})
            measured[d, n] = ours.median if ours.out_of_time == 0 else math.inf
    if effort.quick:
        problem = SubsetSum(rng.uniform(-1, 1, (36, 3)), (0.1, 0.2, 0.3))
        seconds, proven, _ = timed(problem, "mitm-nd", 60.0)
        measured[3, 36] = seconds if proven else math.inf
    for (d, n), limit in wanted.items():
        goal(f"d = {d}, n = {n} proven nearest", measured[d, n], limit, " s")


# -- market split --------------------------------------------------------------------------------------


def market(effort):
    """Market split (Cornuejols & Dawande 1998): m dimensions, 10 (m - 1) items below 100, halves to hit."""
    rng = np.random.default_rng(4)
    print("\n## market split, exact hits wanted\n")
    print(f"{'size':>8}  {'median':>10}{'slowest':>10}  feasible, solved by")
    solve(SubsetSum([[1, 2], [3, 4]], (4, 6), tolerance=0), objective="within")
    for m, limit in ((4, 0.1), (5, 0.5), (6, 20.0)):
        n, runs = 10 * (m - 1), []
        for _ in range(3 if m == 6 else 5):
            items = rng.integers(0, 100, (n, m))
            problem = SubsetSum(items, tuple((items.sum(axis=0) // 2).tolist()), tolerance=0)
            start = perf_counter()
            answer = solve(problem, objective="within", time_limit=effort.instance * 6, threads=THREADS)
            runs.append((perf_counter() - start, answer))
        seconds = [s for s, _ in runs]
        decided = all(a.status in (Status.FEASIBLE, Status.INFEASIBLE) for _, a in runs)
        feasible = sum(a.status is Status.FEASIBLE for _, a in runs)
        by = ", ".join(sorted({a.backend for _, a in runs}))
        median = statistics.median(seconds)
        print(f"{m}x{n:<6}  {clock(median):>10}{clock(max(seconds)):>10}  {feasible} of {len(runs)}, {by}")
        goal(f"market split {m} x {n}", median if decided else math.inf, limit, " s")
    items = rng.integers(0, 100, (20, 3))
    instance = items, (items.sum(axis=0) // 2)
    record = run_peer(peers.CP_SAT_WHOLE, [instance], [proven_optimum(*instance)], effort)
    print(f"for comparison, CP-SAT on 3x20: {clock(record.median)}")


# -- auto ----------------------------------------------------------------------------------------------


def grid():
    """Yield (name, problem, objective) over what the cost model decides on."""
    rng = np.random.default_rng(5)
    for n in (8, 16, 21, 28, 34, 40, 44):
        yield f"real, n = {n}", SubsetSum(rng.uniform(-1, 1, n), 0.3), "nearest"
    for n in (16, 24, 32):
        products = [Fraction(x) * Fraction(y) for x, y in rng.uniform(-1, 1, (n, 2)).tolist()]
        yield f"products, n = {n}", SubsetSum(products, 0.3), "nearest"
    for n, largest in ((20, 10**3), (40, 10**3), (40, 10**6), (200, 10**4), (200, 10**6), (1000, 100)):
        items = rng.integers(1, largest, n).tolist()
        yield f"integers < {largest:,}, n = {n}", SubsetSum(items, sum(items) // 2), "nearest"
    for n, tolerance in ((20, 1e-3), (40, 1e-6), (300, 1e-9), (2000, 1e-12)):
        problem = SubsetSum(rng.uniform(-1, 1, n), 0.3, tolerance=tolerance)
        yield f"real within {tolerance:g}, n = {n}", problem, "within"
    for n in (16, 24, 30):
        yield f"sparsest, n = {n}", SubsetSum(rng.uniform(-1, 1, n), 0.3, tolerance=1e-3), "sparsest"
        yield f"n // 2 of n = {n}", SubsetSum(rng.uniform(-1, 1, n), 0.3, cardinality=n // 2), "nearest"
    for n, d in ((12, 2), (20, 2), (28, 2), (12, 3), (20, 3), (28, 3), (20, 6)):
        problem = SubsetSum(rng.uniform(-1, 1, (n, d)), (0.1,) * d)
        yield f"vectors d = {d}, n = {n}", problem, "nearest"
    items = rng.integers(1, 10**5, 3000)
    yield "integers, small target, sparsest", SubsetSum(items, 10**3, tolerance=0), "sparsest"
    yield "120 of six values", SubsetSum(np.repeat(rng.uniform(-1, 1, 6), 20), 1.2345), "nearest"
    yield "300 of 31 levels", SubsetSum(rng.integers(-15, 16, 300) * 0.0137, 0.1234567), "nearest"
    for n, k in ((10_000, 1), (1000, 2), (100, 4)):
        yield f"{k} of {n:,}", SubsetSum(rng.uniform(-1, 1, n), 0.4321, cardinality=k), "nearest"
    yield "100 equal vectors", SubsetSum([[1, 1, 1]] * 100, [50, 50, 51]), "nearest"


def settled(answer, objective):
    """Whether an answer settles the question, exactly."""
    decided = answer.status in (Status.OPTIMAL, Status.INFEASIBLE) or (
        objective == "within" and answer.status is Status.FEASIBLE
    )
    return decided and answer.proof is Proof.EXACT


def auto(effort):
    """Time "auto" against every backend that proves as much; none gets longer than "auto" took."""
    print("\n## auto against the best backend, one thread, seconds are the best of three\n")
    print(f"{'instance':34}{'auto':>10}{'took':>20}{'best':>10}{'which':>20}{'ratio':>8}")
    worst = (0.0, "")
    for name, problem, objective in grid():
        fastest = {}
        for backend in ("auto", *backends()):
            limit = max(0.05, fastest["auto"][0]) if "auto" in fastest else min(10.0, effort.instance)
            for attempt in range(3):
                start = perf_counter()
                try:
                    answer = solve(problem, objective=objective, backend=backend, time_limit=limit, threads=1)
                except (UnsupportedProblemError, BackendUnavailableError):
                    break
                seconds = perf_counter() - start
                if settled(answer, objective):
                    fastest[backend] = min(fastest.get(backend, (math.inf, "")), (seconds, answer.backend))
                if attempt and seconds > 1:  # the first may have compiled
                    break
        if "auto" not in fastest:
            print(f"{name:34}{'no proof':>10}" + ("" if not fastest else f"  but {min(fastest)} has one"))
            worst = max(worst, (math.inf if fastest else 0.0, name))
            continue
        seconds, which = min(fastest.values())
        ratio = fastest["auto"][0] / seconds
        worst = max(worst, (ratio, name))
        took = fastest["auto"][1]
        print(
            f"{name:34}{clock(fastest['auto'][0]):>10}{took:>20}{clock(seconds):>10}{which:>20}{ratio:8.2f}",
            flush=True,
        )
    goal(f"auto over the best backend, at worst ({worst[1]})", worst[0], 3, " x")


SECTIONS = {
    "nearest": nearest,
    "large": large,
    "dp": dp,
    "vectors": vectors,
    "market": market,
    "auto": auto,
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer instances and shorter limits")
    parser.add_argument("--section", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    arguments = parser.parse_args()
    effort = Effort(10.0, 4.0, 20, quick=True) if arguments.quick else Effort(60.0, 60.0, 100, quick=False)
    for name in arguments.section:
        SECTIONS[name](effort)


if __name__ == "__main__":
    main()

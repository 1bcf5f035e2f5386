"""Make the shipped set instances/subset_sum: generate, solve, store with the proven answer, write the table.

python benchmarks/make_instances.py                  # what is missing, or has no answer yet
python benchmarks/make_instances.py --again          # solve everything anew and compare
python benchmarks/make_instances.py --only uniform   # names that contain the word

An answer is stored only if an exact backend proved it. Instances not solved within the time limit are stored
without one; run the command again with a longer limit, or a faster solver, to fill them in.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from solvers import Proof, Status, SubsetSum, UnsupportedProblemError, solve
from solvers.instances import families
from solvers.instances.files import Instance, contradiction, instance_paths, read_instance, write_instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FOLDER = Path(__file__).parent.parent / "instances" / "subset_sum"
RECIPES: list[Callable[[], Instance]] = [
    *(partial(families.uniform, n) for n in (10, 20, 30, 40, 50, 60)),
    partial(families.uniform_integers, 40, 40),
    *(partial(families.products, n) for n in (21, 30)),
    *(partial(families.nsn_vectors, n, 2) for n in (20, 30)),
    *(partial(families.nsn_vectors, n, 4) for n in (20, 30)),
    partial(families.nsn_vectors, 20, 8),
    partial(families.nsn_vectors, 20, 2, cardinality=8),
    *(partial(families.pthree, n) for n in (20, 100)),
    *(partial(families.psix, n) for n in (20, 100)),
    *(partial(families.evenodd, n) for n in (20, 100)),
    *(partial(families.avis, n) for n in (20, 100)),
    *(partial(families.todd, n) for n in (20, 40)),
    *(partial(families.evenodd6, n) for n in (20, 100)),
    *(partial(families.evenodd8, n) for n in (20, 100)),
    *(partial(families.tenfive6, n) for n in (20, 100)),
    *(partial(families.tenfive8, n) for n in (20, 100)),
    *(partial(families.ties, n) for n in (24, 200)),
    partial(families.zeros, 30),
    partial(families.huge, 24),
    partial(families.tiny, 24),
    partial(families.mixed_magnitudes, 24),
    partial(families.out_of_reach, 30),
    partial(families.off_the_grid, 30),
]
TIGHTENED = ("uniform-30", "products-21", "nsn-2-20")  # made infeasible once their nearest error is known
PUBLISHED = {
    "market_split": ("QOBLIB (ZIB-AOPT/QOBLIB), class 01-marketsplit", "CC BY 4.0"),
    "kplib": ("kplib (likr/kplib), class 05SubsetSum", "CC BY 4.0"),
}
MARKS = ("<!-- table -->", "<!-- end of table -->")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--only", default="", metavar="WORD", help="only names that contain this")
    parser.add_argument("--again", action="store_true", help="solve those with a stored answer too")
    parser.add_argument("--time-limit", type=float, default=60, help="seconds for each instance")
    parser.add_argument("--memory-limit", type=int, default=2 << 30, help="bytes for each instance")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for instance in generated(options.out):
        if options.only in instance.name:
            settle(instance, options)
    rows, open_questions = [], []
    for path in instance_paths(options.out):
        instance = read_instance(path)
        rows.append(table_row(path.relative_to(options.out), instance))
        if instance.known is None:
            open_questions.append(instance.name)
    write_table(options.out / "README.md", rows)
    print(f"{len(rows)} instances; without an answer: {', '.join(open_questions) or 'none'}")
    return 0


def generated(out: Path) -> Iterator[Instance]:
    for make in RECIPES:
        yield make()
    for name in TIGHTENED:
        path = out / f"{name}.json"
        known = read_instance(path).known if path.exists() else None
        if known is not None:
            yield families.too_tight(read_instance(path), known["error"])


def settle(instance: Instance, options: argparse.Namespace) -> None:
    """Store the instance with its answer, unless it is stored already."""
    path = options.out / f"{instance.name}.json"
    stored = read_instance(path) if path.exists() else None
    known = stored.known if stored is not None and same_problem(stored.problem, instance.problem) else None
    if known is None or options.again:
        start = perf_counter()
        known = proven_answer(Instance(instance.problem, instance.name, instance.source, known), options)
        print(f"{instance.name:24} {perf_counter() - start:8.2f} s  {shown_answer(known)}", flush=True)
    write_instance(Instance(instance.problem, instance.name, instance.source, known), path)


def same_problem(a: SubsetSum, b: SubsetSum) -> bool:
    return (a.image, a.tolerance, a.cardinality) == (b.image, b.tolerance, b.cardinality)


def proven_answer(instance: Instance, options: argparse.Namespace) -> dict[str, Any] | None:
    limits = {"time_limit": options.time_limit, "memory_limit": options.memory_limit}
    try:
        solution = solve(instance.problem, **limits)
    except UnsupportedProblemError as error:
        print(f"{instance.name}: {error}", file=sys.stderr)
        return instance.known
    refuted = contradiction(instance, solution)
    if refuted is not None:
        raise SystemExit(f"{instance.name}: {refuted} ({solution.backend}); nothing was stored")
    if solution.proof is not Proof.EXACT or solution.status not in (Status.OPTIMAL, Status.INFEASIBLE):
        return instance.known
    return {"status": solution.status.name, "error": solution.error if solution.gap == 0 else None}


def shown_answer(known: dict[str, Any] | None) -> str:
    if known is None:
        return "open"
    if known["error"] is None:
        return str(known["status"])
    error = known["error"]
    return (
        f"{known['status']}, {error if error.denominator == 1 and error < 10**6 else f'{float(error):.6g}'}"
    )


def table_row(path: Path, instance: Instance) -> str:
    problem = instance.problem
    if path.parts[0] == "published":
        source, licence = PUBLISHED[path.parts[1]]
    else:
        source, licence = instance.source, "MIT"
    answer = shown_answer(instance.known) if instance.known or licence == "MIT" else "none published"
    return f"| `{path}` | {problem.n} | {problem.d} | {source} | {licence} | {answer} |"


def write_table(readme: Path, rows: list[str]) -> None:
    text = readme.read_text() if readme.exists() else f"{MARKS[0]}\n{MARKS[1]}\n"
    head, rest = text.split(MARKS[0])
    tail = rest.split(MARKS[1])[1]
    heading = (
        "| file | n | d | family, recipe or source | licence | nearest error |\n|---|---|---|---|---|---|"
    )
    readme.write_text("\n".join([head + MARKS[0], "", heading, *rows, "", MARKS[1] + tail]))


if __name__ == "__main__":
    sys.exit(main())

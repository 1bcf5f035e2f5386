"""Command mrss: the subset-sum number T of random vectors, measured and by theory."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from subsetsum_nets.cli.options import EXPERIMENTS, Json, RunFolder, Threads, app
from subsetsum_nets.cli.terminal import console, open_table, print_found, refusing_bad_input

if TYPE_CHECKING:
    from subsetsum_nets.experiments.mrss import Findings
    from subsetsum_nets.experiments.mrss.comparison import LeastByTheory
    from subsetsum_nets.experiments.mrss.run import Existence


@app.command(rich_help_panel=EXPERIMENTS)
def mrss(
    dimension: Annotated[
        list[int] | None, typer.Option(help="Dimension d of the vectors; again for more. [default: 1, 2, 3]")
    ] = None,
    kept: Annotated[
        list[int] | None, typer.Option(help="Size k of the subsets; again for more. [default: 6]")
    ] = None,
    vectors_from: Annotated[int, typer.Option(help="The least number n of vectors.")] = 8,
    vectors_to: Annotated[int, typer.Option(help="The largest n, up to 40.")] = 24,
    vectors_step: Annotated[int, typer.Option(help="From one n to the next.")] = 2,
    samples: Annotated[int, typer.Option(help="Problems of each law, d and n.")] = 200,
    law: Annotated[
        list[str] | None,
        typer.Option(help="nsn, log-uniform or log-uniform-L; again for more. [default: nsn, log-uniform]"),
    ] = None,
    epsilon: Annotated[float, typer.Option(help="How near a sum must be, in the max norm.")] = 0.1,
    delta: Annotated[float, typer.Option(help="For the least n: how often it may fail.")] = 0.5,
    coordinate: Annotated[float, typer.Option(help="Of the target, in every dimension.")] = 0.25,
    confidence: Annotated[float, typer.Option(help="Of all intervals shown.")] = 0.95,
    threads: Threads = None,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
    out: RunFolder = None,
    as_json: Json = False,
) -> None:
    """Measure how many random vectors hit a target with a subset of k; compare with moments and theorems."""
    with refusing_bad_input(as_json, out):
        from subsetsum_nets.experiments.mrss import run_mrss, write_outputs
        from subsetsum_nets.experiments.mrss.run import LAWS

        if vectors_to < vectors_from:
            raise ValueError(f"--vectors-to {vectors_to} is less than --vectors-from {vectors_from}")
        if vectors_step < 1:
            raise ValueError(f"--vectors-step must be at least 1, got {vectors_step}")
        found = run_mrss(
            dimension or (1, 2, 3),
            kept or 6,
            range(vectors_from, vectors_to + 1, vectors_step),
            samples,
            laws=law or LAWS,
            epsilon=epsilon,
            delta=delta,
            coordinate=coordinate,
            seed=seed,
            confidence=confidence,
            folder=out,
            threads=threads,
            progress=not as_json and sys.stderr.isatty(),
        )
        if out is not None:
            write_outputs(found, out, sys.argv)
    print_found(found, _show, out, as_json)


def _show(found: Findings) -> None:
    for k in found.kept:
        _show_existence(found, k)
    _show_counts(found)
    _show_least(found)
    _show_lemmas(found)


def _show_existence(found: Findings, kept: int) -> None:
    q, own = found.design, [one for one in found.existence if one.kept == kept]
    title = (
        f"share of {q.samples:,} samples with a subset of {kept} within {found.epsilon:g} "
        f"[{found.confidence:.0%} interval]"
    )
    table = open_table(title, ["n", *(f"{one.law}, d = {one.dimension}" for one in own)])
    for n in q.sizes:
        table.add_row(str(n), *(_share(one, n, found.epsilon) for one in own))
    console().print(table)


def _share(one: Existence, n: int, epsilon: float) -> str:
    row = next(row for row in one.served if (row.n, row.epsilon) == (n, epsilon))
    return f"{row.estimate:.2f} [{row.low:.2f}, {row.high:.2f}]"


def _show_counts(found: Findings) -> None:
    title = "T of NSN vectors, counted, and by Lemma 9; z: standard deviations of the mean from E[T]"
    columns = ["k", "d", "n", "mean T", "E[T]", "z", "E[T]^2/E[T^2]", "T > 0", "min(1, E[T])"]
    table = open_table(title, columns)
    for row in found.counts:
        table.add_row(
            str(row.kept),
            str(row.dimension),
            str(row.n),
            f"{row.mean:.4g}",
            f"{row.expected_mean:.4g}",
            f"{row.deviations:+.1f}",
            f"{row.at_least:.3f}",
            f"{row.positive:.3f}",
            f"{row.at_most:.3f}",
        )
    if found.counts:
        console().print(table)


def _show_least(found: Findings) -> None:
    title = f"least n for probability {1 - found.delta:g} and epsilon {found.epsilon:g}"
    columns = [
        "law",
        "k",
        "d",
        "measured",
        "needed, E[T]",
        "enough, E[T^2]",
        "Theorem 5 (its k)",
        "Corollary 19",
    ]
    table = open_table(title, columns)
    by_theory = {(row.kept, row.dimension): row for row in found.least}
    for one in found.existence:
        least = one.least
        ends = ["-" if end is None else str(end) for end in (least.estimate, least.low, least.high)]
        measured = "{} [{}, {}]".format(*ends)
        theory = by_theory.get((one.kept, one.dimension)) if one.law == "nsn" else None
        table.add_row(one.law, str(one.kept), str(one.dimension), measured, *_by_theory(theory))
    console().print(table)


def _by_theory(row: LeastByTheory | None) -> list[str]:
    if row is None:
        return ["-"] * 4
    if row.theorem_5_vectors is None:
        return [str(row.needed), str(row.enough), "-", "-"]
    theorem = f"{row.theorem_5_vectors:,} ({row.theorem_5_kept:,})"
    return [str(row.needed), str(row.enough), theorem, f"{row.corollary_19_vectors:.2e}"]


def _show_lemmas(found: Findings) -> None:
    columns = ["lemma", "d", "k", "probability", "corrected bound", "as printed", ""]
    table = open_table("Lemmas 7 (from below) and 8 (from above), target 0", columns)
    for row in found.lemmas:
        numbers = (row.probability, row.corrected, row.printed)
        table.add_row(
            str(row.lemma), str(row.dimension), str(row.kept), *(f"{x:.3g}" for x in numbers), row.verdict
        )
    console().print(table)

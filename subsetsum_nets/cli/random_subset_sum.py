"""Commands rssp and per-weight: experiments on random subset sums and on the weights of a network."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subsetsum_nets.cli.options import EXPERIMENTS, Json, RunFolder, Target, Threads, app
from subsetsum_nets.cli.terminal import (
    at_most,
    console,
    open_table,
    print_found,
    print_pairs,
    refusing_bad_input,
)

if TYPE_CHECKING:
    from subsetsum_nets.experiments.per_weight import PerWeight
    from subsetsum_nets.experiments.random_subset_sum import Findings
    from subsetsum_nets.experiments.random_subset_sum.item_counts import Fit


@app.command(rich_help_panel=EXPERIMENTS)
def rssp(
    law: Annotated[
        str,
        typer.Option(help="Items: uniform, normal, product, product-or-zero, or MODULE:FUNCTION(rng, size)."),
    ] = "uniform",
    items_from: Annotated[int, typer.Option(help="The least number n of items.")] = 4,
    items_to: Annotated[int, typer.Option(help="The largest; time doubles with each from about 16 on.")] = 18,
    samples: Annotated[int, typer.Option(help="Problems of each n.")] = 1000,
    epsilon: Annotated[float, typer.Option(help="For the least n: how near a subset sum must be.")] = 0.01,
    delta: Annotated[float, typer.Option(help="For the least n: how often it may fail.")] = 0.01,
    interval: Annotated[tuple[float, float], typer.Option(help="Of the targets.", metavar="LOW HIGH")] = (
        -0.5,
        0.5,
    ),
    confidence: Annotated[float, typer.Option(help="Of all intervals shown.")] = 0.95,
    processes: Annotated[int | None, typer.Option(help="One a core if not given.")] = None,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
    out: RunFolder = None,
    as_json: Json = False,
) -> None:
    """Measure how many random items serve all targets of an interval (Lueker's theorem)."""
    with refusing_bad_input(as_json, out):
        from subsetsum_nets.experiments.random_subset_sum import run_random_subset_sum, write_outputs

        if items_to < items_from:
            raise ValueError(f"--items-to {items_to} is less than --items-from {items_from}")
        found = run_random_subset_sum(
            _law(law),
            range(items_from, items_to + 1),
            samples,
            epsilon=epsilon,
            delta=delta,
            seed=seed,
            low=interval[0],
            high=interval[1],
            confidence=confidence,
            folder=out,
            processes=processes,
            progress=not as_json and sys.stderr.isatty(),
        )
        if out is not None:
            write_outputs(found, out, sys.argv)
    print_found(found, _show_rssp, out, as_json)


def _law(text: str) -> Any:
    """Return a law's name, or the function that MODULE:FUNCTION names."""
    if ":" not in text:
        return text
    from importlib import import_module

    module, _, name = text.partition(":")
    sampler = getattr(import_module(module), name, None)
    if not callable(sampler):
        raise ValueError(f"module {module} has no function {name!r}")  # noqa: TRY004 - it is a wrong name
    return sampler


def _show_rssp(found: Findings) -> None:
    q = found.design
    title = f"share of {q.samples:,} samples that serve all of [{q.low:g}, {q.high:g}], items {q.law.name}"
    epsilons = sorted({row.epsilon for row in found.served}, reverse=True)
    table = open_table(title, ["n", *(f"{epsilon:.3g}" for epsilon in epsilons)])
    shares = {(row.n, row.epsilon): row for row in found.served}
    for n in q.sizes:
        table.add_row(str(n), *(f"{shares[n, epsilon].estimate:.4f}" for epsilon in epsilons))
    console().print(table)
    least = found.least
    shown = "none of these n" if least.estimate is None else f"{least.estimate}"
    ends = [("-" if end is None else str(end)) for end in (least.low, least.high)]
    print_pairs(
        "",
        [
            (f"least n for ({least.epsilon:g}, {least.delta:g})", f"{shown}  [{ends[0]}, {ends[1]}]"),
            ("C of n = C log2(1/min(eps, delta))", _fit(found.constant)),
            ("log2 median nearest error per item", _fit(found.slope)),
            ("confidence of the intervals", f"{found.confidence:g}"),
        ],
    )


def _fit(fit: Fit | None) -> str:
    return "too few n for a fit" if fit is None else f"{fit.value:.3f}  [{fit.low:.3f}, {fit.high:.3f}]"


@app.command(name="per-weight", rich_help_panel=EXPERIMENTS)
def per_weight(
    target: Target = None,
    items: Annotated[int, typer.Option(help="Random coefficients a weight.")] = 21,
    epsilon: Annotated[float, typer.Option(help="Tolerance of the sparsest subsets.")] = 0.01,
    scale: Annotated[float, typer.Option(help="Coefficients are U[-scale, scale].")] = 1.0,
    threads: Threads = None,
    seed: Annotated[int, typer.Option(help="Of the coefficients.")] = 0,
    out: RunFolder = None,
    as_json: Json = False,
) -> None:
    """Approximate every weight of a network by subset sums; compare errors and sizes with theory."""
    with refusing_bad_input(as_json, out):
        from subsetsum_nets.experiments.per_weight import run_per_weight, write_outputs
        from subsetsum_nets.networks import load_network, shipped_network

        found = run_per_weight(
            load_network(target or shipped_network()),
            items,
            epsilon=epsilon,
            scale=scale,
            seed=seed,
            folder=out,
            threads=threads,
            progress=not as_json and sys.stderr.isatty(),
        )
        if out is not None:
            write_outputs(found, out, sys.argv)
    print_found(found, _show_per_weight, out, as_json)


def _show_per_weight(found: PerWeight) -> None:
    page = found.summary()
    nearest, sparsest = page["nearest"], page["sparsest"]
    spread = 2 * nearest["predicted_deviation_of_kept"]
    rows = [
        ("coefficients", f"{page['coefficients']:,} ({found.items} for each of {page['weights']:,} weights)"),
        ("nearest: within epsilon", f"{nearest['within_epsilon']:,}"),
        ("nearest: largest error", at_most(nearest["error_largest"])),
        ("nearest: coefficients kept", f"{nearest['kept']:,}"),
        ("  expected", f"{nearest['predicted_kept']:,.0f} ± {spread:,.0f} (two standard deviations)"),
        ("sparsest: within epsilon", f"{sparsest['within_epsilon']:,}"),
        ("sparsest: largest error", at_most(sparsest["error_largest"])),
        ("sparsest: coefficients kept", f"{sparsest['kept']:,}"),
        ("  expected", f"about {sparsest['predicted_kept']:,.0f}"),
    ]
    print_pairs(f"per-weight law, epsilon {found.epsilon:g}, seed {found.seed}", rows)

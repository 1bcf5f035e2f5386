"""Command prune: make a ticket."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from solvers.solution import Objective  # noqa: TC001 - typer reads the annotations
from subsetsum_nets.choices import (  # noqa: TC001 - typer reads the annotations
    AllocationName,
    LayoutName,
    ScaleName,
)
from subsetsum_nets.cli.network_options import Logits, Output, read_network, read_notes
from subsetsum_nets.cli.options import MAIN, Delta, Epsilon, Json, MaxMemory, Target, Threads, app
from subsetsum_nets.cli.terminal import at_least, at_most, console, print_pairs, refusing_bad_input
from subsetsum_nets.cli.verdicts import verdict
from subsetsum_nets.constructions import DEFAULT, construction_names

if TYPE_CHECKING:
    from subsetsum_nets.networks import Domain
    from subsetsum_nets.pruned_network import PrunedNetwork
    from subsetsum_nets.verification.certificate import Certificate

_DEFAULT_TARGET = "digits-64-32-10"
_FROM_CERTIFICATE = (
    "construction", "candidates", "seed", "epsilon", "domain", "norm", "status_counts",
    "worst_weight_error", "bound", "method", "attack", "verified", "shortfall",
)  # fmt: skip


@app.command(rich_help_panel=MAIN)
def prune(
    target: Target = None,
    construction: Annotated[
        str,
        typer.Option(
            help="The theorem; info tells each.",
            metavar=f"<{'|'.join(construction_names())}>",
            autocompletion=construction_names,
        ),
    ] = DEFAULT,
    epsilon: Epsilon = 0.01,
    candidates: Annotated[int | None, typer.Option(help="Random units a subset sum draws from.")] = None,
    delta: Delta = 0.01,
    seed: Annotated[int, typer.Option(help="Of the random network.")] = 0,
    into: Annotated[Path | None, typer.Option(help="Random network to prune instead of a drawn one.")] = None,
    box: Annotated[
        tuple[float, float] | None,
        typer.Option("--box", "--domain", help="Domain: every input in [LOW, HIGH].", metavar="LOW HIGH"),
    ] = None,
    ball: Annotated[float | None, typer.Option(help="Domain: inputs of at most this l2 norm.")] = None,
    box_of: Annotated[
        Path | None, typer.Option(help="Domain: the smallest box around these points.", metavar="FILE")
    ] = None,
    objective: Annotated[Objective, typer.Option(help="Which subset of each sum is taken.")] = "nearest",
    allocation: Annotated[
        AllocationName | None,
        typer.Option(help="How epsilon is shared out; the construction's default if not given."),
    ] = None,
    bits: Annotated[
        str | None,
        typer.Option(help="Binary: weights are multiples of 2^-BITS; one number, or one a layer as 14,13."),
    ] = None,
    layout: Annotated[LayoutName | None, typer.Option(help="Binary: how a layer is represented.")] = None,
    scale: Annotated[ScaleName | None, typer.Option(help="Binary: which layers are scaled.")] = None,
    threads: Threads = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Folder to resume a long run from.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for masks and certificate.")] = Path("ticket"),
    collapsed: Annotated[
        Path | None, typer.Option(help="File for the small network that is left without what is removed.")
    ] = None,
    output: Output = None,
    logits: Logits = False,  # noqa: ARG001 - the callback of output sees to it
    max_memory: MaxMemory = None,  # noqa: ARG001 - its callback sees to it
    as_json: Json = False,
) -> None:
    """Prune a random network into a target network, prove the error, and write masks and certificate."""
    with refusing_bad_input(as_json, checkpoint):
        from solvers.solution import checked_objective
        from subsetsum_nets.compiler import prune as run
        from subsetsum_nets.networks import save_network, shipped_network
        from subsetsum_nets.networks.files.suffixes import saved_suffix
        from subsetsum_nets.reports import write_report
        from subsetsum_nets.stage_lines import shown_to_people
        from subsetsum_nets.stages import stage
        from subsetsum_nets.ticket_folder import REPORT, check_folder

        path = target or shipped_network(_DEFAULT_TARGET)
        network = read_network(path, output)
        check_folder(out)
        if collapsed is not None:
            saved_suffix(collapsed)
        started = perf_counter()
        with shown_to_people(as_json=as_json) as lines:
            pruned = run(
                network,
                construction=construction,
                epsilon=epsilon,
                candidates=candidates,
                delta=delta,
                seed=seed,
                into=None if into is None else read_network(into),
                domain=_domain(box, ball, box_of),
                objective=checked_objective(objective),
                allocation=allocation,
                bits=_bits(bits),
                layout=layout,
                scale=scale,
                threads=threads,
                checkpoint=checkpoint,
                progress=lines.rows if lines is not None else False,
            )
            seconds = perf_counter() - started
            with stage("writing"):
                pruned.save(out)  # before anything that may fail
                if collapsed is not None:
                    save_network(pruned.collapse(), collapsed)
                images = _test_images(path, pruned)
                write_report(pruned, out / REPORT, accuracy=images and images[:2])
    certificate = pruned.certificate
    assert certificate is not None  # noqa: S101 - prune() always makes one
    findings = _findings(pruned, certificate, images)
    page = {"target": str(path), "out": str(out), **findings, "seconds": seconds}
    if as_json:
        print(json.dumps(page))  # noqa: T201
    else:
        _show_prune(pruned, certificate, page)
    raise typer.Exit(0 if certificate.verified else 1)


def _domain(box: tuple[float, float] | None, ball: float | None, box_of: Path | None) -> Domain | None:
    from subsetsum_nets.networks import Ball, Box

    if sum(one is not None for one in (box, ball, box_of)) > 1:
        raise ValueError("give one of --box, --ball and --box-of")
    if box_of is not None:
        from subsetsum_nets.exchange.labelled_points import read_labelled_points

        points = read_labelled_points(box_of).points
        return Box(points.min(axis=0), points.max(axis=0))
    if box is not None:
        return Box(*box)
    return None if ball is None else Ball(ball)


def _bits(text: str | None) -> int | tuple[int, ...] | None:
    """Return the bits of all layers, or of each."""
    if text is None:
        return None
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"--bits takes a number, or one a layer as 14,13; got {text!r}") from None
    return numbers if len(numbers) > 1 else numbers[0]


class _TestImages(NamedTuple):
    """Shares of the test images."""

    before: float  # that the target gets right
    after: float  # that the pruned network gets right
    same: float  # with the same class by both, as floats evaluate them
    proven: float  # for which the bound proves that


def _test_images(path: Path, pruned: PrunedNetwork) -> _TestImages | None:
    """Return what both networks do where the target's file names a test split beside it."""
    from subsetsum_nets.networks import load_test_split
    from subsetsum_nets.verification import same_class

    name = read_notes(path).get("test_split")
    split = None if name is None else path.parent / Path(name).name
    if split is None or not split.exists():
        return None
    inputs, labels = load_test_split(split)
    certificate = pruned.certificate
    if certificate is None or inputs.shape[1] != pruned.target.widths[0]:
        return None
    left = pruned.network if certificate.structure is None else pruned.collapse()  # hundredths of the time
    f, g = (net(inputs).argmax(axis=1) for net in (pruned.target, left))
    asked: dict[str, Any] = {"domain": certificate.domain_set, "norm": certificate.norm}
    proven = same_class(pruned.target, inputs, certificate.bound, **asked)
    return _TestImages(*(float(part.mean()) for part in (f == labels, g == labels, f == g, proven)))


def _findings(pruned: PrunedNetwork, certificate: Certificate, images: _TestImages | None) -> dict[str, Any]:
    return {
        **{name: getattr(certificate, name) for name in _FROM_CERTIFICATE},
        **certificate.counts,
        **({} if certificate.exact is None else {"exact": certificate.exact, **_decimals(pruned)}),
        **({} if certificate.structure is None else _hidden(pruned)),
        "accuracy_before": None if images is None else images.before,
        "accuracy_after": None if images is None else images.after,
        "same_class": None if images is None else images.same,
        "same_class_proven": None if images is None else images.proven,
        "rows_per_second": len(pruned.solution) / max(pruned.solution.seconds, 1e-9),
    }


def _show_prune(pruned: PrunedNetwork, certificate: Certificate, page: dict[str, Any]) -> None:
    from subsetsum_nets.reports.exact_rows import exact_rows

    counts, epsilon, out = certificate.counts, certificate.epsilon, page["out"]
    kept, drawn = counts["kept_parameters"], counts["random_parameters"]
    proven = certificate.status_counts["optimal"]
    shape = "-".join(map(str, pruned.target.widths))
    rows = [
        ("target", f"{Path(page['target']).stem} ({shape}), {counts['weights']:,} weights"),
        ("random network", f"{'-'.join(map(str, pruned.random.widths))}, {drawn:,} random parameters"),
        ("kept parameters", f"{kept:,} of them ({kept / drawn:.1%})"),
        ("subset sums", f"{counts['subset_sums']:,}, {proven:,} proven nearest within tolerance"),
        ("worst weight error", at_most(certificate.worst_weight_error)),
        ("proven bound", f"{at_most(certificate.bound, epsilon)}  (method {certificate.method})"),
        ("attack lower bound", at_least(certificate.attack, epsilon)),
    ]
    if "hidden_before" in page:
        rows[3:3] = _structured_rows(page)
    if certificate.exact is not None:
        rows[2:2] = [*exact_rows(pruned), _decimals_row(page)]
    if page["accuracy_before"] is not None:
        before, after = page["accuracy_before"], page["accuracy_after"]
        rows.append(("test accuracy", f"{before:.2%} before, {after:.2%} after"))
        same, proven = page["same_class"], page["same_class_proven"]
        rows.append(("same class", f"{same:.2%} of the test images, proven for {proven:.2%}"))
    rows.append(("time", f"{page['seconds']:.1f} s"))
    print_pairs(
        f"{certificate.construction}, {certificate.candidates} candidates, "
        + (f"seed {certificate.seed}" if certificate.seed is not None else "given random network"),
        rows,
    )
    screen = console()
    claim = certificate.bound, epsilon, certificate.attack, certificate.norm, certificate.domain_set
    screen.print(verdict(*claim, certificate.output_exponent))
    if pruned.shortfall is not None:
        screen.print(f"[yellow]note[/] {pruned.shortfall}")
    screen.print(
        f"written to {out}: check it again with  subsetsum-nets verify {out}", highlight=False, markup=False
    )


def _hidden(pruned: PrunedNetwork) -> dict[str, list[int]]:
    """Return how many hidden units and channels the pairs have, before and after removing filters."""
    from subsetsum_nets.networks.trimmed import hidden_units

    networks = {"hidden_before": pruned.random, "hidden_after": pruned.collapse()}
    return {when: list(hidden_units(network, pruned.hidden_layers)) for when, network in networks.items()}


def _structured_rows(page: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what is said of whole filters and kernels that were removed."""
    before, after = (" + ".join(f"{n:,}" for n in page[f"hidden_{when}"]) for when in ("before", "after"))
    rows = [("hidden channels", f"{before} before, {after} after")]
    if "whole_parameters" in page:
        rows.append(("drawn whole", f"{page['whole_parameters']:,} random parameters, if not by blocks"))
    return rows


def _decimals(pruned: PrunedNetwork) -> dict[str, Any]:
    """Return the decimal digits of all weights that verification needs, and those of Lemma 2."""
    from subsetsum_nets.allocation.precision import decimals_enough
    from subsetsum_nets.theory.network_sizes import decimal_digits

    target = pruned.target.widths
    formula = decimal_digits(max(target), len(target) - 1, pruned.epsilon) if pruned.epsilon < 1.0 else None
    return {
        "decimals_enough": decimals_enough(pruned.target, pruned.domain, pruned.epsilon),
        "decimals_formula": formula,
    }


def _decimals_row(page: dict[str, Any]) -> tuple[str, str]:
    enough, formula = page["decimals_enough"], page["decimals_formula"]
    needed = f"{'more than 17' if enough is None else enough} needed by verification, cut off; "
    papers = f"{formula} by Lemma 2, for layers of norm 1" if formula else "Lemma 2 is for epsilon < 1"
    return "decimal digits", needed + papers

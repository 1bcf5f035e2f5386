"""Command coreset: a trained network with fewer parameters, what it costs, and what is proven of that."""

from __future__ import annotations

import json
import sys
from itertools import count
from pathlib import Path  # noqa: TC003
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from subsetsum_nets.choices import CoresetMethod, Norm  # noqa: TC001
from subsetsum_nets.cli.network_options import read_network
from subsetsum_nets.cli.options import TRAINED, Json, Threads, app
from subsetsum_nets.cli.questions import DomainRange  # noqa: TC001
from subsetsum_nets.cli.terminal import at_least, at_most, console, counting, print_pairs, refusing_bad_input

if TYPE_CHECKING:
    from subsetsum_nets.coresets import SparsifiedNetwork
    from subsetsum_nets.coresets.population import PopulationBound
    from subsetsum_nets.exchange.labelled_points import LabelledPoints
    from subsetsum_nets.experiments.coresets import CurvePoint
    from subsetsum_nets.networks import ReluNetwork

_CONFIDENCE = 0.95


class _Measured(NamedTuple):
    """What was measured, and on which points."""

    on: str
    errors: dict[str, float]
    population: PopulationBound | None
    shared: int  # points of --test that chose the network, so that nothing is said of new ones


@app.command(rich_help_panel=TRAINED)
def coreset(
    target: Annotated[Path, typer.Argument(help="Network file.")],
    data: Annotated[
        Path,
        typer.Option(
            help="Points: .npz (images, labels), .npy, .csv, our test split; a folder of IDX files.",
            metavar="FILE",
        ),
    ],
    method: Annotated[CoresetMethod, typer.Option(help="How parameters are chosen and weighed.")] = "obs",
    keep: Annotated[
        str | None, typer.Option(help="Share of the parameters in (0, 1], or an integer of them.")
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Draws for each neuron and sign.")] = None,
    relative_error: Annotated[float | None, typer.Option(help="The paper's epsilon; no guarantee.")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Fewest parameters with this error proven.")] = None,
    near: Annotated[
        Path | None, typer.Option(help="Prove it near these points, not over the domain.", metavar="FILE")
    ] = None,
    radius: Annotated[float | None, typer.Option(help="How far around them, in every input.")] = None,
    domain: DomainRange = None,
    norm: Annotated[Norm, typer.Option(help="Of the outputs.")] = "linf",
    delta: Annotated[float, typer.Option(help="The paper's delta, for its sizes.")] = 0.1,
    test: Annotated[
        Path | None, typer.Option(help="Held-out points to measure on, else --data.", metavar="FILE")
    ] = None,
    sample_size: Annotated[int | None, typer.Option(help="Points to choose by.")] = None,
    trials: Annotated[int | None, typer.Option(help="Draws of corenet++ to choose from.")] = None,
    seed: Annotated[int, typer.Option(help="Of the points and draws.")] = 0,
    threads: Threads = None,
    figure: Annotated[
        bool, typer.Option("--figure", help="All methods at many sizes instead: tables and figure in --out.")
    ] = False,
    repeats: Annotated[int, typer.Option(help="Seeds of each sampler, for --figure.")] = 50,
    out: Annotated[Path | None, typer.Option(help="Folder to write to.", metavar="DIR")] = None,
    as_json: Json = False,
) -> None:
    """Remove parameters of a trained network, measure the error, and prove it where asked to.

    Exactly one of --keep, --samples, --relative-error and --epsilon says how many. With --epsilon the exit
    code is 1 where nothing is proven.
    """
    with refusing_bad_input(as_json):
        from subsetsum_nets.coresets import sparsify
        from subsetsum_nets.coresets.folder import is_coreset
        from subsetsum_nets.exchange.labelled_points import read_labelled_points
        from subsetsum_nets.networks import Box
        from subsetsum_nets.ticket_folder import check_folder

        points = _read_points(data, "train")
        held_out = None if test is None else _read_points(test, "test")
        if figure:
            if out is None or any(one is not None for one in (keep, samples, relative_error, epsilon, near)):
                raise ValueError("--figure writes all methods and sizes to --out DIR, and takes no size")
            _figure(read_network(target), points, held_out, repeats, seed, out, as_json)
            return
        if out is not None:
            check_folder(out, is_coreset)
        network = read_network(target)
        with counting("sizes judged", 100, as_json=as_json or epsilon is None) as tell:
            found = sparsify(
                network,
                points.points,
                method=method,
                keep=None if keep is None else _share_or_number(keep),
                samples=samples,
                relative_error=relative_error,
                epsilon=epsilon,
                near=None if near is None else read_labelled_points(near).points,
                radius=radius,
                domain=None if domain is None else Box(*domain),
                norm=norm,
                delta=delta,
                seed=seed,
                sample_size=sample_size,
                trials=trials,
                threads=threads,
                progress=lambda done, of: tell(100 * done // of),
            )
        measured = _measured(found, points, held_out)
        if out is not None:
            found.save(out)
    page = _page(found, measured, out)
    if as_json:
        print(json.dumps(page))  # noqa: T201
    else:
        _show(target, found, measured, out)
    raise typer.Exit(0 if epsilon is None or page["verified"] else 1)


def _read_points(path: Path, part: str) -> LabelledPoints:
    """Read a file of points, or the images of a folder of IDX files that are trained or measured on."""
    from subsetsum_nets.exchange.labelled_points import LabelledPoints, read_labelled_points

    if not path.is_dir():
        return read_labelled_points(path)
    from subsetsum_nets.experiments.images import SIDE, load_images

    images = load_images(path)
    labels = images.train_labels if part == "train" else images.test_labels
    return LabelledPoints(images.inputs(SIDE * SIDE, part), labels)


def _figure(
    target: ReluNetwork,
    points: LabelledPoints,
    held_out: LabelledPoints | None,
    repeats: int,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    from subsetsum_nets.experiments.coresets import coreset_curves, write_outputs
    from subsetsum_nets.experiments.coresets.run import KEEP, METHODS

    measured = points if held_out is None else held_out
    with counting("points", len(METHODS) * len(KEEP), as_json=as_json) as tell:
        done = count(1)

        def show(point: CurvePoint) -> None:
            _show_point(point)
            tell(next(done))

        found = coreset_curves(
            target,
            points.points,
            *measured,
            trials=repeats,
            seed=seed,
            measured_on="data" if held_out is None else "test",
            progress=None if as_json else show,
        )
    files = [str(path) for path in write_outputs(found, out, sys.argv)]
    if as_json:
        print(json.dumps({**found.summary(), "files": files}))  # noqa: T201
        return
    least = found.summary()["fraction_at_one_point"]
    rows = [(name, "never" if share is None else f"{share:.1%}") for name, share in least.items()]
    print_pairs(f"parameters kept with at most one point of accuracy lost, on --{found.measured_on}", rows)
    for path in files:
        console().print(f"written to {path}", highlight=False, markup=False)


def _show_point(point: CurvePoint) -> None:
    text = f"{point.method} {point.fraction:.3f}: relative l1 {point.relative_l1:.3g}"
    typer.echo(text if point.drop is None else f"{text}, {point.drop:.2f} points lost", err=True)


def _share_or_number(text: str) -> float | int:
    """Read "0.3" as a share and "300" as a number of parameters."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--keep must be a share in (0, 1] or an integer, got {text!r}") from None


def _measured(found: SparsifiedNetwork, points: LabelledPoints, held_out: LabelledPoints | None) -> _Measured:
    if held_out is None:
        return _Measured("data", found.evaluate(*points), None, 0)
    shared = found.shared_with(held_out.points, points.points)
    population = None if shared else found.population(held_out.points, confidence=_CONFIDENCE)
    return _Measured("test", found.evaluate(*held_out), population, shared)


def _page(found: SparsifiedNetwork, measured: _Measured, out: Path | None) -> dict[str, Any]:
    bound, population = found.bound, measured.population
    return {
        "method": found.method,
        "seed": found.seed,
        "size": found.size,
        "fraction": found.fraction,
        "measured_on": measured.on,
        **measured.errors,
        "norm": found.norm,
        "epsilon": None if bound is None else bound.epsilon,
        "bound": None if bound is None else bound.upper,
        "attack": None if bound is None else bound.lower,
        "verified": None if bound is None else bound.verified,
        "population": None if population is None else {**population._asdict(), "confidence": _CONFIDENCE},
        "folder": None if out is None else str(out),
    }


def _show(target: Path, found: SparsifiedNetwork, measured: _Measured, out: Path | None) -> None:
    errors = measured.errors
    rows: list[tuple[str, Any]] = [
        ("method", f"{found.method}, seed {found.seed}"),
        ("parameters", f"{found.size:,}, {found.fraction:.1%} of the target's"),
        ("measured on", "--test" if measured.on == "test" else "--data, from which it was chosen"),
        ("l1 error", f"{errors['absolute_l1']:.4g} absolute, {errors['relative_l1']:.4g} relative, mean"),
        ("largest error", f"{errors['largest_error']:.4g} ({found.norm})"),
    ]
    if "drop" in errors:
        before, after = errors["accuracy_before"], errors["accuracy_after"]
        rows.append(("accuracy", f"{after:.2%}, was {before:.2%} ({errors['drop']:+.2f} points lost)"))
    if found.bound is not None:
        rows += bound_rows(found)
    if measured.population is not None:
        error, share = measured.population
        rows.append(
            (
                "new inputs",
                f"with {_CONFIDENCE:.0%} confidence fewer than {share:.2%} err by more than {error:.4g}",
            )
        )
    if measured.shared:
        rows.append(("new inputs", f"nothing said: {measured.shared} points of --test chose the network"))
    if out is not None:
        rows.append(("written to", out))
    print_pairs(str(target), rows)


def bound_rows(found: SparsifiedNetwork) -> list[tuple[str, Any]]:
    """Return lines that say what is proven of a network that has a bound."""
    from subsetsum_nets.verification.near import NearResult

    bound = found.bound
    if bound is None:
        return []
    where = "for every input of the domain"
    if isinstance(bound, NearResult):
        where = f"within {bound.radius:g} of each of {len(bound.points)} points"
    word = "verified" if bound.verified else "not verified"
    return [
        ("proven bound", f"{at_most(bound.upper, bound.epsilon)} ({bound.norm}) {where}"),
        ("attack lower bound", at_least(bound.lower, bound.epsilon)),
        ("required", f"{bound.epsilon:g}: {word}" if bound.epsilon is not None else "nothing"),
    ]


def verify_coreset(folder: Path, as_json: bool) -> bool:
    """Check the folder of a sparsified network again and show what was found; tell whether it is verified.

    Where the folder claims no bound, its files alone are checked, and that they are whole is all it says.
    """
    from dataclasses import replace

    from subsetsum_nets.coresets.audit import audit_coreset

    checked = audit_coreset(folder)
    found = replace(checked.sparsified, bound=checked.bound)
    if as_json:
        bound = checked.bound
        page = {
            "folder": str(folder),
            "verified": None if bound is None else checked.verified,
            "epsilon": None if bound is None else bound.epsilon,
            "bound": None if bound is None else bound.upper,
            "attack": None if bound is None else bound.lower,
            "method": found.method,
            "size": found.size,
            "fraction": found.fraction,
        }
        print(json.dumps(page))  # noqa: T201
        return checked.bound is None or checked.verified
    rows = [("files", "target, sparsified network and masks are those of coreset.json"), *bound_rows(found)]
    print_pairs(str(folder), rows)
    if checked.bound is None:
        console().print("no bound is claimed; the files are whole")
    return checked.bound is None or checked.verified

"""The command line: prune, verify, solve, info.

Every command has a readable view and, with ``--json``, one for machines. Exit codes: 0 done and, where asked,
verified; 1 not verified or infeasible; 2 bad input.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from solvers import Solution
    from solvers.instance_files import Instance
    from subsetsum_nets.networks import Domain, ReluNetwork
    from subsetsum_nets.pruned_network import PrunedNetwork
    from subsetsum_nets.verification.certificate import Certificate

_DEFAULT_TARGET = "digits-64-32-10"

app = typer.Typer(
    name="subsetsum-nets",
    help="Exact subset-sum solving for strong lottery tickets: prune a random network, prove the error.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def main() -> None:
    """Run the command line."""
    app()


# -- prune -------------------------------------------------------------------------------------------


@app.command()
def prune(
    target: Annotated[
        Path | None, typer.Argument(help="Network file; the shipped digits one if none.")
    ] = None,
    construction: Annotated[str, typer.Option(help="relu, relu-paper or linear.")] = "relu",
    epsilon: Annotated[float, typer.Option(help="Required bound on sup ||f - g||.")] = 0.01,
    candidates: Annotated[int | None, typer.Option(help="Random units a subset sum draws from.")] = None,
    delta: Annotated[float, typer.Option(help="Accepted probability of not reaching epsilon.")] = 0.01,
    seed: Annotated[int, typer.Option(help="Of the random network.")] = 0,
    into: Annotated[Path | None, typer.Option(help="Random network to prune instead of a drawn one.")] = None,
    box: Annotated[
        tuple[float, float] | None,
        typer.Option(help="Domain: every input in [LOW, HIGH].", metavar="LOW HIGH"),
    ] = None,
    ball: Annotated[float | None, typer.Option(help="Domain: inputs of at most this l2 norm.")] = None,
    objective: Annotated[str, typer.Option(help="nearest, within or sparsest.")] = "nearest",
    threads: Annotated[int | None, typer.Option(help="All cores if not given.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Folder to resume a long run from.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for masks and certificate.")] = Path("ticket"),
    as_json: Json = False,
) -> None:
    """Prune a random network into a target network, prove the error, and write masks and certificate."""
    with _refusing_bad_input(as_json, checkpoint):
        from subsetsum_nets.compiler import prune as run
        from subsetsum_nets.networks import load_network, shipped_network
        from subsetsum_nets.pruned_network import REPORT, check_folder
        from subsetsum_nets.reports import write_report

        path = target or shipped_network(_DEFAULT_TARGET)
        network = load_network(path)
        check_folder(out)
        started = perf_counter()
        pruned = run(
            network,
            construction=construction,
            epsilon=epsilon,
            candidates=candidates,
            delta=delta,
            seed=seed,
            into=None if into is None else load_network(into),
            domain=_domain(box, ball),
            objective=objective,
            threads=threads,
            checkpoint=checkpoint,
            progress=not as_json and sys.stderr.isatty(),
        )
        seconds = perf_counter() - started
        accuracy = _accuracies(path, network, pruned.network)
        pruned.save(out)
        write_report(pruned, out / REPORT, accuracy=accuracy)
    certificate = pruned.certificate
    assert certificate is not None  # noqa: S101 - prune() always makes one
    if as_json:
        print(json.dumps(_prune_summary(pruned, certificate, path, out, accuracy, seconds)))  # noqa: T201
    else:
        _show_prune(pruned, certificate, path, out, accuracy, seconds)
    raise typer.Exit(0 if certificate.verified else 1)


def _domain(box: tuple[float, float] | None, ball: float | None) -> Domain | None:
    from subsetsum_nets.networks import Ball, Box

    if box is not None and ball is not None:
        raise ValueError("give --box or --ball, not both")
    if box is not None:
        return Box(*box)
    return None if ball is None else Ball(ball)


def _accuracies(path: Path, target: ReluNetwork, pruned: ReluNetwork) -> tuple[float, float] | None:
    """Return the test accuracy of both networks where the target's file names a test split beside it."""
    from subsetsum_nets.networks import load_test_split, read_extra

    name = read_extra(path).get("test_split")
    split = None if name is None else path.parent / Path(name).name
    if split is None or not split.exists():
        return None
    inputs, labels = load_test_split(split)
    if inputs.shape[1] != target.widths[0]:
        return None
    before, after = (float((net(inputs).argmax(axis=1) == labels).mean()) for net in (target, pruned))
    return before, after


def _prune_summary(
    pruned: PrunedNetwork,
    certificate: Certificate,
    path: Path,
    out: Path,
    accuracy: tuple[float, float] | None,
    seconds: float,
) -> dict[str, Any]:
    return {
        "target": str(path),
        "out": str(out),
        "construction": certificate.construction,
        "candidates": certificate.candidates,
        "seed": certificate.seed,
        "epsilon": certificate.epsilon,
        "domain": certificate.domain,
        "norm": certificate.norm,
        **certificate.counts,
        "status_counts": certificate.status_counts,
        "worst_weight_error": certificate.worst_weight_error,
        "bound": certificate.bound,
        "method": certificate.method,
        "attack": certificate.attack,
        "verified": certificate.verified,
        "shortfall": certificate.shortfall,
        "accuracy_before": None if accuracy is None else accuracy[0],
        "accuracy_after": None if accuracy is None else accuracy[1],
        "rows_per_second": len(pruned.solution) / max(pruned.solution.seconds, 1e-9),
        "seconds": seconds,
    }


def _show_prune(
    pruned: PrunedNetwork,
    certificate: Certificate,
    path: Path,
    out: Path,
    accuracy: tuple[float, float] | None,
    seconds: float,
) -> None:
    counts = certificate.counts
    kept, drawn = counts["kept_parameters"], counts["random_parameters"]
    proven = certificate.status_counts["optimal"]
    shape = "-".join(map(str, pruned.target.widths))
    rows = [
        ("target", f"{path.stem} ({shape}), {counts['weights']:,} weights"),
        ("random network", f"{'-'.join(map(str, pruned.random.widths))}, {drawn:,} random parameters"),
        ("kept parameters", f"{kept:,} of them ({kept / drawn:.1%})"),
        ("subset sums", f"{counts['subset_sums']:,}, {proven:,} proven nearest within tolerance"),
        ("worst weight error", _at_most(certificate.worst_weight_error)),
        (
            "proven bound",
            f"{_at_most(certificate.bound, certificate.epsilon)}  (method {certificate.method})",
        ),
        ("attack lower bound", _at_least(certificate.attack, certificate.epsilon)),
    ]
    if accuracy is not None:
        rows.append(("test accuracy", f"{accuracy[0]:.2%} before, {accuracy[1]:.2%} after"))
    rows.append(("time", f"{seconds:.1f} s"))
    _print_pairs(
        f"{certificate.construction}, {certificate.candidates} candidates, "
        + (f"seed {certificate.seed}" if certificate.seed is not None else "given random network"),
        rows,
    )
    console = _console()
    console.print(_verdict(certificate.bound, certificate.epsilon, certificate.attack, certificate))
    if pruned.shortfall is not None:
        console.print(f"[yellow]note[/] {pruned.shortfall}")
    console.print(f"written to {out}: check it again with  subsetsum-nets verify {out}", highlight=False)


def _verdict(bound: float, epsilon: float, attack: float, certificate: Certificate) -> str:
    shown = _at_most(bound, epsilon)
    claim = f"||f(x) - g(x)||_{certificate.norm[1:]} <= {shown} for every x in {certificate.domain_set!r}"
    if bound <= epsilon:
        return f"[bold green]verified[/] {claim}; required {epsilon:g}"
    if attack > epsilon:
        reached = _at_least(attack, epsilon)
        return f"[bold red]falsified[/] the difference reaches {reached}; required {epsilon:g}"
    return f"[bold red]not verified[/] proven is only {claim}; required {epsilon:g}"


# -- verify ------------------------------------------------------------------------------------------


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder that prune wrote.")],
    method: Annotated[str, typer.Option(help="auto, differential, norms or interval.")] = "auto",
    as_json: Json = False,
) -> None:
    """Check a folder again, from its files alone; a tampered one is refused with exit code 2."""
    with _refusing_bad_input(as_json):
        from subsetsum_nets.audit import audit

        checked = audit(folder, method=method)
    result, certificate = checked.result, checked.certificate
    if as_json:
        page = {
            "folder": str(folder),
            "verified": checked.verified,
            "epsilon": certificate.epsilon,
            "bound": result.upper,
            "attack": result.lower,
            "method": result.method,
            "domain": certificate.domain,
            "norm": certificate.norm,
            "seconds": result.seconds,
        }
        print(json.dumps(page))  # noqa: T201
    else:
        _print_pairs(
            str(folder),
            [
                ("files", "target, random network, masks and pruned network match the certificate"),
                (
                    "random network",
                    "drawn again from its seed" if certificate.recipe else "read",
                ),
                (
                    "proven bound",
                    f"{_at_most(result.upper, certificate.epsilon)}  ({result.method}, computed anew)",
                ),
                (
                    "certificate says",
                    f"{_at_most(certificate.bound, certificate.epsilon)}  ({certificate.method})",
                ),
                ("attack lower bound", _at_least(result.lower, certificate.epsilon)),
            ],
        )
        _console().print(_verdict(result.upper, certificate.epsilon, result.lower, certificate))
    raise typer.Exit(0 if checked.verified else 1)


# -- solve -------------------------------------------------------------------------------------------


@app.command()
def solve(
    instances: Annotated[
        list[Path],
        typer.Argument(metavar="INSTANCE..", help="Instance files in any format, or folders of them."),
    ],
    objective: Annotated[str, typer.Option(help="nearest, within or sparsest.")] = "nearest",
    backend: Annotated[str, typer.Option(help="auto, or a backend that info lists.")] = "auto",
    tolerance: Annotated[
        str | None, typer.Option(help="Replaces that of the instances: 0.01, 1/3 or 0x1p-8.")
    ] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for each instance.")] = None,
    memory_limit: Annotated[int | None, typer.Option(help="Bytes for each instance.")] = None,
    threads: Annotated[int | None, typer.Option(help="For backends that use several.")] = None,
    seed: Annotated[int, typer.Option(help="Of backends that search at random.")] = 0,
    as_json: Json = False,
) -> None:
    """Solve subset-sum instances; a line each.

    All files are read before any is solved; one that cannot be read ends the command. Exit code 0: a subset
    was found for each instance; 1: not for all, or an answer refutes what the file says is known; 2: bad
    input, or an instance that the backend cannot take (the others are solved all the same).
    """
    with _refusing_bad_input(as_json):
        from solvers import solve as run

        read = _read_all(instances, tolerance)
        solved: list[tuple[Instance, Solution]] = []
        refused = False
        try:
            for instance in read:
                try:
                    with _solver_chatter_on_stderr():
                        solution = run(
                            instance.problem,
                            objective=objective,
                            backend=backend,
                            time_limit=time_limit,
                            memory_limit=memory_limit,
                            threads=threads,
                            seed=seed,
                        )
                except (ValueError, NotImplementedError) as error:
                    refused = True
                    _complain(f"{instance.name}: {error}", error, as_json)
                    continue
                solved.append((instance, solution))
                if as_json:
                    print(json.dumps(_solution_line(instance, solution)), flush=True)  # noqa: T201
        finally:  # what was solved is shown even when Ctrl-C ends the rest
            if solved and not as_json:
                _show_solutions(solved)
        found = all(solution.status.name in ("OPTIMAL", "FEASIBLE") for _, solution in solved)
        consistent = _warn_of_contradictions(solved)
    raise typer.Exit(2 if refused else 0 if found and consistent else 1)


@contextmanager
def _solver_chatter_on_stderr() -> Iterator[None]:
    """Send what compiled solvers print past Python (HiGHS does, even when told not to) to stderr."""
    sys.stdout.flush()
    ours = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(ours, 1)
        os.close(ours)


def _read_all(places: list[Path], tolerance: str | None) -> list[Instance]:
    """Read every instance of every file and folder; complain about all that cannot be read at once."""
    from dataclasses import replace

    from solvers import InvalidProblemError, SubsetSum
    from solvers.instance_files import instance_paths, number_from, read_instances

    limit = None if tolerance is None else number_from(tolerance)
    paths: dict[Path, None] = {}  # in order, each once
    read: list[Instance] = []
    complaints = []
    for place in places:
        try:
            paths.update(dict.fromkeys(instance_paths(place)))
        except (InvalidProblemError, OSError) as error:
            complaints.append(str(error))
    for path in paths:
        try:
            read += read_instances(path)
        except (InvalidProblemError, OSError) as error:
            complaints.append(str(error))
    if complaints:
        raise InvalidProblemError("\n".join(complaints))
    if limit is None:
        return read
    return [
        replace(
            instance,
            problem=SubsetSum(p.items, p.target, tolerance=limit, cardinality=p.cardinality),
        )
        for instance in read
        for p in [instance.problem]
    ]


def _warn_of_contradictions(solved: list[tuple[Instance, Solution]]) -> bool:
    from solvers.instance_files import contradiction

    refuted = [(i, s, what) for i, s in solved if (what := contradiction(i, s)) is not None]
    for instance, solution, what in refuted:
        typer.secho(
            f"WARNING: {instance.name}: {solution.backend} found {what}. The file or the solver is wrong.",
            err=True,
            fg=typer.colors.RED,
            bold=True,
        )
    return not refuted


def _solution_line(instance: Instance, solution: Solution) -> dict[str, Any]:
    return {
        "name": instance.name,
        "status": solution.status.name,
        "proof": solution.proof.name,
        "error": _json_float(solution.error),
        "error_exact": None if solution.error is None else f"{solution.error}",
        "lower_bound": _json_float(solution.lower_bound),
        "gap": _json_float(solution.gap),
        "subset": None if solution.subset is None else solution.subset.tolist(),
        "backend": solution.backend,
        "seconds": solution.seconds,
    }


def _json_float(value: Fraction | None) -> float | None:
    """Return the nearest float64; None past the largest one, which JSON could not write."""
    try:
        return None if value is None else float(value)
    except OverflowError:
        return None


def _show_solutions(solved: list[tuple[Instance, Solution]]) -> None:
    from rich.table import Table

    from solvers.exact import float_down, float_up

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in ("instance", "n", "d", "status", "error", "bound", "gap", "backend", "seconds"):
        words = heading in ("instance", "status", "backend")
        table.add_column(
            heading,
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=heading != "instance",
        )
    for instance, solution in solved:
        table.add_row(
            instance.name,
            str(instance.problem.n),
            str(instance.problem.d),
            solution.status.name,
            _at_most(None if solution.error is None else float_up(solution.error)),
            _at_least(float_down(solution.lower_bound)),
            _at_most(None if solution.gap is None else float_up(solution.gap)),
            solution.backend,
            f"{solution.seconds:.3f}",
        )
    _console().print(table)
    for instance, solution in solved:
        notes = [solution.message] if solution.message else []
        if solution.proof.name == "TOLERANCE":
            notes.append(f"proven up to the backend's resolution of {solution.resolution:.1e} only")
        if notes or solution.status.name not in ("OPTIMAL", "FEASIBLE"):
            note = f" ({'; '.join(notes)})" if notes else ""
            _console().print(f"{instance.name}: {solution.status}{note}", markup=False, highlight=False)


# -- info --------------------------------------------------------------------------------------------


@app.command()
def info(as_json: Json = False) -> None:
    """Show versions, the backends found, threads and shipped networks."""
    import os
    import platform
    from importlib.metadata import version

    from solvers import backends
    from subsetsum_nets.constructions import CONSTRUCTIONS
    from subsetsum_nets.networks import shipped_networks
    from subsetsum_nets.verification.verifier import METHODS
    from subsetsum_nets.version import __version__

    libraries = {name: version(name) for name in ("numpy", "scipy", "numba", "ortools", "safetensors")}
    page = {
        "version": __version__,
        "python": platform.python_version(),
        "libraries": libraries,
        "threads": os.cpu_count(),
        "backends": backends(),
        "constructions": sorted(CONSTRUCTIONS),
        "methods": list(METHODS),
        "networks": shipped_networks(),
    }
    if as_json:
        print(json.dumps(page))  # noqa: T201
        return
    _print_pairs(
        f"subsetsum-nets {__version__}",
        [
            ("python", page["python"]),
            ("libraries", ", ".join(f"{name} {number}" for name, number in libraries.items())),
            ("threads", page["threads"]),
            *[(f"backend {name}", summary) for name, summary in backends().items()],
            ("constructions", ", ".join(sorted(CONSTRUCTIONS))),
            ("methods", ", ".join(METHODS)),
            ("networks", ", ".join(shipped_networks())),
        ],
    )


# -- what the commands share -------------------------------------------------------------------------


@contextmanager
def _refusing_bad_input(as_json: bool, checkpoint: Path | None = None) -> Iterator[None]:
    """Turn the errors that users can cause into one line and exit code 2; leave bugs their traceback."""
    try:
        yield
    except (ValueError, OSError, NotImplementedError, ImportError) as error:
        _complain(str(error) or type(error).__name__, error, as_json)
        raise typer.Exit(2) from error
    except KeyboardInterrupt:
        hint = "" if checkpoint is None else f"; run the same command again to resume from {checkpoint}"
        typer.secho(f"interrupted{hint}", err=True)
        raise typer.Exit(130) from None


def _complain(message: str, error: Exception, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"error": message, "kind": type(error).__name__}), flush=True)  # noqa: T201
    typer.secho(f"error: {message}", err=True, fg=typer.colors.RED)


def _console() -> Any:
    from rich.console import Console

    return Console(soft_wrap=True)


def _print_pairs(title: str, rows: list[tuple[str, Any]]) -> None:
    from rich.table import Table
    from rich.text import Text

    style: dict[str, Any] = {"title_justify": "left", "title_style": "bold", "pad_edge": False}
    table = Table(title=title, show_header=False, box=None, **style)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, Text(str(value)))
    _console().print(table)


def _at_most(value: float | None, required: float | None = None) -> str:
    """Show an upper bound, rounded up; "-" for none."""
    from subsetsum_nets.reports.rounding import upper

    return "-" if value is None else upper(value, within=required)


def _at_least(value: float, required: float | None = None) -> str:
    """Show a lower bound, rounded down."""
    from subsetsum_nets.reports.rounding import lower

    return lower(value, beyond=required)

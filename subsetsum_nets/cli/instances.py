"""Command solve: subset-sum instances from files."""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any

import typer

from subsetsum_nets.cli.options import Json, app
from subsetsum_nets.cli.terminal import (
    at_least,
    at_most,
    complain,
    console,
    refusing_bad_input,
    solver_chatter_on_stderr,
)

if TYPE_CHECKING:
    from fractions import Fraction

    from solvers import Solution
    from solvers.instances.files import Instance


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
    with refusing_bad_input(as_json):
        from solvers import solve as run

        read = _read_all(instances, tolerance)
        solved: list[tuple[Instance, Solution]] = []
        refused = False
        try:
            for instance in read:
                try:
                    with solver_chatter_on_stderr():
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
                    complain(f"{instance.name}: {error}", error, as_json)
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


def _read_all(places: list[Path], tolerance: str | None) -> list[Instance]:
    """Read every instance of every file and folder; complain about all that cannot be read at once."""
    from dataclasses import replace

    from solvers import InvalidProblemError, SubsetSum
    from solvers.instances.files import instance_paths, number_from, read_instances

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
            problem=SubsetSum(
                p.items,
                p.target,
                tolerance=limit,
                cardinality=p.cardinality,
                multiplicity=p.multiplicity,
            ),
        )
        for instance in read
        for p in [instance.problem]
    ]


def _warn_of_contradictions(solved: list[tuple[Instance, Solution]]) -> bool:
    from solvers.instances.files import contradiction

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
        "stop": solution.stop.name,
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
            at_most(None if solution.error is None else float_up(solution.error)),
            at_least(float_down(solution.lower_bound)),
            at_most(None if solution.gap is None else float_up(solution.gap)),
            solution.backend,
            f"{solution.seconds:.3f}",
        )
    console().print(table)
    for instance, solution in solved:
        notes = [] if solution.stop.name == "PROVEN" else [str(solution.stop)]
        notes += [solution.message] if solution.message else []
        if solution.proof.name == "TOLERANCE":
            notes.append(f"proven up to the backend's resolution of {solution.resolution:.1e} only")
        if notes or solution.status.name not in ("OPTIMAL", "FEASIBLE"):
            note = f" ({'; '.join(notes)})" if notes else ""
            console().print(f"{instance.name}: {solution.status}{note}", markup=False, highlight=False)

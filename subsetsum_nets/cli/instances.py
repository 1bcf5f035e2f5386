"""Command solve: subset-sum instances from files."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from solvers.solution import Objective  # noqa: TC001 - typer reads the annotations
from subsetsum_nets.cli.answers import show_counts, show_listed, show_solutions, solution_line
from subsetsum_nets.cli.options import MAIN, Json, app
from subsetsum_nets.cli.terminal import alarm, complain, counted, refusing_bad_input, solver_chatter_on_stderr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from solvers import Solution
    from solvers.instances.files import Instance

    Line = tuple[dict[str, Any], Any]  # for machines, and for people


@app.command(rich_help_panel=MAIN)
def solve(
    instances: Annotated[
        list[Path],
        typer.Argument(
            metavar="INSTANCE..", help="Instance files in any format, folders of them, - for standard input."
        ),
    ],
    objective: Annotated[Objective, typer.Option(help="Which subset is looked for.")] = "nearest",
    backend: Annotated[str, typer.Option(help="auto, or a backend that info lists.")] = "auto",
    target: Annotated[
        str | None, typer.Option(help="Replaces that of the instances: 5, 0.3, 1/3, or 1,2 for vectors.")
    ] = None,
    tolerance: Annotated[
        str | None, typer.Option(help="Replaces that of the instances: 0.01, 1/3 or 0x1p-8.")
    ] = None,
    cardinality: Annotated[
        str | None, typer.Option(help="Replaces that of the instances: K, or MIN:MAX.")
    ] = None,
    side: Annotated[
        Literal["both", "below", "above"] | None,
        typer.Option(help="below: sums up to the target only; above: from it on."),
    ] = None,
    count: Annotated[bool, typer.Option("--count", help="Only count the subsets within tolerance.")] = False,
    all_: Annotated[bool, typer.Option("--all", help="List all subsets within tolerance.")] = False,
    k_best: Annotated[int | None, typer.Option(help="List so many subsets, best first.")] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the chosen items below the table.")] = False,
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
    limits = {"backend": backend, "time_limit": time_limit, "memory_limit": memory_limit, "threads": threads}
    with refusing_bad_input(as_json):
        _check_choice(objective, count=count, all_=all_, k_best=k_best)
        read = _read_all(instances, target, tolerance, cardinality, side)
        if count:
            ended = _run(read, lambda one: _counted(one, limits), show_counts, as_json)
        elif all_ or k_best is not None:
            ended = _run(read, lambda one: _listed(one, k_best, limits), show_listed, as_json)
        else:
            asked = {**limits, "objective": objective, "seed": seed}
            table = partial(show_solutions, subsets=show)
            ended = _run(read, lambda one: _solved(one, asked), table, as_json, against_known=True)
    raise typer.Exit(ended)


def _check_choice(objective: str, *, count: bool, all_: bool, k_best: int | None) -> None:
    from solvers import InvalidProblemError

    chosen = [
        name for name, on in (("--count", count), ("--all", all_), ("--k-best", k_best is not None)) if on
    ]
    if len(chosen) > 1:
        raise InvalidProblemError(f"{' and '.join(chosen)} ask for different things; give one")
    if chosen and objective == "sparsest":
        raise InvalidProblemError(f"{chosen[0]} goes by the error; it takes no --objective sparsest")


def _run(
    read: list[Instance],
    asked: Callable[[Instance], Iterator[Line]],
    show: Callable[[list[Any]], None],
    as_json: bool,
    *,
    against_known: bool = False,
) -> int:
    """Answer each instance, show the answers, and return the exit code.

    ``against_known``: answers that refute what their files say is known are named.
    """
    shown: list[Any] = []
    refused, found, consistent = False, True, True
    try:
        for instance in counted(read, "instances", as_json=as_json):
            lines = 0
            try:
                for page, line in asked(instance):
                    lines += 1
                    shown.append(line)
                    found &= page.get("status") not in ("UNKNOWN", "INFEASIBLE") and page.get("count") != 0
                    if as_json:
                        print(json.dumps(page), flush=True)  # noqa: T201
            except (ValueError, NotImplementedError) as error:
                refused = True
                complain(f"{instance.name}: {error}", error, as_json)
            except TimeoutError as error:
                found = False
                complain(f"{instance.name}: {error}", error, as_json)
            found &= lines > 0
    finally:  # what was solved is shown even when Ctrl-C ends the rest
        if shown and not as_json:
            show(shown)
    if against_known:
        consistent = _warn_of_contradictions(shown)
    return 2 if refused else 0 if found and consistent else 1


def _solved(instance: Instance, asked: dict[str, Any]) -> Iterator[Line]:
    from solvers import solve as run

    with solver_chatter_on_stderr():
        solution = run(instance.problem, **asked)
    yield solution_line(instance, solution), (instance, solution)


def _listed(instance: Instance, limit: int | None, limits: dict[str, Any]) -> Iterator[Line]:
    from solvers import solutions

    for rank, solution in enumerate(solutions(instance.problem, limit=limit, **limits), start=1):
        yield {**solution_line(instance, solution), "rank": rank}, (instance, rank, solution)


def _counted(instance: Instance, limits: dict[str, Any]) -> Iterator[Line]:
    from solvers import count

    number = count(instance.problem, **limits)
    yield {"name": instance.name, "count": number}, (instance, number)


# -- reading -------------------------------------------------------------------------------------------


def _read_all(
    places: list[Path],
    target: str | None,
    tolerance: str | None,
    cardinality: str | None,
    side: str | None,
) -> list[Instance]:
    """Read every instance of every file and folder; complain about all that cannot be read at once."""
    from solvers import InvalidProblemError
    from solvers.instances.files import instance_paths, number_from, read_instances

    goal = None if target is None else [number_from(word.strip()) for word in target.split(",")]
    changes: dict[str, Any] = {} if goal is None else {"target": goal[0] if len(goal) == 1 else goal}
    changes |= {} if tolerance is None else {"tolerance": number_from(tolerance)}
    changes |= {} if cardinality is None else {"cardinality": _range_from(cardinality)}
    changes |= {} if side is None else {"side": side}
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
            found = read_instances(path, target=changes.get("target"))
            read += [_changed(instance, changes) for instance in found]
        except (InvalidProblemError, OSError) as error:
            complaints.append(str(error))
    if complaints:
        raise InvalidProblemError("\n".join(complaints))
    return read


def _range_from(text: str) -> Any:
    """Return what "K" or "MIN:MAX" says; InvalidProblemError for anything else."""
    from solvers import InvalidProblemError

    words = text.split(":")
    if len(words) > 2 or not all(word.strip().isdecimal() for word in words):
        raise InvalidProblemError(f"--cardinality must be K or MIN:MAX, got {text!r}")
    return int(words[0]) if len(words) == 1 else (int(words[0]), int(words[1]))


def _changed(instance: Instance, changes: dict[str, Any]) -> Instance:
    """Return the instance with what the options replace; what is known holds for the tolerance alone."""
    from solvers import InvalidProblemError

    if not changes:
        return instance
    try:
        problem = instance.problem.replace(**changes)
    except InvalidProblemError as error:
        raise InvalidProblemError(f"{instance.name}: {error}") from error
    known = instance.known if set(changes) == {"tolerance"} else None
    return replace(instance, problem=problem, known=known)


def _warn_of_contradictions(solved: list[tuple[Instance, Solution]]) -> bool:
    from solvers.instances.files import contradiction

    refuted = [(i, s, what) for i, s in solved if (what := contradiction(i, s)) is not None]
    for instance, solution, what in refuted:
        alarm(f"WARNING: {instance.name}: {solution.backend} found {what}. The file or the solver is wrong.")
    return not refuted

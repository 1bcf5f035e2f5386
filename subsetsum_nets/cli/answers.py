"""How command solve shows its answers: as JSON lines and as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from subsetsum_nets.cli.terminal import at_least, at_most, console, open_table

if TYPE_CHECKING:
    from fractions import Fraction

    from solvers import Solution
    from solvers.instances.files import Instance


def solution_line(instance: Instance, solution: Solution) -> dict[str, Any]:
    """Return what a line of JSON says about one solution: bounds rounded outward, and exactly."""
    from solvers.exact import float_down

    page = solution.to_json()
    return {
        "name": instance.name,
        "status": solution.status.name,
        "proof": solution.proof.name,
        "resolution": solution.resolution,
        "stop": solution.stop.name,
        "message": solution.message,
        "objective": solution.objective,
        "error": _at_most(solution.error),
        "error_exact": page["error"],
        "lower_bound": float_down(solution.lower_bound),
        "lower_bound_exact": page["lower_bound"],
        "gap": _at_most(solution.gap),
        "gap_exact": None if solution.gap is None else str(solution.gap),
        "total_exact": page["total"],
        "size_bound": solution.size_bound,
        "subset": page["subset"],
        "backend": solution.backend,
        "seconds": solution.seconds,
        "solution": page,
    }


def _at_most(value: Fraction | None) -> float | None:
    """Return the value rounded up to float64; None past the largest one, which JSON could not write."""
    from solvers.exact import float_up

    rounded = math.inf if value is None else float_up(value)
    return rounded if math.isfinite(rounded) else None


def show_solutions(solved: list[tuple[Instance, Solution]], *, subsets: bool = False) -> None:
    """Print a table with a row for each solution, and what more there is to say about any.

    With ``subsets`` the chosen items too, by index and by number.
    """
    from rich.table import Table

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
            _up(solution.error),
            _down(solution.lower_bound),
            _up(solution.gap),
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
        if subsets and solution.subset is not None:
            _show_subset(instance, solution)


def _show_subset(instance: Instance, solution: Solution) -> None:
    """Print the chosen items: their indices, their numbers, and what these add up to."""
    problem, counts = instance.problem, [] if solution.counts is None else solution.counts.tolist()
    items = problem.items.tolist()
    lines = [f"{instance.name}: {solution.size} items, total {_text(solution.total)}"]
    for i, count in enumerate(counts):
        if count:
            times = f" x {count}" if problem.multiplicity is not None else ""
            lines.append(f"  {i}: {_text(items[i])}{times}")
    console().print("\n".join(lines), markup=False, highlight=False)


def _text(number: Any) -> str:
    """Write a number, or one for each dimension, exactly."""
    if isinstance(number, tuple | list):
        return " ".join(map(_text, number))
    return str(number)


def _whole(value: Fraction | None) -> str | None:
    """Return an integer of at most 15 digits whole; None for other numbers, which are rounded."""
    return str(value) if value is not None and value.denominator == 1 and abs(value) < 10**15 else None


def _up(value: Fraction | None) -> str:
    from solvers.exact import float_up

    return _whole(value) or at_most(None if value is None else float_up(value))


def _down(value: Fraction) -> str:
    from solvers.exact import float_down

    return _whole(value) or at_least(float_down(value))


def show_listed(listed: list[tuple[Instance, int, Solution]]) -> None:
    """Print a table with a row for each listed subset, best first."""
    table = open_table(None, ("instance", "rank", "size", "error", "subset"), ("instance", "subset"))
    for instance, rank, solution in listed:
        error = _up(solution.error)
        subset = [] if solution.subset is None else solution.subset.tolist()
        table.add_row(instance.name, str(rank), str(solution.size), error, " ".join(map(str, subset)))
    console().print(table, markup=False)


def show_counts(counted: list[tuple[Instance, int]]) -> None:
    """Print a table with the number of subsets of each instance."""
    table = open_table(None, ("instance", "n", "d", "subsets"), ("instance",))
    for instance, number in counted:
        table.add_row(instance.name, str(instance.problem.n), str(instance.problem.d), f"{number:,}")
    console().print(table)

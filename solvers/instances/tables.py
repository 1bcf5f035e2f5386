"""CSV: a table with a row for each item, and a column for each dimension.

The first column, and one named id, index, item, name or label, may hold labels, which are passed over; every
other column must hold numbers. The target is a row labelled ``target``, or a comment ``# target: 5``, or
given by the caller. Columns named profit (or value) and weight are a knapsack's: read where both are equal.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, Any

from solvers.errors import InvalidProblemError
from solvers.instances.instance import Instance
from solvers.instances.pages import MOST_NUMBERS, name_of, number_of, shown, stem_of
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path
    from typing import NoReturn

_SUFFIXES = (".csv", ".tsv")
_DELIMITERS = (";", "\t", ",")
_LABELS = {"", "#", "id", "index", "item", "items", "key", "label", "name", "no", "no.", "nr", "row"}
_PROFITS, _WEIGHTS = {"profit", "value"}, {"weight", "weights"}
_TARGETS = {"target", "capacity"}
_TARGET = re.compile(r"#\s*(?:target|capacity)\s*[:=]\s*(.+)", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")


@dataclass(frozen=True)
class Table:
    """The cells of a file by rows, with the line of each; what its comments say; the target if one does."""

    path: Path
    rows: list[tuple[int, list[str]]]
    comments: list[str]
    target: str | None

    def refuse(self, line: int, reason: str) -> NoReturn:
        """Raise InvalidProblemError with the file and the line."""
        raise InvalidProblemError(f"{self.path} line {line}: {reason}")

    def is_one(self, target: Any) -> bool:
        """Whether it is a table indeed, rather than a text format with commas between its words."""
        if len({len(cells) for _, cells in self.rows}) > 1:
            return False
        says_target = target is not None or self.target is not None
        named = name_of(self.path).lower().endswith(_SUFFIXES)
        words = any(number_of(cell) is None for _, cells in self.rows for cell in cells)
        return says_target or named or words


def table_of(path: Path, text: str) -> Table | None:
    """Return the cells of a text, if it has delimiters, or its name says that it is a table; else None."""
    lines = [line.replace("//", "#", 1) for line in text.splitlines()]
    bodies = [line.partition("#")[0].strip() for line in lines]
    first = next((body for body in bodies if body), "")
    delimiter = next((mark for mark in _DELIMITERS if mark in first), None)
    if delimiter is None and not name_of(path).lower().endswith(_SUFFIXES):
        return None
    target, comments, rows, count = None, [], [], 0
    for number, (line, body) in enumerate(zip(lines, bodies, strict=True), start=1):
        if "#" in line and not body:
            found = _TARGET.fullmatch(line.strip())
            target = found[1] if found else target
            comments += [] if found else [line.partition("#")[2].strip()]
        for cells in csv.reader(StringIO(body), delimiter=delimiter or ","):
            stripped = [cell.strip() for cell in cells]
            count += len(stripped)
            if any(stripped):
                rows.append((number, stripped))
        if count > MOST_NUMBERS:
            raise InvalidProblemError(f"{path} line {number}: more than {MOST_NUMBERS} numbers")
    return Table(path, rows, comments, target)


def read_table(table: Table, target: Any = None) -> Instance:
    """Return the problem of a table; InvalidProblemError, naming file and line, where it is none."""
    if not table.rows:
        raise InvalidProblemError(f"{table.path} is empty")
    header, body = _header_and_body(table)
    goal = None
    for row in [row for row in body if _is_target(row[1])]:
        if goal is not None:
            table.refuse(row[0], "a second row for the target")
        goal = row
        body = [other for other in body if other is not row]
    columns = _columns(table, header, body)
    line = table.rows[0][0]
    if not body or not columns:
        table.refuse(line, "no rows of items" if not body else "no column of numbers")
    items = [[_number(table, number, cells[k]) for k in columns] for number, cells in body]
    items = _weights(table, header, columns, [number for number, _ in body], items)
    if target is None:
        target = _target(table, goal, columns, len(items[0]))
    problem = SubsetSum(
        [row[0] for row in items] if len(items[0]) == 1 else items,
        target[0] if isinstance(target, list) and len(target) == len(items[0]) == 1 else target,
    )
    notes = f"; {' '.join(table.comments)}" if table.comments else ""
    return Instance(problem, stem_of(table.path), f"CSV table{notes}")


def _header_and_body(table: Table) -> tuple[list[str], list[tuple[int, list[str]]]]:
    (_, first), *body = table.rows
    if any(number_of(cell) is not None for cell in first) or _is_target(first):
        return [], table.rows
    return [cell.lower() for cell in first], body


def _is_target(cells: list[str]) -> bool:
    return cells[0].lower().rstrip(":") in _TARGETS and any(map(_is_number, cells[1:]))


def _is_number(cell: str) -> bool:
    return number_of(cell) is not None


def _columns(table: Table, header: list[str], body: list[tuple[int, list[str]]]) -> list[int]:
    """Return which columns hold the items' numbers."""
    width = len(table.rows[0][1])
    labelled = {k for k, name in enumerate(header) if name in _LABELS}
    labelled = labelled if len(labelled) < width else set()
    if width > 1 and (any(map(_is_target, (cells for _, cells in table.rows)))):
        labelled.add(0)
    for number, cells in body:
        for k, cell in enumerate(cells):
            if k in labelled or _is_number(cell):
                continue
            if k > 0 or width == 1 or _DECIMAL_COMMA.fullmatch(cell):
                comma = "; write decimals with a point" if "," in cell else ""
                table.refuse(number, f"{shown(cell)!r} is not a number{comma}")
            labelled.add(0)
    return [k for k in range(width) if k not in labelled]


def _number(table: Table, line: int, cell: str) -> int | Fraction:
    number = number_of(cell)
    if number is None:
        table.refuse(line, f"{shown(cell)!r} is not a number")
    return number


def _weights(
    table: Table, header: list[str], columns: list[int], lines: list[int], items: list[list[Any]]
) -> list[list[Any]]:
    """Return the items without the profits of a knapsack, which must be equal to the weights."""
    names = [header[k] for k in columns] if header else []
    profit = next((k for k, name in enumerate(names) if name in _PROFITS), None)
    weight = next((k for k, name in enumerate(names) if name in _WEIGHTS), None)
    if profit is None or weight is None:
        return items
    for line, row in zip(lines, items, strict=True):
        if row[profit] != row[weight]:
            table.refuse(line, "profit and weight differ: a knapsack, not a subset sum")
    return [[x for k, x in enumerate(row) if k != profit] for row in items]


def _target(table: Table, goal: tuple[int, list[str]] | None, columns: list[int], d: int) -> Any:
    line, cells = goal or (table.rows[0][0], [])
    words = [cells[k] for k in columns] if goal else re.split(r"[\s,;]+", (table.target or "").strip())
    given = [word for word in words if word]
    if not given:
        table.refuse(
            line,
            "the table does not say which is the target; give it (--target), or a row labelled target, or a "
            "comment '# target: ..'",
        )
    if len(given) != d:
        table.refuse(line, f"the target has {len(given)} numbers, the items have {d}")
    return [_number(table, line, word) for word in given]

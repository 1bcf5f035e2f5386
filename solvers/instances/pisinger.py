"""Pisinger's knapsacks, where they are subset sums: profit = weight, as in his types 6, 13 and the like.

Two layouts: of his published files (``knapPI_6_50_1000.csv``) with blocks of a name, ``n``, ``c``, ``z`` (the
optimum), ``time`` and lines ``index,profit,weight,x``, and of his generator: ``n``, lines ``index profit
weight``, ``c``. An optimum z = c is an exact hit of the capacity; a smaller one says that there is none.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

from solvers.instances.instance import Instance
from solvers.instances.pages import Page, Row, shown, stem_of
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Iterator

_CAPACITY = "the target is the knapsack's capacity; the nearest sum may exceed it"


def is_pisinger(page: Page) -> bool:
    """Whether the second and third lines say 'n ..' and 'c ..'."""
    return [row.words[0] for row in page.rows[1:3]] == ["n", "c"]


def read_pisinger(page: Page) -> list[Instance]:
    """Read the blocks of a published file, at least one."""
    return [_block(page, rows) for rows in _blocks(page)]


def _blocks(page: Page) -> Iterator[list[Row]]:
    rows: list[Row] = []
    for row in page.rows:
        if set(row.words[0]) == {"-"} and len(row.words[0]) > 1:
            if rows:
                yield rows
            rows = []
        else:
            rows.append(Row(row.line, " ".join(row.words).replace(",", " ").split()))
    if rows:
        yield rows


def _block(page: Page, rows: list[Row]) -> Instance:
    title, *rest = rows
    stated: dict[str, Any] = {}
    while rest and rest[0].words[0] in ("n", "c", "z", "time"):
        row = rest.pop(0)
        value = Row(row.line, row.words[1:])
        (stated[row.words[0]],) = page.numbers(value, 1, f"'{row.words[0]} NUMBER'")
    if not {"n", "c"} <= set(stated):
        page.refuse(title.line, "lines 'n NUMBER' and 'c NUMBER' expected after the name")
    body = Page(page.path, [title, *rest], []).body(1, stated["n"], "items")
    width = 4 if len(body[0].words) == 4 else 3
    columns = [_checked(page, row, k, width) for k, row in enumerate(body, start=1)]
    weights, capacity, best = [c[2] for c in columns], stated["c"], stated.get("z")
    if width == 4:
        packed = sum(c[2] for c in columns if c[3] == 1)
        if not {c[3] for c in columns} <= {0, 1} or packed != (packed if best is None else best):
            page.refuse(title.line, f"the items marked 1 add up to {shown(packed)}, not to z = {shown(best)}")
    known = {"status": "OPTIMAL", "error": Fraction(0)} if best == capacity else None
    source = f"Pisinger's knapsacks: {_CAPACITY}" + (
        "" if best is None else f"; stated optimum {shown(best)}"
    )
    return Instance(SubsetSum(weights, capacity), " ".join(title.words), source, known)


def _checked(page: Page, row: Row, number: int, width: int) -> list[Any]:
    numbers = page.numbers(row, width, "'index,profit,weight" + (",x'" if width == 4 else "'"))
    if numbers[0] != number:
        page.refuse(row.line, f"item {number} expected, got {shown(numbers[0])}")
    if numbers[1] != numbers[2]:
        page.refuse(row.line, "profit and weight differ: a knapsack, not a subset sum")
    return numbers


def is_generated(page: Page) -> bool:
    """Whether it is 'n', n lines of three numbers that begin with 1 .. n, and a capacity."""
    first, *body = page.rows
    lines = body[:-1]
    return (
        first.words == [str(len(lines))]
        and len(body[-1].words) == 1
        and all(row.words[0] == str(k) and len(row.words) == 3 for k, row in enumerate(lines, start=1))
    )


def read_generated(page: Page) -> Instance:
    """Read what Pisinger's generator wrote."""
    _, *lines, last = page.rows
    (capacity,) = page.numbers(last, 1, "the capacity")
    weights = [_checked(page, row, k, 3)[2] for k, row in enumerate(lines, start=1)]
    source = f"Pisinger's generator: {_CAPACITY}"
    return Instance(SubsetSum(weights, capacity), stem_of(page.path), source)

"""The text formats of the field, told apart by what is in the file.

===================  =======================================================================================
Martello-Toth        ``n c``, then one item a line
Burkardt             ``NAME_w.txt`` items, one a line; ``NAME_c.txt`` the target; ``NAME_s.txt`` solutions as
                     0/1 rows. Given any of the three, the others are found beside it.
kplib (``.kp``)      ``n`` and ``c`` on lines of their own, then ``profit weight`` lines with profit = weight
market split         ``m n``, then m rows of n integers and a right-hand side; a 0/1 solution beside it in
                     ``NAME.opt.sol``
mknap1, mknap2       OR-Library's multidimensional knapsacks, one or several to a file
===================  =======================================================================================

``#`` and ``//`` start a comment, blank lines are skipped.

What becomes of capacities: a knapsack maximises a sum that must not exceed c. Here c is the target and the
*nearest* sum is sought, which may lie above c. Where some subset hits c both questions have the same answer.

OR-Library's multidimensional knapsacks are read where they are vector subset sums, and refused otherwise:
:mod:`solvers.instances.orlib_knapsacks` says when.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from solvers.errors import InvalidProblemError
from solvers.instances.instance import Instance
from solvers.instances.orlib_knapsacks import is_rule, read_mknap1, read_mknap2, read_sac94
from solvers.instances.pages import Page, Row, bounded_bytes, page_of, shown
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BURKARDT = re.compile(r"(?P<stem>.+)_(?P<role>[wcs])\.txt")
_CAPACITY = "the target is the knapsack's capacity; the nearest sum may exceed it"


def principal(path: Path) -> Path:
    """Return the file that a target or solutions beside it belong to; any other file is its own."""
    role = _BURKARDT.fullmatch(path.name)
    if role is not None:
        main = path.with_name(f"{role['stem']}_w.txt")
    else:
        main = path.with_name(path.name.removesuffix(".opt.sol") + ".dat")
    return main if (role is not None or path.name.endswith(".opt.sol")) and main.exists() else path


def read_text(path: Path, content: bytes) -> list[Instance]:
    """Read the problems of a text file whose content is given; ``path`` names it and leads to its siblings.

    InvalidProblemError, naming file and line, for any other format, or a knapsack that is no subset sum.
    """
    if path.name.endswith(".opt.sol"):
        path = _sibling(path, path.name.removesuffix(".opt.sol") + ".dat", "the instance")
        content = bounded_bytes(path)
    page = page_of(path, content)
    role = _BURKARDT.fullmatch(path.name)
    if role is not None and _fits_role(page, role["role"]):
        return [_burkardt(path, role["stem"])]
    if any(is_rule(row) for row in page.rows):
        return read_mknap2(page)
    widths = [len(row.words) for row in page.rows[:3]] + [0, 0]
    header = page.rows[0]
    if widths[0] == 1 and widths[1] == 3:
        return read_mknap1(page)
    if widths[0] == 1 and widths[1] == 1 and widths[2] > 1:
        return [_kplib(page)]
    if widths[0] == 1:
        page.refuse(
            header.line,
            "a bare list of integers does not say which is the target; start it with a line 'n c', or name "
            "it NAME_w.txt and put the target into NAME_c.txt beside it",
        )
    if widths[0] != 2:
        page.refuse(header.line, f"{shown(' '.join(header.words))!r} starts none of the formats read here")
    first, second = page.integers(header, 2, "two numbers")
    if widths[1] == 0:
        page.refuse(header.line, "the file ends after its first line; truncated?")
    if widths[1] == 1:
        return [_martello_toth(page)]
    total = sum(len(row.words) for row in page.rows)
    if total in (size := 2 + second + first + first * second, size + 1) and widths[1] != second + 1:
        return [read_sac94(page, page.rows, path.stem)]
    return [_market_split(page)]


def _instance(
    page: Page,
    name: str,
    source: str,
    items: Sequence[Any],
    target: Any,
    *,
    tolerance: int | None = None,
    known: dict[str, Any] | None = None,
) -> Instance:
    notes = f"; {' '.join(page.comments)}" if page.comments else ""  # licences and attributions stay with it
    return Instance(SubsetSum(items, target, tolerance=tolerance), name, source + notes, known)


# -- Martello and Toth, kplib ------------------------------------------------------------------------


def _martello_toth(page: Page) -> Instance:
    n, capacity = page.integers(page.rows[0], 2, "'n c'")
    items = [page.integers(row, 1, "one item")[0] for row in page.body(1, n, "items")]
    return _instance(page, page.path.stem, f"Martello-Toth text file: {_CAPACITY}", items, capacity)


def _kplib(page: Page) -> Instance:
    (n,) = page.integers(page.rows[0], 1, "the number of items")
    (capacity,) = page.integers(page.rows[1], 1, "the capacity")
    items = []
    for row in page.body(2, n, "items"):
        profit, weight = page.integers(row, 2, "'profit weight'")
        if profit != weight:
            page.refuse(row.line, "profit and weight differ: a knapsack, not a subset sum")
        items.append(weight)
    return _instance(page, page.path.stem, f"kplib text file: {_CAPACITY}", items, capacity)


# -- Burkardt ----------------------------------------------------------------------------------------


def _fits_role(page: Page, role: str) -> bool:
    """Whether the content is what the name promises, rather than a headed file so named by chance."""
    widths = {len(row.words) for row in page.rows}
    if role == "s":
        return len(widths) == 1 and all(word in ("0", "1") for row in page.rows for word in row.words)
    return widths == {1} and (role == "w" or len(page.rows) == 1)


def _burkardt(path: Path, stem: str) -> Instance:
    weights = page_of(place := _sibling(path, f"{stem}_w.txt", "the items"), bounded_bytes(place))
    capacity = page_of(place := _sibling(path, f"{stem}_c.txt", "the target"), bounded_bytes(place))
    items = [weights.integers(row, 1, "one item")[0] for row in weights.rows]
    (target,) = capacity.integers(capacity.body(0, 1, "targets")[0], 1, "the target")
    known = None
    source = "Burkardt's SUBSET_SUM text files"
    if (place := path.with_name(f"{stem}_s.txt")).exists():
        solutions = page_of(place, bounded_bytes(place))
        for row in solutions.rows:
            _check_solution(solutions, row, [[w] for w in items], [target])
        known = {"status": "OPTIMAL", "error": Fraction(0)}
        source += f"; solutions listed: {len(solutions.rows)}"
    return _instance(weights, stem, source, items, target, tolerance=0, known=known)


def _sibling(path: Path, name: str, what: str) -> Path:
    if not (place := path.with_name(name)).exists():
        raise InvalidProblemError(f"{path}: {what} should be in {name} beside it, which is missing")
    return place


def _check_solution(page: Page, row: Row, items: Sequence[Sequence[int]], target: Sequence[int]) -> None:
    """Refuse a published solution that does not hit the target."""
    mask = page.integers(row, len(items), f"a 0/1 row of {len(items)} numbers")
    if not set(mask) <= {0, 1}:
        page.refuse(row.line, "a solution consists of 0 and 1")
    for k, wanted in enumerate(target):
        total = sum(item[k] for item, chosen in zip(items, mask, strict=True) if chosen)
        if total != wanted:
            page.refuse(row.line, f"this solution adds up to {shown(total)}, not to {shown(wanted)}")


# -- market split ------------------------------------------------------------------------------------


def _market_split(page: Page) -> Instance:
    m, n = page.integers(page.rows[0], 2, "'m n'")
    if n < 1:
        page.refuse(page.rows[0].line, f"the number of items must be at least 1, got {shown(n)}")
    what = f"{shown(n)} integers and a right-hand side (or else 'n c' and one item a line)"
    rows = [page.integers(row, n + 1, what) for row in page.body(1, m, "rows")]
    target = [row[-1] for row in rows]
    items = [list(item) for item in zip(*(row[:-1] for row in rows), strict=True)]
    known = None
    if (place := page.path.with_suffix(".opt.sol")).exists():
        solution = page_of(place, bounded_bytes(place))
        _check_solution(solution, solution.body(0, 1, "solutions")[0], items, target)
        known = {"status": "OPTIMAL", "error": Fraction(0)}
    source = "market split text file: an exact hit of an m-dimensional target"
    return _instance(page, page.path.stem, source, items, target, tolerance=0, known=known)

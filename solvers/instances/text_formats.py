"""The text formats of the field, told apart by what is in the file.

===================  =======================================================================================
Martello-Toth        ``n c``, then one item a line, or all on one line, or ``profit weight`` lines with
                     profit = weight
Burkardt             ``NAME_w.txt`` items, one a line; ``NAME_c.txt`` the target; ``NAME_s.txt`` solutions as
                     0/1 rows. Given any of the three, the others are found beside it.
kplib (``.kp``)      ``n`` and ``c`` on lines of their own, then ``profit weight`` lines with profit = weight
market split         ``m n``, then m rows of n integers and a right-hand side; a 0/1 solution beside it in
                     ``NAME.opt.sol``
Pisinger             ``name``, ``n ..``, ``c ..``, ``z ..``, then ``index,profit,weight,x`` lines, one or
                     several to a file; or his generator's ``n``, ``index profit weight`` lines, ``c``
vectors              the target first, then an item a line, all of d numbers
CSV                  :mod:`solvers.instances.tables`
mknap1, mknap2       OR-Library's multidimensional knapsacks, one or several to a file
===================  =======================================================================================

Numbers are integers, decimals (exactly what is written) or fractions p/q. ``#`` and ``//`` start a comment,
blank lines are skipped, and any file may be compressed by gzip, bz2 or xz.

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
from solvers.instances.foreign import foreign_kind
from solvers.instances.instance import Instance
from solvers.instances.orlib_knapsacks import is_rule, read_mknap1, read_mknap2, read_sac94
from solvers.instances.pages import (
    PACKED_SUFFIXES,
    Page,
    Row,
    bounded_bytes,
    name_of,
    number_of,
    page_of,
    shown,
    stem_of,
)
from solvers.instances.pisinger import is_generated, is_pisinger, read_generated, read_pisinger
from solvers.instances.tables import read_table, table_of
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_BURKARDT = re.compile(r"(?P<stem>.+)_(?P<role>[wcs])\.txt")
_CAPACITY = "the target is the knapsack's capacity; the nearest sum may exceed it"


def principal(path: Path) -> Path:
    """Return the file that a target or solutions beside it belong to; any other file is its own."""
    name = name_of(path)
    role = _BURKARDT.fullmatch(name)
    main = path.with_name(f"{role['stem']}_w.txt" if role else name.removesuffix(".opt.sol") + ".dat")
    if role is None and not name.endswith(".opt.sol"):
        return path
    return next((place for place in _packed_or_not(main) if place.exists()), path)


def read_text(path: Path, content: bytes, target: Any = None) -> list[Instance]:
    """Read the problems of a text file whose content is given; ``path`` names it and leads to its siblings.

    ``target`` is that of a file that holds items alone. InvalidProblemError, naming file and line, for any
    other format, or a knapsack that is no subset sum.
    """
    if name_of(path).endswith(".opt.sol"):
        path = _sibling(path, name_of(path).removesuffix(".opt.sol") + ".dat", "the instance")
        content = bounded_bytes(path)
    if (kind := foreign_kind(content)) is not None:
        raise InvalidProblemError(f"{path} is {kind}")
    page = page_of(path, content)
    if is_pisinger(page):
        return read_pisinger(page)
    table = table_of(path, content.decode("utf-8-sig"))
    if table is not None and table.is_one(target):
        return [read_table(table, target)]
    if table is not None:  # a text format with commas between its words
        if not table.rows:
            raise InvalidProblemError(f"{path} is empty")
        page = Page(path, [Row(line, " ".join(cells).split()) for line, cells in table.rows], table.comments)
    role = _BURKARDT.fullmatch(name_of(path))
    if role is not None and _fits_role(page, role["role"]):
        return [_burkardt(path, role["stem"])]
    if any(is_rule(row) for row in page.rows):
        return read_mknap2(page)
    return _by_widths(page, target)


def _by_widths(page: Page, target: Any) -> list[Instance]:
    """Tell the formats of numbers alone by how many of them are in the first lines."""
    widths = [len(row.words) for row in page.rows[:3]] + [0, 0]
    header, uniform = page.rows[0], len({len(row.words) for row in page.rows}) == 1
    if target is not None and uniform:
        return [_items_alone(page, target)]
    if widths[0] == 1 and widths[1] == 3:
        return [read_generated(page)] if is_generated(page) else read_mknap1(page)
    if widths[0] == 1 and widths[1] == 1 and widths[2] > 1:
        return [_kplib(page)]
    if widths[0] == 1:
        page.refuse(
            header.line,
            "a bare list of numbers does not say which is the target; give it (--target), start the file "
            "with a line 'n c', or name it NAME_w.txt and put the target into NAME_c.txt beside it",
        )
    if widths[0] != 2 and not (uniform and widths[1] and number_of(header.words[0]) is not None):
        page.refuse(header.line, f"{shown(' '.join(header.words))!r} starts none of the formats read here")
    if widths[0] > 2:
        return [_target_first(page)]
    page.numbers(header, 2, "two numbers")
    if widths[1] == 0:
        page.refuse(header.line, "the file ends after its first line; truncated?")
    if widths[1] == 1 or _items_on_one_line(page):
        return [_martello_toth(page)]
    return [_two_numbers_first(page, uniform=uniform)]


def _two_numbers_first(page: Page, *, uniform: bool) -> Instance:
    """Tell 'm n' of a matrix and 'n c' of a knapsack from a vector of two coordinates."""
    header, lines = page.rows[0], len(page.rows) - 1
    first, second = map(number_of, header.words)
    width = len(page.rows[1].words)
    total = sum(len(row.words) for row in page.rows)
    if isinstance(first, int) and isinstance(second, int) and width != second + 1:
        size = 2 + second + first + first * second  # of an OR-Library problem
        if total in (size, size + 1):
            return read_sac94(page, page.rows, stem_of(page.path))
    if width == 2 and second != 1:
        solved = lines - 1 == first and len(page.rows[-1].words) == first
        if lines == first or solved:
            return _profits_and_weights(page)
        if uniform:
            return _target_first(page)
    return _market_split(page)


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


# -- items, and a target beside them or before them ----------------------------------------------------


def _items_alone(page: Page, target: Any) -> Instance:
    rows = _vectors(page, page.rows)
    items = [row[0] for row in rows] if len(rows[0]) == 1 else rows
    return _instance(page, stem_of(page.path), "text file of items alone", items, target)


def _target_first(page: Page) -> Instance:
    target, *items = _vectors(page, page.rows)
    source = "text file of vectors, the target first"
    return _instance(page, stem_of(page.path), source, items, target)


def _vectors(page: Page, rows: Sequence[Row]) -> list[list[Any]]:
    width = len(rows[0].words)
    return [page.numbers(row, width, f"a vector of {width} numbers") for row in rows]


# -- 'n c', then 'profit weight' -----------------------------------------------------------------------


def _profits_and_weights(page: Page) -> Instance:
    n, capacity = page.numbers(page.rows[0], 2, "'n c'")
    items = []
    for row in page.rows[1 : int(n) + 1]:
        profit, weight = page.numbers(row, 2, "'profit weight'")
        if profit != weight:
            page.refuse(row.line, "profit and weight differ: a knapsack, not a subset sum")
        items.append(weight)
    source = f"'n c' and 'profit weight' text file: {_CAPACITY}"
    return _instance(page, stem_of(page.path), source, items, capacity)


# -- Martello and Toth, kplib ------------------------------------------------------------------------


def _martello_toth(page: Page) -> Instance:
    (n,) = page.integers(Row(page.rows[0].line, page.rows[0].words[:1]), 1, "'n c'")
    (_, capacity) = page.numbers(page.rows[0], 2, "'n c'")
    if _items_on_one_line(page):
        items = page.numbers(page.rows[1], n, "all items")
    else:
        items = [page.numbers(row, 1, "one item")[0] for row in page.body(1, n, "items")]
    return _instance(page, stem_of(page.path), f"Martello-Toth text file: {_CAPACITY}", items, capacity)


def _items_on_one_line(page: Page) -> bool:
    """Whether 'n c' is followed by one line of n > 2 words; two could be a vector after its target."""
    return len(page.rows) == 2 and 2 < len(page.rows[1].words) == number_of(page.rows[0].words[0])


def _kplib(page: Page) -> Instance:
    (n,) = page.integers(page.rows[0], 1, "the number of items")
    (capacity,) = page.numbers(page.rows[1], 1, "the capacity")
    items = []
    for row in page.body(2, n, "items"):
        profit, weight = page.numbers(row, 2, "'profit weight'")
        if profit != weight:
            page.refuse(row.line, "profit and weight differ: a knapsack, not a subset sum")
        items.append(weight)
    return _instance(page, stem_of(page.path), f"kplib text file: {_CAPACITY}", items, capacity)


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
    items = [weights.numbers(row, 1, "one item")[0] for row in weights.rows]
    (target,) = capacity.numbers(capacity.body(0, 1, "targets")[0], 1, "the target")
    known = None
    source = "Burkardt's SUBSET_SUM text files"
    places = [place for place in _packed_or_not(path.with_name(f"{stem}_s.txt")) if place.exists()]
    for place in places[:1]:
        solutions = page_of(place, bounded_bytes(place))
        for row in solutions.rows:
            _check_solution(solutions, row, [[w] for w in items], [target])
        known = {"status": "OPTIMAL", "error": Fraction(0)}
        source += f"; solutions listed: {len(solutions.rows)}"
    return _instance(weights, stem, source, items, target, tolerance=0, known=known)


def _sibling(path: Path, name: str, what: str) -> Path:
    for place in _packed_or_not(path.with_name(name)):
        if place.exists():
            return place
    raise InvalidProblemError(f"{path}: {what} should be in {name} beside it, which is missing")


def _packed_or_not(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + suffix) for suffix in PACKED_SUFFIXES)]


def _check_solution(page: Page, row: Row, items: Sequence[Sequence[Any]], target: Sequence[Any]) -> None:
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
    rows = [page.numbers(row, n + 1, what) for row in page.body(1, m, "rows")]
    target = [row[-1] for row in rows]
    items = [list(item) for item in zip(*(row[:-1] for row in rows), strict=True)]
    known = None
    if (place := page.path.with_name(f"{stem_of(page.path)}.opt.sol")).exists():
        solution = page_of(place, bounded_bytes(place))
        _check_solution(solution, solution.body(0, 1, "solutions")[0], items, target)
        known = {"status": "OPTIMAL", "error": Fraction(0)}
    source = "market split text file: an exact hit of an m-dimensional target"
    return _instance(page, stem_of(page.path), source, items, target, tolerance=0, known=known)

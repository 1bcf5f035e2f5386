"""OR-Library's multidimensional knapsacks (mknap1, mknap2), where they are vector subset sums.

A knapsack maximises p.x subject to R x <= b. It is read as a vector subset sum, with the rows of R as
dimensions and b as target, if each profit is the sum of the item's weights. Then p.x is the total fill, at
most the sum of b, and attains it exactly when R x = b; so an exact hit is the best knapsack, and a stated
optimum below the sum of b says that there is none. Any other profits weigh value against space, which no
subset sum does: such files are refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from solvers.instances.instance import Instance
from solvers.instances.pages import shown, stem_of
from solvers.problem import SubsetSum

if TYPE_CHECKING:
    from solvers.instances.pages import Page, Row

_DECIMAL = re.compile(r"[+-]?[0-9]{1,4000}(\.[0-9]{0,300})?")


def read_mknap1(page: Page) -> list[Instance]:
    """K, then K times: n, m, optimum; n profits; m rows of n weights; m capacities."""
    stream = _Stream(page, page.rows)
    (problems,) = stream.counts(1, "the number of problems")
    found = []
    for number in range(1, problems + 1):
        line = stream.line
        n, m = stream.counts(2, "n and m")
        (optimum,) = stream.take(1, "the optimum")
        profits = stream.take(n, "profits")
        weights = [stream.take(n, "weights") for _ in range(_at_most(m, stream))]
        capacities = stream.take(m, "capacities")
        name = stem_of(page.path) if problems == 1 else f"{stem_of(page.path)}-{number}"
        found.append(_multidimensional(page, line, name, profits, weights, capacities, optimum))
    if stream.left:
        page.refuse(stream.line, f"more numbers than the announced {problems} problems need")
    return found


def read_mknap2(page: Page) -> list[Instance]:
    """Sections between lines of plus signs: text, then for each problem its name and its SAC-94 data."""
    sections: list[list[Row]] = [[]]
    for row in page.rows:
        if is_rule(row):
            sections.append([])
        else:
            sections[-1].append(row)
    found = []
    for title, data in pairwise(sections):
        if title and data and title[-1].words[0].lower() == "problem" and len(title[-1].words) == 2:
            found.append(read_sac94(page, data, title[-1].words[1]))
    if not found:
        page.refuse(page.rows[0].line, "no section 'problem NAME' with data after it")
    return found


def is_rule(row: Row) -> bool:
    """Whether a line is one of the rows of plus signs that divide mknap2."""
    return len(row.words) == 1 and len(row.words[0]) >= 5 and set(row.words[0]) == {"+"}


def read_sac94(page: Page, rows: list[Row], name: str) -> Instance:
    """M, n; n profits; m capacities; m rows of n weights; the optimum, if it is known."""
    stream = _Stream(page, rows)
    m, n = stream.counts(2, "m and n")
    profits = stream.take(n, "profits")
    capacities = stream.take(m, "capacities")
    weights = [stream.take(n, "weights") for _ in range(_at_most(m, stream))]
    (optimum,) = stream.take(1, "the optimum") if stream.left else [Fraction(0)]
    if stream.left:
        page.refuse(stream.line, "more numbers than the problem needs")
    return _multidimensional(page, rows[0].line, name, profits, weights, capacities, optimum)


def _at_most(m: int, stream: _Stream) -> int:
    """Bound a count by what is left, plus one to run into its end."""
    return min(m, stream.left + 1)


def _multidimensional(
    page: Page,
    line: int,
    name: str,
    profits: list[Fraction],
    weights: list[list[Fraction]],
    capacities: list[Fraction],
    optimum: Fraction,
) -> Instance:
    items = [[_plain(x) for x in item] for item in zip(*weights, strict=True)]
    for j, (profit, item) in enumerate(zip(profits, items, strict=True)):
        if profit != sum(item):
            page.refuse(
                line,
                f"{name}: the profit of item {j} is not the sum of its weights: no subset sum, a knapsack",
            )
    target = [_plain(x) for x in capacities]
    stated = f"; stated optimum {shown(optimum)} of at most {shown(sum(target))}" if optimum else ""
    source = (
        "OR-Library multidimensional knapsack: the capacities are the target; the nearest sum may exceed them"
    )
    return Instance(SubsetSum(items, target), name, source + stated)


def _plain(value: Fraction) -> int | Fraction:
    return int(value) if value.denominator == 1 else value


class _Stream:
    """The numbers of a layout in which lines mean nothing, read one after the other."""

    def __init__(self, page: Page, rows: list[Row]) -> None:
        self._page = page
        self._words = [(row.line, word) for row in rows for word in row.words]
        self._next = 0

    @property
    def line(self) -> int:
        return self._words[min(self._next, len(self._words) - 1)][0]

    @property
    def left(self) -> int:
        return len(self._words) - self._next

    def take(self, count: int, what: str) -> list[Fraction]:
        if count > self.left:
            self._page.refuse(
                self._words[-1][0],
                f"{shown(count)} numbers expected ({what}), {self.left} are left; truncated?",
            )
        words = self._words[self._next : self._next + count]
        for line, word in words:
            if not _DECIMAL.fullmatch(word):
                self._page.refuse(line, f"{word[:40]!r} is not a number ({what})")
        self._next += count
        return [Fraction(word) for _, word in words]

    def counts(self, count: int, what: str) -> list[int]:
        line = self.line
        values = self.take(count, what)
        if any(value.denominator != 1 or value < 1 for value in values):
            self._page.refuse(line, f"{what} must be whole numbers of at least 1")
        return [int(value) for value in values]

"""docs/papers.md: every name in it resolves, every docstring names its theorem, every figure is stated."""

import ast
import importlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "papers.md"


class Row(NamedTuple):
    """A line of a table, with the heading above it."""

    paper: str
    statement: str
    code: str
    test: str
    measured: str

    @property
    def functions(self):
        return re.findall(r"`([a-z_]+\.[\w.]+)`", self.code)

    @property
    def tests(self):
        return re.findall(r"`(.+?)`", self.test)

    @property
    def to_come(self):
        return "*to come*" in self.code

    @property
    def names(self):
        """The theorems, as the docstring of each function has to name one of them."""
        return re.findall(r"\*\*(.+?)\*\*", self.statement)


def rows_of(text):
    paper, rows = "", []
    for line in text.splitlines():
        if line.startswith("## "):
            paper = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| statement"):
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
            cells = [cell.removesuffix(" |").strip("| ") for cell in cells]
            rows.append(Row(paper, *(cells + [""] * 4)[:4]))
    return rows


ROWS = rows_of(PAGE.read_text())


def resolved(name):
    """Return the object of a dotted name, or the module."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise ModuleNotFoundError(name)


def complaint(row):
    """Say what about a row is not so; None where all of it is."""
    if not row.names:
        return "it names no statement"
    if not row.to_come and not (row.functions and row.tests):
        return "it has no function or no test"
    for name in row.functions:
        words = " ".join((resolved(name).__doc__ or "").split())
        surname = re.match(r"(da Cunha|\w+)", row.paper)[0]
        said = [s for s in row.names if re.search(rf"{re.escape(s)}(?!\w)", words, re.IGNORECASE)]
        if not row.to_come and not (said and surname in words):
            return f"the docstring of {name} does not name {row.names[0]} of {surname}"
    for test in row.tests:
        file, _, function = test.partition("::")
        body = ast.parse((ROOT / file).read_text()).body
        if function not in {node.name for node in body if isinstance(node, ast.FunctionDef)}:
            return f"there is no test {test}"
    return untold(row.measured)


def untold(measured):
    """Say which figure does not stand in the page linked beside it; None where all do."""
    figures = re.findall(r"\*\*(.+?)\*\*", measured)
    links = re.findall(r"\]\(([\w.]+)(?:#([\w-]+))?\)", measured)
    if figures and not links:
        return f"no page is named for {figures}"
    for page, heading in links:
        text = (PAGE.parent / page).read_text()
        if heading and heading not in anchors(text):
            return f"{page} has no heading {heading}"
        squeezed = re.sub(r"[*`]", "", text)
        for figure in figures:
            if not re.search(rf"(?<![\w.]){re.escape(figure)}(?![\w])", squeezed):
                return f"{page} does not state {figure}"
    return None


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.paper}: {row.statement}"[:70])
def test_row_is_true(row):
    assert complaint(row) is None


def test_all_papers_are_there():
    papers = {row.paper.partition(" ")[0] for row in ROWS}
    assert papers >= {"Pensia", "Lueker", "Horowitz", "Schroeppel", "Sreenivasan", "da", "Baykal"}
    assert sum(not row.to_come for row in ROWS) >= 25


GOOD = next(row for row in ROWS if "Lemma 4" in row.statement)


@pytest.mark.parametrize(
    "lie",
    [
        {"test": "`tests/theory/test_bounds.py::test_no_such`"},
        {"statement": "**Lemma 99**: something else"},
        {"paper": "Nobody 2020"},
        {"code": ""},
        {"measured": "**12,345,678** units: [theory](theory.md)"},
        {"measured": "**751** units"},
        {"measured": "**751** units: [theory](theory.md#no-such-heading)"},
    ],
    ids=str,
)
def test_what_is_not_so_is_noticed(lie):
    assert complaint(GOOD) is None
    assert complaint(GOOD._replace(**lie)) is not None


def test_a_name_that_is_gone_is_noticed():
    with pytest.raises(AttributeError):
        complaint(GOOD._replace(code="`subsetsum_nets.theory.random_subset_sum.no_such`"))
    with pytest.raises(ModuleNotFoundError):
        complaint(GOOD._replace(code="`no_such_package.no_such`"))

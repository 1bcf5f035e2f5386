"""docs/adding_a_backend.md and docs/backends.md: what they name is there, and what is there they name."""

import builtins
import re
from pathlib import Path

import pytest
import support.backends

import solvers
from solvers import Proof, SubsetSum
from solvers.backend import protocol, registry
from solvers.backend.anytime import large_neighbourhood
from solvers.backend.protocol import Enumerator, Finding, Limits

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "adding_a_backend.md").read_text()
PAGE = (ROOT / "docs" / "backends.md").read_text()
# Where the guide's bare names are at home.
PARTS = [protocol.Backend, Enumerator, Finding, Limits]
HOMES = [builtins, solvers, protocol, registry, *PARTS, Proof, SubsetSum, support.backends]


def is_there(span):
    """Whether a file, a command or a name that is printed as code exists."""
    if span.startswith(("pytest ", "import ")):
        return True
    if "/" in span or Path(span).suffix:
        return (ROOT / span).exists()
    return any(hasattr(home, span) or span in getattr(home, "__annotations__", {}) for home in HOMES)


def spans(text):
    return sorted(set(re.findall(r"`([^`]+)`", text)))


@pytest.mark.parametrize("span", spans(GUIDE))
def test_what_the_guide_names_is_there(span):
    assert is_there(span)


@pytest.mark.parametrize("span", ["solvers/backend/choosing.py", "NOTES.md", "seconds_to_answer"])
def test_what_is_not_there_is_noticed(span):
    assert not is_there(span)


def test_the_guide_tells_every_part_of_a_backend():
    parts = {name for name in vars(protocol.Backend) if not name.startswith("_")} | {"name", "summary"}
    parts |= {name for name in vars(Enumerator) if not name.startswith("_")}
    assert parts <= set(spans(GUIDE))


def untold(page):
    """Name the backends that the page has no row for: of all, and among the costs."""
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    first_cells = [row.split("|")[1] for row in rows]
    costs = page.split("| seconds to proof |")[1].split("\n\n")[0]
    missing = {name for name in registry.BACKENDS if not any(f"`{name}`" in cell for cell in first_cells)}
    return missing | {
        f"the cost of {name}"
        for name, backend in registry.BACKENDS.items()
        if support.backends.proves(backend) and f"| `{name}` |" not in costs
    }


def test_every_backend_has_its_rows():
    assert untold(PAGE) == set()
    assert untold(PAGE.replace("| `dp` | 4e-4", "| `bp` | 4e-4")) == {"the cost of dp"}
    assert untold(PAGE.replace("`k-tree`", "`tree`")) == {"k-tree"}


def test_the_windows_of_lns_are_as_large_as_the_page_says():
    assert f"a window of up to {large_neighbourhood._SCALAR_LARGEST[0]}," in PAGE

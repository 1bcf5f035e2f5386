"""What documents and docstrings name is there: modules, functions, files."""

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]
DOCUMENTS += (ROOT / "instances").rglob("*.md")
MODULES = [path for package in ("solvers", "subsetsum_nets") for path in (ROOT / package).rglob("*.py")]
NAME = re.compile(r"(?<![\w./-])(?:solvers|subsetsum_nets)(?:\.[A-Za-z_]\w*)+(?![\w/])")
PATH = re.compile(r"(?<![\w./-])(?:solvers|subsetsum_nets|tests|benchmarks|docs|instances)/[\w./-]*[\w/]")
LINK = re.compile(r"\]\(([^)\s#:]+)(?:#[^)]*)?\)")
REFERENCE = re.compile(r":(?:mod|func|class|data|meth|attr):`~?(\.[\w.]+)`")
FILE_NAMES = {"solvers.py"}  # a module's name and a file's look alike


def resolves(name):
    """Tell whether a dotted name is a module, or something in one."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[length:]:
            if not hasattr(found, attribute):
                return False
            found = getattr(found, attribute)
        return True
    return False


def exists(path):
    """Tell whether a path is there; an installed package has the instances inside."""
    return (
        ROOT / path.removeprefix("subsetsum_nets/")
        if path.startswith("subsetsum_nets/instances")
        else ROOT / path
    ).exists()


def defined():
    """Return the dotted name of every module, class, function and constant of the packages."""
    names = set()
    for path in MODULES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        names |= {module, *(f"{module}.{name}" for name in _defined_in(ast.parse(path.read_text())))}
    return names


def _defined_in(tree):
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _defined_in(node))
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def unresolved(text, names):
    """Return the references of a docstring (:func:`.room.name`) that no defined name ends in."""
    return [ref for ref in REFERENCE.findall(text) if not any(f".{name}".endswith(ref) for name in names)]


def missing(text, place):
    """Return what a text names and is not there."""
    names = [name for name in NAME.findall(text) if name not in FILE_NAMES and not resolves(name)]
    paths = [path for path in PATH.findall(text) if not exists(path.rstrip("."))]
    links = [link for link in LINK.findall(text) if not (place / link).exists()] if place else []
    return names + paths + links


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_names_is_there(document):
    assert missing(document.read_text(), document.parent) == []


def test_what_the_code_names_is_there():
    found = {path.relative_to(ROOT).as_posix(): missing(path.read_text(), None) for path in MODULES}
    assert {path: names for path, names in found.items() if names} == {}


def test_what_docstrings_refer_to_is_there():
    names = defined()
    found = {path.relative_to(ROOT).as_posix(): unresolved(path.read_text(), names) for path in MODULES}
    assert {path: references for path, references in found.items() if references} == {}


def test_wrong_names_are_noticed():
    text = "`solvers.solve`, subsetsum_nets.no_room, [a](no.md), docs/no.md, solvers.problem.SubsetSum.no, "
    text += "docs/graphs.md, [b](docs/graphs.md#files), solvers/problem.py"
    assert missing(text, ROOT) == [
        "subsetsum_nets.no_room",
        "solvers.problem.SubsetSum.no",
        "docs/no.md",
        "no.md",
    ]
    names = {"solvers.problem", "solvers.problem.SubsetSum.check"}
    text = ":mod:`.problem`, :meth:`~.SubsetSum.check`, :func:`.problem.check`, :mod:`.blem`"
    assert unresolved(text, names) == [".problem.check", ".blem"]

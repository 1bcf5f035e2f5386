"""No module imports itself through others: not at the top, not inside a function, not for its types alone.

One exception: a room may know the type of the facade that stands above it. A facade imports its rooms; they
name it under TYPE_CHECKING, in signatures, and never when the program runs.
"""

import ast
import functools
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
FACADES = {"subsetsum_nets.graphs.face"}


def sources():
    """Return the text of every module of the two packages by its name, a package's own under its own."""
    found = {}
    for package in ("solvers", "subsetsum_nets"):
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = path.read_text()
    return found


@functools.cache
def imports(text, package):
    """Return (dotted name, whether only for types) of everything a module imports, wherever it does."""
    return tuple(_imports(ast.parse(text), package))


def _imports(tree, package):
    waiting = [(tree, False)]
    while waiting:
        node, typing = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            waiting += [(child, True) for child in node.body] + [(child, typing) for child in node.orelse]
            continue
        waiting += [(child, typing) for child in ast.iter_child_nodes(node)]
        if isinstance(node, ast.Import):
            yield from ((alias.name, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")
            base = [*above[: len(above) - node.level + 1]] if node.level else []
            home = ".".join(base + ([node.module] if node.module else []))
            yield from ((f"{home}.{alias.name}", typing) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((a.value, typing) for a in node.args[:1] if isinstance(a, ast.Constant))


def import_graph(modules, facades=()):
    """Return who imports whom among some modules, but for the types of facades."""
    graph = nx.DiGraph()
    graph.add_nodes_from(modules)
    packages = {name.rpartition(".")[0] for name in modules}
    for name, text in modules.items():
        package = name if name in packages else name.rpartition(".")[0]
        for target, typing in imports(text, package):
            home = target if target in modules else target.rpartition(".")[0]
            if home in modules and home != name and not (typing and home in facades):
                graph.add_edge(name, home)
    return graph


def circles(modules, facades=()):
    """Return the groups of modules that import one another, largest first."""
    groups = nx.strongly_connected_components(import_graph(modules, facades))
    return sorted((sorted(group) for group in groups if len(group) > 1), key=len, reverse=True)


def test_no_module_imports_itself_through_others():
    assert circles(sources(), FACADES) == []


def test_every_exception_is_needed():
    for facade in FACADES:
        assert any(facade in group for group in circles(sources(), FACADES - {facade}))


CIRCLES = {
    "at the top": {"p.a": "from p.b import f", "p.b": "import p.a"},
    "inside a function": {"p.a": "from p.b import f", "p.b": "def g():\n    from p.a import h"},
    "for types alone": {
        "p.a": "from p.b import f",
        "p.b": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from p.a import T",
    },
    "under typing.TYPE_CHECKING": {
        "p.a": "from p.b import f",
        "p.b": "import typing\nif typing.TYPE_CHECKING:\n    from p.a import T",
    },
    "in the other branch": {
        "p.a": "from p.b import f",
        "p.b": "if TYPE_CHECKING:\n    import os\nelse:\n    import p.a",
    },
    "by a string": {"p.a": "import p.b", "p.b": "import importlib\nimportlib.import_module('p.a')"},
    "through a package": {"p": "from p.a import f", "p.a": "from p import f"},
    "by a relative name": {"p": "", "p.a": "from .b import f", "p.b": "from . import a"},
    "through three": {"p.a": "import p.b", "p.b": "import p.c", "p.c": "from p import a", "p": ""},
    "in a class": {"p.a": "import p.b", "p.b": "class C:\n    def m(self):\n        import p.a as x"},
}


@pytest.mark.parametrize("name", CIRCLES)
def test_a_planted_circle_is_found(name):
    assert len(circles(CIRCLES[name])) == 1


def test_what_is_no_circle_is_none():
    assert (
        circles({"p": "from p.a import f", "p.a": "import p.b", "p.b": "import os", "p.c": "import p"}) == []
    )


def test_only_the_type_of_a_facade_is_excepted():
    face, room = "from p.room import f", "if TYPE_CHECKING:\n    from p.face import Face"
    assert circles({"p.face": face, "p.room": room}, {"p.face"}) == []
    assert circles({"p.face": face, "p.room": room}, {"p.room"}) != []
    for runs in ("from p.face import Face", "def f():\n    from p.face import Face"):
        assert circles({"p.face": face, "p.room": runs}, {"p.face"}) != []


def test_a_circle_planted_in_the_packages_is_found():
    modules = sources()
    for name, line in (
        ("subsetsum_nets.graphs.dag.edges", "    from subsetsum_nets.graphs.face import LayeredDag"),
        (
            "subsetsum_nets.theory.prunings.probe",
            "    from subsetsum_nets.theory.prunings import decide_prunings",
        ),
        ("solvers.problem", "    from solvers.dispatch import solve"),
    ):
        planted = {**modules, name: f"{modules[name]}\n\ndef planted():\n{line}\n"}
        assert any(name in group for group in circles(planted, FACADES))

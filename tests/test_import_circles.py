"""No module imports itself through others: not at the top, not inside a function, not for its types alone."""

import ast
import functools
from pathlib import Path

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent


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
    """Return the dotted names of everything a module imports, wherever it does."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")
            base = above[: len(above) - node.level + 1] if node.level else []
            home = ".".join(base + ([node.module] if node.module else []))
            found += [f"{home}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            found += [name.value for name in node.args[:1] if isinstance(name, ast.Constant)]
    return found


def import_graph(modules):
    """Return who imports whom among some modules."""
    graph = nx.DiGraph()
    graph.add_nodes_from(modules)
    packages = {name.rpartition(".")[0] for name in modules}
    for name, text in modules.items():
        for target in imports(text, name if name in packages else name.rpartition(".")[0]):
            home = target if target in modules else target.rpartition(".")[0]
            if home in modules and home != name:
                graph.add_edge(name, home)
    return graph


def circles(modules):
    """Return the groups of modules that import one another."""
    groups = nx.strongly_connected_components(import_graph(modules))
    return sorted(sorted(group) for group in groups if len(group) > 1)


def test_no_module_imports_itself_through_others():
    assert circles(sources()) == []


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


def test_a_circle_planted_in_the_packages_is_found():
    modules = sources()
    for name, line in (
        ("subsetsum_nets.graphs.dag.edges", "    from subsetsum_nets.graphs.face import LayeredDag"),
        (
            "subsetsum_nets.theory.prunings.exhaustion",
            "    from subsetsum_nets.theory.prunings import decide_prunings",
        ),
        ("solvers.problem", "    from solvers.dispatch import solve"),
    ):
        planted = {**modules, name: f"{modules[name]}\n\ndef planted():\n{line}\n"}
        assert any(name in group for group in circles(planted))

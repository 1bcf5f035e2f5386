"""Every example in a docstring of the two packages runs and prints what it shows."""

import doctest
import importlib
import pkgutil

import pytest

import solvers
import subsetsum_nets

MODULES = sorted(
    module.name
    for package in (solvers, subsetsum_nets)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.endswith(".__main__")
)


@pytest.mark.parametrize("name", ["solvers", "subsetsum_nets", *MODULES])
def test_examples_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0


def test_the_examples_are_found():
    finder = doctest.DocTestFinder()
    with_examples = {t.name for n in MODULES for t in finder.find(importlib.import_module(n)) if t.examples}
    assert {
        "solvers.batch.solve_many.solve_many",
        "solvers.dispatch.solve",
        "solvers.problem.SubsetSum",
        "subsetsum_nets.compiler.prune",
        "subsetsum_nets.verification.verifier.verify",
    } <= with_examples

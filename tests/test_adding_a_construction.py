"""docs/adding_a_construction.md: every file and name in it is there, and its template compiles."""

import ast
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from constructions.tiny_targets import target

from subsetsum_nets import Conv2d, Dense, ReluNetwork, prune
from subsetsum_nets.allocation import ALLOCATIONS
from subsetsum_nets.audit import audit
from subsetsum_nets.constructions import CONSTRUCTIONS, DEFAULT, Construction
from subsetsum_nets.constructions.TEMPLATE import Template
from subsetsum_nets.networks import Ball, InvalidNetworkError
from subsetsum_nets.pruned_network import PrunedNetwork

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding_a_construction.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", PAGE)
FILES = [name for name in QUOTED if "/" in name]
DOTTED = [name for name in QUOTED if re.fullmatch(r"subsetsum_nets(\.\w+)+", name)]


@pytest.fixture
def template(monkeypatch):
    monkeypatch.setitem(CONSTRUCTIONS, "template", Template())


def test_the_page_names_enough():
    assert len(FILES) >= 6
    assert len(DOTTED) >= 4
    assert "adding_a_construction.md" in (ROOT / "mkdocs.yml").read_text()


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_page_exist(name):
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", DOTTED)
def test_names_of_the_page_exist(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def test_the_page_names_all_that_a_construction_says():
    told = {name for name in vars(Construction) if not name.startswith("_")}
    told |= {name for name in Construction.__annotations__ if not name.startswith("_")}
    assert told - set(QUOTED) == {"places", "scale"}  # what it inherits and leaves alone
    assert {name for name in vars(Template) if not name.startswith("_")} <= set(QUOTED)


@pytest.mark.parametrize("name", CONSTRUCTIONS)
def test_every_construction_is_complete(name):
    construction = CONSTRUCTIONS[name]
    assert construction.name == name
    assert construction.source
    assert set(construction.allocations) <= set(ALLOCATIONS)
    assert f"`{name}`" in (ROOT / "docs" / "constructions.md").read_text()


def test_names_of_constructions_stand_in_the_registry_alone():
    """No module but a construction's own compares with, or lists, names of constructions."""
    # Activations are called so, too, and the sizes that a theorem asks for.
    names = set(CONSTRUCTIONS) - {"relu", "linear", "structured"}
    homes = ("subsetsum_nets/constructions/", "subsetsum_nets/experiments/shipped/")  # figures of one paper
    for path in (ROOT / "subsetsum_nets").rglob("*.py"):
        place = path.relative_to(ROOT).as_posix()
        if place.startswith(homes):
            continue
        tree = ast.parse(path.read_text())
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        assert not names & texts, place
        called = {
            keyword.value.value
            for n in ast.walk(tree)
            if isinstance(n, ast.Call)
            for keyword in n.keywords
            if keyword.arg == "construction" and isinstance(keyword.value, ast.Constant)
        }
        assert not called, place
        for n in ast.walk(tree):
            if (
                isinstance(n, ast.ImportFrom)
                and n.module
                and n.module.startswith("subsetsum_nets.constructions.")
            ):
                own = n.module.rpartition(".")[2] not in ("protocol", "one_pass_law")
                tells_of_it = place.startswith(("subsetsum_nets/theory/", "subsetsum_nets/reports/"))
                assert not own or tells_of_it, place


def test_the_default_is_still_that_of_the_contract():
    assert DEFAULT == "relu"


# ---------------------------------------------------------------- the template


@pytest.mark.usefixtures("template")  # which takes the name out of the registry again
def test_the_example_of_the_page_prints_true(capsys):
    code = re.search(r"```python\n(.+?)```", PAGE, re.DOTALL)
    exec(code.group(1), {})  # noqa: S102 - our own page
    assert capsys.readouterr().out.strip() == "True"


@pytest.mark.thinned
@pytest.mark.usefixtures("template")
@pytest.mark.parametrize("allocation", [None, "tight", "recursion"])
@pytest.mark.parametrize("objective", ["nearest", "within", "sparsest"])
def test_the_template_compiles_to_a_verified_ticket(tmp_path, allocation, objective):
    f = ReluNetwork(target((3, 4, 2, 3), bias=False, seed=2).layers, linear_after=(1,), final_relu=True)
    options = {"construction": "template", "epsilon": 0.05, "allocation": allocation, "domain": Ball(1.0)}
    pruned = prune(f, objective=objective, seed=3, **options)
    assert pruned.certificate.verified
    assert np.all(pruned.solution.errors <= pruned.solution.tolerances)
    pruned.save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified
    assert PrunedNetwork.load(tmp_path / "ticket").certificate == pruned.certificate
    given = prune(f, objective=objective, into=pruned.random, **options)
    assert given.certificate.masks_digest == pruned.certificate.masks_digest


@pytest.mark.usefixtures("template")
def test_the_template_refuses_what_it_has_no_place_for():
    biased = ReluNetwork([Dense([[0.5]], [0.25])])
    with pytest.raises(InvalidNetworkError, match="target has biases"):
        prune(biased, construction="template")
    with pytest.raises(
        InvalidNetworkError, match=r"layer 0 of target is a Conv2d.*'template' takes Dense layers"
    ):
        prune(ReluNetwork([Conv2d(np.ones((1, 1, 1, 1)))], input_shape=(1, 1, 1)), construction="template")
    one = ReluNetwork([Dense([[0.5]])])
    with pytest.raises(InvalidNetworkError, match="into has biases"):
        prune(one, construction="template", into=biased)
    for layers, linear in (
        ([[[1.0]] * 3], ()),
        ([[[1.0]] * 3, [[1.0] * 3]], ()),
        ([[[1.0]] * 3, [[1.0] * 3]] * 2, (0,)),
    ):
        into = ReluNetwork([Dense(w) for w in layers], linear_after=linear)
        with pytest.raises(InvalidNetworkError, match="construction 'template' draws"):
            prune(one, construction="template", into=into)

"""docs/adding_a_method.md: every file and name in it is there, and its template is a sound method."""

import importlib
import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from verification.replay_checks import check_replay
from verification.test_fuzz import check, random_problem, reached
from verification.tiny_networks import NORMS, random_cases, single_pair, tight_cases, truth

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, ReluNetwork
from subsetsum_nets.verification import BoundOverflowError, Comparison, SoundnessError, verifier, verify
from subsetsum_nets.verification.methods import TEMPLATE
from subsetsum_nets.verification.methods.interval import interval_bound
from subsetsum_nets.verification.methods.table import TABLE, Method
from subsetsum_nets.verification.methods.TEMPLATE import halves, halves_bound
from subsetsum_nets.verification.replay import replay

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding_a_method.md").read_text()
QUOTED = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL))
FILES = sorted(
    {name for name in QUOTED if re.fullmatch(r"[\w./]+(/|\.py|\.md)", name) and "NAME" not in name}
)
DOTTED = sorted({name for name in QUOTED if re.fullmatch(r"subsetsum_nets(\.\w+)+", name)})


# -- the page ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_files_of_the_page_exist(name):
    places = (ROOT, ROOT / "tests" / "verification")
    assert any((place / name).exists() for place in places)


@pytest.mark.parametrize("name", DOTTED)
def test_names_of_the_page_exist(name):
    module, _, attribute = name.rpartition(".")
    assert hasattr(importlib.import_module(module), attribute)


def test_the_page_names_every_file_that_lists_methods():
    product = ROOT / "subsetsum_nets"
    own = {"propagated", "zonotope"}  # each in files of its own; where both are named, methods are listed
    listing = {
        str(path.relative_to(ROOT))
        for path in product.rglob("*.py")
        if own <= set(re.findall(r"\b[a-z]+\b", path.read_text())) and not own & {*path.parts, path.stem}
    }
    assert listing
    assert listing - set(FILES) - {"subsetsum_nets/verification/replay/splitting.py"} == set()
    assert "adding_a_method.md" in (ROOT / "mkdocs.yml").read_text()


# -- the template as a method --------------------------------------------------------------------------


def as_it_stands(comparison):
    return TEMPLATE.halves_bound(comparison)


@pytest.fixture
def halves_in_the_table(monkeypatch):
    """Do what the page says: the table, and the replay as the page prints it."""
    monkeypatch.setitem(TABLE, "halves", Method("halves", as_it_stands, by_layers=False))
    monkeypatch.setattr(verifier, "METHODS", tuple(TABLE))
    printed = {}
    exec(re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1], printed)  # noqa: S102 - our own page
    monkeypatch.setitem(replay._WITHOUT_RECORD, "halves", printed["halves_bound"])
    monkeypatch.setattr(replay, "REPLAYED_METHODS", (*replay.REPLAYED_METHODS, "halves"))


def all_checks():
    """Hold the method against the true supremum of tiny networks, on boxes and balls, in every norm."""
    ratios = {"halves": []}
    for norm in NORMS:
        check((*single_pair([[1.0]], [[-1.0]], [[-0.5]]), Box(-0.25, 1), norm), ["halves"], ratios)
        check((*single_pair([[1.0]], [[-0.5]], [[-1.0]]), Box(-1, 0.25), norm), ["halves"], ratios)
    reached(ratios, ["halves"])
    for seed in range(40):
        check(random_problem(seed), ["halves"], ratios)


def test_no_bound_is_below_the_truth_and_one_reaches_it(halves_in_the_table):
    all_checks()


@pytest.mark.parametrize("case", [*tight_cases()[::5], *random_cases(range(30), ["halves"])], ids=str)
def test_the_replay_lies_between_the_truth_and_the_floating_bound(halves_in_the_table, case):
    bound = halves_bound(Comparison(case.f, case.g, case.domain, case.norm))
    check_replay(replay.replayed_bound, case, truth(case), {"halves": bound}, ["halves"])


def test_verify_takes_it_by_name_and_replays_it(halves_in_the_table):
    f, g = single_pair([[1.0]], [[-1.0]], [[-0.5]])
    result = verify(f, g, method="halves", exact=True)
    assert result.method == "halves"
    assert Fraction(result.lower) <= Fraction(result.replayed) <= Fraction(result.upper) < 2 + 1e-9
    assert result.layers[0].deviation_after <= result.upper


def test_auto_asks_it(halves_in_the_table):
    rng = np.random.default_rng(0)
    f, g = (ReluNetwork([Dense(rng.normal(size=(3, 2))), Dense(rng.normal(size=(1, 3)))]) for _ in range(2))
    three_layers = ReluNetwork([*g.layers, Dense([[1.0]])], linear_after=[1])
    assert verify(f, three_layers).method == "halves"


def test_it_is_never_worse_than_interval_on_a_box_and_takes_images():
    rng = np.random.default_rng(1)
    images = [ReluNetwork([Conv2d(rng.normal(size=(3, 3, 1, 2)))], input_shape=(3, 3, 1)) for _ in range(2)]
    for domain in (Box(-1, 1), Box(0, 1), Box(-3, -2)):
        comparison = Comparison(*images, domain)
        assert halves_bound(comparison).upper <= interval_bound(comparison).upper
    huge = ReluNetwork([Dense([[1e308, 1e308]])]), ReluNetwork([Dense([[-1e308, 1e308]])])
    with pytest.raises(BoundOverflowError):
        halves_bound(Comparison(*huge, Box(-1, 1)))


@pytest.mark.parametrize(
    "domain", [Box(-1, 1), Box([0, -2], [1, 3]), Box([0, 1], [1, 3]), Ball(2.0, [0.5, -0.5])]
)
def test_the_halves_hold_the_domain(domain):
    rng = np.random.default_rng(2)
    points = domain.project(rng.normal(size=(300, 2)) * 3)
    parts = halves(domain, 2)
    assert all(any(part.contains(point) for part in parts) for point in points if domain.contains(point))


# -- mistakes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keep", [slice(0, 1), slice(1, 2)], ids=["upper half left out", "lower half left out"]
)
def test_a_half_left_out_is_caught(halves_in_the_table, monkeypatch, keep):
    monkeypatch.setattr(TEMPLATE, "halves", lambda *question: halves(*question)[keep] or halves(*question))
    with pytest.raises((AssertionError, SoundnessError)):
        all_checks()


@pytest.mark.parametrize("factor", [0.999, 0.5])
def test_a_bound_too_small_is_caught(halves_in_the_table, monkeypatch, factor):
    def shrunken(comparison):
        bound = halves_bound(comparison)
        return type(bound)(factor * bound.upper, bound.layers)

    monkeypatch.setattr(TEMPLATE, "halves_bound", shrunken)
    with pytest.raises((AssertionError, SoundnessError)):
        all_checks()

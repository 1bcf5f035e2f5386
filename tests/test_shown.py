"""Results in a terminal and a notebook: short, escaped, rounded outward, and as plain dictionaries."""

import json
import math
from dataclasses import replace
from fractions import Fraction
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from solvers import SubsetSum, shown, solve, solve_many
from subsetsum_nets import Box, Dense, ReluNetwork, prune, sparsify, verify, verify_near
from subsetsum_nets.shown import bounds_figure, bracket, panel, verdict
from subsetsum_nets.verification.certificate import PairCertificate

RNG = np.random.default_rng(0)
WIDE = ReluNetwork(
    [Dense(RNG.uniform(-1, 1, (6, 40))), Dense(RNG.uniform(-1, 1, (2, 6)))],
    domain=Box(np.zeros(40), np.ones(40)),
)


@pytest.fixture(scope="module")
def results():
    pruned = prune(WIDE, epsilon=0.5)
    result = verify(WIDE, pruned)
    near = verify_near(WIDE, pruned, RNG.uniform(0, 1, (3, 40)), 0.1, epsilon=1.0)
    sparse = sparsify(WIDE, RNG.uniform(0, 1, (30, 40)), keep=0.5, method="magnitude")
    batch = solve_many(RNG.uniform(-1, 1, (500, 12)), RNG.uniform(-1, 1, 500), tolerance=1e-9)
    pair = PairCertificate.about(WIDE, pruned.network, result)
    one = solve(SubsetSum(RNG.uniform(-1, 1, 40), 0.25, tolerance=1e-3), objective="sparsest")
    listed = (pruned, pruned.certificate, result, near, sparse, batch, pair, one)
    return {type(each).__name__: each for each in listed}


def parsed(page):
    return ET.fromstring(page)  # noqa: S314 - what we wrote ourselves


NAMES = ["PrunedNetwork", "Certificate", "VerificationResult", "NearResult", "SparsifiedNetwork"]
NAMES += ["BatchSolution", "PairCertificate", "Solution"]


@pytest.mark.parametrize("name", NAMES)
def test_a_repr_is_one_line_that_says_what_was_found(results, name):
    text = repr(results[name])
    assert text.startswith(f"{name}(")
    assert text.endswith(")")
    assert len(text) <= 200
    assert not {"\n", "array"} & {text, *text.split()}


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_gets_a_table_that_is_well_formed(results, name):
    page = parsed(results[name]._repr_html_())
    rows = {row[0].text: row[1].text for row in page.iter("tr")}
    assert name in page[0].text
    assert len(rows) >= 3
    assert len("".join(page.itertext())) <= 1000


@pytest.mark.parametrize("name", NAMES)
def test_a_dictionary_is_proper_json(results, name):
    page = results[name].to_dict()
    assert json.loads(json.dumps(page, allow_nan=False)) == page


def test_the_dictionaries_say_what_the_objects_do(results):
    pruned, result, batch = (
        results[name] for name in ("PrunedNetwork", "VerificationResult", "BatchSolution")
    )
    assert pruned.to_dict()["certificate"] == pruned.certificate.to_json()
    assert pruned.to_dict()["kept_parameters"] == pruned.certificate.counts["kept_parameters"]
    assert (result.to_dict()["upper"], result.to_dict()["lower"]) == (result.upper, result.lower)
    rows = batch.to_dict()
    assert rows["subsets"][7] == batch[7].subset.tolist()
    assert rows["statuses"][7] == batch[7].status.name
    assert rows["errors"] == batch.errors.tolist()
    infinite = replace(result, upper=math.inf, verified=False)
    assert infinite.to_dict()["upper"] is None
    assert "inf" in repr(infinite)
    parsed(infinite._repr_html_())


def test_nothing_in_a_result_is_taken_for_html(results):
    nasty = "<script>alert('x')</script>&\""
    certificate = replace(results["Certificate"], construction=nasty, method=nasty, target_digest=nasty)
    for each in (
        certificate,
        replace(results["PrunedNetwork"], certificate=certificate),
        replace(results["VerificationResult"], method=nasty),
        replace(results["NearResult"], method=nasty),
        replace(results["SparsifiedNetwork"], method=nasty),
        replace(results["Solution"], backend=nasty),
    ):
        page = each._repr_html_()
        assert "<script" not in page
        parsed(page)
    assert "<i>" not in panel("<i>", "<i>", "", [("<i>", "<i>")]) + shown.table(
        "<i>", "<i>", [("<i>", "<i>")]
    )


def test_a_verdict_is_the_right_one(results):
    result = results["VerificationResult"]
    assert "verified at 0.5" in repr(result)
    assert "not verified at 1e-09" in repr(replace(result, verified=False, falsified=False, epsilon=1e-9))
    assert verdict(None, None, None) == "no epsilon asked for"
    assert verdict(verified=False, falsified=True, epsilon=0.5) == "falsified at 0.5"
    red, green = (replace(result, verified=said, falsified=False)._repr_html_() for said in (False, True))
    assert ("#c62828" in red, "#2e7d32" in red) == (True, False)
    assert ("#c62828" in green, "#2e7d32" in green) == (False, True)


NUMBERS = st.floats(0, 1e300, allow_nan=False)


@given(NUMBERS, NUMBERS, st.floats(1e-300, 1e300))
def test_shown_bounds_are_never_tighter_than_the_proven_ones(a, b, epsilon):
    least, most = sorted((a, b))
    low, _, rest = bracket(least, most, "l2", epsilon).partition(" <= ")
    high = rest.partition(" <= ")[2]
    assert Fraction(low) <= Fraction(least)
    assert Fraction(high) >= Fraction(most)
    assert (float(high) <= epsilon) == (most <= epsilon)  # decided alike by what is shown
    figure = bounds_figure(least, most, epsilon)
    for rect in parsed(figure).iter("rect"):
        assert 12 <= float(rect.get("x")) <= float(rect.get("x")) + float(rect.get("width")) <= 314.1


@given(st.fractions(0, 10**40), st.integers(1, 10**60))
def test_exact_numbers_are_rounded_outward(value, divisor):
    number = value / divisor
    assert Fraction(shown.at_least(number)) <= number <= Fraction(shown.at_most(number))


def test_numbers_of_thousands_of_digits_are_shown():
    assert shown.at_most(Fraction(10**9000, 3)) == "3.34e+8999"
    assert shown.at_least(Fraction(1, 3 * 10**9000)) == "3.33e-9001"

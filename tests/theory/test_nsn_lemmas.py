"""Lemmas 7 and 8 of da Cunha et al. (2023) bound what they say, once corrected; theorem 5 by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets.theory import nsn_lemmas, subset_sum_number
from subsetsum_nets.theory.nsn_lemmas import (
    corollary_19,
    lemma_7,
    lemma_7_as_printed,
    lemma_8,
    lemma_8_as_printed,
    theorem_5,
)
from subsetsum_nets.theory.subset_sum_number import hit_probability


def hits(kept, target, epsilon):
    return math.exp(hit_probability(kept, target, epsilon).log[0])


def lemma_7_holds(d, k, epsilon, share):
    """Check Lemma 7 at 0 and at targets of l1 norm sqrt(k): along the diagonal, and along one axis."""
    diagonal, axis = np.full(d, share * math.sqrt(k) / d), np.zeros(d)
    axis[0] = share * math.sqrt(k)
    for target in (np.zeros(d), diagonal, axis):
        assert lemma_7(k, d, epsilon) <= hits(k, target, epsilon)


@settings(max_examples=60, deadline=None)
@given(
    d=st.integers(1, 40),
    more=st.integers(0, 300),
    epsilon=st.sampled_from([1e-3, 0.01, 0.1, 0.249]),
    share=st.floats(0, 1),
)
def test_lemma_7_holds_corrected(d, more, epsilon, share):
    lemma_7_holds(d, max(16, d * d) + more, epsilon, share)


def test_lemma_7_as_printed_is_false():
    chance = hits(144, np.zeros(12), 0.1)
    assert f"{chance:.2e}" == "1.01e-26"
    assert f"{lemma_7_as_printed(144, 12, 0.1):.2e}" == "1.10e-26"
    assert lemma_7_as_printed(900, 30, 0.1) > 500 * hits(900, np.zeros(30), 0.1)
    assert lemma_7_as_printed(900, 30, 0.1) == pytest.approx(lemma_7(900, 30, 0.1) * 2**15)


def lemma_8_holds(d, k, j, epsilon):
    values, counts = np.array([0.0]), np.array([d])
    steps = subset_sum_number._FINE
    chance = 2 * hit_probability(k, np.zeros(d), epsilon).log[0] if j == k else None
    if chance is None:
        chance = subset_sum_number._log_both(k, j, values, counts, epsilon, steps)
    assert math.exp(chance) <= lemma_8(j, d, epsilon)
    assert lemma_8(j, d, epsilon) == pytest.approx(lemma_8_as_printed(j, d, epsilon) / 2**d)


@pytest.mark.parametrize(("d", "k", "j"), [(1, 300, 300), (2, 700, 700), (3, 900, 900), (1, 300, 250)])
def test_lemma_8_holds(d, k, j):
    lemma_8_holds(d, k, j, 0.1)


@pytest.mark.slow
def test_lemma_8_holds_for_subsets_that_share_vectors():
    for d, k, j in [(2, 800, 600), (3, 900, 800), (2, 700, 699)]:
        lemma_8_holds(d, k, j, 0.1)


def test_theorem_5_is_the_least_k_of_its_proof():
    for d, epsilon in [(2, 0.1), (3, 0.01), (7, 0.2)]:
        found = theorem_5(d, epsilon)
        assert found.vectors == found.kept**2
        assert nsn_lemmas._theorem_5_holds(found.kept, d, epsilon)
        assert not nsn_lemmas._theorem_5_holds(found.kept - 1, d, epsilon)
        assert all(nsn_lemmas._theorem_5_holds(found.kept + more, d, epsilon) for more in (1, 7, 1000))
        lemma_8(math.ceil(found.kept * (1 - 1 / d)), d, epsilon)  # as its proof uses it


def test_the_constant_of_theorem_5_stays_as_printed():
    constants = [nsn_lemmas._ratio(d) for d in range(2, 200)]
    assert max(constants) == constants[2]  # d = 4
    assert math.floor(max(constants)) in (270_800, 270_801)
    assert theorem_5(4, 0.1).probability >= 1 / (270_802 + 16 / math.e)


def test_corollary_19_by_hand():
    one, found = theorem_5(3, 0.05), corollary_19(3, 0.1)
    assert found.kept == one.kept
    groups = found.vectors // one.vectors
    assert groups * one.vectors == found.vectors
    unserved = (2 / 0.1) ** 3 * (1 - one.probability) ** groups
    assert unserved <= 0.1 < unserved / (1 - one.probability)
    assert found.probability == 0.9


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: lemma_7(15, 2, 0.1), "kept"),
        (lambda: lemma_7(99, 10, 0.1), "kept"),  # it prints k >= d
        (lambda: lemma_7(16, 2, 0.25), "epsilon"),
        (lambda: lemma_7(16, 0, 0.1), "dimension"),
        (lambda: lemma_8(0, 2, 0.1), "apart"),
        (lambda: lemma_8(30, 2, 0.1), r"differ in about [34]\d\d vectors"),
        (lambda: theorem_5(1, 0.1), "dimension"),
        (lambda: theorem_5(2, 0.3), "epsilon"),
        (lambda: corollary_19(2, 0.0), "epsilon"),
    ],
)
def test_bad_numbers_are_refused_by_name(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize(
    ("function", "right", "wrong", "check"),
    [
        (lemma_7, "_CORRECTED", "_PRINTED", lambda: lemma_7_holds(12, 144, 0.1, 0.0)),
        (
            nsn_lemmas._log_lemma_7,
            "math.log(16)",
            "math.log(1 / 16)",
            lambda: lemma_7_holds(12, 144, 0.1, 0.0),
        ),
        (
            nsn_lemmas._log_power_of_8,
            "4 * epsilon**2",
            "epsilon**2",
            lambda: lemma_8_holds(2, 700, 700, 0.1),
        ),
        (corollary_19, "error / 2", "error", test_corollary_19_by_hand),
        (nsn_lemmas._theorem_5_holds, "1 - 1 / d", "1", test_theorem_5_is_the_least_k_of_its_proof),
    ],
)
def test_mistakes_in_the_lemmas_are_noticed(function, right, wrong, check, monkeypatch):
    plant(monkeypatch, function, right, wrong)
    with pytest.raises((AssertionError, ValueError)):
        check()

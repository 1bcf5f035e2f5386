"""same_class(): where a bound proves the same class; never where some g within the bound has another."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planting import plant

from subsetsum_nets import Ball, Box, Dense, ReluNetwork
from subsetsum_nets.verification import same_class
from subsetsum_nets.verification.same_class import _margin_down

FACTORS = {"l2": 2.0**0.5, "linf": 2.0, "l1": 1.0}
IDENTITY = ReluNetwork([Dense(np.eye(3))])


def proven(values, bound, norm):
    """Whether the class of outputs, given as they are, is proven."""
    target = ReluNetwork([Dense(np.asarray(values, dtype=float)[:, np.newaxis])])
    (found,) = same_class(target, np.ones((1, 1)), bound, domain=Box(0, 1), norm=norm)
    return bool(found)


def worst(values, norm):
    """The least size of an error that makes the first two of the outputs equal: half the way each, or one."""
    gap = values[0] - values[1]
    return {"l2": gap / 2**0.5, "linf": gap / 2.0, "l1": gap}[norm]


@pytest.mark.parametrize("norm", sorted(FACTORS))
def test_what_is_proven_ends_where_some_error_changes_the_class(norm):
    values = np.array([1.0, 0.25, -3.0])
    least = worst(values, norm)
    assert proven(values, least * (1 - 1e-9), norm)
    assert not proven(values, least * (1 + 1e-9), norm)


@given(st.lists(st.integers(-40, 40), min_size=2, max_size=4), st.integers(1, 40), st.integers(0, 2**32))
def test_no_error_within_the_bound_changes_a_proven_class(values, bound, seed):
    rng, values = np.random.default_rng(seed), np.array(values) / 8
    for norm, order in (("l2", 2), ("linf", np.inf), ("l1", 1)):
        errors = rng.normal(size=(50, len(values)))
        errors[:25] = np.sign(errors[:25]) * (rng.random((25, len(values))) < 0.6)
        sizes = np.linalg.norm(errors, order, axis=1, keepdims=True)
        errors *= bound / 8 / np.maximum(sizes, 1e-9)
        classes = (values + errors).argmax(axis=1)
        assert not proven(values, bound / 8, norm) or (classes == values.argmax()).all()


def test_ties_and_infinite_bounds_prove_nothing():
    assert not proven([1.0, 1.0], 0.0, "l2")
    assert proven([1.0, 1.0 - 2.0**-40], 0.0, "l2")
    assert not proven([1.0, -1.0], np.inf, "l2")


def test_the_class_of_a_single_output_is_its_sign():
    assert proven([-0.5], 0.25, "l2")
    assert not proven([-0.5], 0.5, "l2")
    assert not proven([0.5], 0.75, "linf")


def test_points_outside_of_the_domain_are_not_counted():
    points = np.array([[0.5, 0.0, 0.0], [1.5, 0.0, 0.0]])
    assert same_class(IDENTITY, points, 0.1, domain=Box(0, 1)).tolist() == [True, False]
    assert same_class(IDENTITY, points, 0.1, domain=Ball(1.0)).tolist() == [True, False]


def test_values_beyond_float64_prove_nothing():
    large = ReluNetwork([Dense([[1e308, 1e308], [1.0, 0.0]])])
    assert not same_class(large, np.array([[1.0, 1.0]]), 1.0, domain=Box(0, 1)).any()


def test_an_unknown_norm_is_refused():
    with pytest.raises(ValueError, match="l3"):
        same_class(IDENTITY, np.zeros((1, 3)), 0.1, domain=Box(0, 1), norm="l3")


def right():
    """Whether what this file asks of single points holds."""
    good = proven([0.5, 0.25, 0.0], 0.1, "l2") and proven([0.0, 0.25, 1.0], 0.3, "linf")
    good = good and proven([-0.5], 0.25, "l2")
    bad = proven([1.0, 0.75, 0.0], 0.2, "l2") or proven([0.0, 0.25, 1.0], 0.4, "linf")
    bad = bad or same_class(IDENTITY, np.array([[1.5, 0, 0]]), 0.1, domain=Box(0, 1)).any()
    return good and not bad and not proven([-0.1], 0.25, "l2")


def test_nothing_is_wrong_without_a_mistake():
    assert right()


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        (same_class, "domain.contains(point) and _margin_down(target, point) ** 2 > needed",
         "_margin_down(target, point) ** 2 > needed"),
        (same_class, "_SQUARED[norm] if target.widths[-1] > 1 else 1", "1"),
        (same_class, "Fraction(bound) ** 2", "Fraction(bound)"),
        (_margin_down, "np.delete(high, first).max()", "np.delete(high, first).min()"),
        (_margin_down, "-Fraction(high[0])", "Fraction(0)"),
        (_margin_down, "int(np.argmax(low))", "0"),
    ],
)  # fmt: skip
def test_a_planted_mistake_is_seen(monkeypatch, function, old, new):
    plant(monkeypatch, function, old, new)
    assert not right()

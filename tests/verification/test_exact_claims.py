"""What is claimed is true of the numbers as they were given, whatever their type, and however they round."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from subsetsum_nets import Ball, Box, Dense, ReluNetwork, prune, verify
from subsetsum_nets.networks.arguments import checked_limit
from subsetsum_nets.verification import BoundOverflowError
from subsetsum_nets.verification.comparison import SearchOptions
from subsetsum_nets.verification.replay.evaluation import exact_difference_down, exact_value

NOTHING = ReluNetwork([Dense([[0.0]])])
KINDS = [np.float16, np.float32, np.longdouble, Fraction, lambda x: Fraction(x).limit_denominator(1000)]


def line(slope):
    return ReluNetwork([Dense([[slope]])])


@pytest.mark.thinned
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["auto", "interval", "splitting", "milp"])
def test_verified_and_falsified_are_decided_by_the_number_that_was_given(kind, method):
    epsilon = kind(0.1)
    exact = Fraction(*epsilon.as_integer_ratio())
    below = checked_limit(epsilon, "epsilon")
    assert Fraction(below) <= exact < Fraction(np.nextafter(below, 1.0))
    for slope in (below, np.nextafter(below, 1.0), below * (1 + 1e-8), below * (1 - 1e-8)):
        found = verify(NOTHING, line(slope), epsilon=epsilon, method=method)
        assert type(found.epsilon) is float
        assert found.verified == (Fraction(found.upper) <= exact)
        assert found.falsified == (Fraction(found.lower) > exact)
        assert not (found.verified and Fraction(slope) > exact)
        assert not (found.falsified and Fraction(slope) <= exact)


@given(st.fractions(min_value=Fraction(1, 10**9), max_value=10**9))
def test_a_limit_is_the_largest_float_below(value):
    below = checked_limit(value, "epsilon")
    assert Fraction(below) <= value < Fraction(np.nextafter(below, np.inf))
    assert SearchOptions(epsilon=value).epsilon == below


@pytest.mark.thinned
@pytest.mark.parametrize(
    "options",
    [
        {"epsilon": np.float16(0.1)},
        {"epsilon": np.float32(0.1)},
        {"epsilon": np.longdouble(0.1)},
        {"epsilon": Fraction(1, 10)},
        {"epsilon": np.int64(1)},
        {"delta": np.float32(0.1)},
        {"delta": Fraction(1, 10)},
        {"seed": np.uint8(3), "candidates": np.int16(25)},
        {"domain": Box(np.float32(-1), np.int8(1))},
        {"domain": Ball(np.float16(0.7), np.float32(0.1))},
    ],
)
def test_numbers_of_any_type_make_tickets_that_are_stored_and_stand(tmp_path, options):
    from subsetsum_nets.audit import audit

    target = ReluNetwork([Dense([[0.3, -0.2]])])
    prune(target, **{"epsilon": 0.1, **options}).save(tmp_path / "ticket")
    assert audit(tmp_path / "ticket").verified


def nearly_equal(size):
    """Networks whose values are of about ``size``, and that differ by 1."""
    f = ReluNetwork([Dense([[size], [-size]], [0.0, 3.0]), Dense([[1.0, -1.0]], [1.0])])
    g = ReluNetwork([Dense([[size], [-size]], [0.0, 3.0]), Dense([[1.0, -1.0]], [0.0])])
    return f, g


@pytest.mark.parametrize("size", [1.0, 1e14, 1e20, 1e300])
@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_a_witness_shows_its_whole_difference_however_large_the_values(size, norm):
    f, g = nearly_equal(size)
    found = verify(f, g, norm=norm, domain=Box(0.25, 1))
    assert 1.0 - 1e-9 <= found.lower <= 1.0
    assert found.upper >= 1.0


@pytest.mark.parametrize("domain", [Box(1, 1), Box(0.8, 1)])
@pytest.mark.parametrize("method", ["auto", "interval", "differential", "milp", "splitting"])
def test_a_difference_beyond_float64_has_no_bound_and_no_error(domain, method):
    found = verify(line(1.7e308), line(-1.7e308), domain=domain, method=method, epsilon=1.0)
    assert found.upper == np.inf
    assert found.lower == np.finfo(float).max
    assert (found.verified, found.falsified) == (False, True)


def test_an_overflow_is_a_value_error_too():
    assert issubclass(BoundOverflowError, ValueError)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=6),
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=2),
)
def test_exact_values_are_those_of_fractions(weights, point):
    network = ReluNetwork([Dense(np.reshape(weights[:4], (2, 2)), weights[2:4]), Dense([weights[4:]])])
    rows = np.reshape(weights[:4], (2, 2))
    hidden = [
        max(sum(Fraction(w) * Fraction(x) for w, x in zip(row, point, strict=True)) + Fraction(b), 0)
        for row, b in zip(rows, weights[2:4], strict=True)
    ]
    value = sum(Fraction(w) * h for w, h in zip(weights[4:], hidden, strict=True))
    assert exact_value(network, np.array(point)) == [value]
    zero = ReluNetwork([Dense(np.zeros((1, 2)))])
    for norm in ("l1", "l2", "linf"):
        found = exact_difference_down(network, zero, np.array(point), norm)
        assert Fraction(found) <= abs(value)
        assert abs(value) < Fraction(float(np.nextafter(found, np.inf)))

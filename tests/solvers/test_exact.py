"""Exact arithmetic: directed rounding, fractions of numbers, integer images."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import cases, error_of, exact, is_rounded_up, vector

from solvers import InvalidProblemError, SubsetSum
from solvers.exact import as_fraction, exact_array, float_down, float_up, integer_image

LARGEST = Fraction(np.finfo(float).max)
TINIEST = Fraction(5e-324)
rationals = st.one_of(
    st.fractions(),
    st.floats(allow_nan=False, allow_infinity=False).map(Fraction),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: Fraction(x) + Fraction(1, 3**700)),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda x: Fraction(x) * (1 + Fraction(1, 2**60))),
    st.integers(-999, 999).map(lambda k: Fraction(k, 7) * TINIEST),
    st.integers(-99, 99).map(lambda k: LARGEST + Fraction(k, 7) * Fraction(2) ** 968),
    st.integers(-99, 99).map(lambda k: -LARGEST + Fraction(k, 7) * Fraction(2) ** 968),
)


@given(rationals)
def test_directed_rounding_is_the_neighbouring_float(value):
    assert is_rounded_up(float_up(value), value)
    assert is_rounded_up(-float_down(value), -value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_round_to_themselves(x):
    assert float_up(Fraction(x)) == x == float_down(Fraction(x))


@pytest.mark.parametrize(
    ("value", "down", "up"),
    [
        (Fraction(0), 0.0, 0.0),
        (TINIEST / 2, 0.0, 5e-324),
        (-TINIEST / 2, -5e-324, 0.0),
        (TINIEST / 3**900, 0.0, 5e-324),
        (LARGEST + 1, float(LARGEST), math.inf),
        (-LARGEST - 1, -math.inf, -float(LARGEST)),
        (Fraction(10) ** 400, float(LARGEST), math.inf),
        (-(Fraction(10) ** 400), -math.inf, -float(LARGEST)),
        (Fraction(2**53 + 1), 2.0**53, 2.0**53 + 2),
        (Fraction(1, 10), math.nextafter(0.1, 0), 0.1),
    ],
)
def test_rounding_at_the_edges(value, down, up):
    assert (float_down(value), float_up(value)) == (down, up)


def test_zero_rounds_to_plus_zero():
    assert math.copysign(1, float_down(Fraction(0))) == math.copysign(1, float_up(Fraction(0))) == 1


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, Fraction(3602879701896397, 2**55)),
        (np.float64(0.1), Fraction(3602879701896397, 2**55)),
        (np.float32(0.1), Fraction(13421773, 2**27)),
        (np.float16(0.1), Fraction(1638, 2**14)),
        (np.longdouble(1) + np.finfo(np.longdouble).eps, 1 + Fraction(float(np.finfo(np.longdouble).eps))),
        (2**300 + 1, Fraction(2**300 + 1)),
        (np.int8(-128), Fraction(-128)),
        (np.int64(-(2**63)), Fraction(-(2**63))),
        (np.uint64(2**64 - 1), Fraction(2**64 - 1)),
        (Fraction(1, 3), Fraction(1, 3)),
        (Decimal("0.1"), Fraction(1, 10)),
        (5e-324, Fraction(1, 2**1074)),
        (-0.0, Fraction(0)),
    ],
    ids=repr,
)
def test_every_kind_of_number_is_the_ratio_it_stores(value, expected):
    assert as_fraction(value, "it") == expected
    assert isinstance(as_fraction(value, "it").numerator, int)


@pytest.mark.parametrize(
    "value",
    [
        *(math.nan, math.inf, -math.inf, np.float32("nan"), np.longdouble("inf")),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")),
        *(True, np.True_, "1", b"1", np.str_("1"), 1j, np.complex128(1), None, float, [1], np.ones(1)),
    ],
    ids=repr,
)
def test_what_has_no_ratio_is_refused_by_name(value):
    with pytest.raises(InvalidProblemError, match="item 7"):
        as_fraction(value, "item 7")


@given(cases(dimensions=(1, 2, 3)))
def test_integer_image_is_the_instance_on_its_coarsest_grid(case):
    rows, goal = [vector(x) for x in case.items], vector(case.target)
    image = integer_image(rows, goal)
    assert [tuple(x * image.unit for x in row) for row in image.items] == rows
    assert tuple(x * image.unit for x in image.target) == goal
    numbers = [x for row in [*image.items, image.target] for x in row]
    assert all(isinstance(x, int) for x in numbers)
    assert math.gcd(*numbers) in (0, 1)
    assert image.magnitude == max(
        sum(abs(row[k]) for row in image.items) + abs(image.target[k]) for k in range(len(goal))
    )


@given(cases(dimensions=(1, 2)), st.data())
def test_errors_and_tolerances_in_units(case, data):
    image = case.problem.image
    subset = data.draw(st.lists(st.integers(0, len(case.items) - 1), unique=True))
    error = error_of(case.items, case.target, subset)
    assert image.error(subset) * image.unit == error
    for tolerance in (error, error - image.unit / 3, error + image.unit / 3, Fraction(1, 7)):
        assert (image.error(subset) <= image.floor(tolerance)) == (error <= tolerance)


@pytest.mark.parametrize(
    "values",
    [
        [2**53 + 1, 0.5],
        [[2**53 + 1], [0.5]],
        [-1, 2**63],
        [np.int64(2**53 + 1), 0.5],
        [np.uint64(2**63 + 1), np.int64(-1)],
        [2**64 + 1, 0.5],
        [Fraction(1, 3), 1.5],
        [1.5, 2],
        np.array([0.1], dtype=np.float32),
    ],
    ids=repr,
)
def test_arrays_are_made_without_rounding(values):
    listed = np.ravel(np.array(values, dtype=object))
    assert [exact(x) for x in exact_array(values).ravel().tolist()] == [exact(x) for x in listed]


def test_denominators_without_end_are_refused_before_memory_is_full():
    primes = [p for p in range(2, 30_000) if all(p % q for q in range(2, int(p**0.5) + 1))]
    fractions = [Fraction(1, p**2) for p in primes] * 6
    with pytest.raises(InvalidProblemError, match=r"denominator of 19,\d+ numbers has .* bits or"):
        _ = SubsetSum(fractions, 1).image
    few = SubsetSum(fractions[:100], 1)
    assert few.image.unit == Fraction(1, math.lcm(*(x.denominator for x in fractions[:100])))

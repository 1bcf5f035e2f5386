"""Bounds of the papers: hand-computed values, how they scale, and the misprints they must not repeat."""

import math
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subsetsum_nets.theory import network_sizes as bounds
from subsetsum_nets.theory.structured_sizes import (
    da_cunha_2023,
    da_cunha_2023_from_corollary,
    kept_filters,
)

WITH_DELTA = (bounds.pensia_2020, bounds.diffenderfer_2021, bounds.sreenivasan_2021)
WITHOUT = (bounds.malach_2020, bounds.orseau_2020)
WIDTHS, DEPTHS = st.integers(1, 2000), st.integers(1, 50)
SHARES = st.floats(1e-9, 0.4)


def asked(function, width, depth, epsilon, delta=0.01, **options):
    more = (delta,) if function in WITH_DELTA else ()
    return function(width, depth, epsilon, *more, **options)


# -- values by hand ----------------------------------------------------------------------------------


def test_malach_by_hand():
    found = bounds.malach_2020(10, 2, 0.5, constant=3)
    assert found.width == 3 * 100 * 4 * 4
    assert found.depth == 4
    assert found.parameters == 2 * 2 * 10 * 4800
    assert found.units == 2 * 4800 + 10


def test_orseau_by_hand():
    found = bounds.orseau_2020(8, 4, 0.125)
    assert found.width == 64 * 8  # log2(8 * 4 * 8) = 8
    assert found.parameters == 4 * 2 * 8 * 512


@pytest.mark.parametrize(("epsilon", "delta"), [(0.5, 0.0625), (0.0625, 0.5)])
def test_pensia_takes_the_smaller_of_epsilon_and_delta(epsilon, delta):
    found = bounds.pensia_2020(8, 4, epsilon, delta, constant=3)
    assert found.width == 3 * 8 * 12  # log2(8 * 8 * 4 * 16) = 12
    assert (found.depth, found.parameters) == (8, 4 * 2 * 8 * 288)


def test_pensia_by_layers_has_the_shapes_of_theorem_1():
    found = bounds.pensia_2020_layers([4, 8, 2], 1 / 16, 1 / 4)
    hidden = [4 * 10, 8 * 9]  # log2(4 * 8 * 2 * 16) = 10, log2(8 * 2 * 2 * 16) = 9
    assert found.width == 72
    assert found.units == sum(hidden) + 8
    assert found.parameters == hidden[0] * (4 + 8) + hidden[1] * (8 + 2)


def test_diffenderfer_by_hand():
    found = bounds.diffenderfer_2021(16, 2, 0.125, 0.25, constant=2)
    assert found.width == 2 * (2 * 64 * 8 + 32 * 7)  # 16^1.5 = 64, log2(32 * 4) = 7


def test_sreenivasan_by_hand():
    found = bounds.sreenivasan_2021(4, 2, 0.125, 0.5)
    assert found.width == 4 * 8 * 10  # log2(p) = 8, log2(4 * 2 * 64 * 2) = 10
    assert found.depth == 2 * 8
    assert found.parameters == 2 * (2 * 4 * 320 + 6 * 320**2)
    assert found.units == 2 * 7 * 320 + 4


@pytest.mark.parametrize(
    ("width", "depth", "epsilon", "digits"),
    [(1, 1, 0.99, 1), (10, 10, 2.0**-10, 7), (100, 1, 0.01, 6), (1, 1, 0.1, 1), (7, 3, 1e-3, 6)],
)
def test_decimal_digits(width, depth, epsilon, digits):
    # The float 0.01 is a little more than 1/100, so that 10^6 > 10^4 / 0.01; 0.1 likewise.
    assert bounds.decimal_digits(width, depth, epsilon) == digits
    needed = Fraction(width * width * depth) / Fraction(epsilon)
    assert 10 ** (digits - 1) < needed <= 10**digits


def test_structured_by_hand():
    found = da_cunha_2023([1, 2], [2, 1, 2], 0.5, constant=2)
    first = 2 * 1 * 1 * 3**3  # 1^13 1^6 log2(1 * 1 * 2 * 2 / 0.5)^3
    second = 2 * 2**13 * 2**6 * 5**3  # log2(4 * 2 * 1 * 2 / 0.5) = 5
    assert found.width == max(2 * first * 2, 2 * second)
    assert found.depth == 4
    assert (
        found.parameters == 2 * 4 * first * (1 + 1) + 2 * second * (1 + 4 * 2) - 2 * 4 * first + 4 * first * 1
    )


def test_structured_exponents_stated_and_as_the_proof_has_them():
    # The vectors have D = d^2 c coordinates and Corollary 19 needs D^7 log^3 of them: d^14 c^7, not d^13 c^6.
    for d, c in ((3, 1), (1, 5), (3, 4)):
        stated, derived = (f([d], [1, c], 0.25) for f in (da_cunha_2023, da_cunha_2023_from_corollary))
        assert derived.width / stated.width == pytest.approx(d * c, rel=1e-6)


def test_kept_filters():
    assert kept_filters(10**6, 25, 2.0**-4) == math.isqrt(10**4)
    assert kept_filters(10**6, 25, 2.0**-4, constant=4) == 50


# -- the lower bound ---------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3, 10, 500])
@pytest.mark.parametrize("k", [1, 2, 5, 13, 40])
def test_lower_bound_is_the_least_integer_that_meets_the_counting_argument(d, k):
    epsilon = 2.0**-k
    s = bounds.pensia_2020_lower(d, epsilon).width
    bits = d * d * (k - 1)  # log2 of (1 / (2 epsilon))^(d^2)
    assert 2 * s * d + 1 > bits
    assert s == 1 or 2 * (s - 1) * d + 1 <= bits
    m = bounds.pensia_2020_lower_parameters(d, epsilon)
    assert m + 1 > bits
    assert m == 0 or m <= bits


@given(d=st.integers(1, 12), epsilon=st.floats(1e-12, 0.49))
def test_lower_bound_never_claims_too_much(d, epsilon):
    s = bounds.pensia_2020_lower(d, epsilon).width
    volume = (1 / (2 * Fraction(epsilon))) ** (d * d)
    if s > 1:  # one unit fewer contradicts the counting argument, exactly
        assert 2 ** (2 * (s - 1) * d + 1) <= volume
    assert 2 ** (2 * (s + 1) * d + 1) > volume


def test_the_exponent_has_the_sign_of_the_derivation_not_of_the_misprint():
    assert bounds.packing_log2(3, 1 / 16) == 9 * 3 > 0
    assert bounds.packing_log2(2, 0.25) == 4
    assert bounds.packing_log2(5, 0.5) == 0


def test_lower_bound_is_void_for_large_epsilon():
    assert bounds.pensia_2020_lower(100, 0.5).width == 1
    assert bounds.pensia_2020_lower(100, 0.9).width == 1
    assert bounds.pensia_2020_lower_parameters(3, 0.9) == 0


def test_lower_bound_is_far_below_what_is_enough_but_grows_alike():
    lower = bounds.pensia_2020_lower(64, 1e-6)
    upper = bounds.pensia_2020(64, 1, 1e-6, 1e-6)
    assert not lower.sufficient
    assert upper.sufficient
    assert lower.parameters < upper.parameters
    ratios = [bounds.pensia_2020_lower(64, 10.0**-k).width / k for k in (20, 80)]
    assert ratios[0] == pytest.approx(64 * math.log2(10) / 2, rel=0.03)
    assert ratios[1] == pytest.approx(64 * math.log2(10) / 2, rel=0.01)


def test_total_params_of_table_1_count_units_and_would_contradict_theorem_2():
    d, epsilon = 1000, 1e-6
    found = bounds.pensia_2020(d, 1, epsilon, epsilon)
    needed = bounds.pensia_2020_lower_parameters(d, epsilon)
    assert found.units < needed <= found.parameters


# -- how they scale ----------------------------------------------------------------------------------


@given(width=WIDTHS, depth=DEPTHS, epsilon=SHARES, delta=SHARES)
def test_sizes_grow_with_the_target_and_as_epsilon_falls(width, depth, epsilon, delta):
    for function in (*WITHOUT, *WITH_DELTA):
        base = asked(function, width, depth, epsilon, delta)
        for other in (
            asked(function, width + 1, depth, epsilon, delta),
            asked(function, width, depth + 1, epsilon, delta),
            asked(function, width, depth, epsilon / 2, delta),
            asked(function, width, depth, epsilon, delta / 2),
            asked(function, width, depth, epsilon, delta, constant=2),
        ):
            assert other.width >= base.width
            assert other.parameters >= base.parameters
        assert base.depth >= 2 * depth


@pytest.mark.parametrize(
    ("function", "factor"),
    [
        (bounds.malach_2020, 1e12),
        (bounds.diffenderfer_2021, 1e6),
    ],
)
def test_polynomial_bounds_grow_by_powers_of_epsilon(function, factor):
    sizes = [asked(function, 50, 3, epsilon).width for epsilon in (1e-9, 1e-15)]
    assert sizes[1] / sizes[0] == pytest.approx(factor, rel=1e-3)


@pytest.mark.parametrize("function", [bounds.orseau_2020, bounds.pensia_2020])
def test_logarithmic_bounds_add_the_same_for_every_power_of_epsilon(function):
    sizes = [asked(function, 64, 4, 2.0**-k, 2.0**-k).width for k in (20, 40, 60)]
    assert sizes[2] - sizes[1] == sizes[1] - sizes[0] > 0


def test_widths_scale_with_the_width_as_table_1_says():
    def growth(function):
        a, b = (asked(function, d, 2, 1e-12, 1e-12).width for d in (1000, 4000))
        return b / a

    assert growth(bounds.malach_2020) == pytest.approx(16)
    assert 16 < growth(bounds.orseau_2020) < 18
    assert 4 < growth(bounds.pensia_2020) < 4.5
    assert growth(bounds.diffenderfer_2021) == pytest.approx(8, rel=1e-3)
    assert 4 < growth(bounds.sreenivasan_2021) < 5


def test_lemma_7_of_sreenivasan_lacks_a_factor_that_the_width_has():
    d, depth, epsilon, delta = 64, 2, 2.0**-20, 2.0**-20
    bits = math.log2(d * d * depth / epsilon)
    lemma_7 = d * math.log2(d * depth * bits**2 / delta)
    assert bounds.sreenivasan_2021(d, depth, epsilon, delta).width == pytest.approx(bits * lemma_7, abs=1)


# -- bad input ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", [*WITHOUT, *WITH_DELTA])
@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"width": 0}, "width"),
        ({"width": 2.5}, "width"),
        ({"width": True}, "width"),
        ({"depth": -1}, "depth"),
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": 1.0}, "epsilon"),
        ({"epsilon": math.nan}, "epsilon"),
        ({"epsilon": "x"}, "epsilon"),
        ({"epsilon": 1e-200}, "epsilon"),
        ({"constant": 0}, "C"),
        ({"constant": math.inf}, "C"),
    ],
)
def test_bad_numbers_are_refused_by_name(function, change, named):
    arguments = {"width": 4, "depth": 2, "epsilon": 0.1, **change}
    with pytest.raises(ValueError, match=named):
        asked(function, **arguments)


@pytest.mark.parametrize("function", WITH_DELTA)
@pytest.mark.parametrize("delta", [0, 1, -0.5, math.nan, None])
def test_bad_delta_is_refused(function, delta):
    with pytest.raises(ValueError, match="delta"):
        function(4, 2, 0.1, delta)


def test_other_bad_input():
    with pytest.raises(ValueError, match="dimension"):
        bounds.pensia_2020_lower(0, 0.1)
    with pytest.raises(ValueError, match="width 1"):
        bounds.pensia_2020_layers([3, 0], 0.1, 0.1)
    with pytest.raises(ValueError, match="widths"):
        bounds.pensia_2020_layers([3], 0.1, 0.1)
    with pytest.raises(ValueError, match="one more than kernels"):
        da_cunha_2023([3], [1], 0.1)
    with pytest.raises(ValueError, match="one more than kernels"):
        da_cunha_2023([], [1], 0.1)
    with pytest.raises(ValueError, match="kernel 0 must be an integer from 1 to 1,000"):
        da_cunha_2023([1001], [1, 1], 0.1)
    with pytest.raises(ValueError, match="units"):
        kept_filters(0, 1, 0.1)


def test_records_are_frozen_and_say_what_they_assume():
    found = bounds.pensia_2020(4, 2, 0.1, 0.1, constant=3)
    assert found.constants == {"C": 3.0}
    assert "Theorem 1" in found.source
    assert bounds.pensia_2020_lower(4, 0.1).constants == {}
    with pytest.raises(FrozenInstanceError):
        found.width = 1


def test_largest_numbers_do_not_overflow():
    for function in (*WITHOUT, *WITH_DELTA):
        assert asked(function, 10**9, 10**5, 1e-100, 1e-100).parameters > 0
    assert da_cunha_2023([1000], [10**6, 10**6], 1e-100).parameters > 0
    assert bounds.pensia_2020_lower(10**9, 1e-100).width > 10**9

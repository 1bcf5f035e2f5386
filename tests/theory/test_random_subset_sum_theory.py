"""Lemma 4 and Corollaries 1-2: densities, uniform components, laws, counts; sizes of subsets."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from solvers import covering_radius, solve_many
from subsetsum_nets.theory.random_subset_sum import (
    LAWS,
    ItemLaw,
    item_law,
    items_enough,
    items_needed,
    predicted_served,
    product_component,
    product_density,
    product_distribution,
)
from subsetsum_nets.theory.subset_sizes import (
    empty_chance,
    nearest_size,
    nearest_size_deviation,
    predicted_sparsest_sizes,
    uniform_sum_density,
)

RNG = np.random.default_rng


# -- Lemma 4 -----------------------------------------------------------------------------------------


def test_density_integrates_to_one_and_to_the_distribution():
    whole, _ = integrate.quad(lambda z: float(product_density(z)), 0, 1)
    assert 2 * whole == pytest.approx(1, abs=1e-9)
    for z in (0.1, 0.5, 0.9):
        part, _ = integrate.quad(lambda t: float(product_density(t)), 0, z)
        assert float(product_distribution(z)) == pytest.approx(0.5 + part, abs=1e-9)
        assert float(product_distribution(-z)) == pytest.approx(0.5 - part, abs=1e-9)


@pytest.mark.parametrize("side", [(0.0, 1.0), (-1.0, 0.0)])
def test_products_of_uniforms_follow_the_distribution(side):
    rng = RNG(1)
    drawn = rng.uniform(*side, 200_000) * rng.uniform(-1, 1, 200_000)
    assert stats.kstest(drawn, product_distribution).pvalue > 1e-3
    # The proof's distribution function, without the half, is not one.
    assert stats.kstest(drawn, lambda z: product_distribution(z) - 0.5 * (np.asarray(z) > 0)).pvalue < 1e-9


def test_our_samples_of_products_follow_it_too_and_are_exact():
    drawn = LAWS["product"].draw(RNG(2), 100_000)
    assert stats.kstest(drawn, product_distribution).pvalue > 1e-3
    assert (np.ldexp(drawn, 52) == np.rint(np.ldexp(drawn, 52))).all()
    assert (drawn != 0).all()


# -- Corollary 1 -------------------------------------------------------------------------------------


def test_weights_of_the_uniform_component():
    assert product_component() == math.log(2) / 2
    assert product_component(zeros=0.5) == math.log(2) / 4
    assert LAWS["product"].component == math.log(2) / 2
    assert LAWS["product-or-zero"].component == math.log(2) / 4


@pytest.mark.parametrize("a", [0.05, 0.25, 1 / math.e, 0.5, 0.9])
def test_that_weight_fits_under_the_density_and_no_larger_does(a):
    weight = product_component(a)
    z = np.linspace(-a, a, 2001)
    density = product_density(z)
    assert (density >= weight / (2 * a) * (1 - 1e-12)).all()
    assert density.min() < 1.001 * weight / (2 * a)
    if a == 0.5:  # the sentence of the proof, ln 2, does not fit
        assert (density < math.log(2) / (2 * a)).any()


def test_the_remainder_is_a_distribution():
    weight, z = product_component(), np.linspace(-1, 1, 4001)
    uniform = np.clip(z + 0.5, 0, 1)
    remainder = (product_distribution(z) - weight * uniform) / (1 - weight)
    assert (np.diff(remainder) >= -1e-15).all()
    assert remainder[[0, -1]].tolist() == [0, 1]
    too_much = (product_distribution(z) - math.log(2) * uniform) / (1 - math.log(2))
    assert (np.diff(too_much) < 0).any()


def test_largest_component_is_at_one_over_e():
    assert product_component(1 / math.e) == pytest.approx(1 / math.e)
    assert max(product_component(a) for a in np.linspace(0.01, 1, 500)) <= 1 / math.e


@pytest.mark.parametrize("name", list(LAWS))
def test_laws_have_the_moments_and_components_they_say(name):
    law = LAWS[name]
    drawn = law.draw(RNG(3), 400_000)
    others = drawn[drawn != 0]
    assert abs(len(others) / len(drawn) - (1 - law.zeros)) < 0.005
    assert (others**2).mean() == pytest.approx(law.second_moment, rel=0.02)
    assert abs(drawn.mean()) < 0.01
    counts = np.histogram(others, np.linspace(-0.5, 0.5, 41))[0]
    assert counts.min() / len(drawn) * 40 == pytest.approx(law.component, rel=0.06)


def test_user_laws_are_taken_and_checked():
    law = item_law(lambda rng, size: rng.exponential(size=size))
    assert law.component is None
    assert law.draw(RNG(0), 5).shape == (5,)
    assert item_law(law) is law
    whole = item_law(lambda rng, size: rng.integers(-5, 6, size))
    assert whole.draw(RNG(0), 5).dtype == np.float64
    for bad in (
        lambda rng, size: np.zeros(size + 1),
        lambda rng, size: np.full(size, np.nan),
        lambda rng, size: ["a"] * size,
    ):
        with pytest.raises(ValueError, match="finite numbers"):
            item_law(bad).draw(RNG(0), 3)
    with pytest.raises(ValueError, match="no law of items 'cauchy'; there are: uniform"):
        item_law("cauchy")
    with pytest.raises(TypeError, match="3"):
        item_law(3)


# -- how many items ----------------------------------------------------------------------------------


def test_experiment_1_has_20_items_not_21():
    assert items_enough(0.01, 0.01, constant=3) == pytest.approx(19.93, abs=0.01)
    assert items_enough(0.01, 0.5, constant=1) == items_enough(0.5, 0.01, constant=1)
    assert items_enough(0.25, 0.25, constant=2, numerator=2) == 6


@pytest.mark.parametrize("epsilon", [0.5, 0.3, 0.125, 0.01, 2.0**-10])
def test_fewer_items_than_needed_never_cover(epsilon):
    n = items_needed(epsilon)
    assert 2**n * 2 * epsilon >= 1
    assert n == 0 or 2 ** (n - 1) * 2 * epsilon < 1
    if n:  # equally spaced sums are the best there is
        items = np.ldexp(1.0, -np.arange(1, n + 1)) if n > 0 else np.zeros(0)
        items = np.append(items, [])
        best = covering_radius(np.append(items, 0.0), 0, 1 - 2.0**-n).radius
        assert float(best) == 2.0 ** -(n + 1) <= epsilon


def test_bad_numbers_are_refused():
    with pytest.raises(ValueError, match="half_width"):
        product_component(0)
    with pytest.raises(ValueError, match="zeros"):
        product_component(zeros=1)
    with pytest.raises(ValueError, match="numerator"):
        items_enough(0.1, 0.1, constant=1, numerator=0.5)
    with pytest.raises(ValueError, match="low"):
        items_needed(0.1, 1, 0)
    for arguments, named in (
        ((0, 0.1, 1.0), "n must"),
        ((3, 0.0, 1.0), "epsilon"),
        ((3, 0.1, -1.0), "second_moment"),
    ):
        with pytest.raises(ValueError, match=named):
            predicted_served(*arguments)
    with pytest.raises(ValueError, match="zeros"):
        predicted_served(3, 0.1, 1.0, zeros=1.0)
    with pytest.raises(ValueError, match="low must"):
        predicted_served(3, 0.1, 1.0, low=1.0, high=0.0)


@pytest.mark.thinned
@pytest.mark.parametrize(("name", "n"), [("uniform", 11), ("normal", 12), ("product", 11)])
def test_prediction_is_near_the_measured_share(name, n):
    law, samples = LAWS[name], 300
    radii = [float(covering_radius(law.draw(RNG([7, n, i]), n), -0.5, 0.5).radius) for i in range(samples)]
    for epsilon in (2.0**-4, 2.0**-6, 2.0**-7):
        predicted = predicted_served(n, epsilon, law.second_moment, zeros=law.zeros)
        assert abs(np.mean(np.array(radii) <= epsilon) - predicted) < 0.12


def test_prediction_with_zeros_is_a_mixture_over_what_is_left():
    mixed = predicted_served(30, 0.01, 1 / 9, zeros=0.5)
    parts = [predicted_served(k, 0.01, 1 / 9) for k in range(1, 31)]
    assert mixed == pytest.approx(float(stats.binom.pmf(range(1, 31), 30, 0.5) @ parts))
    assert mixed < predicted_served(30, 0.01, 1 / 9)


# -- sizes of subsets --------------------------------------------------------------------------------


@pytest.mark.parametrize("law", ["uniform", "normal", "product"])
@pytest.mark.parametrize("n", [16, 21])
def test_nearest_subsets_keep_half_of_n_minus_one_on_average(law, n):
    rows = 6000
    items = LAWS[law].draw(RNG([n, 5]), rows * n).reshape(rows, n)
    sizes = solve_many(items, RNG(6).uniform(-0.3, 0.3, rows)).sizes
    spread = sizes.std() / math.sqrt(rows)
    assert abs(sizes.mean() - nearest_size(n)) < 4 * spread + 0.02
    assert abs(sizes.mean() - n / 2) > 8 * spread  # and not half of n
    if law == "uniform":
        assert sizes.std() == pytest.approx(nearest_size_deviation(n, 0.03), rel=0.04)


def test_targets_next_to_zero_are_best_served_by_nothing():
    n, rows = 16, 4000
    items = RNG(8).uniform(-1, 1, (rows, n))
    for target in (0.0, 1e-6, 2e-5, 1e-4, 1e-3):
        empty = (solve_many(items, np.full(rows, target)).sizes == 0).mean()
        assert abs(empty - float(empty_chance(n, target))) < 0.03
    assert float(empty_chance(n, 0.0)) == 1
    assert float(empty_chance(n, 1e-3)) < 0.01


@pytest.mark.parametrize("k", [1, 2, 3, 7, 12, 13])
def test_density_of_sums_of_uniforms(k):
    z = np.linspace(-k, k, 4001)
    density = uniform_sum_density(k, z)
    assert np.trapezoid(density, z) == pytest.approx(1, abs=2e-3)
    assert np.trapezoid(density * z * z, z) == pytest.approx(k / 3, rel=5e-3)
    assert (density >= 0).all()
    drawn = RNG(k).uniform(-1, 1, (100_000, k)).sum(axis=1)
    assert np.mean(np.abs(drawn - 0.2) < 0.1) == pytest.approx(
        float(uniform_sum_density(k, 0.2)) * 0.2, abs=0.006
    )


def test_predicted_sparsest_sizes_are_near_the_measured_ones():
    rng, rows, n = RNG(9), 3000, 20
    targets = rng.uniform(-0.5, 0.5, rows)
    solved = solve_many(rng.uniform(-1, 1, (rows, n)), targets, objective="sparsest", tolerance=0.01)
    assert solved.sizes.mean() == pytest.approx(predicted_sparsest_sizes(n, 0.01, targets).mean(), rel=0.05)


def test_sizes_refuse_bad_numbers():
    for n in (0, 1.5, True):
        with pytest.raises(ValueError, match="number of items"):
            nearest_size(n)
    with pytest.raises(ValueError, match="from 2"):
        nearest_size_deviation(1)
    with pytest.raises(ValueError, match="target_square"):
        nearest_size_deviation(5, -1)
    with pytest.raises(ValueError, match="epsilon"):
        predicted_sparsest_sizes(5, 0, [0.1])
    with pytest.raises(ValueError, match="to 40"):
        predicted_sparsest_sizes(41, 0.1, [0.1])
    with pytest.raises(ValueError, match="second_moment"):
        empty_chance(5, 0.1, 0)


def test_laws_are_records():
    assert ItemLaw("x", LAWS["uniform"].sample).draw(RNG(0), 2).shape == (2,)

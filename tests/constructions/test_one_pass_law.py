"""What one pass over log-uniform items leaves: the law that chooses how many there are."""

import numpy as np
import pytest

from solvers.kernels.one_pass import flip_if_shorter, largest_first, take_if_shorter, take_towards_half
from subsetsum_nets.constructions.one_pass_law import (
    MOST_OCTAVES,
    coordinate_error,
    items_per_octave,
    kept_share,
    largest_coordinate,
    octaves_for,
)
from subsetsum_nets.networks.distributions import LogUniform, Normal, keyed_words


def rests(dimension, octaves, trials, *, density=None, seed=0):
    """Return what is left of targets in [-1/2, 1/2]^d, shape (trials, d), and the shares of items taken."""
    n = int(np.ceil((density or items_per_octave(dimension)) * dimension * octaves))
    left, shares = [], []
    for trial in range(trials):
        sizes = np.abs(LogUniform(octaves).from_words(keyed_words(seed, trial, 0, 0, n)))
        directions = Normal().from_words(keyed_words(seed, trial, 1, 0, n * dimension)).reshape(n, -1)
        items = sizes[:, np.newaxis] * directions
        rest = np.random.default_rng(trial).uniform(-0.5, 0.5, dimension)
        taken = np.zeros(n, dtype=bool)
        take_if_shorter(items, largest_first(items), rest, taken)
        left.append(rest)
        shares.append(taken.mean())
    return np.array(left), np.array(shares)


@pytest.mark.parametrize(
    ("dimension", "trials"),
    [
        (9, 60),
        (36, 20),
        pytest.param(4, 400, marks=pytest.mark.slow),
        pytest.param(72, 60, marks=pytest.mark.slow),
    ],
)
def test_a_pass_leaves_what_the_law_says(dimension, trials):
    for octaves in (10.0, 18.0):
        left, shares = rests(dimension, octaves, trials)
        predicted = coordinate_error(dimension, octaves)
        assert 0.67 < np.median(np.abs(left).mean(axis=1)) / predicted < 1.25
        largest = np.abs(left).max(axis=1)
        assert (largest < predicted * largest_coordinate(dimension)).mean() > 0.9
        assert 0.5 < np.median(shares) / kept_share(dimension) < 1.6


def test_too_few_items_are_left_behind():
    """Below 3.43 items for each coordinate and octave nothing of the law holds."""
    left, _ = rests(36, 18.0, 5, density=2.5)
    assert np.abs(left).max() > 100 * coordinate_error(36, 18.0)


def test_with_normal_weights_errors_fall_only_like_one_over_n():
    def largest(n):
        rng = np.random.default_rng(n)
        items = np.abs(rng.normal(size=(n, 1))) * rng.normal(size=(n, 9))
        rest, taken = rng.uniform(-0.5, 0.5, 9), np.zeros(n, dtype=bool)
        take_towards_half(items, largest_first(items), rest, taken)
        return np.abs(rest).max()

    small, large = (np.median([largest(n + k) for k in range(25)]) for n in (720, 5760))
    assert 3 < small / large < 24  # 8 times the items


def test_more_candidates_are_more_octaves_up_to_what_float64_can_tell():
    found = [octaves_for(9, count) for count in (1, 20, 100, 1000)]
    assert found == sorted(found)
    assert found[-1] == MOST_OCTAVES
    assert octaves_for(9, 54) == pytest.approx(54 / items_per_octave(9))
    assert coordinate_error(9, 11.0) == pytest.approx(coordinate_error(9, 10.0) / 2)


# ---------------------------------------------------------------- the rules, on integers by their definition


def by_definition(items, target, rule):
    """Return the subset and the rest in Python integers, doubled."""
    order = sorted(range(len(items)), key=lambda i: -sum(x * x for x in items[i]))
    rest, taken = [2 * x for x in target], [False] * len(items)
    later = [sum(column) for column in zip(*items, strict=True)]
    for i in order:
        later = [a - b for a, b in zip(later, items[i], strict=True)]
        middle = later if rule is take_towards_half else [0] * len(target)
        without = sum((r - m) ** 2 for r, m in zip(rest, middle, strict=True))
        with_it = sum((r - 2 * a - m) ** 2 for r, a, m in zip(rest, items[i], middle, strict=True))
        if with_it < without:
            taken[i] = True
            rest = [r - 2 * a for r, a in zip(rest, items[i], strict=True)]
    return taken, rest


@pytest.mark.parametrize("rule", [take_if_shorter, take_towards_half])
def test_rules_take_what_their_definition_takes(rule):
    rng = np.random.default_rng(0)
    for _ in range(50):
        n, d = rng.integers(1, 12), rng.integers(1, 5)
        items, target = rng.integers(-20, 21, (n, d)), rng.integers(-40, 41, d)
        rest, taken = target.astype(float), np.zeros(n, dtype=bool)
        rule(items.astype(float), largest_first(items.astype(float)), rest, taken)
        wanted, left = by_definition(items.tolist(), target.tolist(), rule)
        assert taken.tolist() == wanted
        assert (2 * rest).tolist() == left
        assert np.array_equal(rest, target - items[taken].sum(axis=0))


def test_flips_end_where_no_single_one_makes_the_rest_shorter():
    rng = np.random.default_rng(1)
    for _ in range(20):
        items, target = rng.integers(-20, 21, (15, 3)).astype(float), rng.integers(-40, 41, 3).astype(float)
        rest, taken = target.copy(), np.zeros(15, dtype=bool)
        order = largest_first(items)
        length = (rest**2).sum()
        while flip_if_shorter(items, order, rest, taken):
            assert (rest**2).sum() < length
            length = (rest**2).sum()
        assert np.array_equal(rest, target - items[taken].sum(axis=0))
        signs = np.where(taken, -1.0, 1.0)[:, np.newaxis]
        assert (((rest - signs * items) ** 2).sum(axis=1) >= length).all()

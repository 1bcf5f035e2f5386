"""exact-mask: the fewest edges of each neuron, by brute force; weights untouched, as many as asked."""

from itertools import combinations

import numpy as np
import pytest

from subsetsum_nets import Dense, ReluNetwork, sparsify
from subsetsum_nets.coresets import TooFewEdgesError, exact_masks
from subsetsum_nets.coresets.edges import edge_matrices, size_of, with_constant
from subsetsum_nets.coresets.exact_masks import _masks
from subsetsum_nets.coresets.task import Task

RANDOM = np.random.default_rng(3)
TARGET = ReluNetwork([Dense(RANDOM.normal(size=(4, 6)), RANDOM.normal(size=4))])
DATA = RANDOM.random((30, 6))


def fewest_by_brute_force(items, aim, tolerance):
    for count in range(len(items) + 1):
        for chosen in combinations(range(len(items)), count):
            if np.abs(items[list(chosen)].sum(axis=0) - aim).max(initial=0.0) <= tolerance:
                return count
    raise AssertionError


@pytest.mark.parametrize("tolerance", [0.25, 1.0])
def test_no_smaller_subset_meets_the_tolerance(monkeypatch, tolerance):
    monkeypatch.setattr(exact_masks, "_SECONDS", 120.0)  # however busy the machine is
    matrices = edge_matrices(TARGET)
    sample = np.arange(10)
    (masks,) = _masks(Task(TARGET, matrices, DATA, sample, sample[:0]), tolerance)
    inputs = with_constant(DATA[:10])
    for row, mask in zip(matrices[0], masks, strict=True):
        aim = inputs @ row
        kept = inputs @ np.where(mask, row, 0.0)
        assert np.abs(kept - aim).max() <= tolerance * aim.std() * (1 + 1e-9)
        assert mask.sum() == fewest_by_brute_force((inputs * row).T, aim, tolerance * aim.std())


@pytest.mark.parametrize("keep", [0.6, 0.9])
def test_weights_stay_as_they_are_and_as_many_as_asked(keep):
    found = sparsify(TARGET, DATA, method="exact-mask", keep=keep, sample_size=10)
    before, after = edge_matrices(TARGET)[0], edge_matrices(found.network)[0]
    np.testing.assert_array_equal(after, np.where(after != 0, before, 0.0))
    assert found.size == size_of([after]) == round(keep * 28)


def test_what_is_too_wide_or_too_few_is_refused():
    wide = ReluNetwork([Dense(np.ones((1, 129)))])
    with pytest.raises(ValueError, match="up to 128 edges; layer 0 has one of 129"):
        sparsify(wide, np.ones((3, 129)), method="exact-mask", keep=0.5)
    with pytest.raises(TooFewEdgesError, match="1 parameters are too few"):
        sparsify(TARGET, DATA, method="exact-mask", keep=1, sample_size=10)
    with pytest.raises(ValueError, match="'exact-mask' takes no epsilon"):
        sparsify(TARGET, DATA, method="exact-mask", epsilon=1.0)

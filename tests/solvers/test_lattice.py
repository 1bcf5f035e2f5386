"""lattice: bases stay bases and get shorter; no point within a radius is missed."""

from itertools import product

import numpy as np
import pytest
from support.planting import plain_python, plant

from solvers import SubsetSum
from solvers.backend.anytime import lattice
from solvers.backend.first_subset import first_subset
from solvers.backend.protocol import Limits
from solvers.kernels import lattice_reduction


def doubled_items(m, d, seed, weight=1.0):
    rng = np.random.default_rng(seed)
    items = rng.integers(-90, 91, (m, d)).astype(float)
    return items, np.hstack([2 * weight * np.eye(m), 2 * items])


def wrong_reduction(kernels, depth, m=9, d=3):
    """Say what is not so of a reduced basis: LLL's conditions, or that it spans the same lattice."""
    items, basis = doubled_items(m, d, seed=m)
    if kernels.reduce_basis(basis, np.zeros((m, m)), np.zeros(m), depth, 0, 2000)[1] == 0:
        return "no end"
    numbers = basis[:, :m] / 2
    if not np.isclose(abs(np.linalg.det(numbers)), 1) or (numbers % 1).any():
        return "another lattice"
    if not np.array_equal(numbers @ items * 2, basis[:, m:]):
        return "another lattice"
    ortho, triangle = np.linalg.qr(basis.T)
    assert ortho.shape == (m + d, m)
    left = np.diag(triangle)
    shares = triangle / left[:, None]  # of row j in orthogonal row i at [i, j]
    if abs(np.triu(shares, 1)).max() > 0.52:
        return "long rows"
    for k in range(m):
        for i in range(max(0, k - depth), k):
            if (triangle[i : k + 1, k] ** 2).sum() < 0.98 * left[i] ** 2:
                return "a row out of place"
    return None


@pytest.mark.parametrize("depth", [1, 9])
def test_bases_are_reduced(depth):
    assert wrong_reduction(lattice_reduction, depth) is None


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("_size_reduce", "times = np.rint(shares[k, j])", "times = 0.5 * np.rint(shares[k, j])"),
        ("_size_reduce", "abs(shares[k, j]) > 0.51", "abs(shares[k, j]) > 1.51"),
        ("_place", "i >= k - depth", "i > k - depth"),
        ("reduce_basis", "range(k, place, -1)", "range(k, place + 1, -1)"),
    ],
)
def test_planted_mistakes_in_reduction(function, old, new, monkeypatch):
    kernels = plain_python(monkeypatch, "solvers.kernels.lattice_reduction", function, old, new)
    with np.errstate(all="ignore"):
        assert wrong_reduction(kernels, 1) is not None


def wrong_points(kernels, seed, radius=60.0, m=5, d=2):
    """Say whether points are missed, or the nearest subset is not that of a point; by brute force."""
    items, basis = doubled_items(m, d, seed)
    items, basis = items / 9, np.hstack([basis[:, :m], basis[:, m:] / 9])
    target = items[::2].sum(axis=0) + 0.1
    shares, squares = np.zeros((m, m)), np.zeros(m)
    lattice_reduction.reduce_basis(basis, shares, squares, m, 0, 10_000)
    goal, best = np.concatenate([np.ones(m), 2 * target]), np.zeros(m, dtype=bool)
    least, points, _ = kernels.subsets_near(
        basis, shares, squares, goal, items, target, radius, 20_000, np.inf, best
    )
    numbers = np.array(list(product(range(-3, 5), repeat=m)))
    squared = ((2 * numbers - 1) ** 2).sum(axis=1) + (4 * (numbers @ items - target) ** 2).sum(axis=1)
    there = numbers[squared <= radius]
    errors = abs(target - (there > 0) @ items).max(axis=1)
    assert len(there) > 3
    stated = abs(target - items[best].sum(axis=0)).max()
    return points != len(there) or not np.allclose([least, stated], errors.min())


PLAIN = {"_SLACK": 100.0, "_SWEEPS": 0}  # no pruning, no flips


def test_all_points_in_a_radius_are_read(monkeypatch):
    kernels = plain_python(monkeypatch, "solvers.kernels.lattice_points", constants=PLAIN)
    assert not any(wrong_points(kernels, seed) for seed in range(3))


@pytest.mark.parametrize(
    ("function", "old", "new"),
    [
        ("subsets_near", "centre -= times[i] * shares[i, k]", "centre += times[i] * shares[i, k]"),
        ("subsets_near", "steps[k] = -steps[k] - (1.0 if steps[k] > 0.0 else -1.0)", "steps[k] = -steps[k]"),
        ("subsets_near", "np.sum(wanted * wanted * squares)", "np.sum(wanted * wanted)"),
        ("subsets_near", "best[:] = chosen", "pass"),
        ("_read", "number > half[i]", "number < half[i]"),
        ("_improve", "rest[k] -= items[i, k]", "rest[k] += items[i, k]"),
    ],
)
def test_planted_mistakes_in_enumeration(function, old, new, monkeypatch):
    name = "solvers.kernels.lattice_points"
    kernels = plain_python(monkeypatch, name, function, old, new, constants=PLAIN)
    assert any(wrong_points(kernels, seed) for seed in range(3))


def reached():
    """Return the error after some bases for 9 coordinates, as a share of the first subset's."""
    rng = np.random.default_rng(4)
    problem = SubsetSum(rng.standard_normal((120, 1)) * rng.standard_normal((120, 9)), rng.uniform(-1, 1, 9))
    found = lattice.Lattice().solve(problem, "nearest", Limits().share(0.1))
    return problem.image.error(found.subset) / problem.image.error(first_subset(problem))


def test_some_bases_bring_vectors_nearer():
    assert reached() < 0.5


@pytest.mark.parametrize(
    ("owner", "old", "new"),
    [
        (lattice._Lattices._look, "2 * target", "target"),
        (lattice._Lattices._look, "window.free[best]", "window.free[~best]"),
        (lattice._Window.basis, "2 * self.items", "self.items"),
        (lattice._Lattices._reduce, "(1, m)", "(0, 0 * m)"),
    ],
)
def test_planted_mistakes_in_the_search(owner, old, new, monkeypatch):
    plant(monkeypatch, owner, old, new)
    assert reached() > 0.7


def test_a_lattice_is_of_all_items_where_they_are_few():
    few = SubsetSum(np.ones((20, 3)).tolist(), [1, 2, 3])
    assert lattice._sizes(few) == [20, 20]
    assert lattice._sizes(SubsetSum(np.ones((200, 10)).tolist(), [1] * 10)) == [56, 78]

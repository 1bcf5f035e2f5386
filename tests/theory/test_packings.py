"""Packings: in the ball, apart, as many as promised; and mistakes in that are noticed."""

from fractions import Fraction
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.planting import plain_python

from subsetsum_nets.theory import packings
from subsetsum_nets.theory.packings import greedy_packing, lattice_packing, norm_at_most, norm_below
from subsetsum_nets.verification.enclosures.midrad import MidRad
from subsetsum_nets.verification.enclosures.spectral import spectral_norm_up

CASES = [(1, 0.5), (1, 0.1), (1, 2.0**-8), (2, 0.5), (2, 0.3), (2, 0.25), (3, 0.5), (3, 0.45)]


def norm_square_down(matrix):
    """Return an exact lower bound of the squared operator norm: the Rayleigh quotient of a float vector."""
    vector = [Fraction(x) for x in np.linalg.svd(matrix)[2][0].tolist()]
    rows = [sum(Fraction(a) * x for a, x in zip(row, vector, strict=True)) for row in matrix.tolist()]
    columns = [sum(Fraction(a) ** 2 for a in column) for column in matrix.T.tolist()]
    return max(sum(y * y for y in rows) / sum(x * x for x in vector), *columns)


def is_packing(packing):
    """Check by other means than the packing's own: rounding up for the ball, Rayleigh quotients for pairs."""
    members = packing.members
    inside = all(spectral_norm_up(MidRad.point(w)) <= 1 + 2.0**-40 for w in members)
    pairs = list(combinations(range(len(members)), 2))
    step = max(1, len(pairs) // 200)
    differences = members[:, None] - members[None, :]
    floats = np.linalg.norm(differences, ord=2, axis=(2, 3)) + 9 * np.eye(len(members))
    nearest = np.unravel_index(floats.argmin(), floats.shape)
    apart = all(
        norm_square_down(members[i] - members[j]) > (2 * Fraction(packing.epsilon)) ** 2
        for i, j in [*pairs[::step], nearest]
        if i != j
    )
    return inside and apart


@pytest.mark.thinned
@pytest.mark.parametrize("case", CASES, ids=str)
@pytest.mark.parametrize("make", [lattice_packing, greedy_packing])
def test_packings_are_packings(make, case):
    packing = make(*case)
    packing.check()
    assert is_packing(packing)
    assert packing.separation > 2 * Fraction(packing.epsilon)
    assert len(packing) <= packing.most
    assert len(packing) >= packing.volume_bound  # not owed by lattices, but so for these
    assert np.array_equal(packing.members, packing.integers * float(packing.pitch))


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_scalar_lattice_is_the_largest_packing_there_is(bits):
    assert len(lattice_packing(1, 2.0**-bits)) == 2**bits  # at most 2 / (2 epsilon), as gaps exceed 2 epsilon
    assert lattice_packing(1, 2.0**-bits).volume_bound == 2.0 ** (bits - 1)


def test_greedy_packing_leaves_no_matrix_of_its_grid():
    packing = greedy_packing(2, 0.4)
    reach = int(1 / packing.pitch)
    rng = np.random.default_rng(0)
    grid = rng.integers(-reach, reach + 1, (500, 2, 2))
    grid = grid[norm_at_most(grid, int(1 / packing.pitch**2))]
    assert len(grid) > 50
    for matrix in grid:
        assert norm_below(packing.integers - matrix, packing.steps**2).any()


@given(
    st.integers(1, 3).flatmap(
        lambda d: st.lists(st.lists(st.integers(-6, 6), min_size=d, max_size=d), min_size=d, max_size=d)
    ),
    st.integers(0, 120),
)
def test_norms_are_decided_exactly(rows, square):
    k = np.array([rows])
    largest = np.linalg.norm(k[0].astype(float), ord=2) ** 2
    if abs(largest - square) > 1e-9:
        assert norm_at_most(k, square)[0] == norm_below(k, square)[0] == (largest < square)
    else:  # integers decide what floats cannot: an eigenvalue that is a whole number
        assert norm_at_most(k, square)[0]
        assert not norm_below(k, square)[0]


def test_int64_is_never_left_silently():
    with pytest.raises(OverflowError, match="int64"):
        norm_at_most(np.full((1, 3, 3), 2**20), 5)


@pytest.mark.parametrize(
    ("dimension", "epsilon", "words"),
    [
        (0, 0.1, "dimension"),
        (4, 0.1, "dimension"),
        (True, 0.1, "dimension"),
        (2, 0.0, "epsilon"),
        (2, 0.6, "epsilon"),
        (2, float("nan"), "epsilon"),
        (2, "0.1", "epsilon"),
        (3, 0.05, "larger epsilon"),
    ],
)
def test_bad_input_is_refused(dimension, epsilon, words):
    for make in (lattice_packing, greedy_packing):
        with pytest.raises(ValueError, match=words):
            make(dimension, epsilon)


def test_check_refuses_what_is_no_packing():
    good = lattice_packing(2, 0.25)
    twice = np.concatenate([good.integers, good.integers[:1]])
    large = np.concatenate([good.integers, 2 * good.integers[:1] + 9])
    for integers, words in ((twice, "closer"), (large, "above 1")):
        with pytest.raises(ArithmeticError, match=words):
            packings.Packing("lattice", 2, 0.25, integers, good.pitch, good.steps).check()
    with pytest.raises(ArithmeticError, match="separation"):
        packings.Packing("lattice", 2, 0.25, good.integers, good.pitch, 1).check()


MUTANTS = {
    "a step of exactly 2 epsilon": (
        "_step",
        "math.floor(2 * Fraction(epsilon) / unit) + 1",
        "math.floor(2 * Fraction(epsilon) / unit) + 0",
    ),
    "nearly apart counts as apart": (
        "norm_below",
        "_determinant(form[:, :size, :size]) > 0",
        "_determinant(form[:, :size, :size]) > 8",
    ),
    "minors of one column only": ("norm_at_most", "range(1, m + 1)", "range(1, 2)"),
    "the radius of a wider ball": (
        "_ball",
        "square = math.floor(1 / pitch**2)",
        "square = 2 * math.floor(1 / pitch**2)",
    ),
    "neighbours a pitch away": (
        "greedy_packing",
        "np.abs(difference).max(axis=(1, 2)) < steps",
        "np.abs(difference).max(axis=(1, 2)) < steps - 1",
    ),
    "the product of the diagonal": (
        "_determinant",
        "a[:, 0, 0] * a[:, 1, 1] - a[:, 0, 1] * a[:, 1, 0]",
        "a[:, 0, 0] * a[:, 1, 1]",
    ),
    "a lattice too fine": (
        "lattice_packing",
        'Packing("lattice", d, error, max(found, key=len), pitch, _LATTICE_STEPS)',
        'Packing("lattice", d, error, max(found, key=len), pitch / 2, _LATTICE_STEPS)',
    ),
}


@pytest.mark.thinned
@pytest.mark.parametrize("name", MUTANTS)
def test_planted_mistakes_are_noticed(name, monkeypatch):
    copy = plain_python(monkeypatch, "subsetsum_nets.theory.packings", *MUTANTS[name])
    assert not all(is_packing(make(2, 0.3)) for make in (copy.lattice_packing, copy.greedy_packing))

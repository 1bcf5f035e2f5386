"""The primitives against rational arithmetic."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from verification.tiny_networks import cancelling_matrices, check_primitives, check_spectral

from subsetsum_nets.verification import BoundOverflowError, SoundnessError
from subsetsum_nets.verification.enclosures import midrad
from subsetsum_nets.verification.enclosures.midrad import (
    MidRad,
    affine,
    matmul,
    norm_down,
    norm_up,
    row_norms_up,
    sum_up,
)
from subsetsum_nets.verification.enclosures.spectral import spectral_norm_up

wild = st.one_of(
    st.floats(-1e140, 1e140),
    st.floats(-2.0, 2.0),
    st.sampled_from(
        [0.0, 1.0, -1.0, 1 + 2.0**-52, 1 - 2.0**-53, 2.0**-53, 5e-324, -5e-324, 2.0**-1022, 2.0**-537]
    ),
    st.floats(-1e-300, 1e-300),
)


@st.composite
def matrices(draw):
    m, k, n = (draw(st.integers(1, 4)) for _ in range(3))
    shapes = ((m, k), (k, n), (m,))
    return tuple(
        np.array(draw(st.lists(wild, min_size=int(np.prod(s)), max_size=int(np.prod(s))))).reshape(s)
        for s in shapes
    )


@settings(max_examples=150, deadline=None)
@given(matrices())
def test_primitives_enclose_the_exact_results(triple):
    check_primitives(*triple)


@pytest.mark.parametrize("triple", cancelling_matrices())
def test_rounding_traps(triple):
    check_primitives(*triple)


@settings(max_examples=100, deadline=None)
@given(matrices())
def test_spectral_norms_hold_exactly(triple):
    check_spectral(triple[0])
    check_spectral(triple[1])


@pytest.mark.parametrize("scale", [1.0, 2.0**600, 2.0**-600, 2.0**-1000])
@pytest.mark.parametrize("shape", [(6, 9), (9, 6), (1, 5), (7, 7)])
def test_spectral_norm_is_tight(shape, scale):
    matrix = np.random.default_rng(1).uniform(-1, 1, shape)
    bound = spectral_norm_up(MidRad.point(matrix * scale)) / scale
    assert np.linalg.norm(matrix, 2) <= bound <= np.linalg.norm(matrix, 2) * (1 + 1e-12)
    assert spectral_norm_up(MidRad.point(np.zeros(shape))) == 0.0


def test_spectral_norm_of_a_set():
    matrix = np.array([[1.0, 2.0], [-3.0, 0.5]])
    radius = np.array([[0.5, 0.0], [0.0, 0.25]])
    bound = spectral_norm_up(MidRad(matrix, radius))
    for signs in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        assert np.linalg.norm(matrix + radius * np.diag(signs), 2) <= bound


def test_spectral_norm_without_an_eigendecomposition(monkeypatch):
    def fail(_):
        raise np.linalg.LinAlgError

    matrix = np.array([[1.0, 1.0], [1.0, -1.0]])
    monkeypatch.setattr(np.linalg, "eigh", fail)
    assert np.sqrt(2.0) <= spectral_norm_up(MidRad.point(matrix)) <= 2.0 * (1 + 1e-12)


def test_zero_stays_exactly_zero():
    zero, ones = np.zeros((2, 3)), np.ones((3, 2))
    assert not matmul(zero, ones).rad.any()
    assert not affine(zero, MidRad.point(ones[:, 0])).rad.any()
    assert not affine(csr_array(zero), MidRad.point(ones[:, 0])).rad.any()
    assert not row_norms_up(csr_array(zero)).any()
    assert norm_up(np.zeros(3), "l2") == norm_down(np.zeros(3), "l2") == 0.0


def test_large_dense_times_sparse_is_done_in_blocks(monkeypatch):
    monkeypatch.setattr(midrad, "_BLOCK", 8)
    rng = np.random.default_rng(0)
    check_primitives(rng.uniform(-1, 1, (9, 4)), rng.uniform(-1, 1, (4, 3)), rng.uniform(-1, 1, 9))


def test_overflow_is_an_error_never_a_number():
    huge = np.array([[1e200, 1e200]])
    with pytest.raises(BoundOverflowError, match="exceeds the range of float64"):
        matmul(huge, huge.T)
    with pytest.raises(OverflowError):
        affine(huge, MidRad.point(np.array([1e200, -1e200])))
    with pytest.raises(BoundOverflowError):
        sum_up(np.full(2, 1e308))
    with pytest.raises(BoundOverflowError):
        norm_up(np.full(4, 1.7e308), "l2")
    with pytest.raises(BoundOverflowError):
        midrad.finite(np.array([np.nan]))
    assert Fraction(norm_down(np.full(4, 1.7e308), "l2")) <= Fraction(1.7e308) * 2
    assert norm_down(np.full(4, 1.7e308), "l1") >= 1.7e308


def test_unit_norms_are_tight():
    values = np.array([3.0, -4.0])
    for norm, size in (("l2", 5.0), ("linf", 4.0), ("l1", 7.0)):
        assert size <= norm_up(values, norm) <= size * (1 + 1e-14)
        assert size * (1 - 1e-14) <= norm_down(values, norm) <= size


def test_too_many_terms_are_refused(monkeypatch):
    monkeypatch.setattr(midrad, "MAX_TERMS", 4)
    with pytest.raises(BoundOverflowError, match="sum of 4 products"):
        affine(np.ones((1, 4)), MidRad.point(np.ones(4)))


def test_unknown_norm():
    for measure in (norm_up, norm_down):
        with pytest.raises(ValueError, match="unknown norm 'l3'; available are l2, linf, l1"):
            measure(np.ones(2), "l3")


def test_arithmetic_is_checked(monkeypatch):
    midrad.check_arithmetic()
    monkeypatch.setattr(midrad, "UNIT", 2.0**-50)  # as if sums were not rounded to nearest
    with pytest.raises(SoundnessError, match="does not round to nearest"):
        midrad.check_arithmetic()

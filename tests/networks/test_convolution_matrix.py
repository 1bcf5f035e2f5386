"""ConvolutionMatrix: everything a matrix can do, the same as its unrolled self."""

import numpy as np
import pytest
from by_definition import unrolled
from hypothesis import given, settings
from hypothesis import strategies as st

from subsetsum_nets.networks import ConvolutionMatrix, InvalidNetworkError
from subsetsum_nets.networks.arrays import is_sparse


@st.composite
def matrices(draw):
    """Draw a matrix with kernels larger and smaller than the image, of odd and even sizes, with zeros."""
    shape = draw(st.tuples(*[st.integers(1, 5)] * 2, *[st.integers(1, 3)] * 2))
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    kernel = rng.uniform(-1, 1, shape) * (rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    matrix = ConvolutionMatrix(kernel, draw(st.tuples(st.integers(1, 4), st.integers(1, 4))))
    return matrix.T if draw(st.booleans()) else matrix


@given(matrices(), st.integers(0, 3), st.integers(0, 99))
@settings(deadline=None)
def test_it_is_its_unrolled_self(matrix, count, seed):
    rng = np.random.default_rng(seed)
    dense = unrolled(matrix.kernel, matrix.image, matrix.centre)
    assert matrix.shape == dense.shape
    assert matrix.ndim == 2
    assert np.array_equal(matrix.toarray(), dense)
    assert matrix.tocsr().nnz == np.count_nonzero(dense)
    assert matrix.tocsr().has_sorted_indices
    assert np.array_equal(matrix.T.toarray(), dense.T)
    assert np.array_equal(matrix.T.T.toarray(), dense)
    assert np.array_equal(abs(matrix).toarray(), np.abs(dense))
    assert np.array_equal(matrix.with_kernel(2.0 * matrix.kernel).toarray(), 2.0 * dense)
    x, y = rng.uniform(-1, 1, (dense.shape[1], count)), rng.uniform(-1, 1, (count, dense.shape[0]))
    np.testing.assert_allclose(matrix @ x, dense @ x, atol=1e-13)
    np.testing.assert_allclose(y @ matrix, y @ dense, atol=1e-13)
    for column in x.T:
        np.testing.assert_allclose(matrix @ column, dense @ column, atol=1e-13)
    for row in y:
        np.testing.assert_allclose(row @ matrix, row @ dense, atol=1e-13)
    full = unrolled(np.ones_like(matrix.kernel), matrix.image, matrix.centre)
    assert int((full != 0.0).sum(axis=1).max()) <= matrix.row_terms
    assert matrix.row_terms <= min(matrix.shape[1], matrix.kernel[..., 0].size)


def test_row_terms_are_reached_where_the_kernel_fits_the_image():
    assert ConvolutionMatrix(np.ones((3, 3, 2, 1)), (3, 4)).row_terms == 18
    assert ConvolutionMatrix(np.ones((9, 3, 2, 1)), (3, 2)).row_terms == 12


def test_kernels_far_larger_than_the_image_cost_what_reaches_it():
    matrix = ConvolutionMatrix(np.ones((2001, 2001, 1, 1)), (2, 2))
    assert sum(1 for _ in matrix.offsets()) == 9
    assert (matrix.toarray() == 1.0).all()


@pytest.mark.parametrize("shape", [(5,), (7, 6), (1, 6), (6, 1, 1), ()])
def test_products_with_something_of_another_size_are_refused(shape):
    matrix = ConvolutionMatrix(np.ones((1, 1, 1, 2)), (2, 3))
    with pytest.raises(ValueError, match=r"\(12, 6\)"):
        matrix @ np.ones(shape)
    with pytest.raises(ValueError, match=r"shape \(6, 12\)"):
        np.ones(5) @ matrix


def test_it_is_not_taken_for_a_sparse_array():
    matrix = ConvolutionMatrix(np.ones((1, 1, 1, 2)), (2, 3))
    assert not is_sparse(matrix)
    assert is_sparse(matrix.tocsr())


@pytest.mark.parametrize(("shape", "image"), [((3, 3), (2, 2)), ((3, 3, 1, 1), (0, 2))])
def test_bad_sizes_are_refused(shape, image):
    with pytest.raises(InvalidNetworkError, match="at least one pixel"):
        ConvolutionMatrix(np.ones(shape), image)

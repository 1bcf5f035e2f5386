"""exact_float64 keeps numbers, or says which one it cannot keep."""

from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, InvalidNetworkError
from subsetsum_nets.networks.arrays import dense_array, exact_float64


@given(
    hnp.arrays(
        st.sampled_from(["f2", "f4", "f8", ">f8", ">f4"]),
        hnp.array_shapes(min_dims=0, max_dims=3),
        elements=st.floats(width=16, allow_nan=False, allow_infinity=False),
    )
)
def test_floats_keep_value_sign_and_shape(values):
    exact = exact_float64(values, "x")
    assert exact.dtype == np.float64
    assert exact.dtype.isnative
    assert exact.shape == values.shape
    assert np.array_equal(exact, values)
    assert np.array_equal(np.signbit(exact), np.signbit(values))


@given(
    st.one_of(
        hnp.arrays(np.int64, 3, elements=st.integers(-(2**63), 2**63 - 1)),
        hnp.arrays(np.uint64, 3, elements=st.integers(0, 2**64 - 1)),
        hnp.arrays(np.uint64, 3, elements=st.sampled_from([2**64 - 1, 2**63, 2**63 + 1, 2**64 - 2**11])),
        hnp.arrays(np.int64, 3, elements=st.sampled_from([2**63 - 1, -(2**63), 2**53 + 1, 2**53, 2**62])),
    )
)
def test_integers_are_kept_exactly_or_refused(values):
    representable = all(int(float(int(v))) == int(v) for v in values)
    if representable:
        assert [int(x) for x in exact_float64(values, "x")] == [int(v) for v in values]
    else:
        with pytest.raises(InvalidNetworkError, match=r"x holds .* float64 cannot hold exactly"):
            exact_float64(values, "x")


def test_the_position_of_an_inexact_integer_is_named():
    with pytest.raises(InvalidNetworkError, match=r"9007199254740993\) at \(1, 0\)"):
        exact_float64(np.array([[1, 2], [2**53 + 1, 4]]), "the weight")


@pytest.mark.skipif(np.finfo(np.longdouble).nmant <= 52, reason="long double is float64 here")
def test_long_doubles_are_kept_exactly_or_refused():
    assert exact_float64(np.array([0.1], dtype=np.float64).astype(np.longdouble), "x")[0] == 0.1
    with pytest.raises(InvalidNetworkError, match="cannot hold exactly"):
        exact_float64(np.array([1, 10], dtype=np.longdouble) / 3, "x")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_with_their_position(bad):
    with pytest.raises(InvalidNetworkError, match=r"the bias holds .* at \(1,\); every entry must be finite"):
        exact_float64([0.0, bad], "the bias")


@pytest.mark.parametrize(
    "bad", [[[1.0], [1.0, 2.0]], ["a"], [1j], [True], [None], [Fraction(1, 3)], [2**70], {"a": 1}, object()]
)
def test_what_is_not_real_numbers_is_refused(bad):
    with pytest.raises(InvalidNetworkError, match=r"x (is not a rectangular array|has dtype)"):
        exact_float64(bad, "x")


def test_the_result_is_read_only_and_does_not_follow_later_writes():
    mine = np.array([1.0, 2.0, 3.0])
    exact, of_view, of_buffer = (exact_float64(v, "x") for v in (mine, mine[1:], memoryview(mine)))
    with pytest.raises(ValueError, match="read-only"):
        exact[0] = 5.0
    mine[:] = 7.0
    assert exact.tolist() == [1.0, 2.0, 3.0]
    assert of_view.tolist() == [2.0, 3.0]
    assert of_buffer.tolist() == [1.0, 2.0, 3.0]
    assert mine.flags.writeable


def test_read_only_memory_is_not_copied():
    large = np.arange(5.0)
    large.flags.writeable = False
    assert np.shares_memory(exact_float64(large, "x"), large)


def read_only_view(array):
    view = array.view()
    view.flags.writeable = False
    return view


def test_a_write_through_the_base_of_a_read_only_view_changes_no_network_and_no_domain():
    """What is kept is a copy wherever anybody can still write to the memory, by whatever name."""
    base = np.ones((2, 2))
    buffer = bytearray(np.ones(4).tobytes())
    sparse = sp.csr_array(np.ones((2, 2)))
    parts = [read_only_view(part) for part in (sparse.data, sparse.indices, sparse.indptr)]
    of_views = sp.csr_array(tuple(parts), shape=(2, 2))
    kept = [
        Dense(read_only_view(base), read_only_view(base[0])),
        Dense(read_only_view(base)[:, ::-1].T),
        Dense(read_only_view(np.frombuffer(buffer).reshape(2, 2))),
        Dense(of_views),
        Conv2d(read_only_view(base.reshape(1, 1, 2, 2))),
        Box(read_only_view(-base[0]), read_only_view(base[0])),
        Ball(1.0, read_only_view(base[1])),
    ]
    before = [repr(snapshot(thing)) for thing in kept]
    base[:] = 9.0
    buffer[:] = bytes(32)
    for part in (sparse.data, sparse.indices, sparse.indptr):
        part[:] = 0
    assert [repr(snapshot(thing)) for thing in kept] == before


def snapshot(thing):
    if isinstance(thing, Box | Ball):
        return thing.to_json()
    return dense_array(thing.stored).tolist(), None if thing.bias is None else thing.bias.tolist()


def test_what_a_network_keeps_cannot_be_written_to():
    layers = [Dense(np.ones((2, 2)), np.ones(2)), Dense(sp.csr_array(np.ones((2, 2))))]
    weight = layers[1].weight
    for array in (layers[0].weight, layers[0].bias, weight.data, weight.indices, weight.indptr):
        while isinstance(array, np.ndarray):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0
            array = array.base  # noqa: PLW2901 - down to the owner


def test_arrays_that_nobody_can_write_to_are_not_copied():
    layer = Dense(np.ones((2, 2)), np.ones(2))
    again = Dense(layer.weight, layer.bias)
    assert np.shares_memory(layer.weight, again.weight)
    sparse = Dense(sp.csr_array(np.ones((2, 2))))
    assert np.shares_memory(sparse.weight.indices, Dense(sparse.weight).weight.indices)

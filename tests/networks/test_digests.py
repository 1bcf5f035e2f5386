"""Digests: equal for equal stored networks, different for any difference that is stored."""

import hashlib

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.networks import Box, Dense, ReluNetwork, array_digest, network_digest

matrices = hnp.arrays(
    np.float64,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=4),
    elements=st.sampled_from([0.0, 1.0, -2.5]),
)


def digest(weight, bias=None, **options):
    return network_digest(ReluNetwork([Dense(weight, bias)], **options))


def test_the_encoding_is_the_one_written_down_here():
    # Certificates hold these digests; a change of the encoding needs a new version tag.
    def number(value):
        return value.to_bytes(8, "little")

    net = ReluNetwork([Dense([[1.0, -2.0]], [0.5]), Dense(sp.csr_array([[3.0]]))], final_relu=True)
    expected = hashlib.sha256(
        b"subsetsum-nets network digest 1\0"
        + b"".join(map(number, [2, 1, 1]))
        + b"".join(map(number, [0, 2, 1, 2]))
        + np.array([1.0, -2.0], dtype="<f8").tobytes()
        + number(1)
        + b"".join(map(number, [0, 1, 1]))
        + np.array([0.5], dtype="<f8").tobytes()
        + b"".join(map(number, [1, 2, 1, 1, 1]))
        + np.array([0, 1], dtype="<i8").tobytes()
        + np.array([0], dtype="<i8").tobytes()
        + np.array([3.0], dtype="<f8").tobytes()
        + number(0)
    )
    assert network_digest(net) == expected.hexdigest()


@given(matrices)
def test_memory_layout_and_domain_do_not_matter(weight):
    wide = np.zeros((weight.shape[0], 2 * weight.shape[1]))
    wide[:, ::2] = weight
    expected = digest(weight)
    assert digest(np.asfortranarray(weight)) == expected
    assert digest(wide[:, ::2]) == expected
    assert digest(weight.astype(">f8")) == expected
    assert digest(weight, domain=Box(0, 1)) == expected
    sparse = sp.csr_array(weight)
    wide_indices = sp.csr_array(weight)
    wide_indices.indices, wide_indices.indptr = (
        sparse.indices.astype(np.int64),
        sparse.indptr.astype(np.int64),
    )
    assert digest(wide_indices) == digest(sparse) == digest(sp.csc_array(weight))
    assert digest(sparse) != expected


@given(matrices, matrices)
def test_other_weights_have_other_digests(first, second):
    same = first.shape == second.shape and np.array_equal(first, second)
    assert (digest(first) == digest(second)) == same
    assert (digest(sp.csr_array(first)) == digest(sp.csr_array(second))) == same
    assert (array_digest(first) == array_digest(second)) == same


def test_every_part_of_a_network_counts():
    one, zero_bias = Dense([[1.0]]), Dense([[1.0]], [0.0])
    digests = [
        network_digest(net)
        for net in [
            ReluNetwork([one]),
            ReluNetwork([one], final_relu=True),
            ReluNetwork([zero_bias]),
            ReluNetwork([Dense([[1.0]], [-0.0])]),
            ReluNetwork([one, one]),
            ReluNetwork([one, one], linear_after=[0]),
            ReluNetwork([one, zero_bias]),
            ReluNetwork([zero_bias, one]),
            ReluNetwork([Dense([[np.nextafter(1.0, 2)]])]),
            ReluNetwork([Dense([[0.0]])]),
            ReluNetwork([Dense([[-0.0]])]),
            ReluNetwork([Dense([[1.0, 1.0]])]),
            ReluNetwork([Dense([[1.0], [1.0]])]),
            ReluNetwork([Dense(sp.csr_array([[1.0, 0.0]]))]),
            ReluNetwork([Dense(sp.csr_array([[0.0, 1.0]]))]),
            ReluNetwork([Dense(sp.csr_array([[0.0], [1.0]]))]),
        ]
    ]
    assert len(set(digests)) == len(digests)


def test_blocks_cover_arrays_larger_than_a_block():
    mask = np.zeros((3, 70_000), dtype=bool)
    base = array_digest(mask)
    for position in [(0, 0), (0, 65_535), (0, 65_536), (2, 69_999)]:
        other = mask.copy()
        other[position] = True
        assert array_digest(other) != base
        assert array_digest(np.asfortranarray(other)) == array_digest(other)
        assert array_digest(sp.csr_array(other)) != array_digest(sp.csr_array(mask))


def test_arrays_are_told_apart_by_number_type_shape_and_order():
    a, b = np.array([True, False]), np.array([False])
    digests = [
        array_digest(*arrays)
        for arrays in [
            (),
            (a,),
            (b,),
            (a, b),
            (b, a),
            (np.array([True, False, False]),),
            (a[:0], a),
            (a.astype(np.uint8),),
            (a.astype(np.int8),),
            (a.reshape(1, 2),),
            (a.reshape(2, 1),),
            (sp.csr_array(a.reshape(1, 2)),),
            (np.array([True]).reshape(()),),
        ]
    ]
    assert len(set(digests)) == len(digests)
    assert array_digest(np.array([1], dtype=">i4")) == array_digest(np.array([1], dtype="<i4"))


def test_sparse_masks_are_hashed_in_canonical_order():
    order = sp.csr_array((np.array([True, True]), np.array([1, 0]), np.array([0, 2])), shape=(1, 2))
    assert array_digest(order) == array_digest(sp.csr_array(np.array([[True, True]])))
    assert order.indices.tolist() == [1, 0]  # untouched


@pytest.mark.parametrize("bad", [np.array([None]), np.array(["a"]), np.array([1j]), np.array([{}])])
def test_other_types_have_no_digest(bad):
    with pytest.raises(TypeError, match="booleans and real numbers"):
        array_digest(bad)

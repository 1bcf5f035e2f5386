"""Dense and ReluNetwork: what they compute, what they refuse, and that they never change."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from subsetsum_nets.networks import Ball, Box, Conv2d, Dense, InvalidNetworkError, ReluNetwork, relu_network

small = st.integers(-8, 8).map(float)


def by_hand(weights, biases, relus, x):
    """Evaluate with loops over Python floats."""
    values = list(map(float, x))
    for weight, bias, relu in zip(weights, biases, relus, strict=True):
        values = [
            sum(float(w) * v for w, v in zip(row, values, strict=True)) + float(b)
            for row, b in zip(weight, bias, strict=True)
        ]
        values = [max(v, 0.0) for v in values] if relu else values
    return values


@st.composite
def networks(draw):
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    weights = [
        draw(hnp.arrays(np.float64, (widths[i + 1], widths[i]), elements=small))
        for i in range(len(widths) - 1)
    ]
    biases = [draw(hnp.arrays(np.float64, width, elements=small)) for width in widths[1:]]
    relus = draw(st.lists(st.booleans(), min_size=len(weights), max_size=len(weights)))
    points = draw(hnp.arrays(np.float64, (3, widths[0]), elements=small))
    return weights, biases, relus, points


@given(networks(), st.booleans())
def test_evaluation_is_the_definition(case, sparse):
    weights, biases, relus, points = case
    layers = [Dense(sp.csr_array(w) if sparse else w, b) for w, b in zip(weights, biases, strict=True)]
    net = ReluNetwork(
        layers, final_relu=relus[-1], linear_after=[i for i, relu in enumerate(relus[:-1]) if not relu]
    )
    expected = [by_hand(weights, biases, relus, x) for x in points]  # small integers: exact
    assert net(points).tolist() == expected
    assert net(points[0]).tolist() == expected[0]
    assert net(points[:0]).shape == (0, net.widths[-1])
    assert net.relu_after == tuple(relus)
    assert net.final_relu == relus[-1]
    assert net.linear_after == tuple(i for i, relu in enumerate(relus[:-1]) if not relu)


def test_a_network_says_what_it_is():
    net = ReluNetwork(
        [Dense(np.ones((3, 2)), np.zeros(3)), Dense(sp.csr_array([[0, 1.0, 1.0]]))], domain=Box(0, 1)
    )
    assert net.widths == (2, 3, 1)
    assert net.parameters == 6 + 3 + 2
    assert repr(net) == "ReluNetwork(2-3-1, 11 parameters)"
    assert repr(ReluNetwork(net.layers, final_relu=True)) == "ReluNetwork(2-3-1, final ReLU, 11 parameters)"
    assert repr(net.layers[1]) == "Dense(3 -> 1, sparse)"
    assert (net.layers[0].d_in, net.layers[0].d_out) == (2, 3)
    assert net.domain == Box(0, 1)


@pytest.mark.parametrize(
    ("weight", "bias", "message"),
    [
        ([1.0], None, "shape"),
        (1.0, None, "shape"),
        (np.zeros((0, 2)), None, "shape"),
        (np.zeros((2, 0)), None, "shape"),
        (np.zeros((1, 1, 1)), None, "shape"),
        ([[1.0, np.nan]], None, "finite"),
        ([[1.0], [1.0, 2.0]], None, "rectangular"),
        ([["a"]], None, "dtype"),
        ([[1.0]], [1.0, 2.0], "the bias has shape"),
        ([[1.0]], 1.0, "the bias has shape"),
        ([[1.0]], [np.inf], "finite"),
        (sp.csr_array((2, 0)), None, "shape"),
        (sp.coo_array(np.array([1.0, 2.0])), None, "shape"),
        (sp.csr_array([[1.0, np.inf]]), None, "finite"),
        (sp.csr_array([[True]]), None, "dtype"),
        (sp.csr_array([[1j]]), None, "dtype"),
        (sp.csr_array(np.array([[2**53 + 1]])), None, "exactly"),
    ],
)
def test_bad_layers_are_refused(weight, bias, message):
    with pytest.raises(InvalidNetworkError, match=message):
        Dense(weight, bias)


@pytest.mark.parametrize("index", [2, -1, 2**30])
def test_sparse_indices_out_of_range_are_refused(index):
    weight = sp.csr_array((np.ones(2), np.array([0, 1]), np.array([0, 2])), shape=(1, 2))
    weight.indices[1] = index
    with pytest.raises(InvalidNetworkError, match="sparse weight is broken"):
        Dense(weight)


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "lil", "dok", "bsr"])
@pytest.mark.parametrize("container", [sp.csr_array, sp.csr_matrix])
def test_every_sparse_format_is_taken(kind, container):
    dense = np.array([[0.0, 1.5, 0.0], [-2.0, 0.0, 3.0]])
    layer = Dense(container(dense).asformat(kind))
    assert isinstance(layer.weight, sp.csr_array)
    assert layer.weight.toarray().tolist() == dense.tolist()
    assert layer.weight.has_canonical_format


def test_stored_zeros_stay_and_duplicates_add_up_without_touching_the_callers_matrix():
    data, indices = np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0])
    mine = sp.csr_array((data, indices, np.array([0, 3])), shape=(1, 2))
    layer = Dense(mine)
    assert layer.weight.toarray().tolist() == [[0.0, 3.0]]
    assert layer.weight.nnz == 2
    assert (data.tolist(), indices.tolist()) == ([1.0, 2.0, 0.0], [1, 1, 0])


def test_layers_do_not_follow_later_writes():
    weight, bias, sparse = np.ones((2, 2)), np.ones(2), sp.csr_array(np.ones((2, 2)))
    layers = [Dense(weight, bias), Dense(sparse)]
    weight[:], bias[:], sparse.data[:], sparse.indices[:] = 5, 5, 5, 0
    assert layers[0].weight.tolist() == [[1, 1], [1, 1]]
    assert layers[0].bias.tolist() == [1, 1]
    assert layers[1].weight.toarray().tolist() == [[1, 1], [1, 1]]
    for array in (layers[0].weight, layers[0].bias, layers[1].weight.data, layers[1].weight.indices):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_read_only_sparse_weights_work_in_ordinary_scipy_expressions():
    weight = Dense(sp.random_array((20, 30), density=0.2, rng=np.random.default_rng(0))).weight
    dense = weight.toarray()
    assert np.allclose((weight.T @ weight).toarray(), dense.T @ dense)
    assert np.array_equal((abs(weight) + weight.maximum(0)).toarray(), abs(dense) + np.maximum(dense, 0))
    assert np.array_equal(weight[3:7, ::2].toarray(), dense[3:7, ::2])
    assert np.array_equal(weight.multiply(dense > 0.5).toarray(), dense * (dense > 0.5))
    assert np.array_equal(weight.tocsc().T.tocsr().toarray(), dense.T)


one = Dense([[1.0]])


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ([], {}, "at least one layer"),
        ([one, np.ones((1, 1))], {}, "layer 1 is a ndarray"),
        ([Dense([[1.0], [1.0]]), one], {}, "layer 0 gives 2 values, but layer 1 takes 1"),
        ([one, one], {"linear_after": [1]}, r"hidden layers 0\.\.0"),
        ([one, one], {"linear_after": [-1]}, "hidden layers"),
        ([one], {"linear_after": ["a", 0]}, "hidden layers"),
        ([one], {"domain": Box([0, 0], 1)}, "2 coordinates"),
        ([one], {"domain": Ball(1, [0, 0])}, "2 coordinates"),
        ([one], {"domain": (0, 1)}, "Box or a Ball"),
    ],
)
def test_what_makes_no_network_is_refused(layers, options, message):
    with pytest.raises(InvalidNetworkError, match=message):
        ReluNetwork(layers, **options)


@pytest.mark.parametrize(
    "x", [1.0, [1.0, 2.0, 3.0], np.ones((2, 3)), np.ones((1, 1, 2)), [np.nan, 0.0], [0.0, np.inf], ["a", "b"]]
)
def test_bad_inputs_are_refused(x):
    with pytest.raises(InvalidNetworkError, match="input"):
        ReluNetwork([Dense([[1.0, 2.0]])])(x)


def test_a_batch_too_large_for_memory_is_evaluated_in_parts(monkeypatch):
    rng = np.random.default_rng(0)
    dense = ReluNetwork(
        [Dense(rng.normal(size=(40, 3)), rng.normal(size=40)), Dense(rng.normal(size=(2, 40)))]
    )
    images = ReluNetwork([Conv2d(rng.normal(size=(3, 3, 2, 4))), Conv2d(rng.normal(size=(1, 1, 4, 3)))])
    cases = [
        (dense, rng.normal(size=(17, 3))),
        (dense, rng.normal(size=(0, 3))),
        (dense, rng.normal(size=3)),
        (images, rng.normal(size=(9, 5, 4, 2))),
        (images, rng.normal(size=(5, 4, 2))),
    ]
    whole = [network(x) for network, x in cases]
    monkeypatch.setattr(relu_network, "_MOST_VALUES", 4 * 40)
    largest = []

    class Watched(Dense):
        def __call__(self, x):
            largest.append(len(x))
            return super().__call__(x)

    for (network, x), values in zip(cases, whole, strict=True):
        assert network(x).shape == values.shape
        assert np.allclose(network(x), values, rtol=1e-12, atol=1e-12)
    ReluNetwork([Watched(layer.weight, layer.bias) for layer in dense.layers])(cases[0][1])
    assert max(largest) == 4
